//! A court pack proves itself offline: in a real browser from a folder, and with the programs of others. Nothing else leaks into it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use camdock::audit::{Log, LogKey};
use camdock::model::{EvidenceId, Part, SessionId, Sha256Digest};
use camdock::pack::fingerprint;
use camdock::seal::{ItemKey, Recipient, SealSpec, seal_small};
use serde_json::{Value, json};

use crate::bed::{Bed, Station, identity, station};
use crate::driver::Browser;
use crate::footage::ffmpeg;
use crate::place::{Place, age};
use crate::support::tool;

/// Names that must be in no pack of the items that are packed here.
const PLANTED: [&str; 12] = [
    "X0000002",
    "officer-grey",
    "PARTNER",
    "SIDEBOARD",
    "HELD-ELSEWHERE",
    "MISSED",
    "viewer-brown",
    "Superintendent Byrne",
    "OTHERCAM",
    "docking-of-another",
    "wiped-with-others",
    "office-log-secret",
];

/// A short film on a docked camera.
pub fn film(place: &Place, camera: &str, name: &str) -> Vec<u8> {
    let made = place.path(name);
    ffmpeg(&format!(
        "-f lavfi -i testsrc2=s=320x240:r=10:d=3 -c:v libx264 -preset ultrafast -g 10 {}",
        made.display()
    ));
    age(&fs::File::options().write(true).open(&made).unwrap());
    let bytes = fs::read(&made).unwrap();
    fs::rename(&made, place.camera(camera).join(name)).unwrap();
    bytes
}

/// An item of a made-up station whose log tells of much else, too.
fn crowded(place: &Place, bed: &Bed, two: &Station, plain: &[u8]) -> EvidenceId {
    let (id, key, other) = (
        EvidenceId::new(),
        ItemKey::generate().unwrap(),
        EvidenceId::new(),
    );
    let to = ["one", "two"].map(|name| {
        let pem = fs::read_to_string(place.path(&format!("keys/{name}.pub.pem"))).unwrap();
        Recipient::from_pem(&pem).unwrap()
    });
    let spec = SealSpec {
        recipients: &to,
        item_key: Some(&key),
        evidence: id,
        station: two.name,
        camera: "acme/X7",
        part: Part::Original,
        frame_length: 65536,
    };
    let sealed = seal_small(&spec, plain).unwrap();
    let checksum = Sha256Digest::of(&sealed).to_base64();
    let object = format!("evidence/{}/{id}/original", two.name);
    let session = SessionId::new();
    let of_session = |event: &str, data: &Value| {
        let entry = json!({"data": data, "event": event, "session": session, "station": two.name,
            "time": "2026-01-02T03:04:05Z", "v": 1});
        entry.to_string().into_bytes()
    };
    let docked = |officer: &str| {
        json!({"bay": "bay-1", "camera": "acme/X7", "profile": "acme", "access": "folder",
        "officer": officer, "clock": {"synchronised": true}, "camera_clock":
        {"method": "ptp_date_time", "at": "2026-01-02T03:04:05Z", "ahead_seconds": -7}})
    };
    let act = |operator: &str, action: &str, reason: &str| json!({"operator": operator, "action": action, "evidence": id, "reason": reason});
    let held =
        |evidence: &EvidenceId, path: &str| json!({"evidence": evidence, "path": path, "size": 1});
    let entries = [
        of_session("camera.docked", &docked("4711")),
        of_session(
            "inventory.taken",
            &json!({"page": 1, "last": true, "total_files": 1, "total_bytes": 1,
                "files": [{"path": "DCIM/PARTNER.MP4", "size": 1}]}),
        ),
        of_session(
            "item.sealed",
            &json!({"evidence": id, "path": "DCIM/\u{202e}T <b>&.MP4", "size": plain.len(), "kind": "video", "flagged": false,
                "sha256": Sha256Digest::of(plain), "sealed_size": sealed.len(), "frame_length": 65536, "message_id": "0".repeat(64),
                "camera": "acme/X7", "officer": "4711", "bay": "bay-1"}),
        ),
        two.entry(
            "item.stored",
            &json!({"evidence": id, "bucket": "evidence", "key": object, "size": sealed.len(), "checksum": checksum}),
        ),
        two.entry("item.quarantined", &json!({"evidence": id, "reason": "the camera is in no roster"})),
        two.entry("operator.action", &act("M. Shah", "quarantine.accept", "the camera is ours")),
        two.entry("operator.action", &act("viewer-brown", "evidence.viewed", "item and custody")),
        two.entry(
            "item.held",
            &json!({"files": [held(&id, "A.MP4"), held(&other, "HELD-ELSEWHERE.MP4")]}),
        ),
        two.entry(
            "camera.wiped",
            &json!({"bay": "bay-1", "camera": "acme/X7", "level": "stored", "rehash": true, "stage": "done", "files":
                [{"evidence": id, "wiped": true}, {"evidence": other, "path": "wiped-with-others.MP4", "wiped": true}]}),
        ),
        of_session(
            "camera.undocked",
            &json!({"bay": "bay-1", "camera": "acme/X7", "complete": false, "reason": "gone", "missing": ["MISSED.MP4"], "missing_count": 1}),
        ),
    ];
    bed.put(&object, sealed);
    let note = two.append_bytes(&entries);
    bed.publish(two, &note);
    id
}

fn ran(output: &Output) -> String {
    [&output.stdout[..], &output.stderr]
        .concat()
        .escape_ascii()
        .to_string()
}

/// What a program of others says of the pack, and whether it is content.
fn asked(program: &Path, arguments: &[&str], folder: &Path) -> (bool, String) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    (output.status.success(), ran(&output))
}

/// Every file below a folder by its path in it.
fn files_of(folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                all.insert(name.to_owned(), path);
            }
        }
    }
    all
}

/// The lists anew, as whoever changes a pack would write them.
fn relist(pack: &Path) {
    let list = |wanted: &dyn Fn(&str) -> bool| -> String {
        let files = files_of(pack);
        let files = files.iter().filter(|(name, _)| wanted(name));
        let line = |(name, path): (&String, &PathBuf)| {
            format!("{}  {name}\n", Sha256Digest::of(&fs::read(path).unwrap()))
        };
        files.map(line).collect::<Vec<_>>().concat()
    };
    fs::write(
        pack.join("manifest-sha256.txt"),
        list(&|name| name.starts_with("data/")),
    )
    .unwrap();
    let info = fs::read_to_string(pack.join("bag-info.txt")).unwrap();
    let files = files_of(&pack.join("data"));
    let bytes: u64 = files.values().map(|f| fs::metadata(f).unwrap().len()).sum();
    let info: String = info
        .lines()
        .map(|line| match line.split_once(": ") {
            Some(("Payload-Oxum", _)) => format!("Payload-Oxum: {bytes}.{}\n", files.len()),
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(pack.join("bag-info.txt"), info).unwrap();
    let tags = list(&|name| !name.starts_with("data/") && name != "tagmanifest-sha256.txt");
    fs::write(pack.join("tagmanifest-sha256.txt"), tags).unwrap();
}

pub struct Checker<'a> {
    pub browser: Browser,
    pub outer: &'a Path,
}

impl Checker<'_> {
    fn choose(&self, pack: &Path) {
        // The browser reads a folder beside everything else: only the page's answer to this choice makes the button work again.
        self.browser.js(
            "document.getElementById('folder').value = ''; document.getElementById('report').hidden = true; document.getElementById('check').disabled = true",
        );
        self.browser.choose("#folder", pack);
        self.browser
            .until("files", "!document.getElementById('check').disabled");
    }

    /// The verdict of the page about a folder, as a person asks for it, and the whole report.
    pub fn verdict(&self, pack: &Path, typed: &[&str]) -> (String, String) {
        self.choose(pack);
        self.browser.fill("#fingerprints", &typed.join("\n"));
        self.browser.click("#check");
        self.browser
            .until("a report", "!document.getElementById('report').hidden");
        (
            self.browser.text("#verdict strong"),
            self.browser.text("#report"),
        )
    }

    /// The verdict about a copy of the pack that was changed.
    #[track_caller]
    fn refuses(&self, pack: &Path, typed: &[&str], what: &str, change: impl Fn(&Path)) {
        let copy = self.outer.join("changed");
        let _ = fs::remove_dir_all(&copy);
        let copied = Command::new("cp").arg("-r").args([pack, &copy]).status();
        assert!(copied.unwrap().success());
        change(&copy);
        let (verdict, report) = self.verdict(&copy, typed);
        assert_eq!(verdict, "DOES NOT MATCH", "{what}: {report}");
    }
}

/// The pack of the same entries and files under keys of somebody else's, whole in itself.
fn forge(pack: &Path, name: &str, origin: &str) {
    let key = LogKey::generate().unwrap().0;
    let public = key.verifier(origin).unwrap();
    let custody = pack.join("data/custody").join(name);
    let files = files_of(&custody);
    let mut entries: Vec<(u64, Vec<u8>)> = files
        .iter()
        .filter_map(|(file, path)| {
            Some((
                file.strip_suffix(".json")?.parse().ok()?,
                fs::read(path).unwrap(),
            ))
        })
        .collect();
    entries.sort();
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(dir.path(), key, origin).unwrap();
    let bytes: Vec<_> = entries.into_iter().map(|(_, bytes)| bytes).collect();
    log.append(&bytes).unwrap();
    fs::remove_dir_all(&custody).unwrap();
    fs::create_dir(&custody).unwrap();
    fs::write(custody.join("checkpoint"), log.note()).unwrap();
    for (index, bytes) in (0..).zip(&bytes) {
        fs::write(custody.join(format!("{index}.json")), bytes).unwrap();
        let proof = log.proof(index).unwrap();
        fs::write(custody.join(format!("{index}.tlog-proof")), proof).unwrap();
    }
    fs::write(
        pack.join(format!("data/keys/log/{name}.pub")),
        format!("{public}\n"),
    )
    .unwrap();
    relist(pack);
}

#[test]
fn browser_a_pack_proves_itself_offline_and_tells_of_its_items_alone() {
    let place = Place::with_stations(&[identity("office", "evidence", "office-1")]);
    place.configure(&[("preview", "enabled = true")]);
    let roster = "[cameras]\n\"folder/X0000001\" = { officer = \"4711\" }\n\"folder/X0000002\" = { officer = \"officer-grey\" }\n";
    fs::write(place.path("roster.toml"), roster).unwrap();
    let own = film(&place, "X0000001", "OWN.MP4");
    film(&place, "X0000001", "PARTNER.MP4");
    place.film("X0000001", "SIDEBOARD.TXT", 3, 1000);
    place.film("X0000001", "NOTES.TXT", 4, 3_000_000);
    place.film("X0000002", "OTHERCAM.TXT", 5, 1000);
    place.drain().ends(0);
    let dir = tempfile::tempdir().unwrap();
    let two = station(&dir, "two");
    let mut bed = Bed::beside_with(&place, "office", &place.weed.endpoint(), &[&two], dir);
    let third = crowded(&place, &bed, &two, b"what the third one recorded");
    let id = |name: &str| place.item(name)["evidence"].as_str().unwrap().to_owned();
    let (own_id, notes) = (id("OWN.MP4"), id("NOTES.TXT"));
    let (key, third) = (place.path("keys/one.key.pem"), third.to_string());
    let outer = tempfile::tempdir().unwrap();
    let out = outer.path().join("R-v-Jones");
    let pack = |bed: &Bed, ids: &[&str], key: &Path, more: &[&str]| {
        let (key, out) = (key.to_str().unwrap(), out.to_str().unwrap());
        let how = [
            "--key",
            key,
            "-o",
            out,
            "--operator",
            "P. Maker",
            "--reason",
        ];
        let reason = ["disclosure to office-log-secret"];
        let ran_with = bed.camdock(&[&["office", "pack"], ids, &how, &reason, more].concat());
        (ran_with.status.code(), ran(&ran_with))
    };
    let nothing = || assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 0);

    // Nothing is opened before the office has entered it, and what fails leaves nothing.
    let (code, said) = pack(&bed, &[&own_id], &key, &[]);
    assert!(
        code == Some(4) && said.contains("pack_item_unknown")
            || said.contains("no station of this office"),
        "{said}"
    );
    nothing();
    bed.run();
    bed.until("test-1", |found| found["bucket"]["items"] == 5);
    bed.until("two", |found| found["bucket"]["items"] == 1);
    let nobody = EvidenceId::new().to_string();
    let stranger = outer.path().parent().unwrap().join(format!("{nobody}.pem"));
    fs::write(
        &stranger,
        camdock::seal::keygen_recipient(camdock::seal::Curve::P384)
            .unwrap()
            .0
            .as_bytes(),
    )
    .unwrap();
    for (ids, key, wanted) in [
        (vec![&*nobody], &key, "copy its number from there"),
        (vec![&own_id], &stranger, "was not opened"),
        (vec![&own_id], &place.path("keys/one.pub.pem"), "the key"),
    ] {
        let (code, said) = pack(&bed, &ids, key, &[]);
        assert!(code == Some(4) && said.contains(wanted), "{wanted}: {said}");
        nothing();
    }
    fs::remove_file(&stranger).unwrap();
    let before = bed.until_acts("pack.made", 1);
    assert_eq!(before[0]["data"]["evidence"], *own_id);

    // Whose it is by the office's own log is what the pack says, and not why.
    let reassign = ["reassign", "test-1", &notes, "--officer", "5822"];
    assert_eq!(bed.decide(&reassign).0, Some(0));
    let reassigned = bed.until_acts("officer.reassigned", 1)[0]["entry"].clone();
    let index = rusqlite::Connection::open(bed.path("state/index.db")).unwrap();
    let read = "SELECT entries FROM acts_read";
    let began = std::time::Instant::now();
    while index.query_row(read, [], |row| row.get::<_, i64>(0)).ok() <= reassigned.as_i64() {
        assert!(
            began.elapsed().as_secs() < 60,
            "the index does not read the acts"
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    drop(index);
    let (code, said) = pack(&bed, &[&own_id, &notes, &third], &key, &["--zip"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, again) = pack(&bed, &[&own_id], &key, &[]);
    assert!(
        code == Some(4) && again.contains("exists already") && again.contains("another name"),
        "{again}"
    );
    let acts = bed.until_acts("pack.made", 4);
    let published = bed.get("log/office-1/checkpoint").unwrap();
    let published = bed.log_key().open(&published).unwrap().size;
    for act in &acts[1..] {
        assert_eq!(act["data"]["operator"], "P. Maker");
        assert!(act["entry"].as_u64().unwrap() < published);
    }
    bed.stop();

    let files = files_of(&out);
    let original = |id: &str, name: &str| {
        fs::read(out.join(format!("data/items/{id}/original/{name}"))).unwrap()
    };
    assert_eq!(original(&own_id, "OWN.MP4"), own);
    assert_eq!(
        original(&third, "___T__b__.MP4"),
        b"what the third one recorded"
    );
    assert!(files.contains_key(&format!("data/items/{own_id}/storyboard.jpg")));
    let told = fs::read_to_string(out.join("data/statements/england-and-wales.html")).unwrap();
    for figure in [
        Sha256Digest::of(&own).to_string(),
        own_id.clone(),
        "7 seconds behind".into(),
        "4711".into(),
        format!("entry {reassigned} of the log of the office office-1"),
        "to 5822".into(),
    ] {
        assert!(told.contains(&figure), "{figure}");
    }
    assert!(!told.contains("T <b>"), "names are shown, not run");
    stock_tools_agree(&out, &files, &place, &bed);
    nothing_leaks(&out, &files);

    let keys = [place.path("state/keys/log.pub")]
        .map(|path| fs::read_to_string(path).unwrap().trim().to_owned());
    let (one, second, witness) = (
        fingerprint(&keys[0]),
        fingerprint(&two.verifier().to_string()),
        fingerprint(&bed.witness().to_string()),
    );
    for shown in [&one, &second, &witness] {
        assert!(
            said.contains(&camdock::pack::grouped(shown)),
            "{shown}: {said}"
        );
    }
    let checker = Checker {
        browser: Browser::start(1200, 1400),
        outer: outer.path(),
    };
    let page = format!("file://{}", out.join("check.html").display());
    checker.browser.open(&page);
    assert_eq!(checker.browser.accessibility(), Vec::<String>::new());
    // What is typed, and what follows from it.
    let line = keys[0].clone();
    let spoken = camdock::pack::grouped(&second).to_uppercase();
    for (typed, wanted) in [
        (vec![], "NOT PROVEN"),
        (vec![&*one], "NOT PROVEN"),
        (vec![&one, &spoken], "MATCHES"),
        (vec![&line, &second], "MATCHES"),
        (vec![&witness], "MATCHES"),
        (vec![&witness, "nonsense"], "DOES NOT MATCH"),
        (
            vec![&witness, "0123456789abcdef0123456789abcdef"],
            "DOES NOT MATCH",
        ),
    ] {
        let (verdict, report) = checker.verdict(&out, &typed);
        assert_eq!(verdict, wanted, "{typed:?}: {report}");
    }
    let (_, report) = checker.verdict(&out, &[&witness]);
    for told in [
        "OWN.MP4",
        "NOTES.TXT",
        "test-1",
        "has cosigned at",
        "What no such check can show",
        "No key signs the pack's lists of files",
        "DCIM/\\u{202e}T <b>&.MP4",
    ] {
        assert!(report.contains(told), "{told}: {report}");
    }
    assert_eq!(checker.browser.accessibility(), Vec::<String>::new());
    checker.browser.shot("check-matches");
    assert_eq!(checker.browser.printed_pages(), 1);
    it_says_the_same_in_german(&checker, &out, &witness);
    every_flipped_byte_is_found(&checker, &out, &files, &witness);
    changed_packs_are_refused(&checker, &out, [&own_id, &notes, &third], &witness, &one);

    // A browser without Ed25519 comes to the same.
    checker.browser.open(&page);
    checker
        .browser
        .js("crypto.subtle.importKey = () => Promise.reject(new Error('no such algorithm'))");
    assert_eq!(checker.verdict(&out, &[&witness]).0, "MATCHES");
    checker.refuses(&out, &[&witness], "another signature", |copy| {
        let note = copy.join("data/custody/two/checkpoint");
        let text = fs::read_to_string(&note).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("\u{2014} camdock/two "))
            .unwrap();
        let at = line.len() - 20;
        let other = if &line[at..=at] == "A" { "B" } else { "A" };
        let changed = text.replace(line, &format!("{}{other}{}", &line[..at], &line[at + 1..]));
        for (name, path) in files_of(&copy.join("data/custody/two")) {
            if name.ends_with("tlog-proof") {
                let proof = fs::read_to_string(&path).unwrap();
                fs::write(&path, proof.replace(&text, &changed)).unwrap();
            }
        }
        fs::write(&note, changed).unwrap();
        relist(copy);
    });
}

fn it_says_the_same_in_german(checker: &Checker<'_>, out: &Path, witness: &str) {
    let browser = &checker.browser;
    browser.click(".languages button[lang=de]");
    assert_eq!(browser.js("return document.documentElement.lang"), "de");
    let shown = browser.text("main");
    assert!(shown.contains("Ein Beweismittelpaket prüfen"), "{shown}");
    for (typed, wanted) in [
        (vec![], "NICHT BEWIESEN"),
        (vec![witness], "STIMMT ÜBEREIN"),
        (vec![witness, "nonsense"], "STIMMT NICHT ÜBEREIN"),
    ] {
        let (verdict, report) = checker.verdict(out, &typed);
        assert_eq!(verdict, wanted, "{typed:?}: {report}");
    }
    let (_, report) = checker.verdict(out, &[witness]);
    for told in [
        "OWN.MP4",
        "mitunterschrieben",
        "Was keine solche Prüfung zeigen kann",
        "unterschreibt kein Schlüssel",
    ] {
        assert!(report.contains(told), "{told}: {report}");
    }
    let main = browser.text("main");
    for english in ["Recording", "The ", "fingerprint", "checked"] {
        assert!(!main.contains(english), "{english}: {main}");
    }
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    assert_eq!(browser.printed_pages(), 1);
    browser.click(".languages button[lang=en]");
    assert_eq!(browser.js("return document.documentElement.lang"), "en");
}

/// BagIt, CASE/UCO, coreutils, an independent reader of logs, ZIP, and the official SDK for what lies sealed in the store.
fn stock_tools_agree(out: &Path, files: &BTreeMap<String, PathBuf>, place: &Place, bed: &Bed) {
    for list in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
        let (fine, said) = asked(Path::new("sha256sum"), &["--strict", "-c", list], out);
        assert!(fine, "{said}");
    }
    let (fine, said) = asked(&tool("bagit.py"), &["--validate", "."], out);
    assert!(fine, "{said}");
    let (fine, said) = asked(&tool("case_validate"), &["data/case.jsonld"], out);
    assert!(fine, "{said}");
    let graph: Value =
        serde_json::from_slice(&fs::read(out.join("data/case.jsonld")).unwrap()).unwrap();
    let count = |kind: &str| {
        let nodes = graph["@graph"].as_array().unwrap().iter();
        nodes.filter(|node| node["@type"] == kind).count()
    };
    let objects = files
        .keys()
        .filter(|name| name.starts_with("data/items/"))
        .count();
    assert_eq!(
        (
            count("uco-observable:File"),
            count("case-investigation:ProvenanceRecord")
        ),
        (objects, 3)
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py/pack_tlog.py");
    let (fine, said) = asked(&tool("python"), &[script.to_str().unwrap(), "."], out);
    let entries = files
        .keys()
        .filter(|name| name.ends_with(".tlog-proof"))
        .count();
    assert!(
        fine && entries > 8 && said.starts_with(&entries.to_string()),
        "{said}"
    );

    let unpacked = tempfile::tempdir().unwrap();
    let zip = out.with_extension("zip");
    let program = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; z.extractall('.')";
    let (fine, said) = asked(
        &tool("python"),
        &["-c", program, zip.to_str().unwrap()],
        unpacked.path(),
    );
    assert!(fine, "{said}");
    for (name, path) in files_of(&unpacked.path().join("R-v-Jones")) {
        assert_eq!(
            fs::read(path).unwrap(),
            fs::read(&files[&name]).unwrap(),
            "{name}"
        );
    }

    let item = place.item("OWN.MP4");
    let id = item["evidence"].as_str().unwrap();
    let sealed = bed.bytes(&format!("evidence/test-1/{id}/original"));
    fs::write(unpacked.path().join("sealed"), sealed).unwrap();
    let job = json!({"open": [{"message": unpacked.path().join("sealed"), "plaintext": files[&format!("data/items/{id}/original/OWN.MP4")],
        "key": {"curve": "p384", "pem": place.path("keys/one.key.pem")}, "context": {"camdock:camera": "folder/X0000001",
        "camdock:evidence-id": id, "camdock:part": "original", "camdock:station": "test-1"}}], "make": []});
    let file = unpacked.path().join("job.json");
    fs::write(&file, job.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py/seal_interop.py");
    let (fine, said) = asked(
        &tool("python"),
        &[script.to_str().unwrap(), file.to_str().unwrap()],
        out,
    );
    assert!(fine, "{said}");
}

/// No name of other items, people or cameras, and one time for all files.
fn nothing_leaks(out: &Path, files: &BTreeMap<String, PathBuf>) {
    let time = |path: &Path| -> SystemTime { fs::metadata(path).unwrap().modified().unwrap() };
    let made = time(out);
    for (name, path) in files {
        let bytes = fs::read(path).unwrap();
        for planted in PLANTED {
            let found = bytes
                .windows(planted.len())
                .any(|seen| seen == planted.as_bytes());
            assert!(!found && !name.contains(planted), "{planted} in {name}");
        }
        assert_eq!(time(path), made, "{name}");
        assert_eq!(time(path.parent().unwrap()), made, "{name}");
    }
}

/// In the page itself: each file of the pack with one byte changed at some places.
fn every_flipped_byte_is_found(
    checker: &Checker<'_>,
    out: &Path,
    files: &BTreeMap<String, PathBuf>,
    witness: &str,
) {
    checker.choose(out);
    checker.browser.js("window.intact = chosenFiles()");
    let with = |path: &str, at: &str| {
        checker.browser.awaited(&format!(
            "(async () => {{ const files = new Map(window.intact); let ok = []; const file = files.get({path:?});
              const bytes = new Uint8Array(await file.arrayBuffer());
              for (const at of {at}) {{ const place = Math.min(bytes.length - 1, Math.floor(at * bytes.length)); bytes[place] ^= 1;
                files.set({path:?}, new File([bytes], file.name)); const rows = await checkPack(files, [{witness:?}], () => {{}}); bytes[place] ^= 1;
                ok.push(rows.some((row) => row.ok === false)); }}
              files.set({path:?}, new File([bytes], file.name));
              const whole = (await checkPack(files, [{witness:?}], () => {{}})).every((row) => row.ok);
              return [whole, ...ok]; }})()"
        ))
    };
    for (path, file) in files {
        // The large ones are read again each time.
        let large = fs::metadata(file).unwrap().len() > 1 << 20;
        let places = if large { "[0.37]" } else { "[0, 0.37, 1]" };
        let found = with(path, places);
        let all = found
            .as_array()
            .unwrap_or_else(|| panic!("{path}: {found}"));
        assert!(
            all.len() > 1 && all.iter().all(|found| *found == true),
            "{path}: {found}"
        );
    }
    // No key signs the lists: every single byte of them, and of what stands beside them, is one that another list names or
    // that the page expects there.
    let unnoticed = checker.browser.awaited(
        "(async () => { const read = await readAll(window.intact, () => {}); const unnoticed = [];
          for (const name of [...TAGS, LIST].filter((name) => name !== 'check.html')) { const whole = read.get(name);
            for (let at = 0; at < whole.bytes.length; at += 1) { const bytes = whole.bytes.slice(); bytes[at] ^= 1;
              read.set(name, { ...whole, bytes, sha256: hex(sha256(bytes)) });
              if (bagFaults(read).length === 0) unnoticed.push(`${name} ${at}`); }
            read.set(name, whole); }
          return [bagFaults(read).length, ...unnoticed]; })()",
    );
    assert_eq!(unnoticed, serde_json::json!([0]));
}

fn changed_packs_are_refused(
    checker: &Checker<'_>,
    out: &Path,
    [own, notes, third]: [&str; 3],
    witness: &str,
    one: &str,
) {
    let refuses =
        |what: &str, change: &dyn Fn(&Path)| checker.refuses(out, &[witness], what, change);
    let original = |copy: &Path, id: &str| {
        let folder = copy.join(format!("data/items/{id}/original"));
        fs::read_dir(folder)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path()
    };
    // The entry that seals an item, without its ending.
    let sealing = |copy: &Path, id: &str| {
        let all = files_of(&copy.join("data/custody"));
        let is_entry = |path: &Path| path.extension().is_some_and(|end| end == "json");
        let mut all = all.into_iter().filter(|(_, path)| is_entry(path));
        let found = all.find(|(_, path)| {
            let text = fs::read_to_string(path).unwrap();
            text.contains("item.sealed") && text.contains(id)
        });
        found.unwrap().1.with_extension("")
    };
    refuses("a file is missing", &|copy| {
        fs::remove_file(original(copy, own)).unwrap();
    });
    refuses("a file was added", &|copy| {
        fs::write(copy.join("data/extra.txt"), "x").unwrap();
    });
    refuses("a file was added and listed", &|copy| {
        fs::write(copy.join(format!("data/items/{own}/extra.mp4")), "x").unwrap();
        relist(copy);
    });
    refuses("a second original", &|copy| {
        fs::write(copy.join(format!("data/items/{own}/original/B.MP4")), "x").unwrap();
        relist(copy);
    });
    refuses("two originals were swapped", &|copy| {
        let (one, two, three) = (original(copy, own), original(copy, notes), copy.join("x"));
        fs::rename(&one, &three).unwrap();
        fs::rename(&two, &one).unwrap();
        fs::rename(&three, &two).unwrap();
        relist(copy);
    });
    refuses("an original was changed and listed", &|copy| {
        let path = original(copy, third);
        fs::write(&path, "what the third one Recorded").unwrap();
        relist(copy);
    });
    refuses("an item without custody", &|copy| {
        let entry = sealing(copy, own);
        for end in ["json", "tlog-proof"] {
            fs::remove_file(entry.with_extension(end)).unwrap();
        }
        relist(copy);
    });
    refuses("the entry of another item", &|copy| {
        let (one, two) = (sealing(copy, own), sealing(copy, notes));
        fs::copy(two.with_extension("json"), one.with_extension("json")).unwrap();
        relist(copy);
    });
    refuses("the proof of another item", &|copy| {
        let (one, two) = (sealing(copy, own), sealing(copy, notes));
        fs::copy(
            two.with_extension("tlog-proof"),
            one.with_extension("tlog-proof"),
        )
        .unwrap();
        relist(copy);
    });
    refuses("an entry that was edited", &|copy| {
        let entry = sealing(copy, third).with_extension("json");
        let text = fs::read_to_string(&entry).unwrap();
        fs::write(&entry, text.replace("4711", "4712")).unwrap();
        relist(copy);
    });
    refuses("a storyboard of something else", &|copy| {
        fs::write(copy.join(format!("data/items/{notes}/storyboard.jpg")), "x").unwrap();
        relist(copy);
    });
    refuses("another station's key", &|copy| {
        let keys = copy.join("data/keys/log");
        fs::copy(keys.join("two.pub"), keys.join("test-1.pub")).unwrap();
        relist(copy);
    });
    for (typed, what) in [
        (one, "the station's key was forged"),
        (witness, "and the witness's is not there"),
    ] {
        checker.refuses(out, &[typed], what, |copy| {
            forge(copy, "test-1", "camdock/test-1");
            forge(copy, "two", "camdock/two");
            if typed == one {
                fs::remove_file(copy.join("data/keys/witness.pub")).unwrap();
                relist(copy);
            }
        });
    }
}
