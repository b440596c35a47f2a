//! The program uses exactly the problem codes that `src/model/codes` explains, and the documents agree with that table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use camdock::model::{Sha256Digest, codes};
use tempfile::TempDir;

use super::read_tree;

/// Adds the code that stands in quotes after each `mark`.
fn after(text: &str, mark: &str, codes: &mut BTreeMap<String, String>, file: &str) {
    for rest in text.split(mark).skip(1) {
        let rest = rest.trim_start();
        let Some(code) = rest.strip_prefix('"').and_then(|r| r.split('"').next()) else {
            continue;
        };
        if !code.is_empty()
            && code
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            codes.insert(code.to_owned(), file.to_owned());
        }
    }
}

/// Adds the code of each pair of a code and its reason that is the value of a block or of an arm: `{ ("no_room", "…") }`.
fn pairs(text: &str, codes: &mut BTreeMap<String, String>, file: &str) {
    for (at, _) in text.match_indices('(') {
        if !text[..at].trim_end().ends_with(['{', '>']) {
            continue;
        }
        let Some((code, rest)) = text[at + 1..]
            .trim_start()
            .strip_prefix('"')
            .and_then(|rest| rest.split_once('"'))
        else {
            continue;
        };
        let snake = code.contains('_')
            && code
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if snake && rest.starts_with(',') {
            codes.insert(code.to_owned(), file.to_owned());
        }
    }
}

/// Every problem code in the source, with a file that uses it: labels of errors, codes of log lines, of bays and of
/// counted errors.
fn used() -> BTreeMap<String, String> {
    let (mut sources, mut codes) = (Vec::new(), BTreeMap::new());
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read_tree(&src, &src, &mut sources);
    for (file, text) in &sources {
        if file.starts_with("model/codes/") {
            continue;
        }
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let labels = text.split("fn label(&self) -> &'static str {").skip(1);
        let reports = text.split("fn code(&self) -> &'static str {").skip(1);
        for label in labels.chain(reports) {
            let body = label.split("\n    }").next().unwrap();
            after(&format!("={}", body.trim_start()), "=", &mut codes, file);
            after(body, "=>", &mut codes, file);
            // A label before the match begins, or in a block of its own.
            after(body, "{\n", &mut codes, file);
        }
        for mark in [
            "code = ",
            "metrics::error(",
            "code: ",
            "REMOVED_EARLY: &str = ",
            "CODE: &str = ",
            ".waiting(",
            "counted(station, ",
        ] {
            after(text, mark, &mut codes, file);
        }
        if file.starts_with("camera/") {
            // A refusal of an entry is its code and its reason.
            for mark in ["Err((", "refusal = (", "=> ("] {
                after(text, mark, &mut codes, file);
            }
        }
        if file.starts_with("cli/verify/") {
            for quoted in text.split('"').skip(1).step_by(2) {
                let snake = quoted.contains('_')
                    && quoted.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                codes.extend(snake.then(|| (quoted.to_owned(), file.clone())));
            }
        }
        for mark in ["enter_failure(row, part, ", "enter_skipped(row, part, "] {
            after(text, mark, &mut codes, file);
        }
        pairs(text, &mut codes, file);
        for mark in ["refuse(", "not_recognised("] {
            for call in text.split(mark).skip(1) {
                let quoted = call.split(')').next().unwrap().split('"').nth(1);
                let code = quoted.filter(|q| !q.contains(' ') && q.contains('_'));
                codes.extend(code.map(|c| (c.to_owned(), file.clone())));
            }
        }
    }
    codes
}

#[test]
fn the_program_uses_exactly_the_codes_that_the_table_explains() {
    let used = used();
    assert!(used.len() > 200, "{}", used.len());
    let explained: BTreeSet<&str> = codes::all().map(|code| code.code).collect();
    let missing: Vec<_> = used
        .iter()
        .filter(|(code, _)| !explained.contains(code.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in src/model/codes: {missing:?}");
    let unused: Vec<_> = explained
        .iter()
        .filter(|code| !used.contains_key(**code))
        .collect();
    assert!(unused.is_empty(), "nothing uses {unused:?}");
}

/// What `camdock generate` makes.
fn generated() -> TempDir {
    let made = tempfile::tempdir().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_camdock"))
        .arg("generate")
        .arg(made.path())
        .status()
        .unwrap();
    assert!(done.success());
    made
}

/// A made document, which has to be the one in docs/.
#[track_caller]
fn up_to_date(made: &TempDir, name: &str) -> String {
    let document = fs::read_to_string(made.path().join(name)).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let kept = fs::read_to_string(docs.join(name)).unwrap();
    assert!(
        document == kept,
        "docs/{name} is out of date: run `camdock generate FOLDER` and copy FOLDER/{name} there"
    );
    document
}

#[test]
fn the_document_and_the_man_page_of_problem_codes_are_those_of_the_table() {
    let made = generated();
    let document = up_to_date(&made, "codes.md");
    let page = fs::read_to_string(made.path().join("man/camdock-codes.7")).unwrap();
    for code in codes::all() {
        assert!(
            document.contains(&format!("| `{}` |", code.code)),
            "{}",
            code.code
        );
        let escaped = code.code.replace('-', "\\-");
        assert!(page.contains(&escaped), "{}", code.code);
    }
}

#[test]
fn the_documented_hashes_of_the_watching_page_are_those_of_its_files() {
    let document = up_to_date(&generated(), "page-files.md");
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Every script and style that the page loads is among them, and its worker with what that loads.
    let files = top.join("src/web/static");
    let read = |name: &str| fs::read_to_string(files.join(name)).unwrap();
    let mut loaded = vec!["/watch-worker.js".to_owned()];
    let scripts = fs::read_dir(&files).unwrap().map(|file| file.unwrap());
    let scripts = scripts.map(|file| file.file_name().into_string().unwrap());
    let scripts: Vec<String> = scripts
        .filter(|name| name.starts_with("watch") && !name.ends_with("css"))
        .collect();
    for name in &scripts {
        let text = read(name);
        for quoted in text.split('"').skip(1).step_by(2) {
            let quoted = quoted.replace("./", "/static/");
            let file = quoted.starts_with("/static/") && quoted != "/static/icon.svg";
            loaded.extend(file.then_some(quoted));
        }
    }
    assert!(loaded.len() > 8, "{loaded:?}");
    for file in loaded {
        let digest = Sha256Digest::of(read(file.rsplit('/').next().unwrap()).as_bytes());
        let line = format!("| `{file}` | `{digest}` |");
        assert!(document.contains(&line), "{line}");
    }
}

#[test]
fn explain_prints_one_code_all_codes_and_the_nearest_of_an_unknown_one() {
    let explain = |arguments: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_camdock"))
            .arg("explain")
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let (code, out, _) = explain(&["disk_full"]);
    assert_eq!(code, Some(0));
    let known = codes::find("disk_full").unwrap();
    assert!(
        out.contains(known.meaning) && out.contains(known.next_step),
        "{out}"
    );
    let (_, out, _) = explain(&["disk_full", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["concerns"], "operations");
    let (code, out, error) = explain(&["disk_ful"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(error.contains("the nearest is disk_full"), "{error}");
    let (_, out, _) = explain(&["--json"]);
    assert_eq!(out.lines().count(), codes::all().count());
    let (_, out, _) = explain(&[]);
    assert!(codes::all().all(|code| out.contains(&format!("\n{} (", code.code))));
}
