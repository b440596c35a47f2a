//! The format of log lines: text for people on a terminal, JSON for systemd's journal.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, registry};

use crate::config::LogFormat;
use crate::station;

/// Starts logging to standard error. `CAMDOCK_LOG` overrides the level, in `tracing`'s filter syntax.
pub fn start(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_env("CAMDOCK_LOG")
        .or_else(|_| EnvFilter::try_new(format!("warn,camdock={level}")));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    let limit = station::log_limit();
    let layer = fmt::layer().with_writer(std::io::stderr);
    let human = match format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => !is_journal(),
    };
    let layer = if human {
        layer
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .with_filter(limit)
            .boxed()
    } else {
        layer
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(limit)
            .boxed()
    };
    // A second start (in tests) keeps the first.
    let _ = registry().with(filter).with(layer).try_init();
}

/// Whether standard error goes to systemd's journal, which names the file by device and inode.
fn is_journal() -> bool {
    let journal = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let own = rustix::fs::fstat(std::io::stderr());
    own.is_ok_and(|own| journal == format!("{}:{}", own.st_dev, own.st_ino))
}
