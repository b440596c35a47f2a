//! The office's judgement of logs in the bucket.

use std::fs;

use crate::bed::{Bed, Station, station};

/// Where the office puts a cosigned checkpoint.
pub fn kept(station: &Station, note: &str) -> String {
    let checkpoint = station.checkpoint(note);
    format!(
        "witness/office-1/{}/{}-{}",
        station.name, checkpoint.size, checkpoint.root
    )
}

#[test]
fn a_log_that_grows_is_cosigned_and_one_that_is_put_back_or_rewritten_never_is() {
    let dir = tempfile::tempdir().unwrap();
    let (honest, put_back, rewritten) = (
        station(&dir, "honest"),
        station(&dir, "put-back"),
        station(&dir, "rewritten"),
    );
    let mut bed = Bed::new("office-follow", &[&honest, &put_back, &rewritten], dir);
    let first = honest.append(&["a", "b", "c"]);
    let older = put_back.append(&["a", "b"]);
    let newer = put_back.append(&["c", "d"]);
    let original = rewritten.append(&["a", "b", "c", "d"]);
    bed.publish(&honest, &first);
    bed.publish(&put_back, &newer);
    bed.publish(&rewritten, &original);
    bed.run();
    bed.cosigns("honest", 3);
    bed.cosigns("put-back", 4);
    bed.cosigns("rewritten", 4);
    assert_eq!(bed.standing("honest").1, Some(0));
    let witness = bed.witness();
    let cosigned = bed.get(&kept(&honest, &first)).unwrap();
    assert!(witness.cosigned(&cosigned).unwrap().is_some());
    assert_eq!(honest.checkpoint(&cosigned), honest.checkpoint(&first));

    // The station's root rewrites an entry, signs again, continues the log, and publishes; another one's disk and bucket are
    // put back.
    let fork = rewritten.forked();
    let forged = fork.append(&["a", "X", "c", "d", "e", "f"]);
    bed.publish(&fork, &forged);
    bed.publish(&put_back, &older);
    let grown = honest.append(&["d", "e"]);
    bed.publish(&honest, &grown);
    bed.alarms("put-back", "office_log_rolled_back");
    bed.alarms("rewritten", "office_log_rewritten");
    bed.cosigns("honest", 5);
    assert_eq!(bed.standing("honest").1, Some(3));
    assert!(bed.get(&kept(&fork, &forged)).is_none());

    // Both signed checkpoints are kept: the station's own signatures contradict each other.
    let hash = camdock::model::Sha256Digest::of(rewritten.origin().as_bytes());
    let record = bed.path("state/witness").join(hash.to_string());
    let proof = |name| fs::read_to_string(record.join(name)).unwrap();
    let earlier = rewritten.checkpoint(&proof("rewritten-earlier"));
    let later = rewritten.checkpoint(&proof("rewritten-later"));
    assert_eq!(earlier, rewritten.checkpoint(&original));
    assert_eq!(later, fork.checkpoint(&forged));

    // It stays so after a restart, and when the honest log comes back: a person decides.
    bed.stop();
    bed.publish(&rewritten, &original);
    bed.publish(&put_back, &newer);
    bed.run();
    bed.cosigns("put-back", 4);
    bed.alarms("rewritten", "office_log_rewritten");
    let said = bed.camdock(&["office", "status"]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains("was rewritten") && said.contains("camdock explain"),
        "{said}"
    );
}

#[test]
fn an_office_that_lost_its_disk_takes_back_what_it_had_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-lost", &[&one], dir);
    let older = one.append(&["a", "b"]);
    let newer = one.append(&["c", "d", "e"]);
    bed.publish(&one, &newer);
    bed.run();
    bed.cosigns("one", 5);
    // Any instant may be the last one.
    bed.kill();
    fs::remove_dir_all(bed.path("state/witness")).unwrap();
    bed.publish(&one, &older);
    bed.run();
    bed.alarms("one", "office_log_rolled_back");
    bed.publish(&one, &newer);
    bed.cosigns("one", 5);
}

#[test]
fn two_checkpoints_of_one_size_are_a_contradiction() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-fork", &[&one], dir);
    let original = one.append(&["a", "b", "c"]);
    bed.publish(&one, &original);
    bed.run();
    bed.cosigns("one", 3);
    let fork = one.forked();
    let forged = fork.append(&["a", "b", "X"]);
    bed.publish(&fork, &forged);
    bed.alarms("one", "office_log_rewritten");
    // A shorter log that is no beginning of the cosigned one is a contradiction, too, as far as its tiles are there.
}

#[test]
fn whatever_a_station_publishes_hurts_its_own_row_alone() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["absent", "foreign", "huge", "junk", "tiles", "well"];
    let stations = names.map(|name| station(&dir, name));
    let [_, foreign, _, _, tiles, well] = &stations;
    let other = station(&dir, "other");
    let mut bed = Bed::new("office-hostile", &stations.each_ref(), dir);
    let note = other.append(&["a"]);
    bed.put(
        &format!("log/{}/checkpoint", foreign.name),
        note.into_bytes(),
    );
    bed.put("log/huge/checkpoint", vec![b'x'; 1 << 20]);
    bed.put("log/junk/checkpoint", b"<script>\n\n\x00\xff".to_vec());
    let first = tiles.append(&["a", "b", "c"]);
    bed.publish(tiles, &first);
    let note = well.append(&["a"]);
    bed.publish(well, &note);
    bed.run();
    bed.alarms("absent", "office_log_absent");
    bed.alarms("foreign", "log_key");
    bed.until("huge", |found| found["code"].is_string());
    bed.until("junk", |found| found["code"].is_string());
    bed.cosigns("tiles", 3);
    bed.cosigns("well", 1);
    // The next checkpoint is signed, and the tiles below it are another log's.
    let grown = tiles.append(&["d", "e"]);
    let fork = tiles.forked();
    let forged = fork.append(&["a", "b", "c", "d", "X"]);
    bed.publish(&fork, &forged);
    bed.put("log/tiles/checkpoint", grown.clone().into_bytes());
    bed.alarms("tiles", "office_log_tiles");
    // It was no contradiction: with its own tiles the log is cosigned again.
    bed.publish(tiles, &grown);
    bed.cosigns("tiles", 5);
    let grown = well.append(&["b"]);
    bed.publish(well, &grown);
    bed.cosigns("well", 2);
    bed.stop();
}
