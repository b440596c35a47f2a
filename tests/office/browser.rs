//! The office's page in a real browser.

use serde_json::json;

use crate::bed::{Bed, TOKEN, station};
use crate::driver::Browser;

#[test]
fn browser_today_names_what_needs_somebody_in_both_languages_and_shows_names_as_text() {
    let dir = tempfile::tempdir().unwrap();
    let stations = ["one", "two"].map(|name| station(&dir, name));
    let [one, two] = &stations;
    let mut bed = Bed::new("office-browser", &stations.each_ref(), dir);
    let hostile = "<img src=x onerror=alert(1)>";
    let id = camdock::model::EvidenceId::new();
    let sealed = json!({"evidence": id, "path": format!("DCIM/{hostile}.MP4"), "size": 1, "kind": "video",
        "flagged": false, "sha256": "0".repeat(64), "sealed_size": 101, "frame_length": 65536,
        "message_id": "0".repeat(64), "camera": "acme/X1", "officer": hostile, "bay": "1"});
    let stored = json!({"evidence": id, "bucket": "b", "key": format!("evidence/one/{id}/original"),
        "size": 101, "checksum": "c"});
    let entries = [
        one.entry("item.sealed", &sealed),
        one.entry("item.stored", &stored),
    ];
    let note = one.append_bytes(&entries);
    bed.publish(one, &note);
    let note = two.append(&["a"]);
    bed.publish(two, &note);
    bed.run();
    bed.until("one", |found| found["bucket"]["missing"] == 4);
    bed.until("two", |found| found["bucket"]["listed"].is_string());

    let browser = Browser::start(1400, 1000);
    browser.open(&format!("http://127.0.0.1:{}/", bed.pages));
    browser.until("the login", "document.getElementById('token')");
    browser.fill("#token", TOKEN);
    browser.js("document.querySelector('form').submit()");
    browser.until(
        "the stations",
        "document.querySelectorAll('#stations tr').length === 2",
    );
    browser.until(
        "what is missing",
        "document.querySelectorAll('#matters > li').length === 1",
    );
    let matter = browser.text("#matters > li");
    for wanted in [
        "one",
        "does not list it",
        "4 of them",
        "Change nothing in the bucket",
    ] {
        assert!(matter.contains(wanted), "{wanted}: {matter}");
    }
    browser.click("#matters summary");
    let named = browser.text("#matters details");
    assert!(
        named.contains(hostile) && named.contains("acme/X1"),
        "{named}"
    );
    assert_eq!(
        browser.js("return document.querySelectorAll('img').length"),
        0
    );
    let rows = browser.text("#stations");
    assert!(
        rows.contains("Open: 1") && rows.contains("In order"),
        "{rows}"
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.shot("office-today");

    browser.click("#languages button[lang=de]");
    browser.until("German", "document.documentElement.lang === 'de'");
    let matter = browser.text("#matters > li");
    assert!(matter.contains("Im Bucket nichts ändern."), "{matter}");
    assert!(browser.text("#stations").contains("In Ordnung"));
    assert_eq!(browser.accessibility(), Vec::<String>::new());

    // An office that has gone is told; what is shown stays, with its time.
    bed.stop();
    browser.js("window.dispatchEvent(new Event('focus'))");
    browser.until("the loss", "!document.getElementById('failed').hidden");
    assert!(browser.text("#failed").contains("kann überholt sein"));
}
