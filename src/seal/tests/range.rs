use super::*;
use crate::seal::format::FRAME_OVERHEAD;

const L: usize = 8;

fn reader(bytes: &[u8]) -> Result<VerifiedReader, SealError> {
    VerifiedReader::open(
        temp_file(bytes),
        &keys().item,
        keys().evidence,
        Part::Original,
        bytes.len() as u64,
    )
}

fn small(size: usize) -> Vec<u8> {
    seal(&plaintext(size), 8, false).0
}

#[test]
fn every_range_of_a_message_is_the_file_s_bytes() {
    for message in [small(0), small(L), small(2 * L + 3)] {
        let mut reader = reader(&message).unwrap();
        // Inside the header every offset behaves alike: start a little before its end.
        let begin = header_length(&message) - 3;
        for offset in (0..3).chain(begin..=message.len()) {
            for length in (0..3).chain(begin.saturating_sub(offset)..=message.len() - offset) {
                let length = length.min(message.len() - offset);
                let mut bytes = Vec::new();
                let skip = reader
                    .read_range(offset as u64, length, &mut bytes)
                    .unwrap();
                assert_eq!(
                    bytes[skip..skip + length],
                    message[offset..offset + length],
                    "{length} at {offset}"
                );
            }
        }
    }
}

#[test]
fn ranges_read_past_the_page_cache_are_the_same_and_are_verified_the_same() {
    // Where the build lies, rather than in memory, which knows no direct reads.
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let path = dir.path().join("spool");
    let mut message = seal(&plaintext(40_000), 5000, false).0;
    let open = |message: &[u8]| {
        std::fs::write(&path, message).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        let size = message.len() as u64;
        VerifiedReader::open(file, &keys().item, keys().evidence, Part::Original, size)
            .unwrap()
            .past_page_cache(crate::durable::open_direct(&path))
    };
    let mut reader = open(&message);
    let mut bytes = Vec::new();
    for offset in (0..message.len()).step_by(997) {
        for length in [0, 1, 4096, 9001, message.len()] {
            let length = length.min(message.len() - offset);
            let skip = reader
                .read_range(offset as u64, length, &mut bytes)
                .unwrap();
            assert!(bytes[skip..skip + length] == message[offset..offset + length]);
        }
    }
    let end = message.len() - 1;
    message[end] ^= 1;
    let mut reader = open(&message);
    assert!(reader.read_range(0, 10_000, &mut bytes).is_ok());
    assert!(
        reader
            .read_range(0, message.len(), &mut Vec::new())
            .is_err()
    );
    // Cut after it was opened.
    let mut reader = open(&message);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(20_000).unwrap();
    assert!(matches!(
        reader.read_range(0, 30_000, &mut bytes),
        Err(SealError::Truncated(_))
    ));
}

#[test]
fn a_range_beyond_the_end_is_refused() {
    let message = small(20);
    let mut reader = reader(&message).unwrap();
    let size = message.len() as u64;
    assert_eq!(reader.len(), size);
    for (offset, length) in [
        (size, 1),
        (0, message.len() + 1),
        (u64::MAX, 1),
        (size + 1, 0),
    ] {
        assert!(matches!(
            reader.read_range(offset, length, &mut Vec::new()),
            Err(SealError::Limit(_))
        ));
    }
}

#[test]
fn a_range_is_refused_when_any_byte_of_a_frame_that_it_touches_is_flipped() {
    let message = small(3 * L + 2);
    let header = header_length(&message);
    let stride = L + FRAME_OVERHEAD;
    let frame_of = |at: usize| ((at.max(header) - header) / stride).min(3);
    for flipped in header..message.len() {
        let mut altered = message.clone();
        altered[flipped] ^= 1 << (flipped % 8);
        let mut reader = reader(&altered).unwrap();
        for at in (header..message.len()).step_by(5) {
            let mut bytes = Vec::new();
            let one = reader.read_range(at as u64, 1, &mut bytes);
            if frame_of(at) == frame_of(flipped) {
                assert!(matches!(one, Err(SealError::Frame(_))), "{flipped}, {at}");
            } else {
                let skip = one.unwrap();
                assert_eq!(bytes[skip], message[at]);
            }
        }
        assert!(
            reader
                .read_range(0, message.len(), &mut Vec::new())
                .is_err()
        );
        // Two frames, so that the altered one is once the first and once the last of a range.
        let begin = header + frame_of(flipped) * stride;
        assert!(
            reader
                .read_range(begin as u64 - 1, 3, &mut Vec::new())
                .is_err()
        );
    }
}

#[test]
fn a_header_altered_after_opening_is_found_when_it_is_read() {
    use std::os::unix::fs::FileExt as _;
    let message = small(5);
    for at in 0..header_length(&message) {
        let file = temp_file(&message);
        let alias = file.try_clone().unwrap();
        let size = message.len() as u64;
        let mut reader =
            VerifiedReader::open(file, &keys().item, keys().evidence, Part::Original, size)
                .unwrap();
        alias.write_all_at(&[message[at] ^ 4], at as u64).unwrap();
        let length = 1 + at % 7;
        assert!(matches!(
            reader.read_range(0, length, &mut Vec::new()),
            Err(SealError::Header)
        ));
    }
}

#[test]
fn a_file_of_another_length_than_recorded_is_refused() {
    let message = small(20);
    let open = |bytes: &[u8], size: usize| {
        let (item, evidence) = (&keys().item, keys().evidence);
        VerifiedReader::open(
            temp_file(bytes),
            item,
            evidence,
            Part::Original,
            size as u64,
        )
    };
    let whole = message.len();
    let short = open(&message[..whole - 1], whole);
    assert!(matches!(short, Err(SealError::Truncated(_))));
    let long = open(&[&message[..], b"x"].concat(), whole);
    assert!(matches!(long, Err(SealError::Trailing)));
    let bare = header_length(&message);
    assert!(matches!(
        open(&message[..bare], bare),
        Err(SealError::Truncated(_))
    ));
    // A cut that the journal's size agrees with is found in the frame that became the last.
    for cut in bare + 40..whole {
        let mut reader = open(&message[..cut], cut).unwrap();
        assert!(
            reader
                .read_range(cut as u64 - 1, 1, &mut Vec::new())
                .is_err(),
            "cut at {cut}"
        );
    }
    let wrong_part = VerifiedReader::open(
        temp_file(&message),
        &keys().item,
        keys().evidence,
        Part::Preview,
        whole as u64,
    );
    assert!(matches!(wrong_part, Err(SealError::OtherObject(_))));
}
