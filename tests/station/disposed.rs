//! Files that were deleted by rule and are docked again, through the real station with the rights of the shipped policy: what the office's log
//! proves is named and not taken, its copies in the spool go, and nothing else changes.

use std::fs;

use camdock::audit::{Log, LogKey, encode_entry, log_files};
use camdock::model::Event;
use serde_json::{Value, json};

use crate::bay_changes::carry;
use crate::place::{Place, until};
use crate::policy::policy;
use crate::store::put;
use crate::support::SeededSource;

const ORIGIN: &str = "camdock/office-1";

/// An office's log, as somebody with its key can write it, in a folder and then in the bucket.
struct Office {
    dir: tempfile::TempDir,
    key: Vec<u8>,
    entries: u64,
}

impl Office {
    fn new() -> Self {
        let (_, key) = LogKey::generate().unwrap();
        Self {
            dir: tempfile::tempdir().unwrap(),
            key: key.to_vec(),
            entries: 0,
        }
    }

    fn key(&self) -> LogKey {
        LogKey::from_pkcs8(&self.key).unwrap()
    }

    fn log_key(&self) -> String {
        self.key().verifier(ORIGIN).unwrap().to_string()
    }

    /// The three acts by which an item goes, the approval by this person, for an item that was taken in at this time.
    fn dispose(&mut self, place: &Place, id: &str, sealed: &str, approved_by: &str) {
        let by = |name: &str| json!({"operator": name, "peer": "web 127.0.0.1", "reason_sha256": "0".repeat(64)});
        let act = |index: u64| json!({"log": "office-1", "index": index});
        let merged = |mut data: Value, by: Value| {
            data.as_object_mut()
                .unwrap()
                .extend(by.as_object().unwrap().clone());
            data
        };
        let (proposal, approval) = (self.entries, self.entries + 1);
        let now = jiff::Timestamp::now();
        let acts = [
            (
                "disposal.proposed",
                merged(
                    json!({"log": "test-1", "evidence": id, "class": "month", "days": 0, "sealed": sealed}),
                    by("M. Shah"),
                ),
            ),
            (
                "disposal.approved",
                merged(
                    json!({"log": "test-1", "evidence": id, "proposal": act(proposal)}),
                    by(approved_by),
                ),
            ),
            (
                "item.disposed",
                json!({"log": "test-1", "evidence": id, "class": "month", "days": 0, "sealed": sealed, "proposal": act(proposal),
                "proposed_by": "M. Shah", "approval": act(approval), "approved_by": approved_by, "versions": [], "gone_at": now, "seen_gone": now}),
            ),
        ];
        let bytes = acts.map(|(event, data)| {
            let entry =
                json!({"data": data, "event": event, "station": "office-1", "time": now, "v": 1});
            encode_entry(&serde_json::from_value(entry).unwrap()).unwrap()
        });
        let mut log = Log::open(self.dir.path(), self.key(), ORIGIN).unwrap();
        log.append(&bytes).unwrap();
        log.close().unwrap();
        self.entries += 3;
        for name in log_files(self.entries).chain(["checkpoint".into()]) {
            let bytes = fs::read(self.dir.path().join(&name)).unwrap();
            put(place, &format!("log/office-1/{name}"), &bytes);
        }
    }
}

fn spooled(place: &Place, id: &str) -> bool {
    let spool = fs::read_dir(place.path("state/spool")).unwrap();
    spool
        .flatten()
        .any(|file| file.file_name().to_string_lossy().contains(id))
}

/// When the station took an item in, as its log has it.
fn sealed(place: &Place, id: &str) -> String {
    let entries = place.entries().into_iter();
    let mut of_it = entries.filter(|entry| {
        matches!(&entry.event, Event::ItemSealed(sealed) if sealed.evidence.to_string() == id)
    });
    of_it.next().unwrap().time.to_string()
}

#[test]
fn a_file_that_was_deleted_by_rule_is_named_so_when_it_is_docked_again_and_its_copies_go() {
    let mut place = Place::with_station(policy("station-policy.json", "station"));
    let mut office = Office::new();
    let log_key = format!("log_key = \"{}\"", office.log_key());
    place.configure(&[
        ("spool", "keep_hours = 24"),
        ("office", "name = \"office-1\""),
        ("office", &log_key),
    ]);
    place.credentials("stationkey", "stationsecret");
    let names = ["gone.MP4", "alone.MP4", "moved.MP4", "other.MP4"];
    for (seed, name) in (1..).zip(names) {
        place.film("X0000001", name, seed, 30_000);
    }
    let quick = [
        ("CAMDOCK_TEST_DISPOSAL_WAIT", "0"),
        ("CAMDOCK_TEST_OFFICE_ACTS_EVERY", "200"),
    ];
    let running = place.start_with(&["run"], &quick);
    until("the station answers", || place.status().is_some());
    until("all are stored", || {
        let items = place.items();
        items.len() == 4 && items.iter().all(|item| item["state"] == "stored")
    });
    let id = |name: &str| place.item(name)["evidence"].as_str().unwrap().to_owned();
    let [gone, alone, moved, other] = names.map(id);
    let (docked, pocket) = (place.path("docked/X0000001"), place.path("pocket"));
    carry(docked.clone(), pocket.clone());
    until("the bay is empty", || bay(&place).is_none());

    running.stop().ends(0);
    // By two people; by one; of another time; by two.
    let before = "2020-01-01T00:00:00Z".to_owned();
    for (id, sealed, by) in [
        (&gone, sealed(&place, &gone), "J. Byrne"),
        (&alone, sealed(&place, &alone), "m. shah"),
        (&moved, before, "J. Byrne"),
        (&other, sealed(&place, &other), "J. Byrne"),
    ] {
        office.dispose(&place, id, &sealed, by);
    }
    // Killed before and after it notes the first, it notes both.
    for point in ["before", "after"] {
        let failpoint = format!("stop:journal mark_disposed: {point}");
        let stops = [quick[0], quick[1], ("CAMDOCK_FAILPOINT", &*failpoint)];
        let ran = place.start_with(&["run"], &stops).wait();
        assert!(
            ran.code.is_none() && ran.err.contains(": stopped"),
            "{}",
            ran.err
        );
    }
    let running = place.start_with(&["run"], &quick);
    until("both are noted", || {
        [&names[0], &names[3]]
            .iter()
            .all(|name| !place.item(name)["disposed"].is_null())
    });
    until("their copies go", || {
        !spooled(&place, &gone) && !spooled(&place, &other)
    });
    for (name, id) in [(names[1], &alone), (names[2], &moved)] {
        assert_eq!(place.item(name)["disposed"], Value::Null);
        assert!(spooled(&place, id), "{name}");
    }
    assert!(running.said().contains("disposal_against_rule"));
    let told = place.item(names[0])["disposed"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        told.starts_with(
            "disposed under the class \"month\" by \"M. Shah\", approved by \"J. Byrne\", on 2"
        ),
        "{told}"
    );

    // One of them has another content now, with the same name, size and time.
    let path = pocket.join(names[3]);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, SeededSource::new(9, 30_000).whole()).unwrap();
    let file = fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(modified).unwrap();
    carry(pocket, docked);
    until("it is said", || {
        bay(&place).is_some_and(|bay| bay["disposed"] == 1 && bay["state"] == "all_stored")
    });
    place
        .camdock(&["status"])
        .says("1 of them were deleted by rule and are not taken again");
    let mut held: Vec<_> = Vec::new();
    for event in place.events() {
        if let Event::ItemHeld(event) = event {
            held.extend(event.files().map(|file| {
                (
                    file.path.to_string(),
                    file.disposed.clone().map(|act| act.index),
                )
            }));
        }
    }
    held.sort();
    let of = |n: usize, act| (names[n].to_owned(), act);
    assert_eq!(held, [of(1, None), of(0, Some(2)), of(2, None)]);
    let again = place
        .items()
        .into_iter()
        .filter(|item| item["path"] == names[3])
        .count();
    assert_eq!(again, 2, "another content is another item");

    // No way to safe leads through the network.
    place.weed.kill();
    place.film("X0000001", "next.MP4", 5, 30_000);
    until("the next one is safe", || {
        bay(&place).is_some_and(|bay| bay["state"] == "safe_to_remove" && bay["files"] == 5)
    });
    running.stop().ends(0);
    place.weed.restart();
    let shown = place.start_with(&["show", &gone], &quick).wait();
    let words = "since it had been deleted by rule (entry 2 of the log of office-1)";
    shown.says(words).says(&format!("It was {told}."));
}

fn bay(place: &Place) -> Option<Value> {
    let view = place.status()?;
    let bays = view["bays"].as_array()?;
    bays.iter()
        .find(|bay| bay["bay"] == "X0000001" && bay["state"] != "empty")
        .cloned()
}
