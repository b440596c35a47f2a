use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum IdError {
    #[error("{0:?} is not an evidence id (a UUID such as 0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9b11)")]
    Evidence(String),
    #[error("{0:?} is not a session id (a UUID)")]
    Session(String),
    #[error("{0:?} is not the number of a pack (a UUID)")]
    Pack(String),
    #[error("{0:?} is not the number of a share (32 of 0-9 and a-f)")]
    Share(String),
    #[error(
        "{0:?} is not a station name: use 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit"
    )]
    Station(String),
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $error:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new UUIDv7: sorts by creation time.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// Its creation time, to the millisecond; `None` for an id without one.
            pub fn made(&self) -> Option<jiff::Timestamp> {
                let (seconds, nanoseconds) = self.0.get_timestamp()?.to_unix();
                let nanoseconds = i32::try_from(nanoseconds).ok()?;
                jiff::Timestamp::new(i64::try_from(seconds).ok()?, nanoseconds).ok()
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Accepts the hyphenated form only, so that one id has one spelling in keys and logs.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let wrong = || IdError::$error(text.chars().take(64).collect());
                if text.len() != 36 {
                    return Err(wrong());
                }
                Uuid::try_parse(text).map(Self).map_err(|_| wrong())
            }
        }
    };
}

uuid_id!(
    /// Names one item permanently: the folder of its objects in the bucket (UUIDv7).
    EvidenceId,
    Evidence
);
uuid_id!(
    /// Names one stay of one camera in one bay (UUIDv7).
    SessionId,
    Session
);

uuid_id!(
    /// Names one court pack (UUIDv7).
    PackId,
    Pack
);

/// Names one share: the folder of its objects in the bucket. It is random, as it also stands in the link to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShareId([u8; 16]);

impl ShareId {
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ShareId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ShareId {
    type Err = IdError;

    /// Accepts lower case only, so that one share has one spelling in keys and logs.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let fine = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let number = fine.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        let number = number.ok_or_else(|| IdError::Share(text.chars().take(64).collect()))?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl TryFrom<String> for ShareId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ShareId> for String {
    fn from(id: ShareId) -> Self {
        id.to_string()
    }
}

/// The station's name: part of object keys and of the log's origin, hence its narrow alphabet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StationName(String);

impl StationName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StationName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fine = (1..=63).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-');
        if fine {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::Station(text.chars().take(64).collect()))
        }
    }
}

impl TryFrom<String> for StationName {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<StationName> for String {
    fn from(name: StationName) -> Self {
        name.0
    }
}

impl fmt::Display for StationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evidence_id_has_one_spelling() {
        let id = EvidenceId::new();
        assert_eq!(id.to_string().parse::<EvidenceId>(), Ok(id));
        assert!(
            id.to_string()
                .replace('-', "")
                .parse::<EvidenceId>()
                .is_err()
        );
        assert!(format!("{{{id}}}").parse::<EvidenceId>().is_err());
    }

    #[test]
    fn the_number_of_a_share_has_one_spelling_and_is_never_a_path() {
        let text = "0123456789abcdef0123456789abcdef";
        assert_eq!(text.parse::<ShareId>().unwrap().to_string(), text);
        for bad in [
            "",
            "0123456789ABCDEF0123456789abcdef",
            "+123456789abcdef0123456789abcdef",
            "../3456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcde",
        ] {
            assert!(bad.parse::<ShareId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_station_name_can_never_be_a_path_or_break_a_note() {
        for bad in [
            "",
            "A",
            "a/b",
            "..",
            "a b",
            "a+b",
            "-a",
            "a\n",
            "ä",
            &"x".repeat(64),
        ] {
            assert!(bad.parse::<StationName>().is_err(), "{bad:?}");
        }
        assert!("leeds-north-2".parse::<StationName>().is_ok());
    }
}
