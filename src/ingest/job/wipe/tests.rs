use super::*;
use crate::model::SourcePath;

fn file(path: &[u8]) -> (Proven, WipeProof) {
    let proven = Proven {
        evidence: EvidenceId::new(),
        camera: CameraId::new("acme", "X1").unwrap(),
        path: SourcePath::new(path).unwrap(),
        size: 1,
        modified: None,
        sha256: crate::model::Sha256Digest::of(b""),
    };
    let proof = WipeProof {
        sealed: String::new(),
        sealed_receipt: String::new(),
        stored: String::new(),
        stored_receipt: String::new(),
        confirmation: None,
    };
    (proven, proof)
}

#[test]
fn each_file_that_was_asked_about_gets_one_result_and_no_other_does() {
    let files = [file(b"A"), file(b"B"), file(b"C")];
    let stranger = file(b"X").0;
    let answers = vec![
        WipeResult::wiped(&stranger),
        WipeResult::wiped(&files[1].0),
        WipeResult::nameless(&Left::new("proof_wrong", "x")),
        WipeResult::left(&files[0].0, &Left::new("file_changed", "y".repeat(999))),
    ];
    let results = matched(&files, answers);
    let results_by_path: Vec<_> = results
        .iter()
        .map(|r| {
            (
                r.path.clone().unwrap().to_string(),
                r.wiped,
                r.code.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        results_by_path,
        [
            ("A".to_owned(), false, Some("file_changed")),
            ("B".to_owned(), true, None),
            ("C".to_owned(), false, Some("no_answer")),
        ]
    );
    assert_eq!(results[0].reason.as_ref().unwrap().len(), REASON_MAX);
}

#[test]
fn every_page_of_results_fits_an_entry_of_the_log() {
    let hostile = vec!["\u{1}".repeat(90); 45].join("/");
    let files: Vec<_> = (0..40).map(|_| file(hostile.as_bytes())).collect();
    let left = Left::new("file_changed", "\u{1}".repeat(9999));
    let answers = files
        .iter()
        .map(|(p, _)| WipeResult::left(p, &left))
        .collect();
    let pages = paged(matched(&files, answers));
    assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), 40);
    for page in pages {
        assert!(serde_json::to_vec(&page).unwrap().len() < 60_000);
    }
}

#[test]
fn a_profile_that_asks_for_confirmations_without_a_confirmer_is_refused_before_anything_is_deleted()
{
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wipe.toml");
    let key = crate::audit::LogKey::generate().unwrap().0;
    let key = key.verifier("camdock/x").unwrap();
    std::fs::write(
        &file,
        format!("level = \"stored\"\nlog_keys = [\"{key}\"]\n"),
    )
    .unwrap();
    let refused = |asked| allowed(&file, asked).err().map(|trouble| trouble.reason);
    let confirmed = refused(WipeLevel::Confirmed).unwrap();
    if rustix::process::geteuid().is_root() {
        assert!(confirmed.contains("no key of a confirmer"), "{confirmed}");
        assert_eq!(refused(WipeLevel::Stored), None);
    } else {
        assert!(confirmed.contains("others than root"), "{confirmed}");
    }
}
