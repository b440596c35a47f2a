mod acts;
mod check;
mod class_check;
mod decide;
mod dispatch;
mod dispose;
mod disposer;
mod due;
mod gaps;
mod hold;
mod keydesk;
mod outside;
mod pack;
mod people;
mod prove_disposed;
mod report;
mod share;
mod sharereader;
mod status;
mod steps;
mod tag;

use std::path::Path;

use anyhow::Context as _;
use clap::Subcommand;
use tokio::runtime::Runtime;

use super::orders::OrderSignature;
use super::{Outcome, logs};
use crate::config::{
    DISPOSER_PATH, KEY_DESK_PATH, LogSettings, OFFICE_PATH, OfficeConfig, SHARE_READER_PATH,
};
use crate::model::{EvidenceId, ItemDecision, Officer, StationName};
use crate::office::report::Quarter;
use crate::office::{self, OfficeVerdict, WhichCheckpoint};
use crate::sys;

/// Runs the evidence office: it follows the stations' logs in the bucket and witnesses them.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock office check      says what the office still needs, with the fix for each finding; start here
  camdock office keygen     makes the key that cosigns the stations' logs, and the key of the office's own log
  camdock office run        the service
  camdock office status     how each station's log and objects stand; exit code 3 when one needs attention
  camdock office rebuild    makes the index of all stations anew from their logs in the bucket
  camdock office acts       verifies the office's own log, and tells what the office saw and what people decided
  camdock office close leeds-north-1 --operator NAME --reason TEXT
                            that station or its key is retired: it may fall silent, and nothing may be added to its log
  camdock office release leeds-north-1 --from earlier --operator NAME --reason TEXT
                            a log that was rewritten or closed is believed again
  camdock office pack 0195f2c4-… --key evidence.key.pem -o pack --operator NAME --reason TEXT
                            opens recordings into a folder for court that proves itself offline
  camdock office quarantine accept leeds-north-1 0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9b11 --operator NAME --reason TEXT
                            an item in quarantine is evidence like any other
  camdock office reassign leeds-north-1 0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9b11 --officer 4711 --operator NAME --reason TEXT
                            an item belongs to another officer than the roster said
  camdock office gaps       what is missing between cameras and logs; exit code 3 when nobody has explained it
  camdock office accept-gap leeds-north-1 'number:acme/X1:DCIM/A#:0007:2026-03-01' --operator NAME --reason TEXT
                            a gap is explained, and not reported any more
  camdock office tag ID --incident 0412 --category assault --operator NAME --reason TEXT
                            what a recording belongs to; each is an entry of the office's log
  camdock office tag --from dispatch.csv --operator NAME --reason TEXT
                            which recordings belong to which rows of a dispatch file; --yes tags them
  camdock office classify ID --class group-3 --operator NAME --reason TEXT
                            by which rule of office.toml it stays
  camdock office hold ID --operator NAME --reason TEXT
                            it stays until that hold is lifted, whatever its class says
  camdock office due --within 30
                            items whose class has run out or soon will, and what still keeps each
  camdock office dispose propose ID --operator NAME --reason TEXT --really
                            one person proposes that an item is deleted, another approves; without --really it is a dry run
  camdock office prove-disposed ID -o proof.json
                            that it existed, by which rule it went, and that it was seen to be gone
  camdock office people list
                            the address book: whose key was confirmed, and whose waits for it
  camdock office people invite 'A. Clerk' --operator NAME
                            a link by which somebody outside makes a key, to have recordings shared with them
  camdock office share ID --to 'A. Clerk' --until 2027-01-31 --operator NAME --reason TEXT
                            shares a recording with them until that day; `shares` lists all, `end-share` ends one
  camdock office report --quarter 2026-Q4
                            what the quarter brought, each figure with its formula
A cosignature means that a log only grew since the one before. It says nothing of what the entries say.")]
pub struct Args {
    #[command(subcommand)]
    verb: OfficeVerb,
}

impl Args {
    /// The configuration file, unless the command line names another.
    pub const fn usual_config(&self) -> &'static str {
        match self.verb {
            OfficeVerb::Keydesk { .. } => KEY_DESK_PATH,
            OfficeVerb::Disposer { .. } => DISPOSER_PATH,
            OfficeVerb::Sharereader { .. } => SHARE_READER_PATH,
            _ => OFFICE_PATH,
        }
    }
}

#[derive(Subcommand)]
enum OfficeVerb {
    /// Follow and witness the logs of all stations in office.toml, until stopped
    Run,
    /// Check configuration, keys, store and the stations' logs, each finding with its fix; leads through the set-up step by step
    Check {
        /// One JSON object a line: the checks, then the steps
        #[arg(long)]
        json: bool,
    },
    /// Show how each station's log and its objects in the bucket stood when the office last looked
    Status {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Make the index anew from the stations' logs in the bucket; the service may run meanwhile
    Rebuild,
    /// Make the office's key pairs, those that are not there yet; it never replaces one
    Keygen,
    /// Verify the office's own log, and tell what the office saw and what people decided
    Acts {
        /// The log's entries, one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// The key desk, on a machine of its own with keydesk.toml: seals an item's key to a person when the office's published log grants it
    Keydesk {
        #[command(subcommand)]
        verb: keydesk::KeyDeskVerb,
    },
    /// The disposer, on a machine of its own with disposer.toml: deletes what two people decided to delete, by rule
    Disposer {
        #[command(subcommand)]
        verb: disposer::DisposerVerb,
    },
    /// The share reader, a process of its own with sharereader.toml: the page for recipients of shares, which may face other networks
    Sharereader {
        #[command(subcommand)]
        verb: sharereader::ShareReaderVerb,
    },
    /// People who sign in by name: their sessions, and the address book of their keys
    People {
        #[command(subcommand)]
        verb: people::PeopleVerb,
    },
    /// Share recordings with somebody outside: their item keys are sealed to that person's key, for as long as you say
    Share(share::ShareArgs),
    /// List everything that is or was shared, with whom, by whom and until when
    Shares {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// End a share before its date; what its recipient has taken cannot be taken back
    EndShare(share::EndShareArgs),
    /// Open recordings into a folder for court (BagIt), with their custody, statements and a page that checks it all offline
    Pack(pack::PackArgs),
    /// Close the log of a retired station or key: silence is then expected, and any new entry raises an alarm
    Close {
        station: StationName,
        #[command(flatten)]
        signature: OrderSignature,
    },
    /// Decide whether items in quarantine are evidence
    Quarantine {
        #[arg(value_enum)]
        decision: Verdict,
        station: StationName,
        /// The evidence ids
        #[arg(required = true)]
        evidence: Vec<EvidenceId>,
        #[command(flatten)]
        signature: OrderSignature,
    },
    /// Say to which officer items belong
    Reassign {
        station: StationName,
        /// The evidence ids
        #[arg(required = true)]
        evidence: Vec<EvidenceId>,
        /// The officer's badge id
        #[arg(long, value_name = "ID")]
        officer: String,
        #[command(flatten)]
        signature: OrderSignature,
    },
    /// List the items whose class has run out or soon will, what still keeps each, and held or tagged items that overlap them
    Due {
        /// Days to look ahead
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        within: u16,
        /// Items that are listed at most
        #[arg(long, default_value_t = 1000)]
        limit: usize,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Decide that items are deleted by rule: one person proposes, another approves
    Dispose {
        #[command(subcommand)]
        verb: dispose::DisposeVerb,
    },
    /// Write the proof that an item was deleted by rule: the entries of both logs with their proofs, and what they cannot prove
    ProveDisposed(prove_disposed::ProveArgs),
    /// Say what a quarter brought: recordings, hours, times, storage, gaps, and what was saved
    Report {
        /// A quarter of a year of UTC, such as 2026-Q4; default: the present one
        #[arg(long)]
        quarter: Option<Quarter>,
        /// One JSON object, as docs/report.schema.json describes it
        #[arg(long)]
        json: bool,
    },
    /// Look now for what is missing between cameras and logs, and name what nobody has explained
    Gaps {
        /// One station alone
        station: Option<StationName>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Explain gaps of a station, so that they are not reported any more
    AcceptGap {
        station: StationName,
        /// Names of gaps, as `camdock office gaps` shows them
        #[arg(required = true, value_name = "GAP")]
        gaps: Vec<String>,
        #[command(flatten)]
        signature: OrderSignature,
    },
    /// Say what items belong to: incident, category, exhibit and a free text, each an act of the office's log
    Tag(tag::TagArgs),
    /// Say by which class of office.toml items and their sidecars stay; no lock is shortened by it
    Classify {
        /// The name of a [class.NAME] of office.toml
        #[arg(long)]
        class: String,
        #[command(flatten)]
        args: hold::HoldArgs,
    },
    /// Keep items and their sidecars whatever their class says: the store's legal hold is set, then the act is entered
    Hold(hold::HoldArgs),
    /// Lift a hold; the items stay as long as their locks, and as long as other holds keep them
    LiftHold {
        /// The entry of the office's log that placed it; needed where several keep an item
        #[arg(long, value_name = "ENTRY")]
        hold: Option<u64>,
        #[command(flatten)]
        args: hold::HoldArgs,
    },
    /// Believe a log again that was rewritten or closed
    Release {
        station: StationName,
        /// For a rewritten log: from which of its two contradicting checkpoints it is believed
        #[arg(long, value_enum)]
        from: Option<FromCheckpoint>,
        #[command(flatten)]
        signature: OrderSignature,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Verdict {
    /// They are evidence like any other
    Accept,
    /// They are not evidence; they stay stored until their retention ends
    Reject,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FromCheckpoint {
    /// The one that was cosigned
    Earlier,
    /// The one by which the log was found to be rewritten
    Later,
}

impl From<FromCheckpoint> for WhichCheckpoint {
    fn from(from: FromCheckpoint) -> Self {
        match from {
            FromCheckpoint::Earlier => Self::Earlier,
            FromCheckpoint::Later => Self::Later,
        }
    }
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    if let OfficeVerb::Keydesk { verb } = &args.verb {
        return keydesk::run(config, verb);
    }
    if let OfficeVerb::Disposer { verb } = &args.verb {
        return disposer::run(config, verb);
    }
    if let OfficeVerb::Sharereader { verb } = &args.verb {
        return sharereader::run(config, verb);
    }
    let path = std::path::absolute(config)?;
    let loaded = OfficeConfig::load(&path);
    if let (OfficeVerb::Check { json }, Err(error)) = (&args.verb, &loaded) {
        check::unready(&path, error, *json)?;
    }
    let (config, warnings) = loaded?;
    match args.verb {
        OfficeVerb::Check { json } => check::run(&path, &config, warnings, json),
        OfficeVerb::Run => serve(config, warnings),
        OfficeVerb::Keydesk { .. }
        | OfficeVerb::Disposer { .. }
        | OfficeVerb::Sharereader { .. } => Ok(Outcome::Fine),
        OfficeVerb::Status { json } => status::run(&config, json),
        OfficeVerb::Acts { json } => acts::run(&config, json),
        OfficeVerb::People { verb } => people::run(&config, verb),
        OfficeVerb::Pack(args) => pack::run(&config, args),
        OfficeVerb::Share(args) => share::run(&config, &args),
        OfficeVerb::Shares { json } => share::list(&config, json),
        OfficeVerb::EndShare(args) => share::end(&config, args),
        OfficeVerb::Close { station, signature } => {
            decide::send(&config, station, OfficeVerdict::Close, signature)
        }
        OfficeVerb::Release {
            station,
            from,
            signature,
        } => {
            let from = from.map(WhichCheckpoint::from);
            decide::send(&config, station, OfficeVerdict::Release { from }, signature)
        }
        OfficeVerb::Quarantine {
            decision,
            station,
            evidence,
            signature,
        } => {
            let decision = match decision {
                Verdict::Accept => ItemDecision::Accept,
                Verdict::Reject => ItemDecision::Reject,
            };
            decide::order(
                &config,
                &decide::of_station(&station, &evidence),
                &decision,
                &signature,
                "decided ",
            )
        }
        OfficeVerb::Reassign {
            station,
            evidence,
            officer,
            signature,
        } => {
            let decision = ItemDecision::Reassign(Officer(officer));
            decide::order(
                &config,
                &decide::of_station(&station, &evidence),
                &decision,
                &signature,
                "decided ",
            )
        }
        OfficeVerb::Tag(args) => tag::run(&config, args),
        OfficeVerb::Classify { class, args } => {
            let decision = ItemDecision::Classify { class };
            hold::run(&config, &args, &decision, "classed ")
        }
        OfficeVerb::Hold(args) => hold::run(&config, &args, &ItemDecision::Hold, "held    "),
        OfficeVerb::LiftHold { hold, args } => {
            hold::run(&config, &args, &ItemDecision::LiftHold { hold }, "lifted  ")
        }
        OfficeVerb::Due {
            within,
            limit,
            json,
        } => due::run(&config, within, limit, json),
        OfficeVerb::Dispose { verb } => dispose::run(&config, &verb),
        OfficeVerb::ProveDisposed(args) => prove_disposed::run(&config, &args),
        OfficeVerb::Report { quarter, json } => report::run(&config, quarter, json),
        OfficeVerb::Gaps { station, json } => gaps::run(&config, station.as_ref(), json),
        OfficeVerb::AcceptGap {
            station,
            gaps,
            signature,
        } => decide::send_gaps(&config, &station, &gaps, &signature),
        OfficeVerb::Rebuild => rebuild(&config),
        OfficeVerb::Keygen => {
            let keys = office::make_keys(&config)?;
            println!("private keys: {}", config.witness_key().display());
            println!("              {}", config.office_log_key().display());
            println!("cosigns with: {}", keys.witness);
            println!("its own log:  {}", keys.log);
            println!(
                "Give both public keys to everyone who is to verify cosignatures or the office's log, by a way that you trust, and keep a copy of the private ones where no station and no store can reach it."
            );
            Ok(Outcome::Fine)
        }
    }
}

fn serve(config: OfficeConfig, warnings: Vec<String>) -> anyhow::Result<Outcome> {
    let runtime = begin(&config.log, warnings)?;
    runtime.block_on(office::run(config))?;
    Ok(Outcome::Fine)
}

/// What the office, the key desk and the share reader begin with: a bounded heap, the log with what is unwise in the configuration, a runtime.
fn begin(log: &LogSettings, warnings: Vec<String>) -> anyhow::Result<Runtime> {
    sys::bound_heap();
    logs::start(log.format, &log.level);
    for warning in warnings {
        tracing::warn!(
            code = "config_unwise",
            warning,
            next_step = "edit the configuration file if this is not meant so",
            "the configuration works, but is unwise"
        );
    }
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

fn rebuild(config: &OfficeConfig) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let told = |station: &str, entries| println!("{station:<24} {entries:>10} entries read");
    runtime.block_on(office::rebuild(config, told))?;
    Ok(Outcome::Fine)
}
