//! The office's pages in a real browser.

use camdock::model::{EvidenceId, SessionId};
use serde_json::json;

use crate::bed::{Bed, TOKEN, station};
use crate::driver::Browser;
use crate::searches::{Made, at, publish};

/// Signs an evidence manager in at the pages of this address.
pub fn sign_in(browser: &Browser, office: &str) {
    browser.open(&format!("{office}/"));
    browser.until("the login", "document.getElementById('token')");
    browser.fill("#token", TOKEN);
    browser.js("document.querySelector('form').submit()");
}

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
    let office = format!("http://127.0.0.1:{}", bed.pages);
    browser.open(&format!("{office}/find"));
    browser.until("the login", "document.getElementById('token') && document.querySelector('h2').innerText.includes('Sign in')");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.fill("#token", "camdock_wrong");
    browser.js("document.querySelector('form').submit()");
    browser.until(
        "a wrong token is told",
        "document.getElementById('wrong')?.innerText.includes('not known')",
    );
    browser.shot("login-wrong");
    let refused = browser.awaited("fetch('/api/find').then((r) => r.status)");
    assert_eq!(refused, 401);
    sign_in(&browser, &office);
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

#[test]
fn browser_find_searches_by_its_address_in_both_languages_with_the_keyboard_alone() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-find-page", &[&one], dir);
    let hostile = "<img src=x onerror=alert(1)>";
    let session = SessionId::new();
    let made = |path: &str, kind: &'static str, recorded: &str| Made {
        id: EvidenceId::new(),
        station: "one",
        session,
        camera: "acme/X1",
        officer: hostile.into(),
        path: path.into(),
        kind,
        flagged: path.contains("0007"),
        recorded: Some(at(recorded)),
        sealed: at("2026-01-10T12:00:00Z"),
        stored: !path.contains("0005"),
        quarantined: path.contains("0003"),
    };
    let mut all = vec![made(
        &format!("DCIM/{hostile}.MP4"),
        "video",
        "2026-01-09T10:00:00Z",
    )];
    for number in 0..70 {
        let path = format!("DCIM/A{number:04}");
        let hour = number % 24;
        let recorded = format!("2026-01-08T{hour:02}:30:00Z");
        all.push(made(&format!("{path}.MP4"), "video", &recorded));
        all.push(made(&format!("{path}.GPS"), "sidecar", &recorded));
    }
    publish(&bed, &[&one], &all);
    bed.run();
    bed.until("one", |found| found["bucket"]["items"] == all.len());

    let browser = Browser::start(1400, 1000);
    let office = format!("http://127.0.0.1:{}", bed.pages);
    sign_in(&browser, &office);
    browser.until(
        "today",
        "document.querySelectorAll('#stations tr').length === 1",
    );
    // An address that somebody was sent.
    browser.open(&format!("{office}/find?officer=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&from=2026-01-08T00:00Z&to=2026-01-08"));
    browser.until(
        "the first page",
        "document.querySelectorAll('#rows tr').length === 50",
    );
    let first = browser.text("#rows tr");
    for wanted in ["A0007.MP4", "A0007.GPS", "Flagged", "acme/X1", hostile] {
        assert!(first.contains(wanted), "{wanted}: {first}");
    }
    assert!(
        browser
            .text("#count")
            .contains("Shown: 50. There are more.")
    );
    browser.click("#more");
    browser.until("all", "document.querySelectorAll('#rows tr').length === 70");
    assert!(browser.text("#count").contains("Found: 70. That is all."));
    let rows = browser.text("#rows");
    for wanted in ["In quarantine", "Not stored yet", "Missing in the bucket"] {
        assert!(rows.contains(wanted), "{wanted}: {rows}");
    }
    assert_eq!(
        browser.js("return document.querySelectorAll('img').length"),
        0
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.shot("office-find");
    // Everything can be reached with the keyboard, and a search is begun with it.
    browser.js("const field = document.getElementById('text'); field.focus(); field.value = '0012'; field.form.requestSubmit()");
    browser.until(
        "one recording",
        "document.querySelectorAll('#rows tr').length === 1",
    );
    let address = browser.js("return location.search");
    let address = address.as_str().unwrap();
    for wanted in [
        "text=0012",
        "from=2026-01-08T00%3A00Z",
        "to=2026-01-08T23%3A59Z",
    ] {
        assert!(address.contains(wanted), "{address}");
    }
    let csv = browser.js("return document.getElementById('csv').getAttribute('href')");
    assert!(
        csv.as_str().unwrap().contains("text=0012") && csv.as_str().unwrap().contains("format=csv"),
        "{csv}"
    );
    browser.open(&format!("{office}/find{address}"));
    browser.until(
        "the same again",
        "document.querySelectorAll('#rows tr').length === 1",
    );
    browser.click("#languages button[lang=de]");
    browser.until("German", "document.documentElement.lang === 'de'");
    assert!(
        browser
            .text("#count")
            .contains("Gefunden: 1. Das sind alle.")
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    // A refusal is told in the reader's language, and the page stays usable.
    browser.open(&format!("{office}/find?state=missing&station=no+such+one"));
    browser.until("the refusal", "!document.getElementById('failed').hidden");
    assert!(
        browser
            .text("#failed")
            .contains("diese Station gibt es nicht"),
        "{}",
        browser.text("#failed")
    );
    let phone = Browser::start(500, 900);
    sign_in(&phone, &office);
    phone.until(
        "today",
        "document.querySelectorAll('#stations tr').length === 1",
    );
    phone.open(&format!("{office}/find?flagged=1"));
    phone.until(
        "one row",
        "document.querySelectorAll('#rows tr').length === 1",
    );
    let wider = phone.js("return document.documentElement.scrollWidth - innerWidth");
    assert!(wider.as_f64().unwrap() <= 0.0, "{wider}");
    bed.stop();
}
