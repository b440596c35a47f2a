//! A full station: 64 cameras at once and many files. `CAMDOCK_LOAD_FILES` says how many; `make load` takes 50,000.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use camdock::model::Event;
use serde_json::Value;

use crate::gaps::gaps;
use crate::place::{LONG, Place};

const CAMERAS: u64 = 64;
/// With few files, so that the tests take little time.
const FILES: u64 = 2_000;
/// 64 threads that read, hash and seal, each with its eight frames, and the uploads' parts took 140 to 200 MiB, of many
/// small files as of `make bench`'s long ones. A leak of 4 KiB a file makes 200 MiB more of 50,000 files.
const MEMORY_MIB: u64 = 288;
/// From mid-time on, when every camera has its buffers: the other half of 50,000 files would leak 100 MiB.
const GROWTH_MIB: u64 = 64;

fn files() -> u64 {
    let set = std::env::var("CAMDOCK_LOAD_FILES").ok();
    set.map_or(FILES, |files| {
        files.parse().expect("CAMDOCK_LOAD_FILES is a number")
    })
}

/// The slowest camera's share at mid-time, in hundredths of the mean. They begin one after the other: of few files, the
/// first cameras have taken most when the last begin, and these have at least one.
fn fair(files: u64) -> u64 {
    if files >= CAMERAS * 500 { 50 } else { 5 }
}

/// Mostly sidecars and pictures, some clips, few long recordings.
fn length(number: u64) -> u64 {
    match number {
        n if n % 400 == 7 => 9 << 20,
        n if n % 50 == 3 => 200_000 + n,
        n => 500 + n * 37 % 15_000,
    }
}

/// Peak memory of the process so far, in MiB.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib >> 10)
}

/// Files that each bay is done with.
fn done(view: &Value) -> BTreeMap<String, u64> {
    let bays = view["bays"].as_array().unwrap().iter();
    bays.map(|bay| {
        let files = bay["files_done"].as_u64().or(bay["files"].as_u64());
        (bay["bay"].as_str().unwrap().to_owned(), files.unwrap_or(0))
    })
    .collect()
}

#[test]
fn sixty_four_cameras_at_once_get_fair_shares_in_bounded_memory() {
    let place = Place::new(&[]);
    let total = files();
    let serials: Vec<String> = (1..=CAMERAS).map(|n| format!("X{n:07}")).collect();
    place.roster(&serials.iter().map(String::as_str).collect::<Vec<_>>());
    let mut bytes = 0;
    for number in 0..total {
        // Each camera has its share of every kind.
        let serial = &serials[usize::try_from(number * 7 % CAMERAS).unwrap()];
        let name = format!("DCIM/{:03}/F{number:05}.MP4", number / 64 / 100);
        place.film(serial, &name, number, length(number));
        bytes += length(number);
    }
    let mut running = place.start(&["run", "--drain"]);
    let (mut mid, mut highest) = (None, 0);
    while !running.ended() {
        highest = peak(running.id()).unwrap_or(highest).max(highest);
        if mid.is_none()
            && let Some(view) = place.status()
        {
            let shares = done(&view);
            if shares.values().sum::<u64>() * 2 >= total {
                mid = Some((shares, highest));
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    running.wait_at_most(LONG).ends(0);

    let (shares, by_then) = mid.expect("the bays said how far they were");
    assert_eq!(shares.len() as u64, CAMERAS, "{shares:?}");
    let mean = shares.values().sum::<u64>() / CAMERAS;
    let slowest = shares.values().min().unwrap();
    println!(
        "{total} files, {} MiB: peak memory {highest} MiB, {by_then} MiB at mid-time; then {mean} files a camera, at least {slowest}",
        bytes >> 20
    );
    assert!(highest <= MEMORY_MIB, "peak memory: {highest} MiB");
    let growth = highest - by_then;
    assert!(growth <= GROWTH_MIB, "{growth} MiB more since mid-time");
    assert!(
        slowest * 100 >= mean * fair(total),
        "the slowest camera had {slowest} files when the mean was {mean}: {shares:?}"
    );

    let items = place.items();
    assert_eq!(items.len() as u64, total);
    assert!(items.iter().all(|item| item["state"] == "released"));
    let sealed = place
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::ItemSealed(_)));
    assert_eq!(sealed.count() as u64, total);
    assert_eq!(place.verify_deep()["items_opened"], total);
    assert_eq!(gaps(&place, 0), []);
}
