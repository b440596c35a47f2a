//! People with a key of their own, as an office's log has them (docs/formats.md). Field names are part of the format: never rename
//! one, only add optional ones.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ActReference, Decider, StationName};

/// Somebody confirmed that this key is this person's: from now on, what is meant for them may be sealed to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonAdded {
    pub person: String,
    /// SubjectPublicKeyInfo, PEM.
    pub key: String,
    /// `p384:` and the first 16 bytes of the compressed point's SHA-256, in hex.
    pub fingerprint: String,
    /// What they were when they sent the key.
    pub roles: Vec<String>,
    /// Those that their unit sees; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stations: Option<Vec<StationName>>,
    /// Of somebody outside, who only receives: such a person has no roles and never signs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
    /// The act that their earlier key is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ActReference>,
    #[serde(flatten)]
    pub by: Decider,
}

/// Where a recipient belongs to, and when something may be shared with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    pub organisation: String,
    pub from: Timestamp,
    pub until: Timestamp,
}

/// Nothing may be sealed to this person's key any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRemoved {
    pub person: String,
    pub fingerprint: String,
    /// It was the key of somebody outside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
    /// The act that the key is from.
    pub supersedes: ActReference,
    #[serde(flatten)]
    pub by: Decider,
}

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";

/// A fingerprint as eight words of five letters that can be read out in any language (proquints: each is 16 bits); `None` for
/// what is no fingerprint.
pub fn fingerprint_words(fingerprint: &str) -> Option<String> {
    let (_, hex) = fingerprint.split_once(':')?;
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    let mut words = Vec::new();
    for at in (0..32).step_by(4) {
        let bits = usize::from(u16::from_str_radix(&hex[at..at + 4], 16).ok()?);
        let letters = [
            CONSONANTS[bits >> 12],
            VOWELS[bits >> 10 & 3],
            CONSONANTS[bits >> 6 & 15],
            VOWELS[bits >> 4 & 3],
            CONSONANTS[bits & 15],
        ];
        words.push(letters.map(char::from).iter().collect::<String>());
    }
    Some(words.join(" "))
}

/// Whether somebody typed the words of this fingerprint, in whatever case and with whatever between the words.
pub fn are_words_of(typed: &str, fingerprint: &str) -> bool {
    let letters = |text: &str| -> String {
        let all = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-' && *c != ',');
        all.flat_map(char::to_lowercase).collect()
    };
    fingerprint_words(fingerprint).is_some_and(|words| letters(&words) == letters(typed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_eight_words_that_stand_for_it_alone() {
        // 127.0.0.1 and 63.84.220.193, as the paper on proquints has them.
        let fingerprint = "p384:7f0000013f54dcc17f0000013f54dcc1";
        let words = "lusab babad gutih tugad lusab babad gutih tugad";
        assert_eq!(fingerprint_words(fingerprint).as_deref(), Some(words));
        assert!(are_words_of(words, fingerprint));
        assert!(are_words_of(
            " LUSAB-babad, gutih tugad lusab babad gutih tugad\n",
            fingerprint
        ));
        let other = "p384:7f0000013f54dcc17f0000013f54dcc0";
        for wrong in ["", "lusab", fingerprint, &words[..words.len() - 1]] {
            assert!(!are_words_of(wrong, fingerprint), "{wrong}");
        }
        assert!(!are_words_of(words, other));
        for none in [
            "",
            "p384:",
            "7f0000013f54dcc17f0000013f54dcc1",
            "p384:xf0000013f54dcc17f0000013f54dcc1",
            "p384:ü00000013f54dcc17f0000013f54dcc1",
        ] {
            assert_eq!(fingerprint_words(none), None);
            assert!(!are_words_of("", none));
        }
    }
}
