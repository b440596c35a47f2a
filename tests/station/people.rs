//! Evidence managers see whose footage an item is.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::place::{Place, Running, until};

/// Where the running station's pages are.
pub fn pages(running: &Running, which: &str) -> String {
    let mut address = String::new();
    until("the pages can be reached", || {
        let said = running.said();
        let mark = format!("{which} can be reached url=\"http://");
        let found = said.lines().find_map(|l| l.split_once(&mark));
        address = found.map_or(String::new(), |(_, rest)| {
            rest.split('/').next().unwrap().to_owned()
        });
        !address.is_empty()
    });
    address
}

/// The body of what a page answers.
#[track_caller]
pub fn get(address: &str, path: &str, token: Option<&str>) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let bearer = token.map_or(String::new(), |t| format!("Authorization: Bearer {t}\r\n"));
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{bearer}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn a_reassigned_item_is_its_new_officers_everywhere_and_its_custody_names_both() {
    let place = Place::new(&[]);
    let made = place
        .camdock(&["token", "M. Shah", "--role", "evidence"])
        .ends(0);
    let token = made.out.lines().find_map(|l| l.strip_prefix("token:"));
    let token = token.unwrap().trim().to_owned();
    let line = made.out.lines().find(|l| l.contains("sha256")).unwrap();
    let tokens = format!("tokens = [{line}]");
    place.configure(&[
        ("web", "listen = \"127.0.0.1:0\""),
        ("web", tokens.as_str()),
    ]);
    place.film("X0000001", "LENT.MP4", 1, 10_000);
    place.film("X0000001", "OWN.MP4", 2, 10_000);
    place.nameless("nobody");
    std::fs::write(place.path("docked/nobody/WHOSE.MP4"), b"whose?").unwrap();
    let running = place.start(&["run"]);
    until("the station is ready", || {
        running.said().contains("the station is ready")
    });
    until("all is stored", || {
        let items = place.items();
        items.len() == 3 && items.iter().all(|i| i["state"] == "released")
    });
    let id = |path: &str| place.item(path)["evidence"].as_str().unwrap().to_owned();
    let (lent, whose) = (id("LENT.MP4"), id("WHOSE.MP4"));
    let who = ["--operator", "M. Shah", "--reason", "camera was lent"];
    let order = |words: &[&str]| place.camdock(&[words, &who].concat()).ends(0);
    order(&["reassign", &lent, "--officer", "4799"]);
    order(&["reassign", &whose, "--officer", "4798"]);
    order(&["quarantine", "decide", "accept", &whose]);

    // The command line, in each of its forms and by either officer.
    let mine = |officer: &str| {
        let ran = place.camdock(&["items", "--json", "--officer", officer]);
        let lines = ran.ends(0).lines();
        let paths = lines.iter().map(|l| l["path"].as_str().unwrap().to_owned());
        paths.collect::<Vec<_>>()
    };
    assert_eq!(mine("4711"), ["OWN.MP4"]);
    assert_eq!(mine("4799"), ["LENT.MP4"]);
    assert_eq!(place.item("LENT.MP4")["officer"], "4799");
    let found = place.item("WHOSE.MP4");
    assert_eq!(
        (&found["officer"], &found["decision"]),
        (&"4798".into(), &"accepted".into())
    );
    let csv = place.camdock(&["items", "--csv"]).ends(0).out;
    let row = |csv: &str, path: &str| {
        let row = csv.lines().find(|l| l.contains(path)).unwrap();
        row.split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(csv.starts_with("evidence,camera,officer,"), "{csv}");
    assert_eq!(row(&csv, "LENT.MP4")[2], "4799");
    assert_eq!(row(&csv, "OWN.MP4")[2], "4711");
    let text = place.camdock(&["items"]).ends(0).says("4799").out;
    let line = text.lines().find(|l| l.contains("WHOSE.MP4")).unwrap();
    assert!(line.contains("quarantine: accepted"), "{line}");

    // The pages and their exports.
    let address = pages(&running, "pages");
    let ask = |path: &str| get(&address, path, Some(&token));
    let shown: serde_json::Value =
        serde_json::from_str(&ask("/api/evidence?officer=4799")).unwrap();
    assert_eq!(shown["count"], 1);
    assert_eq!(shown["items"][0]["officer"], "4799");
    assert_eq!(
        row(&ask("/export/evidence?format=csv"), "LENT.MP4")[2],
        "4799"
    );
    let exported = ask("/export/evidence?format=json&officer=4711");
    assert!(exported.contains("OWN.MP4") && !exported.contains("LENT.MP4"));
    let days = ask("/api/completeness");
    assert!(days.contains("4711") && days.contains("4799"), "{days}");

    // The page and the command still name its first officer.
    let custody: serde_json::Value =
        serde_json::from_str(&ask(&format!("/api/evidence/{lent}"))).unwrap();
    assert_eq!(custody["item"]["officer"], "4799");
    let entries = custody["custody"].as_array().unwrap();
    let of = |event: &str| {
        let found = entries.iter().find(|e| e["event"] == event);
        found.unwrap_or_else(|| panic!("no {event} in {entries:#?}"))
    };
    assert_eq!(of("item.sealed")["data"]["officer"], "4711");
    assert_eq!(of("operator.action")["data"]["officer"], "4799");
    // The state of verification.
    let problems = || -> serde_json::Value { serde_json::from_str(&ask("/api/problems")).unwrap() };
    assert!(problems()["verification"].is_null());
    place.camdock(&["verify"]).ends(0);
    let verified = &problems()["verification"];
    assert_eq!(
        (&verified["ok"], &verified["findings"]),
        (&true.into(), &0.into())
    );
    running.stop().ends(0);
    place
        .camdock(&["show", &lent])
        .ends(0)
        .says("officer 4711")
        .says("It was assigned to officer 4799 under the name \"M. Shah\"");
}
