//! Deletions by rule, out of the log of the office that camdock.toml trusts: for the verbs that tell what became of an item.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::SignedDuration;

use super::bucket::Bucket;
use crate::audit::{Disposal, DisposalHistory, LogReport, VerifierKey, verify_log};
use crate::config::{Config, Secrets};
use crate::model::{BucketLayout, EvidenceId};
use crate::station::parts;

/// How old an approval has to be before anything is deleted by it.
const WAIT: SignedDuration = SignedDuration::from_hours(24);

/// What the office's log says of this station's items.
pub struct TrustedDisposals {
    pub office: String,
    pub report: LogReport,
    pub said: BTreeMap<EvidenceId, Disposal>,
    /// What is against a rule, in words.
    pub wrong: Vec<(EvidenceId, String)>,
}

impl TrustedDisposals {
    /// Reads the whole log in the bucket, each entry proven below the checkpoint that the office's key has signed; `None` if camdock.toml
    /// trusts no office. What does not verify is no act.
    pub fn read(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(office) = &config.office else {
            return Ok(None);
        };
        let key: VerifierKey = office
            .log_key
            .parse()
            .context("`log_key` in [office] of camdock.toml is no log key")?;
        let layout = BucketLayout::new(config.store.prefix.clone(), office.name.clone());
        let store = parts::store_to_read(config, &Secrets::from_environment())?;
        let source = Bucket::of(store, layout)?;
        let mut history =
            DisposalHistory::new(office.name.clone(), config.station.name.clone(), wait());
        let mut see = |index, bytes: &[u8]| history.see(index, bytes);
        let report = verify_log(&source, &key, &mut see, None)
            .with_context(|| format!("the log of the office {} cannot be verified", office.name))?;
        let (mut said, mut wrong) = history.finish();
        if !report.is_clean() {
            (said, wrong) = (BTreeMap::new(), Vec::new());
        }
        Ok(Some(Self {
            office: office.name.to_string(),
            report,
            said,
            wrong,
        }))
    }
}

/// Tests cannot wait for a day; a release build does.
fn wait() -> SignedDuration {
    #[cfg(debug_assertions)]
    if let Some(seconds) = crate::failpoint::number("CAMDOCK_TEST_DISPOSAL_WAIT") {
        return SignedDuration::from_secs(seconds.cast_signed());
    }
    WAIT
}

/// In words, for people.
pub fn told(disposal: &Disposal) -> String {
    let Disposal { index, act } = disposal;
    format!(
        "disposed under the class {:?} by {:?}, approved by {:?}, on {} (entry {index} of the office's log)",
        act.class, act.proposed_by, act.approved_by, act.seen_gone
    )
}
