//! Lets a test within this program decide at the points of one thread: many stations can be cut off at the same time.

use std::cell::RefCell;
use std::io;
use std::panic::resume_unwind;
use std::path::Path;

use rustix::io::Errno;

/// The action at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Pass,
    /// The power is cut: the thread unwinds with [`PowerCut`].
    Stop,
    /// Only at points where a disk may fail.
    Fail(Errno),
}

/// The payload with which a cut-off thread unwinds.
pub struct PowerCut;

type Hook = Box<dyn FnMut(&str, Option<&Path>) -> Act>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// Sets the hook that is called at every point that this thread passes from now on.
pub fn set(hook: Option<Hook>) {
    HOOK.with(|held| *held.borrow_mut() = hook);
}

fn ask(name: &str, path: Option<&Path>) -> Act {
    if std::thread::panicking() {
        return Act::Pass;
    }
    // Points that the hook itself passes do not call it again.
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
