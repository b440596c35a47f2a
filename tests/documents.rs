//! The papers are true of the tree: every file that they name exists, every link leads somewhere, and the programs that
//! they print open a message and check a log that CamDock wrote.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use camdock::audit::{Log, LogKey};
use camdock::model::{EvidenceId, Part, Sha256Digest, composite_checksum};
use camdock::seal::{Curve, Recipient, SealSpec, keygen_recipient, seal_small};

/// Folders whose files the papers name by their path from the top.
const FOLDERS: [&str; 5] = ["src/", "tests/", "config/", "systemd/", "docs/"];
const PICTURE_BYTES_MAX: u64 = 200_000;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and everything in docs/ that is Markdown, as (path, text).
fn papers() -> Vec<(PathBuf, String)> {
    let mut files = vec![top().join("README.md")];
    let docs = fs::read_dir(top().join("docs")).unwrap();
    files.extend(docs.map(|entry| entry.unwrap().path()));
    files.retain(|file| file.extension().is_some_and(|e| e == "md"));
    files.sort();
    let read = |file: PathBuf| (file.clone(), fs::read_to_string(file).unwrap());
    files.into_iter().map(read).collect()
}

/// The text without its fenced blocks.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    kept
}

/// The first word of each code span.
fn spans(prose: &str) -> impl Iterator<Item = &str> {
    let paragraphs = prose.split("\n\n");
    paragraphs
        .flat_map(|text| text.split('`').skip(1).step_by(2))
        .filter_map(|span| span.split_whitespace().next())
}

/// A path, or for a pattern the folder that it looks in.
fn names_something(span: &str) -> bool {
    let fixed = span.split(['*', '<', '…']).next().unwrap_or(span);
    let path = if fixed == span {
        span
    } else {
        fixed.rsplit_once('/').map_or(fixed, |(folder, _)| folder)
    };
    top().join(path).exists()
}

/// Targets of links and pictures.
fn links(prose: &str) -> impl Iterator<Item = &str> {
    let targets = prose.split("](").skip(1);
    targets.filter_map(|rest| rest.split(')').next())
}

/// A heading's anchor as forges make it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let text = prose(text);
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(anchor)
        .collect()
}

#[test]
fn every_file_that_the_papers_name_exists() {
    let mut missing = Vec::new();
    for (paper, text) in papers() {
        let text = prose(&text);
        let paths = spans(&text).filter(|span| FOLDERS.iter().any(|f| span.starts_with(f)));
        missing.extend(paths.filter(|span| !names_something(span)).map(|span| {
            let paper = paper.strip_prefix(top()).unwrap().display().to_string();
            format!("{paper} names `{span}`")
        }));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut broken = Vec::new();
    for (paper, text) in papers() {
        for target in links(&prose(&text)) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => paper.clone(),
                file => paper.parent().unwrap().join(file),
            };
            let there = || anchors(&fs::read_to_string(&file).unwrap()).contains(heading);
            if !file.exists() || !heading.is_empty() && !there() {
                broken.push(format!("{} → {target}", paper.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn pictures_are_shown_and_of_modest_size() {
    let shown: String = papers().into_iter().map(|(_, text)| text).collect();
    for entry in fs::read_dir(top().join("docs/pictures")).unwrap() {
        let picture = entry.unwrap().path();
        let name = picture.file_name().unwrap().to_str().unwrap();
        assert!(shown.contains(name), "no paper shows {name}");
        assert!(
            fs::metadata(&picture).unwrap().len() < PICTURE_BYTES_MAX,
            "{name}"
        );
    }
}

#[test]
fn a_made_up_paper_with_a_missing_file_or_anchor_is_found() {
    let text = "# One `src/lib.rs`\n\n`src/no/such.rs` and `tests/*.rs`, [x](#one-srclibrs)\n\n```\n`src/not/looked/at`\n```\n";
    let plain = prose(text);
    let named: Vec<_> = spans(&plain).collect();
    assert_eq!(named, ["src/lib.rs", "src/no/such.rs", "tests/*.rs"]);
    let exist: Vec<_> = named.iter().map(|span| names_something(span)).collect();
    assert_eq!(exist, [true, false, true]);
    assert_eq!(links(&plain).collect::<Vec<_>>(), ["#one-srclibrs"]);
    assert!(anchors(text).contains("one-srclibrs"));
}

/// The program in docs/formats.md whose first line names it.
fn printed_program(name: &str) -> String {
    let text = fs::read_to_string(top().join("docs/formats.md")).unwrap();
    let first = format!("```python\n# {name}:");
    let (_, rest) = text.split_once(&first).expect("docs/formats.md prints it");
    let (program, _) = rest.split_once("\n```").unwrap();
    format!("# {name}:{program}\n")
}

fn run(folder: &Path, name: &str, arguments: &[&str]) -> Output {
    let python = std::env::var_os("CAMDOCK_PYTHON")
        .map_or_else(|| top().join("target/tools/venv/bin/python"), PathBuf::from);
    fs::write(folder.join(name), printed_program(name)).unwrap();
    Command::new(&python)
        .current_dir(folder)
        .arg(name)
        .args(arguments)
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}; `make setup` installs it", python.display()))
}

fn said(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_printed_programs_open_an_item_and_compute_its_checksum() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path();
    let plaintext: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    for curve in [Curve::P384, Curve::P256] {
        let (private, public) = keygen_recipient(curve).unwrap();
        fs::write(folder.join("key.pem"), private.as_bytes()).unwrap();
        let evidence = EvidenceId::new();
        let spec = SealSpec {
            recipients: &[Recipient::from_pem(&public).unwrap()],
            item_key: None,
            evidence,
            station: "leeds-1",
            camera: "acme/X1",
            part: Part::Original,
            frame_length: 65_536,
        };
        let mut sealed = seal_small(&spec, &plaintext).unwrap();
        fs::write(folder.join("sealed"), &sealed).unwrap();
        let told = said(&run(folder, "open.py", &["key.pem", "sealed", "out"]));
        assert_eq!(fs::read(folder.join("out")).unwrap(), plaintext);
        let digest = Sha256Digest::of(&plaintext);
        assert!(told.starts_with(&format!("SHA-256: {digest}\n")), "{told}");
        assert!(
            told.contains(&format!("camdock:evidence-id: {evidence}\n")),
            "{told}"
        );

        let whole = said(&run(folder, "checksum.py", &["sealed", "0"]));
        assert_eq!(whole.trim(), Sha256Digest::of(&sealed).to_base64());
        let digests: Vec<_> = sealed.chunks(300_000).map(Sha256Digest::of).collect();
        let parts = said(&run(folder, "checksum.py", &["sealed", "300000"]));
        assert_eq!(parts.trim(), composite_checksum(&digests));

        fs::remove_file(folder.join("out")).unwrap();
        let last = sealed.len() - 20;
        sealed[last] ^= 1;
        fs::write(folder.join("sealed"), &sealed).unwrap();
        let refused = run(folder, "open.py", &["key.pem", "sealed", "out"]);
        assert!(!refused.status.success());
        assert!(!folder.join("out").exists(), "nothing is left of it");
    }
}

#[test]
fn the_printed_program_checks_a_log() {
    let outer = tempfile::tempdir().unwrap();
    let (key, _) = LogKey::generate().unwrap();
    let verifier = key.verifier("camdock/leeds-1").unwrap().to_string();
    let dir = outer.path().join("log");
    let mut log = Log::open(&dir, key, "camdock/leeds-1").unwrap();
    let entries: Vec<_> = (0..300)
        .map(|n| format!("{{\"n\":{n}}}").into_bytes())
        .collect();
    log.append(&entries).unwrap();
    log.close().unwrap();
    let told = said(&run(outer.path(), "check_log.py", &["log", &verifier]));
    assert_eq!(told.lines().count(), 300);
    assert_eq!(told.lines().last(), Some("{\"n\":299}"));

    let bundle = dir.join("tile/entries/000");
    let changed = String::from_utf8_lossy(&fs::read(&bundle).unwrap()).replace(":200}", ":201}");
    fs::write(&bundle, changed).unwrap();
    let refused = run(outer.path(), "check_log.py", &["log", &verifier]);
    assert!(!refused.status.success());
}
