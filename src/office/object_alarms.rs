//! Enters in the office's own log, and in the journal, what a look at the bucket found anew, and what a later look saw in order again.
//!
//! What was entered is read from that log alone, so that an index that was made anew repeats nothing. The number of entries of one
//! look is bounded, however much is wrong.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::OfficeError;
use super::acts::{Acts, OpenAlarms};
use super::index::{FindingKind, NamedFinding, StationRow};
use crate::model::{Event, EvidenceId, ObjectAlarm, StationName, codes};

/// Objects of a station that are open by name at a time, of each kind. The others are counted.
const NAMED: usize = 50;

/// What was looked at.
pub enum Seen {
    /// A listing came to its end; foreign objects can be told only if it was compared with all entries.
    Listing { whole: bool },
    /// The objects with these keys, one by one.
    Objects(BTreeSet<String>),
}

impl Seen {
    const fn tells(&self, kind: FindingKind) -> bool {
        match self {
            Self::Listing { whole } => {
                kind.by_listing() && (*whole || !matches!(kind, FindingKind::Foreign))
            }
            Self::Objects(_) => !kind.by_listing(),
        }
    }
}

enum Change {
    Alarm(ObjectAlarm),
    Cleared(ObjectAlarm),
}

/// Items of open alarms.
pub fn open_items(acts: &Acts, station: &StationName) -> BTreeSet<EvidenceId> {
    let open = acts.open_alarms(station).into_values();
    open.flat_map(|open| open.named.into_values().flatten())
        .collect()
}

/// What the index has of a station after a look.
pub struct FoundNow {
    pub row: StationRow,
    pub findings: Vec<NamedFinding>,
    /// What was found, too, and is not told yet because it may be gone by itself.
    pub untold: HashSet<(FindingKind, String)>,
}

pub async fn enter_alarms(
    acts: &Acts,
    station: &StationName,
    now: &FoundNow,
    seen: &Seen,
) -> Result<(), OfficeError> {
    let open = acts.open_alarms(station);
    let nothing = OpenAlarms::default();
    for (kind, count) in now.row.found() {
        if !seen.tells(kind) {
            continue;
        }
        let code = kind.label();
        let of_kind = now.findings.iter().filter(|f| f.kind == kind);
        let untold = now.untold.iter().filter(|(of, _)| *of == kind);
        let found = Found {
            named: of_kind.map(|f| (f.key.as_str(), f)).collect(),
            untold: untold.map(|(_, key)| key.as_str()).collect(),
            count,
            // Before all objects were looked at, what is not found says nothing.
            whole: kind.by_listing() || now.row.swept.is_some(),
        };
        let open = open.get(code).unwrap_or(&nothing);
        for change in changes(station, code, open, &found, seen) {
            let event = match change {
                Change::Alarm(alarm) => {
                    tracing::error!(
                        code = alarm.code,
                        %station,
                        key = alarm.key.as_deref().unwrap_or("-"),
                        objects = alarm.objects,
                        next_step = codes::find(code).map_or("", |code| code.next_step),
                        "an object in the bucket is not as its station's log says"
                    );
                    Event::ObjectAlarm(Box::new(alarm))
                }
                Change::Cleared(alarm) => {
                    tracing::info!(
                        %station,
                        key = alarm.key.as_deref().unwrap_or("-"),
                        objects = alarm.objects,
                        what = alarm.code,
                        "an object in the bucket is in order again"
                    );
                    Event::ObjectCleared(Box::new(alarm))
                }
            };
            acts.enter(event).await?;
        }
    }
    Ok(())
}

/// Of one kind.
struct Found<'a> {
    named: BTreeMap<&'a str, &'a NamedFinding>,
    untold: HashSet<&'a str>,
    /// Of those that are told, how many there are.
    count: u64,
    /// There are no more than these.
    whole: bool,
}

/// The entries by which the log comes to say what the look saw, of one kind.
fn changes(
    station: &StationName,
    code: &str,
    open: &OpenAlarms,
    found: &Found<'_>,
    seen: &Seen,
) -> Vec<Change> {
    let act = |objects, key: Option<&str>, evidence, what: Option<&str>| ObjectAlarm {
        log: station.clone(),
        code: code.to_owned(),
        objects,
        key: key.map(str::to_owned),
        evidence,
        what: what.map(str::to_owned),
    };
    let all_named = found.named.len() as u64 >= found.count;
    let in_order = |key: &String| match seen {
        // Of more than can be named, one that is not named may be among the others.
        Seen::Listing { .. } => all_named,
        Seen::Objects(looked_at) => looked_at.contains(key),
    };
    let mut changes = Vec::new();
    let mut named = open.named.len();
    for (key, evidence) in &open.named {
        let there = found.named.contains_key(key.as_str()) || found.untold.contains(key.as_str());
        if !there && in_order(key) {
            changes.push(Change::Cleared(act(1, Some(key), *evidence, None)));
            named -= 1;
        }
    }
    for (key, finding) in &found.named {
        if named < NAMED && !open.named.contains_key(*key) {
            let what = Some(finding.what.as_str());
            changes.push(Change::Alarm(act(1, Some(key), finding.evidence, what)));
            named += 1;
        }
    }
    let others = found.count.saturating_sub(named as u64);
    if others > open.others {
        changes.push(Change::Alarm(act(others, None, None, None)));
    } else if others == 0 && open.others > 0 && found.whole && found.untold.is_empty() {
        changes.push(Change::Cleared(act(open.others, None, None, None)));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(key: u64) -> NamedFinding {
        NamedFinding {
            kind: FindingKind::Missing,
            code: FindingKind::Missing.label(),
            key: format!("evidence/one/{key:06}"),
            evidence: None,
            camera: None,
            officer: None,
            path: None,
            what: "it is not there".to_owned(),
            since: None,
        }
    }

    /// Carries the changes out as the log's history does; what was entered: keys, or a number of objects.
    fn look(
        open: &mut OpenAlarms,
        found: &[NamedFinding],
        count: u64,
        seen: &Seen,
    ) -> [Vec<String>; 2] {
        let station = "one".parse().unwrap();
        let found = Found {
            named: found.iter().map(|f| (f.key.as_str(), f)).collect(),
            untold: HashSet::new(),
            count,
            whole: true,
        };
        let mut entered = [Vec::new(), Vec::new()];
        for change in changes(&station, "office_object_missing", open, &found, seen) {
            let (at, act) = match &change {
                Change::Alarm(act) => (0, act),
                Change::Cleared(act) => (1, act),
            };
            entered[at].push(act.key.clone().unwrap_or(act.objects.to_string()));
            match (&act.key, at) {
                (Some(key), 0) => drop(open.named.insert(key.clone(), None)),
                (Some(key), _) => drop(open.named.remove(key)),
                (None, 0) => open.others = act.objects,
                (None, _) => open.others = 0,
            }
        }
        entered
    }

    #[test]
    fn a_hundred_thousand_lost_objects_are_told_in_bounded_entries_and_once() {
        let all: Vec<_> = (0..1000).map(finding).collect();
        let listing = Seen::Listing { whole: true };
        let mut open = OpenAlarms::default();
        let [alarms, cleared] = look(&mut open, &all, 100_000, &listing);
        assert_eq!((alarms.len(), cleared.len()), (NAMED + 1, 0));
        assert_eq!(alarms.last().unwrap(), "99950");
        let nothing: [Vec<String>; 2] = Default::default();
        assert_eq!(look(&mut open, &all, 100_000, &listing), nothing);
        // Other ones are named first in the next listing: that says nothing of those that were named before.
        assert_eq!(look(&mut open, &all[500..], 100_000, &listing), nothing);
        let [alarms, _] = look(&mut open, &all, 100_001, &listing);
        assert_eq!(alarms, ["99951"]);
        // All but two are back.
        let [alarms, cleared] = look(&mut open, &all[49..51], 2, &listing);
        assert_eq!(alarms, [all[50].key.clone()]);
        assert_eq!(
            (cleared.len(), cleared.last().unwrap().as_str()),
            (NAMED, "99951")
        );
        assert_eq!(open.named.len(), 2);
    }

    #[test]
    fn only_what_was_looked_at_is_in_order_again() {
        let both = [finding(1), finding(2)];
        let mut open = OpenAlarms::default();
        let looked_at =
            |keys: &[&NamedFinding]| Seen::Objects(keys.iter().map(|f| f.key.clone()).collect());
        look(&mut open, &both, 2, &looked_at(&[&both[0], &both[1]]));
        // An index that was made anew has found nothing yet.
        let nothing: [Vec<String>; 2] = Default::default();
        assert_eq!(look(&mut open, &[], 0, &looked_at(&[])), nothing);
        let [_, cleared] = look(&mut open, &[], 0, &looked_at(&[&both[1]]));
        assert_eq!(cleared, [both[1].key.clone()]);
        assert_eq!(open.named.len(), 1);
    }
}
