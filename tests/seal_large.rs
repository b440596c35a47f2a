//! Nothing in the format or the code stops at 4 GiB. The message flows through pipes: no large file is left or needed.

#[path = "support/tools.rs"]
mod tools;

use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use camdock::durable::DurableError;
use camdock::model::{EvidenceId, Part};
use camdock::seal::{
    Buffers, Curve, ItemKey, KeySource, PullWatch, Recipient, RecipientKey, SealSpec, SealedSink,
    Sealer, Start, keygen_recipient, open_to, seal_stream, sealed_size,
};
use tools::tool;

const SIZE: u64 = (4 << 30) + 5;
const FRAME: u32 = 1 << 20;

/// Gives the same bytes to two readers.
struct Tee<A, B>(A, B);

impl<A: Write + Send, B: Write + Send> SealedSink for Tee<A, B> {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        self.0.write_all(bytes).unwrap();
        self.1.write_all(bytes).unwrap();
        Ok(())
    }
}

struct NoWatch;

impl PullWatch for NoWatch {
    fn progress(&self, _: u64) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// A sparse file with marks on both sides of 2 GiB and 4 GiB.
fn source(path: &Path) -> File {
    let file = File::create_new(path).unwrap();
    file.set_len(SIZE).unwrap();
    for at in [0, (2 << 30) - 3, (4 << 30) - 8, SIZE - 5] {
        file.write_all_at(b"mark!", at).unwrap();
    }
    File::open(path).unwrap()
}

#[test]
fn an_object_over_4_gib_opens_with_the_official_sdk() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (private, public) = keygen_recipient(Curve::P384).unwrap();
    let pem = folder.join("p384.pem");
    fs::write(&pem, private.as_bytes()).unwrap();
    let recipients = [Recipient::from_pem(&public).unwrap()];
    let key = RecipientKey::from_pem(&private).unwrap();
    let item = ItemKey::generate().unwrap();
    let spec = SealSpec {
        recipients: &recipients,
        item_key: Some(&item),
        evidence: EvidenceId::new(),
        station: "depot-7",
        camera: "B7F-00412",
        part: Part::Original,
        frame_length: FRAME,
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/py/seal_stream.py");
    let begun = Instant::now();
    let mut child = Command::new(tool("python"))
        .arg(script)
        .arg("p384")
        .arg(&pem)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (ours, to_ours) = std::io::pipe().unwrap();
    let opened = std::thread::spawn(move || {
        open_to(
            BufReader::new(ours),
            &KeySource::Recipient(&key),
            None,
            |_| Ok(()),
        )
    });

    let sealer = Sealer::new(&spec).unwrap();
    let header = sealer.header().to_vec();
    let mut sink = Tee(child.stdin.take().unwrap(), to_ours);
    sink.append(&header).unwrap();
    let sealed = seal_stream(
        &mut source(&folder.join("source")),
        &mut sink,
        Start::fresh(sealer),
        &mut Buffers::new(FRAME, 4),
        true,
        &NoWatch,
    )
    .unwrap();
    drop(sink);
    let output = child.wait_with_output().unwrap();
    println!("sealed and opened twice in {:?}", begun.elapsed());

    assert_eq!(sealed.size, SIZE);
    assert_eq!(
        sealed.sealed_size,
        sealed_size(header.len() as u64, SIZE, FRAME)
    );
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.trim(), format!("{} {SIZE}", sealed.sha256));
    assert_eq!(opened.join().unwrap().unwrap(), (sealed.sha256, SIZE));
}
