use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::Sha256Digest;

use super::AuditError;

/// A log's statement about itself at one size (C2SP tlog-checkpoint).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    /// Entries.
    pub size: u64,
    pub root: Sha256Digest,
}

impl Checkpoint {
    /// The text that gets signed, with its final newline.
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            self.root.to_base64()
        )
    }

    /// Reads a checkpoint's text. Extension lines are allowed and ignored, as the specification asks.
    pub fn parse(text: &str) -> Result<Self, AuditError> {
        let text = text
            .strip_suffix('\n')
            .ok_or(AuditError::Note("no newline at the end"))?;
        let mut lines = text.split('\n');
        let origin = lines.next().unwrap_or_default();
        if origin.is_empty() {
            return Err(AuditError::Note("the origin is empty"));
        }
        let size = lines
            .next()
            .and_then(parse_decimal)
            .ok_or(AuditError::Note("the size is not a plain decimal number"))?;
        let root = lines
            .next()
            .and_then(parse_hash)
            .ok_or(AuditError::Note("the root is not the base64 of 32 bytes"))?;
        if lines.any(str::is_empty) {
            return Err(AuditError::Note("an extension line is empty"));
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }
}

/// Digits only and no leading zero.
pub(super) fn parse_decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

pub(super) fn parse_hash(line: &str) -> Option<Sha256Digest> {
    let bytes = STANDARD.decode(line).ok()?;
    bytes.try_into().ok().map(Sha256Digest)
}
