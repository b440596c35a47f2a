use std::fmt::Display;

use super::{EvidenceId, ShareId, StationName};

/// The names of one station's objects in the bucket (docs/formats.md, "The bucket"). Everything that belongs to a station lies
/// in folders with its name, so that a policy can keep stations apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketLayout {
    prefix: String,
    station: StationName,
}

impl BucketLayout {
    /// `prefix` stands before all keys: empty, or it ends with `/`.
    pub fn new(prefix: impl Into<String>, station: StationName) -> Self {
        Self {
            prefix: prefix.into(),
            station,
        }
    }

    /// The folder of all items, with its final `/`.
    pub fn evidence_folder(&self) -> String {
        self.folder("evidence")
    }

    /// One object of an item: `original`, `receipt`…
    pub fn object(&self, id: EvidenceId, object: impl Display) -> String {
        format!("{}{id}/{object}", self.evidence_folder())
    }

    /// A file of the custody log.
    pub fn log(&self, file: &str) -> String {
        format!("{}{file}", self.folder("log"))
    }

    /// The folder of all confirmations, with its final `/`.
    pub fn confirmed_folder(&self) -> String {
        self.folder("confirmed")
    }

    /// The confirmation of an item.
    pub fn confirmation(&self, id: EvidenceId) -> String {
        format!("{}{id}", self.confirmed_folder())
    }

    /// The folder of all notes that somebody opened an item, with its final `/`.
    pub fn viewed_folder(&self) -> String {
        self.folder("viewed")
    }

    /// One such note; `name` is the item's alone.
    pub fn view(&self, id: EvidenceId, name: &str) -> String {
        format!("{}{id}/{name}", self.viewed_folder())
    }

    /// The item key that is sealed to the person whom an act of this office's log grants it.
    pub fn share(&self, act: u64, id: EvidenceId) -> String {
        format!("{}shares/{}-{act}/{id}/item-key", self.prefix, self.station)
    }

    /// What a share tells its recipient.
    pub fn share_manifest(&self, share: ShareId) -> String {
        format!("{}shares/{share}/manifest.json", self.prefix)
    }

    /// The item key that is sealed to the recipient of a share.
    pub fn shared_key(&self, share: ShareId, id: EvidenceId) -> String {
        format!("{}shares/{share}/{id}/item-key", self.prefix)
    }

    /// What the disposer keeps of a deletion that this act of this office's log approves.
    pub fn disposal(&self, act: u64, id: EvidenceId, file: &str) -> String {
        format!(
            "{}disposals/{}-{act}/{id}/{file}",
            self.prefix, self.station
        )
    }

    /// An object by which the store is tried.
    pub fn probe(&self, object: &str) -> String {
        format!("{}{object}", self.folder("probe"))
    }

    fn folder(&self, name: &str) -> String {
        format!("{}{name}/{}/", self.prefix, self.station)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_lies_in_a_folder_of_its_station() {
        let layout = BucketLayout::new("force/", "leeds-1".parse().unwrap());
        let id: EvidenceId = "0195f2c4-0000-7000-8000-000000000001".parse().unwrap();
        assert_eq!(
            layout.object(id, "receipt"),
            format!("force/evidence/leeds-1/{id}/receipt")
        );
        assert_eq!(layout.log("checkpoint"), "force/log/leeds-1/checkpoint");
        assert_eq!(
            layout.confirmation(id),
            format!("force/confirmed/leeds-1/{id}")
        );
        assert_eq!(
            layout.share(7, id),
            format!("force/shares/leeds-1-7/{id}/item-key")
        );
        let share: ShareId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        assert_eq!(
            layout.share_manifest(share),
            format!("force/shares/{share}/manifest.json")
        );
        assert_eq!(
            layout.shared_key(share, id),
            format!("force/shares/{share}/{id}/item-key")
        );
        assert_eq!(
            layout.disposal(7, id, "done.json"),
            format!("force/disposals/leeds-1-7/{id}/done.json")
        );
        assert_eq!(layout.probe("x"), "force/probe/leeds-1/x");
    }
}
