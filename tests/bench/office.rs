//! The office's index measured alone, through the library. `make bench` runs it.
//!
//! `office --stations S --items N --dir D`: makes the logs of S stations with N items in all below the empty folder D, one after
//! the other, reads each as the office does, every entry proven, and searches. It prints one JSON object.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use camdock::audit::{DirSource, Log, LogKey, NextEntries};
use camdock::model::{BucketLayout, EvidenceId, SessionId, StationName};
use camdock::office::{Index, Shown};
use camdock::web::{RecordingSearch, RecordingState};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Entries that are appended at once, and bytes that are read before they are proven together.
const BATCH: usize = 2_000;
const STEP: usize = 8 << 20;
/// Items of one docking.
const DOCKING: u64 = 20;
const CAMERAS: u64 = 40;
const OFFICERS: u64 = 60;
/// Searches of each kind.
const ASKED: u64 = 40;
const PAGE: u32 = 50;

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> Done<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| -> Done<&str> {
        let value = arguments.iter().skip_while(|a| *a != name).nth(1);
        Ok(value.ok_or_else(|| format!("{name} is missing"))?)
    };
    let (stations, items) = (option("--stations")?.parse()?, option("--items")?.parse()?);
    println!("{}", measure(stations, items, Path::new(option("--dir")?))?);
    Ok(())
}

fn measure(stations: u64, items: u64, dir: &Path) -> Done<Value> {
    let file = dir.join("index.db");
    let each = items / stations;
    let names: Vec<StationName> = (0..stations)
        .map(|number| format!("station-{number}").parse())
        .collect::<Result<_, _>>()?;
    let index = Index::open(&file)?;
    let (mut entries, mut following) = (0, Duration::ZERO);
    for (number, name) in (0..).zip(&names) {
        let folder = dir.join(name.as_str());
        let (source, checkpoint) = make_log(&folder, name, number, each)?;
        let layout = BucketLayout::new("", name.clone());
        let began = Instant::now();
        let station = index.station(name)?;
        loop {
            match index.prefix(station)?.read_on(&source, &checkpoint, STEP)? {
                NextEntries::Proven(next) => index.take(station, name, &layout, &next)?,
                NextEntries::NoneLeft => break,
                other => return Err(format!("the log cannot be read: {other:?}").into()),
            }
        }
        following += began.elapsed();
        entries += checkpoint.size;
        fs::remove_dir_all(&folder)?;
    }
    drop(index);
    let bytes: u64 = ["", "-wal"]
        .iter()
        .filter_map(|end| Some(fs::metadata(dir.join(format!("index.db{end}"))).ok()?.len()))
        .sum();
    let (searches, first_page) = search(&file, &names, stations, each)?;
    Ok(json!({
        "stations": stations,
        "items": items,
        "entries": entries,
        "entries_per_second": entries as f64 / following.as_secs_f64(),
        "bytes_per_item": bytes as f64 / items as f64,
        "peak_rss_bytes": peak_memory()?,
        "first_page": first_page,
        "searches": searches,
    }))
}

/// A station's log of a year: dockings with recordings of one camera, each other one with a sidecar, nearly all of them stored.
fn make_log(
    folder: &Path,
    name: &StationName,
    station: u64,
    items: u64,
) -> Done<(DirSource, camdock::audit::Checkpoint)> {
    let (key, _) = LogKey::generate()?;
    let origin = format!("camdock/{name}");
    let verifier = key.verifier(&origin)?;
    let mut log = Log::open(folder, key, &origin)?;
    let mut batch = Vec::with_capacity(BATCH + 2);
    let mut session = SessionId::new();
    for number in 0..items {
        if number % DOCKING == 0 {
            session = SessionId::new();
        }
        let id = EvidenceId::new();
        let video = number / 2 * 2;
        let kind = match number % 50 {
            49 => "other",
            odd if odd % 2 == 1 => "sidecar",
            _ => "video",
        };
        let ending = if kind == "video" { "MP4" } else { "GPS" };
        let unique = station * 1_000_000 + video;
        let at = moment(video, items);
        let (camera, officer) = (
            camera(station, number / DOCKING),
            officer(station, number / DOCKING),
        );
        let flagged = video % 100 == 0;
        let mut sealed = String::new();
        write!(
            sealed,
            r#"{{"data":{{"bay":"1","camera":"{camera}","evidence":"{id}","flagged":{flagged},"frame_length":524288,"kind":"{kind}","message_id":"{zeros}","modified":"{at}","officer":"{officer}","path":"DCIM/100MEDIA/BWC{unique:010}.{ending}","sealed_size":104857600,"sha256":"{zeros}","size":104857000}},"event":"item.sealed","session":"{session}","station":"{name}","time":"{sealed_at}","v":1}}"#,
            zeros = "0".repeat(64),
            sealed_at = at + SignedDuration::from_hours(8),
        )?;
        batch.push(sealed.into_bytes());
        if items - number > 20 {
            let stored = format!(
                r#"{{"data":{{"bucket":"evidence","checksum":"{checksum}","evidence":"{id}","key":"evidence/{name}/{id}/original","retention":{{"mode":"COMPLIANCE","until":"2030-01-01T00:00:00Z"}},"size":104857600,"version_id":"{version}"}},"event":"item.stored","station":"{name}","time":"{at}","v":1}}"#,
                checksum = "A".repeat(44),
                version = "v".repeat(32),
            );
            batch.push(stored.into_bytes());
        }
        if batch.len() >= BATCH {
            log.append(&std::mem::take(&mut batch))?;
        }
    }
    log.append(&batch)?;
    let checkpoint = verifier.open(log.note())?;
    log.close()?;
    Ok((DirSource::new(folder), checkpoint))
}

fn moment(number: u64, items: u64) -> Timestamp {
    let year = 365 * 86_400;
    let second = i64::try_from(number * year / items.max(1)).unwrap_or(0);
    Timestamp::constant(1_750_000_000, 0) + SignedDuration::from_secs(second)
}

fn camera(station: u64, docking: u64) -> String {
    format!("acme/X{:06}", station * CAMERAS + docking % CAMERAS)
}

fn officer(station: u64, docking: u64) -> String {
    format!("{}", 10_000 + station * OFFICERS + docking % OFFICERS)
}

/// Milliseconds of searches of each kind: median, 99th percentile, and how many answered in parts.
fn search(file: &Path, names: &[StationName], stations: u64, each: u64) -> Done<(Value, Value)> {
    let station = |n: u64| n.wrapping_mul(7919) % stations;
    let docking = |n: u64| n.wrapping_mul(104_729) % (each / DOCKING).max(1);
    let name = |n: u64| {
        usize::try_from(station(n))
            .ok()
            .and_then(|at| names.get(at))
            .cloned()
    };
    let day = |n: u64| moment(n.wrapping_mul(15_485_863) % each.max(1), each);
    let unique = |n: u64| station(n) * 1_000_000 + docking(n) * DOCKING;
    let plain = RecordingSearch::default;
    type Asked<'a> = Box<dyn Fn(u64) -> RecordingSearch + 'a>;
    let kinds: Vec<(&str, Asked<'_>)> = vec![
        ("everything", Box::new(|_| plain())),
        (
            "officer",
            Box::new(|n| RecordingSearch {
                officer: Some(officer(station(n), docking(n))),
                ..plain()
            }),
        ),
        (
            "camera",
            Box::new(|n| RecordingSearch {
                camera: Some(camera(station(n), docking(n))),
                ..plain()
            }),
        ),
        (
            "serial",
            Box::new(|n| {
                let camera = camera(station(n), docking(n));
                RecordingSearch {
                    camera: camera.split_once('/').map(|(_, serial)| serial.to_owned()),
                    ..plain()
                }
            }),
        ),
        (
            "station",
            Box::new(|n| RecordingSearch {
                station: name(n),
                ..plain()
            }),
        ),
        (
            "day",
            Box::new(|n| RecordingSearch {
                from: Some(day(n)),
                to: Some(day(n) + SignedDuration::from_hours(24)),
                ..plain()
            }),
        ),
        (
            "hour at a station",
            Box::new(|n| RecordingSearch {
                from: Some(day(n)),
                to: Some(day(n) + SignedDuration::from_hours(1)),
                station: name(n),
                ..plain()
            }),
        ),
        (
            "waiting",
            Box::new(|_| RecordingSearch {
                state: Some(RecordingState::Waiting),
                ..plain()
            }),
        ),
        (
            "undecided",
            Box::new(|_| RecordingSearch {
                state: Some(RecordingState::Undecided),
                ..plain()
            }),
        ),
        (
            "missing",
            Box::new(|_| RecordingSearch {
                state: Some(RecordingState::Missing),
                ..plain()
            }),
        ),
        (
            "kind",
            Box::new(|_| RecordingSearch {
                kind: "other".parse().ok(),
                ..plain()
            }),
        ),
        (
            "flagged at a station",
            Box::new(|n| RecordingSearch {
                flagged: true,
                station: name(n),
                ..plain()
            }),
        ),
        (
            "name of a file",
            Box::new(|n| RecordingSearch {
                text: Some(format!("BWC{:010}", unique(n))),
                ..plain()
            }),
        ),
        (
            "part of a name",
            Box::new(|n| RecordingSearch {
                text: Some(format!("{:06}.mp4", unique(n) % 1_000_000)),
                ..plain()
            }),
        ),
        (
            "a text of all",
            Box::new(|_| RecordingSearch {
                text: Some("100media".into()),
                ..plain()
            }),
        ),
        (
            "a text of none",
            Box::new(|n| RecordingSearch {
                text: Some(format!("nothing{n}")),
                ..plain()
            }),
        ),
        (
            "officer and text",
            Box::new(|n| RecordingSearch {
                officer: Some(officer(station(n), docking(n))),
                text: Some("77".into()),
                ..plain()
            }),
        ),
    ];
    let (mut all, mut first_page) = (serde_json::Map::new(), Value::Null);
    // Viewers are the many.
    let shown = Shown {
        stations: names,
        restricted: false,
    };
    for (what, search) in kinds {
        let (mut took, mut parts) = (Vec::new(), 0);
        for number in 0..ASKED {
            let search = search(number);
            let began = Instant::now();
            // As a request does it: over a connection of its own.
            let index = Index::open_read_only(file)?.ok_or("there is no index")?;
            let found = index.find(&search, None, PAGE, shown)?;
            took.push(began.elapsed().as_secs_f64() * 1000.0);
            parts += u32::from(found.searched_to.is_some());
        }
        took.sort_by(f64::total_cmp);
        let at = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is a place in a short list"
            )]
            let place = ((took.len() - 1) as f64 * share).ceil() as usize;
            took[place]
        };
        let figures = json!({"median_ms": at(0.5), "p99_ms": at(0.99), "in_parts": parts});
        if what == "everything" {
            first_page = figures.clone();
        }
        all.insert(what.into(), figures);
    }
    Ok((Value::Object(all), first_page))
}

fn peak_memory() -> Done<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.ok_or("this system does not say how much memory was used")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
