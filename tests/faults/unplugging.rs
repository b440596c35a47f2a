//! A camera is pulled out in every state that its bay can show, and docked again.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Mutex;

use camdock::model::{BayStatus, Event};

use crate::all_of;
use crate::conditions_at_rest::{Expected, check};
use crate::place::{Place, Settings, until};
use crate::support::SeededSource;

const CAMERA: &str = "X0000001";
const STRANGER: &str = "X0000009";
const FILMS: [(&str, u64, u64); 3] = [
    ("A.GPS", 1, 700),
    ("BAD.MP4", 2, 300_000),
    ("LONG.MP4", 3, 9_000_000),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The camera is gone before anybody looked.
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

/// The moments at which a camera is pulled out while its bay shows this. A new state does not compile until it is listed here.
fn moments(status: &BayStatus) -> &'static [Moment] {
    match status {
        BayStatus::Empty => &[Moment::AtOnce],
        BayStatus::NotRecognised { .. } => &[Moment::Unknown],
        BayStatus::Reading { .. } => &[Moment::Listing, Moment::InMidFile],
        BayStatus::SafeToRemove { .. } => &[Moment::StoreDown],
        BayStatus::AllStored { .. } => &[Moment::Stored],
        // No witness is asked here. Only USB disks are wiped: see the virtual machine's cases.
        BayStatus::WaitingForWitness { .. } | BayStatus::Wiping { .. } => &[],
        BayStatus::NeedsAttention { .. } => &[
            Moment::Crawling,
            Moment::SpoolFull,
            Moment::BadFile,
            Moment::Link,
            Moment::Quarantine,
        ],
    }
}

const ALL: [Moment; 11] = [
    Moment::AtOnce,
    Moment::Unknown,
    Moment::Listing,
    Moment::InMidFile,
    Moment::Crawling,
    Moment::SpoolFull,
    Moment::StoreDown,
    Moment::Stored,
    Moment::BadFile,
    Moment::Link,
    Moment::Quarantine,
];

/// The events before a camera is pulled out, and what is reported afterwards.
struct Case {
    settings: Settings<'static>,
    failpoint: &'static str,
    serial: &'static str,
    /// The bay's problem before the camera is pulled out.
    code: &'static str,
    /// The entry `camera.undocked` says this; `None`: there was no session.
    complete: Option<bool>,
    /// The bay still says that the camera left too early.
    early: bool,
    /// The result of the run that empties the camera.
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

fn case(moment: Moment) -> Case {
    match moment {
        Moment::AtOnce => PLAIN,
        Moment::Unknown => Case {
            settings: &[("ingest", "accept_unknown = \"refuse\"")],
            serial: STRANGER,
            code: "camera_unknown",
            complete: None,
            early: false,
            ends: 3,
            ..PLAIN
        },
        Moment::Listing => Case {
            failpoint: "hold:session: docked",
            ..PLAIN
        },
        Moment::InMidFile => Case {
            failpoint: "crawl:read camera~LONG@8+",
            ..PLAIN
        },
        Moment::Crawling => Case {
            failpoint: "crawl:read camera~LONG@1+",
            code: "camera_slow",
            ..PLAIN
        },
        Moment::SpoolFull => Case {
            settings: &[("spool", "reserve_bytes = 1000000000000000")],
            code: "spool_full",
            ..PLAIN
        },
        Moment::StoreDown => Case {
            settings: &[("store", "endpoint = \"http://127.0.0.1:9\"")],
            complete: Some(true),
            early: false,
            ..PLAIN
        },
        Moment::Stored => Case {
            complete: Some(true),
            early: false,
            ..PLAIN
        },
        Moment::BadFile => Case {
            failpoint: "eio:read camera~BAD@1+",
            code: "files_failed",
            ..PLAIN
        },
        Moment::Link => Case {
            code: "not_taken",
            early: false,
            ends: 3,
            ..PLAIN
        },
        Moment::Quarantine => Case {
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
fn a_camera_pulled_out_in_any_state_is_reported_and_taken_whole_when_docked_again() {
    let base = Place::new(&[]);
    let seen = Mutex::new(BTreeSet::new());
    all_of(&ALL, |number, moment| {
        let state = pulled_out(&base, number, *moment).map_err(|e| format!("{moment:?}: {e}"))?;
        seen.lock().unwrap().insert(state);
        Ok(())
    });
    let mut all = BTreeSet::from(BayStatus::STATES);
    // Only USB disks are wiped: see the virtual machine's cases.
    assert!(all.remove("wiping"));
    // Only stations with witnesses wait for them: see the station's tests of witnesses.
    assert!(all.remove("waiting_for_witness"));
    assert_eq!(seen.into_inner().unwrap(), all);
}

/// Returns the state that the bay was in.
fn pulled_out(base: &Place, number: usize, moment: Moment) -> Result<&'static str, String> {
    let (case, prefix) = (case(moment), format!("unplugged-{number}/"));
    let line = format!("prefix = \"{prefix}\"");
    let normal = [("store", line.as_str())];
    let place = base.another(&[&normal[..], case.settings].concat());
    for (name, seed, len) in FILMS {
        place.film(CAMERA, name, seed, len);
    }
    if moment == Moment::Link {
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
    if moment != Moment::AtOnce {
        until(&format!("{moment:?}"), || {
            state = bay(&place, "1");
            // States that only pass on the way there are skipped.
            let there = moments(&state).contains(&moment) && code(&state) == case.code;
            match moment {
                Moment::Listing => there && running.said().contains(": held"),
                Moment::InMidFile => there && reads_long(&place),
                _ => there,
            }
        });
        if !moments(&state).contains(&moment) {
            return Err(format!("the bay shows {state:?}"));
        }
    }
    undock(&place, "1");
    if moment == Moment::Listing {
        fs::remove_file(&hold).unwrap();
    }
    let ended = || {
        let said = running.said();
        said.contains("camera left") || case.complete.is_none()
    };
    if moment == Moment::AtOnce {
        std::thread::sleep(std::time::Duration::from_secs(1));
    } else {
        until("its session has ended", ended);
        until("the bay shows it", || {
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
    let expected = case.complete.map_or(vec![], |complete| vec![complete]);
    // A camera that was gone at once may not have been seen at all.
    if completed != expected && !(moment == Moment::AtOnce && completed.is_empty()) {
        return Err(format!("undocked {completed:?}, not {expected:?}"));
    }

    place.configure(&normal);
    dock(&place, "2", case.serial);
    place.drain().ends(case.ends);
    let files =
        FILMS.map(|(name, seed, len)| (name.to_owned(), SeededSource::new(seed, len).whole()));
    let expected = Expected {
        prefix: &prefix,
        files: &files,
        quarantined: case.serial == STRANGER,
        previewed: 0,
    };
    check(&place, &expected)?;
    place.camdock(&["audit", "gaps"]).ends(match moment {
        Moment::Link => 3,
        _ => 0,
    });
    Ok(state.name())
}
