//! A recording from a camera to a recipient outside, through nothing but the real programs: station, office, key desk, share reader,
//! and the recipient's browser.

use std::fs;
use std::time::Instant;

use camdock::model::Sha256Digest;
use camdock::pack::fingerprint;
use serde_json::json;

use crate::bed::{Bed, identity, with_policy};
use crate::driver::Browser;
use crate::keydesk::Desk;
use crate::packs::{Checker, film};
use crate::place::Place;
use crate::recipients::{open_link, says, whole};
use crate::share_reader::{Outsider, Reader};
use crate::shares::outsider;

const NOTHING: &str = "This link and this key open nothing.";

/// Opens the recording in this row, and waits until it and its storyboard are seen.
#[track_caller]
fn watch(browser: &Browser, row: usize) {
    browser.click(&format!("#items li:nth-child({row}) button"));
    let shown =
        format!("document.querySelector('#items li:nth-child({row})').hasAttribute('data-shown')");
    let player = "document.getElementById('player')";
    browser.until(
        "the first picture, or words",
        &format!("({shown} && {player}.readyState >= 2 && !{player}.hidden) || !document.getElementById('failed').hidden"),
    );
    assert_eq!(browser.text("#failed"), "");
    let sheet = "document.getElementById('sheet').naturalWidth > 0";
    browser.until("the storyboard", sheet);
    browser.js(&format!("{player}.muted = true; {player}.play()"));
    browser.until("it plays", &format!("{player}.currentTime > 0.3"));
}

#[test]
fn browser_a_clerk_with_a_link_sees_saves_and_checks_a_recording_and_nobody_else_gets_anything() {
    let place = Place::with_stations(&[
        identity("office", "evidence", "office-1"),
        with_policy("keydesk-policy.json", "keydesk", "evidence", "office-1"),
        with_policy(
            "sharereader-policy.json",
            "sharereader",
            "evidence",
            "office-1",
        ),
    ]);
    place.configure(&[("preview", "enabled = true")]);
    let names = ["OWN.MP4", "OLD.AVI"];
    let films = names.map(|name| film(&place, "X0000001", name));
    place.drain().ends(0);
    let ids = names.map(|name| place.item(name)["evidence"].as_str().unwrap().to_owned());
    let mut bed = Bed::beside(&place, "office", tempfile::tempdir().unwrap());
    let endpoint = place.weed.endpoint();
    let one = fs::read_to_string(place.path("keys/one.key.pem")).unwrap();
    let mut desk = Desk::with_key(&bed, &endpoint, ("keydesk", "evidence"), &one);
    let mut reader = Reader::of(&bed, &endpoint, "evidence");
    reader.introduce(&bed);
    bed.run_pages();
    bed.until("test-1", |found| {
        found["bucket"]["items"] == 2 && found["cosigned_entries"].is_u64()
    });
    desk.run();
    let keys = tempfile::tempdir().unwrap();
    // Two people whose keys the office knows, and one whom it does not.
    let [(clerk, fingerprint_of_clerk), (third, _)] = [(); 2].map(|()| outsider(&bed));
    let [clerk, third] = [("clerk", clerk), ("third", third)].map(|(name, secret)| {
        let file = keys.path().join(format!("{name}.key.pem"));
        fs::write(&file, secret.as_bytes()).unwrap();
        file
    });
    let stranger = Outsider::new(keys.path(), "stranger").file;

    // The office shares; the key desk has sealed both keys when the command ends, and its link is whole.
    let by = ["--operator", "M. Shah", "--reason", "R v Jones"];
    let until = ["--until", "2999-01-31"];
    let order = [
        "office",
        "share",
        &ids[0],
        &ids[1],
        "--to",
        &fingerprint_of_clerk,
    ];
    let shared = bed.camdock(&[&order[..], &until, &by].concat());
    assert!(shared.status.success(), "{shared:?}\n{}", desk.said());
    let said = String::from_utf8(shared.stdout).unwrap();
    let link = (said
        .lines()
        .find_map(|line| line.strip_prefix("its link, for the recipient: ")))
    .unwrap_or_else(|| panic!("{said}"));
    assert!(link.starts_with(&reader.url("/s/")), "{link}");
    let share = link.rsplit('/').next().unwrap();
    let listed = bed.camdock(&["office", "shares"]);
    assert!(String::from_utf8(listed.stdout).unwrap().contains(link));
    reader.run();

    // The clerk: what it is, from whom, why, until when.
    let saves = tempfile::tempdir().unwrap();
    let browser = Browser::start(1200, 1000);
    browser.saves_into(saves.path());
    let began = Instant::now();
    open_link(&browser, link, &clerk);
    assert_eq!(browser.text("#failed"), "");
    let told = browser.text("#share");
    for wanted in ["M. Shah", "office-1", "A. Clerk, CPS", "R v Jones", "2999"] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    let rows = [1, 2].map(|row| browser.text(&format!("#items li:nth-child({row})")));
    for ((row, name), film) in rows.iter().zip(names).zip(&films) {
        let digest = Sha256Digest::of(film).to_string();
        assert!(row.contains(name) && row.contains(&digest), "{row}");
        assert!(row.contains("Storyboard"), "{row}");
    }
    // Browsers play the one, and have a preview of the other.
    assert!(!rows[0].contains("Preview") && rows[1].contains("Preview"));
    bed.until_acts("share.taken", 0);
    watch(&browser, 1);
    let seen = began.elapsed();
    browser.js("window.showSaveFilePicker = undefined");
    let saved = "document.getElementById('saving').innerText.includes('Saved whole')";
    browser.click("#save");
    browser.until("it is saved", saved);
    assert!(fs::read(whole(saves.path(), "MP4")).unwrap() == films[0]);
    let on_disk = began.elapsed();
    watch(&browser, 2);
    assert!(browser.text("#playing").contains("preview"));
    browser.click("#save");
    browser.until("it is saved, too", saved);
    assert!(fs::read(whole(saves.path(), "AVI")).unwrap() == films[1]);
    let taken = bed.until_acts("share.taken", 2);
    for (act, id) in taken.iter().zip(&ids) {
        let data = &act["data"];
        assert_eq!(
            (&data["evidence"], &data["share"]),
            (&json!(id), &json!(share))
        );
        assert_eq!(data["to"], json!(fingerprint_of_clerk));
        assert_eq!(data["reader"], "share reader");
    }

    // The pack of it comes beside the share, and is checked offline in the same browser.
    let outer = tempfile::tempdir().unwrap();
    let out = outer.path().join("R-v-Jones");
    let (key, to) = (place.path("keys/one.key.pem"), out.to_str().unwrap());
    let pack = [
        "office",
        "pack",
        &ids[0],
        "--key",
        key.to_str().unwrap(),
        "-o",
        to,
    ];
    let packed = bed.camdock(&[&pack[..], &by].concat());
    assert!(packed.status.success(), "{packed:?}");
    let checker = Checker {
        browser,
        outer: outer.path(),
    };
    let opened = Instant::now();
    let page = format!("file://{}", out.join("check.html").display());
    checker.browser.open(&page);
    let witness = fingerprint(&bed.witness().to_string());
    let (verdict, report) = checker.verdict(&out, &[&witness]);
    assert_eq!(verdict, "MATCHES", "{report}");
    let saved = Sha256Digest::of(&fs::read(whole(saves.path(), "MP4")).unwrap());
    assert!(report.contains(&saved.to_string()), "{report}");
    eprintln!(
        "seen after {seen:?}, on the disk after {on_disk:?}; the pack was checked in {:?}",
        opened.elapsed()
    );
    let browser = checker.browser;

    // The link was passed on, or the key file is another one: a clear page, and nothing else.
    let nothing = |key: &std::path::Path| {
        open_link(&browser, link, key);
        says(&browser, NOTHING);
        let shown = browser.text("main");
        for hidden in ["Shah", "Clerk", "Jones", "OWN", "OLD", &ids[0]] {
            assert!(!shown.contains(hidden), "{hidden}: {shown}");
        }
        let asked = format!(
            "fetch('/shared/{share}/{}/original').then((r) => r.status)",
            ids[0]
        );
        assert_eq!(browser.awaited(&asked), 404);
        assert_eq!(browser.accessibility(), Vec::<String>::new());
    };
    // Whoever holds the key is here at the same time, and has taken nothing in this visit.
    let holder = Browser::start(1200, 1000);
    open_link(&holder, link, &clerk);
    assert_eq!(holder.text("#failed"), "");
    browser.open(link);
    browser.awaited(&format!(
        "fetch('/api/shares/{share}/leave', {{ method: 'POST' }})"
    ));
    nothing(&third);
    nothing(&stranger);
    browser.shot("share-passed-on");

    // It is ended: at once for what was not taken, and for whoever comes then.
    let (code, said) = bed.decide(&["end-share", share]);
    assert_eq!(code, Some(0), "{said}");
    bed.until_acts("share.ended", 2);
    holder.click("#items li:nth-child(1) button");
    says(&holder, NOTHING);
    nothing(&clerk);
    bed.until_acts("share.taken", 2);
}
