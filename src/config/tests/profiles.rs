//! Profiles of USB cameras: what they match, and what is refused.

use super::*;
use crate::model::{UsbDevice, UsbInterface};

fn interface(class: u8, subclass: u8, protocol: u8) -> UsbInterface {
    UsbInterface {
        configuration: 1,
        number: 0,
        alternate: 0,
        class,
        subclass,
        protocol,
        text: None,
        endpoints: Vec::new(),
    }
}

fn device(ids: (u16, u16), interfaces: Vec<UsbInterface>) -> UsbDevice {
    UsbDevice {
        vendor: ids.0,
        product: ids.1,
        interfaces,
        ..UsbDevice::example()
    }
}

fn profiles(files: &[(&str, &str)]) -> Result<Profiles, ConfigError> {
    let place = ConfigDir::new();
    for (name, text) in files {
        place.write(&format!("profiles/{name}.toml"), text);
    }
    Profiles::load(&place.at("profiles"))
}

fn found(profiles: &Profiles, device: &UsbDevice) -> Option<(String, bool)> {
    let matched = profiles.for_usb(device)?;
    Some((matched.profile.name.clone(), matched.locked))
}

#[test]
fn any_usb_disk_and_any_mtp_device_is_taken_by_a_generic_profile_and_nothing_else_is() {
    let builtin = Profiles::builtin();
    let named = |name: &str| Some((name.to_owned(), false));
    let of = |interfaces| found(&builtin, &device((0x46f4, 1), interfaces));
    assert_eq!(of(vec![interface(8, 6, 0x50)]), named("mass-storage"));
    assert_eq!(of(vec![interface(8, 6, 0x62)]), named("mass-storage"));
    assert_eq!(of(vec![interface(6, 1, 1)]), named("mtp"));
    // A vendor interface says MTP in its text.
    let mut vendor = interface(0xff, 0xff, 0);
    assert_eq!(of(vec![vendor.clone()]), None);
    vendor.text = Some("mtp".into());
    assert_eq!(of(vec![vendor]), named("mtp"));
    for other in [(3, 1, 1), (9, 0, 0), (0x0e, 1, 0), (0xff, 0, 0)] {
        assert_eq!(of(vec![interface(other.0, other.1, other.2)]), None);
    }
    assert_eq!(of(vec![]), None);
}

#[test]
fn the_most_exact_profile_wins_and_the_locked_form_is_told_from_the_other() {
    let profiles = profiles(&[
        ("a-vendor", "access = \"mass-storage\"\nusb = [{ vendor = \"4255\" }]"),
        (
            "b-model",
            "access = \"mass-storage\"\nusb = [{ vendor = \"4255\", product = \"1000\" }]\n[unlock]\nprotocol = \"control-4255\"\nusb = [{ vendor = \"4255\", product = \"0001\" }]\nsecret = \"b\"",
        ),
        (
            "c-text",
            "access = \"ptp\"\nusb = [{ class = \"06/01/01\", manufacturer = \"acme*\", product_name = \"X?\" }]",
        ),
    ])
    .unwrap();
    let disk = || vec![interface(8, 6, 0x50)];
    let named = |name: &str, locked| Some((name.to_owned(), locked));
    let of = |ids, interfaces| found(&profiles, &device(ids, interfaces));
    assert_eq!(of((0x4255, 0x1000), disk()), named("b-model", false));
    assert_eq!(
        of((0x4255, 1), vec![interface(0xff, 0, 0)]),
        named("b-model", true)
    );
    assert_eq!(of((0x4255, 7), disk()), named("a-vendor", false));
    assert_eq!(of((0x4256, 7), disk()), named("mass-storage", false));
    let mut camera = device((1, 1), vec![interface(6, 1, 1)]);
    assert_eq!(found(&profiles, &camera), named("mtp", false));
    camera.manufacturer = Some("ACME Ltd".into());
    camera.product_name = Some("x8".into());
    assert_eq!(found(&profiles, &camera), named("c-text", false));
    camera.product_name = Some("x82".into());
    assert_eq!(found(&profiles, &camera), named("mtp", false));
}

#[test]
fn the_identity_of_a_usb_camera_follows_from_how_it_is_read_unless_it_is_given() {
    use IdentitySource::{Descriptor, DeviceInfo, File, Marker, Unlock};
    let builtin = Profiles::builtin();
    for (name, sources) in [
        ("folder", [Marker, File]),
        ("mass-storage", [Descriptor, File]),
        ("mtp", [DeviceInfo, Descriptor]),
    ] {
        assert_eq!(builtin.get(name).unwrap().identity, sources);
    }
    let locked = "access = \"ptp\"\nusb = [{ vendor = \"0001\" }]\n[unlock]\nprotocol = \"bulk-ascii\"\nusb = [{ vendor = \"0002\" }]\nfactory_passwords = [\"00000000\"]";
    let profiles = profiles(&[("x", locked)]).unwrap();
    let profile = profiles.get("x").unwrap();
    assert_eq!(profile.identity, [Unlock, DeviceInfo, Descriptor]);
    let unlock = profile.unlock.as_ref().unwrap();
    assert_eq!((unlock.endpoint_out, unlock.endpoint_in), (0x01, 0x81));
    assert_eq!(unlock.secret, None);
}

#[test]
fn wrong_usb_profiles_are_refused_with_the_key_and_the_reason() {
    let usb = "access = \"mass-storage\"\nusb = [{ vendor = \"4255\" }]\n";
    for (text, expected) in [
        ("access = \"mass-storage\"", "`usb` is missing"),
        ("access = \"ptp\"\nusb = []", "x.toml:2: `usb` is missing"),
        ("usb = [{ class = \"08\" }]", "`usb` cannot be given"),
        ("access = \"mass_storage\"", "did you mean `mass-storage`"),
        (
            "access = \"ptp\"\nusb = [{ vendor = \"0x42\" }]",
            "four hex digits",
        ),
        (
            "access = \"ptp\"\nusb = [{ vendor = \"+123\" }]",
            "four hex digits",
        ),
        (
            "access = \"ptp\"\nusb = [{ product = \"0001\", class = \"06\" }]",
            "without its `vendor`",
        ),
        (
            "access = \"ptp\"\nusb = [{ manufacturer = \"*\" }]",
            "neither `vendor` nor `class`",
        ),
        (
            "access = \"ptp\"\nusb = [{ class = \"6/1/1\" }]",
            "hex digits as in",
        ),
        (
            "access = \"ptp\"\nusb = [{ class = \"06/01/01/01\" }]",
            "hex digits as in",
        ),
        (
            "access = \"ptp\"\nusb = [{ vendr = \"0001\" }]",
            "did you mean `vendor`",
        ),
        (
            "time_zone = \"Europe/Leeds\"",
            "x.toml:1: `time_zone` is not a known",
        ),
        (
            "[unlock]\nprotocol = \"bulk-ascii\"\nusb = [{ vendor = \"0002\" }]\nsecret = \"s\"",
            "`unlock` cannot be given",
        ),
    ] {
        let error = profiles(&[("x", text)]).unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
        assert!(!error.next_step().is_empty());
    }
    let good = "[unlock]\nprotocol = \"control-4255\"\nusb = [{ vendor = \"4255\", product = \"0001\" }]\n";
    for (line, expected) in [
        ("", "`unlock.secret` is missing"),
        (
            "secret = \"../x\"",
            "`unlock.secret` is not a secret's name",
        ),
        ("secret = \".x\"", "`unlock.secret` is not a secret's name"),
        (
            "factory_passwords = [\"12345678\"]",
            "this protocol takes 6",
        ),
        (
            "secret = \"s\"\nreply_seconds = 0",
            "`unlock.reply_seconds` is not between",
        ),
        (
            "secret = \"s\"\nreturns_seconds = nan",
            "`unlock.returns_seconds` is not between",
        ),
        (
            "secret = \"s\"\nendpoint_in = 1",
            "`unlock.endpoint_in` must have bit 7",
        ),
        ("password = \"123456\"", "looks like a secret"),
    ] {
        let error = profiles(&[("x", &format!("{usb}{good}{line}"))]).unwrap_err();
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
    assert!(profiles(&[("x", &format!("{usb}{good}secret = \"s\""))]).is_ok());
}

#[test]
fn wiping_is_off_unless_a_profile_of_cameras_with_a_serial_of_their_own_says_otherwise() {
    use crate::model::WipeLevel;
    for profile in Profiles::builtin().all() {
        assert_eq!(profile.wipe, None, "{}", profile.name);
    }
    let disk = "access = \"mass-storage\"\nusb = [{ class = \"08\" }]\n";
    let loaded = |text: String| profiles(&[("x", &text)]).map(|p| p.get("x").unwrap().wipe);
    assert_eq!(loaded(format!("{disk}wipe = \"never\"")).unwrap(), None);
    let wipe = loaded(format!("{disk}wipe = \"confirmed\""))
        .unwrap()
        .unwrap();
    assert_eq!((wipe.level, wipe.rehash), (WipeLevel::Confirmed, true));
    let quick = format!("{disk}wipe = \"stored\"\nwipe_rehash = false");
    let wipe = loaded(quick).unwrap().unwrap();
    assert_eq!((wipe.level, wipe.rehash), (WipeLevel::Stored, false));
    let mtp = "access = \"ptp\"\nusb = [{ class = \"06/01/01\" }]\n";
    for identity in ["", "identity = [\"descriptor\"]\n"] {
        let wipe = loaded(format!("{mtp}{identity}wipe = \"stored\""));
        assert_eq!(wipe.unwrap().unwrap().level, WipeLevel::Stored);
    }
    for (text, word) in [
        ("wipe = \"stored\"".to_owned(), "folder"),
        (
            format!("{disk}wipe = \"stored\"\nidentity = [\"file\"]"),
            "descriptor",
        ),
        (format!("{disk}wipe = \"always\""), "always"),
        (
            format!("{mtp}wipe = \"stored\"\nidentity = [\"unlock\"]"),
            "over PTP",
        ),
    ] {
        let error = loaded(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn imported_files_are_never_sidecars_or_flagged_by_their_names() {
    let profile = Profile::of_imports();
    assert_eq!(profile.name, "import");
    for name in ["a.MP4", "VTS_01_1.VOB", "cam 3.dav"] {
        assert!(profile.video.matches(name.as_bytes()), "{name}");
    }
    for name in ["a.txt", "a.gps", "a_SOS.txt", "EVENT"] {
        let name = name.as_bytes();
        assert!(!profile.video.matches(name) && !profile.sidecar.matches(name));
        assert!(!profile.flag.names.matches(name) && !profile.flag.folders.matches(name));
    }
    assert!(profile.wipe.is_none() && profile.usb.is_empty());
}
