use proptest::prelude::*;

use super::*;

fn address(text: &str) -> HwAddr {
    text.parse().unwrap()
}

#[test]
fn forms_of_one_address() {
    let expected = HwAddr::from([0x02, 0, 0x5e, 0x10, 0, 0x0a]);
    for text in ["02:00:5e:10:00:0a", "02-00-5E-10-00-0A", "0200.5e10.000a", "02.00.5e.10.00.0a"] {
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }
    assert_eq!(expected.to_string(), "02:00:5e:10:00:0a");
}

#[test]
fn twenty_bytes_of_infiniband() {
    let text = "80:00:02:08:fe:80:00:00:00:00:00:00:0c:42:a1:03:00:a1:b2:c4";
    let parsed = address(text);
    assert_eq!(parsed.to_string(), text);
    assert_eq!(parsed.guid(), Some(Guid(0x0c42_a103_00a1_b2c4)));
    assert_eq!((parsed.mac(), parsed.is_multicast()), (None, false));
}

#[test]
fn eight_bytes() {
    let parsed = address("02:00:5e:ff:fe:10:00:01");
    assert_eq!(parsed.as_bytes().len(), 8);
    assert_eq!(parsed.guid(), Some(Guid(0x0200_5eff_fe10_0001)));
}

#[test]
fn zero_and_multicast() {
    assert!(address("00:00:00:00:00:00").is_zero());
    assert!(!address("00:00:00:00:00:01").is_zero());
    assert!(address("ff:ff:ff:ff:ff:ff").is_multicast());
    assert!(address("01:00:5e:00:00:01").is_multicast());
    assert!(!address("02:00:5e:00:00:01").is_multicast());
}

#[test]
fn text_that_is_no_address() {
    for text in [
        "",
        ":",
        "02",
        "02:00:5e:10:00",
        "02:00:5e:10:00:01:02",
        "02:00:5e:10:00:0g",
        "02:00:5e:10:00:+1",
        "2:0:5e:10:0:1",
        "02:00-5e:10:00:01",
        "02:00:5e:10:00:01:",
        "02005e100001",
        "0200.5e10.00",
        "02:00:5e:10:00:01 ",
        "０2:00:5e:10:00:01",
    ] {
        assert_eq!(text.parse::<HwAddr>(), Err(InvalidHwAddr(text.to_owned())));
    }
    let error = "x".parse::<HwAddr>().unwrap_err().to_string();
    assert_eq!(
        error,
        "\"x\" is no hardware address: 6, 8 or 20 bytes in hex are wanted, as in 02:00:5e:10:00:01"
    );
}

#[test]
fn forms_of_one_guid() {
    let forms = [
        "02:00:5e:ff:fe:10:00:01",
        "02-00-5e-ff-fe-10-00-01",
        "0200:5eff:fe10:0001",
        "02005efffe100001",
        "0x02005EFFFE100001",
    ];
    for text in forms {
        assert_eq!(text.parse(), Ok(Guid(0x0200_5eff_fe10_0001)), "{text}");
    }
    assert_eq!(Guid(0x0200_5eff_fe10_0001).to_string(), forms[0]);
    for text in ["", "0x", "02:00:5e:ff:fe:10:00", "+2005efffe100001", "02005efffe10000", "02005efffe1000011"]
    {
        assert!(text.parse::<Guid>().is_err(), "{text}");
    }
    assert!(Guid(0).is_reserved() && Guid(u64::MAX).is_reserved() && !Guid(1).is_reserved());
}

#[test]
fn json_is_the_text() {
    let json = serde_json::to_string(&address("02:00:5e:10:00:01")).unwrap();
    assert_eq!(json, "\"02:00:5e:10:00:01\"");
    assert_eq!(serde_json::from_str::<HwAddr>(&json).unwrap(), address("02:00:5e:10:00:01"));
    assert!(serde_json::from_str::<HwAddr>("\"nonsense\"").is_err());
    assert_eq!(serde_json::to_string(&Guid(1)).unwrap(), "\"00:00:00:00:00:00:00:01\"");
}

proptest! {
    #[test]
    fn text_and_back(bytes in prop_oneof![prop::collection::vec(any::<u8>(), 6), prop::collection::vec(any::<u8>(), 8), prop::collection::vec(any::<u8>(), 20)]) {
        let address = HwAddr::new(&bytes).unwrap();
        prop_assert_eq!(address.as_bytes(), bytes.as_slice());
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn no_text_panics(text in ".*") {
        let _ = (text.parse::<HwAddr>(), text.parse::<Guid>());
    }
}
