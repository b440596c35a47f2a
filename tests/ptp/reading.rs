use super::*;
use camdock::camera::Change;
use camdock::camera::ptp::op;
use camdock::model::Explain as _;

#[test]
fn reading_resumes_at_any_byte() {
    for without in [&[][..], &[op::GET_PARTIAL_OBJECT_64]] {
        let (device, files) = filled(Quirks::default());
        let device = device.without(without);
        let mut camera = open(&device);
        let (name, handle, size) = &files[0];
        let whole = held(*handle, *size);
        for offset in [0, 1, 511, 512, 2 << 20, (2 << 20) + 1, *size - 1, *size] {
            let mut file = camera.open(&path(name)).unwrap();
            // Some bytes were read before, as in an interrupted session.
            file.read_exact(&mut [0; 1000]).unwrap();
            file.seek_to(offset).unwrap();
            let mut rest = Vec::new();
            file.read_to_end(&mut rest).unwrap();
            assert!(
                rest == whole[usize::try_from(offset).unwrap()..],
                "{offset}"
            );
            assert_eq!(file.recheck().unwrap(), None);
        }
    }
}

#[test]
fn a_whole_read_can_not_be_built_upon_and_says_so() {
    let (device, files) = filled(Quirks::default());
    let device = device.without(&[op::GET_PARTIAL_OBJECT_64, op::GET_PARTIAL_OBJECT]);
    let mut camera = open(&device);
    let mut file = camera.open(&path(&files[0].0)).unwrap();
    let error = file.seek_to(1).unwrap_err();
    assert!(error.spoils(), "{error:?}");
    assert_eq!(error.retry_class(), camdock::model::RetryClass::Later);
    file.seek_to(0).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert!(bytes == held(files[0].1, files[0].2));
}

#[test]
fn a_whole_read_that_the_device_takes_back_fails_at_its_end() {
    let (device, files) = filled(Quirks {
        incomplete: 1,
        ..Quirks::default()
    });
    let device = device.without(&[op::GET_PARTIAL_OBJECT_64, op::GET_PARTIAL_OBJECT]);
    let mut camera = open(&device);
    let error = read(&mut camera, &files[0].0).unwrap_err();
    let error = CameraError::reading(&path(&files[0].0), error);
    assert!(error.spoils(), "{error:?}");
    // The next read succeeds.
    assert!(read(&mut camera, &files[0].0).unwrap() == held(files[0].1, files[0].2));
}

#[test]
fn a_whole_read_that_stalls_fails_and_the_next_one_goes_well() {
    for quirks in [
        Quirks {
            stalls: 1,
            ..Quirks::default()
        },
        Quirks {
            silences: 1,
            ..Quirks::default()
        },
    ] {
        let (device, files) = filled(quirks);
        let device = device.without(&[op::GET_PARTIAL_OBJECT_64, op::GET_PARTIAL_OBJECT]);
        let mut camera = open(&device);
        let error = read(&mut camera, &files[0].0).unwrap_err();
        assert!(CameraError::reading(&path("a"), error).spoils());
        assert!(read(&mut camera, &files[0].0).unwrap() == held(files[0].1, files[0].2));
    }
}

#[test]
fn a_whole_read_left_in_the_middle_is_cancelled() {
    for no_cancel in [false, true] {
        let (device, files) = filled(Quirks {
            no_cancel,
            ..Quirks::default()
        });
        let device = device.without(&[op::GET_PARTIAL_OBJECT_64, op::GET_PARTIAL_OBJECT]);
        let mut camera = open(&device);
        let mut file = camera.open(&path(&files[0].0)).unwrap();
        file.read_exact(&mut [0; 1000]).unwrap();
        drop(file);
        assert_eq!(device.lock().cancels, u32::from(!no_cancel));
        assert!(read(&mut camera, &files[1].0).unwrap() == held(files[1].1, files[1].2));
    }
}

#[test]
fn another_operation_ends_a_whole_read_without_mixing_them_up() {
    let (device, files) = filled(Quirks::default());
    let device = device.without(&[op::GET_PARTIAL_OBJECT_64, op::GET_PARTIAL_OBJECT]);
    let mut camera = open(&device);
    let mut file = camera.open(&path(&files[0].0)).unwrap();
    file.read_exact(&mut [0; 1000]).unwrap();
    assert!(read(&mut camera, &files[1].0).unwrap() == held(files[1].1, files[1].2));
    let error = file.read(&mut [0; 10]).unwrap_err();
    assert!(CameraError::reading(&path("a"), error).spoils());
}

#[test]
fn bytes_beyond_4_gib_are_read_at_their_offset() {
    let device = Device::new(Quirks::default());
    let size = (5 << 30) + 1_000_003;
    let handle = device.add(TOP, "A.MP4", Some(size));
    let mut camera = open(&device);
    assert_eq!(paths(&mut camera), ["A.MP4"]);
    let mut file = camera.open(&path("A.MP4")).unwrap();
    for offset in [0, (4 << 30) - 5, (4 << 30) + 7, size - 9] {
        file.seek_to(offset).unwrap();
        let mut bytes = [0; 9];
        file.read_exact(&mut bytes).unwrap();
        let mut expected = [0; 9];
        mtp::content(handle, offset, &mut expected);
        assert_eq!(bytes, expected, "{offset}");
    }
    assert_eq!(file.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn no_more_than_what_is_wanted_of_an_object_is_asked_for() {
    let (device, files) = filled(Quirks::default());
    let mut camera = open(&device);
    let (name, handle, size) = &files[0];
    let mut file = camera.open(&path(name)).unwrap();
    assert!(file.can_seek());
    let whole = held(*handle, *size);
    for (from, length) in [(0, 500), (whole.len() - 700, 700)] {
        file.seek_to(from as u64).unwrap();
        file.limit_reads(length);
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes).unwrap();
        assert!(bytes == whole[from..from + length]);
        let wanted = u32::try_from(length).unwrap();
        let (operation, _, parameters) = device.lock().asked.last().unwrap().clone();
        assert_eq!(operation, op::GET_PARTIAL_OBJECT_64);
        assert_eq!(parameters[3], wanted, "{parameters:?}");
    }
}

/// 101B can't reach beyond 4 GiB, so such an object is read whole.
#[test]
fn an_object_over_4_gib_without_64_bit_reads_is_read_whole() {
    let (device, size) = (Device::new(Quirks::default()), (4 << 30) + 1_000_003);
    let device = device.without(&[op::GET_PARTIAL_OBJECT_64]);
    let handle = device.add(TOP, "A.MP4", Some(size));
    let mut camera = open(&device);
    let mut file = camera.open(&path("A.MP4")).unwrap();
    let (mut buffer, mut expected) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut offset = 0;
    loop {
        let count = file.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        // Only the start of each megabyte: comparing everything would take minutes.
        let head = count.min(4096);
        mtp::content(handle, offset, &mut expected[..head]);
        assert!(buffer[..head] == expected[..head], "{offset}");
        offset += count as u64;
    }
    assert_eq!(offset, size);
    assert_eq!(file.recheck().unwrap(), None);
    assert_eq!(device.count(op::GET_PARTIAL_OBJECT), 0);
    assert_eq!(device.count(op::GET_OBJECT), 1);
}

#[test]
fn an_operation_that_is_only_claimed_is_done_without() {
    let (device, files) = filled(Quirks::default());
    let camera = open(&device);
    // DeviceInfo has been read; from now on the device refuses operations that it claimed.
    let device = device.without(&[op::GET_PARTIAL_OBJECT_64, op::GET_PARTIAL_OBJECT]);
    let mut camera = camera;
    for (name, handle, size) in &files {
        assert!(read(&mut camera, name).unwrap() == held(*handle, *size));
        let file = camera.open(&path(name)).unwrap();
        assert!(!file.can_seek());
    }
    assert_eq!(
        device.count(op::GET_PARTIAL_OBJECT_64),
        1,
        "asked once, then not again"
    );
    assert_eq!(device.count(op::GET_PARTIAL_OBJECT), 1);
}

#[test]
fn changes_while_reading_are_told() {
    type Changed = (fn(&mut mtp::Node), Change);
    let changes: [Changed; 4] = [
        (
            |n| n.size += 1,
            Change::Size {
                was: 3584,
                now: 3585,
            },
        ),
        (|n| n.modified = "20260102T999999".into(), Change::Touched),
        (|n| n.name = vec![0x41], Change::Replaced),
        (|n| n.parent = 99, Change::Replaced),
    ];
    for (change, expected) in changes {
        let device = Device::new(Quirks::default());
        let handle = device.add(TOP, "A.MP4", Some(3584));
        let mut camera = open(&device);
        let mut file = camera.open(&path("A.MP4")).unwrap();
        file.read_to_end(&mut Vec::new()).unwrap();
        change(device.lock().objects.get_mut(&handle).unwrap());
        assert_eq!(file.recheck().unwrap(), Some(expected));
        device.lock().objects.remove(&handle);
        assert_eq!(file.recheck().unwrap(), Some(Change::Removed));
    }
}

#[test]
fn handles_that_changed_are_found_again_by_their_path() {
    let device = Device::new(Quirks::default());
    let old = device.add(TOP, "A.MP4", Some(100));
    let mut camera = open(&device);
    assert_eq!(paths(&mut camera), ["A.MP4"]);
    {
        let mut state = device.lock();
        state.objects.remove(&old);
        state.children.clear();
    }
    let new = device.add(TOP, "A.MP4", Some(100));
    assert!(read(&mut camera, "A.MP4").unwrap() == held(new, 100));
    assert!(matches!(
        camera.open(&path("B.MP4")),
        Err(CameraError::NotFound { .. })
    ));
}

#[test]
fn a_camera_pulled_in_mid_read_is_gone_for_good() {
    for without in [
        &[][..],
        &[op::GET_PARTIAL_OBJECT_64, op::GET_PARTIAL_OBJECT],
    ] {
        let (device, files) = filled(Quirks {
            pulled_after: Some(1 << 20),
            ..Quirks::default()
        });
        let device = device.without(without);
        let mut camera = open(&device);
        list(&mut camera).unwrap();
        assert!(camera.still_there());
        let error = read(&mut camera, &files[0].0).unwrap_err();
        assert_eq!(cause(&error), PtpError::Gone);
        assert!(!camera.still_there());
        // A device comes back on the port, but it is another one: the old one stays gone.
        device.lock().plugged = true;
        assert!(!camera.still_there());
        let error = list(&mut camera).unwrap_err();
        assert_eq!(error.label(), "camera_gone");
    }
}

#[test]
fn stopping_ends_a_read_at_a_silent_device() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let (device, files) = filled(Quirks::default());
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let pace = LinkTiming {
        stop: Arc::new(move || asked.load(Ordering::Relaxed)),
        ..pace()
    };
    let mut camera =
        PtpCamera::open(Box::new(device.wire()), facts(), &profile(|_| {}), pace).unwrap();
    list(&mut camera).unwrap();
    stop.store(true, Ordering::Relaxed);
    let error = camera.open(&path(&files[0].0)).err().unwrap();
    assert_eq!(error.label(), "camera_stopped");
    assert!(camera.still_there());
    drop(camera);
    assert!(!device.lock().session_open, "closed all the same");
}

/// Without ObjectSize, a device whose sizes are cut to 32 bits gives the lower half of a large one.
#[test]
fn a_file_that_goes_on_behind_its_size_is_an_error_in_every_way_of_reading() {
    for without in [
        &[][..],
        &[op::GET_PARTIAL_OBJECT_64],
        &[op::GET_PARTIAL_OBJECT_64, op::GET_PARTIAL_OBJECT],
    ] {
        let device = Device::new(Quirks {
            cuts_sizes: true,
            ..Quirks::default()
        });
        let device = device.without(without).without(&[0x9803, 0x9805]);
        device.add(TOP, "A.MP4", Some((4 << 30) + 1000));
        device.add(TOP, "B.MP4", Some(1000));
        let mut camera = open(&device);
        let error = read(&mut camera, "A.MP4").unwrap_err();
        let label = cause(&error).label();
        assert!(
            matches!(
                label,
                "size_unknown" | "camera_reply_too_large" | "camera_protocol"
            ),
            "{error:?}"
        );
        assert_eq!(read(&mut camera, "B.MP4").unwrap().len(), 1000);
    }
}

#[test]
fn a_size_of_0_is_believed_only_where_no_byte_follows() {
    let device = Device::new(Quirks {
        zero_sizes: true,
        ..Quirks::default()
    });
    let device = device.without(&[0x9805]);
    device.add(TOP, "A.MP4", Some((4 << 30) + 1000));
    device.add(TOP, "B.MP4", Some(1));
    device.add(TOP, "EMPTY.LOG", Some(0));
    let mut camera = open(&device);
    for name in ["A.MP4", "B.MP4"] {
        let error = read(&mut camera, name).unwrap_err();
        assert_eq!(cause(&error), PtpError::SizeWrong { size: 0 }, "{name}");
        let error = CameraError::reading(&path(name), error);
        assert_eq!(error.retry_class(), camdock::model::RetryClass::Never);
    }
    assert_eq!(read(&mut camera, "EMPTY.LOG").unwrap(), b"");
}
