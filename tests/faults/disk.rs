//! Disks that fail, fill up, forget or flip bits: people learn of it, and nothing is lost that can be taken again.

use std::fs;
use std::path::PathBuf;

use camdock::model::Event;

use crate::conditions_at_rest::{Expected, check};
use crate::place::{Place, until};
use crate::small_disk::SmallDisk;
use crate::support::SeededSource;
use crate::{all_of, side_by_side};

const CAMERA: &str = "X0000001";
const FILMS: [(&str, u64, u64); 3] = [
    ("A.GPS", 1, 700),
    ("B.MP4", 2, 300_000),
    ("LONG.MP4", 3, 9_000_000),
];

fn film(place: &Place) {
    for (name, seed, len) in FILMS {
        place.film(CAMERA, name, seed, len);
    }
}

fn is_whole(place: &Place, prefix: &str) -> Result<(), String> {
    let files: Vec<_> = FILMS
        .map(|(name, seed, len)| (name.to_owned(), SeededSource::new(seed, len).whole()))
        .into();
    let expected = Expected {
        prefix,
        files: &files,
        quarantined: false,
        previewed: 0,
    };
    check(place, &expected)
}

fn undock(place: &Place) {
    fs::rename(place.path("docked").join(CAMERA), place.path("pocket")).unwrap();
    let marker = format!("docked/{CAMERA}.camera");
    fs::rename(place.path(&marker), place.path("pocket.camera")).unwrap();
}

fn dock(place: &Place) {
    let marker = format!("docked/{CAMERA}.camera");
    fs::rename(place.path("pocket.camera"), place.path(&marker)).unwrap();
    fs::rename(place.path("pocket"), place.path("docked").join(CAMERA)).unwrap();
}

/// Flips a bit in the middle of the folder's largest file whose name ends with `end`.
pub fn flip_a_bit(place: &Place, folder: &str, end: &str) {
    let files = fs::read_dir(place.path(folder)).unwrap().flatten();
    let path = files
        .map(|entry| entry.path())
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&path, bytes).unwrap();
}

pub fn lose_journal(place: &Place) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(place.path(&format!("state/journal.db{end}")));
    }
}

pub fn lose_log(place: &Place) {
    fs::remove_dir_all(place.path("state/log")).unwrap();
}

#[test]
fn a_disk_that_fails_once_at_any_step_is_reported_and_nothing_is_lost() {
    let points = [
        "append frames",
        "append tail~.part",
        "append~.part",
        "sync appended~.part",
        "sync folder~spool",
        "rename~.sealed",
        "create file~.part",
        "remove~.sealed",
        "read sealed",
        "append~pending.wal",
        "sync appended~pending.wal",
        "cut file~pending.wal",
        "write file~tile",
        "write file~checkpoint",
        "write file~durable",
        "sync new file~durable",
        "sync file~tile",
        "sync folder~log",
    ];
    let cases: Vec<String> = points
        .iter()
        .flat_map(|point| {
            ["eio", "enospc"].map(|errno| [1, 2].map(|nth| format!("{errno}:{point}@{nth}")))
        })
        .flatten()
        .collect();
    let base = Place::new(&[]);
    let direct = crate::sweep::writes_directly(&base);
    let failed = std::sync::atomic::AtomicUsize::new(0);
    all_of(&cases, |number, failpoint| {
        let prefix = format!("disk-{number}/");
        let line = format!("prefix = \"{prefix}\"");
        let place = base.another(&[("upload", "part_size = 5242880"), ("store", &line)]);
        film(&place);
        let set = [("CAMDOCK_FAILPOINT", failpoint.as_str())];
        let ran = place.start_with(&["run", "--drain"], &set).wait();
        let what = |problem: String| format!("{failpoint}: {problem}");
        let happened = ran.err.lines().any(|line| line.starts_with("failpoint "));
        if !happened && failpoint.ends_with("@1") && (direct || !failpoint.contains("append ")) {
            return Err(what(format!("it never came there\n{}", ran.err)));
        }
        failed.fetch_add(usize::from(happened), std::sync::atomic::Ordering::Relaxed);
        if happened && ran.code != Some(0) && !ran.err.contains("next") {
            return Err(what(format!("no next step was given\n{}", ran.err)));
        }
        if ![Some(0), Some(3), Some(4)].contains(&ran.code) {
            return Err(what(format!("{:?}\n{}", ran.code, ran.err)));
        }
        place.drain().ends(0);
        is_whole(&place, &prefix).map_err(what)
    });
    eprintln!("{} disk faults", failed.into_inner());
}

#[test]
fn a_disk_that_goes_on_failing_is_shown_at_the_bay_and_never_called_safe() {
    let base = Place::new(&[]);
    let cases = [
        "eio:append~pending.wal@4+",
        "eio:sync folder~spool@1+",
        "enospc:append~pending.wal@4+",
        "enospc:append frames@1+",
    ];
    let cases: Vec<_> = cases
        .into_iter()
        .filter(|case| !case.contains("frames") || crate::sweep::writes_directly(&base))
        .collect();
    side_by_side(cases.len(), |number| {
        let failpoint = cases[number];
        let prefix = format!("failing-{number}/");
        let line = format!("prefix = \"{prefix}\"");
        let place = base.another(&[("store", &line)]);
        film(&place);
        let set = [("CAMDOCK_FAILPOINT", failpoint)];
        let mut running = place.start_with(&["run"], &set);
        until("the failing disk to be shown", || {
            running.said().contains("next_step") && running.said().contains("disk_")
        });
        for _ in 0..20 {
            let status = place.status();
            let bays = status.map_or(String::new(), |s| s["bays"].to_string());
            assert!(!bays.contains("safe_to_remove"), "{failpoint}: {bays}");
            assert!(!bays.contains("all_stored"), "{failpoint}: {bays}");
        }
        if !running.ended() {
            running.kill();
        }
        place.drain().ends(0);
        is_whole(&place, &prefix).unwrap();
    });
}

#[test]
fn a_bit_flipped_in_the_spool_is_found_before_it_is_uploaded_and_the_file_is_pulled_again() {
    let place = Place::new(&[]);
    film(&place);
    let until_secured = ["run", "--drain", "--until-secured"];
    place.camdock(&until_secured).ends(0);
    let before = place.item("LONG.MP4");
    flip_a_bit(&place, "state/spool", ".sealed");
    place.drain().ends(0).says("spool_damaged");
    let after = place.items();
    let long: Vec<_> = after.iter().filter(|i| i["path"] == "LONG.MP4").collect();
    assert_eq!(long.len(), 2, "{long:?}");
    assert!(
        long.iter()
            .any(|i| i["evidence"] == before["evidence"] && i["state"] == "failed"),
        "{long:?}"
    );
    is_whole(&place, "").unwrap();
}

#[test]
fn a_damaged_recording_whose_camera_is_gone_is_an_alarm_until_it_is_docked_again() {
    let place = Place::new(&[]);
    film(&place);
    let until_secured = ["run", "--drain", "--until-secured"];
    place.camdock(&until_secured).ends(0);
    undock(&place);
    let spool = place.path("state/spool");
    let spooled = || -> Vec<PathBuf> {
        let entries = fs::read_dir(&spool).unwrap().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    flip_a_bit(&place, "state/spool", ".sealed");
    // The second one is gone altogether.
    let smallest = spooled()
        .into_iter()
        .min_by_key(|path| path.metadata().unwrap().len());
    fs::remove_file(smallest.unwrap()).unwrap();
    for _ in 0..2 {
        place
            .drain()
            .ends(3)
            .says("dock it again")
            .says("call the evidence manager");
    }
    let ran = place.camdock(&["verify"]).ends(1);
    ran.says("item_damaged").says("LONG.MP4").says("A.GPS");
    let running = place.start(&["run"]);
    until("the alarm to be shown", || {
        place.status().is_some_and(|status| {
            let alarms = status["outbound"]["alarms"].as_object().unwrap();
            alarms.len() == 2
        })
    });
    dock(&place);
    until("the alarm to be over", || {
        place.status().is_some_and(|status| {
            let alarms = status["outbound"]["alarms"].as_object().unwrap();
            alarms.is_empty()
        })
    });
    running.stop().ends(0);
    place.drain().ends(0);
    is_whole(&place, "").unwrap();
}

#[test]
fn a_lost_journal_is_rebuilt_from_the_log_and_the_spool() {
    let place = Place::new(&[]);
    place.film(CAMERA, "A.GPS", 1, 700);
    place.drain().ends(0);
    for (name, seed, len) in &FILMS[1..] {
        place.film(CAMERA, name, *seed, *len);
    }
    place.roster(&["X0000002"]);
    let until_secured = ["run", "--drain", "--until-secured"];
    place.camdock(&until_secured).ends(3);
    undock(&place);
    let known: Vec<_> = place.items();
    assert_eq!(known.len(), 3);
    // A journal that is only broken first says what to do.
    fs::write(
        place.path("state/journal.db"),
        "no database at all, whatever it is",
    )
    .unwrap();
    place.drain().ends(4).says("move journal.db");
    lose_journal(&place);
    place.drain().ends(0).says("the journal is rebuilt");
    let rebuilt = place.items();
    for item in &known {
        let again = rebuilt.iter().find(|i| i["evidence"] == item["evidence"]);
        let again = again.unwrap_or_else(|| panic!("{item} is not in {rebuilt:?}"));
        for fact in [
            "path",
            "size",
            "camera",
            "officer",
            "quarantine",
            "modified",
        ] {
            assert_eq!(again[fact], item[fact], "{fact}");
        }
    }
    place.roster(&["X0000001", "X0000002"]);
    dock(&place);
    place.drain().ends(0);
    assert_eq!(place.items().len(), 3, "nothing is taken twice");
    let unverified = place.events().into_iter().filter_map(|event| match event {
        Event::ItemStored(stored) => Some(stored.unverified),
        _ => None,
    });
    assert_eq!(unverified.collect::<Vec<_>>(), [false, false, false]);
    is_whole(&place, "").unwrap();
}

#[test]
fn a_lost_log_folder_comes_back_from_the_bucket_if_the_bucket_has_all_that_was_witnessed() {
    let place = Place::new(&[]);
    film(&place);
    place.drain().ends(0);
    let entries = place.entries().len();
    lose_log(&place);
    place.drain().ends(0).says("restored from the bucket");
    assert!(place.entries().len() > entries);
    is_whole(&place, "").unwrap();

    // The bucket's copy was altered.
    lose_log(&place);
    let client = place.weed.client();
    let listed = client.list_objects_v2().bucket("evidence").prefix("log/");
    let listed = Place::block_on(listed.send()).unwrap();
    let keys: Vec<_> = listed.contents().iter().filter_map(|o| o.key()).collect();
    let entries = keys.iter().filter(|key| key.contains("tile/entries"));
    let entries = entries.max_by_key(|key| key.rsplit('/').next().unwrap().parse::<u32>().ok());
    let entries = (*entries.unwrap()).to_owned();
    let get = client.get_object().bucket("evidence").key(&entries);
    let good = Place::block_on(async { get.send().await.unwrap().body.collect().await.unwrap() });
    let good = good.to_vec();
    let put = |bytes: Vec<u8>| {
        let put = client.put_object().bucket("evidence").key(&entries);
        Place::block_on(put.body(bytes.into()).send()).unwrap();
    };
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    put(bad);
    place.drain().ends(4).says("does not verify");
    assert!(!place.path("state/log").exists());
    put(good);

    // The journal remembers a receipt of a longer log.
    let journal = rusqlite::Connection::open(place.path("state/journal.db")).unwrap();
    let witnessed: i64 = journal
        .query_row(
            "SELECT value FROM numbers WHERE name = 'witnessed'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(witnessed > 5);
    let set = "UPDATE numbers SET value = ?1 WHERE name = 'witnessed'";
    journal.execute(set, [100_000]).unwrap();
    place.drain().ends(4).says("name a log of 100000");
    journal.execute(set, [witnessed]).unwrap();

    // It also remembers that it has published more than the bucket shows now.
    let published: i64 = journal
        .query_row(
            "SELECT value FROM numbers WHERE name = 'published'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let set = "UPDATE numbers SET value = ?1 WHERE name = 'published'";
    journal.execute(set, [200_000]).unwrap();
    place.drain().ends(4).says("name a log of 200000");
    journal.execute(set, [published]).unwrap();
    drop(journal);
    place.drain().ends(0);

    // Nothing is left here at all: the bucket shows that this station was not new.
    lose_log(&place);
    lose_journal(&place);
    place.drain().ends(4).says("behind");
}

fn bays(place: &Place) -> String {
    let status = place.status();
    status.map_or(String::new(), |s| s["bays"].to_string())
}

#[test]
fn a_full_disk_under_journal_and_log_stops_the_taking_says_so_and_goes_on_when_there_is_room() {
    let place = Place::new(&[("spool", "dir = \"spool\"")]);
    let keys = place.path("state-keys");
    fs::rename(place.path("state"), &keys).unwrap();
    let Some(disk) = SmallDisk::mount(place.path("state"), 6 << 10) else {
        return;
    };
    let (from, to) = (keys.join("."), disk.path("."));
    assert!(disk.run(&["cp", "-a", from.to_str().unwrap(), &to]));
    let running = place.start_within(&disk.within(), &["run"], &[]);
    until("the station to be ready", || {
        running.said().contains("the station is ready")
    });
    disk.fill();
    film(&place);
    until("the full disk to be shown at the bay", || {
        bays(&place).contains("needs_attention")
    });
    assert!(bays(&place).contains("Free space"), "{}", bays(&place));
    assert!(running.said().contains("disk_full"), "{}", running.said());
    disk.clear();
    until("everything to be stored", || {
        bays(&place).contains("all_stored")
    });
    // Once more, while nothing is docked, and with an ending that cannot be noted.
    disk.fill();
    undock(&place);
    std::thread::sleep(std::time::Duration::from_secs(1));
    disk.clear();
    until("the end of the session", || {
        running.said().contains("camera left; nothing is missing")
    });
    running.stop().ends(0);
    let out = place.path("state-out");
    assert!(disk.run(&["cp", "-a", &disk.path("."), out.to_str().unwrap()]));
    drop(disk);
    fs::remove_dir(place.path("state")).unwrap();
    fs::rename(out, place.path("state")).unwrap();
    fs::rename(place.path("spool"), place.path("state/spool")).unwrap();
    is_whole(&place, "").unwrap();
}

#[test]
fn what_is_sealed_is_stored_although_the_disk_is_full() {
    let mut place = Place::new(&[("store", "answer_seconds = 2")]);
    let keys = place.path("state-keys");
    fs::rename(place.path("state"), &keys).unwrap();
    let Some(disk) = SmallDisk::mount(place.path("state"), 64 << 10) else {
        return;
    };
    let (from, to) = (keys.join("."), disk.path("."));
    assert!(disk.run(&["cp", "-a", from.to_str().unwrap(), &to]));
    film(&place);
    // It arrives with all of its files at once.
    let away = place.path("away");
    let docked = place.path("docked").join(CAMERA);
    fs::rename(&docked, &away).unwrap();
    let running = place.start_within(&disk.within(), &["run"], &[]);
    until("the station to be ready", || {
        running.said().contains("the station is ready")
    });
    place.weed.kill();
    fs::rename(&away, &docked).unwrap();
    until("everything to be secured", || {
        bays(&place).contains("safe_to_remove")
    });
    // Somebody else's files: nobody will remove them.
    disk.fill();
    place.weed.restart();
    until("everything to be stored", || {
        bays(&place).contains("all_stored")
    });
    running.stop().ends(0);
    let out = place.path("state-out");
    disk.clear();
    assert!(disk.run(&["cp", "-a", &disk.path("."), out.to_str().unwrap()]));
    drop(disk);
    fs::remove_dir(place.path("state")).unwrap();
    fs::rename(out, place.path("state")).unwrap();
    is_whole(&place, "").unwrap();
}

#[test]
fn a_file_that_the_spool_can_never_hold_is_named_as_such_and_a_drain_ends() {
    let place = Place::new(&[("spool", "dir = \"spool\"")]);
    let Some(disk) = SmallDisk::mount(place.path("spool"), 48 << 10) else {
        return;
    };
    let drain = || {
        let running = place.start_within(&disk.within(), &["run", "--drain"], &[]);
        running.wait().ends(3)
    };
    place.film(CAMERA, "HUGE.MP4", 1, 40 << 20);
    let ran = drain();
    for text in [
        "file_too_large",
        "HUGE.MP4 (41943040 bytes), and never will",
        "drain_unfinished",
    ] {
        assert!(ran.err.contains(text), "'{text}' is missing in {}", ran.err);
    }
    // Files that fit are taken; the other file is missing, not failed.
    place.film(CAMERA, "SMALL.MP4", 2, 1000);
    drain();
    assert_eq!(place.item("SMALL.MP4")["state"], "released");
    assert_eq!(place.items().len(), 1);
    let left = place.events().into_iter().filter_map(|event| match event {
        Event::SessionEnded(end) => Some(end.missing),
        _ => None,
    });
    for missing in left {
        assert_eq!(missing.len(), 1, "{missing:?}");
        assert_eq!(missing[0].to_string(), "HUGE.MP4");
    }
}

#[test]
fn a_drain_ends_when_the_store_refuses_and_the_spool_is_full() {
    let place = Place::new(&[("spool", "dir = \"spool\"")]);
    let Some(disk) = SmallDisk::mount(place.path("spool"), 48 << 10) else {
        return;
    };
    for n in 0..6 {
        place.film(CAMERA, &format!("F{n:02}.MP4"), n, 10 << 20);
    }
    place.credentials("nobody", "nothing");
    let running = place.start_within(&disk.within(), &["run", "--drain"], &[]);
    let ran = running.wait().ends(3);
    for text in ["spool_full", "left to do at a bay", "drain_unfinished"] {
        assert!(ran.err.contains(text), "'{text}' is missing in {}", ran.err);
    }
}

#[test]
fn a_spool_that_turns_read_only_is_reported_and_used_again_once_it_is_mended() {
    let place = Place::new(&[("spool", "dir = \"spool\"")]);
    let Some(disk) = SmallDisk::mount(place.path("spool"), 40 << 10) else {
        return;
    };
    let running = place.start_within(&disk.within(), &["run"], &[]);
    until("the station to be ready", || {
        running.said().contains("the station is ready")
    });
    assert!(disk.remount("ro"));
    film(&place);
    until("the bay to show it", || {
        bays(&place).contains("needs_attention")
    });
    assert!(bays(&place).contains("Check the disk"), "{}", bays(&place));
    assert!(running.said().contains("disk_error"), "{}", running.said());
    assert!(disk.remount("rw"));
    until("everything to be stored", || {
        bays(&place).contains("all_stored")
    });
    running.stop().ends(0);
    let left = format!("test -z \"$(ls -A {})\"", disk.path("."));
    assert!(
        disk.run(&["sh", "-c", &left]),
        "something is left in the spool"
    );
    drop(disk);
    fs::rename(place.path("spool"), place.path("state/spool")).unwrap();
    is_whole(&place, "").unwrap();
}
