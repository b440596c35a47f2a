//! The points in the source at which the program can be stopped, and the rule that every commit step has one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.to_str().unwrap().to_owned(), text));
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    assert!(found.len() > 100);
    found
}

/// The names of all points, read from the source. Each name stands there once.
pub fn in_the_source() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (file, text) in all_sources() {
        if file.contains("src/failpoint/") {
            continue;
        }
        for (kind, ends) in [
            ("reached!(", &[""][..]),
            ("step!(", &[": before", ": after"]),
            ("disk!(", &[": before", ": after"]),
        ] {
            for (at, _) in text.match_indices(kind) {
                let word_before = text[..at].chars().next_back();
                if word_before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    continue;
                }
                let name = text[at + kind.len()..]
                    .trim_start()
                    .strip_prefix('"')
                    .and_then(|rest| rest.split_once('"'))
                    .unwrap_or_else(|| panic!("a point without a name in {file}"))
                    .0;
                for end in ends {
                    let new = names.insert(format!("{name}{end}"));
                    assert!(new, "two points are called {name}{end}");
                }
            }
        }
    }
    assert!(names.len() > 50, "{names:?}");
    names
}

/// The functions of a file with their bodies, found by the indentation that rustfmt gives them.
fn functions(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let head = code
            .trim_start_matches("pub ")
            .trim_start_matches("pub(super) ")
            .trim_start_matches("async ");
        let Some(rest) = head.strip_prefix("fn ") else {
            continue;
        };
        let name = rest
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap();
        let end = format!("{}}}", " ".repeat(indent));
        let body = lines[at..].iter().take_while(|line| **line != end);
        let body: Vec<&str> = body.copied().collect();
        found.push((name.to_owned(), body.join("\n")));
    }
    found
}

/// Functions in files whose path contains `place` that do one of `what` without a point.
fn without_a_point(place: &str, what: &[&str]) -> Vec<String> {
    let mut missing = Vec::new();
    for (file, text) in all_sources() {
        if !file.contains(place) || file.ends_with("tests.rs") || file.contains("/tests/") {
            continue;
        }
        let text = text.split("#[cfg(test)]").next().unwrap();
        for (name, body) in functions(text) {
            let does = what.iter().any(|what| body.contains(what));
            let has = ["step!(", "reached!(", "disk!("];
            if does && !has.iter().any(|point| body.contains(point)) {
                missing.push(format!("{file}: {name}"));
            }
        }
    }
    missing
}

#[test]
fn every_step_that_changes_something_has_a_point() {
    let mut missing = without_a_point(
        "src/journal/",
        &[
            "\"INSERT ",
            "\"UPDATE ",
            "\"DELETE ",
            "BEGIN IMMEDIATE",
            "set_preview(",
        ],
    );
    // Helpers of functions that have points, and the index of the log, which may be lost at any time.
    missing.retain(|name| {
        !["insert", "set_preview", "previews_done"]
            .iter()
            .any(|helper| name.ends_with(&format!(": {helper}")))
            && !name.contains("journal/entry_index.rs")
            // Tests only.
            && !name.contains("journal/query_cost.rs")
    });
    assert!(missing.is_empty(), "{missing:#?}");
    let mut missing = without_a_point(
        "src/durable",
        &[
            "write_all(",
            "write_all_at(",
            "sync_all()",
            "sync_data()",
            "syncfs(",
            "fs::rename(",
            "remove_file(",
            ".create(",
            "set_len(",
        ],
    );
    // These do not concern items, or change nothing that is there; and both callers of `sync_path` have a point of their own.
    missing.retain(|name| {
        !["write_shared", "resume", "create_dir", "sync_path"]
            .iter()
            .any(|other| name.ends_with(&format!(": {other}")))
            // An empty file is made, if any.
            && !["slots.rs: open", "set_aside.rs: open"]
                .iter()
                .any(|other| name.ends_with(other))
    });
    assert!(missing.is_empty(), "{missing:#?}");
    let mut missing = without_a_point("src/upload/s3/calls", &[".call("]);
    // Only read by people's commands.
    missing.retain(|name| {
        !["list", "check_bucket"]
            .iter()
            .any(|other| name.ends_with(&format!(": {other}")))
    });
    assert!(missing.is_empty(), "{missing:#?}");
}
