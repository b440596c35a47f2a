//! Shared by the tests of this room: one set of keys, and a way to seal with the real pipeline into memory.

mod adversary;
mod craft;
mod interrupted;
mod keys;
mod range;
mod resume;
mod round_trip;

use std::sync::OnceLock;

use super::*;
use crate::durable::DurableError;
use crate::model::{EvidenceId, Part};

const STATION: &str = "depot-7";
const CAMERA: &str = "B7F-00412";

/// Made once: key generation is slow in unoptimised builds.
struct TestKeys {
    p384: RecipientKey,
    p256: RecipientKey,
    recipients: [Recipient; 2],
    item: ItemKey,
    evidence: EvidenceId,
}

fn keys() -> &'static TestKeys {
    static KEYS: OnceLock<TestKeys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let make = |curve| {
            let (private, public) = keygen_recipient(curve).unwrap();
            let recipient = Recipient::from_pem(&public).unwrap();
            (RecipientKey::from_pem(&private).unwrap(), recipient)
        };
        let (p384, first) = make(Curve::P384);
        let (p256, second) = make(Curve::P256);
        TestKeys {
            p384,
            p256,
            recipients: [first, second],
            item: ItemKey::generate().unwrap(),
            evidence: EvidenceId::new(),
        }
    })
}

fn spec(frame_length: u32) -> SealSpec<'static> {
    SealSpec {
        recipients: &keys().recipients,
        item_key: Some(&keys().item),
        evidence: keys().evidence,
        station: STATION,
        camera: CAMERA,
        part: Part::Original,
        frame_length,
    }
}

fn item() -> KeySource<'static> {
    KeySource::Item(&keys().item)
}

/// Bytes without a period that a frame length could divide.
fn plaintext(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| step()).collect()
}

#[derive(Default)]
struct SealedBytes(Vec<u8>);

impl SealedSink for SealedBytes {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

struct NoWatch;

impl PullWatch for NoWatch {
    fn progress(&self, _: u64) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// Hands out what it has in small, uneven pieces, as a slow device would.
struct Dribble<'a>(&'a [u8], usize);

impl std::io::Read for Dribble<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 % 7 + 1;
        let n = self.1.min(out.len()).min(self.0.len());
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

/// Header and frames through the pipeline.
fn seal(plain: &[u8], frame_length: u32, side_by_side: bool) -> (Vec<u8>, SealedStream) {
    let sealer = Sealer::new(&spec(frame_length)).unwrap();
    let mut sink = SealedBytes(sealer.header().to_vec());
    let sealed = seal_stream(
        &mut Dribble(plain, 0),
        &mut sink,
        Start::fresh(sealer),
        &mut Buffers::new(frame_length, 4),
        side_by_side,
        &NoWatch,
    )
    .unwrap();
    (sink.0, sealed)
}

fn open(message: &[u8], source: &KeySource<'_>) -> Result<Vec<u8>, SealError> {
    let mut out = Vec::new();
    open_to(message, source, None, |chunk| {
        out.extend_from_slice(chunk);
        Ok(())
    })?;
    Ok(out)
}

/// Bytes of the header with its tag.
fn header_length(message: &[u8]) -> usize {
    UnlockedMessage::read(&mut &message[..], &item())
        .unwrap()
        .bytes
        .len()
}

fn temp_file(bytes: &[u8]) -> std::fs::File {
    use std::io::{Seek as _, Write as _};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}
