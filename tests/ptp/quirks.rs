use super::*;
use camdock::camera::ptp::op;
use mtp::Ending;

/// Tries one quirk with each kind of read and each ending.
fn everywhere(quirks: Quirks) {
    for ending in [
        Ending::EmptyPacket,
        Ending::StrayByte,
        Ending::Nothing,
        Ending::Glued,
    ] {
        for without in [
            &[][..],
            &[op::GET_PARTIAL_OBJECT_64],
            &[op::GET_PARTIAL_OBJECT_64, op::GET_PARTIAL_OBJECT],
        ] {
            for packet in [64, 512, 1024] {
                let (device, files) = filled(Quirks {
                    packet,
                    ending,
                    ..quirks.clone()
                });
                all_is_read(&device.without(without), &files);
            }
        }
    }
}

#[test]
fn a_device_by_the_book_is_read_in_every_way() {
    everywhere(Quirks::default());
}

#[test]
fn a_header_alone_in_its_packet_ends_nothing() {
    everywhere(Quirks {
        header_alone: true,
        ..Quirks::default()
    });
}

#[test]
fn a_response_glued_to_the_data_is_found() {
    everywhere(Quirks {
        glue_response: true,
        ..Quirks::default()
    });
}

#[test]
fn junk_in_data_headers_is_ignored() {
    everywhere(Quirks {
        junk_headers: true,
        ..Quirks::default()
    });
}

#[test]
fn a_data_phase_of_unknown_length_ends_at_the_known_size() {
    everywhere(Quirks {
        unknown_length: true,
        ..Quirks::default()
    });
    everywhere(Quirks {
        unknown_length: true,
        header_alone: true,
        ..Quirks::default()
    });
}

#[test]
fn events_and_old_responses_in_the_data_pipe_are_passed_over() {
    everywhere(Quirks {
        events: true,
        old_response: true,
        ..Quirks::default()
    });
}

#[test]
fn a_session_left_open_is_taken_over() {
    let (device, files) = filled(Quirks {
        already_open: true,
        ..Quirks::default()
    });
    all_is_read(&device, &files);
}

#[test]
fn refused_transaction_ids_are_raised() {
    for used in [1, 2, 3000] {
        let (device, files) = filled(Quirks {
            // Devices that continue another program's session don't count OpenSession.
            used_transactions: used,
            already_open: true,
            ..Quirks::default()
        });
        let opened = try_open(&device);
        if used <= 2 {
            drop(opened.unwrap());
            all_is_read(&device, &files);
        } else {
            // No known device needs an OpenSession with an id in the thousands.
            assert!(opened.is_err());
        }
    }
}

#[test]
fn a_device_that_can_not_open_a_session_is_reset_once() {
    for (no_reset, class, port) in [(false, 1, 0), (true, 0, 1)] {
        let (device, files) = filled(Quirks {
            needs_reset: true,
            no_reset,
            ..Quirks::default()
        });
        all_is_read(&device, &files);
        let state = device.lock();
        assert_eq!((state.resets, state.port_resets), (class, port));
    }
}

#[test]
fn a_busy_device_is_asked_again() {
    let (device, files) = filled(Quirks {
        busy: 3,
        ..Quirks::default()
    });
    all_is_read(&device, &files);
    let (device, _) = filled(Quirks {
        busy: u32::MAX,
        ..Quirks::default()
    });
    assert!(try_open(&device).is_err(), "but not for ever");
    assert!(device.lock().asked.len() < 100);
}

#[test]
fn a_stall_in_mid_data_is_cleared_and_the_piece_read_again() {
    let (device, files) = filled(Quirks {
        stalls: 2,
        ..Quirks::default()
    });
    all_is_read(&device, &files);
    let state = device.lock();
    // The first stall is answered by a cancel, a second one at the same place by a reset.
    assert_eq!((state.cancels, state.resets, state.port_resets), (1, 1, 0));
}

#[test]
fn a_stall_is_mended_on_devices_without_cancel_and_reset() {
    let (device, files) = filled(Quirks {
        stalls: 2,
        no_cancel: true,
        no_reset: true,
        ..Quirks::default()
    });
    all_is_read(&device, &files);
    assert_eq!(device.lock().port_resets, 1);
}

#[test]
fn silence_in_mid_data_is_cancelled_and_the_piece_read_again() {
    let (device, files) = filled(Quirks {
        silences: 2,
        busy_status: 5,
        ..Quirks::default()
    });
    all_is_read(&device, &files);
    let state = device.lock();
    assert_eq!((state.cancels, state.resets), (1, 1));
}

#[test]
fn a_transfer_that_fails_is_repeated() {
    let (device, files) = filled(Quirks {
        io_errors: 1,
        ..Quirks::default()
    });
    all_is_read(&device, &files);
}

#[test]
fn a_piece_that_the_device_takes_back_is_not_used() {
    // The device sends zeros, and the response after them says Incomplete.
    let (device, files) = filled(Quirks {
        incomplete: 2,
        ..Quirks::default()
    });
    all_is_read(&device, &files);
}

#[test]
fn short_pieces_are_put_together() {
    let (device, files) = filled(Quirks {
        small_pieces: Some(100_000),
        ..Quirks::default()
    });
    all_is_read(&device, &files);
}

#[test]
fn transfers_shrink_when_the_kernel_has_no_memory() {
    let (device, files) = filled(Quirks {
        transfer_max: Some(64 << 10),
        ..Quirks::default()
    });
    all_is_read(&device, &files);
}

#[test]
fn a_device_that_answers_only_inside_of_a_session_is_opened() {
    let (device, files) = filled(Quirks {
        info_in_session_only: true,
        ..Quirks::default()
    });
    all_is_read(&device, &files);
}

#[test]
fn the_session_is_closed_unless_the_device_must_be_spared_that() {
    let (device, _) = filled(Quirks {
        hangs_on_close: true,
        ..Quirks::default()
    });
    let spared = profile(|p| p.ptp.no_close = true);
    drop(PtpCamera::open(Box::new(device.wire()), facts(), &spared, pace()).unwrap());
    assert_eq!(device.count(op::CLOSE_SESSION), 0);
    drop(open(&device));
    assert_eq!(device.count(op::CLOSE_SESSION), 1);
    assert!(!device.lock().session_open);
}

#[test]
fn partial_reads_can_be_forbidden() {
    let (device, files) = filled(Quirks::default());
    let profile = profile(|p| p.ptp.no_partial = true);
    let mut camera = PtpCamera::open(Box::new(device.wire()), facts(), &profile, pace()).unwrap();
    let (name, handle, size) = &files[0];
    assert!(read(&mut camera, name).unwrap() == held(*handle, *size));
    assert_eq!(device.count(op::GET_PARTIAL_OBJECT_64), 0);
    assert_eq!(device.count(op::GET_OBJECT), 1);
}

#[test]
fn only_operations_that_read_are_ever_asked_for() {
    let (device, files) = filled(Quirks {
        stalls: 1,
        ..Quirks::default()
    });
    all_is_read(&device, &files);
    let mut camera = open(&device);
    camera.condition();
    drop(camera);
    let read_only = [
        op::GET_DEVICE_INFO,
        op::OPEN_SESSION,
        op::CLOSE_SESSION,
        op::GET_STORAGE_IDS,
        op::GET_OBJECT_HANDLES,
        op::GET_OBJECT_INFO,
        op::GET_OBJECT,
        op::GET_PARTIAL_OBJECT,
        op::GET_PARTIAL_OBJECT_64,
        op::GET_OBJECT_PROP_VALUE,
        op::GET_OBJECT_PROP_LIST,
        op::GET_DEVICE_PROP_DESC,
        op::GET_DEVICE_PROP_VALUE,
    ];
    for (operation, _, _) in &device.lock().asked {
        assert!(read_only.contains(operation), "{operation:04X}");
    }
}
