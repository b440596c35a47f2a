//! Renews locks: an item's objects stay locked while its class or a hold wants it, and never further ahead than office.toml says, so
//! that a class that was wrong can be corrected. It never shortens a lock. What the store says afterwards is what is entered; what it
//! refuses is told and tried again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::acts::Acts;
use super::index::{Index, KeptItem, LockTrouble};
use super::keeping::Keeper;
use super::{OfficeError, warn};
use crate::config::{Keeping, OfficeConfig};
use crate::model::{Event, Retention, RetentionExtended};
use crate::upload::{RetentionPolicy, S3Store};

/// Between two rounds, at most.
const PAUSE: Duration = Duration::from_mins(1);
/// Listings in the time of which every item is looked at once, since objects may come late: by default, six hours.
const WALK: u32 = 12;
/// Items that are read at a time.
const STEP: u32 = 500;
/// Refused ones that are tried again in a round.
const AGAIN: u32 = 100;
/// A round ends after so many refusals one after another: then it is not about the items.
const REFUSALS: u32 = 20;
/// A lock that ends within these days and is not renewed is an alarm.
const WARNING: SignedDuration = SignedDuration::from_hours(30 * 24);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Why and how long an item stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reasons {
    pub class: Option<String>,
    pub held: bool,
    /// The end of it; `None` while somebody holds it, or while its class is none of office.toml.
    pub until: Option<Timestamp>,
}

/// `None` if nothing keeps the item but the lock that it has.
pub fn reasons(keeping: &Keeping, item: &KeptItem) -> Option<Reasons> {
    let class = match &item.class {
        Some((class, _)) => Some(class.as_str()),
        None => keeping.first_class(item.flagged),
    };
    let of_class = class.map(|class| {
        let rule = keeping.classes.get(class)?;
        item.sealed.checked_add(DAY * days(rule.days)).ok()
    });
    if of_class.is_none() && !item.held {
        return None;
    }
    Some(Reasons {
        class: class.map(str::to_owned),
        held: item.held,
        until: if item.held { None } else { of_class.flatten() },
    })
}

fn days(days: u32) -> i32 {
    i32::try_from(days).unwrap_or(i32::MAX)
}

/// How far an item's lock has to reach now, if it is to be renewed.
fn wanted(
    keeping: &Keeping,
    item: &KeptItem,
    reasons: &Reasons,
    now: Timestamp,
) -> Option<Timestamp> {
    let ahead = DAY * days(keeping.ahead_days);
    let within = |span: SignedDuration| {
        let end = now.checked_add(span).unwrap_or(now);
        reasons
            .until
            .map_or(end, |until| until.min(end))
            .as_second()
    };
    let locked = item.locked.map_or(i64::MIN, Timestamp::as_second);
    // Half of it, so that each lock is renewed seldom.
    let due = locked < within(ahead / 2) || item.covered < item.expected && item.covered > 0;
    let target = Timestamp::from_second(within(ahead)).ok()?;
    (due && target > now).then_some(target)
}

pub struct Locks {
    config: OfficeConfig,
    policy: RetentionPolicy,
    keeper: Keeper,
    index: Arc<Index>,
    acts: Arc<Acts>,
}

/// How far the rounds have come.
struct Progress {
    walked: Instant,
    after: i64,
    acts: u64,
}

impl Locks {
    /// `None` where nothing is locked at all.
    pub fn new(
        config: &OfficeConfig,
        store: S3Store,
        index: &Arc<Index>,
        acts: &Arc<Acts>,
    ) -> Option<Self> {
        Some(Self {
            config: config.clone(),
            policy: RetentionPolicy::of(&config.store)?,
            keeper: Keeper {
                config: config.clone(),
                store,
                index: Arc::clone(index),
            },
            index: Arc::clone(index),
            acts: Arc::clone(acts),
        })
    }

    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut published = self.acts.published();
        let pause = PAUSE.min(self.config.reconciling.list_interval);
        let mut progress = Progress {
            walked: Instant::now(),
            after: 0,
            acts: self.acts.size(),
        };
        while !*stop.borrow() {
            published.mark_unchanged();
            let round = tokio::select! {
                round = self.round(&mut progress) => round,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            if let Err(error) = round {
                warn(&error, "a lock could not be renewed; it is tried again");
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {},
                _ = published.changed() => {},
                _ = stop.changed() => {},
            }
        }
    }

    async fn round(&self, progress: &mut Progress) -> Result<(), OfficeError> {
        tokio::task::block_in_place(|| self.acts.index_published(&self.index))?;
        let read = tokio::task::block_in_place(|| self.index.acts_read())?;
        let now = Timestamp::now();
        let waited = SignedDuration::try_from(PAUSE / 2).unwrap_or_default();
        let tried = now.checked_sub(waited).unwrap_or(now);
        let first = tokio::task::block_in_place(|| {
            let mut first = self.index.kept_by_acts(progress.acts, STEP)?;
            first.extend(self.index.kept_in_trouble(tried, AGAIN)?);
            Ok::<_, OfficeError>(first)
        })?;
        let mut refused = 0;
        let mut last = self.renew_all(&first, &mut refused).await;
        progress.acts = read;
        if progress.walked.elapsed() >= self.config.reconciling.list_interval * WALK {
            progress.walked = Instant::now();
            progress.after = 0;
        }
        while refused < REFUSALS {
            let (index, after) = (&self.index, progress.after);
            let items = tokio::task::block_in_place(|| index.kept_after(after, STEP))?;
            let Some(end) = items.last().map(|item| item.number) else {
                break;
            };
            last = self.renew_all(&items, &mut refused).await.and(last);
            progress.after = end;
        }
        last
    }

    /// Renews what is due; `refused` counts the refusals one after another.
    async fn renew_all(&self, items: &[KeptItem], refused: &mut u32) -> Result<(), OfficeError> {
        let mut last = Ok(());
        for item in items {
            let followed = self.config.stations.iter().any(|s| s.name == item.station);
            let now = Timestamp::now();
            let keeping = &self.config.keeping;
            let Some(reasons) = reasons(keeping, item).filter(|_| followed) else {
                self.settle(item, None, now)?;
                continue;
            };
            let Some(target) = wanted(keeping, item, &reasons, now) else {
                self.settle(item, None, now)?;
                continue;
            };
            match self.renew(item, &reasons, target).await {
                Ok(()) => {
                    *refused = 0;
                    self.settle(item, None, now)?;
                }
                Err(error) => {
                    *refused += 1;
                    let soon = now.checked_add(WARNING).unwrap_or(now).min(target);
                    let ending = item.locked.is_none_or(|locked| locked < soon);
                    let trouble = if ending {
                        LockTrouble::Ending
                    } else {
                        LockTrouble::Refused
                    };
                    self.settle(item, Some(trouble), now)?;
                    last = Err(error);
                }
            }
            if *refused >= REFUSALS {
                break;
            }
        }
        last
    }

    fn settle(
        &self,
        item: &KeptItem,
        trouble: Option<LockTrouble>,
        now: Timestamp,
    ) -> Result<(), OfficeError> {
        if trouble.is_none() && !item.trouble {
            return Ok(());
        }
        tokio::task::block_in_place(|| self.index.tried_lock(item, trouble, now))
    }

    /// Locks every version of the item's objects up to `target`, and enters what the store says then.
    async fn renew(
        &self,
        item: &KeptItem,
        reasons: &Reasons,
        target: Timestamp,
    ) -> Result<(), OfficeError> {
        let lock = Retention {
            mode: self.policy.mode.as_str().to_owned(),
            until: target,
        };
        let kept = self.keeper.lock_item(item, &lock).await?;
        let same = item.locked.is_some_and(|locked| locked >= kept.lock.until);
        if same && item.covered >= kept.objects {
            return Ok(());
        }
        let extended = RetentionExtended {
            log: item.station.clone(),
            evidence: item.item,
            until: kept.lock.until,
            mode: kept.lock.mode,
            objects: kept.objects,
            class: reasons.class.clone(),
            held: reasons.held,
        };
        let event = Event::RetentionExtended(Box::new(extended));
        self.acts.enter(event).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RetentionClass;
    use crate::model::EvidenceId;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn keeping() -> Keeping {
        let class = |days| RetentionClass { days, review: true };
        Keeping {
            ahead_days: 400,
            unclassified: Some("short".into()),
            flagged: Some("flagged".into()),
            classes: [
                ("short".to_owned(), class(31)),
                ("flagged".to_owned(), class(180)),
                ("long".to_owned(), class(3650)),
            ]
            .into(),
        }
    }

    fn item() -> KeptItem {
        KeptItem {
            number: 1,
            station: "one".parse().unwrap(),
            item: EvidenceId::new(),
            flagged: false,
            sealed: time("2026-01-01T00:00:00Z"),
            class: None,
            held: false,
            locked: Some(time("2026-01-08T00:00:00Z")),
            covered: 0,
            expected: 4,
            trouble: false,
        }
    }

    fn target(item: &KeptItem, now: &str) -> Option<String> {
        let keeping = keeping();
        let reasons = reasons(&keeping, item)?;
        wanted(&keeping, item, &reasons, time(now)).map(|target| target.to_string())
    }

    #[test]
    fn the_longest_reason_wins_a_hold_has_no_end_and_no_lock_reaches_further_than_it_may() {
        let now = "2026-01-02T00:00:00Z";
        let mut it = item();
        assert_eq!(target(&it, now).unwrap(), "2026-02-01T00:00:00Z");
        it.flagged = true;
        assert_eq!(target(&it, now).unwrap(), "2026-06-30T00:00:00Z");
        it.class = Some(("long".into(), 7));
        assert_eq!(target(&it, now).unwrap(), "2027-02-06T00:00:00Z");
        it.class = Some(("short".into(), 8));
        assert_eq!(target(&it, now).unwrap(), "2026-02-01T00:00:00Z");
        it.held = true;
        assert_eq!(target(&it, now).unwrap(), "2027-02-06T00:00:00Z");
        // A class that office.toml does not name any more ends nothing.
        it.held = false;
        it.class = Some(("gone".into(), 9));
        assert_eq!(target(&it, now).unwrap(), "2027-02-06T00:00:00Z");
        assert_eq!(reasons(&keeping(), &it).unwrap().until, None);
    }

    #[test]
    fn a_lock_is_renewed_when_half_of_it_is_over_and_runs_out_when_nothing_wants_it() {
        let mut it = item();
        it.class = Some(("long".into(), 7));
        it.locked = Some(time("2027-02-06T00:00:00Z"));
        it.covered = 4;
        assert_eq!(target(&it, "2026-07-20T00:00:00Z"), None);
        assert!(target(&it, "2026-07-22T00:00:00Z").is_some());
        // Something came late: at once.
        it.expected = 5;
        assert!(target(&it, "2026-01-03T00:00:00Z").is_some());
        it.expected = 4;
        // The end is reached once, and not renewed any more.
        it.class = Some(("short".into(), 7));
        it.locked = Some(time("2026-02-01T00:00:00Z"));
        assert_eq!(target(&it, "2026-01-20T00:00:00Z"), None);
        it.locked = Some(time("2026-01-31T00:00:00Z"));
        assert!(target(&it, "2026-01-20T00:00:00Z").is_some());
        assert_eq!(target(&it, "2026-02-03T00:00:00Z"), None);
        let none = Keeping {
            unclassified: None,
            ..keeping()
        };
        it.class = None;
        assert_eq!(reasons(&none, &it), None);
    }
}
