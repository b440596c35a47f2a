use std::fmt;

use serde::{Deserialize, Serialize};

/// A fact about a recording that nobody can see in its previews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    pub code: RemarkCode,
    /// A number; the code decides what it counts.
    pub n: u64,
}

/// Part of the log's format: a code is never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkCode {
    /// Milliseconds of picture that the recording's edit list leaves out.
    HiddenByEdits,
    /// Bytes of media that the index does not name.
    OutsideIndex,
    /// Bytes that the file announces and does not have.
    CutOff,
    /// Bytes at the file's end that are all zero.
    ZerosAtEnd,
    /// Tracks of encrypted pictures.
    EncryptedVideo,
    /// Tracks of encrypted sound.
    EncryptedSound,
    /// Video tracks besides the one that is shown.
    OtherVideo,
    /// Milliseconds at the end of which no picture could be decoded.
    NotShown,
    /// Places of a storyboard at which no picture could be decoded.
    MissingPictures,
    /// Pictures that need others which are not there.
    IncompletePictures,
    /// The number of changes of the pictures' size, shape or orientation.
    ShapeChanges,
    /// Milliseconds of sound before the first picture.
    SoundBeforePicture,
    /// The number of the sound track that is heard because the one before it is silent.
    SilentTrack,
}

impl Remark {
    pub const fn new(code: RemarkCode, n: u64) -> Self {
        Self { code, n }
    }
}

impl fmt::Display for Remark {
    /// One sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.n;
        let seconds = format!("{}.{} s", n / 1000, n % 1000 / 100);
        match self.code {
            RemarkCode::HiddenByEdits => write!(
                f,
                "An edit list hides {seconds} of the recording from every player, and from its previews"
            ),
            RemarkCode::OutsideIndex => write!(
                f,
                "The index does not name {n} bytes of the media: players and previews do not show them"
            ),
            RemarkCode::CutOff => write!(
                f,
                "The file is cut off: {n} bytes that it announces are not in it"
            ),
            RemarkCode::ZerosAtEnd => write!(f, "The last {n} bytes of the file are zeros"),
            RemarkCode::EncryptedVideo => f.write_str("Its pictures are encrypted"),
            RemarkCode::EncryptedSound => f.write_str("Its sound is encrypted and cannot be heard"),
            RemarkCode::OtherVideo => write!(
                f,
                "The recording has more video tracks ({n}) that its previews do not show"
            ),
            RemarkCode::NotShown => write!(f, "No picture of its last {seconds} could be decoded"),
            RemarkCode::MissingPictures => write!(f, "At {n} places no picture could be decoded"),
            RemarkCode::IncompletePictures => write!(
                f,
                "{n} pictures are incomplete: those that they build on are not there"
            ),
            RemarkCode::ShapeChanges => write!(
                f,
                "The size, shape or orientation of the pictures changes {n} times"
            ),
            RemarkCode::SoundBeforePicture => {
                write!(f, "Its sound begins {seconds} before its first picture")
            }
            RemarkCode::SilentTrack => write!(
                f,
                "Sound track {n} is heard, because those before it are silent"
            ),
        }
    }
}
