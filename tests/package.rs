//! The Debian package and the units: what is in them, and that installing, upgrading, removing and purging keep evidence.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn top(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned();
    assert!(
        status.success(),
        "{command:?}\n{said}\n{}",
        String::from_utf8_lossy(&stderr)
    );
    said
}

/// A plain root folder with a package database of its own.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        for dir in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
            fs::create_dir_all(root.at(dir)).unwrap();
        }
        fs::write(root.at("var/lib/dpkg/status"), "").unwrap();
        root
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    #[track_caller]
    fn dpkg(&self, arguments: &[&str], environment: &[(&str, &str)]) -> String {
        run(Command::new("dpkg")
            .arg(format!("--root={}", self.0.path().display()))
            .args([
                "--force-script-chrootless",
                "--force-not-root",
                "--force-depends",
                "--force-confold",
                "--log=/dev/null",
            ])
            .args(arguments)
            .envs(environment.iter().copied()))
    }
}

/// The packages of one version, as make.sh prints them: the program, the station, the office, the debug symbols.
fn packages(out: &Path, version: &str) -> [String; 4] {
    let program = Path::new(env!("CARGO_BIN_EXE_camdock"));
    let made = run(Command::new(top("systemd/deb/make.sh"))
        .arg(program.parent().unwrap())
        .arg(out)
        .arg(version)
        .env("DPKG_DEB_COMPRESSOR_TYPE", "none"));
    let made: Vec<_> = made.lines().map(str::to_owned).collect();
    let made: [String; 4] = made.try_into().unwrap();
    for (path, name) in made.iter().zip(["", "-station", "-office", "-dbgsym"]) {
        assert!(path.contains(&format!("camdock{name}_")), "{made:?}");
    }
    made
}

#[test]
fn package_install_upgrade_remove_and_purge_keep_the_evidence_and_the_administrators_edits() {
    let out = tempfile::tempdir().unwrap();
    let [old, old_station, old_office, _] = packages(out.path(), "0.1.0");
    let [new, station, office, _] = packages(out.path(), "0.1.1");
    let root = Root::new();
    let said = root.dpkg(&["-i", &old, &old_station], &[]);
    assert!(said.contains("camdock check"), "{said}");
    // A station is no office.
    for file in [
        "usr/lib/systemd/system/camdock-office.service",
        "usr/lib/sysusers.d/camdock-office.conf",
        "etc/camdock-office",
    ] {
        assert!(!root.at(file).exists(), "{file} is on a station");
    }
    for file in [
        "usr/bin/camdock",
        "usr/lib/camdock/camdock-preview",
        "usr/lib/camdock/camdock-mount",
        "usr/lib/camdock/camdock-wipe",
        "usr/lib/systemd/system/camdock.service",
        "usr/lib/systemd/system/camdock-verify.timer",
        "usr/lib/systemd/system/camdock-gaps.timer",
        "usr/lib/systemd/system/camdock-wipe.socket",
        "usr/lib/systemd/system/camdock-wipe@.service",
        "usr/share/doc/camdock/examples/wipe.toml",
        "usr/share/doc/camdock/examples/office.toml",
        "usr/share/doc/camdock/examples/confirm-policy.json",
        "usr/share/doc/camdock/examples/open-policy.json",
        "usr/share/doc/camdock/docs/operations.md",
        "usr/share/doc/camdock/docs/pictures/officers.png",
        "usr/share/man/man1/camdock-confirm.1.gz",
        "usr/lib/sysusers.d/camdock.conf",
        "usr/lib/tmpfiles.d/camdock.conf",
        "usr/share/man/man1/camdock.1.gz",
        "usr/share/man/man1/camdock-verify.1.gz",
        "usr/share/man/man7/camdock-codes.7.gz",
        "usr/share/bash-completion/completions/camdock",
        "usr/share/zsh/vendor-completions/_camdock",
        "usr/share/fish/vendor_completions.d/camdock.fish",
        "usr/share/doc/camdock/examples/station-policy.json",
        "etc/camdock/camdock.toml",
        "etc/camdock/profiles/folder.toml",
    ] {
        assert!(root.at(file).exists(), "{file} is not in the package");
    }
    // Nothing is wiped unless root writes this file.
    assert!(!root.at("etc/camdock/wipe.toml").exists());
    let installed = root.at("usr/bin/camdock");
    assert!(run(Command::new(&installed).arg("--version")).starts_with("camdock "));
    let page = run(Command::new("gzip")
        .arg("-dc")
        .arg(root.at("usr/share/man/man1/camdock-run.1.gz")));
    assert!(page.contains("drain"), "{page}");

    // The administrator's edit and the station's state.
    let config = root.at("etc/camdock/camdock.toml");
    let edited = fs::read_to_string(&config)
        .unwrap()
        .replace("leeds-north-1", "york-2");
    fs::write(&config, &edited).unwrap();
    let spool = root.at("var/lib/camdock/spool");
    fs::create_dir_all(&spool).unwrap();
    fs::write(spool.join("in-flight.sealed"), b"the only copy").unwrap();
    // Where camdock.service proposes that keys lie.
    let key = root.at("etc/camdock/credentials/station.key");
    fs::create_dir_all(key.parent().unwrap()).unwrap();
    fs::write(&key, b"not to be had again").unwrap();
    root.dpkg(&["-i", &new, &station], &[]);
    assert_eq!(fs::read_to_string(&config).unwrap(), edited);
    root.dpkg(&["-r", "camdock-station", "camdock"], &[]);
    assert!(!installed.exists() && config.exists());
    let said = root.dpkg(&["-P", "camdock-station"], &[]);
    assert!(!config.exists());
    assert!(
        said.contains("Kept:") && said.contains("credentials"),
        "{said}"
    );
    assert!(key.exists());
    assert_eq!(
        fs::read(spool.join("in-flight.sealed")).unwrap(),
        b"the only copy"
    );

    root.dpkg(&["-i", &new, &station], &[]);
    root.dpkg(
        &["-P", "camdock-station"],
        &[("CAMDOCK_PURGE_EVIDENCE", "yes")],
    );
    assert!(spool.exists(), "a mere yes is not enough");
    root.dpkg(&["-i", &station], &[]);
    let sure = (
        "CAMDOCK_PURGE_EVIDENCE",
        "delete all evidence on this station",
    );
    root.dpkg(&["-P", "camdock-station"], &[sure]);
    assert!(!spool.exists() && !key.exists());

    // An office is no station, and keeps its edits and its keys in the same way.
    let said = root.dpkg(&["-i", &old_office], &[]);
    assert!(said.contains("camdock office check"), "{said}");
    let unit = root.at("usr/lib/systemd/system/camdock-office.service");
    assert!(unit.exists() && root.at("usr/lib/sysusers.d/camdock-office.conf").exists());
    assert!(!root.at("usr/lib/systemd/system/camdock.service").exists());
    let config = root.at("etc/camdock-office/office.toml");
    fs::write(&config, "# edited\n").unwrap();
    let keys = root.at("var/lib/camdock-office/keys");
    fs::create_dir_all(&keys).unwrap();
    root.dpkg(&["-i", &office], &[]);
    assert_eq!(fs::read_to_string(&config).unwrap(), "# edited\n");
    let said = root.dpkg(&["-P", "camdock-office"], &[]);
    assert!(said.contains("Kept:") && keys.exists(), "{said}");
    assert!(!config.exists() && !unit.exists());
    root.dpkg(&["-i", &office], &[]);
    let sure = ("CAMDOCK_PURGE_OFFICE", "delete this office's keys and log");
    root.dpkg(&["-P", "camdock-office"], &[sure]);
    assert!(!keys.exists());
}

/// The libraries that a program names itself; the loader may need more for those.
fn libraries(program: &str) -> Vec<String> {
    let headers = run(Command::new("objdump").arg("-p").arg(program));
    let needed = headers
        .lines()
        .filter_map(|line| line.trim().strip_prefix("NEEDED"));
    needed.map(|name| name.trim().to_owned()).collect()
}

#[test]
fn programs_that_run_as_root_link_the_c_library_alone_and_hold_no_s3_client() {
    for program in [
        env!("CARGO_BIN_EXE_camdock-mount"),
        env!("CARGO_BIN_EXE_camdock-wipe"),
    ] {
        for library in libraries(program) {
            let known = ["libc.so.", "libgcc_s.so.", "libm.so.", "ld-linux"];
            assert!(
                known.iter().any(|known| library.starts_with(known)),
                "{program} needs {library}"
            );
        }
        let symbols = run(Command::new("nm").arg(program));
        assert!(symbols.contains("camdock4root"), "{program} has no symbols");
        for foreign in ["aws_sdk_s3", "aws_smithy", "ffmpeg", "avcodec", "hyper"] {
            assert!(!symbols.contains(foreign), "{program} holds {foreign}");
        }
    }
    // The search above finds what is really there.
    assert!(run(Command::new("nm").arg(env!("CARGO_BIN_EXE_camdock"))).contains("aws_sdk_s3"));
}

#[test]
fn only_the_preview_worker_loads_ffmpeg() {
    let ffmpeg = |program| {
        let mut libraries = libraries(program).into_iter();
        libraries.any(|name| name.starts_with("libav") || name.starts_with("libsw"))
    };
    assert!(ffmpeg(env!("CARGO_BIN_EXE_camdock-preview")));
    assert!(!ffmpeg(env!("CARGO_BIN_EXE_camdock")));
}

#[test]
fn the_package_is_stripped_and_its_symbols_and_licences_are_beside_it() {
    let out = tempfile::tempdir().unwrap();
    let root = out.path().join("root");
    for package in packages(out.path(), "0.1.0") {
        run(Command::new("dpkg-deb").arg("-x").arg(package).arg(&root));
    }
    for program in ["usr/bin/camdock", "usr/lib/camdock/camdock-wipe"] {
        let sections = |file: PathBuf| run(Command::new("objdump").arg("-h").arg(file));
        let stripped = sections(root.join(program));
        assert!(!stripped.contains(".debug_line") && stripped.contains(".gnu_debuglink"));
        let symbols = root.join(format!("usr/lib/debug/{program}.debug"));
        assert!(sections(symbols).contains(".debug_line"));
    }
    let notices = fs::read_to_string(root.join("usr/share/doc/camdock/copyright")).unwrap();
    for word in [
        "ring ",
        "aws-sdk-s3 ",
        "Apache License",
        "ISC",
        "libavcodec",
    ] {
        assert!(notices.contains(word), "{word} is not in the notices");
    }
    assert!(notices.contains(&fs::read_to_string(top("LICENSE-MIT")).unwrap()));
}

#[test]
fn the_units_are_hardened_to_two_or_better() {
    for unit in [
        "systemd/camdock.service",
        "systemd/camdock-verify.service",
        "systemd/camdock-gaps.service",
        "systemd/camdock-office.service",
        "systemd/camdock-keydesk.service",
        "systemd/camdock-disposer.service",
        "systemd/camdock-sharereader.service",
    ] {
        run(Command::new("systemd-analyze")
            .args(["security", "--no-pager", "--offline=true", "--threshold=20"])
            .arg(top(unit)));
    }
}

#[test]
fn the_service_reaches_no_device_but_usb() {
    let unit = fs::read_to_string(top("systemd/camdock.service")).unwrap();
    let set = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim);
        let devices = lines.filter(|l| l.starts_with("Device") || l.starts_with("Supplementary"));
        devices.map(str::to_owned).collect()
    };
    assert_eq!(
        set(&unit),
        ["DevicePolicy=closed", "DeviceAllow=char-usb_device rw"]
    );
}

#[test]
fn the_mount_helper_is_as_confined_as_a_mount_that_the_station_sees_allows() {
    run(Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=true", "--threshold=36"])
        .arg(top("systemd/camdock-mount@.service")));
}

#[test]
fn every_unit_bounds_its_memory() {
    let mut bounded = 0;
    for entry in fs::read_dir(top("systemd")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "service") {
            let unit = fs::read_to_string(&path).unwrap();
            assert!(unit.contains("\nMemoryMax="), "{}", path.display());
            bounded += 1;
        }
    }
    assert!(bounded >= 5);
}

#[test]
fn the_wiping_helper_is_as_confined_as_making_a_medium_writable_allows() {
    run(Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=true", "--threshold=35"])
        .arg(top("systemd/camdock-wipe@.service")));
}
