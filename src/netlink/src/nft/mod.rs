//! `nf_tables`: `NETLINK_NETFILTER`, subsystem 10 (`include/uapi/linux/netfilter/nf_tables.h`). Whole tables of the `inet`
//! family, which sees IPv4 and IPv6: made and removed in one transaction, and read back as they were written.

mod codec;
mod expr;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use netlink_sys::protocols::NETLINK_NETFILTER;
use netns::NetNs;

pub use expr::{Ct, Expr, Meta};

use crate::error::Error;
use crate::message::Request;
use crate::socket::{self, Socket};

/// A `NETLINK_NETFILTER` socket for `nf_tables`.
#[derive(Debug)]
pub struct Nft {
    socket: Socket<Netfilter>,
}

#[derive(Debug)]
struct Netfilter;

impl socket::Family for Netfilter {
    const PROTOCOL: isize = NETLINK_NETFILTER;
    const NAME: &'static str = "NETLINK_NETFILTER";
}

/// A table with all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, unique among the tables of the family.
    pub name: String,
    /// In the order in which they are made.
    pub chains: Vec<Chain>,
}

/// A base chain that accepts what its rules do not decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name, unique in the table.
    pub name: String,
    /// What it may do.
    pub kind: ChainKind,
    /// Where packets come by.
    pub hook: Hook,
    /// Place among the chains of the hook: -150 is what nft(8) calls mangle, after connection tracking (-200).
    pub priority: i32,
    /// One list of expressions for each rule: evaluated one after another until one does not match.
    pub rules: Vec<Vec<Expr>>,
}

/// The type of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    /// Looks at packets and marks them.
    Filter,
    /// The same, and the packet is routed again when its mark has changed; hook output only.
    Route,
}

/// Where packets come by (`NF_INET_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Hook {
    /// What comes in, before it is routed.
    Prerouting = 0,
    /// What the host itself sends, once it is routed.
    Output = 3,
}

impl Nft {
    /// Opens a socket in the namespace of the calling thread.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::open()? })
    }

    /// Opens a socket in `netns`; the calling thread visits it for that.
    pub fn open_in(netns: &NetNs) -> Result<Self, Error> {
        netns.run(Self::open)?
    }

    /// Makes a table, all of it or nothing; [`Error::is_exists`] if there is one of that name.
    pub fn create(&mut self, table: &Table) -> Result<(), Error> {
        let mut requests = vec![codec::new_table(&table.name)];
        for chain in &table.chains {
            requests.push(codec::new_chain(&table.name, chain));
            requests.extend(chain.rules.iter().map(|rule| codec::new_rule(&table.name, &chain.name, rule)));
        }
        self.transaction(&requests)
    }

    /// Removes a table with all that is in it, whoever put it there; [`Error::is_gone`] if there is none.
    pub fn delete(&mut self, name: &str) -> Result<(), Error> {
        self.transaction(&[codec::delete_table(name)])
    }

    /// The table of that name. What it holds beyond the base chains and expressions of this module is left out, so
    /// that it differs from one that [`create`](Self::create) made.
    pub fn table(&mut self, name: &str) -> Result<Option<Table>, Error> {
        let request = codec::get_table(name);
        let mut found = false;
        match self.socket.transact(&request, |message| found |= codec::is_table(message)) {
            Err(error) if error.is_gone() => return Ok(None),
            other => other?,
        }
        if !found {
            return Err(request.unexpected("neither a table nor an error"));
        }
        let mut chains = self.socket.dump(&codec::list_chains(), |message| codec::chain(message, name))?;
        let rules = self.socket.dump(&codec::list_rules(name), |message| codec::rule(message, name))?;
        let mut of_chain: HashMap<String, Vec<Vec<Expr>>> = HashMap::new();
        for (chain, rule) in rules {
            of_chain.entry(chain).or_default().push(rule);
        }
        for chain in &mut chains {
            chain.rules = of_chain.remove(&chain.name).unwrap_or_default();
        }
        Ok(Some(Table { name: name.to_owned(), chains }))
    }

    fn transaction(&mut self, requests: &[Request]) -> Result<(), Error> {
        self.socket.transaction(&codec::begin(), requests, &codec::end())
    }
}
