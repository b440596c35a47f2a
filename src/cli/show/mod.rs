//! `camdock show`: one item's custody as sentences, from the verified log.

mod disposal;
mod import;
mod preview;

use std::io::Write as _;
use std::path::Path;

use anyhow::bail;

use self::import::{declared, derived_from_it, ended};
use self::preview::previewed;
use super::verify::verifier_key;
use super::{Outcome, load_config};
use crate::audit::{DirSource, verify_log};
use crate::model::{
    ActReference, CameraWiped, Entry, Event, EvidenceId, OperatorAction, SessionId, WipeStage,
};

/// Shows one item's whole custody in order, from the verified custody log.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock show 0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9b11
Every sentence names its entry in the log; the log is verified before it is quoted.")]
pub struct Args {
    /// The evidence id
    id: EvidenceId,
    /// Print the log's entries instead, one JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let config = load_config(config)?;
    let source = DirSource::new(config.files.log_dir());
    let key = verifier_key(&config, None)?;
    let mut session: Option<SessionId> = None;
    let mut kept: Vec<(u64, Entry)> = Vec::new();
    let report = verify_log(
        &source,
        &key,
        &mut |index, bytes| {
            let Ok(entry) = serde_json::from_slice::<Entry>(bytes) else {
                return;
            };
            match &entry.event {
                Event::CameraDocked(_)
                | Event::CameraUndocked(_)
                | Event::SessionEnded(_)
                | Event::ImportDeclared(_)
                | Event::ImportEnded(_)
                | Event::StationStarted(_) => {
                    kept.push((index, entry));
                }
                event if derived_from_it(event, args.id) => kept.push((index, entry)),
                event if concerns(event, args.id) => {
                    session = session.or(entry.session);
                    kept.push((index, entry));
                }
                _ => {}
            }
        },
        None,
    )?;
    let Some(session) = session else {
        bail!(
            "the log holds no item {}; `camdock items` lists what there is",
            args.id
        );
    };
    let sealed_at = kept
        .iter()
        .find(|(_, e)| evidence_of(&e.event) == Some(args.id))
        .map_or(u64::MAX, |(i, _)| *i);
    let started = kept
        .iter()
        .rfind(|(i, e)| *i < sealed_at && matches!(e.event, Event::StationStarted(_)))
        .map(|(i, _)| *i);
    kept.retain(|(index, entry)| match &entry.event {
        Event::StationStarted(_) => Some(*index) == started,
        Event::CameraDocked(_)
        | Event::CameraUndocked(_)
        | Event::SessionEnded(_)
        | Event::ImportDeclared(_)
        | Event::ImportEnded(_) => entry.session == Some(session),
        _ => true,
    });
    let own = |event: &Event| evidence_of(event) == Some(args.id);
    let imported = kept.iter().any(|(_, entry)| {
        own(&entry.event) && matches!(&entry.event, Event::ItemSealed(e) if e.import.is_some())
    });
    let mut out = std::io::stdout().lock();
    let mut wrong = false;
    if args.json {
        for (index, entry) in &kept {
            let mut value = serde_json::to_value(entry)?;
            value["entry"] = (*index).into();
            writeln!(out, "{value}")?;
        }
    } else {
        writeln!(out, "Custody of item {}\n", args.id)?;
        for (index, entry) in &kept {
            let text = match &entry.event {
                Event::ItemHeld(e) if imported => import::held(e, args.id),
                event => sentence(event, args.id),
            };
            let local = entry
                .time
                .to_zoned_datetime(config.station.time_zone.clone());
            writeln!(
                out,
                "{}  (entry {index})\n    {}\n",
                local.strftime("%Y-%m-%d %H:%M:%S %Z"),
                text
            )?;
        }
        wrong = disposal::tell(&config, args.id, &kept, &mut out)?;
        writeln!(
            out,
            "The log has {} entries under the key {key}.",
            report.size
        )?;
    }
    if report.is_clean() {
        return Ok(if wrong {
            Outcome::VerificationFailed
        } else {
            Outcome::Fine
        });
    }
    eprintln!("The log does NOT verify: nothing above is proven. Run `camdock verify`.");
    Ok(Outcome::VerificationFailed)
}

fn concerns(event: &Event, id: EvidenceId) -> bool {
    match event {
        Event::CameraWiped(e) => e.files.iter().any(|file| file.evidence == Some(id)),
        Event::ItemHeld(e) => e.files().any(|file| file.evidence == id),
        event => evidence_of(event) == Some(id),
    }
}

fn evidence_of(event: &Event) -> Option<EvidenceId> {
    match event {
        Event::ItemSealed(e) => Some(e.evidence),
        Event::ItemQuarantined(e) => Some(e.evidence),
        Event::ItemFailed(e) => e.evidence,
        Event::ItemStored(e) => Some(e.evidence),
        Event::ItemPreviewed(e) => Some(e.evidence),
        Event::OperatorAction(e) => e.evidence,
        Event::ItemTaggedAtDock(e) => Some(e.evidence),
        _ => None,
    }
}

/// The result of wiping a camera for one item.
fn wiped(entry: &CameraWiped, id: EvidenceId) -> String {
    if entry.stage == WipeStage::Begun {
        return format!(
            "Deleting it from the camera {} was about to begin; the level asked for was `{}`.",
            entry.camera,
            entry.level.as_str()
        );
    }
    match entry.files.iter().find(|file| file.evidence == Some(id)) {
        Some(file) if file.wiped => format!(
            "It was deleted from the camera {} upon its proof of storage{}.",
            entry.camera,
            if entry.rehash {
                ", after its SHA-256 on the camera was compared once more"
            } else {
                ""
            }
        ),
        Some(file) => format!(
            "It was left on the camera: {} ({}).",
            file.reason.as_deref().unwrap_or("no reason given"),
            file.code.as_deref().unwrap_or("-")
        ),
        None => "The camera was wiped.".into(),
    }
}

/// A person's action. The name is the token's or what was typed; only what a person wrote stands in quotation marks.
fn acted(e: &OperatorAction) -> String {
    let peer = e.peer.as_ref().map_or(String::new(), |p| format!(" [{p}]"));
    let by = format!("under the name {:?}{peer}", e.operator);
    let reason = format!("with the reason {:?}", e.reason);
    let officer = e.officer.as_ref().map_or("", |o| o.0.as_str());
    match e.action.as_str() {
        "quarantine.accept" => format!("It was accepted as evidence {by}, {reason}."),
        "quarantine.reject" => format!("It was rejected as evidence {by}, {reason}."),
        "officer.reassign" => {
            format!("It was assigned to officer {officer} {by}, {reason}.")
        }
        "evidence.viewed" => format!("It was looked at on the page {by} ({}).", e.reason),
        "evidence.listed" => format!("It was listed on the page {by} ({}).", e.reason),
        "evidence.exported" => format!("It was exported from the page {by} ({}).", e.reason),
        action => format!("{action} was ordered {by}, {reason}."),
    }
}

/// Why a file that nobody has any more is not taken again.
fn deleted_by_rule(act: Option<&ActReference>) -> String {
    act.map_or(String::new(), |act| {
        format!(
            ", since it had been deleted by rule (entry {} of the log of {})",
            act.index, act.log
        )
    })
}

/// One entry in plain words.
fn sentence(event: &Event, id: EvidenceId) -> String {
    match event {
        Event::StationStarted(e) => {
            format!(
                "The station started (CamDock {}), sealing to the recipients {}.",
                e.version,
                e.recipients.join(", ")
            )
        }
        Event::CameraDocked(e) => {
            let camera = e
                .camera
                .as_ref()
                .map_or("A camera without a usable serial".into(), |c| {
                    format!("Camera {c}")
                });
            let officer = e
                .officer
                .as_ref()
                .map_or("no officer known".into(), |o| format!("officer {o}"));
            let clock = if e.clock.synchronised {
                "synchronised"
            } else {
                "not synchronised"
            };
            let docked = if e.at_start {
                "was found in bay {} when the station started"
            } else {
                "was docked in bay {}"
            };
            let docked = docked.replace("{}", e.bay.as_str());
            let mut text =
                format!("{camera} ({officer}) {docked}. The station's clock was {clock}.");
            if let Some(reason) = &e.quarantine {
                text.push_str(&format!(" Everything on it is quarantined: {reason}."));
            }
            text
        }
        Event::ImportDeclared(e) => declared(e),
        Event::ImportEnded(e) => ended(e),
        Event::ItemSealed(e) if e.import.is_some() => import::sealed(e, id),
        Event::ItemSealed(e) => {
            let time = e.modified.map_or("gave no time for it".into(), |t| {
                format!("gave its time as {t} (never corrected)")
            });
            format!(
                "The file {} of {} bytes was read whole from the camera, which {time}.\n    Its SHA-256 is {}.\n    It was \
                 encrypted at once to the recipients and made durable on the station ({} sealed bytes).",
                e.path, e.size, e.sha256, e.sealed_size
            )
        }
        Event::ItemQuarantined(e) => {
            format!("It was quarantined: {}. A decision is needed.", e.reason)
        }
        Event::ItemHeld(e) => {
            let files: Vec<_> = e.files().filter(|file| file.evidence == id).collect();
            let paths: Vec<_> = files.iter().map(|file| file.path.to_string()).collect();
            format!(
                "The camera was docked again and still had the file {}; it was not taken again{}.",
                paths.join(", "),
                deleted_by_rule(files.iter().find_map(|file| file.disposed.as_ref()))
            )
        }
        Event::ItemStored(e) => {
            let version = e.version_id.as_deref().unwrap_or("none");
            let lock = e
                .retention
                .as_ref()
                .map_or("without a retention lock".into(), |r| {
                    format!("locked ({}) until {}", r.mode, r.until)
                });
            format!(
                "The store confirmed the sealed object in bucket {} as {}, version {version}, {lock}.\n    The checksum that it \
                 named is the one computed here: {}.",
                e.bucket, e.key, e.checksum
            )
        }
        Event::ItemPreviewed(e) => previewed(e),
        Event::CameraWiped(e) => wiped(e, id),
        Event::ItemFailed(e) => format!("It could not be taken: {} ({}).", e.reason, e.code),
        Event::OperatorAction(e) => acted(e),
        Event::ItemTaggedAtDock(e) => {
            let tag =
                |tag: &Option<String>| tag.as_ref().map_or("none".into(), |t| format!("{t:?}"));
            format!(
                "It was tagged in bay {} after the badge {} was given [{}]: incident {}, category {}.",
                e.bay,
                e.officer,
                e.peer,
                tag(&e.incident),
                tag(&e.category)
            )
        }
        Event::CameraUndocked(e) if e.complete => format!(
            "The camera left bay {} ({}); nothing on it was missing.",
            e.bay, e.reason
        ),
        Event::CameraUndocked(e) => {
            format!(
                "The camera left bay {} ({}) before all was secured: {} files were missing.",
                e.bay, e.reason, e.missing_count
            )
        }
        Event::SessionEnded(e) => {
            let left = match e.missing_count {
                _ if e.complete => "everything seen on it was secured".to_owned(),
                n => format!("{n} files were not secured yet"),
            };
            format!(
                "The dock session in bay {} ended because the station stopped watching ({}); {left}. The camera was not seen to leave.",
                e.bay, e.reason
            )
        }
        other => other.name().to_owned(),
    }
}
