//! The PTP and MTP client against a device in memory that has the quirks of real ones, and against hostile devices.

mod bad_devices;
mod condition;
mod listing;
mod lists;
#[path = "../support/mtp/mod.rs"]
mod mtp;
mod parsers;
mod quirks;
mod reading;
mod wiping;

use std::io::Read as _;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use camdock::camera::ptp::{LinkTiming, PtpCamera, PtpError, PtpFacts};
use camdock::camera::{Camera, CameraEntry, CameraError, RefusedEntry};
use camdock::config::{Profile, Profiles};
use camdock::model::{FileFacts, SourcePath, UsbDevice};

use mtp::{Device, Lists, Quirks, TOP};

/// Time is counted, not waited for: see `LinkTiming`.
fn pace() -> LinkTiming {
    LinkTiming {
        pause: Duration::ZERO,
        ..LinkTiming::default()
    }
}

fn facts() -> PtpFacts {
    PtpFacts {
        device: UsbDevice {
            port: "pci-0000:00:14.0-usb-0:5".into(),
            peer_port: None,
            name: "1-5".into(),
            bus: 1,
            address: 7,
            vendor: 0x46f4,
            product: 4,
            release: 0,
            manufacturer: Some("Acme Cameras".into()),
            product_name: None,
            serial: Some("USB-1".into()),
            interfaces: Vec::new(),
        },
        unlocked: None,
    }
}

fn profile(change: impl FnOnce(&mut Profile)) -> Arc<Profile> {
    let mut profile = Profiles::builtin().get("mtp").unwrap().as_ref().clone();
    change(&mut profile);
    Arc::new(profile)
}

fn try_open(device: &Device) -> Result<PtpCamera, CameraError> {
    PtpCamera::open(Box::new(device.wire()), facts(), &profile(|_| {}), pace())
}

fn open(device: &Device) -> PtpCamera {
    try_open(device).unwrap()
}

fn list(camera: &mut PtpCamera) -> Result<(Vec<FileFacts>, Vec<RefusedEntry>), CameraError> {
    let (mut files, mut refused) = (Vec::new(), Vec::new());
    camera.list(&mut |listed| {
        match listed {
            CameraEntry::File(facts) => files.push(facts),
            CameraEntry::Refused(entry) => refused.push(entry),
        }
        ControlFlow::Continue(())
    })?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((files, refused))
}

fn paths(camera: &mut PtpCamera) -> Vec<String> {
    let (files, refused) = list(camera).unwrap();
    assert_eq!(refused, [], "nothing is refused");
    files.iter().map(|f| f.path.to_string()).collect()
}

fn path(text: &str) -> SourcePath {
    SourcePath::new(text).unwrap()
}

/// A file's true bytes, from the device.
fn held(handle: u32, size: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(size).unwrap()];
    mtp::content(handle, 0, &mut bytes);
    bytes
}

fn read(camera: &mut PtpCamera, name: &str) -> std::io::Result<Vec<u8>> {
    let mut file = camera.open(&path(name)).map_err(std::io::Error::other)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    assert_eq!(file.recheck().map_err(std::io::Error::other)?, None);
    Ok(bytes)
}

/// The PTP error behind a read error.
fn cause(error: &std::io::Error) -> PtpError {
    match error
        .get_ref()
        .and_then(|e| e.downcast_ref::<CameraError>())
    {
        Some(CameraError::Usb { source, .. } | CameraError::Device { source, .. }) => *source,
        other => panic!("{error:?} {other:?}"),
    }
}

/// A folder with two recordings and a sidecar, of sizes around packets and pieces.
fn filled(quirks: Quirks) -> (Device, Vec<(String, u32, u64)>) {
    let device = Device::new(quirks);
    let dcim = device.folder(TOP, "DCIM");
    let media = device.folder(dcim, "100MEDIA");
    let files = [
        ("A.MP4", 5 << 20),
        // Data phases that end on a full packet, and one byte off.
        ("B.MP4", 512 * 7 - 12),
        ("C.MP4", 512 * 8 - 11),
        ("D.MP4", (2 << 20) - 12),
        ("E.GPS", 1),
        ("F.LOG", 0),
        ("G.THM", 512 - 12),
        ("H.JPG", 512),
    ]
    .map(|(name, size)| {
        let handle = device.add(media, name, Some(size));
        (format!("DCIM/100MEDIA/{name}"), handle, size)
    });
    (device, files.to_vec())
}

/// Everything that a device holds is listed and read, byte for byte.
fn all_is_read(device: &Device, files: &[(String, u32, u64)]) {
    let mut camera = open(device);
    let (listed, refused) = list(&mut camera).unwrap();
    assert_eq!(refused, []);
    let names: Vec<_> = listed
        .iter()
        .map(|f| (f.path.to_string(), f.size))
        .collect();
    let expected: Vec<_> = files
        .iter()
        .map(|(p, _, size)| (p.clone(), *size))
        .collect();
    assert_eq!(names, expected);
    for (name, handle, size) in files {
        let bytes = read(&mut camera, name).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert!(bytes == held(*handle, *size), "{name} differs");
    }
}
