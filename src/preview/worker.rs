//! The worker's part behind the sandbox. The process around it opens the footage and the sink; see `ingest`.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::error::{FootageError, PreviewError};
use super::output::HashingOutput;
use super::request::{
    Cost, Ending, Footage, PreviewRequest, PreviewSink, WorkerMessage, WorkerReport,
};
use super::video::VideoDecoder;
use super::{playable, probe, proxy, recording, storyboard};
use crate::model::{Part, Picture, Probe};
use crate::sys;

/// The descriptors that a worker starts with, besides the three standard ones.
pub const SEALED_INPUT: i32 = 3;
pub const SEALED_OUTPUT: i32 = 4;

/// Closes the sandbox; returns the layers that this kernel lacks.
pub fn confine(request: &PreviewRequest) -> Result<Vec<String>, PreviewError> {
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

/// Makes the preview that is asked for. A fault of the footage is an ending, never an error.
pub fn work(
    request: &PreviewRequest,
    footage: Box<dyn Footage>,
    sink: Box<dyn PreviewSink>,
    say: &mut dyn FnMut(WorkerMessage),
) -> WorkerReport {
    let output = HashingOutput::new(sink);
    let mut found = None;
    let mut last = Instant::now();
    let mut progress = |ms: u64| {
        if last.elapsed() > Duration::from_millis(500) {
            last = Instant::now();
            say(WorkerMessage::Progress(ms));
        }
    };
    let ending = match make(request, footage, &output, &mut found, &mut progress) {
        Ok(picture) => match output.finish(picture) {
            Ok(made) => Ending::Made(made),
            Err(error) => failed(&FootageError::Output(error)),
        },
        Err(error @ (FootageError::NotVideo(_) | FootageError::NotNeeded(_))) => Ending::Skipped {
            code: error.code().to_owned(),
            reason: error.to_string(),
        },
        Err(error) => failed(&error),
    };
    WorkerReport {
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

fn failed(error: &FootageError) -> Ending {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    Ending::Failed {
        code: error.code().to_owned(),
        reason,
    }
}

fn make(
    request: &PreviewRequest,
    footage: Box<dyn Footage>,
    output: &HashingOutput,
    found: &mut Option<Probe>,
    progress: &mut dyn FnMut(u64),
) -> Result<Picture, FootageError> {
    let mut recording = recording::open(footage).inspect_err(|error| {
        if let FootageError::NoIndex(structure) = error
            && (structure.brand.is_some() || structure.media_bytes > 0)
        {
            *found = Some(probe::without_index(structure));
        }
    })?;
    let sheet = request.part == Part::Storyboard;
    // One of a decoder's threads is always waiting for another: one more keeps all cores busy.
    let threads = if sheet {
        1
    } else {
        request.settings.threads.saturating_add(1)
    };
    let opening = VideoDecoder::open(&recording, threads);
    let decoder = opening.as_ref().ok().and_then(Option::as_ref);
    *found = Some(probe::probe(&mut recording, decoder));
    let decoder = opening?.ok_or(FootageError::NotVideo("there is no video track in it"))?;
    if sheet {
        let (jpeg, picture) =
            storyboard::make(&mut recording, decoder, &request.settings, progress)?;
        output
            .clone()
            .write_all(&jpeg)
            .map_err(FootageError::Output)?;
        return Ok(picture);
    }
    if let (Some(most), Some(probe)) = (request.settings.above_bits, found.as_ref())
        && let Some(reason) = playable::without_proxy(&recording, probe, most)
    {
        return Err(FootageError::NotNeeded(reason));
    }
    let (picture, key_frames) =
        proxy::make(&mut recording, decoder, &request.settings, output, progress)?;
    if let Some(video) = found.as_mut().and_then(|probe| probe.video.as_mut()) {
        video.key_frames = Some(key_frames);
    }
    Ok(picture)
}
