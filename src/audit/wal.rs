//! The write-ahead file of the log: one record per batch, each with the checkpoint it leads to.
//!
//! Record: magic(8) ‖ u32 payload length ‖ payload ‖ SHA-256 of all before it. Payload: u64 first index ‖ u32 count ‖
//! (u16 length ‖ entry)… ‖ the signed note. Big-endian. Private to the station: outsiders read the tiles.

use sha2::{Digest as _, Sha256};

use super::source::{Entries, frame_into};
use super::{AuditError, ENTRY_MAX};

const MAGIC: &[u8; 8] = b"CDlogW01";
const HEAD: usize = MAGIC.len() + 4;
const TAIL: usize = 32;
/// The longest batch of one record, in bytes of entries; longer ones are split.
pub const BATCH_MAX: usize = 16 << 20;
const PAYLOAD_MAX: usize = 2 * BATCH_MAX + (64 << 20);

/// One batch, as it was committed.
#[derive(Debug)]
pub struct Record<'a> {
    pub start: u64,
    pub entries: Vec<&'a [u8]>,
    pub note: &'a str,
}

impl Record<'_> {
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.entries.len() as u64)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a batch is at most BATCH_MAX, and every entry takes at least two bytes of it"
)]
pub fn encode(start: u64, entries: &[Vec<u8>], note: &str) -> Vec<u8> {
    let bytes: usize = entries.iter().map(|e| e.len() + 2).sum();
    let payload = 8 + 4 + bytes + note.len();
    let mut out = Vec::with_capacity(HEAD + payload + TAIL);
    out.extend(MAGIC);
    out.extend((payload as u32).to_be_bytes());
    out.extend(start.to_be_bytes());
    out.extend((entries.len() as u32).to_be_bytes());
    for entry in entries {
        frame_into(&mut out, entry);
    }
    out.extend(note.as_bytes());
    let digest = Sha256::digest(&out);
    out.extend(digest);
    out
}

/// The whole records from the start of the file, and their length in bytes.
///
/// The bytes after them must be one torn record, never acknowledged. A whole record behind a broken one means that the
/// disk damaged what was acknowledged: that is an error, and it is never cut off.
pub fn scan(file: &[u8]) -> Result<(Vec<Record<'_>>, usize), AuditError> {
    let (mut records, mut good) = (Vec::new(), 0);
    while let Some((record, length)) = decode(&file[good..]) {
        records.push(record);
        good += length;
    }
    let rest = &file[good..];
    let hidden = rest
        .windows(MAGIC.len())
        .enumerate()
        .skip(1)
        .any(|(at, window)| window == MAGIC && decode(&rest[at..]).is_some());
    if hidden {
        return Err(AuditError::Corrupt {
            what: "a committed batch in its write-ahead file is damaged".into(),
        });
    }
    Ok((records, good))
}

fn decode(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let head = bytes.strip_prefix(MAGIC)?;
    let (length, _) = head.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > PAYLOAD_MAX {
        return None;
    }
    let (signed, rest) = bytes.split_at_checked(HEAD + length)?;
    let digest = rest.get(..TAIL)?;
    if Sha256::digest(signed)[..] != *digest {
        return None;
    }
    let (start, payload) = signed[HEAD..].split_first_chunk::<8>()?;
    let (count, mut payload) = payload.split_first_chunk::<4>()?;
    let mut entries = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let mut bundle = Entries(payload);
        entries.push(bundle.next()??);
        payload = bundle.0;
    }
    debug_assert!(entries.iter().all(|e| e.len() <= ENTRY_MAX));
    let record = Record {
        start: u64::from_be_bytes(*start),
        entries,
        note: str::from_utf8(payload).ok()?,
    };
    Some((record, HEAD + length + TAIL))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (Vec<u8>, usize) {
        let first = encode(0, &[b"one".to_vec(), vec![]], "note\n");
        let second = encode(2, &[vec![7; ENTRY_MAX]], "note two\n");
        ([&first[..], &second].concat(), first.len())
    }

    #[test]
    fn records_read_back_as_written() {
        let (bytes, _) = file();
        let (records, length) = scan(&bytes).unwrap();
        assert_eq!(length, bytes.len());
        assert_eq!(records[0].entries, [&b"one"[..], b""]);
        assert_eq!((records[1].start, records[1].end()), (2, 3));
        assert_eq!(records[1].note, "note two\n");
    }

    #[test]
    fn a_torn_last_record_is_cut_and_a_damaged_earlier_one_is_an_error() {
        let (bytes, first) = file();
        for cut in (first..bytes.len()).step_by(97) {
            assert_eq!(scan(&bytes[..cut]).unwrap().1, first);
        }
        for at in 0..first {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert!(scan(&damaged).is_err(), "byte {at}");
        }
    }
}
