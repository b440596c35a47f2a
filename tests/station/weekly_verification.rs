//! The weekly verification, end to end: the timer's unit, its exact command line, and the metrics about it.

use std::fs;
use std::path::Path;

use crate::people::{get, pages};
use crate::place::{Place, Ran};
use crate::policy::policy;
use crate::store::put;

pub fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("systemd")
        .join(name);
    fs::read_to_string(path).unwrap()
}

/// The one value of a unit's setting.
pub fn setting(unit: &str, name: &str) -> String {
    let values = unit
        .lines()
        .filter_map(|l| l.strip_prefix(name)?.strip_prefix('='));
    let values: Vec<_> = values.collect();
    assert_eq!(values.len(), 1, "{name}: {values:?}");
    values[0].to_owned()
}

/// Runs a unit's ExecStart, here and with this station's configuration.
pub fn by_timer(place: &Place, service: &str) -> Ran {
    let line = setting(&unit(service), "ExecStart");
    let config = place.config().display().to_string();
    let line = line.replace(camdock::config::DEFAULT_PATH, &config);
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some("/usr/bin/camdock"));
    place.camdock(&words.collect::<Vec<_>>())
}

pub fn figure(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics
        .lines()
        .find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

#[test]
fn the_timers_command_verifies_and_the_metrics_tell_when_and_how_it_ended() {
    let timer = unit("camdock-verify.timer");
    assert!(setting(&timer, "OnCalendar").starts_with("Sun"));
    assert_eq!(setting(&timer, "Persistent"), "yes");
    assert_eq!(setting(&unit("camdock-verify.service"), "User"), "camdock");

    let none = [
        ("store", "retention = \"none\""),
        ("store", "retention_days = 0"),
    ];
    let place = Place::new(&none);
    let listen = ("metrics", "listen = \"127.0.0.1:0\"");
    place.configure(&[none[0], none[1], listen]);
    place.film("X0000001", "A.MP4", 1, 100_000);
    place.film("X0000001", "B.MP4", 2, 100_000);
    place.drain().ends(0);
    let running = place.start(&["run"]);
    let address = pages(&running, "metrics");
    let metrics = || {
        // Figures are gathered twice a second at most.
        std::thread::sleep(std::time::Duration::from_millis(600));
        get(&address, "/metrics", None)
    };
    let before = metrics();
    assert_eq!(figure(&before, "camdock_verification_ok"), None);

    let began = jiff::Timestamp::now().as_second();
    by_timer(&place, "camdock-verify.service")
        .ends(0)
        .says("each of the 2 stored items is in the store");
    let figures = metrics();
    assert_eq!(figure(&figures, "camdock_verification_ok"), Some(1.0));
    assert_eq!(figure(&figures, "camdock_verification_findings"), Some(0.0));
    let at = figure(&figures, "camdock_verification_timestamp_seconds").unwrap();
    assert!(at >= began as f64 && at < began as f64 + 600.0, "{at}");

    for path in ["A.MP4", "B.MP4"] {
        let item = place.item(path);
        let key = format!(
            "evidence/test-1/{}/original",
            item["evidence"].as_str().unwrap()
        );
        put(&place, &key, b"something else");
    }
    by_timer(&place, "camdock-verify.service")
        .ends(1)
        .says("object_covered");
    let figures = metrics();
    assert_eq!(figure(&figures, "camdock_verification_ok"), Some(0.0));
    assert_eq!(figure(&figures, "camdock_verification_findings"), Some(2.0));

    // A verification that could not look is none: the last one stands, and its age tells.
    place.credentials("nobody", "nothing");
    let ran = by_timer(&place, "camdock-verify.service");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let after = metrics();
    for name in ["ok", "findings", "timestamp_seconds"] {
        let name = format!("camdock_verification_{name}");
        assert_eq!(figure(&after, &name), figure(&figures, &name), "{name}");
    }
    running.stop().ends(0);
}

#[test]
fn the_stations_own_keys_may_not_read_evidence_and_those_of_the_verifier_do_no_more() {
    let verifier = policy("verify-policy.json", "verifier");
    let place = Place::with_stations(&[policy("station-policy.json", "station"), verifier]);
    place.film("X0000001", "A.MP4", 1, 100_000);
    place.drain().ends(0);
    let ran = by_timer(&place, "camdock-verify.service").says("verify_credentials_file");
    assert_eq!(ran.code, Some(4), "no finding is invented: {ran:?}");

    use std::os::unix::fs::PermissionsExt as _;
    let file = place.path("verify.toml");
    let keys = "access_key_id = \"verifierkey\"\nsecret_access_key = \"verifiersecret\"\n";
    fs::write(&file, keys).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    place.configure(&[("store", "verify_credentials_file = \"verify.toml\"")]);
    place.credentials("stationkey", "stationsecret");
    by_timer(&place, "camdock-verify.service")
        .ends(0)
        .says("1 stored");
    // They read each byte back, and open nothing: whoever opens has to say so in the bucket first, which they may not.
    let ran = place.camdock(&["verify", "--deep", "--json"]).ends(0);
    let read: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&read["items_read"], &read["items_opened"]),
        (&1.into(), &0.into())
    );
    let client = place.weed.client_of("verifier");
    let key = "evidence/test-1/x/original";
    let written = client
        .put_object()
        .bucket("evidence")
        .key(key)
        .body(aws_sdk_s3::primitives::ByteStream::from_static(b"planted"));
    assert!(Place::block_on(written.send()).is_err(), "it may write");
}
