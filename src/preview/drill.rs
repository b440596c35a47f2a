//! Misdeeds on demand: what a captured worker would try. Each must end by the sandbox or by the supervisor.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, Signal, getppid, kill_process};

use super::request::{Drill, Ending, Said};
use super::worker::Output;
use crate::sys;

/// Does what needs nobody else, in whatever process; returns only when that lived on. `None`: it does need somebody.
pub fn alone(drill: Drill) -> Option<io::Result<()>> {
    Some(match drill {
        Drill::OpenFile => std::fs::File::open("/etc/passwd").map(drop),
        Drill::WriteFile => {
            let flags = OFlags::CREATE | OFlags::WRONLY;
            openat(CWD, "/tmp/camdock-drill", flags, Mode::RUSR)
                .map(drop)
                .map_err(io::Error::from)
        }
        Drill::Socket => TcpStream::connect("127.0.0.1:9").map(drop),
        Drill::Execute => Command::new("/bin/true").spawn().map(drop),
        Drill::Kill => {
            kill_process(getppid().unwrap_or(Pid::INIT), Signal::TERM).map_err(io::Error::from)
        }
        Drill::RunnableMemory => sys::runnable_memory(),
        Drill::Descriptors => rustix::io::dup(io::stderr())
            .map(drop)
            .map_err(io::Error::from),
        Drill::Memory => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 16 << 20]);
                black_box(&hoard);
            }
        }
        _ => return None,
    })
}

/// Does it; returns only when the process lived on.
pub fn run(drill: Drill, output: &Output, say: &mut dyn FnMut(Said)) -> Ending {
    let done = alone(drill).unwrap_or_else(|| match drill {
        Drill::Spin => loop {
            say(Said::Progress(1));
            (0..10_000_000u64).for_each(|turn| {
                black_box(turn);
            });
        },
        Drill::Sleep => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        Drill::Flood => (|| {
            let chunk = vec![7; 1 << 20];
            loop {
                say(Said::Progress(1));
                output.tap().write_all(&chunk)?;
            }
        })(),
        Drill::Crash => std::process::abort(),
        Drill::Panic => panic!("told to panic"),
        Drill::Babble => loop {
            println!("{{\"no\": \"sense\"}}");
        },
        _ => Ok(()),
    });
    let code = match done {
        Ok(()) => "drill_succeeded",
        Err(_) => "drill_refused",
    };
    Ending::Failed {
        code: code.to_owned(),
        reason: done.err().map_or_else(String::new, |e| e.to_string()),
    }
}
