//! Items that a trusted office says were deleted by rule: told as such if they are gone, and named if they are not, or if it was against a rule.

use std::collections::BTreeMap;

use jiff::Timestamp;
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
    pub on: Timestamp,
    #[serde(skip)]
    pub told: String,
}

impl ReportedDisposal {
    pub fn of(disposal: &Disposal) -> Self {
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

/// What the log of the office that camdock.toml believes says of this station's items, compared with the station's own.
#[derive(Default)]
pub struct Deletions {
    pub believed: BTreeMap<EvidenceId, Disposal>,
    /// What is against a rule, and what is wrong with the office's log.
    pub findings: Vec<ReportedFinding>,
    /// Why the office's log could not be read: what is missing stays missing.
    pub unread: Option<ReportedFinding>,
}

impl Deletions {
    /// `sealed`: when the station took an item in, as its log says.
    pub fn read(config: &Config, sealed: impl Fn(EvidenceId) -> Option<Timestamp>) -> Self {
        let mut deletions = Self::default();
        for office in &config.offices {
            deletions.take(config, office, &sealed);
        }
        deletions
    }

    fn take(
        &mut self,
        config: &Config,
        office: &TrustedOffice,
        sealed: &impl Fn(EvidenceId) -> Option<Timestamp>,
    ) {
        let disposals = match TrustedDisposals::read(config, office) {
            Ok(disposals) => disposals,
            Err(error) => {
                self.unread = Some(ReportedFinding {
                    code: "store_error".into(),
                    evidence: None,
                    what: format!("the office's log could not be read, so nothing is known of deletions by rule: {error:#}"),
                    next_step: "Check [office] in camdock.toml, the network and the store, then verify again.".into(),
                });
                return;
            }
        };
        let office = &disposals.office;
        let wrong = disposals.report.findings.iter().map(|finding| ReportedFinding {
            code: "office_log_wrong".into(),
            evidence: None,
            what: format!("the log of the office {office} does not verify, so none of its acts counts: {finding}"),
            next_step: "Change nothing in the bucket, run `camdock office acts` on the office, and call the evidence manager.".into(),
        });
        self.findings.extend(wrong);
        let wrong = disposals.wrong.into_iter();
        self.findings
            .extend(wrong.map(|(evidence, what)| against_rule(evidence, &what)));
        for (evidence, disposal) in disposals.said {
            let what = match sealed(evidence) {
                None => {
                    "the office says that it was deleted, and the station's log has no such item"
                }
                Some(at) if at.as_millisecond() != disposal.act.sealed.as_millisecond() => {
                    "the office counted its days from another time than that of the station's log"
                }
                Some(_) if self.believed.contains_key(&evidence) => {
                    "two offices say that it was deleted"
                }
                Some(_) => {
                    self.believed.insert(evidence, disposal);
                    continue;
                }
            };
            self.findings.push(against_rule(evidence, what));
        }
    }
}

pub fn against_rule(evidence: EvidenceId, what: &str) -> ReportedFinding {
    ReportedFinding {
        code: "disposal_against_rule".into(),
        evidence: Some(evidence),
        what: format!("item {evidence}: {what}"),
        next_step: "Keep both logs, find out who had the rights to delete and who entered it, and call the evidence manager.".into(),
    }
}

/// An act says that it is gone, and these objects of it are there.
pub fn still_there(name: &str, left: &[String]) -> (&'static str, String) {
    (
        "disposed_still_there",
        format!(
            "{name} was deleted by rule, as the office's log says, and the store has {}",
            left.join(", ")
        ),
    )
}

/// Takes in what the office's log says.
pub(super) fn read(config: &Config, items: &mut LoggedItems, verified: &mut VerifyReport) {
    let sealed = |evidence| {
        let (_, bytes) = items.sealed.get(&evidence)?;
        Some(serde_json::from_slice::<Entry>(bytes).ok()?.time)
    };
    let deletions = Deletions::read(config, sealed);
    verified.unchecked.extend(deletions.unread);
    verified.findings.extend(deletions.findings);
    let believed = deletions.believed.values();
    verified.disposed.extend(believed.map(ReportedDisposal::of));
    items.disposed = deletions.believed;
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
        Err(still_there(name, &left))
    }
}
