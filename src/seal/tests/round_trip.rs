use std::io::{Read as _, Seek as _, SeekFrom};

use proptest::prelude::*;

use super::*;
use crate::model::Sha256Digest;
use crate::seal::format::FRAME_OVERHEAD;

const L: usize = 64;
const SIZES: [usize; 9] = [0, 1, L - 1, L, L + 1, 2 * L, 2 * L + 1, 5 * L, 40 * L + 7];

#[test]
fn every_key_opens_what_either_mode_sealed() {
    for size in SIZES {
        let plain = plaintext(size);
        for side_by_side in [false, true] {
            let (message, sealed) = seal(&plain, 64, side_by_side);
            assert_eq!(sealed.sha256, Sha256Digest::of(&plain));
            assert_eq!(sealed.size, size as u64);
            assert_eq!(sealed.sealed_size, message.len() as u64);
            let header = header_length(&message) as u64;
            assert_eq!(sealed.sealed_size, sealed_size(header, size as u64, 64));
            for source in [
                item(),
                KeySource::Recipient(&keys().p384),
                KeySource::Recipient(&keys().p256),
            ] {
                assert_eq!(open(&message, &source).unwrap(), plain, "{size} bytes");
            }
        }
    }
}

#[test]
fn what_open_to_returns_is_the_plaintext_s_digest_and_size() {
    let plain = plaintext(3 * L + 5);
    let (message, sealed) = seal(&plain, 64, true);
    let expected = ExpectedMessage {
        evidence: keys().evidence,
        part: Part::Original,
        sha256: Some(sealed.sha256),
    };
    let (sha256, size) = open_to(&message[..], &item(), Some(&expected), |_| Ok(())).unwrap();
    assert_eq!((sha256, size), (sealed.sha256, plain.len() as u64));
}

#[test]
fn an_exact_multiple_ends_in_a_full_final_frame() {
    let (message, _) = seal(&plaintext(2 * L), 64, false);
    let last = header_length(&message) + L + FRAME_OVERHEAD;
    assert_eq!(message[last..last + 4], [0xff; 4]);
    assert_eq!(message[last + 4..last + 8], [0, 0, 0, 2]);
    assert_eq!(message[last + 20..last + 24], [0, 0, 0, 64]);
    assert_eq!(message.len(), last + 24 + L + 16);
}

/// As some other writers end a message whose size is a multiple of the frame length.
pub(super) fn with_empty_final(plain: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::new(&spec(64)).unwrap();
    let mut message = sealer.header().to_vec();
    let mut buffer = FrameBuffer::new(64);
    for chunk in plain.chunks_exact(L) {
        buffer.space().copy_from_slice(chunk);
        buffer.fill(L);
        message.extend_from_slice(sealer.seal_regular(&mut buffer).unwrap());
    }
    buffer.fill(0);
    message.extend_from_slice(sealer.seal_final(&mut buffer).unwrap());
    message
}

#[test]
fn an_empty_final_frame_is_accepted() {
    let plain = plaintext(3 * L);
    let message = with_empty_final(&plain);
    assert_eq!(open(&message, &item()).unwrap(), plain);
    every_seek_works(&message, &plain);
}

#[test]
fn small_messages_and_streams_are_the_same_format() {
    for size in SIZES {
        let plain = plaintext(size);
        let message = seal_small(&spec(64), &plain).unwrap();
        assert_eq!(open(&message, &item()).unwrap(), plain);
        assert_eq!(seal(&plain, 64, false).0.len(), message.len());
    }
}

fn every_seek_works(message: &[u8], plain: &[u8]) {
    let mut opener = Opener::open(std::io::Cursor::new(message), &item()).unwrap();
    let size = plain.len() as u64;
    for at in (0..=size).chain((0..=size).rev()) {
        let from = usize::try_from(at).unwrap();
        let ahead = i64::try_from(at).unwrap();
        for to in [
            SeekFrom::Start(at),
            SeekFrom::End(ahead - i64::try_from(size).unwrap()),
        ] {
            assert_eq!(opener.seek(to).unwrap(), at);
            assert_eq!(opener.stream_position().unwrap(), at);
            let mut rest = Vec::new();
            (&mut opener).take(70).read_to_end(&mut rest).unwrap();
            assert_eq!(rest, plain[from..plain.len().min(from + 70)], "at {at}");
        }
    }
    assert_eq!(opener.seek(SeekFrom::Start(size + 9)).unwrap(), size);
    assert_eq!(opener.read(&mut [0; 8]).unwrap(), 0);
    assert!(opener.seek(SeekFrom::Current(-1 - 9999)).is_err());
    opener.rewind().unwrap();
    let mut all = Vec::new();
    opener.read_to_end(&mut all).unwrap();
    assert_eq!(all, plain);
}

#[test]
fn every_position_can_be_sought() {
    for size in [0, 1, L - 1, L, L + 1, 3 * L, 3 * L + 10] {
        let plain = plaintext(size);
        every_seek_works(&seal(&plain, 64, false).0, &plain);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_size_and_frame_length_round_trips(
        size in 0usize..6000,
        frame_length in 1u32..700,
        side_by_side: bool,
        at in 0usize..6000,
    ) {
        let plain = plaintext(size);
        let (message, sealed) = seal(&plain, frame_length, side_by_side);
        prop_assert_eq!(sealed.sha256, Sha256Digest::of(&plain));
        prop_assert_eq!(&open(&message, &item()).unwrap(), &plain);
        let mut opener = Opener::open(std::io::Cursor::new(&message), &item()).unwrap();
        let at = at.min(size);
        opener.seek(SeekFrom::Start(at as u64)).unwrap();
        let mut rest = Vec::new();
        opener.read_to_end(&mut rest).unwrap();
        prop_assert_eq!(&rest[..], &plain[at..]);
    }
}
