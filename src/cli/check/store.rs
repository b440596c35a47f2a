//! Checks of the store: whether it answers, locks objects, and agrees on the time.

use super::diagnosis::{Diagnosis, bad, failed, fine};
use crate::config::{Config, Secrets};
use crate::station::parts;
use crate::upload::{BucketAnswer, Store as _};

pub fn store(config: &Config, diagnoses: &mut Vec<Diagnosis>) {
    let asked = (|| -> anyhow::Result<_> {
        let store = parts::store(config, &Secrets::from_environment())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(runtime.block_on(store.check_bucket())?)
    })();
    let facts = match asked {
        Ok(facts) => facts,
        Err(error) => return diagnoses.push(failed("store", &error)),
    };
    diagnoses.push(fine(
        "store",
        format!("bucket {} answers", config.store.bucket),
    ));
    diagnoses.push(match facts.object_lock {
        BucketAnswer::Yes => fine("object lock", "on".into()),
        BucketAnswer::NotAllowedToAsk => fine(
            "object lock",
            "the credentials may not ask; the first upload will show it".into(),
        ),
        BucketAnswer::No => bad(
            "object lock",
            "off: stored footage could be deleted".into(),
            "Make a new bucket with Object Lock; it cannot be switched on everywhere later.",
        ),
    });
    if let Some(ahead) = facts.clock_ahead.filter(|ahead| ahead.abs() > 60) {
        diagnoses.push(bad(
            "store clock",
            format!("differs from ours by {ahead} s"),
            "Synchronise both clocks; the store refuses requests from about 15 minutes on.",
        ));
    }
}
