//! DEL of an `IPoIB` child where the state directory takes nothing more.

use super::identity::{WAYS, call};
use super::parent;
use crate::attachment::Attachment;
use crate::disk::the_pod_is_taken_apart_though_nothing_can_be_saved;

#[test]
fn a_child_goes_though_no_record_can_be_saved() {
    let master = parent(0);
    for way in WAYS {
        the_pod_is_taken_apart_though_nothing_can_be_saved(
            way,
            &|pod| Attachment { calls: vec![call(way, &master, pod, "first")] },
            &|| vm::lab::ip("-br link"),
        );
    }
}
