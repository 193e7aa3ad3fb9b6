//! One key read, or set. Decides nothing.

mod dcb;
mod files;
mod look;
mod names;
mod net;
mod own;
mod vfs;

use std::path::PathBuf;

use netlink::{NetnsMode, Rdma, Rtnetlink};
use sysfs::Root;

use crate::Error;
use crate::key::{Key, Value};

/// The kernel of the namespace it was opened in, and the node's files.
#[derive(Debug)]
pub struct Kernel {
    route: Rtnetlink,
    root: PathBuf,
}

impl Kernel {
    /// With files below `root`, which is `/` unless the node's file system is mounted elsewhere.
    pub fn open(root: PathBuf) -> Result<Self, Error> {
        Ok(Self { route: Rtnetlink::open()?, root })
    }

    fn sysfs(&self) -> Root {
        Root::new(self.root.join("sys"))
    }

    /// What a key has; `None` where what it belongs to is not there.
    pub fn read(&mut self, key: &Key) -> Result<Option<Value>, Error> {
        match key {
            Key::Mtu { link } => self.mtu(link),
            Key::Up { link } => self.is_up(link),
            Key::Address { link, net } => self.has_address(link, *net),
            Key::Route { link, .. } => self.has_route(link, key),
            Key::Rule { .. } => self.has_rule(key).map(Some),
            Key::Vfs { link } => self.vfs(link),
            Key::VfAutoprobe { link } => self.vf_autoprobe(link),
            Key::RdmaMode => rdma_mode(),
            Key::Pfc { link } => self.pfc(link),
            Key::Dscp { link, dscp } => self.dscp(link, *dscp),
            Key::Ets { link } => self.ets(link),
            Key::Buffers { link } => self.buffers(link),
            Key::Name { pci } => self.name_at(pci),
            Key::Directory { path } => Ok(Some(Value::of(self.root.join(path).is_dir()))),
            Key::Attribute { path } => files::attribute(&self.root.join(path)).map(Some),
            Key::File { path } => files::file(&self.root.join(path)).map(Some),
            Key::Symlink { path } => files::symlink(&self.root.join(path)).map(Some),
        }
    }

    /// Removes what a killed writer left beside a file that is ours no more.
    pub fn tidy(&self, key: &Key) -> Result<(), Error> {
        match key {
            Key::File { path } => Ok(state::file::remove_leftover(&self.root.join(path))?),
            _ => Ok(()),
        }
    }

    /// Gives a key what it is to have.
    pub fn write(&mut self, key: &Key, value: &Value) -> Result<(), Error> {
        let present = *value == Value::Present;
        match key {
            Key::Mtu { link } => self.set_mtu(link, number(value)),
            Key::Up { link } => self.set_up(link, present),
            Key::Address { link, net } => self.set_address(link, *net, present),
            Key::Route { link, .. } => self.set_route(link, key, present),
            Key::Rule { .. } => self.set_rule(key, present),
            Key::Vfs { link } => self.set_vfs(link, number(value).into()),
            Key::VfAutoprobe { link } => self.set_vf_autoprobe(link, present),
            Key::RdmaMode => set_rdma_mode(value),
            Key::Pfc { link } => self.set_pfc(link, number(value)),
            Key::Dscp { link, dscp } => self.set_dscp(link, *dscp, value),
            Key::Ets { link } => self.set_ets(link, value),
            Key::Buffers { link } => self.set_buffers(link, value),
            Key::Name { pci } => self.rename(pci, value),
            Key::Directory { path } => files::set_directory(&self.root.join(path), present),
            Key::Attribute { path } => files::set_attribute(&self.root.join(path), value),
            Key::File { path } => files::set_file(&self.root.join(path), value),
            Key::Symlink { path } => files::set_symlink(&self.root.join(path), value),
        }
    }
}

/// All numbers of keys fit.
fn number(value: &Value) -> u32 {
    match value {
        Value::Number(number) => u32::try_from(*number).unwrap_or(u32::MAX),
        _ => 0,
    }
}

/// `None` where no RDMA core is loaded.
fn rdma() -> Result<Option<Rdma>, Error> {
    match Rdma::open() {
        Ok(rdma) => Ok(Some(rdma)),
        Err(error) if error.is_unsupported() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn rdma_mode() -> Result<Option<Value>, Error> {
    let Some(mut rdma) = rdma()? else { return Ok(None) };
    Ok(Some(Value::Text(rdma.netns_mode()?.to_string())))
}

fn set_rdma_mode(value: &Value) -> Result<(), Error> {
    let Some(mut rdma) = rdma()? else { return Ok(()) };
    let exclusive = *value == Value::Text(NetnsMode::Exclusive.to_string());
    let mode = if exclusive { NetnsMode::Exclusive } else { NetnsMode::Shared };
    match rdma.set_netns_mode(mode) {
        Err(error) if error.is_busy() => Err(Error::RdmaBusy),
        other => Ok(other?),
    }
}
