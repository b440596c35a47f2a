//! Tests the rules on invented source.

use super::*;

fn findings(file: &str, text: &str) -> Vec<String> {
    let sources = [(file.to_owned(), text.to_owned())];
    check(&sources).iter().map(ToString::to_string).collect()
}

#[test]
fn upward_and_sideways_imports_are_found_however_they_are_written() {
    for (file, text, line, rule) in [
        (
            "seal/mod.rs",
            "use crate::ingest::Job;",
            1,
            "`seal` (floor 3) imports `ingest` above it (floor 4)",
        ),
        (
            "seal/mod.rs",
            "\n\nuse crate::audit::Log;",
            3,
            "`seal` imports `audit` beside it",
        ),
        (
            "web/mod.rs",
            "use crate::ingest;",
            1,
            "`web` imports `ingest` beside it",
        ),
        (
            "camera/a.rs",
            "use crate::{\n    model::X,\n    config::{A, B},\n    dock::Y,\n};",
            4,
            "imports `dock` beside",
        ),
        (
            "camera/a.rs",
            "fn f() { crate::seal::open() }",
            1,
            "imports `seal` beside",
        ),
        (
            "camera/a.rs",
            "fn f() { crate :: seal\n::open() }",
            1,
            "imports `seal` beside",
        ),
        (
            "camera/a.rs",
            "use super::super::seal::X;",
            1,
            "imports `seal` beside",
        ),
        (
            "camera/a.rs",
            "use super::super::{model::X, upload::Y};",
            1,
            "imports `upload` beside",
        ),
        (
            "camera/a.rs",
            "use camdock::upload::X;",
            1,
            "imports `upload` beside",
        ),
        (
            "camera/a.rs",
            "pub(in crate::cli) fn f() {}",
            1,
            "imports `cli` above",
        ),
        (
            "camera/a.rs",
            "#[cfg(test)]\nmod tests { use crate::ingest::X; }",
            2,
            "imports `ingest` above",
        ),
        (
            "durable.rs",
            "use crate::metrics::X;",
            1,
            "imports `metrics` above",
        ),
        (
            "model/a.rs",
            "use crate::sys::X;",
            1,
            "`model` imports `sys`",
        ),
        (
            "config/mod.rs",
            "use crate::camera::X;",
            1,
            "imports `camera` above",
        ),
        (
            "journal/mod.rs",
            "use crate::common::X;",
            1,
            "`common` is imported but stands on no floor",
        ),
        (
            "common/mod.rs",
            "",
            1,
            "the room `common` stands on no floor",
        ),
    ] {
        let found = findings(file, text);
        let expected = found.iter().any(|finding| {
            finding.starts_with(&format!("src/{file}:{line}: ")) && finding.contains(rule)
        });
        assert!(expected, "{text}: {found:?}");
    }
}

#[test]
fn what_the_rules_allow_is_not_found() {
    for (file, text) in [
        (
            "camera/a.rs",
            "use crate::{config::Profile, model::{self, X}, sys, metrics};\nuse super::error::E;\nuse crate::camera::b;",
        ),
        (
            "camera/a.rs",
            "// use crate::seal;\n/* crate::seal /* */ crate::upload */\nconst A: &str = \"crate::seal\\\" crate::upload\";",
        ),
        (
            "camera/a.rs",
            "const A: &str = r#\"crate::seal \" unsafe\"#; const B: &[u8] = br\"unsafe\"; const C: char = '\"'; const D: &str = \"unsafe\";",
        ),
        (
            "camera/a.rs",
            "fn f<'a>(x: &'a str) -> char { '\\'' } // unsafe",
        ),
        (
            "camera/a.rs",
            "fn f() { my_crate::seal::x(); not_unsafe(); }",
        ),
        (
            "camera/a.rs",
            "mod tests { use super::*; use super::super::folder; }",
        ),
        (
            "ingest/mod.rs",
            "use crate::{audit, camera, dock, journal, seal, upload};",
        ),
        ("cli/run.rs", "use crate::station;"),
        ("main.rs", "fn main() { camdock::cli::main() }"),
        ("lib.rs", "pub mod cli;"),
        (
            "durable.rs",
            "use crate::sys; use crate::model::X; fn f() { File::create(p); o.write(true); fs::rename(a, b); }",
        ),
        (
            "sys/a.rs",
            "#![allow(unsafe_code)]\nfn f() { unsafe { g() } }",
        ),
        (
            "seal/a.rs",
            "#[cfg(test)]\nmod tests { fn f() { if x { y() } fs::write(a, b); } }",
        ),
        (
            "seal/a.rs",
            "fn f() { fs::read(x); my_fs::writer(); File::open(x); }",
        ),
    ] {
        assert_eq!(findings(file, text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn unsafe_anyhow_and_plain_writes_are_found_outside_of_their_rooms() {
    for (text, line, rule) in [
        ("use anyhow::Context as _;", 1, "`anyhow`"),
        (
            "fn f() {\n unsafe { g() } }",
            2,
            "`unsafe` outside of `sys`",
        ),
        ("#![allow(unsafe_code)]", 1, "the lint against `unsafe`"),
        (
            "const R: char = 'r'; fn f() { unsafe { g() } }",
            1,
            "`unsafe` outside of `sys`",
        ),
        (
            "fn f() { std::fs::write(a, b) }",
            1,
            "`fs::write` outside of `durable`",
        ),
        (
            "fn f() { tokio::fs::write(a, b) }",
            1,
            "`fs::write` outside of `durable`",
        ),
        (
            "fn f() { File::create(a) }",
            1,
            "`File::create` outside of `durable`",
        ),
        (
            "fn f() { o\n.write(true) }",
            2,
            "`write(true)` outside of `durable`",
        ),
        (
            "#[cfg(test)]\nmod tests { fn f() {} }\nfn f() { fs::write(a, b) }",
            3,
            "`fs::write`",
        ),
        (
            "#[cfg(test)]\nuse x;\nfn f() { fs::write(a, b) }",
            3,
            "`fs::write`",
        ),
    ] {
        let found = findings("upload/a.rs", text);
        let expected = found.iter().any(|finding| {
            finding.starts_with(&format!("src/upload/a.rs:{line}: ")) && finding.contains(rule)
        });
        assert!(expected, "{text}: {found:?}");
    }
}

#[test]
fn a_file_of_tests_may_write_and_others_of_its_room_may_not() {
    let source = |file: &str, text: &str| (file.to_owned(), text.to_owned());
    let sources = [
        source("seal/mod.rs", "#[cfg(test)]\nmod tests;\nmod other;"),
        source("seal/tests.rs", "fn f() { fs::write(a, b) }"),
        source("seal/other.rs", "fn f() { fs::write(a, b) }"),
    ];
    let found = check(&sources);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].file, "seal/other.rs");
}

#[test]
fn a_file_that_is_too_long_is_found() {
    assert!(findings("seal/a.rs", &"\n".repeat(LINES_MAX)).is_empty());
    assert_eq!(findings("seal/a.rs", &"\n".repeat(LINES_MAX + 1)).len(), 1);
}

#[test]
fn a_file_beside_its_own_folder_is_found() {
    let source = |file: &str| (file.to_owned(), String::new());
    let found = check(&[source("seal/open.rs"), source("seal/open/frames.rs")]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].file, "seal/open.rs");
    assert_eq!(
        check(&[source("seal/open/mod.rs"), source("seal/open/frames.rs")]),
        []
    );
}
