//! A pod that owns its namespace, with a VF on InfiniBand.

use super::identity::WAYS;
use crate::hostile_pod::{harms_nobody_by_a_vf, shares};

shares! { by_a_vf }

#[track_caller]
fn by_a_vf(share: usize) {
    harms_nobody_by_a_vf(share, &WAYS);
}
