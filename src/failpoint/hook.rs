//! The points of one thread in the hands of a test in this program: many stations can be cut off beside each other.

use std::cell::RefCell;
use std::io;
use std::panic::resume_unwind;
use std::path::Path;

use rustix::io::Errno;

/// What is to happen at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Pass,
    /// The power is cut: the thread unwinds with [`PowerCut`].
    Stop,
    /// Only where a disk may fail.
    Fail(Errno),
}

/// What a cut thread unwinds with.
pub struct PowerCut;

type Hook = Box<dyn FnMut(&str, Option<&Path>) -> Act>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// Asked at every point that this thread passes from now on.
pub fn set(hook: Option<Hook>) {
    HOOK.with(|held| *held.borrow_mut() = hook);
}

fn ask(name: &str, path: Option<&Path>) -> Act {
    if std::thread::panicking() {
        return Act::Pass;
    }
    // The hook itself passes no points.
    HOOK.with(|held| match held.try_borrow_mut() {
        Ok(mut hook) => hook.as_mut().map_or(Act::Pass, |hook| hook(name, path)),
        Err(_) => Act::Pass,
    })
}

pub fn pass(name: &str) {
    if ask(name, None) == Act::Stop {
        resume_unwind(Box::new(PowerCut));
    }
}

pub fn fails(name: &str, path: &Path) -> io::Result<()> {
    match ask(name, Some(path)) {
        Act::Pass => Ok(()),
        Act::Stop => resume_unwind(Box::new(PowerCut)),
        Act::Fail(errno) => Err(errno.into()),
    }
}
