//! What is shared with somebody outside, and with whom, as `shares/<share>/manifest.json` has it (docs/formats.md). Field names are
//! part of the format: never rename one, only add optional ones.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Decider, EvidenceId, Sha256Digest, ShareId, StationName};

/// A person shared one item with somebody outside. Its key may be sealed to them once this is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemShared {
    /// The same in the acts about all items of one share.
    pub share: ShareId,
    /// The station that took it.
    pub log: StationName,
    pub evidence: EvidenceId,
    /// The fingerprint of the recipient's key, as the address book has it.
    pub to: String,
    pub until: Timestamp,
    /// The digest of the share's manifest. Another one is not believed, and without one the share stays closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_sha256: Option<Sha256Digest>,
    #[serde(flatten)]
    pub by: Decider,
}

/// An item is shared no more. What its recipient took cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareEnded {
    pub share: ShareId,
    pub log: StationName,
    pub evidence: EvidenceId,
    /// `None`: the date that it was shared until has come.
    #[serde(flatten)]
    pub by: Option<Decider>,
}

/// One share: these items for this one recipient until this time. It tells of nothing else, and names no officer and no camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareManifest {
    pub share: ShareId,
    /// Random, so that nobody can guess the reason from the manifest's digest.
    #[serde(default)]
    pub salt: String,
    /// The office that shares.
    pub office: StationName,
    pub made_at: Timestamp,
    pub until: Timestamp,
    /// Who shared it, by the name that they have at the office.
    pub by: String,
    pub reason: String,
    pub to: ShareRecipient,
    pub items: Vec<SharedItem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareRecipient {
    pub name: String,
    pub organisation: String,
    /// `p384:` and the first 16 bytes of the compressed point's SHA-256, in hex.
    pub fingerprint: String,
    /// SubjectPublicKeyInfo, DER, base64.
    pub public_key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedItem {
    pub id: EvidenceId,
    /// The station that took it.
    pub station: StationName,
    /// The original's file name, without its folders.
    pub name: String,
    /// By the camera's clock.
    #[serde(default)]
    pub recorded_from: Option<Timestamp>,
    #[serde(default)]
    pub recorded_until: Option<Timestamp>,
    /// By the file name's ending.
    pub media_type: String,
    /// Bytes of the opened original.
    pub size: u64,
    /// The digest of the opened original.
    pub sha256: Sha256Digest,
    pub original: SharedObject,
    #[serde(default)]
    pub preview: Option<SharedObject>,
    #[serde(default)]
    pub storyboard: Option<SharedObject>,
    /// The object with the item key that is sealed to the recipient.
    pub item_key: String,
}

/// A sealed object in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedObject {
    /// As the store has it, with whatever stands before all keys there.
    pub key: String,
    /// As the station's log names it; `None` for a store without versions.
    #[serde(default)]
    pub version: Option<String>,
    /// Sealed bytes.
    pub size: u64,
}

/// What a browser takes the file for, by its name.
pub fn media_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "mp4" | "m4v" | "mov" => "video/mp4",
        "mkv" => "video/x-matroska",
        "webm" => "video/webm",
        "avi" => "video/x-msvideo",
        "ts" | "mts" | "m2ts" => "video/mp2t",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "m4a" | "aac" => "audio/mp4",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "pdf" => "application/pdf",
        "txt" | "log" | "csv" | "gpx" | "srt" | "nmea" => "text/plain",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_has_the_form_that_is_documented_and_may_grow() {
        let id = "0195f2c4-0000-7000-8000-000000000001";
        let share = "0123456789abcdef0123456789abcdef";
        let mut written = serde_json::json!({
            "share": share, "salt": "c2FsdA", "office": "office-1", "made_at": "2026-01-02T03:04:05Z", "until": "2026-02-02T00:00:00Z",
            "by": "M. Shah", "reason": "disclosure",
            "to": {"name": "A. Clerk", "organisation": "CPS", "fingerprint": "p384:00", "public_key": "AAAA"},
            "items": [{
                "id": id, "station": "leeds-1", "name": "A.MP4", "recorded_from": "2026-01-01T00:00:00Z", "recorded_until": null,
                "media_type": "video/mp4", "size": 7, "sha256": "00".repeat(32),
                "original": {"key": format!("evidence/leeds-1/{id}/original"), "version": "v1", "size": 99},
                "preview": null, "storyboard": null, "item_key": format!("shares/{share}/{id}/item-key"),
            }],
        });
        let read: ShareManifest = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), written);
        written["items"][0]["derived_from"] = id.into();
        assert_eq!(
            serde_json::from_value::<ShareManifest>(written).unwrap(),
            read
        );
    }

    #[test]
    fn the_type_comes_from_the_ending_alone() {
        assert_eq!(media_type("DCIM/A.b.MP4"), "video/mp4");
        for other in ["", "MP4", ".", "a.html", "a.svg", "a.mp4.js"] {
            assert_eq!(media_type(other), "application/octet-stream", "{other}");
        }
    }
}
