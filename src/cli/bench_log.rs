use std::path::PathBuf;
use std::time::Instant;

use super::Outcome;
use crate::audit::{DirSource, Log, LogKey, encode_entry, verify_log};
use crate::model::{Entry, Event, StationStopped};

/// Measures appending and verifying on this machine's disk.
#[derive(clap::Args)]
pub struct BenchLog {
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// An empty folder on the disk to measure
    #[arg(long)]
    dir: PathBuf,
}

pub fn run(args: BenchLog) -> anyhow::Result<Outcome> {
    let (key, _) = LogKey::generate()?;
    let verifier = key.verifier("camdock/bench")?;
    let mut log = Log::open(&args.dir, key, "camdock/bench")?;
    let reason = "x".repeat(180);
    let began = Instant::now();
    for chunk in 0..args.entries.div_ceil(1000) {
        let entries = (0..1000.min(args.entries - chunk * 1000)).map(|n| {
            let reason = format!("{reason}{}", chunk * 1000 + n);
            let event = Event::StationStopped(StationStopped { reason });
            encode_entry(&Entry {
                v: 1,
                time: crate::ingest::now(),
                station: "bench".parse()?,
                session: None,
                event,
            })
            .map_err(anyhow::Error::from)
        });
        log.append(&entries.collect::<anyhow::Result<Vec<_>>>()?)?;
    }
    let appending = began.elapsed().as_secs_f64();
    log.close()?;
    let began = Instant::now();
    let report = verify_log(&DirSource::new(&args.dir), &verifier, &mut |_, _| {}, None)?;
    let figures = serde_json::json!({
        "entries": args.entries, "append_per_second": args.entries as f64 / appending,
        "verify_seconds": began.elapsed().as_secs_f64(), "clean": report.is_clean(),
    });
    println!("{figures}");
    Ok(if report.is_clean() {
        Outcome::Fine
    } else {
        Outcome::VerificationFailed
    })
}
