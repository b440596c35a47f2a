//! The statement of somebody who is about to open an item where no office enters it: a C2SP signed note, one fact a line.

use jiff::Timestamp;

use super::{AuditError, LogKey, VerifierKey};
use crate::model::{EvidenceId, Part, is_one_line};

const FIRST_LINE: &str = "camdock-view/v1";
/// Bytes; no such note is longer.
pub const VIEWING_MAX: usize = 16 << 10;

/// Who opens what, when and why. The name is that of the key that signs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewing {
    /// The station's bucket name of its log: `camdock/STATION`, or what its configuration says.
    pub origin: String,
    pub evidence: EvidenceId,
    /// `None`: all of its objects.
    pub part: Option<Part>,
    /// One line.
    pub reason: String,
    /// The viewer's clock.
    pub time: Timestamp,
}

impl Viewing {
    fn text(&self) -> String {
        let part = self.part.map_or("all", |part| part.as_str());
        format!(
            "{FIRST_LINE}\norigin {}\nevidence {}\npart {part}\nreason {}\ntime {}\n",
            self.origin, self.evidence, self.reason, self.time
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        (lines.next()? == FIRST_LINE).then_some(())?;
        let mut field = |name: &str| {
            let value = lines.next()?.strip_prefix(name)?.strip_prefix(' ')?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let viewing = Self {
            origin: field("origin")?,
            evidence: field("evidence")?.parse().ok()?,
            part: match field("part")?.as_str() {
                "all" => None,
                name => Some(Part::NAMES.iter().find(|(_, known)| *known == name)?.0),
            },
            reason: field("reason")?,
            time: field("time")?.parse().ok()?,
        };
        // Each fact has exactly one spelling, and nothing may follow.
        (viewing.text() == text && is_one_line(&viewing.reason)).then_some(viewing)
    }

    /// Returns the signed note. Fails where a value could be taken for another line.
    pub fn sign(&self, key: &LogKey, name: &str) -> Result<String, AuditError> {
        let text = self.text();
        if Self::parse(&text).as_ref() != Some(self) {
            return Err(AuditError::Note(
                "a value of the view is empty or has a line break",
            ));
        }
        key.sign_text(&text, name)
    }

    /// Returns what a note says, and whether one of `keys` signed it. Fails where one of them is named and did not.
    pub fn read(note: &str, keys: &[VerifierKey]) -> Result<(Self, bool), AuditError> {
        let mut known = false;
        for key in keys {
            match key.open_text(note) {
                Ok(_) => known = true,
                Err(AuditError::ForeignKey { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let text = super::note::parse(note)?.text;
        let viewing = Self::parse(text).ok_or(AuditError::Note("it is not a view of version 1"))?;
        Ok((viewing, known))
    }

    /// Returns what a note says if one of `keys` signed it.
    pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Self, AuditError> {
        if note.len() > VIEWING_MAX {
            return Err(AuditError::Note("it is longer than any view"));
        }
        let text = VerifierKey::open_by_any(keys, note, "no key of a viewer is known")?;
        Self::parse(text).ok_or(AuditError::Note("it is not a view of version 1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_opens_under_its_key_and_under_no_other_and_no_reason_forges_a_line() {
        let (key, _) = LogKey::generate().unwrap();
        let (other, _) = LogKey::generate().unwrap();
        let viewing = Viewing {
            origin: "camdock/leeds-1".into(),
            evidence: EvidenceId::new(),
            part: Some(Part::Storyboard),
            reason: "asked for by the court".into(),
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
        };
        let note = viewing.sign(&key, "shah").unwrap();
        let keys = [key.verifier("shah").unwrap()];
        assert_eq!(Viewing::open(&note, &keys).unwrap(), viewing);
        assert!(Viewing::open(&note, &[other.verifier("shah").unwrap()]).is_err());
        assert!(Viewing::open(&note, &[]).is_err());
        assert_eq!(
            Viewing::read(&note, &keys).unwrap(),
            (viewing.clone(), true)
        );
        let strange = [other.verifier("shah").unwrap()];
        assert_eq!(
            Viewing::read(&note, &strange).unwrap(),
            (viewing.clone(), false)
        );
        let altered = note.replace("the court", "nobody");
        assert!(Viewing::read(&altered, &keys).is_err());
        let all = Viewing {
            part: None,
            ..viewing.clone()
        };
        let note = all.sign(&key, "shah").unwrap();
        assert_eq!(Viewing::open(&note, &keys).unwrap(), all);
        for reason in ["", " ", "a\ntime 2027-01-01T00:00:00Z", "a\u{7}"] {
            let forged = Viewing {
                reason: reason.into(),
                ..viewing.clone()
            };
            assert!(forged.sign(&key, "shah").is_err(), "{reason:?}");
        }
        let checkpoint = key.sign_text("shah\n7\nAAAA\n", "shah").unwrap();
        assert!(Viewing::open(&checkpoint, &keys).is_err());
    }
}
