//! Every metric's name, unit and help in one place. Prefix `camdock_`, base units.

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

pub const FILES: &str = "camdock_files_total";
pub const BYTES: &str = "camdock_bytes_total";
pub const LOG_ENTRIES: &str = "camdock_log_entries";
pub const ERRORS: &str = "camdock_errors_total";
pub const SESSIONS: &str = "camdock_sessions_total";
pub const SECURED_SECONDS: &str = "camdock_dock_to_secured_seconds";
pub const COMMIT_SECONDS: &str = "camdock_commit_seconds";
pub const SPOOL_FREE: &str = "camdock_spool_free_bytes";
pub const PREVIEWS: &str = "camdock_previews_total";
pub const CLOCK_SYNCHRONISED: &str = "camdock_clock_synchronised";

enum Kind {
    Counter,
    Gauge,
    Histogram,
}

const ALL: [(&str, Kind, Unit, &str); 10] = [
    (
        FILES,
        Kind::Counter,
        Unit::Count,
        "Files by outcome: sealed, held, failed, quarantined, stored.",
    ),
    (
        BYTES,
        Kind::Counter,
        Unit::Bytes,
        "Plaintext bytes by outcome: sealed, held, stored.",
    ),
    (
        LOG_ENTRIES,
        Kind::Gauge,
        Unit::Count,
        "Entries in the custody log.",
    ),
    (
        ERRORS,
        Kind::Counter,
        Unit::Count,
        "Errors by their stable label.",
    ),
    (
        SESSIONS,
        Kind::Counter,
        Unit::Count,
        "Dock sessions by end: complete, interrupted.",
    ),
    (
        SECURED_SECONDS,
        Kind::Histogram,
        Unit::Seconds,
        "From docking to safe to remove.",
    ),
    (
        COMMIT_SECONDS,
        Kind::Histogram,
        Unit::Seconds,
        "One group commit: spool sync, journal, log.",
    ),
    (
        SPOOL_FREE,
        Kind::Gauge,
        Unit::Bytes,
        "Free bytes on the spool's filesystem.",
    ),
    (
        PREVIEWS,
        Kind::Counter,
        Unit::Count,
        "Previews by part (storyboard, preview) and outcome: stored, failed, skipped.",
    ),
    (
        CLOCK_SYNCHRONISED,
        Kind::Gauge,
        Unit::Count,
        "1 when the kernel calls the station's clock synchronised.",
    ),
];

/// Registers every metric with whichever recorder is installed; without one, counting costs next to nothing.
pub fn describe() {
    for (name, kind, unit, help) in &ALL {
        match kind {
            Kind::Counter => describe_counter!(*name, *unit, *help),
            Kind::Gauge => describe_gauge!(*name, *unit, *help),
            Kind::Histogram => describe_histogram!(*name, *unit, *help),
        }
    }
}

/// One file, and its plaintext bytes, came to this outcome.
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

pub fn log_size(entries: u64) {
    gauge!(LOG_ENTRIES).set(entries as f64);
}

pub fn spool_free(bytes: u64) {
    gauge!(SPOOL_FREE).set(bytes as f64);
}

pub fn clock(synchronised: bool) {
    gauge!(CLOCK_SYNCHRONISED).set(f64::from(u8::from(synchronised)));
}

pub fn secured_after(seconds: f64) {
    histogram!(SECURED_SECONDS).record(seconds);
}

pub fn committed_in(seconds: f64) {
    histogram!(COMMIT_SECONDS).record(seconds);
}
