//! Footage that fails while it is read, in every way: ffmpeg and our I/O context must come to an end, and in one piece.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::OnceLock;

use camdock::model::Part;
use camdock::preview::{Ending, Limits, PreviewRequest, PreviewSink, Settings, work};
use proptest::prelude::*;

use crate::footage::ffmpeg;

/// A small real file, made once by the ffmpeg command line.
fn film() -> &'static [u8] {
    static FILM: OnceLock<Vec<u8>> = OnceLock::new();
    FILM.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.mp4");
        let source = "-f lavfi -i testsrc2=s=160x120:r=10:d=3 -f lavfi -i sine=d=3";
        let codecs = "-c:v libx264 -preset ultrafast -g 10 -c:a aac";
        ffmpeg(&format!("{source} {codecs} {}", path.display()));
        std::fs::read(&path).unwrap()
    })
}

/// The fault at the nth call.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Error,
    Interrupted,
    EndOfFile,
    Panic,
    WrongBytes,
}

struct Unreliable {
    at: u64,
    calls: u32,
    /// Bytes that one read gives at most.
    step: usize,
    faults: Vec<(u32, Fault)>,
    lies: i64,
}

impl Unreliable {
    fn fault(&mut self) -> Option<Fault> {
        self.calls += 1;
        let now = self.calls;
        self.faults
            .iter()
            .find(|(at, _)| *at == now)
            .map(|(_, f)| *f)
    }
}

impl Read for Unreliable {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let fault = self.fault();
        let film = film();
        let from = usize::try_from(self.at)
            .unwrap_or(usize::MAX)
            .min(film.len());
        let length = out.len().min(self.step).min(film.len() - from);
        match fault {
            Some(Fault::Error) => return Err(io::Error::other("the test fails this call")),
            Some(Fault::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
            Some(Fault::EndOfFile) => return Ok(0),
            Some(Fault::Panic) => panic!("the test panics in this call"),
            Some(Fault::WrongBytes) => out[..length].fill(0xa5),
            None => out[..length].copy_from_slice(&film[from..from + length]),
        }
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Unreliable {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self.fault() {
            Some(Fault::Panic) => panic!("the test panics in this call"),
            Some(Fault::Error) => return Err(io::Error::other("the test fails this call")),
            _ => {}
        }
        let size = (film().len() as u64).saturating_add_signed(self.lies);
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => size.checked_add_signed(by),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[derive(Default)]
struct Counted(u64);

impl PreviewSink for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0 += bytes.len() as u64;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<u64> {
        Ok(self.0)
    }
}

fn run(part: Part, footage: Unreliable) -> Ending {
    let request = PreviewRequest {
        part,
        settings: Settings {
            height: 360,
            threads: 1,
            pictures: 8,
            above_bits: None,
        },
        limits: Limits {
            memory_bytes: 0,
            cpu_seconds: 0,
            output_bytes: 0,
            silence_seconds: 0,
            wall_seconds: 0,
        },
    };
    work(
        &request,
        Box::new(footage),
        Box::<Counted>::default(),
        &mut |_| {},
    )
    .ending
}

#[test]
fn without_faults_it_is_made_however_small_the_reads_are() {
    for (part, step) in [
        (Part::Storyboard, 7),
        (Part::Preview, 1000),
        (Part::Preview, usize::MAX),
    ] {
        let footage = Unreliable {
            at: 0,
            calls: 0,
            step,
            faults: Vec::new(),
            lies: 0,
        };
        let ending = run(part, footage);
        assert!(matches!(ending, Ending::Made(_)), "{ending:?}");
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Error),
        Just(Fault::Interrupted),
        Just(Fault::EndOfFile),
        Just(Fault::Panic),
        Just(Fault::WrongBytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn faults_of_the_reader_end_in_an_answer(
        sheet in any::<bool>(),
        step in prop_oneof![Just(13usize), 100..5000usize, Just(1 << 20)],
        faults in proptest::collection::vec((0..400u32, fault()), 0..6),
        lies in prop_oneof![Just(0i64), -20_000..20_000i64, Just(1 << 40)],
    ) {
        let part = if sheet { Part::Storyboard } else { Part::Preview };
        let only_interrupted = faults.iter().all(|(_, f)| matches!(f, Fault::Interrupted));
        let footage = Unreliable { at: 0, calls: 0, step, faults, lies };
        let ending = run(part, footage);
        if only_interrupted && lies == 0 {
            prop_assert!(matches!(ending, Ending::Made(_)), "{:?}", ending);
        }
    }
}
