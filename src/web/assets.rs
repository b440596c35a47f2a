//! The files of the pages, compiled in: nothing is read from disk and nothing is fetched from elsewhere.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::config::LANGUAGES;
use crate::model::{Sha256Digest, codes};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

/// Path, media type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("/static/base.css", CSS, include_str!("static/base.css")),
    (
        "/static/officer.css",
        CSS,
        include_str!("static/officer.css"),
    ),
    ("/static/common.js", JS, include_str!("static/common.js")),
    ("/static/officer.js", JS, include_str!("static/officer.js")),
    ("/static/tagging.js", JS, include_str!("static/tagging.js")),
    (
        "/static/tagging.css",
        CSS,
        include_str!("static/tagging.css"),
    ),
    (
        "/static/evidence.css",
        CSS,
        include_str!("static/evidence.css"),
    ),
    ("/static/today.js", JS, include_str!("static/today.js")),
    ("/static/report.js", JS, include_str!("static/report.js")),
    ("/static/looks.js", JS, include_str!("static/looks.js")),
    ("/static/report.css", CSS, include_str!("static/report.css")),
    ("/static/watch.css", CSS, include_str!("static/watch.css")),
    ("/static/watch.js", JS, include_str!("static/watch.js")),
    (
        "/static/watch-frames.js",
        JS,
        include_str!("static/watch-frames.js"),
    ),
    (
        "/static/watch-keys.js",
        JS,
        include_str!("static/watch-keys.js"),
    ),
    (
        "/static/watch-message.js",
        JS,
        include_str!("static/watch-message.js"),
    ),
    (
        "/static/watch-asking.js",
        JS,
        include_str!("static/watch-asking.js"),
    ),
    (
        "/static/watch-wall.js",
        JS,
        include_str!("static/watch-wall.js"),
    ),
    (
        "/static/watch-key-file.js",
        JS,
        include_str!("static/watch-key-file.js"),
    ),
    (
        "/watch-worker.js",
        JS,
        include_str!("static/watch-worker.js"),
    ),
    (
        "/static/recipient.js",
        JS,
        include_str!("static/recipient.js"),
    ),
    (
        "/static/recipient.css",
        CSS,
        include_str!("static/recipient.css"),
    ),
    (
        "/static/watch-player.js",
        JS,
        include_str!("static/watch-player.js"),
    ),
    (
        "/static/person-keys.js",
        JS,
        include_str!("static/person-keys.js"),
    ),
    (
        "/static/person-key-file.js",
        JS,
        include_str!("static/person-key-file.js"),
    ),
    (
        "/static/outside-ask.js",
        JS,
        include_str!("static/outside-ask.js"),
    ),
    (
        "/static/outsiders.js",
        JS,
        include_str!("static/outsiders.js"),
    ),
    ("/static/shares.js", JS, include_str!("static/shares.js")),
    ("/static/enrol.js", JS, include_str!("static/enrol.js")),
    ("/static/find.js", JS, include_str!("static/find.js")),
    ("/static/custody.js", JS, include_str!("static/custody.js")),
    (
        "/static/recording.js",
        JS,
        include_str!("static/recording.js"),
    ),
    (
        "/static/recordings.js",
        JS,
        include_str!("static/recordings.js"),
    ),
    ("/static/login.js", JS, include_str!("static/login.js")),
    (
        "/static/icon.svg",
        "image/svg+xml",
        include_str!("static/icon.svg"),
    ),
    ("/text/de.json", JSON, include_str!("text/de.json")),
];

/// The English texts; those of problems come from the table of problem codes. Only bays show them: elsewhere an English reader
/// gets the sentence as it was entered.
static ENGLISH: LazyLock<String> = LazyLock::new(|| {
    let mut texts: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(include_str!("text/en.json")).expect("a test reads en.json");
    let problems = codes::at_a_station().map(|code| {
        let text = serde_json::json!({"what": code.meaning, "next": code.next_step});
        (code.code.to_owned(), text)
    });
    texts.insert("problem".to_owned(), problems.collect());
    serde_json::Value::Object(texts).to_string()
});

/// What the officers' page says: of everything else its screen needs no text.
const OF_OFFICERS: [&str; 6] = [
    "language_choice",
    "state",
    "officer",
    "tagging",
    "sentence",
    "problem",
];

/// The texts of the officers' page by themselves, in every language, with the problems of a station alone.
static OFFICERS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let of_language = |language: &&str| {
        let all = content(&format!("/text/{language}.json")).map_or("{}", |(_, text)| text);
        let mut texts: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(all).expect("a test reads the texts");
        texts.retain(|name, _| OF_OFFICERS.contains(&name.as_str()));
        if let Some(problems) = texts.get_mut("problem").and_then(|it| it.as_object_mut()) {
            problems.retain(|name, _| codes::at_a_station().any(|code| code.code == name));
        }
        let text = serde_json::Value::Object(texts).to_string();
        (format!("/text/officer-{language}.json"), text)
    };
    LANGUAGES.iter().map(of_language).collect()
});

pub const OFFICER: &str = include_str!("static/officer.html");
pub const REPORT: &str = include_str!("static/report.html");
pub const LOOKS: &str = include_str!("static/looks.html");
pub const TODAY: &str = include_str!("static/today.html");
pub const WATCH: &str = include_str!("static/watch.html");
pub const WALL: &str = include_str!("static/watch-wall.html");
pub const RECIPIENT: &str = include_str!("static/recipient.html");
pub const KEYS: &str = include_str!("static/keys.html");
pub const ENROL: &str = include_str!("static/enrol.html");
pub const OUTSIDERS: &str = include_str!("static/outsiders.html");
pub const SHARES: &str = include_str!("static/shares.html");
pub const FIND: &str = include_str!("static/find.html");
pub const RECORDING: &str = include_str!("static/recording.html");
pub const LOGIN_PEOPLE: &str = include_str!("static/login-people.html");
pub const LOGIN: &str = include_str!("static/login.html");

/// Serves one of the files; none of them holds a secret.
pub fn file(path: &str) -> Response {
    match content(path) {
        Some((kind, content)) => (
            [(header::CONTENT_TYPE, HeaderValue::from_static(kind))],
            content,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Everything that runs or stands in the page where a private key is, by its address, as a browser gets it.
pub fn watch_files() -> Vec<(String, Sha256Digest)> {
    let page = |language: &&str| {
        [
            ("/watch/STATION/ID", WATCH),
            ("/find/wall", WALL),
            ("/keys", KEYS),
            ("/s/SHARE", RECIPIENT),
            ("/enrol", ENROL),
            ("/shares", SHARES),
        ]
        .map(|(address, page)| {
            let html = page.replace("{language}", language);
            let address = format!("{address} ({language})");
            (address, Sha256Digest::of(html.as_bytes()))
        })
    };
    let shared = [
        "/static/common.js",
        "/static/base.css",
        "/static/evidence.css",
    ];
    let files = FILES.iter().filter(|(name, ..)| {
        [
            "watch",
            "person-key",
            "recipient",
            "enrol",
            "outside-ask",
            "shares",
        ]
        .iter()
        .any(|part| name.contains(part))
            || shared.contains(name)
    });
    let files = files.map(|(name, _, text)| {
        let digest = Sha256Digest::of(text.as_bytes());
        ((*name).to_owned(), digest)
    });
    LANGUAGES.iter().flat_map(page).chain(files).collect()
}

/// The script of the watching page's service worker, under a policy of its own: a worker takes none over from its page.
pub fn watch_worker() -> Response {
    let mut script = file("/watch-worker.js");
    let policy = "default-src 'none'; script-src 'self'; connect-src 'self'";
    let policy = HeaderValue::from_static(policy);
    script
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    script
}

fn content(path: &str) -> Option<(&'static str, &'static str)> {
    if path == "/text/en.json" {
        return Some((JSON, ENGLISH.as_str()));
    }
    if path.starts_with("/text/officer-") {
        let mut all = OFFICERS.iter();
        return all
            .find(|(name, _)| *name == path)
            .map(|(_, text)| (JSON, text.as_str()));
    }
    let (_, kind, content) = FILES.iter().find(|(name, ..)| *name == path)?;
    Some((*kind, *content))
}

/// A page; `{language}` in it is the station's language.
pub fn page(template: &str, language: &str) -> Response {
    let html = template.replace("{language}", language);
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static(HTML))],
        html,
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn texts(language: &str) -> BTreeMap<String, serde_json::Value> {
        let (_, text) = content(&format!("/text/{language}.json")).unwrap();
        serde_json::from_str(text).unwrap()
    }

    fn flat(prefix: &str, value: &serde_json::Value, into: &mut BTreeMap<String, String>) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    flat(&format!("{prefix}.{key}"), value, into);
                }
            }
            other => {
                into.insert(prefix.to_owned(), other.as_str().unwrap().to_owned());
            }
        }
    }

    fn placeholders(text: &str) -> Vec<&str> {
        let mut found: Vec<_> = text
            .split('{')
            .skip(1)
            .map(|rest| rest.split('}').next().unwrap())
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn every_language_has_every_text_with_the_same_placeholders() {
        let all = |language| {
            let mut found = BTreeMap::new();
            for (key, value) in texts(language) {
                flat(&key, &value, &mut found);
            }
            found
        };
        let english = all("en");
        assert!(english.len() > 50);
        for language in LANGUAGES {
            let other = all(language);
            for (key, text) in &english {
                let translated = other
                    .get(key)
                    .unwrap_or_else(|| panic!("{language} lacks {key}"));
                assert!(!translated.trim().is_empty(), "{language} {key}");
                assert_eq!(
                    placeholders(text),
                    placeholders(translated),
                    "{language} {key}"
                );
            }
            // Another test looks for a text for every problem, the office's too, which have none here in English.
            let extra = other.keys().filter(|key| !key.starts_with("problem."));
            let extra: Vec<_> = extra.filter(|key| !english.contains_key(*key)).collect();
            assert!(extra.is_empty(), "{language} has {extra:?} besides");
        }
    }

    #[test]
    fn no_page_loads_anything_from_elsewhere_or_runs_what_stands_in_it() {
        let pages = [
            ("officer", OFFICER),
            ("login", LOGIN),
            ("report", REPORT),
            ("looks", LOOKS),
            ("today", TODAY),
            ("watch", WATCH),
            ("wall", WALL),
            ("keys", KEYS),
            ("recipient", RECIPIENT),
            ("enrol", ENROL),
            ("outsiders", OUTSIDERS),
            ("shares", SHARES),
            ("find", FIND),
            ("recording", RECORDING),
        ];
        let all = FILES
            .iter()
            .map(|(name, _, text)| (*name, *text))
            .chain([("/text/en.json", ENGLISH.as_str())])
            .chain(pages);
        for (name, text) in all {
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for foreign in [
                "http:",
                "https:",
                "src=\"//",
                "@import",
                "style=\"",
                "onclick",
                "<script>",
                "<style",
                "innerHTML",
            ] {
                assert!(!text.contains(foreign), "{name} holds {foreign}");
            }
        }
    }

    #[test]
    fn the_officer_page_is_below_100_kb_in_all() {
        let first_paint: usize = FILES
            .iter()
            .filter(|(name, ..)| {
                let others = [
                    "evidence",
                    "today",
                    "find",
                    "custody",
                    "recording",
                    "report",
                    "looks",
                    "watch",
                    "person-key",
                    "recipient",
                    "outside",
                    "shares",
                    "enrol",
                    "de.json",
                ];
                !others.iter().any(|other| name.contains(other))
            })
            .map(|(.., text)| text.len())
            .sum::<usize>()
            + OFFICER.len();
        for (name, texts) in OFFICERS.iter() {
            let all = first_paint + texts.len();
            assert!(all < 100_000, "{name}: {all}");
        }
    }

    #[test]
    fn the_officers_page_has_its_texts_by_themselves_in_every_language() {
        assert!(OFFICER.contains("data-texts=\"officer-\""));
        for language in LANGUAGES {
            let (_, text) = content(&format!("/text/officer-{language}.json")).unwrap();
            let own: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).unwrap();
            assert_eq!(own.len(), OF_OFFICERS.len(), "{language}");
            let problems = own["problem"].as_object().unwrap();
            for code in codes::at_a_station() {
                assert!(problems.contains_key(code.code), "{language} {}", code.code);
            }
        }
        assert!(content("/text/officer-xx.json").is_none());
    }
}
