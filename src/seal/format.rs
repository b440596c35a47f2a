//! The message's header and frames as bytes (docs/formats.md, "Sealed messages"). Every length is bounded before it is used.

use std::io::Read;

use super::SealError;
use crate::model::{EvidenceId, Part};

pub const SUITE: [u8; 2] = [0x04, 0x78];
pub const TAG: usize = 16;
pub const IV: usize = 12;
/// Sequence number, IV and tag around each regular frame.
pub const FRAME_OVERHEAD: usize = 4 + IV + TAG;
/// A final frame also has an end mark and a length.
pub const FINAL_OVERHEAD: usize = FRAME_OVERHEAD + 8;
pub const END_MARK: [u8; 4] = [0xff; 4];
pub const FRAME_MAX: u32 = 16 << 20;
pub const KEYS_MAX: u16 = 256;
const CONTEXT_BYTES_MAX: usize = 16 << 10;

/// One encrypted data key of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedDataKey {
    pub provider: Vec<u8>,
    pub info: Vec<u8>,
    pub ciphertext: Vec<u8>,
}

/// Key-value pairs, authenticated and readable by all; sorted by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context(pub Vec<(String, String)>);

impl Context {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// u16 count, then u16 length and bytes of each key and value; empty when there is none.
    pub fn serialize(&self) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::new();
        if self.0.is_empty() {
            return Ok(out);
        }
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort();
        put_u16(&mut out, pairs.len())?;
        for (key, value) in pairs {
            put_prefixed(&mut out, key.as_bytes())?;
            put_prefixed(&mut out, value.as_bytes())?;
        }
        if out.len() > CONTEXT_BYTES_MAX {
            Err(SealError::Limit("the encryption context"))
        } else {
            Ok(out)
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        const WRONG: SealError = SealError::Format("the encryption context is malformed");
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut rest = bytes;
        let count = take_u16(&mut rest).ok_or(WRONG)?;
        let mut pairs: Vec<(String, String)> = Vec::new();
        for _ in 0..count {
            let mut text = || -> Option<String> {
                let length = take_u16(&mut rest)?;
                let (head, tail) = rest.split_at_checked(length.into())?;
                rest = tail;
                String::from_utf8(head.to_vec()).ok()
            };
            let pair = (text().ok_or(WRONG)?, text().ok_or(WRONG)?);
            if pairs.last().is_some_and(|last| last.0 >= pair.0) {
                return Err(WRONG);
            }
            pairs.push(pair);
        }
        if rest.is_empty() && count > 0 {
            Ok(Self(pairs))
        } else {
            Err(WRONG)
        }
    }
}

/// A header as read or as about to be written. Never changed once its tag exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageHeader {
    pub message_id: [u8; 32],
    pub context: Context,
    pub keys: Vec<EncryptedDataKey>,
    pub frame_length: u32,
    pub commitment: [u8; 32],
}

impl MessageHeader {
    /// Whether the message says that it is this part of this item.
    pub fn expect(&self, evidence: EvidenceId, part: Part) -> Result<(), SealError> {
        let context = &self.context;
        let (id, name) = (
            context.get("camdock:evidence-id"),
            context.get("camdock:part"),
        );
        if id == Some(evidence.to_string().as_str()) && name == Some(part.as_str()) {
            return Ok(());
        }
        Err(SealError::OtherObject(format!(
            "{} of {}",
            name.unwrap_or("nothing named"),
            id.unwrap_or("no item")
        )))
    }

    /// The body, without its tag.
    pub fn body(&self) -> Result<Vec<u8>, SealError> {
        let mut out = vec![0x02];
        out.extend_from_slice(&SUITE);
        out.extend_from_slice(&self.message_id);
        put_prefixed(&mut out, &self.context.serialize()?)?;
        put_u16(&mut out, self.keys.len())?;
        for key in &self.keys {
            put_prefixed(&mut out, &key.provider)?;
            put_prefixed(&mut out, &key.info)?;
            put_prefixed(&mut out, &key.ciphertext)?;
        }
        out.push(0x02);
        out.extend_from_slice(&self.frame_length.to_be_bytes());
        out.extend_from_slice(&self.commitment);
        Ok(out)
    }

    /// Reads a header and its tag; returns the body's exact bytes too.
    pub fn read(reader: &mut impl Read) -> Result<(Self, Vec<u8>, [u8; TAG]), SealError> {
        let mut input = Recorder {
            reader,
            seen: Vec::with_capacity(1024),
        };
        match input.array::<1>()? {
            [0x02] => {}
            [0x01] => {
                return Err(SealError::Format(
                    "message version 1, which CamDock never writes",
                ));
            }
            _ => {
                return Err(SealError::Format(
                    "it does not begin with a message version",
                ));
            }
        }
        if input.array::<2>()? != SUITE {
            return Err(SealError::Format("another algorithm suite"));
        }
        let message_id = input.array()?;
        let context_length = input.u16()?;
        if usize::from(context_length) > CONTEXT_BYTES_MAX {
            return Err(SealError::Format("an oversized encryption context"));
        }
        let context = Context::parse(&input.bytes(context_length)?)?;
        let count = input.u16()?;
        if count == 0 || count > KEYS_MAX {
            return Err(SealError::Format("no data key, or too many"));
        }
        let mut keys = Vec::new();
        for _ in 0..count {
            let mut field = || -> Result<Vec<u8>, SealError> {
                let length = input.u16()?;
                input.bytes(length)
            };
            keys.push(EncryptedDataKey {
                provider: field()?,
                info: field()?,
                ciphertext: field()?,
            });
        }
        match input.array::<1>()? {
            [0x02] => {}
            _ => return Err(SealError::Format("its content is not framed")),
        }
        let frame_length = u32::from_be_bytes(input.array()?);
        if frame_length == 0 || frame_length > FRAME_MAX {
            return Err(SealError::Format("a frame length of zero or over 16 MiB"));
        }
        let commitment = input.array()?;
        let body = std::mem::take(&mut input.seen);
        let tag = input.array()?;
        Ok((
            Self {
                message_id,
                context,
                keys,
                frame_length,
                commitment,
            },
            body,
            tag,
        ))
    }
}

struct Recorder<'a, R> {
    reader: &'a mut R,
    seen: Vec<u8>,
}

impl<R: Read> Recorder<'_, R> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], SealError> {
        let mut bytes = [0; N];
        read_exact(self.reader, &mut bytes, "its header")?;
        self.seen.extend_from_slice(&bytes);
        Ok(bytes)
    }

    fn u16(&mut self) -> Result<u16, SealError> {
        self.array().map(u16::from_be_bytes)
    }

    fn bytes(&mut self, length: u16) -> Result<Vec<u8>, SealError> {
        let mut bytes = vec![0; length.into()];
        read_exact(self.reader, &mut bytes, "its header")?;
        self.seen.extend_from_slice(&bytes);
        Ok(bytes)
    }
}

pub fn read_exact(
    reader: &mut impl Read,
    bytes: &mut [u8],
    within: &'static str,
) -> Result<(), SealError> {
    reader.read_exact(bytes).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => SealError::Truncated(within),
        _ => SealError::Read(e),
    })
}

/// The additional data of a frame: message id ‖ fixed text ‖ number ‖ plaintext length.
pub fn frame_aad(message_id: &[u8; 32], number: u32, is_final: bool, length: usize) -> Vec<u8> {
    let text: &[u8] = if is_final {
        b"AWSKMSEncryptionClient Final Frame"
    } else {
        b"AWSKMSEncryptionClient Frame"
    };
    [
        message_id,
        text,
        &number.to_be_bytes(),
        &(length as u64).to_be_bytes(),
    ]
    .concat()
}

pub fn frame_iv(number: u32) -> [u8; IV] {
    let mut iv = [0; IV];
    iv[8..].copy_from_slice(&number.to_be_bytes());
    iv
}

/// Bytes of the whole message for a plaintext of this size; the last frame is full when the size is a multiple.
pub fn sealed_size(header_length: u64, plaintext: u64, frame_length: u32) -> u64 {
    let frames = plaintext.div_ceil(frame_length.into()).max(1);
    header_length + plaintext + frames * FRAME_OVERHEAD as u64 + 8
}

pub fn put_u16(out: &mut Vec<u8>, value: usize) -> Result<(), SealError> {
    let value = u16::try_from(value).map_err(|_| SealError::Limit("a header field"))?;
    out.extend_from_slice(&value.to_be_bytes());
    Ok(())
}

pub fn put_prefixed(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), SealError> {
    put_u16(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}

fn take_u16(bytes: &mut &[u8]) -> Option<u16> {
    let (head, tail) = bytes.split_first_chunk()?;
    *bytes = tail;
    Some(u16::from_be_bytes(*head))
}
