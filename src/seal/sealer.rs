//! The writing side: writes a header once, then seals frames in order and in place.

use std::ops::Range;

use ring::aead::{Aad, LessSafeKey, Nonce};
use ring::hkdf;
use zeroize::Zeroize as _;

use super::SealError;
use super::format::{
    Context, END_MARK, FRAME_MAX, IV, KEYS_MAX, MessageHeader, SUITE, TAG, frame_aad, frame_iv,
};
use super::keys::{Agreement, ItemKey, KeyBytes, Recipient, aes, crypto, random_secret};
use crate::durable::BLOCK;
use crate::model::{EvidenceId, Part, ShareId};

/// Room before the plaintext for a final frame's end mark, number, IV and length; a regular frame uses the last 16 bytes.
const HEADROOM: usize = 4 + 4 + IV + 4;

/// A message to seal: its names and its recipients.
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

/// One frame's buffer: plaintext is read right where it is sealed and written from, so nothing is copied. Zeroized on
/// drop.
pub struct FrameBuffer {
    /// Has room for a block before the frame, the frame itself, and room to move it within a block.
    bytes: Vec<u8>,
    /// Where the plaintext begins.
    begin: usize,
    length: usize,
    filled: usize,
    /// The sealed frame.
    sealed: Range<usize>,
}

impl FrameBuffer {
    pub fn new(frame_length: u32) -> Self {
        let length = frame_length as usize;
        Self {
            bytes: vec![0; 3 * BLOCK + HEADROOM + length + TAG],
            begin: BLOCK + HEADROOM,
            length,
            filled: 0,
            sealed: 0..0,
        }
    }

    /// Moves the frame to where a regular one that begins at `offset` of a file can be written from without a copy.
    /// The plaintext that was filled in is lost.
    pub fn place(&mut self, offset: u64) {
        let phase = usize::try_from(offset % BLOCK as u64).unwrap_or(0);
        let aligned = BLOCK + self.bytes.as_ptr().align_offset(BLOCK) % BLOCK;
        let before = aligned + phase;
        // The frame begins 16 bytes before its plaintext; a final one 8 bytes earlier.
        self.begin = before + 4 + IV;
        self.filled = 0;
    }

    /// Where plaintext goes: exactly one frame's length.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.begin..self.begin + self.length]
    }

    /// Says how many plaintext bytes were put into [`Self::space`].
    pub fn fill(&mut self, length: usize) {
        self.filled = length.min(self.length);
    }

    pub fn plaintext(&self) -> &[u8] {
        &self.bytes[self.begin..self.begin + self.filled]
    }

    /// Plaintext bytes that were filled in.
    pub const fn filled(&self) -> usize {
        self.filled
    }

    /// The frame as it was sealed last.
    pub fn sealed(&self) -> &[u8] {
        &self.bytes[self.sealed.clone()]
    }

    /// The whole buffer and where in it the sealed frame lies, a block or more behind the beginning.
    pub fn sealed_in_place(&mut self) -> (&mut [u8], Range<usize>) {
        (&mut self.bytes, self.sealed.clone())
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
    pub fn derive(data_key: &KeyBytes, message_id: &[u8; 32]) -> Result<Self, SealError> {
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

/// Seals one message, frame by frame. Each frame number is used only once.
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
        Self::under(spec, &agree_all(spec.recipients)?)
    }

    fn under(spec: &SealSpec<'_>, agreements: &[Agreement]) -> Result<Self, SealError> {
        Self::with(spec, spec.context(), agreements)
    }

    fn with(
        spec: &SealSpec<'_>,
        context: Context,
        agreements: &[Agreement],
    ) -> Result<Self, SealError> {
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
        let serialized = context.serialize()?;
        let mut keys = agreements
            .iter()
            .map(|a| a.wrap(&data_key, &serialized))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(item_key) = spec.item_key {
            keys.push(item_key.wrap(&spec.evidence.to_string(), &data_key, &serialized)?);
        }
        let derived = MessageKeys::derive(&data_key, &message_id)?;
        let header = MessageHeader {
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

    /// Continues after the frames that are on disk.
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
        let end = self.seal(buffer, number, false)?;
        let start = buffer.begin - 4 - IV;
        let fields = &mut buffer.bytes[start..buffer.begin];
        fields[..4].copy_from_slice(&number.to_be_bytes());
        fields[4..].copy_from_slice(&frame_iv(number));
        buffer.sealed = start..end;
        Ok(buffer.sealed())
    }

    /// Seals the last frame, full, partial or empty; the sealer is used up.
    pub fn seal_final(mut self, buffer: &mut FrameBuffer) -> Result<&[u8], SealError> {
        let number = self.take_number()?;
        let size = u32::try_from(buffer.filled).map_err(|_| SealError::Limit("a frame"))?;
        let end = self.seal(buffer, number, true)?;
        let start = buffer.begin - HEADROOM;
        let fields = &mut buffer.bytes[start..buffer.begin];
        fields[..4].copy_from_slice(&END_MARK);
        fields[4..8].copy_from_slice(&number.to_be_bytes());
        fields[8..20].copy_from_slice(&frame_iv(number));
        fields[20..].copy_from_slice(&size.to_be_bytes());
        buffer.sealed = start..end;
        Ok(buffer.sealed())
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

    /// Seals the plaintext where it is, its tag behind it; returns where that ends.
    fn seal(
        &self,
        buffer: &mut FrameBuffer,
        number: u32,
        is_final: bool,
    ) -> Result<usize, SealError> {
        let end = buffer.begin + buffer.filled;
        let aad = frame_aad(&self.message_id, number, is_final, buffer.filled);
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(frame_iv(number)),
                Aad::from(aad),
                &mut buffer.bytes[buffer.begin..end],
            )
            .map_err(crypto)?;
        buffer.bytes[end..end + TAG].copy_from_slice(tag.as_ref());
        Ok(end + TAG)
    }
}

fn agree_all(recipients: &[Recipient]) -> Result<Vec<Agreement>, SealError> {
    recipients.iter().map(Recipient::agree).collect()
}

/// Everything of an item that can be made before its file is read.
pub struct PreparedItem {
    pub evidence: EvidenceId,
    pub key: ItemKey,
    pub sealer: Sealer,
    /// The `item-key` message, see [`ItemKey::seal_to`].
    pub item_key_message: Vec<u8>,
}

impl PreparedItem {
    /// `count` fresh items with all their keys: the costly part of sealing a small file. One agreement with each recipient
    /// serves them all and is gone when this returns.
    pub fn batch(
        count: usize,
        recipients: &[Recipient],
        station: &str,
        camera: &str,
        frame_length: u32,
    ) -> Result<Vec<Self>, SealError> {
        let agreements = agree_all(recipients)?;
        (0..count)
            .map(|_| Self::under(&agreements, recipients, station, camera, frame_length))
            .collect()
    }

    fn under(
        agreements: &[Agreement],
        recipients: &[Recipient],
        station: &str,
        camera: &str,
        frame_length: u32,
    ) -> Result<Self, SealError> {
        let (evidence, key) = (EvidenceId::new(), ItemKey::generate()?);
        let original = SealSpec {
            recipients,
            item_key: Some(&key),
            evidence,
            station,
            camera,
            part: Part::Original,
            frame_length,
        };
        let sealer = Sealer::under(&original, agreements)?;
        let spec = item_key_spec(recipients, evidence, station, camera);
        let item_key_message = seal_with(Sealer::under(&spec, agreements)?, key.bytes())?;
        Ok(Self {
            evidence,
            key,
            sealer,
            item_key_message,
        })
    }
}

/// Seals something small in one go, such as an item key.
pub fn seal_small(spec: &SealSpec<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    seal_with(Sealer::new(spec)?, plaintext)
}

fn seal_with(mut sealer: Sealer, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let frame_length = sealer.frame_length();
    let mut out = sealer.header().to_vec();
    let mut buffer = FrameBuffer::new(frame_length);
    let mut chunks = plaintext.chunks(frame_length as usize).peekable();
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
        seal_small(
            &item_key_spec(recipients, evidence, station, camera),
            self.bytes(),
        )
    }

    /// The same for the recipient of a share. It names both, so that it can stand in no other share, and no camera.
    pub fn seal_to_share(
        &self,
        share: ShareId,
        recipient: &Recipient,
        evidence: EvidenceId,
        station: &str,
    ) -> Result<Vec<u8>, SealError> {
        let recipients = [recipient.clone()];
        let spec = item_key_spec(&recipients, evidence, station, "");
        let context = Context(vec![
            ("camdock:evidence-id".into(), evidence.to_string()),
            ("camdock:part".into(), spec.part.as_str().into()),
            ("camdock:recipient".into(), recipient.fingerprint()),
            ("camdock:share".into(), share.to_string()),
            ("camdock:station".into(), station.into()),
        ]);
        let sealer = Sealer::with(&spec, context, &agree_all(&recipients)?)?;
        seal_with(sealer, self.bytes())
    }
}

const fn item_key_spec<'a>(
    recipients: &'a [Recipient],
    evidence: EvidenceId,
    station: &'a str,
    camera: &'a str,
) -> SealSpec<'a> {
    SealSpec {
        recipients,
        item_key: None,
        evidence,
        station,
        camera,
        part: Part::ItemKey,
        frame_length: 4096,
    }
}
