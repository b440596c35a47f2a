//! The conditions that every station meets once it has come to rest, whatever happened to it before.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aho_corasick::AhoCorasick;

use camdock::model::{Event, EvidenceId, Sha256Digest};

use crate::place::Place;

/// Files of the camera: path and content.
pub struct Expected<'a> {
    pub prefix: &'a str,
    pub files: &'a [(String, Vec<u8>)],
    pub quarantined: bool,
    /// Items that get a storyboard and a video.
    pub previewed: usize,
}

/// Everything is stored once, the log tells one story, and nothing lies about.
pub fn check(place: &Place, expected: &Expected<'_>) -> Result<(), String> {
    log(place, expected)?;
    let verified = place.verify_deep();
    if verified["items_opened"] != expected.files.len() {
        return Err(format!("opened: {verified}"));
    }
    store(place, expected)?;
    journal(place)?;
    let left: Vec<_> = fs::read_dir(place.path("state/spool"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    if !left.is_empty() {
        return Err(format!("left in the spool: {left:?}"));
    }
    no_plaintext(place, expected.files)
}

fn once<K: Ord + std::fmt::Debug>(
    what: &str,
    keys: impl Iterator<Item = K>,
) -> Result<Vec<K>, String> {
    let mut counted = BTreeMap::new();
    for key in keys {
        *counted.entry(key).or_insert(0) += 1;
    }
    match counted.iter().find(|(_, count)| **count > 1) {
        Some((key, count)) => Err(format!("{what} {count} times: {key:?}")),
        None => Ok(counted.into_keys().collect()),
    }
}

fn log(place: &Place, expected: &Expected<'_>) -> Result<(), String> {
    let entries = place.entries();
    let of = |wanted: fn(&Event) -> Option<EvidenceId>| {
        entries.iter().filter_map(move |e| wanted(&e.event))
    };
    let sealed = once(
        "sealed",
        of(|event| match event {
            Event::ItemSealed(e) => Some(e.evidence),
            _ => None,
        }),
    )?;
    let stored = once(
        "stored",
        of(|event| match event {
            Event::ItemStored(e) => Some(e.evidence),
            _ => None,
        }),
    )?;
    // A file that was damaged on the station is taken again as another item.
    let failed: Vec<EvidenceId> = of(|event| match event {
        Event::ItemFailed(e) => e.evidence,
        _ => None,
    })
    .collect();
    let mut sealed = sealed;
    sealed.retain(|id| !failed.contains(id));
    let quarantined = once(
        "quarantined",
        of(|event| match event {
            Event::ItemQuarantined(e) => Some(e.evidence),
            _ => None,
        }),
    )?;
    if sealed != stored {
        return Err(format!("sealed {sealed:?}, stored {stored:?}"));
    }
    if expected.quarantined && quarantined != sealed {
        return Err(format!("sealed {sealed:?}, quarantined {quarantined:?}"));
    }
    let files = entries.iter().filter_map(|e| match &e.event {
        Event::ItemSealed(e) if !failed.contains(&e.evidence) => {
            Some((e.path.to_string(), e.sha256))
        }
        _ => None,
    });
    let files = once("a file sealed", files)?;
    let wanted: Vec<_> = expected
        .files
        .iter()
        .map(|(path, bytes)| (path.clone(), Sha256Digest::of(bytes)))
        .collect();
    if files != wanted {
        return Err(format!("in the log {files:?}, on the camera {wanted:?}"));
    }
    let previews = entries.iter().filter_map(|e| match &e.event {
        Event::ItemPreviewed(e) => Some((e.evidence, e.part.as_str())),
        _ => None,
    });
    let previews = once("previewed", previews)?;
    if previews.len() != expected.previewed * 2 {
        return Err(format!("{} previews", previews.len()));
    }
    sessions(&entries)
}

/// Each dock session begins once and ends once, and has no entry outside of that.
fn sessions(entries: &[camdock::model::Entry]) -> Result<(), String> {
    let mut open = BTreeMap::new();
    for entry in entries {
        let Some(session) = entry.session else {
            continue;
        };
        let name = session.to_string();
        match (&entry.event, open.get(&name)) {
            (Event::CameraDocked(_), None) => {
                open.insert(name, true);
            }
            (Event::CameraDocked(_), Some(_)) => return Err(format!("{name} docked twice")),
            (Event::CameraUndocked(_) | Event::SessionEnded(_), Some(true)) => {
                open.insert(name, false);
            }
            (Event::CameraUndocked(_) | Event::SessionEnded(_), Some(false)) => {
                return Err(format!("{name} ended twice"));
            }
            (event, None) => return Err(format!("{} before {name} was docked", event.name())),
            // Uploads and previews outlast the session; what recovery enters late belongs to it, too.
            (
                Event::ItemStored(_)
                | Event::ItemPreviewed(_)
                | Event::ItemFailed(_)
                | Event::ItemSealed(_)
                | Event::ItemQuarantined(_),
                Some(_),
            )
            | (_, Some(true)) => {}
            (event, Some(false)) => return Err(format!("{} after {name} had ended", event.name())),
        }
    }
    match open.iter().find(|(_, open)| **open) {
        Some((name, _)) => Err(format!("{name} was never ended")),
        None => Ok(()),
    }
}

fn store(place: &Place, expected: &Expected<'_>) -> Result<(), String> {
    let client = place.weed.client();
    let prefix = format!("{}evidence/", expected.prefix);
    let (versions, uploads) = Place::block_on(async {
        let versions = client
            .list_object_versions()
            .bucket("evidence")
            .prefix(&prefix)
            .send()
            .await
            .unwrap();
        let uploads = client
            .list_multipart_uploads()
            .bucket("evidence")
            .prefix(&prefix)
            .send()
            .await
            .unwrap();
        (versions, uploads)
    });
    if !versions.delete_markers().is_empty() {
        return Err("something was deleted".into());
    }
    let keys = versions.versions().iter().map(|v| v.key().unwrap());
    let keys = once("versions of an object", keys)?;
    let (mut failed, mut unverified) = (Vec::new(), 0);
    for event in place.events() {
        match event {
            Event::ItemFailed(e) => failed.extend(e.evidence.map(|id| id.to_string())),
            Event::ItemStored(e) => unverified += usize::from(e.unverified),
            _ => {}
        }
    }
    let mut keys = keys;
    // Its manifest may have come there before the damage was found.
    keys.retain(|key| !failed.iter().any(|id| key.contains(id.as_str())));
    let wanted = expected.files.len() * 4 + expected.previewed * 2 - unverified;
    if keys.len() != wanted {
        return Err(format!("{} objects, not {wanted}: {keys:?}", keys.len()));
    }
    let uploads = uploads.uploads();
    if !uploads.is_empty() {
        return Err(format!("unfinished uploads: {uploads:?}"));
    }
    Ok(())
}

fn journal(place: &Place) -> Result<(), String> {
    let journal = rusqlite::Connection::open(place.path("state/journal.db")).unwrap();
    for (what, query) in [
        (
            "items that are not released",
            "SELECT COUNT(*) FROM items WHERE state NOT IN ('released', 'failed')",
        ),
        ("uploads", "SELECT COUNT(*) FROM uploads"),
        ("parts", "SELECT COUNT(*) FROM parts"),
        (
            "open sessions",
            "SELECT COUNT(*) FROM sessions WHERE ended IS NULL",
        ),
        ("inventories", "SELECT COUNT(*) FROM inventory"),
        ("missing files", "SELECT COUNT(*) FROM missing"),
        (
            "previews",
            "SELECT COUNT(*) FROM previews WHERE state <> 'done'",
        ),
    ] {
        let count: i64 = journal.query_row(query, [], |row| row.get(0)).unwrap();
        if count > 0 {
            return Err(format!("left in the journal: {count} {what}"));
        }
    }
    let slots = fs::read(place.path("state/journal.db-keys")).unwrap();
    if slots.iter().any(|byte| *byte != 0) {
        return Err("an item key is left in its slot".into());
    }
    Ok(())
}

/// Nothing of the footage lies on the station's disk unsealed.
pub fn no_plaintext(place: &Place, files: &[(String, Vec<u8>)]) -> Result<(), String> {
    let secrets = files.iter().flat_map(|(_, bytes)| {
        [0, bytes.len() / 2, bytes.len() - 32].map(|at| &bytes[at..at + 32])
    });
    let secrets = AhoCorasick::new(secrets).unwrap();
    for folder in ["state", "run", "tmp", "runs"] {
        scan(&place.path(folder), &secrets)?;
    }
    Ok(())
}

fn scan(folder: &Path, secrets: &AhoCorasick) -> Result<(), String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            scan(&path, secrets)?;
        } else if path.is_file()
            && let Ok(bytes) = fs::read(&path)
            && secrets.is_match(&bytes)
        {
            return Err(format!("footage lies open in {}", path.display()));
        }
    }
    Ok(())
}
