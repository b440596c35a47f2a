use crate::model::Entry;

use super::AuditError;
use super::canonical_scan::surely_canonical;

/// The longest entry that an entry bundle can carry (C2SP tlog-tiles: 16-bit lengths).
pub const ENTRY_MAX: usize = 65_535;

/// The exact bytes of an entry in the log: RFC 8785 canonical JSON.
///
/// Fails when the entry is longer than [`ENTRY_MAX`].
pub fn encode_entry(entry: &Entry) -> Result<Vec<u8>, AuditError> {
    let bytes = serde_json_canonicalizer::to_vec(entry).map_err(AuditError::Encode)?;
    if bytes.len() > ENTRY_MAX {
        return Err(AuditError::TooLarge { size: bytes.len() });
    }
    Ok(bytes)
}

/// Whether `bytes` are JSON in the one form that RFC 8785 allows.
pub fn is_canonical(bytes: &[u8]) -> bool {
    surely_canonical(bytes) || canonical_by_rewriting(bytes)
}

pub(super) fn canonical_by_rewriting(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(bytes)
        .ok()
        .and_then(|value| serde_json_canonicalizer::to_vec(&value).ok())
        .is_some_and(|again| again == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, StationStopped};

    fn entry(reason: &str) -> Entry {
        Entry {
            v: 1,
            time: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            station: "leeds-1".parse().unwrap(),
            session: None,
            event: Event::StationStopped(StationStopped {
                reason: reason.into(),
            }),
        }
    }

    #[test]
    fn an_entry_has_sorted_keys_and_minimal_escapes() {
        assert_eq!(
            String::from_utf8(encode_entry(&entry("é\u{1}\"/€")).unwrap()).unwrap(),
            r#"{"data":{"reason":"é\u0001\"/€"},"event":"station.stopped","station":"leeds-1","time":"2026-01-02T03:04:05.678Z","v":1}"#
        );
    }

    #[test]
    fn an_entry_that_does_not_fit_a_bundle_is_refused() {
        let overhead = encode_entry(&entry("")).unwrap().len();
        let fits = "x".repeat(ENTRY_MAX - overhead);
        assert_eq!(encode_entry(&entry(&fits)).unwrap().len(), ENTRY_MAX);
        let error = encode_entry(&entry(&(fits + "x"))).unwrap_err();
        assert!(
            matches!(error, AuditError::TooLarge { size: 65_536 }),
            "{error}"
        );
    }

    #[test]
    fn only_the_one_form_is_canonical() {
        assert!(is_canonical(&encode_entry(&entry("done")).unwrap()));
        for other in [
            &br#"{"b":1,"a":2}"#[..],
            br#"{"a": 2}"#,
            br#"{"a":1.0}"#,
            br#"{"a":1,"a":1}"#,
            b"{",
            b"",
            b"\xff",
        ] {
            assert!(!is_canonical(other), "{}", String::from_utf8_lossy(other));
        }
    }
}
