//! `camdock office tag --from FILE`: recordings are matched with the rows of a dispatch file by officer and by the camera's measured
//! clock, and every doubt is listed.

use std::fs;

use camdock::model::{EvidenceId, SessionId};
use serde_json::{Value, json};

use crate::bed::{Bed, Station, TOKEN, station};
use crate::searches::{Made, at};

/// The camera's clock of that session is five minutes and a second ahead.
const AHEAD: i64 = 301;

/// A recording that the camera dated, and how long it is.
fn recording(session: SessionId, officer: &str, name: &str, recorded: Option<&str>) -> Made {
    Made {
        id: EvidenceId::new(),
        station: "one",
        session,
        camera: "acme/X1",
        officer: officer.into(),
        path: format!("DCIM/{name}.MP4"),
        kind: "video",
        flagged: false,
        recorded: recorded.map(at),
        sealed: at("2026-07-01T12:30:00Z"),
        stored: true,
        quarantined: false,
    }
}

fn of_session(session: SessionId, event: &str, data: &Value) -> Vec<u8> {
    let entry = json!({"data": data, "event": event, "session": session, "station": "one",
        "time": "2026-07-01T12:00:00Z", "v": 1});
    entry.to_string().into_bytes()
}

/// A docking whose camera's clock was measured, in the zone that its profile names.
fn measured(session: SessionId, zone: Option<&str>, synchronised: bool) -> Vec<u8> {
    let mut clock =
        json!({"method": "ptp_date_time", "at": "2026-07-01T12:00:00Z", "ahead_seconds": AHEAD});
    if let Some(zone) = zone {
        clock["time_zone"] = zone.into();
    }
    let data = json!({"bay": "1", "profile": "x", "access": "ptp", "clock": {"synchronised": synchronised},
        "camera_clock": clock});
    of_session(session, "camera.docked", &data)
}

/// One whose clock is only known to be ahead by at least so much.
fn bounded(session: SessionId, seconds: i64) -> [Vec<u8>; 2] {
    let docked =
        json!({"bay": "1", "profile": "x", "access": "folder", "clock": {"synchronised": true}});
    let inventory = json!({"page": 1, "last": true, "total_files": 0, "total_bytes": 0, "files": [], "camera_clock":
        {"method": "newest_file", "at": "2026-07-01T12:00:00Z", "ahead_at_least_seconds": seconds}});
    [
        of_session(session, "camera.docked", &docked),
        of_session(session, "inventory.taken", &inventory),
    ]
}

fn lasts(made: &Made, milliseconds: u64) -> Vec<u8> {
    let data = json!({"evidence": made.id, "part": "preview", "outcome": "skipped", "reason": "x",
        "probe": {"container": "mp4", "duration_ms": milliseconds, "index": "at_start"}});
    of_session(made.session, "item.previewed", &data)
}

fn list(bed: &Bed, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let (code, said) = bed.decide(&[&["tag", "--json"], arguments].concat());
    let lines = said.lines();
    let lines = lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{said}")));
    (code, lines.collect())
}

/// What became of a recording.
#[track_caller]
fn outcome<'a>(lines: &'a [Value], made: &Made) -> &'a Value {
    let mut of = lines.iter().filter(|l| l["evidence"] == json!(made.id));
    let line = of.next().unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(of.next().is_none(), "{lines:#?}");
    line
}

fn tags(bed: &Bed, made: &Made) -> Value {
    let path = format!("/api/recordings/one/{}", made.id);
    let (_, _, body) = bed.page(&path, Some(TOKEN));
    let page: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}"));
    page["recording"]["tags"].clone()
}

struct Stage {
    bed: Bed,
    sure: Made,
    near: Made,
    summer: Made,
    twice: Made,
    unmeasured: Made,
    unsynchronised: Made,
    wild: Made,
    timeless: Made,
    alone: Made,
    persons: Made,
    other: Made,
}

fn stage(one: &Station, mut bed: Bed) -> Stage {
    let [own, london, folder, drifting, fast] = [(); 5].map(|()| SessionId::new());
    let made = |session, name, time| recording(session, "4711", name, Some(time));
    // 10:20:00 by the station's clock, and twelve minutes long.
    let sure = made(own, "SURE", "2026-07-01T10:25:01Z");
    // 10:43:00: three minutes after the row's end.
    let near = made(own, "NEAR", "2026-07-01T10:48:01Z");
    // Local times of a camera in London: 10:20:00 in UTC.
    let summer = made(london, "SUMMER", "2026-07-01T11:25:01Z");
    // 09:00:00: two rows of different incidents.
    let twice = made(own, "TWICE", "2026-07-01T09:05:01Z");
    let unmeasured = made(folder, "FOLDER", "2026-07-01T10:20:00Z");
    let unsynchronised = made(drifting, "DRIFT", "2026-07-01T10:25:01Z");
    let wild = made(fast, "WILD", "2026-07-01T10:20:00Z");
    let timeless = recording(own, "4711", "TIMELESS", None);
    // 11:30:00, and nobody was sent anywhere.
    let alone = made(own, "ALONE", "2026-07-01T11:35:01Z");
    let persons = made(own, "PERSONS", "2026-07-01T10:30:01Z");
    let other = recording(own, "4799", "OTHER", Some("2026-07-01T10:25:01Z"));
    let all = [
        &sure,
        &near,
        &summer,
        &twice,
        &unmeasured,
        &unsynchronised,
        &wild,
        &timeless,
        &alone,
        &persons,
        &other,
    ];
    let mut entries = vec![
        measured(own, None, true),
        measured(london, Some("Europe/London"), true),
        measured(drifting, None, false),
        // Bytes that nobody would write must hurt nobody.
        of_session(
            SessionId::new(),
            "camera.docked",
            &json!({"camera_clock": "x".repeat(5000)}),
        ),
    ];
    entries.extend(bounded(folder, -600));
    entries.extend(bounded(fast, 7200));
    for made in all {
        made.put(&bed);
        entries.extend(made.entries());
    }
    entries.push(lasts(&sure, 720_000));
    entries.push(lasts(&summer, 720_000));
    entries.push(lasts(&persons, 720_000));
    bed.publish(one, &one.append_bytes(&entries));
    let path = bed.path("office.toml");
    let config = fs::read_to_string(&path).unwrap();
    let pattern = "[tags]\nincident_pattern = 'CAD-[0-9]{4}'\n";
    fs::write(&path, format!("{pattern}{config}")).unwrap();
    bed.run();
    bed.until("one", |s| s["bucket"]["items"] == all.len());
    Stage {
        bed,
        sure,
        near,
        summer,
        twice,
        unmeasured,
        unsynchronised,
        wild,
        timeless,
        alone,
        persons,
        other,
    }
}

#[test]
fn recordings_are_tagged_from_a_dispatch_file_by_measured_clocks_and_every_doubt_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let bed = Bed::new("office-dispatch", &[&one], dir);
    let stage = stage(&one, bed);
    let bed = &stage.bed;

    // What the pattern of the force refuses by command and page, it refuses in the file.
    let persons = stage.persons.id.to_string();
    let (code, said) = bed.decide(&["tag", &persons, "--incident", "CAD-1"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("not as incident_pattern"), "{said}");
    let tag = json!({"decision": {"tag": {"incident": "CAD-0001x"}}, "reason": "asked"});
    let path = format!("/api/decisions/one/{persons}");
    let (code, _, said) = bed.post(&path, TOKEN, &tag);
    assert_eq!(code, 409, "{said}");
    assert!(said.contains("not as incident_pattern"), "{said}");
    // No page can claim that a file says it.
    let forged = json!({"decision": {"tag_from_file": {"incident": "CAD-0001", "file_sha256": "0".repeat(64), "line": 1,
        "confidence": "high"}}, "reason": "asked"});
    assert!(bed.post(&path, TOKEN, &forged).0 >= 400);
    let (code, said) = bed.decide(&["tag", &persons, "--incident", "CAD-9999"]);
    assert_eq!(code, Some(0), "{said}");

    let mut csv = b"\xef\xbb\xbfbadge;start;End;INCIDENT;Category;unit\r\n\
        4711;2026-07-01T11:10:00+01:00;2026-07-01 10:40:00Z;CAD-0412;assault;north\r\n\
        4711;2026-07-01T08:50:00Z;2026-07-01T09:10:00Z;CAD-0413;;\r\n\
        4711;2026-07-01T08:55:00Z;2026-07-01T09:20:00Z;CAD-0414;;\r\n\
        4712;2026-07-01T08:50:00Z;2026-07-01T09:10:00Z;CAD-0415;;\r\n\
        4711;2026-07-01T12:00:00Z;2026-07-01T12:40:00Z;CAD-0416;;\r\n\
        4711;2026-07-01T10:10:00;2026-07-01T10:40:00;CAD-0417;;\r\n\
        4711;2026-07-01T10:10:00Z;2026-07-01T09:40:00Z;CAD-0418;;\r\n\
        4711;2026-07-01T10:10:00Z;2026-07-01T10:40:00Z;0419;;\r\n"
        .to_vec();
    csv.extend(b"47\xff\xfe;2026-07-01T10:10:00Z;2026-07-01T10:40:00Z;CAD-0420;;\r\n4711\r\n");
    let file = bed.path("dispatch.csv");
    fs::write(&file, &csv).unwrap();
    let file = file.to_str().unwrap();

    let (code, lines) = list(bed, &["--from", file]);
    assert_eq!(code, Some(3), "{lines:#?}");
    let sure = outcome(&lines, &stage.sure);
    assert_eq!(
        (&sure["outcome"], &sure["confidence"], &sure["incident"]),
        (&json!("match"), &json!("high"), &json!("CAD-0412"))
    );
    assert_eq!(
        (&sure["ahead_seconds"], &sure["lines"], &sure["category"]),
        (&json!(AHEAD), &json!([2]), &json!("assault"))
    );
    assert_eq!(sure["corrected"], "2026-07-01T10:20:00Z");
    let summer = outcome(&lines, &stage.summer);
    assert_eq!(summer["corrected"], "2026-07-01T10:20:00Z", "{summer}");
    assert_eq!(summer["confidence"], "high");
    assert_eq!(outcome(&lines, &stage.near)["confidence"], "medium");
    let expected = [
        (&stage.twice, "several_rows", json!([3, 4])),
        (&stage.unmeasured, "clock_unmeasured", json!([2])),
        (&stage.unsynchronised, "clock_unmeasured", json!([2])),
        (&stage.wild, "no_time", json!([])),
        (&stage.timeless, "no_time", json!([])),
        (&stage.alone, "no_row", json!([])),
        (&stage.persons, "kept", json!([2])),
    ];
    for (made, wanted, rows) in expected {
        let line = outcome(&lines, made);
        assert_eq!((&line["outcome"], &line["lines"]), (&json!(wanted), &rows));
    }
    let other = json!(stage.other.id);
    assert!(lines.iter().all(|line| line["evidence"] != other));
    let of = |wanted: &str| -> Vec<u64> {
        let of = lines.iter().filter(|line| line["outcome"] == wanted);
        of.map(|line| line["line"].as_u64().unwrap()).collect()
    };
    assert_eq!(of("row_unfit"), [7, 8, 9, 10, 11]);
    assert_eq!(of("no_recording"), [5, 6]);
    // Nothing was tagged, and no act was made.
    assert_eq!(tags(bed, &stage.sure)["incident"], Value::Null);
    assert_eq!(bed.until_acts("item.tagged", 1).len(), 1);

    // The same in words; then for real.
    let (_, said) = bed.decide(&["tag", "--from", file]);
    assert!(said.contains("nothing was tagged"), "{said}");
    assert!(
        said.contains("line 2, incident \"CAD-0412\" (high; its clock was 301 s ahead)"),
        "{said}"
    );
    let (code, said) = bed.decide(&["tag", "--from", file, "--yes"]);
    assert_eq!(code, Some(3), "{said}");
    for made in [&stage.sure, &stage.near, &stage.summer] {
        assert!(said.contains(&format!("tagged   {}", made.id)), "{said}");
        assert_eq!(tags(bed, made)["incident"], "CAD-0412");
        assert_eq!(tags(bed, made)["category"], "assault");
    }
    for made in [&stage.twice, &stage.unmeasured, &stage.alone] {
        assert_eq!(tags(bed, made)["incident"], Value::Null);
    }
    assert_eq!(tags(bed, &stage.persons)["incident"], "CAD-9999");
    let acts = bed.until_acts("item.tagged", 4);
    let of_sure = acts
        .iter()
        .find(|act| act["data"]["evidence"] == sure["evidence"]);
    let data = &of_sure.unwrap()["data"];
    assert_eq!(data["source"], "file");
    assert_eq!(
        data["dispatch"],
        json!({"file_sha256": camdock::model::Sha256Digest::of(&csv), "line": 2, "confidence": "high", "ahead_seconds": AHEAD})
    );

    // Again: nothing new. What a person said since stays, whatever a later file says.
    bed.decide(&["tag", "--from", file, "--yes"]);
    let near = stage.near.id.to_string();
    let (code, said) = bed.decide(&["tag", &near, "--incident", "CAD-0500"]);
    assert_eq!(code, Some(0), "{said}");
    bed.decide(&["tag", "--from", file, "--yes"]);
    assert_eq!(bed.until_acts("item.tagged", 5).len(), 5);
    assert_eq!(tags(bed, &stage.near)["incident"], "CAD-0500");

    // As another program heads its columns, with local times; less sure ones only when that is asked for.
    let axon = "Event ID,Officer Badge ID,Officer_Dispatched_DateTime,Officer Cleared DateTime\n\
        CAD-0600,4711,2026-07-01 11:10:00,2026-07-01 11:40:00\n";
    let other = bed.path("axon.csv");
    fs::write(&other, axon).unwrap();
    let other = other.to_str().unwrap();
    let given = ["--from", other, "--time-zone", "Europe/London", "--least"];
    let (_, lines) = list(bed, &[&given[..], &["low"]].concat());
    let low = outcome(&lines, &stage.unmeasured);
    assert_eq!(
        (&low["outcome"], &low["confidence"]),
        (&json!("match"), &json!("low"))
    );
    assert_eq!(low["ahead_seconds"], Value::Null);
    let (_, lines) = list(bed, &[&given[..], &["high"]].concat());
    assert_eq!(
        outcome(&lines, &stage.unmeasured)["outcome"],
        "clock_unmeasured"
    );

    // What is no such file is refused as a whole, with what to do.
    for (bytes, wanted) in [
        (&b"badge,start,end\n"[..], "no column \"incident\""),
        (b"badge,badge,start,end,incident\n", "two of its columns"),
        (b"", "no column"),
        (b"\xff\xfe\x00,\x00\n", "no column"),
    ] {
        fs::write(file, bytes).unwrap();
        let (code, said) = bed.decide(&["tag", "--from", file]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(wanted), "{said}");
    }
    let long = [csv.clone(), vec![b'x'; 33 << 20]].concat();
    fs::write(file, long).unwrap();
    let (code, said) = bed.decide(&["tag", "--from", file]);
    assert_eq!(
        (code, said.contains("larger than 32 MiB")),
        (Some(2), true),
        "{said}"
    );
}

#[test]
fn what_an_officer_said_at_the_dock_is_found_beats_a_file_and_gives_way_to_the_office() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-dock", &[&one], dir);
    let session = SessionId::new();
    let made = recording(session, "4711", "DOCK", Some("2026-07-01T10:25:01Z"));
    made.put(&bed);
    let said = |evidence: EvidenceId, incident: &str, category: Option<&str>| {
        let mut data = json!({"evidence": evidence, "incident": incident, "officer": "4711", "bay": "1", "peer": "web 127.0.0.1"});
        if let Some(category) = category {
            data["category"] = category.into();
        }
        of_session(session, "item.tagged_at_dock", &data)
    };
    let mut entries = vec![measured(session, None, true)];
    entries.extend(made.entries());
    entries.extend([
        said(made.id, "CAD-1111", None),
        said(made.id, "CAD-7777", Some("traffic")),
        // A station's word on what it never sealed, and what no tag can be, count for nothing.
        said(EvidenceId::new(), "CAD-6666", None),
        said(made.id, &"9".repeat(5000), None),
    ]);
    // Two of one incident, by officers alone; both could be deleted by rule.
    let pair = [
        ("4797", "2026-06-01T08:00:00Z"),
        ("4798", "2026-06-20T08:00:00Z"),
    ]
    .map(|(officer, time)| recording(session, officer, officer, Some(time)));
    for made in &pair {
        made.put(&bed);
        entries.extend(made.entries());
        entries.push(said(made.id, "CAD-2222", None));
    }
    let config = fs::read_to_string(bed.path("office.toml")).unwrap();
    let month =
        "\n[retention]\nunclassified = \"month\"\n[class.month]\ndays = 31\nreview = false\n";
    fs::write(bed.path("office.toml"), config + month).unwrap();
    bed.publish(&one, &one.append_bytes(&entries));
    bed.run();
    let standing = bed.until("one", |s| s["bucket"]["indexed_entries"] == entries.len());
    assert_eq!(standing["bucket"]["unfit_entries"], 2, "{standing}");
    let found = |query: &str| {
        let page = crate::searches::get(&bed, &format!("/api/find?{query}"));
        page["recordings"].as_array().unwrap().len()
    };
    for (query, count) in [
        ("incident=cad-7777", 1),
        ("incident=CAD-7777&category=Traffic", 1),
        ("category=traffic", 1),
        ("incident=CAD-1111", 0),
        ("incident=CAD-6666", 0),
    ] {
        assert_eq!(found(query), count, "{query}");
    }
    assert_eq!(tags(&bed, &made)["incident"], "CAD-7777");
    let path = format!("/api/recordings/one/{}", made.id);
    let (_, _, page) = bed.page(&path, Some(TOKEN));
    assert!(page.contains("item.tagged_at_dock"), "{page}");

    // Whoever is about to delete one of them is told of the other.
    let due = bed.camdock(&["office", "due", "--within", "30", "--json"]);
    let due = String::from_utf8(due.stdout).unwrap();
    let mut due = due
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let first = due
        .find(|item| item["evidence"] == json!(pair[0].id))
        .unwrap();
    assert_eq!(
        first["overlaps"],
        json!([{"station": "one", "evidence": pair[1].id, "held": false, "incident": "CAD-2222"}])
    );

    let file = bed.path("dispatch.csv");
    let csv = "badge,start,end,incident\n4711,2026-07-01T10:10:00Z,2026-07-01T10:40:00Z,CAD-0412\n";
    fs::write(&file, csv).unwrap();
    let (code, lines) = list(&bed, &["--from", file.to_str().unwrap()]);
    assert_eq!(
        (code, &outcome(&lines, &made)["outcome"]),
        (Some(0), &json!("kept"))
    );

    // A person at the office changes one tag, keeps the other, and says what that supersedes; then the officer's word is over.
    let id = made.id.to_string();
    let (code, told) = bed.decide(&["tag", &id, "--incident", "CAD-0001"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(
        (
            found("incident=CAD-0001&category=traffic"),
            found("incident=CAD-7777")
        ),
        (1, 0)
    );
    let act = &bed.until_acts("item.tagged", 1)[0]["data"];
    assert_eq!(
        act["supersedes"],
        json!({"log": "one", "index": 4}),
        "{act}"
    );
    bed.publish(&one, &one.append_bytes(&[said(made.id, "CAD-8888", None)]));
    bed.until("one", |s| {
        s["bucket"]["indexed_entries"] == entries.len() + 1
    });
    assert_eq!(
        (found("incident=CAD-0001"), found("incident=CAD-8888")),
        (1, 0)
    );
}
