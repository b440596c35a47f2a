//! The misdeeds that a captured worker would try. Each must be ended by the sandbox or by the supervisor.
#![allow(
    unsafe_code,
    reason = "one misdeed maps memory that is writable and runnable"
)]

use std::hint::black_box;
use std::io;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use camdock::preview::{Cost, Ending, PreviewSink, WorkerMessage, WorkerReport};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, Signal, getppid, kill_process};

pub const REFUSED: &str = "misdeed_refused";
pub const SUCCEEDED: &str = "misdeed_succeeded";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misdeed {
    OpenFile,
    WriteFile,
    Socket,
    Execute,
    Kill,
    RunnableMemory,
    Memory,
    Descriptors,
    Spin,
    Sleep,
    Chatter,
    Creep,
    Flood,
    Crash,
    Panic,
    Babble,
}

const NAMES: [(&str, Misdeed); 16] = [
    ("open_file", Misdeed::OpenFile),
    ("write_file", Misdeed::WriteFile),
    ("socket", Misdeed::Socket),
    ("execute", Misdeed::Execute),
    ("kill", Misdeed::Kill),
    ("runnable_memory", Misdeed::RunnableMemory),
    ("memory", Misdeed::Memory),
    ("descriptors", Misdeed::Descriptors),
    ("spin", Misdeed::Spin),
    ("sleep", Misdeed::Sleep),
    ("chatter", Misdeed::Chatter),
    ("creep", Misdeed::Creep),
    ("flood", Misdeed::Flood),
    ("crash", Misdeed::Crash),
    ("panic", Misdeed::Panic),
    ("babble", Misdeed::Babble),
];

impl Misdeed {
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, one)| *one == self).unwrap().0
    }

    pub fn named(name: &str) -> Self {
        NAMES.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Returns only when the process lived on.
    pub fn commit(
        self,
        sink: Box<dyn PreviewSink>,
        say: &mut dyn FnMut(WorkerMessage),
    ) -> WorkerReport {
        let done = self.attempt(sink, say);
        WorkerReport {
            ffmpeg: String::new(),
            probe: None,
            ending: Ending::Failed {
                code: if done.is_ok() { SUCCEEDED } else { REFUSED }.to_owned(),
                reason: done.err().map_or_else(String::new, |e| e.to_string()),
            },
            cost: Cost::default(),
        }
    }

    fn attempt(
        self,
        mut sink: Box<dyn PreviewSink>,
        say: &mut dyn FnMut(WorkerMessage),
    ) -> io::Result<()> {
        match self {
            Self::OpenFile => std::fs::File::open("/etc/passwd").map(drop),
            Self::WriteFile => {
                let flags = OFlags::CREATE | OFlags::WRONLY;
                openat(CWD, "/tmp/camdock-misdeed", flags, Mode::RUSR)
                    .map(drop)
                    .map_err(io::Error::from)
            }
            Self::Socket => TcpStream::connect("127.0.0.1:9").map(drop),
            Self::Execute => Command::new("/bin/true").spawn().map(drop),
            Self::Kill => {
                kill_process(getppid().unwrap_or(Pid::INIT), Signal::TERM).map_err(io::Error::from)
            }
            Self::RunnableMemory => runnable_memory(),
            Self::Descriptors => rustix::io::dup(io::stderr())
                .map(drop)
                .map_err(io::Error::from),
            Self::Memory => {
                let mut hoard: Vec<Vec<u8>> = Vec::new();
                loop {
                    hoard.push(vec![1; 16 << 20]);
                    black_box(&hoard);
                }
            }
            Self::Spin => loop {
                say(WorkerMessage::Progress(1));
                (0..10_000_000u64).for_each(|turn| {
                    black_box(turn);
                });
            },
            Self::Sleep => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            Self::Chatter => loop {
                say(WorkerMessage::Progress(2));
                say(WorkerMessage::Progress(1));
                say(WorkerMessage::Confined {
                    missing: Vec::new(),
                });
                std::thread::sleep(Duration::from_millis(100));
            },
            Self::Creep => {
                for ms in 0.. {
                    say(WorkerMessage::Progress(ms));
                    std::thread::sleep(Duration::from_millis(100));
                }
                Ok(())
            }
            Self::Flood => {
                let chunk = vec![7; 1 << 20];
                loop {
                    say(WorkerMessage::Progress(1));
                    sink.write(&chunk)?;
                }
            }
            Self::Crash => std::process::abort(),
            Self::Panic => panic!("told to panic"),
            Self::Babble => loop {
                println!("{{\"no\": \"sense\"}}");
            },
        }
    }
}

fn runnable_memory() -> io::Result<()> {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    let all = ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC;
    // SAFETY: a fresh mapping at a place of the kernel's choice touches nothing that exists.
    let mapped = unsafe { mmap_anonymous(std::ptr::null_mut(), 4096, all, MapFlags::PRIVATE) };
    mapped.map(drop).map_err(io::Error::from)
}
