//! Checks of the store: whether it answers, locks objects, and agrees on the time.

use super::diagnosis::{Diagnosis, bad, failed, fine};
use crate::config::{Config, Secrets};
use crate::station::parts;
use crate::upload::{BucketAnswer, BucketFacts, ProbeAnswer, Store as _, Trial, try_store};

pub fn store(config: &Config, try_it: bool, diagnoses: &mut Vec<Diagnosis>) {
    let asked = (|| -> anyhow::Result<_> {
        let store = parts::store(config, &Secrets::from_environment())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let facts = runtime.block_on(store.check_bucket())?;
        let mode = parts::lock_mode(config);
        let layout = config.bucket_layout();
        let tried = try_it.then(|| runtime.block_on(try_store(&store, &layout, mode)));
        Ok((facts, tried.transpose()?))
    })();
    let (facts, tried) = match asked {
        Ok(answers) => answers,
        Err(error) => return diagnoses.push(failed("store", &error)),
    };
    bucket(&config.store.bucket, &facts, diagnoses);
    for ProbeAnswer { what, trial } in tried.unwrap_or_default() {
        diagnoses.push(match trial {
            Trial::Works(found) | Trial::Replaced(found) => fine(what, found),
            Trial::NotTried(why) => fine(what, format!("not tried: {why}")),
            Trial::Lacking { why, next_step, .. } => bad(what, why, &next_step),
        });
    }
}

/// What a bucket that answers says of itself.
pub fn bucket(name: &str, facts: &BucketFacts, diagnoses: &mut Vec<Diagnosis>) {
    diagnoses.push(fine("store", format!("bucket {name} answers")));
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
