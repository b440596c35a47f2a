//! Starts a worker, gives it its order, watches it and reads its answer. The answer's form is checked here, its content by the
//! caller.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use zeroize::Zeroizing;

use super::error::PreviewError;
use super::request::{Limits, WorkerMessage, WorkerReport};
use super::text::clean;
use crate::sys;

/// The longest line of a worker, in bytes. Real answers are far shorter.
const LINE_MAX: u64 = 256 << 10;
/// The bytes of its standard error that are kept.
const COMPLAINT_MAX: u64 = 4096;
/// Lines that wait to be heeded; a worker that says more has to wait itself.
const LINES_AHEAD: usize = 16;
/// A storyboard takes up to four readings of the footage, whose own times may fall.
const READINGS_MAX: u32 = 16;
const TICK: Duration = Duration::from_millis(100);

/// One worker to run.
pub struct WorkerJob<'a> {
    /// `camdock-preview`; the tests have workers that misbehave, and need arguments for that.
    pub program: &'a Path,
    pub arguments: &'a [&'a str],
    /// The worker reads this at its start. It includes the key.
    pub order: Zeroizing<Vec<u8>>,
    /// The sealed footage, open for reading only.
    pub input: File,
    /// The sealed preview is written here.
    pub output: File,
    pub limits: Limits,
    /// The worker is stopped while this says so.
    pub paused: &'a dyn Fn() -> bool,
    pub stopped: &'a dyn Fn() -> bool,
    /// Called with the milliseconds of footage that are done.
    pub progress: &'a dyn Fn(u64),
}

/// The worker's program: beside this one, as cargo builds it, else where the package installs it. It may be missing: the
/// station works without previews then.
pub fn worker_program() -> io::Result<PathBuf> {
    const NAME: &str = "camdock-preview";
    let own = std::env::current_exe()?;
    let beside = own.with_file_name(NAME);
    if beside.is_file() {
        return Ok(beside);
    }
    let prefix = own.parent().and_then(Path::parent);
    Ok(prefix
        .unwrap_or(Path::new("/usr"))
        .join("lib/camdock")
        .join(NAME))
}

/// A worker's report, and the layers that its sandbox lacked.
#[derive(Debug)]
pub struct WorkerAnswer {
    pub report: WorkerReport,
    pub missing: Vec<String>,
}

/// Runs one worker to its end, and blocks until then. The worker dies with the calling thread.
pub fn supervise(job: WorkerJob<'_>) -> Result<WorkerAnswer, PreviewError> {
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
    let mut running = WorkerProcess::new(child)?;
    running.give(&job.order);
    drop(job.order);
    let mut missing = None;
    let (mut silent_since, mut stopped) = (Instant::now(), false);
    let silence = Duration::from_secs(job.limits.silence_seconds.max(1));
    let (mut looked, mut worked) = (Instant::now(), Duration::ZERO);
    let wall = Duration::from_secs(job.limits.wall_seconds.max(1));
    let mut course = Course::default();
    let report = loop {
        if (job.stopped)() {
            return Err(PreviewError::Stopped);
        }
        let passed = std::mem::replace(&mut looked, Instant::now()).elapsed();
        if !stopped {
            worked += passed;
        }
        if worked > wall {
            return Err(PreviewError::Limit("total time"));
        }
        let pause = (job.paused)();
        if pause != stopped {
            running.signal(if pause { Signal::STOP } else { Signal::CONT });
            stopped = pause;
        }
        if stopped {
            silent_since = Instant::now();
        } else if silent_since.elapsed() > silence {
            return Err(PreviewError::Hung(job.limits.silence_seconds));
        }
        match running.said.recv_timeout(TICK) {
            Ok(WorkerLine::Said(said)) => match *said {
                WorkerMessage::Confined { missing: layers } => {
                    if missing.is_none() {
                        silent_since = Instant::now();
                    }
                    missing = Some(layers);
                }
                WorkerMessage::Progress(ms) => {
                    if course.moves(ms) {
                        silent_since = Instant::now();
                    }
                    (job.progress)(ms);
                }
                WorkerMessage::Ended(report) => break *report,
            },
            Ok(WorkerLine::Nonsense(what)) => return Err(PreviewError::Nonsense(what)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let ended = running.ended_early(silence);
                // Until it is confined it has read no footage, which is not to blame if it gives up. One that is
                // killed counts even then, or it would be started forever.
                return Err(match ended {
                    PreviewError::Crashed(_) if missing.is_none() => {
                        PreviewError::Start(io::Error::other(ended.to_string()))
                    }
                    ended => ended,
                });
            }
        }
    };
    let status = running.wait(Duration::from_secs(10));
    match status {
        Some(status) if status.success() => Ok(WorkerAnswer {
            report,
            missing: missing.unwrap_or_default(),
        }),
        Some(status) => Err(reason_of(status, &running.complaint())),
        None => Err(PreviewError::Hung(10)),
    }
}

/// How far a worker says it is. Talk is no progress: only what lies further on in the footage is, or another reading of it.
#[derive(Default)]
struct Course {
    at: Option<u64>,
    begun_anew: u32,
}

impl Course {
    fn moves(&mut self, ms: u64) -> bool {
        let anew = Some(ms) < self.at && self.begun_anew < READINGS_MAX;
        self.begun_anew += u32::from(anew);
        let moves = anew || Some(ms) > self.at;
        if moves {
            self.at = Some(ms);
        }
        moves
    }
}

enum WorkerLine {
    Said(Box<WorkerMessage>),
    Nonsense(&'static str),
}

/// Killed and reaped when dropped.
struct WorkerProcess {
    child: Child,
    said: Receiver<WorkerLine>,
    listening: Option<JoinHandle<()>>,
    complaining: Option<JoinHandle<String>>,
}

impl WorkerProcess {
    fn new(mut child: Child) -> Result<Self, PreviewError> {
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (sender, said) = sync_channel(LINES_AHEAD);
        let mut running = Self {
            child,
            said,
            listening: None,
            complaining: None,
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        running.listening = Some(
            thread("preview-out")
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

    /// An order is smaller than a pipe's buffer, so this never waits for the worker.
    fn give(&mut self, order: &[u8]) {
        if let Some(mut stdin) = self.child.stdin.take() {
            // If the worker has already died, its exit status says why.
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

    /// The worker closed its output without an answer.
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

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Whoever waits to pass a line on ends with this.
        self.said = sync_channel(0).1;
        for thread in [self.listening.take()].into_iter().flatten() {
            let _ = thread.join();
        }
        if let Some(thread) = self.complaining.take() {
            let _ = thread.join();
        }
    }
}

fn listen(out: Option<impl Read>, mut pass: impl FnMut(WorkerLine) -> bool) {
    let Some(out) = out else { return };
    let mut reader = BufReader::new(out);
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(LINE_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let said = match serde_json::from_slice(&line) {
            Ok(said) => WorkerLine::Said(Box::new(said)),
            Err(_) => WorkerLine::Nonsense("one of its lines is not a message"),
        };
        let nonsense = matches!(said, WorkerLine::Nonsense(_));
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
    let complaint_line = clean(complaint);
    let Some(signal) = status.signal() else {
        return PreviewError::Crashed(format!(
            "exit code {}: {complaint_line}",
            status.code().unwrap_or(-1)
        ));
    };
    match signal {
        libc::SIGSYS => PreviewError::Forbidden,
        libc::SIGXCPU => PreviewError::Limit("processor time"),
        libc::SIGXFSZ => PreviewError::Limit("output size"),
        libc::SIGABRT if complaint.contains("memory allocation") => PreviewError::Limit("memory"),
        libc::SIGKILL => PreviewError::Killed,
        signal if complaint_line.is_empty() => PreviewError::Crashed(format!("signal {signal}")),
        signal => PreviewError::Crashed(format!("signal {signal}: {complaint_line}")),
    }
}
