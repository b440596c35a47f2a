//! What runs behind the sandbox. The process around it gives footage and sink; see `ingest`.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest as _, Sha256};

use super::decode::VideoDecoder;
use super::error::Trouble;
use super::request::{Cost, Ending, Footage, Made, Report, Request, Said, Sink};
use super::{PreviewError, input, probe, proxy, storyboard};
use crate::model::{Part, Picture, Probe, Sha256Digest};
use crate::sys;

/// Descriptors that a worker is started with, besides the three standard ones.
pub const SEALED_INPUT: i32 = 3;
pub const SEALED_OUTPUT: i32 = 4;

/// Closes the sandbox; returns the layers that this kernel lacks.
pub fn confine(request: &Request) -> Result<Vec<String>, PreviewError> {
    let limits = &request.limits;
    sys::background_priority();
    let missing = sys::confine(&sys::Confinement {
        memory_bytes: limits.memory_bytes,
        cpu_seconds: limits.cpu_seconds,
        output_bytes: limits.output_bytes,
        descriptors: SEALED_OUTPUT.unsigned_abs() + 1,
    })?;
    Ok(missing.into_iter().map(str::to_owned).collect())
}

/// Makes what is asked for. Every trouble with the footage is an ending, never an error.
pub fn work(
    request: &Request,
    footage: Box<dyn Footage>,
    sink: Box<dyn Sink>,
    say: &mut dyn FnMut(Said),
) -> Report {
    let output = Output::new(sink);
    let mut found = None;
    let mut told = Instant::now();
    let mut progress = |ms: u64| {
        if told.elapsed() > Duration::from_millis(500) {
            told = Instant::now();
            say(Said::Progress(ms));
        }
    };
    let ending = match make(request, footage, &output, &mut found, &mut progress) {
        Ok(picture) => match output.finish(picture) {
            Ok(made) => Ending::Made(made),
            Err(error) => failed(&Trouble::Output(error)),
        },
        Err(Trouble::NotVideo(reason)) => Ending::Skipped(reason.into()),
        Err(trouble) => failed(&trouble),
    };
    Report {
        ffmpeg: sys::ffmpeg_version(),
        probe: found,
        ending,
        cost: cost(),
    }
}

fn cost() -> Cost {
    let (cpu_ms, peak_rss_bytes) = sys::usage();
    Cost {
        cpu_ms,
        peak_rss_bytes,
    }
}

fn failed(trouble: &Trouble) -> Ending {
    let mut reason = trouble.to_string();
    let mut source = std::error::Error::source(trouble);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    Ending::Failed {
        code: trouble.code().to_owned(),
        reason,
    }
}

fn make(
    request: &Request,
    footage: Box<dyn Footage>,
    output: &Output,
    found: &mut Option<Probe>,
    progress: &mut dyn FnMut(u64),
) -> Result<Picture, Trouble> {
    let mut opened = input::open(footage, found)?;
    let sheet = request.part == Part::Storyboard;
    // A decoder that shares pictures among threads always has some of them waiting: one more keeps all cores at work.
    let threads = if sheet {
        1
    } else {
        request.settings.threads.saturating_add(1)
    };
    let opening = VideoDecoder::open(&opened, threads, 0);
    let decoder = opening.as_ref().ok().and_then(Option::as_ref);
    *found = Some(probe::probe(&mut opened, decoder));
    let decoder = opening?.ok_or(Trouble::NotVideo("there is no video track in it"))?;
    if sheet {
        let (jpeg, picture) = storyboard::make(&mut opened, decoder, &request.settings, progress)?;
        output.tap().write_all(&jpeg).map_err(Trouble::Output)?;
        return Ok(picture);
    }
    let (picture, key_frames) =
        proxy::make(&mut opened, decoder, &request.settings, output, progress)?;
    if let Some(video) = found.as_mut().and_then(|probe| probe.video.as_mut()) {
        video.key_frames = Some(key_frames);
    }
    Ok(picture)
}

/// The preview's plaintext on its way into the sink: hashed and counted.
#[derive(Clone)]
pub struct Output(Arc<Mutex<Tapped>>);

struct Tapped {
    sink: Box<dyn Sink>,
    hash: Sha256,
    size: u64,
}

impl Output {
    fn new(sink: Box<dyn Sink>) -> Self {
        Self(Arc::new(Mutex::new(Tapped {
            sink,
            hash: Sha256::new(),
            size: 0,
        })))
    }

    pub fn tap(&self) -> Self {
        self.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Tapped> {
        self.0.lock()
    }

    fn finish(&self, picture: Picture) -> io::Result<Made> {
        let mut tapped = self.lock();
        let sealed_size = tapped.sink.finish()?;
        Ok(Made {
            sha256: Sha256Digest(tapped.hash.finalize_reset().into()),
            size: tapped.size,
            sealed_size,
            picture,
        })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut tapped = self.lock();
        tapped.sink.write(bytes)?;
        tapped.hash.update(bytes);
        tapped.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
