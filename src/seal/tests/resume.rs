use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::model::Sha256Digest;
use crate::seal::format::FRAME_OVERHEAD;

fn resume_cut(part: &[u8]) -> Result<Resumed, SealError> {
    resume(
        &mut &part[..],
        &keys().item,
        keys().evidence,
        &mut |_, _| (),
    )
}

/// Resumes from `part` with this source, as a pull would; returns the whole file.
fn go_on(
    part: &[u8],
    source: &[u8],
    side_by_side: bool,
) -> Result<(Vec<u8>, SealedStream), PipelineError> {
    let start = match resume_cut(part)? {
        Resumed::Complete(sealed, _) => return Ok((part.to_vec(), sealed)),
        Resumed::Partial(start, _) => start,
    };
    let behind = usize::try_from(start.sealed).unwrap();
    let rest = usize::try_from(start.plaintext).unwrap();
    assert!(part[behind..].starts_with(&start.torn));
    assert_eq!(start.torn.is_empty(), part.len() == behind);
    let mut sink = SealedBytes(part[..behind].to_vec());
    let sealed = seal_stream(
        &mut &source[rest.min(source.len())..],
        &mut sink,
        *start,
        // Another frame length than the message has: as after a change of the configuration.
        &mut Buffers::new(32, 3),
        side_by_side,
        &NoWatch,
    )?;
    Ok((sink.0, sealed))
}

#[test]
fn a_pull_cut_at_any_byte_goes_on_to_the_same_message() {
    for size in [0usize, 1, 63, 64, 65, 128, 200] {
        let plain = plaintext(size);
        let (message, whole) = seal(&plain, 64, false);
        for cut in header_length(&message)..message.len() {
            for side_by_side in [false, true] {
                let (file, sealed) = go_on(&message[..cut], &plain, side_by_side).unwrap();
                // Same key, same numbers, same plaintext: the very same bytes, so no nonce saw two plaintexts.
                assert_eq!(file, message, "{size} bytes cut at {cut}");
                assert_eq!(sealed, whole);
            }
        }
        assert_eq!(open(&message, &item()).unwrap(), plain);
        assert_eq!(whole.sha256, Sha256Digest::of(&plain));
    }
}

#[test]
fn a_whole_message_needs_only_its_commit() {
    for size in [0usize, 1, 63, 64, 65, 128, 200] {
        let (message, whole) = seal(&plaintext(size), 64, true);
        let Resumed::Complete(sealed, _) = resume_cut(&message).unwrap() else {
            panic!("a whole message was not recognised");
        };
        assert_eq!(sealed, whole);
    }
    let plain = plaintext(128);
    let message = super::round_trip::with_empty_final(&plain);
    let Resumed::Complete(sealed, _) = resume_cut(&message).unwrap() else {
        panic!("an empty final frame was not recognised");
    };
    assert_eq!(sealed.size, 128);
    assert_eq!(sealed.sealed_size, message.len() as u64);
    assert_eq!(sealed.sha256, Sha256Digest::of(&plain));
}

#[test]
fn the_first_and_the_last_whole_frame_are_given_to_be_compared_with_the_source() {
    for size in [0usize, 1, 63, 64, 65, 128, 200] {
        let plain = plaintext(size);
        let (message, _) = seal(&plain, 64, false);
        for cut in header_length(&message)..=message.len() {
            let mut seen = Vec::new();
            let mut gather = |offset: u64, bytes: &[u8]| {
                assert_eq!(offset, seen.len() as u64);
                seen.extend_from_slice(bytes);
            };
            let part = &mut &message[..cut];
            let resumed = resume(part, &keys().item, keys().evidence, &mut gather).unwrap();
            let (read, frames) = match resumed {
                Resumed::Partial(start, frames) => (start.plaintext, frames),
                Resumed::Complete(sealed, frames) => (sealed.size, frames),
            };
            let read = usize::try_from(read).unwrap();
            assert_eq!(seen, plain[..read]);
            let last = read.saturating_sub(1) / 64 * 64;
            let mut expected = vec![
                (0, &plain[..read.min(64)]),
                (last as u64, &plain[last..read]),
            ];
            expected.dedup();
            expected.retain(|(_, bytes)| !bytes.is_empty());
            let frames: Vec<_> = frames
                .iter()
                .map(|f| (f.offset, &f.plaintext[..]))
                .collect();
            assert_eq!(frames, expected, "{size} bytes cut at {cut}");
        }
    }
}

#[test]
fn a_cut_within_the_header_cannot_be_resumed() {
    let (message, _) = seal(&plaintext(100), 64, false);
    for cut in 0..header_length(&message) {
        assert!(matches!(
            resume_cut(&message[..cut]),
            Err(SealError::Truncated(_))
        ));
    }
}

#[test]
fn a_source_that_changed_is_refused_once_a_torn_frame_shows_its_ciphertext() {
    let plain = plaintext(200);
    let (message, _) = seal(&plain, 64, false);
    let header = header_length(&message);
    let stride = 64 + FRAME_OVERHEAD;
    for cut in header..message.len() {
        let inside = (cut - header) % stride;
        // Behind number and IV (and end mark and length) the torn bytes are ciphertext of the first byte on.
        let fields = if cut >= header + 3 * stride { 24 } else { 16 };
        if inside <= fields {
            continue;
        }
        let mut changed = plain.clone();
        changed[(cut - header) / stride * 64] ^= 1;
        for side_by_side in [false, true] {
            let outcome = go_on(&message[..cut], &changed, side_by_side);
            assert!(
                matches!(outcome, Err(PipelineError::Seal(SealError::SourceChanged))),
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn a_source_that_shrank_or_grew_under_a_torn_frame_is_refused() {
    let plain = plaintext(200);
    let (message, _) = seal(&plain, 64, false);
    // Torn in the second frame: a shorter source would end there, in a final frame.
    let cut = header_length(&message) + 64 + FRAME_OVERHEAD + 20;
    // Torn in the final frame: a longer source would have a regular one there.
    let late = message.len() - 5;
    for (cut, source) in [(cut, &plain[..70]), (late, &plaintext(400)[..])] {
        assert!(matches!(
            go_on(&message[..cut], source, false),
            Err(PipelineError::Seal(SealError::SourceChanged))
        ));
    }
}

#[test]
fn damage_before_the_cut_is_never_sealed_over() {
    let plain = plaintext(200);
    let (message, _) = seal(&plain, 64, false);
    for at in header_length(&message)..message.len() - 1 {
        for cut in [message.len(), message.len() - 1, at + 1] {
            let mut altered = message[..cut].to_vec();
            altered[at] ^= 0x40;
            let outcome = go_on(&altered, &plain, false);
            assert!(outcome.is_err(), "flipped at {at}, cut at {cut}");
        }
    }
}

#[test]
fn bytes_behind_the_final_frame_keep_a_message_from_counting_as_complete() {
    for size in [0usize, 5, 64, 100, 128] {
        let plain = plaintext(size);
        let (message, _) = seal(&plain, 64, false);
        for more in [1usize, 7, 8, 200] {
            let long = [&message[..], &vec![0; more]].concat();
            let outcome = go_on(&long, &plain, false);
            assert!(outcome.is_err(), "{size} bytes and {more} more");
        }
    }
}

#[test]
fn another_item_s_partial_is_refused() {
    let (message, _) = seal(&plaintext(100), 64, false);
    let outcome = resume(
        &mut &message[..],
        &keys().item,
        EvidenceId::new(),
        &mut |_, _| (),
    );
    assert!(matches!(outcome, Err(SealError::OtherObject(_))));
    let other = ItemKey::generate().unwrap();
    let outcome = resume(&mut &message[..], &other, keys().evidence, &mut |_, _| ());
    assert!(matches!(outcome, Err(SealError::NoKey)));
}

#[test]
fn a_pull_goes_on_in_a_real_spool_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("item.part");
    let plain = plaintext(1000);
    let (message, whole) = seal(&plain, 64, false);
    std::fs::File::create(&path)
        .unwrap()
        .write_all(&message[..message.len() / 2])
        .unwrap();
    let mut reader = std::fs::File::open(&path).unwrap();
    let resumed = resume(&mut reader, &keys().item, keys().evidence, &mut |_, _| ());
    let Resumed::Partial(start, _) = resumed.unwrap() else {
        panic!("half a message is not whole");
    };
    let mut file = crate::durable::BulkFile::resume(&path, start.sealed, 1 << 30).unwrap();
    let rest = usize::try_from(start.plaintext).unwrap();
    let mut buffers = Buffers::new(64, 4);
    let mut source = &plain[rest..];
    let sealed = seal_stream(&mut source, &mut file, *start, &mut buffers, true, &NoWatch).unwrap();
    file.finish().unwrap();
    file.sync().unwrap();
    assert_eq!(sealed, whole);
    assert_eq!(std::fs::read(&path).unwrap(), message);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_cut_of_any_message_goes_on_to_the_same_bytes(
        size in 0usize..4000,
        frame_length in 1u32..500,
        cut in 0.0f64..1.0,
        side_by_side: bool,
    ) {
        let plain = plaintext(size);
        let (message, whole) = seal(&plain, frame_length, side_by_side);
        let header = header_length(&message);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let cut = header + ((message.len() - header) as f64 * cut) as usize;
        let (file, sealed) = go_on(&message[..cut], &plain, !side_by_side).unwrap();
        prop_assert!(file == message);
        prop_assert_eq!(sealed, whole);
    }
}
