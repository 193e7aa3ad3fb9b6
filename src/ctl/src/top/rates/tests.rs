use std::time::Duration;

use super::*;

fn rail(container: &str, interface: &str, link: Link, rdma: Option<&str>) -> Rail {
    Rail {
        container: container.to_owned(),
        network: "gpu".to_owned(),
        interface: interface.to_owned(),
        plugin: "rail".to_owned(),
        link,
        rdma: rdma.map(str::to_owned),
        created: 1,
    }
}

fn statistics(bytes: u64, faults: u64) -> Statistics {
    Statistics {
        rx_bytes: bytes,
        tx_bytes: 2 * bytes,
        rx_packets: bytes / 100,
        tx_packets: bytes / 50,
        rx_errors: faults,
        tx_dropped: 3 * faults,
        ..Statistics::default()
    }
}

/// A macvlan of ml/train-0 with so many bytes and faults.
fn sight(bytes: u64, faults: u64) -> Sight {
    let inside = BTreeMap::from([("net1".to_owned(), statistics(bytes, faults))]);
    Sight {
        rails: vec![rail("c1", "net1", Link::Child(Some(4)), None)],
        pods: BTreeMap::from([("c1".to_owned(), "ml/train-0".to_owned())]),
        interfaces: BTreeMap::from([("c1".to_owned(), inside)]),
        links: BTreeMap::from([(4, ("ens1".to_owned(), Statistics::default()))]),
        ..Sight::default()
    }
}

fn looks(sights: &[Sight], apart: Duration) -> Rails {
    let (begun, mut rails) = (Instant::now(), Rails::default());
    for (sight, number) in sights.iter().zip(0..) {
        rails.see(sight, begun + number * apart);
    }
    rails
}

fn only(rails: &Rails) -> Row {
    let rows = rails.rows(None);
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].clone()
}

const TWO: Duration = Duration::from_secs(2);

#[test]
fn a_rate_is_what_came_between_two_looks_and_faults_are_all_since_the_first() {
    let row = only(&looks(&[sight(1000, 5), sight(3000, 6), sight(11_000, 8)], TWO));
    let expected =
        Rate { receive_bytes: 4000.0, transmit_bytes: 8000.0, receive_packets: 40.0, transmit_packets: 80.0 };
    assert_eq!((row.rate, row.errors, row.drops), (Some(expected), 3, 9));
    assert_eq!(row.history, [3000.0, 12_000.0]);
    assert_eq!(
        (&*row.pod, row.device.as_deref(), row.counted_by),
        ("ml/train-0", Some("ens1"), Some("interface"))
    );
    assert_eq!(only(&looks(&[sight(1000, 5)], TWO)).rate, None, "one look has no rate");
}

/// A pod that begins again has a new interface of the old name.
#[test]
fn a_counter_that_goes_back_has_no_rate_and_no_faults() {
    let rails = looks(&[sight(5000, 9), sight(100, 0)], TWO);
    assert_eq!((only(&rails).rate, only(&rails).errors), (None, 0));
    let row = only(&looks(&[sight(5000, 9), sight(100, 0), sight(300, 1)], TWO));
    assert_eq!((row.rate.unwrap().receive_bytes, row.errors), (100.0, 1));
}

#[test]
fn what_nobody_counts_is_a_row_without_a_rate() {
    let mut dark = sight(1, 0);
    dark.interfaces.clear();
    let row = only(&looks(&[dark.clone(), dark], TWO));
    assert_eq!((row.rate, row.counted_by, row.errors), (None, None, 0));
    assert!(only(&looks(&[sight(1, 0), Sight::default(), sight(9, 0)], TWO)).rate.is_none(), "it was away");
}

/// A VF on `mlx5_2`, whose ports were read at `at`.
fn with_vf(bytes: u64, words: u64, at: Instant) -> Sight {
    let counters = metrics::Counters { nic: "ens2".to_owned(), statistics: Some(statistics(bytes, 0)) };
    let files = [
        ("counters/port_rcv_data", words),
        ("counters/port_xmit_data", 0),
        ("hw_counters/out_of_sequence", words),
    ];
    let counted = files.map(|(file, count)| (file.to_owned(), count)).into();
    Sight {
        rails: vec![rail("c2", "net1", Link::Device("0000:1a:00.2".to_owned()), Some("mlx5_2"))],
        devices: BTreeMap::from([("0000:1a:00.2".to_owned(), counters)]),
        ports: vec![Port { device: "mlx5_2".to_owned(), number: 1, counters: counted, ..Port::default() }],
        firmware_at: Some(at),
        ..Sight::default()
    }
}

/// They are read less often than the rest: two looks at one reading are no standstill.
#[test]
fn rdma_has_the_rate_between_two_readings_and_keeps_it_until_the_next() {
    let (first, second) = (Instant::now(), Instant::now() + Duration::from_secs(15));
    let early = only(&looks(&[with_vf(0, 100, first), with_vf(1000, 100, first)], TWO));
    assert_eq!(early.rdma.unwrap().receive_bytes, None);
    let sights = [with_vf(0, 100, first), with_vf(1000, 1600, second), with_vf(2000, 1600, second)];
    let row = only(&looks(&sights, TWO));
    let rdma = row.rdma.unwrap();
    assert!((rdma.receive_bytes.unwrap() - 400.0).abs() < 0.1, "{rdma:?}");
    assert_eq!((rdma.transmit_bytes, rdma.errors), (Some(0.0), 1500));
    assert_eq!(
        (row.counted_by, row.history),
        (Some("vf"), vec![1500.0, 1500.0]),
        "the PF has counted RDMA, too"
    );
}

#[test]
fn the_busiest_pod_is_first_and_its_rails_are_in_their_order() {
    let busy = |factor: u64| {
        let mut seen = sight(0, 0);
        let names = ["net10", "net2", "net1"];
        seen.rails = names.map(|name| rail("c1", name, Link::Child(Some(4)), None)).to_vec();
        seen.rails.push(rail("c9", "net1", Link::Child(Some(4)), None));
        let inside = names.map(|name| (name.to_owned(), statistics(10 * factor, 0)));
        seen.interfaces.insert("c1".to_owned(), inside.into());
        seen.interfaces.insert("c9".to_owned(), [("net1".to_owned(), statistics(100 * factor, 0))].into());
        seen
    };
    let rails = looks(&[busy(0), busy(10)], TWO);
    let named = |rows: Vec<Row>| {
        rows.into_iter().map(|row| format!("{} {}", row.pod, row.interface)).collect::<Vec<_>>()
    };
    assert_eq!(
        named(rails.rows(None)),
        ["c9 net1", "ml/train-0 net1", "ml/train-0 net2", "ml/train-0 net10"]
    );
    assert_eq!(named(rails.rows(Some("c9"))), ["c9 net1"]);
}
