//! Notices changed configuration files. A slow check of the files themselves decides; notify only speeds it up, because
//! editors replace files in many ways and some file systems send no events.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Config;

const REST: Duration = Duration::from_millis(300);
const SLOW_CHECK: Duration = Duration::from_secs(10);

/// The files that changed since the last time; at least one is `true`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    /// `camdock.toml` itself: takes effect at the next start.
    pub config: bool,
    pub roster: bool,
    pub profiles: bool,
}

/// Owns the watching task.
#[derive(Debug)]
pub struct ConfigWatch {
    task: JoinHandle<()>,
    stop: mpsc::Sender<()>,
}

/// Starts watching the files of a configuration, from their current state. Reload roster and profiles once after this
/// call, to catch changes made between loading and watching.
/// Must be called within a tokio runtime.
pub fn watch(config: &Config) -> (ConfigWatch, mpsc::Receiver<Changed>) {
    let files = Files {
        config: config.path.clone(),
        roster: config.roster_file.clone(),
        profiles: config.profiles_dir.clone(),
    };
    let (changes, receiver) = mpsc::channel(4);
    let (stop, stopped) = mpsc::channel(1);
    let seen = files.states();
    let task = tokio::spawn(run(files, seen, changes, stopped));
    (ConfigWatch { task, stop }, receiver)
}

impl ConfigWatch {
    /// Ends the task and waits for it.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(code = "part_crashed", %error,
                next_step = "report this with the log lines before it", "the watch on the configuration panicked");
        }
    }
}

struct Files {
    config: PathBuf,
    roster: PathBuf,
    profiles: PathBuf,
}

/// (device, inode, size, modified s, modified ns): differs after any edit.
type Print = (u64, u64, u64, i64, i64);

#[derive(PartialEq, Eq, Clone)]
struct FileStates {
    config: Option<Print>,
    roster: Option<Print>,
    profiles: BTreeMap<PathBuf, Print>,
}

impl Files {
    fn states(&self) -> FileStates {
        let print = |path: &Path| {
            let m = std::fs::metadata(path).ok()?;
            Some((m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec()))
        };
        let profiles = std::fs::read_dir(&self.profiles)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "toml"))
            .take(1000)
            .filter_map(|path| print(&path).map(|p| (path, p)))
            .collect();
        FileStates {
            config: print(&self.config),
            roster: print(&self.roster),
            profiles,
        }
    }
}

async fn run(
    files: Files,
    mut seen: FileStates,
    changes: mpsc::Sender<Changed>,
    mut stopped: mpsc::Receiver<()>,
) {
    let (wake, mut woken) = mpsc::channel(1);
    // Checks once for changes made before notify was ready. The channel is empty, so this can't fail.
    let _ = wake.try_send(());
    let mut watcher = start_notify(&files, wake);
    loop {
        tokio::select! {
            _ = stopped.recv() => return,
            Some(()) = woken.recv() => {
                // Other programs may write beside these files all the time: many events cause one check.
                tokio::time::sleep(REST).await;
                // The folder may have been replaced.
                watch_path(watcher.as_mut(), &files.profiles);
            }
            () = tokio::time::sleep(SLOW_CHECK) => {}
        }
        let mut now = files.states();
        if now == seen {
            continue;
        }
        // An edit in several steps counts once, after the last step.
        loop {
            tokio::select! {
                _ = stopped.recv() => return,
                () = tokio::time::sleep(REST) => {}
            }
            let again = files.states();
            if again == now {
                break;
            }
            now = again;
        }
        let changed = Changed {
            config: now.config != seen.config,
            roster: now.roster != seen.roster,
            profiles: now.profiles != seen.profiles,
        };
        seen = now;
        if changed != Changed::default() && changes.send(changed).await.is_err() {
            return;
        }
    }
}

fn start_notify(files: &Files, wake: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let handler = move |event: notify::Result<notify::Event>| {
        // The checks themselves cause these events: waking on them would never end.
        if event.is_ok_and(|event| event.kind.is_access()) {
            return;
        }
        // A full channel means that a check is pending.
        let _ = wake.try_send(());
    };
    let config = notify::Config::default().with_follow_symlinks(false);
    let mut watcher = RecommendedWatcher::new(handler, config)
        .inspect_err(|error| {
            tracing::warn!(code = "watch_missing", %error,
                next_step = "nothing is missed; raise fs.inotify.max_user_instances to have edits noticed at once",
                "configuration edits are noticed every 10 s only");
        })
        .ok()?;
    watch_path(
        Some(&mut watcher),
        files.config.parent().unwrap_or(Path::new("/")),
    );
    watch_path(Some(&mut watcher), &files.profiles);
    Some(watcher)
}

fn watch_path(watcher: Option<&mut RecommendedWatcher>, path: &Path) {
    if let Some(watcher) = watcher
        && let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive)
    {
        tracing::debug!(%error, path = %path.display(), "not watched; checked every 10 s");
    }
}
