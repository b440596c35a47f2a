//! Deletes from a camera what is proven to be stored (promise 3). A failure here does not concern the evidence: the bay still
//! says that all is stored, and a problem says what to do.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use super::bay_display::BayDisplay;
use super::dock_session::DockSession;
use crate::audit::{WipeTrust, prove};
use crate::camera::{Camera, WipeOrder};
use crate::config::WipePolicy;
use crate::ingest::chain;
use crate::ingest::wiping::Wiping;
use crate::ingest::{IngestError, now};
use crate::journal::{ItemRow, SessionRow};
use crate::metrics;
use crate::model::{
    CameraId, CameraWiped, Entry, Event, EvidenceId, Explain as _, Left, Problem, Proven,
    WipeAnswer, WipeLevel, WipeProof, WipeRequest, WipeResult, WipeStage,
};
use crate::upload::UploadError;

/// Between looks for confirmations that are not there yet, and after a failure.
const AGAIN: Duration = Duration::from_secs(30);
const AFTER_FAILURE: Duration = Duration::from_mins(10);
/// Bytes of one log entry's file list, well below the log's 65,535.
const PAGE_BYTES: usize = 48_000;
/// Characters of a reason in the log.
const REASON_MAX: usize = 200;

/// One session's wiping.
pub(super) struct Wiper {
    wiping: Wiping,
    camera: CameraId,
    /// Items that were dealt with once in this session, whatever the result.
    settled: HashSet<EvidenceId>,
    notes: HashMap<EvidenceId, String>,
    /// The time of the next wiping; `None`: nothing is left to be tried.
    next: Option<Instant>,
}

/// The reason why nothing could be done, for people.
struct WipeTrouble {
    code: &'static str,
    reason: String,
    next_step: String,
    again: bool,
}

impl Wiper {
    /// `None`: a camera whose identity is in doubt is never wiped.
    pub fn new(wiping: Wiping, session: &SessionRow, anonymous: bool) -> Option<Self> {
        let camera = session.camera.clone()?;
        (!anonymous && session.quarantine.is_none()).then(|| Self {
            wiping,
            camera,
            settled: HashSet::new(),
            notes: HashMap::new(),
            next: Some(Instant::now()),
        })
    }

    pub fn is_due(&self) -> bool {
        self.next.is_some_and(|next| next <= Instant::now())
    }

    /// The camera has new files: they are to be deleted, too, once they are stored.
    pub fn expect_more(&mut self, session: &DockSession) {
        self.next = Some(Instant::now());
        session.control.set_to_wipe(true);
    }

    /// Deletes what can be proven, if it is time to, and reports how it went. Fails only where the log does.
    pub fn wipe_if_due(
        &mut self,
        session: &DockSession,
        display: &BayDisplay,
        camera: &mut dyn Camera,
    ) -> Result<(), IngestError> {
        if !self.is_due() {
            return Ok(());
        }
        if !display.state().wiping() {
            // Not everything is stored, or something is wrong: nothing is deleted at all.
            let waits = display.state().left_behind() == 0;
            session.control.set_to_wipe(waits);
            if !waits {
                // Until the camera shows something else.
                self.next = None;
            }
            return Ok(());
        }
        let done = self.wipe(session, display, camera);
        display.state().wiped();
        let done = done.map(|ended| {
            self.next = match &ended {
                Ok(true) => None,
                Ok(false) => Some(Instant::now() + AGAIN),
                Err(trouble) => trouble.again.then(|| Instant::now() + AFTER_FAILURE),
            };
            let trouble = ended.err();
            if let Some(trouble) = &trouble {
                metrics::error(trouble.code);
                tracing::error!(
                    code = trouble.code,
                    reason = trouble.reason,
                    next_step = trouble.next_step,
                    "the camera was not wiped; its footage is stored"
                );
            }
            let problem = trouble.map(|trouble| Problem {
                code: trouble.code.into(),
                reason: trouble.reason,
                next_step: trouble.next_step,
                since: now(),
                needs_person: true,
            });
            session.shared.bays.problem(&session.row.bay, problem);
        });
        session.control.set_to_wipe(false);
        done
    }

    /// `Ok(true)`: nothing is left; `Ok(false)`: something is still to be confirmed.
    fn wipe(
        &mut self,
        session: &DockSession,
        display: &BayDisplay,
        camera: &mut dyn Camera,
    ) -> Result<Result<bool, WipeTrouble>, IngestError> {
        if session.control.has_twin() {
            return Ok(Err(WipeTrouble {
                code: "wipe_twin",
                reason: "another docked camera gives the same serial".into(),
                next_step: "Take both cameras out, find out which one is genuine, and dock it alone; nothing more is deleted until then.".into(),
                again: false,
            }));
        }
        let (policy, trust, level) =
            match allowed(&self.wiping.means.policy, self.wiping.rules.level) {
                Ok(allowed) => allowed,
                Err(trouble) => return Ok(Err(trouble)),
            };
        let rehash = self.wiping.rules.rehash || policy.rehash;
        let mut ids = session.shared.journal.items_seen(session.row.id)?;
        ids.retain(|id| !self.settled.contains(id));
        if ids.is_empty() {
            return Ok(Ok(true));
        }
        if level == WipeLevel::Confirmed && !self.fetch_confirmations(&ids) {
            return Ok(Ok(false));
        }
        display.show(None);
        let (mut left, mut damage) = (0, None);
        for batch in ids.chunks(WipeRequest::FILES_MAX) {
            if session.is_over() {
                return Ok(Ok(false));
            }
            let log = |stage, files, failed| CameraWiped {
                bay: session.row.bay.clone(),
                camera: self.camera.clone(),
                level,
                rehash,
                stage,
                files,
                failed,
            };
            let (mut results, mut files, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
            for id in batch {
                match self.proof(session, *id, &trust, level)? {
                    Ok(proven) => {
                        sizes.push(proven.0.size);
                        files.push(proven);
                    }
                    Err(result) => results.push(result),
                }
            }
            if !files.is_empty() {
                let named = files.iter().map(|(proven, _)| WipeResult {
                    evidence: Some(proven.evidence),
                    path: None,
                    wiped: false,
                    code: None,
                    reason: None,
                });
                let begun = log(WipeStage::Begun, named.collect(), None);
                session.log(Event::CameraWiped(begun))?;
                let order = WipeOrder {
                    level,
                    rehash,
                    files: &files,
                    prove: &|proof| prove(proof, &trust, level, now()),
                    helper: &self.wiping.means.helper,
                };
                let answer = match request(camera, &order, &|| {
                    session.is_over() || session.control.has_twin()
                }) {
                    Ok(answer) => answer,
                    Err(trouble) => {
                        let failed = Some(trouble.reason.chars().take(REASON_MAX).collect());
                        enter(
                            session,
                            display,
                            vec![log(WipeStage::Done, results, failed)],
                        )?;
                        return Ok(Err(trouble));
                    }
                };
                damage = answer.warnings.into_iter().last().or(damage);
                results.extend(matched(&files, answer.files));
                let deleted: Vec<_> = results.iter().filter_map(WipeResult::deleted).collect();
                session.insist(display, || {
                    Ok(session.shared.journal.mark_wiped(&deleted)?)
                })?;
                for (result, size) in results.iter().rev().zip(sizes.iter().rev()) {
                    let outcome = if result.wiped { "wiped" } else { "not_wiped" };
                    metrics::file(outcome, *size);
                }
            }
            self.settled.extend(batch);
            left += results.iter().filter(|result| !result.wiped).count();
            for result in &results {
                report(result);
            }
            let pages = paged(results).into_iter();
            let entries = pages.map(|files| log(WipeStage::Done, files, None));
            enter(session, display, entries.collect())?;
        }
        Ok(if let Some(reason) = damage {
            Err(WipeTrouble {
                code: "wipe_medium",
                reason: format!("the medium is not as it should be after wiping: {reason}"),
                next_step: "Take the camera out, dock it again, and look at `journalctl -u 'camdock-wipe@*'`.".into(),
                again: false,
            })
        } else if left == 0 {
            Ok(true)
        } else {
            Err(WipeTrouble {
                code: "wipe_left",
                reason: format!("{left} stored files were left on the camera"),
                next_step: "Look at the `camera.wiped` entries of the custody log: each file is named there with the reason.".into(),
                again: false,
            })
        })
    }

    /// An item's proof, if it holds; otherwise the reason why the file stays.
    fn proof(
        &self,
        session: &DockSession,
        id: EvidenceId,
        trust: &WipeTrust,
        level: WipeLevel,
    ) -> Result<Result<(Proven, WipeProof), WipeResult>, IngestError> {
        let journal = &session.shared.journal;
        let row = journal.item(id)?;
        let kept = |left: &Left, row: Option<&ItemRow>| WipeResult {
            evidence: Some(id),
            path: row.map(|row| row.facts.path.clone()),
            ..WipeResult::nameless(left)
        };
        let Some(row) = row else {
            let left = Left::new("proof_wrong", "the journal does not know it any more");
            return Ok(Err(kept(&left, None)));
        };
        // It is still to be decided whose it is and whether it may be kept.
        if row.quarantine.is_some() {
            let left = Left::new("quarantined", "it was taken in quarantine");
            return Ok(Err(kept(&left, Some(&row))));
        }
        let (Some(sealed), Some(sealed_at), Some(stored_at)) =
            (&row.sealed, row.log_index, row.storing.index())
        else {
            let left = Left::new("not_stored", "the journal does not call it stored");
            return Ok(Err(kept(&left, Some(&row))));
        };
        let log = &session.shared.log;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let proof = WipeProof {
            sealed: text(&sealed.manifest),
            sealed_receipt: log.proof(sealed_at)?,
            stored: text(&log.entry(stored_at)?),
            stored_receipt: log.proof(stored_at)?,
            confirmation: self.notes.get(&id).cloned(),
        };
        Ok(match prove(&proof, trust, level, now()) {
            Ok(proven) if proven.camera == self.camera => match self.locked(&proof) {
                Ok(()) => Ok((proven, proof)),
                Err(left) => Err(kept(&left, Some(&row))),
            },
            Ok(_) => Err(kept(
                &Left::new("camera_differs", "it was taken from another camera"),
                Some(&row),
            )),
            Err(left) => Err(kept(&left, Some(&row))),
        })
    }

    /// Asks the store whether the object of a proof is still locked as the log says.
    fn locked(&self, proof: &WipeProof) -> Result<(), Left> {
        let Ok(Entry {
            event: Event::ItemStored(stored),
            ..
        }) = serde_json::from_str(&proof.stored)
        else {
            return Err(Left::new("proof_wrong", "its entry is not `item.stored`"));
        };
        let seen = self.wiping.means.lock(&stored).map_err(|error| {
            let reason = format!("the store did not say how the object is locked: {error}");
            Left::new("lock_not_seen", reason)
        })?;
        match &stored.retention {
            Some(logged) if logged.is_held_by(seen.as_ref()) => Ok(()),
            _ => {
                let seen = seen.map_or_else(|| "not at all".to_owned(), |lock| lock.to_string());
                let reason = format!("the store locks the object otherwise than logged: {seen}");
                Err(Left::new("lock_not_seen", reason))
            }
        }
    }

    /// Fetches the confirmations that are still missing; `false`: one is not there yet, and nothing is deleted before all are.
    fn fetch_confirmations(&mut self, ids: &[EvidenceId]) -> bool {
        for id in ids {
            if self.notes.contains_key(id) {
                continue;
            }
            match self.wiping.means.confirmation(*id) {
                Ok(Some(note)) => {
                    self.notes.insert(*id, note);
                }
                Ok(None) => return false,
                // Keys that may not list get this answer for an object that does not exist.
                Err(error @ UploadError::Forbidden { .. }) => {
                    tracing::info!(evidence = %id, error = &error as &dyn std::error::Error, "not confirmed yet, or its confirmation may not be read");
                    return false;
                }
                Err(error) => {
                    metrics::error(error.label());
                    tracing::warn!(evidence = %id, code = error.label(), error = &error as &dyn std::error::Error,
                        next_step = error.next_step(), "cannot look for a confirmation; nothing is deleted before it is there");
                    return false;
                }
            }
        }
        true
    }
}

/// Enters the results until the log takes them: what was deleted must be in the log.
fn enter(
    session: &DockSession,
    display: &BayDisplay,
    entries: Vec<CameraWiped>,
) -> Result<(), IngestError> {
    for entry in entries {
        session.insist(display, || session.log(Event::CameraWiped(entry.clone())))?;
    }
    Ok(())
}

/// Reads what root's policy allows now.
fn allowed(
    file: &Path,
    asked: WipeLevel,
) -> Result<(WipePolicy, WipeTrust, WipeLevel), WipeTrouble> {
    let refused = |reason: String, next_step: String| WipeTrouble {
        code: "wipe_not_allowed",
        reason,
        next_step,
        again: true,
    };
    let policy =
        WipePolicy::load(file).map_err(|error| refused(chain(&error), error.next_step()))?;
    // A profile may ask for more than the policy does; then there must be a key that can confirm.
    let level = asked.max(policy.level);
    let trust = WipeTrust::new(level, &policy.log_keys, &policy.confirmer_keys);
    let trust = trust.map_err(|error| {
        let reason = format!("{}: {error}", file.display());
        refused(reason, "Correct the keys in wipe.toml.".into())
    })?;
    Ok((policy, trust, level))
}

/// Asks for the deletion; returns the result of each file, unless nothing was deleted at all.
fn request(
    camera: &mut dyn Camera,
    order: &WipeOrder<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<WipeAnswer, WipeTrouble> {
    let answer = camera.wipe(order, stop).map_err(|error| WipeTrouble {
        code: error.label(),
        reason: chain(&error),
        next_step: error.next_step(),
        again: true,
    })?;
    match &answer.refused {
        None => Ok(answer),
        Some(reason) => Err(WipeTrouble {
            code: "wipe_refused",
            reason: format!("root's helper refuses to wipe the camera: {reason}"),
            next_step: "Look at `journalctl -u 'camdock-wipe@*'` and at /etc/camdock/wipe.toml; nothing was deleted.".into(),
            again: true,
        }),
    }
}

/// One result for each file that was asked about; answers about other files are ignored.
fn matched(files: &[(Proven, WipeProof)], answered: Vec<WipeResult>) -> Vec<WipeResult> {
    let unanswered = Left::new("no_answer", "nothing was said about it");
    let mut answered: HashMap<_, _> = answered
        .into_iter()
        .filter_map(|result| Some((result.evidence?, result)))
        .collect();
    files
        .iter()
        .map(|(proven, _)| match answered.remove(&proven.evidence) {
            Some(result) => WipeResult {
                path: Some(proven.path.clone()),
                reason: result
                    .reason
                    .map(|reason| reason.chars().take(REASON_MAX).collect()),
                ..result
            },
            None => WipeResult::left(proven, &unanswered),
        })
        .collect()
}

fn paged(results: Vec<WipeResult>) -> Vec<Vec<WipeResult>> {
    let mut pages: Vec<Vec<WipeResult>> = Vec::new();
    let mut bytes = usize::MAX;
    for result in results {
        // A control character takes six bytes in JSON: the worst case.
        let path = result.path.as_ref().map_or(0, |path| path.as_bytes().len());
        let reason = result.reason.as_ref().map_or(0, String::len);
        let size = 160 + path * 6 + reason * 6;
        bytes = bytes.saturating_add(size);
        match pages.last_mut() {
            Some(page) if bytes <= PAGE_BYTES => page.push(result),
            _ => {
                bytes = size;
                pages.push(vec![result]);
            }
        }
    }
    pages
}

fn report(result: &WipeResult) {
    let evidence = result.evidence.map(|id| id.to_string());
    let path = result.path.as_ref().map(ToString::to_string);
    if result.wiped {
        tracing::info!(evidence, path, "deleted from the camera");
    } else {
        tracing::warn!(
            evidence,
            path,
            left = result.code,
            reason = result.reason,
            code = "wipe_left",
            next_step =
                "nothing is lost: the file is stored; `camdock explain` explains the reason",
            "left on the camera"
        );
    }
}

#[cfg(test)]
mod tests;
