//! Readiness of a station that could not take a camera now, and what `camdock status --watch` shows while one works and stops.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::people::pages;
use crate::place::{Place, until};

fn readiness(address: &str) -> (String, serde_json::Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].to_owned(), serde_json::from_str(body).unwrap())
}

#[test]
fn a_station_whose_docked_folder_is_gone_is_not_ready_until_it_is_back() {
    let place = Place::new(&[]);
    place.configure(&[("metrics", "listen = \"127.0.0.1:0\"")]);
    fs::create_dir_all(place.path("docked")).unwrap();
    let running = place.start(&["run"]);
    let address = pages(&running, "metrics");
    until("it is ready", || readiness(&address).0 == "200");
    fs::rename(place.path("docked"), place.path("elsewhere")).unwrap();
    let (status, answer) = readiness(&address);
    assert_eq!((status.as_str(), &answer["ready"]), ("503", &false.into()));
    let needs = answer["needs"].as_array().unwrap();
    let folders = needs.iter().find(|need| need["what"] == "docked folders");
    let folders = folders.unwrap();
    assert_eq!(folders["ok"], false, "{answer}");
    assert!(folders["next_step"].as_str().unwrap().contains("[dock]"));
    fs::rename(place.path("elsewhere"), place.path("docked")).unwrap();
    assert_eq!(readiness(&address).0, "200");
}

#[test]
fn a_terminal_that_watches_shows_the_bays_and_says_when_the_station_stops() {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 100_000);
    let running = place.start(&["run"]);
    until("the station answers", || place.status().is_some());
    let watching = place.start(&["status", "--watch"]);
    until("all is stored", || {
        place
            .status()
            .is_some_and(|s| s["bays"][0]["state"] == "all_stored")
    });
    // `status --watch` learns of each change within a second.
    std::thread::sleep(std::time::Duration::from_secs(2));
    running.stop().ends(0);
    let ran = watching.wait();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.out.contains("ALL STORED - 1 files"), "{}", ran.out);
    assert!(ran.err.contains("the station has stopped"), "{}", ran.err);
}
