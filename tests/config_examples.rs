//! The shipped examples work, and the defaults that they show are the real ones.

use std::fs;
use std::path::Path;

use camdock::config::{
    Config, ConfigError, DisposerConfig, KeyDeskConfig, Loaded, OfficeConfig, Profiles, Roster,
    Secrets, ShareReaderConfig,
};
use camdock::model::CameraId;

const P384: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEQcyLPN8ZIKmlPyqgw3uFamQnQnsHzGo0
MmNjuJq1VRjjotlkhx3zHj5TWyd/jARyd2y+zE9NJwvTWD0GxiFqWLpdPsM0YR86
tx79eSE++zzlz7CW+nh9Ze0jVlzhlETX
-----END PUBLIC KEY-----
";
const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE5/Mvndu/iuXoeDgnW2MJGDQZeAek
wkkyyNp+qdIIIAxrHJusb4EfR1bpgHd//d5IxxjAwqjIB8DDRbDtrDh7Ug==
-----END PUBLIC KEY-----
";

fn shipped(name: &str) -> String {
    fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("config")
            .join(name),
    )
    .unwrap()
}

/// The examples laid out as in /etc/camdock, with `camdock.toml` replaced by `text`.
fn load(text: &str) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("recipients")).unwrap();
    fs::create_dir_all(at("profiles")).unwrap();
    fs::write(at("recipients/evidence.pem"), P384).unwrap();
    fs::write(at("recipients/escrow.pem"), P256).unwrap();
    fs::write(at("roster.toml"), shipped("roster.toml")).unwrap();
    fs::write(at("profiles/folder.toml"), shipped("profiles/folder.toml")).unwrap();
    fs::write(at("camdock.toml"), text).unwrap();
    let mut loaded = Config::load(&at("camdock.toml")).unwrap_or_else(|e| panic!("{e}"));
    // These differ only by folder and text.
    loaded.config.sha256 = camdock::model::Sha256Digest::of(b"");
    loaded
}

/// Uncomments every `#key = value` line.
fn with_defaults_spelled_out(text: &str) -> (String, usize) {
    let mut count = 0;
    let lines: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => {
                count += 1;
                rest
            }
            _ => line,
        })
        .collect();
    (lines.join("\n"), count)
}

fn without_place(loaded: &Loaded) -> String {
    let place = loaded.config.path.parent().unwrap().to_str().unwrap();
    format!("{:#?}", loaded.config).replace(place, "")
}

#[test]
fn the_shipped_configuration_loads_without_a_warning() {
    let loaded = load(&shipped("camdock.toml"));
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(loaded.config.station.name.as_str(), "leeds-north-1");
    assert_eq!(loaded.config.station.log_origin, "camdock/leeds-north-1");
    assert_eq!(loaded.config.seal.recipients.len(), 2);
    assert_eq!(loaded.roster.len(), 2);
}

#[test]
fn each_documented_default_is_the_codes_default() {
    let text = shipped("camdock.toml");
    let (spelled, count) = with_defaults_spelled_out(&text);
    assert!(count > 20, "only {count} documented defaults were found");
    let (plain, spelled) = (load(&text), load(&spelled));
    assert_eq!(without_place(&plain), without_place(&spelled));
    // The comparison can fail: it notices a changed default.
    let changed = text.replace("#keep_hours = 0", "keep_hours = 1");
    assert_ne!(without_place(&plain), without_place(&load(&changed)));
}

#[test]
fn the_key_desks_example_loads_and_its_documented_defaults_are_the_codes() {
    let dir = tempfile::tempdir().unwrap();
    let load = |text: &str| {
        let path = dir.path().join("keydesk.toml");
        fs::write(&path, text).unwrap();
        KeyDeskConfig::load(&path).unwrap_or_else(|e| panic!("{e}"))
    };
    let text = shipped("keydesk.toml");
    let (plain, warnings) = load(&text);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(plain.office.as_str(), "leeds-office");
    let (spelled, count) = with_defaults_spelled_out(&text);
    assert!(count > 8, "only {count} documented defaults were found");
    assert_eq!(format!("{plain:#?}"), format!("{:#?}", load(&spelled).0));
    let changed = text.replace("#every_milliseconds = 500", "every_milliseconds = 501");
    assert_ne!(format!("{plain:#?}"), format!("{:#?}", load(&changed).0));
    documented(&text, KeyDeskConfig::known_keys());
}

#[test]
fn the_disposers_example_loads_its_documented_defaults_are_the_codes_and_it_waits_a_day_at_least() {
    let dir = tempfile::tempdir().unwrap();
    let load = |text: &str| {
        let path = dir.path().join("disposer.toml");
        fs::write(&path, text).unwrap();
        DisposerConfig::load(&path)
    };
    let loaded = |text: &str| load(text).unwrap_or_else(|e| panic!("{e}"));
    let text = shipped("disposer.toml");
    let (plain, warnings) = loaded(&text);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(plain.office.as_str(), "leeds-office");
    let (spelled, count) = with_defaults_spelled_out(&text);
    assert!(count > 8, "only {count} documented defaults were found");
    assert_eq!(format!("{plain:#?}"), format!("{:#?}", loaded(&spelled).0));
    documented(&text, DisposerConfig::known_keys());
    let hasty = text.replace("#wait_hours = 24", "wait_hours = 23");
    assert!(load(&hasty).unwrap_err().to_string().contains("wait_hours"));
    let alone = text.replace("witness_office = \"wakefield-office\"", "");
    assert!(
        load(&alone)
            .unwrap_err()
            .to_string()
            .contains("witness_key")
    );
    let without: String = text
        .lines()
        .filter(|line| !line.starts_with("witness_"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let (plain, warnings) = loaded(&without);
    assert_eq!(plain.witness, None);
    assert!(warnings[0].contains("decides alone"), "{warnings:?}");
}

#[test]
fn the_share_readers_example_loads_and_its_documented_defaults_are_the_codes() {
    let dir = tempfile::tempdir().unwrap();
    let load = |text: &str| {
        let path = dir.path().join("sharereader.toml");
        fs::write(&path, text).unwrap();
        ShareReaderConfig::load(&path)
    };
    let fine = |text: &str| load(text).unwrap_or_else(|e| panic!("{e}"));
    let text = shipped("sharereader.toml");
    let (plain, warnings) = fine(&text);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(plain.pages.tokens.len(), 0);
    let (spelled, count) = with_defaults_spelled_out(&text);
    assert!(count > 8, "only {count} documented defaults were found");
    assert_eq!(format!("{plain:#?}"), format!("{:#?}", fine(&spelled).0));
    let changed = text.replace("#language = \"en\"", "language = \"de\"");
    assert_ne!(format!("{plain:#?}"), format!("{:#?}", fine(&changed).0));
    documented(&text, ShareReaderConfig::known_keys());
    // It is refused where others could read what the page hands out, or the token.
    let listen = "#listen = \"127.0.0.1:8487\"";
    for (from, to, key) in [
        (listen, "listen = \"0.0.0.0:8487\"", "listen"),
        (listen, "listen = \"\"", "listen"),
        ("https://evidence", "http://evidence", "office_address"),
        ("https://evidence", "https://a:b@evidence", "office_address"),
    ] {
        let refused = load(&text.replace(from, to)).unwrap_err().to_string();
        assert!(refused.contains(key), "{to}: {refused}");
    }
}

#[test]
fn the_offices_example_loads_and_its_documented_defaults_are_the_codes() {
    let dir = tempfile::tempdir().unwrap();
    let load = |text: &str| {
        let path = dir.path().join("office.toml");
        fs::write(&path, text).unwrap();
        OfficeConfig::load(&path).unwrap_or_else(|e| panic!("{e}"))
    };
    let text = shipped("office.toml");
    let (plain, warnings) = load(&text);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(plain.name.as_str(), "leeds-office");
    assert_eq!(plain.witness_name, "camdock-office/leeds-office");
    assert_eq!(plain.stations.len(), 1);
    let (spelled, count) = with_defaults_spelled_out(&text);
    assert!(count > 8, "only {count} documented defaults were found");
    assert_eq!(format!("{plain:#?}"), format!("{:#?}", load(&spelled).0));
    let changed = text.replace("#follow_seconds = 30", "follow_seconds = 31");
    assert_ne!(format!("{plain:#?}"), format!("{:#?}", load(&changed).0));
    documented(&text, OfficeConfig::known_keys());
    // Links to shares lead to where nobody reads along.
    let at = |address: &str| text.replace("[share]", &format!("[share]\naddress = \"{address}\""));
    let whole = load(&at("https://shares.police.example/")).0.share_address;
    assert_eq!(whole.as_deref(), Some("https://shares.police.example"));
    for wrong in [
        "http://shares.police.example",
        "shares.police.example",
        "/s",
    ] {
        let path = dir.path().join("office.toml");
        fs::write(&path, at(wrong)).unwrap();
        let refused = OfficeConfig::load(&path).unwrap_err().to_string();
        assert!(refused.contains("not an https address"), "{refused}");
    }
}

#[test]
fn the_examples_of_retention_load_in_an_office_and_name_classes_for_everything() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("office.toml");
    let office = shipped("office.toml");
    let (before, rest) = office.split_once("\n[retention]\n").unwrap();
    let (_, after) = rest.split_once("\n[pages]\n").unwrap();
    let load = |classes: &str| {
        fs::write(&path, format!("{before}\n{classes}\n[pages]\n{after}")).unwrap();
        OfficeConfig::load(&path)
    };
    for (name, least, longest) in [("england-and-wales", 31, 36_525), ("us", 180, 36_525)] {
        let text = shipped(&format!("retention/{name}.toml"));
        let (config, warnings) = load(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(warnings, Vec::<String>::new());
        let keeping = config.keeping;
        let days = |flagged| {
            let class = keeping.first_class(flagged).unwrap();
            keeping.classes[class].days
        };
        assert_eq!(days(false), least, "{name}");
        assert!(days(true) > least, "{name}");
        let all = keeping.classes.values().map(|class| class.days);
        assert_eq!(all.max(), Some(longest), "{name}");
    }
    for (wrong, said) in [
        ("[retention]\nunclassified = \"none\"", "names no class"),
        ("[class.a]\ndays = 0", "is out of range"),
        ("[class.A]\ndays = 1", "has a name that is none"),
        ("[retention]\nlock_ahead_days = 1", "lock_ahead_days"),
        ("[class.a]\ndays = 1\nyears = 2", "years"),
    ] {
        let error = load(wrong).unwrap_err().to_string();
        assert!(error.contains(said), "{wrong}: {error}");
    }
}

#[test]
fn each_known_key_is_documented_in_its_section() {
    documented(&shipped("camdock.toml"), Config::known_keys());
}

fn documented(text: &str, keys: Vec<(&str, &str)>) {
    for (section, key) in keys {
        let body = text
            .split_once(&format!("\n[{section}]\n"))
            .unwrap_or_else(|| panic!("[{section}] is not documented"))
            .1;
        let body = body.split_once("\n[").map_or(body, |(body, _)| body);
        assert!(
            body.lines().any(|line| line
                .trim_start_matches('#')
                .starts_with(&format!("{key} = "))),
            "{key} is not documented in [{section}]"
        );
    }
}

#[test]
fn the_shipped_profile_is_the_built_in_one_and_documents_each_key() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("folder.toml");
    let text = shipped("profiles/folder.toml");
    let (spelled, _) = with_defaults_spelled_out(&text);
    for text in [&text, &spelled] {
        fs::write(&file, text).unwrap();
        let profiles = Profiles::load(dir.path()).unwrap();
        assert_eq!(profiles.get("folder"), Profiles::builtin().get("folder"));
        assert_eq!(profiles.files.len(), 1);
    }
    fs::write(&file, "zzz = 1").unwrap();
    let Err(ConfigError::Unknown { known, .. }) = Profiles::load(dir.path()) else {
        panic!("an unknown key was accepted");
    };
    assert!(known.len() > 5);
    for key in known {
        assert!(
            text.contains(&format!("#{key} = ")) || text.contains(&format!("# {key} = ")),
            "{key} is not documented"
        );
    }
}

#[test]
fn each_shipped_profile_loads_and_those_of_built_in_names_are_the_built_in_ones() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/profiles");
    let (shipped, builtin) = (Profiles::load(&dir).unwrap(), Profiles::builtin());
    for profile in builtin.all() {
        assert_eq!(shipped.get(&profile.name), Some(profile));
    }
    assert!(shipped.files.len() > builtin.names().count());
    let locked = shipped.get("locked-control").unwrap();
    assert_eq!(locked.unlock.as_ref().unwrap().usb[0].vendor, Some(0x4255));
}

#[test]
fn the_shipped_roster_names_officers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/roster.toml");
    let roster = Roster::load(&path).unwrap();
    let camera = CameraId::new("acme", "X81234567").unwrap();
    assert_eq!(roster.get(&camera).unwrap().officer.0, "4711");
}

#[test]
fn the_shipped_credentials_file_is_read_once_its_mode_is_tight() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut config = load(&shipped("camdock.toml")).config;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store-credentials.toml");
    fs::write(&file, shipped("store-credentials.toml")).unwrap();
    config.store.credentials_file = Some(file.clone());
    let secrets = Secrets::from_environment();
    for mode in [0o644, 0o640, 0o604, 0o620] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let Err(error) = secrets.store(&config) else {
            panic!("mode {mode:o} was accepted");
        };
        assert!(
            matches!(error, ConfigError::SecretExposed { .. }),
            "{error}"
        );
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let Ok(credentials) = secrets.store(&config) else {
        panic!("mode 0600 was refused");
    };
    assert_eq!(credentials.access_key_id.as_str(), "replace-me");
}

#[test]
fn the_shipped_wipe_policy_asks_for_a_confirmation_and_its_keys_are_keys() {
    use camdock::audit::WipeTrust;
    use camdock::model::WipeLevel;
    let text = shipped("wipe.toml");
    for text in [text.clone(), with_defaults_spelled_out(&text).0] {
        let policy: camdock::config::WipePolicy = toml::from_str(&text).unwrap();
        assert!(policy.rehash && policy.level == WipeLevel::Confirmed);
        WipeTrust::new(policy.level, &policy.log_keys, &policy.confirmer_keys).unwrap();
    }
}
