//! Named points in the processing of an item, at which tests stop this process as a power cut would, or let a disk fail.
//!
//! They exist only with debug assertions, which a release build never has: there the macros expand to nothing. The variable
//! `CAMDOCK_FAILPOINT`, read once, says what happens: `list` prints every point that is passed; `stop:NAME@3` stops at the
//! third passing of a point; `eio:NAME@1` and `enospc:NAME@1` make a disk's point fail once, with `@1+` from then on.
//! `NAME~TEXT` counts only files whose path contains TEXT. While the file named by `CAMDOCK_FAILPOINT_WHILE` exists,
//! `hold:NAME` waits at a point, and `crawl:read camera~TEXT@2+` slows a camera down to one byte a second.

#[cfg(test)]
pub mod hook;

#[cfg(debug_assertions)]
use std::{
    io,
    path::Path,
    sync::OnceLock,
    sync::atomic::{AtomicU32, Ordering},
};

/// A point between two steps.
macro_rules! reached {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::failpoint::pass($name);
    };
}

/// The rest of this block is one step, with a point before it and one after it.
macro_rules! step {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        let _step =
            $crate::failpoint::Step::begin(concat!($name, ": before"), concat!($name, ": after"));
    };
}

/// Like [`step`], for a step on this file that may fail as a disk does; for functions whose errors are made from `io::Error`.
macro_rules! disk {
    ($name:literal, $path:expr, $error:expr) => {
        #[cfg(debug_assertions)]
        let _step =
            $crate::failpoint::Step::begin(concat!($name, ": before"), concat!($name, ": after"));
        #[cfg(debug_assertions)]
        $crate::failpoint::fails($name, $path).map_err($error)?;
        // Used in every build.
        #[cfg(not(debug_assertions))]
        let _ = $path;
    };
}

pub(crate) use {disk, reached, step};

#[cfg(debug_assertions)]
#[derive(Clone, Copy, PartialEq, Eq)]
enum FaultAction {
    List,
    Stop,
    Fail(rustix::io::Errno),
    Hold,
    Crawl,
}

#[cfg(debug_assertions)]
struct Plan {
    action: FaultAction,
    name: String,
    /// For points on files: a part of the file's path.
    file: Option<String>,
    at: u32,
    from_then_on: bool,
    passed: AtomicU32,
}

#[cfg(debug_assertions)]
impl Plan {
    fn parse(text: &str) -> Option<Self> {
        let (action, rest) = text.split_once(':').unwrap_or((text, ""));
        let action = match action {
            "list" => FaultAction::List,
            "stop" => FaultAction::Stop,
            "hold" => FaultAction::Hold,
            "crawl" => FaultAction::Crawl,
            "eio" => FaultAction::Fail(rustix::io::Errno::IO),
            "enospc" => FaultAction::Fail(rustix::io::Errno::NOSPC),
            _ => return None,
        };
        let (name, at) = rest.rsplit_once('@').unwrap_or((rest, "1"));
        let (name, file) = match name.split_once('~') {
            Some((name, file)) => (name, Some(file.to_owned())),
            None => (name, None),
        };
        Some(Self {
            action,
            name: name.to_owned(),
            file,
            at: at.trim_end_matches('+').parse().ok()?,
            from_then_on: at.ends_with('+'),
            passed: AtomicU32::new(0),
        })
    }

    fn applies_to(&self, path: &Path) -> bool {
        self.file
            .as_ref()
            .is_none_or(|text| path.to_string_lossy().contains(text.as_str()))
    }

    /// Counts this passing; `true` when the plan names it.
    fn is_now(&self, name: &str) -> bool {
        if self.name != name {
            return false;
        }
        let passed = self.passed.fetch_add(1, Ordering::Relaxed) + 1;
        passed == self.at || self.from_then_on && passed > self.at
    }
}

#[cfg(debug_assertions)]
fn plan() -> Option<&'static Plan> {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    PLAN.get_or_init(|| {
        let text = std::env::var("CAMDOCK_FAILPOINT").ok()?;
        Some(
            Plan::parse(&text)
                .unwrap_or_else(|| panic!("CAMDOCK_FAILPOINT cannot be parsed: {text}")),
        )
    })
    .as_ref()
}

/// A number that a test gives this process by an environment variable.
#[cfg(debug_assertions)]
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Stops the process here if the plan says so: nothing is flushed, and no destructor runs.
#[cfg(debug_assertions)]
pub fn pass(name: &str) {
    #[cfg(test)]
    hook::pass(name);
    let Some(plan) = plan() else { return };
    match plan.action {
        FaultAction::List => eprintln!("failpoint {name}"),
        FaultAction::Stop if plan.is_now(name) => {
            eprintln!("failpoint {name}: stopped");
            std::process::abort();
        }
        FaultAction::Hold if plan.name == name && while_file_exists() => {
            eprintln!("failpoint {name}: held");
            while while_file_exists() {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
        _ => {}
    }
}

#[cfg(debug_assertions)]
fn while_file_exists() -> bool {
    std::env::var_os("CAMDOCK_FAILPOINT_WHILE").is_some_and(|file| Path::new(&file).exists())
}

/// Called before a camera's file is read; returns the part of the buffer that may be filled.
#[cfg(debug_assertions)]
pub fn camera<'b>(path: &[u8], buffer: &'b mut [u8]) -> io::Result<&'b mut [u8]> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    fails("read camera", path)?;
    match plan() {
        Some(plan)
            if plan.action == FaultAction::Crawl
                && !buffer.is_empty()
                && plan.applies_to(path)
                && plan.is_now("read camera")
                && while_file_exists() =>
        {
            std::thread::sleep(std::time::Duration::from_secs(1));
            Ok(&mut buffer[..1])
        }
        _ => Ok(buffer),
    }
}

/// Fails as this file's disk would if the plan says so.
#[cfg(debug_assertions)]
pub fn fails(name: &str, path: &Path) -> io::Result<()> {
    #[cfg(test)]
    hook::fails(name, path)?;
    let Some(plan) = plan() else { return Ok(()) };
    let FaultAction::Fail(errno) = plan.action else {
        return Ok(());
    };
    if plan.applies_to(path) && plan.is_now(name) {
        eprintln!("failpoint {name}: {errno} on {}", path.display());
        return Err(errno.into());
    }
    Ok(())
}

/// A step that has begun; its end is the second point.
#[cfg(debug_assertions)]
pub struct Step {
    after: &'static str,
}

#[cfg(debug_assertions)]
impl Step {
    pub fn begin(before: &'static str, after: &'static str) -> Self {
        pass(before);
        Self { after }
    }
}

#[cfg(debug_assertions)]
impl Drop for Step {
    fn drop(&mut self) {
        pass(self.after);
    }
}
