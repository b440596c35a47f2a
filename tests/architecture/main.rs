//! The structure of the source, checked by reading it: imports only go down, no `unsafe` outside `sys`,
//! no plain writes outside `durable`, no file above 500 lines, no problem in the log
//! without a code and a next step. Each finding names file, line and rule.

mod codes;
mod problems;
mod source;
mod violations;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use source::{code_only, imports, test_files, test_modules, words};

/// Rooms from the ground up; rooms of one row share a floor.
const FLOORS: [(u8, &[&str]); 8] = [
    (0, &["model", "sys", "durable", "failpoint"]),
    (1, &["metrics"]),
    (2, &["journal", "config"]),
    (
        3,
        &[
            "dock", "camera", "seal", "preview", "upload", "audit", "pack",
        ],
    ),
    (4, &["web", "ingest", "publish", "witnessing"]),
    (
        5,
        &[
            "station",
            "office",
            "keydesk",
            "disposer",
            "sharereader",
            "root",
        ],
    ),
    (6, &["cli"]),
    (7, &["main", "bin"]),
];
/// Floors whose rooms must not import each other.
const NO_SIDEWAYS: [u8; 3] = [3, 4, 5];
/// Rooms that tell errors to people, and hand them to nobody who would have to tell them apart.
const ANYHOW: [&str; 7] = [
    "cli",
    "station",
    "office",
    "keydesk",
    "disposer",
    "sharereader",
    "root",
];
const LINES_MAX: usize = 500;
/// Ways of writing that skip the syncs.
const PLAIN_WRITES: [&str; 9] = [
    "fs::write",
    "fs::copy",
    "fs::rename",
    "File::create",
    "File::create_new",
    "File::create_buffered",
    "write(true)",
    "append(true)",
    "create_new(true)",
];

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.file, self.line, self.rule)
    }
}

fn floor(room: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(_, rooms)| rooms.contains(&room))
        .map(|(floor, _)| *floor)
}

/// `camera/folder.rs` is in the room `camera`, `durable.rs` in `durable`.
fn room(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or(file);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// Checks a whole source tree given as (path below src/, text).
fn check(sources: &[(String, String)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let test_files = test_files(sources);
    for (file, text) in sources {
        let code = code_only(text);
        let mut found = |offset: usize, rule: String| {
            findings.push(Finding {
                file: file.clone(),
                line: 1 + code[..offset].matches('\n').count(),
                rule,
            });
        };
        let lines = text.lines().count();
        if lines > LINES_MAX {
            found(0, format!("{lines} lines; {LINES_MAX} at most"));
        }
        if let Some(folder) = file.strip_suffix(".rs")
            && sources
                .iter()
                .any(|(other, _)| other.starts_with(&format!("{folder}/")))
        {
            found(
                0,
                format!("it lies beside its folder; it belongs into {folder}/mod.rs"),
            );
        }
        let here = room(file);
        if here == "lib" {
            continue;
        }
        let Some(here_floor) = floor(here) else {
            found(0, format!("the room `{here}` stands on no floor"));
            continue;
        };
        for (offset, there) in imports(&code) {
            let Some(there_floor) = floor(&there) else {
                found(
                    offset,
                    format!("`{there}` is imported but stands on no floor"),
                );
                continue;
            };
            if there == here {
            } else if there_floor > here_floor {
                found(
                    offset,
                    format!(
                        "`{here}` (floor {here_floor}) imports `{there}` above it (floor {there_floor})"
                    ),
                );
            } else if there_floor == here_floor && NO_SIDEWAYS.contains(&here_floor) {
                found(
                    offset,
                    format!("`{here}` imports `{there}` beside it (floor {here_floor})"),
                );
            } else if here == "model" {
                found(
                    offset,
                    format!("`model` imports `{there}`; it imports nothing"),
                );
            }
        }
        if here != "sys" {
            for offset in words(&code, "unsafe") {
                found(offset, "`unsafe` outside of `sys`".into());
            }
            for offset in words(&code, "unsafe_code") {
                found(
                    offset,
                    "the lint against `unsafe` is touched outside of `sys`".into(),
                );
            }
        }
        if !ANYHOW.contains(&here) {
            for offset in words(&code, "anyhow") {
                found(offset, "`anyhow` in a room whose errors are an enum".into());
            }
        }
        if here != "durable" && !test_files.contains(file.as_str()) {
            let tests = test_modules(&code);
            for write in PLAIN_WRITES {
                for offset in words(&code, write) {
                    if !tests.iter().any(|module| module.contains(&offset)) {
                        found(offset, format!("`{write}` outside of `durable`"));
                    }
                }
            }
        }
    }
    findings.sort();
    findings.dedup();
    findings
}

fn read_tree(folder: &Path, below: &Path, sources: &mut Vec<(String, String)>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            read_tree(&path, below, sources);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(below).unwrap().to_str().unwrap();
            sources.push((name.to_owned(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn the_source_keeps_the_rules_of_the_house() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    read_tree(&src, &src, &mut sources);
    assert!(
        sources.len() > 20,
        "only {} files were found",
        sources.len()
    );
    let findings = check(&sources);
    let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        findings.is_empty(),
        "{} findings:\n{}",
        list.len(),
        list.join("\n")
    );
}
