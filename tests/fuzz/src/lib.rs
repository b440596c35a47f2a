//! The fuzz targets: each function takes any bytes, must return, and checks what must always hold.
//!
//! Used twice: by the libFuzzer binaries beside this file, and by `tests/fuzz_seeds.rs` in every run of the tests.

#[path = "../../support/mtp/mod.rs"]
mod mtp;
mod script;

use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use camdock::camera::ptp::{
    BulkTransport, ContainerHeader, DatasetReader, DeviceInfo, DeviceStatus, LinkTiming,
    ObjectInfo, PropDesc, PtpCamera, PtpDate, PtpFacts, Response, StorageInfo, Value, op,
    parse_handles, parse_prop_list,
};
use camdock::camera::unlock::{self, Attempts};
use camdock::camera::{Camera, CameraEntry, WipeOrder};
use camdock::config::{Profile, Profiles, Unlock, UnlockProtocol, UnlockRole};
use camdock::model::{
    EvidenceId, FileFacts, Proven, Sha256Digest, UsbDevice, WipeLevel, WipeProof,
};
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

use mtp::{Device, Ending, Listing, Lists, Quirks, TOP};
use script::{Mangled, Replies};

/// Files and folders that a listing may give; see `max_files`.
const FILES_MAX: u64 = 64;
/// Bytes that are read of one file.
const READ_MAX: u64 = 256 << 10;

/// Every parser on the same bytes.
pub fn parsers(input: &[u8]) {
    let _ = ContainerHeader::parse(input);
    if let Some((response, length)) = Response::parse(input) {
        assert!(length <= input.len() && response.parameters.len() <= 5);
    }
    let _ = DeviceInfo::parse(input);
    let _ = StorageInfo::parse(input);
    let _ = DeviceStatus::parse(input);
    if let Ok(info) = ObjectInfo::parse(input) {
        assert!(info.name.to_bytes().len() <= 255 * 3);
        for text in [&info.created, &info.modified] {
            let _ = PtpDate::parse(text).and_then(|date| date.timestamp(&TimeZone::UTC));
        }
    }
    if let Ok(desc) = PropDesc::parse(input) {
        assert!(desc.percent().is_none_or(|percent| percent <= 100));
    }
    let mut elements = 0;
    let _ = parse_prop_list(input, |_| elements += 1);
    assert!(elements <= input.len() / 8);
    if let Ok((handles, beyond)) = parse_handles(input, 16) {
        assert!(
            handles.len() <= 16 && (handles.len() as u64 + beyond) * 4 < input.len() as u64 + 4
        );
    }
    if let [low, high, rest @ ..] = input {
        let kind = u16::from_le_bytes([*low, *high]);
        let _ = Value::parse(&mut DatasetReader::new(rest, "value"), kind);
    }
    if let Ok(text) = std::str::from_utf8(input)
        && let Some(date) = PtpDate::parse(text)
    {
        let _ = date.timestamp(&TimeZone::UTC);
    }
}

/// A device whose transfers come from the input.
pub fn replies(input: &[u8]) {
    use_camera(Box::new(Replies::new(input)));
}

/// A working device: the first bytes choose its quirks, and the rest of the input changes its transfers.
pub fn device(input: &[u8]) {
    let Some((switches, rest)) = input.split_first_chunk::<8>() else {
        return;
    };
    let [shape, habits, faults, counts, limits, piece, amount, reach] = *switches;
    let on = |byte: u8, bit: u8| byte >> bit & 1 == 1;
    let few = |byte: u8| u32::from(byte & 3);
    let quirks = Quirks {
        packet: [64, 512, 1024, 8][usize::from(shape & 3)],
        ending: [
            Ending::EmptyPacket,
            Ending::StrayByte,
            Ending::Nothing,
            Ending::Glued,
        ][usize::from(shape >> 2 & 3)],
        listing: [
            Listing::Standard,
            Listing::ZeroIsTop,
            Listing::ZeroIsAll,
            Listing::EmptyThenZero,
        ][usize::from(shape >> 4 & 3)],
        header_alone: on(shape, 6),
        glue_response: on(shape, 7),
        junk_headers: on(habits, 0),
        unknown_length: on(habits, 1),
        already_open: on(habits, 2),
        needs_reset: on(habits, 3),
        no_cancel: on(habits, 4),
        no_reset: on(habits, 5),
        info_in_session_only: on(habits, 6),
        events: on(habits, 7),
        old_response: on(faults, 0),
        endless: on(faults, 1),
        hangs_on_close: on(faults, 2),
        busy: few(faults >> 3),
        incomplete: few(faults >> 5),
        stalls: few(counts),
        silences: few(counts >> 2),
        io_errors: few(counts >> 4),
        busy_status: few(counts >> 6),
        used_transactions: few(limits),
        claims_more: if on(limits, 2) { u32::from(piece) } else { 0 },
        oversized_pieces: if on(limits, 3) { u32::from(amount) } else { 0 },
        small_pieces: on(limits, 4).then(|| u32::from(piece) + 1),
        ends_after: on(limits, 5).then(|| u64::from(amount) * 64),
        pulled_after: on(limits, 6).then(|| u64::from(reach) * 256),
        floods: on(limits, 7).then(|| u64::from(reach) << 12),
        lists: Lists::ALL[usize::from(amount) % Lists::ALL.len()],
        cuts_sizes: on(faults, 7),
        ..Quirks::default()
    };
    let device = Device::new(quirks);
    let dcim = device.folder(TOP, "DCIM");
    for (name, size) in [("A.MP4", 70_000), ("B.GPS", 500), ("A.MP4", 0)] {
        device.add(dcim, name, Some(size));
    }
    let before = device.lock().objects.len();
    use_camera(Box::new(Mangled::new(device.wire(), rest)));
    // One file may be deleted, by one request.
    assert!(device.count(op::DELETE_OBJECT) <= 1);
    assert!(device.lock().objects.len() + 1 >= before);
}

/// Both protocols of locked cameras.
pub fn unlock(input: &[u8]) {
    for protocol in [UnlockProtocol::Control4255, UnlockProtocol::BulkAscii] {
        let password = "1234567890"[..protocol.password_length()].to_owned();
        let mut profile = builtin("mass-storage").as_ref().clone();
        profile.set_clock = input.first().is_some_and(|byte| byte & 1 == 1);
        profile.unlock = Some(Unlock {
            protocol,
            usb: Vec::new(),
            role: UnlockRole::User,
            secret: None,
            factory_passwords: vec![password.clone()],
            interface: 0,
            endpoint_out: 1,
            endpoint_in: 0x81,
            reply: Duration::from_secs(1),
            returns: Duration::from_secs(1),
            read_identity: true,
            read_battery: true,
        });
        let mut transport = Replies::new(input);
        let password = Zeroizing::new(password);
        let attempts = Attempts::default();
        let told = unlock::run(&mut transport, &profile, &usb(), Some(&password), &attempts);
        if let Ok(told) = told {
            for text in [told.user, told.department].into_iter().flatten() {
                assert!(text.chars().count() <= 129 && !text.contains(char::is_control));
            }
            assert!(told.battery.is_none_or(|level| level <= 100));
            assert!(!told.warnings.is_empty(), "a factory password worked");
        }
    }
}

fn builtin(name: &str) -> &'static Arc<Profile> {
    static PROFILES: LazyLock<Profiles> = LazyLock::new(Profiles::builtin);
    let Some(profile) = PROFILES.get(name) else {
        unreachable!("{name} is built in");
    };
    profile
}

fn usb() -> UsbDevice {
    UsbDevice {
        port: "pci-0000:00:14.0-usb-0:5".into(),
        peer_port: None,
        name: "1-5".into(),
        bus: 1,
        address: 7,
        vendor: 0x46f4,
        product: 4,
        release: 0,
        manufacturer: None,
        product_name: None,
        serial: None,
        interfaces: Vec::new(),
    }
}

/// Does everything that a dock session does with a camera.
fn use_camera(transport: Box<dyn BulkTransport>) {
    let profile = builtin("mtp");
    let facts = PtpFacts {
        device: usb(),
        unlocked: None,
    };
    let pace = LinkTiming {
        pause: Duration::ZERO,
        stop: Arc::new(|| false),
        ..LinkTiming::default()
    };
    let Ok(camera) = PtpCamera::open(transport, facts, profile, pace) else {
        return;
    };
    let mut camera = camera.with_max_files(FILES_MAX);
    let condition = camera.condition();
    assert!(condition.battery.is_none_or(|level| level <= 100));
    let mut files = Vec::new();
    let mut entries = 0;
    let listed = camera.list(&mut |entry| {
        entries += 1;
        match entry {
            CameraEntry::File(facts) => files.push(facts),
            CameraEntry::Refused(refused) => assert!(refused.name.len() < 4096),
        }
        ControlFlow::Continue(())
    });
    assert!(files.len() as u64 <= FILES_MAX && entries <= FILES_MAX * 2 + 130);
    let mut paths: Vec<_> = files.iter().map(|facts| &facts.path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), files.len(), "two files under one path");
    if listed.is_err() {
        return;
    }
    let mut order = None;
    for facts in files.iter().take(3) {
        let Ok(mut file) = camera.open(&facts.path) else {
            continue;
        };
        let size = file.facts().size;
        let mut bytes = Vec::new();
        let read = file.by_ref().take(READ_MAX).read_to_end(&mut bytes);
        let got = bytes.len() as u64;
        assert!(got <= size);
        // A file never ends before the size that the device gave.
        assert!(read.is_err() || got == size || got == READ_MAX);
        if size > 5 && file.seek_to(size - 5).is_ok() {
            let _ = file.read_to_end(&mut Vec::new());
        }
        if matches!(file.recheck(), Ok(None)) && got == size {
            order = Some((facts, Sha256Digest::of(&bytes)));
        }
    }
    if let Some((facts, sha256)) = order {
        wipe(&mut camera, facts, sha256);
    }
    let _ = camera.still_there();
}

/// One file whose proof counts as valid, so that only the camera's answers decide.
fn wipe(camera: &mut PtpCamera, facts: &FileFacts, sha256: Sha256Digest) {
    let Some(id) = camera.identity().id.clone() else {
        return;
    };
    let proven = Proven {
        evidence: EvidenceId::new(),
        camera: id,
        path: facts.path.clone(),
        size: facts.size,
        modified: facts.modified,
        sha256,
    };
    let proof = WipeProof {
        sealed: String::new(),
        sealed_receipt: String::new(),
        stored: String::new(),
        stored_receipt: String::new(),
        confirmation: None,
    };
    let files = [(proven.clone(), proof)];
    let order = WipeOrder {
        level: WipeLevel::Stored,
        rehash: true,
        files: &files,
        prove: &|_| Ok(proven.clone()),
        helper: Path::new("/nonexistent"),
    };
    if let Ok(answer) = camera.wipe(&order, &|| false) {
        assert_eq!(answer.files.len(), 1);
        assert_eq!(answer.files[0].wiped, answer.files[0].code.is_none());
    }
}
