//! Officers tag the recordings of their docked camera, by keyboard alone.

use std::fs;

use camdock::model::{Entry, Event, ItemTaggedAtDock};
use serde_json::{Value, json};

use crate::driver::Browser;
use crate::footage::ffmpeg;
use crate::place::{Place, age};
use crate::{place, tile, until, url};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

fn tagged(place: &Place) -> Vec<ItemTaggedAtDock> {
    let of = |entry: Entry| match entry.event {
        Event::ItemTaggedAtDock(said) => Some(*said),
        _ => None,
    };
    place.entries().into_iter().filter_map(of).collect()
}

/// Goes from one thing to the next until this has the focus.
fn tab_to(browser: &Browser, selector: &str) {
    for _ in 0..40 {
        let there = format!(
            "return document.activeElement?.matches({}) ?? false",
            json!(selector)
        );
        if browser.js(&there) == json!(true) {
            return;
        }
        browser.keys(TAB);
    }
    panic!("no way leads to {selector}\n{}", browser.text("body"));
}

fn post(browser: &Browser, path: &str, body: &Value) -> Value {
    let headers = "{'content-type': 'application/json'}";
    let body = json!(body.to_string());
    browser.awaited(&format!(
        "fetch('{path}', {{method: 'POST', headers: {headers}, body: {body}}}).then(async (r) => [r.status, await r.text()])"
    ))
}

#[test]
fn browser_an_officer_tags_recordings_at_the_dock_by_keyboard_alone() {
    let place = place(&[
        ("web", "tagging = true"),
        ("web", "tag_categories = [\"assault\", \"traffic\"]"),
        ("web", "incident_pattern = 'CAD-[0-9]{4}'"),
        ("preview", "enabled = true"),
    ]);
    let film = place.path("film.mp4");
    ffmpeg(&format!(
        "-f lavfi -i testsrc2=s=320x240:r=10:d=65 -c:v libx264 -preset ultrafast {}",
        film.display()
    ));
    age(&fs::File::options().write(true).open(&film).unwrap());
    fs::rename(&film, place.camera("X0000001").join("A.MP4")).unwrap();
    place.film("X0000001", "B.MP4", 2, 10_000);
    place.film("X0000001", "B.GPS", 3, 100);
    place.film("X0000002", "C.MP4", 4, 10_000);
    let running = place.start(&["run"]);
    let browser = Browser::start(1280, 800);
    browser.open(&url(&running));
    browser.until("all is stored", &tile("X0000001", "all_stored"));
    browser.until("and there", &tile("X0000002", "all_stored"));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    until("its length is known", || {
        let known = place.events();
        known.iter().any(|event| matches!(event, Event::ItemPreviewed(e) if e.probe.as_ref().is_some_and(|p| p.duration_ms.is_some())))
    });

    // Another officer's badge shows nothing, and the page says so.
    tab_to(&browser, "[data-bay=X0000001] .tag-it");
    browser.keys(ENTER);
    browser.until(
        "the question for the badge",
        "document.activeElement?.id === 'tag-badge'",
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.keys("4712");
    browser.keys(ENTER);
    browser.until(
        "a wrong badge is told",
        "document.querySelector('.tagging [role=alert]').innerText.includes('not the badge')",
    );
    // The right one, as a scanner types it; it replaces what is there.
    browser.keys("4711\u{e007}");
    browser.until(
        "the recordings",
        "document.querySelectorAll('.tagging .list label').length === 2",
    );
    let list = browser.text(".tagging .list");
    assert!(list.contains("1:05 min"), "{list}");
    assert!(!list.contains(".MP4") && !list.contains(".GPS"), "{list}");
    assert_eq!(
        browser.js("return document.querySelectorAll('.tagging :is(img, video)').length"),
        0
    );
    browser.shot("officer-tagging");
    assert_eq!(browser.accessibility(), Vec::<String>::new());

    // A number that is none is refused; then the first recording gets incident and category.
    browser.keys(" ");
    tab_to(&browser, "#tag-category");
    browser.keys("a");
    tab_to(&browser, "#tag-incident");
    browser.keys("412\u{e007}");
    browser.until(
        "it is refused",
        "document.querySelector('.tagging [role=alert]').innerText.includes('not how an incident')",
    );
    assert_eq!(tagged(&place), []);
    browser.js("document.getElementById('tag-incident').select()");
    browser.keys("CAD-0412\u{e007}");
    browser.until(
        "it is saved",
        "document.querySelector('.tagging [role=status]').innerText.includes('1')",
    );
    let list = browser.text(".tagging .list label:first-child");
    assert!(
        list.contains("CAD-0412") && list.contains("assault"),
        "{list}"
    );
    let said = tagged(&place);
    assert_eq!(said.len(), 1, "{said:?}");
    let first = &said[0];
    assert_eq!(first.incident.as_deref(), Some("CAD-0412"));
    assert_eq!(first.category.as_deref(), Some("assault"));
    assert_eq!(
        (first.officer.0.as_str(), first.bay.as_str()),
        ("4711", "X0000001")
    );
    let evidence = first.evidence.to_string();
    let told = place.camdock(&["show", &evidence]);
    told.ends(0).says("the badge 4711").says("CAD-0412");
    // That somebody looked is in the log, too.
    let looked = place.events().into_iter().filter_map(|event| match event {
        Event::OperatorAction(action) => Some((action.operator, action.action)),
        _ => None,
    });
    let looked: Vec<_> = looked.collect();
    assert!(
        looked.contains(&("4711".into(), "evidence.listed".into())),
        "{looked:?}"
    );
    assert!(
        !looked.iter().any(|(operator, _)| operator == "4712"),
        "{looked:?}"
    );
    // A touch types, too, and the German page says the same.
    tab_to(&browser, "#tag-close");
    browser.keys(ENTER);
    browser.until("it is closed", "!document.querySelector('dialog')");
    browser.click("button[lang=de]");
    browser.until(
        "German",
        "document.querySelector('.tag-it').innerText === 'Aufnahmen zuordnen'",
    );
    tab_to(&browser, "[data-bay=X0000001] .tag-it");
    browser.keys(ENTER);
    browser.until("its question", "document.activeElement?.id === 'tag-badge'");
    browser.keys("x\u{e007}");
    browser.until(
        "a German refusal",
        "document.querySelector('.tagging [role=alert]').innerText.includes('nicht der Dienstausweis')",
    );
    browser.keys("4711\u{e007}");
    browser.until(
        "the list again",
        "document.querySelectorAll('.tagging .list label').length === 2",
    );
    browser.js("[...document.querySelectorAll('.keypad button')].filter((b) => 'C7'.includes(b.innerText)).forEach((b) => b.click())");
    assert_eq!(
        browser.js("return document.getElementById('tag-incident').value"),
        "7C"
    );

    // A request of another's recording, of another session, without a camera, of another site.
    let session = place.status().unwrap();
    let bay = session["bays"]
        .as_array()
        .unwrap()
        .iter()
        .find(|b| b["bay"] == "X0000001")
        .unwrap()
        .clone();
    let own = json!({"bay": "X0000001", "session": bay["session"], "badge": "4711"});
    let others = place.item("C.MP4")["evidence"].clone();
    let with = |more: &Value| {
        let mut body = own.clone();
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    for (body, status) in [
        (
            with(&json!({"evidence": [others], "incident": "CAD-0001"})),
            422,
        ),
        (
            with(&json!({"evidence": [evidence], "category": "murder"})),
            422,
        ),
        (
            with(&json!({"evidence": [evidence], "incident": "CAD-0001\nCAD-0002"})),
            422,
        ),
        (with(&json!({"evidence": [], "incident": "CAD-0001"})), 422),
        (with(&json!({"evidence": [evidence]})), 422),
        (
            with(&json!({"evidence": [evidence], "incident": "CAD-0001", "bay": "X0000009"})),
            409,
        ),
        (
            with(
                &json!({"evidence": [evidence], "incident": "CAD-0001", "session": first.evidence}),
            ),
            409,
        ),
    ] {
        let answer = post(&browser, "/api/dock/tags", &body);
        assert_eq!(answer[0], status, "{answer} to {body}");
    }
    // Guessing badges ends soon.
    let guess = with(&json!({"badge": "9999"}));
    let statuses: Vec<_> = (0..14)
        .map(|_| post(&browser, "/api/dock/recordings", &guess)[0].clone())
        .collect();
    assert_eq!((&statuses[0], &statuses[13]), (&json!(403), &json!(429)));
    assert_eq!(tagged(&place).len(), 1);

    // The camera leaves: nobody else finds the list.
    fs::rename(place.camera("X0000001"), place.path("away")).unwrap();
    browser.until("the list is gone", "!document.querySelector('dialog')");
    running.stop().ends(0);
}

#[test]
fn browser_nobody_tags_where_it_is_not_switched_on() {
    let place = place(&[]);
    place.film("X0000001", "A.MP4", 1, 10_000);
    let running = place.start(&["run"]);
    let browser = Browser::start(1280, 800);
    browser.open(&url(&running));
    browser.until("all is stored", &tile("X0000001", "all_stored"));
    assert_eq!(
        browser.js("return document.querySelectorAll('.tag-it').length"),
        0
    );
    let session = place.status().unwrap()["bays"][0]["session"].clone();
    let body = json!({"bay": "X0000001", "session": session, "badge": "4711"});
    assert_eq!(post(&browser, "/api/dock/recordings", &body)[0], 404);
}
