//! Metrics are what docs/operations.md, alert rules and dashboard say they are, and the pages' texts are complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use camdock::config::LANGUAGES;
use camdock::metrics::{ALL, MetricKind};
use camdock::model::codes;
use serde_json::Value;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The cells of the table in docs/operations.md whose heading begins so.
fn table(heading: &str) -> Vec<Vec<String>> {
    let paper = read("docs/operations.md");
    let lines = paper.lines().skip_while(|l| !l.starts_with(heading));
    lines
        .skip(2)
        .take_while(|l| l.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells
                .map(|cell| cell.trim().trim_matches('`').to_owned())
                .collect()
        })
        .collect()
}

#[test]
fn the_papers_explain_every_metric_as_it_is_registered() {
    let rows = table("| metric |");
    let registered: Vec<Vec<String>> = ALL
        .iter()
        .map(|m| {
            let kind = format!("{:?}", m.kind).to_lowercase();
            vec![m.name.to_owned(), kind, m.help.to_owned()]
        })
        .collect();
    let plain = |rows: Vec<Vec<String>>| -> Vec<Vec<String>> {
        rows.into_iter()
            .map(|row| row.into_iter().map(|c| c.replace('`', "")).collect())
            .collect()
    };
    assert_eq!(plain(rows), plain(registered));
}

/// Everything in a text that looks like one of our metrics.
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !word(c))
        .filter(|w| w.starts_with("camdock_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_metric_that_alerts_and_dashboard_name_exists() {
    let mut known = BTreeSet::new();
    for metric in ALL {
        known.insert(metric.name.to_owned());
        if metric.kind == MetricKind::Histogram {
            known.extend(["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", metric.name)));
        }
    }
    for file in ["config/alerts.yml", "config/dashboard.json"] {
        let named = named(&read(file));
        assert!(named.len() > 5, "{file}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    let shown = named(&read("config/dashboard.json"));
    for metric in ALL.iter().filter(|m| m.kind == MetricKind::Histogram) {
        assert!(
            shown.contains(&format!("{}_bucket", metric.name)),
            "{}",
            metric.name
        );
    }
}

#[test]
fn the_alert_rules_are_valid_and_each_says_what_to_do() {
    let checked = Command::new("promtool")
        .args(["check", "rules", "--lint-fatal"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/alerts.yml"))
        .stdin(Stdio::null())
        .output()
        .expect("promtool is missing; `make setup` installs it");
    let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
    let rules = read("config/alerts.yml");
    let count = |word: &str| rules.matches(word).count();
    assert!(count("- alert: ") >= 12);
    assert_eq!(count("- alert: "), count("summary: "));
    assert_eq!(count("- alert: "), count("action: "));
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_language_has_a_text_for_every_problem_code() {
    let known: BTreeSet<&str> = codes::all().map(|code| code.code).collect();
    for language in LANGUAGES.iter().filter(|language| **language != "en") {
        let texts: Value =
            serde_json::from_str(&read(&format!("src/web/text/{language}.json"))).unwrap();
        let problems = texts["problem"].as_object().unwrap();
        let translated: BTreeSet<&str> = problems.keys().map(String::as_str).collect();
        assert_eq!(translated, known, "{language}");
    }
}

#[test]
fn every_language_has_a_text_for_every_remark() {
    use camdock::model::RemarkCode as Code;
    let codes = [
        Code::HiddenByEdits,
        Code::OutsideIndex,
        Code::CutOff,
        Code::ZerosAtEnd,
        Code::EncryptedVideo,
        Code::EncryptedSound,
        Code::OtherVideo,
        Code::NotShown,
        Code::MissingPictures,
        Code::IncompletePictures,
        Code::ShapeChanges,
        Code::SoundBeforePicture,
        Code::SilentTrack,
    ];
    let codes: BTreeSet<String> = codes
        .iter()
        .map(|code| {
            serde_json::to_value(code)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    for language in ["en", "de"] {
        let texts: Value =
            serde_json::from_str(&read(&format!("src/web/text/{language}.json"))).unwrap();
        let said: BTreeSet<String> = texts["remark"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(said, codes, "{language}");
    }
}

/// The text in quotes, on one line each.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('"').skip(1).step_by(2))
}

/// Without the names in its braces.
fn braced(text: &str) -> String {
    let parts = text.split('{').enumerate();
    let parts = parts.map(|(at, part)| match (at, part.split_once('}')) {
        (1.., Some((_, rest))) => format!("{{}}{rest}"),
        _ => part.to_owned(),
    });
    parts.collect()
}

#[test]
fn fixed_sentences_of_the_station_have_their_translation_and_no_translation_is_left_over() {
    let english: Value = serde_json::from_str(&read("src/web/text/en.json")).unwrap();
    let said = english["sentence"].as_object().unwrap();
    for (sentence, text) in said {
        assert_eq!(text.as_str(), Some(sentence.as_str()));
    }
    let known: BTreeSet<String> = said.keys().map(|key| braced(key)).collect();
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let all: String = files
        .iter()
        .map(|file| read(file.to_str().unwrap()))
        .collect();
    let all: BTreeSet<String> = quoted(&all)
        .map(|words| braced(words.trim_end_matches("\\n")))
        .collect();
    let unsaid: Vec<_> = known.difference(&all).collect();
    assert!(unsaid.is_empty(), "nothing says {unsaid:?}");
    let missing = |text: &str| assert!(known.contains(&braced(text)), "no translation of: {text}");
    // Why a camera left, and what the pages' requests are refused with.
    let dock = read("src/dock/mod.rs");
    let reasons = dock.split("impl fmt::Display for LeftReason").nth(1);
    quoted(reasons.unwrap().split("\n}\n").next().unwrap()).for_each(missing);
    for file in [
        "recording_list",
        "recording",
        "recording_search",
        "export",
        "report",
        "request_checks",
        "login",
    ] {
        let text = read(&format!("src/web/{file}.rs"));
        let text = text.split("#[cfg(test)]").next().unwrap();
        let answers = quoted(text).filter_map(|words| words.strip_suffix("\\n"));
        // An error's own words have a code, by which they are told; and a table's heading is for programs.
        answers
            .filter(|words| !words.starts_with('{') && !words.ends_with("\\r") && !words.is_empty())
            .for_each(missing);
    }
}
