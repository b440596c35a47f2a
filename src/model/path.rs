use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Linux's PATH_MAX; anything longer on a camera is named in the log and not read.
const PATH_BYTES_MAX: usize = 4096;
const NAME_BYTES_MAX: usize = 255;
const DEPTH_MAX: usize = 64;

#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    #[error("the path is empty")]
    Empty,
    #[error(
        "the path is longer than {PATH_BYTES_MAX} bytes or a name in it longer than {NAME_BYTES_MAX}"
    )]
    TooLong,
    #[error("the path is deeper than {DEPTH_MAX} folders")]
    TooDeep,
    #[error("the path holds an empty, '.' or '..' name or a zero byte")]
    Escapes,
}

/// Where a file lies on its camera: relative, `/`-separated, raw bytes as the camera gave them.
///
/// Never used as a path on the station; only handed back to the camera's reader, which opens it below
/// the camera's top folder. In JSON: a plain string when it is UTF-8, else `{"base64":"…"}`, so nothing is lost.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourcePath(Vec<u8>);

impl SourcePath {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, PathError> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Err(PathError::Empty);
        }
        if bytes.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        let mut depth = 0;
        for name in bytes.split(|&b| b == b'/') {
            depth += 1;
            if name.is_empty() || name == b"." || name == b".." || name.contains(&0) {
                return Err(PathError::Escapes);
            }
            if name.len() > NAME_BYTES_MAX {
                return Err(PathError::TooLong);
            }
        }
        if depth > DEPTH_MAX {
            Err(PathError::TooDeep)
        } else {
            Ok(Self(bytes))
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The last name, raw.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|&b| b == b'/').next().unwrap_or(&self.0)
    }

    /// The path without the extension of its last name: equal for a video and its sidecars.
    pub fn stem(&self) -> &[u8] {
        let name_start = self.0.len() - self.file_name().len();
        match self.file_name().iter().rposition(|&b| b == b'.') {
            Some(dot) if dot > 0 => &self.0[..name_start + dot],
            _ => &self.0,
        }
    }

    /// The last name's extension in lower case without the dot; `None` when there is none.
    pub fn extension(&self) -> Option<String> {
        let name = self.file_name();
        let dot = name.iter().rposition(|&b| b == b'.')?;
        if dot == 0 || dot + 1 == name.len() {
            return None;
        }
        std::str::from_utf8(&name[dot + 1..])
            .ok()
            .map(str::to_ascii_lowercase)
    }
}

/// Displays any bytes in log lines and to people: control characters, characters that cannot be seen, backslashes and
/// non-UTF-8 bytes are escaped, so that a hostile name can't forge a line, move the cursor or look like another name.
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.0).fmt(f)
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if is_unseen(c) || c == '\\' {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Whether a character shows nothing, looks like a plain space, reorders others, or has no agreed look.
pub(super) fn is_unseen(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    // These have no property that says so: a Braille cell without dots, a note without a head, and a Khitan filler.
    let blank = matches!(c, '\u{2800}' | '\u{1d159}' | '\u{16fe4}');
    let kind = CodePointMapData::<GeneralCategory>::new().get(c);
    blank
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || matches!(
            kind,
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::SpaceSeparator
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::PrivateUse
                | GeneralCategory::Unassigned
        )
}

impl fmt::Debug for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[derive(Serialize, Deserialize)]
struct Encoded {
    base64: String,
}

impl Serialize for SourcePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Encoded {
                base64: STANDARD.encode(&self.0),
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SourcePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Bytes(Encoded),
        }
        let bytes = match Either::deserialize(deserializer)? {
            Either::Text(text) => text.into_bytes(),
            Either::Bytes(encoded) => STANDARD.decode(&encoded.base64).map_err(D::Error::custom)?,
        };
        Self::new(bytes).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_escape_are_refused() {
        for bad in ["", "/", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0b"] {
            assert!(SourcePath::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(SourcePath::new("x".repeat(256)), Err(PathError::TooLong));
        assert_eq!(
            SourcePath::new(vec!["a"; 65].join("/")),
            Err(PathError::TooDeep)
        );
    }

    #[test]
    fn a_path_survives_json_whatever_its_bytes() {
        for bytes in [
            &b"DCIM/100MEDIA/A.MP4"[..],
            b"a\nb",
            b"\xff\xfe/x",
            "ü/ß.mp4".as_bytes(),
        ] {
            let path = SourcePath::new(bytes).unwrap();
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<SourcePath>(&json).unwrap(), path);
        }
    }

    #[test]
    fn a_shown_path_holds_no_control_characters() {
        let path = SourcePath::new(&b"a\n\x1b[2J\xff\xe2\x80\xae.mp4"[..]).unwrap();
        assert_eq!(path.to_string(), "a\\n\\u{1b}[2J\\xff\\u{202e}.mp4");
    }

    #[test]
    fn a_shown_path_holds_no_character_that_cannot_be_seen() {
        // Ignorable, a filler letter, a blank symbol, a space of another width, a tag, and a noncharacter.
        for unseen in [
            '\u{ad}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180b}',
            '\u{180e}',
            '\u{200b}',
            '\u{2028}',
            '\u{202e}',
            '\u{2066}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fffa}',
            '\u{1bca0}',
            '\u{1d173}',
            '\u{e0041}',
            '\u{e01ef}',
            '\u{2800}',
            '\u{1d159}',
            '\u{16fe4}',
            '\u{a0}',
            '\u{2003}',
            '\u{3000}',
            '\u{e000}',
            '\u{fdd0}',
            '\u{9b}',
        ] {
            let shown = SourcePath::new(format!("A{unseen}.MP4"))
                .unwrap()
                .to_string();
            assert_eq!(shown, format!("A\\u{{{:x}}}.MP4", u32::from(unseen)));
        }
        for seen in [
            "A 1.MP4",
            "Übung ß.mp4",
            "録画 가.mp4",
            "تسجيل.mp4",
            "e\u{301}.mp4",
            "🎥.mp4",
        ] {
            assert_eq!(SourcePath::new(seen).unwrap().to_string(), seen);
        }
    }

    #[test]
    fn sidecars_share_the_stem_of_their_video() {
        let stem = |s: &str| SourcePath::new(s).unwrap().stem().to_vec();
        assert_eq!(stem("D/A.MP4"), stem("D/A.GPS"));
        assert_ne!(stem("D/A.MP4"), stem("E/A.GPS"));
        assert_eq!(stem("D/.hidden"), b"D/.hidden");
    }
}
