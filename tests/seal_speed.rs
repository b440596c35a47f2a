//! Speed figures of sealing. Prints only; run it alone on a quiet machine:
//! `CAMDOCK_SPEED=1 cargo test --release --test seal_speed -- --nocapture`.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write as _};
use std::path::Path;
use std::time::Instant;

use camdock::durable::BulkFile;
use camdock::model::{EvidenceId, Part};
use camdock::seal::{
    Buffers, Curve, ItemKey, PullWatch, Recipient, SealSpec, Sealer, Start, keygen_recipient,
    seal_stream,
};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

const TOTAL: u64 = 1 << 30;
const ROUNDS: usize = 3;

struct NoWatch;

impl PullWatch for NoWatch {
    fn progress(&self, _: u64) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// The best of a few rounds, in MB/s: the speed of the code without what else ran on the machine.
fn rate(bytes: u64, mut work: impl FnMut()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            work();
            bytes as f64 / 1e6 / begun.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

/// One pull into a file in memory, which is removed again.
fn pull(source: &Path, target: &Path, spec: &SealSpec<'_>, side_by_side: bool) {
    let mut buffers = Buffers::new(spec.frame_length, 4);
    let mut source = File::open(source).unwrap();
    let sealer = Sealer::new(spec).unwrap();
    let mut file = BulkFile::create(target, TOTAL).unwrap();
    file.append(sealer.header()).unwrap();
    let start = Start::fresh(sealer);
    let sealed = seal_stream(
        &mut source,
        &mut file,
        start,
        &mut buffers,
        side_by_side,
        &NoWatch,
    )
    .unwrap();
    assert_eq!(sealed.size, TOTAL);
    std::fs::remove_file(target).unwrap();
}

fn floor(folder: &Path, frame_length: usize) {
    let mut frame = vec![7u8; frame_length];
    let frames = TOTAL / frame_length as u64;
    let hash = rate(TOTAL, || {
        let mut hash = Sha256::new();
        (0..frames).for_each(|_| hash.update(black_box(&frame)));
        black_box(hash.finalize());
    });
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[3; 32]).unwrap());
    let seal = rate(TOTAL, || {
        for _ in 0..frames {
            let nonce = Nonce::assume_unique_for_key([0; 12]);
            let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), black_box(&mut frame));
            let _ = black_box(tag.unwrap());
        }
    });
    let path = folder.join("plain");
    let write = rate(TOTAL, || {
        let mut file = File::create(&path).unwrap();
        (0..frames).for_each(|_| file.write_all(&frame).unwrap());
    });
    let read = rate(TOTAL, || {
        let mut file = File::open(&path).unwrap();
        (0..frames).for_each(|_| file.read_exact(&mut frame).unwrap());
    });
    println!(
        "{:>5}K  sha256 {hash:5.0}  aes-256-gcm {seal:5.0}  tmpfs write {write:5.0}  tmpfs read {read:5.0}",
        frame_length >> 10
    );
}

#[test]
fn sealing_speed() {
    if std::env::var_os("CAMDOCK_SPEED").is_none() {
        println!("not measured: set CAMDOCK_SPEED=1");
        return;
    }
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let folder = folder.path();
    println!("MB/s, best of {ROUNDS}, {} MiB each", TOTAL >> 20);
    let lengths = [64usize, 128, 256, 512, 1024].map(|k| k << 10);
    for frame_length in lengths {
        floor(folder, frame_length);
    }
    let source = folder.join("plain");
    let (_, public) = keygen_recipient(Curve::P384).unwrap();
    let recipients = [Recipient::from_pem(&public).unwrap()];
    let item = ItemKey::generate().unwrap();
    for frame_length in lengths {
        let spec = SealSpec {
            recipients: &recipients,
            item_key: Some(&item),
            evidence: EvidenceId::new(),
            station: "depot-7",
            camera: "B7F-00412",
            part: Part::Original,
            frame_length: u32::try_from(frame_length).unwrap(),
        };
        let target = |n| folder.join(format!("sealed{n}"));
        let [one, two] = [false, true].map(|side_by_side| {
            let alone = rate(TOTAL, || pull(&source, &target(0), &spec, side_by_side));
            let both = rate(2 * TOTAL, || {
                std::thread::scope(|scope| {
                    for n in 0..2 {
                        let (source, spec) = (&source, &spec);
                        scope.spawn(move || pull(source, &target(n), spec, side_by_side));
                    }
                });
            });
            (alone, both)
        });
        println!(
            "{:>5}K  one thread {:5.0}  two threads {:5.0}  two pulls at once: one thread each {:5.0}, two threads each {:5.0}",
            frame_length >> 10,
            one.0,
            two.0,
            one.1,
            two.1
        );
    }
}
