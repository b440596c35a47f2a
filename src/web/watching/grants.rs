//! What each session may fetch, and until when. In memory alone: after a restart the reason is asked again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::WatchedItem;
use crate::model::{EvidenceId, Sha256Digest, StationName};

/// A working day with an item; then its reason is asked again.
const LASTS: Duration = Duration::from_hours(8);
/// Beyond this, the oldest ends.
const GRANTS_MAX: usize = 2_000;

type Granted = (Sha256Digest, StationName, EvidenceId);

/// By session, station and item.
#[derive(Default)]
pub struct Grants(Mutex<HashMap<Granted, (Arc<WatchedItem>, Instant)>>);

impl Grants {
    pub fn enter(&self, session: Sha256Digest, item: Arc<WatchedItem>) {
        self.enter_at(session, item, Instant::now());
    }

    pub fn find(
        &self,
        session: Sha256Digest,
        station: &StationName,
        item: EvidenceId,
    ) -> Option<Arc<WatchedItem>> {
        self.find_at(session, station, item, Instant::now())
    }

    fn enter_at(&self, session: Sha256Digest, item: Arc<WatchedItem>, now: Instant) {
        let mut grants = self.0.lock();
        grants.retain(|_, (_, from)| now.duration_since(*from) < LASTS);
        if grants.len() >= GRANTS_MAX {
            let oldest = grants.iter().min_by_key(|(_, (_, from))| *from);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                grants.remove(&oldest);
            }
        }
        let key = (session, item.station.clone(), item.evidence);
        grants.insert(key, (item, now));
    }

    fn find_at(
        &self,
        session: Sha256Digest,
        station: &StationName,
        item: EvidenceId,
        now: Instant,
    ) -> Option<Arc<WatchedItem>> {
        let grants = self.0.lock();
        let (item, from) = grants.get(&(session, station.clone(), item))?;
        (now.duration_since(*from) < LASTS).then(|| Arc::clone(item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_for_one_session_and_one_item_and_it_ends() {
        let item = |id| WatchedItem {
            station: "one".parse().unwrap(),
            evidence: id,
            path: "A.MP4".into(),
            kind: "video".into(),
            size: 1,
            recorded: None,
            camera: None,
            officer: None,
            parts: Vec::new(),
            cues: Vec::new(),
            missing: Vec::new(),
            own_key: None,
        };
        let (one, two) = (EvidenceId::new(), EvidenceId::new());
        let (station, other): (StationName, StationName) =
            ("one".parse().unwrap(), "two".parse().unwrap());
        let (mine, theirs) = (Sha256Digest([1; 32]), Sha256Digest([2; 32]));
        let (grants, now) = (Grants::default(), Instant::now());
        grants.enter_at(mine, Arc::new(item(one)), now);
        assert!(grants.find_at(mine, &station, one, now).is_some());
        assert!(grants.find_at(theirs, &station, one, now).is_none());
        assert!(grants.find_at(mine, &station, two, now).is_none());
        assert!(grants.find_at(mine, &other, one, now).is_none());
        let late = now + LASTS;
        assert!(grants.find_at(mine, &station, one, late).is_none());
        for n in 0..GRANTS_MAX as u64 {
            let at = now + Duration::from_millis(1 + n);
            grants.enter_at(mine, Arc::new(item(EvidenceId::new())), at);
        }
        assert_eq!(grants.0.lock().len(), GRANTS_MAX);
        assert!(grants.find_at(mine, &station, one, now).is_none());
    }
}
