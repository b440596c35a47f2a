//! Locks that are renewed while class or hold wants it, and run out when nothing does.

use camdock::model::{EvidenceId, SessionId};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::bed::{Bed, identity, station};
use crate::place::{Place, until};
use crate::searches::{Made, get, publish};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn taken_in(name: &str, sealed: Timestamp) -> Made {
    Made {
        id: EvidenceId::new(),
        station: "one",
        session: SessionId::new(),
        camera: "acme/X1",
        officer: "4711".into(),
        path: format!("DCIM/{name}.MP4"),
        kind: "video",
        flagged: false,
        recorded: None,
        sealed,
        stored: true,
        quarantined: false,
    }
}

/// The ends of the locks of an item's objects, as the store tells them.
fn locks(bed: &Bed, station: &str, id: &str) -> Vec<Option<Timestamp>> {
    let keys = bed.keys(&format!("evidence/{station}/{id}/"));
    keys.iter().map(|key| bed.locked_until(key)).collect()
}

/// Waits until all objects of an item are locked until this second.
#[track_caller]
fn locked_until(bed: &Bed, station: &str, id: &str, end: Timestamp) {
    let end = Timestamp::from_second(end.as_second()).unwrap();
    until(&format!("the lock of {id} until {end}"), || {
        let locks = locks(bed, station, id);
        !locks.is_empty() && locks.iter().all(|lock| *lock == Some(end))
    });
}

/// The acts that renewed the locks of an item.
fn renewals(bed: &Bed, id: &str) -> Vec<Value> {
    let acts = bed.acts();
    let of_item = acts
        .into_iter()
        .filter(|act| act["event"] == "retention.extended" && act["data"]["evidence"] == id);
    of_item.map(|act| act["data"].clone()).collect()
}

fn kept(bed: &Bed, station: &str, id: &str) -> Value {
    get(bed, &format!("/api/recordings/{station}/{id}"))["kept"].clone()
}

#[test]
fn locks_are_renewed_on_every_object_while_something_wants_it_and_never_further_than_they_may() {
    let mut meek = identity("meek", "evidence", "office-1");
    let denied = json!({"Effect": "Deny", "Action": ["s3:PutObjectRetention"],
        "Resource": ["arn:aws:s3:::evidence/evidence/*"]});
    let allowed = meek.policy["Statement"].as_array_mut().unwrap();
    allowed.push(denied);
    let place = Place::with_stations(&[identity("office", "evidence", "office-1"), meek]);
    // The station itself has all rights.
    place.configure(&[]);
    for (name, seed, size) in [
        ("A.MP4", 1, 70_000),
        ("A.GPS", 3, 1_000),
        ("B.MP4", 2, 70_000),
    ] {
        place.film("X0000001", name, seed, size);
    }
    place.drain().ends(0);
    let sealed = |name: &str| {
        let entries = place.entries().into_iter();
        let mut of_file = entries.filter_map(|entry| match entry.event {
            camdock::model::Event::ItemSealed(sealed)
                if sealed.path.to_string().ends_with(name) =>
            {
                Some((sealed.evidence.to_string(), entry.time))
            }
            _ => None,
        });
        of_file.next().unwrap()
    };
    let ((a, taken), (sidecar, beside)) = (sealed("A.MP4"), sealed("A.GPS"));
    let (b, _) = sealed("B.MP4");

    let dir = tempdir().unwrap();
    let one = station(&dir, "one");
    let now = Timestamp::now();
    let seconds = SignedDuration::from_secs(40);
    let short = taken_in("short", now - DAY * 31 + seconds);
    let over = taken_in("over", now - DAY * 40);
    let endpoint = place.weed.endpoint();
    let mut bed = Bed::beside_with(&place, "office", &endpoint, &[&one], dir);
    let more = "\n[retention]\nunclassified = \"month\"\n[class.month]\ndays = 31\nreview = false\n[class.decade]\ndays = 3650\n";
    let text = std::fs::read_to_string(bed.path("office.toml")).unwrap();
    std::fs::write(bed.path("office.toml"), text + more).unwrap();
    let all = [short.clone(), over.clone()];
    short.put(&bed);
    for object in ["original", "manifest.json", "item-key"] {
        bed.put(&format!("evidence/one/{}/{object}", over.id), vec![0; 101]);
    }
    publish(&bed, &[&one], &all);
    bed.run();
    let (short, over) = (short.id.to_string(), over.id.to_string());

    // Nobody classified them.
    locked_until(&bed, "test-1", &a, taken + DAY * 31);
    locked_until(&bed, "test-1", &sidecar, beside + DAY * 31);
    assert_eq!(locks(&bed, "test-1", &a).len(), 4);
    let short_end = now + seconds;
    locked_until(&bed, "one", &short, short_end);
    until("the act", || renewals(&bed, &a).len() == 1);
    let act = &renewals(&bed, &a)[0];
    let end = Timestamp::from_second((taken + DAY * 31).as_second()).unwrap();
    assert_eq!(
        (&act["until"], &act["objects"], &act["class"]),
        (&json!(end), &json!(4), &json!("month"))
    );
    assert_eq!(
        (&act["mode"], act.get("held")),
        (&json!("COMPLIANCE"), None)
    );
    until("the page", || {
        kept(&bed, "test-1", &a)["locked"] == json!(end)
    });
    let told = kept(&bed, "test-1", &a);
    assert_eq!(
        (&told["class"], &told["classified"], &told["review"]),
        (&json!("month"), &json!(false), &json!(false))
    );

    // A class of years is locked as far ahead as office.toml lets it, the sidecar with its recording.
    let (code, said) = bed.decide(&["classify", "--class", "none", &a]);
    assert!(code == Some(3) && said.contains("no class"), "{said}");
    let before = Timestamp::now();
    let (code, said) = bed.decide(&["classify", "--class", "decade", &a]);
    assert_eq!(code, Some(0), "{said}");
    for id in [&a, &sidecar] {
        until("the longer lock", || renewals(&bed, id).len() == 2);
        let after = Timestamp::now();
        for lock in locks(&bed, "test-1", id) {
            let lock = lock.unwrap();
            assert!(
                lock.as_second() >= (before + DAY * 400).as_second(),
                "{lock}"
            );
            assert!(lock <= after + DAY * 400, "{lock}");
        }
    }
    // It was wrong: nothing is shortened, and nothing renewed any more.
    let (code, said) = bed.decide(&["classify", "--class", "month", &a]);
    assert_eq!(code, Some(0), "{said}");
    let classes = bed.until_acts("item.classified", 4);
    assert_eq!(
        classes[2]["data"]["supersedes"]["index"],
        classes[0]["entry"]
    );
    until("the class", || kept(&bed, "test-1", &a)["class"] == "month");
    assert!(
        locks(&bed, "test-1", &a)
            .iter()
            .all(|lock| lock.unwrap() > before + DAY * 399)
    );

    // What nothing wants is not locked; a hold wants it.
    assert_eq!(locks(&bed, "one", &over), [None; 3]);
    let (code, said) = bed.decide(&["hold", &over]);
    assert_eq!(code, Some(0), "{said}");
    until("the hold's lock", || renewals(&bed, &over).len() == 1);
    let act = &renewals(&bed, &over)[0];
    assert_eq!((&act["held"], &act["objects"]), (&json!(true), &json!(3)));
    assert!(
        locks(&bed, "one", &over)
            .iter()
            .all(|lock| lock.unwrap() > before + DAY * 399)
    );
    assert_eq!(renewals(&bed, &a).len(), 2);

    // An object that came late gets the others' lock.
    bed.put(&format!("evidence/one/{over}/receipt"), vec![0; 101]);
    until("the receipt's lock", || {
        let locks = locks(&bed, "one", &over);
        locks.len() == 4
            && locks
                .iter()
                .all(|lock| lock.is_some_and(|lock| lock > before + DAY * 399))
    });
    until("its act", || renewals(&bed, &over).len() == 2);
    assert_eq!(renewals(&bed, &over)[1]["objects"], json!(4));

    // A store that refuses is told, and tried again until it does not.
    bed.stop();
    let keys = |bed: &Bed, who: &str| {
        let text = format!("access_key_id = \"{who}key\"\nsecret_access_key = \"{who}secret\"\n");
        std::fs::write(bed.path("credentials.toml"), text).unwrap();
    };
    keys(&bed, "meek");
    bed.run();
    until("the socket", || bed.path("state/commands").exists());
    let (code, said) = bed.decide(&["classify", "--class", "decade", &b]);
    assert_eq!(code, Some(0), "{said}");
    bed.until("test-1", |s| {
        s["bucket"]["locks_refused"] == 1 && s["bucket"]["locks_ending"] == 0
    });
    let unlocked = taken_in("unlocked", Timestamp::now());
    unlocked.put(&bed);
    let note = one.append_bytes(&unlocked.entries());
    bed.publish(&one, &note);
    bed.until("one", |s| s["bucket"]["locks_ending"] == 1);
    assert_eq!(bed.standing("one").1, Some(3));
    let today = bed.today().to_string();
    for code in ["office_lock_refused", "office_lock_ending"] {
        assert!(today.contains(code), "{code}: {today}");
    }
    bed.stop();
    keys(&bed, "office");
    bed.run();
    for name in ["one", "test-1"] {
        bed.until(name, |s| s["bucket"]["locks_refused"] == 0);
    }
    until("the longer lock", || renewals(&bed, &b).len() == 2);
    locked_until(
        &bed,
        "one",
        &unlocked.id.to_string(),
        unlocked.sealed + DAY * 31,
    );

    // The lock of seconds ran out by itself, and was not renewed.
    let client = place.weed.client();
    let delete = |station: &str, id: &str| {
        let key = format!("evidence/{station}/{id}/original");
        let head = client.head_object().bucket("evidence").key(&key).send();
        let version = Place::block_on(head).unwrap().version_id.unwrap();
        let delete = client.delete_object().bucket("evidence").key(&key);
        Place::block_on(delete.version_id(version).send()).is_ok()
    };
    until("the end", || {
        Timestamp::now() > short_end + SignedDuration::from_secs(2)
    });
    assert_eq!(renewals(&bed, &short).len(), 1);
    assert!(
        locks(&bed, "one", &short)
            .iter()
            .all(|lock| lock.unwrap() <= short_end)
    );
    assert!(!delete("test-1", &a) && !delete("one", &over));
    assert!(delete("one", &short));
    bed.stop();
    let acts = bed.camdock(&["office", "acts"]);
    let told = String::from_utf8(acts.stdout).unwrap();
    assert!(
        told.contains("as the class \"month\" wants it") && told.contains("a hold wants it"),
        "{told}"
    );
}

/// What the office's check says of changed classes.
fn told_of_classes(bed: &Bed) -> Vec<String> {
    let checked = bed.camdock(&["office", "check", "--json"]);
    let lines = String::from_utf8(checked.stdout).unwrap();
    let lines = lines.lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_classes = lines.filter(|line| line["what"] == "classes");
    of_classes
        .map(|line| line["detail"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_changed_classes_would_do_is_told_before_they_are_loaded_and_shortens_no_lock() {
    let dir = tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-classes", &[&one], dir);
    let plain = std::fs::read_to_string(bed.path("office.toml")).unwrap();
    let configure = |bed: &Bed, month: u32, flagged: u32| {
        let more = format!(
            "\n[retention]\nunclassified = \"month\"\nflagged = \"flagged\"\n[class.month]\ndays = {month}\n[class.flagged]\ndays = {flagged}\n[class.other]\ndays = 50\n"
        );
        std::fs::write(bed.path("office.toml"), plain.clone() + &more).unwrap();
    };
    configure(&bed, 31, 60);
    let now = Timestamp::now();
    let mut all: Vec<Made> = (0..3).map(|n| taken_in(&format!("M{n}"), now)).collect();
    all.push(Made {
        flagged: true,
        ..taken_in("F", now)
    });
    for made in &all {
        made.put(&bed);
    }
    publish(&bed, &[&one], &all);
    bed.run();
    let ids: Vec<String> = all.iter().map(|made| made.id.to_string()).collect();
    let ends: Vec<_> = [31, 31, 31, 60].map(|days| now + DAY * days).into();
    for (id, end) in ids.iter().zip(&ends) {
        locked_until(&bed, "one", id, *end);
        until("its act", || renewals(&bed, id).len() == 1);
    }
    let (code, said) = bed.decide(&["classify", "--class", "other", &ids[2]]);
    assert_eq!(code, Some(0), "{said}");
    until("its longer lock", || renewals(&bed, &ids[2]).len() == 2);
    assert_eq!(told_of_classes(&bed), Vec::<String>::new());

    // One class shorter, one longer; the third is as it was, and so is what is in it.
    configure(&bed, 14, 90);
    until("the index", || {
        told_of_classes(&bed)
            .iter()
            .any(|told| told.contains("2 of these are locked"))
    });
    let told = told_of_classes(&bed);
    assert_eq!(told.len(), 2, "{told:#?}");
    let of = |class: &str| {
        let named = format!("of the class {class} ");
        told.iter().find(|told| told.contains(&named)).unwrap()
    };
    let month = of("month");
    assert!(
        month.contains("0 items of the class month stay longer, and 2 less long"),
        "{month}"
    );
    let seconds = |time: Timestamp| Timestamp::from_second(time.as_second()).unwrap();
    assert!(
        month.contains(&format!("until {}", seconds(ends[0]))),
        "{month}"
    );
    assert!(
        month.contains(&ids[0]) && month.contains(&ids[1]),
        "{month}"
    );
    assert!(
        of("flagged").contains("1 items of the class flagged stay longer, and 0 less long"),
        "{told:#?}"
    );
    assert!(told.iter().all(|told| !told.contains(&ids[2])), "{told:#?}");
    // It was only told.
    locked_until(&bed, "one", &ids[0], ends[0]);
    assert_eq!(renewals(&bed, &ids[3]).len(), 1);

    // Loaded, it is as it was told: the longer one is renewed, and no lock is shorter.
    bed.stop();
    bed.run();
    locked_until(&bed, "one", &ids[3], now + DAY * 90);
    locked_until(&bed, "one", &ids[0], ends[0]);
    until("nothing to tell", || told_of_classes(&bed).is_empty());
}
