//! Footage made by ffmpeg, sealed as the station seals it, and previews of it made by the real program.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use camdock::ingest::{PreviewOrder, WORKER_VERB};
use camdock::model::{EvidenceId, Part, Sha256Digest};
use camdock::preview::{
    Answer, Drill, ENCODER_VERB, EncoderOrder, Ending, Hardware, Limits, Made, PreviewError,
    Request, Settings, Supervised, supervise,
};
use camdock::seal::{
    Curve, Expected, ItemKey, KeySource, Recipient, SealSpec, keygen_recipient, open_to, seal_small,
};
use serde_json::Value;

use crate::footage::ffmpeg;

pub const SETTINGS: Settings = Settings {
    height: 360,
    threads: 2,
    pictures: 64,
};

pub const LIMITS: Limits = Limits {
    memory_bytes: 512 << 20,
    cpu_seconds: 120,
    output_bytes: 1 << 30,
    silence_seconds: 60,
};

pub struct Stage {
    pub dir: tempfile::TempDir,
    recipient: Recipient,
    key: [u8; 32],
    evidence: EvidenceId,
    /// The program as another user may start it; `None`: as whoever runs this test.
    ordinary: Option<PathBuf>,
}

impl Stage {
    pub fn new() -> Self {
        let (_, public) = keygen_recipient(Curve::P384).unwrap();
        Self {
            dir: tempfile::tempdir().unwrap(),
            recipient: Recipient::from_pem(&public).unwrap(),
            key: *ItemKey::generate().unwrap().into_bytes(),
            evidence: EvidenceId::new(),
            ordinary: None,
        }
    }

    /// With workers that run as an ordinary user, without any right of root's, although the test may be root.
    pub fn ordinary() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let mut stage = Self::new();
        if rustix::process::geteuid().is_root() {
            // The build folder may be out of others' reach.
            let program = stage.path("camdock");
            let built = env!("CARGO_BIN_EXE_camdock");
            if fs::hard_link(built, &program).is_err() {
                fs::copy(built, &program).unwrap();
            }
            fs::set_permissions(stage.dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
            stage.ordinary = Some(program);
        }
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn key(&self) -> ItemKey {
        ItemKey::from_bytes(&self.key).unwrap()
    }

    /// Runs ffmpeg; returns the path of what it made.
    pub fn film(&self, name: &str, args: &str) -> PathBuf {
        let out = self.path(name);
        ffmpeg(&format!("{args} {}", out.display()));
        out
    }

    /// As a pull leaves it in the spool.
    pub fn seal(&self, plaintext: &[u8]) -> PathBuf {
        let spec = SealSpec {
            recipients: std::slice::from_ref(&self.recipient),
            item_key: Some(&self.key()),
            evidence: self.evidence,
            station: "test-1",
            camera: "test/1",
            part: Part::Original,
            frame_length: 65_536,
        };
        let path = self.path("sealed");
        fs::write(&path, seal_small(&spec, plaintext).unwrap()).unwrap();
        path
    }

    pub fn order(
        &self,
        part: Part,
        settings: Settings,
        limits: Limits,
        drill: Option<Drill>,
    ) -> PreviewOrder {
        PreviewOrder {
            request: Request {
                part,
                settings,
                limits,
                hardware: false,
                drill,
            },
            evidence: self.evidence,
            station: "test-1".into(),
            camera: "test/1".into(),
            recipients: vec![self.recipient.to_pem().unwrap()],
            frame_length: 65_536,
        }
    }

    /// Runs a worker on a sealed file.
    pub fn run(&self, order: &PreviewOrder, sealed: &Path) -> Result<Answer, PreviewError> {
        self.run_beside(order, sealed, None)
    }

    /// Runs a worker on a sealed file, with an encoder process beside it.
    pub fn run_beside(
        &self,
        order: &PreviewOrder,
        sealed: &Path,
        encoder: Option<EncoderOrder>,
    ) -> Result<Answer, PreviewError> {
        let output = self.path("preview");
        let (program, arguments) = self.command(WORKER_VERB);
        let (_, beside) = self.command(ENCODER_VERB);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let beside: Vec<&str> = beside.iter().map(String::as_str).collect();
        supervise(Supervised {
            program,
            arguments: &arguments,
            order: order.encode(self.key()).unwrap(),
            input: File::open(sealed).unwrap(),
            output: File::create(&output).unwrap(),
            limits: order.request.limits,
            hardware: encoder.map(|order| Hardware {
                arguments: &beside,
                order,
            }),
            paused: &|| false,
            stopped: &|| false,
            progress: &|_| {},
        })
    }

    /// What is started for a hidden verb: the program, or what makes an ordinary user's process of it.
    pub fn command(&self, verb: &str) -> (&'static Path, Vec<String>) {
        let Some(own) = &self.ordinary else {
            let program = Path::new(env!("CARGO_BIN_EXE_camdock"));
            return (program, vec![verb.to_owned()]);
        };
        let mut arguments: Vec<String> = [
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--bounding-set=-all",
            "--inh-caps=-all",
        ]
        .map(str::to_owned)
        .into();
        arguments.extend([own.display().to_string(), verb.to_owned()]);
        (Path::new("/usr/bin/setpriv"), arguments)
    }

    /// Makes a preview of plaintext; whatever it is, the worker must answer in its own words.
    #[track_caller]
    pub fn answer(&self, part: Part, plaintext: &[u8]) -> Answer {
        let sealed = self.seal(plaintext);
        let order = self.order(part, SETTINGS, LIMITS, None);
        self.run(&order, &sealed).unwrap()
    }

    /// Makes a preview and opens it.
    #[track_caller]
    pub fn made(&self, part: Part, plaintext: &[u8]) -> (Answer, Made, Vec<u8>) {
        let answer = self.answer(part, plaintext);
        let Ending::Made(made) = answer.report.ending.clone() else {
            panic!("not made: {:?}", answer.report);
        };
        let bytes = self.open(part, &made);
        (answer, made, bytes)
    }

    /// Opens what the worker wrote and compares it with what it said of it.
    #[track_caller]
    pub fn open(&self, part: Part, made: &Made) -> Vec<u8> {
        let path = self.path("preview");
        assert_eq!(fs::metadata(&path).unwrap().len(), made.sealed_size);
        let mut bytes = Vec::new();
        let expected = Expected {
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

    /// What ffprobe says of bytes.
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

    /// How many pictures decode.
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
