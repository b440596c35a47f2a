//! Every metric's name, unit and help in one place. Prefix `camdock_`, base units.
//!
//! Other rooms call the functions below and name no metric. A test checks the table in docs/operations.md and `config/` against
//! [`ALL`].

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

pub const BUILD: &str = "camdock_build_info";
pub const FILES: &str = "camdock_files_total";
pub const BYTES: &str = "camdock_bytes_total";
pub const SESSIONS: &str = "camdock_sessions_total";
pub const ERRORS: &str = "camdock_errors_total";
pub const SECURED_SECONDS: &str = "camdock_dock_to_secured_seconds";
pub const STORED_SECONDS: &str = "camdock_dock_to_stored_seconds";
pub const COMMIT_SECONDS: &str = "camdock_commit_seconds";
pub const BAYS: &str = "camdock_bays";
pub const BAY_STALLED: &str = "camdock_bay_no_progress_seconds";
pub const CAMERAS_FAILING: &str = "camdock_cameras_failing";
pub const MISSING_FILES: &str = "camdock_missing_files";
pub const ITEMS: &str = "camdock_items";
pub const ITEM_BYTES: &str = "camdock_item_bytes";
pub const OLDEST_UNSTORED: &str = "camdock_oldest_unstored_item_seconds";
pub const UNDECIDED: &str = "camdock_quarantined_items";
pub const ALARMS: &str = "camdock_alarms";
pub const STORE_OK: &str = "camdock_store_ok";
pub const SPOOL_FREE: &str = "camdock_spool_free_bytes";
pub const PREVIEWS: &str = "camdock_previews_total";
pub const SPOOL_RESERVE: &str = "camdock_spool_reserve_bytes";
pub const SPOOL_FULL_IN: &str = "camdock_spool_full_in_seconds";
pub const LOG_ENTRIES: &str = "camdock_log_entries";
pub const LOG_PUBLISHED: &str = "camdock_log_published_entries";
pub const WITNESSED_ENTRIES: &str = "camdock_witnessed_entries";
pub const WITNESS_BEHIND: &str = "camdock_witness_behind_seconds";
pub const CLOCK_SYNCHRONISED: &str = "camdock_clock_synchronised";
pub const CLOCK_ERROR: &str = "camdock_clock_error_seconds";
pub const VERIFIED_OK: &str = "camdock_verification_ok";
pub const VERIFIED_FINDINGS: &str = "camdock_verification_findings";
pub const VERIFIED_AT: &str = "camdock_verification_timestamp_seconds";
pub const GAPS: &str = "camdock_gaps";
pub const GAPS_AT: &str = "camdock_gaps_timestamp_seconds";
pub const WEB_REQUESTS: &str = "camdock_web_requests_total";
pub const WEB_REFUSED: &str = "camdock_web_refused_total";
pub const COSIGNED_ENTRIES: &str = "camdock_office_cosigned_entries";
pub const COSIGNED_AT: &str = "camdock_office_cosigned_timestamp_seconds";
pub const FOLLOWED_PROBLEM: &str = "camdock_office_log_problem";
pub const INDEXED_ENTRIES: &str = "camdock_office_indexed_entries";
pub const SKIPPED_ENTRIES: &str = "camdock_office_skipped_entries";
pub const OBJECT_FINDINGS: &str = "camdock_office_object_findings";
pub const KEY_SECONDS: &str = "camdock_office_key_seconds";
pub const KEYS_UNANSWERED: &str = "camdock_office_keys_unanswered_total";
pub const LISTED_AT: &str = "camdock_office_listed_timestamp_seconds";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// One metric as it is registered and documented.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: MetricKind,
    pub unit: Unit,
    pub help: &'static str,
}

const fn metric(name: &'static str, kind: MetricKind, unit: Unit, help: &'static str) -> Metric {
    Metric {
        name,
        kind,
        unit,
        help,
    }
}

use MetricKind::{Counter, Gauge, Histogram};
use Unit::{Bytes, Count, Seconds};

#[rustfmt::skip]
pub const ALL: &[Metric] = &[
    metric(BUILD, Gauge, Count, "Always 1; the label names the version."),
    metric(FILES, Counter, Count, "Files by outcome: sealed, held, failed, quarantined, stored, wiped, not_wiped."),
    metric(BYTES, Counter, Bytes, "Plaintext bytes by outcome, as for files."),
    metric(SESSIONS, Counter, Count, "Dock sessions by end: complete, interrupted, refused."),
    metric(ERRORS, Counter, Count, "Errors by problem code, as `camdock explain` explains them."),
    metric(SECURED_SECONDS, Histogram, Seconds, "From docking until everything on the camera is secured here."),
    metric(STORED_SECONDS, Histogram, Seconds, "From docking until everything of the session is in the store."),
    metric(COMMIT_SECONDS, Histogram, Seconds, "One group commit: spool sync, journal, log."),
    metric(BAYS, Gauge, Count, "Bays by the state that they show."),
    metric(BAY_STALLED, Gauge, Seconds, "Longest time that a reading bay has made no progress."),
    metric(CAMERAS_FAILING, Gauge, Count, "Cameras whose last three sessions all ended before everything was secured."),
    metric(MISSING_FILES, Gauge, Count, "Files whose camera left before they were read and that were not taken since."),
    metric(ITEMS, Gauge, Count, "Items by state."),
    metric(ITEM_BYTES, Gauge, Bytes, "Plaintext bytes of items by state."),
    metric(OLDEST_UNSTORED, Gauge, Seconds, "Age of the oldest item that is not yet in the store; 0 when there is none."),
    metric(UNDECIDED, Gauge, Count, "Items in quarantine that wait for a decision."),
    metric(ALARMS, Gauge, Count, "Items that cannot be stored until a person acts."),
    metric(STORE_OK, Gauge, Count, "1 while uploads work or nothing is to be uploaded, 0 while they fail."),
    metric(SPOOL_FREE, Gauge, Bytes, "Free bytes on the spool's filesystem."),
    metric(SPOOL_RESERVE, Gauge, Bytes, "Pulling stops while less than this is free."),
    metric(SPOOL_FULL_IN, Gauge, Seconds, "Time until the spool is full at the rate of the last hour; +Inf while it does not fill."),
    metric(LOG_ENTRIES, Gauge, Count, "Entries in the custody log."),
    metric(LOG_PUBLISHED, Gauge, Count, "Entries of the custody log that the bucket is known to hold."),
    metric(WITNESSED_ENTRIES, Gauge, Count, "Entries of the custody log that the witnesses' quorum has cosigned; absent without witnesses."),
    metric(WITNESS_BEHIND, Gauge, Seconds, "For how long at least entries have waited for the witnesses' quorum; 0 when none do, absent without witnesses."),
    metric(PREVIEWS, Counter, Count, "Previews by part (storyboard, preview) and outcome: stored, failed, skipped."),
    metric(CLOCK_SYNCHRONISED, Gauge, Count, "1 when the kernel calls the station's clock synchronised."),
    metric(CLOCK_ERROR, Gauge, Seconds, "The kernel's estimate of the clock's error; +Inf when it gives none."),
    metric(VERIFIED_OK, Gauge, Count, "1 when the last `camdock verify` found nothing wrong, 0 when it did; absent before the first."),
    metric(VERIFIED_FINDINGS, Gauge, Count, "Number of findings of the last `camdock verify`."),
    metric(VERIFIED_AT, Gauge, Seconds, "Unix time of the end of the last `camdock verify`."),
    metric(GAPS, Gauge, Count, "Gaps that the last `camdock audit gaps` found and nobody explained, by kind; absent before the first."),
    metric(GAPS_AT, Gauge, Seconds, "Unix time of the last `camdock audit gaps`."),
    metric(WEB_REQUESTS, Counter, Count, "Responses of the pages by status class: 2xx, 3xx, 4xx, 5xx."),
    metric(WEB_REFUSED, Counter, Count, "Requests refused and connections ended, by reason: token, role, rate, cross_site, badge, connections."),
    metric(COSIGNED_ENTRIES, Gauge, Count, "The office: entries of a station's log that it cosigned last."),
    metric(COSIGNED_AT, Gauge, Seconds, "The office: Unix time at which it cosigned a station's log last; absent before the first."),
    metric(FOLLOWED_PROBLEM, Gauge, Count, "The office: 1 when something is wrong with a station's log, else 0."),
    metric(INDEXED_ENTRIES, Gauge, Count, "The office: entries of a station's log that its index holds."),
    metric(SKIPPED_ENTRIES, Gauge, Count, "The office: entries of a station's log that it passed over, because it does not know their kind or they make no sense."),
    metric(OBJECT_FINDINGS, Gauge, Count, "The office: objects of a station by how they differ from its log: missing, foreign, wrong_size, covered, unlocked, checksum."),
    metric(LISTED_AT, Gauge, Seconds, "The office: Unix time at which a listing of a station's objects last came to its end; absent before the first."),
    metric(KEY_SECONDS, Histogram, Seconds, "The office: from a published view until the item key that the key desk sealed for it is there."),
    metric(KEYS_UNANSWERED, Counter, Count, "The office: published views for which no key desk had sealed an item key after a minute."),
];

/// Seconds, from one small file to a full shift over a slow bus.
const LONG: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0,
    43200.0,
];
const SHORT: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
];

const KEY: &[f64] = &[0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// Installs the recorder that `/metrics` is rendered from, once in a process.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(SECURED_SECONDS.into()), LONG)?
        .set_buckets_for_metric(Matcher::Full(STORED_SECONDS.into()), LONG)?
        .set_buckets_for_metric(Matcher::Full(COMMIT_SECONDS.into()), SHORT)?
        .set_buckets_for_metric(Matcher::Full(KEY_SECONDS.into()), KEY)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // With two stations in one test process the first recorder stays.
    let _ = metrics::set_global_recorder(recorder);
    describe();
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// Registers every metric with the installed recorder.
pub fn describe() {
    for metric in ALL {
        match metric.kind {
            Counter => describe_counter!(metric.name, metric.unit, metric.help),
            Gauge => describe_gauge!(metric.name, metric.unit, metric.help),
            Histogram => describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
}

/// A station's known label values start at zero, so that the first event is seen as an increase.
pub fn begin_station() {
    for outcome in [
        "sealed",
        "held",
        "failed",
        "quarantined",
        "stored",
        "wiped",
        "not_wiped",
    ] {
        counter!(FILES, "outcome" => outcome).increment(0);
        counter!(BYTES, "outcome" => outcome).increment(0);
    }
    for end in ["complete", "interrupted", "refused"] {
        counter!(SESSIONS, "end" => end).increment(0);
    }
    for part in ["storyboard", "preview"] {
        for outcome in ["stored", "failed", "skipped"] {
            counter!(PREVIEWS, "part" => part, "outcome" => outcome).increment(0);
        }
    }
    for reason in [
        "token",
        "role",
        "rate",
        "cross_site",
        "badge",
        "connections",
    ] {
        counter!(WEB_REFUSED, "reason" => reason).increment(0);
    }
}

/// The same of an office.
pub fn begin_office() {
    counter!(KEYS_UNANSWERED).increment(0);
}

/// How long a person waited for the key desk; `None`: a minute, in vain.
pub fn key_sealed(seconds: Option<f64>) {
    match seconds {
        Some(seconds) => histogram!(KEY_SECONDS).record(seconds),
        None => counter!(KEYS_UNANSWERED).increment(1),
    }
}

/// Counts one file and its plaintext bytes.
pub fn file(outcome: &'static str, bytes: u64) {
    counter!(FILES, "outcome" => outcome).increment(1);
    counter!(BYTES, "outcome" => outcome).increment(bytes);
}

pub fn error(label: &'static str) {
    counter!(ERRORS, "label" => label).increment(1);
}

pub fn session(end: &'static str) {
    counter!(SESSIONS, "end" => end).increment(1);
}

pub fn preview(part: &'static str, outcome: &'static str) {
    counter!(PREVIEWS, "part" => part, "outcome" => outcome).increment(1);
}

/// The office's view of a station's log.
pub fn followed_log(station: &str, cosigned: u64, at: Option<i64>, problem: bool) {
    let station = station.to_owned();
    gauge!(COSIGNED_ENTRIES, "station" => station.clone()).set(cosigned as f64);
    if let Some(at) = at {
        gauge!(COSIGNED_AT, "station" => station.clone()).set(at as f64);
    }
    gauge!(FOLLOWED_PROBLEM, "station" => station).set(f64::from(u8::from(problem)));
}

/// What the office read of a station's log, and how the bucket differs from it.
pub fn followed_bucket(
    station: &str,
    indexed: u64,
    skipped: u64,
    found: impl IntoIterator<Item = (&'static str, u64)>,
    listed: Option<i64>,
) {
    let station = station.to_owned();
    gauge!(INDEXED_ENTRIES, "station" => station.clone()).set(indexed as f64);
    gauge!(SKIPPED_ENTRIES, "station" => station.clone()).set(skipped as f64);
    for (kind, count) in found {
        gauge!(OBJECT_FINDINGS, "station" => station.clone(), "kind" => kind).set(count as f64);
    }
    if let Some(at) = listed {
        gauge!(LISTED_AT, "station" => station).set(at as f64);
    }
}

pub fn log_size(entries: u64) {
    gauge!(LOG_ENTRIES).set(entries as f64);
}

/// `behind` in seconds.
pub fn witnessed(entries: u64, behind: f64) {
    gauge!(WITNESSED_ENTRIES).set(entries as f64);
    gauge!(WITNESS_BEHIND).set(behind);
}

pub fn log_published(entries: u64) {
    gauge!(LOG_PUBLISHED).set(entries as f64);
}

/// `full_in` in seconds; infinite while the spool does not fill.
pub fn spool(free: Option<u64>, reserve: u64, full_in: f64) {
    if let Some(free) = free {
        spool_free(free);
    }
    gauge!(SPOOL_RESERVE).set(reserve as f64);
    gauge!(SPOOL_FULL_IN).set(full_in);
}

pub fn spool_free(bytes: u64) {
    gauge!(SPOOL_FREE).set(bytes as f64);
}

pub fn clock(synchronised: bool) {
    gauge!(CLOCK_SYNCHRONISED).set(f64::from(u8::from(synchronised)));
}

/// Seconds; `None` when the kernel gives no estimate.
pub fn clock_error(estimate: Option<f64>) {
    gauge!(CLOCK_ERROR).set(estimate.unwrap_or(f64::INFINITY));
}

pub fn secured_after(seconds: f64) {
    histogram!(SECURED_SECONDS).record(seconds);
}

pub fn stored_after(seconds: f64) {
    histogram!(STORED_SECONDS).record(seconds);
}

pub fn committed_in(seconds: f64) {
    histogram!(COMMIT_SECONDS).record(seconds);
}

pub fn bays(state: &'static str, count: u64) {
    gauge!(BAYS, "state" => state).set(count as f64);
}

pub fn bay_stalled(seconds: f64) {
    gauge!(BAY_STALLED).set(seconds);
}

pub fn items(state: &'static str, items: u64, bytes: u64) {
    gauge!(ITEMS, "state" => state).set(items as f64);
    gauge!(ITEM_BYTES, "state" => state).set(bytes as f64);
}

/// Work that is late or needs a person. `oldest` in seconds.
pub fn attention(oldest: f64, undecided: u64, failing: u64, missing: u64, alarms: u64) {
    gauge!(OLDEST_UNSTORED).set(oldest);
    gauge!(UNDECIDED).set(undecided as f64);
    gauge!(CAMERAS_FAILING).set(failing as f64);
    gauge!(MISSING_FILES).set(missing as f64);
    gauge!(ALARMS).set(alarms as f64);
}

pub fn store_ok(ok: bool) {
    gauge!(STORE_OK).set(f64::from(u8::from(ok)));
}

/// `at` in seconds since 1970.
pub fn verified(ok: bool, findings: u64, at: f64) {
    gauge!(VERIFIED_FINDINGS).set(findings as f64);
    gauge!(VERIFIED_OK).set(f64::from(u8::from(ok)));
    gauge!(VERIFIED_AT).set(at);
}

/// `at` in seconds since 1970.
pub fn gaps<'a>(found: impl Iterator<Item = (&'a str, u64)>, at: f64) {
    for (kind, count) in found {
        gauge!(GAPS, "kind" => kind.to_owned()).set(count as f64);
    }
    gauge!(GAPS_AT).set(at);
}

pub fn web_answer(status: u16) {
    let class = match status {
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    counter!(WEB_REQUESTS, "status" => class).increment(1);
}

pub fn web_refused(reason: &'static str) {
    counter!(WEB_REFUSED, "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls every function above once, so that everything that can be rendered is.
    fn touch_all() {
        begin_station();
        begin_office();
        key_sealed(Some(1.0));
        followed_log("leeds-1", 1, Some(1), false);
        followed_bucket("leeds-1", 1, 0, [("missing", 1)], Some(1));
        gauge!(BUILD, "version" => "0").set(1.0);
        file("sealed", 1);
        error("store_unreachable");
        session("complete");
        log_size(1);
        log_published(1);
        witnessed(1, 1.0);
        spool(Some(1), 1, f64::INFINITY);
        clock(true);
        clock_error(None);
        secured_after(1.0);
        stored_after(1.0);
        committed_in(0.01);
        bays("reading", 1);
        bay_stalled(1.0);
        items("stored", 1, 1);
        attention(1.0, 1, 1, 1, 1);
        store_ok(true);
        verified(false, 2, 1.0);
        gaps([("gap_number", 1)].into_iter(), 1.0);
        web_answer(200);
        web_refused("token");
    }

    #[test]
    fn every_metric_is_registered_with_its_help_and_every_rendered_one_is_listed() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let text = metrics::with_local_recorder(&recorder, || {
            describe();
            touch_all();
            handle.render()
        });
        for metric in ALL {
            assert!(
                text.contains(&format!("# HELP {} {}", metric.name, metric.help)),
                "{} has no help in:\n{text}",
                metric.name
            );
        }
        let known: Vec<_> = ALL.iter().map(|m| m.name).collect();
        for line in text.lines().filter(|l| l.starts_with("# TYPE ")) {
            let name = line.split(' ').nth(2).unwrap();
            assert!(known.contains(&name), "{name} is not in ALL");
        }
        let source = include_str!("metrics.rs");
        let named = source
            .lines()
            .filter_map(|l| l.strip_prefix("pub const ")?.split('"').nth(1))
            .filter(|name| name.starts_with("camdock_"));
        for name in named {
            assert!(known.contains(&name), "{name} is not in ALL");
        }
    }
}
