//! `[people]` of `office.toml`: who signs in by OpenID Connect, and what their groups bring.

use std::path::PathBuf;
use std::time::Duration;

use super::Role;
use crate::model::StationName;

#[derive(Debug, Clone)]
pub struct PeopleSettings {
    /// Exactly as the provider names itself; https, or http on loopback.
    pub issuer: String,
    pub client_id: String,
    pub client_secret_file: PathBuf,
    /// Where browsers reach the pages, without `/` at its end.
    pub address: String,
    pub ca_file: Option<PathBuf>,
    pub name_claim: String,
    pub groups_claim: String,
    pub session: Duration,
    /// At least one.
    pub roles: Vec<(String, Role)>,
    /// `None` for all stations. Without any unit, everybody sees all stations.
    pub units: Vec<(String, Option<Vec<StationName>>)>,
}

/// The name of the client's secret as a systemd credential.
pub(super) const CLIENT_SECRET: &str = "people-client-secret";
