//! What a pack says, as plain facts out of proven entries.

use jiff::Timestamp;

use super::names::file_name;
use crate::model::{
    CameraDocked, EvidenceId, ImportDeclared, ItemSealed, ItemStored, Officer, PackId, Part,
    Sha256Digest, SourcePath, StationName,
};

pub struct PackFacts {
    pub id: PackId,
    pub made: Timestamp,
    /// Of the program.
    pub version: &'static str,
    pub office: StationName,
    /// Whoever made it, as typed.
    pub operator: String,
    /// The acts of the office's log that say so, one for each item.
    pub acts: Vec<u64>,
    pub witness: PackWitness,
    pub logs: Vec<PackLog>,
    pub items: Vec<PackItem>,
}

pub struct PackWitness {
    /// As `name+keyid+key`.
    pub key: String,
}

/// A station's log at the checkpoint under which the entries of the pack are proven.
pub struct PackLog {
    pub station: StationName,
    /// As `name+keyid+key`.
    pub key: String,
    /// The signed and cosigned checkpoint.
    pub note: String,
    /// Entries.
    pub size: u64,
    pub root: Sha256Digest,
    pub cosigned_at: Timestamp,
}

pub struct PackItem {
    pub station: StationName,
    pub evidence: EvidenceId,
    /// Index, the station's time, and what was entered.
    pub sealed: (u64, Timestamp, ItemSealed),
    pub stored: (u64, Timestamp, ItemStored),
    pub docked: Option<(u64, Timestamp, CameraDocked)>,
    /// What was declared of evidence that no camera brought, and the entry that says so.
    pub imported: Option<(u64, Timestamp, ImportDeclared)>,
    /// Now, after any reassignment.
    pub officer: Option<Officer>,
    /// What the office decided about it.
    pub decisions: Vec<PackDecision>,
    /// Original first.
    pub parts: Vec<PackPart>,
}

/// A person's decision at the office, in the office's own log.
pub struct PackDecision {
    /// Its entry there.
    pub entry: u64,
    pub at: Timestamp,
    pub decided: Decided,
}

pub enum Decided {
    /// Of an item that a station put into quarantine: whether it is evidence.
    Evidence(bool),
    /// Whose it is, whatever the station's log says.
    Officer(Officer),
}

/// An opened object of an item.
pub struct PackPart {
    pub part: Part,
    pub sha256: Sha256Digest,
    /// Plaintext bytes.
    pub size: u64,
    /// The entry that says so.
    pub entry: u64,
}

impl PackItem {
    pub fn path(&self) -> &SourcePath {
        &self.sealed.2.path
    }
}

/// Where an opened object lies below `data/`; `None` for what no pack holds.
pub fn part_file(item: &PackItem, part: Part) -> Option<String> {
    let folder = format!("items/{}", item.evidence);
    match part {
        Part::Original => Some(format!("{folder}/original/{}", file_name(item.path()))),
        Part::Storyboard => Some(format!("{folder}/storyboard.jpg")),
        Part::Preview => Some(format!("{folder}/preview.mp4")),
        Part::ItemKey => None,
    }
}

/// Where a file of a station's log lies below `data/`.
pub fn custody_file(station: &StationName, name: impl std::fmt::Display) -> String {
    format!("custody/{station}/{name}")
}

/// The fingerprint of a public key: the first 32 hex digits of the SHA-256 of its line `name+keyid+key`.
pub fn fingerprint(key: &str) -> String {
    let mut digits = Sha256Digest::of(key.as_bytes()).to_string();
    digits.truncate(32);
    digits
}

/// A fingerprint in groups of four, as people compare it.
pub fn grouped(fingerprint: &str) -> String {
    let digits: Vec<char> = fingerprint.chars().collect();
    let groups = digits
        .chunks(4)
        .map(|group| group.iter().collect::<String>());
    groups.collect::<Vec<_>>().join(" ")
}
