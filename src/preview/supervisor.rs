//! Starts a worker, feeds it, watches it and reads its answer. Nothing that a worker says is trusted beyond its shape.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use zeroize::Zeroizing;

use super::error::PreviewError;
use super::probe::clean;
use super::request::{Limits, Report, Said};
use crate::sys;

/// A line of a worker, in bytes: an answer with its index and tags is far below.
const LINE_MAX: u64 = 256 << 10;
/// Bytes of its standard error that are kept.
const COMPLAINT_MAX: u64 = 4096;
const TICK: Duration = Duration::from_millis(100);

/// One worker to run.
pub struct Supervised<'a> {
    /// `camdock` itself, and the arguments that make it a worker.
    pub program: &'a Path,
    pub arguments: &'a [&'a str],
    /// What the worker reads at its start, the key included.
    pub order: Zeroizing<Vec<u8>>,
    /// The sealed footage, open for reading only.
    pub input: File,
    /// Where the sealed preview goes.
    pub output: File,
    pub limits: Limits,
    /// The worker stands still while this says so.
    pub paused: &'a dyn Fn() -> bool,
    pub stopped: &'a dyn Fn() -> bool,
    /// Told the milliseconds of footage that are done.
    pub progress: &'a dyn Fn(u64),
}

/// What a worker answered, and which layers its sandbox lacked.
#[derive(Debug)]
pub struct Answer {
    pub report: Report,
    pub missing: Vec<String>,
}

/// Runs one worker to its end. Blocks; the worker dies with the thread that calls this.
pub fn supervise(job: Supervised<'_>) -> Result<Answer, PreviewError> {
    let mut command = Command::new(job.program);
    command
        .args(job.arguments)
        .env_clear()
        .env("MALLOC_ARENA_MAX", "2")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let files: Vec<OwnedFd> = vec![job.input.into(), job.output.into()];
    sys::with_descriptors(&mut command, files);
    let child = command.spawn().map_err(PreviewError::Start)?;
    drop(command);
    let mut running = Running::new(child)?;
    running.give(&job.order);
    drop(job.order);
    let mut missing = Vec::new();
    let (mut quiet_since, mut standing) = (Instant::now(), false);
    let silence = Duration::from_secs(job.limits.silence_seconds.max(1));
    let report = loop {
        if (job.stopped)() {
            return Err(PreviewError::Stopped);
        }
        let pause = (job.paused)();
        if pause != standing {
            running.signal(if pause { Signal::STOP } else { Signal::CONT });
            standing = pause;
        }
        if standing {
            quiet_since = Instant::now();
        } else if quiet_since.elapsed() > silence {
            return Err(PreviewError::Hung(job.limits.silence_seconds));
        }
        match running.said.recv_timeout(TICK) {
            Ok(Line::Said(said)) => {
                quiet_since = Instant::now();
                match *said {
                    Said::Confined { missing: layers } => missing = layers,
                    Said::Progress(ms) => (job.progress)(ms),
                    Said::Ended(report) => break *report,
                }
            }
            Ok(Line::Nonsense(what)) => return Err(PreviewError::Nonsense(what)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(running.ended_early(silence)),
        }
    };
    let status = running.wait(Duration::from_secs(10));
    match status {
        Some(status) if status.success() => Ok(Answer { report, missing }),
        Some(status) => Err(reason_of(status, &running.complaint())),
        None => Err(PreviewError::Hung(10)),
    }
}

enum Line {
    Said(Box<Said>),
    Nonsense(&'static str),
}

/// Killed and reaped when dropped.
struct Running {
    child: Child,
    said: Receiver<Line>,
    listening: Option<JoinHandle<()>>,
    complaining: Option<JoinHandle<String>>,
}

impl Running {
    fn new(mut child: Child) -> Result<Self, PreviewError> {
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (sender, said) = channel();
        let mut running = Self {
            child,
            said,
            listening: None,
            complaining: None,
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        running.listening = Some(
            thread("preview-ear")
                .spawn(move || listen(out, |line| sender.send(line).is_ok()))
                .map_err(PreviewError::Start)?,
        );
        running.complaining = Some(
            thread("preview-err")
                .spawn(move || complaint(err))
                .map_err(PreviewError::Start)?,
        );
        Ok(running)
    }

    /// Orders are smaller than a pipe's buffer, so this never waits for the worker.
    fn give(&mut self, order: &[u8]) {
        if let Some(mut stdin) = self.child.stdin.take() {
            // A worker that died already says why by its status.
            let _ = stdin.write_all(order);
        }
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    fn wait(&mut self, longest: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + longest;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                _ => return None,
            }
        }
    }

    /// It closed its mouth without an answer.
    fn ended_early(&mut self, silence: Duration) -> PreviewError {
        match self.wait(silence) {
            Some(status) => {
                let complaint = self.complaint();
                reason_of(status, &complaint)
            }
            None => PreviewError::Hung(silence.as_secs()),
        }
    }

    fn complaint(&mut self) -> String {
        self.complaining
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for thread in [self.listening.take()].into_iter().flatten() {
            let _ = thread.join();
        }
        if let Some(thread) = self.complaining.take() {
            let _ = thread.join();
        }
    }
}

fn listen(out: Option<impl Read>, mut pass: impl FnMut(Line) -> bool) {
    let Some(out) = out else { return };
    let mut reader = BufReader::new(out);
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(LINE_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let said = match serde_json::from_slice(&line) {
            Ok(said) => Line::Said(Box::new(said)),
            Err(_) => Line::Nonsense("a line is none of its words"),
        };
        let nonsense = matches!(said, Line::Nonsense(_));
        if !pass(said) || nonsense {
            return;
        }
    }
}

/// The first words of a process's standard error. The rest is read and dropped, so that it never waits for a reader.
fn complaint(err: Option<impl Read>) -> String {
    let Some(mut err) = err else {
        return String::new();
    };
    let mut text = Vec::new();
    let _ = (&mut err).take(COMPLAINT_MAX).read_to_end(&mut text);
    let _ = io::copy(&mut err, &mut io::sink());
    String::from_utf8_lossy(&text).into_owned()
}

fn reason_of(status: ExitStatus, complaint: &str) -> PreviewError {
    let told = clean(complaint);
    let Some(signal) = status.signal() else {
        return PreviewError::Crashed(format!("exit code {}: {told}", status.code().unwrap_or(-1)));
    };
    match signal {
        libc::SIGSYS => PreviewError::Forbidden,
        libc::SIGXCPU => PreviewError::Limit("processor time"),
        libc::SIGXFSZ => PreviewError::Limit("output size"),
        libc::SIGABRT if complaint.contains("memory allocation") => PreviewError::Limit("memory"),
        libc::SIGKILL => PreviewError::Killed,
        signal if told.is_empty() => PreviewError::Crashed(format!("signal {signal}")),
        signal => PreviewError::Crashed(format!("signal {signal}: {told}")),
    }
}
