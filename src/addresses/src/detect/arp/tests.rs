use super::*;

const OWN: &str = "02:00:5e:00:53:01";
const PORT: &str = "80:00:02:08:fe:80:00:00:00:00:00:00:02:00:5e:ff:fe:10:00:01";
const GROUP: &str = "00:ff:ff:ff:ff:12:40:1b:ff:ff:00:00:00:00:00:00:ff:ff:ff:ff";

fn ethernet() -> Framing {
    let everybody = "ff:ff:ff:ff:ff:ff".parse().unwrap();
    Framing { hardware_type: 1, own: OWN.parse().unwrap(), everybody }
}

fn infiniband() -> Framing {
    Framing { hardware_type: INFINIBAND, own: PORT.parse().unwrap(), everybody: GROUP.parse().unwrap() }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// As `arping -D` sends it.
#[test]
fn a_probe_on_ethernet() {
    let expected = bytes(
        "ffffffffffff 02005e005301 0806 0001 0800 06 04 0001 02005e005301 00000000 000000000000 ac10010a",
    );
    assert_eq!(ethernet().probe(Ipv4Addr::new(172, 16, 1, 10)), expected);
}

#[test]
fn a_probe_on_infiniband_goes_to_the_group_of_its_partition() {
    let header = format!("{GROUP} 0806 0000");
    let arp = format!("0020 0800 14 04 0001 {PORT} 00000000 {} ac10010a", "00".repeat(20));
    assert_eq!(infiniband().probe(Ipv4Addr::new(172, 16, 1, 10)), bytes(&(header + &arp)));
}

#[test]
fn what_one_link_sends_another_reads() {
    for framing in [ethernet(), infiniband()] {
        let arp = framing.parse(&framing.probe(Ipv4Addr::new(172, 16, 1, 10))).unwrap();
        let sender = (framing.own(), Ipv4Addr::UNSPECIFIED);
        assert_eq!(arp, Arp { is_request: true, sender, target: Ipv4Addr::new(172, 16, 1, 10) });
    }
}

/// A kernel's answer to a probe, padded to the shortest frame of Ethernet.
#[test]
fn an_answer_names_its_sender() {
    let answer =
        "02005e005301 020000000201 0806 0001 0800 06 04 0002 020000000201 ac10010a 02005e005301 00000000";
    let arp = ethernet().parse(&bytes(&format!("{answer}{}", "00".repeat(18)))).unwrap();
    assert!(!arp.is_request);
    assert_eq!(arp.sender, ("02:00:00:00:02:01".parse().unwrap(), Ipv4Addr::new(172, 16, 1, 10)));
}

#[test]
fn nothing_else_is_taken_for_arp() {
    let probe = ethernet().probe(Ipv4Addr::new(172, 16, 1, 10));
    for length in 0..probe.len() {
        assert_eq!(ethernet().parse(&probe[..length]), None, "{length} bytes");
    }
    // IPv4, VLAN-tagged, another protocol, other lengths.
    for (at, value) in [(13, 0x00), (12, 0x81), (17, 0x01), (18, 8), (19, 16)] {
        let mut other = probe.clone();
        other[at] = value;
        assert_eq!(ethernet().parse(&other), None, "byte {at}");
    }
}

#[test]
fn who_has_the_address_or_wants_it_now_disputes_it() {
    let (own, other): (HwAddr, HwAddr) = (OWN.parse().unwrap(), "02:00:5e:00:53:02".parse().unwrap());
    let wanted = Ipv4Addr::new(172, 16, 1, 10);
    let elsewhere = Ipv4Addr::new(172, 16, 1, 11);
    let said = |is_request, sender, target| Arp { is_request, sender, target }.disputes(wanted, own);
    assert!(said(false, (other, wanted), Ipv4Addr::UNSPECIFIED));
    assert!(said(true, (other, wanted), elsewhere), "it asks for others with it");
    assert!(said(true, (other, Ipv4Addr::UNSPECIFIED), wanted), "it probes, too");
    assert!(!said(true, (other, elsewhere), wanted), "it asks who has it");
    assert!(!said(false, (other, elsewhere), wanted));
    assert!(!said(true, (own, Ipv4Addr::UNSPECIFIED), wanted), "our own, sent back to us");
}
