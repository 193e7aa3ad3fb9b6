//! Messages: `struct nfgenmsg`, then attributes, whose numbers are in network byte order.

use std::fmt::Display;

use netlink_packet_core::{NLA_F_NESTED, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};

use super::{Chain, ChainKind, Expr, Hook, expr};
use crate::attr::{Attribute, Attributes};
use crate::body::{self, Body, put, text};
use crate::message::{Message, Request};

const HEADER: usize = 4;
/// `NFNL_SUBSYS_NFTABLES`
const SUBSYSTEM: u16 = 10;
/// `NFPROTO_INET`
const INET: u8 = 1;

// include/uapi/linux/netfilter/nfnetlink.h
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

// enum nf_tables_msg_types
const NEWTABLE: u16 = 0;
const GETTABLE: u16 = 1;
const DELTABLE: u16 = 2;
const NEWCHAIN: u16 = 3;
const GETCHAIN: u16 = 4;
const NEWRULE: u16 = 6;
const GETRULE: u16 = 7;

const TABLE_NAME: u16 = 1;
// enum nft_chain_attributes, enum nft_hook_attributes
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
// enum nft_rule_attributes
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;

pub(super) fn begin() -> Request {
    frame("begin", BATCH_BEGIN)
}

pub(super) fn end() -> Request {
    frame("end", BATCH_END)
}

fn frame(operation: &'static str, kind: u16) -> Request {
    let mut body = vec![0, 0];
    body.extend(SUBSYSTEM.to_be_bytes());
    Request::new(operation, "transaction of nf_tables", kind, 0, &Body(body))
}

fn request(
    operation: &'static str,
    object: impl Display,
    kind: u16,
    flags: u16,
    fill: impl FnOnce(&mut Vec<u8>),
) -> Request {
    let mut body = vec![INET, 0, 0, 0];
    fill(&mut body);
    Request::new(operation, object, SUBSYSTEM << 8 | kind, flags, &Body(body))
}

pub(super) fn new_table(name: &str) -> Request {
    let object = format_args!("table inet {name}");
    request("create", object, NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, |body| text(body, TABLE_NAME, name))
}

pub(super) fn delete_table(name: &str) -> Request {
    request("delete", format_args!("table inet {name}"), DELTABLE, 0, |body| text(body, TABLE_NAME, name))
}

pub(super) fn get_table(name: &str) -> Request {
    request("look up", format_args!("table inet {name}"), GETTABLE, 0, |body| text(body, TABLE_NAME, name))
}

pub(super) fn new_chain(table: &str, chain: &Chain) -> Request {
    let object = format_args!("chain inet {table} {}", chain.name);
    request("create", object, NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, |body| {
        text(body, CHAIN_TABLE, table);
        text(body, CHAIN_NAME, &chain.name);
        nest(body, CHAIN_HOOK, |hook| {
            be32(hook, HOOK_NUMBER, chain.hook as u32);
            be32(hook, HOOK_PRIORITY, chain.priority.cast_unsigned());
        });
        text(body, CHAIN_TYPE, chain.kind.name());
    })
}

pub(super) fn new_rule(table: &str, chain: &str, rule: &[Expr]) -> Request {
    let object = format_args!("rule of chain inet {table} {chain}");
    request("add", object, NEWRULE, NLM_F_CREATE | NLM_F_APPEND, |body| {
        text(body, RULE_TABLE, table);
        text(body, RULE_CHAIN, chain);
        nest(body, RULE_EXPRESSIONS, |list| expr::encode(rule, list));
    })
}

/// The kernel filters chains by family only.
pub(super) fn list_chains() -> Request {
    request("list", "chains of inet tables", GETCHAIN, 0, |_| ())
}

pub(super) fn list_rules(table: &str) -> Request {
    request("list", format_args!("rules of table inet {table}"), GETRULE, 0, |body| {
        text(body, RULE_TABLE, table);
    })
}

pub(super) fn is_table(message: &Message<'_>) -> bool {
    answer(message, NEWTABLE).is_some()
}

/// A base chain of that table, without its rules.
pub(super) fn chain(message: &Message<'_>, table: &str) -> Option<Chain> {
    let attributes = answer(message, NEWCHAIN)?;
    let field = |kind| attributes.clone().find(|attribute| attribute.kind == kind);
    field(CHAIN_TABLE).filter(|name| name.string() == table)?;
    let hook = field(CHAIN_HOOK)?.nested();
    let number = |kind| hook.clone().find(|attribute| attribute.kind == kind)?.u32_be();
    Some(Chain {
        name: field(CHAIN_NAME)?.string(),
        kind: ChainKind::of(&field(CHAIN_TYPE)?.string())?,
        hook: [Hook::Prerouting, Hook::Output]
            .into_iter()
            .find(|&hook| number(HOOK_NUMBER) == Some(hook as u32))?,
        priority: number(HOOK_PRIORITY)?.cast_signed(),
        rules: Vec::new(),
    })
}

/// The chain of a rule, and its expressions; none of them if one is not of ours.
pub(super) fn rule(message: &Message<'_>, table: &str) -> Option<(String, Vec<Expr>)> {
    let attributes = answer(message, NEWRULE)?;
    let field = |kind| attributes.clone().find(|attribute| attribute.kind == kind);
    field(RULE_TABLE).filter(|name| name.string() == table)?;
    let expressions = field(RULE_EXPRESSIONS).map(Attribute::nested).and_then(expr::decode);
    Some((field(RULE_CHAIN)?.string(), expressions.unwrap_or_default()))
}

fn answer<'a>(message: &Message<'a>, kind: u16) -> Option<Attributes<'a>> {
    let is_ours = message.kind == SUBSYSTEM << 8 | kind;
    is_ours.then(|| message.payload.get(HEADER..).map(Attributes)).flatten()
}

impl ChainKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Route => "route",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Filter, Self::Route].into_iter().find(|kind| kind.name() == name)
    }
}

pub(super) fn nest(into: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    body::nest(into, kind | NLA_F_NESTED, fill);
}

pub(super) fn be32(into: &mut Vec<u8>, kind: u16, number: u32) {
    put(into, kind, &number.to_be_bytes());
}
