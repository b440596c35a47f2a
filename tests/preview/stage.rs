//! Footage made by ffmpeg, and previews of it made by the real program.

use std::fs::{self, File};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use camdock::model::{Part, Sha256Digest};
use camdock::preview::{Ending, FinishedPreview, PreviewError, WorkerAnswer};
use camdock::seal::{ExpectedMessage, KeySource, open_to};
use serde_json::Value;

use crate::footage::ffmpeg;
use crate::worker_stage::{LIMITS, WorkerStage};

pub struct Stage(WorkerStage);

impl Deref for Stage {
    type Target = WorkerStage;

    fn deref(&self) -> &WorkerStage {
        &self.0
    }
}

impl Stage {
    pub fn new() -> Self {
        Self(WorkerStage::new(Path::new(env!(
            "CARGO_BIN_EXE_camdock-preview"
        ))))
    }

    /// With workers that run as an ordinary user.
    pub fn ordinary() -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_camdock-preview"));
        Self(WorkerStage::ordinary(program))
    }

    /// Runs ffmpeg; returns the path of what it made.
    pub fn film(&self, name: &str, args: &str) -> PathBuf {
        let out = self.path(name);
        ffmpeg(&format!("{args} {}", out.display()));
        out
    }

    /// Runs a worker on a sealed file.
    pub fn run(&self, part: Part, sealed: &Path) -> Result<WorkerAnswer, PreviewError> {
        self.run_watched(part, LIMITS, sealed, &[], &|| {})
    }

    /// Makes a preview of plaintext; whatever it is, the worker must answer in its own words.
    #[track_caller]
    pub fn answer(&self, part: Part, plaintext: &[u8]) -> WorkerAnswer {
        let sealed = self.seal(plaintext);
        self.run(part, &sealed).unwrap()
    }

    /// Makes a preview and opens it.
    #[track_caller]
    pub fn made(&self, part: Part, plaintext: &[u8]) -> (WorkerAnswer, FinishedPreview, Vec<u8>) {
        let answer = self.answer(part, plaintext);
        let Ending::Made(made) = answer.report.ending.clone() else {
            panic!("not made: {:?}", answer.report);
        };
        let bytes = self.open(part, &made);
        (answer, made, bytes)
    }

    /// Opens what the worker wrote and compares it with what it said of it.
    #[track_caller]
    pub fn open(&self, part: Part, made: &FinishedPreview) -> Vec<u8> {
        let path = self.path("preview");
        assert_eq!(fs::metadata(&path).unwrap().len(), made.sealed_size);
        let mut bytes = Vec::new();
        let expected = ExpectedMessage {
            evidence: self.evidence,
            part,
            sha256: Some(made.sha256),
        };
        let key = self.key();
        open_to(
            File::open(&path).unwrap(),
            &KeySource::Item(&key),
            Some(&expected),
            |chunk| {
                bytes.extend_from_slice(chunk);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(bytes.len() as u64, made.size);
        assert_eq!(Sha256Digest::of(&bytes), made.sha256);
        bytes
    }

    /// The output of ffprobe for these bytes.
    #[track_caller]
    pub fn ffprobe(&self, name: &str, bytes: &[u8]) -> Value {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        let out = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-show_format",
                "-show_streams",
                "-of",
                "json",
            ])
            .arg(&path)
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        assert!(
            out.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        serde_json::from_slice(&out.stdout).unwrap()
    }

    /// Every picture of a file decodes without a complaint.
    #[track_caller]
    pub fn decodes(&self, name: &str) {
        let out = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-xerror", "-i"])
            .arg(self.path(name))
            .args(["-f", "null", "-"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success() && said.is_empty(), "{said}");
    }

    /// The number of pictures that decode.
    pub fn frames(&self, name: &str) -> u64 {
        let out = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-count_frames",
                "-select_streams",
                "v",
                "-show_entries",
            ])
            .args(["stream=nb_read_frames", "-of", "csv=p=0"])
            .arg(self.path(name))
            .output()
            .unwrap();
        String::from_utf8(out.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    /// The sound as 16-bit samples of one channel.
    pub fn samples(&self, name: &str, bytes: &[u8], rate: u32) -> Vec<i16> {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        let raw = raw(Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-i"])
            .arg(&path)
            .args([
                "-vn",
                "-ac",
                "1",
                "-ar",
                &rate.to_string(),
                "-f",
                "s16le",
                "-",
            ]));
        raw.chunks_exact(2)
            .map(|b| i16::from_le_bytes([b[0], b[1]]))
            .collect()
    }

    /// A picture as ffmpeg itself turns and scales it, in grey.
    pub fn like_ffmpeg(&self, name: &str, seconds: f64, (width, height): (u32, u32)) -> Vec<u8> {
        raw(Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-ss", &seconds.to_string(), "-i"])
            .arg(self.path(name))
            .args(["-frames:v", "1", "-vf", &format!("scale={width}:{height}")])
            .args(["-f", "rawvideo", "-pix_fmt", "gray", "-"]))
    }

    /// One picture as grey pixels, at `seconds`, with its width.
    pub fn grey(&self, bytes: &[u8], seconds: f64) -> (usize, Vec<u8>) {
        let path = self.path("shown");
        fs::write(&path, bytes).unwrap();
        let probe = self.ffprobe("shown", bytes);
        let width = probe["streams"][0]["width"].as_u64().unwrap();
        let grey = raw(Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-ss", &seconds.to_string(), "-i"])
            .arg(&path)
            .args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"]));
        (usize::try_from(width).unwrap(), grey)
    }
}

#[track_caller]
fn raw(command: &mut Command) -> Vec<u8> {
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    out.stdout
}
