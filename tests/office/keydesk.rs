//! The key desk through its own program: it seals item keys to people whom the office's published log allows it, and to nobody else.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camdock::audit::{Log, LogKey};
use camdock::model::{EvidenceId, Part, SessionId, fingerprint_words};
use camdock::seal::{
    Curve, ItemKey, KeySource, Opener, Recipient, RecipientKey, SealSpec, keygen_recipient,
    seal_small,
};
use serde_json::{Value, json};

use crate::bed::{Bed, TOKEN, link, private, station};
use crate::browser::sign_in;
use crate::driver::Browser;
use crate::searches::{Made, at, publish};

const LIMIT: Duration = Duration::from_secs(20);
/// A picture of one point.
pub const PICTURE: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\x0dIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99\x3d\x1d\x00\x00\x00\x00IEND\xaeB\x60\x82";

pub struct Desk {
    running: Option<Child>,
    dir: tempfile::TempDir,
    pub key: RecipientKey,
}

impl Desk {
    fn beside(bed: &Bed, endpoint: &str) -> Self {
        Self::of(bed, endpoint, ("keydesk", "office-keydesk"))
    }

    /// `who`: its identity in the store, and the bucket.
    pub fn of(bed: &Bed, endpoint: &str, who: (&str, &str)) -> Self {
        let (secret, _) = keygen_recipient(Curve::P384).unwrap();
        Self::with_key(bed, endpoint, who, &secret)
    }

    /// With the private key of a recipient of the stations.
    pub fn with_key(
        bed: &Bed,
        endpoint: &str,
        (identity, bucket): (&str, &str),
        secret: &str,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        private(&dir.path().join("recipient.key.pem"), secret);
        let keys = format!(
            "access_key_id = \"{identity}key\"\nsecret_access_key = \"{identity}secret\"\n"
        );
        private(&dir.path().join("credentials.toml"), &keys);
        let text = format!(
            "[keydesk]\noffice = \"office-1\"\noffice_log_key = \"{}\"\nstate_dir = \"state\"\n\
             [store]\nendpoint = \"{endpoint}\"\nbucket = \"{bucket}\"\nretention_days = 1\ncredentials_file = \"credentials.toml\"\n",
            bed.log_key()
        );
        fs::write(dir.path().join("keydesk.toml"), text).unwrap();
        let key = RecipientKey::from_pem(secret).unwrap();
        Self {
            running: None,
            dir,
            key,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn camdock(&self, verb: &str) -> Command {
        let mut camdock = Command::new(env!("CARGO_BIN_EXE_camdock"));
        camdock.arg("--config").arg(self.path("keydesk.toml"));
        camdock.args(["office", "keydesk", verb]);
        camdock
    }

    pub fn run(&mut self) {
        let log = fs::File::create(self.path("log")).unwrap();
        let mut camdock = self.camdock("run");
        let running = camdock.stdout(Stdio::null()).stderr(log).spawn();
        self.running = Some(running.unwrap());
    }

    pub fn stop(&mut self) {
        let mut running = self.running.take().unwrap();
        let pid = rustix::process::Pid::from_child(&running);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(running.wait().unwrap().success(), "{}", self.said());
    }

    pub fn said(&self) -> String {
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

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }
}

/// An item whose picture and item key are sealed to the key desk's recipient.
pub fn picture(bed: &Bed, desk: &Desk, station: &'static str) -> (Made, ItemKey) {
    let key = ItemKey::generate().unwrap();
    let made = Made {
        id: EvidenceId::new(),
        station,
        session: SessionId::new(),
        camera: "acme/X1",
        officer: "4711".into(),
        path: "DCIM/POINT.PNG".into(),
        kind: "other",
        flagged: false,
        recorded: Some(at("2026-01-09T10:00:00Z")),
        sealed: at("2026-01-10T12:00:00Z"),
        stored: true,
        quarantined: false,
    };
    let to = [desk.key.public()];
    let spec = SealSpec {
        recipients: &to,
        item_key: Some(&key),
        evidence: made.id,
        station,
        camera: "acme/X1",
        part: Part::Original,
        frame_length: 65536,
    };
    let object = |name: &str| format!("evidence/{station}/{}/{name}", made.id);
    bed.put(&object("original"), seal_small(&spec, PICTURE).unwrap());
    let message = key.seal_to(&to, made.id, station, "acme/X1").unwrap();
    bed.put(&object("item-key"), message);
    (made, key)
}

fn shares(bed: &Bed) -> Vec<String> {
    bed.keys("shares/")
}

#[track_caller]
pub fn until_shared(bed: &Bed, desk: &Desk, key: &str) -> Vec<u8> {
    let began = Instant::now();
    while !shares(bed).iter().any(|there| there == key) {
        assert!(began.elapsed() < LIMIT, "{key}: {}", desk.said());
        std::thread::sleep(Duration::from_millis(50));
    }
    bed.bytes(key)
}

/// The item key in a message that is sealed to a person.
pub fn opened(message: &[u8], key: &RecipientKey) -> Vec<u8> {
    let mut opener = Opener::open(message, &KeySource::Recipient(key)).unwrap();
    opener.next_chunk().unwrap().unwrap().to_vec()
}

/// What somebody with the office's machine, and so with its log's key, can enter: while the office is stopped.
pub fn enter(bed: &Bed, acts: &[Value]) -> u64 {
    let key = fs::read(bed.path("state/keys/office-log.key")).unwrap();
    let key = LogKey::from_pkcs8(&key).unwrap();
    let mut log = Log::open(&bed.path("state/log"), key, "camdock/office-1").unwrap();
    let first = log.size();
    let bytes: Vec<_> = acts
        .iter()
        .map(|act| act.to_string().into_bytes())
        .collect();
    log.append(&bytes).unwrap();
    log.close().unwrap();
    first
}

pub fn entered(event: &str, data: Value) -> Value {
    let now = jiff::Timestamp::now();
    json!({"data": data, "event": event, "station": "office-1", "time": now, "v": 1})
}

fn viewed(made: &Made, person: &str, fingerprint: &str) -> Value {
    entered(
        "item.viewed",
        json!({"evidence": made.id, "key": fingerprint, "log": made.station, "operator": person,
            "peer": "web 127.0.0.1", "reason_sha256": "0".repeat(64)}),
    )
}

fn restricted(made: &Made) -> Value {
    restricted_item(made.id, made.station)
}

pub fn restricted_item(id: EvidenceId, station: &str) -> Value {
    entered(
        "item.tagged",
        json!({"evidence": id, "log": station, "operator": "M. Shah", "peer": "uid 0 (root)",
            "reason_sha256": "0".repeat(64), "restricted": true, "source": "person"}),
    )
}

fn added(person: &str, key: &str, role: &str, stations: &[&str]) -> Value {
    let fingerprint = Recipient::from_pem(key).unwrap().fingerprint();
    entered(
        "person.added",
        json!({"fingerprint": fingerprint, "key": key, "operator": "M. Shah", "peer": "uid 0 (root)", "person": person,
            "reason_sha256": "0".repeat(64), "roles": [role], "stations": stations}),
    )
}

#[test]
fn browser_the_key_desk_seals_to_whom_the_published_log_allows_it_and_to_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let stations = ["one", "two"].map(|name| station(&dir, name));
    let mut bed = Bed::new("office-keydesk", &stations.each_ref(), dir);
    let link = link();
    let mut desk = Desk::beside(&bed, &link.endpoint());
    let (shown, item_key) = picture(&bed, &desk, "one");
    let (other, _) = picture(&bed, &desk, "one");
    let (foreign, _) = picture(&bed, &desk, "two");
    let (beside, _) = picture(&bed, &desk, "one");
    let all = [
        shown.clone(),
        other.clone(),
        foreign.clone(),
        beside.clone(),
    ];
    publish(&bed, &stations.each_ref(), &all);
    bed.run_pages();
    bed.until("one", |found| found["bucket"]["items"] == 3);
    desk.run();

    // M. Shah's own key, confirmed by operations, opens what M. Shah gave a reason for.
    let (secret, public) = keygen_recipient(Curve::P384).unwrap();
    let fingerprint = Recipient::from_pem(&public).unwrap().fingerprint();
    assert_eq!(bed.post("/api/keys", TOKEN, &json!({"key": public})).0, 200);
    let words = fingerprint_words(&fingerprint).unwrap();
    let confirmed = bed.camdock(&[
        "office",
        "people",
        "confirm",
        "M. Shah",
        "--words",
        &words,
        "--operator",
        "D. Ops",
        "--reason",
        "he came by",
    ]);
    assert!(confirmed.status.success(), "{confirmed:?}");
    let file = desk.path("shah.key.pem");
    fs::write(&file, secret.as_str()).unwrap();
    let browser = Browser::start(1200, 900);
    let office = format!("http://127.0.0.1:{}", bed.pages);
    sign_in(&browser, &office);
    browser.until("today", "document.getElementById('matters')");
    browser.open(&format!("{office}/watch/one/{}", shown.id));
    browser.until(
        "the page",
        "document.getElementById('reason-row').innerText",
    );
    browser.fill("#reason", "complaint 12");
    browser.choose("#key", &file);
    browser.click("#open");
    browser.until(
        "the picture, or words",
        "document.getElementById('picture').naturalWidth === 1 || !document.getElementById('failed').hidden",
    );
    assert_eq!(browser.text("#failed"), "");
    let act = bed.until_acts("item.viewed", 1)[0].clone();
    assert_eq!(act["data"]["key"], fingerprint.as_str());
    let share = format!("shares/office-1-{}/{}/item-key", act["entry"], shown.id);
    let message = until_shared(&bed, &desk, &share);
    let hers = RecipientKey::from_pem(&secret).unwrap();
    let [sealed, own] = [opened(&message, &hers), item_key.into_bytes().to_vec()];
    assert_eq!(sealed, own);
    let desk_opens = Opener::open(&message[..], &KeySource::Recipient(&desk.key));
    assert!(desk_opens.is_err(), "it is sealed to the person alone");
    // The office has seen how long that took, with the desk's own default, and says that a key desk answers.
    let sealed = |within: &str| {
        bed.metric(
            "camdock_office_key_seconds_bucket",
            &format!("le=\"{within}\""),
        )
    };
    let began = Instant::now();
    while sealed("+Inf") != Some(1.0) {
        assert!(began.elapsed() < LIMIT, "{}", bed.said());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        sealed("2"),
        Some(1.0),
        "a person waited for more than two seconds"
    );
    let checked = bed.camdock(&["office", "check"]);
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(told.contains("and it was sealed to them"), "{told}");
    let took = desk.camdock("check").output().unwrap();
    assert!(took.status.success(), "{took:?}");

    // What the office did not publish grants nothing; what it publishes grants what role, unit and book allow.
    bed.stop();
    let [vera, paul, nina, gone] = [(); 4].map(|()| keygen_recipient(Curve::P384).unwrap());
    let print = |pem: &str| Recipient::from_pem(pem).unwrap().fingerprint();
    let removed = entered(
        "person.removed",
        json!({"fingerprint": print(&gone.1), "operator": "M. Shah", "peer": "uid 0 (root)", "person": "gone",
            "reason_sha256": "0".repeat(64), "supersedes": {"index": 1, "log": "office-1"}}),
    );
    let acts = [
        added("vera", &vera.1, "viewer", &["one"]),
        added("paul", &paul.1, "auditor", &["one"]),
        added("nina", &nina.1, "viewer", &["two"]),
        added("gone", &gone.1, "viewer", &["one"]),
        removed,
        viewed(&other, "paul", &print(&paul.1)),
        viewed(&other, "nina", &print(&nina.1)),
        viewed(&other, "gone", &print(&gone.1)),
        viewed(&other, "nobody", &print(&vera.1)),
        viewed(&other, "vera", &print(&nina.1)),
        viewed(&other, "vera", &print(&vera.1)),
    ];
    let first = enter(&bed, &acts);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(shares(&bed).len(), 1, "{}", desk.said());
    bed.run_pages();
    let vera_act = first + 10;
    let share = format!("shares/office-1-{vera_act}/{}/item-key", other.id);
    let message = until_shared(&bed, &desk, &share);
    assert_eq!(
        opened(&message, &RecipientKey::from_pem(&vera.0).unwrap()).len(),
        32
    );
    for (index, why) in [
        (5, "no role of the person may see footage"),
        (6, "the person's unit does not see this station"),
        (7, "not in the address book, or not any more"),
        (8, "not in the address book, or not any more"),
        (9, "the person's key is another one"),
    ] {
        desk.until_said(&format!("entry {} of the office's log", first + index));
        desk.until_said(why);
    }
    assert_eq!(shares(&bed).len(), 2);

    // Another item's key in its place is not sealed as this one's; a station's name is part of it.
    bed.stop();
    let key_of = |made: &Made| format!("evidence/{}/{}/item-key", made.station, made.id);
    bed.put(&key_of(&foreign), bed.bytes(&key_of(&other)));
    let moved = Made {
        station: "two",
        ..other.clone()
    };
    bed.put(&key_of(&moved), bed.bytes(&key_of(&other)));
    let acts = [
        added("vera", &vera.1, "viewer", &["one", "two"]),
        viewed(&foreign, "vera", &print(&vera.1)),
        viewed(&moved, "vera", &print(&vera.1)),
        restricted(&shown),
        viewed(&shown, "vera", &print(&vera.1)),
    ];
    enter(&bed, &acts);
    bed.run_pages();
    desk.until_said("as the item key of");
    desk.until_said("that of an item of another station");
    desk.until_said("the item is restricted, and no role of the person may see that");
    assert_eq!(shares(&bed).len(), 2);

    // A restarted desk does nothing twice, and goes on where it was.
    desk.stop();
    desk.run();
    let again = bed.post(
        &format!("/api/watch/one/{}", other.id),
        TOKEN,
        &json!({"reason": "again"}),
    );
    assert_eq!(again.0, 200, "{again:?}");
    let act = &bed.until_acts("item.viewed", 11)[10]["entry"];
    until_shared(
        &bed,
        &desk,
        &format!("shares/office-1-{act}/{}/item-key", other.id),
    );
    assert_eq!(shares(&bed).len(), 3);

    // What the store does not give of one item keeps nobody from opening another, and is sealed once it can be had.
    bed.stop();
    link.breaks_off(&key_of(&other));
    let both = [&other, &beside].map(|made| viewed(made, "vera", &print(&vera.1)));
    let first = enter(&bed, &both);
    bed.run_pages();
    let share = |index: u64, made: &Made| format!("shares/office-1-{index}/{}/item-key", made.id);
    until_shared(&bed, &desk, &share(first + 1, &beside));
    assert!(
        !shares(&bed).contains(&share(first, &other)),
        "{}",
        desk.said()
    );
    link.mend();
    until_shared(&bed, &desk, &share(first, &other));
    assert_eq!(shares(&bed).len(), 5);

    // Forged entries do not lead to the signed root, and a forged checkpoint is not the office's.
    bed.stop();
    let stops = "cannot go on with the office's log";
    let stopped = desk.said().matches(stops).count();
    let fine = bed.bytes("log/office-1/checkpoint");
    let stranger = LogKey::generate().unwrap().0;
    let dir = tempfile::tempdir().unwrap();
    let mut forged = Log::open(dir.path(), stranger, "camdock/office-1").unwrap();
    let bytes = viewed(&other, "vera", &print(&vera.1))
        .to_string()
        .into_bytes();
    forged.append(&[bytes]).unwrap();
    bed.put("log/office-1/checkpoint", forged.note().as_bytes().to_vec());
    forged.close().unwrap();
    let began = Instant::now();
    while desk.said().matches(stops).count() == stopped {
        assert!(began.elapsed() < LIMIT, "{}", desk.said());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(shares(&bed).len(), 5);
    bed.put("log/office-1/checkpoint", fine);
    // A bundle with one byte changed, below the signature of the whole.
    let first = enter(&bed, &[viewed(&other, "vera", &print(&vera.1))]);
    let size = first + 1;
    let (number, width) = (first / 256, size % 256);
    let name = format!("tile/entries/{number:03}.p/{width}");
    let whole = fs::read(bed.path("state/log").join(&name)).unwrap();
    let mut bundle = whole.clone();
    let at = bundle.len() - 10;
    bundle[at] ^= 1;
    bed.put(&format!("log/office-1/{name}"), bundle);
    for file in camdock::audit::log_files(size) {
        if file != name
            && let Ok(bytes) = fs::read(bed.path("state/log").join(&file))
        {
            bed.put(&format!("log/office-1/{file}"), bytes);
        }
    }
    let note = fs::read(bed.path("state/log/checkpoint")).unwrap();
    bed.put("log/office-1/checkpoint", note);
    desk.until_said("do not lead to its signed root");
    assert_eq!(shares(&bed).len(), 5);
    // With the true one, the desk goes on.
    bed.put(&format!("log/office-1/{name}"), whole);
    until_shared(
        &bed,
        &desk,
        &format!("shares/office-1-{first}/{}/item-key", other.id),
    );

    // A desk that was away goes by the book at the end of what is published, however much lies between.
    let sealed = shares(&bed).len();
    desk.stop();
    let removed = entered(
        "person.removed",
        json!({"fingerprint": print(&vera.1), "operator": "M. Shah", "peer": "uid 0 (root)", "person": "vera",
            "reason_sha256": "0".repeat(64), "supersedes": {"index": 1, "log": "office-1"}}),
    );
    let mut acts = vec![viewed(&other, "vera", &print(&vera.1))];
    let filler = entered("office.filler", json!({}));
    // More than the desk reads at once.
    acts.resize(66 * 256, filler);
    acts.push(removed);
    let first = enter(&bed, &acts);
    bed.run_pages();
    desk.run();
    desk.until_said(&format!("entry {first} of the office's log"));
    desk.until_said("not in the address book, or not any more");
    assert_eq!(shares(&bed).len(), sealed, "{}", desk.said());
}
