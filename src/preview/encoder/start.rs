//! Starting an encoder process beside a worker, and ending it.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ffmpeg_next::Rational;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::{Deserialize, Serialize};

use super::drill::EncoderDrill;
use super::process::ENCODER_VERB;
use super::wire::{Reply, Shape};
use crate::preview::probe::clean;
use crate::preview::request::Limits;
use crate::sys;

const COMPLAINT_MAX: u64 = 4096;

/// What an encoder process reads at its start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EncoderOrder {
    pub limits: Limits,
    /// Only for tests: libx264 stands in for the hardware.
    #[serde(default)]
    pub stand_in: bool,
    /// Only for tests: misbehave in this way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<EncoderDrill>,
}

/// An encoder process to be started beside a worker.
#[derive(Debug, Clone)]
pub struct Hardware<'a> {
    /// What makes the worker's program an encoder process instead.
    pub arguments: &'a [&'a str],
    pub order: EncoderOrder,
}

/// A running encoder process; killed when dropped.
pub struct Started {
    child: Option<Child>,
    complaining: Option<JoinHandle<String>>,
}

/// Starts it; returns it with the worker's end of the socket. It dies with the thread that calls this.
pub fn start(program: &Path, hardware: &Hardware<'_>) -> io::Result<(Started, OwnedFd)> {
    let (family, stream) = (AddressFamily::UNIX, SocketType::STREAM);
    let (own, theirs) = socketpair(family, stream, SocketFlags::CLOEXEC, None)?;
    let patience = hardware.order.limits.patience();
    // Here, since the worker's sandbox knows no such call.
    set_socket_timeout(&own, Timeout::Send, Some(patience))?;
    let mut command = Command::new(program);
    command
        .args(hardware.arguments)
        .env_clear()
        .env("LIBVA_MESSAGING_LEVEL", "0")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    sys::with_descriptors(&mut command, vec![theirs]);
    let mut child = command.spawn()?;
    drop(command);
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let mut started = Started {
        child: Some(child),
        complaining: None,
    };
    if let Some(mut stdin) = stdin {
        // Smaller than a pipe's buffer; one that died already is seen by its worker.
        let _ = stdin.write_all(&serde_json::to_vec(&hardware.order)?);
    }
    started.complaining = std::thread::Builder::new()
        .name("encoder-err".into())
        .spawn(move || complaint(stderr))
        .ok();
    Ok((started, own))
}

/// The first words of a process's standard error; the rest is read and forgotten, so that it never waits.
pub fn complaint(err: Option<impl Read>) -> String {
    let Some(mut err) = err else {
        return String::new();
    };
    let mut text = Vec::new();
    let _ = (&mut err).take(COMPLAINT_MAX).read_to_end(&mut text);
    let _ = io::copy(&mut err, &mut io::sink());
    String::from_utf8_lossy(&text).into_owned()
}

impl Started {
    /// Ends it; what it said of devices and itself, line by line. The last is how it stands.
    pub fn end(mut self) -> Vec<String> {
        self.kill();
        let said = self.complaining.take().and_then(|told| told.join().ok());
        said.unwrap_or_default().lines().map(clean).collect()
    }

    /// A process that hangs in a driver may take its time to die: nobody waits for it.
    fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let _ = child.kill();
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        // Its standard error may stay open as long.
        self.complaining = None;
        let _ = std::thread::Builder::new()
            .name("encoder-end".into())
            .spawn(move || child.wait());
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What is needed to know whether there is a hardware encoder that works here, such as `h264_vaapi on /dev/dri/renderD128`;
/// else what was tried in vain.
pub fn try_hardware(program: &Path) -> Result<String, String> {
    let limits = Limits {
        memory_bytes: 512 << 20,
        cpu_seconds: 60,
        output_bytes: 0,
        silence_seconds: 60,
    };
    let hardware = Hardware {
        arguments: &[ENCODER_VERB],
        order: EncoderOrder {
            limits,
            stand_in: false,
            drill: None,
        },
    };
    let shape = Shape {
        width: 640,
        height: 360,
        rate: Rational(25, 1),
    };
    let (started, socket) = start(program, &hardware).map_err(|error| error.to_string())?;
    let ready = (|| -> io::Result<bool> {
        set_socket_timeout(&socket, Timeout::Recv, Some(limits.patience()))?;
        let mut socket = File::from(socket);
        socket.write_all(&shape.encode())?;
        let reply = Reply::read(&mut socket, &shape)?;
        Ok(matches!(reply, Reply::Ready { .. }))
    })();
    let mut said = started.end();
    match ready {
        // The last that it tried is the one that works.
        Ok(true) => Ok(said.pop().unwrap_or_default()),
        _ => Err(said.join("; ")),
    }
}
