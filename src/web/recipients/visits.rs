//! Who proved what, and what they took since. In memory alone: after a restart the key is asked for again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

use super::{FoundShare, TakenItem};
use crate::model::{EvidenceId, Sha256Digest, ShareId};

/// Long enough to watch something; then the key is asked for again.
const LASTS: Duration = Duration::from_hours(2);
/// Beyond this, the oldest of the same share ends: nobody ends the visits of others.
const VISITS_OF_A_SHARE: usize = 10;

pub struct Visit {
    pub share: FoundShare,
    began: Instant,
    taking: AsyncMutex<()>,
    taken: Mutex<HashMap<EvidenceId, Arc<TakenItem>>>,
}

impl Visit {
    /// Nothing else is taken meanwhile.
    pub async fn taking(&self) -> MutexGuard<'_, ()> {
        self.taking.lock().await
    }

    pub fn enter(&self, item: Arc<TakenItem>) {
        self.taken.lock().insert(item.evidence, item);
    }

    pub fn taken(&self, item: EvidenceId) -> Option<Arc<TakenItem>> {
        self.taken.lock().get(&item).cloned()
    }

    fn lasts(&self, now: Instant) -> bool {
        now.duration_since(self.began) < LASTS && self.share.manifest.until > jiff::Timestamp::now()
    }
}

/// By the digest of the browser's cookie, and the share.
#[derive(Default)]
pub struct Visits(Mutex<HashMap<(Sha256Digest, ShareId), Arc<Visit>>>);

impl Visits {
    pub fn begin(&self, session: Sha256Digest, share: FoundShare) {
        self.begin_at(session, share, Instant::now());
    }

    pub fn find(&self, session: Sha256Digest, share: ShareId) -> Option<Arc<Visit>> {
        self.find_at(session, share, Instant::now())
    }

    /// What one cookie has open, the next one of the same browser has.
    pub fn carry_over(&self, from: Sha256Digest, to: Sha256Digest) {
        let mut visits = self.0.lock();
        let open: Vec<_> = visits.extract_if(|(of, _), _| *of == from).collect();
        visits.extend(
            open.into_iter()
                .map(|((_, share), visit)| ((to, share), visit)),
        );
    }

    pub fn end(&self, session: Sha256Digest, share: ShareId) {
        self.0.lock().remove(&(session, share));
    }

    fn begin_at(&self, session: Sha256Digest, share: FoundShare, now: Instant) {
        let mut visits = self.0.lock();
        visits.retain(|_, visit| visit.lasts(now));
        let key = (session, share.manifest.share);
        let same = || visits.iter().filter(|((_, share), _)| *share == key.1);
        if same().count() >= VISITS_OF_A_SHARE {
            let oldest = same().min_by_key(|(_, visit)| visit.began);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                visits.remove(&oldest);
            }
        }
        let visit = Visit {
            share,
            began: now,
            taking: AsyncMutex::default(),
            taken: Mutex::default(),
        };
        visits.insert(key, Arc::new(visit));
    }

    fn find_at(&self, session: Sha256Digest, share: ShareId, now: Instant) -> Option<Arc<Visit>> {
        let visits = self.0.lock();
        let visit = visits.get(&(session, share))?;
        visit.lasts(now).then(|| Arc::clone(visit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ShareManifest, ShareRecipient};
    use crate::seal::{Curve, Recipient, keygen_recipient};

    #[test]
    fn a_visit_is_one_browsers_and_one_shares_and_ends_with_time_or_the_share() {
        let (_, public) = keygen_recipient(Curve::P384).unwrap();
        let holder = Recipient::from_pem(&public).unwrap();
        let [one, two] = [[1; 16], [2; 16]].map(ShareId::from_bytes);
        let found = |share, until: &str| FoundShare {
            manifest: ShareManifest {
                share,
                salt: String::new(),
                office: "office-1".parse().unwrap(),
                made_at: jiff::Timestamp::UNIX_EPOCH,
                until: until.parse().unwrap(),
                by: String::new(),
                reason: String::new(),
                to: ShareRecipient {
                    name: String::new(),
                    organisation: String::new(),
                    fingerprint: holder.fingerprint(),
                    public_key: String::new(),
                },
                items: Vec::new(),
            },
            digest: Sha256Digest([0; 32]),
            holder: holder.clone(),
        };
        let open = |share| found(share, "9000-01-01T00:00:00Z");
        let (mine, theirs) = (Sha256Digest([1; 32]), Sha256Digest([2; 32]));
        let (visits, now) = (Visits::default(), Instant::now());
        visits.begin_at(mine, open(one), now);
        assert!(visits.find_at(mine, one, now).is_some());
        assert!(visits.find_at(theirs, one, now).is_none());
        assert!(visits.find_at(mine, two, now).is_none());
        assert!(visits.find_at(mine, one, now + LASTS).is_none());
        let next = Sha256Digest([3; 32]);
        visits.carry_over(mine, next);
        assert!(
            visits.find_at(mine, one, now).is_none(),
            "the cookie before it"
        );
        assert!(visits.find_at(next, one, now).is_some());
        visits.carry_over(next, mine);
        visits.begin_at(theirs, found(two, "2026-01-01T00:00:00Z"), now);
        assert!(visits.find_at(theirs, two, now).is_none(), "it has ended");
        visits.end(mine, one);
        assert!(visits.find_at(mine, one, now).is_none());
        visits.begin_at(mine, open(one), now);
        for n in 0..100 {
            let later = now + Duration::from_secs(1 + u64::from(n));
            visits.begin_at(Sha256Digest([n; 32]), open(two), later);
        }
        assert!(visits.find_at(mine, one, now).is_some(), "of another share");
        assert!(
            visits
                .find_at(Sha256Digest([99; 32]), two, now + Duration::from_secs(100))
                .is_some()
        );
        assert_eq!(visits.0.lock().len(), 1 + VISITS_OF_A_SHARE);
    }
}
