//! USB cameras through the whole program: sysfs is a constructed tree, a mounted disk is a mount in its own namespace.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use camdock::model::{Event, Mounted, MountedStorage, StorageState, UsbDevice};

use crate::place::{Place, age, until};

const PORT: &str = "pci-0000:00:04.0-usb-0:3";
const DISK: &[[u8; 3]] = &[[8, 6, 0x50]];

struct Usb<'a>(&'a Place);

impl Usb<'_> {
    fn new(place: &Place) -> Usb<'_> {
        place.configure(&[("dock", "usb = true")]);
        fs::create_dir_all(place.path("sys/bus/usb/devices")).unwrap();
        Usb(place)
    }

    fn plug(&self, name: &str, address: u8, interfaces: &[[u8; 3]]) {
        let dir = self
            .0
            .path("sys/devices/pci0000:00/0000:00:04.0/usb2")
            .join(name);
        fs::create_dir_all(&dir).unwrap();
        let mut bytes = vec![18, 1, 0, 2, 0, 0, 0, 64, 0xf4, 0x46, 1, 0, 0, 1, 1, 2, 3, 1];
        bytes.extend([9, 2, 0, 0, 1, 1, 0, 0x80, 50]);
        for [class, subclass, protocol] in interfaces {
            bytes.extend([9, 4, 0, 0, 0, *class, *subclass, *protocol, 0]);
        }
        fs::write(dir.join("descriptors"), bytes).unwrap();
        fs::write(dir.join("busnum"), "2\n").unwrap();
        fs::write(dir.join("bConfigurationValue"), "1\n").unwrap();
        fs::write(dir.join("devnum"), format!("{address}\n")).unwrap();
        let link = self.0.path("sys/bus/usb/devices").join(name);
        let _ = fs::remove_file(&link);
        symlink(dir, link).unwrap();
    }

    fn unplug(&self, name: &str) {
        fs::remove_file(self.0.path("sys/bus/usb/devices").join(name)).unwrap();
    }

    fn args(&self) -> [String; 3] {
        let sys = self.0.path("sys");
        ["run".into(), "--sysfs".into(), sys.to_str().unwrap().into()]
    }
}

/// The disk in the port, as root's helper describes it.
fn disk() -> UsbDevice {
    UsbDevice {
        port: PORT.into(),
        peer_port: None,
        name: "2-3".into(),
        bus: 2,
        address: 5,
        vendor: 0x46f4,
        product: 1,
        release: 0x100,
        manufacturer: Some("folder".into()),
        product_name: None,
        serial: Some("X0000001".into()),
        interfaces: Vec::new(),
    }
}

fn refusals(place: &Place) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for event in place.events() {
        if let Event::CameraRefused(refused) = event {
            found.push((refused.bay.to_string(), refused.reason));
        }
    }
    found
}

#[test]
fn a_composite_device_is_refused_and_named_once_however_often_it_flaps_and_folders_go_on() {
    let place = Place::new(&[]);
    let usb = Usb::new(&place);
    usb.plug("2-1", 2, &[[3, 1, 1]]);
    usb.plug("2-3", 5, &[[8, 6, 0x50], [3, 1, 1]]);
    place.film("X0000001", "DCIM/a.mp4", 1, 200_000);
    let args = usb.args();
    let running = place.start(&args.each_ref().map(String::as_str));
    let bay = |name: &str| {
        let status = place.status()?;
        let bays = status["bays"].as_array()?.clone();
        bays.into_iter().find(|bay| bay["bay"] == name)
    };
    until("the refusal is shown", || {
        bay("bay-2").is_some_and(|b| b["reason"].as_str().is_some_and(|r| r.contains("keyboard")))
    });
    until("the folder camera is stored", || {
        bay("X0000001").is_some_and(|b| b["state"] == "all_stored")
    });
    for address in 6..9 {
        usb.unplug("2-3");
        until("the bay is empty", || bay("bay-2").is_none());
        usb.plug("2-3", address, &[[8, 6, 0x50], [3, 1, 1]]);
        if address < 8 {
            until("it is refused again", || bay("bay-2").is_some());
        }
    }
    running.stop().ends(0);
    let found = refusals(&place);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "bay-2");
    assert!(found[0].1.contains("also presents a keyboard"), "{found:?}");
    // The keyboard alone was nobody's business, but its port has its number for ever.
    let numbers = fs::read_to_string(place.path("state/bays.json")).unwrap();
    assert!(numbers.contains(PORT), "{numbers}");
    place.verify_deep();
}

#[test]
fn a_mounted_usb_disk_is_taken_from_the_bay_of_its_port_with_its_storages_and_its_clocks_bound() {
    let place = Place::new(&[]);
    let usb = Usb::new(&place);
    usb.plug("2-3", 5, DISK);
    place.roster(&["X0000001"]);
    let (inner, card) = (place.path("inner"), place.path("card"));
    for (dir, seed) in [(&inner, 7), (&card, 8)] {
        fs::create_dir_all(dir.join("DCIM")).unwrap();
        let path = dir.join("DCIM/a.mp4");
        fs::write(
            &path,
            crate::support::SeededSource::new(seed, 100_000).bytes(0, 100_000),
        )
        .unwrap();
        age(&fs::File::options().write(true).open(&path).unwrap());
    }
    let device = disk();
    let storage = |name: &str, state| MountedStorage {
        name: name.into(),
        node: "sdb".into(),
        state,
    };
    let mounted = || StorageState::Mounted {
        kind: "vfat".into(),
        disc: None,
    };
    let failed = StorageState::Failed {
        reason: "it holds no FAT or exFAT file system".into(),
    };
    let marker = Mounted {
        device,
        storages: vec![
            storage("l0p1", mounted()),
            storage("l0p2", failed),
            storage("l1p0", mounted()),
        ],
    };
    let docked = place.path("docked");
    fs::write(
        docked.join(format!("{PORT}.camera")),
        serde_json::to_vec(&marker).unwrap(),
    )
    .unwrap();
    for name in ["l0p1", "l1p0"] {
        fs::create_dir_all(docked.join(PORT).join(name)).unwrap();
    }
    // Real mounts, in a namespace that ends with the program.
    let script = "mount --bind \"$1\" \"$3/l0p1\" && mount --bind \"$2\" \"$3/l1p0\" && shift 3 && exec \"$@\"";
    let ran = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .args([&inner, &card, &docked.join(PORT)])
        .arg(env!("CARGO_BIN_EXE_camdock"))
        .args(usb.args())
        .arg("--drain")
        .env("CAMDOCK_CONFIG", place.config())
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    // The storage that could not be mounted needs a person; the others were taken.
    assert_eq!(ran.status.code(), Some(3), "{said}");
    assert_eq!(
        place.item("DCIM/a.mp4")["camera"],
        "folder/X0000001",
        "{said}"
    );
    assert_eq!(place.item("l1p0/DCIM/a.mp4")["camera"], "folder/X0000001");
    let events = place.events();
    let docked = events.iter().find_map(|event| match event {
        Event::CameraDocked(docked) => Some(docked),
        _ => None,
    });
    let docked = docked.unwrap();
    assert_eq!(
        (docked.bay.as_str(), docked.access.as_str()),
        ("bay-1", "mass-storage")
    );
    assert_eq!(docked.officer.as_ref().unwrap().0, "4711");
    let device = docked.device.as_ref().unwrap();
    assert_eq!(
        (device.port.as_str(), device.ids.as_str()),
        (PORT, "46f4:0001")
    );
    let clock = events.iter().find_map(|event| match event {
        Event::InventoryTaken(taken) => taken.camera_clock.clone(),
        _ => None,
    });
    let ahead = clock.unwrap().ahead_at_least_seconds.unwrap();
    assert!((-86_460..=-86_390).contains(&ahead), "{ahead}");
    let failed = events.iter().find_map(|event| match event {
        Event::ItemFailed(failed) => Some(failed),
        _ => None,
    });
    let failed = failed.unwrap();
    assert_eq!(failed.code, "storage_unreadable");
    assert!(failed.name.as_ref().unwrap().contains("l0p2"));
    place.verify_deep();
}

#[test]
fn a_stick_in_a_bay_for_imports_is_imported_under_what_it_says_of_itself_and_is_no_camera() {
    let place = Place::new(&[]);
    let usb = Usb::new(&place);
    let bays = format!("bays = [{{ name = \"counter\", ports = [\"{PORT}\"], import = true }}]");
    place.configure(&[("dock", "usb = true"), ("dock", &bays)]);
    usb.plug("2-3", 5, DISK);
    let stick = place.path("stick");
    fs::create_dir_all(stick.join("evidence")).unwrap();
    for name in ["till.mp4", "till.txt", "evidence/notes.txt"] {
        fs::write(stick.join(name), name).unwrap();
        age(&fs::File::options()
            .append(true)
            .open(stick.join(name))
            .unwrap());
    }
    let marker = Mounted {
        device: disk(),
        storages: vec![MountedStorage {
            name: "l0p1".into(),
            node: "sdb".into(),
            state: StorageState::Mounted {
                kind: "vfat".into(),
                disc: None,
            },
        }],
    };
    let docked = place.path("docked");
    let marker = serde_json::to_vec(&marker).unwrap();
    fs::write(docked.join(format!("{PORT}.camera")), marker).unwrap();
    fs::create_dir_all(docked.join(PORT).join("l0p1")).unwrap();
    let script = "mount --bind \"$1\" \"$2/l0p1\" && shift 2 && exec \"$@\"";
    let ran = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .args([&stick, &docked.join(PORT)])
        .arg(env!("CARGO_BIN_EXE_camdock"))
        .args(usb.args())
        .arg("--drain")
        .env("CAMDOCK_CONFIG", place.config())
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    // It is in no roster, and nobody has to decide on it.
    assert_eq!(ran.status.code(), Some(0), "{said}");
    let events = place.events();
    let declared = events.iter().find_map(|event| match event {
        Event::ImportDeclared(declared) => Some(declared),
        _ => None,
    });
    let declared = declared.unwrap();
    assert_eq!(declared.bay.as_str(), "counter");
    assert_eq!(declared.peer, "bay counter");
    let source = "USB disk 46f4:0001, product without any, serial X0000001";
    assert_eq!(declared.facts.source, source);
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::CameraDocked(_)))
    );
    let items = place.items();
    assert_eq!(items.len(), 3, "{said}");
    for item in &items {
        assert_eq!(item["source"], source);
        assert_eq!(item["state"], "released");
        assert_ne!(item["kind"], "sidecar");
    }
    place.verify_deep();
}
