//! Log lines of warnings and errors have a problem code from `src/model/codes` and the reader's next step.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use camdock::model::codes;

use super::source::{code_only, test_files, test_modules, words};
use super::{Finding, read_tree};

const MACROS: [&str; 2] = ["warn!", "error!"];

/// The text between the bracket that opens at `open` and its own end.
fn inside(code: &str, open: usize) -> Range<usize> {
    let mut depth = 0;
    let length = code.as_bytes()[open..].iter().position(|byte| {
        depth += match byte {
            b'(' | b'[' | b'{' => 1,
            b')' | b']' | b'}' => -1,
            _ => 0,
        };
        depth == 0
    });
    open + 1..open + length.expect("brackets are closed")
}

/// The arguments of a macro, one by one.
fn given(code: &str, body: Range<usize>) -> Vec<Range<usize>> {
    let (mut parts, mut from, mut depth) = (Vec::new(), body.start, 0);
    for at in body.clone() {
        match code.as_bytes()[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(from..at);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(from..body.end);
    parts
}

/// The value of the field `name`, for one that is given by its name alone the name itself.
fn field<'a>(text: &'a str, parts: &[Range<usize>], name: &str) -> Option<&'a str> {
    parts.iter().find_map(|part| {
        let part = text[part.clone()].trim();
        let (field, value) = part.split_once('=').unwrap_or((part, part));
        (field.trim().trim_start_matches(['%', '?']) == name).then(|| value.trim())
    })
}

/// A code in quotes, or in a constant of the program.
fn literal(value: &str, sources: &[(String, String)]) -> Option<String> {
    if let Some(quoted) = value.strip_prefix('"') {
        return quoted.strip_suffix('"').map(str::to_owned);
    }
    let name = value.rsplit("::").next().unwrap_or(value);
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
        return None;
    }
    let declared = format!("const {name}: &str = \"");
    sources.iter().find_map(|(_, text)| {
        let (_, rest) = text.split_once(&declared)?;
        rest.split('"').next().map(str::to_owned)
    })
}

fn check(sources: &[(String, String)], explained: &BTreeSet<&str>) -> Vec<Finding> {
    let tests = test_files(sources);
    let mut findings = Vec::new();
    for (file, text) in sources {
        if tests.contains(file.as_str()) {
            continue;
        }
        let code = code_only(text);
        let modules = test_modules(&code);
        let lines = MACROS.iter().flat_map(|name| {
            let found = words(&code, name);
            found
                .into_iter()
                .map(|offset| (offset, offset + name.len()))
        });
        for (offset, open) in lines.filter(|(at, _)| !modules.iter().any(|m| m.contains(at))) {
            let mut found = |rule: String| {
                findings.push(Finding {
                    file: file.clone(),
                    line: 1 + code[..offset].matches('\n').count(),
                    rule,
                });
            };
            let parts = given(&code, inside(&code, open));
            match field(text, &parts, "code").map(|value| (value, literal(value, sources))) {
                None => found("a problem is logged without its `code`".into()),
                Some((_, Some(code))) if !explained.contains(code.as_str()) => {
                    found(format!("`{code}` is not in src/model/codes"));
                }
                Some(_) => {}
            }
            if field(text, &parts, "next_step").is_none() {
                found("a problem is logged without its `next_step`".into());
            }
        }
    }
    findings.sort();
    findings
}

#[test]
fn every_problem_in_the_log_has_a_code_and_says_what_to_do() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    read_tree(&root.join("src"), &root.join("src"), &mut sources);
    let explained = codes::all().map(|code| code.code).collect();
    let findings = check(&sources, &explained);
    let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        list.is_empty(),
        "{} findings:\n{}",
        list.len(),
        list.join("\n")
    );
}

#[test]
fn a_made_up_log_line_without_code_or_next_step_or_with_an_unknown_code_is_found() {
    let explained = BTreeSet::from(["known"]);
    let findings = |text: &str| -> Vec<String> {
        let sources = [("web/a.rs".to_owned(), text.to_owned())];
        let found = check(&sources, &explained);
        found.iter().map(|f| f.rule.clone()).collect()
    };
    for fine in [
        "tracing::warn!(code = \"known\", next_step = \"do, it\", \"odd\");",
        "warn!(%bay, code, next_step, \"odd\");",
        "tracing::error!(code = e.label(), f = g(1, 2), next_step = e.next_step(), \"odd {}\", x);",
        "const K: &str = \"known\"; error!(code = super::K, next_step = NEXT, \"odd\");",
        "tracing::info!(\"even\");",
        "// tracing::warn!(\"told\")\n#[error(\"x\")]",
        "#[cfg(test)]\nmod tests { fn a() { tracing::warn!(\"odd\"); } }",
    ] {
        assert_eq!(findings(fine), Vec::<String>::new(), "{fine}");
    }
    let (no_code, no_step) = (
        "a problem is logged without its `code`",
        "a problem is logged without its `next_step`",
    );
    for (text, wanted) in [
        ("tracing::warn!(\"odd\");", vec![no_code, no_step]),
        (
            "tracing::error!(left = code, %error, next_step = \"x\", \"odd\");",
            vec![no_code],
        ),
        (
            "warn!(code = e.label(), \"next_step = none, code = none\");",
            vec![no_step],
        ),
        (
            "warn!(code = \"elsewhere\", next_step, \"odd\");",
            vec!["`elsewhere` is not in src/model/codes"],
        ),
        (
            "const K: &str = \"new\"; warn!(code = K, next_step, \"odd\");",
            vec!["`new` is not in src/model/codes"],
        ),
        (
            "#[cfg(test)]\nmod tests;\nfn a() { tracing::warn!(code, \"odd\"); }",
            vec![no_step],
        ),
    ] {
        assert_eq!(findings(text), wanted, "{text}");
    }
}
