//! Somebody outside opens a share in a real browser, and nobody else gets anything of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camdock::model::{Sha256Digest, ShareId};
use serde_json::{Value, json};

use crate::bed::{Bed, station};
use crate::driver::Browser;
use crate::footage::ffmpeg;
use crate::keydesk::{enter, restricted_item};
use crate::share_reader::{
    Film, HOSTILE, LIMIT, Outsider, Reader, added, ended, manifest, number, put_manifest,
    put_share, removed, shared,
};
use crate::support::tool;

/// Chooses a key on the page of a share.
fn open(browser: &Browser, reader: &Reader, share: ShareId, key: &Path) {
    open_link(browser, &reader.url(&format!("/s/{share}")), key);
}

pub fn open_link(browser: &Browser, link: &str, key: &Path) {
    browser.open(link);
    browser.until(
        "the page asks",
        "document.getElementById('key-hint').innerText",
    );
    browser.choose("#key", key);
    browser.click("#open");
    let answered =
        "!document.getElementById('failed').hidden || !document.getElementById('share').hidden";
    browser.until("an answer", answered);
}

#[track_caller]
pub fn says(browser: &Browser, wanted: &str) {
    browser.until("words", "!document.getElementById('failed').hidden");
    let said = browser.text("#failed");
    assert!(said.contains(wanted), "{said}");
}

#[track_caller]
pub fn whole(folder: &Path, ending: &str) -> PathBuf {
    let began = Instant::now();
    loop {
        let mut files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
        let whole = files.find(|path| path.extension().is_some_and(|end| end == ending));
        if let Some(path) = whole {
            return path;
        }
        assert!(began.elapsed() < LIMIT, "no file *.{ending} was saved");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn browser_a_share_opens_for_the_holder_of_its_key_alone_after_the_act() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let made = dir.path().join("film.mp4");
    ffmpeg(&format!(
        "-f lavfi -i testsrc2=s=320x180:r=25:d=3 -c:v libx264 -preset ultrafast -g 25 -movflags +faststart {}",
        made.display()
    ));
    let film = fs::read(&made).unwrap();
    let keys = tempfile::tempdir().unwrap();
    let [clerk, other] = ["clerk", "other"].map(|name| Outsider::new(keys.path(), name));
    let mut bed = Bed::new("office-recipients", &[&one], dir);
    let note = one.append(&["a"]);
    bed.publish(&one, &note);
    let mut reader = Reader::beside(&bed);
    reader.introduce(&bed);
    let good = Film::put(&bed, &film, |sealed| sealed);
    let tampered = Film::put(&bed, &film, |mut sealed| {
        let middle = sealed.len() / 2;
        sealed[middle] ^= 1;
        sealed
    });
    let (share, over, forged, unknown) = (number(1), number(2), number(3), number(9));
    // Shared with somebody who was dismissed afterwards: their key was lost.
    let (dismissed, with_restricted) = (number(6), number(7));
    let listed = put_share(&bed, share, &clerk, &[&good, &tampered]);
    let told_over = put_share(&bed, over, &clerk, &[&good]);
    let kept_back = Film::put(&bed, &film, |sealed| sealed);
    let told_restricted = put_share(&bed, with_restricted, &clerk, &[&kept_back]);
    let told_dismissed = put_share(&bed, dismissed, &other, &[&good]);
    // The log names these manifests, too: of a recording that the store has otherwise, and of one that nobody shared.
    let (otherwise, beyond) = (number(4), number(5));
    let strange = Film::put(&bed, &film, |sealed| sealed);
    let mut told_otherwise = manifest(&bed, otherwise, &clerk, &[&good]);
    told_otherwise["items"][0]["original"]["size"] = json!(good.sealed + 1);
    put_manifest(&bed, otherwise, &told_otherwise);
    let told_beyond = put_share(&bed, beyond, &clerk, &[&good, &strange]);
    // Whoever writes to the bucket can seal nothing here, and name themselves.
    put_share(&bed, forged, &other, &[&good]);
    bed.run_pages();
    bed.stop();
    let acts = [
        added(&clerk),
        shared(share, &clerk, &good, &listed),
        shared(share, &clerk, &tampered, &listed),
        shared(over, &clerk, &good, &told_over),
        ended(over, &good),
        added(&other),
        shared(dismissed, &other, &good, &told_dismissed),
        removed(&other),
        shared(with_restricted, &clerk, &kept_back, &told_restricted),
        restricted_item(kept_back.id, "one"),
        shared(otherwise, &clerk, &good, &told_otherwise),
        shared(beyond, &clerk, &good, &told_beyond),
    ];
    enter(&bed, &acts);
    bed.run_pages();
    let checked = reader.camdock("check").output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    reader.run();
    let published = || bed.until_acts("share.taken", 0);
    published();

    // A stranger learns nothing, not even whether there is such a share, and gets nothing.
    let page = reader.asked(&format!("/s/{share}"), None);
    assert_eq!(page.0, "200");
    assert!(!page.1.contains("Shah") && !page.1.contains("MP4"));
    assert_eq!(page, reader.asked(&format!("/s/{unknown}"), None));
    let closed = |path: &str, post: Option<&str>| {
        let (status, body) = reader.asked(path, post);
        assert_eq!(status, "404", "{path}: {body}");
        assert!(body.contains("there is no such share"), "{body}");
    };
    closed(&format!("/shared/{share}/{}/original", good.id), None);
    closed(&format!("/api/shares/{share}/items/{}/key", good.id), None);
    closed(
        &format!("/api/shares/{share}/items/{}", good.id),
        Some("{}"),
    );
    closed("/api/shares/..%2f..%2flog/challenge", Some("{}"));
    let mut answers = Vec::new();
    for share in [share, unknown] {
        let challenge = format!("/api/shares/{share}/challenge");
        let (status, asked) = reader.asked(&challenge, Some("{}"));
        assert_eq!(status, "200", "{asked}");
        let asked: Value = serde_json::from_str(&asked).unwrap();
        let guess = json!({"challenge": asked["challenge"], "mac": STANDARD.encode([0; 32])});
        let proof = format!("/api/shares/{share}/proof");
        answers.push(reader.asked(&proof, Some(&guess.to_string())));
        // A question is good for one answer.
        assert_eq!(reader.asked(&proof, Some(&guess.to_string())).0, "409");
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, "404");
    let tries =
        (0..50).map(|_| reader.asked(&format!("/api/shares/{share}/challenge"), Some("{}")));
    assert!(tries.into_iter().any(|(status, _)| status == "429"));

    // Another key, an unknown share, one that has ended, and one that nobody shared: the same words.
    let browser = Browser::start(1200, 1000);
    let nothing = "This link and this key open nothing.";
    open(&browser, &reader, share, &other.file);
    says(&browser, nothing);
    let first = browser.text("#failed");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    let refused = [
        (unknown, &clerk),
        (over, &clerk),
        (forged, &other),
        (dismissed, &other),
    ];
    for (share, key) in refused {
        open(&browser, &reader, share, &key.file);
        assert_eq!(browser.text("#failed"), first);
        assert!(!browser.text("main").contains("Shah"));
    }
    published();

    // The right key: what it is, from whom, why, until when; names are text.
    open(&browser, &reader, share, &clerk.file);
    assert_eq!(browser.text("#failed"), "");
    let told = browser.text("#share");
    for wanted in ["M. Shah", "A. Clerk, CPS", HOSTILE, "2999", "SHA-256"] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    let rows = browser.js("return document.querySelectorAll('#items li').length");
    assert_eq!(rows, 2);
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    // Even now, nothing comes of what was not taken.
    let before = format!(
        "fetch('/shared/{share}/{}/original').then((r) => r.status)",
        good.id
    );
    assert_eq!(browser.awaited(&before), 404);
    published();
    browser.click("#items li button");
    let player = "document.getElementById('player')";
    browser.until(
        "the first picture, or words",
        &format!("({player}.readyState >= 2 && !{player}.hidden) || !document.getElementById('failed').hidden"),
    );
    assert_eq!(browser.text("#failed"), "");
    let sheet = "document.getElementById('sheet').naturalWidth > 0";
    browser.until("the storyboard", sheet);
    let act = bed.until_acts("share.taken", 1)[0].clone();
    assert_eq!(act["data"]["evidence"], json!(good.id));
    assert_eq!(act["data"]["to"], clerk.key.fingerprint());
    assert_eq!(act["data"]["reader"], "share reader");
    assert_eq!(browser.awaited(&before), 200);
    browser.js(&format!("{player}.muted = true; {player}.play()"));
    browser.until("it plays", &format!("{player}.currentTime > 0.3"));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.shot("recipient");

    // To the disk: fed by the worker, and straight into a file that was chosen.
    let saves = tempfile::tempdir().unwrap();
    browser.saves_into(saves.path());
    browser.js("window.picker = window.showSaveFilePicker; window.showSaveFilePicker = undefined");
    browser.click("#save");
    let saved_whole = "document.getElementById('saving').innerText.includes('Saved whole')";
    browser.until("it is saved", saved_whole);
    assert_eq!(fs::read(whole(saves.path(), "MP4")).unwrap(), good.plain);
    browser.js(
        "window.showSaveFilePicker = async () => (await navigator.storage.getDirectory()).getFileHandle('chosen', { create: true }); \
         document.getElementById('saving').textContent = ''",
    );
    browser.click("#save");
    browser.until("it is saved", saved_whole);
    let digest = "navigator.storage.getDirectory().then((dir) => dir.getFileHandle('chosen')).then((it) => it.getFile()).then((it) => it.arrayBuffer())\
         .then((it) => crypto.subtle.digest('SHA-256', it)).then((it) => Array.from(new Uint8Array(it), (b) => b.toString(16).padStart(2, '0')).join(''))";
    let digest = browser.awaited(digest);
    assert_eq!(digest, Sha256Digest::of(&good.plain).to_string());

    // Sealed, with its key: the official SDK opens it, by the program that the papers name.
    browser.click("#sealed-original");
    browser.click("#sealed-key");
    let (sealed, key) = (
        whole(saves.path(), "sealed"),
        whole(saves.path(), "item-key"),
    );
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/open_shared.py");
    let out = saves.path().join("opened");
    let mut python = Command::new(tool("python"));
    python.arg(program).args([&clerk.file, &key, &sealed, &out]);
    let ran = python.output().unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert_eq!(fs::read(&out).unwrap(), good.plain);
    assert!(String::from_utf8_lossy(&ran.stdout).contains(&share.to_string()));
    bed.until_acts("share.taken", 1);

    // What was altered is neither played to its end nor saved.
    fs::remove_file(whole(saves.path(), "MP4")).unwrap();
    browser.js("window.showSaveFilePicker = undefined");
    browser.click("#items li:nth-child(2) button");
    browser.until(
        "the second one",
        "document.querySelector('#items li:nth-child(2)').hasAttribute('data-shown') && !document.getElementById('save').disabled",
    );
    browser.click("#save");
    browser.until(
        "it fails",
        "document.getElementById('saving').innerText.includes('Nothing whole')",
    );
    says(&browser, "was altered or damaged after sealing");
    let kept = fs::read_dir(saves.path())
        .unwrap()
        .map(|it| it.unwrap().path());
    assert!(
        kept.into_iter()
            .all(|path| path.extension().is_none_or(|end| end != "MP4"))
    );
    bed.until_acts("share.taken", 2);

    // Locked, nothing of it is here any more, and the session is over.
    browser.click("#lock");
    assert!(!browser.text("main").contains("Shah"));
    let began = Instant::now();
    while browser.awaited(&before) != 404 {
        assert!(began.elapsed() < LIMIT, "the session goes on");
        std::thread::sleep(Duration::from_millis(50));
    }

    // What was restricted since it was shared is not handed out.
    open(&browser, &reader, with_restricted, &clerk.file);
    let take = format!(
        "fetch('/api/shares/{with_restricted}/items/{}', {{method: 'POST', headers: {{'content-type': 'application/json'}}, body: '{{}}'}}).then((r) => r.status)",
        kept_back.id
    );
    assert_eq!(browser.awaited(&take), 404);
    bed.until_acts("share.taken", 2);

    // German, on a phone.
    let phone = Browser::start(500, 900);
    phone.open(&reader.url(&format!("/s/{share}?lang=de")));
    phone.until(
        "German",
        "document.documentElement.lang === 'de' && document.getElementById('key-hint').innerText",
    );
    assert!(
        phone
            .text("#closed")
            .contains("Person mit dem passenden Schlüssel")
    );
    phone.choose("#key", &clerk.file);
    phone.click("#open");
    phone.until("the share", "!document.getElementById('share').hidden");
    assert!(
        phone
            .text("#share")
            .contains("Jede Aufnahme, die Sie öffnen")
    );
    let wider = phone.js("return document.documentElement.scrollWidth - innerWidth");
    assert!(wider.as_f64().unwrap() <= 0.0, "{wider}");
    assert_eq!(phone.accessibility(), Vec::<String>::new());

    // Manifests that somebody wrote into the bucket.
    let mut hostile = listed.clone();
    hostile["items"][0]["original"]["key"] = "log/office-1/checkpoint".into();
    put_manifest(&bed, share, &hostile);
    open(&browser, &reader, share, &clerk.file);
    assert_eq!(browser.text("#failed"), first);
    assert!(
        reader.said().contains("share_manifest"),
        "{}",
        reader.said()
    );
    // They make sense, and are not the one that the log names: with other words, a digest, less, more, or an end.
    put_share(&bed, share, &clerk, &[&good, &tampered, &strange]);
    let more = manifest(&bed, share, &clerk, &[&good, &tampered, &strange]);
    let swapped = |pointer: &str, value: Value| {
        let mut swapped = listed.clone();
        *swapped.pointer_mut(pointer).unwrap() = value;
        swapped
    };
    for swapped in [
        swapped("/reason", "there is nothing to see".into()),
        swapped("/items/0/sha256", "00".repeat(32).into()),
        swapped("/items", json!([listed["items"][1]])),
        swapped("/until", "2999-01-02T00:00:00Z".into()),
        more,
    ] {
        put_manifest(&bed, share, &swapped);
        open(&browser, &reader, share, &clerk.file);
        assert_eq!(browser.text("#failed"), first, "{swapped}");
        assert!(!browser.text("main").contains("Shah"), "{swapped}");
    }
    assert!(reader.said().contains("does not let the share"));
    put_manifest(&bed, share, &listed);
    // The store has not what the log's manifest names.
    open(&browser, &reader, otherwise, &clerk.file);
    browser.click("#items li button");
    says(&browser, "is not what was shared");
    // The office did not share this one with anybody.
    open(&browser, &reader, beyond, &clerk.file);
    browser.click("#items li:nth-child(2) button");
    says(&browser, nothing);
    bed.until_acts("share.taken", 2);

    // Without the office, whoever has no key still learns nothing; whoever has it is told, and nothing opens.
    bed.stop();
    open(&browser, &reader, share, &other.file);
    assert_eq!(browser.text("#failed"), first);
    open(&browser, &reader, share, &clerk.file);
    says(&browser, "on the side of the office is out of order");
    assert!(reader.said().contains("share_office"), "{}", reader.said());
    bed.run_pages();
    open(&browser, &reader, share, &clerk.file);
    assert_eq!(browser.text("#failed"), "");
}
