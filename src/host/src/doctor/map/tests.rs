use super::*;
use crate::doctor::{Gpu, Hop};

fn pci(address: &str, numa: i32, bridges: &[&str]) -> Pci {
    let hop = |address: &&str| Hop { address: (*address).to_owned(), ..Hop::default() };
    let path = [address].iter().chain(bridges.iter().rev()).map(hop).collect();
    Pci { address: address.to_owned(), numa: Some(numa), path, ..Pci::default() }
}

/// A GPU and a NIC below one switch, and a NIC of no NUMA node.
fn sight() -> Sight {
    let near = RdmaDevice {
        name: "mlx5_0".to_owned(),
        pci: Some(pci("0000:1a:00.0", 0, &["0000:17:00.0"])),
        ..RdmaDevice::default()
    };
    let vf = RdmaDevice {
        name: "mlx5_2".to_owned(),
        pci: Some(Pci { pf: Some("0000:1a:00.0".to_owned()), ..pci("0000:1a:00.2", 0, &[]) }),
        ..RdmaDevice::default()
    };
    let soft = RdmaDevice { name: "rxe0".to_owned(), ..RdmaDevice::default() };
    let gpu = Gpu { pci: pci("0000:19:00.0", 0, &["0000:17:00.0"]) };
    Sight { devices: vec![near, vf, soft], gpus: vec![gpu], ..Sight::default() }
}

fn rails() -> BTreeMap<String, Vec<String>> {
    let own = |netdev: &str, rail: &str| (netdev.to_owned(), vec![rail.to_owned()]);
    [own("eth7", "net1 of ml/<train>"), own("", "net9 of ml/lost")].into()
}

#[test]
fn a_gpu_and_a_nic_are_drawn_below_their_switch_and_rails_below_their_nic() {
    let wanted = [
        "NUMA node 0",
        "  bridge 0000:17:00.0",
        "    GPU 0000:19:00.0",
        "    NIC 0000:1a:00.0 mlx5_0, 1 of its VFs are here",
        "without hardware",
        "  NIC - rxe0",
        "without an RDMA device",
        "  NIC unknown",
        "    net9 of ml/lost",
        "  NIC eth7",
        "    net1 of ml/<train>",
    ];
    assert_eq!(lines(&map(&sight(), &rails())), wanted);
    assert!(map(&Sight::default(), &BTreeMap::new()).is_empty());
}

/// Left, top, right and bottom of each box, in the order of the lines.
fn boxes(picture: &str) -> Vec<[usize; 4]> {
    let number = |line: &str, name: &str| -> usize {
        let (_, rest) = line.split_once(&format!(" {name}=\"")).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    };
    let drawn = picture.lines().filter(|line| line.starts_with("<rect x="));
    let of = |line: &str| {
        let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| number(line, name));
        [x, y, x + width, y + height]
    };
    drawn.map(of).collect()
}

#[test]
fn in_the_picture_each_is_a_box_inside_that_of_what_it_hangs_below() {
    let parts = map(&sight(), &rails());
    let picture = svg(&parts);
    let (lines, boxes) = (lines(&parts), boxes(&picture));
    assert_eq!(lines.len(), boxes.len());
    let depth = |line: &str| line.len() - line.trim_start().len();
    let holds = |outer: &[usize; 4], inner: &[usize; 4]| {
        outer[0] < inner[0] && outer[1] < inner[1] && outer[2] > inner[2] && outer[3] > inner[3]
    };
    for (at, line) in lines.iter().enumerate() {
        // The nearest line above with a smaller depth.
        if let Some(above) = (0..at).rev().find(|above| depth(&lines[*above]) < depth(line)) {
            assert!(holds(&boxes[above], &boxes[at]), "{line} in {}\n{picture}", lines[above]);
        }
        let beside = (0..at).filter(|other| depth(&lines[*other]) == depth(line));
        for other in beside {
            assert!(boxes[other][3] < boxes[at][1], "{line} over {}", lines[other]);
        }
    }
}

#[test]
fn what_others_call_themselves_is_no_tag_of_the_picture() {
    let picture = svg(&map(&sight(), &rails()));
    assert!(picture.contains("net1 of ml/&lt;train&gt;</text>"), "{picture}");
    let odd = Part::new(Kind::Rail, "a&b\u{1b}[0m\u{0}".to_owned(), Vec::new());
    assert!(svg(&[odd]).contains(">a&amp;b\u{fffd}[0m\u{fffd}</text>"));
}

/// As a reader of XML sees it, which forgives nothing. A character of a font with equal widths is 7.2 wide at this size.
#[test]
fn the_picture_is_well_formed_and_each_text_ends_inside_its_box() {
    let mut parts = map(&sight(), &rails());
    parts.push(Part::new(Kind::Rail, "<&>".repeat(70), Vec::new()));
    let picture = svg(&parts);
    let body = picture.strip_prefix("<svg ").and_then(|rest| rest.strip_suffix("</svg>\n")).unwrap();
    let (head, body) = body.split_once(">\n").unwrap();
    assert!(head.contains("xmlns=\"http://www.w3.org/2000/svg\"") && head.matches('"').count() % 2 == 0);
    let mut right = 0;
    for line in body.lines() {
        let (tag, content) = match line.strip_prefix("<text ") {
            Some(rest) => rest.strip_suffix("</text>").and_then(|rest| rest.split_once('>')).unwrap(),
            None => (line.strip_prefix("<rect ").and_then(|rest| rest.strip_suffix("/>")).unwrap(), ""),
        };
        assert!(tag.matches('"').count() % 2 == 0 && !tag.contains(['<', '&']), "{line}");
        let entities = ["&amp;", "&lt;", "&gt;"].map(|entity| content.matches(entity).count());
        assert_eq!(content.matches('&').count(), entities.iter().sum::<usize>(), "{line}");
        assert!(!content.contains(['<', '>']) && !content.contains(char::is_control), "{line}");
        if let Some(own) = boxes(line).first() {
            right = own[2];
        } else if !content.is_empty() {
            let text = content.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
            let left: usize = tag.split('"').nth(1).unwrap().parse().unwrap();
            assert!(left + text.chars().count() * 72 / 10 < right, "{line} ends at the right of {right}");
        }
    }
}
