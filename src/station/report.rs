//! Figures of one `run --drain`, for benchmarks: measured inside, written as JSON.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;

/// Seconds from the start of the service, sizes in bytes.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The arrival of the first camera.
    pub docked_seconds: Option<f64>,
    /// The first moment at which every docked camera was secured.
    pub secured_seconds: Option<f64>,
    /// CPU seconds of this process up to then.
    pub secured_cpu_seconds: Option<f64>,
    pub stored_seconds: Option<f64>,
    pub files: u64,
    pub bytes: u64,
    pub cpu_seconds: f64,
    pub peak_rss_bytes: u64,
}

impl Report {
    pub fn docked(&mut self, began: Instant) {
        self.docked_seconds
            .get_or_insert_with(|| began.elapsed().as_secs_f64());
    }

    pub fn secured(&mut self, began: Instant) {
        if self.secured_seconds.is_none() {
            self.secured_seconds = Some(began.elapsed().as_secs_f64());
            self.secured_cpu_seconds = Some(cpu_seconds());
        }
    }

    pub fn write(mut self, began: Instant, path: &Path) -> anyhow::Result<()> {
        self.stored_seconds = Some(began.elapsed().as_secs_f64());
        self.cpu_seconds = cpu_seconds();
        self.peak_rss_bytes = peak_rss();
        crate::durable::write_unsynced(path, &serde_json::to_vec_pretty(&self)?)
            .with_context(|| format!("cannot write the report {}", path.display()))
    }
}

/// User and system time of this process, from /proc (in ticks of 10 ms).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The command's name may hold spaces: count from behind its closing bracket.
    let fields = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>())
        .unwrap_or_default();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|f| f.parse::<u64>().ok())
            .unwrap_or(0)
    };
    (ticks(11) + ticks(12)) as f64 / 100.0
}

fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}
