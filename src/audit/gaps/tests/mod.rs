//! Each kind of gap, and what only looks like one, built up entry by entry.

mod acceptances;
mod numbering;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Gap, GapKind, GapRules, LogHistory};
use crate::model::{CameraId, Entry, Officer};

const S1: &str = "0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9b01";
const S2: &str = "0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9b02";
const E1: &str = "0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9be1";
const E2: &str = "0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9be2";

/// A log that is written as one reads it; time passes by a minute an entry.
struct LogScript {
    history: LogHistory,
    now: Timestamp,
}

impl LogScript {
    fn new() -> Self {
        Self {
            history: LogHistory::default(),
            now: "2026-03-01T08:00:00Z".parse().unwrap(),
        }
    }

    fn says(&mut self, session: &str, event: &str, data: &Value) {
        let minute = SignedDuration::from_mins(1);
        self.now = self.now.checked_add(minute).unwrap_or(Timestamp::MAX);
        let entry = json!({"v": 1, "time": self.now, "station": "leeds-1", "session": session, "event": event, "data": data});
        let entry: Entry = serde_json::from_value(entry).unwrap();
        self.history.enter(&entry);
    }

    fn docked(&mut self, session: &str, camera: Option<&str>) {
        let data = json!({"bay": "bay-1", "camera": camera, "profile": "folder", "access": "folder", "officer": "4711",
            "clock": {"synchronised": true}});
        self.says(session, "camera.docked", &data);
    }

    /// Files are named with their size and the hour of their time.
    fn lists(&mut self, session: &str, files: &[(&str, u64, u8)]) {
        let files: Vec<_> = files.iter().map(file).collect();
        let data = json!({"page": 1, "last": true, "total_files": files.len(), "total_bytes": 0, "files": files});
        self.says(session, "inventory.taken", &data);
    }

    fn seals(&mut self, session: &str, evidence: &str, taken: (&str, u64, u8)) {
        let mut data = json!({"evidence": evidence, "kind": "video", "flagged": false, "sha256": "00".repeat(32),
            "sealed_size": 100, "frame_length": 4096, "message_id": "00", "camera": "acme/X1", "bay": "bay-1"});
        let all = data.as_object_mut().unwrap();
        all.extend(file(&taken).as_object().unwrap().clone());
        self.says(session, "item.sealed", &data);
    }

    fn stores(&mut self, evidence: &str) {
        let data = json!({"evidence": evidence, "bucket": "b", "key": format!("evidence/leeds-1/{evidence}/original"),
            "size": 100, "checksum": "x"});
        self.says(S1, "item.stored", &data);
    }

    fn fails(&mut self, session: &str, data: &Value) {
        let mut data = data.clone();
        let all = data.as_object_mut().unwrap();
        all.extend(
            json!({"code": "camera_io", "reason": "bad sector", "retried": true})
                .as_object()
                .unwrap()
                .clone(),
        );
        self.says(session, "item.failed", &data);
    }

    fn undocked(&mut self, session: &str, missing: u64) {
        let data = json!({"bay": "bay-1", "camera": "acme/X1", "complete": missing == 0, "reason": "the camera was removed",
            "missing_count": missing});
        self.says(session, "camera.undocked", &data);
    }

    fn accepts(&mut self, gap: &str) {
        let data = json!({"operator": "M. Shah", "action": "gap.accept", "reason": "lent to Bradford", "gap": gap});
        self.says(S1, "operator.action", &data);
    }

    fn rules(&self, later: SignedDuration) -> GapRules {
        GapRules {
            now: self.now + later,
            patience: SignedDuration::from_hours(24),
            unseen: SignedDuration::from_hours(24 * 14),
            roster: Vec::new(),
        }
    }

    fn gaps(&self) -> Vec<Gap> {
        self.history.gaps(&self.rules(SignedDuration::from_mins(1)))
    }

    fn kinds(&self) -> Vec<GapKind> {
        self.gaps().iter().map(|gap| gap.code).collect()
    }
}

fn file((path, size, hour): &(&str, u64, u8)) -> Value {
    json!({"path": path, "size": size, "modified": format!("2026-02-28T{hour:02}:00:00Z")})
}

#[test]
fn a_session_that_took_everything_leaves_no_gap() {
    let mut story = LogScript::new();
    story.docked(S1, Some("acme/X1"));
    story.lists(S1, &[("A.MP4", 5, 1)]);
    story.seals(S1, E1, ("A.MP4", 5, 1));
    story.stores(E1);
    story.undocked(S1, 0);
    assert_eq!(story.gaps(), []);
    // Nor a year later.
    assert_eq!(
        story
            .history
            .gaps(&story.rules(SignedDuration::from_hours(9000))),
        []
    );
}

#[test]
fn what_was_seen_and_never_taken_is_named_until_it_is_taken() {
    let mut story = LogScript::new();
    story.docked(S1, Some("acme/X1"));
    story.lists(S1, &[("A.MP4", 5, 1)]);
    // It is being read; only a day later that is strange.
    assert_eq!(story.kinds(), []);
    let late = story
        .history
        .gaps(&story.rules(SignedDuration::from_hours(25)));
    let kinds: Vec<_> = late.iter().map(|gap| gap.code).collect();
    assert_eq!(kinds, [GapKind::GapNeverTaken, GapKind::GapSession]);
    story.undocked(S1, 1);
    assert_eq!(story.kinds(), [GapKind::GapNeverTaken, GapKind::GapSession]);
    assert!(
        story.gaps()[0]
            .what
            .contains("A.MP4 (5 bytes) was on camera acme/X1"),
        "{:?}",
        story.gaps()
    );
    // Docked again without it: gone.
    story.docked(S2, Some("acme/X1"));
    story.lists(S2, &[]);
    story.undocked(S2, 0);
    assert_eq!(story.kinds(), [GapKind::GapNeverTaken]);
    assert!(
        story.gaps()[0].what.ends_with("the file was gone"),
        "{:?}",
        story.gaps()
    );
    // And there again after all.
    story.docked(S1, Some("acme/X1"));
    story.seals(S1, E1, ("A.MP4", 5, 1));
    story.undocked(S1, 0);
    assert_eq!(story.kinds(), []);
}

#[test]
fn a_file_that_grew_is_not_missing_but_another_one_of_that_name_is() {
    let mut story = LogScript::new();
    story.docked(S1, Some("acme/X1"));
    story.lists(S1, &[("A.MP4", 5, 3)]);
    story.undocked(S1, 1);
    story.docked(S2, Some("acme/X1"));
    story.lists(S2, &[("A.MP4", 4, 9)]);
    story.seals(S2, E1, ("A.MP4", 4, 9));
    story.undocked(S2, 0);
    assert_eq!(story.kinds(), [GapKind::GapNeverTaken]);
    story.docked(S1, Some("acme/X1"));
    story.seals(S1, E2, ("A.MP4", 9, 9));
    story.undocked(S1, 0);
    assert_eq!(story.kinds(), []);
}

/// A camera that lists one file of 100 bytes, leaves, and comes back with a larger one of that name. Times of entries begin at
/// 08:00.
fn a_name_that_comes_back_larger(was: Option<&str>, is: Option<&str>) -> Vec<GapKind> {
    let mut story = LogScript::new();
    let named = |size: u64, modified: Option<&str>| {
        let mut data = json!({"path": "A.MP4", "size": size});
        if let Some(modified) = modified {
            data["modified"] = json!(modified);
        }
        data
    };
    for (session, size, modified) in [(S1, 100, was), (S2, 2_000_000_000, is)] {
        story.docked(session, Some("acme/X1"));
        let data = json!({"page": 1, "last": true, "total_files": 1, "total_bytes": size,
            "files": [named(size, modified)]});
        story.says(session, "inventory.taken", &data);
        if session == S2 {
            let mut held = named(size, modified);
            held["evidence"] = json!(E1);
            story.says(session, "item.held", &held);
        }
        story.undocked(session, u64::from(session == S1));
    }
    story.kinds()
}

#[test]
fn a_recording_that_was_lost_is_missing_although_its_name_is_used_again() {
    let lost = [GapKind::GapNeverTaken];
    let next_day = Some("2026-03-02T10:00:00Z");
    let came_back = |was| a_name_that_comes_back_larger(was, next_day);
    assert_eq!(came_back(Some("2026-02-28T10:00:00Z")), lost);
    assert_eq!(came_back(Some("2026-03-01T07:55:00Z")), lost);
    // Nobody knows when it was written.
    assert_eq!(came_back(None), lost);
    assert_eq!(a_name_that_comes_back_larger(None, None), lost);
}

#[test]
fn a_file_that_was_being_written_when_the_camera_left_is_not_missing() {
    let at = Some("2026-03-01T08:01:30Z");
    assert_eq!(
        a_name_that_comes_back_larger(at, Some("2026-03-01T08:20:00Z")),
        []
    );
    // Some cameras give the time when a recording began.
    let began = Some("2026-03-01T07:30:00Z");
    assert_eq!(a_name_that_comes_back_larger(began, began), []);
}

#[test]
fn what_could_not_be_taken_stays_named_with_its_reason() {
    let mut story = LogScript::new();
    story.docked(S1, Some("acme/X1"));
    story.lists(S1, &[("A.MP4", 5, 1)]);
    story.fails(S1, &json!({"path": "A.MP4", "size": 5}));
    story.fails(S1, &json!({"path": "link"}));
    story.fails(S1, &json!({"name": "\\x1b[2J"}));
    story.undocked(S1, 0);
    story.docked(S2, Some("acme/X1"));
    story.lists(S2, &[("A.MP4", 5, 1)]);
    story.fails(S2, &json!({"path": "A.MP4", "size": 5}));
    story.fails(S2, &json!({"path": "link"}));
    story.fails(S2, &json!({"name": "\\x1b[2J"}));
    story.undocked(S2, 0);
    // Each once, however often it was tried.
    assert_eq!(story.kinds(), [GapKind::GapNotTaken; 3]);
    assert!(
        story
            .gaps()
            .iter()
            .all(|gap| gap.what.contains("(camera_io): bad sector"))
    );
    story.docked(S1, Some("acme/X1"));
    story.seals(S1, E1, ("A.MP4", 5, 1));
    story.undocked(S1, 0);
    assert_eq!(story.kinds(), [GapKind::GapNotTaken; 2]);
}

#[test]
fn an_item_lost_on_the_station_is_a_gap_until_it_is_taken_again() {
    let mut story = LogScript::new();
    story.docked(S1, Some("acme/X1"));
    story.lists(S1, &[("A.MP4", 5, 1)]);
    story.seals(S1, E1, ("A.MP4", 5, 1));
    story.undocked(S1, 0);
    story.fails(S1, &json!({"path": "A.MP4", "size": 5, "evidence": E1}));
    assert_eq!(story.kinds(), [GapKind::GapNotTaken]);
    story.docked(S2, Some("acme/X1"));
    story.lists(S2, &[("A.MP4", 5, 1)]);
    story.seals(S2, S2, ("A.MP4", 5, 1));
    story.undocked(S2, 0);
    assert_eq!(story.kinds(), []);
}

#[test]
fn an_item_that_waits_too_long_for_the_store_is_a_gap() {
    let mut story = LogScript::new();
    story.docked(S1, Some("acme/X1"));
    story.lists(S1, &[("A.MP4", 5, 1)]);
    story.seals(S1, E1, ("A.MP4", 5, 1));
    story.undocked(S1, 0);
    assert_eq!(story.kinds(), []);
    let late = story
        .history
        .gaps(&story.rules(SignedDuration::from_hours(25)));
    assert_eq!(late.len(), 1);
    assert_eq!(
        (late[0].code, late[0].evidence),
        (GapKind::GapWaiting, Some(E1.parse().unwrap()))
    );
}

#[test]
fn a_camera_that_stays_away_is_missed_and_one_that_never_came_too() {
    let mut story = LogScript::new();
    story.docked(S1, Some("acme/X1"));
    story.lists(S1, &[]);
    story.undocked(S1, 0);
    let days = |days: i64| {
        let mut rules = story.rules(SignedDuration::from_hours(24 * days));
        for camera in ["X1", "X2"] {
            rules.roster.push((
                CameraId::new("acme", camera).unwrap(),
                Officer("4711".into()),
            ));
        }
        let gaps = story.history.gaps(&rules);
        gaps.into_iter().map(|gap| gap.what).collect::<Vec<_>>()
    };
    assert_eq!(days(13), [""; 0]);
    let said = days(15);
    assert_eq!(said.len(), 2);
    assert!(
        said[0].contains("acme/X1 was last docked here on 2026-03-01"),
        "{said:?}"
    );
    assert!(
        said[1].contains("acme/X2 of the roster was never docked here"),
        "{said:?}"
    );
}

#[test]
fn entries_of_the_last_and_the_first_time_there_is_are_judged_as_any_other() {
    for (extreme, found) in [
        ("9999-12-30T21:59:59Z", &[][..]),
        (
            "-009999-01-02T01:59:59Z",
            &[
                GapKind::GapNeverTaken,
                GapKind::GapWaiting,
                GapKind::GapSession,
                GapKind::GapCamera,
            ][..],
        ),
    ] {
        let mut story = LogScript::new();
        let usual = story.now;
        story.now = extreme.parse().unwrap();
        story.docked(S1, Some("acme/X1"));
        story.lists(S1, &[("A.MP4", 5, 1), ("B.MP4", 5, 2)]);
        story.seals(S1, E1, ("A.MP4", 5, 1));
        story.now = usual;
        story.accepts("camera:*");
        let mut rules = story.rules(SignedDuration::from_mins(1));
        let camera = CameraId::new("acme", "X1").unwrap();
        rules.roster.push((camera, Officer("4711".into())));
        let gaps = story.history.gaps(&rules);
        let kinds: Vec<_> = gaps.iter().map(|gap| gap.code).collect();
        assert_eq!(kinds, found, "{extreme}");
        for gap in &gaps {
            let explained = story.history.accepted(gap).is_some();
            assert_eq!(explained, gap.code == GapKind::GapCamera, "{gap:?}");
        }
    }
}

#[test]
fn what_waits_can_be_explained_before_the_usual_patience_ends() {
    let mut story = LogScript::new();
    story.docked(S1, Some("acme/X1"));
    story.seals(S1, E1, ("A.MP4", 5, 1));
    story.undocked(S1, 0);
    story.accepts(&format!("waiting:{E1}"));
    let late = story
        .history
        .gaps(&story.rules(SignedDuration::from_hours(25)));
    assert_eq!(late.len(), 1);
    assert!(story.history.accepted(&late[0]).is_some());
}

#[test]
fn a_camera_without_a_serial_is_its_stays_own() {
    let mut story = LogScript::new();
    story.docked(S1, None);
    story.lists(S1, &[("A.MP4", 5, 1)]);
    story.undocked(S1, 1);
    story.docked(S2, None);
    story.lists(S2, &[("A.MP4", 5, 1)]);
    story.seals(S2, E1, ("A.MP4", 5, 1));
    story.undocked(S2, 0);
    // Another camera may have been the second one.
    assert_eq!(story.kinds(), [GapKind::GapNeverTaken, GapKind::GapSession]);
    assert!(
        story.gaps()[0]
            .gap
            .starts_with(&format!("never-taken:unknown:{S1}")),
        "{:?}",
        story.gaps()
    );
}
