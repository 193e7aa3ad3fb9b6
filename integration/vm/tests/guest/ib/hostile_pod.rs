//! A pod that owns its namespace, with a VF on InfiniBand.

use super::identity::WAYS;
use crate::hostile_pod::harms_nobody_by_a_vf;

#[test]
fn what_a_pod_does_to_its_vf_harms_nobody() {
    harms_nobody_by_a_vf(&WAYS);
}
