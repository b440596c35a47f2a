//! Tricks that a compromised service or a camera could try on the code that deletes.

use proptest::prelude::*;

use super::proof_desk::{Desk, now, sealed, stored};
use super::*;
use crate::model::StationStopped;

#[test]
fn both_entries_and_both_receipts_prove_a_file() {
    let desk = Desk::new();
    let item = sealed("DCIM/A.MP4");
    let proven = desk
        .tried(&desk.proof(item.clone(), stored(&item)))
        .unwrap();
    assert_eq!(proven.evidence, item.evidence);
    assert_eq!((&proven.path, proven.size), (&item.path, item.size));
    assert_eq!(
        (proven.sha256, proven.modified),
        (item.sha256, item.modified)
    );
    assert_eq!(proven.camera.serial(), "X1");
}

#[test]
fn the_receipt_of_another_file_proves_nothing() {
    let desk = Desk::new();
    let (a, b) = (desk.good("A.MP4"), desk.good("B.MP4"));
    let mixed = |sealed: &WipeProof, stored: &WipeProof| WipeProof {
        sealed: sealed.sealed.clone(),
        sealed_receipt: sealed.sealed_receipt.clone(),
        ..stored.clone()
    };
    // File A with the storage of B, each with a valid proof of its own.
    assert_eq!(desk.tried(&mixed(&a, &b)), Err("proof_other_item"));
    // The entry of A with the receipt of B.
    for wrong in [
        WipeProof {
            sealed: a.sealed.clone(),
            ..b.clone()
        },
        WipeProof {
            stored: a.stored.clone(),
            ..b.clone()
        },
        WipeProof {
            sealed_receipt: a.sealed_receipt.clone(),
            ..b.clone()
        },
        WipeProof {
            stored_receipt: a.stored_receipt.clone(),
            ..b.clone()
        },
    ] {
        assert_eq!(desk.tried(&wrong), Err("proof_wrong"));
    }
    // The same id with another object.
    let item = sealed("C.MP4");
    for change in [
        |s: &mut ItemStored| s.key = "p/evidence/leeds-1/other/original".into(),
        |s: &mut ItemStored| s.key = s.key.replace("original", "preview"),
        |s: &mut ItemStored| s.key = s.key.replace("leeds-1", "leeds-2"),
        |s: &mut ItemStored| s.key.insert(0, 'x'),
        |s: &mut ItemStored| s.size += 1,
    ] {
        let mut other = stored(&item);
        change(&mut other);
        let expected = other.key.starts_with('x');
        let tried = desk.tried(&desk.proof(item.clone(), other));
        assert_eq!(tried.is_ok(), expected, "a prefix may be any: {tried:?}");
    }
    let nested = ItemStored {
        key: format!("pevidence/leeds-1/{}/original", item.evidence),
        ..stored(&item)
    };
    assert_eq!(
        desk.tried(&desk.proof(item, nested)),
        Err("proof_other_item")
    );
}

#[test]
fn a_checkpoint_that_another_key_signed_proves_nothing() {
    let (desk, forger) = (Desk::new(), Desk::new());
    // The forger's log has the same origin and a perfect proof.
    let forged = forger.good("A.MP4");
    assert!(forger.tried(&forged).is_ok());
    assert_eq!(desk.tried(&forged), Err("proof_wrong"));
    // The real log's signature under the forger's root.
    let real = desk.good("A.MP4");
    let signature = |text: &str| text.rsplit_once("\n\n").unwrap().1.to_owned();
    let (head, _) = forged.stored_receipt.rsplit_once("\n\n").unwrap();
    let grafted = WipeProof {
        stored_receipt: format!("{head}\n\n{}", signature(&real.stored_receipt)),
        ..real.clone()
    };
    assert_eq!(desk.tried(&grafted), Err("proof_wrong"));
    // Two logs that are both trusted, one entry from each.
    let keys = [desk.log.verifier(), forger.log.verifier()].map(ToString::to_string);
    let both = WipeTrust::new(WipeLevel::Stored, &keys, &[]).unwrap();
    let mixed = WipeProof {
        stored: forged.stored.clone(),
        stored_receipt: forged.stored_receipt.clone(),
        ..real
    };
    let tried = prove(&mixed, &both, WipeLevel::Stored, now());
    assert_eq!(tried.unwrap_err().code, "proof_wrong");
}

#[test]
fn entries_of_other_kinds_in_the_wrong_order_or_spelled_otherwise_prove_nothing() {
    let desk = Desk::new();
    let good = desk.good("A.MP4");
    let swapped = WipeProof {
        sealed: good.stored.clone(),
        sealed_receipt: good.stored_receipt.clone(),
        stored: good.sealed.clone(),
        stored_receipt: good.sealed_receipt.clone(),
        confirmation: None,
    };
    assert_eq!(desk.tried(&swapped), Err("proof_other_event"));
    let stopped = Event::StationStopped(StationStopped { reason: "x".into() });
    let (other, at) = desk.logs(stopped);
    let other = WipeProof {
        stored: other,
        stored_receipt: desk.log.proof(at).unwrap(),
        ..good.clone()
    };
    assert_eq!(desk.tried(&other), Err("proof_other_event"));
    // Stored before it was sealed.
    let item = sealed("B.MP4");
    let (stored, first) = desk.logs(Event::ItemStored(stored(&item)));
    let (sealed, second) = desk.logs(Event::ItemSealed(item));
    let backwards = WipeProof {
        sealed,
        sealed_receipt: desk.log.proof(second).unwrap(),
        stored,
        stored_receipt: desk.log.proof(first).unwrap(),
        confirmation: None,
    };
    assert_eq!(desk.tried(&backwards), Err("proof_other_item"));
    // In the log, but with a key twice: it could be read in two ways.
    let twice = good.sealed.replacen("{\"data\"", "{\"v\":1,\"data\"", 1);
    let committed = desk
        .log
        .append_encoded_blocking(vec![twice.clone().into_bytes()]);
    let twice = WipeProof {
        sealed_receipt: desk.log.proof(committed.unwrap()[0].index).unwrap(),
        sealed: twice,
        ..good
    };
    assert_eq!(desk.tried(&twice), Err("proof_wrong"));
}

#[test]
fn a_lock_that_is_over_or_missing_and_unverified_storage_prove_nothing() {
    let desk = Desk::new();
    let item = sealed("A.MP4");
    let tried = |change: &dyn Fn(&mut ItemStored)| {
        let mut stored = stored(&item);
        change(&mut stored);
        desk.tried(&desk.proof(item.clone(), stored)).map(drop)
    };
    assert_eq!(tried(&|_| ()), Ok(()));
    assert_eq!(tried(&|s| s.retention = None), Err("retention_missing"));
    assert_eq!(tried(&|s| s.unverified = true), Err("stored_unverified"));
    let by_md5 = |s: &mut ItemStored| s.confirmed_by = ConfirmedBy::Md5;
    assert_eq!(tried(&by_md5), Err("not_confirmed"));
    let until = |s: &mut ItemStored| s.retention.as_mut().unwrap().until = now();
    assert_eq!(tried(&until), Err("retention_over"));
    let nameless = ItemSealed {
        camera: None,
        ..item.clone()
    };
    let of = stored(&nameless);
    assert_eq!(desk.tried(&desk.proof(nameless, of)), Err("camera_differs"));
}

#[test]
fn the_level_confirmed_needs_a_pinned_readers_note_of_just_this_object() {
    let desk = Desk::new();
    let (proof, other) = (desk.good("A.MP4"), desk.good("B.MP4"));
    let tried = |trust: WipeLevel, asked: WipeLevel, note: Option<String>| {
        let proof = WipeProof {
            confirmation: note,
            ..proof.clone()
        };
        let proven = prove(&proof, &desk.trust(trust), asked, now());
        proven.map(drop).map_err(|left| left.code)
    };
    let own = desk.confirmation(&proof, |_| ());
    // The stricter level counts, whether root's file or the request asks for it.
    for (trust, asked) in [
        (WipeLevel::Stored, WipeLevel::Confirmed),
        (WipeLevel::Confirmed, WipeLevel::Stored),
    ] {
        assert_eq!(tried(trust, asked, Some(own.clone())), Ok(()));
        assert_eq!(tried(trust, asked, None), Err("not_confirmed"));
        let others = desk.confirmation(&other, |_| ());
        for wrong in [String::new(), others, proof.stored_receipt.clone()] {
            assert_eq!(tried(trust, asked, Some(wrong)), Err("confirmation_wrong"));
        }
    }
    let changes: [&dyn Fn(&mut Confirmation); 6] = [
        &|c| c.version_id = Some("v2".into()),
        &|c| c.version_id = None,
        &|c| c.checksum = "other-1".into(),
        &|c| c.bucket = "elsewhere".into(),
        &|c| c.origin = "camdock/other".into(),
        &|c| c.size += 1,
    ];
    for change in changes {
        let note = Some(desk.confirmation(&proof, change));
        let got = tried(WipeLevel::Confirmed, WipeLevel::Confirmed, note);
        assert_eq!(got, Err("confirmation_wrong"));
    }
}

#[test]
fn a_confirmer_is_never_the_station_itself_and_no_key_is_no_trust() {
    let desk = Desk::new();
    let log = desk.log.verifier().to_string();
    let same = |logs: &[String], confirmers: &[String], level| {
        WipeTrust::new(level, logs, confirmers).is_ok()
    };
    let reader = desk.reader.verifier("reader").unwrap().to_string();
    let logs = [log.clone()];
    assert!(same(&logs, &[], WipeLevel::Stored));
    assert!(same(&logs, &[reader], WipeLevel::Confirmed));
    assert!(!same(&logs, &[], WipeLevel::Confirmed));
    assert!(!same(&[], &[], WipeLevel::Stored));
    assert!(!same(&logs, &[log], WipeLevel::Confirmed));
    assert!(!same(&["nonsense".into()], &[], WipeLevel::Stored));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A changed request proves nothing, or exactly what it proved before.
    #[test]
    fn no_change_of_a_proof_proves_anything_else(
        field in 0usize..4, at in 0.0f64..1.0, cut in any::<bool>(), new in any::<char>(),
    ) {
        thread_local! {
            static MADE: (Desk, WipeProof) = {
                let desk = Desk::new();
                for n in 0..5 {
                    desk.good(&format!("{n}.MP4"));
                }
                let good = desk.good("A.MP4");
                (desk, good)
            };
        }
        MADE.with(|(desk, good)| {
            let before = desk.tried(good).unwrap();
            let mut changed = good.clone();
            let text = match field {
                0 => &mut changed.sealed,
                1 => &mut changed.sealed_receipt,
                2 => &mut changed.stored,
                _ => &mut changed.stored_receipt,
            };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let mut at = (text.len() as f64 * at) as usize;
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            if cut {
                text.truncate(at);
            } else {
                let was = text[at..].chars().next().unwrap_or(' ');
                let end = text.len().min(at + was.len_utf8());
                text.replace_range(at..end, &new.to_string());
            }
            match desk.tried(&changed) {
                Ok(proven) => prop_assert!(proven == before && changed == *good, "{changed:?}"),
                Err(code) => prop_assert!(code.starts_with("proof_"), "{code}"),
            }
            Ok(())
        })?;
    }
}
