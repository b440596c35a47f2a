//! "Safe to remove" comes after the signed log, never before: an outside reader checks at the moment the page shows it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use camdock::model::Event;

use crate::place::{Place, until};

#[test]
fn safe_is_shown_only_when_log_and_spool_hold_every_file_of_the_camera() {
    let place = Place::new(&[]);
    let store = ("store", "endpoint = \"http://127.0.0.1:9\"");
    place.configure(&[("web", "listen = \"127.0.0.1:0\""), store]);
    let serials: Vec<String> = (0..8).map(|n| format!("X000000{n}")).collect();
    place.roster(&serials.iter().map(String::as_str).collect::<Vec<_>>());
    let files = 12;
    for (seed, serial) in (0..).zip(&serials) {
        for n in 0..files {
            place.film(
                serial,
                &format!("DCIM/{n:03}.MP4"),
                seed * 100 + n,
                40_000 + n * 7_000,
            );
        }
    }
    let running = place.start(&["run"]);
    let mut address = String::new();
    until("pages can be reached", || {
        let said = running.said();
        let found = said
            .lines()
            .find_map(|l| l.split_once("pages can be reached url=\"http://"));
        address = found.map_or(String::new(), |(_, rest)| {
            rest.split('/').next().unwrap().to_owned()
        });
        !address.is_empty()
    });
    let mut stream = TcpStream::connect(&address).unwrap();
    let request = format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream
        .set_read_timeout(Some(std::time::Duration::from_mins(1)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut shown = BTreeMap::new();
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        let Some(data) = line.strip_prefix("data: ") else {
            continue;
        };
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        for bay in data["bays"].as_array().into_iter().flatten() {
            if bay["state"] != "safe_to_remove" && bay["state"] != "all_stored" {
                continue;
            }
            let camera = bay["camera"].as_str().unwrap().to_owned();
            let claimed = bay["files"].as_u64().unwrap();
            let sealed: Vec<_> = place
                .events()
                .into_iter()
                .filter_map(|e| match e {
                    Event::ItemSealed(item)
                        if item.camera.as_ref().is_some_and(|c| c.as_str() == camera) =>
                    {
                        Some(item)
                    }
                    _ => None,
                })
                .collect();
            assert!(
                sealed.len() as u64 >= claimed,
                "{camera}: {claimed} shown, {} in the log",
                sealed.len()
            );
            for item in &sealed {
                let spooled = place.path(&format!("state/spool/{}.sealed", item.evidence));
                assert_eq!(std::fs::metadata(spooled).unwrap().len(), item.sealed_size);
            }
            shown.insert(camera, claimed);
        }
        if shown.len() == serials.len() && shown.values().all(|claimed| *claimed == files) {
            break;
        }
    }
    assert_eq!(shown.len(), serials.len());
}
