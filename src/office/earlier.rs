//! The logs of offices that this one took over from, because a key was lost or known to others: what was deleted by rule under them is
//! gone by rule. Nothing else of them counts here, and no entry above what the configuration says, or by another key than it names.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::index::Index;
use super::{OfficeError, warn};
use crate::audit::{DisposalHistory, VerifierKey, verify_log};
use crate::config::{OfficeConfig, TrustedOffice};
use crate::model::{EvidenceId, StationName};
use crate::publish::BucketLog;
use crate::upload::Store;

const AGAIN: Duration = Duration::from_mins(1);

/// Reads them into the index, again and again until it succeeds or `stop` is true; then `done` is, too.
pub async fn read_all(
    config: OfficeConfig,
    store: Arc<dyn Store>,
    index: Arc<Index>,
    done: watch::Sender<bool>,
    mut stop: watch::Receiver<bool>,
) {
    let config = Arc::new(config);
    let mut last = None;
    while !*stop.borrow() {
        let (config, store, into) = (Arc::clone(&config), Arc::clone(&store), Arc::clone(&index));
        let runtime = Handle::current();
        let read = tokio::task::spawn_blocking(move || take_all(&config, &store, &runtime, &into));
        match read.await {
            Ok(Ok(())) => {
                let _ = done.send(true);
                return;
            }
            Ok(Err(error)) => {
                let told = error.described();
                if last.as_ref() != Some(&told) {
                    warn(
                        &error,
                        "an earlier office's log cannot be read, so the bucket is not compared with the logs",
                    );
                }
                last = Some(told);
            }
            Err(_) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {},
            _ = stop.changed() => {},
        }
    }
}

fn take_all(
    config: &OfficeConfig,
    store: &Arc<dyn Store>,
    runtime: &Handle,
    index: &Index,
) -> Result<(), OfficeError> {
    let mut gone = Vec::new();
    for office in &config.earlier {
        let source = BucketLog {
            store: Arc::clone(store),
            layout: config.layout_of(&office.name),
            runtime: runtime.clone(),
        };
        gone.extend(disposed(config, office, &source)?);
    }
    index.set_earlier_disposals(&gone)
}

/// The followed stations' items that an earlier office says are gone, each by a rule that it kept.
fn disposed(
    config: &OfficeConfig,
    office: &TrustedOffice,
    source: &BucketLog,
) -> Result<Vec<(StationName, EvidenceId)>, OfficeError> {
    let name = || office.name.clone();
    let unusable = |source| OfficeError::EarlierKey {
        office: name(),
        source,
    };
    let key: VerifierKey = office.log_key.parse().map_err(unusable)?;
    let history = |station: &StationName| {
        let history = DisposalHistory::new(name(), station.clone());
        (station.clone(), history)
    };
    let stations = config.stations.iter();
    let mut histories: HashMap<_, _> = stations.map(|it| history(&it.name)).collect();
    let mut see = |index, bytes: &[u8]| {
        let counts = office.entries.is_none_or(|entries| index < entries);
        if let Some(history) = station_of(bytes).and_then(|station| histories.get_mut(&station))
            && counts
        {
            history.see(index, bytes);
        }
    };
    let report = verify_log(source, &key, &mut see, None);
    let report = report.map_err(|source| OfficeError::EarlierLog {
        office: name(),
        source,
    })?;
    if let Some(finding) = report.findings.first() {
        let what = finding.to_string();
        return Err(OfficeError::EarlierLogWrong {
            office: name(),
            what,
        });
    }
    let mut gone = Vec::new();
    for (station, history) in histories {
        let (mut said, wrong) = history.finish();
        for (item, _) in &wrong {
            said.remove(item);
        }
        gone.extend(said.into_keys().map(|item| (station.clone(), item)));
    }
    Ok(gone)
}

/// The station that an act is about.
fn station_of(entry: &[u8]) -> Option<StationName> {
    #[derive(serde::Deserialize)]
    struct Frame {
        data: Concerned,
    }
    #[derive(serde::Deserialize)]
    struct Concerned {
        log: StationName,
    }
    serde_json::from_slice::<Frame>(entry)
        .ok()
        .map(|frame| frame.data.log)
}
