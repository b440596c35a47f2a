//! `camdock confirm`: an independent reader with its own keys, and what it signs.

use camdock::audit::{Confirmation, DirSource, VerifierKey, verify_log};
use camdock::model::{Entry, Event};

use crate::place::Place;
use crate::policy::policy;

fn keys(place: &Place) -> (String, VerifierKey) {
    let out = place.path("keys/reader");
    let made = [
        "keygen",
        "confirmer",
        "--name",
        "reader.example.org",
        "--out",
    ];
    place
        .camdock(&[&made[..], &[out.to_str().unwrap()]].concat())
        .ends(0)
        .says("confirmer_keys");
    let public = std::fs::read_to_string(place.path("keys/reader.pub")).unwrap();
    (
        format!("{}.key", out.display()),
        public.trim().parse().unwrap(),
    )
}

#[test]
fn another_reader_confirms_each_stored_object_once_with_the_shipped_rights_and_no_more() {
    let stations = [
        policy("station-policy.json", "station"),
        policy("confirm-policy.json", "reader"),
    ];
    let place = Place::with_stations(&stations);
    place.film("X0000001", "A.MP4", 1, 300_000);
    place.film("X0000001", "B.MP4", 2, 20_000_000);
    place.drain().ends(0);
    let (key, public) = keys(&place);
    let confirm = ["confirm", "--json", "--key", &key];
    // The station itself may not.
    place.camdock(&confirm).ends(4);
    place.credentials("readerkey", "readersecret");
    let parsed = |ran: &str| serde_json::from_str::<serde_json::Value>(ran).unwrap();
    let first = parsed(&place.camdock(&confirm).ends(0).out);
    assert_eq!(
        (&first["stored"], &first["confirmed"]),
        (&2.into(), &2.into()),
        "{first}"
    );
    let again = parsed(&place.camdock(&confirm).ends(0).out);
    assert_eq!(
        (&again["confirmed"], &again["confirmed_before"]),
        (&0.into(), &2.into())
    );

    // Each note opens under the reader's key and is of just the object that the log names.
    let log = std::fs::read_to_string(place.path("state/keys/log.pub")).unwrap();
    let log: VerifierKey = log.trim().parse().unwrap();
    let mut stored = Vec::new();
    let mut gather = |_, bytes: &[u8]| {
        if let Event::ItemStored(item) = serde_json::from_slice::<Entry>(bytes).unwrap().event {
            stored.push(item);
        }
    };
    verify_log(
        &DirSource::new(place.path("state/log")),
        &log,
        &mut gather,
        None,
    )
    .unwrap();
    assert_eq!(stored.len(), 2);
    for bucket_user in ["reader", "station"] {
        let client = place.weed.client_of(bucket_user);
        for item in &stored {
            let key = format!("confirmed/test-1/{}", item.evidence);
            let got = Place::block_on(client.get_object().bucket("evidence").key(&key).send());
            if bucket_user == "reader" {
                assert!(got.is_err(), "it need not read its own notes");
                continue;
            }
            let body = Place::block_on(got.unwrap().body.collect())
                .unwrap()
                .into_bytes();
            let note = String::from_utf8(body.to_vec()).unwrap();
            let confirmation = Confirmation::open(&note, std::slice::from_ref(&public)).unwrap();
            assert!(confirmation.is_of(log.name(), item), "{note}");
            assert!(Confirmation::open(&note, std::slice::from_ref(&log)).is_err());
        }
    }
    let reader = place.weed.client_of("reader");
    let object = &stored[0].key;
    let deleted = reader.delete_object().bucket("evidence").key(object).send();
    assert!(Place::block_on(deleted).is_err(), "it may delete evidence");
    let put = reader
        .put_object()
        .bucket("evidence")
        .key("evidence/test-1/x")
        .send();
    assert!(Place::block_on(put).is_err(), "it may write evidence");
}

#[test]
fn nothing_is_confirmed_under_a_wrong_log_key_or_by_the_station_itself_or_of_what_is_not_there() {
    let none = [
        ("store", "retention = \"none\""),
        ("store", "retention_days = 0"),
    ];
    let place = Place::new(&none);
    place.film("X0000001", "A.MP4", 1, 300_000);
    place.film("X0000001", "B.MP4", 2, 100_000);
    place.drain().ends(0);
    let (key, public) = keys(&place);
    let text = public.to_string();
    place
        .camdock(&["confirm", "--key", &key, "--log-key", &text])
        .ends(2);
    // Another key of the same name as the log.
    let other = place.path("keys/other");
    let name = ["keygen", "confirmer", "--name", "camdock/test-1", "--out"];
    place
        .camdock(&[&name[..], &[other.to_str().unwrap()]].concat())
        .ends(0);
    let forged = std::fs::read_to_string(place.path("keys/other.pub")).unwrap();
    let ran = place.camdock(&["confirm", "--key", &key, "--log-key", forged.trim()]);
    assert!(matches!(ran.code, Some(1 | 4)), "{ran:?}");

    let evidence = place.item("B.MP4")["evidence"].as_str().unwrap().to_owned();
    let client = place.weed.client();
    let object = format!("evidence/test-1/{evidence}/original");
    let versions = client
        .list_object_versions()
        .bucket("evidence")
        .prefix(&object)
        .send();
    for version in Place::block_on(versions).unwrap().versions() {
        let gone = client
            .delete_object()
            .bucket("evidence")
            .key(&object)
            .version_id(version.version_id().unwrap())
            .send();
        Place::block_on(gone).unwrap();
    }
    let ran = place.camdock(&["confirm", "--key", &key]).ends(1);
    assert!(
        ran.out.contains(&evidence) && ran.out.contains("1 confirmed now"),
        "{}",
        ran.out
    );
}
