//! Logs what is wrong with a station once, and once more when it has passed.

use super::OfficeError;
use crate::metrics;
use crate::model::{Explain as _, StationName};

/// The words for one kind of work at a station.
pub struct ProblemLog {
    failed: &'static str,
    passed: &'static str,
    /// The code of the problem that was logged last.
    logged: Option<&'static str>,
}

impl ProblemLog {
    pub const fn new(failed: &'static str, passed: &'static str) -> Self {
        Self {
            failed,
            passed,
            logged: None,
        }
    }

    /// Takes in how the last round ended.
    pub fn see(&mut self, station: &StationName, problem: Option<&OfficeError>) {
        let code = problem.map(OfficeError::label);
        match problem {
            Some(error) if self.logged != code => {
                metrics::error(error.label());
                tracing::error!(
                    code = error.label(),
                    %station,
                    error = error as &dyn std::error::Error,
                    next_step = error.next_step(),
                    "{}",
                    self.failed
                );
            }
            None if self.logged.is_some() => tracing::info!(%station, "{}", self.passed),
            _ => {}
        }
        self.logged = code;
    }
}
