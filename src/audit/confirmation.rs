//! The statement that an independent reader signs after reading an object back: a C2SP signed note, one fact a line.

use jiff::Timestamp;

use super::{AuditError, LogKey, VerifierKey};
use crate::model::{EvidenceId, ItemStored, Sha256Digest};

const FIRST_LINE: &str = "camdock-confirmation/v1";
/// Bytes; no confirmation is longer.
pub const CONFIRMATION_MAX: usize = 16 << 10;

/// Names one version of one object, and what its bytes were when they were read back whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The origin of the station's log.
    pub origin: String,
    pub evidence: EvidenceId,
    pub bucket: String,
    pub key: String,
    /// `None` if the bucket gave none.
    pub version_id: Option<String>,
    /// Sealed bytes.
    pub size: u64,
    /// Computed from the bytes that were read, in the form of `item.stored`.
    pub checksum: String,
    /// The digest of all sealed bytes.
    pub sha256: Sha256Digest,
    /// The reader's clock.
    pub time: Timestamp,
}

impl Confirmation {
    fn text(&self) -> String {
        format!(
            "{FIRST_LINE}\norigin {}\nevidence {}\nbucket {}\nkey {}\nversion {}\nsize {}\nchecksum {}\nsha256 {}\ntime {}\n",
            self.origin,
            self.evidence,
            self.bucket,
            self.key,
            self.version_id.as_deref().unwrap_or("-"),
            self.size,
            self.checksum,
            self.sha256,
            self.time
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        (lines.next()? == FIRST_LINE).then_some(())?;
        let mut field = |name: &str| {
            let value = lines.next()?.strip_prefix(name)?.strip_prefix(' ')?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let confirmation = Self {
            origin: field("origin")?,
            evidence: field("evidence")?.parse().ok()?,
            bucket: field("bucket")?,
            key: field("key")?,
            version_id: Some(field("version")?).filter(|version| version != "-"),
            size: field("size")?.parse().ok()?,
            checksum: field("checksum")?,
            sha256: field("sha256")?.parse().ok()?,
            time: field("time")?.parse().ok()?,
        };
        // Each fact has exactly one spelling, and nothing may follow.
        (confirmation.text() == text).then_some(confirmation)
    }

    /// Returns the signed note. Fails where a value could be taken for another line.
    pub fn sign(&self, key: &LogKey, name: &str) -> Result<String, AuditError> {
        let text = self.text();
        if Self::parse(&text).as_ref() != Some(self) {
            return Err(AuditError::Note(
                "a value of the confirmation has a line break",
            ));
        }
        key.sign_text(&text, name)
    }

    /// Returns what a note says if one of `keys` signed it.
    pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Self, AuditError> {
        if note.len() > CONFIRMATION_MAX {
            return Err(AuditError::Note("it is longer than any confirmation"));
        }
        let text = VerifierKey::open_by_any(keys, note, "no key of a confirmer is known")?;
        Self::parse(text).ok_or(AuditError::Note("it is not a confirmation of version 1"))
    }

    /// Whether it names exactly this object: same place, same version, same bytes.
    pub fn is_of(&self, origin: &str, stored: &ItemStored) -> bool {
        self.origin == origin
            && self.evidence == stored.evidence
            && self.bucket == stored.bucket
            && self.key == stored.key
            && self.version_id == stored.version_id
            && self.size == stored.size
            && self.checksum == stored.checksum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmation() -> Confirmation {
        Confirmation {
            origin: "camdock/leeds-1".into(),
            evidence: EvidenceId::new(),
            bucket: "evidence".into(),
            key: "a/evidence/x/original".into(),
            version_id: Some("v1".into()),
            size: 7,
            checksum: "abc=-1".into(),
            sha256: Sha256Digest::of(b"sealed"),
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_confirmation_opens_under_a_pinned_key_and_under_no_other() {
        let (key, _) = LogKey::generate().unwrap();
        let (other, _) = LogKey::generate().unwrap();
        let note = confirmation();
        let signed = note.sign(&key, "reader").unwrap();
        let keys = [key.verifier("reader").unwrap()];
        assert_eq!(Confirmation::open(&signed, &keys).unwrap(), note);
        assert!(Confirmation::open(&signed, &[]).is_err());
        assert!(Confirmation::open(&signed, &[other.verifier("reader").unwrap()]).is_err());
        // A note that the same key signed for another purpose is refused.
        let checkpoint = key.sign_text("reader\n7\nAAAA\n", "reader").unwrap();
        assert!(Confirmation::open(&checkpoint, &keys).is_err());
        let none = Confirmation {
            version_id: None,
            ..note
        };
        let signed = none.sign(&key, "reader").unwrap();
        assert_eq!(Confirmation::open(&signed, &keys).unwrap(), none);
    }

    #[test]
    fn every_changed_character_of_a_confirmation_is_noticed() {
        let (key, _) = LogKey::generate().unwrap();
        let signed = confirmation().sign(&key, "reader").unwrap();
        let keys = [key.verifier("reader").unwrap()];
        for (at, was) in signed.char_indices() {
            for new in ['A', '1', '\n'] {
                if new != was {
                    let tail = &signed[at + was.len_utf8()..];
                    let changed = format!("{}{new}{tail}", &signed[..at]);
                    assert!(Confirmation::open(&changed, &keys).is_err(), "{at}");
                }
            }
        }
    }

    #[test]
    fn a_value_with_a_line_break_is_never_signed() {
        let (key, _) = LogKey::generate().unwrap();
        let forged = Confirmation {
            key: "a\nversion v2".into(),
            ..confirmation()
        };
        assert!(forged.sign(&key, "reader").is_err());
        let dash = Confirmation {
            version_id: Some("-".into()),
            ..confirmation()
        };
        assert!(dash.sign(&key, "reader").is_err());
    }
}
