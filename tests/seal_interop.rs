//! The official AWS Encryption SDK for Python opens CamDock's messages, and the other way round.

#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use camdock::model::{EvidenceId, Part};
use camdock::seal::{
    Curve, ItemKey, KeySource, Opener, Recipient, RecipientKey, SealSpec, key_name,
    keygen_recipient, open_to, seal_small,
};
use serde_json::{Value, json};
use tools::tool;

const FRAME: u32 = 4096;

fn run(folder: &Path, job: &Value) -> String {
    let path = folder.join("job.json");
    fs::write(&path, job.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py/seal_interop.py");
    let output = Command::new(tool("python"))
        .arg(script)
        .arg(path)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the official SDK says: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Keys of one test, in files for the other side.
struct Keys {
    recipients: Vec<(&'static str, RecipientKey, Recipient)>,
    item: ItemKey,
    item_hex: String,
    evidence: EvidenceId,
}

impl Keys {
    fn new(folder: &Path) -> Self {
        let recipients = [("p384", Curve::P384), ("p256", Curve::P256)]
            .map(|(name, curve)| {
                let (private, public) = keygen_recipient(curve).unwrap();
                fs::write(folder.join(format!("{name}.pem")), private.as_bytes()).unwrap();
                fs::write(folder.join(format!("{name}.pub")), &public).unwrap();
                let key = RecipientKey::from_pem(&private).unwrap();
                (name, key, Recipient::from_pem(&public).unwrap())
            })
            .into();
        let bytes: Vec<u8> = (0..32).map(|n| n * 7 + 1).collect();
        Self {
            recipients,
            item: ItemKey::from_bytes(&bytes).unwrap(),
            item_hex: (0..32)
                .map(|n| format!("{:02x}", n * 7 + 1))
                .collect::<Vec<_>>()
                .concat(),
            evidence: EvidenceId::new(),
        }
    }

    /// Each key as the script takes it; `extension` is `pem` to open and `pub` to seal.
    fn for_python(&self, folder: &Path, extension: &str) -> Vec<Value> {
        let mut keys: Vec<_> = self
            .recipients
            .iter()
            .map(|(name, ..)| json!({"curve": name, "pem": folder.join(format!("{name}.{extension}"))}))
            .collect();
        keys.push(json!({"name": key_name(&self.evidence.to_string()), "hex": self.item_hex}));
        keys
    }

    fn context(&self) -> Value {
        json!({
            "camdock:camera": "Kamera Ä 7",
            "camdock:evidence-id": self.evidence.to_string(),
            "camdock:part": "original",
            "camdock:station": "depot-7",
        })
    }
}

fn plaintexts(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let frame = FRAME as usize;
    [
        0,
        1,
        frame - 1,
        frame,
        frame + 1,
        2 * frame,
        50 * frame + 77,
    ]
    .map(|size| {
        let plain: Vec<u8> = (0..=250u8).cycle().take(size).collect();
        let path = folder.join(format!("{size}.plain"));
        fs::write(&path, &plain).unwrap();
        (path, plain)
    })
    .into()
}

#[test]
fn what_we_seal_opens_with_the_official_sdk_and_every_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let keys = Keys::new(folder);
    let recipients: Vec<_> = keys.recipients.iter().map(|r| r.2.clone()).collect();
    let mut open = Vec::new();
    for (path, plain) in plaintexts(folder) {
        let spec = SealSpec {
            recipients: &recipients,
            item_key: Some(&keys.item),
            evidence: keys.evidence,
            station: "depot-7",
            camera: "Kamera Ä 7",
            part: Part::Original,
            frame_length: FRAME,
        };
        let message = path.with_extension("sealed");
        fs::write(&message, seal_small(&spec, &plain).unwrap()).unwrap();
        for key in keys.for_python(folder, "pem") {
            open.push(json!({
                "message": message, "plaintext": path, "key": key, "context": keys.context(),
            }));
        }
    }
    let said = run(folder, &json!({"open": open, "make": []}));
    assert_eq!(said.trim(), "opened 21, made 0");
}

#[test]
fn what_the_official_sdk_seals_opens_with_our_keys() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let keys = Keys::new(folder);
    let mut make = Vec::new();
    for (path, _) in plaintexts(folder) {
        for (n, key) in keys.for_python(folder, "pub").into_iter().enumerate() {
            make.push(json!({
                "message": path.with_extension(format!("sealed{n}")), "plaintext": path,
                "key": key, "context": keys.context(), "frame_length": FRAME,
            }));
        }
    }
    run(folder, &json!({"open": [], "make": make}));
    let sources = [
        KeySource::Recipient(&keys.recipients[0].1),
        KeySource::Recipient(&keys.recipients[1].1),
        KeySource::Item(&keys.item),
    ];
    for (path, plain) in plaintexts(folder) {
        for (n, source) in sources.iter().enumerate() {
            let message = fs::read(path.with_extension(format!("sealed{n}"))).unwrap();
            let mut out = Vec::new();
            open_to(&message[..], source, None, |chunk| {
                out.extend_from_slice(chunk);
                Ok(())
            })
            .unwrap_or_else(|e| panic!("{} with key {n}: {e}", path.display()));
            assert_eq!(out, plain);
            let opener = Opener::open(&message[..], source).unwrap();
            opener
                .message()
                .expect(keys.evidence, Part::Original)
                .unwrap();
            assert_eq!(
                opener.message().header.context.get("camdock:camera"),
                Some("Kamera Ä 7")
            );
        }
    }
}
