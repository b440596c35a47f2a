//! What is due: items whose class has run out or soon will, with what still keeps each, and what overlaps it. It only tells.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::OfficeError;
use super::index::{Index, KeptItem, Overlap};
use crate::config::{Keeping, OfficeConfig, RetentionClass};
use crate::model::{EvidenceId, Explain as _, Obstacle, StationName};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Items that are read at a time.
const STEP: u32 = 500;

/// An item whose class has run out, and its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub class: String,
    pub rule: RetentionClass,
    pub item: KeptItem,
}

/// An item that is due, or will be within the days that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DueItem {
    pub station: StationName,
    pub evidence: EvidenceId,
    /// The class that it stays by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The end of its class; `None`: no class says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The class asks for a review.
    pub review: bool,
    /// The entries that propose and approve its deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<u64>,
    /// The code of what keeps it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_by: Option<&'static str>,
    #[serde(skip)]
    pub obstacle: Option<Obstacle>,
    /// Held and tagged items of the same time, officer or incident.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlaps: Vec<Overlap>,
}

/// By which rule an item may be deleted now; else what keeps it.
pub fn stands(
    keeping: &Keeping,
    item: KeptItem,
    undecided: bool,
    now: Timestamp,
) -> Result<Standing, Obstacle> {
    let Some((class, rule)) = class_of(keeping, &item) else {
        return Err(Obstacle::ClassUnknown);
    };
    let obstacle = if item.held {
        Some(Obstacle::Held)
    } else if undecided {
        Some(Obstacle::Unreviewed)
    } else if end_of(&item, rule).is_none_or(|end| end > now) {
        Some(Obstacle::NotDue)
    } else if item.locked.is_some_and(|locked| locked > now) {
        Some(Obstacle::Locked)
    } else {
        None
    };
    match obstacle {
        Some(obstacle) => Err(obstacle),
        None => Ok(Standing { class, rule, item }),
    }
}

fn class_of(keeping: &Keeping, item: &KeptItem) -> Option<(String, RetentionClass)> {
    let class = match &item.class {
        Some((class, _)) => class,
        None => keeping.first_class(item.flagged)?,
    };
    Some((class.to_owned(), *keeping.classes.get(class)?))
}

fn end_of(item: &KeptItem, rule: RetentionClass) -> Option<Timestamp> {
    let days = i32::try_from(rule.days).ok()?;
    item.sealed.checked_add(DAY * days).ok()
}

/// Items that are due within `days`, in the order in which they came, at most `limit`; and whether there are more.
pub fn due(
    config: &OfficeConfig,
    days: u16,
    limit: usize,
) -> Result<(Vec<DueItem>, bool), OfficeError> {
    let Some(index) = Index::open_read_only(&config.index())? else {
        return Ok((Vec::new(), false));
    };
    let now = Timestamp::now();
    let soon = now.checked_add(DAY * i32::from(days)).unwrap_or(now);
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let items = index.kept_after(after, STEP)?;
        let Some(last) = items.last() else {
            return Ok((found, false));
        };
        after = last.number;
        for item in items {
            let followed = config.stations.iter().any(|s| s.name == item.station);
            let class = class_of(&config.keeping, &item);
            let end = class.as_ref().and_then(|(_, rule)| end_of(&item, *rule));
            let is_due = match &class {
                Some(_) => end.is_some_and(|end| end <= soon),
                // It is told of once its lock is over.
                None => item.locked.is_some_and(|locked| locked <= soon),
            };
            if !followed || !is_due {
                continue;
            }
            let known = index.disposal_of(&item.station, item.item)?;
            if known.is_some_and(|known| known.disposed.is_some()) {
                continue;
            }
            if found.len() >= limit {
                return Ok((found, true));
            }
            found.push(of_item(&index, config, item, class, end, now)?);
        }
    }
}

fn of_item(
    index: &Index,
    config: &OfficeConfig,
    item: KeptItem,
    class: Option<(String, RetentionClass)>,
    end: Option<Timestamp>,
    now: Timestamp,
) -> Result<DueItem, OfficeError> {
    let (station, evidence) = (item.station.clone(), item.item);
    let undecided = index.decidable(&station, evidence)?;
    let undecided = undecided.is_none_or(|(undecided, _)| undecided);
    let known = index.disposal_of(&station, evidence)?;
    let review = class.as_ref().is_some_and(|(_, rule)| rule.review);
    let obstacle = stands(&config.keeping, item, undecided, now).err();
    let obstacle = obstacle.or(match &known {
        None if review => Some(Obstacle::Unreviewed),
        None => Some(Obstacle::NotProposed),
        Some(known) if known.approval.is_none() => Some(Obstacle::NotApproved),
        Some(known) => {
            let same = class.as_ref().map(|(class, _)| class) == Some(&known.proposal.act.class);
            (!same).then_some(Obstacle::ClassChanged)
        }
    });
    let approval = known.as_ref().and_then(|known| known.approval.as_ref());
    Ok(DueItem {
        overlaps: index.overlaps(&station, evidence)?,
        station,
        evidence,
        class: class.map(|(class, _)| class),
        due: end,
        review,
        approved: approval.map(|said| said.entry),
        proposed: known.as_ref().map(|known| known.proposal.entry),
        kept_by: obstacle.map(|why| why.label()),
        obstacle,
    })
}
