//! `camdock office acts`: the office's own log, verified and in words.

use std::collections::HashMap;
use std::io::Write as _;

use serde::Deserialize;

use crate::audit::{DirSource, DisposalHistory, verify_log};
use crate::cli::Outcome;
use crate::cli::bucket::Bucket;
use crate::cli::verify::{Anchors, LoggedLocks, ReportedFinding, against_rule, compare_copies};
use crate::config::OfficeConfig;
use crate::model::{
    ActReference, CosignedState, Decider, Entry, Escaped, Event, ItemTagged, ObjectAlarm,
    OperatorAction, SaltedText, Sha256Digest, StationName, TagSource,
};
use crate::office::{self, TEXTS};

/// Far longer than any reason with its salt.
const TEXT_MAX: u64 = 64 << 10;

pub fn run(config: &OfficeConfig, json: bool) -> anyhow::Result<Outcome> {
    let key = office::log_verifier(config)?;
    let source = DirSource::new(config.log_dir());
    let mut acts: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut disposals: HashMap<StationName, DisposalHistory> = HashMap::new();
    let mut see = |index, bytes: &[u8]| {
        if let Ok(About { data }) = serde_json::from_slice(bytes) {
            let history = || DisposalHistory::new(config.name.clone(), data.log.clone());
            let of_station = disposals.entry(data.log.clone());
            of_station.or_insert_with(history).see(index, bytes);
        }
        acts.push((index, bytes.to_vec()));
    };
    let report = verify_log(&source, &key, &mut see, None)?;
    let bucket = Bucket::of(office::open_store(config)?, config.bucket_layout())?;
    let mut findings: Vec<ReportedFinding> = report
        .findings
        .iter()
        .map(ReportedFinding::of_log)
        .collect();
    for history in disposals.into_values() {
        let (_, wrong) = history.finish();
        findings.extend(wrong.iter().map(|(item, what)| against_rule(*item, what)));
    }
    let mut anchors = Anchors::default();
    let asked = (|| {
        let (text, found) = compare_copies(&source, &bucket, &key)?;
        findings.extend(found);
        anchors.locked(&bucket, &key, &LoggedLocks::default())?;
        anyhow::Ok(text)
    })();
    anchors.compare(&source, &report, &key)?;
    findings.append(&mut anchors.findings);

    let mut out = std::io::stdout().lock();
    for (index, bytes) in &acts {
        let Ok(entry) = serde_json::from_slice::<Entry>(bytes) else {
            writeln!(out, "{}", unknown(*index, bytes, json))?;
            continue;
        };
        let reason = decider(&entry.event).map(|by| reason(config, &bucket, by));
        if json {
            let mut value = serde_json::to_value(&entry)?;
            value["entry"] = (*index).into();
            value["reason"] = reason.into();
            writeln!(out, "{value}")?;
            continue;
        }
        writeln!(
            out,
            "{}  (entry {index})\n    {}",
            entry.time,
            sentence(&entry.event)
        )?;
        if let Some(reason) = reason {
            writeln!(out, "    The reason: {reason}")?;
        }
    }
    if !json {
        writeln!(
            out,
            "\nThe log has {} entries under the key {key}; {} locked checkpoints were compared with it.",
            report.size, anchors.counts.locked
        )?;
        match &asked {
            Ok(copies) => writeln!(out, "The copy here: {copies}.")?,
            Err(error) => writeln!(out, "The bucket's copy could not be looked at: {error:#}.")?,
        }
    }
    for finding in &findings {
        eprintln!("WRONG {finding}");
    }
    if !findings.is_empty() || !report.is_clean() {
        return Ok(Outcome::VerificationFailed);
    }
    asked.map(|_| Outcome::Fine)
}

/// The station that an act is about.
#[derive(Deserialize)]
struct About {
    data: OfStation,
}

#[derive(Deserialize)]
struct OfStation {
    log: StationName,
}

/// An entry of a kind that this version does not understand: it is kept, and that is said.
fn unknown(index: u64, bytes: &[u8], json: bool) -> String {
    match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(mut value) if json => {
            value["entry"] = index.into();
            value.to_string()
        }
        _ => format!(
            "(entry {index})\n    This version does not understand it: {}",
            String::from_utf8_lossy(bytes).escape_debug()
        ),
    }
}

const fn decider(event: &Event) -> Option<&Decider> {
    match event {
        Event::LogClosed(act) => Some(&act.by),
        Event::LogReleased(act) => Some(&act.by),
        Event::ItemViewed(act) => Some(&act.by),
        Event::PackMade(act) => Some(&act.by),
        Event::QuarantineDecided(act) => Some(&act.by),
        Event::OfficerReassigned(act) => Some(&act.by),
        Event::GapAccepted(act) => Some(&act.by),
        Event::ItemTagged(act) => Some(&act.by),
        Event::ItemClassified(act) => Some(&act.by),
        Event::HoldPlaced(act) => Some(&act.by),
        Event::HoldLifted(act) => Some(&act.by),
        Event::DisposalProposed(act) => Some(&act.by),
        Event::DisposalApproved(act) => Some(&act.by),
        Event::DisposalWithdrawn(act) => Some(&act.by),
        Event::PersonAdded(act) => Some(&act.by),
        Event::PersonRemoved(act) => Some(&act.by),
        Event::ItemShared(act) => Some(&act.by),
        Event::ShareEnded(act) => act.by.as_ref(),
        _ => None,
    }
}

/// The text that the act is bound to, if it is there and is the one.
fn reason(config: &OfficeConfig, bucket: &Bucket, by: &Decider) -> String {
    let digest = by.reason_sha256;
    let here = std::fs::read(config.state_dir.join("texts").join(digest.to_string())).ok();
    let there = || bucket.get(&bucket.layout().log(&format!("{TEXTS}{digest}")), TEXT_MAX);
    let bytes = match here
        .map(Into::into)
        .map_or_else(there, |bytes| Ok(Some(bytes)))
    {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return "(its text is not in the store; it may have been disposed of)".into(),
        Err(error) => return format!("(its text cannot be read: {error:#})"),
    };
    if Sha256Digest::of(&bytes) != digest {
        return "(the text in the store is NOT the one of this act)".into();
    }
    match serde_json::from_slice::<SaltedText>(&bytes) {
        Ok(salted) => format!("{:?}", salted.text),
        Err(_) => "(its text is of a form that this version does not understand)".into(),
    }
}

/// One act in plain words. Only what a person wrote stands in quotation marks.
fn sentence(event: &Event) -> String {
    let by = |by: &Decider| format!("under the name {:?} [{}]", by.operator, by.peer);
    let state = |s: &CosignedState| format!("{} entries and the root {}", s.size, s.root);
    match event {
        Event::OfficeStarted(e) => format!(
            "The office started (CamDock {}) and follows {} logs. It cosigns with {}.",
            e.version, e.stations, e.witness_key
        ),
        Event::OfficeStopped(e) => format!("The office stopped ({}).", e.reason),
        Event::LogWitnessed(e) => format!(
            "The log of {} only grew, up to the {} entries that were cosigned at {}.",
            e.log, e.size, e.cosigned_at
        ),
        Event::LogAlarm(e) => {
            let claims = e
                .size
                .map_or_else(String::new, |size| format!("; it claims {size} now"));
            let proof = if e.contradiction.is_some() {
                ". Both signed checkpoints are in the entry"
            } else {
                ""
            };
            format!(
                "The log of {} needs attention: {}. {} entries were cosigned{claims}{proof}.",
                e.log, e.code, e.cosigned
            )
        }
        Event::LogClosed(e) => format!(
            "The log of {} was closed {}, with {}.",
            e.log,
            by(&e.by),
            e.cosigned
                .as_ref()
                .map_or_else(|| "nothing cosigned".into(), state)
        ),
        Event::LogReleased(e) => format!(
            "The log of {} was released {}, from the checkpoint of {}. This ends what entry {} of {} said.",
            e.log,
            by(&e.by),
            state(&e.from),
            e.supersedes.index,
            e.supersedes.log
        ),
        Event::ItemViewed(e) => format!(
            "The item {} of {} was opened to be looked at {}{}.",
            e.evidence,
            e.log,
            by(&e.by),
            e.part
                .map_or_else(String::new, |part| format!(", its {part} alone"))
        ),
        Event::ShareTaken(e) => format!(
            "The item {} of {} was taken out of the share {} by the holder of the key {} [{:?}, as the share reader {:?} says]. Entry {} shared it.",
            e.evidence, e.log, e.share, e.to, e.peer, e.reader, e.shared
        ),
        Event::PackMade(e) => format!(
            "The item {} of {} was to be opened for the court pack {} {}.",
            e.evidence,
            e.log,
            e.pack,
            by(&e.by)
        ),
        Event::QuarantineDecided(e) => format!(
            "The item {} of {} was {} as evidence {}{}.",
            e.evidence,
            e.log,
            if e.accepted { "accepted" } else { "rejected" },
            by(&e.by),
            ends(e.supersedes.as_ref())
        ),
        Event::OfficerReassigned(e) => format!(
            "The item {} of {} was assigned to officer {} {}{}.",
            e.evidence,
            e.log,
            e.officer,
            by(&e.by),
            ends(e.supersedes.as_ref())
        ),
        Event::GapAccepted(e) => format!(
            "The gap {} of {} was explained {}.",
            Escaped(e.gap.as_bytes()),
            e.log,
            by(&e.by)
        ),
        Event::ItemShared(e) => format!(
            "The item {} of {} was shared {} with the holder of the key {} until {} (share {}).",
            e.evidence,
            e.log,
            by(&e.by),
            e.to,
            e.until,
            e.share
        ),
        Event::ShareEnded(e) => format!(
            "The item {} of {} is shared no more: the share {} was ended {}.",
            e.evidence,
            e.log,
            e.share,
            e.by.as_ref().map_or_else(|| "by its date".to_owned(), by)
        ),
        Event::PersonAdded(e) => {
            let what = match &e.outside {
                None => format!("whose roles are {}", e.roles.join(", ")),
                Some(outside) => format!(
                    "{:?}, outside, who may be shared with until {}",
                    outside.organisation, outside.until
                ),
            };
            format!(
                "The key {} was confirmed {} as that of {:?}, {what}{}.",
                e.fingerprint,
                by(&e.by),
                e.person,
                ends(e.supersedes.as_ref())
            )
        }
        Event::PersonRemoved(e) => format!(
            "The key {} was removed {} from {:?}{}.",
            e.fingerprint,
            by(&e.by),
            e.person,
            ends(Some(&e.supersedes))
        ),
        Event::ObjectAlarm(e) => {
            let what = e.what.as_deref().unwrap_or("they are not named one by one");
            format!("{} of {}: {what} ({}).", objects(e), e.log, e.code)
        }
        Event::ObjectCleared(e) => {
            format!("{} of {}: in order again ({}).", objects(e), e.log, e.code)
        }
        Event::ItemTagged(e) => tagged(e, &by(&e.by)),
        Event::ItemClassified(e) => format!(
            "The item {} of {} has the class {:?} {}{}.",
            e.evidence,
            e.log,
            e.class,
            by(&e.by),
            ends(e.supersedes.as_ref())
        ),
        Event::RetentionExtended(e) => {
            let class = e.class.as_ref().map(|class| format!("the class {class:?}"));
            let held = e.held.then(|| "a hold".to_owned());
            let reasons: Vec<_> = class.into_iter().chain(held).collect();
            format!(
                "The item {} of {} is locked longer, as {} wants it. The store said that all {} objects are locked until {} at least ({}).",
                e.evidence,
                e.log,
                reasons.join(" and "),
                e.objects,
                e.until,
                e.mode
            )
        }
        Event::HoldPlaced(e) => {
            let missed = if e.not_held.is_empty() {
                String::new()
            } else {
                let names = e.not_held.join(", ");
                format!("; of {names} it did not say so, and the office goes on trying")
            };
            format!(
                "The item {} of {} is held {}. The store said that {} of its objects were under legal hold{missed}.",
                e.evidence,
                e.log,
                by(&e.by),
                e.objects.len()
            )
        }
        Event::HoldLifted(e) => format!(
            "A hold of the item {} of {} was lifted {}{}.",
            e.evidence,
            e.log,
            by(&e.by),
            ends(Some(&e.hold))
        ),
        Event::DisposalProposed(e) => format!(
            "It was proposed {} that the item {} of {} is deleted under the class {:?}: {} days from {}{}.",
            by(&e.by),
            e.evidence,
            e.log,
            e.class,
            e.days,
            e.sealed,
            if e.reviewed { "; it was reviewed" } else { "" }
        ),
        Event::DisposalApproved(e) => format!(
            "That the item {} of {} is deleted, as entry {} proposed, was approved {}.",
            e.evidence,
            e.log,
            e.proposal.index,
            by(&e.by)
        ),
        Event::DisposalWithdrawn(e) => format!(
            "That the item {} of {} is deleted, as entry {} proposed, was withdrawn {}.",
            e.evidence,
            e.log,
            e.proposal.index,
            by(&e.by)
        ),
        Event::ItemDisposed(e) => format!(
            "The item {} of {} was deleted under the class {:?} ({} days from {}), as {:?} proposed and {:?} approved (entries {} and {}). The store said at {} that none of its {} versions is there.",
            e.evidence,
            e.log,
            e.class,
            e.days,
            e.sealed,
            e.proposed_by,
            e.approved_by,
            e.proposal.index,
            e.approval.index,
            e.seen_gone,
            e.versions.len()
        ),
        Event::OperatorAction(e) => acted(e),
        other => other.name().to_owned(),
    }
}

fn ends(supersedes: Option<&ActReference>) -> String {
    supersedes.map_or_else(String::new, |act| {
        format!("; this ends what entry {} said", act.index)
    })
}

fn objects(e: &ObjectAlarm) -> String {
    match &e.key {
        Some(key) => format!("The object {}", Escaped(key.as_bytes())),
        None => format!("{} objects", e.objects),
    }
}

fn tagged(e: &ItemTagged, by: &str) -> String {
    let tags = &e.tags;
    let named = [
        ("incident", &tags.incident),
        ("category", &tags.category),
        ("exhibit", &tags.exhibit),
    ];
    let named = named.into_iter().filter_map(|(what, tag)| {
        let tag = tag.as_ref()?;
        Some(format!("{what} {tag:?}"))
    });
    let text = tags.text_sha256.map(|digest| format!("the text {digest}"));
    let restricted = (e.restricts() == Some(true)).then(|| "restricted to managers".to_owned());
    let all: Vec<String> = named.chain(text).chain(restricted).collect();
    let all = if all.is_empty() {
        "no tags".to_owned()
    } else {
        all.join(", ")
    };
    let source = match (e.source, &e.dispatch) {
        (TagSource::Person, _) => String::new(),
        (TagSource::File, None) => " from a file".into(),
        (TagSource::File, Some(found)) => format!(
            " from line {} of the file {} (confidence {})",
            found.line,
            found.file_sha256,
            found.confidence.as_str()
        ),
    };
    let before = ends(e.supersedes.as_ref());
    format!(
        "The item {} of {} has these tags {by}{source}: {all}{before}.",
        e.evidence, e.log
    )
}

/// Somebody looked at something on a page, under the name of a token.
fn acted(e: &OperatorAction) -> String {
    let did = match e.action.as_str() {
        "evidence.listed" => "listed evidence",
        "evidence.viewed" => "looked at an item",
        "evidence.exported" => "exported evidence",
        action => action,
    };
    let of = e.evidence.map_or_else(String::new, |id| format!(" {id}"));
    let peer = e.peer.as_deref().unwrap_or("unknown");
    format!("{:?} [{peer}] {did}{of}: {:?}.", e.operator, e.reason)
}
