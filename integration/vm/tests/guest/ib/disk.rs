//! The way home of a VF on InfiniBand where the state directory takes nothing more.

use vm::lab::vf;

use super::identity::WAYS;
use crate::disk::the_pod_is_taken_apart_though_nothing_can_be_saved;
use crate::eth::sriov::state::State;

#[test]
fn a_vf_comes_home_though_no_record_can_be_saved() {
    let vf = vf(3, 3);
    for (name, way) in &WAYS {
        the_pod_is_taken_apart_though_nothing_can_be_saved(name, &|pod| way(&vf, pod, "first"), &|| {
            format!("{:#?}", State::of(&vf))
        });
    }
}
