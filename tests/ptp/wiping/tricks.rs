//! Receipts of other files, forged checkpoints, changed files, old receipts, another's serial.

use proptest::prelude::*;

use super::desk::now;
use super::*;
use camdock::model::{Left, WipeProof};

#[test]
fn the_receipt_of_another_file_deletes_neither() {
    let mut docked = Docked::new(Quirks::default());
    let (a, b) = (docked.orders[0].clone(), docked.orders[1].clone());
    let mixed = |change: &dyn Fn(&mut WipeProof)| {
        let mut proof = a.1.clone();
        change(&mut proof);
        (a.0.clone(), proof)
    };
    docked.orders = vec![(a.0.clone(), b.1.clone())];
    assert_eq!(docked.wipe(false), ["proof_wrong"]);
    docked.orders = vec![mixed(&|p| {
        p.stored.clone_from(&b.1.stored);
        p.stored_receipt.clone_from(&b.1.stored_receipt);
    })];
    assert_eq!(docked.wipe(false), ["proof_other_item"]);
    docked.orders = vec![mixed(&|p| p.sealed_receipt.clone_from(&b.1.sealed_receipt))];
    assert_eq!(docked.wipe(false), ["proof_wrong"]);
    docked.orders = vec![mixed(&|p| p.stored_receipt.clone_from(&b.1.stored_receipt))];
    assert_eq!(docked.wipe(false), ["proof_wrong"]);
    // A true proof, which the caller claims for another file.
    let mut claimed = a.clone();
    claimed.0.path = b.0.path.clone();
    docked.orders = vec![claimed];
    assert_eq!(docked.wipe(false), ["proof_wrong"]);
    docked.untouched();
}

#[test]
fn a_forged_checkpoint_deletes_nothing() {
    let mut docked = Docked::new(Quirks::default());
    let (forger, id) = (Desk::new(), docked.camera.identity().id.clone().unwrap());
    let (listed, _) = list(&mut docked.camera).unwrap();
    let bytes = read(&mut docked.camera, &listed[0].path.to_string()).unwrap();
    // Consistent and of the same origin, but under an unknown key.
    let forged = forger.ordered(forger.takes(&id, &listed[0], &bytes));
    docked.orders = vec![forged];
    assert_eq!(docked.wipe(true), ["proof_wrong"]);
    // The true log's signature under the forger's root.
    let real = docked.desk.takes(&id, &listed[0], &bytes);
    let mut grafted = docked.orders[0].clone();
    let signature = real.stored_receipt.rsplit_once("\n\n").unwrap().1;
    let head = grafted.1.stored_receipt.rsplit_once("\n\n").unwrap().0;
    grafted.1.stored_receipt = format!("{head}\n\n{signature}");
    docked.orders = vec![grafted];
    assert_eq!(docked.wipe(true), ["proof_wrong"]);
    docked.untouched();
}

#[test]
fn a_file_that_changed_after_it_was_pulled_is_left() {
    type Change = fn(&mut mtp::Node);
    let changes: [(&str, Change, bool); 7] = [
        ("file_changed", |n| n.size += 1, false),
        ("file_changed", |n| n.size -= 1, true),
        (
            "file_changed",
            |n| n.modified = "20260102T030459".into(),
            false,
        ),
        ("file_changed", |n| n.seed += 100, true),
        ("path_unsure", |n| n.name[0] = u16::from(b'Z'), false),
        ("path_unsure", |n| n.parent = 0, false),
        ("path_unsure", |n| n.folder = true, false),
    ];
    for (expected, change, rehash) in changes {
        let mut docked = Docked::new(Quirks::default());
        docked.orders.truncate(2);
        let handle = docked.files[0].1;
        change(docked.device.lock().objects.get_mut(&handle).unwrap());
        let told = docked.wipe(rehash);
        // A folder, or a file of another name, is not even found at the path once the camera is listed anew.
        let also = ["file_gone", "path_unsure", "file_changed"];
        if expected == "path_unsure" {
            assert!(also.contains(&told[0].as_str()), "{told:?}");
        } else {
            assert_eq!(told[0], expected);
        }
        assert_eq!(told[1], "wiped");
        assert!(docked.device.lock().objects.contains_key(&handle));
        assert_eq!(docked.device.count(op::DELETE_OBJECT), 1);
    }
}

#[test]
fn an_old_receipt_does_not_delete_what_was_filmed_since_under_the_same_name() {
    let mut docked = Docked::new(Quirks::default());
    docked.orders.truncate(1);
    assert_eq!(docked.wipe(true), ["wiped"]);
    assert_eq!(docked.wipe(true), ["file_gone"]);
    let (name, _, size) = docked.files[0].clone();
    let parent = docked.files[1].1;
    let parent = docked.device.lock().objects[&parent].parent;
    let name = name.rsplit('/').next().unwrap().to_owned();
    let filmed = docked.device.add(parent, &name, Some(size));
    for rehash in [true, false] {
        assert_eq!(docked.wipe(rehash), ["file_changed"], "it has its own time");
    }
    // A camera without a clock gives the same time again. Only the bytes differ.
    let first = "20260102T030403";
    let modified = docked.orders[0].0.modified.unwrap().to_string();
    assert!(modified.ends_with("03:04:03Z"), "{modified}");
    let mut state = docked.device.lock();
    state.objects.get_mut(&filmed).unwrap().modified = first.into();
    drop(state);
    assert_eq!(docked.wipe(true), ["file_changed"]);
    assert!(docked.device.lock().objects.contains_key(&filmed));
    // A receipt proves nothing once its lock has ended.
    let later = "2040-01-01T00:00:00Z".parse().unwrap();
    let proof = &docked.orders[0].1;
    let over = docked.desk.proves(proof, later).unwrap_err();
    assert_eq!(over.code, "retention_over");
    assert!(docked.desk.proves(proof, now()).is_ok());
}

#[test]
fn a_camera_that_is_not_the_one_that_was_read_keeps_everything() {
    // Its files were taken from a camera of another serial.
    let docked = Docked::new(Quirks::default());
    let (device, files) = filled(Quirks::default());
    device.lock().serial = "X8-000999".into();
    let mut other = Docked::of(device, files);
    let told = docked.desk.wipe(&mut other.camera, &docked.orders, true);
    assert_eq!(told, ["camera_differs"; 8]);
    other.untouched();

    // The serial changes during the session.
    for after in 0..3 {
        let mut docked = Docked::new(Quirks::default());
        docked.device.lock().quirks.serial_after = Some((after, "X8-000999".into()));
        let told = docked.wipe(true);
        let gone = told.iter().filter(|code| *code == "wiped").count();
        assert_eq!(gone, after as usize);
        assert!(told[gone..].iter().all(|code| code == "camera_differs"));
        assert_eq!(docked.left().len(), 8 - gone);
    }
}

#[test]
fn the_serial_of_the_unlocked_form_must_be_that_of_the_unlock_step() {
    let (device, files) = filled(Quirks::default());
    let docked = Docked::of(device, files);
    let unlocked = |serial: &str| {
        let (device, files) = filled(Quirks::default());
        let facts = PtpFacts {
            unlocked: camdock::model::CameraId::new("acme", serial),
            ..facts()
        };
        let profile = profile(|p| {
            let mut identity = vec![camdock::config::IdentitySource::Unlock];
            identity.append(&mut p.identity);
            p.identity = identity;
        });
        let wire = Box::new(device.wire());
        let camera = PtpCamera::open(wire, facts, &profile, pace()).unwrap();
        (device, files, camera)
    };
    for (serial, expected) in [("X8-000123", "wiped"), ("Z1", "camera_differs")] {
        let (device, files, mut camera) = unlocked(serial);
        let id = camera.identity().id.clone().unwrap();
        assert_eq!(id.serial(), serial);
        let (listed, _) = list(&mut camera).unwrap();
        let bytes = held(files[0].1, files[0].2);
        let order = [docked
            .desk
            .ordered(docked.desk.takes(&id, &listed[0], &bytes))];
        assert_eq!(docked.desk.wipe(&mut camera, &order, true), [expected]);
        assert_eq!(
            device.count(op::DELETE_OBJECT),
            usize::from(expected == "wiped")
        );
    }
}

#[test]
fn names_that_several_objects_have_lead_to_none_of_them() {
    let device = Device::new(Quirks::default());
    let handles = ["A.MP4", "A.MP4", "B.MP4"].map(|name| device.add(TOP, name, Some(900)));
    let paths = ["A.MP4", "A~2.MP4", "B.MP4"];
    let files = paths
        .iter()
        .zip(handles)
        .map(|(p, h)| ((*p).to_owned(), h, 900));
    let mut docked = Docked::of(device, files.collect());
    assert_eq!(docked.wipe(true), ["path_unsure", "path_unsure", "wiped"]);
    assert_eq!(docked.device.lock().objects.len(), 2);
}

#[test]
fn what_the_one_who_asks_has_checked_is_checked_again_for_each_file() {
    let mut docked = Docked::new(Quirks::default());
    let asked = std::cell::Cell::new(0);
    let order = camdock::camera::WipeOrder {
        level: camdock::model::WipeLevel::Stored,
        rehash: true,
        files: &docked.orders,
        prove: &|proof| {
            asked.set(asked.get() + 1);
            if asked.get() > 3 {
                return Err(Left::new("retention_over", "in between"));
            }
            docked.desk.proves(proof, now())
        },
        helper: std::path::Path::new("/nonexistent"),
    };
    let answer = docked.camera.wipe(&order, &|| false).unwrap();
    assert_eq!(asked.get(), 8);
    let wiped = answer.files.iter().filter(|f| f.wiped).count();
    assert_eq!((wiped, docked.left().len()), (3, 5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever a camera does with its files after they were read, and however it answers: every deleted file was proven
    /// and unchanged.
    #[test]
    fn nothing_goes_but_what_is_proven_and_unchanged(
        changes in proptest::collection::vec(0u8..9, 8), answers in 0u8..8, listing in 0u8..2,
    ) {
        let (device, files) = filled(Quirks::default());
        let stranger = device.add(TOP, "NEW.MP4", Some(77));
        let mut docked = Docked::of(device, files);
        let mut may_go = BTreeSet::new();
        {
            let mut state = docked.device.lock();
            match answers {
                0 => state.quirks.delete_answer = Some(0x200d),
                1 => state.quirks.delete_ignored = true,
                2 => state.quirks.delete_unanswered = true,
                3 => state.quirks.reuses_handles = true,
                4 => (state.quirks.reuses_handles, state.quirks.delete_unanswered) = (true, true),
                5 => state.quirks.stalls = 3,
                6 => state.quirks.busy = 1,
                _ => {}
            }
            for ((name, handle, _), change) in docked.files.iter().zip(changes) {
                let node = state.objects.get_mut(handle).unwrap();
                match change {
                    0 => node.size += 1,
                    1 => node.modified = "20250102T030405".into(),
                    2 if held(node.seed + 1000, node.size) != held(node.seed, node.size) => {
                        node.seed += 1000;
                    }
                    3 => node.name[0] += 1,
                    4 => node.parent = stranger,
                    _ => {
                        may_go.insert(name.rsplit('/').next().unwrap().to_owned());
                    }
                }
            }
        }
        let before = docked.left();
        if listing == 0 {
            list(&mut docked.camera).unwrap();
        }
        let told = docked.wipe(true);
        let gone: BTreeSet<_> = before.difference(&docked.left()).cloned().collect();
        prop_assert!(gone.is_subset(&may_go), "{gone:?} {may_go:?}");
        prop_assert_eq!(docked.folders(), 2);
        // Every file reported as deleted is gone.
        let said = told.iter().filter(|code| *code == "wiped").count();
        let unknown = told.iter().filter(|code| *code == "delete_unknown").count();
        prop_assert!(said <= gone.len() && gone.len() <= said + unknown, "{told:?} {gone:?}");
    }
}
