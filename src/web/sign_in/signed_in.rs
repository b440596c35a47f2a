//! Who is signed in: in memory alone, so that a restart ends all sessions.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::model::{Sha256Digest, StationName};
use crate::web::tokens::hash_of;
use crate::web::{Reach, Viewer};

/// Beyond these, the oldest ends.
const SESSIONS_MAX: usize = 2000;

/// A person's session, as operations see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    pub person: String,
    pub roles: Vec<String>,
    /// `None`: all of them.
    pub stations: Option<Vec<StationName>>,
    /// Where they came from.
    pub peer: String,
    pub since: Timestamp,
}

#[derive(Default)]
pub(super) struct PeopleSessions {
    /// Oldest first.
    open: Mutex<Vec<PersonSession>>,
}

struct PersonSession {
    cookie: Sha256Digest,
    viewer: Viewer,
    peer: String,
    since: Timestamp,
    until: Instant,
}

impl PeopleSessions {
    pub fn begin(&self, cookie: &str, viewer: Viewer, peer: String, lasts: Duration) {
        let now = Instant::now();
        let mut open = self.open.lock();
        open.retain(|session| session.until > now);
        if open.len() >= SESSIONS_MAX {
            open.remove(0);
        }
        open.push(PersonSession {
            cookie: hash_of(cookie),
            viewer,
            peer,
            since: Timestamp::now(),
            until: now + lasts,
        });
    }

    pub fn viewer(&self, cookie: &str) -> Option<Viewer> {
        let (cookie, now) = (hash_of(cookie), Instant::now());
        let open = self.open.lock();
        let mut current = open.iter().filter(|session| session.until > now);
        let session = current.find(|session| session.cookie == cookie)?;
        Some(session.viewer.clone())
    }

    pub fn end(&self, cookie: &str) {
        let cookie = hash_of(cookie);
        self.open.lock().retain(|session| session.cookie != cookie);
    }

    pub fn end_all_of(&self, person: &str) -> usize {
        let mut open = self.open.lock();
        let before = open.len();
        open.retain(|session| session.viewer.name.as_deref() != Some(person));
        before - open.len()
    }

    pub fn list(&self) -> Vec<SignedIn> {
        let now = Instant::now();
        let open = self.open.lock();
        let current = open.iter().filter(|session| session.until > now);
        let shown = current.map(|session| SignedIn {
            person: session.viewer.operator().to_owned(),
            roles: (session.viewer.roles.iter())
                .map(|role| role.as_str().to_owned())
                .collect(),
            stations: match &session.viewer.reach {
                Reach::All => None,
                Reach::Stations(stations) => Some(stations.to_vec()),
            },
            peer: session.peer.clone(),
            since: session.since,
        });
        shown.collect()
    }
}
