//! The page of one recording: its custody out of the bucket, each entry proven, and what was recorded around it.

use std::fs;
use std::process::Command;

use camdock::audit::log_files;
use camdock::model::{EvidenceId, SessionId};
use serde_json::{Value, json};

use crate::bed::{Bed, KIOSK, TOKEN, station};
use crate::browser::sign_in;
use crate::driver::Browser;
use crate::searches::{Made, at, get, publish};

#[test]
fn browser_a_recording_shows_its_custody_with_each_proof_and_what_happened_around_it() {
    let dir = tempfile::tempdir().unwrap();
    let stations = ["one", "two"].map(|name| station(&dir, name));
    let [one, _] = &stations;
    let mut bed = Bed::new("office-recording", &stations.each_ref(), dir);
    let session = SessionId::new();
    let made = |path: &str, camera: &'static str, recorded: &str| Made {
        id: EvidenceId::new(),
        station: "one",
        session,
        camera,
        officer: "4711".into(),
        path: path.into(),
        kind: if path == "DCIM/own.GPS" {
            "sidecar"
        } else {
            "video"
        },
        flagged: path.contains("later"),
        recorded: Some(at(recorded)),
        sealed: at("2026-01-10T12:00:00Z"),
        stored: true,
        quarantined: path.contains("own"),
    };
    let own = made("DCIM/own.MP4", "acme/X1", "2026-01-09T10:00:00Z");
    let all = [
        made("DCIM/long-before.MP4", "acme/X1", "2026-01-08T10:00:00Z"),
        made("DCIM/before.MP4", "acme/X1", "2026-01-09T09:00:00Z"),
        own.clone(),
        made("DCIM/own.GPS", "acme/X1", "2026-01-09T10:00:00Z"),
        made("DCIM/later.MP4", "acme/X1", "2026-01-09T11:00:00Z"),
        made("DCIM/much-later.MP4", "acme/X1", "2026-01-09T12:00:00Z"),
        made("DCIM/partner.MP4", "acme/X2", "2026-01-09T10:05:00Z"),
        made("DCIM/later-partner.MP4", "acme/X2", "2026-01-09T09:55:00Z"),
        made("DCIM/another-hour.MP4", "acme/X2", "2026-01-09T10:11:00Z"),
        Made {
            station: "two",
            ..made("DCIM/elsewhere.MP4", "acme/X9", "2026-01-09T10:00:00Z")
        },
    ];
    // The docking's entry has a body that makes no sense, which the index has no use for.
    let docking = json!({"data": null, "event": "camera.docked", "session": session, "station": "one", "time": own.sealed, "v": 1});
    one.append_bytes(&[docking.to_string().into_bytes()]);
    publish(&bed, &stations.each_ref(), &all);
    let hostile = "<img src=x onerror=alert(1)>";
    let action = |number: u32| json!({"operator": hostile, "action": "evidence.viewed", "evidence": own.id, "reason": format!("look {number}")});
    let told = |event: &str, mut data: Value| {
        data["evidence"] = json!(own.id);
        one.entry(event, &data)
    };
    let left = json!({"bay": "3", "complete": false, "reason": "the camera was removed", "missing_count": 1});
    let left = json!({"data": left, "event": "camera.undocked", "session": session, "station": "one", "time": own.sealed, "v": 1});
    let mut more = vec![
        told(
            "item.failed",
            json!({"code": "file_gone", "reason": "own.MP4 is no longer on the camera", "retried": false}),
        ),
        told(
            "item.previewed",
            json!({"part": "preview", "outcome": "failed", "code": "preview_no_index", "reason": "it broke off"}),
        ),
        left.to_string().into_bytes(),
    ];
    more.extend((0..60).map(|number| one.entry("operator.action", &action(number))));
    let note = one.append_bytes(&more);
    bed.publish(one, &note);
    let entries = one.checkpoint(&note).size;
    bed.run();
    bed.until("one", |found| found["bucket"]["indexed_entries"] == entries);
    bed.until("two", |found| found["bucket"]["items"] == 1);

    let address = format!("/api/recordings/one/{}", own.id);
    let view = get(&bed, &address);
    let custody = |view: &Value| -> Vec<(u64, String, bool)> {
        let all = view["custody"].as_array().unwrap().iter();
        let event = |told: &Value| {
            told["content"]["event"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let told = all.map(|told| {
            (
                told["entry"].as_u64().unwrap(),
                event(told),
                told["proven"] == true,
            )
        });
        told.collect()
    };
    let first = custody(&view);
    let named: Vec<&str> = first.iter().map(|(_, event, _)| &**event).take(4).collect();
    assert_eq!(
        named,
        [
            "camera.docked",
            "item.sealed",
            "item.quarantined",
            "item.stored"
        ],
        "{view}"
    );
    assert_eq!(first.len(), 50, "{view}");
    let further = get(&bed, &format!("{address}?from={}", view["next"]));
    let rest = custody(&further);
    assert_eq!(
        (rest.len(), &further["next"]),
        (17, &Value::Null),
        "{further}"
    );
    let both = [first, rest].concat();
    assert!(both.iter().all(|(.., proven)| *proven), "{both:?}");
    assert!(both.windows(2).all(|two| two[0].0 < two[1].0), "{both:?}");
    assert_eq!(view["checkpoint"]["entries"], entries);
    let path = |file: &Value| file["path"].as_str().unwrap_or("none").to_owned();
    assert_eq!(path(&view["before"]), "DCIM/before.MP4");
    // It is flagged, and still the next one.
    assert_eq!(path(&view["after"]), "DCIM/later.MP4");
    let others: Vec<_> = view["at_that_time"]
        .as_array()
        .unwrap()
        .iter()
        .map(path)
        .collect();
    assert_eq!(others, ["DCIM/later-partner.MP4", "DCIM/partner.MP4"]);
    assert_eq!(path(&view["recording"]["sidecars"][0]), "DCIM/own.GPS");
    let sidecar = get(&bed, &format!("/api/recordings/one/{}", all[3].id));
    assert_eq!(
        sidecar["recording"]["recording"],
        json!(own.id),
        "{sidecar}"
    );
    assert_eq!(path(&sidecar["before"]), "DCIM/before.MP4");

    for wrong in [
        "one/x",
        &format!("two/{}", own.id),
        &format!("three/{}", own.id),
        &format!("one/{}", EvidenceId::new()),
    ] {
        assert_eq!(
            bed.page(&format!("/api/recordings/{wrong}"), Some(TOKEN)).0,
            404,
            "{wrong}"
        );
    }
    for (role, may) in [("viewer", false), ("manager", true), ("auditor", false)] {
        let other = format!("/api/recordings/one/{}", all[1].id);
        let (_, _, body) = bed.page(&other, Some(&format!("camdock_{role}_token")));
        let view: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(view["may_decide"], may, "{role}");
    }
    assert_eq!(bed.page(&address, None).0, 401);
    assert_eq!(bed.page(&address, Some(KIOSK)).0, 403);
    assert_eq!(bed.page(&format!("{address}?from=-1"), Some(TOKEN)).0, 400);

    decided_once_and_whatever_the_station_says(&mut bed, &own, &all[0]);

    // The bucket's administrator changes one entry: nothing is shown of it, and the others stay proven.
    let bundles = log_files(entries).filter(|key| key.starts_with("tile/entries/"));
    let key = bundles.last().unwrap();
    let mut bundle = fs::read(one.dir().join(&key)).unwrap();
    let place = bundle
        .windows(8)
        .position(|bytes| bytes == b"\"look 0\"")
        .unwrap();
    bundle[place + 6] = b'X';
    bed.put(&format!("log/one/{key}"), bundle);
    let view = get(&bed, &address);
    let unproven: Vec<_> = custody(&view)
        .into_iter()
        .filter(|(.., proven)| !proven)
        .collect();
    assert_eq!(unproven.len(), 1, "{view}");
    assert!(!view.to_string().contains("look X"), "{view}");
    assert!(
        view.to_string()
            .contains("does not lead to the signed root"),
        "{view}"
    );

    let browser = Browser::start(1400, 1000);
    let office = format!("http://127.0.0.1:{}", bed.pages);
    sign_in(&browser, &office);
    browser.until(
        "today",
        "document.querySelectorAll('#stations tr').length === 2",
    );
    browser.open(&format!("{office}/find?text=own"));
    browser.until(
        "the recording",
        "document.querySelectorAll('#rows tr').length === 1",
    );
    browser.click("#rows a");
    browser.until(
        "its custody",
        "document.querySelectorAll('#custody > li').length === 50",
    );
    let story = browser.text("#custody");
    for wanted in [
        "camera.docked",
        "DCIM/own.MP4",
        "quarantined",
        "This entry cannot be proven",
        hostile,
        "looked at this item",
    ] {
        assert!(story.contains(wanted), "{wanted}: {story}");
    }
    assert_eq!(
        browser.js("return document.querySelectorAll('img').length"),
        0
    );
    browser.click("#further");
    browser.until(
        "the rest",
        "document.querySelectorAll('#custody > li').length === 67",
    );
    let around = browser.text("#around");
    assert!(
        around.contains("DCIM/later.MP4") && around.contains("DCIM/partner.MP4"),
        "{around}"
    );
    let watch = browser.js("return document.getElementById('watch').getAttribute('href')");
    assert_eq!(watch, json!(format!("/watch/one/{}", own.id)));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.shot("office-recording");
    // A person decides on the page: what was accepted before is not evidence after all.
    let acts = browser.text("#acts");
    for wanted in [
        "accepted it as evidence",
        "Reason: seen <b>in</b> the briefing",
        "assigned it to officer 4799",
    ] {
        assert!(acts.contains(wanted), "{wanted}: {acts}");
    }
    browser.js("document.getElementById('decision').value = 'reject'; document.getElementById('decision').dispatchEvent(new Event('change'))");
    browser.fill("#reason", "it was a drill");
    browser.click("#decide button");
    browser.until(
        "the decision",
        "document.getElementById('acts').innerText.includes('rejected it as evidence')",
    );
    assert!(browser.text("#decided").contains("says so now"));
    assert!(browser.text("#acts").contains("it was a drill"));
    // And says what it belongs to: a note is in the log as a commitment, and on the page as it was written.
    browser.js("document.getElementById('decision').value = 'tag'; document.getElementById('decision').dispatchEvent(new Event('change'))");
    for (field, words) in [
        ("#incident", "CAD 0412"),
        ("#note", "<b>he</b> said so"),
        ("#reason", "dispatch"),
    ] {
        browser.fill(field, words);
    }
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.click("#decide button");
    browser.until(
        "the tags",
        "document.getElementById('acts').innerText.includes('gave it these tags')",
    );
    let acts = browser.text("#acts");
    for wanted in ["Incident number CAD 0412", "Note: <b>he</b> said so"] {
        assert!(acts.contains(wanted), "{wanted}: {acts}");
    }
    assert!(browser.text("#facts").contains("CAD 0412"));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.click("#languages button[lang=de]");
    browser.until("German", "document.documentElement.lang === 'de'");
    assert!(
        browser
            .text("#custody")
            .contains("lässt sich nicht nachweisen")
    );
    reasons_are_german_and_what_was_logged_stands_beneath(&browser);
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.click("#around a[href*='/find?']");
    browser.until(
        "these minutes everywhere",
        "document.querySelectorAll('#rows tr').length === 4",
    );

    // Looking is on record, once for a look, and once more in the office that was started anew; what there is not is none.
    bed.stop();
    let acts = bed.acts();
    let viewed = |id: &EvidenceId| {
        let of_item = acts.iter().filter(|act| {
            act["data"]["action"] == "evidence.viewed" && act["data"]["evidence"] == json!(id)
        });
        of_item.count()
    };
    assert_eq!(
        (viewed(&own.id), viewed(&all[3].id), viewed(&all[0].id)),
        (2, 1, 0),
        "{acts:#?}"
    );
}

/// What a reader of German has to read of the custody is German; what was logged stays as it was said, and is marked as English.
fn reasons_are_german_and_what_was_logged_stands_beneath(browser: &Browser) {
    let own = browser.js(
        "const copy = document.getElementById('custody').cloneNode(true);
         copy.querySelectorAll('[lang=en], details').forEach((n) => n.remove()); return copy.textContent",
    );
    let english = browser.js(
        "return [...document.querySelectorAll('#custody [lang=en]')].map((n) => n.textContent).join('|')",
    );
    let [own, english] = [own, english].map(|text| text.as_str().unwrap().to_owned());
    let texts: Value = serde_json::from_str(include_str!("../../src/web/text/de.json")).unwrap();
    let german = |code: &str| {
        let what = texts["problem"][code]["what"].as_str().unwrap();
        what.trim_end_matches('.').to_owned()
    };
    for words in [
        &*german("file_gone"),
        &german("preview_no_index"),
        "die Kamera wurde entnommen",
        "Das Beweismittel wurde unter Quarantäne gestellt: die Kamera nennt keine brauchbare Seriennummer.",
    ] {
        assert!(own.contains(words), "{words} is missing in {own}");
    }
    assert!(
        !own.contains("the camera") && !own.contains("broke off"),
        "{own}"
    );
    assert!(
        english.contains("own.MP4 is no longer on the camera") && english.contains("it broke off"),
        "{english}"
    );
}

/// Decides by the page's interface and by command; what the index is made of anew heeds it.
fn decided_once_and_whatever_the_station_says(bed: &mut Bed, own: &Made, other: &Made) {
    let address = format!("/api/decisions/one/{}", own.id);
    let accept = json!({"decision": "accept", "reason": "seen <b>in</b> the briefing"});
    assert_eq!(bed.post(&address, KIOSK, &accept).0, 403);
    for role in ["viewer", "disposer", "auditor", "operations"] {
        let token = format!("camdock_{role}_token");
        assert_eq!(bed.post(&address, &token, &accept).0, 403, "{role}");
    }
    for wrong in [
        json!({"decision": "accept", "reason": " "}),
        json!({"decision": "accept", "reason": "two\nlines"}),
    ] {
        assert_eq!(bed.post(&address, TOKEN, &wrong).0, 400, "{wrong}");
    }
    let unknown = json!({"decision": "burn", "reason": "x"});
    assert_eq!(bed.post(&address, TOKEN, &unknown).0, 422);
    // Another site cannot have it sent by somebody who is signed in.
    let url = format!("http://127.0.0.1:{}{address}", bed.pages);
    let foreign = Command::new("curl")
        .args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            &url,
            "--data",
            &accept.to_string(),
        ])
        .args([
            "-H",
            "content-type: application/json",
            "-H",
            "sec-fetch-site: cross-site",
        ])
        .args(["-H", &format!("authorization: Bearer {TOKEN}")])
        .output()
        .unwrap();
    assert_eq!(foreign.stdout, b"403");
    let needless = format!("/api/decisions/one/{}", other.id);
    let (status, head, _) = bed.post(&needless, TOKEN, &accept);
    assert_eq!(status, 409);
    assert!(
        head.contains("camdock-code: office_nothing_to_decide"),
        "{head}"
    );
    for nowhere in ["two", "three"] {
        let address = format!("/api/decisions/{nowhere}/{}", own.id);
        assert_eq!(bed.post(&address, TOKEN, &accept).0, 404);
    }
    assert!(
        get(bed, "/api/find?state=undecided")
            .to_string()
            .contains(&own.id.to_string())
    );

    let decide = || -> Value {
        let (status, _, body) = bed.post(&address, TOKEN, &accept);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    let (first, again) = (decide(), decide());
    assert_eq!(
        (&first["published"], &first["repeated"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&again["entry"], &again["repeated"]),
        (&first["entry"], &json!(true))
    );
    let act = &bed.until_acts("quarantine.decided", 1)[0];
    assert_eq!(
        (&act["data"]["accepted"], &act["data"]["log"]),
        (&json!(true), &json!("one"))
    );
    assert!(!act["data"].to_string().contains("briefing"), "{act}");

    let id = own.id.to_string();
    let reassign = ["reassign", "one", &id, "--officer", "4799"];
    let (code, said) = bed.decide(&reassign);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(bed.decide(&reassign).0, Some(0));
    bed.until_acts("officer.reassigned", 1);
    let (code, said) = bed.decide(&["quarantine", "reject", "one", &other.id.to_string()]);
    assert_ne!(code, Some(0));
    assert!(said.contains("not in quarantine"), "{said}");
    let holds = |bed: &Bed| {
        // Its sidecar waits as before.
        bed.until("one", |found| found["bucket"]["undecided"] == 1);
        let view = get(bed, &format!("/api/recordings/one/{id}"));
        assert_eq!(view["recording"]["officer"], "4799", "{view}");
        let acts = view["acts"].as_array().unwrap();
        let decided = acts
            .iter()
            .find(|act| act["content"]["event"] == "quarantine.decided");
        assert_eq!(
            decided.unwrap()["reason"],
            "seen <b>in</b> the briefing",
            "{view}"
        );
    };
    holds(bed);
    let ran = bed.camdock(&["office", "rebuild"]);
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    holds(bed);
    // The same out of the office's log alone.
    bed.stop();
    for name in ["index.db", "index.db-wal", "index.db-shm"] {
        let _ = fs::remove_file(bed.path("state").join(name));
    }
    bed.run();
    bed.until("two", |found| found["bucket"]["items"] == 1);
    bed.until("one", |found| found["bucket"]["items"] == 9);
    holds(bed);
}
