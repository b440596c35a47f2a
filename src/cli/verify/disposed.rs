//! Items that a trusted office says were deleted by rule: told as such if they are gone, and named if they are not, or if it was against a rule.

use serde::Serialize;

use super::LoggedItems;
use super::item::{ItemCheck, ItemChecked, ItemProblem, MISSING, unreadable};
use super::report::{ReportedFinding, VerifyReport};
use crate::audit::Disposal;
use crate::cli::disposals::{TrustedDisposals, told};
use crate::config::{Config, TrustedOffice};
use crate::model::{Entry, EvidenceId, ItemStored, Part};

/// A deletion by rule, as the report has it.
#[derive(Debug, Clone, Serialize)]
pub struct ReportedDisposal {
    pub evidence: EvidenceId,
    pub office: String,
    /// In that office's log.
    pub entry: u64,
    pub class: String,
    pub proposed_by: String,
    pub approved_by: String,
    pub on: jiff::Timestamp,
    #[serde(skip)]
    pub told: String,
}

impl ReportedDisposal {
    fn of(disposal: &Disposal) -> Self {
        let act = &disposal.act;
        Self {
            evidence: act.evidence,
            office: disposal.at.log.to_string(),
            entry: disposal.at.index,
            class: act.class.clone(),
            proposed_by: act.proposed_by.clone(),
            approved_by: act.approved_by.clone(),
            on: act.seen_gone,
            told: told(disposal),
        }
    }
}

/// Takes in what the offices' logs say. A log that cannot be read leaves what is missing missing.
pub fn read(config: &Config, items: &mut LoggedItems, verified: &mut VerifyReport) {
    for office in &config.offices {
        take(config, office, items, verified);
    }
}

fn take(
    config: &Config,
    office: &TrustedOffice,
    items: &mut LoggedItems,
    verified: &mut VerifyReport,
) {
    let disposals = match TrustedDisposals::read(config, office) {
        Ok(disposals) => disposals,
        Err(error) => {
            verified.unchecked.push(ReportedFinding {
                code: "store_error".into(),
                evidence: None,
                what: format!("the office's log could not be read, so nothing is known of deletions by rule: {error:#}"),
                next_step: "Check [office] in camdock.toml, the network and the store, then verify again.".into(),
            });
            return;
        }
    };
    let office = &disposals.office;
    for finding in &disposals.report.findings {
        verified.findings.push(ReportedFinding {
            code: "office_log_wrong".into(),
            evidence: None,
            what: format!("the log of the office {office} does not verify, so none of its acts counts: {finding}"),
            next_step: "Change nothing in the bucket, run `camdock office acts` on the office, and call the evidence manager.".into(),
        });
    }
    let against = |evidence, what| {
        ReportedFinding {
        code: "disposal_against_rule".into(),
        evidence: Some(evidence),
        what: format!("item {evidence}: {what}"),
        next_step: "Keep both logs, find out who had the rights to delete and who entered it, and call the evidence manager.".into(),
    }
    };
    for (evidence, what) in disposals.wrong {
        verified.findings.push(against(evidence, what));
    }
    for (evidence, disposal) in disposals.said {
        let sealed = items.sealed.get(&evidence);
        let at = sealed.and_then(|(_, bytes)| serde_json::from_slice::<Entry>(bytes).ok());
        let what = match at {
            None => "the office says that it was deleted, and the station's log has no such item",
            Some(entry) if entry.time.as_millisecond() != disposal.act.sealed.as_millisecond() => {
                "the office counted its days from another time than that of the station's log"
            }
            Some(_) if items.disposed.contains_key(&evidence) => {
                "two offices say that it was deleted"
            }
            Some(_) => {
                verified.disposed.push(ReportedDisposal::of(&disposal));
                items.disposed.insert(evidence, disposal);
                continue;
            }
        };
        verified.findings.push(against(evidence, what.to_owned()));
    }
}

impl ItemCheck<'_> {
    /// Everything but manifest and receipt has to be gone: by answers that say so.
    pub(super) fn gone(
        &self,
        name: &str,
        (manifest, stored_entry, stored): (&[u8], &[u8], &ItemStored),
        checked: &mut ItemChecked,
        problems: &mut Vec<ItemProblem>,
    ) -> Result<(), ItemProblem> {
        let failed = unreadable(name);
        let mut left = Vec::new();
        for (key, version) in self.items.recorded(self.id) {
            for version in [version, None] {
                if self.bucket.head(key, version).map_err(&failed)?.is_some() {
                    left.push(key.to_owned());
                    break;
                }
            }
        }
        let mut companions = self.companions(name, manifest, stored_entry, stored);
        let key = Part::ItemKey.as_str();
        let before = companions.problems.len();
        let no_key = |problem: &ItemProblem| problem.0 == MISSING && problem.1 == key;
        companions.problems.retain(|problem| !no_key(problem));
        if before == companions.problems.len() && !stored.unverified {
            left.push(self.bucket.layout().object(self.id, key));
        }
        problems.extend(companions.problems);
        checked.receipt = companions.receipt;
        if left.is_empty() {
            checked.disposed = 1;
            return Ok(());
        }
        Err((
            "disposed_still_there",
            format!(
                "{name} was deleted by rule, as the office's log says, and the store has {}",
                left.join(", ")
            ),
        ))
    }
}
