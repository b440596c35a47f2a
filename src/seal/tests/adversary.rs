use std::cell::Cell;
use std::io::Read;

use super::*;
use crate::model::Sha256Digest;
use crate::seal::format::FRAME_OVERHEAD;

const L: usize = 16;

fn message(size: usize) -> Vec<u8> {
    seal(&plaintext(size), 16, false).0
}

/// Opens through `open_to`, through `Read` and through `resume` (which may only ever find it partial).
fn refused(bytes: &[u8]) -> bool {
    let read = Opener::open(bytes, &item())
        .map(|mut o| o.read_to_end(&mut Vec::new()))
        .is_ok_and(|r| r.is_ok());
    let complete = matches!(
        resume(
            &mut &bytes[..],
            &keys().item,
            keys().evidence,
            &mut |_, _| ()
        ),
        Ok(Resumed::Complete(..))
    );
    open(bytes, &item()).is_err() && !read && !complete
}

/// Header, then each frame.
fn pieces(message: &[u8]) -> Vec<Vec<u8>> {
    let (header, mut rest) = message.split_at(header_length(message));
    let mut pieces = vec![header.to_vec()];
    while rest.len() > L + FRAME_OVERHEAD + 8 {
        let (frame, after) = rest.split_at(L + FRAME_OVERHEAD);
        pieces.push(frame.to_vec());
        rest = after;
    }
    pieces.push(rest.to_vec());
    pieces
}

#[test]
fn every_flipped_bit_is_found() {
    let message = message(2 * L + 3);
    for at in 0..message.len() {
        for bit in 0..8 {
            let mut altered = message.clone();
            altered[at] ^= 1 << bit;
            assert!(refused(&altered), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_flipped_byte_is_found_by_a_recipient_too() {
    let message = message(L + 3);
    for source in [&keys().p384, &keys().p256] {
        for at in 0..message.len() {
            let mut altered = message.clone();
            altered[at] ^= 1 << (at % 8);
            assert!(open(&altered, &KeySource::Recipient(source)).is_err());
        }
    }
}

#[test]
fn every_truncation_is_found() {
    for size in [0, 1, L, 2 * L, 2 * L + 3] {
        let message = message(size);
        for cut in 0..message.len() {
            assert!(refused(&message[..cut]), "{size} bytes cut at {cut}");
        }
    }
    let empty_final = seal_small(&spec(16), &plaintext(2 * L)).unwrap();
    let second = header_length(&empty_final) + L + FRAME_OVERHEAD;
    assert!(refused(&empty_final[..second]), "cut between frames");
}

#[test]
fn bytes_behind_the_final_frame_are_refused() {
    let whole = message(2 * L + 3);
    let last = pieces(&whole).pop().unwrap();
    for more in [&[0][..], &[0; 500], &last, &whole] {
        let long = [&whole[..], more].concat();
        assert!(matches!(open(&long, &item()), Err(SealError::Trailing)));
    }
}

#[test]
fn frames_out_of_place_are_refused() {
    let whole = message(4 * L + 3);
    let parts = pieces(&whole);
    assert_eq!(parts.len(), 6, "a header and five frames");
    assert_eq!(parts.concat(), whole);
    for a in 1..parts.len() {
        for b in a + 1..parts.len() {
            let mut swapped = parts.clone();
            swapped.swap(a, b);
            assert!(refused(&swapped.concat()), "{a} and {b} swapped");
        }
        let mut dropped = parts.clone();
        dropped.remove(a);
        assert!(refused(&dropped.concat()), "{a} dropped");
        let mut doubled = parts.clone();
        doubled.insert(a, parts[a].clone());
        assert!(refused(&doubled.concat()), "{a} doubled");
        // A frame of another message of the same item, in the same place.
        let mut foreign = parts.clone();
        foreign[a] = pieces(&message(4 * L + 3))[a].clone();
        assert!(refused(&foreign.concat()), "{a} from another message");
    }
}

#[test]
fn a_regular_frame_cannot_pose_as_the_final_one() {
    let parts = pieces(&message(4 * L + 3));
    for n in 1..5u8 {
        let mut posing = parts[..usize::from(n)].concat();
        posing.extend_from_slice(&[0xff; 4]);
        posing.extend_from_slice(&parts[usize::from(n)][..16]);
        posing.extend_from_slice(&[0, 0, 0, 16]);
        posing.extend_from_slice(&parts[usize::from(n)][16..]);
        assert!(refused(&posing));
    }
    // Nor the final one, full or not, as a regular one with another behind it.
    let parts = pieces(&message(2 * L));
    let last = &parts[2];
    let posing = [&parts[0], &parts[1], &last[4..20], &last[24..], last].concat();
    assert!(refused(&posing));
}

#[test]
fn the_message_of_something_else_is_refused() {
    let plain = plaintext(20);
    let (message, sealed) = seal(&plain, 16, false);
    let right = ExpectedMessage {
        evidence: keys().evidence,
        part: Part::Original,
        sha256: Some(sealed.sha256),
    };
    let evidence = EvidenceId::new();
    let part = Part::Preview;
    let handed = Cell::new(0);
    let open = |expected: &ExpectedMessage| {
        open_to(&message[..], &item(), Some(expected), |chunk| {
            handed.set(handed.get() + chunk.len());
            Ok(())
        })
    };
    for wrong in [
        ExpectedMessage { evidence, ..right },
        ExpectedMessage { part, ..right },
    ] {
        assert!(matches!(open(&wrong), Err(SealError::OtherObject(_))));
    }
    assert_eq!(handed.get(), 0, "not a byte of another object");
    let sha256 = Some(Sha256Digest::of(b"something else"));
    assert!(matches!(
        open(&ExpectedMessage { sha256, ..right }),
        Err(SealError::Digest { .. })
    ));
    assert!(open(&right).is_ok());
}

#[test]
fn a_failing_sink_or_source_is_never_success() {
    let (message, _) = seal(&plaintext(100), 16, false);
    let failing = open_to(&message[..], &item(), None, |_| {
        Err(std::io::Error::other("full"))
    });
    assert!(matches!(failing, Err(SealError::Write(_))));
    struct Broken<'a>(&'a [u8]);
    impl Read for Broken<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(std::io::Error::other("gone")),
                n => Ok(n),
            }
        }
    }
    for cut in 0..=message.len() {
        let outcome = open_to(Broken(&message[..cut]), &item(), None, |_| Ok(()));
        assert!(matches!(outcome, Err(SealError::Read(_))), "cut at {cut}");
    }
}

#[test]
fn no_unverified_byte_is_handed_out() {
    let plain = plaintext(3 * L);
    let (message, _) = seal(&plain, 16, false);
    let header = header_length(&message);
    for at in header..message.len() {
        let mut altered = message.clone();
        altered[at] ^= 1;
        let mut out = Vec::new();
        let outcome = open_to(&altered[..], &item(), None, |chunk| {
            out.extend_from_slice(chunk);
            Ok(())
        });
        assert!(outcome.is_err());
        let whole = ((at - header) / (L + FRAME_OVERHEAD)).min(2);
        assert_eq!(out, plain[..whole * L], "flipped at {at}");
    }
}
