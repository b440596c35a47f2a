//! The signed notes of those who opened an item where no office enters it: each has to be in its place, and what its writer signed.

use anyhow::Context as _;

use super::report::{ReportedFinding, VerifyReport};
use crate::audit::{VIEWING_MAX, VerifierKey, Viewing};
use crate::cli::bucket::{Bucket, is_oversized};
use crate::config::Config;
use crate::model::{Escaped, EvidenceId, Sha256Digest, codes};

const WRONG: &str = "view_note_wrong";

/// Reads every note. Who may not list them says nothing of them.
pub(super) fn check(
    config: &Config,
    bucket: &Bucket,
    verified: &mut VerifyReport,
) -> anyhow::Result<()> {
    let keys = config.view_keys.iter().map(|key| key.parse());
    let keys: Vec<VerifierKey> = keys.collect::<Result<_, _>>().context(
        "`keys` in [views] of camdock.toml are not all keys of `camdock keygen confirmer`",
    )?;
    let Ok(names) = bucket.views() else {
        return Ok(());
    };
    verified.view_notes = Some(names.len());
    let folder = bucket.layout().viewed_folder();
    for key in names {
        let place = key.strip_prefix(&folder).unwrap_or_default();
        let note = match bucket.get(&key, VIEWING_MAX as u64) {
            // Its item was deleted by rule meanwhile.
            Ok(None) => continue,
            Ok(Some(bytes)) => String::from_utf8(bytes.to_vec()).ok(),
            Err(error) if is_oversized(&error) => None,
            Err(error) => return Err(error),
        };
        match note.map(|note| of_its_place(config, place, &note, &keys)) {
            Some(Ok(known)) => verified.view_notes_signed += usize::from(known),
            Some(Err(why)) => verified.findings.push(wrong(&key, &why)),
            None => verified.findings.push(wrong(&key, "it is no such note")),
        }
    }
    Ok(())
}

/// Whether a known key signed it; in words what is wrong with it.
fn of_its_place(
    config: &Config,
    place: &str,
    note: &str,
    keys: &[VerifierKey],
) -> Result<bool, String> {
    let (viewing, known) = Viewing::read(note, keys).map_err(|error| error.to_string())?;
    let digest = Sha256Digest::of(note.as_bytes()).to_string();
    let at = viewing.time.as_millisecond();
    let named = format!("{}/{at}-{}", viewing.evidence, &digest[..16]);
    if named != place || viewing.origin != config.station.log_origin {
        return Err("it is the note of another item, station or time".into());
    }
    Ok(known)
}

fn wrong(key: &str, why: &str) -> ReportedFinding {
    let evidence = key.rsplit('/').nth(1);
    ReportedFinding {
        code: WRONG.into(),
        evidence: evidence.and_then(|id| id.parse::<EvidenceId>().ok()),
        what: format!(
            "{} says that somebody opened an item, and cannot be believed: {why}",
            Escaped(key.as_bytes())
        ),
        next_step: codes::find(WRONG).map_or("", |code| code.next_step).into(),
    }
}
