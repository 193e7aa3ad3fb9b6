use std::fmt;
use std::marker::PhantomData;

use cni::{CniResult, Error, Request, ValidAttachments};

use super::{Single, add, check, del};

/// The plugin of one kind of child link: all five verbs.
pub struct Plugin<K>(PhantomData<K>);

impl<K: Single> Plugin<K> {
    /// It has no state.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<K: Single> Default for Plugin<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Single> fmt::Debug for Plugin<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::NAME)
    }
}

impl<K: Single> cni::Plugin for Plugin<K> {
    fn about(&self) -> &'static str {
        K::ABOUT
    }

    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        add::add(request, K::NAME, &K::read(request)?)
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        del::del(request, K::NAME)
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        check::check(request, K::NAME, &K::read(request)?)
    }

    fn gc(&self, request: &Request, valid: &ValidAttachments) -> Result<(), Error> {
        del::gc(request, K::NAME, valid)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        check::status(request, &K::read(request)?)
    }
}
