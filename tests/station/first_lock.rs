//! How long the store locks what a station puts there: short, from the recording, the same for all objects of an item.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use camdock::model::Event;

use crate::footage::clip;
use crate::place::{Place, until};
use crate::previews::{ON, dock};

const DAY: i64 = 86_400;

/// Seconds at which the lock of each object ends, by the store's own account, by the item and the object's name.
fn locks(place: &Place) -> BTreeMap<String, BTreeMap<String, i64>> {
    let client = place.weed.client();
    let listed = client.list_objects_v2().bucket("evidence");
    let listed = Place::block_on(listed.prefix("evidence/test-1/").send()).unwrap();
    let mut all = BTreeMap::<_, BTreeMap<_, _>>::new();
    for object in listed.contents() {
        let key = object.key().unwrap();
        let asked = client.get_object_retention().bucket("evidence").key(key);
        let lock = Place::block_on(asked.send()).unwrap().retention.unwrap();
        assert_eq!(lock.mode.unwrap().as_str(), "COMPLIANCE", "{key}");
        let (item, name) = key.rsplit_once('/').unwrap();
        let item = item.rsplit('/').next().unwrap();
        all.entry(item.to_owned())
            .or_default()
            .insert(name.to_owned(), lock.retain_until_date.unwrap().secs());
    }
    all
}

#[test]
fn a_lock_counts_from_the_recording_corrected_where_measured_and_is_one_for_all_objects_of_an_item()
{
    let place = Place::new(&[
        ON,
        ("store", "retention_days = 31"),
        ("retention", "flagged_days = 90"),
        ("retention", "at_least_days = 7"),
    ]);
    let dated = |name: &str, seconds: i64, seed| {
        let path = place.film("X0000001", name, seed, 70_000);
        let file = fs::File::options().write(true).open(path).unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let at = i64::try_from(now.unwrap().as_secs()).unwrap() + seconds;
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at.try_into().unwrap());
        file.set_modified(at).unwrap();
    };
    dock(
        &place,
        "X0000001",
        "DCIM/CLIP.MP4",
        &clip("bigbuckbunny.mp4"),
    );
    dated("DCIM/RECENT.GPS", -2 * DAY, 1);
    dated("DCIM/EVENT_RO/FLAGGED.GPS", -2 * DAY, 2);
    dated("DCIM/OLD.GPS", -200 * DAY, 3);
    dated("DCIM/FAST.GPS", 300 * DAY, 4);
    let began = jiff::Timestamp::now().as_second();
    place
        .camdock(&["run", "--drain", "--until-secured"])
        .ends(0);
    // As a camera that can be asked has its clock measured at docking.
    let journal = rusqlite::Connection::open(place.path("state/journal.db")).unwrap();
    let ahead = 5 * 3600;
    let set = journal.execute("UPDATE sessions SET clock_ahead = ?1", [ahead]);
    assert_eq!(set.unwrap(), 1);
    drop(journal);
    place.drain().ends(0);
    until("the previews are stored", || {
        place.items().iter().all(|item| item["state"] == "released")
    });
    let ended = jiff::Timestamp::now().as_second();

    let locks = locks(&place);
    assert_eq!(locks.len(), 5, "{locks:?}");
    let until_of = |name: &str| {
        let item = place.item(name)["evidence"].as_str().unwrap().to_owned();
        let objects = &locks[&item];
        let original = objects["original"];
        for (object, until) in objects {
            assert_eq!(*until, original, "{name} {object}: {objects:?}");
        }
        for object in ["manifest.json", "item-key", "receipt"] {
            assert!(objects.contains_key(object), "{name}: {objects:?}");
        }
        original
    };
    let clip = place.item("DCIM/CLIP.MP4")["evidence"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(locks[&clip].contains_key("storyboard"), "{locks:?}");
    for (name, from) in [
        ("DCIM/CLIP.MP4", 30 * DAY - ahead),
        ("DCIM/RECENT.GPS", 29 * DAY - ahead),
        ("DCIM/EVENT_RO/FLAGGED.GPS", 88 * DAY - ahead),
        ("DCIM/OLD.GPS", 7 * DAY),
        ("DCIM/FAST.GPS", 31 * DAY),
    ] {
        let lock = until_of(name);
        let range = began + from - 10..=ended + from;
        assert!(range.contains(&lock), "{name}: {lock} is not in {range:?}");
    }
    // What the log says is what the store said.
    for event in place.events() {
        if let Event::ItemStored(stored) = event {
            let logged = stored.retention.unwrap().until.as_second();
            assert_eq!(logged, locks[&stored.evidence.to_string()]["original"]);
        }
    }
    place.camdock(&["verify"]).ends(0);
}
