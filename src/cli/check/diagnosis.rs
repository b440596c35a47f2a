use std::io::{self, Write};

use serde::Serialize;

use crate::cli::next_step;
use crate::config::ConfigError;

/// The result of one check, with its fix.
#[derive(Serialize)]
pub struct Diagnosis {
    pub what: &'static str,
    pub ok: bool,
    pub detail: String,
    pub fix: Option<String>,
    /// Nothing is wrong with it: it does not exist yet.
    #[serde(skip)]
    pub missing: bool,
}

pub fn fine(what: &'static str, detail: String) -> Diagnosis {
    Diagnosis {
        what,
        ok: true,
        detail,
        fix: None,
        missing: false,
    }
}

pub fn bad(what: &'static str, detail: String, fix: &str) -> Diagnosis {
    Diagnosis {
        what,
        ok: false,
        detail,
        fix: Some(fix.to_owned()),
        missing: false,
    }
}

/// Worth doing, although the station runs without it.
pub fn advice(what: &'static str, detail: String, fix: &str) -> Diagnosis {
    Diagnosis {
        ok: true,
        ..bad(what, detail, fix)
    }
}

pub fn failed(what: &'static str, error: &anyhow::Error) -> Diagnosis {
    let fix = next_step(error).unwrap_or_else(|| "See the message.".into());
    let mut causes = error.chain();
    Diagnosis {
        missing: causes.any(|e| {
            let error = e.downcast_ref::<ConfigError>();
            matches!(error, Some(ConfigError::SecretMissing { .. }))
        }),
        ..bad(what, format!("{error:#}"), &fix)
    }
}

impl Diagnosis {
    pub fn print(&self, out: &mut impl Write, json: bool) -> io::Result<()> {
        if json {
            return writeln!(out, "{}", serde_json::to_string(self)?);
        }
        let mark = if self.ok { "ok " } else { "!! " };
        writeln!(out, "{mark} {:<14} {}", self.what, self.detail)?;
        match &self.fix {
            Some(fix) => writeln!(out, "                   fix: {fix}"),
            None => Ok(()),
        }
    }
}
