//! The worker process: it opens the sealed footage and seals the preview itself.

use std::error::Error as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::process::ExitCode;

use super::PreviewOrder;
use crate::ingest::IngestError;
use crate::model::Part;
use crate::preview::{
    self, Ending, Footage, PreviewError, PreviewRequest, PreviewSink, WorkerMessage, WorkerReport,
};
use crate::seal::{
    FrameBuffer, ItemKey, KeySource, Opener, Recipient, SealError, SealSpec, Sealer,
};
use crate::sys;

/// Either [`preview::work`], or in tests of the sandbox a function that misbehaves.
type Work = dyn Fn(
    &PreviewRequest,
    Box<dyn Footage>,
    Box<dyn PreviewSink>,
    &mut dyn FnMut(WorkerMessage),
) -> WorkerReport;

/// The whole of the worker's program, which only the station starts.
pub fn preview_worker_main(work: &Work) -> ExitCode {
    match preview_worker(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "{error}: {}",
                error.source().map_or_else(String::new, ToString::to_string)
            );
            ExitCode::FAILURE
        }
    }
}

/// Reads the order, closes the sandbox, works and answers.
fn preview_worker(work: &Work) -> Result<(), IngestError> {
    let started = || -> io::Result<_> {
        let input = sys::inherited(preview::SEALED_INPUT)?;
        let output = sys::inherited(preview::SEALED_OUTPUT)?;
        Ok((input, output, PreviewOrder::read()?))
    };
    let (input, output, (order, key)) = started().map_err(PreviewError::Start)?;
    let missing = preview::confine(&order.request)?;
    say(&WorkerMessage::Confined { missing });
    let report = run(&order, &key, input, output, work);
    say(&WorkerMessage::Ended(Box::new(report)));
    Ok(())
}

fn run(
    order: &PreviewOrder,
    key: &ItemKey,
    input: File,
    output: File,
    work: &Work,
) -> WorkerReport {
    let opened = (|| -> Result<_, SealError> {
        let footage = Opener::open(input, &KeySource::Item(key))?;
        footage.message().expect(order.evidence, Part::Original)?;
        Ok((footage, SealingSink::begin(order, key, output)?))
    })();
    match opened {
        Ok((footage, sink)) => work(
            &order.request,
            Box::new(footage),
            Box::new(sink),
            &mut |said| say(&said),
        ),
        Err(error) => WorkerReport {
            ffmpeg: sys::ffmpeg_version(),
            probe: None,
            ending: Ending::Failed {
                code: "preview_footage_unreadable".into(),
                reason: error.to_string(),
            },
            cost: preview::Cost::default(),
        },
    }
}

fn say(said: &WorkerMessage) {
    if let Ok(line) = serde_json::to_string(said) {
        let mut out = io::stdout().lock();
        // If the station has ended, so does this process.
        let _ = out.write_all(line.as_bytes());
        let _ = out.write_all(b"\n");
        let _ = out.flush();
    }
}

/// Seals frame by frame into the descriptor that the worker was given.
struct SealingSink {
    sealer: Option<Sealer>,
    buffer: FrameBuffer,
    filled: usize,
    length: usize,
    file: File,
    size: u64,
}

impl SealingSink {
    fn begin(order: &PreviewOrder, key: &ItemKey, file: File) -> Result<Self, SealError> {
        let recipients = order.recipients.iter();
        let recipients = recipients
            .map(|pem| Recipient::from_pem(pem))
            .collect::<Result<Vec<_>, _>>()?;
        let sealer = Sealer::new(&SealSpec {
            recipients: &recipients,
            item_key: Some(key),
            evidence: order.evidence,
            station: &order.station,
            camera: &order.camera,
            part: order.request.part,
            frame_length: order.frame_length,
        })?;
        let mut sink = Self {
            buffer: FrameBuffer::new(order.frame_length),
            filled: 0,
            length: order.frame_length as usize,
            file,
            size: 0,
            sealer: None,
        };
        sink.file
            .write_all(sealer.header())
            .map_err(SealError::Write)?;
        sink.size = sealer.header().len() as u64;
        sink.sealer = Some(sealer);
        Ok(sink)
    }
}

impl PreviewSink for SealingSink {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.filled == self.length {
                let sealer = self.sealer.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
                self.buffer.fill(self.length);
                let sealed = sealer
                    .seal_regular(&mut self.buffer)
                    .map_err(io::Error::other)?;
                self.file.write_all(sealed)?;
                self.size += sealed.len() as u64;
                self.filled = 0;
            }
            let now = bytes.len().min(self.length - self.filled);
            self.buffer.space()[self.filled..self.filled + now].copy_from_slice(&bytes[..now]);
            self.filled += now;
            bytes = &bytes[now..];
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<u64> {
        let sealer = self.sealer.take().ok_or(io::ErrorKind::BrokenPipe)?;
        self.buffer.fill(self.filled);
        let sealed = sealer
            .seal_final(&mut self.buffer)
            .map_err(io::Error::other)?;
        self.file.write_all(sealed)?;
        self.size += sealed.len() as u64;
        Ok(self.size)
    }
}
