use super::*;
use camdock::camera::ptp::op;
use camdock::model::Explain as _;
use mtp::STORAGE;

fn codes(refused: &[RefusedEntry]) -> Vec<&'static str> {
    refused.iter().map(|r| r.code).collect()
}

#[test]
fn an_endless_tree_is_cut_off_and_said() {
    let device = Device::new(Quirks {
        endless: true,
        ..Quirks::default()
    });
    device.folder(TOP, "DCIM");
    device.add(TOP, "A.MP4", Some(1));
    let (files, refused) = list(&mut open(&device)).unwrap();
    assert_eq!(files.len(), 1);
    assert!(matches!(codes(&refused)[..], ["too_deep"]), "{refused:?}");
    assert!(device.count(op::GET_OBJECT_INFO) < 100);
}

#[test]
fn more_objects_than_the_limit_are_counted_but_not_listed() {
    let device = Device::new(Quirks::default());
    let folder = device.folder(TOP, "DCIM");
    for n in 0..50 {
        device.add(folder, &format!("{n:02}.MP4"), Some(1));
    }
    let mut camera = open(&device).with_max_files(10);
    let (files, refused) = list(&mut camera).unwrap();
    assert_eq!(files.len(), 9, "and their folder");
    assert_eq!(codes(&refused), ["too_many_files"]);
    assert!(
        refused[0].reason.contains("41 more"),
        "{}",
        refused[0].reason
    );
}

#[test]
fn a_folder_inside_of_itself_is_walked_once() {
    let device = Device::new(Quirks::default());
    let a = device.folder(TOP, "A");
    let b = device.folder(a, "B");
    device.add(b, "X.MP4", Some(1));
    {
        let mut state = device.lock();
        state
            .children
            .get_mut(&(STORAGE, a))
            .unwrap()
            .extend([a, a, b]);
        state
            .children
            .get_mut(&(STORAGE, b))
            .unwrap()
            .extend([a, b, 0, TOP]);
    }
    let (files, refused) = list(&mut open(&device)).unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!(codes(&refused), ["bad_handle", "bad_handle"]);
}

#[test]
fn a_folder_full_of_one_name_is_listed_in_time() {
    let device = Device::new(Quirks::default());
    for _ in 0..20_000 {
        device.add(TOP, "A.MP4", Some(1));
    }
    let (files, refused) = list(&mut open(&device)).unwrap();
    assert_eq!((files.len(), refused.len()), (20_000, 0));
}

#[test]
fn an_object_that_can_not_be_asked_about_is_named_and_the_rest_goes_on() {
    let (device, files) = filled(Quirks::default());
    device.lock().quirks.broken_object = Some(files[2].1);
    let (listed, refused) = list(&mut open(&device)).unwrap();
    assert_eq!(listed.len(), files.len() - 1);
    assert_eq!(codes(&refused), ["object_unreadable"]);
    assert!(
        refused[0].name.starts_with("DCIM/100MEDIA/object-"),
        "{:?}",
        refused[0]
    );
}

#[test]
fn data_that_ends_before_its_length_is_an_error_and_the_rest_goes_on() {
    let (device, files) = filled(Quirks::default());
    let mut camera = open(&device);
    list(&mut camera).unwrap();
    device.lock().quirks.claims_more = 1000;
    for (name, _, _) in files.iter().filter(|f| f.2 > 0) {
        let error = read(&mut camera, name).unwrap_err();
        assert!(
            matches!(
                cause(&error),
                PtpError::TooLarge { .. } | PtpError::Malformed(_) | PtpError::Protocol(_)
            ),
            "{error:?}"
        );
    }
    device.lock().quirks.claims_more = 0;
    let (name, handle, size) = &files[0];
    assert!(read(&mut camera, name).unwrap() == held(*handle, *size));
}

#[test]
fn a_file_that_ends_early_is_an_error_and_never_just_short() {
    for without in [
        &[][..],
        &[op::GET_PARTIAL_OBJECT_64, op::GET_PARTIAL_OBJECT],
    ] {
        let (device, files) = filled(Quirks {
            ends_after: Some(3 << 20),
            ..Quirks::default()
        });
        let device = device.without(without);
        let mut camera = open(&device);
        let error = read(&mut camera, &files[0].0).unwrap_err();
        let short = PtpError::Short {
            got: 3 << 20,
            size: 5 << 20,
        };
        assert_eq!(cause(&error), short);
        assert!(read(&mut camera, &files[1].0).unwrap() == held(files[1].1, files[1].2));
    }
}

#[test]
fn a_piece_longer_than_asked_for_is_refused() {
    for without in [
        &[][..],
        &[op::GET_PARTIAL_OBJECT_64, op::GET_PARTIAL_OBJECT],
    ] {
        let (device, files) = filled(Quirks {
            oversized_pieces: 3,
            ..Quirks::default()
        });
        let device = device.without(without);
        let mut camera = open(&device);
        let error = read(&mut camera, &files[0].0).unwrap_err();
        assert!(
            matches!(cause(&error), PtpError::TooLarge { .. }),
            "{error:?}"
        );
    }
}

#[test]
fn a_flood_instead_of_a_dataset_is_cut_off() {
    for flood in [300 << 10, 200 << 20, 1 << 40] {
        let device = Device::new(Quirks {
            floods: Some(flood),
            ..Quirks::default()
        });
        let error = try_open(&device).err().unwrap();
        assert!(
            matches!(error.label(), "camera_reply_too_large" | "camera_protocol"),
            "{error:?}"
        );
        let sent = device.lock().data_sent;
        assert!(sent < 1 << 30, "{sent} bytes were taken in");
    }
}

#[test]
fn sizes_and_times_at_the_edge_do_no_harm() {
    let device = Device::new(Quirks::default());
    let (max, over) = (camdock::camera::FILE_BYTES_MAX, u64::MAX);
    device.add(TOP, "A.MP4", Some(max));
    device.add(TOP, "B.MP4", Some(over));
    let (files, refused) = list(&mut open(&device)).unwrap();
    assert_eq!((files.len(), files[0].size), (1, max));
    assert_eq!(codes(&refused), ["too_large"]);
    assert_eq!(refused[0].size, Some(over));
}

#[test]
fn a_device_that_falls_silent_is_given_up_in_bounded_time() {
    let (device, _) = filled(Quirks::default());
    let mut camera = open(&device);
    device.lock().dead = true;
    let error = list(&mut camera).unwrap_err();
    assert_eq!(error.label(), "camera_silent");
    assert!(camera.still_there(), "but it is not gone");
    // The device has woken up.
    device.lock().dead = false;
    assert!(list(&mut camera).is_ok());
}
