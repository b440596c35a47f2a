use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;

use super::Outcome;
use crate::durable::{self, AppendFile};
use crate::ingest::{PreviewOrder, WORKER_VERB};
use crate::model::{EvidenceId, Part};
use crate::preview::{Ending, Limits, PreviewRequest, Settings, WorkerJob, supervise};
use crate::seal::{Curve, FrameBuffer, ItemKey, Recipient, SealSpec, Sealer, keygen_recipient};

/// Measures the previews of one file, from its sealed form to their sealed form; prints figures as JSON.
#[derive(clap::Args)]
pub struct BenchPreview {
    file: PathBuf,
    /// An empty folder on the disk to measure
    #[arg(long)]
    dir: PathBuf,
    #[arg(long, default_value_t = 360)]
    height: u32,
    /// `storyboard` or `preview`
    #[arg(long, default_value = "storyboard")]
    part: String,
}

const FRAME: u32 = 262_144;

pub fn run(args: BenchPreview) -> anyhow::Result<Outcome> {
    let part = match args.part.as_str() {
        "storyboard" => Part::Storyboard,
        "preview" => Part::Preview,
        _ => bail!("--part is storyboard or preview"),
    };
    let (_, public) = keygen_recipient(Curve::P384)?;
    let recipient = Recipient::from_pem(&public)?;
    let key = *ItemKey::generate()?.into_bytes();
    let item_key = || ItemKey::from_bytes(&key).ok_or_else(|| anyhow::anyhow!("no key"));
    let evidence = EvidenceId::new();
    let (sealed, made) = (args.dir.join("sealed"), args.dir.join("made"));
    for path in [&sealed, &made] {
        durable::remove(path)?;
    }
    let mut sealer = Sealer::new(&SealSpec {
        recipients: std::slice::from_ref(&recipient),
        item_key: Some(&item_key()?),
        evidence,
        station: "bench-1",
        camera: "bench/1",
        part: Part::Original,
        frame_length: FRAME,
    })?;
    let mut source = File::open(&args.file)?;
    let mut left = source.metadata()?.len();
    let mut file = AppendFile::create(&sealed)?;
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

    let limits = Limits {
        memory_bytes: 512 << 20,
        cpu_seconds: 36_000,
        output_bytes: 16 << 30,
        silence_seconds: 120,
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let order = PreviewOrder {
        request: PreviewRequest {
            part,
            settings: Settings {
                height: args.height,
                threads: u32::try_from(threads)?.clamp(1, 4),
                pictures: 64,
            },
            limits,
        },
        evidence,
        station: "bench-1".into(),
        camera: "bench/1".into(),
        recipients: vec![recipient.to_pem()?],
        frame_length: FRAME,
    };
    let output = AppendFile::create(&made)?;
    let began = Instant::now();
    let answer = supervise(WorkerJob {
        program: &std::env::current_exe()?,
        arguments: &[WORKER_VERB],
        order: order.encode(item_key()?)?,
        input: File::open(&sealed)?,
        output: output.file().try_clone()?,
        limits,
        paused: &|| false,
        stopped: &|| false,
        progress: &|_| {},
    })?;
    let wall = began.elapsed().as_secs_f64();
    let cost = answer.report.cost;
    let Ending::Made(made) = answer.report.ending else {
        bail!("no preview: {:?}", answer.report.ending);
    };
    println!(
        "{}",
        serde_json::json!({
            "part": args.part,
            "wall_seconds": wall,
            "cpu_seconds": cost.cpu_ms as f64 / 1000.0,
            "peak_rss_bytes": cost.peak_rss_bytes,
            "bytes": made.size,
            "duration_ms": made.picture.duration_ms,
            "pictures": made.picture.cues.len(),
        })
    );
    Ok(Outcome::Fine)
}
