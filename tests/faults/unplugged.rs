//! A camera is pulled out in every state that its bay can show, and docked again.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Mutex;

use camdock::model::{BayStatus, Event};

use crate::all_of;
use crate::place::{Place, Settings, until};
use crate::support::Made;
use crate::whole::{Expected, check};

const CAMERA: &str = "X0000001";
const STRANGER: &str = "X0000009";
const FILMS: [(&str, u64, u64); 3] = [
    ("A.GPS", 1, 700),
    ("BAD.MP4", 2, 300_000),
    ("LONG.MP4", 3, 9_000_000),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Gone before anybody looked.
    AtOnce,
    Unknown,
    Listing,
    InMidFile,
    Crawling,
    SpoolFull,
    StoreDown,
    Stored,
    BadFile,
    Link,
    Quarantine,
}

/// How a camera comes to be pulled out while its bay shows this. A new state does not compile until it has its ways here.
fn ways(status: &BayStatus) -> &'static [Way] {
    match status {
        BayStatus::Empty => &[Way::AtOnce],
        BayStatus::NotRecognised { .. } => &[Way::Unknown],
        BayStatus::Reading { .. } => &[Way::Listing, Way::InMidFile],
        BayStatus::SafeToRemove { .. } => &[Way::StoreDown],
        BayStatus::AllStored { .. } => &[Way::Stored],
        // Only USB disks are wiped: see the virtual machine's cases.
        BayStatus::Wiping { .. } => &[],
        BayStatus::NeedsAttention { .. } => &[
            Way::Crawling,
            Way::SpoolFull,
            Way::BadFile,
            Way::Link,
            Way::Quarantine,
        ],
    }
}

const ALL: [Way; 11] = [
    Way::AtOnce,
    Way::Unknown,
    Way::Listing,
    Way::InMidFile,
    Way::Crawling,
    Way::SpoolFull,
    Way::StoreDown,
    Way::Stored,
    Way::BadFile,
    Way::Link,
    Way::Quarantine,
];

/// What leads there and what is told afterwards.
struct Case {
    settings: Settings<'static>,
    failpoint: &'static str,
    serial: &'static str,
    /// The bay's problem before the camera is pulled out.
    code: &'static str,
    /// Of the entry `camera.undocked`; `None`: there was no session.
    complete: Option<bool>,
    /// The bay goes on to say that the camera left too early.
    early: bool,
    /// Of the run that empties the camera.
    ends: i32,
}

const PLAIN: Case = Case {
    settings: &[],
    failpoint: "hold:nothing",
    serial: CAMERA,
    code: "",
    complete: Some(false),
    early: true,
    ends: 0,
};

fn case(way: Way) -> Case {
    match way {
        Way::AtOnce => PLAIN,
        Way::Unknown => Case {
            settings: &[("ingest", "accept_unknown = \"refuse\"")],
            serial: STRANGER,
            code: "camera_unknown",
            complete: None,
            early: false,
            ends: 3,
            ..PLAIN
        },
        Way::Listing => Case {
            failpoint: "hold:session: docked",
            ..PLAIN
        },
        Way::InMidFile => Case {
            failpoint: "crawl:read camera~LONG@8+",
            ..PLAIN
        },
        Way::Crawling => Case {
            failpoint: "crawl:read camera~LONG@1+",
            code: "camera_slow",
            ..PLAIN
        },
        Way::SpoolFull => Case {
            settings: &[("spool", "reserve_bytes = 1000000000000000")],
            code: "spool_full",
            ..PLAIN
        },
        Way::StoreDown => Case {
            settings: &[("store", "endpoint = \"http://127.0.0.1:9\"")],
            complete: Some(true),
            early: false,
            ..PLAIN
        },
        Way::Stored => Case {
            complete: Some(true),
            early: false,
            ..PLAIN
        },
        Way::BadFile => Case {
            failpoint: "eio:read camera~BAD@1+",
            code: "files_failed",
            ..PLAIN
        },
        Way::Link => Case {
            code: "not_taken",
            early: false,
            ends: 3,
            ..PLAIN
        },
        Way::Quarantine => Case {
            serial: STRANGER,
            code: "quarantine",
            complete: Some(true),
            early: false,
            ends: 3,
            ..PLAIN
        },
    }
}

fn dock(place: &Place, bay: &str, serial: &str) {
    let marker = format!("{{\"make\":\"folder\",\"serial\":\"{serial}\"}}");
    let docked = place.path("docked");
    fs::write(docked.join(format!("{bay}.camera")), marker).unwrap();
    fs::rename(place.path("pocket"), docked.join(bay)).unwrap();
}

fn undock(place: &Place, bay: &str) {
    let docked = place.path("docked");
    fs::rename(docked.join(bay), place.path("pocket")).unwrap();
    fs::remove_file(docked.join(format!("{bay}.camera"))).unwrap();
}

fn bay(place: &Place, name: &str) -> BayStatus {
    let view = place.status().unwrap_or_default();
    let bays = view["bays"].as_array();
    let found = bays.and_then(|bays| bays.iter().find(|bay| bay["bay"] == name));
    found.map_or(BayStatus::Empty, |view| {
        serde_json::from_value(view.clone()).unwrap()
    })
}

fn reads_long(place: &Place) -> bool {
    let view = place.status().unwrap_or_default();
    view["bays"][0]["file"] == "LONG.MP4"
}

fn code(status: &BayStatus) -> &str {
    match status {
        BayStatus::NotRecognised {
            code, next_step, ..
        }
        | BayStatus::NeedsAttention {
            code, next_step, ..
        } => {
            assert!(!next_step.is_empty(), "{status:?}");
            code
        }
        _ => "",
    }
}

#[test]
fn a_camera_pulled_out_in_any_state_is_told_of_and_taken_whole_when_docked_again() {
    let base = Place::new(&[]);
    let seen = Mutex::new(BTreeSet::new());
    all_of(&ALL, |number, way| {
        let state = pulled_out(&base, number, *way).map_err(|e| format!("{way:?}: {e}"))?;
        seen.lock().unwrap().insert(state);
        Ok(())
    });
    let mut all = BTreeSet::from(BayStatus::STATES);
    // Only USB disks are wiped: see the virtual machine's cases.
    assert!(all.remove("wiping"));
    assert_eq!(seen.into_inner().unwrap(), all);
}

/// Returns the state that the bay was in.
fn pulled_out(base: &Place, number: usize, way: Way) -> Result<&'static str, String> {
    let (case, prefix) = (case(way), format!("unplugged-{number}/"));
    let line = format!("prefix = \"{prefix}\"");
    let normal = [("store", line.as_str())];
    let place = base.another(&[&normal[..], case.settings].concat());
    for (name, seed, len) in FILMS {
        place.film(CAMERA, name, seed, len);
    }
    if way == Way::Link {
        symlink("A.GPS", place.path("docked").join(CAMERA).join("L.GPS")).unwrap();
    }
    undock(&place, CAMERA);
    let hold = place.path("hold");
    fs::write(&hold, "").unwrap();
    let set = [
        ("CAMDOCK_FAILPOINT", case.failpoint),
        ("CAMDOCK_FAILPOINT_WHILE", hold.to_str().unwrap()),
    ];
    let running = place.start_with(&["run"], &set);
    until("the station is ready", || place.status().is_some());

    let mut state = BayStatus::Empty;
    dock(&place, "1", case.serial);
    if way != Way::AtOnce {
        until(&format!("{way:?}"), || {
            state = bay(&place, "1");
            // What passes on the way there is no state to pull it out in.
            let there = ways(&state).contains(&way) && code(&state) == case.code;
            match way {
                Way::Listing => running.said().contains(": held"),
                Way::InMidFile => there && reads_long(&place),
                _ => there,
            }
        });
        if !ways(&state).contains(&way) {
            return Err(format!("the bay shows {state:?}"));
        }
    }
    undock(&place, "1");
    if way == Way::Listing {
        fs::remove_file(&hold).unwrap();
    }
    let ended = || {
        let said = running.said();
        said.contains("camera left") || case.complete.is_none()
    };
    if way == Way::AtOnce {
        std::thread::sleep(std::time::Duration::from_secs(1));
    } else {
        until("its session has ended", ended);
        until("the bay tells of it", || {
            let shown = bay(&place, "1");
            if case.early {
                code(&shown) == "removed_early"
            } else {
                shown == BayStatus::Empty
            }
        });
    }
    running.stop().ends(0);
    let completed: Vec<bool> = place
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::CameraUndocked(left) => Some(left.complete),
            _ => None,
        })
        .collect();
    let told = case.complete.map_or(vec![], |complete| vec![complete]);
    // What was gone at once may not have been seen at all.
    if completed != told && !(way == Way::AtOnce && completed.is_empty()) {
        return Err(format!("undocked {completed:?}, not {told:?}"));
    }

    place.configure(&normal);
    dock(&place, "2", case.serial);
    place.drain().ends(case.ends);
    let files = FILMS.map(|(name, seed, len)| (name.to_owned(), Made::new(seed, len).whole()));
    let expected = Expected {
        prefix: &prefix,
        files: &files,
        quarantined: case.serial == STRANGER,
        previewed: 0,
    };
    check(&place, &expected)?;
    place.camdock(&["audit", "gaps"]).ends(match way {
        Way::Link => 3,
        _ => 0,
    });
    Ok(state.name())
}
