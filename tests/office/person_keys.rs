//! People's own keys: made in a real browser, confirmed by somebody else, and entered in the office's log.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use camdock::model::fingerprint_words;
use camdock::seal::{Curve, Recipient, keygen_recipient};
use serde_json::{Value, json};

use crate::bed::{Bed, TOKEN, station};
use crate::browser::sign_in;
use crate::driver::Browser;
use crate::sign_in::{Provider, signs_in, with_people};

pub const PASSWORD: &str = "correct horse battery";

/// What OpenSSL makes of a person's key file.
pub fn openssl(file: &Path, more: &[&str]) -> Vec<u8> {
    let mut openssl = Command::new("openssl");
    openssl.args(["pkey", "-in"]).arg(file);
    openssl
        .args(["-passin", &format!("pass:{PASSWORD}")])
        .args(more);
    let ran = openssl.output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    ran.stdout
}

/// The file that a page saved.
pub fn saved(folder: &Path) -> std::path::PathBuf {
    let began = Instant::now();
    loop {
        let mut files = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path());
        let whole = files.find(|path| path.extension().is_some_and(|end| end == "pem"));
        if let Some(path) = whole {
            return path;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "no file was saved"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn decided(bed: &Bed, person: &str, verdict: &Value) -> (u16, String) {
    let body = json!({"person": person, "verdict": verdict, "reason": "she read them out to me"});
    let (status, head, _) = bed.post("/api/keys/decide", TOKEN, &body);
    let code = head
        .split_once("camdock-code: ")
        .map_or("", |(_, rest)| rest);
    (status, code.lines().next().unwrap_or("").to_owned())
}

fn confirm(words: &str) -> Value {
    json!({"confirm": {"words": words}})
}

#[test]
fn browser_a_person_makes_a_key_and_somebody_else_confirms_it_by_its_words() {
    let dir = tempfile::tempdir().unwrap();
    let stations = ["one", "two"].map(|name| station(&dir, name));
    let mut bed = Bed::new("office-enrol", &stations.each_ref(), dir);
    let port = with_people(&bed);
    let office = format!("http://127.0.0.1:{}", bed.pages);
    bed.run_pages();
    let _provider = Provider::start(port, &office);
    let browser = Browser::start(1200, 900);
    let folder = tempfile::tempdir().unwrap();
    browser.saves_into(folder.path());

    // Vera makes a key. Its private half is in her file alone, and the words are those of its public half.
    signs_in(&browser, &office, "vera.viewers.north");
    browser.open(&format!("{office}/keys"));
    browser.until(
        "no key",
        "document.getElementById('own').textContent.includes('No key')",
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.fill("#password", PASSWORD);
    browser.click("#make button");
    browser.until("the words", "!document.getElementById('made').hidden");
    let words = browser.text("#words");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    let file = saved(folder.path());
    assert_eq!(file.file_name().unwrap(), "vera.key.pem");
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("ENCRYPTED PRIVATE KEY")
    );
    let public = String::from_utf8(openssl(&file, &["-pubout"])).unwrap();
    let fingerprint = Recipient::from_pem(&public).unwrap().fingerprint();
    assert_eq!(fingerprint_words(&fingerprint), Some(words.clone()));
    let secret = openssl(&file, &["-outform", "DER"]);
    // The scalar: 48 bytes, behind the point's length wherever OpenSSL puts it.
    let at = secret.windows(2).position(|two| two == [4, 48]).unwrap() + 2;
    let scalar = &secret[at..at + 48];
    let (memory, _) = bed.memory();
    assert!(
        !memory.windows(48).any(|some| some == scalar),
        "it was sent"
    );

    // She cannot confirm it, and sees nobody else's.
    let own = browser.awaited("fetch('/api/keys').then((r) => r.json())");
    assert!(
        own["waits"] == true && own["decides"] == false && own["book"].is_null(),
        "{own}"
    );
    let body = json!({"person": "vera", "verdict": confirm(&words), "reason": "mine"});
    let by_herself = format!(
        "fetch('/api/keys/decide', {{method: 'POST', headers: {{'content-type': 'application/json'}}, body: {}}}).then((r) => r.status)",
        json!(body.to_string())
    );
    assert_eq!(browser.awaited(&by_herself), 403);

    // Whatever is not the key that she named is not confirmed. What waits outlives a restart.
    bed.stop();
    bed.run_pages();
    let other = words.replacen(&words[..5], "babab", 1);
    assert_eq!(
        decided(&bed, "vera", &confirm(&other)),
        (409, "person_words_differ".into())
    );
    assert_eq!(
        decided(&bed, "vera", &confirm("")),
        (409, "person_words_differ".into())
    );
    assert_eq!(
        decided(&bed, "mary", &confirm(&words)),
        (409, "person_not_waiting".into())
    );
    assert_eq!(
        decided(&bed, "vera", &json!("remove")),
        (409, "person_unknown".into())
    );
    let (private, of_shah) = keygen_recipient(Curve::P384).unwrap();
    let (_, short) = keygen_recipient(Curve::P256).unwrap();
    for unfit in [&short, private.as_str(), "", "x"] {
        let (status, head, _) = bed.post("/api/keys", TOKEN, &json!({"key": unfit}));
        assert!(status == 409 && head.contains("person_key_unfit"), "{head}");
    }
    assert_eq!(
        bed.post("/api/keys", TOKEN, &json!({"key": of_shah})).0,
        200
    );
    let own = Recipient::from_pem(&of_shah).unwrap().fingerprint();
    let own = fingerprint_words(&own).unwrap();
    assert_eq!(
        decided(&bed, "M. Shah", &confirm(&own)),
        (409, "person_own_key".into())
    );
    assert!(bed.acts().iter().all(|act| act["event"] != "person.added"));

    // A manager confirms it on the page.
    browser.js("document.querySelector('form[action=\"/logout\"]').submit()");
    sign_in(&browser, &office);
    browser.until("today", "document.getElementById('matters')");
    browser.open(&format!("{office}/keys"));
    browser.until(
        "who waits",
        "document.querySelectorAll('#waiting > li').length === 2",
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.shot("office-keys");
    browser.click("#languages button[lang=de]");
    browser.until("German", "document.documentElement.lang === 'de'");
    assert!(browser.text("#waiting").contains("Ansicht · one"));
    browser.fill("#words-0", &words.to_uppercase());
    browser.fill("#reason-0", "Von ihr am Telefon gehört");
    browser.click("#waiting > li button");
    browser.until(
        "the book",
        "document.querySelectorAll('#book tr').length === 1",
    );
    let row = browser.text("#book tr");
    assert!(
        row.contains("vera") && row.contains(&words) && row.contains("one"),
        "{row}"
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    let added = &bed.until_acts("person.added", 1)[0];
    let data = &added["data"];
    assert_eq!(data["person"], "vera");
    assert_eq!(data["fingerprint"], fingerprint.as_str());
    assert_eq!(
        (&data["roles"], &data["stations"]),
        (&json!(["viewer"]), &json!(["one"]))
    );
    assert_eq!(data["operator"], "M. Shah");
    assert!(
        added["reason"].as_str().unwrap().contains("am Telefon"),
        "{added}"
    );
    assert_eq!(
        Recipient::from_pem(data["key"].as_str().unwrap())
            .unwrap()
            .fingerprint(),
        fingerprint
    );

    // Another key of hers supersedes it; operations do the same by command, and take keys away.
    let (code, said) = bed.decide(&["people", "confirm", "M. Shah", "--words", &own]);
    assert!(code != Some(0) && said.contains("of their own"), "{said}");
    let ran = bed.camdock(&[
        "office",
        "people",
        "confirm",
        "M. Shah",
        "--words",
        &own,
        "--operator",
        "D. Ops",
        "--reason",
        "he came by",
    ]);
    assert!(ran.status.success(), "{ran:?}");
    let (code, said) = bed.decide(&["people", "remove", "vera"]);
    assert_eq!(code, Some(0), "{said}");
    let removed = &bed.until_acts("person.removed", 1)[0]["data"];
    assert_eq!(removed["fingerprint"], fingerprint.as_str());
    assert_eq!(removed["supersedes"]["index"], added["entry"]);
    for restarted in [false, true] {
        if restarted {
            bed.stop();
            bed.run_pages();
        }
        let listed = bed.camdock(&["office", "people", "list", "--json"]);
        let book: Value = serde_json::from_slice(&listed.stdout).unwrap();
        let holders = book["holders"].as_array().unwrap();
        assert!(
            holders.len() == 1 && holders[0]["person"] == "M. Shah",
            "{book}"
        );
        assert_eq!(book["waiting"], json!([]));
    }
}
