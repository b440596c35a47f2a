//! A bucket with stations' logs, and an office that follows them.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use camdock::audit::{Checkpoint, Log, LogKey, VerifierKey, WitnessKey, log_files};
use camdock::model::Retention;
use camdock::upload::{Body, S3Store, Store as _, list_all};
use camdock::web::hash_of;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::link::Link;
use crate::place::Place;
use crate::support::{SeaweedFs, Station as Identity};

pub const TOKEN: &str = "camdock_manager";
pub const KIOSK: &str = "camdock_screen";
/// Roles with a token each, named after them; the viewers' sees the first station alone.
pub const ROLES: [&str; 5] = ["viewer", "manager", "disposer", "auditor", "operations"];
const LIMIT: Duration = Duration::from_secs(30);
/// A bucket for each test, each with an identity of its name that has the rights of the shipped policy and no more.
const BUCKETS: [&str; 43] = [
    "office-absurd",
    "office-acts",
    "office-away",
    "office-browser",
    "office-classes",
    "office-close",
    "office-copies",
    "office-dispatch",
    "office-disposals",
    "office-disposer",
    "office-dock",
    "office-endless",
    "office-enrol",
    "office-find",
    "office-find-page",
    "office-follow",
    "office-fork",
    "office-gaps",
    "office-hostile",
    "office-index",
    "office-interface",
    "office-keeping",
    "office-keydesk",
    "office-keys",
    "office-lost",
    MUTE,
    "office-outside",
    "office-page",
    "office-recall",
    "office-recipients",
    "office-recording",
    "office-recover",
    "office-release",
    "office-report",
    "office-restricted",
    "office-roles",
    ROTATION,
    "office-setup",
    "office-shares",
    "office-sign-in",
    "office-silent",
    "office-tags",
    "office-two",
];
/// The bucket of an office that may read everything and publish nothing.
const MUTE: &str = "office-mute";
/// The bucket of an office whose keys are rotated, so that it gets another name.
pub const ROTATION: &str = "office-rotation";
/// A second office's identity, in the bucket of two.
const SECOND: (&str, &str, &str) = ("office-second", "office-two", "office-2");
static STORE: LazyLock<SeaweedFs> = LazyLock::new(|| {
    let mut identities: Vec<Identity> = BUCKETS
        .map(|bucket| identity(bucket, bucket, "office-1"))
        .into();
    let mute = identities.iter_mut().find(|it| it.name == MUTE).unwrap();
    let denied = serde_json::json!({"Effect": "Deny", "Action": ["s3:PutObject"],
        "Resource": [format!("arn:aws:s3:::{MUTE}/log/office-1/*")]});
    let allowed = mute.policy["Statement"].as_array_mut().unwrap();
    allowed.push(denied);
    let (name, bucket, office) = SECOND;
    identities.push(identity(name, bucket, office));
    for (name, office) in [
        ("rotation-next", "office-9"),
        ("rotation-other", "office-2"),
    ] {
        identities.push(identity(name, ROTATION, office));
    }
    for (name, office) in [
        ("disposer-before", "office-1"),
        ("disposer-next", "office-9"),
    ] {
        identities.push(with_policy("disposer-policy.json", name, ROTATION, office));
    }
    identities.push(with_policy(
        "keydesk-policy.json",
        "keydesk-next",
        ROTATION,
        "office-9",
    ));
    identities.push(with_policy(
        "keydesk-policy.json",
        "keydesk",
        "office-keydesk",
        "office-1",
    ));
    identities.push(with_policy(
        "disposer-policy.json",
        "disposer",
        "office-disposer",
        "office-1",
    ));
    identities.push(with_policy(
        "keydesk-policy.json",
        "keydesk-shares",
        "office-shares",
        "office-1",
    ));
    identities.push(with_policy(
        "sharereader-policy.json",
        "sharereader",
        "office-recipients",
        "office-1",
    ));
    SeaweedFs::shared(&identities)
});

/// An office's identity in the store, with the rights of the shipped policy in this bucket and no more.
pub fn identity(name: &'static str, bucket: &str, office: &str) -> Identity {
    with_policy("office-policy.json", name, bucket, office)
}

/// An identity with the rights of this shipped policy.
pub fn with_policy(policy: &str, name: &'static str, bucket: &str, office: &str) -> Identity {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let file = config.join(policy);
    let policy = fs::read_to_string(file).unwrap();
    let own = policy.replace("BUCKET", bucket).replace("OFFICE", office);
    Identity {
        name,
        policy: serde_json::from_str(&own).unwrap(),
    }
}

/// A station's log in a folder, with the key that its root has, too.
pub struct Station {
    pub name: &'static str,
    key: Vec<u8>,
    dir: PathBuf,
}

impl Station {
    pub fn origin(&self) -> String {
        format!("camdock/{}", self.name)
    }

    pub fn verifier(&self) -> VerifierKey {
        self.key().verifier(&self.origin()).unwrap()
    }

    pub fn key(&self) -> LogKey {
        LogKey::from_pkcs8(&self.key).unwrap()
    }

    /// The same station with another, empty log: its root can make one.
    pub fn forked(&self) -> Self {
        Self {
            name: self.name,
            key: self.key.clone(),
            dir: self.dir.with_extension("fork"),
        }
    }

    /// Appends entries of a kind that nobody knows; returns the signed checkpoint.
    pub fn append(&self, entries: &[&str]) -> String {
        let entry = |kind: &&str| self.entry(&format!("test.{kind}"), &serde_json::json!({}));
        self.append_bytes(&entries.iter().map(entry).collect::<Vec<_>>())
    }

    /// An entry of this station's log.
    pub fn entry(&self, event: &str, data: &Value) -> Vec<u8> {
        let entry = serde_json::json!({"data": data, "event": event, "station": self.name,
            "time": "2026-01-02T03:04:05Z", "v": 1});
        entry.to_string().into_bytes()
    }

    /// Appends whatever it is; returns the signed checkpoint.
    pub fn append_bytes(&self, entries: &[Vec<u8>]) -> String {
        let key = LogKey::from_pkcs8(&self.key).unwrap();
        let mut log = Log::open(&self.dir, key, &self.origin()).unwrap();
        for some in entries.chunks(1000) {
            log.append(some).unwrap();
        }
        let note = log.note().to_owned();
        log.close().unwrap();
        note
    }

    pub fn checkpoint(&self, note: &str) -> Checkpoint {
        self.verifier().open(note).unwrap()
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

pub struct Bed {
    dir: TempDir,
    runtime: Runtime,
    store: S3Store,
    pub port: u16,
    metrics: u16,
    pub pages: u16,
    office: Option<Child>,
}

impl Bed {
    /// An office that follows `stations`, not running yet.
    pub fn new(bucket: &str, stations: &[&Station], dir: TempDir) -> Self {
        let followed = stations.iter().map(|s| (s.name, s.verifier()));
        let followed: Vec<_> = followed.collect();
        Self::of(
            (bucket, bucket, "office-1"),
            &STORE.endpoint(),
            &followed,
            dir,
        )
    }

    /// The same, with its store at the other end of `link`.
    pub fn behind(link: &Link, bucket: &str, stations: &[&Station], dir: TempDir) -> Self {
        Self::at(&link.endpoint(), bucket, stations, dir)
    }

    /// The same, with its store at another address.
    pub fn at(endpoint: &str, bucket: &str, stations: &[&Station], dir: TempDir) -> Self {
        let followed = stations.iter().map(|s| (s.name, s.verifier()));
        let followed: Vec<_> = followed.collect();
        Self::of((bucket, bucket, "office-1"), endpoint, &followed, dir)
    }

    /// Another office in the bucket of two, which follows the first one's log.
    pub fn second(first: &Self, dir: TempDir) -> Self {
        let followed = [("office-1", first.log_key())];
        Self::of(SECOND, &STORE.endpoint(), &followed, dir)
    }

    /// Another office in the bucket of the rotation; `who`: identity and name.
    pub fn of_rotation(who: (&str, &str), followed: &[(&str, VerifierKey)], dir: TempDir) -> Self {
        let who = (who.0, ROTATION, who.1);
        Self::of(who, &STORE.endpoint(), followed, dir)
    }

    /// `who`: identity, bucket, name.
    fn of(
        who: (&str, &str, &str),
        endpoint: &str,
        followed: &[(&str, VerifierKey)],
        dir: TempDir,
    ) -> Self {
        let (identity, bucket, _) = who;
        let runtime = Runtime::new().unwrap();
        if identity == bucket {
            runtime.block_on(STORE.create_bucket_with_object_lock(bucket));
        }
        let store = S3Store::new(&STORE.config(bucket)).unwrap();
        Self::made(who, dir, runtime, store, endpoint, followed)
    }

    /// An office for the real station of a place, with the rights of this identity.
    pub fn beside(place: &Place, identity: &str, dir: TempDir) -> Self {
        Self::beside_with(place, identity, &place.weed.endpoint(), &[], dir)
    }

    /// The same for more stations, with the place's store at `endpoint`.
    pub fn beside_with(
        place: &Place,
        identity: &str,
        endpoint: &str,
        more: &[&Station],
        dir: TempDir,
    ) -> Self {
        let store = S3Store::new(&place.weed.config("evidence")).unwrap();
        let key = fs::read_to_string(place.path("state/keys/log.pub")).unwrap();
        let mut followed = vec![("test-1", key.trim().parse().unwrap())];
        followed.extend(more.iter().map(|s| (s.name, s.verifier())));
        let who = (identity, "evidence", "office-1");
        Self::made(
            who,
            dir,
            Runtime::new().unwrap(),
            store,
            endpoint,
            &followed,
        )
    }

    fn made(
        who: (&str, &str, &str),
        dir: TempDir,
        runtime: Runtime,
        store: S3Store,
        endpoint: &str,
        followed: &[(&str, VerifierKey)],
    ) -> Self {
        let (identity, bucket, office) = who;
        let [port, metrics, pages] = [(); 3].map(|()| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        });
        let bed = Self {
            store,
            runtime,
            port,
            metrics,
            pages,
            office: None,
            dir,
        };
        let credentials = format!(
            "access_key_id = \"{identity}key\"\nsecret_access_key = \"{identity}secret\"\n"
        );
        private(&bed.path("credentials.toml"), &credentials);
        let mut text = format!(
            "[office]\nname = \"{office}\"\nstate_dir = \"state\"\nfollow_seconds = 1\n[witness]\nlisten = \"127.0.0.1:{port}\"\n\
             [metrics]\nlisten = \"127.0.0.1:{metrics}\"\n[reconcile]\nlist_seconds = 1\n[pages]\nlisten = \"127.0.0.1:{pages}\"\n\
             tokens = [{{ name = \"M. Shah\", role = \"evidence\", sha256 = \"{}\" }},\n{{ name = \"Screen\", role = \"kiosk\", sha256 = \"{}\" }}]\n[store]\nendpoint = \"{endpoint}\"\n\
             bucket = \"{bucket}\"\nretention_days = 1\ncredentials_file = \"credentials.toml\"\n",
            hash_of(TOKEN),
            hash_of(KIOSK),
        );
        let roles = ROLES.map(|role| {
            let own = followed.first().filter(|_| role == "viewer");
            let stations = own.map_or_else(String::new, |(name, _)| {
                format!(", stations = [\"{name}\"]")
            });
            let hash = hash_of(&format!("camdock_{role}_token"));
            format!("{{ name = \"{role}\", role = \"{role}\", sha256 = \"{hash}\"{stations} }},")
        });
        text = text.replace("tokens = [", &format!("tokens = [{}", roles.join("\n")));
        for (name, key) in followed {
            text += &format!(
                "[[stations]]\nname = \"{name}\"\nlog_key = \"{key}\"\nsilent_hours = 1\n"
            );
        }
        fs::write(bed.path("office.toml"), text).unwrap();
        let made = bed.camdock(&["office", "keygen"]);
        assert!(made.status.success(), "{made:?}");
        bed
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn camdock(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_camdock"))
            .arg("--config")
            .arg(self.path("office.toml"))
            .args(arguments)
            .env("CAMDOCK_TEST_DISPOSAL_WAIT", "0")
            .output()
            .unwrap()
    }

    /// The witness's public key as `camdock office check` shows it.
    pub fn witness(&self) -> WitnessKey {
        let checked = self.camdock(&["office", "check", "--json"]);
        let lines = String::from_utf8(checked.stdout).unwrap();
        let mut lines = lines
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap());
        let line = lines.find(|line| line["what"] == "witness key").unwrap();
        line["detail"].as_str().unwrap().parse().unwrap()
    }

    /// The public key of the office's own log.
    pub fn log_key(&self) -> VerifierKey {
        let text = fs::read_to_string(self.path("state/keys/log.pub")).unwrap();
        text.parse().unwrap()
    }

    /// The office's verified acts, as `camdock office acts` tells them.
    #[track_caller]
    pub fn acts(&self) -> Vec<Value> {
        self.verified_acts().unwrap()
    }

    /// Or what is wrong with them.
    fn verified_acts(&self) -> Result<Vec<Value>, String> {
        let ran = self.camdock(&["office", "acts", "--json"]);
        let told = String::from_utf8(ran.stdout).unwrap();
        if !ran.status.success() {
            return Err(told + &String::from_utf8_lossy(&ran.stderr));
        }
        let lines = told.lines();
        Ok(lines.map(|l| serde_json::from_str(l).unwrap()).collect())
    }

    /// Waits until there are such acts, in a log that verifies; returns them.
    #[track_caller]
    pub fn until_acts(&self, event: &str, count: usize) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let acts = self.verified_acts();
            let all = acts.iter().flatten();
            let found: Vec<Value> = all.filter(|a| a["event"] == event).cloned().collect();
            if found.len() >= count {
                assert_eq!(found.len(), count, "{acts:#?}");
                return found;
            }
            assert!(began.elapsed() < LIMIT, "{acts:#?}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A person's order: exit code and everything it says.
    pub fn decide(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let by = [
            "--operator",
            "M. Shah",
            "--reason",
            "Superintendent Byrne asked for it",
        ];
        let ran = self.camdock(&[&["office"], arguments, &by].concat());
        let said = [ran.stdout, ran.stderr].concat();
        (ran.status.code(), String::from_utf8(said).unwrap())
    }

    /// Waits until an office that cannot run has ended; returns its exit code and what it said.
    #[track_caller]
    pub fn refuses(&mut self) -> (Option<i32>, String) {
        self.run();
        let mut office = self.office.take().unwrap();
        let began = Instant::now();
        loop {
            if let Some(ended) = office.try_wait().unwrap() {
                return (ended.code(), self.said());
            }
            if began.elapsed() > LIMIT {
                office.kill().unwrap();
                office.wait().unwrap();
                panic!("it goes on\n{}", self.said());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Every key below `prefix`.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let listed = list_all(&self.store, prefix, 10_000);
        let listed = self.runtime.block_on(listed).unwrap();
        listed.into_iter().map(|object| object.key).collect()
    }

    pub fn is_locked(&self, key: &str) -> bool {
        let lock = self.store.retention(key, None);
        self.runtime.block_on(lock).unwrap().is_some()
    }

    /// The end of the lock of the newest version.
    pub fn locked_until(&self, key: &str) -> Option<jiff::Timestamp> {
        let lock = self.runtime.block_on(self.store.retention(key, None));
        lock.unwrap().map(|lock| lock.until)
    }

    pub fn is_under_legal_hold(&self, key: &str) -> bool {
        let held = self.store.legal_hold(key, None);
        self.runtime.block_on(held).unwrap()
    }

    /// Sets or takes off the legal hold of an object, as somebody with rights of their own can.
    pub fn hold(&self, key: &str, on: bool) {
        let set = self.store.set_legal_hold(key, None, on);
        self.runtime.block_on(set).unwrap();
    }

    /// Locks an object for some seconds from now.
    pub fn lock_for(&self, key: &str, seconds: i64) {
        let end = jiff::Timestamp::now().as_second() + seconds;
        let lock = Retention {
            mode: "COMPLIANCE".into(),
            until: jiff::Timestamp::from_second(end).unwrap(),
        };
        let set = self.store.set_retention(key, None, &lock);
        self.runtime.block_on(set).unwrap();
    }

    /// A copy of a log in the bucket.
    pub fn fetched(&self, log: &str) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let prefix = format!("log/{log}/");
        for key in self.keys(&prefix) {
            let bytes = self
                .runtime
                .block_on(self.store.get(&key, 1 << 20))
                .unwrap();
            let path = dir.path().join(key.strip_prefix(&prefix).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes.unwrap()).unwrap();
        }
        dir
    }

    pub fn put(&self, key: &str, bytes: Vec<u8>) {
        let put = self.store.put(key, Body::new(bytes));
        self.runtime.block_on(put).unwrap();
    }

    /// Deletes every version of an object, as somebody with rights of their own can.
    pub fn delete(&self, key: &str) {
        let all = self.runtime.block_on(self.store.list_versions(key, 100));
        for version in all.unwrap().iter().filter(|version| version.key == key) {
            let id = version.version_id.as_deref().unwrap();
            let deleted = self.store.delete_version(key, id);
            self.runtime.block_on(deleted).unwrap();
        }
    }

    pub fn get(&self, key: &str) -> Option<String> {
        let found = self.runtime.block_on(self.store.get(key, 1 << 20)).unwrap();
        found.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// An object that is there.
    pub fn bytes(&self, key: &str) -> Vec<u8> {
        let found = self.runtime.block_on(self.store.get(key, 64 << 20));
        found.unwrap().unwrap().to_vec()
    }

    /// Publishes a station's log as the station does: its files, then its checkpoint.
    pub fn publish(&self, station: &Station, note: &str) {
        let size = station.checkpoint(note).size;
        for key in log_files(size) {
            if let Ok(bytes) = fs::read(station.dir().join(&key)) {
                self.put(&format!("log/{}/{key}", station.name), bytes);
            }
        }
        let key = format!("log/{}/checkpoint", station.name);
        self.put(&key, note.as_bytes().to_vec());
    }

    pub fn run(&mut self) {
        self.run_with("");
    }

    /// And waits until its pages can be asked.
    #[track_caller]
    pub fn run_pages(&mut self) {
        self.run();
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.pages)).is_err() {
            assert!(began.elapsed() < LIMIT, "{}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// With what is to happen at a point of its work.
    pub fn run_with(&mut self, failpoint: &str) {
        let point = ("CAMDOCK_FAILPOINT", failpoint);
        let set = Some(point).filter(|_| !failpoint.is_empty());
        self.run_set(set);
    }

    /// As if approvals of deletions had to be so old, in seconds.
    pub fn run_with_wait(&mut self, wait: &str) {
        self.run_set(Some(("CAMDOCK_TEST_DISPOSAL_WAIT", wait)));
    }

    fn run_set(&mut self, variable: Option<(&str, &str)>) {
        let log = fs::File::create(self.path("office.log")).unwrap();
        let mut office = Command::new(env!("CARGO_BIN_EXE_camdock"));
        office.arg("--config").arg(self.path("office.toml"));
        // No test can wait for a day.
        office.env("CAMDOCK_TEST_DISPOSAL_WAIT", "0");
        office.envs(variable);
        let office = office.args(["office", "run"]).stdout(Stdio::null());
        let office = office.stderr(log).spawn().unwrap();
        self.office = Some(office);
    }

    /// Stops it as systemd does; it must end well.
    pub fn stop(&mut self) {
        let mut office = self.office.take().unwrap();
        let pid = rustix::process::Pid::from_child(&office);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(office.wait().unwrap().success(), "{}", self.said());
    }

    /// Waits until it was ended by what was to happen.
    pub fn dies(&mut self) {
        let mut office = self.office.take().unwrap();
        assert!(!office.wait().unwrap().success(), "{}", self.said());
    }

    /// What a path of the pages answers to a token: status, headers and body.
    pub fn page(&self, path: &str, token: Option<&str>) -> (u16, String, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.pages);
        let mut curl = Command::new("curl");
        curl.args(["-s", "-i", &url]);
        if let Some(token) = token {
            curl.args(["-H", &format!("authorization: Bearer {token}")]);
        }
        answered(&mut curl)
    }

    /// What the pages answer to JSON: status, headers and body.
    pub fn post(&self, path: &str, token: &str, body: &Value) -> (u16, String, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.pages);
        let mut curl = Command::new("curl");
        curl.args(["-s", "-i", &url, "--data", &body.to_string()]);
        curl.args(["-H", "content-type: application/json"]);
        curl.args(["-H", &format!("authorization: Bearer {token}")]);
        answered(&mut curl)
    }

    /// What the page shows to an evidence manager.
    pub fn today(&self) -> Value {
        let (status, _, body) = self.page("/api/today", Some(TOKEN));
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// One metric of a station, by further labels.
    pub fn metric(&self, name: &str, labels: &str) -> Option<f64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics);
        let got = Command::new("curl").args(["-sf", &url]).output().unwrap();
        let text = String::from_utf8(got.stdout).unwrap();
        let mut lines = text.lines().filter(|l| l.starts_with(&format!("{name}{{")));
        let line = lines.find(|line| line.contains(labels))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Waits until a metric of a station has this value.
    #[track_caller]
    pub fn until_metric(&self, name: &str, labels: &str, wanted: f64) {
        let began = Instant::now();
        loop {
            let found = self.metric(name, labels);
            if found == Some(wanted) {
                return;
            }
            assert!(
                began.elapsed() < LIMIT,
                "{name} {labels}: {found:?} instead of {wanted}\n{}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the running office has in its own memory, and the KiB that it had at most.
    pub fn memory(&self) -> (Vec<u8>, u64) {
        use std::os::unix::fs::FileExt as _;
        let pid = self.office.as_ref().unwrap().id();
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
        let mut all = Vec::new();
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let (from, rest) = line.split_once('-').unwrap();
            let end = rest.split(' ').next().unwrap();
            let [from, end] = [from, end].map(|at| u64::from_str_radix(at, 16).unwrap());
            let begin = all.len();
            all.resize(begin + usize::try_from(end - from).unwrap(), 0);
            // Some mappings of the kernel cannot be read.
            if memory.read_exact_at(&mut all[begin..], from).is_err() {
                all.truncate(begin);
            }
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let mut lines = status.lines();
        let most = lines.find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        (all, most.trim().trim_end_matches(" kB").parse().unwrap())
    }

    pub fn kill(&mut self) {
        let mut office = self.office.take().unwrap();
        office.kill().unwrap();
        office.wait().unwrap();
    }

    pub fn said(&self) -> String {
        fs::read_to_string(self.path("office.log")).unwrap_or_default()
    }

    /// The state of a station, with the exit code of `camdock office status`.
    pub fn standing(&self, station: &str) -> (Value, Option<i32>) {
        let ran = self.camdock(&["office", "status", "--json"]);
        let lines = String::from_utf8(ran.stdout).unwrap();
        let mut lines = lines
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap());
        let found = lines.find(|line| line["station"] == station);
        (found.unwrap_or_default(), ran.status.code())
    }

    /// Waits until the office says this of a station.
    #[track_caller]
    pub fn until(&self, station: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let (found, _) = self.standing(station);
            if wanted(&found) {
                return found;
            }
            assert!(began.elapsed() < LIMIT, "{found}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    #[track_caller]
    pub fn cosigns(&self, station: &str, entries: u64) {
        self.until(station, |found| {
            found["cosigned_entries"] == entries && found["code"].is_null()
        });
    }

    #[track_caller]
    pub fn alarms(&self, station: &str, code: &str) -> Value {
        self.until(station, |found| found["code"] == code)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if let Some(mut office) = self.office.take() {
            let _ = office.kill();
            let _ = office.wait();
        }
    }
}

/// Where the tests' store is.
pub fn store_port() -> u16 {
    STORE.s3_port()
}

/// Where the store of all these offices is.
pub fn store_endpoint() -> String {
    STORE.endpoint()
}

/// A link to the store that can be cut.
pub fn link() -> Link {
    Link::to(STORE.s3_port())
}

pub fn station(dir: &TempDir, name: &'static str) -> Station {
    Station {
        name,
        key: LogKey::generate().unwrap().1.to_vec(),
        dir: dir.path().join(name),
    }
}

/// What curl got: status, headers in small letters, and body.
fn answered(curl: &mut Command) -> (u16, String, String) {
    let got = String::from_utf8(curl.output().unwrap().stdout).unwrap();
    let (head, body) = got
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{got}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

pub fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
