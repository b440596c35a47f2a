//! Looks at some objects one by one: version, checksum and the lock as the store tells it.

use jiff::Timestamp;

use crate::model::BucketLayout;
use crate::office::OfficeError;
use crate::office::index::{FindingKind, Found, LockedObject};
use crate::upload::Store;

/// What was seen of some objects.
#[derive(Debug, Default)]
pub struct Swept {
    pub found: Vec<Found>,
    /// The keys of all objects that were looked at whole.
    pub looked_at: Vec<String>,
}

/// Looks at `objects` in turn; an answer that does not come ends it with an error, and nothing is said of the rest.
pub async fn sweep(
    store: &dyn Store,
    layout: &BucketLayout,
    objects: &[LockedObject],
) -> (Swept, Result<(), OfficeError>) {
    let mut swept = Swept::default();
    for object in objects {
        let key = layout.object(object.item, object.part.as_str());
        match look(store, object, &key).await {
            Ok(found) => {
                swept.found.extend(found);
                swept.looked_at.push(key);
            }
            Err(error) => return (swept, Err(error)),
        }
    }
    (swept, Ok(()))
}

async fn look(
    store: &dyn Store,
    object: &LockedObject,
    key: &str,
) -> Result<Vec<Found>, OfficeError> {
    let mut all = Vec::new();
    let mut find = |kind, what| {
        all.push(Found {
            kind,
            key: key.to_owned(),
            item: Some(object.item),
            what,
            patience: None,
        });
    };
    let version = object.version.as_deref();
    let newest = store.head(key, None).await?;
    let recorded = match (&newest, version) {
        (Some(newest), Some(_)) if newest.version_id.as_deref() == version => Some(newest.clone()),
        (_, Some(version)) => store.head(key, Some(version)).await?,
        (newest, None) => newest.clone(),
    };
    // What is missing as a whole is the listing's to tell.
    let Some(recorded) = recorded else {
        if newest.is_some() {
            let what = "the version that the log names is gone, and another one is in its place";
            find(FindingKind::Covered, what.to_owned());
        }
        return Ok(all);
    };
    if version.is_some() && newest.as_ref().and_then(|head| head.version_id.as_deref()) != version {
        let what = match newest {
            Some(_) => "a newer version lies over the one that the log names",
            None => "a deletion lies over the version that the log names",
        };
        find(FindingKind::Covered, what.to_owned());
    }
    if let Some(checksum) = &recorded.checksum
        && *checksum != object.checksum
    {
        let what = "the store names another checksum than the log";
        find(FindingKind::Checksum, what.to_owned());
    }
    if let Some(logged) = object
        .lock
        .as_ref()
        .filter(|lock| lock.until > Timestamp::now())
    {
        let seen = store.retention(key, version).await?;
        if !logged.is_held_by(seen.as_ref()) {
            let seen =
                seen.map_or_else(|| "not locked".to_owned(), |lock| format!("locked {lock}"));
            let what = format!("it is {seen} in the store, and {logged} in the log");
            find(FindingKind::Unlocked, what);
        }
    }
    Ok(all)
}
