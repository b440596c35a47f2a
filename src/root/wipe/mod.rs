//! `camdock-wipe`: deletes from a USB disk what is proven to be stored, and nothing else.
//!
//! systemd starts one process for each connection, which serves one request. It believes root's own `wipe.toml`, the
//! kernel, and what it computes itself; the request is a list of claims by a station that an attacker may control. It never
//! makes a file or a folder, and the mount through which the station sees the medium stays read-only throughout.

mod request;
mod window;

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::media::Media;
use crate::audit::WipeTrust;
use crate::camera::erase::Medium;
use crate::config::WipePolicy;
use crate::dock::usb::Sysfs;
use crate::model::{Explain as _, Left, StorageState, WipeAnswer, WipeRequest, WipeResult};
use request::{Placed, Plugged};
use window::Window;

/// Delete what is proven to be stored from a USB disk. Started by systemd as root
#[derive(clap::Parser)]
#[command(name = "camdock-wipe", version)]
struct Args {
    #[arg(default_value = "serve")]
    action: WipeVerb,
    /// Root's own file that says what may be wiped
    #[arg(long, default_value = "/etc/camdock/wipe.toml")]
    policy: PathBuf,
    #[arg(long, default_value = "/run/camdock/media")]
    media: PathBuf,
    /// Instead of /sys
    #[arg(long, default_value = "/sys", hide = true)]
    sysfs: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum WipeVerb {
    /// Answer one request: a line of JSON on standard input
    Serve,
    /// Make every mounted medium read-only again, after a helper that was killed
    Restore,
}

pub fn main() -> ExitCode {
    super::main(run)
}

fn run(args: &Args) -> anyhow::Result<()> {
    let media = Media::open(&args.media)?;
    let sysfs = Sysfs::new(&args.sysfs);
    if args.action == WipeVerb::Restore {
        return window::restore(&media, &sysfs);
    }
    let answer = match read_request() {
        Ok(request) => serve(args, &media, &sysfs, &request).unwrap_or_else(|refusal| {
            eprintln!("refused: {refusal}");
            WipeAnswer::refused(refusal)
        }),
        Err(error) => WipeAnswer::refused(format!("the request cannot be read: {error}")),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    // The station may have hung up; the journal has what was done.
    if let Err(error) = io::stdout().write_all(&line) {
        eprintln!("nobody waits for the answer: {error}");
    }
    Ok(())
}

/// One line; the other side keeps its end open for as long as it wants the work to be done.
fn read_request() -> anyhow::Result<WipeRequest> {
    let mut bytes = Vec::new();
    let mut input = io::stdin().lock().take(WipeRequest::BYTES_MAX);
    let mut chunk = vec![0; 64 << 10];
    while !bytes.ends_with(b"\n") {
        let count = input.read(&mut chunk)?;
        if count == 0 {
            anyhow::bail!("it is cut short, or larger than a request may be");
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
    request::parse(&bytes)
}

/// Whether the station has hung up.
fn hung_up() -> bool {
    let stdin = io::stdin();
    let mut fds = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::RDHUP)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    poll(&mut fds, Some(&at_once)).is_ok() && fds[0].revents().intersects(gone)
}

/// Fails with the reason why nothing at all is deleted.
fn serve(
    args: &Args,
    media: &Media,
    sysfs: &Sysfs,
    request: &WipeRequest,
) -> Result<WipeAnswer, String> {
    let policy = WipePolicy::load(&args.policy).map_err(|e| format!("{e} ({})", e.next_step()))?;
    let trust = WipeTrust::new(policy.level, &policy.log_keys, &policy.confirmer_keys)
        .map_err(|error| format!("{}: {error}", args.policy.display()))?;
    let plugged = Plugged::find(media, sysfs, &request.port)?;
    let rehash = request.rehash || policy.rehash;
    let mut results: Vec<Option<WipeResult>> = vec![None; request.files.len()];
    let placed = request::placed(request, &plugged, &trust, Timestamp::now(), &mut results);
    let mut warnings = Vec::new();
    for storage in &plugged.mounted.storages {
        let mine: Vec<&Placed> = placed
            .iter()
            .filter(|p| p.storage == storage.name)
            .collect();
        if !mine.is_empty() {
            wipe_storage(
                &plugged,
                &storage.name,
                &mine,
                rehash,
                &mut results,
                &mut warnings,
            );
        }
    }
    let missed = Left::new("no_storage", "it lies on no storage of this camera");
    let files: Vec<WipeResult> = results
        .into_iter()
        .map(|result| result.unwrap_or_else(|| WipeResult::nameless(&missed)))
        .collect();
    for file in &files {
        // Escaped by Debug: a camera named these paths.
        eprintln!(
            "{} {} of {}: {}",
            file.evidence.map_or("?".to_owned(), |id| id.to_string()),
            file.path
                .as_ref()
                .map_or("?".to_owned(), |p| format!("{:?}", p.to_string())),
            plugged.serial,
            match (&file.code, &file.reason) {
                _ if file.wiped => "deleted".to_owned(),
                (Some(code), Some(reason)) => format!("left, {code}: {reason:?}"),
                _ => "left".to_owned(),
            }
        );
    }
    Ok(WipeAnswer {
        refused: None,
        warnings,
        files,
    })
}

/// First everything is checked while nothing can be written; then, for as short a time as possible, the medium is writable and the proven files are deleted.
fn wipe_storage(
    plugged: &Plugged,
    storage: &str,
    files: &[&Placed],
    rehash: bool,
    results: &mut [Option<WipeResult>],
    warnings: &mut Vec<String>,
) {
    let all_left = |left: &Left, results: &mut [Option<WipeResult>]| {
        for file in files {
            results[file.index].get_or_insert_with(|| WipeResult::left(&file.proven, left));
        }
    };
    let target = plugged.folder.join(storage);
    let opened = plugged
        .node(storage)
        .and_then(|node| Ok((node, Medium::mounted(&target, &node.dev)?)));
    let (node, medium) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            return all_left(&Left::new("no_storage", error.to_string()), results);
        }
    };
    let mut held = Vec::new();
    for file in files {
        match medium.hold(&file.inner, &file.proven, rehash, &hung_up) {
            Ok(ready) => held.push((*file, ready)),
            Err(left) => results[file.index] = Some(WipeResult::left(&file.proven, &left)),
        }
    }
    if held.is_empty() {
        return;
    }
    if hung_up() {
        return all_left(&Left::new("stopped", "the station hung up"), results);
    }
    let window = match Window::open(&target, node, &medium) {
        Ok(window) => window,
        Err(error) => {
            let reason = format!("the medium cannot be made writable: {error:#}");
            return all_left(&Left::new("medium_read_only", reason), results);
        }
    };
    for (file, ready) in held {
        results[file.index] = Some(match window.view().erase(ready) {
            Ok(()) => WipeResult::wiped(&file.proven),
            Err(left) => WipeResult::left(&file.proven, &left),
        });
    }
    if let Err(error) = window.close() {
        eprintln!("WARNING: {error:#}");
        warnings.push(format!("{error:#}"));
    }
}

/// Whether the mount helper has mounted the storage.
const fn is_mounted(state: &StorageState) -> bool {
    matches!(state, StorageState::Mounted { .. })
}

#[cfg(test)]
mod tests;
