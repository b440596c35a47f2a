mod locked;

use proptest::prelude::*;

use super::*;
use crate::config::{Profiles, UnlockRole};
use crate::model::{Explain as _, RetryClass};
use locked::FakeDevice;

const PROTOCOLS: [UnlockProtocol; 2] = [UnlockProtocol::Control4255, UnlockProtocol::BulkAscii];

/// The right password, a wrong one and the factory's.
fn passwords(protocol: UnlockProtocol) -> [String; 3] {
    let length = protocol.password_length();
    ["4711x4711x", "0815z0815z", "0000000000"].map(|text| text[..length].to_owned())
}

fn profile(protocol: UnlockProtocol) -> Profile {
    let mut profile = Profiles::builtin()
        .get("mass-storage")
        .unwrap()
        .as_ref()
        .clone();
    profile.make = Some("acme".into());
    profile.unlock = Some(Unlock {
        protocol,
        usb: Vec::new(),
        role: UnlockRole::Admin,
        secret: None,
        factory_passwords: vec![passwords(protocol)[2].clone()],
        interface: 0,
        endpoint_out: 0x01,
        endpoint_in: 0x81,
        reply: Duration::from_secs(1),
        returns: Duration::from_secs(1),
        read_identity: true,
        read_battery: true,
    });
    profile
}

pub(super) fn device(serial: Option<&str>, port: &str) -> UsbDevice {
    UsbDevice {
        port: port.into(),
        vendor: 0x4255,
        serial: serial.map(str::to_owned),
        ..UsbDevice::example()
    }
}

fn unlock(
    camera: &mut FakeDevice,
    protocol: UnlockProtocol,
    password: Option<&str>,
    attempts: &Attempts,
) -> Result<UnlockReport, UnlockError> {
    let password = password.map(|p| Zeroizing::new(p.to_owned()));
    run(
        camera,
        &profile(protocol),
        &device(Some("S1"), "p"),
        password.as_ref(),
        attempts,
    )
}

#[test]
fn both_protocols_unlock_and_tell_who_the_camera_is() {
    for protocol in PROTOCOLS {
        for (leaves_at_once, small_packets) in [(false, false), (true, false), (false, true)] {
            let [right, ..] = passwords(protocol);
            let mut camera = FakeDevice {
                leaves_at_once,
                small_packets,
                ..FakeDevice::new(&right)
            };
            let facts = unlock(&mut camera, protocol, Some(&right), &Attempts::default()).unwrap();
            assert!(camera.in_storage);
            assert_eq!((facts.warnings.len(), &facts.clock), (0, &None));
            assert!(camera.clock.is_empty(), "its clock is left alone");
            let id = facts.id.unwrap().to_string();
            match protocol {
                UnlockProtocol::Control4255 => {
                    assert_eq!(id, "acme/X800012");
                    assert_eq!(facts.user.as_deref(), Some("007 P. Walker"));
                    assert_eq!(facts.department.as_deref(), Some("12 Leeds"));
                    assert_eq!(facts.battery, Some(64));
                }
                UnlockProtocol::BulkAscii => {
                    assert_eq!((id.as_str(), facts.battery), ("acme/B2000077", None));
                }
            }
        }
    }
}

#[test]
fn the_bytes_are_those_of_the_public_protocols() {
    let [right, ..] = passwords(UnlockProtocol::Control4255);
    let mut camera = FakeDevice::new(&right);
    unlock(
        &mut camera,
        UnlockProtocol::Control4255,
        Some(&right),
        &Attempts::default(),
    )
    .unwrap();
    let head = |command: u8| vec![0xa1, 0xb2, 0xc3, 0xd4, 0, 0xe1, 0, command, 0];
    let [log_in, identity, battery, storage] = &camera.sent[..] else {
        panic!("{} messages", camera.sent.len());
    };
    assert_eq!(*log_in, [head(0x10), right.clone().into_bytes()].concat());
    assert_eq!(*identity, [head(0x30), vec![0; 100]].concat());
    assert_eq!(*battery, [head(0x70), vec![0]].concat());
    assert_eq!(*storage, head(0x51));
    let [right, ..] = passwords(UnlockProtocol::BulkAscii);
    let mut camera = FakeDevice::new(&right);
    unlock(
        &mut camera,
        UnlockProtocol::BulkAscii,
        Some(&right),
        &Attempts::default(),
    )
    .unwrap();
    let lines: Vec<_> = camera
        .sent
        .iter()
        .map(|l| String::from_utf8_lossy(l))
        .collect();
    assert_eq!(
        lines,
        [
            format!("@Ver;8;{right};#"),
            "@Gdv;8;12345678;#".into(),
            "@ATH;8;12345678;#".into()
        ]
    );
}

#[test]
fn a_wrong_password_is_not_repeated_until_the_camera_locks() {
    for protocol in PROTOCOLS {
        let [right, wrong, _] = passwords(protocol);
        let (mut camera, attempts) = (FakeDevice::new(&right), Attempts::default());
        let mut tried = || unlock(&mut camera, protocol, Some(&wrong), &attempts).unwrap_err();
        assert_eq!(tried(), UnlockError::WrongPassword);
        // Docked again and again.
        for _ in 0..10 {
            assert_eq!(tried(), UnlockError::NotRepeated);
        }
        assert_eq!(tried().retry_class(), RetryClass::Operator);
        assert_eq!((camera.log_ins, camera.in_storage), (1, false));
        // A corrected password is another one.
        unlock(&mut camera, protocol, Some(&right), &attempts).unwrap();
        // And a right one may be used as often as it is docked.
        for _ in 0..5 {
            unlock(&mut camera, protocol, Some(&right), &attempts).unwrap();
        }
    }
}

#[test]
fn another_camera_is_tried_though_one_refused_the_password() {
    let protocol = UnlockProtocol::Control4255;
    let ([right, wrong, _], attempts) = (passwords(protocol), Attempts::default());
    let profile = profile(protocol);
    let tried = |camera: &mut FakeDevice, serial, port| {
        let password = Zeroizing::new(wrong.clone());
        run(
            camera,
            &profile,
            &device(serial, port),
            Some(&password),
            &attempts,
        )
    };
    let (mut one, mut other) = (FakeDevice::new(&right), FakeDevice::new(&wrong));
    assert_eq!(
        tried(&mut one, Some("S1"), "p"),
        Err(UnlockError::WrongPassword)
    );
    assert!(tried(&mut other, Some("S2"), "p").is_ok());
    // The same camera in another bay is still the same.
    assert_eq!(
        tried(&mut one, Some("S1"), "q"),
        Err(UnlockError::NotRepeated)
    );
    // Without a serial the port has to do, and the next one there may be another camera.
    assert_eq!(tried(&mut one, None, "p"), Err(UnlockError::WrongPassword));
    assert!(tried(&mut other, None, "p").is_ok());
    assert_eq!(tried(&mut one, None, "p"), Err(UnlockError::WrongPassword));
    assert_eq!(tried(&mut one, None, "p"), Err(UnlockError::WrongPassword));
    assert_eq!(tried(&mut one, None, "p"), Err(UnlockError::NotRepeated));
    assert!(tried(&mut other, None, "q").is_ok());
    assert_eq!(one.log_ins, 4);
}

#[test]
fn a_log_in_whose_outcome_nobody_knows_is_tried_twice_at_most() {
    for protocol in PROTOCOLS {
        let [right, ..] = passwords(protocol);
        let mut camera = FakeDevice {
            fails: Some(TransportError::Io),
            ..FakeDevice::new(&right)
        };
        let attempts = Attempts::default();
        let mut tried = || unlock(&mut camera, protocol, Some(&right), &attempts).unwrap_err();
        let broken = UnlockError::Transfer(TransportError::Io);
        assert_eq!(
            [tried(), tried(), tried()],
            [broken, broken, UnlockError::NotRepeated]
        );
    }
}

#[test]
fn a_factory_password_that_works_is_warned_of() {
    for protocol in PROTOCOLS {
        let [_, _, factory] = passwords(protocol);
        for given in [None, Some(factory.as_str())] {
            let mut camera = FakeDevice::new(&factory);
            let facts = unlock(&mut camera, protocol, given, &Attempts::default()).unwrap();
            assert_eq!(facts.warnings.len(), 1);
            assert!(facts.warnings[0].contains("factory password"));
            assert!(!facts.warnings[0].contains(&factory));
        }
    }
}

#[test]
fn a_password_that_can_not_be_right_is_not_sent() {
    for protocol in PROTOCOLS {
        let mut camera = FakeDevice::new("x");
        for unfit in ["", "12345", "123456789", "pass;#12", "pässw"] {
            let error =
                unlock(&mut camera, protocol, Some(unfit), &Attempts::default()).unwrap_err();
            assert!(matches!(error, UnlockError::Unfit { .. }), "{unfit}");
        }
        assert!(camera.sent.is_empty());
    }
}

#[test]
fn no_error_shows_a_password_even_if_the_camera_echoes_it() {
    let protocol = UnlockProtocol::BulkAscii;
    let [right, wrong, _] = passwords(protocol);
    let mut camera = FakeDevice::new(&right);
    let error = unlock(&mut camera, protocol, Some(&wrong), &Attempts::default()).unwrap_err();
    for text in [format!("{error:?}"), error.to_string(), error.next_step()] {
        assert!(!text.contains(&wrong), "{text}");
    }
}

#[test]
fn the_clock_is_set_only_where_the_profile_says_so() {
    for protocol in PROTOCOLS {
        let [right, ..] = passwords(protocol);
        let mut profile = profile(protocol);
        profile.set_clock = true;
        profile.time_zone = Some(TimeZone::get("Europe/London").unwrap());
        let mut camera = FakeDevice::new(&right);
        let password = Zeroizing::new(right);
        let facts = run(
            &mut camera,
            &profile,
            &device(None, "p"),
            Some(&password),
            &Attempts::default(),
        )
        .unwrap();
        let clock = facts.clock.unwrap();
        assert_eq!(
            (clock.set, clock.method),
            (Some(true), ClockMethod::VendorCommand)
        );
        let local = profile.time_zone.unwrap().to_datetime(clock.at);
        match protocol {
            UnlockProtocol::Control4255 => {
                let [high, low] = u16::try_from(local.year()).unwrap().to_be_bytes();
                assert_eq!(camera.clock[..2], [high, low]);
                assert_eq!(i32::from(camera.clock[4]), i32::from(local.hour()));
                assert_eq!(camera.clock.len(), 7);
            }
            UnlockProtocol::BulkAscii => {
                let expected = local.strftime("%Y%m%d%H%M").to_string();
                assert!(camera.clock.starts_with(expected.as_bytes()));
                assert_eq!(camera.clock.len(), 16);
            }
        }
    }
}

#[test]
fn what_a_camera_will_not_tell_does_not_keep_its_footage_locked() {
    let protocol = UnlockProtocol::Control4255;
    let [right, ..] = passwords(protocol);
    let mut camera = FakeDevice {
        // Good, but without any data.
        junk: Some(vec![0, 0, 0, 0, 0, 0, 0x80]),
        ..FakeDevice::new(&right)
    };
    let facts = unlock(&mut camera, protocol, Some(&right), &Attempts::default()).unwrap();
    assert_eq!(
        (facts.id, facts.battery, facts.warnings.len()),
        (None, None, 2)
    );
    assert!(camera.in_storage);
}

proptest! {
    #[test]
    fn whatever_a_locked_camera_replies_nothing_breaks(junk in proptest::collection::vec(any::<u8>(), 0..120), good in any::<bool>()) {
        for protocol in PROTOCOLS {
            let [right, ..] = passwords(protocol);
            let mut junk = junk.clone();
            if good && junk.len() > 6 {
                junk[6] = 0x80;
            }
            let mut camera = FakeDevice { junk: Some(junk), ..FakeDevice::new(&right) };
            if let Ok(facts) = unlock(&mut camera, protocol, Some(&right), &Attempts::default()) {
                for text in [facts.user, facts.department].into_iter().flatten() {
                    prop_assert!(text.chars().count() <= 129 && !text.contains(char::is_control));
                }
                prop_assert!(facts.battery.is_none_or(|level| level <= 100));
            }
        }
    }
}
