//! Evidence that no camera brought: imported by the command, declared in the log, and kept like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use camdock::model::{Event, ImportDeclared, ItemSealed};
use serde_json::Value;

use crate::gaps::gaps;
use crate::place::{Place, Ran, Running, age, until};
use crate::support::SeededSource;

const DISC: [&str; 4] = [
    "--source",
    "DVD-R, till camera",
    "--received-from",
    "the landlord",
];

/// A file that is old enough to be quiet.
fn put(root: &Path, name: &[u8], bytes: &[u8]) -> PathBuf {
    let path = root.join(OsStr::from_bytes(name));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    age(&fs::File::options().append(true).open(&path).unwrap());
    path
}

fn seeded(seed: u64, len: u64) -> Vec<u8> {
    SeededSource::new(seed, len).whole()
}

fn begin(place: &Place, path: &Path, words: &[&str]) -> Running {
    let path = path.to_str().unwrap();
    place.start(&[&["import", path][..], words].concat())
}

#[track_caller]
fn import(place: &Place, path: &Path, words: &[&str]) -> Ran {
    begin(place, path, words).wait()
}

/// The JSON that a whole import ends with.
#[track_caller]
fn report(ran: Ran, code: i32) -> Value {
    let mut lines = ran.ends(code).lines();
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

/// A station that answers.
fn running(place: &Place, environment: &[(&str, &str)]) -> Running {
    let running = place.start_with(&["run"], environment);
    until("the station answers", || place.status().is_some());
    running
}

fn declared(place: &Place) -> Vec<(u64, ImportDeclared)> {
    let events = (0..).zip(place.events());
    let declared = events.filter_map(|(at, event)| match event {
        Event::ImportDeclared(declared) => Some((at, *declared)),
        _ => None,
    });
    declared.collect()
}

fn sealed(place: &Place) -> Vec<ItemSealed> {
    let events = place.events().into_iter();
    let sealed = events.filter_map(|event| match event {
        Event::ItemSealed(sealed) => Some(sealed),
        _ => None,
    });
    sealed.collect()
}

fn stored(place: &Place, count: usize) {
    until("everything is stored", || {
        let items = place.items();
        items.len() == count && items.iter().all(|item| item["state"] == "released")
    });
}

/// Names, bytes and times of everything in a folder that is a file.
fn content(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let facts = fs::symlink_metadata(&path).unwrap();
            if facts.is_dir() {
                folders.push(path);
            } else if facts.is_file() {
                let bytes = fs::read(&path).unwrap();
                files.insert(path, (bytes, facts.modified().unwrap()));
            }
        }
    }
    files
}

#[test]
fn a_disc_is_taken_bit_for_bit_its_odd_entries_are_named_and_the_second_time_only_what_was_missing()
{
    let place = Place::new(&[]);
    let disc = place.path("disc");
    let film = seeded(1, 300_000);
    put(&disc, b"VIDEO/0001.AVI", &film);
    // Beside a camera's recording this would be its sidecar.
    put(&disc, b"VIDEO/0001.TXT", b"camera 3, clock 4 minutes slow");
    put(&disc, b"VIDEO/deep/er/report.pdf", &seeded(2, 5000));
    put(&disc, b"BROKEN.AVI", &seeded(3, 9000));
    put(&disc, b".index", b"hidden");
    put(&disc, b"empty", b"");
    put(&disc, b"Stra\xdfe.bin", b"a name of another alphabet");
    std::os::unix::fs::symlink("/etc/passwd", disc.join("link")).unwrap();
    std::os::unix::fs::symlink("VIDEO", disc.join("folder-link")).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(disc.join("pipe"))
        .status();
    assert!(pipe.unwrap().success());
    let before = content(&disc);

    let station = running(
        &place,
        &[("CAMDOCK_FAILPOINT", "eio:read camera~BROKEN@1+")],
    );
    let more = [
        "--officer",
        "4711",
        "--incident",
        "24/118",
        "--exhibit",
        "RL/1",
        "--operator",
        "M. Shah",
    ];
    let words = [&DISC[..], &more[..]].concat();
    let told = import(&place, &disc, &words).ends(3);
    let told = told
        .says("NOT TAKEN BROKEN.AVI: ")
        .says("(file_unreadable)");
    let told = told.says("NOT TAKEN link: is a symbolic link");
    let told = told.says("NOT TAKEN folder-link: is a symbolic link");
    let told = told.says("NOT TAKEN pipe: is not a regular file but a FIFO (not_regular)");
    told.says("taken    6 files, ")
        .says("give the same command again");
    assert_eq!(content(&disc), before);

    // First what was declared, then what was there; each item names that entry.
    let events = place.events();
    let [(at, said)] = &declared(&place)[..] else {
        panic!("{events:#?}")
    };
    let first = events
        .iter()
        .position(|event| matches!(event, Event::InventoryTaken(_)));
    assert!(usize::try_from(*at).unwrap() < first.unwrap());
    assert_eq!(said.facts.source, DISC[1]);
    assert_eq!(said.facts.received_from, DISC[3]);
    assert_eq!(said.facts.exhibit.as_deref(), Some("RL/1"));
    assert_eq!(said.facts.incident.as_deref(), Some("24/118"));
    assert_eq!(said.facts.operator.as_deref(), Some("M. Shah"));
    assert!(said.peer.starts_with("uid "), "{}", said.peer);
    let items = sealed(&place);
    assert_eq!(items.len(), 6);
    for item in &items {
        let import = item.import.unwrap();
        assert_eq!((import.entry, import.derived_from), (*at, None));
        assert_eq!(item.camera.as_ref(), Some(&said.camera));
        assert_eq!(item.officer.as_ref().unwrap().0, "4711");
    }
    let names: BTreeSet<&[u8]> = items.iter().map(|item| item.path.as_bytes()).collect();
    let all: [&[u8]; 6] = [
        b".index",
        b"Stra\xdfe.bin",
        b"VIDEO/0001.AVI",
        b"VIDEO/0001.TXT",
        b"VIDEO/deep/er/report.pdf",
        b"empty",
    ];
    assert_eq!(names, all.into());
    // None of them hides behind another.
    let kinds: BTreeSet<_> = items.iter().map(|item| item.kind.as_str()).collect();
    assert_eq!(kinds, ["other", "video"].into());
    station.stop().ends(0);

    // The drive reads the file after all.
    let station = running(&place, &[]);
    for gone in ["link", "folder-link", "pipe"] {
        fs::remove_file(disc.join(gone)).unwrap();
    }
    let json = [&words[..], &["--json"]].concat();
    let second = report(import(&place, &disc, &json), 0);
    assert_eq!(
        (&second["taken"]["files"], &second["held"]["files"]),
        (&1.into(), &6.into()),
        "{second}"
    );
    assert_eq!(second["items"][0]["path"], "BROKEN.AVI");
    stored(&place, 7);
    let film_item = place.item("VIDEO/0001.AVI");
    let id = film_item["evidence"].as_str().unwrap();
    assert_eq!(place.open(id), film);
    assert_eq!(
        place.open(place.item("empty")["evidence"].as_str().unwrap()),
        b""
    );
    assert_eq!(film_item["source"], DISC[1]);
    place
        .camdock(&["items"])
        .ends(0)
        .says("imported: \"DVD-R, till camera\"");
    let shown = place.camdock(&["show", id]).ends(0);
    let shown = shown.says("An import began (import-1), declared as \"DVD-R, till camera\", received from \"the landlord\"");
    let shown = shown.says("The station has seen none of what was declared.");
    let shown = shown.says("was read whole from what was imported (entry ");
    let shown =
        shown.says("The same source was imported again and still had the file VIDEO/0001.AVI");
    shown.says("The import ended (all of it was read); 4 files or entries were not taken.");
    station.stop().ends(0);
    assert_eq!(place.verify_deep()["items_opened"], 7);
    // What was on the disc and is no evidence stays named until somebody explains it; no number is called missing.
    let found = gaps(&place, 3);
    let kinds: Vec<_> = found.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["gap_not_taken"; 3], "{found:?}");

    // A lost journal comes back out of the log with all of it.
    for name in [
        "journal.db",
        "journal.db-wal",
        "journal.db-shm",
        "journal.db-keys",
    ] {
        let _ = fs::remove_file(place.path("state").join(name));
    }
    let station = running(&place, &[]);
    assert_eq!(place.item("VIDEO/0001.AVI")["source"], DISC[1]);
    let third = report(import(&place, &disc, &json), 0);
    assert_eq!(
        (&third["taken"]["files"], &third["held"]["files"]),
        (&0.into(), &7.into()),
        "{third}"
    );
    station.stop().ends(0);
}

#[test]
fn a_file_that_is_written_to_all_the_time_is_named_and_the_import_ends() {
    let place = Place::new(&[]);
    let export = place.path("export");
    put(&export, b"done.mp4", &seeded(1, 40_000));
    let growing = put(&export, b"still-growing.mp4", b"");
    let station = running(&place, &[]);
    let stop = AtomicBool::new(false);
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::File::options().append(true).open(&growing).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"more").unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let words = [&DISC[..], &["--json"]].concat();
        let ran = import(&place, &export, &words);
        stop.store(true, Ordering::Relaxed);
        report(ran, 3)
    });
    assert_eq!(report["taken"]["files"], 1, "{report}");
    let not_taken = report["not_taken"].as_array().unwrap();
    assert_eq!(not_taken.len(), 1, "{report}");
    assert_eq!(not_taken[0]["file"], "still-growing.mp4");
    assert_eq!(not_taken[0]["code"], "source_changed");
    let failed = |event: &Event| matches!(event, Event::ItemFailed(_));
    assert_eq!(
        place.events().iter().filter(|event| failed(event)).count(),
        1
    );
    // Once it rests, the same command takes it.
    import(&place, &export, &DISC)
        .ends(0)
        .says("taken    1 files");
    stored(&place, 2);
    station.stop().ends(0);
    assert!(gaps(&place, 0).is_empty());
}

#[test]
fn an_import_that_a_killed_station_left_goes_on_where_it_stopped() {
    let place = Place::new(&[("ingest", "parallel_cameras = 1")]);
    let stick = place.path("stick");
    for n in 0..5u64 {
        put(
            &stick,
            format!("{n}.mp4").as_bytes(),
            &seeded(n, 50_000 + n),
        );
    }
    put(&stick, b"SLOW.mp4", &seeded(9, 60_000));
    let slow = place.path("slow");
    fs::write(&slow, "").unwrap();
    let set = [
        ("CAMDOCK_FAILPOINT", "crawl:read camera~SLOW@1+"),
        ("CAMDOCK_FAILPOINT_WHILE", slow.to_str().unwrap()),
    ];
    let station = running(&place, &set);
    let command = begin(&place, &stick, &DISC);
    until("all but one are taken", || sealed(&place).len() == 5);
    let status = place.status().unwrap();
    assert_eq!(status["bays"][0]["bay"], "import-1", "{status}");
    // A second order for the same source waits for the first one's end.
    import(&place, &stick, &DISC)
        .ends(2)
        .says("is running")
        .says("import_running");
    station.kill();
    command.wait().ends(4).says("it takes only what is missing");

    let station = running(&place, &[]);
    let words = [&DISC[..], &["--json"]].concat();
    let report = report(import(&place, &stick, &words), 0);
    assert_eq!(
        (&report["taken"]["files"], &report["held"]["files"]),
        (&1.into(), &5.into()),
        "{report}"
    );
    let ends: Vec<bool> = (place.events().into_iter())
        .filter_map(|event| match event {
            Event::ImportEnded(end) => Some(end.complete),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [false, true]);
    stored(&place, 6);
    station.stop().ends(0);
    assert_eq!(place.verify_deep()["items_opened"], 6);
    assert!(gaps(&place, 0).is_empty());
}

#[test]
fn a_redacted_copy_is_an_item_of_its_own_that_names_its_original() {
    let place = Place::new(&[]);
    place.film("X0000001", "ORIGINAL.MP4", 1, 20_000);
    let station = running(&place, &[]);
    stored(&place, 1);
    let original = place.item("ORIGINAL.MP4");
    let id = original["evidence"].as_str().unwrap();
    let clip = put(&place.path("work"), b"clip.mp4", &seeded(2, 7000));
    put(&place.path("work"), b"another.mp4", b"is not named");
    let words = [
        "--source",
        "redacted copy",
        "--received-from",
        "video unit",
        "--derived-from",
        id,
        "--maker",
        "M. Shah",
        "--tool",
        "Blur 3.1",
    ];
    // One file of a folder, by a link to it.
    let link = place.path("link.mp4");
    std::os::unix::fs::symlink(&clip, &link).unwrap();
    let json = [&words[..], &["--json"]].concat();
    let done = report(import(&place, &link, &json), 0);
    assert_eq!(done["items"].as_array().unwrap().len(), 1, "{done}");
    let copy = done["items"][0]["evidence"].as_str().unwrap();
    assert_eq!(done["items"][0]["path"], "clip.mp4");
    let (at, said) = declared(&place).remove(0);
    let derived = said.facts.derived.unwrap();
    assert_eq!(derived.from.to_string(), id);
    assert_eq!(
        derived.sha256.unwrap().to_string(),
        original["sha256"].as_str().unwrap()
    );
    assert_eq!(derived.tool.as_deref(), Some("Blur 3.1"));
    let item = sealed(&place).remove(1);
    let origin = item.import.unwrap();
    assert_eq!(
        (origin.entry, origin.derived_from),
        (at, Some(derived.from))
    );
    stored(&place, 2);
    // It has a key of its own: the copy opens without the original.
    assert_eq!(place.open(copy), seeded(2, 7000));
    let shown = place.camdock(&["show", copy]).ends(0);
    let shown = shown.says(&format!(
        "made from item {id} by \"M. Shah\" with \"Blur 3.1\""
    ));
    shown.says("not an original.");
    let shown = place.camdock(&["show", id]).ends(0);
    shown.says(&format!(
        "Item {copy} (clip.mp4) was imported and declared to be made from this one."
    ));

    // An original of another station is a word, and the log says no more than that.
    let far = "0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9b11";
    let words = [
        "--source",
        "clip",
        "--received-from",
        "video unit",
        "--derived-from",
        far,
    ];
    let told = import(&place, &place.path("work/another.mp4"), &words).ends(0);
    told.says("this station has not taken the original");
    let (_, said) = declared(&place).remove(1);
    assert_eq!(said.facts.derived.unwrap().sha256, None);
    station.stop().ends(0);
}

#[test]
fn what_cannot_be_imported_is_refused_with_what_to_do() {
    let place = Place::new(&[]);
    let disc = place.path("disc");
    put(&disc, b"a.mp4", b"a");
    import(&place, &disc, &DISC)
        .ends(4)
        .says("no station takes imports");
    let station = running(&place, &[]);
    let wrong = |path: &Path, words: &[&str], says: &str| {
        import(&place, path, words).ends(2).says(says);
    };
    let of = |source, from| ["--source", source, "--received-from", from];
    wrong(&place.path("nowhere"), &DISC, "No such file or directory");
    wrong(
        &disc,
        &of("two\nlines", "x"),
        "--source is empty, longer than 500 characters or not one line",
    );
    wrong(&disc, &of("x", " "), "--received-from is empty");
    wrong(
        &disc,
        &[&DISC[..], &["--officer", "47 11"]].concat(),
        "--officer is not a badge id",
    );
    wrong(
        &disc,
        &[&DISC[..], &["--tool", "x"]].concat(),
        "--derived-from",
    );
    wrong(
        &place.path("state"),
        &DISC,
        "holds the station's own files, or lies among them",
    );
    wrong(&place.path("state/keys"), &DISC, "import_refused");
    wrong(&place.path("docked"), &DISC, "holds docked cameras");
    wrong(
        place.path("disc").parent().unwrap(),
        &DISC,
        "cannot be imported",
    );
    wrong(Path::new("/proc"), &DISC, "the kernel's own files");
    wrong(Path::new("/dev/null"), &DISC, "the kernel's own files");
    let pipe = place.path("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    wrong(&pipe, &DISC, "import_unreadable");
    let empty = place.path("empty");
    fs::create_dir(&empty).unwrap();
    import(&place, &empty, &DISC)
        .ends(3)
        .says("Nothing was found there");
    // Nothing but the empty folder was even declared.
    assert_eq!(declared(&place).len(), 1);
    assert!(sealed(&place).is_empty());
    station.stop().ends(0);
}

#[test]
fn what_another_program_drops_into_a_folder_is_taken_without_a_command_and_is_never_deleted() {
    let place = Place::new(&[]);
    let drop = place.path("drop");
    let folders = format!(
        "folders = [{{ path = \"{}\", source = \"interview recorder 2\", received_from = \"custody suite\", officer = \"4711\" }}]",
        drop.display()
    );
    place.configure(&[("import", &folders)]);
    let station = running(&place, &[]);
    let bay = |state: &str| {
        // The station has a limited number of readers at a time.
        std::thread::sleep(Duration::from_millis(100));
        let status = place.status().unwrap();
        status["bays"][0]["bay"] == "import-1" && status["bays"][0]["state"] == state
    };
    // It is not there yet.
    until("the bay says so", || bay("not_recognised"));
    fs::create_dir(&drop).unwrap();
    until("it is served", || bay("all_stored"));
    let first = put(&drop, b"interview-7.wav", &seeded(1, 50_000));
    stored(&place, 1);
    let second = put(&drop, b"later/interview-8.wav", &seeded(2, 50_000));
    stored(&place, 2);
    for item in place.items() {
        assert_eq!(
            (&item["source"], &item["officer"]),
            (&"interview recorder 2".into(), &"4711".into())
        );
    }
    assert!(first.exists() && second.exists());
    // The other program clears it away, and later the folder, too.
    fs::remove_file(&first).unwrap();
    fs::remove_dir_all(&drop).unwrap();
    until("the bay says so", || bay("not_recognised"));
    fs::create_dir(&drop).unwrap();
    put(&drop, b"interview-9.wav", &seeded(3, 50_000));
    stored(&place, 3);
    station.stop().ends(0);
    let said = declared(&place);
    assert_eq!(said.len(), 2);
    assert!(said.iter().all(|(_, said)| said.peer == "camdock.toml"));
    assert_eq!(place.verify_deep()["items_opened"], 3);
    assert!(gaps(&place, 0).is_empty());
}
