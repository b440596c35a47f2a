use camdock::camera::ptp::{
    ContainerHeader, DatasetReader, DeviceInfo, DeviceStatus, Form, ObjectInfo, PropDesc, PtpDate,
    PtpString, Response, StorageInfo, Value, command, container, parse_handles, parse_prop_list,
};
use jiff::tz::TimeZone;
use proptest::prelude::*;

/// Runs every parser of device bytes on the same bytes.
fn read_all(bytes: &[u8]) {
    let _ = ContainerHeader::parse(bytes);
    let _ = Response::parse(bytes).map(|(response, length)| {
        assert!(length <= bytes.len() && response.parameters.len() <= 5);
    });
    let _ = DeviceInfo::parse(bytes);
    let _ = StorageInfo::parse(bytes);
    let _ = ObjectInfo::parse(bytes).map(|info| assert!(info.name.to_bytes().len() <= 255 * 3));
    let _ = DeviceStatus::parse(bytes);
    let _ = PropDesc::parse(bytes).map(|desc| assert!(desc.percent().is_none_or(|p| p <= 100)));
    let _ = parse_prop_list(bytes, |_| ());
    let _ = parse_handles(bytes, 10).map(|(handles, _)| assert!(handles.len() <= 10));
    for kind in [0, 1, 2, 8, 9, 10, 11, 0x4002, 0x400a, 0x4fff, 0xffff] {
        let _ = Value::parse(&mut DatasetReader::new(bytes, "value"), kind);
    }
}

fn object(name: &str, size: u32) -> Vec<u8> {
    let mut bytes = 0x0001_0001_u32.to_le_bytes().to_vec();
    bytes.extend(0x300b_u16.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend([0; 26]);
    bytes.extend(7_u32.to_le_bytes());
    bytes.extend([0; 10]);
    bytes.extend(PtpString::encode(name));
    bytes.extend(PtpString::encode("20260102T030405"));
    bytes.extend(PtpString::encode("20260102T030406.5Z"));
    bytes.push(0);
    bytes
}

#[test]
fn a_dataset_cut_off_behind_what_is_needed_is_read() {
    let whole = object("A.MP4", 9);
    let name_ends = whole.len()
        - PtpString::encode("20260102T030406.5Z").len()
        - PtpString::encode("20260102T030405").len()
        - 1;
    for end in 0..=whole.len() {
        match ObjectInfo::parse(&whole[..end]) {
            Ok(info) => {
                assert!(end >= name_ends);
                assert_eq!((info.size, info.parent, info.protection), (9, 7, 1));
                assert_eq!(info.name.to_text(), "A.MP4");
            }
            Err(_) => assert!(end < name_ends, "{end}"),
        }
    }
}

#[test]
fn dates_are_read_as_devices_write_them() {
    let utc = |text: &str| {
        let time = PtpDate::parse(text)?.timestamp(&TimeZone::UTC)?;
        Some(time.to_string())
    };
    for (text, expected) in [
        ("20260102T030405", "2026-01-02T03:04:05Z"),
        ("20260102T030405Z", "2026-01-02T03:04:05Z"),
        ("20260102T030405.0", "2026-01-02T03:04:05Z"),
        ("20260102T030405.25+0130", "2026-01-02T01:34:05.25Z"),
        ("20260102T030405-0500", "2026-01-02T08:04:05Z"),
        (" 20260102T030405 ", "2026-01-02T03:04:05Z"),
    ] {
        assert_eq!(utc(text).as_deref(), Some(expected), "{text}");
    }
    for none in [
        "",
        "20260102",
        "20260102 030405",
        "20261302T030405",
        "20260230T030405",
        "20260102T030465",
        "2026010²T030405",
        "20260102T030405+9999",
        "20260102T030405+1",
        "20260102T030405Zx",
        "20260102T030405.",
        "-0260102T030405",
        "+0260102T030405",
        "00000000T000000",
    ] {
        assert_eq!(utc(none), None, "{none}");
    }
}

#[test]
fn a_battery_is_a_percentage_whatever_its_range() {
    let level = |bytes: &[u8]| PropDesc::parse(bytes).unwrap().percent();
    // u8 with range, u16 with range, u8 without form, i8 as one of a list, a text.
    assert_eq!(level(&[1, 0x50, 2, 0, 0, 0, 30, 1, 10, 50, 1]), Some(50));
    assert_eq!(
        level(&[1, 0x50, 4, 0, 0, 0, 0, 0x2c, 1, 1, 0, 0, 0x58, 2, 1, 0]),
        Some(50)
    );
    assert_eq!(level(&[1, 0x50, 2, 0, 0, 0, 77, 0]), Some(77));
    assert_eq!(level(&[1, 0x50, 1, 0, 0, 0, 3, 2, 3, 0, 1, 2, 4]), Some(75));
    assert_eq!(level(&[1, 0x50, 0xff, 0xff, 0, 0, 0, 0]), None);
    let desc = PropDesc::parse(&[1, 0x50, 2, 0, 1, 0, 5, 9, 9]).unwrap();
    assert_eq!((desc.form, desc.writable), (Form::Any, true));
}

#[test]
fn property_lists_hand_over_what_stands_before_a_fault() {
    let mut list = 3_u32.to_le_bytes().to_vec();
    for (object, size) in [(5_u32, 6_u64), (7, 1 << 40)] {
        list.extend(object.to_le_bytes());
        list.extend(0xdc04_u16.to_le_bytes());
        list.extend(8_u16.to_le_bytes());
        list.extend(size.to_le_bytes());
    }
    let mut seen = Vec::new();
    let read = parse_prop_list(&list, |p| seen.push((p.object, p.code, p.value.as_u64())));
    assert!(read.is_err());
    assert_eq!(seen, [(5, 0xdc04, Some(6)), (7, 0xdc04, Some(1 << 40))]);
}

/// A claimed length alone allocates nothing: these would be gigabytes.
#[test]
fn lengths_that_are_only_claimed_cost_nothing() {
    for kind in [0x4001_u16, 0x4006, 0x4008, 0x400a] {
        let mut bytes = u32::MAX.to_le_bytes().to_vec();
        bytes.extend([0; 64]);
        assert!(Value::parse(&mut DatasetReader::new(&bytes, "value"), kind).is_err());
    }
    assert!(parse_handles(&[0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4], 1000).is_err());
    let (handles, beyond) =
        parse_handles(&[3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0], 2).unwrap();
    assert_eq!((handles, beyond), (vec![1, 2], 1));
}

proptest! {
    #[test]
    fn parsers_are_total_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        read_all(&bytes);
    }

    #[test]
    fn parsers_are_total_on_mangled_datasets(at in 0_usize..120, byte in any::<u8>(), end in 0_usize..160, size in any::<u32>()) {
        let mut bytes = object("DCIM-100-A.MP4", size);
        let len = bytes.len();
        bytes[at % len] = byte;
        bytes.truncate(end);
        read_all(&bytes);
    }

    #[test]
    fn containers_survive_the_way(code in any::<u16>(), transaction in any::<u32>(), parameters in proptest::collection::vec(any::<u32>(), 0..6)) {
        let bytes = command(code, transaction, &parameters);
        let header = ContainerHeader::parse(&bytes).unwrap();
        prop_assert_eq!((header.length as usize, header.kind, header.code, header.transaction), (bytes.len(), 1, code, transaction));
        let payload: Vec<u8> = parameters.iter().flat_map(|p| p.to_le_bytes()).collect();
        let (response, length) = Response::parse(&container(3, code, transaction, &payload)).unwrap();
        prop_assert_eq!(length, 12 + payload.len());
        prop_assert_eq!((response.code, response.transaction, response.parameters), (code, transaction, parameters));
    }

    #[test]
    fn texts_survive_the_way(text in "\\PC{0,100}") {
        let bytes = PtpString::encode(&text);
        let mut reader = DatasetReader::new(&bytes, "text");
        let read = reader.string().unwrap();
        prop_assert!(reader.is_empty());
        prop_assert_eq!(read.to_text(), text.clone());
        prop_assert_eq!(read.to_bytes(), text.into_bytes());
    }

    #[test]
    fn dates_are_total_and_survive_the_way(text in "\\PC{0,30}", seconds in 0_i64..4_000_000_000) {
        let _ = PtpDate::parse(&text).and_then(|date| date.timestamp(&TimeZone::UTC));
        let time = jiff::Timestamp::from_second(seconds).unwrap();
        let written = PtpDate::encode(TimeZone::UTC.to_datetime(time));
        prop_assert_eq!(PtpDate::parse(&written).unwrap().timestamp(&TimeZone::UTC), Some(time));
    }
}
