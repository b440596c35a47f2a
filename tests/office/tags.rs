//! What people write on items: acts of the office's log, which the index follows once they are published.

use camdock::model::{EvidenceId, SessionId};
use serde_json::Value;

use crate::bed::{Bed, station};
use crate::searches::{Made, at, get, publish};

/// Not in the log, and not in the index.
const TEXT: &str = "Dolores Umbridge was seen";

fn recording(number: u8, session: SessionId) -> Made {
    Made {
        id: EvidenceId::new(),
        station: "one",
        session,
        camera: "acme/X1",
        officer: "4711".into(),
        path: format!("DCIM/A{number:04}.MP4"),
        kind: "video",
        flagged: false,
        recorded: Some(at(&format!("2026-01-09T0{number}:00:00Z"))),
        sealed: at("2026-01-10T12:00:00Z"),
        stored: true,
        quarantined: false,
    }
}

/// What a search finds: ids with their tags.
fn found(bed: &Bed, query: &str) -> Vec<(String, Value)> {
    let page = get(bed, &format!("/api/find?{query}"));
    let recordings = page["recordings"].as_array().unwrap();
    let one = |found: &Value| {
        let id = found["evidence"].as_str().unwrap().to_owned();
        (id, found["tags"].clone())
    };
    recordings.iter().map(one).collect()
}

#[track_caller]
fn tag(bed: &Bed, arguments: &[&str], code: i32) -> String {
    let (ended, said) = bed.decide(&[&["tag"], arguments].concat());
    assert_eq!(ended, Some(code), "{said}");
    said
}

#[test]
fn tags_are_acts_that_searches_follow_and_a_free_text_is_in_the_log_only_as_a_commitment() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-tags", &[&one], dir);
    let session = SessionId::new();
    let made: Vec<Made> = (1..=4).map(|n| recording(n, session)).collect();
    let ids: Vec<String> = made.iter().map(|made| made.id.to_string()).collect();
    for made in &made {
        made.put(&bed);
    }
    publish(&bed, &[&one], &made);
    bed.run();
    bed.until("one", |s| s["bucket"]["items"] == 4);

    // One, with a text; then more of the same item, which keeps what was said.
    let given = ["--incident", "CAD 0412", "--text", TEXT];
    let said = tag(&bed, &[&[ids[0].as_str()], &given[..]].concat(), 0);
    assert!(said.contains(&format!("tagged   {}", ids[0])), "{said}");
    tag(&bed, &[&ids[0], "--exhibit", "SH/1"], 0);
    let first = found(&bed, "incident=cad+0412");
    assert_eq!(first.len(), 1, "{first:?}");
    let (id, tags) = &first[0];
    assert_eq!(*id, ids[0]);
    assert_eq!(
        (&tags["incident"], &tags["exhibit"], &tags["category"]),
        (&"CAD 0412".into(), &"SH/1".into(), &Value::Null)
    );
    assert_eq!(found(&bed, "exhibit=SH%2F1&incident=CAD+0412"), first);
    assert!(found(&bed, "exhibit=SH%2F1&incident=other").is_empty());

    // A whole search: listed first, tagged only when that is confirmed.
    let search = [
        "--search",
        "officer=4711&from=2026-01-09T02",
        "--category",
        "assault",
    ];
    let said = tag(&bed, &search, 0);
    assert!(
        said.contains("3 recordings are found; nothing was tagged"),
        "{said}"
    );
    assert!(found(&bed, "category=assault").is_empty());
    tag(&bed, &[&search[..], &["--yes"]].concat(), 0);
    let in_category: Vec<String> = found(&bed, "category=ASSAULT")
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(in_category, [&ids[3], &ids[2], &ids[1]].map(String::clone));
    // Empty takes away, and what changes nothing is no act.
    tag(&bed, &[&ids[3], "--category", ""], 0);
    assert_eq!(found(&bed, "category=assault").len(), 2);
    let said = tag(&bed, &[&ids[2], "--category", "assault"], 0);
    let before = &bed.until_acts("item.tagged", 6)[3];
    assert_eq!(before["data"]["evidence"], ids[2].as_str(), "{before}");
    let of = format!("(entry {} of the office's log)", before["entry"]);
    assert!(said.contains(&of), "{said}");
    let said = tag(
        &bed,
        &[&EvidenceId::new().to_string(), "--category", "x"],
        3,
    );
    assert!(
        said.contains("no station of this office has logged"),
        "{said}"
    );
    let said = tag(&bed, &[&ids[2], "--category", "two\nlines"], 3);
    assert!(said.contains("one line"), "{said}");

    let acts = bed.until_acts("item.tagged", 6);
    let data = &acts[0]["data"];
    assert_eq!(
        (&data["log"], &data["evidence"]),
        (&"one".into(), &ids[0].as_str().into())
    );
    assert_eq!(data["source"], "person");
    assert_eq!(data.get("supersedes"), None);
    let again = &acts[1]["data"];
    assert_eq!(again["supersedes"]["index"], acts[0]["entry"]);
    assert_eq!(again["supersedes"]["log"], "office-1");
    assert_eq!(
        again["text_sha256"], data["text_sha256"],
        "it keeps its text"
    );
    assert_eq!(acts[5]["data"]["supersedes"]["log"], "office-1");
    // The text itself is an object of its own, and nowhere else.
    let key = format!(
        "log/office-1/text/{}",
        data["text_sha256"].as_str().unwrap()
    );
    assert!(bed.get(&key).unwrap().contains(TEXT));
    assert!(bed.is_locked(&key));
    for key in bed.keys("log/office-1/tile/entries/") {
        let bytes = String::from_utf8_lossy(&bed.bytes(&key)).into_owned();
        assert!(
            !bytes.contains("Dolores") && !bytes.contains("Byrne"),
            "{key}"
        );
    }
    bed.stop();
    for file in ["index.db", "index.db-wal"] {
        let bytes = std::fs::read(bed.path("state").join(file)).unwrap_or_default();
        assert!(
            !String::from_utf8_lossy(&bytes).contains("Dolores"),
            "{file}"
        );
    }
    let told = bed.camdock(&["office", "acts"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains("incident \"CAD 0412\", exhibit \"SH/1\""),
        "{told}"
    );

    // The index is derived: without it, the same is read anew.
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(bed.path("state").join(format!("index.db{end}")));
    }
    bed.run();
    bed.until("one", |s| s["bucket"]["items"] == 4);
    let began = std::time::Instant::now();
    while found(&bed, "incident=CAD+0412") != first {
        assert!(began.elapsed().as_secs() < 30, "{}", bed.said());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(found(&bed, "category=assault").len(), 2);
}
