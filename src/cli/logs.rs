//! Where `tracing` goes: people on a terminal, JSON for the journal.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts logging to standard error. `CAMDOCK_LOG` overrides the level, in `tracing`'s filter syntax.
pub fn start(format: Option<LogFormat>, level: &str) {
    let filter = EnvFilter::try_from_env("CAMDOCK_LOG")
        .or_else(|_| EnvFilter::try_new(format!("warn,camdock={level}")));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let human = match format {
        Some(LogFormat::Human) => true,
        Some(LogFormat::Json) => false,
        None => std::io::stderr().is_terminal(),
    };
    // A second start (in tests) keeps the first.
    let _ = if human {
        builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init()
    };
}
