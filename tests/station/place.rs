//! A whole station in a temporary folder: the real program, its keys, docked folders, and a real store.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camdock::audit::{DirSource, VerifierKey, verify_log};
use camdock::model::{Entry, Event};
use serde_json::Value;

use crate::support::{SeaweedFs, SeededSource, Station};

const BUCKET: &str = "evidence";
const LIMIT: Duration = Duration::from_mins(3);
/// For what takes longer the more files there are.
pub const LONG: Duration = Duration::from_hours(2);

/// The result of a run of the program.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let found = self.out.contains(text) || self.err.contains(text);
        assert!(found, "'{text}' is missing in:\n{}\n{}", self.out, self.err);
        self
    }

    /// One JSON object a line of its standard output.
    pub fn lines(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A station that runs; killed when dropped.
pub struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// As a power cut of this process: it gets no chance to finish anything.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Processes that it started and that still run.
    pub fn children(&self) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of = |task: std::io::Result<fs::DirEntry>| {
            let children = fs::read_to_string(task.ok()?.path().join("children")).ok()?;
            Some(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse().ok())
                    .collect(),
            )
        };
        tasks
            .filter_map(of)
            .flat_map(|pids: Vec<u32>| pids)
            .collect()
    }

    #[allow(dead_code, reason = "the browser tests measure no memory")]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGTERM, then its end.
    pub fn stop(self) -> Ran {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    #[track_caller]
    pub fn wait(self) -> Ran {
        self.wait_at_most(LIMIT)
    }

    /// For honest work that takes its time on a slow machine.
    #[track_caller]
    pub fn wait_at_most(mut self, limit: Duration) -> Ran {
        let limit = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < limit, "it hangs:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        };
        Ran {
            code: status.code(),
            out: fs::read_to_string(&self.out).unwrap(),
            err: self.said(),
        }
    }

    pub fn said(&self) -> String {
        let mut said = Vec::new();
        let mut file = fs::File::open(&self.err).unwrap();
        file.read_to_end(&mut said).unwrap();
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Running {
    /// A failing test shows the station's last lines.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let bytes = fs::read(&self.err).unwrap_or_default();
            let from = bytes.len().saturating_sub(16_000);
            eprintln!(
                "the station said:\n{}",
                String::from_utf8_lossy(&bytes[from..])
            );
        }
    }
}

/// Settings added to sections of `camdock.toml`.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

pub struct Place {
    dir: tempfile::TempDir,
    pub weed: SeaweedFs,
    runs: std::sync::atomic::AtomicU32,
}

impl Place {
    pub fn new(settings: Settings<'_>) -> Self {
        Self::with(SeaweedFs::start(), settings)
    }

    /// The station has this identity's rights in the store, and no more.
    #[allow(dead_code, reason = "shared with the browser tests")]
    pub fn with_station(station: Station) -> Self {
        Self::with_stations(&[station])
    }

    /// Several such; the station is the first.
    #[allow(dead_code, reason = "shared with the browser tests")]
    pub fn with_stations(stations: &[Station]) -> Self {
        let name = stations[0].name;
        let place = Self::with(SeaweedFs::start_with(stations), &[]);
        place.credentials(&format!("{name}key"), &format!("{name}secret"));
        place
    }

    fn with(weed: SeaweedFs, settings: Settings<'_>) -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
            weed,
            runs: std::sync::atomic::AtomicU32::new(0),
        };
        Self::block_on(place.weed.create_bucket_with_object_lock(BUCKET));
        place.folders();
        for (name, curve) in [("one", "p384"), ("two", "p256")] {
            let out = place.path(&format!("keys/{name}"));
            let args = ["keygen", "recipient", "--curve", curve, "--out"];
            place
                .camdock(&[&args[..], &[out.to_str().unwrap()]].concat())
                .ends(0);
        }
        place.configure(settings);
        place.roster(&["X0000001", "X0000002"]);
        place.camdock(&["keygen", "station"]).ends(0);
        place
    }

    /// Why an item is opened, and whose key says so in the bucket.
    #[allow(dead_code, reason = "shared with the office's tests")]
    pub fn viewing(&self) -> [String; 4] {
        let key = self.path("keys/viewer.key");
        if !key.exists() {
            let out = self.path("keys/viewer");
            let args = ["keygen", "confirmer", "--name", "shah.example.org", "--out"];
            let args = [&args[..], &[out.to_str().unwrap()]].concat();
            self.camdock(&args).ends(0);
        }
        let key = key.to_str().unwrap().to_owned();
        [
            "--reason".into(),
            "The court asked".into(),
            "--signer".into(),
            key,
        ]
    }

    /// The same as [`Self::camdock`], for what opens items.
    #[allow(dead_code, reason = "shared with the office's tests")]
    pub fn camdock_viewing(&self, args: &[&str]) -> Ran {
        let viewing = self.viewing();
        let more: Vec<&str> = viewing.iter().map(String::as_str).collect();
        self.camdock(&[args, &more].concat())
    }

    fn folders(&self) {
        for folder in ["docked", "keys", "runs", "tmp"] {
            fs::create_dir(self.path(folder)).unwrap();
        }
    }

    /// Another station with the same keys and the same store; give it a prefix of its own in the settings.
    #[allow(dead_code, reason = "shared with other test files")]
    pub fn another(&self, settings: Settings<'_>) -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
            weed: self.weed.share(),
            runs: std::sync::atomic::AtomicU32::new(0),
        };
        place.folders();
        fs::create_dir(place.path("state")).unwrap();
        for folder in ["keys", "state/keys"] {
            let to = place.path(folder);
            let _ = fs::remove_dir(&to);
            let from = self.path(folder);
            let copied = Command::new("cp").arg("-a").args([from, to]).status();
            assert!(copied.unwrap().success());
        }
        place.configure(settings);
        place.roster(&["X0000001", "X0000002"]);
        place
    }

    /// Writes camdock.toml anew.
    pub fn configure(&self, settings: Settings<'_>) {
        let mut sections = BTreeMap::from([
            ("station", "name = \"test-1\"\nstate_dir = \"state\"\nruntime_dir = \"run\"\n".to_owned()),
            ("dock", "folders = [{ path = \"docked\" }]\nusb = false\nsettle_seconds = 0.2\nscan_interval_seconds = 0.3\n".into()),
            ("seal", "recipients = [\"keys/one.pub.pem\", \"keys/two.pub.pem\"]\n".into()),
            ("spool", String::new()),
            // Few docked files here are video; the previews' own tests switch them on.
            ("preview", "enabled = false\n".into()),
            ("web", "listen = \"\"\n".into()),
            ("metrics", "listen = \"\"\n".into()),
            ("store", format!("bucket = \"{BUCKET}\"\nretention_days = 1\ncredentials_file = \"store.toml\"\n")),
        ]);
        for (section, setting) in settings {
            let text = sections.entry(section).or_default();
            let key = setting.split('=').next().unwrap();
            let mut kept: Vec<_> = text.lines().filter(|l| !l.starts_with(key)).collect();
            kept.push(setting);
            *text = kept.join("\n") + "\n";
        }
        for (section, (key, value)) in [
            (
                "store",
                ("endpoint", format!("\"{}\"", self.weed.endpoint())),
            ),
            ("spool", ("reserve_bytes", "16777216".into())),
        ] {
            let text = sections.get_mut(section).unwrap();
            if !text.contains(key) {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        let text = sections.iter().map(|(s, text)| format!("[{s}]\n{text}\n"));
        fs::write(self.config(), text.collect::<String>()).unwrap();
        let (access, secret) = self.weed.admin_keys();
        self.credentials(access, secret);
    }

    pub fn credentials(&self, access: &str, secret: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path("store.toml");
        let text = format!("access_key_id = \"{access}\"\nsecret_access_key = \"{secret}\"\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn roster(&self, serials: &[&str]) {
        let mut text = String::from("[cameras]\n");
        for (officer, serial) in (4711..).zip(serials) {
            text.push_str(&format!(
                "\"folder/{serial}\" = {{ officer = \"{officer}\" }}\n"
            ));
        }
        fs::write(self.path("roster.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("camdock.toml")
    }

    /// A docked camera whose folder is named as its serial.
    pub fn camera(&self, serial: &str) -> PathBuf {
        self.camera_in(serial, serial)
    }

    /// A docked camera in a bay.
    pub fn camera_in(&self, bay: &str, serial: &str) -> PathBuf {
        let marker = self.path("docked").join(format!("{bay}.camera"));
        // In one step, as root's helper writes it: the station may read it at any time.
        let hidden = self.path(&format!("{bay}.marker-being-made"));
        fs::write(
            &hidden,
            format!("{{\"make\":\"folder\",\"serial\":\"{serial}\"}}"),
        )
        .unwrap();
        fs::rename(hidden, marker).unwrap();
        self.nameless(bay)
    }

    /// A docked camera that doesn't say who it is.
    pub fn nameless(&self, name: &str) -> PathBuf {
        let root = self.path("docked").join(name);
        fs::create_dir_all(&root).unwrap();
        root
    }

    /// A file on a docked camera, in one step and old enough to be quiet.
    pub fn film(&self, camera: &str, name: &str, seed: u64, len: u64) -> PathBuf {
        let path = self.camera(camera).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let hidden = self.path("being-made");
        let made = SeededSource::new(seed, len);
        let mut file = fs::File::create(&hidden).unwrap();
        let mut at = 0;
        while at < len {
            let step = (len - at).min(8 << 20);
            std::io::Write::write_all(&mut file, &made.bytes(at, step)).unwrap();
            at += step;
        }
        age(&file);
        fs::rename(&hidden, &path).unwrap();
        path
    }

    #[track_caller]
    pub fn camdock(&self, args: &[&str]) -> Ran {
        self.start(args).wait()
    }

    pub fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, &[])
    }

    /// With these variables in its environment.
    pub fn start_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Running {
        self.start_within(&[], args, environment)
    }

    /// As systemd starts it when its standard error goes to the journal: it names that file's device and inode.
    #[allow(dead_code, reason = "shared with the browser tests")]
    pub fn start_in_journal(&self, args: &[&str]) -> Running {
        let script = "JOURNAL_STREAM=$(stat -Lc %d:%i /dev/fd/2) exec \"$@\"";
        let within = ["sh", "-c", script, "sh"].map(str::to_owned);
        self.start_within(&within, args, &[])
    }

    /// Run by the program and arguments of `within`.
    pub fn start_within(
        &self,
        within: &[String],
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Running {
        let number = self.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (out, err) = (
            self.path(&format!("runs/{number}.out")),
            self.path(&format!("runs/{number}.err")),
        );
        let mut words: Vec<&str> = within.iter().map(String::as_str).collect();
        words.push(env!("CARGO_BIN_EXE_camdock"));
        let child = Command::new(words[0])
            .args(&words[1..])
            .args(args)
            .env("CAMDOCK_CONFIG", self.config())
            .env("CAMDOCK_LOG", "info,camdock=debug")
            .env("NO_COLOR", "1")
            .env("TMPDIR", self.path("tmp"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Running { child, out, err }
    }

    #[track_caller]
    pub fn drain(&self) -> Ran {
        self.camdock(&["run", "--drain"])
    }

    pub fn items(&self) -> Vec<Value> {
        self.camdock(&["items", "--json"]).ends(0).lines()
    }

    #[track_caller]
    pub fn item(&self, path: &str) -> Value {
        let items = self.items();
        let found = items.iter().find(|item| item["path"] == path);
        found
            .unwrap_or_else(|| panic!("no {path} in {items:?}"))
            .clone()
    }

    /// The running station's own account of itself.
    pub fn status(&self) -> Option<Value> {
        let ran = self.camdock(&["status", "--json"]);
        (ran.code != Some(4)).then(|| ran.lines().remove(0))
    }

    /// Everything is there, can be opened with the key of either recipient, and is as recorded.
    #[track_caller]
    pub fn verify_deep(&self) -> Value {
        let key = self.path("keys/two.key.pem");
        let args = ["verify", "--deep", "--json", "--key", key.to_str().unwrap()];
        let viewing = self.viewing();
        let more: Vec<&str> = viewing.iter().map(String::as_str).collect();
        let ran = self
            .start(&[&args[..], &more].concat())
            .wait_at_most(LONG)
            .ends(0);
        serde_json::from_str(&ran.out).unwrap()
    }

    /// Every event of the verified local log, in order.
    #[track_caller]
    pub fn events(&self) -> Vec<Event> {
        self.entries().into_iter().map(|e| e.event).collect()
    }

    /// The same with time and session.
    #[track_caller]
    pub fn entries(&self) -> Vec<Entry> {
        let key = fs::read_to_string(self.path("state/keys/log.pub")).unwrap();
        let key: VerifierKey = key.trim().parse().unwrap();
        let mut entries = Vec::new();
        let source = DirSource::new(self.path("state/log"));
        let mut gather = |_, bytes: &[u8]| {
            entries.push(serde_json::from_slice::<Entry>(bytes).unwrap());
        };
        let report = verify_log(&source, &key, &mut gather, None).unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        entries
    }

    pub fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }

    /// Opens one item with a recipient's key.
    pub fn open(&self, evidence: &str) -> Vec<u8> {
        let (key, out) = (self.path("keys/one.key.pem"), self.path("opened"));
        let _ = fs::remove_file(&out);
        let text = |p: &Path| p.to_str().unwrap().to_owned();
        self.camdock_viewing(&["open", evidence, "--key", &text(&key), "--out", &text(&out)])
            .ends(0);
        fs::read(&out).unwrap()
    }
}

/// Makes a file look as if it had been written a day ago.
pub fn age(file: &fs::File) {
    let day_ago = std::time::SystemTime::now() - Duration::from_hours(24);
    file.set_modified(day_ago).unwrap();
}

/// Waits until it is so; panics with `what` when it does not come.
#[track_caller]
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !so() {
        assert!(Instant::now() < limit, "this never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
