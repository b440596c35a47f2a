mod first_lock;
mod preview;
mod profiles;
mod secrets;
mod watch;
mod web;
mod witness;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::model::Explain as _;

const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LWJ5dGVz\n-----END PRIVATE KEY-----\n";

struct ConfigDir(tempfile::TempDir);

impl ConfigDir {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("a.pem", PUBLIC);
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn load(&self, text: &str) -> Result<Loaded, ConfigError> {
        Config::load(&self.write("camdock.toml", text))
    }

    /// With `line` put into a section of an otherwise good file.
    fn with(&self, section: &str, line: &str) -> Result<Loaded, ConfigError> {
        self.load(&good(section, line))
    }
}

fn good(section: &str, line: &str) -> String {
    let mut lines = Vec::new();
    for (name, essential) in [
        ("station", "name = \"s\""),
        ("dock", "folders = [{ path = \"media\" }]"),
        ("seal", "recipients = [\"a.pem\"]"),
        ("spool", ""),
        ("store", "bucket = \"evidence\"\nretention_days = 1"),
        ("upload", ""),
        ("ingest", ""),
        ("witness", ""),
        ("log", ""),
    ] {
        let key = line.split_inclusive('=').next().unwrap_or("=");
        lines.push(format!("[{name}]"));
        if name == section {
            lines.push(line.to_owned());
            let kept = essential.lines().filter(|l| !l.starts_with(key));
            lines.extend(kept.map(str::to_owned));
        } else {
            lines.push(essential.to_owned());
        }
    }
    lines.join("\n")
}

fn line_of(text: &str, needle: &str) -> usize {
    1 + text.lines().position(|line| line.contains(needle)).unwrap()
}

#[test]
fn a_misspelt_key_is_named_with_its_line_and_the_nearest_known_one() {
    let place = ConfigDir::new();
    for (section, line, nearest) in [
        ("station", "nmae = \"x\"", "name"),
        ("station", "sate_dir = \"x\"", "state_dir"),
        ("dock", "settle_second = 1", "settle_seconds"),
        ("seal", "frame_lenght = 65536", "frame_length"),
        ("store", "Bucket = \"x\"", "bucket"),
        ("store", "retention-days = 3", "retention_days"),
        ("upload", "paces = []", "pace"),
        (
            "upload",
            "pace = [{ from = \"07:00\", too = \"08:00\", megabits_per_second = 1 }]",
            "to",
        ),
        (
            "dock",
            "folders = [{ path = \"x\", profil = \"y\" }]",
            "profile",
        ),
        ("store", "retention = \"complience\"", "compliance"),
        ("ingest", "accept_unknown = \"quarantaine\"", "quarantine"),
        ("log", "format = \"jsn\"", "json"),
    ] {
        let error = place.with(section, line).unwrap_err();
        let shown = error.to_string();
        let number = line_of(&good(section, line), line);
        assert!(
            shown.contains(&format!("camdock.toml:{number}:")),
            "{line}: {shown}"
        );
        assert!(
            shown.contains(&format!("did you mean `{nearest}`?")),
            "{line}: {shown}"
        );
        assert!(error.next_step().contains(nearest), "{line}");
    }
}

#[test]
fn an_unknown_key_near_to_none_lists_what_is_known() {
    let place = ConfigDir::new();
    let error = place.with("log", "colour = true").unwrap_err();
    assert!(!error.to_string().contains("did you mean"), "{error}");
    assert!(
        error.next_step().contains("format, level"),
        "{}",
        error.next_step()
    );
    let error = place.load("[sotre]\n").unwrap_err();
    assert!(
        error.to_string().contains("did you mean `store`?"),
        "{error}"
    );
}

#[test]
fn a_secret_in_the_file_is_refused_with_the_place_where_secrets_go_and_never_shown() {
    let place = ConfigDir::new();
    for line in [
        "secret_key = \"hunter2hunter2\"",
        "secret_access_key = \"hunter2hunter2\"",
        "access_key = \"hunter2hunter2\"",
        "password = \"hunter2hunter2\"",
        "session-token = \"hunter2hunter2\"",
    ] {
        let error = place.with("store", line).unwrap_err();
        assert!(matches!(error, ConfigError::SecretInFile { .. }), "{error}");
        let all = format!("{error} {error:?} {}", error.next_step());
        assert!(
            all.contains("credentials_file") && all.contains("systemd"),
            "{all}"
        );
        assert!(!all.contains("hunter2"), "{all}");
    }
    // Nor a secret that stands where another type belongs.
    let error = place.with("upload", "part_size = \"hunter2\"").unwrap_err();
    assert!(matches!(error, ConfigError::Syntax { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}

#[test]
fn a_private_key_where_a_public_one_belongs_is_refused_and_never_shown() {
    let place = ConfigDir::new();
    for text in [
        PRIVATE.to_owned(),
        format!("{PUBLIC}{PRIVATE}"),
        PRIVATE.replace("PRIVATE", "EC PRIVATE"),
        PRIVATE.replace("PRIVATE", "ENCRYPTED PRIVATE"),
    ] {
        place.write("b.pem", text);
        let error = place
            .with("seal", "recipients = [\"a.pem\", \"b.pem\"]")
            .unwrap_err();
        assert!(matches!(error, ConfigError::PrivateKey { .. }), "{error}");
        let all = format!("{error} {error:?} {}", error.next_step());
        assert!(all.contains("b.pem") && !all.contains("c2VjcmV0"), "{all}");
    }
}

#[test]
fn a_recipient_file_without_a_public_key_is_refused() {
    let place = ConfigDir::new();
    place.write("text.pem", "hello");
    place.write("binary.pem", [0x30, 0x82, 0xff, 0xfe]);
    place.write("large.pem", vec![b'a'; 70_000]);
    place.write("certificate.pem", "-----BEGIN CERTIFICATE-----\n");
    for name in [
        "text.pem",
        "binary.pem",
        "large.pem",
        "certificate.pem",
        "absent.pem",
    ] {
        let error = place
            .with("seal", &format!("recipients = [{name:?}]"))
            .unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let error = place
        .with("seal", "recipients = [\"a.pem\", \"a.pem\"]")
        .unwrap_err();
    assert!(error.to_string().contains("same key twice"), "{error}");
}

#[test]
fn every_missing_essential_is_named_at_once() {
    let error = ConfigDir::new().load("").unwrap_err();
    let ConfigError::Several { problems, .. } = &error else {
        panic!("{error}");
    };
    let missing: Vec<_> = problems
        .iter()
        .map(|problem| match problem {
            ConfigError::Missing { key, .. } => *key,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(
        missing,
        ["name", "folders", "recipients", "bucket", "retention_days"]
    );
    assert!(error.next_step().contains("retention = \"none\""));
}

#[test]
fn values_out_of_range_are_refused_with_their_line_and_a_fix() {
    let place = ConfigDir::new();
    for (section, line) in [
        ("station", "name = \"Leeds North\""),
        ("station", "name = \"../x\""),
        ("station", "log_origin = \"a b\""),
        ("station", "log_origin = \"a+b\""),
        ("station", "time_zone = \"Mars/Olympus\""),
        ("dock", "folders = [{ path = \"a\" }, { path = \"a/b\" }]"),
        ("dock", "folders = [{ path = \"a\" }, { path = \"a\" }]"),
        ("dock", "folders = [{ path = \"/\" }]"),
        ("dock", "scan_interval_seconds = 0"),
        (
            "dock",
            "bays = [{ name = \"\", ports = [\"pci-0-usb-0:1\"] }]",
        ),
        ("dock", "bays = [{ name = \"a\", ports = [] }]"),
        ("dock", "bays = [{ name = \"a\", ports = [\"1-3\"] }]"),
        (
            "dock",
            "bays = [{ name = \"a\", ports = [\"p-usb-0:1\"] }, { name = \"b\", ports = [\"p-usb-0:1\"] }]",
        ),
        ("dock", "scan_interval_seconds = nan"),
        ("dock", "settle_seconds = -1"),
        ("dock", "settle_seconds = inf"),
        ("seal", "frame_length = 0"),
        ("seal", "frame_length = 65535"),
        ("seal", "frame_length = 65537"),
        ("seal", "frame_length = 1052672"),
        ("store", "bucket = \"ab\""),
        ("store", "bucket = \"Evidence\""),
        ("store", "bucket = \"a..b\""),
        ("store", "endpoint = \"s3.example\""),
        ("store", "endpoint = \"https://\""),
        ("store", "endpoint = \"https://key:secret@s3.example\""),
        ("store", "prefix = \"leeds\""),
        ("store", "prefix = \"/\""),
        ("store", "prefix = \"a//\""),
        ("store", "prefix = \"a/../\""),
        ("store", "region = \"\""),
        ("store", "retention_days = 0"),
        ("upload", "parts_in_flight = 0"),
        ("upload", "part_size = 5242879"),
        (
            "upload",
            "pace = [{ from = \"7:00\", to = \"19:00\", megabits_per_second = 1 }]",
        ),
        (
            "upload",
            "pace = [{ from = \"07:00\", to = \"25:00\", megabits_per_second = 1 }]",
        ),
        (
            "upload",
            "pace = [{ from = \"07:00\", to = \"07:00\", megabits_per_second = 1 }]",
        ),
        (
            "upload",
            "pace = [{ from = \"07:00\", to = \"08:00\", megabits_per_second = 0 }]",
        ),
        (
            "upload",
            "pace = [{ from = \"22:00\", to = \"06:00\", megabits_per_second = 1 }, { from = \"05:00\", to = \"07:00\", megabits_per_second = 1 }]",
        ),
        ("spool", "reserve_bytes = 0"),
        ("spool", "reserve_bytes = 16777215"),
        ("ingest", "max_files = 0"),
        ("ingest", "earliest_year = 1980"),
        ("ingest", "parallel_cameras = 1000"),
        ("log", "level = \"camdock=loud\""),
        ("log", "level = \"\""),
    ] {
        let error = place
            .with(section, line)
            .err()
            .unwrap_or_else(|| panic!("{line}"));
        let key = line.split(' ').next().unwrap();
        let shown = error.to_string();
        let number = line_of(&good(section, line), line);
        assert!(
            shown.contains(&format!("camdock.toml:{number}:")),
            "{line}: {shown}"
        );
        assert!(shown.contains(&format!("`{key}`")), "{line}: {shown}");
        assert!(!error.next_step().is_empty(), "{line}");
    }
    let text = good("store", "retention = \"none\"");
    let error = place.load(&text).unwrap_err();
    assert!(error.to_string().contains("contradicts"), "{error}");
}

#[test]
fn a_file_that_is_no_toml_gives_its_line() {
    let place = ConfigDir::new();
    let error = place.load("[station]\nname = \n").unwrap_err();
    assert!(error.to_string().contains("camdock.toml:2:"), "{error}");
    let file = place.write("camdock.toml", b"[station]\n\nname = \"\xff\"");
    let error = Config::load(&file).unwrap_err();
    assert!(error.to_string().contains("camdock.toml:3:"), "{error}");
    let error = Config::load(&place.at("absent.toml")).unwrap_err();
    assert_eq!(error.label(), "config_unreadable");
    let error = Config::load(&place.write("camdock.toml", "#".repeat(2 << 20))).unwrap_err();
    assert_eq!(error.label(), "config_too_large");
    let deep = format!("x = {}", "[".repeat(500_000));
    assert!(place.load(&deep).is_err());
}

#[test]
fn relative_paths_are_meant_from_the_files_folder() {
    let place = ConfigDir::new();
    let config = place.with("spool", "dir = \"sp\"").unwrap().config;
    assert_eq!(config.spool.dir, place.at("sp"));
    assert_eq!(config.dock.folders[0].path, place.at("media"));
    let config = place
        .with("station", "state_dir = \"state\"")
        .unwrap()
        .config;
    assert_eq!(config.files.state_dir(), place.at("state"));
    assert_eq!(config.spool.dir, place.at("state/spool"));
}

#[test]
fn what_weakens_the_promises_is_warned_of() {
    let place = ConfigDir::new();
    let warned = |section: &str, line: &str, word: &str| {
        let loaded = place.with(section, line).unwrap();
        loaded.warnings.iter().any(|warning| warning.contains(word))
    };
    assert!(warned("log", "level = \"info\"", "one recipient only"));
    assert!(warned(
        "store",
        "endpoint = \"http://s3.example\"",
        "without TLS"
    ));
    for fine in [
        "http://127.0.0.1:8333",
        "http://localhost:1",
        "http://[::1]:80/x",
        "https://s3.example",
    ] {
        assert!(
            !warned("store", &format!("endpoint = {fine:?}"), "without TLS"),
            "{fine}"
        );
    }
    let text = good("store", "retention = \"none\"").replace("retention_days = 1", "");
    let warnings = place.load(&text).unwrap().warnings;
    assert!(
        warnings.iter().any(|w| w.contains("No retention")),
        "{warnings:?}"
    );
}

#[test]
fn a_dock_folder_with_an_unknown_profile_is_refused() {
    let place = ConfigDir::new();
    let line = "folders = [{ path = \"m\", profile = \"acme\" }]";
    let error = place.with("dock", line).unwrap_err();
    assert!(
        error.to_string().contains("acme") && error.next_step().contains("folder"),
        "{error}"
    );
    place.write("profiles/acme.toml", "make = \"acme\"");
    let loaded = place.with("dock", line).unwrap();
    let profile = loaded.profiles.get("acme").unwrap();
    assert_eq!(profile.make.as_deref(), Some("acme"));
    // On a reload, the one in use must not vanish.
    fs::remove_file(place.at("profiles/acme.toml")).unwrap();
    assert!(Profiles::reload(&loaded.config).is_err());
}

#[test]
fn wrong_profiles_are_refused() {
    let place = ConfigDir::new();
    for (name, text, expected) in [
        ("x.toml", "vidoe = []", "did you mean `video`"),
        ("x.toml", "video = [\"[\"]", "`video` has the pattern"),
        ("x.toml", "make = \"a b\"", "x.toml:1: `make`"),
        (
            "x.toml",
            "identity = [\"serial\"]",
            "unknown value `serial`",
        ),
        ("x y.toml", "", "is not a profile name"),
    ] {
        let path = place.write(&format!("profiles/{name}"), text);
        let error = Profiles::load(&place.at("profiles")).unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
        fs::remove_file(path).unwrap();
    }
    place.write("profiles/.x.toml.swp.toml", "junk");
    place.write("profiles/readme.md", "junk");
    assert_eq!(
        Profiles::load(&place.at("profiles"))
            .unwrap()
            .names()
            .count(),
        Profiles::builtin().names().count()
    );
}

#[test]
fn pace_follows_the_local_time_of_day_even_over_midnight() {
    let line = "pace = [{ from = \"07:00\", to = \"19:00\", megabits_per_second = 20 }, { from = \"22:30\", to = \"06:00\", megabits_per_second = 0.8 }]";
    let pace = ConfigDir::new()
        .with("upload", line)
        .unwrap()
        .config
        .upload
        .pace;
    for (time, expected) in [
        ("06:59:59", None),
        ("07:00:00", Some(2_500_000)),
        ("18:59:59", Some(2_500_000)),
        ("19:00:00", None),
        ("22:30:00", Some(100_000)),
        ("00:00:00", Some(100_000)),
        ("05:59:59", Some(100_000)),
        ("06:00:00", None),
    ] {
        assert_eq!(pace.limit_at(time.parse().unwrap()), expected, "{time}");
    }
    let line = "pace = [{ from = \"00:00\", to = \"24:00\", megabits_per_second = 1 }]";
    let pace = ConfigDir::new()
        .with("upload", line)
        .unwrap()
        .config
        .upload
        .pace;
    assert_eq!(pace.limit_at("23:59:59".parse().unwrap()), Some(125_000));
}
