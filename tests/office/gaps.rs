//! What is missing between a station's cameras and its log: found in the bucket's copy alone, and explained as an act.

use std::fs;

use camdock::model::SessionId;
use serde_json::{Value, json};

use crate::bed::{Bed, KIOSK, Station, TOKEN, station};
use crate::browser::sign_in;
use crate::driver::Browser;

const HOSTILE: &str = "DCIM/<img src=x onerror=alert(1)>.MP4";

/// A camera that left before anything of it was taken.
fn early_removal(station: &Station, paths: &[&str]) -> Vec<Vec<u8>> {
    let session = SessionId::new();
    let entry = |event: &str, data: Value| {
        let entry = json!({"data": data, "event": event, "session": session, "station": station.name,
            "time": "2026-01-02T03:04:05Z", "v": 1});
        entry.to_string().into_bytes()
    };
    let file = |path: &&str| json!({"path": path, "size": 7, "modified": "2026-01-01T10:00:00Z"});
    let files: Vec<_> = paths.iter().map(file).collect();
    vec![
        entry(
            "camera.docked",
            json!({"bay": "1", "camera": "acme/X1", "profile": "folder", "access": "folder", "officer": "4711",
                "clock": {"synchronised": true}}),
        ),
        entry(
            "inventory.taken",
            json!({"page": 1, "last": true, "total_files": files.len(), "total_bytes": 7, "files": files}),
        ),
        entry(
            "camera.undocked",
            json!({"bay": "1", "camera": "acme/X1", "complete": false, "reason": "the camera was removed",
                "missing": paths, "missing_count": paths.len()}),
        ),
    ]
}

/// The gaps that the command finds, and its exit code.
fn found(bed: &Bed, station: &str) -> (Vec<Value>, Option<i32>) {
    let ran = bed.camdock(&["office", "gaps", station, "--json"]);
    let lines = String::from_utf8(ran.stdout).unwrap();
    let lines = lines.lines().map(|l| serde_json::from_str(l).unwrap());
    (lines.collect(), ran.status.code())
}

fn matter(bed: &Bed, station: &str) -> Option<Value> {
    let today = bed.today();
    let mut matters = today["matters"].as_array().unwrap().iter();
    let found = matters.find(|m| m["code"] == "office_gaps" && m["station"] == station);
    found.cloned()
}

#[test]
fn browser_a_gap_is_found_without_the_station_and_explained_once_by_whoever_may_decide() {
    let dir = tempfile::tempdir().unwrap();
    let stations = ["one", "two"].map(|name| station(&dir, name));
    let [one, two] = &stations;
    let mut bed = Bed::new("office-gaps", &stations.each_ref(), dir);
    let paths = [HOSTILE, "DCIM/LOST.MP4", "DCIM/OLD.MP4"];
    // One was explained at the station, which is heeded.
    let mut entries = early_removal(one, &paths);
    entries.push(one.entry(
        "operator.action",
        &json!({"operator": "M. Shah", "action": "gap.accept", "reason": "test",
            "gap": "never-taken:acme/X1:DCIM/OLD.MP4*"}),
    ));
    bed.publish(one, &one.append_bytes(&entries));
    bed.publish(two, &two.append(&["a"]));
    bed.run();
    // Without being asked, once what was cosigned is read.
    let row = bed.until("one", |found| found["bucket"]["gaps_at"].is_string())["bucket"].clone();
    assert_eq!(row["gaps_explained"], 1, "{row}");
    bed.until("two", |found| found["bucket"]["gaps_at"].is_string());
    assert_eq!(bed.standing("two").0["bucket"]["gaps"], 0);
    let (gaps, code) = found(&bed, "one");
    assert_eq!(code, Some(3));
    let count = gaps.len();
    assert_eq!(row["gaps"], count, "{gaps:#?}");
    let named = |path: &str| -> String {
        let gap = gaps
            .iter()
            .find(|gap| gap["code"] == "gap_never_taken" && gap["gap"].to_string().contains(path));
        let gap = gap.unwrap_or_else(|| panic!("no {path} in {gaps:#?}"));
        assert_eq!(
            (&gap["officer"], &gap["camera"]),
            (&json!("4711"), &json!("acme/X1"))
        );
        gap["gap"].as_str().unwrap().to_owned()
    };
    let (lost, hostile) = (named("LOST.MP4"), named("onerror"));
    assert!(
        !gaps
            .iter()
            .any(|gap| gap["gap"].to_string().contains("OLD.MP4")),
        "{gaps:#?}"
    );
    assert_eq!(found(&bed, "two"), (Vec::new(), Some(0)));
    assert_eq!(
        bed.camdock(&["office", "gaps", "three"]).status.code(),
        Some(2)
    );

    // By command, once: what there is not, and a name that covers others, are no gaps.
    let accept = |gap: &str| bed.decide(&["accept-gap", "one", gap]);
    for wrong in ["never-taken:*", "never-taken:acme/X1:none", ""] {
        let (code, said) = accept(wrong);
        assert_eq!(code, Some(4), "{said}");
        assert!(said.contains("has no such gap"), "{said}");
    }
    assert_eq!(bed.decide(&["accept-gap", "two", &lost]).0, Some(4));
    for _ in 0..2 {
        let (code, said) = accept(&lost);
        assert_eq!(code, Some(0), "{said}");
    }
    let act = &bed.until_acts("gap.accepted", 1)[0];
    assert_eq!(
        (&act["data"]["gap"], &act["data"]["log"]),
        (&json!(lost), &json!("one"))
    );
    assert_eq!(act["reason"], "\"Superintendent Byrne asked for it\"");
    assert!(!act["data"].to_string().contains("Byrne"), "{act}");
    let told = bed.camdock(&["office", "acts"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains(&format!(
            "The gap {lost} of one was explained under the name \"M. Shah\""
        )),
        "{told}"
    );
    bed.until("one", |found| found["bucket"]["gaps"] == count - 1);

    // On the page by whoever may decide, and by nobody else.
    let address = "/api/gaps/one";
    let explanation = json!({"gap": hostile, "reason": "deleted <b>by</b> the officer"});
    assert_eq!(bed.post(address, KIOSK, &explanation).0, 403);
    for role in ["viewer", "disposer", "auditor", "operations"] {
        let token = format!("camdock_{role}_token");
        assert_eq!(bed.post(address, &token, &explanation).0, 403, "{role}");
    }
    let empty = json!({"gap": hostile, "reason": " "});
    assert_eq!(bed.post(address, TOKEN, &empty).0, 400);
    let unknown = json!({"gap": "never-taken:x", "reason": "x"});
    let (status, head, _) = bed.post(address, TOKEN, &unknown);
    assert_eq!(status, 409);
    assert!(head.contains("camdock-code: office_no_gap"), "{head}");
    assert_eq!(bed.post("/api/gaps/three", TOKEN, &unknown).0, 409);

    let browser = Browser::start(1400, 1000);
    let office = format!("http://127.0.0.1:{}", bed.pages);
    sign_in(&browser, &office);
    browser.until("the gaps", "document.querySelector('#matters form input') && document.querySelectorAll('#stations tr').length === 2");
    let gap = matter(&bed, "one").unwrap();
    assert_eq!(gap["count"], count - 1, "{gap}");
    browser.click("#matters summary");
    let shown = browser.text("#matters");
    assert!(
        shown.contains(HOSTILE) && !shown.contains("LOST.MP4"),
        "{shown}"
    );
    assert_eq!(
        browser.js("return document.querySelectorAll('img').length"),
        0
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.shot("office-gaps");
    let form = "[...document.querySelectorAll('#matters form')].find((f) => f.parentElement.innerText.includes('onerror'))";
    browser.js(&format!(
        "const form = {form}; const field = form.querySelector('input'); field.value = 'deleted <b>by</b> the officer'; field.dispatchEvent(new Event('input')); form.requestSubmit()"
    ));
    browser.until(
        "it is explained",
        "document.getElementById('said').innerText.includes('says so now')",
    );
    let act = &bed.until_acts("gap.accepted", 2)[1];
    assert_eq!(act["data"]["operator"], "M. Shah");
    assert!(
        act["data"]["peer"].as_str().unwrap().starts_with("web "),
        "{act}"
    );
    browser.click("#languages button[lang=de]");
    browser.until("German", "document.documentElement.lang === 'de'");
    assert!(browser.text("#stations").contains("erklärt"));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    // Somebody who may not decide has no form, neither here nor on a recording's page.
    for (role, may) in [("viewer", false), ("manager", true), ("auditor", false)] {
        let (_, _, body) = bed.page("/api/today", Some(&format!("camdock_{role}_token")));
        let today: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(today["may_decide"], may, "{role}");
    }

    // It stays explained in an index that is made anew, and the rest is explained, too.
    bed.stop();
    for name in ["index.db", "index.db-wal", "index.db-shm"] {
        let _ = fs::remove_file(bed.path("state").join(name));
    }
    bed.run();
    bed.until("one", |found| {
        let bucket = &found["bucket"];
        bucket["gaps_at"].is_string()
            && bucket["gaps"] == count - 2
            && bucket["gaps_explained"] == 3
    });
    for gap in found(&bed, "one").0 {
        let gap = gap["gap"].as_str().unwrap();
        assert_eq!(bed.decide(&["accept-gap", "one", gap]).0, Some(0));
    }
    bed.until("one", |found| found["bucket"]["gaps"] == 0);
    assert_eq!(found(&bed, "one"), (Vec::new(), Some(0)));
    assert!(matter(&bed, "one").is_none());
    bed.stop();
}
