//! The helper against a simulated kernel: its beliefs, and that no request leads to anything else.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;

use proptest::prelude::*;

use super::*;
use crate::audit::proof_desk::{Desk, now, sealed, stored};
use crate::dock::usb::{DISK, PlugState, SysfsTree, descriptor_bytes};
use crate::model::{CameraId, Mounted, MountedStorage, Proven, SourcePath, WipeLevel, WipeProof};

const PORT: &str = "pci-0000:00:04.0-usb-0:3";

struct Place {
    tree: SysfsTree,
    dir: tempfile::TempDir,
    desk: Desk,
}

impl Place {
    /// A disk of two partitions with the serial X1, both mounted as the marker says.
    fn new() -> Self {
        let tree = SysfsTree::new();
        tree.plug(
            "2-3",
            5,
            &descriptor_bytes(0x46f4, 1, DISK),
            &[("serial", "X1")],
        );
        tree.disk("2-3", 0, "sdzz", "1000", 2);
        let dir = tempfile::tempdir().unwrap();
        DirBuilder::new()
            .mode(0o755)
            .create(dir.path().join("media"))
            .unwrap();
        let place = Self {
            tree,
            dir,
            desk: Desk::new(),
        };
        place.marker(|_| ());
        for storage in ["l0p1", "l0p2"] {
            let folder = place.dir.path().join("media").join(PORT).join(storage);
            fs::create_dir_all(folder.join("DCIM")).unwrap();
            fs::write(folder.join("DCIM/A.MP4"), "12345").unwrap();
        }
        place
    }

    fn marker(&self, change: impl FnOnce(&mut Mounted)) {
        let Some(PlugState::Device(device)) = self.tree.sysfs().plug("2-3").map(|p| p.state) else {
            panic!("no device");
        };
        let storage = |number: u32| MountedStorage {
            name: format!("l0p{number}"),
            node: format!("sdzz{number}"),
            state: StorageState::Mounted {
                kind: "vfat".into(),
                disc: None,
            },
        };
        let mut mounted = Mounted {
            device: *device,
            storages: vec![storage(1), storage(2)],
        };
        change(&mut mounted);
        let path = self.dir.path().join("media").join(format!("{PORT}.camera"));
        fs::write(path, serde_json::to_vec(&mounted).unwrap()).unwrap();
    }

    fn media(&self) -> Media {
        Media::open(&self.dir.path().join("media")).unwrap()
    }

    fn plugged(&self) -> Result<Plugged, String> {
        Plugged::find(&self.media(), &self.tree.sysfs(), PORT)
    }

    /// The proof of a file of some camera.
    fn proof(&self, path: &str, serial: &str) -> WipeProof {
        let mut item = sealed(path);
        item.camera = CameraId::new("acme", serial);
        let stored = stored(&item);
        self.desk.proof(item, stored)
    }

    fn request(files: Vec<WipeProof>) -> WipeRequest {
        WipeRequest {
            v: 1,
            port: PORT.into(),
            level: WipeLevel::Stored,
            rehash: true,
            files,
        }
    }

    fn placed(&self, request: &WipeRequest) -> (Vec<Placed>, Vec<Option<String>>) {
        let mut results = vec![None; request.files.len()];
        let trust = self.desk.trust(WipeLevel::Stored);
        let plugged = self.plugged().unwrap();
        let placed = request::placed(request, &plugged, &trust, now(), &mut results);
        let codes = results.into_iter().map(|r| r.and_then(|r| r.code));
        (placed, codes.collect())
    }
}

#[test]
fn a_file_is_placed_only_on_the_camera_that_it_was_taken_from() {
    let place = Place::new();
    let files = [
        ("DCIM/A.MP4", "X1"),
        ("l0p2/DCIM/A.MP4", "X1"),
        ("DCIM/B.MP4", "X2"),
        ("DCIM/A.MP4", "X1"),
    ];
    let files = files.map(|(path, serial)| place.proof(path, serial));
    let (placed, codes) = place.placed(&Place::request(files.to_vec()));
    let at: Vec<_> = placed
        .iter()
        .map(|p| (p.index, p.storage.as_str(), p.inner.to_string()))
        .collect();
    let inner = "DCIM/A.MP4".to_owned();
    assert_eq!(at, [(0, "l0p1", inner.clone()), (1, "l0p2", inner)]);
    let codes: Vec<_> = codes.iter().map(Option::as_deref).collect();
    assert_eq!(
        codes,
        [None, None, Some("camera_differs"), Some("named_twice")]
    );
}

#[test]
fn marker_device_and_serial_must_all_agree() {
    let place = Place::new();
    assert_eq!(place.plugged().unwrap().serial, "X1");
    let refused = |word: &str| {
        let error = place.plugged().err().unwrap();
        assert!(error.contains(word), "{error}");
    };
    place.marker(|mounted| mounted.device.serial = Some("X2".into()));
    refused("not plugged in");
    place.marker(|mounted| mounted.device.address = 9);
    refused("not plugged in");
    place.marker(|mounted| mounted.device.port = "elsewhere".into());
    refused("nothing is mounted");
    place.marker(|_| ());
    assert!(place.plugged().is_ok());
    // Another device with the same serial.
    place.tree.plug(
        "2-4",
        6,
        &descriptor_bytes(0x46f4, 1, DISK),
        &[("serial", "X1")],
    );
    refused("another device");
    place.tree.unplug("2-4");
    assert!(place.plugged().is_ok());
    // Taken out, and another camera plugged into the same port.
    place.tree.unplug("2-3");
    refused("not plugged in");
    place.tree.plug(
        "2-3",
        7,
        &descriptor_bytes(0x46f4, 1, DISK),
        &[("serial", "X9")],
    );
    refused("not plugged in");
    let none = Place::new();
    none.tree.unplug("2-3");
    none.tree
        .plug("2-3", 5, &descriptor_bytes(0x46f4, 1, DISK), &[]);
    none.marker(|_| ());
    assert!(none.plugged().err().unwrap().contains("no usable serial"));
}

#[test]
fn a_storage_that_is_not_mounted_from_the_devices_own_disk_is_none() {
    let place = Place::new();
    assert_eq!(place.plugged().unwrap().node("l0p2").unwrap().dev, "8:18");
    place.marker(|mounted| {
        mounted.storages[0].state = StorageState::Expected;
        mounted.storages[1].node = "sda1".into();
    });
    let plugged = place.plugged().unwrap();
    for storage in ["l0p1", "l0p2", "l9p9", ""] {
        assert!(plugged.node(storage).is_err(), "{storage}");
    }
}

#[test]
fn without_roots_own_word_nothing_is_done_and_a_folder_is_no_medium() {
    let place = Place::new();
    let policy = place.dir.path().join("wipe.toml");
    let args = Args {
        action: WipeVerb::Serve,
        policy: policy.clone(),
        media: place.dir.path().join("media"),
        sysfs: place.tree.path(""),
    };
    let request = Place::request(vec![place.proof("DCIM/A.MP4", "X1")]);
    let served = || serve(&args, &place.media(), &place.tree.sysfs(), &request);
    assert!(served().is_err());
    let key = place.desk.log.verifier().to_string();
    fs::write(
        &policy,
        format!("level = \"stored\"\nlog_keys = [\"{key}\"]\n"),
    )
    .unwrap();
    let answer = served();
    if rustix::process::geteuid().is_root() {
        // Everything holds but the medium: it is a folder of the disk that this test runs on.
        let files = answer.unwrap().files;
        assert_eq!(files[0].code.as_deref(), Some("no_storage"), "{files:?}");
        assert!(files[0].evidence.is_some() && !files[0].wiped);
    } else {
        assert!(answer.unwrap_err().contains("others than root"));
    }
    for level in ["level = \"confirmed\"", "level = \"stored\"\nx = 1"] {
        fs::write(&policy, format!("{level}\nlog_keys = [\"{key}\"]\n")).unwrap();
        assert!(served().is_err(), "{level}");
    }
    let file = place
        .dir
        .path()
        .join("media")
        .join(PORT)
        .join("l0p1/DCIM/A.MP4");
    assert_eq!(fs::read(file).unwrap(), b"12345");
}

#[test]
fn a_request_that_is_not_as_it_should_be_is_refused() {
    let place = Place::new();
    let good = Place::request(vec![place.proof("DCIM/A.MP4", "X1")]);
    let parsed = |change: &dyn Fn(&mut WipeRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request::parse(&serde_json::to_vec(&request).unwrap()).is_ok()
    };
    assert!(parsed(&|_| ()));
    assert!(!parsed(&|r| r.v = 2));
    assert!(!parsed(&|r| r.files.clear()));
    assert!(!parsed(&|r| {
        r.files = vec![r.files[0].clone(); WipeRequest::FILES_MAX + 1];
    }));
    for port in ["", ".", "..", "../x", "a/b", "/etc", ".hidden", "a b", "é"] {
        assert!(!parsed(&|r| r.port = port.into()), "{port:?}");
    }
    for bytes in [&b""[..], b"{}", b"[]", b"null", b"{\"v\":1}"] {
        assert!(request::parse(bytes).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A request with any bytes changed places only what was proven before, and where it was before.
    #[test]
    fn no_change_of_a_request_places_any_other_file(
        at in 0.0f64..1.0, new in any::<u8>(), cut in 0usize..3, again in 0.0f64..1.0,
    ) {
        thread_local! {
            static MADE: (Place, Vec<u8>, Vec<(Proven, String, SourcePath)>) = {
                let place = Place::new();
                let files = [("DCIM/A.MP4", "X1"), ("l0p2/DCIM/A.MP4", "X1"), ("C.MP4", "X2")];
                let files = files.map(|(path, serial)| place.proof(path, serial)).to_vec();
                let request = Place::request(files);
                let of = |p: Placed| (p.proven, p.storage, p.inner);
                let placed: Vec<_> = place.placed(&request).0.into_iter().map(of).collect();
                assert_eq!(placed.len(), 2);
                (place, serde_json::to_vec(&request).unwrap(), placed)
            };
        }
        MADE.with(|(place, good, before)| {
            let mut bytes = good.clone();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let spot = |part: f64, len: usize| (len as f64 * part) as usize;
            let first = spot(at, bytes.len());
            match cut {
                0 => bytes[first] = new,
                1 => drop(bytes.remove(first)),
                _ => {
                    // One piece of it over another.
                    let second = spot(again, bytes.len());
                    let length = 40.min(bytes.len() - first.max(second));
                    bytes.copy_within(first..first + length, second);
                }
            }
            let Ok(request) = request::parse(&bytes) else {
                return Ok(());
            };
            if request.port != PORT {
                return Ok(());
            }
            for placed in place.placed(&request).0 {
                let placed = (placed.proven, placed.storage, placed.inner);
                prop_assert!(before.contains(&placed), "{placed:?}");
            }
            Ok(())
        })?;
    }
}
