//! What the office's own log says of each log that the office follows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::shares::ActsShares;
use crate::model::{
    Contradiction, Entry, Event, EvidenceId, LogReleased, ObjectAlarm, Officer, PersonAdded,
    StationName,
};

/// The standing of each log is entered at least this often, so that the office's log tells of every day.
const AGAIN: SignedDuration = SignedDuration::from_hours(24);
/// A log whose standing changes at every look enters each alarm no more often than this.
const SAME_ALARM: SignedDuration = SignedDuration::from_hours(1);
/// The alarm that freezes a log until a person has decided.
pub const REWRITTEN: &str = "office_log_rewritten";

#[derive(Default)]
pub struct ActsHistory {
    /// By the key of the followed log: a station with a new key begins anew.
    logs: HashMap<String, LogActs>,
    objects: HashMap<StationName, HashMap<String, OpenAlarms>>,
    items: HashMap<(StationName, EvidenceId), ItemRuling>,
    /// Gaps that somebody explained, with the act.
    gaps: HashMap<(StationName, String), u64>,
    /// What was entered of each person last; `None`: they have no key any more.
    people: BTreeMap<String, Option<(u64, Option<PersonAdded>)>>,
    /// The same of people outside, by the fingerprints of their keys.
    outsiders: BTreeMap<String, Option<(u64, Option<PersonAdded>)>>,
    /// Acts that restrict an item.
    restricting: BTreeSet<u64>,
    pub shares: ActsShares,
}

/// What people decided about an item last, with the indices of the acts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemRuling {
    pub accepted: Option<(u64, bool)>,
    pub officer: Option<(u64, Officer)>,
}

/// The objects of one station of which one kind of alarm was entered, and that they are in order again was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenAlarms {
    /// By their keys.
    pub named: BTreeMap<String, Option<EvidenceId>>,
    /// As many more.
    pub others: u64,
}

/// The acts about one log, by their index where a person decided.
#[derive(Default)]
struct LogActs {
    /// The standing that was entered last: `None` for a log in order, else the alarm's code.
    last: Option<(Option<String>, Timestamp)>,
    alarms: HashMap<String, Timestamp>,
    frozen: BTreeMap<u64, Option<Contradiction>>,
    closed: BTreeSet<u64>,
    released: BTreeMap<u64, (Timestamp, LogReleased)>,
}

/// What holds for a log by the acts that are in effect.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ruling {
    /// The act that closed it.
    pub closed: Option<u64>,
    /// The newest release.
    pub released: Option<Released>,
    /// The alarm that froze it, with the proof where it is in the entry.
    pub frozen: Option<(u64, Option<Contradiction>)>,
    /// The checkpoints that contradicted each other before the newest release.
    pub before: Option<Contradiction>,
    /// A release that is not known to be published.
    pub pending: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Released {
    pub index: u64,
    pub at: Timestamp,
    pub act: LogReleased,
}

impl ActsHistory {
    /// Takes an entry in. They may come in any order.
    pub fn see(&mut self, index: u64, entry: &Entry) {
        let at = entry.time;
        match &entry.event {
            Event::LogWitnessed(act) => self.of(&act.key).stood(None, at),
            Event::LogAlarm(act) => {
                let log = self.of(&act.key);
                log.stood(Some(act.code.clone()), at);
                log.alarms.insert(act.code.clone(), at);
                if act.code == REWRITTEN {
                    log.frozen.insert(index, act.contradiction.clone());
                }
            }
            Event::LogClosed(act) => {
                self.of(&act.key).closed.insert(index);
            }
            Event::LogReleased(act) => {
                let release = (at, (**act).clone());
                self.of(&act.key).released.insert(index, release);
            }
            Event::QuarantineDecided(act) => {
                let item = self.item(&act.log, act.evidence);
                newest(&mut item.accepted, index, act.accepted);
            }
            Event::OfficerReassigned(act) => {
                let item = self.item(&act.log, act.evidence);
                newest(&mut item.officer, index, act.officer.clone());
            }
            Event::GapAccepted(act) => {
                let gap = (act.log.clone(), act.gap.clone());
                let known = self.gaps.entry(gap).or_insert(index);
                *known = index.min(*known);
            }
            Event::PersonAdded(act) if act.outside.is_some() => {
                let outsider = self.outsiders.entry(act.fingerprint.clone()).or_default();
                newest(outsider, index, Some((**act).clone()));
            }
            Event::PersonRemoved(act) if act.outside => {
                let outsider = self.outsiders.entry(act.fingerprint.clone()).or_default();
                newest(outsider, index, None);
            }
            Event::ItemShared(_) | Event::ShareEnded(_) => self.shares.see(index, at, &entry.event),
            Event::PersonAdded(act) => {
                let person = self.people.entry(act.person.clone()).or_default();
                newest(person, index, Some((**act).clone()));
            }
            Event::PersonRemoved(act) => {
                let person = self.people.entry(act.person.clone()).or_default();
                newest(person, index, None);
            }
            Event::ItemTagged(act) if act.restricts() == Some(true) => {
                self.restricting.insert(index);
            }
            Event::ObjectAlarm(act) => self.alarms(act).open(act),
            Event::ObjectCleared(act) => self.alarms(act).close(act),
            _ => {}
        }
    }

    /// The newest act that restricts an item and is in effect.
    pub fn restricts(&self, published: u64) -> Option<u64> {
        self.restricting.range(..published).next_back().copied()
    }

    /// The first act that explains a gap, published or not.
    pub fn gap_explained(&self, station: &StationName, gap: &str) -> Option<u64> {
        self.gaps.get(&(station.clone(), gap.to_owned())).copied()
    }

    fn item(&mut self, station: &StationName, id: EvidenceId) -> &mut ItemRuling {
        self.items.entry((station.clone(), id)).or_default()
    }

    /// What was decided about an item, published or not.
    pub fn item_ruling(&self, station: &StationName, id: EvidenceId) -> ItemRuling {
        let ruling = self.items.get(&(station.clone(), id));
        ruling.cloned().unwrap_or_default()
    }

    /// Who has a key, with the act that says so, published or not.
    pub fn people(&self) -> impl Iterator<Item = (u64, &PersonAdded)> {
        let said = self.people.values().flatten();
        said.filter_map(|(index, act)| Some((*index, act.as_ref()?)))
    }

    /// Who outside may be shared with, with the act that says so, published or not.
    pub fn outsiders(&self) -> impl Iterator<Item = (u64, &PersonAdded)> {
        let said = self.outsiders.values().flatten();
        said.filter_map(|(index, act)| Some((*index, act.as_ref()?)))
    }

    fn alarms(&mut self, act: &ObjectAlarm) -> &mut OpenAlarms {
        let station = self.objects.entry(act.log.clone()).or_default();
        station.entry(act.code.clone()).or_default()
    }

    /// The open alarms about a station's objects, by their codes.
    pub fn open_alarms(&self, station: &StationName) -> HashMap<String, OpenAlarms> {
        self.objects.get(station).cloned().unwrap_or_default()
    }

    fn of(&mut self, key: &str) -> &mut LogActs {
        self.logs.entry(key.to_owned()).or_default()
    }

    /// An alarm takes effect at once, a person's decision once it is among the `published` entries.
    pub fn ruling(&self, key: &str, published: u64) -> Ruling {
        let Some(log) = self.logs.get(key) else {
            return Ruling::default();
        };
        let released = log.released.range(..published).next_back();
        let released = released.map(|(index, (at, act))| Released {
            index: *index,
            at: *at,
            act: act.clone(),
        });
        let since = released.as_ref().map_or(0, |released| released.index);
        let closed = log.closed.range(since..published).next_back();
        let frozen = log.frozen.range(since..).next_back();
        let before = log.frozen.range(..since).next_back();
        let pending = log.released.range(published..).next_back();
        Ruling {
            closed: closed.copied(),
            released,
            frozen: frozen.map(|(index, proof)| (*index, proof.clone())),
            before: before.and_then(|(_, proof)| proof.clone()),
            pending: pending.map(|(index, _)| *index),
        }
    }

    /// Whether a standing has to be entered; `code` is that of an alarm.
    pub fn is_due(&self, key: &str, code: Option<&str>, now: Timestamp) -> bool {
        let Some((last, at)) = self.logs.get(key).and_then(|log| log.last.as_ref()) else {
            return true;
        };
        // A clock that was set back does not silence the log.
        let older = |at: &Timestamp, than| now.duration_since(*at).abs() >= than;
        if last.as_deref() == code {
            return older(at, AGAIN);
        }
        let before = code.and_then(|code| self.logs.get(key)?.alarms.get(code));
        before.is_none_or(|at| older(at, SAME_ALARM))
    }
}

fn newest<T>(known: &mut Option<(u64, T)>, index: u64, said: T) {
    if known.as_ref().is_none_or(|(known, _)| *known < index) {
        *known = Some((index, said));
    }
}

impl OpenAlarms {
    fn open(&mut self, act: &ObjectAlarm) {
        match &act.key {
            Some(key) => drop(self.named.insert(key.clone(), act.evidence)),
            None => self.others = act.objects,
        }
    }

    fn close(&mut self, act: &ObjectAlarm) {
        match &act.key {
            Some(key) => drop(self.named.remove(key)),
            None => self.others = 0,
        }
    }
}

impl LogActs {
    fn stood(&mut self, code: Option<String>, at: Timestamp) {
        if self.last.as_ref().is_none_or(|(_, last)| *last <= at) {
            self.last = Some((code, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        ActReference, CosignedState, Decider, LogAlarm, LogClosed, LogWitnessed, Sha256Digest,
    };

    const KEY: &str = "camdock/one+00000000+key";

    fn entry(time: &str, event: Event) -> Entry {
        Entry {
            v: 1,
            time: time.parse().unwrap(),
            station: "office-1".parse().unwrap(),
            session: None,
            event,
        }
    }

    fn alarm(code: &str) -> Event {
        Event::LogAlarm(Box::new(LogAlarm {
            log: "one".parse().unwrap(),
            key: KEY.into(),
            code: code.into(),
            cosigned: 4,
            size: Some(6),
            contradiction: (code == REWRITTEN).then(|| Contradiction {
                earlier: "a".into(),
                later: "b".into(),
            }),
        }))
    }

    fn by() -> Decider {
        Decider {
            operator: "M. Shah".into(),
            peer: "uid 0 (root)".into(),
            reason_sha256: Sha256Digest([7; 32]),
        }
    }

    fn witnessed() -> Event {
        Event::LogWitnessed(LogWitnessed {
            log: "one".parse().unwrap(),
            key: KEY.into(),
            size: 4,
            root: Sha256Digest([1; 32]),
            cosigned_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        })
    }

    #[test]
    fn a_decision_holds_once_it_is_published_and_until_a_later_one() {
        let mut history = ActsHistory::default();
        let from = CosignedState {
            size: 4,
            root: Sha256Digest([1; 32]),
        };
        let released = |supersedes| {
            Event::LogReleased(Box::new(LogReleased {
                log: "one".parse().unwrap(),
                key: KEY.into(),
                from: from.clone(),
                supersedes: ActReference {
                    log: "office-1".parse().unwrap(),
                    index: supersedes,
                },
                by: by(),
            }))
        };
        let closed = Event::LogClosed(Box::new(LogClosed {
            log: "one".parse().unwrap(),
            key: KEY.into(),
            cosigned: None,
            by: by(),
        }));
        let time = "2026-01-02T00:00:00Z";
        history.see(1, &entry(time, alarm(REWRITTEN)));
        assert_eq!(history.ruling(KEY, 1).frozen.unwrap().0, 1);
        history.see(2, &entry(time, released(1)));
        // The release is entered but not published yet.
        let ruling = history.ruling(KEY, 2);
        assert_eq!((ruling.frozen.unwrap().0, ruling.pending), (1, Some(2)));
        let ruling = history.ruling(KEY, 3);
        assert_eq!(
            (ruling.frozen, ruling.released.unwrap().index),
            (None, 2),
            "published"
        );
        assert_eq!(ruling.before.unwrap().later, "b");
        history.see(3, &entry(time, closed));
        assert_eq!(history.ruling(KEY, 3).closed, None);
        assert_eq!(history.ruling(KEY, 4).closed, Some(3));
        history.see(4, &entry(time, alarm(REWRITTEN)));
        assert_eq!(history.ruling(KEY, 4).frozen.unwrap().0, 4);
        history.see(5, &entry(time, released(3)));
        let ruling = history.ruling(KEY, 6);
        assert_eq!((ruling.closed, ruling.frozen), (None, None));
        assert_eq!(history.ruling("another", 6), Ruling::default());
    }

    #[test]
    fn a_standing_is_entered_when_it_changes_and_every_day_but_no_alarm_twice_an_hour() {
        let mut history = ActsHistory::default();
        let due = |history: &ActsHistory, code, now: &str| {
            history.is_due(KEY, code, now.parse().unwrap())
        };
        assert!(due(&history, None, "2026-01-01T00:00:00Z"));
        history.see(0, &entry("2026-01-01T00:00:00Z", witnessed()));
        assert!(!due(&history, None, "2026-01-01T23:59:59Z"));
        assert!(due(&history, None, "2026-01-02T00:00:00Z"));
        assert!(due(&history, Some("a"), "2026-01-01T00:00:30Z"));
        history.see(1, &entry("2026-01-01T00:00:30Z", alarm("a")));
        assert!(!due(&history, Some("a"), "2026-01-01T00:01:00Z"));
        assert!(due(&history, None, "2026-01-01T00:01:00Z"));
        history.see(2, &entry("2026-01-01T00:01:00Z", witnessed()));
        // It goes to and fro: the alarm waits for its hour, another one does not.
        assert!(!due(&history, Some("a"), "2026-01-01T00:01:30Z"));
        assert!(due(&history, Some("b"), "2026-01-01T00:01:30Z"));
        assert!(due(&history, Some("a"), "2026-01-01T01:00:30Z"));
    }
}
