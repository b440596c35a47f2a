//! `camdock office tag`: what items belong to, as orders to the running office, which alone writes its log.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use super::decide;
use super::dispatch::{self, DispatchArgs};
use crate::cli::orders::OrderSignature;
use crate::cli::{Outcome, usage};
use crate::config::OfficeConfig;
use crate::model::{Escaped, EvidenceId, ItemDecision, StationName, TagChange};
use crate::office::{Index, NamedItem, Shown};
use crate::web::RecordingSearch;

/// Recordings of a search that are read at a time.
const STEP: u32 = 500;

#[derive(clap::Args)]
pub struct TagArgs {
    /// Evidence ids
    #[arg(required_unless_present_any = ["search", "from"], conflicts_with = "search")]
    items: Vec<EvidenceId>,
    /// Every recording of a search: what the address of the page Find has behind its `?`
    #[arg(long, value_name = "QUERY")]
    search: Option<String>,
    /// A file of dispatch (CSV with badge, start, end and incident, as [tags] of office.toml says), or `-`: the recordings that the
    /// officers made then, by their cameras' measured clocks
    #[arg(long, value_name = "FILE", conflicts_with_all = ["items", "search", "station", "incident", "category", "exhibit", "text"])]
    from: Option<PathBuf>,
    #[command(flatten)]
    dispatch: DispatchArgs,
    /// Tag what the search or the file finds; without it, that is only listed
    #[arg(long)]
    yes: bool,
    /// The station that took the items, if several stations list the same ids
    #[arg(long)]
    station: Option<StationName>,
    /// The number of the incident; an empty one takes it away, as with the other tags
    #[arg(long)]
    incident: Option<String>,
    /// What it is, in the words of the force
    #[arg(long)]
    category: Option<String>,
    /// The reference of the exhibit
    #[arg(long)]
    exhibit: Option<String>,
    /// A free text; the log has only a salted commitment of it
    #[arg(long)]
    text: Option<String>,
    /// Managers alone find it and see it from now on, with its sidecars
    #[arg(long, conflicts_with = "unrestrict")]
    restrict: bool,
    /// Everybody whose role and unit allow it sees it again
    #[arg(long)]
    unrestrict: bool,
    #[command(flatten)]
    signature: OrderSignature,
}

pub fn run(config: &OfficeConfig, args: TagArgs) -> anyhow::Result<Outcome> {
    if let Some(file) = &args.from {
        return dispatch::run(config, file, &args.dispatch, args.yes, &args.signature);
    }
    if args.yes && args.search.is_none() {
        return Err(usage(
            "--yes is of --search and --from; ids are tagged without it",
        ));
    }
    let mut out = std::io::stdout().lock();
    let items: Vec<NamedItem> = match &args.search {
        None => {
            let named = args.items.iter().map(|evidence| NamedItem {
                station: args.station.clone(),
                evidence: *evidence,
            });
            named.collect()
        }
        Some(query) => {
            let found = found(config, query)?;
            if !args.yes {
                for (item, path) in &found {
                    writeln!(out, "{}  {}", item.evidence, Escaped(path.as_bytes()))?;
                }
                writeln!(
                    out,
                    "{} recordings are found; nothing was tagged. Give the command again with --yes to tag them.",
                    found.len()
                )?;
                return Ok(Outcome::Fine);
            }
            found.into_iter().map(|(item, _)| item).collect()
        }
    };
    let change = TagChange {
        incident: args.incident,
        category: args.category,
        exhibit: args.exhibit,
        text: args.text,
        restricted: (args.restrict || args.unrestrict).then_some(args.restrict),
    };
    let decision = ItemDecision::Tag(change);
    decide::order(config, &items, &decision, &args.signature, "tagged  ")
}

/// All recordings of a search, with their paths.
fn found(config: &OfficeConfig, query: &str) -> anyhow::Result<Vec<(NamedItem, String)>> {
    let search = RecordingSearch::of_query(query)
        .context("this is no search; give what the address of the page Find has behind its `?`, such as `officer=4711&from=2026-05-01`")?;
    let index = Index::open_read_only(&config.index())?
        .context("there is no index yet; is the office running?")?;
    let stations: Vec<StationName> = config.stations.iter().map(|s| s.name.clone()).collect();
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        // Whoever gives commands here decides, and so sees what is restricted.
        let shown = Shown {
            stations: &stations,
            restricted: true,
        };
        let page = index.find(&search, after, STEP, shown)?;
        all.extend(page.recordings.into_iter().map(|recording| {
            let item = NamedItem {
                station: Some(recording.file.station),
                evidence: recording.file.evidence,
            };
            (item, recording.file.path)
        }));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}
