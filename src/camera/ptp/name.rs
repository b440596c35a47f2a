//! Turns a device's object names into names for source paths. Every name gets one, so that every file can be taken: bytes
//! that a path can't hold become `%` and two hex digits.

use std::fmt::Write as _;

use super::reader::PtpString;
use crate::model::Sha256Digest;

/// Bytes of one name in a path; the same bound as [`crate::model::SourcePath`]'s.
const NAME_MAX: usize = 255;

/// The name of an object in its folder's path: never empty, `.` or `..`, without `/` and zero bytes, at most 255 bytes.
pub(super) fn path_name(name: &PtpString, handle: u32) -> Vec<u8> {
    let raw = name.to_bytes();
    if raw.is_empty() {
        return format!("object-{handle:08x}").into_bytes();
    }
    let escaped: Vec<u8> = if raw == b"." || raw == b".." {
        b"%2e".repeat(raw.len())
    } else {
        raw.iter()
            .flat_map(|&byte| {
                if byte == b'/' {
                    b"%2f".to_vec()
                } else {
                    vec![byte]
                }
            })
            .collect()
    };
    if escaped.len() <= NAME_MAX {
        return escaped;
    }
    // Cut, but still unique, and with its extension.
    let digest = Sha256Digest::of(&raw).to_string();
    let mut tail = format!("~{}", digest.get(..16).unwrap_or(&digest)).into_bytes();
    tail.extend_from_slice(extension(&escaped));
    let mut cut = (NAME_MAX - tail.len()).min(escaped.len());
    // Never in the middle of a character.
    while cut > 0 && escaped.get(cut).is_some_and(|byte| byte & 0xc0 == 0x80) {
        cut -= 1;
    }
    let mut name = escaped[..cut].to_vec();
    name.extend_from_slice(&tail);
    name
}

/// A name for the second, third… object of the same name in one folder: `A~2.MP4`.
pub(super) fn numbered(name: &[u8], number: u32) -> Vec<u8> {
    let extension = extension(name);
    let mut suffix = String::new();
    let _ = write!(suffix, "~{number}");
    let stem = &name[..name.len() - extension.len()];
    let stem = &stem[..stem.len().min(NAME_MAX - suffix.len() - extension.len())];
    [stem, suffix.as_bytes(), extension].concat()
}

/// With its dot, at most eight bytes.
fn extension(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&byte| byte == b'.') {
        Some(dot) if dot > 0 && name.len() - dot <= 8 => &name[dot..],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::camera::ptp::reader::DatasetReader;
    use crate::model::SourcePath;

    fn string(units: &[u16]) -> PtpString {
        let mut bytes = vec![u8::try_from(units.len()).unwrap()];
        bytes.extend(units.iter().flat_map(|u| u.to_le_bytes()));
        DatasetReader::new(&bytes, "name").string().unwrap()
    }

    fn named(text: &str) -> String {
        let units: Vec<u16> = text.encode_utf16().collect();
        String::from_utf8(path_name(&string(&units), 7)).unwrap()
    }

    #[test]
    fn names_become_names_that_a_path_can_hold() {
        for (given, expected) in [
            ("A.MP4", "A.MP4"),
            ("ü/ß.mp4", "ü%2fß.mp4"),
            (".", "%2e"),
            ("..", "%2e%2e"),
            ("...", "..."),
            ("../../etc", "..%2f..%2fetc"),
            ("", "object-00000007"),
        ] {
            assert_eq!(named(given), expected);
        }
    }

    #[test]
    fn long_names_are_cut_but_stay_different_and_keep_their_extension() {
        let (a, b) = (
            named(&format!("{}a.MP4", "€".repeat(250))),
            named(&format!("{}b.MP4", "€".repeat(250))),
        );
        assert!(
            a.len() <= 255 && a.len() > 240 && a.as_bytes().ends_with(b".MP4"),
            "{a}"
        );
        assert_ne!(a, b);
    }

    #[test]
    fn the_second_of_a_name_is_numbered_before_its_extension() {
        assert_eq!(numbered(b"A.MP4", 2), b"A~2.MP4");
        assert_eq!(numbered(b".hidden", 3), b".hidden~3");
        assert_eq!(numbered(&[b'x'; 255], 12).len(), 255);
    }

    #[test]
    fn lone_surrogates_stay_different() {
        let (a, b) = (string(&[0xd800, 0x41]), string(&[0xd801, 0x41]));
        assert_ne!(path_name(&a, 1), path_name(&b, 1));
        assert_eq!(path_name(&a, 1), b"\xed\xa0\x80A");
    }

    proptest! {
        #[test]
        fn whatever_a_camera_names_its_files_a_path_holds_them(units in proptest::collection::vec(any::<u16>(), 0..255), number in 1_u32..u32::MAX) {
            let name = path_name(&string(&units), 1);
            let path = SourcePath::new(name.clone()).unwrap();
            prop_assert_eq!(path.file_name(), &name[..]);
            prop_assert!(SourcePath::new(numbered(&name, number)).is_ok());
        }
    }
}
