//! Resumes an interrupted pull: verifies what is on disk, rebuilds the hash and continues at the next frame.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::format::{END_MARK, IV, TAG, frame_iv};
use super::open::UnlockedMessage;
use super::pipeline::{SealedStream, Start};
use super::sealer::Sealer;
use super::{ItemKey, KeySource, SealError};
use crate::model::{EvidenceId, Part, Sha256Digest};

/// The outcome for a partial spool file, once its source has been seen to have these frames still.
pub enum Resumed {
    /// Continue after `Start::sealed` bytes of the file, with the source at `Start::plaintext`.
    Partial(Box<Start>, Vec<WholeFrame>),
    /// The message is whole: only its commit is missing.
    Complete(SealedStream, Vec<WholeFrame>),
}

/// A verified frame of an interrupted pull. Without a comparison, another recording of the same name and size could be
/// joined to it.
pub struct WholeFrame {
    /// The offset of its first byte in the source.
    pub offset: u64,
    pub plaintext: Zeroizing<Vec<u8>>,
}

/// The first and the last frame that are not empty.
#[derive(Default)]
struct OuterFrames {
    first: Option<WholeFrame>,
    last: Option<WholeFrame>,
}

impl OuterFrames {
    fn add(&mut self, offset: u64, plaintext: &[u8]) {
        let frame = match (&self.first, &mut self.last) {
            _ if plaintext.is_empty() => return,
            (Some(_), Some(last)) => {
                last.offset = offset;
                last.plaintext.clear();
                last.plaintext.extend_from_slice(plaintext);
                return;
            }
            (Some(_), none) => none,
            (None, _) => &mut self.first,
        };
        *frame = Some(WholeFrame {
            offset,
            plaintext: plaintext.to_vec().into(),
        });
    }

    fn into_vec(self) -> Vec<WholeFrame> {
        self.first.into_iter().chain(self.last).collect()
    }
}

/// Reads a partial spool file; `seen` gets the offset and the plaintext of each frame that verifies. A header that does not
/// verify is an error: throw the file away and begin again.
pub fn resume(
    reader: &mut impl Read,
    key: &ItemKey,
    evidence: EvidenceId,
    seen: &mut dyn FnMut(u64, &[u8]),
) -> Result<Resumed, SealError> {
    let message = UnlockedMessage::read(reader, &KeySource::Item(key))?;
    message.expect(evidence, Part::Original)?;
    let frame_length = message.header.frame_length as usize;
    let mut hash = Sha256::new();
    let mut outer = OuterFrames::default();
    let (mut plaintext, mut sealed, mut number) = (0u64, message.bytes.len() as u64, 1u32);
    // One byte more than the largest frame, so that bytes after the final frame are noticed.
    let mut frame = Zeroizing::new(vec![0; 8 + IV + 4 + frame_length + TAG + 1]);
    let torn = loop {
        let regular = 4 + IV + frame_length + TAG;
        let got = fill(reader, &mut frame[..regular])?;
        if got >= 8 && frame[..4] == END_MARK {
            let more = fill(reader, &mut frame[got..])?;
            let got = got + more;
            if let Some(length) = final_length(&frame[..got], number, frame_length) {
                let torn = frame[..got].to_vec();
                let begin = 8 + IV + 4;
                if let Ok(plain) =
                    message.open_frame(number, true, &mut frame[begin..begin + length + TAG])
                    && begin + length + TAG == got
                {
                    hash.update(plain);
                    seen(plaintext, plain);
                    outer.add(plaintext, plain);
                    let sha256 = Sha256Digest(hash.finalize().into());
                    let size = plaintext + length as u64;
                    let stream = SealedStream {
                        sha256,
                        size,
                        sealed_size: sealed + got as u64,
                    };
                    return Ok(Resumed::Complete(stream, outer.into_vec()));
                }
                break torn;
            }
            break frame[..got].to_vec();
        }
        if got < regular
            || frame[..4] != number.to_be_bytes()
            || frame[4..4 + IV] != frame_iv(number)
        {
            break frame[..got].to_vec();
        }
        let torn = frame[..got].to_vec();
        match message.open_frame(number, false, &mut frame[4 + IV..regular]) {
            Ok(plain) => {
                hash.update(plain);
                seen(plaintext, plain);
                outer.add(plaintext, plain);
                plaintext += frame_length as u64;
                sealed += regular as u64;
                number = number
                    .checked_add(1)
                    .ok_or(SealError::Limit("the number of frames"))?;
            }
            Err(_) => break torn,
        }
    };
    let UnlockedMessage {
        header,
        bytes,
        keys,
    } = message;
    let sealer = Sealer::resume(
        keys.key,
        header.message_id,
        bytes,
        header.frame_length,
        number,
    );
    let start = Start {
        sealer,
        hash,
        plaintext,
        sealed,
        torn,
    };
    Ok(Resumed::Partial(Box::new(start), outer.into_vec()))
}

/// The length that a final frame claims, if the frame is complete and its fields are right.
fn final_length(frame: &[u8], number: u32, frame_length: usize) -> Option<usize> {
    let fields = frame.get(4..8 + IV + 4)?;
    let length = u32::from_be_bytes(fields[16..20].try_into().ok()?) as usize;
    let placed = fields[..4] == number.to_be_bytes() && fields[4..16] == frame_iv(number);
    (placed && length <= frame_length && frame.len() >= 24 + length + TAG).then_some(length)
}

fn fill(reader: &mut impl Read, out: &mut [u8]) -> Result<usize, SealError> {
    let mut filled = 0;
    while filled < out.len() {
        match reader.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(SealError::Read(e)),
        }
    }
    Ok(filled)
}
