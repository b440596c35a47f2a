//! `camdock office prove-disposed`: the proof that an item was deleted by rule, as one file of JSON.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::Outcome;
use crate::config::OfficeConfig;
use crate::durable;
use crate::model::EvidenceId;
use crate::office::prove_disposed;

#[derive(clap::Args)]
pub struct ProveArgs {
    /// The evidence id
    item: EvidenceId,
    /// The file to write; without it, the proof goes to standard output
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(config: &OfficeConfig, args: &ProveArgs) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let proof = prove_disposed(config, runtime.handle(), args.item)?;
    let mut text = serde_json::to_string_pretty(&proof)?;
    text.push('\n');
    let mut out = std::io::stdout().lock();
    let Some(path) = &args.out else {
        out.write_all(text.as_bytes())?;
        return Ok(Outcome::Fine);
    };
    let path = &std::path::absolute(path)?;
    durable::write_unsynced(path, text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(
        out,
        "{}: {} entries of the station's log, {} of the office's, each with its proof",
        path.display(),
        proof.station_entries.len(),
        proof.office_entries.len()
    )?;
    writeln!(out, "It does not prove:")?;
    for what in proof.does_not_prove {
        writeln!(out, "  - {what}")?;
    }
    Ok(Outcome::Fine)
}
