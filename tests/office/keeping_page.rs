//! The forms of a recording's page by which people say how long it stays: its class, a hold, and the end of one.

use camdock::model::{EvidenceId, SessionId};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bed::{Bed, station};
use crate::browser::sign_in;
use crate::driver::Browser;
use crate::place::until;
use crate::searches::{Made, publish};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const OBJECTS: [&str; 4] = ["original", "manifest.json", "receipt", "item-key"];

/// What a person chooses in the form.
fn choose(browser: &Browser, decision: &str) {
    browser.until(
        "the form is ready",
        "!document.querySelector('#decide button').disabled",
    );
    browser.fill("#decision", decision);
    browser.js("document.getElementById('decision').dispatchEvent(new Event('change'))");
}

/// Sends the form as its button does, and returns what the page says then.
fn enter(browser: &Browser, reason: &str, wanted: &str) -> String {
    browser.js("document.getElementById('decided').textContent = ''");
    browser.fill("#reason", reason);
    browser.click("#decide button");
    let said = json!(wanted);
    browser.until(
        &format!("the page says: {wanted}"),
        &format!("document.getElementById('decided').innerText.includes({said})"),
    );
    browser.text("#decided")
}

fn shown(browser: &Browser, selector: &str) -> bool {
    let shown = format!("return document.querySelector('{selector}').offsetParent !== null");
    browser.js(&shown) == json!(true)
}

fn may_lift(browser: &Browser) -> bool {
    browser.js("return !document.querySelector('#decision [value=lift_hold]').disabled")
        == json!(true)
}

#[test]
fn browser_a_class_and_holds_are_entered_on_the_page_and_the_store_follows() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-keeping", &[&one], dir);
    let more = "\n[retention]\nunclassified = \"month\"\n[class.month]\ndays = 31\n[class.decade]\ndays = 3650\n";
    let text = std::fs::read_to_string(bed.path("office.toml")).unwrap();
    std::fs::write(bed.path("office.toml"), text + more).unwrap();
    let made = Made {
        id: EvidenceId::new(),
        station: "one",
        session: SessionId::new(),
        camera: "acme/X1",
        officer: "4711".into(),
        path: "DCIM/A.MP4".into(),
        kind: "video",
        flagged: false,
        recorded: None,
        sealed: Timestamp::now(),
        stored: true,
        quarantined: false,
    };
    made.put(&bed);
    publish(&bed, &[&one], std::slice::from_ref(&made));
    bed.run();
    bed.until("one", |s| s["bucket"]["items"] == 1);
    let keys = OBJECTS.map(|object| format!("evidence/one/{}/{object}", made.id));
    let held = |bed: &Bed| keys.iter().all(|key| bed.is_under_legal_hold(key));

    let browser = Browser::start(1400, 1400);
    let office = format!("http://127.0.0.1:{}", bed.pages);
    sign_in(&browser, &office);
    browser.until("the first page", "document.getElementById('stations')");
    browser.open(&format!("{office}/recordings/one/{}", made.id));
    browser.until(
        "the form",
        "document.getElementById('decide')?.offsetParent",
    );
    assert!(!may_lift(&browser), "nothing holds it");

    // The class: of those that office.toml names; without a reason nothing is sent.
    choose(&browser, "classify");
    assert!(shown(&browser, "#class-row") && !shown(&browser, "#hold-row"));
    let named =
        browser.js("return [...document.getElementById('class').options].map((o) => o.value)");
    assert_eq!(named, json!(["decade", "month"]));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.shot("recording-classify");
    browser.fill("#class", "decade");
    browser.click("#decide button");
    assert_eq!(
        browser.js("return document.getElementById('reason').validity.valueMissing"),
        true
    );
    assert!(
        bed.acts()
            .iter()
            .all(|act| act["event"] != "item.classified")
    );
    let before = Timestamp::now();
    enter(&browser, "CPIA: it is in evidence", "says so now");
    browser.until(
        "the page has the class",
        "document.getElementById('facts').innerText.includes('decade')",
    );
    let act = &bed.until_acts("item.classified", 1)[0]["data"];
    assert_eq!(
        (&act["class"], &act["operator"]),
        (&json!("decade"), &json!("M. Shah"))
    );
    until("its longer lock", || {
        let long = |key: &String| {
            bed.locked_until(key)
                .is_some_and(|end| end > before + DAY * 399)
        };
        keys.iter().all(long)
    });
    choose(&browser, "classify");
    browser.fill("#class", "decade");
    enter(&browser, "again", "said so already");

    // Two holds: lifting has to say which, and the store follows the last.
    choose(&browser, "hold");
    assert!(!shown(&browser, "#class-row") && !shown(&browser, "#hold-row"));
    enter(&browser, "litigation", "says so now");
    assert!(
        held(&bed),
        "the store has the legal hold when the act is entered"
    );
    browser.until(
        "lifting can be chosen",
        "!document.querySelector('#decision [value=lift_hold]').disabled",
    );
    choose(&browser, "hold");
    enter(&browser, "a second matter", "says so now");
    let acts = bed.until_acts("hold.placed", 2);
    let entries: Vec<&Value> = acts.iter().map(|act| &act["entry"]).collect();
    choose(&browser, "lift_hold");
    assert!(shown(&browser, "#hold-row") && !shown(&browser, "#class-row"));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    enter(&browser, "settled", "several holds keep it");
    browser.fill("#which-hold", &entries[0].to_string());
    enter(&browser, "settled", "says so now");
    assert!(held(&bed), "the other hold still keeps it");
    browser.until(
        "it is held still",
        "!document.querySelector('#decision [value=lift_hold]').disabled",
    );

    browser.click("button[lang=de]");
    browser.until(
        "German",
        "document.getElementById('decide').innerText.includes('Entscheidung')",
    );
    choose(&browser, "lift_hold");
    assert!(
        browser
            .text("#hold-row")
            .contains("Eintrag, der es festhielt")
    );
    enter(&browser, "erledigt", "Das steht jetzt als Eintrag");
    browser.until(
        "nothing is left to lift",
        "document.querySelector('#decision [value=lift_hold]').disabled",
    );
    until("the store lets go", || {
        !keys.iter().any(|key| bed.is_under_legal_hold(key))
    });
    let lifted = bed.until_acts("hold.lifted", 2);
    let of: Vec<&Value> = lifted
        .iter()
        .map(|act| &act["data"]["hold"]["index"])
        .collect();
    assert_eq!(of, entries);
    // The locks stay as they were.
    assert!(keys.iter().all(|key| {
        bed.locked_until(key)
            .is_some_and(|end| end > before + DAY * 399)
    }));
}
