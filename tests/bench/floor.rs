//! The best rates of this machine, each measured alone: CamDock's own are compared with them.
//!
//! `floor --dir D [--tmpfs D] [--mib N]` prints one JSON object: bytes per second, the best of three runs each, and the CPU
//! seconds a GiB of each piece of work that no station can do without.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{Read as _, Seek as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::Instant;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};

const MIB: usize = 1 << 20;
/// Direct I/O wants addresses and lengths in multiples of the disk's blocks.
const ALIGNMENT: usize = 4096;
/// The frame length that CamDock seals with unless told otherwise.
const FRAME: usize = 512 << 10;
const RUNS: usize = 3;

type Outcome = Result<f64, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut dir = None;
    let mut tmpfs = PathBuf::from("/dev/shm");
    let mut mib = 1024;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--dir" => dir = Some(PathBuf::from(value()?)),
            "--tmpfs" => tmpfs = PathBuf::from(value()?),
            "--mib" => mib = value()?.parse()?,
            // Arguments that `cargo bench` adds of its own.
            "--bench" => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    let dir = dir.ok_or("--dir is missing: a folder on the disk to measure")?;
    let cores = std::thread::available_parallelism()?.get();

    let figures = serde_json::json!({
        "cores": cores,
        "frame_bytes": FRAME,
        "sha256": best(|| Ok(parallel(1, mib, sha256)))?,
        "sha256_all_cores": best(|| Ok(parallel(cores, mib, sha256)))?,
        "aes_256_gcm": best(|| Ok(parallel(1, mib, seal)))?,
        "sha256_then_aes_256_gcm": best(|| Ok(parallel(1, mib, hash_and_seal)))?,
        "sha256_beside_aes_256_gcm": best(|| Ok(side_by_side(mib)))?,
        "memcpy": best(|| Ok(parallel(1, mib, copy)))?,
        "disk_write_direct": best(|| write(&dir, mib, libc::O_DIRECT, true))?,
        "disk_write_buffered_synced": best(|| write(&dir, mib, 0, true))?,
        "tmpfs_write": best(|| write(&tmpfs, mib, 0, false))?,
        "page_cache_read": page_cache_read(&dir, mib)?,
        "cpu_seconds_per_gib": unavoidable_work(&dir, &tmpfs, mib)?,
    });
    println!("{figures}");
    Ok(())
}

fn best(mut run: impl FnMut() -> Outcome) -> Outcome {
    let mut top = 0.0_f64;
    for _ in 0..RUNS {
        top = top.max(run()?);
    }
    Ok(top)
}

fn rate(mib: usize, since: Instant) -> f64 {
    (mib * MIB) as f64 / since.elapsed().as_secs_f64()
}

/// Bytes that neither disk nor store can squeeze.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Each of `threads` works through `mib`; the sum of their rates, over the time of the slowest.
fn parallel(threads: usize, mib: usize, work: fn(usize)) -> f64 {
    let barrier = Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    work(mib);
                })
            })
            .collect();
        barrier.wait();
        let start = Instant::now();
        for worker in workers {
            let _ = worker.join();
        }
        rate(mib * threads, start)
    })
}

/// The same bytes hashed on one core and sealed on another: what a pipeline of two threads could reach.
fn side_by_side(mib: usize) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| sha256(mib));
        scope.spawn(|| seal(mib));
    });
    rate(mib, start)
}

fn sha256(mib: usize) {
    let block = noise(MIB);
    let mut hash = Sha256::new();
    for _ in 0..mib {
        hash.update(black_box(&block));
    }
    black_box(hash.finalize());
}

fn key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes are a key"))
}

fn seal_block(key: &LessSafeKey, block: &mut [u8], number: &mut u64) {
    for frame in block.chunks_mut(FRAME) {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&number.to_be_bytes());
        *number += 1;
        let tag = key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), frame)
            .expect("a frame is far below the limit");
        black_box(tag.as_ref());
    }
}

fn seal(mib: usize) {
    let (key, mut block, mut number) = (key(), noise(MIB), 0);
    for _ in 0..mib {
        seal_block(&key, black_box(&mut block), &mut number);
    }
}

fn hash_and_seal(mib: usize) {
    let (key, mut block, mut number) = (key(), noise(MIB), 0);
    let mut hash = Sha256::new();
    for _ in 0..mib {
        hash.update(&block);
        seal_block(&key, black_box(&mut block), &mut number);
    }
    black_box(hash.finalize());
}

fn copy(mib: usize) {
    // Larger than the caches, so that memory is measured and not they.
    let source = noise(64 * MIB);
    let mut target = vec![0; source.len()];
    let mut left = mib;
    while left > 0 {
        let bytes = left.min(64) * MIB;
        target[..bytes].copy_from_slice(black_box(&source[..bytes]));
        black_box(&mut target);
        left -= left.min(64);
    }
}

/// A buffer of one MiB whose first byte lies on a block border, as direct I/O wants it.
fn aligned(buffer: &mut Vec<u8>) -> &mut [u8] {
    *buffer = noise(MIB + ALIGNMENT);
    let skip = buffer.as_ptr().align_offset(ALIGNMENT);
    &mut buffer[skip..skip + MIB]
}

struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn write(dir: &Path, mib: usize, flags: i32, sync: bool) -> Outcome {
    let path = Removed(dir.join("floor.tmp"));
    let mut buffer = Vec::new();
    let block = aligned(&mut buffer);
    let start = Instant::now();
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(flags)
        .open(&path.0)?;
    for number in 0..mib {
        // No two blocks alike: some disks look for that.
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(block)?;
    }
    if sync {
        file.sync_all()?;
    }
    Ok(rate(mib, start))
}

fn page_cache_read(dir: &Path, mib: usize) -> Outcome {
    let path = Removed(dir.join("floor.tmp"));
    let mut buffer = Vec::new();
    let block = aligned(&mut buffer);
    let mut file = File::create(&path.0)?;
    for _ in 0..mib {
        file.write_all(block)?;
    }
    let mut file = File::open(&path.0)?;
    best(|| {
        file.rewind()?;
        let start = Instant::now();
        for _ in 0..mib {
            file.read_exact(block)?;
            black_box(&block);
        }
        Ok(rate(mib, start))
    })
}

/// CPU seconds a GiB of each piece of work, the least of three runs: what a stage has to spend at least is their sum.
fn unavoidable_work(
    dir: &Path,
    tmpfs: &Path,
    mib: usize,
) -> Result<serde_json::Value, Box<dyn std::error::Error + Send + Sync>> {
    let cost = |work: &mut dyn FnMut() -> Outcome| -> Outcome {
        let mut least = f64::INFINITY;
        for _ in 0..RUNS {
            let before = thread_seconds();
            work()?;
            least = least.min((thread_seconds() - before) / mib as f64 * 1024.0);
        }
        Ok(least)
    };
    let source = Removed(dir.join("floor.source"));
    let (on_disk, in_memory) = (
        Removed(dir.join("floor.spool")),
        Removed(tmpfs.join("floor.spool")),
    );
    fill(&source.0, mib, 0)?;
    Ok(serde_json::json!({
        "camera_read": cost(&mut || drain(&source.0, mib, 0))?,
        "sha256": cost(&mut || { sha256(mib); Ok(0.0) })?,
        "aes_256_gcm_seal": cost(&mut || { seal(mib); Ok(0.0) })?,
        "spool_write_on_disk": cost(&mut || fill(&on_disk.0, mib, libc::O_DIRECT))?,
        "spool_write_in_memory": cost(&mut || fill(&in_memory.0, mib, 0))?,
        "spool_read_on_disk": cost(&mut || drain(&on_disk.0, mib, libc::O_DIRECT))?,
        "spool_read_in_memory": cost(&mut || drain(&in_memory.0, mib, 0))?,
        // Of opening, which the tag check is, GCM costs what sealing does.
        "aes_256_gcm_tag_check": cost(&mut || { seal(mib); Ok(0.0) })?,
        "loopback_send": cost(&mut || send(mib))?,
    }))
}

fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn fill(path: &Path, mib: usize, flags: i32) -> Outcome {
    let mut buffer = Vec::new();
    let block = aligned(&mut buffer);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(flags)
        .open(path)?;
    for number in 0..mib {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(block)?;
    }
    Ok(0.0)
}

fn drain(path: &Path, mib: usize, flags: i32) -> Outcome {
    let mut buffer = Vec::new();
    let block = aligned(&mut buffer);
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    for _ in 0..mib {
        file.read_exact(block)?;
        black_box(&block);
    }
    Ok(0.0)
}

/// Sends to a thread that reads and forgets; only the sender's thread is counted.
fn send(mib: usize) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let block = noise(MIB);
    std::thread::scope(|scope| {
        let mut stream = TcpStream::connect(listener.local_addr()?)?;
        let reader = scope.spawn(move || -> std::io::Result<u64> {
            let (mut stream, _) = listener.accept()?;
            let (mut block, mut total) = (vec![0; MIB], 0);
            loop {
                match stream.read(&mut block)? {
                    0 => return Ok(total),
                    read => total += read as u64,
                }
            }
        });
        for _ in 0..mib {
            stream.write_all(&block)?;
        }
        drop(stream);
        let arrived = reader.join().map_err(|_| "the reader panicked")??;
        if arrived != (mib * MIB) as u64 {
            return Err("the bytes that were sent did not arrive".into());
        }
        Ok(0.0)
    })
}
