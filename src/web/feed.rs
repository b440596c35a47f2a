//! One copy of what the bays show, made at most ten times a second, however many pages are open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Backend;
use crate::model::BayName;

/// Changes within this time go out together.
const GATHER: Duration = Duration::from_millis(100);

/// Each bay as JSON.
pub type Snapshot = Arc<BTreeMap<BayName, Arc<str>>>;

pub fn take(backend: &dyn Backend) -> Snapshot {
    let bays = backend.bays();
    let bays = bays.into_iter().filter_map(|view| {
        let json = serde_json::to_string(&view).ok()?;
        Some((view.bay, Arc::from(json)))
    });
    Arc::new(bays.collect())
}

/// Follows the station until the last reader is gone.
pub async fn follow(backend: Arc<dyn Backend>, to: watch::Sender<Snapshot>) {
    let mut changes = backend.changes();
    loop {
        changes.mark_unchanged();
        to.send_replace(take(&*backend));
        tokio::time::sleep(GATHER).await;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = to.closed() => return,
        }
    }
}

/// What a reader who has `old` needs to come to `new`: the bays that changed, the bays that are gone.
pub fn difference(old: &Snapshot, new: &Snapshot) -> (Vec<Arc<str>>, Vec<BayName>) {
    let changed = new
        .iter()
        .filter(|(bay, json)| old.get(*bay) != Some(*json))
        .map(|(_, json)| Arc::clone(json))
        .collect();
    let gone = old
        .keys()
        .filter(|bay| !new.contains_key(*bay))
        .cloned()
        .collect();
    (changed, gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_changed_and_what_is_gone() {
        let snapshot = |bays: &[(&str, &str)]| -> Snapshot {
            let bays = bays
                .iter()
                .map(|(bay, json)| (BayName::new(bay), Arc::from(*json)));
            Arc::new(bays.collect())
        };
        let old = snapshot(&[("1", "a"), ("2", "b"), ("3", "c")]);
        let new = snapshot(&[("1", "a"), ("2", "B"), ("4", "d")]);
        let (changed, gone) = difference(&old, &new);
        assert_eq!(changed, [Arc::from("B"), Arc::from("d")] as [Arc<str>; 2]);
        assert_eq!(gone, [BayName::new("3")]);
        assert_eq!(difference(&new, &new), (vec![], vec![]));
    }
}
