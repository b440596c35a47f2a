//! Messages that only someone with the keys could make, and that are wrong all the same.

use proptest::prelude::*;

use super::*;
use crate::seal::format::{FRAME_OVERHEAD, MessageHeader};
use crate::seal::keys::random_secret;
use crate::seal::sealer::MessageKeys;

/// A header with a valid tag, after `change`, and the keys behind it.
fn crafted(change: impl FnOnce(&mut MessageHeader)) -> (Vec<u8>, MessageKeys) {
    let data_key = random_secret().unwrap();
    let context = spec(64).context();
    let serialized = context.serialize().unwrap();
    let id = keys().evidence.to_string();
    let wrapped = keys().item.wrap(&id, &data_key, &serialized).unwrap();
    let message_id = [9; 32];
    let derived = MessageKeys::derive(&data_key, &message_id).unwrap();
    let mut header = MessageHeader {
        message_id,
        context,
        keys: vec![wrapped],
        frame_length: 64,
        commitment: derived.commitment,
    };
    change(&mut header);
    let mut bytes = header.body().unwrap();
    let tag = derived.header_tag(&bytes).unwrap();
    bytes.extend_from_slice(&tag);
    (bytes, derived)
}

#[test]
fn a_key_commitment_that_does_not_fit_is_refused_though_the_tag_is_valid() {
    let read = |bytes: &[u8]| UnlockedMessage::read(&mut &bytes[..], &item()).map(|_| ());
    assert!(read(&crafted(|_| ()).0).is_ok());
    let (bytes, _) = crafted(|header| header.commitment[31] ^= 1);
    assert!(matches!(read(&bytes), Err(SealError::Commitment)));
}

#[test]
fn a_data_key_under_another_context_does_not_open() {
    let (bytes, _) = crafted(|header| header.context.0[0].1.push('x'));
    let read = UnlockedMessage::read(&mut &bytes[..], &item()).map(|_| ());
    assert!(matches!(read, Err(SealError::NoKey)));
}

#[test]
fn a_context_that_is_unsorted_doubled_or_ragged_is_refused() {
    let start = [&[2, 4, 0x78][..], &[7; 32]].concat();
    let pair = |key: &[u8]| [&[0, 1], key, &[0, 1, b'v']].concat();
    let count = |n: u8| vec![0, n];
    let contexts = [
        [count(2), pair(b"b"), pair(b"a")].concat(),
        [count(2), pair(b"a"), pair(b"a")].concat(),
        [count(1), pair(b"a"), vec![0]].concat(),
        [count(2), pair(b"a")].concat(),
        [count(1), pair(b"\xff")].concat(),
        count(0),
        vec![0],
    ];
    for context in contexts {
        let length = u16::try_from(context.len()).unwrap().to_be_bytes();
        let bytes = [&start[..], &length, &context, &[0; 200]].concat();
        assert!(matches!(
            MessageHeader::read(&mut &bytes[..]),
            Err(SealError::Format("the encryption context is malformed"))
        ));
    }
}

#[test]
fn the_last_frame_number_of_the_format_is_the_end_and_never_wraps() {
    let (header, derived) = crafted(|_| ());
    let mut sealer = Sealer::resume(derived.key, [9; 32], header, 64, u32::MAX - 1);
    let mut buffer = FrameBuffer::new(64);
    buffer.fill(64);
    let frame = sealer.seal_regular(&mut buffer).unwrap();
    assert_eq!(frame[..4], [0xff, 0xff, 0xff, 0xfe]);
    assert!(matches!(
        sealer.seal_regular(&mut buffer),
        Err(SealError::Limit("the number of frames"))
    ));
    assert!(matches!(
        sealer.seal_final(&mut buffer),
        Err(SealError::Limit("the number of frames"))
    ));
}

#[test]
fn a_regular_frame_that_is_not_full_is_never_sealed() {
    let mut sealer = Sealer::new(&spec(64)).unwrap();
    let mut buffer = FrameBuffer::new(64);
    buffer.fill(63);
    assert!(sealer.seal_regular(&mut buffer).is_err());
}

#[test]
fn no_two_messages_share_an_id_a_key_or_a_ciphertext() {
    let plain = plaintext(64);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        let (message, _) = seal(&plain, 64, false);
        let header = header_length(&message);
        assert!(seen.insert(message[3..35].to_vec()), "message id");
        assert!(
            seen.insert(message[header - 48..header - 16].to_vec()),
            "commitment"
        );
        assert!(seen.insert(message[header + 24..].to_vec()), "ciphertext");
        assert_eq!(message.len(), header + 64 + FRAME_OVERHEAD + 8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_mangled_message_never_opens_and_nothing_panics(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6),
        cut: prop::sample::Index,
        cuts: bool,
    ) {
        static MESSAGE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let whole = MESSAGE.get_or_init(|| seal(&plaintext(150), 64, false).0);
        let mut bytes = whole.clone();
        for (at, mask) in edits {
            bytes[at.index(whole.len())] ^= mask;
        }
        if cuts {
            bytes.truncate(cut.index(whole.len()));
        }
        prop_assume!(bytes != *whole);
        prop_assert!(open(&bytes, &item()).is_err());
        prop_assert!(open(&bytes, &KeySource::Recipient(&keys().p384)).is_err());
        let resumed = resume(&mut &bytes[..], &keys().item, keys().evidence, &mut |_, _| ());
        prop_assert!(!matches!(resumed, Ok(Resumed::Complete(..))));
    }

    #[test]
    fn arbitrary_bytes_never_open(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let headed = [&[2, 4, 0x78][..], &bytes].concat();
        prop_assert!(open(&bytes, &item()).is_err());
        prop_assert!(open(&headed, &item()).is_err());
        let _ = Recipient::from_pem(&String::from_utf8_lossy(&bytes));
    }
}
