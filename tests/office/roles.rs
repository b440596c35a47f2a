//! Roles and units: what each may ask of the office's pages, and what it finds of another unit's stations.

use camdock::model::{EvidenceId, SessionId};
use serde_json::{Value, json};

use crate::bed::{Bed, ROLES, station};
use crate::searches::{Made, at, publish};

fn token(role: &str) -> String {
    format!("camdock_{role}_token")
}

/// What a role is answered.
fn asked(bed: &Bed, path: &str, role: &str) -> (u16, String) {
    let (status, _, body) = bed.page(path, Some(&token(role)));
    (status, body)
}

#[test]
fn each_role_opens_its_pages_and_another_units_recordings_are_as_if_they_did_not_exist() {
    let dir = tempfile::tempdir().unwrap();
    let stations = ["one", "two"].map(|name| station(&dir, name));
    let mut bed = Bed::new("office-roles", &stations.each_ref(), dir);
    let made = |station: &'static str| Made {
        id: EvidenceId::new(),
        station,
        session: SessionId::new(),
        camera: "acme/X1",
        officer: "4711".into(),
        path: format!("DCIM/{station}.MP4"),
        kind: "video",
        flagged: false,
        recorded: Some(at("2026-01-09T10:00:00Z")),
        sealed: at("2026-01-10T12:00:00Z"),
        stored: true,
        quarantined: false,
    };
    let (own, foreign) = (made("one"), made("two"));
    let all = [own.clone(), foreign.clone()];
    publish(&bed, &stations.each_ref(), &all);
    for made in &all {
        made.put(&bed);
    }
    bed.run();
    for name in ["one", "two"] {
        bed.until(name, |found| found["bucket"]["items"] == 1);
    }

    let recording = |made: &Made| format!("/api/recordings/{}/{}", made.station, made.id);
    let sealed = |made: &Made| format!("/sealed/{}/{}/original", made.station, made.id);
    let opened = |path: &str| ROLES.map(|role| asked(&bed, path, role).0);
    assert_eq!(opened("/api/today"), [200; 5]);
    for path in ["/api/find", "/export/find?format=csv", &recording(&own)] {
        assert_eq!(opened(path), [200, 200, 200, 200, 403], "{path}");
    }
    let watching = format!("/api/watch/one/{}", own.id);
    let reason = json!({"reason": "complaint 12"});
    let seen = ROLES.map(|role| bed.post(&watching, &token(role), &reason).0);
    assert_eq!(seen, [200, 200, 403, 403, 403]);
    let fetched = opened(&sealed(&own));
    assert_eq!(fetched, [200, 200, 403, 403, 403]);
    let viewed = bed.until_acts("item.viewed", 2);
    let by = |act: &Value| act["data"]["operator"].as_str().unwrap_or("").to_owned();
    assert_eq!(
        viewed.iter().map(by).collect::<Vec<_>>(),
        ["viewer", "manager"]
    );

    let (_, today) = asked(&bed, "/api/today", "viewer");
    let (_, found) = asked(&bed, "/api/find", "viewer");
    let (_, file) = asked(&bed, "/export/find?format=json", "viewer");
    let (_, aimed) = asked(&bed, "/api/find?station=two", "viewer");
    let (_, everything) = asked(&bed, "/api/find", "auditor");
    assert!(everything.contains("DCIM/two.MP4") && everything.contains("DCIM/one.MP4"));
    for shown in [&found, &file] {
        assert!(shown.contains("DCIM/one.MP4"), "{shown}");
    }
    for shown in [
        &today,
        &found,
        &file,
        &aimed,
        &asked(&bed, &recording(&own), "viewer").1,
    ] {
        let id = foreign.id.to_string();
        assert!(
            !shown.contains(&id) && !shown.contains("\"two\""),
            "{shown}"
        );
    }
    // A guessed address is answered as one of nothing.
    let nothing = Made {
        id: EvidenceId::new(),
        ..foreign.clone()
    };
    assert_eq!(asked(&bed, &recording(&foreign), "auditor").0, 200);
    assert_eq!(
        asked(&bed, &recording(&foreign), "viewer"),
        asked(&bed, &recording(&nothing), "viewer")
    );
    assert_eq!(asked(&bed, &recording(&foreign), "viewer").0, 404);
    let watched = |made: &Made| {
        let path = format!("/api/watch/two/{}", made.id);
        let (status, _, body) = bed.post(&path, &token("viewer"), &reason);
        (status, body.replace(&made.id.to_string(), "ID"))
    };
    assert_eq!(watched(&foreign), watched(&nothing));
    assert_eq!(watched(&foreign).0, 404);
    assert_eq!(asked(&bed, &sealed(&foreign), "viewer").0, 403);
    assert_eq!(bed.until_acts("item.viewed", 2).len(), 2);
}
