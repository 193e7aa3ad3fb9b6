//! A network of `rail` has several interfaces, and railctl shows each of them.
#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::process::{Command, Output};

use serde_json::{Value, json};
use testkit::{Pod, World};

/// A pod with two rails of one network, attached by railctl.
struct Scene {
    pod: Pod,
    network: String,
    world: World,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let rail = |number: u8| {
            drop(world.rail(number));
            json!({ "master": format!("rail{number}"), "ipam": { "type": "rail-ipam", "ranges": [[{
                "subnet": format!("172.16.{number}.0/24"), "rangeStart": format!("172.16.{number}.10"),
                "rangeEnd": format!("172.16.{number}.11"), "gateway": format!("172.16.{number}.254") }]] } })
        };
        let plugin = json!({ "type": "rail", "rails": [rail(1), rail(2)] });
        let list = json!({ "cniVersion": "1.1.0", "name": "rails", "plugins": [plugin] });
        let network = world.file("rails.conflist", list.to_string()).display().to_string();
        Self { pod: world.pod("a"), network, world }
    }

    fn railctl(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_railctl"));
        command.envs(self.world.dirs().env()).env("CNI_PATH", testkit::binary("rail").parent().unwrap());
        command.args(words).output().unwrap()
    }

    fn says(&self, words: &[&str]) -> String {
        let output = self.railctl(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn netns(&self) -> String {
        self.pod.path().display().to_string()
    }

    fn attach(&self) -> String {
        self.says(&["attach", &self.network, &self.netns(), "-o", "table"])
    }
}

/// The rows of a table, each cell by its words.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn each_interface_has_its_row_and_its_state() {
    let scene = Scene::new();
    let attached = scene.attach();
    assert_eq!(
        rows(&attached)[1..],
        [
            ["rails", "net1", "172.16.1.10/24", "172.16.1.254"],
            ["rails", "net2", "172.16.2.10/24", "172.16.2.254"]
        ]
    );
    scene.pod.ip_do("link set net2 down");
    let shown = scene.says(&["show", &scene.netns()]);
    for (line, state) in [("net1  rails", "up"), ("net2  rails", "down")] {
        let row =
            shown.lines().find(|row| row.starts_with(line)).unwrap_or_else(|| panic!("{line}: {shown}"));
        assert!(row.split_whitespace().any(|cell| cell == state), "{row}");
        assert!(row.contains(&format!("rail{}", &line[3..4])), "{row}");
    }
    let pods: Value = serde_json::from_str(&scene.says(&["show", "-o", "json"])).unwrap();
    let attachment = &pods[0]["attachments"][0];
    assert_eq!((&attachment["ifname"], &attachment["interface"]["up"]), (&json!("net1"), &json!(true)));
    let second = &attachment["interfaces"][1];
    assert_eq!((&second["ifname"], &second["up"]), (&json!("net2"), &json!(false)));
    assert_eq!(second["addresses"], json!(["172.16.2.10/24"]));

    scene.pod.ip_do("link del net2");
    let shown = scene.says(&["show", &scene.netns(), "--no-headers"]);
    assert_eq!(rows(&shown)[1][..2], ["net2", "rails"], "{shown}");
    assert!(rows(&shown)[1].contains(&"missing"), "{shown}");
    scene.says(&["detach", &scene.network, &scene.netns()]);
}
