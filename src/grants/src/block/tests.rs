use super::*;

fn set(text: &str) -> RangeSet {
    ranges_of(text).unwrap()
}

#[test]
fn owners_as_text_and_back() {
    let text = "worker-1=0-7,16;worker-2=8-15";
    assert_eq!(text_of(&owners_of(text).unwrap()), text);
    assert_eq!(owners_of("").unwrap(), Owners::new());
}

#[test]
fn owners_that_make_no_sense_are_refused() {
    for text in ["worker-1", "=1", "a=1;a=2", "a=1;b=0-3", "a=128", "a=x"] {
        assert!(owners_of(text).is_err(), "{text}");
    }
}

#[test]
fn places_and_addresses_agree() {
    let subnet: IpNet = "172.16.0.0/16".parse().unwrap();
    let pool = set("172.16.0.120-172.16.1.5,172.16.1.9");
    assert_eq!(numbers(&subnet, &pool).collect::<Vec<_>>(), [0, 1, 2]);
    let back: RangeSet = [0, 128, 256]
        .into_iter()
        .flat_map(|first| addresses(&subnet, first, places(&subnet, first, &pool)).collect::<Vec<_>>())
        .collect();
    assert_eq!(back, pool);
}

#[test]
fn a_whole_64_is_counted_without_being_enumerated() {
    let subnet: IpNet = "fd00::/64".parse().unwrap();
    let pool = RangeSet::from(Range::subnet(&subnet));
    assert_eq!(numbers(&subnet, &pool).take(3).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(places(&subnet, 128, &pool).len(), BLOCK);
}

#[test]
fn the_holder_of_an_address_is_found() {
    let mut block = Block::new("gpu", 0);
    for (rail, owners) in [(1, "a=1-4;b=5"), (2, "c=5")] {
        let subnet = format!("172.16.{rail}.0/24").parse().ok();
        block.rails.push(Rail {
            pool: format!("rail{rail}"),
            subnet,
            owners: owners_of(owners).unwrap(),
            ..Rail::default()
        });
    }
    let holder = |ip: &str| block.holder(ip.parse().unwrap());
    assert_eq!(holder("172.16.1.5"), Some(("rail1", "b")));
    assert_eq!(holder("172.16.2.5"), Some(("rail2", "c")));
    for nobodys in ["172.16.1.6", "172.16.1.200", "10.0.0.5", "fd00::5"] {
        assert_eq!(holder(nobodys), None, "{nobodys}");
    }
}

#[test]
fn a_block_as_an_object_and_back() {
    let mut block = Block::new("gpu", 3);
    let subnet = "172.16.1.0/24".parse().ok();
    block.rails.push(Rail {
        pool: "rail1".to_owned(),
        subnet,
        owners: owners_of("a=0-3").unwrap(),
        ..Rail::default()
    });
    assert!(Block::read(&block.spec()).is_err(), "nobody knows since when");
    block.since.insert("a".to_owned(), 12);
    assert_eq!(block.name(), "gpu-3");
    assert_eq!(Block::read(&block.spec()), Ok(block));
}
