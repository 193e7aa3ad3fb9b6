//! Expressions of rules, all by way of the first register.

use crate::attr::{Attribute, Attributes};

use super::codec::{be32, nest};
use crate::body::{put, text};

// enum nft_expr_attributes
const NAME: u16 = 1;
const DATA: u16 = 2;
/// `NFTA_LIST_ELEM`
const ELEMENT: u16 = 1;
/// `NFT_REG_1`
const REGISTER: u32 = 1;
/// Length of the kernel's names of links, NUL and all.
const IFNAMSIZ: usize = 16;

// enum nft_meta_attributes, enum nft_ct_attributes
const META_DREG: u16 = 1;
const META_KEY: u16 = 2;
const META_SREG: u16 = 3;
const CT_DREG: u16 = 1;
const CT_KEY: u16 = 2;
const CT_SREG: u16 = 4;
// enum nft_cmp_attributes
const CMP_SREG: u16 = 1;
const CMP_OP: u16 = 2;
const CMP_DATA: u16 = 3;
// enum nft_bitwise_attributes
const BITWISE_SREG: u16 = 1;
const BITWISE_DREG: u16 = 2;
const BITWISE_LEN: u16 = 3;
const BITWISE_MASK: u16 = 4;
const BITWISE_XOR: u16 = 5;
/// `NFTA_DATA_VALUE`
const VALUE: u16 = 1;

/// One expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Loads something about the packet.
    LoadMeta(Meta),
    /// Sets it; the mark only.
    SetMeta(Meta),
    /// Loads something about the packet's connection. Connection tracking runs in the namespace from then on.
    LoadCt(Ct),
    /// Sets it; the mark only.
    SetCt(Ct),
    /// Matches if what was loaded begins with these bytes, or does not.
    Compare {
        /// Whether it has to be equal.
        equal: bool,
        /// Numbers in the host's byte order.
        with: Vec<u8>,
    },
    /// Keeps the bits of `mask`, then flips those of `xor`; on four bytes.
    Bits {
        /// And.
        mask: u32,
        /// Exclusive or.
        xor: u32,
    },
}

/// What is known of a packet (`enum nft_meta_keys`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Meta {
    /// The firewall mark, which policy routing looks at.
    Mark = 3,
    /// Name of the link it came in by.
    Iifname = 6,
}

/// What is known of a packet's connection (`enum nft_ct_keys`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Ct {
    /// A bit of [`Ct::NEW`] and others.
    State = 0,
    /// One byte: 0 for the side that began it, 1 for the replies.
    Direction = 1,
    /// The connection's own mark.
    Mark = 3,
}

impl Ct {
    /// `NF_CT_STATE_BIT(IP_CT_NEW)`: the first packet.
    pub const NEW: u32 = 8;
}

impl Expr {
    /// Matches a link's name in full.
    pub fn is_link(equal: bool, name: &str) -> Self {
        let mut with = name.as_bytes().to_vec();
        with.resize(IFNAMSIZ, 0);
        Self::Compare { equal, with }
    }

    /// Matches a number of four bytes.
    pub fn is_number(equal: bool, number: u32) -> Self {
        Self::Compare { equal, with: number.to_ne_bytes().to_vec() }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::LoadMeta(_) | Self::SetMeta(_) => "meta",
            Self::LoadCt(_) | Self::SetCt(_) => "ct",
            Self::Compare { .. } => "cmp",
            Self::Bits { .. } => "bitwise",
        }
    }

    fn encode(&self, into: &mut Vec<u8>) {
        let mut numbers = |pairs: &[(u16, u32)]| pairs.iter().for_each(|&(kind, n)| be32(into, kind, n));
        match *self {
            Self::LoadMeta(key) => numbers(&[(META_KEY, key as u32), (META_DREG, REGISTER)]),
            Self::SetMeta(key) => numbers(&[(META_KEY, key as u32), (META_SREG, REGISTER)]),
            Self::LoadCt(key) => numbers(&[(CT_KEY, key as u32), (CT_DREG, REGISTER)]),
            Self::SetCt(key) => numbers(&[(CT_KEY, key as u32), (CT_SREG, REGISTER)]),
            Self::Compare { equal, ref with } => {
                numbers(&[(CMP_SREG, REGISTER), (CMP_OP, u32::from(!equal))]);
                nest(into, CMP_DATA, |data| put(data, VALUE, with));
            }
            Self::Bits { mask, xor } => {
                numbers(&[(BITWISE_SREG, REGISTER), (BITWISE_DREG, REGISTER), (BITWISE_LEN, 4)]);
                nest(into, BITWISE_MASK, |data| put(data, VALUE, &mask.to_ne_bytes()));
                nest(into, BITWISE_XOR, |data| put(data, VALUE, &xor.to_ne_bytes()));
            }
        }
    }
}

/// The list of a rule's expressions.
pub(super) fn encode(rule: &[Expr], into: &mut Vec<u8>) {
    for expr in rule {
        nest(into, ELEMENT, |element| {
            text(element, NAME, expr.name());
            nest(element, DATA, |data| expr.encode(data));
        });
    }
}

/// `None` for what this module does not make.
pub(super) fn decode(list: Attributes<'_>) -> Option<Vec<Expr>> {
    list.map(|element| one(&element.nested())).collect()
}

fn one(element: &Attributes<'_>) -> Option<Expr> {
    let find = |kind| element.clone().find(|attribute| attribute.kind == kind);
    let data = find(DATA)?.nested();
    let field = |kind| data.clone().find(|attribute| attribute.kind == kind);
    let number = |kind| field(kind).and_then(Attribute::u32_be);
    let value = |kind| Some(field(kind)?.nested().find(|value| value.kind == VALUE)?.value);
    let four = |kind| Some(u32::from_ne_bytes(value(kind)?.try_into().ok()?));
    Some(match find(NAME)?.string().as_str() {
        "meta" => {
            let key =
                [Meta::Mark, Meta::Iifname].into_iter().find(|&key| number(META_KEY) == Some(key as u32))?;
            if number(META_SREG).is_some() { Expr::SetMeta(key) } else { Expr::LoadMeta(key) }
        }
        "ct" => {
            let keys = [Ct::State, Ct::Direction, Ct::Mark];
            let key = keys.into_iter().find(|&key| number(CT_KEY) == Some(key as u32))?;
            if number(CT_SREG).is_some() { Expr::SetCt(key) } else { Expr::LoadCt(key) }
        }
        "cmp" => Expr::Compare { equal: number(CMP_OP)? == 0, with: value(CMP_DATA)?.to_vec() },
        "bitwise" => Expr::Bits { mask: four(BITWISE_MASK)?, xor: four(BITWISE_XOR)? },
        _ => return None,
    })
}
