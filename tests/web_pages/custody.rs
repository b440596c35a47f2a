//! An item whose custody is longer than a page of it: nothing is cut without a word.

use super::*;
use camdock::audit::{LogHandle, LogKey};
use camdock::journal::{EntryIndex, Mention};
use camdock::model::{Entry, Event};
use serde_json::Value;

const ENTRIES: u64 = 1203;

fn looked_at(evidence: EvidenceId) -> Entry {
    Entry {
        v: 1,
        time: "2026-01-31T07:00:00Z".parse().unwrap(),
        station: "test-1".parse().unwrap(),
        session: None,
        event: Event::OperatorAction(OperatorAction {
            operator: "M. Shah".into(),
            action: "evidence.viewed".into(),
            evidence: Some(evidence),
            reason: "item and custody".into(),
            officer: None,
            gap: None,
            peer: None,
        }),
    }
}

/// A site whose one item has [`ENTRIES`] entries in the log, of which the index knows the first `indexed`.
fn told(indexed: u64) -> (Site, String, EvidenceId) {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), 1);
    let search = Search::default();
    let id = journal.search(&search, None, 1).unwrap().items[0].id;
    let (key, _) = LogKey::generate().unwrap();
    let log = LogHandle::open(&dir.path().join("log"), key, "example.org/test-1").unwrap();
    let entries = vec![looked_at(id); usize::try_from(ENTRIES).unwrap()];
    log.append_blocking(&entries).unwrap();
    let index = EntryIndex::open(&dir.path().join("entries.db")).unwrap();
    let mentions: Vec<_> = (0..indexed)
        .map(|entry| Mention {
            id: *id.as_bytes(),
            entry,
        })
        .collect();
    index.add(&mentions, indexed).unwrap();
    let archive = Archive {
        journal,
        log,
        entries: Some(Arc::new(index)),
    };
    let token = new_token().unwrap();
    let web = format!(
        "listen = \"127.0.0.1:0\"\ntokens = [{{ name = \"a\", role = \"evidence\", sha256 = \"{}\" }}]",
        hash_of(&token)
    );
    let metrics = "listen = \"127.0.0.1:0\"";
    let site = site_with(Some(archive), dir, true, &web, metrics);
    (site, token, id)
}

fn ask(site: &Site, token: &str, path: &str) -> Value {
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}",
        site.web
    );
    let answer = request(site.web, &head, b"");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).unwrap()
}

#[test]
fn a_long_custody_is_told_page_by_page_and_each_page_says_how_many_there_are() {
    let (site, token, id) = told(1200);
    let mut shown: Vec<u64> = Vec::new();
    let mut pages = Vec::new();
    let mut path = format!("/api/evidence/{id}");
    loop {
        let told = ask(&site, &token, &path);
        assert_eq!(told["entries"], ENTRIES);
        assert_eq!(told["searched"], told["proof"]["log_entries"]);
        let page = told["custody"].as_array().unwrap();
        shown.extend(page.iter().map(|entry| entry["entry"].as_u64().unwrap()));
        pages.push(page.len());
        let Some(next) = told["next"].as_u64() else {
            break;
        };
        assert_eq!(Some(&next), shown.last());
        path = format!("/api/evidence/{id}?after={next}");
    }
    assert_eq!(pages, [500, 500, 203]);
    assert!(shown.into_iter().eq(0..ENTRIES));
}

#[test]
fn a_custody_that_is_behind_the_log_says_how_far_it_was_looked_through() {
    let (site, token, id) = told(600);
    let told = ask(&site, &token, &format!("/api/evidence/{id}?after=499"));
    // What the index does not know is looked at in the log itself, a bundle of 256 entries.
    assert_eq!(told["searched"], 768);
    assert_eq!(told["entries"], 768);
    assert_eq!(told["custody"].as_array().unwrap().len(), 268);
    assert_eq!(told["next"], Value::Null);
    assert_eq!(told["proof"]["log_entries"], ENTRIES);
}
