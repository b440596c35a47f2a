//! Parts of CamDock measured alone, through its library. `make bench` runs it.
//!
//! `parts log --entries N --dir D`: appends N entries to a custody log in the empty folder D, then verifies it.
//! `parts grow FILE --state D`: appends copies of entries to the log of the station whose state folder is D, as it would have
//! them for more items. A line of FILE is an item's id, the id of its copy, its path and the path of its copy, with tabs between.
//! `parts preview FILE --dir D --part storyboard|preview --worker PROGRAM`: seals FILE into D and makes its preview with
//! PROGRAM's worker. Each prints one JSON object.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use camdock::audit::{DirSource, Log, LogKey, encode_entry, verify_log};
use camdock::durable::{self, AppendFile};
use camdock::ingest::{self, PreviewOrder};
use camdock::model::{Entry, Event, EvidenceId, Part, StationStopped};
use camdock::preview::{Ending, Limits, PreviewRequest, Settings, WorkerJob, supervise};
use camdock::seal::{Curve, FrameBuffer, ItemKey, Recipient, SealSpec, Sealer, keygen_recipient};
use serde_json::{Value, json};

const FRAME: u32 = 262_144;
/// Entries that are appended at once.
const BATCH: u64 = 1000;
const LIMITS: Limits = Limits {
    memory_bytes: 512 << 20,
    cpu_seconds: 36_000,
    output_bytes: 16 << 30,
    silence_seconds: 120,
    wall_seconds: 36_000,
};

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> Done<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` adds this.
    arguments.retain(|argument| argument != "--bench");
    let option = |name| option(&arguments, name);
    let figures = match arguments.first().map(String::as_str) {
        Some("log") => log(option("--entries")?.parse()?, Path::new(option("--dir")?))?,
        Some("grow") => {
            let copies = arguments.get(1).ok_or("a file is missing")?;
            grow(Path::new(copies), Path::new(option("--state")?))?
        }
        Some("preview") => {
            let part = match option("--part")? {
                "storyboard" => Part::Storyboard,
                "preview" => Part::Preview,
                other => return Err(format!("{other} is neither storyboard nor preview").into()),
            };
            let file = arguments.get(1).ok_or("a file is missing")?;
            let program = Path::new(option("--worker")?);
            preview(Path::new(file), Path::new(option("--dir")?), part, program)?
        }
        _ => return Err("the first argument is log, grow or preview".into()),
    };
    println!("{figures}");
    Ok(())
}

/// The argument after `name`.
fn option<'a>(arguments: &'a [String], name: &str) -> Done<&'a str> {
    let value = arguments.iter().skip_while(|a| *a != name).nth(1);
    let value = value.ok_or_else(|| format!("{name} is missing"))?;
    Ok(value)
}

fn log(entries: u64, dir: &Path) -> Done<Value> {
    let (key, _) = LogKey::generate()?;
    let verifier = key.verifier("camdock/bench")?;
    let mut log = Log::open(dir, key, "camdock/bench")?;
    let reason = "x".repeat(180);
    let began = Instant::now();
    for first in (0..entries).step_by(usize::try_from(BATCH)?) {
        let batch = (first..entries.min(first + BATCH)).map(|number| -> Done<_> {
            let reason = format!("{reason}{number}");
            Ok(encode_entry(&Entry {
                v: 1,
                time: ingest::now(),
                station: "bench".parse()?,
                session: None,
                event: Event::StationStopped(StationStopped { reason }),
            })?)
        });
        log.append(&batch.collect::<Done<Vec<_>>>()?)?;
    }
    let appending = began.elapsed().as_secs_f64();
    log.close()?;
    let began = Instant::now();
    let report = verify_log(&DirSource::new(dir), &verifier, &mut |_, _| {}, None)?;
    if !report.is_clean() {
        return Err(format!("the log does not verify: {:?}", report.findings).into());
    }
    Ok(json!({
        "entries": entries,
        "append_per_second": entries as f64 / appending,
        "verify_seconds": began.elapsed().as_secs_f64(),
    }))
}

/// Entry after entry of each item, with the ids and paths of its copies.
fn grow(copies: &Path, state: &Path) -> Done<Value> {
    let key = LogKey::from_pkcs8(&std::fs::read(state.join("keys/station.key"))?)?;
    let mut log = Log::open(&state.join("log"), key, "camdock/bench-1")?;
    let mut of_item = HashMap::<String, Vec<String>>::new();
    // Copies bear the time of the last entry: a clock that seemed to go back would be remarked upon each time.
    let time_of = |entry: &str| -> Done<String> {
        let fields: Value = serde_json::from_str(entry)?;
        Ok(fields["time"]
            .as_str()
            .ok_or("an entry has no time")?
            .to_owned())
    };
    let last = time_of(&String::from_utf8(log.entry(log.size() - 1)?)?)?;
    for index in 0..log.size() {
        let entry = String::from_utf8(log.entry(index)?)?;
        let entry = entry.replace(&time_of(&entry)?, &last);
        let fields: Value = serde_json::from_str(&entry)?;
        if let Some(id) = fields["data"]["evidence"].as_str() {
            of_item.entry(id.to_owned()).or_default().push(entry);
        }
    }
    let mut batch = Vec::new();
    for line in BufReader::new(File::open(copies)?).lines() {
        let line = line?;
        let names: Vec<_> = line.split('\t').collect();
        let [id, copy, path, path_of_copy] = names[..] else {
            return Err("a line has not four columns".into());
        };
        let entries = of_item.get(id).ok_or("an item has no entry")?;
        let as_copy = |entry: &String| entry.replace(id, copy).replace(path, path_of_copy);
        batch.extend(entries.iter().map(|entry| as_copy(entry).into_bytes()));
        if batch.len() as u64 >= BATCH {
            log.append(&std::mem::take(&mut batch))?;
        }
    }
    if !batch.is_empty() {
        log.append(&batch)?;
    }
    let entries = log.size();
    log.close()?;
    Ok(json!({"entries": entries}))
}

/// A file as a pull leaves it in the spool.
struct SealedFile {
    path: PathBuf,
    evidence: EvidenceId,
    recipient: Recipient,
    item_key: [u8; 32],
}

impl SealedFile {
    fn item_key(&self) -> Done<ItemKey> {
        Ok(ItemKey::from_bytes(&self.item_key).ok_or("the item key is unusable")?)
    }
}

fn seal(source: &Path, dir: &Path) -> Done<SealedFile> {
    let (_, public) = keygen_recipient(Curve::P384)?;
    let sealed = SealedFile {
        path: dir.join("sealed"),
        evidence: EvidenceId::new(),
        recipient: Recipient::from_pem(&public)?,
        item_key: *ItemKey::generate()?.into_bytes(),
    };
    durable::remove(&sealed.path)?;
    let mut sealer = Sealer::new(&SealSpec {
        recipients: std::slice::from_ref(&sealed.recipient),
        item_key: Some(&sealed.item_key()?),
        evidence: sealed.evidence,
        station: "bench-1",
        camera: "bench/1",
        part: Part::Original,
        frame_length: FRAME,
    })?;
    let mut source = File::open(source)?;
    let mut left = source.metadata()?.len();
    let mut file = AppendFile::create(&sealed.path)?;
    file.append(sealer.header())?;
    let mut buffer = FrameBuffer::new(FRAME);
    while left > u64::from(FRAME) {
        source.read_exact(buffer.space())?;
        buffer.fill(FRAME as usize);
        file.append(sealer.seal_regular(&mut buffer)?)?;
        left -= u64::from(FRAME);
    }
    let rest = usize::try_from(left)?;
    source.read_exact(&mut buffer.space()[..rest])?;
    buffer.fill(rest);
    file.append(sealer.seal_final(&mut buffer)?)?;
    file.sync()?;
    Ok(sealed)
}

fn preview(source: &Path, dir: &Path, part: Part, program: &Path) -> Done<Value> {
    let sealed = seal(source, dir)?;
    let made = dir.join("made");
    durable::remove(&made)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let order = PreviewOrder {
        request: PreviewRequest {
            part,
            settings: Settings {
                height: 360,
                threads: u32::try_from(threads)?.clamp(1, 4),
                pictures: 64,
                above_bits: None,
            },
            limits: LIMITS,
        },
        evidence: sealed.evidence,
        station: "bench-1".into(),
        camera: "bench/1".into(),
        recipients: vec![sealed.recipient.to_pem()?],
        frame_length: FRAME,
    };
    let output = AppendFile::create(&made)?;
    let began = Instant::now();
    let answer = supervise(WorkerJob {
        program,
        arguments: &[],
        order: order.encode(sealed.item_key()?)?,
        input: File::open(&sealed.path)?,
        output: output.file().try_clone()?,
        limits: LIMITS,
        paused: &|| false,
        stopped: &|| false,
        progress: &|_| {},
    })?;
    let wall = began.elapsed().as_secs_f64();
    let cost = answer.report.cost;
    let Ending::Made(made) = answer.report.ending else {
        return Err(format!("no preview: {:?}", answer.report.ending).into());
    };
    Ok(json!({
        "part": part.as_str(),
        "wall_seconds": wall,
        "cpu_seconds": cost.cpu_ms as f64 / 1000.0,
        "peak_rss_bytes": cost.peak_rss_bytes,
        "bytes": made.size,
        "duration_ms": made.picture.duration_ms,
        "pictures": made.picture.cues.len(),
    }))
}
