//! The program is stopped at every point in its source, once and twice in a row, and started again: each time everything
//! must come to rest stored, logged and tidied up, and whatever was called safe must be there without its camera.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::conditions_at_rest::{Expected, check, no_plaintext};
use crate::disk::{flip_a_bit, lose_journal, lose_log};
use crate::footage::clip;
use crate::place::{Place, Ran, age};
use crate::points;
use crate::side_by_side;
use crate::support::SeededSource;

const CAMERA: &str = "X0000001";
const SECURED: &str = "everything on the camera is secured on this station";

/// Points that are never passed here, each with the reason.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "journal decide",
        "an operator's command, not the way of an item",
    ),
    (
        "give room back",
        "only on a full disk: what_is_sealed_is_stored_although_the_disk_is_full",
    ),
    (
        "journal note_dock_tags",
        "an officer's request, not the way of an item: the log has it first, and it can be made again",
    ),
    (
        "disposal ",
        "the disposer's, not the station's: what_two_people_decided_goes_whatever_stops_it_and_nothing_else_does",
    ),
    (
        "journal mark_disposed",
        "an office's act, not the way of an item: a_file_that_was_deleted_by_rule_is_named_so_when_it_is_docked_again_and_its_copies_go",
    ),
    (
        "journal reassign",
        "an operator's command, not the way of an item",
    ),
    (
        "store set_retention",
        "only for a store that did not lock what it was asked to",
    ),
    (
        "store get range",
        "only what reads evidence back, which is not the station: a_store_that_fails_while_an_item_is_read_back_alters_no_footage",
    ),
    (
        "office index",
        "the office's, not the station's: the_index_is_whole_after_a_kill_in_the_middle_and_after_it_was_deleted",
    ),
    (
        "journal untry_preview",
        "only while a worker is stopped in order",
    ),
];

/// One way to reach a point.
struct Scene {
    name: &'static str,
    settings: &'static [(&'static str, &'static str)],
    /// The camera is in the roster.
    known: bool,
    /// The disk keeps what it was given; otherwise a camera that was called safe is still needed.
    sound: bool,
    footage: Footage,
    before: Before,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Footage {
    /// A sidecar, a small recording, and one of two parts that can be resumed.
    Three,
    /// Enough files that they share one sync of the filesystem.
    Many,
    /// Two small ones.
    Two,
    Clip,
}

/// The events before the run that is examined.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    /// Everything was stored; the camera is still docked.
    Drained,
    /// A run was stopped at this point. The first start tries the store: it puts three objects and one more of two parts.
    Stopped(&'static str),
    /// Everything was secured and nothing stored; then something broke.
    Secured(fn(&Place)),
    /// Everything was stored; then something broke.
    Stored(fn(&Place)),
}

const PARTS: (&str, &str) = ("upload", "part_size = 5242880");

const fn scene(name: &'static str, footage: Footage, before: Before) -> Scene {
    Scene {
        name,
        settings: &[PARTS],
        known: true,
        sound: true,
        footage,
        before,
    }
}

const SCENES: &[Scene] = &[
    scene("plain", Footage::Three, Before::Nothing),
    Scene {
        known: false,
        ..scene("quarantine", Footage::Two, Before::Nothing)
    },
    scene("many", Footage::Many, Before::Nothing),
    scene("held", Footage::Two, Before::Drained),
    Scene {
        settings: &[
            PARTS,
            ("preview", "enabled = true"),
            ("preview", "video = \"always\""),
        ],
        ..scene("previews", Footage::Clip, Before::Nothing)
    },
    scene(
        "pull begun",
        Footage::Three,
        Before::Stopped("journal begin_item: after"),
    ),
    scene(
        "pull half done",
        Footage::Three,
        Before::Stopped("append frames: after@3"),
    ),
    scene(
        "sealed",
        Footage::Two,
        Before::Stopped("journal mark_sealed: after"),
    ),
    Scene {
        known: false,
        ..scene(
            "sealed in quarantine",
            Footage::Two,
            Before::Stopped("journal mark_sealed: after"),
        )
    },
    scene(
        "put",
        Footage::Two,
        Before::Stopped("store put_once: after@9"),
    ),
    scene(
        "upload begun",
        Footage::Three,
        Before::Stopped("store create_multipart: after@2"),
    ),
    scene(
        "part sent",
        Footage::Three,
        Before::Stopped("store upload_part: after@3"),
    ),
    scene(
        "upload complete",
        Footage::Three,
        Before::Stopped("store complete: after@2"),
    ),
    scene("stored", Footage::Two, Before::Stopped("stored: logged")),
    Scene {
        sound: false,
        ..scene(
            "spool damaged",
            Footage::Two,
            Before::Secured(|place| flip_a_bit(place, "state/spool", ".sealed")),
        )
    },
    scene("journal lost", Footage::Two, Before::Secured(lose_journal)),
    scene("log lost", Footage::Two, Before::Stored(lose_log)),
    scene(
        "released",
        Footage::Two,
        Before::Stopped("journal mark_released: after"),
    ),
];

fn footage(kind: Footage) -> Vec<(String, Vec<u8>)> {
    let made = |name: &str, seed, len| (name.to_owned(), SeededSource::new(seed, len).whole());
    match kind {
        Footage::Three => vec![
            made("DCIM/A.GPS", 1, 700),
            made("DCIM/B.MP4", 2, 300_000),
            made("DCIM/LONG.MP4", 3, 9_000_000),
        ],
        Footage::Two => vec![made("DCIM/A.GPS", 1, 700), made("DCIM/B.MP4", 2, 300_000)],
        Footage::Many => (0..24)
            .map(|n| made(&format!("DCIM/{n:02}.GPS"), 10 + n, 500 + n * 90))
            .collect(),
        Footage::Clip => vec![("DCIM/A.MP4".to_owned(), clip("carphone_pristine.mp4"))],
    }
}

/// The cameras' files, made once and linked to.
struct Films(BTreeMap<&'static str, Vec<(String, Vec<u8>)>>);

impl Films {
    fn make(at: &Path) -> Self {
        let mut films = BTreeMap::new();
        for scene in SCENES {
            let files = footage(scene.footage);
            for (path, bytes) in &files {
                let path = at.join(scene.name).join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, bytes).unwrap();
                age(&fs::File::options().write(true).open(&path).unwrap());
            }
            films.insert(scene.name, files);
        }
        Self(films)
    }
}

/// A station of its own for one stop.
struct Case<'a> {
    place: Place,
    scene: &'a Scene,
    prefix: String,
    files: &'a [(String, Vec<u8>)],
}

impl<'a> Case<'a> {
    fn new(base: &Place, films: &'a Films, scene: &'a Scene, prefix: String) -> Self {
        let line = format!("prefix = \"{prefix}\"");
        let mut settings = scene.settings.to_vec();
        settings.push(("store", &line));
        let place = base.another(&settings);
        if !scene.known {
            place.roster(&["X0000009"]);
        }
        let root = place.camera(CAMERA);
        for (path, _) in &films.0[scene.name] {
            let to = root.join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::hard_link(base.path("films").join(scene.name).join(path), to).unwrap();
        }
        let case = Self {
            place,
            scene,
            prefix,
            files: &films.0[scene.name],
        };
        match scene.before {
            Before::Nothing => {}
            Before::Drained => case.comes_to_rest(),
            Before::Stored(breaks) => {
                case.comes_to_rest();
                breaks(&case.place);
            }
            Before::Secured(breaks) => {
                let run = ["run", "--drain", "--until-secured"];
                case.place.camdock(&run).ends(0);
                breaks(&case.place);
            }
            Before::Stopped(point) => {
                let ran = case.run(&format!("stop:{point}"));
                assert!(
                    stopped(&ran, point),
                    "{} is not where {point} is",
                    scene.name
                );
            }
        }
        case
    }

    fn run(&self, failpoint: &str) -> Ran {
        let set = [("CAMDOCK_FAILPOINT", failpoint)];
        let set = if failpoint.is_empty() { &[][..] } else { &set };
        self.place.start_with(&["run", "--drain"], set).wait()
    }

    fn comes_to_rest(&self) {
        let ran = self.run("");
        let docked = self.place.path("docked").join(CAMERA).exists();
        let fine = if self.scene.known || !docked { 0 } else { 3 };
        assert_eq!(ran.code, Some(fine), "{}\n{}", ran.out, ran.err);
    }

    /// Takes the camera away if its bay said that it may go.
    fn believes(&self, ran: &Ran) {
        let docked = self.place.path("docked");
        if self.scene.sound && ran.err.contains(SECURED) && docked.join(CAMERA).exists() {
            let pocket = self.place.path("pocket");
            fs::create_dir(&pocket).unwrap();
            for name in [CAMERA.to_owned(), format!("{CAMERA}.camera")] {
                fs::rename(docked.join(&name), pocket.join(&name)).unwrap();
            }
        }
    }

    /// Stops the station at the point, twice if it gets there again, and lets it continue; returns how often it stopped.
    fn sweep(&self, point: &str, nth: usize) -> Result<u32, String> {
        let failpoint = format!("stop:{point}@{nth}");
        let mut stops = 0;
        for _ in 0..if nth > 0 { 2 } else { 0 } {
            let ran = self.run(&failpoint);
            if !stopped(&ran, point) {
                if ran.code.is_none_or(|code| code != 0 && code != 3) {
                    return Err(format!("{:?}:\n{}", ran.code, ran.err));
                }
                break;
            }
            stops += 1;
            no_plaintext(&self.place, self.files)?;
            self.believes(&ran);
        }
        self.comes_to_rest();
        let previewed = usize::from(self.scene.footage == Footage::Clip);
        check(
            &self.place,
            &Expected {
                prefix: &self.prefix,
                files: self.files,
                quarantined: !self.scene.known,
                previewed,
            },
        )?;
        Ok(stops)
    }
}

fn stopped(ran: &Ran, point: &str) -> bool {
    let point = point.split('@').next().unwrap();
    ran.code.is_none() && ran.err.contains(&format!("failpoint {point}: stopped"))
}

/// The number of times that a run passes each point.
fn passed(ran: &Ran) -> BTreeMap<String, usize> {
    let mut passed = BTreeMap::new();
    for line in ran.err.lines() {
        // Another thread's line may stand before it.
        if let Some((_, name)) = line.split_once("failpoint ") {
            *passed.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    passed
}

/// The passings of a point to stop at: the first, and some of the later ones where a point serves many callers.
fn passings(name: &str, count: usize, first_seen: bool) -> Vec<usize> {
    let own = [
        "journal ",
        "store ",
        "log: ",
        "commit: ",
        "pull: ",
        "session: ",
    ];
    let serves_many = !own.iter().any(|room| name.starts_with(room));
    let later: &[usize] = match (serves_many, first_seen) {
        (true, true) => &[2, 3, 5, 8, 13, 21],
        (false, true) => &[2, 4],
        (_, false) => &[],
    };
    let mut wanted: Vec<usize> = later.iter().copied().filter(|n| *n <= count).collect();
    if first_seen {
        wanted.push(1);
    }
    wanted
}

struct Stop {
    /// The first that passes the point, and others: what uploads meet after a stop depends on the moment.
    scenes: Vec<usize>,
    point: String,
    nth: usize,
}

/// Every point that any scene passes, at its first scene.
fn plan(base: &Place, films: &Films) -> (Vec<Stop>, BTreeSet<String>) {
    let traced = Mutex::new(vec![BTreeMap::new(); SCENES.len()]);
    side_by_side(SCENES.len(), |number| {
        let case = Case::new(base, films, &SCENES[number], format!("look-{number}/"));
        let ran = case.run("list");
        assert!(ran.code.is_some(), "{}", ran.err);
        traced.lock().unwrap()[number] = passed(&ran);
    });
    let (mut stops, mut seen) = (Vec::new(), BTreeSet::new());
    // Each scene runs alone, too: what happened before it is a stop like any other.
    stops.extend((0..SCENES.len()).map(|scene| Stop {
        scenes: vec![scene],
        point: "no point".into(),
        nth: 0,
    }));
    let traced = traced.into_inner().unwrap();
    for (scene, passed) in traced.iter().enumerate() {
        for (point, count) in passed {
            let first_seen = seen.insert(point.clone());
            let others = (scene + 1..SCENES.len()).filter(|n| traced[*n].contains_key(point));
            let scenes: Vec<usize> = std::iter::once(scene).chain(others).collect();
            for nth in passings(point, *count, first_seen) {
                stops.push(Stop {
                    scenes: scenes.clone(),
                    point: point.clone(),
                    nth,
                });
            }
        }
    }
    (stops, seen)
}

#[test]
fn stopped_at_any_point_and_twice_in_a_row_nothing_is_lost_doubled_or_left_behind() {
    let base = Place::new(&[]);
    let films = Films::make(&base.path("films"));
    let (stops, seen) = plan(&base, &films);

    let mut known = points::in_the_source();
    known.retain(|name| {
        !ELSEWHERE
            .iter()
            .any(|(elsewhere, _)| name.starts_with(elsewhere))
    });
    let strange: Vec<_> = seen.difference(&known).collect();
    assert!(strange.is_empty(), "not in the source: {strange:#?}");
    let mut never: Vec<_> = known.difference(&seen).collect();
    if !writes_directly(&base) {
        never.retain(|name| !name.starts_with("append frames") && !name.starts_with("append tail"));
    }

    let only = std::env::var("CAMDOCK_SWEEP").unwrap_or_default();
    let stops: Vec<_> = stops
        .into_iter()
        .filter(|stop| format!("{} {}", SCENES[stop.scenes[0]].name, stop.point).contains(&only))
        .collect();
    let (halted, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    side_by_side(stops.len(), |number| {
        let Stop { scenes, point, nth } = &stops[number];
        let done = catch_unwind(AssertUnwindSafe(|| {
            for scene in scenes {
                let prefix = format!("stop-{number}-{scene}/");
                let case = Case::new(&base, &films, &SCENES[*scene], prefix);
                match case.sweep(point, *nth) {
                    Ok(0) if *nth == 1 => {}
                    done => return done,
                }
            }
            Ok(0)
        }));
        let problem = match done {
            Ok(Ok(0)) if *nth == 1 => "it did not stop there".to_owned(),
            Ok(Ok(stops)) => {
                halted.fetch_add(stops as usize, Ordering::Relaxed);
                return;
            }
            Ok(Err(problem)) => problem,
            Err(panic) => panic
                .downcast_ref::<String>()
                .cloned()
                .unwrap_or_else(|| "it panicked".into()),
        };
        let scene = SCENES[scenes[0]].name;
        let what = format!("{scene}, at {point} ({nth}): {problem}");
        eprintln!("{what}");
        wrong.lock().unwrap().push(what);
    });
    let wrong = wrong.into_inner().unwrap();
    eprintln!(
        "{} points, {} cases, {} stops",
        known.len(),
        stops.len(),
        halted.into_inner()
    );
    assert!(never.is_empty(), "no scene comes to these: {never:#?}");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Whether spool files here are written past the page cache.
pub fn writes_directly(place: &Place) -> bool {
    let path = place.path("direct");
    fs::write(&path, b"").unwrap();
    camdock::durable::open_direct(&path).is_some()
}
