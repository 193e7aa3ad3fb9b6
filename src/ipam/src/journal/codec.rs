//! Bytes of the records, little-endian: numbers as they are, texts with their length before them.

use std::net::IpAddr;

use crate::{AttachmentKey, Change, CoolingDown, Lease, number};

const LEASE: u8 = 1;
const RELEASE: u8 = 2;
const STICK: u8 = 3;
const QUARANTINE: u8 = 4;

/// FNV-1a, 64 bit: the same in every build, as an index on disk needs it. Equal hashes are told apart by the key itself.
pub(super) fn key_hash(key: &AttachmentKey) -> u64 {
    [&key.network, "\0", &key.container_id, "\0", &key.ifname]
        .iter()
        .fold(FNV_BASIS, |hash, part| fnv(hash, part))
}

pub(super) fn text_hash(text: &str) -> u64 {
    fnv(FNV_BASIS, text)
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(hash: u64, text: &str) -> u64 {
    text.bytes().fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

pub(super) fn put_lease(out: &mut Vec<u8>, lease: &Lease) {
    put_ip(out, lease.ip);
    out.extend_from_slice(&lease.since.to_le_bytes());
    out.extend_from_slice(&lease.rest.to_le_bytes());
    for text in [&lease.key.network, &lease.key.container_id, &lease.key.ifname, &lease.pool] {
        put_text(out, text);
    }
}

pub(super) fn put_cooling_down(out: &mut Vec<u8>, cooling_down: &CoolingDown) {
    put_ip(out, cooling_down.ip);
    out.extend_from_slice(&cooling_down.released.to_le_bytes());
    out.extend_from_slice(&cooling_down.until.to_le_bytes());
}

pub(super) fn put_change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Lease(lease) => {
            out.push(LEASE);
            put_lease(out, lease);
        }
        Change::Release(cooling_down) => {
            out.push(RELEASE);
            put_cooling_down(out, cooling_down);
        }
        Change::Stick { owner, pool, ip } => {
            out.push(STICK);
            put_text(out, owner);
            put_text(out, pool);
            put_ip(out, *ip);
        }
        Change::Quarantine { ip, until } => {
            out.push(QUARANTINE);
            put_ip(out, *ip);
            out.extend_from_slice(&until.to_le_bytes());
        }
    }
}

fn put_ip(out: &mut Vec<u8>, ip: IpAddr) {
    out.extend_from_slice(&number::of(ip).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = u32::try_from(text.len()).expect("no environment and no config holds 4 GiB");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Takes records apart; `None` when bytes are missing or mean nothing.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    pub(super) fn ip(&mut self) -> Option<IpAddr> {
        self.u128().map(number::address)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let len = self.u32()? as usize;
        String::from_utf8(self.bytes(len)?.to_vec()).ok()
    }

    pub(super) fn lease(&mut self) -> Option<Lease> {
        let (ip, since, rest) = (self.ip()?, self.u64()?, self.u32()?);
        let key = AttachmentKey { network: self.text()?, container_id: self.text()?, ifname: self.text()? };
        Some(Lease { key, ip, pool: self.text()?, since, rest })
    }

    pub(super) fn cooling_down(&mut self) -> Option<CoolingDown> {
        Some(CoolingDown { ip: self.ip()?, released: self.u64()?, until: self.u64()? })
    }

    pub(super) fn change(&mut self) -> Option<Change> {
        match self.array::<1>()?[0] {
            LEASE => self.lease().map(Change::Lease),
            RELEASE => self.cooling_down().map(Change::Release),
            STICK => Some(Change::Stick { owner: self.text()?, pool: self.text()?, ip: self.ip()? }),
            QUARANTINE => Some(Change::Quarantine { ip: self.ip()?, until: self.u64()? }),
            _ => None,
        }
    }

    /// All changes of a record.
    pub(super) fn changes(&mut self) -> Option<Vec<Change>> {
        let mut changes = Vec::new();
        while !self.is_empty() {
            changes.push(self.change()?);
        }
        Some(changes)
    }
}
