//! Sealed footage, as the station seals it, before a preview worker in a process of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use camdock::ingest::PreviewOrder;
use camdock::model::{EvidenceId, Part};
use camdock::preview::{
    Limits, PreviewError, PreviewRequest, Settings, WorkerAnswer, WorkerJob, supervise,
};
use camdock::seal::{Curve, ItemKey, Recipient, SealSpec, keygen_recipient, seal_small};

const SETTINGS: Settings = Settings {
    height: 360,
    threads: 2,
    pictures: 64,
    above_bits: None,
};

pub const LIMITS: Limits = Limits {
    memory_bytes: 512 << 20,
    cpu_seconds: 120,
    output_bytes: 1 << 30,
    silence_seconds: 60,
    wall_seconds: 600,
};

pub struct WorkerStage {
    pub dir: tempfile::TempDir,
    recipient: Recipient,
    key: [u8; 32],
    pub evidence: EvidenceId,
    program: PathBuf,
    /// The arguments before the worker's own.
    before: Vec<String>,
}

impl WorkerStage {
    /// With workers that run as whoever runs this test.
    pub fn new(program: &Path) -> Self {
        let (_, public) = keygen_recipient(Curve::P384).unwrap();
        Self {
            dir: tempfile::tempdir().unwrap(),
            recipient: Recipient::from_pem(&public).unwrap(),
            key: *ItemKey::generate().unwrap().into_bytes(),
            evidence: EvidenceId::new(),
            program: program.to_owned(),
            before: Vec::new(),
        }
    }

    /// With workers that run as an ordinary user, without any right of root's, although the test may be root.
    pub fn ordinary(program: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let mut stage = Self::new(program);
        if rustix::process::geteuid().is_root() {
            // The build folder may be out of others' reach.
            let reachable = stage.path("worker");
            if fs::hard_link(program, &reachable).is_err() {
                fs::copy(program, &reachable).unwrap();
            }
            fs::set_permissions(stage.dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
            stage.before = [
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--bounding-set=-all",
                "--inh-caps=-all",
            ]
            .map(str::to_owned)
            .into();
            stage.before.push(reachable.display().to_string());
            stage.program = PathBuf::from("/usr/bin/setpriv");
        }
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn key(&self) -> ItemKey {
        ItemKey::from_bytes(&self.key).unwrap()
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

    /// Runs a worker on a sealed file; The program gets `arguments`. `watched` is called about ten times a second.
    pub fn run_watched(
        &self,
        part: Part,
        limits: Limits,
        sealed: &Path,
        arguments: &[&str],
        watched: &dyn Fn(),
    ) -> Result<WorkerAnswer, PreviewError> {
        let order = PreviewOrder {
            request: PreviewRequest {
                part,
                settings: SETTINGS,
                limits,
            },
            evidence: self.evidence,
            station: "test-1".into(),
            camera: "test/1".into(),
            recipients: vec![self.recipient.to_pem().unwrap()],
            frame_length: 65_536,
        };
        let before = self.before.iter().map(String::as_str);
        let arguments: Vec<&str> = before.chain(arguments.iter().copied()).collect();
        supervise(WorkerJob {
            program: &self.program,
            arguments: &arguments,
            order: order.encode(self.key()).unwrap(),
            input: File::open(sealed).unwrap(),
            output: File::create(self.path("preview")).unwrap(),
            limits,
            paused: &|| {
                watched();
                false
            },
            stopped: &|| false,
            progress: &|_| {},
        })
    }
}
