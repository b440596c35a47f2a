//! Decides whether two entries of the custody log prove that a file may be deleted from its camera. Pure: it looks only at
//! its arguments.
//!
//! The root helper and the MTP client both use it. It does not see the camera: the caller compares the file there with what
//! is proven, by path, size, time and digest.

use jiff::Timestamp;

use super::{AuditError, Checkpoint, Confirmation, VerifierKey, is_canonical, verify_receipt};
use crate::model::{
    BucketLayout, ConfirmedBy, Entry, Event, ItemSealed, ItemStored, Left, Part, Proven,
    StationName, WipeLevel, WipeProof,
};

/// The trusted keys, and the least proof that is required.
#[derive(Debug, Clone)]
pub struct WipeTrust {
    level: WipeLevel,
    logs: Vec<VerifierKey>,
    confirmers: Vec<VerifierKey>,
}

impl WipeTrust {
    /// Parses the keys. The station may not be its own confirmer.
    pub fn new(
        level: WipeLevel,
        logs: &[String],
        confirmers: &[String],
    ) -> Result<Self, AuditError> {
        let keys = |texts: &[String]| {
            texts
                .iter()
                .map(|text| text.parse())
                .collect::<Result<Vec<VerifierKey>, _>>()
        };
        let (logs, confirmers) = (keys(logs)?, keys(confirmers)?);
        if logs.is_empty() {
            return Err(AuditError::Key(
                "no log key is given, so no receipt can be checked",
            ));
        }
        if level == WipeLevel::Confirmed && confirmers.is_empty() {
            return Err(AuditError::Key("no key of a confirmer is given"));
        }
        if confirmers
            .iter()
            .any(|c| logs.iter().any(|l| l.same_key(c)))
        {
            return Err(AuditError::Key(
                "a confirmer has the same key as a station's log",
            ));
        }
        Ok(Self {
            level,
            logs,
            confirmers,
        })
    }
}

/// The facts that the proof proves under `trust` at `now`; a request may ask for more than `trust` does, never for less.
pub fn prove(
    proof: &WipeProof,
    trust: &WipeTrust,
    asked: WipeLevel,
    now: Timestamp,
) -> Result<Proven, Left> {
    let (sealed_entry, sealed_at, log) = logged(&proof.sealed, &proof.sealed_receipt, &trust.logs)?;
    let key = std::slice::from_ref(log);
    let (stored_entry, stored_at, _) = logged(&proof.stored, &proof.stored_receipt, key)?;
    let (Event::ItemSealed(sealed), Event::ItemStored(stored)) =
        (&sealed_entry.event, &stored_entry.event)
    else {
        return Err(Left::new(
            "proof_other_event",
            "its entries are not `item.sealed` and `item.stored`",
        ));
    };
    if sealed_entry.station != stored_entry.station || sealed_at >= stored_at {
        return Err(Left::new(
            "proof_other_item",
            "its two entries are not of one station, one after the other",
        ));
    }
    same_item(sealed, stored, &stored_entry.station)?;
    lasting(stored, now)?;
    // An ETag is not an MD5 where the store encrypts, and MD5 does not protect against forgery: somebody must have read the
    // object back.
    let by_md5 = stored.confirmed_by != ConfirmedBy::Sha256;
    if by_md5 || asked.max(trust.level) >= WipeLevel::Confirmed {
        confirmed(proof, stored, log, &trust.confirmers)?;
    }
    let Some(camera) = sealed.camera.clone() else {
        return Err(Left::new(
            "camera_differs",
            "it was taken from a camera without a usable serial",
        ));
    };
    Ok(Proven {
        evidence: sealed.evidence,
        camera,
        path: sealed.path.clone(),
        size: sealed.size,
        modified: sealed.modified,
        sha256: sealed.sha256,
    })
}

/// An entry that is in the log of one of the keys, its index, and the key.
fn logged<'a>(
    entry: &str,
    receipt: &str,
    keys: &'a [VerifierKey],
) -> Result<(Entry, u64, &'a VerifierKey), Left> {
    let mut last = None;
    let mut found: Option<((u64, Checkpoint), &VerifierKey)> = None;
    for key in keys {
        match verify_receipt(receipt, entry.as_bytes(), key) {
            Ok(proven) => {
                found = Some((proven, key));
                break;
            }
            Err(error) => last = Some(error),
        }
    }
    let Some(((index, _), key)) = found else {
        let reason = last.map_or_else(|| "no log key is known".to_owned(), |e| e.to_string());
        return Err(Left::new("proof_wrong", reason));
    };
    // The entry must have one meaning only: no key twice, no other spelling.
    let parsed = is_canonical(entry.as_bytes()).then(|| serde_json::from_str::<Entry>(entry));
    match parsed {
        Some(Ok(parsed)) if parsed.v == 1 => Ok((parsed, index, key)),
        _ => Err(Left::new(
            "proof_wrong",
            "its entry is none that this version understands",
        )),
    }
}

fn same_item(sealed: &ItemSealed, stored: &ItemStored, station: &StationName) -> Result<(), Left> {
    let object = BucketLayout::new("", station.clone()).object(sealed.evidence, Part::Original);
    let its_own = stored
        .key
        .strip_suffix(&object)
        .is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('/'));
    if sealed.evidence != stored.evidence || sealed.sealed_size != stored.size || !its_own {
        return Err(Left::new(
            "proof_other_item",
            "the receipt of storage is that of another item",
        ));
    }
    if stored.unverified {
        return Err(Left::new(
            "stored_unverified",
            "it was sent to the store without its frames being verified",
        ));
    }
    Ok(())
}

fn lasting(stored: &ItemStored, now: Timestamp) -> Result<(), Left> {
    match &stored.retention {
        None => Err(Left::new(
            "retention_missing",
            "the store does not lock the object, so it could vanish",
        )),
        Some(retention) if retention.until <= now => Err(Left::new(
            "retention_over",
            format!("the store's lock on the object ended {}", retention.until),
        )),
        Some(_) => Ok(()),
    }
}

fn confirmed(
    proof: &WipeProof,
    stored: &ItemStored,
    log: &VerifierKey,
    keys: &[VerifierKey],
) -> Result<(), Left> {
    let Some(note) = &proof.confirmation else {
        return Err(Left::new(
            "not_confirmed",
            "no independent reader has confirmed it yet",
        ));
    };
    let confirmation = Confirmation::open(note, keys)
        .map_err(|error| Left::new("confirmation_wrong", error.to_string()))?;
    if confirmation.is_of(log.name(), stored) {
        Ok(())
    } else {
        Err(Left::new(
            "confirmation_wrong",
            "the confirmation is that of another object",
        ))
    }
}

#[cfg(test)]
pub(crate) mod proof_desk;
#[cfg(test)]
mod tests;
