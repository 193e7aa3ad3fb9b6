//! A pod that owns its namespace, with an `IPoIB` child.

use vm::lab::Pod;

use super::identity::{WAYS, call};
use super::{host, parent};
use crate::attachment::Attachment;
use crate::hostile_pod::{Attach, harms_nobody, ipam, shares};

shares! { by_a_child }

#[track_caller]
fn by_a_child(share: usize) {
    let master = parent(0);
    let of = |way: &'static str| -> Attach<'_> {
        let master = &master;
        let attach = move |number: usize, pod: &Pod, container: &str| Attachment {
            calls: vec![call(way, master, pod, container).with(&ipam(number))],
        };
        (way, Box::new(attach))
    };
    harms_nobody(share, &WAYS.map(of), &|| format!("{:#?}", host()));
}
