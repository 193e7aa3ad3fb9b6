//! `nf_tables`, with `nft` as the witness.

use std::process::Command;

use netlink::nft::{Chain, ChainKind, Ct, Expr, Hook, Meta, Nft, Table};

use crate::world;

const BIT: u32 = 0x2000_0000;

fn table() -> Table {
    let or_bit = Expr::Bits { mask: !BIT, xor: BIT };
    let prerouting = Chain {
        name: "in".into(),
        kind: ChainKind::Filter,
        hook: Hook::Prerouting,
        priority: -150,
        rules: vec![vec![
            Expr::LoadMeta(Meta::Iifname),
            Expr::is_link(true, "veth0"),
            Expr::LoadCt(Ct::State),
            Expr::Bits { mask: Ct::NEW, xor: 0 },
            Expr::is_number(false, 0),
            Expr::LoadCt(Ct::Mark),
            or_bit.clone(),
            Expr::SetCt(Ct::Mark),
        ]],
    };
    let output = Chain {
        name: "out".into(),
        kind: ChainKind::Route,
        hook: Hook::Output,
        priority: -150,
        rules: vec![vec![
            Expr::LoadCt(Ct::Direction),
            Expr::Compare { equal: true, with: vec![1] },
            Expr::LoadMeta(Meta::Mark),
            or_bit,
            Expr::SetMeta(Meta::Mark),
        ]],
    };
    Table { name: "rails".into(), chains: vec![prerouting, output] }
}

fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft").args(arguments).output().expect("nft, from the package nftables");
    assert!(output.status.success(), "nft {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_table_reads_as_nft_shows_it_and_comes_and_goes_as_a_whole() {
    world::enter();
    let mut socket = Nft::open().unwrap();
    assert_eq!(socket.table("rails").unwrap(), None);
    socket.create(&table()).unwrap();
    let expected = "table inet rails {\n\
        chain in {\n\
        type filter hook prerouting priority mangle; policy accept;\n\
        iifname \"veth0\" ct state new ct mark set ct mark | 0x20000000\n\
        }\n\
        chain out {\n\
        type route hook output priority mangle; policy accept;\n\
        ct direction reply meta mark set meta mark | 0x20000000\n\
        }\n\
        }";
    assert_eq!(nft(&["list", "ruleset"]), expected);
    assert_eq!(socket.table("rails").unwrap(), Some(table()));
    let error = socket.create(&table()).unwrap_err();
    assert!(error.is_exists(), "{error}");
    assert!(error.to_string().contains("table inet rails"), "{error}");
    socket.delete("rails").unwrap();
    assert_eq!(nft(&["list", "ruleset"]), "");
    let error = socket.delete("rails").unwrap_err();
    assert!(error.is_gone(), "{error}");
}

#[test]
fn a_refused_part_leaves_nothing_of_the_whole() {
    world::enter();
    let mut socket = Nft::open().unwrap();
    let mut bad = table();
    bad.chains[0].kind = ChainKind::Route;
    let error = socket.create(&bad).unwrap_err();
    assert!(error.to_string().contains("chain inet rails in"), "{error}");
    assert_eq!(nft(&["list", "ruleset"]), "");
}

#[test]
fn what_somebody_else_changed_is_seen() {
    world::enter();
    let mut socket = Nft::open().unwrap();
    socket.create(&table()).unwrap();
    nft(&["add", "rule", "inet", "rails", "in", "counter", "accept"]);
    assert_ne!(socket.table("rails").unwrap(), Some(table()));
    nft(&["flush", "chain", "inet", "rails", "in"]);
    assert_ne!(socket.table("rails").unwrap(), Some(table()));
}
