//! The commands of the docs, run: each page in a world of its own, in one shell, as a reader pastes them.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use docs::{Block, Kind, Page, pages, top};
use testkit::{World, binary};

const BINARIES: [&str; 6] = ["macvlan", "rail-ipam", "coordinator", "rail", "ifacer", "railctl"];
/// What stands in the output where a block starts.
const MARK: &str = "===== block ";

#[test]
fn every_command_of_the_docs_works_as_pasted() {
    let mut ran = 0;
    for page in pages().iter().map(|path| Page::read(path)) {
        let blocks = page.blocks.iter().filter(|block| block.kind == Kind::Run).count();
        if blocks > 0 {
            run(&page);
        }
        ran += blocks;
    }
    assert!(ran > 0, "no page has a block that is run");
}

/// A node as the docs mean it: rails by their names, gateways behind them, binaries installed, and nothing configured.
fn node() -> (World, PathBuf) {
    let world = World::new();
    for rail in 1..=8 {
        let master = format!("enp1{rail}s0f0np0");
        world.host().ip_do(&format!("link add {master} type veth peer name rail{rail} netns switch"));
        world.host().ip_do(&format!("link set {master} up"));
        world
            .switch()
            .ip_do(&format!("link set rail{rail} up\naddr add 172.16.1{rail}.254/24 dev rail{rail}"));
    }
    let folder = world.dirs().scratch.join("docs");
    std::fs::create_dir(&folder).unwrap();
    for name in ["conf-examples", "deploy", "docs"] {
        symlink(top().canonicalize().unwrap().join(name), folder.join(name)).unwrap();
    }
    install(&world);
    (world, folder)
}

/// /opt/cni/bin has the binaries, and /etc neither networks nor pools: copies that are bound in their places.
fn install(world: &World) {
    let scratch = &world.dirs().scratch;
    let bin = scratch.join("opt/cni/bin");
    std::fs::create_dir_all(&bin).unwrap();
    for name in BINARIES {
        symlink(binary(name).canonicalize().unwrap(), bin.join(name)).unwrap();
    }
    let script = "cp -a /etc \"$1/etc\"; rm -rf \"$1/etc/railcni\" \"$1/etc/cni\"; mount --bind \"$1/etc\" /etc; mount --bind \"$1/opt\" /opt";
    let status = Command::new("bash").args(["-euc", script, "bash"]).arg(scratch).status().unwrap();
    assert!(status.success(), "bind copies over /etc and /opt");
}

fn run(page: &Page) {
    let (_world, folder) = node();
    let script = script(&page.blocks);
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("timeout")
        .args(["120", "bash", "-euo", "pipefail", "-c", &format!("exec 2>&1\n{script}")])
        .current_dir(&folder)
        .env_clear()
        .envs([
            ("PATH", format!("/opt/cni/bin:{path}")),
            ("HOME", folder.display().to_string()),
            ("TERM", "dumb".into()),
        ])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}: {}: the last block fails:\n{printed}",
        page.path.display(),
        output.status
    );
    compare(page, &printed);
}

/// The page as one script; files are written where they stand between the blocks.
fn script(blocks: &[Block]) -> String {
    let mut script = String::new();
    for (number, block) in blocks.iter().enumerate() {
        match &block.kind {
            Kind::Run => write!(script, "echo; echo '{MARK}{number}'\n{}", block.text).unwrap(),
            Kind::File(name) => {
                write!(script, "cat >{name} <<'END OF THE FILE'\n{}END OF THE FILE\n", block.text).unwrap();
            }
            Kind::Needs(_) | Kind::Output | Kind::Shown => {}
        }
    }
    script
}

/// What a page shows as output is what the block before it printed.
fn compare(page: &Page, printed: &str) {
    for (number, block) in page.blocks.iter().enumerate().filter(|(_, block)| block.kind == Kind::Output) {
        let before = number.checked_sub(1).filter(|before| page.blocks[*before].kind == Kind::Run);
        let before =
            before.unwrap_or_else(|| panic!("{}: output without a block before it", page.path.display()));
        let start = format!("{MARK}{before}\n");
        let printed =
            printed.split(&start).nth(1).and_then(|rest| rest.split(MARK).next()).unwrap_or_default();
        let mut lines = printed.lines();
        for wanted in block.text.lines() {
            assert!(
                lines.any(|line| like(line, wanted)),
                "{}: the line {wanted:?} is not in what the block printed, or not in its place:\n{printed}",
                page.path.display()
            );
        }
    }
}

/// `…` stands for anything; the width of columns does not count.
fn like(line: &str, wanted: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (line, wanted) = (plain(line), plain(wanted));
    let mut rest = line.as_str();
    let parts: Vec<_> = wanted.split('…').map(str::trim).collect();
    for (number, part) in parts.iter().enumerate() {
        match rest.find(part) {
            Some(at) if number > 0 || at == 0 => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    rest.is_empty() || parts.last().is_some_and(|last| last.is_empty())
}

#[test]
fn a_line_is_like_another() {
    for (line, wanted, same) in [
        ("net1   172.16.11.1/24", "net1 172.16.11.1/24", true),
        ("net1 mtu 1500 up", "net1 … up", true),
        ("net1 mtu 1500 up", "net1 …", true),
        ("net1 mtu 1500 up", "net1", false),
        ("a net1", "net1", false),
        ("pods 8 of 8", "pods 8 of", false),
    ] {
        assert_eq!(like(line, wanted), same, "{line} | {wanted}");
    }
}

fn made_up(blocks: Vec<Block>) -> Page {
    let mut page = Page::default();
    (page.path, page.blocks) = (Path::new("made-up.md").to_owned(), blocks);
    page
}

/// A block that fails fails the page.
#[test]
#[should_panic(expected = "the last block fails")]
fn a_command_that_fails_is_seen() {
    let block = Block { kind: Kind::Run, text: "railctl show no-such-pod\n".to_owned() };
    run(&made_up(vec![block]));
}

#[test]
#[should_panic(expected = "is not in what the block printed")]
fn an_output_that_differs_is_seen() {
    let block = |kind, text: &str| Block { kind, text: text.to_owned() };
    let blocks = vec![block(Kind::Run, "echo one\n"), block(Kind::Output, "two\n")];
    run(&made_up(blocks));
}
