//! DEL and GC where the state directory takes nothing more.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::json;
use vm::lab::Pod;

use crate::attachment::Attachment;
use crate::eth::sriov::state::assert_no_file;

/// What is in the way of every write there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Full,
    ReadOnly,
}

/// The state directory on a file system of its own, until the end of the test or of this.
pub(crate) struct State(PathBuf);

impl State {
    #[track_caller]
    pub(crate) fn mount(at: &Path) -> Self {
        fs::create_dir_all(at).expect("the state directory");
        let state = Self(at.to_owned());
        state.mount_with(MsFlags::empty());
        state
    }

    fn mount_with(&self, flags: MsFlags) {
        let options = Some("size=1m,mode=0700");
        mount(Some("state"), &self.0, Some("tmpfs"), flags, options).expect("a tmpfs");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    #[track_caller]
    pub(crate) fn begin(&self, block: Block) {
        match block {
            Block::Full => {
                let mut filler = File::create(self.filler()).expect("the filler");
                let full = filler.write_all(&vec![0; 2 << 20]).expect_err("a full disk");
                assert_eq!(full.raw_os_error(), Some(Errno::ENOSPC as i32));
            }
            Block::ReadOnly => self.mount_with(MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY),
        }
    }

    #[track_caller]
    pub(crate) fn end(&self, block: Block) {
        match block {
            Block::Full => fs::remove_file(self.filler()).expect("the filler"),
            Block::ReadOnly => self.mount_with(MsFlags::MS_REMOUNT),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // What is mounted in a test's own mount namespace ends with that, too.
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// The pod loses it and the host has it back, as `device` tells. Leases end in room that was reserved for that; where nothing can be
/// written, their store can only say so, which is why there are none then.
#[track_caller]
pub(crate) fn the_pod_is_taken_apart_though_nothing_can_be_saved(
    name: &str,
    attach: &dyn Fn(&Pod) -> Attachment,
    device: &dyn Fn() -> String,
) {
    for (block, by_gc) in [(Block::Full, false), (Block::ReadOnly, false), (Block::Full, true)] {
        let (what, pod) = (format!("{name}, {block:?}, by GC: {by_gc}"), Pod::new());
        let state = State::mount(Path::new("/run/railcni"));
        let before = device();
        let mut attachment = attach(&pod);
        if block == Block::ReadOnly {
            attachment.calls[0] = attachment.calls[0].clone().with(&json!({ "ipam": null }));
        }
        attachment.add();
        state.begin(block);
        let failed = if by_gc { attachment.try_gc("nobody") } else { attachment.try_del() };
        assert!(failed.is_empty(), "{what}: {failed:?}");
        assert!(pod.links().is_empty() && pod.rdma_devices().is_empty(), "{what}");
        assert_eq!(device(), before, "{what}");
        state.end(block);
        attachment.del();
        assert_no_file();
    }
}
