//! The commands tell whose footage an item is, and who decided about it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use camdock::model::Event;

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
    let nobody = ["--operator", "", "--reason", "x"];
    let again = ["quarantine", "decide", "accept", &whose];
    place.camdock(&[again, nobody].concat()).ends(3);

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

    // Each docking's camera and day, with all officers whose footage it held.
    let days = place.camdock(&["audit", "days", "--json"]).ends(0).lines();
    let of = |camera: &str| {
        let found = days.iter().find(|day| day["camera"] == camera);
        found.unwrap_or_else(|| panic!("no {camera} in {days:#?}"))
    };
    let day = of("folder/X0000001");
    assert_eq!(day["officers"], "4711,4799", "{day}");
    for (figure, wanted) in [("seen", 2), ("sealed", 2), ("stored", 2), ("missing", 0)] {
        assert_eq!(day[figure], wanted, "{figure}: {day}");
    }
    let nameless = days.iter().find(|day| day["camera"].is_null()).unwrap();
    assert_eq!(nameless["officers"], "4798", "{nameless}");
    let csv = place.camdock(&["audit", "days", "--csv"]).ends(0).out;
    assert!(csv.contains(",\"4711,4799\",1,0,2,0,2,2,0"), "{csv}");
    let text = place.camdock(&["audit", "days"]).ends(0).out;
    assert!(text.ends_with(": 3 files seen, 0 missing\n"), "{text}");
    let none = [
        "audit",
        "days",
        "--from",
        "2001-01-01",
        "--to",
        "2001-01-31",
    ];
    place.camdock(&none).ends(0).says(": 0 files seen");

    running.stop().ends(0);
    let actions: Vec<_> = place
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::OperatorAction(action) => Some(action),
            _ => None,
        })
        .collect();
    let named: Vec<_> = actions.iter().map(|action| &*action.action).collect();
    assert_eq!(
        named,
        ["officer.reassign", "officer.reassign", "quarantine.accept"]
    );
    for action in &actions {
        let peer = action.peer.as_deref().unwrap_or_default();
        assert!(
            action.operator == "M. Shah" && peer.starts_with("uid "),
            "{action:?}"
        );
    }
    place
        .camdock(&["show", &lent])
        .ends(0)
        .says("officer 4711")
        .says("It was assigned to officer 4799 under the name \"M. Shah\"");
}
