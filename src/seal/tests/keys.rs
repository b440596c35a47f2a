use std::io::Read;

use super::*;
use crate::model::Explain as _;
use crate::seal::format::MessageHeader;

#[test]
fn a_private_key_as_recipient_is_refused_by_name() {
    for curve in [Curve::P384, Curve::P256] {
        let (private, public) = keygen_recipient(curve).unwrap();
        let error = Recipient::from_pem(&private).unwrap_err();
        assert!(matches!(error, SealError::PrivateKeyAsRecipient));
        assert_eq!(error.label(), "recipient_is_private");
        // Both in one file is no better.
        let both = format!("{public}{}", &*private);
        assert!(matches!(
            Recipient::from_pem(&both),
            Err(SealError::PrivateKeyAsRecipient)
        ));
        assert!(matches!(
            RecipientKey::from_pem(&public),
            Err(SealError::NotAPrivateKey)
        ));
        let key = RecipientKey::from_pem(&private).unwrap();
        assert_eq!(key.public(), Recipient::from_pem(&public).unwrap());
    }
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}

/// SubjectPublicKeyInfo of P-256 with this as its point.
fn p256_info(point: &[u8]) -> Vec<u8> {
    const ALGORITHM: &[u8] =
        b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    let length = u8::try_from(point.len() + 1).unwrap();
    let bits = [&[0x03, length, 0x00], point].concat();
    let total = u8::try_from(ALGORITHM.len() + bits.len()).unwrap();
    [&[0x30, total], ALGORITHM, &bits].concat()
}

#[test]
fn points_that_are_no_public_key_are_refused() {
    let RecipientKey::P256(secret) = &keys().p256 else {
        unreachable!()
    };
    use p256::elliptic_curve::sec1::ToSec1Point as _;
    let good = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
    assert!(Recipient::from_pem(&pem(&p256_info(&good))).is_ok());
    let mut off_curve = good.clone();
    off_curve[64] ^= 1;
    let zeros = [&[4][..], &[0; 64]].concat();
    let identity = vec![0];
    let beyond_field = [&[4][..], &[0xff; 64]].concat();
    for point in [
        off_curve,
        zeros,
        identity,
        beyond_field,
        good[..64].to_vec(),
        vec![],
    ] {
        assert!(matches!(
            Recipient::from_pem(&pem(&p256_info(&point))),
            Err(SealError::NotAPublicKey)
        ));
    }
}

#[test]
fn garbage_is_refused_as_a_key() {
    let rsa = pem(b"\x30\x1a\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x09\x00\x30\x06\x02\x01\x03\x02\x01\x03");
    let (_, public) = keygen_recipient(Curve::P384).unwrap();
    let cut = &public[..public.len() / 2];
    let nul = format!("{public}\0");
    for text in [
        "",
        "x",
        "-----BEGIN PUBLIC KEY-----",
        &rsa,
        cut,
        &pem(&[]),
        "\u{0}\u{ff}",
    ] {
        assert!(matches!(
            Recipient::from_pem(text),
            Err(SealError::NotAPublicKey)
        ));
        assert!(matches!(
            RecipientKey::from_pem(text),
            Err(SealError::NotAPrivateKey)
        ));
    }
    // Never a panic, whatever comes of it.
    let _ = Recipient::from_pem(&nul);
}

#[test]
fn items_prepared_together_share_no_key_and_each_opens_with_its_own() {
    let recipients = [keys().p384.public(), keys().p256.public()];
    let items = crate::seal::PreparedItem::batch(3, &recipients, "s-1", "c/1", 64).unwrap();
    let mut headers = std::collections::HashSet::new();
    for item in &items {
        for other in &items {
            let mut header = item.sealer.header();
            let opened = UnlockedMessage::read(&mut header, &KeySource::Item(&other.key));
            assert_eq!(opened.is_ok(), std::ptr::eq(item, other));
        }
        for key in [&keys().p384, &keys().p256] {
            let source = KeySource::Recipient(key);
            let original = UnlockedMessage::read(&mut item.sealer.header(), &source).unwrap();
            original.expect(item.evidence, Part::Original).unwrap();
            let mut opened = Vec::new();
            let message = &item.item_key_message[..];
            let into = |chunk: &[u8]| {
                opened.extend_from_slice(chunk);
                Ok(())
            };
            open_to(message, &source, None, into).unwrap();
            assert_eq!(opened, item.key.bytes());
        }
        assert!(headers.insert(item.sealer.header().to_vec()));
    }
}

#[test]
fn only_the_right_key_opens() {
    let message = seal_small(&spec(64), b"footage").unwrap();
    let (private, _) = keygen_recipient(Curve::P384).unwrap();
    let stranger = RecipientKey::from_pem(&private).unwrap();
    let other = ItemKey::generate().unwrap();
    for source in [KeySource::Recipient(&stranger), KeySource::Item(&other)] {
        assert!(matches!(open(&message, &source), Err(SealError::NoKey)));
    }
}

#[test]
fn the_item_key_message_opens_for_recipients_only() {
    let k = keys();
    let sealed = k.item.seal_to(&k.recipients, k.evidence, STATION, CAMERA);
    let sealed = sealed.unwrap();
    for recipient in [&k.p384, &k.p256] {
        let bytes = open(&sealed, &KeySource::Recipient(recipient)).unwrap();
        let again = ItemKey::from_bytes(&bytes).unwrap();
        let message = seal_small(&spec(64), b"footage").unwrap();
        assert_eq!(
            open(&message, &KeySource::Item(&again)).unwrap(),
            b"footage"
        );
    }
    assert!(matches!(open(&sealed, &item()), Err(SealError::NoKey)));
    assert!(ItemKey::from_bytes(&[0; 31]).is_none());
}

#[test]
fn a_wrapped_item_key_opens_only_for_its_item_and_station() {
    let wrap = |byte| StationWrapKey::new(zeroize::Zeroizing::new([byte; 32]));
    let wrapped = wrap(1).wrap(&keys().item, keys().evidence).unwrap();
    let again = wrap(1).unwrap(&wrapped, keys().evidence).unwrap();
    assert_eq!(again.bytes(), keys().item.bytes());
    assert!(wrap(2).unwrap(&wrapped, keys().evidence).is_err());
    assert!(wrap(1).unwrap(&wrapped, EvidenceId::new()).is_err());
    for at in 0..wrapped.len() {
        assert!(wrap(1).unwrap(&wrapped[..at], keys().evidence).is_err());
        let mut altered = wrapped.clone();
        altered[at] ^= 1;
        assert!(wrap(1).unwrap(&altered, keys().evidence).is_err());
    }
}

/// Counts what is asked for at once and refuses to be asked for more than a field can hold.
struct Meter<'a> {
    rest: &'a [u8],
    largest: usize,
}

impl Read for Meter<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.largest = self.largest.max(out.len());
        self.rest.read(out)
    }
}

#[test]
fn huge_counts_and_lengths_in_a_header_allocate_nothing_huge() {
    let start = [&[2, 4, 0x78][..], &[7; 32]].concat();
    let hostile: [&[u8]; 8] = [
        b"\xff\xff",                                                     // context length
        b"\x00\x02\xff\xff",                                             // pairs in the context
        b"\x00\x04\x00\x01\xff\xff",                                     // a key's length
        b"\x00\x00\x00\x00",                                             // no data key
        b"\x00\x00\xff\xff",                                             // too many data keys
        b"\x00\x00\x01\x00\xff\xff",                                     // provider length
        b"\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02\xff\xff\xff\xff", // frame length
        b"\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00", // no frame length
    ];
    for tail in hostile {
        let bytes = [&start[..], tail].concat();
        let mut meter = Meter {
            rest: &bytes,
            largest: 0,
        };
        let error = MessageHeader::read(&mut meter).unwrap_err();
        assert!(
            matches!(error, SealError::Format(_) | SealError::Truncated(_)),
            "{tail:?}: {error}"
        );
        assert!(meter.largest <= 0xffff);
    }
}

#[test]
fn a_sealer_refuses_what_no_reader_would_take() {
    for frame_length in [0, (16 << 20) + 1, u32::MAX] {
        assert!(matches!(
            Sealer::new(&spec(frame_length)),
            Err(SealError::Limit(_))
        ));
    }
    let none = SealSpec {
        recipients: &[],
        ..spec(64)
    };
    assert!(matches!(Sealer::new(&none), Err(SealError::Limit(_))));
    let long = "x".repeat(17 << 10);
    let wide = SealSpec {
        camera: &long,
        ..spec(64)
    };
    assert!(matches!(Sealer::new(&wide), Err(SealError::Limit(_))));
    let crowd = vec![keys().recipients[1].clone(); 256];
    let crowded = SealSpec {
        recipients: &crowd,
        ..spec(64)
    };
    assert!(matches!(Sealer::new(&crowded), Err(SealError::Limit(_))));
}
