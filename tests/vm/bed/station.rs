//! The station in the guest, as its officers, operators and evidence managers see it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use camdock::audit::{DirSource, VerifierKey, verify_log};
use camdock::model::{Entry, Event, Sha256Digest};
use serde_json::Value;

use super::guest::Guest;
use crate::support::SeededSource;

const LIMIT: Duration = Duration::from_mins(3);
/// The files' time on their camera, in seconds since 1970.
pub const FILMED: i64 = 1_741_990_203;
const CAMDOCK: &str = "/usr/bin/camdock";
const COPY_OF_THE_LOG: &str = "cd /var/lib/camdock
for try in $(seq 50); do
    before=$(cat log/checkpoint)
    if tar -cf /dev/shm/log.tar log keys/log.pub && test \"$before\" = \"$(cat log/checkpoint)\"; then
        exec cat /dev/shm/log.tar
    fi
    sleep 0.1
done
exit 1";

/// A camera's files: path, and the seed and count of the bytes.
#[derive(Clone, Default)]
pub struct Footage {
    pub files: BTreeMap<String, (u64, u64)>,
}

impl Footage {
    pub fn new(files: &[(&str, u64, u64)]) -> Self {
        let files = files
            .iter()
            .map(|(path, seed, len)| ((*path).to_owned(), (*seed, *len)));
        Self {
            files: files.collect(),
        }
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let (seed, len) = self.files[path];
        SeededSource::new(seed, len).whole()
    }

    /// Writes the files with a camera's times.
    pub fn write_below(&self, folder: &Path) {
        for name in self.files.keys() {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, self.bytes(name)).unwrap();
            let filmed = SystemTime::UNIX_EPOCH + Duration::from_secs(FILMED.cast_unsigned());
            let file = fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(filmed).unwrap();
        }
    }

    pub fn total(&self) -> u64 {
        self.files.values().map(|(_, len)| len).sum()
    }
}

/// Why items are opened, and whose key says so in the bucket.
const VIEWING: [&str; 4] = ["--reason", "tested", "--signer", "/root/keys/viewer.key"];

/// The result of `camdock verify --deep` and of comparing the bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub items: usize,
    pub bytes: u64,
}

impl Guest {
    /// Enters cameras in the roster, as an operator would; officers get 4711, 4712 and so on.
    pub fn roster(&mut self, cameras: &[&str]) {
        let mut text = String::from("[cameras]\n");
        for (officer, camera) in (4711..).zip(cameras) {
            writeln!(text, "\"{camera}\" = {{ officer = \"{officer}\" }}").unwrap();
        }
        let path = "/etc/camdock/roster.toml";
        self.agent
            .put("/etc/camdock/.edited", 0o644, text.as_bytes(), None);
        let line = "journalctl -u camdock -o cat | grep -c 'configuration reloaded' || true";
        let before = self.shell(line).text();
        self.shell(&format!("mv /etc/camdock/.edited {path}"))
            .ends(0);
        let limit = Instant::now() + LIMIT;
        while self.shell(line).text() == before {
            assert!(Instant::now() < limit, "the roster was not taken over");
        }
    }

    /// Moves a complete folder with footage into the watched folder, as another program may do.
    pub fn dock_folder(&mut self, bay: &str, serial: &str, footage: &Footage) -> f64 {
        for path in footage.files.keys() {
            let hidden = format!("/run/camdock/media/.{bay}/{path}");
            self.agent
                .put(&hidden, 0o644, &footage.bytes(path), Some(FILMED));
        }
        let marker = format!("{{\"make\":\"acme\",\"serial\":\"{serial}\"}}");
        self.agent.put(
            &format!("/run/camdock/media/{bay}.camera"),
            0o644,
            marker.as_bytes(),
            None,
        );
        let docked = self.agent.clock(None).0;
        self.shell(&format!(
            "mv /run/camdock/media/.{bay} /run/camdock/media/{bay}"
        ))
        .ends(0);
        docked
    }

    /// Waits until the station shows the bay as `wanted`; returns that view and the guest's time.
    #[track_caller]
    pub fn bay(&mut self, bay: &str, wanted: impl Fn(&Value) -> bool) -> (f64, Value) {
        let limit = Instant::now() + LIMIT;
        let mut last = Value::Null;
        loop {
            let (time, view) = self.agent.status();
            if let Some(view) = view {
                let bays = view["bays"].as_array().unwrap();
                if let Some(found) = bays.iter().find(|found| found["bay"] == bay) {
                    if wanted(found) {
                        return (time, found.clone());
                    }
                    last = found.clone();
                }
            }
            assert!(
                Instant::now() < limit,
                "bay {bay} did not reach the expected state: {last}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    #[track_caller]
    pub fn all_stored(&mut self, bay: &str) -> (f64, Value) {
        self.bay(bay, |view| view["state"] == "all_stored")
    }

    /// The same footage under the station's paths, which may begin with a storage's name.
    #[track_caller]
    pub fn as_taken(&mut self, footage: &Footage) -> Footage {
        let items = self.items();
        let paths: Vec<_> = items
            .iter()
            .map(|item| item["path"].as_str().unwrap())
            .collect();
        let mut taken = Footage::default();
        for (path, made) in &footage.files {
            let ending = format!("/{path}");
            let found = paths
                .iter()
                .find(|whole| *whole == path || whole.ends_with(&ending));
            let found = found.unwrap_or_else(|| panic!("no {path} in {paths:?}"));
            taken.files.insert((*found).to_owned(), *made);
        }
        taken
    }

    /// Waits until the bay shows no camera.
    #[track_caller]
    pub fn bay_clears(&mut self, bay: &str) {
        self.until("the bay is cleared", |view| {
            let bays = view["bays"].as_array().unwrap();
            bays.iter()
                .all(|found| found["bay"] != bay || found["state"] == "empty")
        });
    }

    /// Waits until every item is stored and released, even where the bay needs attention.
    #[track_caller]
    pub fn all_released(&mut self) {
        self.until("everything is stored", |view| {
            let states = view["items"].as_array().unwrap();
            states
                .iter()
                .all(|state| state["state"] == "released" || state["items"] == 0)
        });
    }

    #[track_caller]
    pub fn until(&mut self, what: &str, so: impl Fn(&Value) -> bool) {
        let limit = Instant::now() + LIMIT;
        loop {
            let view = self.agent.status().1;
            if view.as_ref().is_some_and(&so) {
                return;
            }
            assert!(
                Instant::now() < limit,
                "this did not happen: {what}: {view:?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn items(&mut self) -> Vec<Value> {
        self.agent
            .run(&[CAMDOCK, "items", "--json"], b"", LIMIT)
            .ends(0)
            .lines()
    }

    /// Checks that `camdock verify` finds nothing wrong, and that each item is there once.
    #[track_caller]
    pub fn verify(&mut self, items: usize) {
        self.agent.run(&[CAMDOCK, "verify"], b"", LIMIT).ends(0);
        assert_eq!(self.items().len(), items);
    }

    /// Checks that the store holds exactly the camera's files: `camdock verify --deep` opens every object with one recipient's
    /// key and finds what the log says, and the log, verified here, names for each the SHA-256 of the very file. The first
    /// item is opened with the other recipient's key, too: starting a program for each one would be most of a case's work.
    #[track_caller]
    pub fn verify_against(&mut self, cameras: &[(&str, &Footage)]) -> Seen {
        let key = "/root/keys/evidence.key.pem";
        let verify = [CAMDOCK, "verify", "--deep", "--json", "--key", key];
        let verify = [&verify[..], &VIEWING].concat();
        let report: Value =
            serde_json::from_slice(&self.agent.run(&verify, b"", LIMIT).ends(0).out).unwrap();
        let items = self.items();
        let expected: usize = cameras.iter().map(|(_, footage)| footage.files.len()).sum();
        assert_eq!(items.len(), expected, "{items:?}");
        assert_eq!(report["items_opened"], expected, "{report}");
        let logged: BTreeMap<_, _> = self
            .log()
            .into_iter()
            .filter_map(|entry| match entry.event {
                Event::ItemSealed(sealed) => Some((sealed.evidence.to_string(), sealed)),
                _ => None,
            })
            .collect();
        let mut seen = Seen {
            items: expected,
            bytes: 0,
        };
        let mut opened = false;
        for (serial, footage) in cameras {
            for path in footage.files.keys() {
                let mut found = items.iter().filter(|item| {
                    item["path"] == *path
                        && item["camera"].as_str().is_some_and(|c| c.ends_with(serial))
                });
                let item = found
                    .next()
                    .unwrap_or_else(|| panic!("{serial} {path} is missing in {items:?}"));
                assert!(found.next().is_none(), "{serial} {path} is there twice");
                let evidence = item["evidence"].as_str().unwrap();
                let original = footage.bytes(path);
                let sealed = &logged[evidence];
                assert!(
                    sealed.sha256 == Sha256Digest::of(&original)
                        && sealed.size == original.len() as u64,
                    "{serial} {path}: the log names other bytes"
                );
                if !std::mem::replace(&mut opened, true) {
                    assert!(
                        self.open(evidence) == original,
                        "{serial} {path}: the store holds other bytes"
                    );
                }
                seen.bytes += sealed.size;
            }
        }
        seen
    }

    /// Fetches one item from the store and opens it in the guest; returns the plaintext.
    #[track_caller]
    pub fn open(&mut self, evidence: &str) -> Vec<u8> {
        let out = "/dev/shm/opened";
        self.shell(&format!("rm -f {out}")).ends(0);
        let open = [
            CAMDOCK,
            "open",
            evidence,
            "--key",
            "/root/keys/escrow.key.pem",
            "--out",
            out,
        ];
        let open = [&open[..], &VIEWING].concat();
        self.agent.run(&open, b"", LIMIT).ends(0);
        self.agent.get(out)
    }

    /// Every entry of the custody log in order, verified on the host. The service may still be writing: a copy counts if
    /// nothing was appended while it was made.
    #[track_caller]
    pub fn log(&mut self) -> Vec<Entry> {
        let packed = self.shell(COPY_OF_THE_LOG).ends(0).out;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("log.tar"), packed).unwrap();
        let unpacked = std::process::Command::new("tar")
            .arg("-xf")
            .arg("log.tar")
            .current_dir(dir.path())
            .status();
        assert!(unpacked.unwrap().success());
        let key = fs::read_to_string(dir.path().join("keys/log.pub")).unwrap();
        let key: VerifierKey = key.trim().parse().unwrap();
        let mut entries = Vec::new();
        let mut gather = |_, bytes: &[u8]| entries.push(serde_json::from_slice(bytes).unwrap());
        let report = verify_log(
            &DirSource::new(dir.path().join("log")),
            &key,
            &mut gather,
            None,
        )
        .unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        entries
    }

    /// Prints how long it took from `plugged` (the guest's clock) to the service's first line about it, to the entry that
    /// a camera was docked, to the first byte read of a file not begun before, to the last file's entry in the signed log and to the store, for one bay's session since then.
    #[track_caller]
    pub fn print_times(&mut self, bay: &str, plugged: f64, stored: f64, bytes: u64) -> Times {
        let mut session = None;
        let since = format!("--since=@{plugged:.3}");
        let journal = [
            "journalctl",
            "-u",
            "camdock",
            "-o",
            "short-unix",
            "-q",
            &since,
        ];
        let said = self.agent.run(&journal, b"", LIMIT).ends(0).text();
        let first_line = said.lines().next().and_then(|line| line.split(' ').next());
        let mut times = Times {
            first_line: first_line.unwrap().parse::<f64>().unwrap() - plugged,
            docked: f64::INFINITY,
            first_byte: f64::INFINITY,
            secured: 0.0,
            stored: stored - plugged,
        };
        for entry in self.log() {
            let time = entry.time.as_microsecond() as f64 / 1e6;
            match &entry.event {
                Event::CameraDocked(docked)
                    if docked.bay.as_str() == bay && time > plugged - 0.1 =>
                {
                    session = entry.session;
                    times.docked = times.docked.min(time - plugged);
                }
                Event::ItemSealed(item) if session.is_some() && entry.session == session => {
                    let made = made_at(&item.evidence.to_string()) - plugged;
                    if made > 0.0 {
                        times.first_byte = times.first_byte.min(made);
                    }
                    times.secured = times.secured.max(time - plugged);
                }
                _ => {}
            }
        }
        println!(
            "{bay}: {:.1} MB; from plug to first line {:.2} s, docked {:.2} s, first byte {:.2} s, secured {:.2} s, stored {:.2} s",
            bytes as f64 / 1e6,
            times.first_line,
            times.docked,
            times.first_byte,
            times.secured,
            times.stored
        );
        times
    }
}

/// Seconds since a camera was plugged in, by the guest's clock.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub first_line: f64,
    pub docked: f64,
    pub first_byte: f64,
    pub secured: f64,
    pub stored: f64,
}

/// An evidence id is a UUIDv7: its first 48 bits are the milliseconds at which pulling began.
fn made_at(evidence: &str) -> f64 {
    let hex: String = evidence.chars().filter(|c| *c != '-').take(12).collect();
    u64::from_str_radix(&hex, 16).unwrap() as f64 / 1e3
}
