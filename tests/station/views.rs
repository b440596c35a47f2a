//! Whoever opens an item is on record before seeing anything of it: as a signed note in the bucket, where there is no office.

use std::fs;

use camdock::audit::{VerifierKey, Viewing};
use camdock::model::{EvidenceId, Part};
use serde_json::{Value, json};

use crate::place::Place;
use crate::policy::policy;
use crate::store::put;

fn notes(place: &Place) -> Vec<(String, String)> {
    let client = place.weed.client();
    let listed = client
        .list_objects_v2()
        .bucket("evidence")
        .prefix("viewed/");
    let listed = Place::block_on(listed.send()).unwrap();
    let keys = listed.contents.unwrap_or_default().into_iter();
    let read = |key: String| {
        let object = client.get_object().bucket("evidence").key(&key).send();
        let object = Place::block_on(async { object.await.unwrap().body.collect().await.unwrap() });
        (key, String::from_utf8(object.to_vec()).unwrap())
    };
    keys.map(|object| read(object.key.unwrap())).collect()
}

#[test]
fn nothing_is_opened_before_a_signed_note_says_who_opens_it_and_why() {
    let place = Place::with_stations(&[
        policy("station-policy.json", "station"),
        policy("verify-policy.json", "reader"),
        policy("open-policy.json", "viewer"),
    ]);
    place.film("X0000001", "A.MP4", 1, 100_000);
    place.film("X0000001", "B.MP4", 2, 100_000);
    place.drain().ends(0);
    let id = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    let viewing = place.viewing();
    let more: Vec<&str> = viewing.iter().map(String::as_str).collect();
    let (key, out) = (place.path("keys/one.key.pem"), place.path("opened"));
    let key = key.to_str().unwrap();
    let open = ["open", &id, "--key", key, "--out", out.to_str().unwrap()];
    let deep = ["verify", "--deep", "--key", key];
    place.credentials("viewerkey", "viewersecret");

    // Asked for, with what to give; a reason that is none is told as such.
    for words in [&open[..], &deep] {
        for some in [&[][..], &more[..2], &more[2..]] {
            let ran = place.camdock(&[words, some].concat()).ends(2);
            ran.says("leaves a trace");
        }
        let forged = [words, &["--reason", "a\nb"], &more[2..]].concat();
        place.camdock(&forged).ends(2).says("not one line");
        let station = place.path("state/keys/station.key");
        let words = [words, &more[..2], &["--signer", station.to_str().unwrap()]].concat();
        place.camdock(&words).ends(4);
    }
    assert!(!out.exists() && notes(&place).is_empty());
    // Who reads but may write no note opens nothing.
    place.credentials("readerkey", "readersecret");
    let ran = place.camdock(&[&open[..], &more].concat()).ends(4);
    ran.says("so it was not opened");
    assert!(!out.exists() && notes(&place).is_empty());
    let ran = place.camdock(&[&deep[..], &more].concat()).ends(4);
    ran.says("NOT CHECKED (store_error)").says("0 opened");
    // Without a key nothing is opened, and nothing is asked.
    place.camdock(&["verify", "--deep"]).ends(0);

    place.credentials("viewerkey", "viewersecret");
    place.camdock(&[&open[..], &more].concat()).ends(0);
    assert!(out.exists());
    let public = fs::read_to_string(place.path("keys/viewer.pub")).unwrap();
    let public: VerifierKey = public.trim().parse().unwrap();
    let found = notes(&place);
    assert_eq!(found.len(), 1, "{found:?}");
    let (name, note) = &found[0];
    assert!(name.starts_with(&format!("viewed/test-1/{id}/")), "{name}");
    let said = Viewing::open(note, std::slice::from_ref(&public)).unwrap();
    assert_eq!(said.evidence.to_string(), id);
    assert_eq!(
        (said.part, said.reason.as_str()),
        (Some(Part::Original), "The court asked")
    );
    assert_eq!(said.origin, "camdock/test-1");
    assert!(note.contains("\u{2014} shah.example.org "), "{note}");

    // Verifying opens every item, and says so of every one; it also counts the notes.
    place
        .camdock(&[&deep[..], &more].concat())
        .ends(0)
        .says("3 signed notes");
    let all = notes(&place);
    let whole = all.iter().filter(|(_, note)| {
        Viewing::open(note, std::slice::from_ref(&public))
            .unwrap()
            .part
            .is_none()
    });
    assert_eq!((all.len(), whole.count()), (3, 2));
    // The station's own log and its objects are as they were.
    place.camdock(&["verify"]).ends(0);
    // A copy outside the store: nothing can be entered, and the command says so.
    let copy = place.path("copy");
    let key_of = format!("evidence/test-1/{id}/original");
    let object = place
        .weed
        .client()
        .get_object()
        .bucket("evidence")
        .key(&key_of)
        .send();
    let bytes = Place::block_on(async { object.await.unwrap().body.collect().await.unwrap() });
    fs::write(&copy, bytes.to_vec()).unwrap();
    fs::remove_file(&out).unwrap();
    let words = [
        "open",
        copy.to_str().unwrap(),
        "--key",
        key,
        "--out",
        out.to_str().unwrap(),
    ];
    place
        .camdock(&words)
        .ends(0)
        .says("nobody can see that it was opened");
    assert_eq!(notes(&place).len(), 3);

    // With the public key at hand, the notes are checked: one that was altered, or that lies elsewhere, is named.
    let verify = place.camdock(&["verify"]).ends(0);
    verify.says("0 of them by keys of [views]");
    place.configure(&[("views", &format!("keys = [\"{public}\"]"))]);
    let verify = place.camdock(&["verify"]).ends(0);
    verify.says("3 of them by keys of [views]");
    let (name, note) = &notes(&place)[0];
    put(&place, name, note.replace("The court", "Nobody").as_bytes());
    let elsewhere = name.replace(&id, &EvidenceId::new().to_string());
    put(&place, &elsewhere, note.as_bytes());
    let report = place.camdock(&["verify", "--json"]).ends(1);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    let found = report["findings"].as_array().unwrap().iter();
    let codes: Vec<_> = found
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["view_note_wrong"; 2], "{report:#}");
    let counted = (&report["view_notes"], &report["view_notes_signed"]);
    assert_eq!(counted, (&json!(4), &json!(2)));
}
