//! The reading side: unlocks a header, then reads frames in order or by seeking. No byte is returned before its frame is
//! verified.

use std::io::{self, Read, Seek, SeekFrom};

use ring::aead::{Aad, Nonce};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::SealError;
use super::format::{
    END_MARK, FINAL_OVERHEAD, FRAME_OVERHEAD, IV, MessageHeader, TAG, frame_aad, frame_iv,
    read_exact,
};
use super::keys::{ItemKey, KeyBytes, RecipientKey, same};
use super::sealer::MessageKeys;
use crate::model::{EvidenceId, Part, Sha256Digest};

/// The keys that may open a message.
pub enum KeySource<'a> {
    Item(&'a ItemKey),
    Recipient(&'a RecipientKey),
}

impl KeySource<'_> {
    fn data_key(&self, header: &MessageHeader, context: &[u8]) -> Option<KeyBytes> {
        header.keys.iter().find_map(|key| match self {
            Self::Item(item) => item.unwrap(key, context),
            Self::Recipient(recipient) => recipient.unwrap(key, context),
        })
    }
}

/// A header that was read, unlocked and verified.
pub struct UnlockedMessage {
    pub header: MessageHeader,
    /// Body and tag, the exact bytes.
    pub bytes: Vec<u8>,
    pub(super) keys: MessageKeys,
}

impl UnlockedMessage {
    pub fn read(reader: &mut impl Read, source: &KeySource<'_>) -> Result<Self, SealError> {
        let (header, mut body, tag) = MessageHeader::read(reader)?;
        let context = header.context.serialize()?;
        let data_key = source.data_key(&header, &context).ok_or(SealError::NoKey)?;
        let keys = MessageKeys::derive(&data_key, &header.message_id)?;
        if !same(&keys.commitment, &header.commitment) {
            return Err(SealError::Commitment);
        }
        if !same(&keys.header_tag(&body)?, &tag) {
            return Err(SealError::Header);
        }
        body.extend_from_slice(&tag);
        Ok(Self {
            header,
            bytes: body,
            keys,
        })
    }

    /// Refuses the message of another item or of another part of it.
    pub fn expect(&self, evidence: EvidenceId, part: Part) -> Result<(), SealError> {
        self.header.expect(evidence, part)
    }

    /// Opens one frame's ciphertext and tag in place; returns its plaintext.
    pub(super) fn open_frame<'b>(
        &self,
        number: u32,
        is_final: bool,
        sealed: &'b mut [u8],
    ) -> Result<&'b [u8], SealError> {
        let length = sealed
            .len()
            .checked_sub(TAG)
            .ok_or(SealError::Frame(number))?;
        let aad = frame_aad(&self.header.message_id, number, is_final, length);
        self.keys
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(frame_iv(number)),
                Aad::from(aad),
                sealed,
            )
            .map(|plain| &*plain)
            .map_err(|_| SealError::Frame(number))
    }

    /// Offset of frame `number` (from 1) in the sealed message.
    pub(super) fn frame_offset(&self, number: u32) -> u64 {
        self.bytes.len() as u64
            + u64::from(number - 1) * (u64::from(self.header.frame_length) + FRAME_OVERHEAD as u64)
    }
}

/// Plaintext of a sealed message, verified frame by frame; holds one frame. Seeks by frame.
pub struct Opener<R> {
    reader: R,
    message: UnlockedMessage,
    frame: Zeroizing<Vec<u8>>,
    /// Number of the frame in `frame`, 0 for none.
    number: u32,
    final_number: Option<u32>,
    length: usize,
    position: usize,
}

impl<R: Read> Opener<R> {
    pub fn open(mut reader: R, source: &KeySource<'_>) -> Result<Self, SealError> {
        let message = UnlockedMessage::read(&mut reader, source)?;
        let capacity = message.header.frame_length as usize + TAG;
        Ok(Self {
            reader,
            message,
            frame: Zeroizing::new(vec![0; capacity]),
            number: 0,
            final_number: None,
            length: 0,
            position: 0,
        })
    }

    pub const fn message(&self) -> &UnlockedMessage {
        &self.message
    }

    /// Reads and verifies the next frame; `false` after the final one, once nothing follows it.
    fn next_frame(&mut self) -> Result<bool, SealError> {
        if self.final_number == Some(self.number) {
            return Ok(false);
        }
        let number = self
            .number
            .checked_add(1)
            .ok_or(SealError::Limit("the number of frames"))?;
        let mut field = [0; 4];
        read_exact(&mut self.reader, &mut field, "a frame")?;
        let is_final = field == END_MARK;
        if is_final {
            read_exact(&mut self.reader, &mut field, "the final frame")?;
        }
        let mut iv = [0; IV];
        read_exact(&mut self.reader, &mut iv, "a frame")?;
        if field != number.to_be_bytes() || iv != frame_iv(number) {
            return Err(SealError::Frame(number));
        }
        let mut length = self.message.header.frame_length;
        if is_final {
            read_exact(&mut self.reader, &mut field, "the final frame")?;
            let claimed = u32::from_be_bytes(field);
            if claimed > length {
                return Err(SealError::Frame(number));
            }
            length = claimed;
        }
        let sealed = length as usize + TAG;
        read_exact(&mut self.reader, &mut self.frame[..sealed], "a frame")?;
        self.length = 0;
        self.position = 0;
        self.message
            .open_frame(number, is_final, &mut self.frame[..sealed])?;
        if is_final {
            self.refuse_trailing()?;
            self.final_number = Some(number);
        }
        self.number = number;
        self.length = length as usize;
        Ok(true)
    }

    fn refuse_trailing(&mut self) -> Result<(), SealError> {
        loop {
            match self.reader.read(&mut [0]) {
                Ok(0) => return Ok(()),
                Ok(_) => return Err(SealError::Trailing),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(SealError::Read(e)),
            }
        }
    }

    /// The next verified stretch of plaintext; `None` at the end.
    pub fn next_chunk(&mut self) -> Result<Option<&[u8]>, SealError> {
        while self.position == self.length {
            if !self.next_frame()? {
                return Ok(None);
            }
        }
        let chunk = &self.frame[self.position..self.length];
        self.position = self.length;
        Ok(Some(chunk))
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.position == self.length {
            if !self.next_frame().map_err(io::Error::other)? {
                return Ok(0);
            }
        }
        let n = out.len().min(self.length - self.position);
        out[..n].copy_from_slice(&self.frame[self.position..self.position + n]);
        self.position += n;
        Ok(n)
    }
}

impl<R: Read + Seek> Seek for Opener<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let frame_length = u64::from(self.message.header.frame_length);
        let here = u64::from(self.number.saturating_sub(1)) * frame_length + self.position as u64;
        let wanted = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => here.checked_add_signed(by),
            SeekFrom::End(by) => self.plaintext_size()?.checked_add_signed(by),
        };
        let wanted = wanted
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?
            .min(self.plaintext_size()?);
        let frames = self.frames()?;
        let number = u32::try_from(wanted / frame_length)
            .unwrap_or(u32::MAX)
            .min(frames - 1);
        // The position is within the current frame, which is read and verified already.
        if self.number == number + 1 {
            // Finding out the size has moved the reader away from the next frame.
            let next = self.message.frame_offset(self.number + 1);
            self.reader.seek(SeekFrom::Start(next))?;
            self.position = usize::try_from(wanted - u64::from(number) * frame_length)
                .unwrap_or(usize::MAX)
                .min(self.length);
            return Ok(wanted);
        }
        self.reader
            .seek(SeekFrom::Start(self.message.frame_offset(number + 1)))?;
        (self.number, self.final_number, self.length, self.position) = (number, None, 0, 0);
        self.next_frame().map_err(io::Error::other)?;
        self.position = usize::try_from(wanted - u64::from(number) * frame_length)
            .unwrap_or(usize::MAX)
            .min(self.length);
        Ok(wanted)
    }
}

impl<R: Read + Seek> Opener<R> {
    /// Follows from the message's length alone; reading the frames finds a wrong length.
    fn body(&mut self) -> io::Result<u64> {
        let end = self.reader.seek(SeekFrom::End(0))?;
        end.checked_sub(self.message.bytes.len() as u64 + FINAL_OVERHEAD as u64)
            .ok_or_else(|| io::Error::other(SealError::Truncated("its frames")))
    }

    fn frames(&mut self) -> io::Result<u32> {
        let stride = u64::from(self.message.header.frame_length) + FRAME_OVERHEAD as u64;
        let frames = (self.body()? + FRAME_OVERHEAD as u64).div_ceil(stride);
        u32::try_from(frames)
            .map_err(|_| io::Error::other(SealError::Limit("the number of frames")))
    }

    fn plaintext_size(&mut self) -> io::Result<u64> {
        let frames = u64::from(self.frames()?);
        let body = self.body()?;
        body.checked_sub((frames - 1) * FRAME_OVERHEAD as u64)
            .ok_or_else(|| io::Error::other(SealError::Truncated("its frames")))
    }
}

/// The message that an opened one must be.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedMessage {
    pub evidence: EvidenceId,
    pub part: Part,
    pub sha256: Option<Sha256Digest>,
}

/// Opens a whole message into `sink`. What the sink got may be used only if this returns without error.
pub fn open_to<R: Read>(
    reader: R,
    source: &KeySource<'_>,
    expected: Option<&ExpectedMessage>,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(Sha256Digest, u64), SealError> {
    let mut opener = Opener::open(reader, source)?;
    if let Some(expected) = expected {
        opener.message().expect(expected.evidence, expected.part)?;
    }
    let (mut hash, mut size) = (Sha256::new(), 0);
    while let Some(chunk) = opener.next_chunk()? {
        hash.update(chunk);
        size += chunk.len() as u64;
        sink(chunk).map_err(SealError::Write)?;
    }
    let found = Sha256Digest(hash.finalize().into());
    match expected.and_then(|e| e.sha256) {
        Some(expected) if expected != found => Err(SealError::Digest { expected, found }),
        _ => Ok((found, size)),
    }
}
