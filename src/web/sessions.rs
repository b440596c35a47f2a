//! Sessions of people who signed in on a page. The cookie is a random value of its own: it says nothing about the token, and
//! it is worthless once its owner has signed out or the token was revoked. Sessions outlive a restart of the station, so
//! that nobody has to sign a kiosk in again after an update.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::tokens::{hash_of, random_secret};
use crate::config::Role;
use crate::durable;
use crate::model::{Explain as _, Sha256Digest};

const DAY: Duration = Duration::from_hours(24);
const KIOSK: Duration = Duration::from_hours(24 * 365);
/// Beyond this the oldest session ends.
const SESSIONS_MAX: usize = 1000;

/// Holds digests only: neither cookie nor token can be read back from the file.
#[derive(Serialize, Deserialize)]
struct PageSession {
    cookie: Sha256Digest,
    token: Sha256Digest,
    until: Timestamp,
}

pub(super) struct Sessions {
    file: PathBuf,
    /// Oldest first.
    open: Mutex<Vec<PageSession>>,
}

/// A browser keeps a kiosk's cookie for this long; any other ends with the browser, and here after a day.
pub(super) const fn lifetime(role: Role) -> Duration {
    match role {
        Role::Kiosk => KIOSK,
        _ => DAY,
    }
}

impl Sessions {
    /// A file that is missing or unreadable means that everybody has to sign in again.
    pub fn load(file: PathBuf) -> Self {
        let saved = std::fs::read(&file).ok();
        let open = saved.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            file,
            open: Mutex::new(open.unwrap_or_default()),
        }
    }

    /// Begins a session; returns its cookie, or `None` when the system has no randomness. Blocks.
    pub fn begin(&self, token: &str, role: Role) -> Option<String> {
        let cookie = random_secret()?;
        let mut open = self.open.lock();
        let now = Timestamp::now();
        open.retain(|session| session.until > now);
        if open.len() >= SESSIONS_MAX {
            open.remove(0);
        }
        open.push(PageSession {
            cookie: hash_of(&cookie),
            token: hash_of(token),
            until: now + lifetime(role),
        });
        self.save(&open);
        Some(cookie)
    }

    /// The digest of the token that the session was begun with.
    pub fn token(&self, cookie: &str) -> Option<Sha256Digest> {
        let (cookie, now) = (hash_of(cookie), Timestamp::now());
        let open = self.open.lock();
        let mut current = open.iter().filter(|session| session.until > now);
        let session = current.find(|session| session.cookie == cookie)?;
        Some(session.token)
    }

    /// Ends the session for good. Blocks.
    pub fn end(&self, cookie: &str) {
        let cookie = hash_of(cookie);
        let mut open = self.open.lock();
        open.retain(|session| session.cookie != cookie);
        self.save(&open);
    }

    fn save(&self, open: &[PageSession]) {
        let bytes = serde_json::to_vec(open).unwrap_or_default();
        if let Err(error) = durable::write_atomic(&self.file, &bytes) {
            tracing::error!(
                code = error.label(),
                error = &error as &dyn std::error::Error,
                next_step = error.next_step(),
                "the sessions of the pages cannot be saved"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_outlives_a_restart_and_ends_for_good_when_its_owner_leaves() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sessions.json");
        let sessions = Sessions::load(file.clone());
        let cookie = sessions.begin("camdock_secret", Role::Kiosk).unwrap();
        let other = sessions.begin("camdock_secret", Role::Evidence).unwrap();
        assert_ne!(cookie, other);
        let token = Some(hash_of("camdock_secret"));
        let restarted = Sessions::load(file.clone());
        assert_eq!(restarted.token(&cookie), token);
        assert_eq!(restarted.token("camdock_secret"), None);
        let saved = std::fs::read_to_string(&file).unwrap();
        assert!(!saved.contains(&cookie) && !saved.contains("secret"));
        restarted.end(&cookie);
        for sessions in [restarted, Sessions::load(file)] {
            assert_eq!(sessions.token(&cookie), None);
            assert_eq!(sessions.token(&other), token);
        }
    }
}
