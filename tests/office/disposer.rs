//! The disposer through its own program, with the rights of the shipped policy and no more: what two people decided goes, version by
//! version, whatever stops it in between, and nothing else does.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camdock::audit::{Log, LogKey, verify_receipt};
use camdock::model::EvidenceId;
use camdock::seal::{Curve, keygen_recipient};
use serde_json::{Value, json};

use crate::bed::{Bed, Station, private, station, store_endpoint};
use crate::disposals::taken_in;
use crate::place::until;
use crate::searches::{Made, publish};

const LIMIT: Duration = Duration::from_secs(30);
const BUCKET: &str = "office-disposer";

pub struct Disposer {
    running: Option<Child>,
    dir: tempfile::TempDir,
}

impl Disposer {
    fn beside(bed: &Bed, witness: &str) -> Self {
        let key = bed.log_key().to_string();
        Self::of(("disposer", BUCKET, "office-1"), &key, witness)
    }

    /// `who`: identity, bucket, the office's name.
    pub fn of(who: (&str, &str, &str), log_key: &str, witness: &str) -> Self {
        let (identity, bucket, office) = who;
        let dir = tempfile::tempdir().unwrap();
        let keys = format!(
            "access_key_id = \"{identity}key\"\nsecret_access_key = \"{identity}secret\"\n"
        );
        private(&dir.path().join("credentials.toml"), &keys);
        let text = format!(
            "[disposer]\noffice = \"{office}\"\noffice_log_key = \"{log_key}\"\nstate_dir = \"state\"\nevery_seconds = 1\n{witness}\
             [store]\nendpoint = \"{}\"\nbucket = \"{bucket}\"\nretention_days = 1\ncredentials_file = \"credentials.toml\"\n",
            store_endpoint()
        );
        fs::write(dir.path().join("disposer.toml"), text).unwrap();
        Self { running: None, dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// With an approval of this age in seconds, a clock that is synchronised or not, and what is to happen at a point of its work.
    pub fn run(&mut self, wait: &str, clock: &str, failpoint: &str) {
        let log = fs::File::create(self.path("log")).unwrap();
        let mut camdock = Command::new(env!("CARGO_BIN_EXE_camdock"));
        camdock.arg("--config").arg(self.path("disposer.toml"));
        camdock.args(["office", "disposer", "run"]);
        camdock.env("CAMDOCK_TEST_DISPOSAL_WAIT", wait);
        camdock.env("CAMDOCK_TEST_CLOCK_SYNCHRONISED", clock);
        if !failpoint.is_empty() {
            camdock.env("CAMDOCK_FAILPOINT", failpoint);
        }
        let running = camdock.stdout(Stdio::null()).stderr(log).spawn();
        self.running = Some(running.unwrap());
    }

    pub fn stop(&mut self) {
        let mut running = self.running.take().unwrap();
        let pid = rustix::process::Pid::from_child(&running);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(running.wait().unwrap().success(), "{}", self.said());
    }

    /// Waits until it was ended by what was to happen.
    #[track_caller]
    fn dies(&mut self) {
        let mut running = self.running.take().unwrap();
        let began = Instant::now();
        loop {
            if let Some(ended) = running.try_wait().unwrap() {
                assert!(!ended.success(), "{}", self.said());
                return;
            }
            if began.elapsed() > LIMIT {
                running.kill().unwrap();
                running.wait().unwrap();
                panic!("it goes on: {}", self.said());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    #[track_caller]
    pub fn until_said(&self, wanted: &str) {
        let began = Instant::now();
        while !self.said().contains(wanted) {
            assert!(began.elapsed() < LIMIT, "{wanted}: {}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Disposer {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }
}

/// What the store has of an item, by the names of its objects.
pub fn objects(bed: &Bed, made: &Made) -> Vec<String> {
    let folder = format!("evidence/one/{}/", made.id);
    let keys = bed.keys(&folder).into_iter();
    keys.map(|key| key.replace(&folder, "")).collect()
}

/// An item with its true manifest, and pictures.
pub fn put(bed: &Bed, made: &Made) {
    made.put(bed);
    let object = |name: &str| format!("evidence/one/{}/{name}", made.id);
    bed.put(&object("manifest.json"), made.entries().swap_remove(0));
    bed.put(&object("preview"), vec![1; 50]);
    bed.put(&object("storyboard"), vec![2; 50]);
}

/// What somebody with the office's machine, and so with its log's key, can enter: while the office is stopped.
fn enter(bed: &Bed, acts: &[(&str, Value)]) {
    let key = fs::read(bed.path("state/keys/office-log.key")).unwrap();
    let key = LogKey::from_pkcs8(&key).unwrap();
    let mut log = Log::open(&bed.path("state/log"), key, "camdock/office-1").unwrap();
    let bytes = acts.iter().map(|(event, data)| {
        let data = sorted(data);
        let now = jiff::Timestamp::now();
        let entry =
            json!({"data": data, "event": event, "station": "office-1", "time": now, "v": 1});
        entry.to_string().into_bytes()
    });
    log.append(&bytes.collect::<Vec<_>>()).unwrap();
    log.close().unwrap();
}

/// The same with its keys in the order that the log's bytes have.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<&String, Value> = map.iter().map(|(k, v)| (k, sorted(v))).collect();
            json!(map)
        }
        Value::Array(all) => all.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

fn disposed(bed: &Bed) -> Vec<Value> {
    let acts = bed.acts().into_iter();
    acts.filter(|act| act["event"] == "item.disposed").collect()
}

/// `[office]` of a station that believes the office with this log key, if any.
fn believing(office: &str) -> String {
    if office.is_empty() {
        return String::new();
    }
    format!("[office]\nname = \"office-1\"\nlog_key = \"{office}\"\n")
}

/// What `camdock` says on the station one, with this [office] of camdock.toml: its exit code, output and complaints.
fn on_station(
    (bed, bucket): (&Bed, &str),
    one: &Station,
    office: &str,
    wait: &str,
    arguments: &[&str],
) -> (Option<i32>, String, String) {
    let (_, public) = keygen_recipient(Curve::P384).unwrap();
    fs::write(bed.path("one.pub.pem"), public).unwrap();
    let text = format!(
        "[station]\nname = \"one\"\nstate_dir = \"station\"\nruntime_dir = \"run\"\n[dock]\nusb = false\nfolders = [{{ path = \"docked\" }}]\n\
         [seal]\nrecipients = [\"one.pub.pem\"]\n[store]\nendpoint = \"{}\"\nbucket = \"{bucket}\"\nretention_days = 1\n\
         credentials_file = \"credentials.toml\"\n{office}",
        store_endpoint()
    );
    fs::write(bed.path("camdock.toml"), text).unwrap();
    if !bed.path("station").exists() {
        fs::create_dir_all(bed.path("station/keys")).unwrap();
        fs::write(bed.path("station/keys/log.pub"), one.verifier().to_string()).unwrap();
        std::os::unix::fs::symlink(one.dir(), bed.path("station/log")).unwrap();
        fs::write(bed.path("roster.toml"), "[cameras]\n").unwrap();
    }
    let mut camdock = Command::new(env!("CARGO_BIN_EXE_camdock"));
    camdock.arg("--config").arg(bed.path("camdock.toml"));
    let ran = camdock.args(arguments);
    let ran = ran
        .env("CAMDOCK_TEST_DISPOSAL_WAIT", wait)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ran.status.code(), text(ran.stdout), text(ran.stderr))
}

/// What a command says there as JSON.
fn reported(
    place: (&Bed, &str),
    one: &Station,
    office: &str,
    wait: &str,
    command: &[&str],
) -> Value {
    let (_, told, complaint) = on_station(place, one, office, wait, command);
    serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}{complaint}"))
}

/// What `camdock verify` says there.
fn verify(bed: &Bed, one: &Station, office: &str, wait: &str) -> Value {
    verify_with(bed, BUCKET, one, &believing(office), wait)
}

/// The same with this [office] of camdock.toml.
pub fn verify_with(bed: &Bed, bucket: &str, one: &Station, office: &str, wait: &str) -> Value {
    let command = ["verify", "--bucket", "--json"];
    reported((bed, bucket), one, office, wait, &command)
}

/// What `camdock audit gaps` says there.
fn gaps(bed: &Bed, one: &Station, office: &str) -> Value {
    let command = ["audit", "gaps", "--bucket", "--json"];
    reported((bed, BUCKET), one, &believing(office), "0", &command)
}

/// The codes of an item's gaps.
fn gap_codes(told: &Value, made: &Made) -> Vec<String> {
    let all = told["gaps"].as_array().unwrap().iter();
    let own = all.filter(|gap| gap["evidence"] == json!(made.id));
    let mut codes: Vec<_> = own
        .map(|gap| gap["code"].as_str().unwrap().to_owned())
        .collect();
    codes.sort();
    codes.dedup();
    codes
}

/// What is odd of objects and entries that the test made up.
const MADE_UP: [&str; 3] = ["not_canonical", "receipt_wrong", "several_versions"];

/// The codes of what else is wrong with an item.
pub fn codes(verified: &Value, made: &Made) -> Vec<String> {
    let all = verified["findings"].as_array().unwrap().iter();
    let own = all.filter(|finding| finding["evidence"] == json!(made.id));
    let mut codes: Vec<_> = own
        .map(|finding| finding["code"].as_str().unwrap().to_owned())
        .filter(|code| !MADE_UP.contains(&&**code))
        .collect();
    codes.sort();
    codes
}

#[test]
fn what_two_people_decided_goes_whatever_stops_it_and_nothing_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new(BUCKET, &[&one], dir);
    let text = fs::read_to_string(bed.path("office.toml")).unwrap();
    // Reasons are not locked here, so that they can go within the test.
    let text = text.replace("retention_days = 1\n", "retention = \"none\"\n");
    let classes = "\n[retention]\nunclassified = \"month\"\n[class.month]\ndays = 31\nreview = false\n[class.other]\ndays = 32\nreview = false\n";
    fs::write(bed.path("office.toml"), format!("{text}{classes}")).unwrap();
    let goes = taken_in("goes.MP4", 40, "4711");
    let sidecar = Made {
        id: EvidenceId::new(),
        path: "DCIM/goes.GPS".into(),
        kind: "sidecar",
        ..goes.clone()
    };
    let others = [
        "held", "legal", "locked", "shared", "strange", "moved", "alone", "unknown",
    ];
    let [held, legal, locked, shared, strange, moved, alone, unknown] =
        others.map(|name| taken_in(&format!("{name}.MP4"), 40, name));
    let all = [
        &goes, &sidecar, &held, &legal, &locked, &shared, &strange, &moved, &alone, &unknown,
    ]
    .map(Made::clone);
    for made in &all {
        put(&bed, made);
    }
    // Something else lies where this item should be.
    let manifest = format!("evidence/one/{}/manifest.json", strange.id);
    bed.put(&manifest, alone.entries().swap_remove(0));
    publish(&bed, &[&one], &all);
    bed.run_pages();
    bed.until("one", |found| found["bucket"]["items"] == all.len());
    let id = |made: &Made| made.id.to_string();
    let fine = |(code, said): (Option<i32>, String)| assert_eq!(code, Some(0), "{said}");
    let named = [
        &goes, &held, &legal, &locked, &shared, &strange, &moved, &unknown,
    ];
    let ids: Vec<String> = named.map(id).into();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    fine(bed.decide(&[&["dispose", "propose", "--really"], &ids[..]].concat()));
    for made in named {
        let body = json!({"decision": "approve_disposal", "reason": "agreed"});
        let path = format!("/api/disposals/one/{}", made.id);
        let (status, _, body) = bed.post(&path, "camdock_disposer_token", &body);
        assert_eq!(status, 200, "{body}");
    }
    let approved = bed.until_acts("disposal.approved", 9);
    // What comes after an approval: a hold in the log, one in the store, another class, a share, one person's own approval.
    fine(bed.decide(&["hold", &id(&held)]));
    fine(bed.decide(&["classify", "--class", "other", &id(&moved)]));
    bed.hold(&format!("evidence/one/{}/original", legal.id), true);
    bed.stop();
    let by = |name: &str| json!({"operator": name, "peer": "web 127.0.0.1", "reason_sha256": "0".repeat(64)});
    let merged = |mut data: Value, by: Value| {
        let more = by.as_object().unwrap().clone();
        data.as_object_mut().unwrap().extend(more);
        data
    };
    let share_of = |made: &Made, digit: &str| json!({"share": digit.repeat(32), "log": "one", "evidence": made.id, "to": "0".repeat(64), "until": "2099-01-01T00:00:00Z"});
    let share_key =
        |made: &Made, digit: &str| format!("shares/{}/{}/item-key", digit.repeat(32), made.id);
    for (made, digit) in [(&shared, "1"), (&goes, "2"), (&goes, "3")] {
        bed.put(&share_key(made, digit), b"sealed".to_vec());
        bed.put(
            &format!("shares/{}/manifest.json", digit.repeat(32)),
            b"{}".to_vec(),
        );
    }
    // Who opened them without an office left a note; the key desk sealed a key to somebody.
    let view_note = |made: &Made| format!("viewed/one/{}/1-{}", made.id, "0".repeat(16));
    for made in [&goes, &shared] {
        bed.put(&view_note(made), b"reason: V. Vale asked".to_vec());
    }
    // One reason for both items of a pack.
    let of_both = "7".repeat(64);
    bed.put(&format!("log/office-1/text/{of_both}"), b"{}".to_vec());
    let packed = |made: &Made| {
        let by = json!({"operator": "M. Shah", "peer": "web 127.0.0.1", "reason_sha256": of_both});
        let pack = json!({"pack": "5".repeat(32), "log": "one", "evidence": made.id});
        ("pack.made", merged(pack, by))
    };
    let viewed = json!({"log": "one", "evidence": held.id});
    let viewed = ("item.viewed", merged(viewed, by("M. Shah")));
    let next = bed.acts().len();
    let sealed =
        |made: &Made, entry: usize| format!("shares/office-1-{entry}/{}/item-key", made.id);
    for (made, entry) in [(&goes, next + 11), (&shared, next + 12)] {
        bed.put(&sealed(made, entry), b"sealed".to_vec());
    }
    let view_of = |made: &Made| {
        let view = json!({"log": "one", "evidence": made.id, "key": "0".repeat(64)});
        ("item.viewed", merged(view, by("V. Vale")))
    };
    let proposal = json!({"log": "one", "evidence": alone.id, "class": "month", "days": 31, "sealed": alone.sealed});
    let approval = json!({"log": "one", "evidence": alone.id, "proposal": {"index": next + 4, "log": "office-1"}});
    enter(
        &bed,
        &[
            ("item.shared", merged(share_of(&shared, "1"), by("M. Shah"))),
            ("item.shared", merged(share_of(&goes, "2"), by("M. Shah"))),
            (
                "share.ended",
                json!({"log": "one", "evidence": goes.id, "share": "2".repeat(32)}),
            ),
            (
                "item.painted",
                json!({"log": "one", "evidence": unknown.id}),
            ),
            ("disposal.proposed", merged(proposal, by("M. Shah"))),
            ("disposal.approved", merged(approval, by("m. shah"))),
            // A share of two, of which one has ended.
            ("item.shared", merged(share_of(&goes, "3"), by("M. Shah"))),
            ("item.shared", merged(share_of(&alone, "3"), by("M. Shah"))),
            (
                "share.ended",
                json!({"log": "one", "evidence": goes.id, "share": "3".repeat(32)}),
            ),
            packed(&goes),
            packed(&alone),
            view_of(&goes),
            view_of(&shared),
        ],
    );
    enter(&bed, &vec![viewed; 101]);
    bed.run_pages();
    bed.until_acts("disposal.proposed", 10);
    let size = bed.acts().len();
    until("the published acts", || {
        let note = bed.get("log/office-1/checkpoint").unwrap();
        note.lines().nth(1).unwrap().parse::<usize>().unwrap() >= size
    });

    // Nothing goes by an approval that is too young, by a clock that nobody set, or without the witness that is asked for.
    let whole = |made: &Made| objects(&bed, made).len() == 6;
    let mut early = Disposer::beside(&bed, "");
    early.run("3600", "1", "");
    early.until_said("disposal_too_soon");
    early.stop();
    early.run("0", "0", "");
    early.until_said("disposal_clock");
    early.stop();
    let witness = LogKey::generate().unwrap().0;
    let public = witness.witness("camdock-office/office-2").unwrap();
    let witness_lines = format!("witness_office = \"office-2\"\nwitness_key = \"{public}\"\n");
    let mut disposer = Disposer::beside(&bed, &witness_lines);
    disposer.run("0", "1", "");
    disposer.until_said("disposal_not_witnessed");
    disposer.stop();
    assert!(all.iter().all(whole), "nothing was deleted");
    assert!(bed.keys("disposals/").is_empty());
    // A cosignature of somebody else is none.
    let note = bed.get("log/office-1/checkpoint").unwrap();
    let cosigned = |key: &LogKey| {
        let line = key.cosign("camdock-office/office-2", &note, jiff::Timestamp::now());
        format!("{note}{}", line.unwrap())
    };
    let size = note.lines().nth(1).unwrap();
    let copy = format!("witness/office-2/office-1/{size}-{}", "0".repeat(64));
    bed.put(&copy, cosigned(&LogKey::generate().unwrap().0).into_bytes());
    disposer.run("0", "1", "");
    disposer.until_said("disposer");
    std::thread::sleep(Duration::from_secs(2));
    disposer.stop();
    assert!(all.iter().all(whole), "nothing was deleted");
    bed.put(&copy, cosigned(&witness).into_bytes());

    // It is stopped at every step, and goes on.
    for point in [
        "disposal plan: before",
        "disposal plan: after",
        "disposal delete: before",
        "disposal delete: after",
        "disposal version gone@2",
        // The first item is over by then.
        "disposal shared key gone",
        "disposal delete: after@2",
        "disposal done: before",
        "disposal done: after",
    ] {
        disposer.run("0", "1", &format!("stop:{point}"));
        disposer.dies();
        if point == "disposal done: before" {
            // Nothing is left of it, so nobody makes it look like a loss any more.
            for decision in [
                &["hold"][..],
                &["classify", "--class", "other"],
                &["dispose", "withdraw", "--really"],
            ] {
                let (code, said) = bed.decide(&[decision, &[&id(&sidecar)]].concat());
                assert!(
                    code == Some(3) && said.contains("deleted by rule already"),
                    "{said}"
                );
            }
        }
    }
    bed.lock_for(&format!("evidence/one/{}/original", locked.id), 15);
    disposer.run("0", "1", "");
    let acts = bed.until_acts("item.disposed", 2);
    for made in [&goes, &sidecar] {
        assert_eq!(
            objects(&bed, made),
            ["manifest.json", "receipt"],
            "{}",
            made.path
        );
        let act = acts
            .iter()
            .find(|act| act["data"]["evidence"] == json!(made.id));
        let act = &act.unwrap()["data"];
        assert_eq!(
            (
                &act["class"],
                &act["days"],
                &act["proposed_by"],
                &act["approved_by"]
            ),
            (
                &json!("month"),
                &json!(31),
                &json!("M. Shah"),
                &json!("disposer")
            )
        );
        let mut names: Vec<_> = act["versions"].as_array().unwrap().iter().collect();
        names.sort_by_key(|version| version["name"].as_str().unwrap().to_owned());
        let names: Vec<_> = names.iter().map(|version| &version["name"]).collect();
        assert_eq!(names, ["item-key", "original", "preview", "storyboard"]);
    }
    assert_eq!(acts[0]["data"]["approval"]["index"], approved[0]["entry"]);
    for (made, code) in [
        (&held, "disposal_held"),
        (&legal, "disposal_held"),
        (&shared, "disposal_shared"),
        (&unknown, "disposal_act_unknown"),
        (&strange, "disposal_not_there"),
        (&moved, "disposal_class_changed"),
    ] {
        disposer.until_said(&id(made));
        disposer.until_said(code);
    }
    let left = [
        sealed(&shared, next + 12),
        share_key(&shared, "1"),
        format!("shares/{}/manifest.json", "1".repeat(32)),
        format!("shares/{}/manifest.json", "3".repeat(32)),
    ];
    let mut shares = bed.keys("shares/");
    shares.sort_by_key(|key| left.iter().position(|left| left == key));
    assert_eq!(shares, left, "what ended shares and a view gave is gone");
    for made in [&held, &legal, &shared, &strange, &moved, &alone, &unknown] {
        assert!(whole(made), "{}: {:?}", made.path, objects(&bed, made));
    }
    disposer.until_said("disposal_locked");
    // Its lock runs out by itself.
    bed.until_acts("item.disposed", 3);
    assert_eq!(objects(&bed, &locked), ["manifest.json", "receipt"]);
    until("a report without what is gone", || {
        let ran = bed.camdock(&["office", "report", "--json"]);
        let told: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let class = json!({"class": "month", "recordings": 6, "files": 6, "stored_bytes": 606});
        told["force"]["stored_bytes"] == 707 && told["classes"][0] == class
    });

    // No reason of them is left in the bucket, and those of the others are.
    let digests = |made: &Made| -> Vec<String> {
        let acts = bed.acts().into_iter();
        let own = acts.filter(|act| act["data"]["evidence"] == json!(made.id));
        own.filter_map(|act| Some(act["data"]["reason_sha256"].as_str()?.to_owned()))
            .filter(|digest| *digest != of_both)
            .collect()
    };
    let texts = || bed.keys("log/office-1/text/");
    let is_there = |digest: &String| texts().iter().any(|key| key.ends_with(digest.as_str()));
    // What nobody else has cosigned says of none that it is gone.
    std::thread::sleep(Duration::from_secs(2));
    assert!(digests(&sidecar).iter().all(is_there));
    let count = bed.acts().len();
    until("the published acts", || {
        let note = bed.get("log/office-1/checkpoint").unwrap();
        note.lines().nth(1).unwrap().parse::<usize>().unwrap() >= count
    });
    let note = bed.get("log/office-1/checkpoint").unwrap();
    let size = note.lines().nth(1).unwrap();
    let line = witness.cosign("camdock-office/office-2", &note, jiff::Timestamp::now());
    let copy = format!("witness/office-2/office-1/{size}-{}", "1".repeat(64));
    bed.put(&copy, format!("{note}{}", line.unwrap()).into_bytes());
    for made in [&goes, &sidecar, &locked] {
        // Proposed and approved, and one was shared twice and viewed.
        let said = 2 + 3 * usize::from(made.id == goes.id);
        assert_eq!(digests(made).len(), said);
        until("the reasons", || !digests(made).iter().any(is_there));
    }
    let mut of_held = digests(&held);
    // Of the acts that the test made up.
    of_held.retain(|digest| *digest != "0".repeat(64));
    assert!(of_held.len() == 3 && of_held.iter().all(is_there));
    assert!(
        is_there(&of_both),
        "the reason of an item that stays went with another"
    );
    until("the note", || bed.keys("viewed/") == [view_note(&shared)]);
    let told = bed.camdock(&["office", "acts"]);
    assert!(told.status.success(), "{told:?}");
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains(&format!(
            "The item {} of one was deleted under the class \"month\"",
            goes.id
        )) && told.contains("may have been disposed of"),
        "{told}"
    );

    // The proof of it verifies entry by entry, and says what it cannot say.
    let file = bed.path("proof.json");
    let file = file.to_str().unwrap();
    let proved = bed.camdock(&["office", "prove-disposed", &id(&goes), "-o", file]);
    assert!(proved.status.success(), "{proved:?}");
    let proof: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    for (entries, key, events) in [
        (
            "station_entries",
            one.verifier(),
            vec!["item.sealed", "item.stored"],
        ),
        (
            "office_entries",
            bed.log_key(),
            vec!["disposal.proposed", "disposal.approved", "item.disposed"],
        ),
    ] {
        let entries = proof[entries].as_array().unwrap();
        let named: Vec<_> = entries.iter().map(|entry| &entry["event"]).collect();
        assert_eq!(named, events);
        for entry in entries {
            let [bytes, receipt] = ["entry", "proof"].map(|name| entry[name].as_str().unwrap());
            let (index, _) = verify_receipt(receipt, bytes.as_bytes(), &key).unwrap();
            assert_eq!(json!(index), entry["index"]);
            let changed = bytes.replace(&id(&goes), &id(&held));
            assert!(verify_receipt(receipt, changed.as_bytes(), &key).is_err());
        }
    }
    let lacks = proof["does_not_prove"].to_string();
    assert!(lacks.contains("nobody has a copy"), "{lacks}");
    let (code, said) = {
        let ran = bed.camdock(&["office", "prove-disposed", &id(&held)]);
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    assert!(
        code != Some(0) && said.contains("does not say that the item"),
        "{said}"
    );

    // The station's verification knows what went by rule, and says what is against one.
    let gone = [&goes, &sidecar, &locked];
    let verified = verify(&bed, &one, &bed.log_key().to_string(), "0");
    let mut told: Vec<_> = verified["disposed"].as_array().unwrap().iter().collect();
    told.sort_by_key(|it| it["evidence"].as_str().unwrap().to_owned());
    let mut wanted = gone.map(|made| made.id.to_string());
    wanted.sort();
    let ids: Vec<_> = told
        .iter()
        .map(|it| it["evidence"].as_str().unwrap())
        .collect();
    assert_eq!(ids, wanted);
    assert_eq!(
        (&told[0]["proposed_by"], &told[0]["approved_by"]),
        (&json!("M. Shah"), &json!("disposer"))
    );
    assert_eq!(verified["items_disposed"], 3);
    for made in gone {
        assert_eq!(codes(&verified, made), [""; 0], "{verified:#}");
    }
    let too_early = verify(&bed, &one, &bed.log_key().to_string(), "3600");
    assert_eq!(codes(&too_early, &goes), ["disposal_against_rule"]);
    // Another office's key makes no acts of these, and what is gone is missing.
    let other = LogKey::generate().unwrap().0;
    let other = other.verifier("camdock/office-1").unwrap().to_string();
    for key in [&*other, ""] {
        let believed = verify(&bed, &one, key, "0");
        assert_eq!(believed["disposed"], json!([]));
        assert!(codes(&believed, &goes).contains(&"object_missing".to_owned()));
    }

    // So do the search for gaps, and an item's custody in words.
    let office = bed.log_key().to_string();
    let told = gaps(&bed, &one, &office);
    let ids: Vec<_> = told["disposed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["evidence"].as_str().unwrap())
        .collect();
    assert_eq!(ids, wanted);
    let none = gaps(&bed, &one, "");
    for made in gone {
        assert_eq!(gap_codes(&told, made), [""; 0], "{told:#}");
        assert_eq!(gap_codes(&none, made), ["gap_object_missing"]);
    }
    let show = |made: &Made, wait: &str| {
        on_station(
            (&bed, BUCKET),
            &one,
            &believing(&office),
            wait,
            &["show", &id(made)],
        )
    };
    let (_, told, _) = show(&goes, "0");
    let sentence =
        "It was disposed under the class \"month\" by \"M. Shah\", approved by \"disposer\", on 2";
    assert!(told.contains(sentence) && !told.contains("WRONG"), "{told}");
    let (code, told, _) = show(&goes, "3600");
    assert!(
        code == Some(1)
            && told.contains("WRONG (disposal_against_rule)")
            && told.contains("sooner after its approval"),
        "{told}"
    );
    let (_, told, _) = show(&held, "0");
    assert!(
        !told.contains("disposed") && !told.contains("WRONG"),
        "{told}"
    );

    // A lifted hold lets it go; what only claims to be gone is not entered.
    disposer.stop();
    let claim = json!({"v": 1, "log": "one", "evidence": shared.id, "approval": 0, "gone_at": jiff::Timestamp::now(), "versions": []});
    let of_shared = approved
        .iter()
        .find(|act| act["data"]["evidence"] == json!(shared.id));
    let entry = &of_shared.unwrap()["entry"];
    let mut claim = claim;
    claim["approval"] = entry.clone();
    let key = format!("disposals/office-1-{entry}/{}/done.json", shared.id);
    bed.put(&key, claim.to_string().into_bytes());
    until("the alarm", || bed.said().contains("disposal_still_there"));
    fine(bed.decide(&["lift-hold", &id(&held)]));
    until("the legal hold's end", || {
        !bed.is_under_legal_hold(&format!("evidence/one/{}/original", held.id))
    });
    disposer.run("0", "1", "");
    bed.until_acts("item.disposed", 4);
    assert_eq!(objects(&bed, &held), ["manifest.json", "receipt"]);
    // What is gone by rule is not missing, and nothing is to be decided about it.
    bed.until("one", |found| {
        let missing = found["bucket"]["missing"] == 0;
        missing && found["bucket"]["objects"] == 6 * 6 + 4 * 2
    });
    let file = bed.path("proof-of-held.json");
    let file = file.to_str().unwrap();
    until("the proof, once the act is published", || {
        let proved = bed.camdock(&["office", "prove-disposed", &id(&held), "-o", file]);
        proved.status.success()
    });
    let proof: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let events = proof["office_entries"].as_array().unwrap().iter();
    let events = events.map(|entry| entry["event"].as_str().unwrap());
    let events: Vec<_> = events
        .filter(|event| *event != "retention.extended")
        .collect();
    let wanted = [
        "disposal.proposed",
        "disposal.approved",
        "hold.placed",
        "hold.lifted",
        "item.disposed",
    ];
    assert_eq!(events, wanted, "however often it was viewed");
    let (code, said) = bed.decide(&["dispose", "withdraw", "--really", &id(&goes)]);
    assert!(
        code == Some(3) && said.contains("deleted by rule already"),
        "{said}"
    );
    assert_eq!(disposed(&bed).len(), 4);
    disposer.stop();
    // Somebody deleted an approved item at once, and writes a time that suits.
    let approval_of = |made: &Made| {
        let mut all = approved.iter();
        let own = all.find(|act| act["data"]["evidence"] == json!(made.id));
        own.unwrap()["entry"].clone()
    };
    let claims = |made: &Made, at: jiff::Timestamp| {
        let entry = approval_of(made);
        let claim = json!({"v": 1, "log": "one", "evidence": made.id, "approval": entry, "gone_at": at, "versions": []});
        let key = format!("disposals/office-1-{entry}/{}/done.json", made.id);
        bed.put(&key, claim.to_string().into_bytes());
    };
    for name in ["original", "preview", "storyboard", "item-key"] {
        bed.delete(&format!("evidence/one/{}/{name}", moved.id));
    }
    let hour = jiff::SignedDuration::from_hours(1);
    for at in [
        approved[0]["time"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
            - hour,
        jiff::Timestamp::now() + hour,
    ] {
        claims(&moved, at);
        until("the alarm", || bed.said().contains("disposer_plan"));
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(disposed(&bed).len(), 4);
    }

    // An act that nobody may enter, one that is entered twice, and an object that came back are named.
    bed.stop();
    let said = disposed(&bed);
    let said = said
        .iter()
        .find(|act| act["data"]["evidence"] == json!(goes.id));
    let said = said.unwrap()["data"].clone();
    let mut forged = said.clone();
    forged["evidence"] = json!(alone.id);
    forged["sealed"] = json!(alone.sealed);
    // The office's word alone: one is under legal hold, the other lies elsewhere.
    let claimed = |made: &Made| {
        let mut act = said.clone();
        act["evidence"] = json!(made.id);
        act["sealed"] = json!(made.sealed);
        act["approval"]["index"] = approval_of(made);
        act
    };
    // With these four, and that the office started.
    let before = bed.acts();
    let count = before.len() + 5;
    let (of_legal, of_strange) = (claimed(&legal), claimed(&strange));
    enter(
        &bed,
        &[
            ("item.disposed", forged),
            ("item.disposed", said.clone()),
            ("item.disposed", of_legal),
            ("item.disposed", of_strange),
        ],
    );
    bed.put(&format!("evidence/one/{}/original", goes.id), vec![0; 101]);
    bed.run_pages();
    until("the published acts", || {
        let note = bed.get("log/office-1/checkpoint").unwrap();
        note.lines().nth(1).unwrap().parse::<usize>().unwrap() >= count
    });
    early.run("0", "1", "");
    early.until_said("disposal_shared");
    std::thread::sleep(Duration::from_secs(2));
    early.stop();
    let texts = bed.keys("log/office-1/text/");
    for made in [&legal, &strange] {
        let acts = before.iter();
        let own = acts.filter(|act| act["data"]["evidence"] == json!(made.id));
        let reasons: Vec<_> = own
            .filter_map(|act| Some(act["data"]["reason_sha256"].as_str()?.to_owned()))
            .collect();
        assert_eq!(reasons.len(), 2);
        let is_there = |reason: &String| texts.iter().any(|text| text.ends_with(reason.as_str()));
        assert!(reasons.iter().all(is_there), "a reason is gone");
        assert_eq!(objects(&bed, made).len(), 6);
    }
    let ran = bed.camdock(&["office", "prove-disposed", &id(&alone)]);
    let refused = String::from_utf8(ran.stderr).unwrap();
    assert!(refused.contains("no proposal that stands"), "{refused}");
    let verified = verify(&bed, &one, &bed.log_key().to_string(), "0");
    let of_goes = ["disposal_against_rule", "disposed_still_there"];
    assert_eq!(codes(&verified, &goes), of_goes);
    let of_alone = codes(&verified, &alone);
    assert!(
        of_alone.contains(&"disposal_against_rule".to_owned())
            && of_alone.contains(&"disposed_still_there".to_owned()),
        "{of_alone:?}"
    );
    for why in ["no proposal that stands", "says once more"] {
        assert!(
            verified["findings"].to_string().contains(why),
            "{verified:#}"
        );
    }
    let office = bed.log_key().to_string();
    let told = gaps(&bed, &one, &office);
    assert_eq!(codes(&told, &goes), of_goes, "{told:#}");
    assert!(codes(&told, &alone).contains(&"disposal_against_rule".to_owned()));
    let show = |made: &Made| {
        on_station(
            (&bed, BUCKET),
            &one,
            &believing(&office),
            "0",
            &["show", &id(made)],
        )
    };
    let (code, told, _) = show(&goes);
    assert!(
        code == Some(1)
            && told.contains("WRONG (disposed_still_there)")
            && told.contains("WRONG (disposal_against_rule)"),
        "{told}"
    );
    let acts = bed.camdock(&["office", "acts"]);
    let said = String::from_utf8(acts.stderr).unwrap();
    assert!(
        acts.status.code() == Some(1)
            && said.contains("disposal_against_rule")
            && said.contains(&id(&alone)),
        "{said}"
    );
    // What is gone without an act is missing.
    let of_moved = codes(&verify(&bed, &one, &office, "0"), &moved);
    assert!(
        of_moved.contains(&"object_missing".to_owned()),
        "{of_moved:?}"
    );
    let of_moved = gap_codes(&gaps(&bed, &one, &office), &moved);
    assert_eq!(of_moved, ["gap_object_missing"]);
    let (code, told, _) = show(&moved);
    assert!(
        code == Some(1)
            && told.contains("WRONG (object_missing)")
            && told.contains("no act that counts"),
        "{told}"
    );
    // The office names what came back, too.
    bed.until("one", |found| {
        let findings = found["findings"].as_array().unwrap();
        findings.iter().any(|finding| {
            let what = finding["what"].as_str().unwrap();
            finding["kind"] == "foreign" && what.contains("deleted by rule")
        })
    });

    // A log that was put back lets nothing go.
    bed.stop();
    bed.put("log/office-1/checkpoint", note.into_bytes());
    disposer.run("0", "1", "");
    disposer.until_said("disposer_log");
    disposer.stop();
}
