use std::fs;

use camdock::model::Event;
use serde_json::json;

use crate::driver::Browser;
use crate::{place, url};

/// Makes a token with the program; returns it and its line for the configuration.
fn token(place: &crate::place::Place, name: &str, role: &str) -> (String, String) {
    let ran = place.camdock(&["token", name, "--role", role]).ends(0);
    let token = ran
        .out
        .lines()
        .find_map(|l| l.strip_prefix("token:"))
        .unwrap();
    let line = ran.out.lines().find(|l| l.contains("sha256")).unwrap();
    (token.trim().to_owned(), line.trim().to_owned())
}

#[test]
fn browser_an_evidence_manager_searches_reads_custody_and_exports_and_the_log_says_so() {
    let place = place(&[]);
    let (mine, line) = token(&place, "M. Shah", "evidence");
    let (kiosk, kiosk_line) = token(&place, "desk", "kiosk");
    let tokens = format!("tokens = [{line} {kiosk_line}]");
    place.configure(&[
        ("web", "listen = \"127.0.0.1:0\""),
        ("web", tokens.as_str()),
    ]);
    place.film("X0000001", "DCIM/A0001.MP4", 1, 3_000_000);
    place.film("X0000002", "DCIM/B0002.MP4", 2, 1_000);
    let hostile = place.nameless("nobody");
    fs::write(hostile.join("<img src=x onerror=alert(1)>.MP4"), b"hostile").unwrap();
    place.drain().ends(3);
    // Docked once more, it would be taken once more: it says not who it is.
    fs::remove_dir_all(&hostile).unwrap();
    let running = place.start(&["run"]);
    let browser = Browser::start(1400, 1000);
    let url = url(&running);

    browser.open(&format!("{url}evidence"));
    browser.until("the login", "document.getElementById('token') && document.querySelector('h2').innerText.includes('Sign in')");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.fill("#token", "camdock_wrong");
    browser.js("document.querySelector('form').submit()");
    browser.until(
        "a wrong token is told",
        "document.getElementById('wrong')?.innerText.includes('not known')",
    );
    browser.shot("login-wrong");
    let refused = browser.awaited("fetch('/api/evidence').then((r) => r.status)");
    assert_eq!(refused, 401);
    // A kiosk's token opens no evidence.
    let refused = browser.awaited(&format!(
        "fetch('/api/evidence', {{headers: {{authorization: 'Bearer {kiosk}'}}}}).then((r) => r.status)"
    ));
    assert_eq!(refused, 403);

    browser.fill("#token", &mine);
    browser.js("document.querySelector('form').submit()");
    browser.until(
        "the items",
        "document.querySelectorAll('#rows tr').length === 3",
    );
    // Items that need a decision come first, and a hostile name is only text.
    let first = browser.text("#rows tr:first-child");
    assert!(
        first.contains("Quarantine") && first.contains("<img src=x onerror=alert(1)>.MP4"),
        "{first}"
    );
    // It is asked for beside the items.
    browser.until(
        "the problems",
        "document.querySelector('#problems').innerText.includes('In quarantine, undecided: 1')",
    );
    assert!(
        browser
            .text("#verified")
            .contains("Nothing has been verified")
    );
    browser.shot("evidence-list");
    assert_eq!(browser.accessibility(), Vec::<String>::new());

    browser.fill("#officer", "4711");
    browser.click("#form button");
    browser.until(
        "one officer's items",
        "document.querySelectorAll('#rows tr').length === 1",
    );
    assert!(browser.text("#rows").contains("DCIM/A0001.MP4"));
    browser.click("#rows button");
    browser.until(
        "the custody",
        "document.querySelectorAll('#custody li').length >= 4",
    );
    let custody = browser.text("#custody");
    for word in [
        "was in bay X0000001 when the station started",
        "hashed and sealed",
        "The store evidence confirmed",
        "M. Shah looked at this item",
    ] {
        assert!(custody.contains(word), "{word} is missing in:\n{custody}");
    }
    let proof = browser.text("#proof");
    assert!(
        proof.contains("sealing is proven") && proof.contains("storing is proven"),
        "{proof}"
    );
    browser.shot("evidence-custody");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.click("#close");

    let csv = browser.awaited("fetch(document.getElementById('csv').href).then((r) => r.text())");
    let csv = csv.as_str().unwrap();
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(
        csv.starts_with("evidence,camera,officer,") && csv.contains("DCIM/A0001.MP4"),
        "{csv}"
    );
    let lines = browser.awaited("fetch('/export/evidence?format=json').then((r) => r.text())");
    let lines: Vec<serde_json::Value> = lines
        .as_str()
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);

    browser.click("#tab-days");
    browser.until(
        "completeness",
        "document.querySelectorAll('#day-rows tr').length === 3",
    );
    browser.shot("evidence-completeness");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    let days = browser.awaited("fetch('/api/completeness').then((r) => r.json())");
    for day in days["days"].as_array().unwrap() {
        let of = |name: &str| day[name].as_u64().unwrap();
        assert_eq!((of("missing"), of("interrupted")), (0, 0), "{day}");
        // Docked twice: taken once, held the second time; nothing is held of a camera that says not who it is.
        assert_eq!(of("seen"), of("held") + of("sealed"), "{day}");
    }
    // Reading only: nothing that could change evidence exists.
    for (method, path) in [
        ("POST", "/api/evidence"),
        ("DELETE", "/api/evidence"),
        ("PUT", "/evidence"),
    ] {
        let status = browser.awaited(&format!(
            "fetch('{path}', {{method: '{method}'}}).then((r) => r.status)"
        ));
        assert_eq!(status, json!(405), "{method} {path}");
    }

    // Decided by command, seen on the page, all of it in the log.
    let waiting = place
        .camdock(&["quarantine", "list", "--json"])
        .ends(3)
        .lines();
    let id = waiting[0]["evidence"].as_str().unwrap().to_owned();
    let who = ["--operator", "M. Shah", "--reason", "lent camera"];
    place
        .camdock(&[&["quarantine", "decide", "accept", &id][..], &who].concat())
        .ends(0);
    place
        .camdock(&[&["reassign", &id, "--officer", "4799"][..], &who].concat())
        .ends(0);
    place
        .camdock(
            &[
                &["quarantine", "decide", "accept", &id][..],
                &["--operator", "", "--reason", "x"],
            ]
            .concat(),
        )
        .ends(3);
    browser.click("#tab-search");
    browser.fill("#officer", "4799");
    browser.click("#form button");
    browser.until(
        "its new officer has it",
        "document.querySelector('#rows tr')?.innerText.includes('Accepted as evidence')",
    );
    running.stop().ends(0);
    let actions: Vec<_> = place
        .events()
        .into_iter()
        .filter_map(|e| match e {
            Event::OperatorAction(action) => Some(action),
            _ => None,
        })
        .collect();
    let of = |name: &str| {
        actions
            .iter()
            .filter(|a| a.action == name)
            .collect::<Vec<_>>()
    };
    assert!(
        actions.iter().all(|a| a.operator == "M. Shah"),
        "{actions:?}"
    );
    assert!(
        of("evidence.listed")
            .iter()
            .any(|a| a.reason == "officer=4711"),
        "{actions:?}"
    );
    assert_eq!(of("evidence.viewed").len(), 1);
    assert_eq!(of("evidence.exported").len(), 2);
    assert_eq!(of("quarantine.accept").len(), 1);
    let reassigned = of("officer.reassign")[0];
    assert_eq!(reassigned.officer.as_ref().unwrap().0, "4799");
    assert!(
        reassigned.peer.as_ref().unwrap().starts_with("uid "),
        "{reassigned:?}"
    );
    place.camdock(&["verify"]).ends(0);
}

/// Replaces the station's responses with the given ones.
fn answers(browser: &Browser, given: &serde_json::Value) {
    browser.js(&format!(
        "const given = {given}; const asked = window.fetch;
         window.fetch = (path, ...more) => given[path] === undefined ? asked(path, ...more)
             : Promise.resolve(new Response(JSON.stringify(given[path].body), {{ status: given[path].status ?? 200, headers: given[path].headers }}));"
    ));
}

#[test]
fn browser_a_german_page_tells_reasons_in_german_and_what_was_logged_beneath() {
    let place = place(&[]);
    let (mine, line) = token(&place, "K. Meier", "evidence");
    let tokens = format!("tokens = [{line}]");
    place.configure(&[
        ("web", "listen = \"127.0.0.1:0\""),
        ("web", tokens.as_str()),
    ]);
    let lent = place.nameless("nobody");
    fs::write(lent.join("A.MP4"), b"lent").unwrap();
    place.drain().ends(3);
    fs::remove_dir_all(&lent).unwrap();
    let item = place.item("A.MP4");
    let id = item["evidence"].as_str().unwrap();
    let running = place.start(&["run"]);
    let browser = Browser::start(1400, 1000);
    let url = url(&running);
    browser.open(&format!("{url}login"));
    browser.until("the login", "document.getElementById('token')");
    browser.fill("#token", &mine);
    browser.js("document.querySelector('form').submit()");
    browser.until("it let us in", "location.pathname === '/evidence'");
    browser.open(&format!("{url}evidence?lang=de"));
    browser.until("the item", "document.querySelector('#rows button')");
    let row = browser.text("#rows");
    assert!(
        row.contains("die Kamera nennt keine brauchbare Seriennummer"),
        "{row}"
    );
    assert!(!row.contains("the camera"), "{row}");

    // Problems that a station has seldom, as it would tell them.
    let problem = |code: &str, reason: &str, next: &str| json!({ "code": code, "reason": reason, "next_step": next, "since": "2026-01-31T07:00:00Z", "needs_person": true });
    let mut problems = browser.awaited("fetch('/api/problems').then((r) => r.json())");
    problems["store"] = problem(
        "store_credentials",
        "the store does not accept these credentials (InvalidAccessKeyId) at put object",
        "Give the service valid keys.",
    );
    problems["alarms"][id] = problem(
        "spool_damaged",
        "A.MP4 was damaged before it was stored",
        "Check the disk.",
    );
    problems["wiping"]["3"] = problem("not_known_here", "words of a later version", "Do this.");
    let about = format!("/api/evidence/{id}");
    let mut told = browser.awaited(&format!("fetch('{about}').then((r) => r.json())"));
    let entry = |number: u64, event: &str, data: &serde_json::Value| json!({ "entry": number, "time": "2026-01-31T07:00:00Z", "event": event, "data": data });
    let custody = told["custody"].as_array_mut().unwrap();
    for (number, event, data) in [
        (
            90,
            "item.failed",
            json!({ "evidence": id, "code": "file_gone", "reason": "A.MP4 is no longer on the camera", "retried": false }),
        ),
        (
            91,
            "item.previewed",
            json!({ "evidence": id, "part": "preview", "outcome": "failed", "code": "preview_no_index", "reason": "it broke off" }),
        ),
        (
            92,
            "camera.undocked",
            json!({ "bay": "3", "complete": false, "reason": "the camera was removed", "missing_count": 1 }),
        ),
    ] {
        custody.push(entry(number, event, &data));
    }
    told["entries"] = json!(1203);
    told["next"] = json!(92);
    let next = json!({ "item": told["item"], "proof": told["proof"], "searched": told["searched"], "entries": 1203, "next": null,
        "custody": [entry(93, "item.held", &json!({ "evidence": id }))] });
    let refused = json!({ "status": 503, "headers": { "camdock-code": "journal_corrupt" }, "body": "the journal holds nonsense" });
    answers(
        &browser,
        &json!({ "/api/problems": { "body": problems }, about.as_str(): { "body": told },
            format!("{about}?after=92"): { "body": next }, "/api/evidence?text=x": refused }),
    );
    browser.until(
        "the problems",
        "document.querySelector('#problems')?.innerText.includes('spool_damaged')",
    );
    let said = |selector: &str| {
        // What a reader of German has to read, and what stands there as it was said.
        let own = browser.js(&format!(
            "const copy = document.querySelector({}).cloneNode(true);
             copy.querySelectorAll('[lang=en], details').forEach((n) => n.remove()); return copy.textContent",
            json!(selector)
        ));
        let english = browser.js(&format!(
            "return [...document.querySelectorAll({} + ' [lang=en]')].map((n) => n.textContent).join('|')",
            json!(selector)
        ));
        [own, english].map(|text| text.as_str().unwrap().to_owned())
    };
    let texts: serde_json::Value =
        serde_json::from_str(include_str!("../../src/web/text/de.json")).unwrap();
    let german = |code: &str, kind: &str| texts["problem"][code][kind].as_str().unwrap().to_owned();
    let [own, english] = said("#problems");
    for code in ["store_credentials", "spool_damaged"] {
        for kind in ["what", "next"] {
            assert!(own.contains(&german(code, kind)), "{code} {kind}: {own}");
        }
    }
    assert!(
        !own.contains("credentials (") && !own.contains("was damaged"),
        "{own}"
    );
    assert!(
        english.contains("A.MP4 was damaged") && english.contains("InvalidAccessKeyId"),
        "{english}"
    );
    // Without a German text what was said is better than nothing.
    assert!(own.contains("words of a later version. Do this."), "{own}");
    browser.shot("evidence-problems-german");
    assert_eq!(browser.accessibility(), Vec::<String>::new());

    browser.click("#rows button");
    browser.until("the custody", "document.getElementById('item').open");
    let [own, english] = said("#custody");
    for words in [
        german("file_gone", "what").trim_end_matches('.'),
        german("preview_no_index", "what").trim_end_matches('.'),
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
        english.contains("A.MP4 is no longer on the camera") && english.contains("it broke off"),
        "{english}"
    );
    let cut = browser.text("#cut");
    assert!(
        cut.contains("von 1.203 Einträgen") && cut.contains(&format!("camdock show {id}")),
        "{cut}"
    );
    browser.shot("evidence-custody-german-cut");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    let before = browser.js("return document.querySelectorAll('#custody li').length");
    browser.click("#further");
    browser.until(
        "the next page",
        &format!("document.querySelectorAll('#custody li').length === {before} + 1"),
    );
    browser.until("its end", "document.getElementById('further').hidden");
    assert!(
        browser.text("#cut").contains("von 1.203"),
        "still not all of it"
    );
    browser.click("#close");

    browser.fill("#text", "x");
    browser.click("#form button");
    browser.until(
        "the refusal",
        "!document.getElementById('failed').hidden && document.getElementById('failed').innerText",
    );
    let [own, english] = said("#failed");
    assert!(own.contains(&german("journal_corrupt", "what")), "{own}");
    assert!(english.contains("nonsense"), "{english}");
    running.stop();
}
