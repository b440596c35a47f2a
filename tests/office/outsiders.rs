//! Recipients outside in a real browser: invited, enrolled, confirmed, shared with.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camdock::model::fingerprint_words;
use camdock::seal::{KeySource, Opener, Recipient, RecipientKey};
use serde_json::json;

use crate::bed::{Bed, TOKEN, station, store_endpoint};
use crate::browser::sign_in;
use crate::driver::Browser;
use crate::keydesk::{Desk, PICTURE, opened, picture};
use crate::person_keys::{PASSWORD, openssl, saved};
use crate::searches::publish;
use crate::support::tool;

#[test]
fn browser_an_outsider_makes_a_key_behind_a_link_and_a_manager_shares_with_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-outside", &[&one], dir);
    // Not running: the page says that nothing can be opened yet.
    let desk = Desk::of(
        &bed,
        &store_endpoint(),
        ("office-outside", "office-outside"),
    );
    let (made, item_key) = picture(&bed, &desk, "one");
    publish(&bed, &[&one], std::slice::from_ref(&made));
    // Where recipients reach the share reader, so that links are whole.
    let toml = fs::read_to_string(bed.path("office.toml")).unwrap();
    let share = "[share]\naddress = \"https://shares.police.example/\"\n[pages]";
    let toml = toml.replacen("[pages]", share, 1);
    fs::write(bed.path("office.toml"), toml).unwrap();
    bed.run_pages();
    bed.until("one", |found| {
        found["bucket"]["items"] == 1 && found["cosigned_entries"].is_u64()
    });
    let office = format!("http://127.0.0.1:{}", bed.pages);
    let browser = Browser::start(1200, 900);
    let folder = tempfile::tempdir().unwrap();
    browser.saves_into(folder.path());

    sign_in(&browser, &office);
    browser.until("today", "document.getElementById('matters')");
    browser.until("shares", "!document.getElementById('shares').hidden");
    browser.open(&format!("{office}/outsiders"));
    browser.until("the page", "!document.getElementById('nobody').hidden");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.fill("#name", "A. Clerk <b>");
    browser.click("#invite button");
    browser.until("the link", "!document.getElementById('invited').hidden");
    let link = browser.text("#link");
    assert!(link.starts_with(&format!("{office}/enrol#")), "{link}");
    browser.until(
        "it waits",
        "document.querySelectorAll('#waiting > li').length === 1",
    );

    // The outsider is not signed in.
    browser.js("document.querySelector('form[action=\"/logout\"]').submit()");
    browser.until("left", "document.getElementById('token')");
    browser.open(&link);
    browser.until("who asks", "!document.getElementById('make').hidden");
    assert!(browser.text("#from").contains("M. Shah of office-1"));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.shot("outside-enrol");
    browser.fill("#organisation", "CPS");
    browser.fill("#password", PASSWORD);
    browser.click("#make button");
    browser.until("the words", "!document.getElementById('made').hidden");
    let words = browser.text("#words");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    let file = saved(folder.path());
    let public = String::from_utf8(openssl(&file, &["-pubout"])).unwrap();
    let fingerprint = Recipient::from_pem(&public).unwrap().fingerprint();
    assert_eq!(fingerprint_words(&fingerprint), Some(words.clone()));
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("ENCRYPTED PRIVATE KEY")
    );
    browser.js("location.reload()");
    browser.until("used up", "!document.getElementById('failed').hidden");
    assert!(browser.text("#failed").contains("was used"));
    assert_eq!(
        browser.awaited("fetch('/api/outsiders').then((r) => r.status)"),
        401
    );

    // The manager types the words, and shares.
    sign_in(&browser, &office);
    browser.until("today", "document.getElementById('matters')");
    browser.open(&format!("{office}/outsiders"));
    browser.until("the form", "document.getElementById('words-0')");
    assert!(
        !browser.text("main").contains(&words),
        "they are to be heard"
    );
    assert!(browser.text("#waiting").contains("A. Clerk <b>"));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.click("#languages button[lang=de]");
    browser.until("German", "document.documentElement.lang === 'de'");
    browser.fill("#words-0", &words);
    browser.fill("#reason-0", "am Telefon verglichen");
    browser.click("#waiting > li button[type=submit]");
    browser.until(
        "the book",
        "document.querySelectorAll('#book tr').length === 1",
    );
    assert!(browser.text("#book").contains(&words));
    browser.shot("outsiders");
    let added = bed.until_acts("person.added", 1)[0]["data"].clone();
    assert_eq!(added["fingerprint"], fingerprint.as_str());
    browser.click("#languages button[lang=en]");
    browser.until("English", "document.documentElement.lang === 'en'");

    browser.open(&format!("{office}/recordings/one/{}", made.id));
    browser.until(
        "the link to share",
        "!document.getElementById('share').hidden",
    );
    browser.click("#share");
    browser.until(
        "the recipient",
        "document.querySelectorAll('#to option').length === 1",
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.js("document.querySelector('#to option').selected = true");
    browser.fill("#reason", "R v Jones");
    browser.click("#share button");
    browser.until(
        "the share",
        "document.querySelectorAll('#links li').length === 1",
    );
    let act = bed.until_acts("item.shared", 1)[0]["data"].clone();
    let said = browser.text("#links");
    let share = act["share"].as_str().unwrap();
    let link = format!("https://shares.police.example/s/{share}");
    assert!(
        said.contains(&link) && said.contains("key desk has not sealed"),
        "{said}"
    );
    assert_eq!(bed.keys("shares/").len(), 1, "the manifest");
    let listed = bed.camdock(&["office", "shares"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(&link), "{listed}");
    browser.shot("shares");
    assert_eq!(browser.accessibility(), Vec::<String>::new());

    // Without a key desk, a key that opens the recording seals it in the page. What is no such key, or not sealed to them, is refused.
    let key = format!("shares/{share}/{}/item-key", made.id);
    let post = |message: &str| {
        let body = json!({"share": share, "evidence": made.id, "message": message});
        bed.post("/api/shares/key", TOKEN, &body).0
    };
    assert_eq!((post(""), post("AgR4"), post("?")), (409, 409, 409));
    browser.choose("#key", &file);
    browser.fill("#password", PASSWORD);
    browser.click("#here button");
    browser.until("why not", "!document.getElementById('failed').hidden");
    let said = browser.text("#failed");
    assert!(said.contains("not sealed to this key"), "{said}");
    assert_eq!(bed.keys(&key), Vec::<String>::new());
    browser.choose("#key", &desk.path("recipient.key.pem"));
    browser.click("#here button");
    browser.until("it is sealed", "document.getElementById('here').hidden");
    let fine = browser.js("return document.getElementById('failed').hidden");
    assert_eq!(fine, true, "{}", browser.text("#failed"));
    assert!(browser.text("#links").contains("Send this link"));
    let viewed = bed.until_acts("item.viewed", 1)[0].clone();
    assert_eq!(viewed["data"]["evidence"], json!(made.id));
    assert_eq!(viewed["reason"], "\"R v Jones\"");
    let message = bed.bytes(&key);
    let unlocked = folder.path().join("unlocked.pem");
    fs::write(&unlocked, openssl(&file, &[])).unwrap();
    let theirs = RecipientKey::from_pem(&fs::read_to_string(&unlocked).unwrap()).unwrap();
    let item_key = item_key.into_bytes().to_vec();
    assert_eq!(opened(&message, &theirs), item_key);
    let opener = Opener::open(&message[..], &KeySource::Recipient(&theirs)).unwrap();
    let context = &opener.message().header.context;
    assert_eq!(context.get("camdock:share"), Some(share));
    assert_eq!(context.get("camdock:recipient"), Some(&*fingerprint));
    assert_eq!(context.get("camdock:camera"), None);
    let (memory, _) = bed.memory();
    assert!(
        !memory.windows(32).any(|some| some == item_key),
        "the office saw the key"
    );
    // The official SDK opens it, and the recording by it.
    let at = |name: &str| folder.path().join(name);
    fs::write(at("item-key"), &message).unwrap();
    let original = bed.bytes(&format!("evidence/one/{}/original", made.id));
    fs::write(at("sealed"), original).unwrap();
    let mut python = Command::new(tool("python"));
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/open_shared.py"));
    python.args([&unlocked, &at("item-key"), &at("sealed"), &at("opened.png")]);
    let ran = python.output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(fs::read(at("opened.png")).unwrap(), PICTURE);
    // Another one in its place is not taken.
    assert_eq!(post(&STANDARD.encode(&message)), 204);
    assert_eq!(bed.bytes(&key), message);
    browser.fill("#why", "sent to the wrong court");
    browser.click("#end button");
    browser.until(
        "ended",
        "document.querySelector('#rows tr').innerText.includes('ended on')",
    );
    assert_eq!(
        bed.until_acts("share.ended", 1)[0]["data"]["operator"],
        "M. Shah"
    );
    browser.open(&format!("{office}/find"));
    browser.until("share these", "!document.getElementById('share').hidden");
    let address = browser.awaited("document.getElementById('share').search");
    let named = address.as_str().unwrap().contains(&made.id.to_string());
    assert!(named, "{address}");
}
