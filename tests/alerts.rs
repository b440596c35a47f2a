//! Each alert rule of `config/alerts.yml` fires when it should and not before, as Prometheus' own evaluation shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const STATION: &str = r#"{job="camdock",instance="a"}"#;
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/alerts.yml");

/// An alert, the series that raise it, when it must still be quiet and when it must fire.
struct Case {
    alert: &'static str,
    /// Name, further labels, and values in promtool's notation, one each step.
    series: &'static [(&'static str, &'static str, &'static str)],
    step: &'static str,
    quiet_at: &'static str,
    fires_at: &'static str,
}

/// The series begin in a healthy state, so that each alert is seen not to fire there.
const CASES: &[Case] = &[
    case(
        "CamDockDown",
        &[("up", "", "1x10 0x10")],
        "1m",
        "13m",
        "14m",
    ),
    case(
        "CamDockItemsUnstored",
        &[("camdock_oldest_unstored_item_seconds", "", "0+600x40")],
        "10m",
        "4h10m",
        "4h20m",
    ),
    case(
        "CamDockItemsUnstoredLong",
        &[("camdock_oldest_unstored_item_seconds", "", "0+3600x40")],
        "1h",
        "24h",
        "25h",
    ),
    case(
        "CamDockStoreFailing",
        &[("camdock_store_ok", "", "1x10 0x30")],
        "1m",
        "25m",
        "26m",
    ),
    case(
        "CamDockSpoolFilling",
        &[("camdock_spool_full_in_seconds", "", "21600x10 21599x20")],
        "1m",
        "20m",
        "21m",
    ),
    case(
        "CamDockSpoolFull",
        &[
            ("camdock_spool_free_bytes", "", "10x10 5x20"),
            ("camdock_spool_reserve_bytes", "", "5x40"),
        ],
        "1m",
        "12m",
        "13m",
    ),
    case(
        "CamDockCameraFailing",
        &[("camdock_cameras_failing", "", "0x10 1x20")],
        "1m",
        "15m",
        "16m",
    ),
    case(
        "CamDockFilesMissing",
        &[("camdock_missing_files", "", "0x10 1x20")],
        "1h",
        "22h",
        "23h",
    ),
    case(
        "CamDockBayStuck",
        &[("camdock_bay_no_progress_seconds", "bay=\"1\"", "0+60x30")],
        "1m",
        "10m",
        "11m",
    ),
    case(
        "CamDockWitnessesBehind",
        &[("camdock_witness_behind_seconds", "", "0x10 0+60x60")],
        "1m",
        "40m",
        "42m",
    ),
    case(
        "CamDockWitnessContradicts",
        &[(
            "camdock_errors_total",
            "label=\"witness_contradicts\"",
            "0x10 1x10",
        )],
        "1m",
        "10m",
        "11m",
    ),
    case(
        "CamDockClockUnsynchronised",
        &[("camdock_clock_synchronised", "", "1x10 0x60")],
        "1m",
        "40m",
        "41m",
    ),
    case(
        "CamDockVerificationFailed",
        &[("camdock_verification_ok", "", "1x10 0x10")],
        "1m",
        "10m",
        "11m",
    ),
    case(
        "CamDockVerificationOld",
        &[("camdock_verification_timestamp_seconds", "", "0x220")],
        "1h",
        "192h",
        "193h",
    ),
    case(
        "CamDockNeverVerified",
        &[("up", "", "1x220")],
        "1h",
        "191h",
        "192h",
    ),
    case(
        "CamDockStoreContradictsLog",
        &[("camdock_gaps", "kind=\"gap_object_missing\"", "0x10 1x10")],
        "1m",
        "10m",
        "11m",
    ),
    case(
        "CamDockGaps",
        &[("camdock_gaps", "kind=\"gap_number\"", "0x10 2x60")],
        "1h",
        "58h",
        "59h",
    ),
    case(
        "CamDockGapsOld",
        &[("camdock_gaps_timestamp_seconds", "", "0x60")],
        "1h",
        "48h",
        "49h",
    ),
    case(
        "CamDockGapsNeverLookedFor",
        &[("up", "", "1x60")],
        "1h",
        "47h",
        "48h",
    ),
    case(
        "CamDockItemAlarm",
        &[("camdock_alarms", "", "0x10 1x10")],
        "1m",
        "10m",
        "11m",
    ),
    case(
        "CamDockQuarantineWaiting",
        &[("camdock_quarantined_items", "", "0x10 1x40")],
        "1h",
        "34h",
        "35h",
    ),
    case(
        "CamDockWrongTokens",
        &[(
            "camdock_web_refused_total",
            "reason=\"token\"",
            "0+1x20 20+5x20",
        )],
        "1m",
        "20m",
        "30m",
    ),
    case(
        "CamDockOfficeFindings",
        &[(
            "camdock_office_object_findings",
            "kind=\"missing\",station=\"leeds-1\"",
            "0x10 1x10",
        )],
        "1m",
        "10m",
        "11m",
    ),
    case(
        "CamDockOfficeListingOld",
        &[("camdock_office_listed_timestamp_seconds", "", "0x60")],
        "10m",
        "2h",
        "2h10m",
    ),
    case(
        "CamDockOfficeLogProblem",
        &[(
            "camdock_office_log_problem",
            "station=\"leeds-1\"",
            "0x10 1x20",
        )],
        "1m",
        "14m",
        "20m",
    ),
    case(
        "CamDockKeyDeskSilent",
        &[("camdock_office_keys_unanswered_total", "", "0x10 1x20")],
        "1m",
        "10m",
        "13m",
    ),
    case(
        "CamDockKeyDeskSlow",
        &[
            (
                "camdock_office_key_seconds_bucket",
                "le=\"2\"",
                "0+3x10 30x40",
            ),
            (
                "camdock_office_key_seconds_bucket",
                "le=\"5\"",
                "0+3x10 30+1x40",
            ),
            (
                "camdock_office_key_seconds_bucket",
                "le=\"+Inf\"",
                "0+3x10 30+1x40",
            ),
        ],
        "1m",
        "10m",
        "50m",
    ),
    case(
        "CamDockOfficeNeverListed",
        &[("camdock_office_cosigned_entries", "", "1x60")],
        "10m",
        "1h50m",
        "2h",
    ),
];

const fn case(
    alert: &'static str,
    series: &'static [(&'static str, &'static str, &'static str)],
    step: &'static str,
    quiet_at: &'static str,
    fires_at: &'static str,
) -> Case {
    Case {
        alert,
        series,
        step,
        quiet_at,
        fires_at,
    }
}

fn labelled(name: &str, labels: &str) -> String {
    if labels.is_empty() {
        format!("{name}{STATION}")
    } else {
        format!("{name}{}", STATION.replace('}', &format!(",{labels}}}")))
    }
}

/// The number of alerts of a name that fire at a time.
fn firing(alert: &str, at: &str, count: u32) -> Value {
    let counted = format!(
        "count(ALERTS{{alertname=\"{alert}\",alertstate=\"firing\",instance=\"a\"}}) or vector(0)"
    );
    json!({ "expr": counted, "eval_time": at, "exp_samples": [{ "labels": "{}", "value": count }] })
}

/// promtool's answer to a test of our rules, which are evaluated each `step`.
fn promtool(step: &str, test: &Value) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alerts.json");
    let all = json!({ "rule_files": [RULES], "evaluation_interval": step, "tests": [test] });
    fs::write(&file, all.to_string()).unwrap();
    let ran = Command::new("promtool")
        .args(["test", "rules"])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .expect("promtool is missing; `make setup` installs it");
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    (ran.status.success(), said.into_owned())
}

fn test_of(case: &Case, quiet: u32, fires: u32) -> Value {
    let series: Vec<_> = case
        .series
        .iter()
        .map(|(name, labels, values)| json!({ "series": labelled(name, labels), "values": values }))
        .collect();
    json!({
        "name": case.alert,
        "interval": case.step,
        "input_series": series,
        "promql_expr_test": [
            firing(case.alert, case.quiet_at, quiet),
            firing(case.alert, case.fires_at, fires),
        ],
    })
}

#[test]
fn each_alert_fires_on_what_it_is_for_and_not_before() {
    let rules = fs::read_to_string(Path::new(RULES)).unwrap();
    let named: BTreeSet<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    let tried: BTreeSet<_> = CASES.iter().map(|case| case.alert).collect();
    assert_eq!(named, tried, "an alert without a case, or the other way");
    for case in CASES {
        let (fine, said) = promtool(case.step, &test_of(case, 0, 1));
        assert!(fine, "{}: {said}", case.alert);
        // The reversed expectations must be refused, else the check itself proves nothing.
        let (fine, said) = promtool(case.step, &test_of(case, 1, 0));
        assert!(!fine, "{}: {said}", case.alert);
    }
}

#[test]
fn a_verified_station_that_answers_raises_nothing() {
    let fine = [
        ("up", "1x300"),
        ("camdock_store_ok", "1x300"),
        ("camdock_clock_synchronised", "1x300"),
        ("camdock_verification_ok", "1x300"),
        ("camdock_verification_timestamp_seconds", "0+3600x300"),
        ("camdock_gaps_timestamp_seconds", "0+3600x300"),
        ("camdock_alarms", "0x300"),
        ("camdock_witness_behind_seconds", "0x300"),
        ("camdock_spool_free_bytes", "100x300"),
        ("camdock_spool_reserve_bytes", "10x300"),
    ];
    let series: Vec<_> = fine
        .iter()
        .map(|(name, values)| json!({ "series": labelled(name, ""), "values": values }))
        .collect();
    let any = "count(ALERTS) or vector(0)";
    let none = json!([{ "labels": "{}", "value": 0 }]);
    let asked: Vec<_> = ["1h", "60h", "250h"]
        .iter()
        .map(|at| json!({ "expr": any, "eval_time": at, "exp_samples": none }))
        .collect();
    let test = json!({ "interval": "1h", "input_series": series, "promql_expr_test": asked });
    let (fine, said) = promtool("1h", &test);
    assert!(fine, "{said}");
}
