use super::*;
use camdock::model::{Explain as _, ItemKind, RetryClass};
use mtp::{Listing, STORAGE};

#[test]
fn the_top_folder_is_found_whichever_way_a_device_names_it() {
    for listing in [
        Listing::Standard,
        Listing::ZeroIsTop,
        Listing::ZeroIsAll,
        Listing::EmptyThenZero,
    ] {
        let (device, files) = filled(Quirks {
            listing,
            ..Quirks::default()
        });
        device.add(TOP, "CAMERA.TXT", Some(3));
        let mut camera = open(&device);
        let mut expected: Vec<_> = files.iter().map(|f| f.0.clone()).collect();
        expected.insert(0, "CAMERA.TXT".into());
        assert_eq!(paths(&mut camera), expected, "{listing:?}");
    }
}

#[test]
fn kinds_flags_sizes_and_times_are_as_the_profile_and_the_device_say() {
    let device = Device::new(Quirks::default());
    let dcim = device.folder(TOP, "DCIM");
    let locked = device.folder(dcim, "EVENT01");
    let video = device.add(dcim, "A.mp4", Some(10));
    device.add(dcim, "A.gps", Some(2));
    device.add(dcim, "notes", Some(1));
    device.add(locked, "B.MP4", Some(7));
    let protected = device.add(dcim, "C.MP4", Some(7));
    {
        let mut state = device.lock();
        state.objects.get_mut(&video).unwrap().modified = "20260102T030405+0100".into();
        let node = state.objects.get_mut(&protected).unwrap();
        (node.protected, node.modified) = (true, "20261302T030405".into());
    }
    let profile = profile(|p| p.flag.read_only = true);
    let mut camera = PtpCamera::open(Box::new(device.wire()), facts(), &profile, pace()).unwrap();
    let (files, refused) = list(&mut camera).unwrap();
    assert_eq!(refused, []);
    let seen: Vec<_> = files
        .iter()
        .map(|f| (f.path.to_string(), f.kind, f.flagged, f.size))
        .collect();
    let name = |name: &str| name.to_owned();
    assert_eq!(
        seen,
        [
            (name("DCIM/A.gps"), ItemKind::Sidecar, false, 2),
            (name("DCIM/A.mp4"), ItemKind::Video, false, 10),
            (name("DCIM/C.MP4"), ItemKind::Video, true, 7),
            (name("DCIM/EVENT01/B.MP4"), ItemKind::Video, true, 7),
            (name("DCIM/notes"), ItemKind::Other, false, 1),
        ]
    );
    let time = |at: usize| files[at].modified.map(|t| t.to_string());
    // In the zone that the camera gives, else as UTC; none for an invalid time.
    assert_eq!(time(1).as_deref(), Some("2026-01-02T02:04:05Z"));
    assert_eq!(time(0).as_deref(), Some("2026-01-02T03:04:04Z"));
    assert_eq!(time(2), None);
}

#[test]
fn several_storages_keep_their_files_apart() {
    let device = Device::new(Quirks::default());
    let card = 0x0002_0001;
    // The third has no card in it.
    device.lock().storages = vec![card, STORAGE, 0x0003_0000];
    let same: Vec<u16> = "A.MP4".encode_utf16().collect();
    let inside = device.add_raw(STORAGE, TOP, same.clone(), Some(1000));
    let outside = device.add_raw(card, TOP, same, Some(2000));
    let mut camera = open(&device);
    assert_eq!(
        paths(&mut camera),
        ["storage-00010001/A.MP4", "storage-00020001/A.MP4"]
    );
    let bytes = read(&mut camera, "storage-00020001/A.MP4").unwrap();
    assert!(bytes == held(outside, 2000));
    let bytes = read(&mut camera, "storage-00010001/A.MP4").unwrap();
    assert!(bytes == held(inside, 1000));
}

#[test]
fn files_of_one_name_are_all_taken() {
    let device = Device::new(Quirks::default());
    let folder = device.folder(TOP, "DCIM");
    let handles: Vec<_> = (0..5)
        .map(|n| device.add(folder, "A.MP4", Some(100 + n)))
        .collect();
    device.add(folder, "A~3.MP4", Some(7));
    let mut camera = open(&device);
    let (files, refused) = list(&mut camera).unwrap();
    assert_eq!((files.len(), refused), (6, vec![]));
    let mut seen: Vec<_> = files
        .iter()
        .map(|f| read(&mut camera, &f.path.to_string()).unwrap())
        .collect();
    seen.sort();
    let mut expected: Vec<_> = handles
        .iter()
        .zip(100..)
        .map(|(handle, size)| held(*handle, size))
        .chain([held(handles[4] + 1, 7)])
        .collect();
    expected.sort();
    assert!(seen == expected);
}

#[test]
fn names_that_no_path_can_hold_get_one_and_are_taken() {
    let device = Device::new(Quirks::default());
    let folder = device.folder(TOP, "..");
    let names: [&[u16]; 5] = [&[0x2f, 0x61], &[0xd800], &[], &[0x2e], &[0x0a, 0x1b]];
    for (size, name) in (1..).zip(names) {
        device.add_raw(STORAGE, folder, name.to_vec(), Some(size));
    }
    let mut camera = open(&device);
    let (files, refused) = list(&mut camera).unwrap();
    assert_eq!((files.len(), refused), (5, vec![]));
    for file in files {
        let mut bytes = Vec::new();
        let mut open = camera.open(&file.path).unwrap();
        open.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, file.size);
        assert!(file.path.as_bytes().starts_with(b"%2e%2e/"));
    }
}

#[test]
fn the_size_of_an_object_of_4_gib_and_more_is_asked_for() {
    for (without, size) in [(&[][..], 5 << 32), (&[0x9803][..], 5 << 32)] {
        let device = Device::new(Quirks::default()).without(without);
        device.add(TOP, "A.MP4", Some(5 << 32));
        let (files, _) = list(&mut open(&device)).unwrap();
        assert_eq!(files[0].size, size, "{without:x?}");
    }
}

#[test]
fn a_file_of_unknown_size_is_named_and_not_taken_for_one_of_4_gib() {
    let device = Device::new(Quirks::default()).without(&[0x9803, 0x9805]);
    device.add(TOP, "A.MP4", Some(5 << 32));
    device.add(TOP, "B.MP4", Some(7));
    let mut camera = open(&device);
    let (files, refused) = list(&mut camera).unwrap();
    assert_eq!((files.len(), files[0].size), (1, 7));
    assert_eq!((refused.len(), refused[0].code), (1, "size_unknown"));
    assert_eq!(refused[0].path, Some(path("A.MP4")));
    assert!(camera.open(&path("A.MP4")).is_err());
}

#[test]
fn an_empty_camera_lists_nothing() {
    for listing in [
        Listing::Standard,
        Listing::ZeroIsTop,
        Listing::EmptyThenZero,
    ] {
        let device = Device::new(Quirks {
            listing,
            ..Quirks::default()
        });
        assert_eq!(paths(&mut open(&device)), [""; 0]);
    }
}

#[test]
fn storages_that_a_device_names_wrongly_or_not_at_all_are_found_in_another_way() {
    for named in [vec![], vec![0x0001_0000]] {
        for every_storage in [false, true] {
            let device = Device::new(Quirks {
                named_storages: Some(named.clone()),
                every_storage,
                ..Quirks::default()
            });
            // Listed as FFFFFFFF only, or as 00010001.
            let storage = if every_storage { 0x0003_0001 } else { STORAGE };
            device.lock().storages = vec![storage];
            let name = |text: &str| text.encode_utf16().collect();
            let dcim = device.add_raw(storage, TOP, name("DCIM"), None);
            device.add_raw(storage, dcim, name("A.MP4"), Some(700));
            assert_eq!(paths(&mut open(&device)), ["DCIM/A.MP4"], "{named:x?}");
        }
    }
}

#[test]
fn a_device_that_shows_no_storage_is_locked_and_not_empty() {
    for named in [vec![], vec![0x0001_0000], vec![0x0001_0000, 0x0002_0000]] {
        let device = Device::new(Quirks {
            named_storages: Some(named),
            ..Quirks::default()
        });
        device.lock().storages.clear();
        let mut camera = open(&device);
        let error = list(&mut camera).unwrap_err();
        assert_eq!(error.label(), "no_storage");
        assert_eq!(error.retry_class(), RetryClass::Later);
        // Somebody unlocks it.
        device.lock().quirks.named_storages = None;
        device.lock().storages.push(STORAGE);
        device.add(TOP, "A.MP4", Some(7));
        assert_eq!(paths(&mut camera), ["A.MP4"]);
    }
}

#[test]
fn the_serial_comes_from_where_the_profile_says() {
    use camdock::config::IdentitySource::{Descriptor, DeviceInfo, Unlock};
    use camdock::model::CameraId;
    let device = Device::new(Quirks::default());
    let id = |identity: &[camdock::config::IdentitySource], make: Option<&str>| {
        let profile = profile(|p| {
            p.identity = identity.to_vec();
            p.make = make.map(str::to_owned);
        });
        let facts = PtpFacts {
            unlocked: CameraId::new("acme", "U7"),
            ..facts()
        };
        let camera = PtpCamera::open(Box::new(device.wire()), facts, &profile, pace()).unwrap();
        camera.identity().id.as_ref().map(ToString::to_string)
    };
    let made = |text: &str| Some(text.to_owned());
    assert_eq!(
        id(&[DeviceInfo, Descriptor], None),
        made("Acme-Cameras/X8-000123")
    );
    assert_eq!(id(&[Descriptor], Some("acme")), made("acme/USB-1"));
    assert_eq!(id(&[Unlock, Descriptor], None), made("acme/U7"));
    device.lock().serial = "two words".into();
    assert_eq!(
        id(&[DeviceInfo, Descriptor], None),
        made("Acme-Cameras/USB-1")
    );
    assert_eq!(id(&[DeviceInfo], None), None);
}
