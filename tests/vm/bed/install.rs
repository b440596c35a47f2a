//! Installs the service as docs/operations.md tells its user: the program, what lies in `systemd/` and `config/`, keys, an edited
//! configuration. Steps are data, so that a kept machine can be identified by them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::agent::Agent;

const LIMIT: Duration = Duration::from_mins(2);

pub enum Step {
    Put {
        path: String,
        mode: u32,
        bytes: Vec<u8>,
    },
    /// A shell's line and the exit code that it must have.
    Run { line: String, code: i64 },
}

impl Step {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Put { bytes, .. } => bytes,
            Self::Run { .. } => &[],
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { path, mode, bytes } => {
                write!(f, "put {path} {mode:o} {} bytes", bytes.len())
            }
            Self::Run { line, code } => write!(f, "run {line} -> {code}"),
        }
    }
}

pub fn carry_out(agent: &mut Agent, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Put { path, mode, bytes } => agent.put(path, *mode, bytes, None),
            Step::Run { line, code } => {
                let ran = agent.run(&["sh", "-ec", line], b"", LIMIT);
                assert_eq!(ran.code, Some(*code), "{line}\n{}{}", ran.text(), ran.err);
            }
        }
    }
}

pub fn steps() -> Vec<Step> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut steps = vec![
        put(
            "/usr/bin/camdock",
            0o755,
            stripped(env!("CARGO_BIN_EXE_camdock")),
        ),
        put(
            "/usr/lib/camdock/camdock-preview",
            0o755,
            stripped(env!("CARGO_BIN_EXE_camdock-preview")),
        ),
        put(
            "/usr/lib/camdock/camdock-mount",
            0o755,
            stripped(env!("CARGO_BIN_EXE_camdock-mount")),
        ),
        put(
            "/usr/lib/camdock/camdock-wipe",
            0o755,
            stripped(env!("CARGO_BIN_EXE_camdock-wipe")),
        ),
    ];
    for (path, relative) in files(&top.join("systemd")) {
        if relative.starts_with("deb") {
            // Used for building the package, not installed.
            continue;
        }
        steps.push(put(&place(&relative), 0o644, fs::read(path).unwrap()));
    }
    steps.push(run("systemd-sysusers"));
    steps.push(run("systemd-tmpfiles --create camdock.conf"));
    steps.push(run("systemctl daemon-reload"));
    steps.push(run("udevadm control --reload && udevadm trigger --settle"));
    for (path, relative) in files(&top.join("config")) {
        let bytes = fs::read(path).unwrap();
        let bytes = match relative.to_str() {
            Some("camdock.toml") => {
                edited(&String::from_utf8(bytes).unwrap(), SETTINGS).into_bytes()
            }
            Some("store-credentials.toml") => CREDENTIALS.as_bytes().to_vec(),
            _ => bytes,
        };
        steps.push(put(
            &format!("/etc/camdock/{}", relative.display()),
            0o644,
            bytes,
        ));
    }
    for line in KEYS {
        steps.push(run(line));
    }
    // Exit code 3: the guest's clock is not synchronised, the only fault that `check` may find here. Of its steps only the
    // last one is left: starting the service.
    let check = "runuser -u camdock -- camdock check --json >/root/check || test $? = 3; \
        ! grep -v -e '\"ok\":true' -e '\"what\":\"clock\"' \
            -e '\"state\":\"done\"' -e '\"state\":\"optional\"' -e '\"what\":\"service\"' /root/check";
    steps.push(run(check));
    steps.push(run("systemctl enable --now camdock.service"));
    steps
}

/// The operator's changes to the shipped configuration: section, key, value.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("station", "name", "\"vm-1\""),
    ("dock", "settle_seconds", "0.5"),
    ("dock", "bays", BAYS),
    ("spool", "reserve_bytes", "67108864"),
    ("store", "endpoint", "\"http://127.0.0.1:8333\""),
    ("store", "retention_days", "1"),
    ("store", "credentials_file", "\"store-credentials.toml\""),
    ("log", "level", "\"info,camdock=debug\""),
];

/// The first four ports have names, and one is for imports; the others are numbered by the station. QEMU's ports have one number on both buses.
const BAYS: &str = r#"[
    { name = "left 1", ports = ["pci-0000:00:04.0-usb-0:1"] },
    { name = "left 2", ports = ["pci-0000:00:04.0-usb-0:2"] },
    { name = "left 3", ports = ["pci-0000:00:04.0-usb-0:3"] },
    { name = "left 4", ports = ["pci-0000:00:04.0-usb-0:4"] },
    { name = "counter", ports = ["pci-0000:00:04.0-usb-0:8"], import = true },
]"#;

/// As in `guest/s3.json`.
const CREDENTIALS: &str =
    "access_key_id = \"camdockadmin\"\nsecret_access_key = \"camdockadminsecret\"\n";

/// The recipients' private keys stand for those of another machine: the service cannot read them.
const KEYS: &[&str] = &[
    "install -d -m 0700 /root/keys; install -d -m 0755 /etc/camdock/recipients",
    "camdock keygen recipient --out /root/keys/evidence",
    "camdock keygen recipient --curve p256 --out /root/keys/escrow",
    "camdock keygen confirmer --name viewer.test --out /root/keys/viewer",
    "for name in evidence escrow; do install -m 0644 /root/keys/$name.pub.pem /etc/camdock/recipients/$name.pem; done",
    "chown camdock /etc/camdock/store-credentials.toml; chmod 0600 /etc/camdock/store-credentials.toml",
    "install -d -o camdock -g camdock -m 0700 /var/lib/camdock",
    "runuser -u camdock -- camdock keygen station",
];

/// The place where a file of `systemd/` is installed, by its kind.
fn place(relative: &Path) -> String {
    let name = relative.file_name().unwrap().to_str().unwrap();
    let (stem, kind) = name.rsplit_once('.').unwrap();
    match kind {
        "sysusers" => format!("/usr/lib/sysusers.d/{stem}.conf"),
        "tmpfiles" => format!("/usr/lib/tmpfiles.d/{stem}.conf"),
        "rules" => format!("/usr/lib/udev/rules.d/{name}"),
        // An optional drop-in is installed as an example, as in the package.
        "conf" => format!("/usr/share/doc/camdock/examples/{name}"),
        "service" | "timer" | "socket" | "target" | "slice" => {
            format!("/usr/lib/systemd/system/{name}")
        }
        _ => panic!("tests/vm does not know where {name} of systemd/ belongs"),
    }
}

/// Sets keys in the shipped text, each in its section, and keeps the comments.
fn edited(text: &str, settings: &[(&str, &str, &str)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (section, key, value) in settings {
        let head = format!("[{section}]");
        let from = lines.iter().position(|line| *line == head).unwrap();
        let line = lines[from..].iter_mut().find(|line| {
            let line = line.strip_prefix('#').unwrap_or(line);
            line.split_once(" = ")
                .is_some_and(|(found, _)| found == *key)
        });
        *line.unwrap_or_else(|| panic!("[{section}] has no {key}")) = format!("{key} = {value}");
    }
    lines.join("\n") + "\n"
}

/// A program that the tests were built with, without symbols and debug information.
fn stripped(program: &str) -> Vec<u8> {
    let out = tempfile::NamedTempFile::new().unwrap();
    let stripped = Command::new("strip")
        .arg("-o")
        .arg(out.path())
        .arg(program)
        .status();
    assert!(stripped.unwrap().success());
    fs::read(out.path()).unwrap()
}

/// Every file below a folder with its path inside, in order.
fn files(top: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let inside = path.strip_prefix(top).unwrap().to_owned();
                found.push((path, inside));
            }
        }
    }
    found.sort();
    found
}

fn put(path: &str, mode: u32, bytes: Vec<u8>) -> Step {
    Step::Put {
        path: path.to_owned(),
        mode,
        bytes,
    }
}

fn run(line: &str) -> Step {
    Step::Run {
        line: line.to_owned(),
        code: 0,
    }
}
