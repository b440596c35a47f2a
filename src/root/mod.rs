//! The two programs that run as root, for USB disks: `camdock-mount` mounts their storages read-only where the station
//! looks, and `camdock-wipe` deletes what is proven to be stored.
//!
//! They are programs of their own (`src/bin`), so that root loads neither ffmpeg nor the S3 client. They trust neither the
//! device nor the station, and read no configuration but root's own `wipe.toml`. Promise 3 rests on them.

mod media;
pub mod mount;
pub mod wipe;

use std::process::ExitCode;

use clap::Parser;

/// Wrong arguments: exit code 2 instead of 4, as in `cli`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BadArguments(String);

/// Runs one of root's programs with this process's arguments.
fn main<A: Parser>(run: impl FnOnce(&A) -> anyhow::Result<()>) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()) * 2);
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<BadArguments>() { 2 } else { 4 })
        }
    }
}
