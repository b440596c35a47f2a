//! A share reader beside an office, and what the office and the key desk put into the bucket for a share.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camdock::model::{EvidenceId, Part, Sha256Digest, ShareId};
use camdock::seal::{Curve, ItemKey, Recipient, SealSpec, keygen_recipient, seal_small};
use camdock::web::hash_of;
use serde_json::{Value, json};

use crate::bed::{Bed, private, store_endpoint};
use crate::keydesk::entered;

pub const LIMIT: Duration = Duration::from_secs(30);
pub const TOKEN: &str = "camdock_share_reader";
pub const HOSTILE: &str = "<img src=x onerror=alert(1)>";

pub struct Reader {
    running: Option<Child>,
    dir: tempfile::TempDir,
    port: u16,
}

impl Reader {
    pub fn beside(bed: &Bed) -> Self {
        Self::of(bed, &store_endpoint(), "office-recipients")
    }

    pub fn of(bed: &Bed, endpoint: &str, bucket: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys =
            "access_key_id = \"sharereaderkey\"\nsecret_access_key = \"sharereadersecret\"\n";
        private(&dir.path().join("credentials.toml"), keys);
        private(&dir.path().join("office-token"), TOKEN);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = format!(
            "[sharereader]\noffice_address = \"http://127.0.0.1:{}\"\n[pages]\nlisten = \"127.0.0.1:{port}\"\n\
             [store]\nendpoint = \"{endpoint}\"\nbucket = \"{bucket}\"\nretention_days = 1\ncredentials_file = \"credentials.toml\"\n",
            bed.pages,
        );
        fs::write(dir.path().join("sharereader.toml"), text).unwrap();
        Self {
            running: None,
            dir,
            port,
        }
    }

    /// The office gives it a token, and knows where recipients reach it.
    pub fn introduce(&self, bed: &Bed) {
        let file = bed.path("office.toml");
        let toml = fs::read_to_string(&file).unwrap();
        let token = format!(
            "tokens = [{{ name = \"share reader\", role = \"share_reader\", sha256 = \"{}\" }},",
            hash_of(TOKEN)
        );
        let share = format!("[share]\naddress = \"{}\"\n[pages]", self.url("/"));
        let toml = toml.replacen("tokens = [", &token, 1);
        fs::write(file, toml.replacen("[pages]", &share, 1)).unwrap();
    }

    pub fn camdock(&self, verb: &str) -> Command {
        let mut camdock = Command::new(env!("CARGO_BIN_EXE_camdock"));
        camdock.arg("--config");
        camdock.arg(self.dir.path().join("sharereader.toml"));
        camdock.args(["office", "sharereader", verb]);
        camdock
    }

    pub fn run(&mut self) {
        let log = fs::File::create(self.dir.path().join("log")).unwrap();
        let mut camdock = self.camdock("run");
        let running = camdock.stdout(Stdio::null()).stderr(log).spawn();
        self.running = Some(running.unwrap());
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < LIMIT, "{}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn said(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What a stranger gets: status, and the body.
    pub fn asked(&self, path: &str, post: Option<&str>) -> (String, String) {
        let mut curl = Command::new("curl");
        // Another address than the browser's, with a limit of its own.
        curl.args(["-s", "-w", "\n%{http_code}", "--interface", "127.0.0.2"]);
        if let Some(body) = post {
            curl.args(["--data", body, "-H", "content-type: application/json"]);
        }
        let got = curl.arg(self.url(path)).output().unwrap();
        let said = String::from_utf8(got.stdout).unwrap();
        let (body, status) = said.rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }
}

/// Somebody outside, with the key file that they made.
pub struct Outsider {
    pub file: PathBuf,
    pub key: Recipient,
    /// SubjectPublicKeyInfo, base64.
    spki: String,
}

impl Outsider {
    pub fn new(dir: &Path, name: &str) -> Self {
        let (secret, public) = keygen_recipient(Curve::P384).unwrap();
        let file = dir.join(format!("{name}.key.pem"));
        fs::write(&file, secret.as_str()).unwrap();
        let lines = public.lines().filter(|line| !line.starts_with('-'));
        Self {
            file,
            key: Recipient::from_pem(&public).unwrap(),
            spki: lines.collect(),
        }
    }
}

/// A sealed recording in the bucket, as its station put it there.
pub struct Film {
    pub id: EvidenceId,
    key: ItemKey,
    pub plain: Vec<u8>,
    pub sealed: u64,
}

impl Film {
    pub fn put(bed: &Bed, plain: &[u8], spoilt: impl Fn(Vec<u8>) -> Vec<u8>) -> Self {
        let (_, of_force) = keygen_recipient(Curve::P384).unwrap();
        let recipients = [Recipient::from_pem(&of_force).unwrap()];
        let (id, key) = (EvidenceId::new(), ItemKey::generate().unwrap());
        let seal = |part, bytes: &[u8]| {
            let spec = SealSpec {
                recipients: &recipients,
                item_key: Some(&key),
                evidence: id,
                station: "one",
                camera: "acme/X1",
                part,
                frame_length: 16384,
            };
            seal_small(&spec, bytes).unwrap()
        };
        let sealed = spoilt(seal(Part::Original, plain));
        let size = sealed.len() as u64;
        bed.put(&format!("evidence/one/{id}/original"), sealed);
        let sheet = seal(Part::Storyboard, JPEG);
        bed.put(&format!("evidence/one/{id}/storyboard"), sheet);
        Self {
            id,
            plain: plain.to_vec(),
            sealed: size,
            key,
        }
    }

    pub fn sheet_size(&self, bed: &Bed) -> usize {
        bed.bytes(&format!("evidence/one/{}/storyboard", self.id))
            .len()
    }
}

/// A picture of one point.
const JPEG: &[u8] = include_bytes!("point.jpg");

pub fn number(n: u8) -> ShareId {
    ShareId::from_bytes([n; 16])
}

pub fn manifest(bed: &Bed, share: ShareId, to: &Outsider, films: &[&Film]) -> Value {
    let items: Vec<Value> = films
        .iter()
        .map(|film| {
            let folder = format!("evidence/one/{}", film.id);
            json!({
                "id": film.id, "station": "one", "name": format!("{HOSTILE}.MP4"), "recorded_from": "2026-01-02T10:00:00Z",
                "recorded_until": "2026-01-02T10:00:03Z", "media_type": "video/mp4", "size": film.plain.len(),
                "sha256": Sha256Digest::of(&film.plain),
                "original": {"key": format!("{folder}/original"), "version": null, "size": film.sealed},
                "preview": null,
                "storyboard": {"key": format!("{folder}/storyboard"), "version": null, "size": film.sheet_size(bed)},
                "item_key": format!("shares/{share}/{}/item-key", film.id),
            })
        })
        .collect();
    json!({
        "share": share, "office": "office-1", "made_at": "2026-01-03T00:00:00Z", "until": "2999-01-01T00:00:00Z", "by": "M. Shah",
        "reason": HOSTILE, "to": {"name": "A. Clerk", "organisation": "CPS", "fingerprint": to.key.fingerprint(), "public_key": to.spki},
        "items": items,
    })
}

/// What the office and the key desk put into the bucket for a share; returns its manifest.
pub fn put_share(bed: &Bed, share: ShareId, to: &Outsider, films: &[&Film]) -> Value {
    let told = manifest(bed, share, to, films);
    put_manifest(bed, share, &told);
    for film in films {
        let message = film.key.seal_to_share(share, &to.key, film.id, "one");
        let key = format!("shares/{share}/{}/item-key", film.id);
        bed.put(&key, message.unwrap());
    }
    told
}

pub fn put_manifest(bed: &Bed, share: ShareId, manifest: &Value) {
    let bytes = manifest.to_string().into_bytes();
    bed.put(&format!("shares/{share}/manifest.json"), bytes);
}

pub fn shared(share: ShareId, to: &Outsider, film: &Film, manifest: &Value) -> Value {
    let digest = Sha256Digest::of(manifest.to_string().as_bytes());
    entered(
        "item.shared",
        json!({"evidence": film.id, "log": "one", "manifest_sha256": digest, "operator": "M. Shah", "peer": "uid 0 (root)", "reason_sha256": "0".repeat(64),
            "share": share, "to": to.key.fingerprint(), "until": "2999-01-01T00:00:00Z"}),
    )
}

pub fn ended(share: ShareId, film: &Film) -> Value {
    entered(
        "share.ended",
        json!({"evidence": film.id, "log": "one", "operator": "M. Shah", "peer": "uid 0 (root)", "reason_sha256": "0".repeat(64),
            "share": share}),
    )
}

/// Somebody confirmed this key.
pub fn added(to: &Outsider) -> Value {
    let outside = json!({"from": "2026-01-01T00:00:00Z", "organisation": "CPS", "until": "2999-01-01T00:00:00Z"});
    entered(
        "person.added",
        json!({"fingerprint": to.key.fingerprint(), "key": to.key.to_pem().unwrap(), "operator": "M. Shah", "outside": outside,
            "peer": "uid 0 (root)", "person": "A. Clerk", "reason_sha256": "0".repeat(64), "roles": []}),
    )
}

/// Nothing is shared with this key any more.
pub fn removed(whom: &Outsider) -> Value {
    entered(
        "person.removed",
        json!({"fingerprint": whom.key.fingerprint(), "operator": "M. Shah", "outside": true, "peer": "uid 0 (root)",
            "person": "A. Clerk", "reason_sha256": "0".repeat(64), "supersedes": {"index": 0, "log": "office-1"}}),
    )
}
