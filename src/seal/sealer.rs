//! The writing side: a header once, then frames in order, sealed in place.

use ring::aead::{Aad, LessSafeKey, Nonce};
use ring::hkdf;
use zeroize::Zeroize as _;

use super::SealError;
use super::format::{
    Context, END_MARK, FRAME_MAX, Header, IV, KEYS_MAX, SUITE, TAG, frame_aad, frame_iv,
};
use super::keys::{ItemKey, Recipient, Secret, aes, crypto, random_secret};
use crate::model::{EvidenceId, Part};

/// Room before the plaintext for a final frame's end mark, number, IV and length; a regular frame uses the last 16 bytes.
const HEADROOM: usize = 4 + 4 + IV + 4;

/// What to seal, to whom and under which names.
pub struct SealSpec<'a> {
    pub recipients: &'a [Recipient],
    /// `None` for the `item-key` message, which only recipients may open.
    pub item_key: Option<&'a ItemKey>,
    pub evidence: EvidenceId,
    pub station: &'a str,
    pub camera: &'a str,
    pub part: Part,
    /// Plaintext bytes of each frame but the last.
    pub frame_length: u32,
}

impl SealSpec<'_> {
    pub fn context(&self) -> Context {
        Context(vec![
            ("camdock:camera".into(), self.camera.into()),
            ("camdock:evidence-id".into(), self.evidence.to_string()),
            ("camdock:part".into(), self.part.as_str().into()),
            ("camdock:station".into(), self.station.into()),
        ])
    }
}

/// One frame's buffer: plaintext is read right where it is sealed, so nothing is copied. Zeroized on drop.
pub struct FrameBuffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl FrameBuffer {
    pub fn new(frame_length: u32) -> Self {
        Self {
            bytes: vec![0; HEADROOM + frame_length as usize + TAG],
            filled: 0,
        }
    }

    /// Where plaintext goes: exactly one frame's length.
    pub fn space(&mut self) -> &mut [u8] {
        let end = self.bytes.len() - TAG;
        &mut self.bytes[HEADROOM..end]
    }

    /// Says how many plaintext bytes were put into [`Self::space`].
    pub fn fill(&mut self, length: usize) {
        self.filled = length.min(self.bytes.len() - TAG - HEADROOM);
    }

    pub fn plaintext(&self) -> &[u8] {
        &self.bytes[HEADROOM..HEADROOM + self.filled]
    }
}

impl Drop for FrameBuffer {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// Keys of one message.
pub(super) struct MessageKeys {
    pub key: LessSafeKey,
    pub commitment: [u8; 32],
}

impl MessageKeys {
    /// HKDF-SHA512 over the data key, salted with the message id.
    pub fn derive(data_key: &Secret, message_id: &[u8; 32]) -> Result<Self, SealError> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA512, message_id).extract(&data_key[..]);
        let mut commitment = [0; 32];
        prk.expand(&[b"COMMITKEY"], Length32)
            .and_then(|okm| okm.fill(&mut commitment))
            .map_err(crypto)?;
        let mut key = zeroize::Zeroizing::new([0; 32]);
        prk.expand(&[&SUITE, b"DERIVEKEY"], Length32)
            .and_then(|okm| okm.fill(&mut key[..]))
            .map_err(crypto)?;
        Ok(Self {
            key: aes(&key)?,
            commitment,
        })
    }

    pub fn header_tag(&self, body: &[u8]) -> Result<[u8; TAG], SealError> {
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key([0; IV]),
                Aad::from(body),
                &mut [],
            )
            .map_err(crypto)?;
        tag.as_ref().try_into().map_err(crypto)
    }
}

struct Length32;

impl hkdf::KeyType for Length32 {
    fn len(&self) -> usize {
        32
    }
}

/// Seals one message, frame by frame. There is no way back: a frame number is used once.
pub struct Sealer {
    key: LessSafeKey,
    message_id: [u8; 32],
    header: Vec<u8>,
    frame_length: u32,
    next: u32,
}

impl Sealer {
    /// A fresh data key and message id; the header is final from here on.
    pub fn new(spec: &SealSpec<'_>) -> Result<Self, SealError> {
        if spec.recipients.is_empty() {
            return Err(SealError::Limit("a message without recipients"));
        }
        if spec.recipients.len() + usize::from(spec.item_key.is_some()) > KEYS_MAX.into() {
            return Err(SealError::Limit("the number of recipients"));
        }
        if spec.frame_length == 0 || spec.frame_length > FRAME_MAX {
            return Err(SealError::Limit("a frame length of zero or over 16 MiB"));
        }
        let data_key = random_secret()?;
        let message_id = *random_secret()?;
        let context = spec.context();
        let serialized = context.serialize()?;
        let mut keys = spec
            .recipients
            .iter()
            .map(|r| r.wrap(&data_key, &serialized))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(item_key) = spec.item_key {
            keys.push(item_key.wrap(&spec.evidence.to_string(), &data_key, &serialized)?);
        }
        let derived = MessageKeys::derive(&data_key, &message_id)?;
        let header = Header {
            message_id,
            context,
            keys,
            frame_length: spec.frame_length,
            commitment: derived.commitment,
        };
        let mut bytes = header.body()?;
        let tag = derived.header_tag(&bytes)?;
        bytes.extend_from_slice(&tag);
        Ok(Self {
            key: derived.key,
            message_id,
            header: bytes,
            frame_length: spec.frame_length,
            next: 1,
        })
    }

    /// Goes on behind the frames that are on disk.
    pub(super) fn resume(
        key: LessSafeKey,
        message_id: [u8; 32],
        header: Vec<u8>,
        frame_length: u32,
        next: u32,
    ) -> Self {
        Self {
            key,
            message_id,
            header,
            frame_length,
            next,
        }
    }

    /// Header body and tag.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    pub const fn message_id(&self) -> &[u8; 32] {
        &self.message_id
    }

    pub const fn frame_length(&self) -> u32 {
        self.frame_length
    }

    /// Seals a full frame in place; returns the bytes to write.
    pub fn seal_regular<'b>(&mut self, buffer: &'b mut FrameBuffer) -> Result<&'b [u8], SealError> {
        if buffer.filled != self.frame_length as usize {
            return Err(SealError::Limit("a regular frame that is not full"));
        }
        let number = self.take_number()?;
        let length = buffer.filled;
        self.seal(buffer, number, false)?;
        buffer.bytes[8..12].copy_from_slice(&number.to_be_bytes());
        buffer.bytes[12..24].copy_from_slice(&frame_iv(number));
        Ok(&buffer.bytes[8..HEADROOM + length + TAG])
    }

    /// Seals the last frame, full, partial or empty; the sealer is used up.
    pub fn seal_final(mut self, buffer: &mut FrameBuffer) -> Result<&[u8], SealError> {
        let number = self.take_number()?;
        let length = buffer.filled;
        self.seal(buffer, number, true)?;
        let size = u32::try_from(length).map_err(|_| SealError::Limit("a frame"))?;
        buffer.bytes[..4].copy_from_slice(&END_MARK);
        buffer.bytes[4..8].copy_from_slice(&number.to_be_bytes());
        buffer.bytes[8..20].copy_from_slice(&frame_iv(number));
        buffer.bytes[20..24].copy_from_slice(&size.to_be_bytes());
        Ok(&buffer.bytes[..HEADROOM + length + TAG])
    }

    fn take_number(&mut self) -> Result<u32, SealError> {
        let number = self.next;
        // FFFFFFFF is the end mark: the format's last number is one below it.
        if number == u32::MAX {
            return Err(SealError::Limit("the number of frames"));
        }
        self.next += 1;
        Ok(number)
    }

    fn seal(&self, buffer: &mut FrameBuffer, number: u32, is_final: bool) -> Result<(), SealError> {
        let end = HEADROOM + buffer.filled;
        let aad = frame_aad(&self.message_id, number, is_final, buffer.filled);
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(frame_iv(number)),
                Aad::from(aad),
                &mut buffer.bytes[HEADROOM..end],
            )
            .map_err(crypto)?;
        buffer.bytes[end..end + TAG].copy_from_slice(tag.as_ref());
        Ok(())
    }
}

/// Seals something small in one go, such as an item key.
pub fn seal_small(spec: &SealSpec<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut sealer = Sealer::new(spec)?;
    let mut out = sealer.header().to_vec();
    let mut buffer = FrameBuffer::new(spec.frame_length);
    let mut chunks = plaintext.chunks(spec.frame_length as usize).peekable();
    loop {
        let chunk = chunks.next().unwrap_or_default();
        buffer.space()[..chunk.len()].copy_from_slice(chunk);
        buffer.fill(chunk.len());
        if chunks.peek().is_none() {
            out.extend_from_slice(sealer.seal_final(&mut buffer)?);
            return Ok(out);
        }
        out.extend_from_slice(sealer.seal_regular(&mut buffer)?);
    }
}

impl ItemKey {
    /// The `item-key` message: this key, sealed to the recipients only.
    pub fn seal_to(
        &self,
        recipients: &[Recipient],
        evidence: EvidenceId,
        station: &str,
        camera: &str,
    ) -> Result<Vec<u8>, SealError> {
        let spec = SealSpec {
            recipients,
            item_key: None,
            evidence,
            station,
            camera,
            part: Part::ItemKey,
            frame_length: 4096,
        };
        seal_small(&spec, self.bytes())
    }
}
