use std::fs;
use std::io::Read as _;

use super::*;
use crate::config::Profiles;
use crate::model::UsbDevice;

struct MountedDir(tempfile::TempDir);

impl MountedDir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("pci-0000:00:04.0-usb-0:3")
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn mark(&self, storages: &[(&str, StorageState)]) -> Mounted {
        let storages = storages.iter().map(|(name, state)| MountedStorage {
            name: (*name).into(),
            node: "sdb".into(),
            state: state.clone(),
        });
        let mounted = Mounted {
            device: device(),
            storages: storages.collect(),
        };
        fs::create_dir_all(self.root()).unwrap();
        let marker = self.0.path().join("pci-0000:00:04.0-usb-0:3.camera");
        fs::write(marker, serde_json::to_vec(&mounted).unwrap()).unwrap();
        mounted
    }

    fn camera(&self, mounted: Mounted) -> MassStorageCamera {
        let profile = Arc::clone(Profiles::builtin().get("mass-storage").unwrap());
        MassStorageCamera::opened(&self.root(), mounted, &profile, None, false).unwrap()
    }
}

fn device() -> UsbDevice {
    UsbDevice {
        manufacturer: Some("Acme Ltd".into()),
        serial: Some("X81234567".into()),
        ..UsbDevice::example()
    }
}

fn mounted() -> StorageState {
    StorageState::Mounted {
        kind: "vfat".into(),
        disc: None,
    }
}

fn failed(reason: &str) -> StorageState {
    StorageState::Failed {
        reason: reason.into(),
    }
}

fn listed(camera: &mut MassStorageCamera) -> Vec<String> {
    let mut entries = Vec::new();
    let done = camera.list(&mut |entry| {
        entries.push(match entry {
            CameraEntry::File(facts) => facts.path.to_string(),
            CameraEntry::Refused(r) => format!("{} {}: {}", r.name, r.code, r.reason),
        });
        ControlFlow::Continue(())
    });
    done.unwrap();
    entries.sort();
    entries
}

fn read(camera: &mut MassStorageCamera, path: &str) -> String {
    let mut text = String::new();
    let mut file = camera.open(&SourcePath::new(path).unwrap()).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(file.recheck().unwrap(), None);
    text
}

#[test]
fn several_storages_are_one_camera_and_only_the_later_ones_are_prefixed() {
    let place = MountedDir::new();
    let marker = place.mark(&[("l0p1", mounted()), ("l1p0", mounted())]);
    place.put("l0p1/DCIM/a.MP4", "inner a");
    place.put("l1p0/DCIM/a.MP4", "card a");
    // This folder would look like a file of the other storage.
    place.put("l0p1/l1p0/DCIM/a.MP4", "disguised");
    place.put("l0p1/l1p0x/b.MP4", "b");
    let mut camera = place.camera(marker);
    assert_eq!(
        camera.identity().id.as_ref().unwrap().as_str(),
        "Acme-Ltd/X81234567"
    );
    let entries = listed(&mut camera);
    assert_eq!(entries.len(), 4, "{entries:?}");
    assert_eq!(entries[0], "DCIM/a.MP4");
    assert_eq!(entries[1], "l1p0/DCIM/a.MP4");
    assert!(
        entries[2].starts_with("l1p0/DCIM/a.MP4 path_ambiguous"),
        "{entries:?}"
    );
    assert_eq!(entries[3], "l1p0x/b.MP4");
    assert_eq!(read(&mut camera, "DCIM/a.MP4"), "inner a");
    assert_eq!(read(&mut camera, "l1p0/DCIM/a.MP4"), "card a");
    assert_eq!(read(&mut camera, "l1p0x/b.MP4"), "b");
}

#[test]
fn a_storage_that_could_not_be_mounted_is_named_and_the_others_are_read() {
    let place = MountedDir::new();
    let no_fat = || failed("it holds no FAT or exFAT file system");
    let marker = place.mark(&[("l0p1", no_fat()), ("l0p2", mounted())]);
    place.put("l0p2/a.MP4", "a");
    let mut camera = place.camera(marker);
    assert_eq!(
        listed(&mut camera),
        [
            "(storage l0p1) storage_unreadable: it holds no FAT or exFAT file system",
            "l0p2/a.MP4",
        ]
    );
    // The kernel found one more: nothing is called safe before it was dealt with.
    let one_more = |state| place.mark(&[("l0p1", no_fat()), ("l0p2", mounted()), ("l1p0", state)]);
    one_more(StorageState::Expected);
    let early = camera.list(&mut |_| ControlFlow::Continue(()));
    assert!(
        matches!(early, Err(CameraError::StillMounting { .. })),
        "{early:?}"
    );
    place.put("l1p0/b.MP4", "b");
    one_more(mounted());
    assert_eq!(listed(&mut camera)[2], "l1p0/b.MP4");
    assert_eq!(read(&mut camera, "l1p0/b.MP4"), "b");
}

#[test]
fn a_camera_that_names_no_storage_is_never_empty() {
    let dir = MountedDir::new();
    let mut camera = dir.camera(dir.mark(&[]));
    let error = camera.list(&mut |entry| panic!("{entry:?}")).unwrap_err();
    assert!(matches!(error, CameraError::NoStorage), "{error}");
}

#[test]
fn what_is_not_mounted_any_more_is_never_an_empty_camera() {
    let place = MountedDir::new();
    let marker = place.mark(&[("l0p1", mounted())]);
    place.put("l0p1/a.MP4", "a");
    let profile = Arc::clone(Profiles::builtin().get("mass-storage").unwrap());
    let open = || MassStorageCamera::open(&place.root(), marker.clone(), &profile, None).unwrap();
    let entries = listed(&mut open());
    assert_eq!(
        entries,
        ["(storage l0p1) storage_unreadable: it is no longer mounted"]
    );
    let mut camera = place.camera(marker.clone());
    assert!(camera.still_there());
    fs::remove_dir_all(place.root()).unwrap();
    assert!(!camera.still_there());
    let gone = camera.list(&mut |_| ControlFlow::Continue(()));
    assert!(matches!(gone, Err(CameraError::Gone { .. })), "{gone:?}");
    assert!(MassStorageCamera::open(&place.root(), marker.clone(), &profile, None).is_err());
}

#[test]
fn the_serial_comes_from_where_the_profile_says_and_the_limit_is_for_all_storages() {
    let place = MountedDir::new();
    let marker = place.mark(&[("l0p1", mounted()), ("l1p0", mounted())]);
    place.put("l1p0/DEVICE.TXT", "serial=FROM-FILE");
    place.put("l0p1/a.MP4", "a");
    let dir = tempfile::tempdir().unwrap();
    let text = "access = \"mass-storage\"\nusb = [{ class = \"08\" }]\ntime_zone = \"Europe/London\"\nidentity = [\"unlock\", \"file\"]";
    fs::write(dir.path().join("x.toml"), text).unwrap();
    let profiles = Profiles::load(dir.path()).unwrap();
    let profile = profiles.get("x").unwrap();
    let open = |unlocked| {
        MassStorageCamera::opened(&place.root(), marker.clone(), profile, unlocked, false).unwrap()
    };
    let id = |camera: &MassStorageCamera| camera.identity().id.as_ref().unwrap().to_string();
    assert_eq!(id(&open(None)), "Acme-Ltd/FROM-FILE");
    let mut camera = open(CameraId::new("acme", "TOLD"));
    assert_eq!(id(&camera), "acme/TOLD");
    let condition = camera.condition();
    assert!(matches!(condition.file_times, Some(FileTimes::Local(_))));
    assert_eq!(condition.device.unwrap().ids, "46f4:0001");
    let entries = listed(&mut camera.with_max_files(1));
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert!(
        entries[1].contains("too_many_files: at least 1 more"),
        "{entries:?}"
    );
    assert!(entries[1].contains("the limit is 1 ("), "{entries:?}");
}
