use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn private(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn config(place: &ConfigDir) -> Config {
    place
        .with("station", "state_dir = \"state\"")
        .unwrap()
        .config
}

#[test]
fn keys_that_others_can_read_are_refused_with_the_command_that_mends_it() {
    let place = ConfigDir::new();
    let config = config(&place);
    let secrets = Secrets::new(None, |_| None);
    let error = secrets.wrap_key(&config).unwrap_err();
    assert!(
        error.next_step().contains("camdock keygen station"),
        "{error}"
    );
    let path = place.write("state/keys/wrap.key", [7; 32]);
    for mode in [0o644, 0o640, 0o660, 0o604] {
        private(&path, mode);
        let error = secrets.wrap_key(&config).unwrap_err();
        assert!(error.next_step().contains("chmod 0600"), "{error}");
    }
    for mode in [0o600, 0o400] {
        private(&path, mode);
        assert_eq!(*secrets.wrap_key(&config).unwrap(), [7; 32]);
    }
    place.write("state/keys/wrap.key", [7; 31]);
    private(&path, 0o600);
    assert!(
        secrets
            .wrap_key(&config)
            .unwrap_err()
            .to_string()
            .contains("32 bytes")
    );
}

#[test]
fn a_fifo_in_place_of_a_key_does_not_hang() {
    let place = ConfigDir::new();
    let config = config(&place);
    let path = place.at("state/keys/station.key");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        &path,
        rustix::fs::Mode::from_raw_mode(0o600),
    )
    .unwrap();
    let error = Secrets::new(None, |_| None)
        .station_key(&config)
        .unwrap_err();
    assert_eq!(error.label(), "config_unreadable");
}

#[test]
fn systemd_credentials_come_before_the_key_files() {
    let place = ConfigDir::new();
    let config = config(&place);
    private(&place.write("state/keys/station.key", "file"), 0o600);
    private(&place.write("credentials/station.key", "credential"), 0o440);
    let secrets = Secrets::new(Some(place.at("credentials")), |_| None);
    assert_eq!(
        secrets.station_key(&config).unwrap().as_slice(),
        b"credential"
    );
    private(&place.at("credentials/station.key"), 0o444);
    assert!(secrets.station_key(&config).is_err());
    fs::remove_file(place.at("credentials/station.key")).unwrap();
    assert_eq!(secrets.station_key(&config).unwrap().as_slice(), b"file");
}

#[test]
fn the_stores_keys_come_from_file_then_credentials_then_environment() {
    let place = ConfigDir::new();
    let mut config = config(&place);
    let environment = |name: &str| match name {
        "CAMDOCK_STORE_ACCESS_KEY_ID" => Some("env-id".into()),
        "CAMDOCK_STORE_SECRET_ACCESS_KEY" => Some("env-secret".into()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("aws".into()),
        _ => None,
    };
    let secrets = Secrets::new(Some(place.at("credentials")), environment);
    let id = |config: &Config| secrets.store(config).map(|c| c.access_key_id.to_string());
    assert_eq!(id(&config).unwrap(), "env-id");
    for (name, text) in [
        ("store-access-key-id", "cred-id\n"),
        ("store-secret-access-key", "cred\n"),
    ] {
        private(&place.write(&format!("credentials/{name}"), text), 0o400);
    }
    assert_eq!(id(&config).unwrap(), "cred-id");
    let file = place.write(
        "c.toml",
        "access_key_id = \"file-id\"\nsecret_access_key = \"s\"\n",
    );
    private(&file, 0o600);
    config.store.credentials_file = Some(file.clone());
    assert_eq!(id(&config).unwrap(), "file-id");
    // The configured source counts alone: a broken file is never silently replaced by another source.
    for broken in [
        "access_key_id = \"hunter2\"\n",
        "access_key_id = \"hunter2\"\nsecret_access_key = 5",
        "hunter2",
    ] {
        fs::write(&file, broken).unwrap();
        let error = id(&config).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    fs::remove_file(&file).unwrap();
    assert!(id(&config).is_err());
    config.store.credentials_file = None;
    let nothing = Secrets::new(None, |_| None);
    let error = nothing.store(&config).map(|_| ()).unwrap_err();
    assert!(error.next_step().contains("credentials_file"), "{error}");
}
