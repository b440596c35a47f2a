//! Property lists instead of one query for each object: fewer round trips, and always the same listing.

use super::*;
use camdock::camera::ptp::op;
use camdock::model::Explain as _;
use proptest::prelude::*;

const LIST: u16 = op::GET_OBJECT_PROP_LIST;

/// Folders with files of many kinds; `sizes` in turn.
fn tree(quirks: Quirks, sizes: &[u64]) -> Device {
    let device = Device::new(quirks);
    let dcim = device.folder(TOP, "DCIM");
    let mut sizes = sizes.iter().copied().cycle();
    for (folder, count) in [("100MEDIA", 7), ("EVENT01", 4), ("EMPTY", 0), ("TWO", 2)] {
        let inside = device.folder(dcim, folder);
        for number in 0..count {
            let handle = device.add(inside, &format!("V{number}.MP4"), sizes.next());
            let mut state = device.lock();
            let node = state.objects.get_mut(&handle).unwrap();
            node.protected = number == 1;
            match number {
                // Only a creation time, or no time.
                2 => node.modified = String::new(),
                3 => (node.modified, node.created) = ("20261399".into(), String::new()),
                _ => node.created = "20250101T000000".into(),
            }
            if number == 2 {
                node.created = "20260304T050607Z".into();
            }
        }
    }
    // One name twice, and one that no path can hold.
    device.add(dcim, "X.MP4", Some(1));
    device.add(dcim, "X.MP4", Some(2));
    device.add(dcim, "a/b\u{1}", Some(3));
    device
}

fn both_ways(device: &Device) -> [(Vec<FileFacts>, Vec<RefusedEntry>); 2] {
    let mut listed = list(&mut open(device)).unwrap();
    let one_by_one = profile(|p| p.ptp.no_lists = true);
    let mut camera =
        PtpCamera::open(Box::new(device.wire()), facts(), &one_by_one, pace()).unwrap();
    let mut single = list(&mut camera).unwrap();
    for (_, refused) in [&mut listed, &mut single] {
        refused.sort_by(|a, b| a.name.cmp(&b.name));
    }
    [listed, single]
}

#[test]
fn a_thousand_objects_are_listed_in_a_few_round_trips() {
    let asked = |lists: Lists| {
        let device = Device::new(Quirks {
            lists,
            ..Quirks::default()
        });
        let folder = device.folder(TOP, "DCIM");
        for number in 0..1000 {
            device.add(folder, &format!("{number:04}.MP4"), Some(1));
        }
        let mut camera = open(&device);
        let before = device.lock().asked.len();
        assert_eq!(list(&mut camera).unwrap().0.len(), 1000);
        let asked = device.lock().asked.len() - before;
        // Lists again, as opening a file with an unknown handle does: what works with the device is remembered.
        list(&mut camera).unwrap();
        let again = device.lock().asked.len() - before - asked;
        println!("{lists:?}: {asked} round trips for 1,000 objects, then {again}");
        (asked, again)
    };
    // Storages, two lists of handles, the folder's own ObjectInfo, the properties, and two questions to compare with.
    assert_eq!(asked(Lists::Good), (7, 7));
    assert_eq!(asked(Lists::OneProperty), (12, 11));
    // A useless kind of list is tried once.
    let (first, then) = asked(Lists::NoDepth);
    assert_eq!((first - then, then), (4, 1004));
    let (first, then) = asked(Lists::Refuses);
    assert!(first <= then + 4 && then < 2010, "{first} {then}");
}

#[test]
fn whatever_a_device_does_with_lists_the_listing_is_the_same() {
    let sizes = [0, 1, 5 << 20, 0xffff_fffe, 0xffff_ffff, 5 << 32];
    for lists in Lists::ALL {
        let device = tree(
            Quirks {
                lists,
                ..Quirks::default()
            },
            &sizes,
        );
        let [listed, single] = both_ways(&device);
        assert_eq!(listed, single, "{lists:?}");
        assert_eq!((listed.0.len(), listed.1.len()), (16, 0), "{lists:?}");
    }
}

#[test]
fn a_useless_way_is_given_up_after_few_questions() {
    for (lists, most) in [
        (Lists::Good, 3),
        (Lists::OneProperty, 1 + 3 * 6),
        (Lists::Refuses, 4),
        (Lists::Short(0), 4),
        (Lists::WrongSizes, 2),
        (Lists::Torn, 7),
        (Lists::Overcounted, 7),
        (Lists::Hangs, 1),
        (Lists::Floods, 1),
    ] {
        let device = tree(
            Quirks {
                lists,
                ..Quirks::default()
            },
            &[7],
        );
        list(&mut open(&device)).unwrap();
        let asked = device.lock().lists_asked();
        assert!(asked <= most, "{lists:?}: {asked}");
    }
}

#[test]
fn a_list_that_is_never_answered_costs_one_cancel_and_no_reset() {
    for lists in [Lists::Hangs, Lists::Floods] {
        let device = tree(
            Quirks {
                lists,
                ..Quirks::default()
            },
            &[7],
        );
        assert_eq!(list(&mut open(&device)).unwrap().0.len(), 16);
        let state = device.lock();
        assert_eq!((state.cancels, state.resets, state.port_resets), (1, 0, 0));
        assert!(state.data_sent < 2 << 20, "{}", state.data_sent);
    }
}

#[test]
fn a_size_whose_upper_half_is_cut_off_in_object_info_is_asked_for() {
    let size = (5 << 32) + 1000;
    for without in [&[][..], &[LIST], &[0x9803]] {
        for lists in [Lists::Good, Lists::NoDepth] {
            let device = tree(
                Quirks {
                    lists,
                    cuts_sizes: true,
                    ..Quirks::default()
                },
                &[size],
            );
            let device = device.without(without);
            let (files, _) = list(&mut open(&device)).unwrap();
            let long = files.iter().filter(|f| f.size == size).count();
            assert_eq!(long, 13, "{without:x?} {lists:?}");
        }
    }
}

#[test]
fn a_camera_that_is_pulled_out_while_it_lists_is_gone() {
    let device = tree(Quirks::default(), &[7]);
    let mut camera = open(&device);
    device.lock().quirks.pulled_after = Some(900);
    let error = list(&mut camera).unwrap_err();
    assert_eq!(error.label(), "camera_gone");
}

#[test]
fn a_camera_that_must_be_spared_is_never_asked_for_lists() {
    let device = tree(Quirks::default(), &[7]);
    let spared = profile(|p| p.ptp.no_lists = true);
    let mut camera = PtpCamera::open(Box::new(device.wire()), facts(), &spared, pace()).unwrap();
    assert_eq!(list(&mut camera).unwrap().0.len(), 16);
    assert_eq!(device.count(LIST), 0);
}

fn names() -> impl Strategy<Value = Vec<u16>> {
    prop_oneof![
        "[A-C]{1,2}(\\.MP4|\\.GPS)?".prop_map(|text| text.encode_utf16().collect()),
        proptest::collection::vec(1_u16.., 0..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_tree_is_listed_the_same_both_ways(
        objects in proptest::collection::vec((names(), any::<Option<u64>>(), 0_usize..8, any::<bool>(), "[0-9]{8}T[0-9]{6}|", "20[0-9]{6}T[01][0-9]{5}Z?|"), 0..40),
        lists in proptest::sample::select(&Lists::ALL[..]),
    ) {
        let device = Device::new(Quirks { lists, ..Quirks::default() });
        let mut folders = vec![TOP];
        for (name, size, folder, protected, created, modified) in objects {
            let parent = folders[folder % folders.len()];
            let handle = device.add_raw(mtp::STORAGE, parent, name, size);
            if size.is_none() {
                folders.push(handle);
            }
            let mut state = device.lock();
            let node = state.objects.get_mut(&handle).unwrap();
            (node.protected, node.created, node.modified) = (protected, created, modified);
        }
        let [listed, single] = both_ways(&device);
        prop_assert_eq!(listed, single);
    }
}
