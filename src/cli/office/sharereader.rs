//! `camdock office sharereader`: serves shares to recipients outside, with a configuration of its own.

use std::path::Path;

use clap::Subcommand;

use crate::cli::Outcome;
use crate::cli::check::diagnosis::{Diagnosis, bad, failed, fine};
use crate::config::{Secrets, ShareReaderConfig};
use crate::sharereader::{self, OfficeClient};
use crate::upload::Store as _;
use crate::web;

#[derive(Subcommand)]
pub enum ShareReaderVerb {
    /// Serve shares to whoever proves that they hold a share's key, until stopped
    Run,
    /// Check configuration, certificate, store and the way to the office, each finding with its fix
    Check {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

pub fn run(config: &Path, verb: &ShareReaderVerb) -> anyhow::Result<Outcome> {
    let (config, warnings) = ShareReaderConfig::load(config)?;
    match verb {
        ShareReaderVerb::Run => serve(config, warnings),
        ShareReaderVerb::Check { json } => check(&config, warnings, *json),
    }
}

fn serve(config: ShareReaderConfig, warnings: Vec<String>) -> anyhow::Result<Outcome> {
    let runtime = super::begin(&config.log, warnings)?;
    runtime.block_on(sharereader::run(config))?;
    Ok(Outcome::Fine)
}

fn check(config: &ShareReaderConfig, warnings: Vec<String>, json: bool) -> anyhow::Result<Outcome> {
    let of = format!("the share reader of {}", config.office_address);
    let mut found = vec![fine("configuration", of)];
    let unwise = |w| bad("configuration", w, "Edit sharereader.toml.");
    found.extend(warnings.into_iter().map(unwise));
    found.push(
        match web::tls_problem(&config.pages, &Secrets::from_environment()) {
            Some(error) => failed("pages", &error.into()),
            None => fine(
                "pages",
                config
                    .pages
                    .listen
                    .map_or_else(String::new, |at| at.to_string()),
            ),
        },
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    found.push(match sharereader::open_store(config) {
        Err(error) => failed("store", &error),
        Ok(store) => {
            let folder = format!("{}shares/", config.store.prefix);
            match runtime.block_on(store.list(&folder, None)) {
                Ok(_) => fine("store", "shares can be listed".into()),
                Err(error) => failed("store", &error.into()),
            }
        }
    });
    let asked = OfficeClient::new(config);
    let asked = asked.and_then(|office| runtime.block_on(office.check()));
    found.push(match asked {
        Ok(()) => fine(
            "office",
            "it answers, and knows the share reader's token".into(),
        ),
        Err(error) => failed("office", &error.into()),
    });
    let mut out = std::io::stdout().lock();
    for diagnosis in &found {
        Diagnosis::print(diagnosis, &mut out, json)?;
    }
    Ok(if found.iter().all(|diagnosis| diagnosis.ok) {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}
