//! Small custody logs with items in them, for tests.

use jiff::Timestamp;

use super::{WipeTrust, prove};
use crate::audit::{Confirmation, LogHandle, LogKey};
use crate::model::{
    BayName, CameraId, ConfirmedBy, Entry, Event, EvidenceId, ItemKind, ItemSealed, ItemStored,
    Proven, Retention, Sha256Digest, SourcePath, WipeLevel, WipeProof,
};

const ORIGIN: &str = "camdock/leeds-1";

pub struct Desk {
    _dir: tempfile::TempDir,
    pub log: LogHandle,
    pub reader: LogKey,
}

pub fn now() -> Timestamp {
    "2026-02-01T00:00:00Z".parse().unwrap()
}

pub fn sealed(path: &str) -> ItemSealed {
    ItemSealed {
        evidence: EvidenceId::new(),
        path: SourcePath::new(path).unwrap(),
        size: 5,
        modified: Some("2026-01-01T10:00:00Z".parse().unwrap()),
        kind: ItemKind::Video,
        flagged: false,
        sha256: Sha256Digest::of(path.as_bytes()),
        sealed_size: 600,
        frame_length: 65536,
        message_id: "00".repeat(32),
        camera: CameraId::new("acme", "X1"),
        officer: None,
        bay: BayName::new("1"),
        import: None,
    }
}

pub fn stored(sealed: &ItemSealed) -> ItemStored {
    ItemStored {
        evidence: sealed.evidence,
        bucket: "bucket".into(),
        key: format!("p/evidence/leeds-1/{}/original", sealed.evidence),
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
    }
}

pub fn entry(event: Event) -> Entry {
    Entry {
        v: 1,
        time: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        station: "leeds-1".parse().unwrap(),
        session: None,
        event,
    }
}

impl Desk {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = LogHandle::open(dir.path(), LogKey::generate().unwrap().0, ORIGIN).unwrap();
        Self {
            _dir: dir,
            log,
            reader: LogKey::generate().unwrap().0,
        }
    }

    pub fn logs(&self, event: Event) -> (String, u64) {
        let committed = self.log.append_blocking(&[entry(event)]).unwrap();
        let bytes = committed[0].bytes.clone();
        (String::from_utf8(bytes).unwrap(), committed[0].index)
    }

    pub fn proof(&self, sealed: ItemSealed, stored: ItemStored) -> WipeProof {
        let (sealed, at) = self.logs(Event::ItemSealed(sealed));
        let (stored, later) = self.logs(Event::ItemStored(stored));
        WipeProof {
            sealed,
            sealed_receipt: self.log.proof(at).unwrap(),
            stored,
            stored_receipt: self.log.proof(later).unwrap(),
            confirmation: None,
        }
    }

    pub fn good(&self, path: &str) -> WipeProof {
        let item = sealed(path);
        let stored = stored(&item);
        self.proof(item, stored)
    }

    pub fn trust(&self, level: WipeLevel) -> WipeTrust {
        let reader = self.reader.verifier("reader").unwrap();
        WipeTrust::new(
            level,
            &[self.log.verifier().to_string()],
            &[reader.to_string()],
        )
        .unwrap()
    }

    pub fn tried(&self, proof: &WipeProof) -> Result<Proven, &'static str> {
        prove(
            proof,
            &self.trust(WipeLevel::Stored),
            WipeLevel::Stored,
            now(),
        )
        .map_err(|l| l.code)
    }

    pub fn confirmation(
        &self,
        proof: &WipeProof,
        change: impl FnOnce(&mut Confirmation),
    ) -> String {
        let entry: Entry = serde_json::from_str(&proof.stored).unwrap();
        let Event::ItemStored(stored) = entry.event else {
            panic!("no item.stored");
        };
        let mut confirmation = Confirmation {
            origin: ORIGIN.into(),
            evidence: stored.evidence,
            bucket: stored.bucket,
            key: stored.key,
            version_id: stored.version_id,
            size: stored.size,
            checksum: stored.checksum,
            sha256: Sha256Digest::of(b"sealed"),
            time: now(),
        };
        change(&mut confirmation);
        confirmation.sign(&self.reader, "reader").unwrap()
    }
}
