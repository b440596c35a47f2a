//! Deletions by rule, out of the logs of the offices that camdock.toml trusts: for the verbs that tell what became of an item.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::bucket::Bucket;
use crate::audit::{Disposal, DisposalHistory, LogReport, VerifierKey, verify_log};
use crate::config::{Config, Secrets, TrustedOffice};
use crate::model::{BucketLayout, EvidenceId};
use crate::station::parts;

/// What the office's log says of this station's items.
pub struct TrustedDisposals {
    pub office: String,
    pub report: LogReport,
    pub said: BTreeMap<EvidenceId, Disposal>,
    /// What is against a rule, in words.
    pub wrong: Vec<(EvidenceId, String)>,
}

impl TrustedDisposals {
    /// Reads the whole log in the bucket, each entry proven below the checkpoint that the office's key has signed. What does not verify
    /// is no act.
    pub fn read(config: &Config, office: &TrustedOffice) -> anyhow::Result<Self> {
        let key: VerifierKey = office.log_key.parse().with_context(|| {
            format!("`log_key` of {} in camdock.toml is no log key", office.name)
        })?;
        let layout = BucketLayout::new(config.store.prefix.clone(), office.name.clone());
        let store = parts::store_to_read(config, &Secrets::from_environment())?;
        let source = Bucket::of(store, layout)?;
        let mut history = DisposalHistory::new(office.name.clone(), config.station.name.clone());
        let mut see = |index, bytes: &[u8]| {
            if office.entries.is_none_or(|entries| index < entries) {
                history.see(index, bytes);
            }
        };
        let report = verify_log(&source, &key, &mut see, None)
            .with_context(|| format!("the log of the office {} cannot be verified", office.name))?;
        let (mut said, mut wrong) = history.finish();
        if !report.is_clean() {
            (said, wrong) = (BTreeMap::new(), Vec::new());
        }
        Ok(Self {
            office: office.name.to_string(),
            report,
            said,
            wrong,
        })
    }
}

/// In words, for people.
pub fn told(disposal: &Disposal) -> String {
    disposal.noted().to_string()
}
