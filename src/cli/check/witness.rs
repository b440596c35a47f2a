//! Checks of the witnesses: whether the policy can be used, each witness answers, and cosigns with the key that the policy names.

use super::diagnosis::{Diagnosis, advice, bad, failed, fine};
use crate::audit::{
    AddCheckpoint, AuditError, DirSource, LogSource as _, PolicyWitness, VerifierKey, WitnessPolicy,
};
use crate::config::{Config, WitnessSettings};
use crate::model::Explain as _;
use crate::witnessing::{WitnessAnswer, WitnessClient, WitnessError, ask, read_kept};

/// Each witness is sent the newest checkpoint, as the running station does. Nothing is kept here.
pub fn witnesses(config: &Config, log: Option<&VerifierKey>, diagnoses: &mut Vec<Diagnosis>) {
    let Some(settings) = &config.witness else {
        return;
    };
    let file = settings.policy_file.display();
    let refused = |error: WitnessError| {
        failed(
            "witness policy",
            &anyhow::Error::new(error).context(file.to_string()),
        )
    };
    let policy = match WitnessPolicy::parse(&settings.policy) {
        Ok(policy) => policy,
        Err(error) => return diagnoses.push(refused(error.into())),
    };
    // Without the station's key there is nothing to be cosigned; that is a diagnosis of its own.
    let Some(log) = log else { return };
    if !policy.is_for(log) {
        let log = log.to_string();
        return diagnoses.push(refused(WitnessError::OtherLog { log }));
    }
    diagnoses.push(fine("witness policy", file.to_string()));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return diagnoses.push(failed("witness", &error.into())),
    };
    for witness in policy.witnesses() {
        let name = witness.name.escape_debug().to_string();
        let Some(url) = &witness.url else {
            diagnoses.push(advice(
                "witness",
                format!("{name} has no address, so it is never asked"),
                "Give it its URL in the policy, or remove it.",
            ));
            continue;
        };
        let asked = runtime.block_on(asked(config, settings, log, witness, url));
        diagnoses.push(match asked {
            Ok(found) => fine("witness", format!("{name} {found}")),
            Err(error) => {
                let next = error.next_step();
                let error = anyhow::Error::new(error);
                bad("witness", format!("{name}: {error:#}"), &next)
            }
        });
    }
}

async fn asked(
    config: &Config,
    settings: &WitnessSettings,
    log: &VerifierKey,
    witness: &PolicyWitness,
    url: &str,
) -> Result<String, WitnessError> {
    let client = WitnessClient::new(url, settings)?;
    let source = DirSource::new(config.files.log_dir());
    let latest = || {
        let note = source.read("checkpoint")?;
        let note = note.ok_or_else(|| AuditError::Missing {
            key: "checkpoint".into(),
        })?;
        let note = String::from_utf8_lossy(&note).into_owned();
        Ok((log.open(&note)?, note))
    };
    if source.read("checkpoint")?.is_none() {
        return unknown_log(&client).await;
    }
    // What cannot be read is a matter of the service; the witness says itself what it knows.
    let kept = read_kept(&config.files.witnesses_dir(), log, &witness.key);
    let known = kept.ok().flatten().map_or(0, |kept| kept.checkpoint.size);
    let asked = ask(&client, &witness.key, &source, &latest, known).await?;
    let size = asked.kept.checkpoint.size;
    Ok(format!("cosigned {size} entries with the policy's key"))
}

/// A log that has not begun has no checkpoint to send: a request without one is refused by whoever speaks the protocol.
async fn unknown_log(client: &WitnessClient) -> Result<String, WitnessError> {
    match client.add_checkpoint(AddCheckpoint::body(0, &[], "")).await {
        Err(WitnessError::Refused { .. })
        | Ok(WitnessAnswer::Size(_) | WitnessAnswer::NotGrown) => {
            Ok("answers; its key is looked at once the log has begun".into())
        }
        Ok(WitnessAnswer::Lines(_)) => {
            Err(WitnessError::Answer("it cosigns what is no checkpoint"))
        }
        Err(error) => Err(error),
    }
}
