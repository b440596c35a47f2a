//! The running station as the pages and the metrics read it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use rustix::fs::Access;
use tokio::sync::watch;

use super::dock_tags;
use super::status::{self, StatusSources};
use crate::audit::GapKind;
use crate::config::{Config, TaggingSettings};
use crate::ingest::now;
use crate::model::{
    BayName, BayStatus, BayView, Completeness, Event, Explain as _, ItemState, OperatorAction,
    StatusView, Verification,
};
use crate::web::{Backend, DockRefusal, DockTags, DockedRecordings, Health, Need, OfficerAtBay};
use crate::{metrics, sys};

/// The main loop runs twice a second; after this time without a beat it hangs.
const HANGS_AFTER: Duration = Duration::from_secs(15);
/// The rate at which the spool fills is measured over this time.
const RATE_PERIOD: Duration = Duration::from_hours(1);
/// Gauges are refreshed at most this often, however often metrics are scraped.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

/// Written by the main loop, read by the pages.
pub struct Heartbeat {
    began: Instant,
    last_ms: AtomicU64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            last_ms: AtomicU64::new(0),
        }
    }
}

impl Heartbeat {
    pub fn beat(&self) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(ms, Ordering::Relaxed);
    }

    fn alive(&self) -> bool {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(last) < HANGS_AFTER
    }
}

#[derive(Default)]
struct SampleState {
    at: Option<Instant>,
    /// Free bytes of the spool at times within the last hour, oldest first.
    free: Vec<(Instant, u64)>,
    /// For each reading bay, its progress and when it last changed.
    progress: BTreeMap<BayName, (u64, Instant)>,
}

pub struct PageBackend {
    sources: StatusSources,
    heartbeat: Arc<Heartbeat>,
    docked_folders: Vec<PathBuf>,
    verification_file: PathBuf,
    completeness_file: PathBuf,
    tagging: Option<TaggingSettings>,
    sampled: Mutex<SampleState>,
}

impl PageBackend {
    pub fn new(sources: StatusSources, heartbeat: Arc<Heartbeat>, config: &Config) -> Self {
        let folders = config.dock.folders.iter();
        Self {
            sources,
            heartbeat,
            docked_folders: folders.map(|folder| folder.path.clone()).collect(),
            verification_file: config.files.verification(),
            completeness_file: config.files.completeness(),
            tagging: config.tagging.clone(),
            sampled: Mutex::default(),
        }
    }

    fn gauges(&self, view: &StatusView, sampled: &mut SampleState) {
        for state in BayStatus::STATES {
            let count = view
                .bays
                .iter()
                .filter(|b| b.status.name() == state)
                .count();
            metrics::bays(state, count as u64);
        }
        for (state, name) in ItemState::NAMES {
            let found = view.items.iter().find(|total| total.state == *state);
            let (items, bytes) = found.map_or((0, 0), |total| (total.items, total.bytes));
            metrics::items(name, items, bytes);
        }
        metrics::bay_stalled(stalled(&view.bays, &mut sampled.progress));
        let reserve = self.sources.shared.spool.reserve();
        let full_in = full_in(view.spool_free_bytes, reserve, &mut sampled.free);
        metrics::spool(view.spool_free_bytes, reserve, full_in);
        metrics::log_size(view.log_entries);
        metrics::clock(view.clock.synchronised);
        metrics::clock_error(view.clock.estimated_error_us.map(|us| us as f64 / 1e6));
        metrics::store_ok(view.outbound.problem.is_none());
    }

    /// How the last `camdock verify` ended, if there was one.
    fn verification(&self) -> Option<Verification> {
        serde_json::from_slice(&std::fs::read(&self.verification_file).ok()?).ok()
    }

    /// What the last `camdock audit gaps` found, if there was one.
    fn completeness(&self) -> Option<Completeness> {
        let read = std::fs::read(&self.completeness_file).ok()?;
        let known: Completeness = serde_json::from_slice(&read).ok()?;
        // The kinds become labels of a metric: unknown ones must not get there.
        let kinds = known.gaps.keys();
        let fine = kinds
            .clone()
            .all(|kind| GapKind::ALL.iter().any(|k| k.code() == kind));
        fine.then_some(known)
    }
}

impl Backend for PageBackend {
    fn bays(&self) -> Vec<BayView> {
        self.sources.shared.bays.all()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.sources.shared.bays.changes()
    }

    fn status(&self) -> Result<StatusView, String> {
        status::take(&self.sources).map_err(|e| format!("{e:#}"))
    }

    fn alive(&self) -> bool {
        self.heartbeat.alive()
    }

    fn health(&self) -> Health {
        let mut needs = Vec::new();
        let mut need = |what, essential, problem: Option<(String, String)>| {
            let ok = problem.is_none();
            let (detail, next_step) = problem.map_or(("fine".into(), None), |(d, n)| (d, Some(n)));
            needs.push(Need {
                what,
                ok,
                essential,
                detail,
                next_step,
            });
        };
        let journal = self.sources.shared.journal.state_totals().err();
        need(
            "journal",
            true,
            journal.map(|e| (e.to_string(), e.next_step())),
        );
        let log = self.sources.shared.log.writable().err();
        need(
            "custody log",
            true,
            log.map(|e| (e.to_string(), e.next_step())),
        );
        let reserve = self.sources.shared.spool.reserve();
        let full = self
            .sources
            .shared
            .spool
            .free()
            .is_some_and(|free| free <= reserve);
        need(
            "spool",
            true,
            full.then(|| {
                (
                    "no room left".to_owned(),
                    "Wait for the uploads, or free space on the spool's disk.".to_owned(),
                )
            })
            .or_else(|| {
                let refused = rustix::fs::access(self.sources.shared.spool.dir(), Access::WRITE_OK).err()?;
                Some((
                    format!("cannot be written to: {}", std::io::Error::from(refused)),
                    "Check the spool's disk (`dmesg`, `mount`): the kernel may have made it read-only after an error.".to_owned(),
                ))
            }),
        );
        let missing = self.docked_folders.iter().find(|folder| !folder.is_dir());
        need(
            "docked folders",
            true,
            missing.map(|folder| {
                (
                    format!("{} is missing", folder.display()),
                    "Make the folder, or correct [dock] folders in camdock.toml.".to_owned(),
                )
            }),
        );
        let outbound = self.sources.outbound.snapshot();
        need(
            "store",
            false,
            outbound.problem.map(|p| (p.reason, p.next_step)),
        );
        if let Some(witnesses) = &self.sources.witnesses {
            let problem = witnesses.problems().into_iter().next();
            need("witnesses", false, problem.map(|p| (p.reason, p.next_step)));
        }
        let unsynchronised = !sys::clock_state().synchronised;
        need(
            "clock",
            false,
            unsynchronised.then(|| {
                (
                    "not synchronised".to_owned(),
                    "Set up time synchronisation, for example systemd-timesyncd.".to_owned(),
                )
            }),
        );
        Health {
            alive: self.alive(),
            needs,
        }
    }

    fn record(&self, action: OperatorAction) -> Result<(), String> {
        self.sources
            .shared
            .log_event(None, Event::OperatorAction(action))
            .map(drop)
            .map_err(|e| e.to_string())
    }

    fn tag_categories(&self) -> Option<&[String]> {
        let tagging = self.tagging.as_ref()?;
        Some(&tagging.categories)
    }

    fn docked_recordings(&self, at: &OfficerAtBay) -> Result<DockedRecordings, DockRefusal> {
        dock_tags::recordings(&self.sources.shared, at)
    }

    fn tag_docked(&self, tags: &DockTags) -> Result<usize, DockRefusal> {
        let settings = self.tagging.as_ref().ok_or(DockRefusal::Gone)?;
        dock_tags::tag(&self.sources.shared, settings, tags)
    }

    fn sample(&self) {
        let mut sampled = self.sampled.lock();
        if sampled.at.is_some_and(|at| at.elapsed() < SAMPLE_INTERVAL) {
            return;
        }
        sampled.at = Some(Instant::now());
        if let Some(last) = self.verification() {
            metrics::verified(last.ok, last.findings, last.time.as_second() as f64);
        }
        if let Some(last) = self.completeness() {
            let found = last
                .gaps
                .iter()
                .map(|(kind, count)| (kind.as_str(), *count));
            metrics::gaps(found, last.time.as_second() as f64);
        }
        match status::take(&self.sources) {
            Ok(view) => {
                self.gauges(&view, &mut sampled);
                let alarms = view.outbound.alarms.len() as u64;
                match self.sources.shared.journal.overview(now()) {
                    Ok(o) => {
                        let age = o.oldest_unstored.and_then(|id| age(id.made()?));
                        metrics::attention(
                            age.unwrap_or(0.0),
                            o.undecided,
                            o.cameras_failing,
                            o.missing,
                            alarms,
                        );
                    }
                    Err(error) => metrics::error(error.label()),
                }
            }
            Err(error) => {
                tracing::debug!(error = format!("{error:#}"), "cannot refresh the gauges");
            }
        }
    }
}

fn age(made: Timestamp) -> Option<f64> {
    let age = now().duration_since(made).as_secs_f64();
    (age > 0.0).then_some(age)
}

/// The longest time, in seconds, that a reading bay has made no progress.
fn stalled(bays: &[BayView], progress: &mut BTreeMap<BayName, (u64, Instant)>) -> f64 {
    let now = Instant::now();
    let mut reading = BTreeMap::new();
    for view in bays {
        if let BayStatus::Reading {
            files_done,
            bytes_done,
            ..
        } = &view.status
        {
            // Both only grow within a session, so the sum changes when either does.
            let progressed = files_done.wrapping_add(*bytes_done);
            let since = match progress.get(&view.bay) {
                Some((before, since)) if *before == progressed => *since,
                _ => now,
            };
            reading.insert(view.bay.clone(), (progressed, since));
        }
    }
    *progress = reading;
    let longest = progress.values().map(|(_, since)| since.elapsed());
    longest.max().unwrap_or_default().as_secs_f64()
}

/// Seconds until only the reserve of the spool is free, at the rate of the last hour; infinite while it does not fill.
fn full_in(free: Option<u64>, reserve: u64, seen: &mut Vec<(Instant, u64)>) -> f64 {
    let Some(free) = free else {
        return f64::INFINITY;
    };
    let now = Instant::now();
    seen.retain(|(at, _)| now.duration_since(*at) < RATE_PERIOD);
    // One value a minute is enough.
    if seen
        .last()
        .is_none_or(|(at, _)| at.elapsed() > Duration::from_mins(1))
    {
        seen.push((now, free));
    }
    let room = free.saturating_sub(reserve) as f64;
    let Some((at, before)) = seen.first() else {
        return f64::INFINITY;
    };
    let (seconds, filled) = (
        at.elapsed().as_secs_f64(),
        before.saturating_sub(free) as f64,
    );
    if room == 0.0 {
        0.0
    } else if filled == 0.0 || seconds < 1.0 {
        f64::INFINITY
    } else {
        room * seconds / filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_that_fills_names_the_time_left_and_one_that_does_not_names_none() {
        let hour_ago = Instant::now().checked_sub(Duration::from_secs(1000));
        let Some(then) = hour_ago else { return };
        let mut seen = vec![(then, 2_000)];
        let left = full_in(Some(1_500), 500, &mut seen);
        assert!((1_990.0..2_010.0).contains(&left), "{left}");
        assert!(full_in(Some(2_500), 500, &mut vec![(then, 2_000)]).is_infinite());
        assert!(full_in(Some(400), 500, &mut Vec::new()).abs() < 1e-9);
        assert!(full_in(None, 500, &mut Vec::new()).is_infinite());
    }
}
