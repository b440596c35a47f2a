//! A disk that loses what was written and not flushed when the power is cut, as disks with a volatile cache do: an NBD
//! server in this process. QEMU passes the guest's flushes on; a write reply alone promises nothing.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const BLOCK: u64 = BLOCK_LEN as u64;
const BLOCK_LEN: usize = 4096;
/// The unit that a disk writes atomically.
const SECTOR: usize = 512;

#[derive(Clone)]
pub struct LossyDisk {
    content: Arc<Mutex<Content>>,
    pub socket: PathBuf,
}

struct Content {
    /// Read only; it supplies every block that was never written.
    base: File,
    size: u64,
    /// The blocks that survive a cut.
    durable: Blocks,
    /// The blocks as the guest reads them.
    seen: Blocks,
    /// Written since the last flush, in order.
    pending: Vec<(u64, Vec<u8>)>,
    flushes: u64,
}

type Blocks = HashMap<u64, Box<[u8]>>;

/// The fate of the unflushed writes at a cut.
#[derive(Default, Clone, Copy)]
pub struct Cut {
    pub sectors_lost: u64,
    pub sectors_kept: u64,
    pub flushes: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} flushes before it, {} unflushed sectors lost, {} kept",
            self.flushes, self.sectors_lost, self.sectors_kept
        )
    }
}

impl LossyDisk {
    /// Serves `base` on a socket for as long as the process lives.
    pub fn serve(base: &Path, socket: &Path) -> Self {
        let base = File::open(base).unwrap();
        let size = base.metadata().unwrap().len();
        let content = Content {
            base,
            size,
            durable: Blocks::new(),
            seen: Blocks::new(),
            pending: Vec::new(),
            flushes: 0,
        };
        let disk = Self {
            content: Arc::new(Mutex::new(content)),
            socket: socket.to_owned(),
        };
        let listener = UnixListener::bind(socket).unwrap();
        let served = Arc::clone(&disk.content);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A killed machine drops its connection at any point.
                let _ = stream.and_then(|stream| serve(&served, stream));
            }
        });
        disk
    }

    /// Call this after the machine was killed. `choose` decides for each unflushed sector whether it is kept, because a
    /// disk may write its cache in any order.
    pub fn cut(&self, mut choose: impl FnMut() -> bool) -> Cut {
        let mut content = self.content.lock().unwrap();
        let mut cut = Cut {
            flushes: content.flushes,
            ..Cut::default()
        };
        let pending = std::mem::take(&mut content.pending);
        let Content { base, durable, .. } = &mut *content;
        for (offset, data) in pending {
            for (sector, at) in data.chunks(SECTOR).zip((offset..).step_by(SECTOR)) {
                if choose() {
                    cut.sectors_kept += 1;
                    write(base, durable, at, sector);
                } else {
                    cut.sectors_lost += 1;
                }
            }
        }
        let Content { seen, durable, .. } = &mut *content;
        seen.clone_from(durable);
        cut
    }

    /// True if these bytes are present within any one block that the guest has written.
    pub fn holds(&self, needle: &[u8]) -> bool {
        let content = self.content.lock().unwrap();
        let first = needle[0];
        content.seen.values().any(|block| {
            let starts = block.iter().enumerate().filter(|(_, byte)| **byte == first);
            let mut starts = starts.map(|(at, _)| at);
            starts.any(|at| block[at..].starts_with(needle))
        })
    }
}

fn block<'a>(base: &File, blocks: &'a mut Blocks, number: u64) -> &'a mut Box<[u8]> {
    blocks.entry(number).or_insert_with(|| {
        let mut bytes = vec![0; BLOCK_LEN];
        base.read_exact_at(&mut bytes, number * BLOCK).unwrap();
        bytes.into_boxed_slice()
    })
}

fn write(base: &File, blocks: &mut Blocks, mut offset: u64, mut data: &[u8]) {
    while !data.is_empty() {
        let from = usize::try_from(offset % BLOCK).unwrap();
        let step = data.len().min(BLOCK_LEN - from);
        block(base, blocks, offset / BLOCK)[from..from + step].copy_from_slice(&data[..step]);
        data = &data[step..];
        offset += step as u64;
    }
}

impl Content {
    fn read(&self, offset: u64, data: &mut [u8]) -> io::Result<()> {
        self.base.read_exact_at(data, offset)?;
        let end = offset + data.len() as u64;
        for number in offset / BLOCK..end.div_ceil(BLOCK) {
            let Some(bytes) = self.seen.get(&number) else {
                continue;
            };
            let (from, to) = (offset.max(number * BLOCK), end.min((number + 1) * BLOCK));
            let inside = |at: u64, of: u64| usize::try_from(at - of).unwrap();
            data[inside(from, offset)..inside(to, offset)]
                .copy_from_slice(&bytes[inside(from, number * BLOCK)..inside(to, number * BLOCK)]);
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, data: Vec<u8>) {
        write(&self.base, &mut self.seen, offset, &data);
        self.pending.push((offset, data));
    }

    fn flush(&mut self) {
        self.flushes += 1;
        for (offset, data) in std::mem::take(&mut self.pending) {
            write(&self.base, &mut self.durable, offset, &data);
        }
    }
}

// The NBD protocol, as far as QEMU needs it: fixed newstyle negotiation, simple replies.
const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const OPTION_REPLY: u64 = 0x3_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;
const FIXED_NEWSTYLE_NO_ZEROES: u16 = 3;
const HAS_FLAGS_SEND_FLUSH: u16 = 1 | 4;

fn serve(content: &Mutex<Content>, stream: UnixStream) -> io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut input = BufReader::with_capacity(1 << 20, stream);
    out.write_all(b"NBDMAGICIHAVEOPT")?;
    out.write_all(&FIXED_NEWSTYLE_NO_ZEROES.to_be_bytes())?;
    number::<4>(&mut input)?;
    while !negotiate(content, &mut input, &mut out)? {}
    loop {
        if number::<4>(&mut input)? != u64::from(REQUEST) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let kind = number::<4>(&mut input)? & 0xffff;
        let handle = number::<8>(&mut input)?;
        let (offset, length) = (number::<8>(&mut input)?, number::<4>(&mut input)?);
        let mut data = Vec::new();
        match kind {
            0 => {
                data.resize(usize::try_from(length).unwrap(), 0);
                content.lock().unwrap().read(offset, &mut data)?;
            }
            1 => {
                let mut written = vec![0; usize::try_from(length).unwrap()];
                input.read_exact(&mut written)?;
                content.lock().unwrap().write(offset, written);
            }
            3 => content.lock().unwrap().flush(),
            _ => return Ok(()),
        }
        let mut reply = REPLY.to_be_bytes().to_vec();
        reply.extend_from_slice(&0_u32.to_be_bytes());
        reply.extend_from_slice(&handle.to_be_bytes());
        reply.extend_from_slice(&data);
        out.write_all(&reply)?;
    }
}

/// Answers one option; true once the export is chosen.
fn negotiate(
    content: &Mutex<Content>,
    input: &mut impl Read,
    out: &mut impl Write,
) -> io::Result<bool> {
    const GO: u64 = 7;
    const INFO: u64 = 6;
    const ACK: u32 = 1;
    const INFO_REPLY: u32 = 3;
    const UNSUPPORTED: u32 = 0x8000_0001;
    if number::<8>(input)? != OPTION_MAGIC {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let option = number::<4>(input)?;
    let length = number::<4>(input)?;
    let mut given = vec![0; usize::try_from(length).unwrap()];
    input.read_exact(&mut given)?;
    let mut answer = |kind: u32, data: &[u8]| -> io::Result<()> {
        let mut reply = OPTION_REPLY.to_be_bytes().to_vec();
        reply.extend_from_slice(&u32::try_from(option).unwrap().to_be_bytes());
        reply.extend_from_slice(&kind.to_be_bytes());
        reply.extend_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
        reply.extend_from_slice(data);
        out.write_all(&reply)
    };
    if option != GO && option != INFO {
        answer(UNSUPPORTED, &[])?;
        return Ok(false);
    }
    let mut export = 0_u16.to_be_bytes().to_vec();
    export.extend_from_slice(&content.lock().unwrap().size.to_be_bytes());
    export.extend_from_slice(&HAS_FLAGS_SEND_FLUSH.to_be_bytes());
    answer(INFO_REPLY, &export)?;
    answer(ACK, &[])?;
    Ok(option == GO)
}

/// A big-endian number of so many bytes.
fn number<const N: usize>(input: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}
