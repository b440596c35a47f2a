//! What people write on items, as an office's log has it (docs/formats.md). Field names are part of the format.

use serde::{Deserialize, Serialize};

use super::{
    ActReference, BayName, Decider, EvidenceId, Officer, Sha256Digest, StationName, is_one_line,
};

/// Bytes of an incident number, a category or an exhibit's reference.
pub const TAG_MAX: usize = 200;

/// The tags of an item from now on: the act says all of them, also those that stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemTagged {
    /// The station that took it.
    pub log: StationName,
    pub evidence: EvidenceId,
    #[serde(flatten)]
    pub tags: Tags,
    pub source: TagSource,
    /// Of tags from a file: what they rest on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<DispatchMatch>,
    /// The act that said the tags before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ActReference>,
    #[serde(flatten)]
    pub by: Decider,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The exhibit's reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhibit: Option<String>,
    /// SHA-256 of the object that holds a free text with its salt: such a text may name people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_sha256: Option<Sha256Digest>,
    /// Only those who may see what is restricted find it. A person alone restricts, and lifts it: in an act of a file this says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restricted: bool,
}

/// An officer tagged a recording of a docked camera, in the station's own log. What a person says at the office beats it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemTaggedAtDock {
    pub evidence: EvidenceId,
    /// All that it has from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The badge that was scanned or typed; a station cannot know who held it.
    pub officer: Officer,
    pub bay: BayName,
    /// `web` and the address of the screen.
    pub peer: String,
}

/// A person's tags beat those from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagSource {
    Person,
    File,
}

/// The row of a dispatch file that an item was matched with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispatchMatch {
    pub file_sha256: Sha256Digest,
    /// Where the row begins, from 1.
    pub line: u64,
    pub confidence: MatchConfidence,
    /// By which the camera's clock was ahead of the station's; absent where nobody measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead_seconds: Option<i64>,
}

/// How sure it is that a recording was made in a row's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchConfidence {
    /// The camera's clock was not measured.
    Low,
    /// Its time, corrected by the measured clock, is in the row's or within the slack around it.
    Medium,
    /// The whole recording is in the row's time, by a measured clock.
    High,
}

impl MatchConfidence {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a dispatch file says of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTag {
    pub incident: String,
    #[serde(default)]
    pub category: Option<String>,
    #[serde(flatten)]
    pub found: DispatchMatch,
}

/// What becomes of an item's tags: one that is absent stays, one that is empty is taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TagChange {
    pub incident: Option<String>,
    pub category: Option<String>,
    pub exhibit: Option<String>,
    pub text: Option<String>,
    pub restricted: Option<bool>,
}

impl ItemTagged {
    /// Whether the item is restricted from now on; `None` where the act cannot say it.
    pub fn restricts(&self) -> Option<bool> {
        (self.source == TagSource::Person).then_some(self.tags.restricted)
    }
}

impl TagChange {
    /// Refuses, in words, what no tag can be.
    pub fn check(&self) -> Result<(), &'static str> {
        let short = |tag: &Option<String>| {
            let given = tag.as_ref().filter(|tag| !tag.is_empty());
            given.is_none_or(|tag| tag.len() <= TAG_MAX && is_one_line(tag))
        };
        let text = self.text.as_ref().filter(|text| !text.is_empty());
        if *self == Self::default() {
            Err("no tag was given")
        } else if !short(&self.incident) {
            Err("the incident number is too long or not one line")
        } else if !short(&self.category) {
            Err("the category is too long or not one line")
        } else if !short(&self.exhibit) {
            Err("the exhibit's reference is too long or not one line")
        } else if text.is_some_and(|text| !is_one_line(text)) {
            Err("the text is too long or not one line")
        } else {
            Ok(())
        }
    }
}
