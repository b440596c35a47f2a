//! The C2SP signed-note envelope: a text, a blank line, signature lines.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::AuditError;

/// The longest note that is read; a checkpoint with many cosignatures stays far below.
pub const NOTE_MAX: usize = 64 << 10;
const SIGNATURES_MAX: usize = 64;
const DASH: &str = "\u{2014} ";

/// A parsed envelope. Nothing is verified yet.
pub struct Note<'a> {
    /// With its final newline: the bytes that were signed.
    pub text: &'a str,
    pub signatures: Vec<Signature<'a>>,
}

pub struct Signature<'a> {
    pub name: &'a str,
    pub key_id: [u8; 4],
    pub bytes: Vec<u8>,
}

/// Parses a note (C2SP signed-note, "Format").
pub fn parse(note: &str) -> Result<Note<'_>, AuditError> {
    if note.len() > NOTE_MAX {
        return Err(AuditError::Note("it is longer than 64 KiB"));
    }
    if note.chars().any(|c| c < ' ' && c != '\n') {
        return Err(AuditError::Note("it holds control characters"));
    }
    let blank = note
        .rfind("\n\n")
        .ok_or(AuditError::Note("no blank line before the signatures"))?;
    let (text, lines) = (&note[..=blank], &note[blank + 2..]);
    let lines = lines
        .strip_suffix('\n')
        .ok_or(AuditError::Note("no newline at the end"))?;
    let signatures = lines
        .split('\n')
        .take(SIGNATURES_MAX + 1)
        .map(signature)
        .collect::<Result<Vec<_>, _>>()?;
    if signatures.len() > SIGNATURES_MAX {
        return Err(AuditError::Note("more than 64 signatures"));
    }
    Ok(Note { text, signatures })
}

fn signature(line: &str) -> Result<Signature<'_>, AuditError> {
    const WRONG: AuditError = AuditError::Note("a signature line is not `— name base64`");
    let (name, blob) = line
        .strip_prefix(DASH)
        .and_then(|rest| rest.split_once(' '))
        .ok_or(WRONG)?;
    let blob = STANDARD.decode(blob).map_err(|_| WRONG)?;
    match blob.split_first_chunk::<4>() {
        Some((key_id, bytes)) if is_name(name) && !bytes.is_empty() => Ok(Signature {
            name,
            key_id: *key_id,
            bytes: bytes.to_vec(),
        }),
        _ => Err(WRONG),
    }
}

/// `text` must end with a newline.
pub fn write(text: &str, name: &str, key_id: [u8; 4], signature: &[u8]) -> String {
    format!("{text}\n{}", line(name, key_id, signature))
}

/// One signature line, with its newline.
pub fn line(name: &str, key_id: [u8; 4], signature: &[u8]) -> String {
    let blob = STANDARD.encode([&key_id[..], signature].concat());
    format!("{DASH}{name} {blob}\n")
}

/// Key names are not empty and have no space of any kind and no `+`; here they are also bounded.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}
