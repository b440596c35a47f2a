//! A station's log with entries for a camera's files, and orders to wipe them.

use std::path::Path;

use camdock::audit::{LogHandle, LogKey, WipeTrust, prove};
use camdock::camera::ptp::PtpCamera;
use camdock::camera::{Camera as _, CameraError, WipeOrder};
use camdock::model::{
    BayName, CameraId, ConfirmedBy, Entry, Event, EvidenceId, FileFacts, ItemSealed, ItemStored,
    Left, Proven, Retention, Sha256Digest, WipeAnswer, WipeLevel, WipeProof,
};
use jiff::Timestamp;

pub type Ordered = (Proven, WipeProof);

pub struct Desk {
    _dir: tempfile::TempDir,
    log: LogHandle,
}

pub fn now() -> Timestamp {
    "2026-02-01T00:00:00Z".parse().unwrap()
}

impl Desk {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = LogKey::generate().unwrap().0;
        let log = LogHandle::open(dir.path(), key, "camdock/leeds-1").unwrap();
        Self { _dir: dir, log }
    }

    fn logs(&self, event: Event) -> (String, String) {
        let entry = Entry {
            v: 1,
            time: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            station: "leeds-1".parse().unwrap(),
            session: None,
            event,
        };
        let committed = self.log.append_blocking(&[entry]).unwrap().remove(0);
        let receipt = self.log.proof(committed.index).unwrap();
        (String::from_utf8(committed.bytes).unwrap(), receipt)
    }

    /// The log entries of a taken and stored file.
    pub fn takes(&self, camera: &CameraId, facts: &FileFacts, bytes: &[u8]) -> WipeProof {
        let sealed = ItemSealed {
            evidence: EvidenceId::new(),
            path: facts.path.clone(),
            size: facts.size,
            modified: facts.modified,
            kind: facts.kind,
            flagged: facts.flagged,
            sha256: Sha256Digest::of(bytes),
            sealed_size: facts.size + 600,
            frame_length: 65536,
            message_id: "00".repeat(32),
            camera: Some(camera.clone()),
            officer: None,
            bay: BayName::new("1"),
            import: None,
        };
        let stored = ItemStored {
            evidence: sealed.evidence,
            bucket: "bucket".into(),
            key: format!("evidence/leeds-1/{}/original", sealed.evidence),
            version_id: Some("v1".into()),
            size: sealed.sealed_size,
            part_size: Some(8 << 20),
            checksum: "sum-1".into(),
            confirmed_by: ConfirmedBy::Sha256,
            retention: Some(Retention {
                mode: "COMPLIANCE".into(),
                until: "2033-01-01T00:00:00Z".parse().unwrap(),
            }),
            unverified: false,
        };
        let (sealed, sealed_receipt) = self.logs(Event::ItemSealed(sealed));
        let (stored, stored_receipt) = self.logs(Event::ItemStored(stored));
        WipeProof {
            sealed,
            sealed_receipt,
            stored,
            stored_receipt,
            confirmation: None,
        }
    }

    pub fn proves(&self, proof: &WipeProof, now: Timestamp) -> Result<Proven, Left> {
        let key = self.log.verifier().to_string();
        let trust = WipeTrust::new(WipeLevel::Stored, &[key], &[]).unwrap();
        prove(proof, &trust, WipeLevel::Stored, now)
    }

    pub fn ordered(&self, proof: WipeProof) -> Ordered {
        (self.proves(&proof, now()).unwrap(), proof)
    }

    pub fn try_wipe(
        &self,
        camera: &mut PtpCamera,
        files: &[Ordered],
        rehash: bool,
        stop: &dyn Fn() -> bool,
    ) -> Result<WipeAnswer, CameraError> {
        let order = WipeOrder {
            level: WipeLevel::Stored,
            rehash,
            files,
            prove: &|proof| self.proves(proof, now()),
            helper: Path::new("/nonexistent/wipe.sock"),
        };
        camera.wipe(&order, stop)
    }

    /// For each file, in order: `wiped`, or the code why it was left.
    pub fn wipe(&self, camera: &mut PtpCamera, files: &[Ordered], rehash: bool) -> Vec<String> {
        let answer = self.try_wipe(camera, files, rehash, &|| false).unwrap();
        assert_eq!(answer.files.len(), files.len());
        assert!(answer.refused.is_none() && answer.warnings.is_empty());
        let told = answer.files.into_iter().zip(files);
        told.map(|(result, (proven, _))| {
            assert_eq!(result.evidence, Some(proven.evidence));
            assert_eq!(result.path.as_ref(), Some(&proven.path));
            assert_eq!(result.wiped, result.code.is_none());
            result.code.unwrap_or_else(|| "wiped".into())
        })
        .collect()
    }
}
