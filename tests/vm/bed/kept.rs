//! The image, the booted machine and the machine with the service installed are made once and kept in the build folder,
//! each under a hash of everything that it depends on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use camdock::model::Sha256Digest;

use super::agent::Agent;
use super::install;
use super::qemu::{Disk, Machine, Qemu};
use crate::support::tool;

pub const BOOT_LIMIT: Duration = Duration::from_mins(4);

/// The right to run a guest from what is kept. Several cases may hold it; whoever makes or removes something that is kept
/// does so alone. The kernel releases it when the process ends.
pub struct Turn {
    lock: File,
    dir: PathBuf,
}

/// A stopped machine to resume from.
pub struct Snapshot {
    pub image: PathBuf,
    /// Its disks and its state.
    pub dir: PathBuf,
}

/// The system's disk and the store's.
pub const DISKS: [&str; 2] = ["disk.raw", "store.raw"];

impl Turn {
    pub fn wait() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let dir = target.join("vm");
        fs::create_dir_all(&dir).unwrap();
        let lock = File::create(dir.join("lock")).unwrap();
        lock.lock_shared().unwrap();
        Self { lock, dir }
    }

    /// `vmlinuz`, `initrd`, `disk.raw` and `store.raw`, made by `guest/make_image.sh`.
    pub fn image(&self) -> (PathBuf, String) {
        let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/guest");
        let weed = tool("weed");
        let mut names: Vec<_> = fs::read_dir(&guest)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        names.retain(|path| path.is_file());
        names.sort();
        let mut key = Key::default();
        for path in names.iter().chain([&weed]) {
            key.add(path.file_name().unwrap().as_encoded_bytes());
            key.add(&fs::read(path).unwrap());
        }
        let debian = codename();
        key.add(debian.as_bytes());
        let key = key.done();
        let dir = self.keep("image", &key, |dir| {
            let script = guest.join("make_image.sh");
            let made = Command::new("bash")
                .arg(&script)
                .arg(dir)
                .arg(&weed)
                .arg(&debian)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            assert!(
                made.status.success(),
                "{}: {said}\nnext step: make setup",
                script.display()
            );
        });
        (dir, key)
    }

    /// The guest as it is once it has booted and its store answers.
    pub fn booted(&self) -> (Snapshot, String) {
        let (image, key) = self.image();
        let mut all = Key::default();
        all.add(key.as_bytes());
        // A state can only be read by the QEMU that wrote it, for the same machine.
        all.add(
            &Command::new("qemu-system-x86_64")
                .arg("--version")
                .output()
                .unwrap()
                .stdout,
        );
        all.add(include_bytes!("qemu.rs"));
        let key = all.done();
        let dir = self.keep("booted", &key, |dir| {
            copy_disks(&image, dir);
            let machine = Machine {
                image: &image,
                disks: disks(dir, Disk::Kept),
                resume: None,
                terminal: false,
            };
            let (qemu, port) = Qemu::start(&machine, dir);
            let mut agent = Agent::new(port);
            agent.hello(BOOT_LIMIT);
            let up = agent.run(
                &["systemctl", "is-system-running", "--wait"],
                b"",
                BOOT_LIMIT,
            );
            assert_eq!(up.text().trim(), "running", "{}", qemu.said());
            save(qemu, &mut agent, dir);
        });
        (snapshot(image, &dir), key)
    }

    /// With the service installed as a user would, and running.
    pub fn installed(&self) -> Snapshot {
        let (booted, key) = self.booted();
        let steps = install::steps();
        let mut all = Key::default();
        all.add(key.as_bytes());
        for step in &steps {
            all.add(format!("{step:?}").as_bytes());
            all.add(step.bytes());
        }
        let dir = self.keep("installed", &all.done(), |dir| {
            copy_disks(&booted.dir, dir);
            let (qemu, mut agent) = booted.resume(disks(dir, Disk::Kept), dir);
            install::carry_out(&mut agent, &steps);
            save(qemu, &mut agent, dir);
        });
        snapshot(booted.image, &dir)
    }

    /// Returns the folder `kind-key`, and makes it first if it is missing; folders of this kind under other keys are removed.
    fn keep(&self, kind: &str, key: &str, make: impl FnOnce(&Path)) -> PathBuf {
        let path = self.dir.join(format!("{kind}-{key}"));
        if path.is_dir() {
            return path;
        }
        // Another may come first between the two locks.
        self.lock.unlock().unwrap();
        self.lock.lock().unwrap();
        if !path.is_dir() {
            self.make(kind, &path, make);
        }
        self.lock.unlock().unwrap();
        self.lock.lock_shared().unwrap();
        path
    }

    /// Makes the folder `path` while no guest runs.
    fn make(&self, kind: &str, path: &Path, make: impl FnOnce(&Path)) {
        let began = Instant::now();
        for old in fs::read_dir(&self.dir).unwrap() {
            let old = old.unwrap();
            if old
                .file_name()
                .to_string_lossy()
                .starts_with(&format!("{kind}-"))
            {
                fs::remove_dir_all(old.path()).unwrap();
            }
        }
        let making = self.dir.join(format!("{kind}-making"));
        fs::create_dir(&making).unwrap();
        make(&making);
        fs::rename(&making, path).unwrap();
        println!("{kind}: made in {:.1} s", began.elapsed().as_secs_f64());
    }
}

impl Snapshot {
    /// Resumes it within a second, and sets its clock to the host's time.
    pub fn resume(&self, disks: [Disk; 2], dir: &Path) -> (Qemu, Agent) {
        let state = self.dir.join("state");
        let machine = Machine {
            image: &self.image,
            disks,
            resume: Some(&state),
            terminal: false,
        };
        let (mut qemu, port) = Qemu::start(&machine, dir);
        qemu.continue_running();
        let mut agent = Agent::new(port);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        agent.clock(Some(now.unwrap().as_secs_f64()));
        (qemu, agent)
    }
}

/// The Debian of this machine, whose libraries the programs were built with.
fn codename() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap();
    let mut lines = release.lines();
    let line = lines.find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    line.expect("VERSION_CODENAME in /etc/os-release")
        .to_owned()
}

fn snapshot(image: PathBuf, dir: &Path) -> Snapshot {
    Snapshot {
        image,
        dir: dir.to_owned(),
    }
}

pub fn disks(dir: &Path, kind: impl Fn(PathBuf) -> Disk) -> [Disk; 2] {
    DISKS.map(|name| kind(dir.join(name)))
}

fn save(qemu: Qemu, agent: &mut Agent, dir: &Path) {
    // The page cache need not be part of the state.
    let small = "sync; fstrim /; echo 3 >/proc/sys/vm/drop_caches";
    agent
        .run(&["sh", "-c", small], b"", Duration::from_mins(1))
        .ends(0);
    qemu.save(&dir.join("state"));
}

fn copy_disks(from: &Path, to: &Path) {
    for disk in DISKS {
        copy(&from.join(disk), &to.join(disk));
    }
}

pub fn copy(from: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    copy.args(["--sparse=always", "--reflink=auto"]);
    assert!(copy.arg(from).arg(to).status().unwrap().success());
}

/// A hash over parts, with the boundaries between them.
#[derive(Default)]
struct Key(Vec<u8>);

impl Key {
    fn add(&mut self, part: &[u8]) {
        self.0
            .extend_from_slice(Sha256Digest::of(part).to_string().as_bytes());
    }

    fn done(self) -> String {
        Sha256Digest::of(&self.0).to_string()[..16].to_owned()
    }
}
