//! Who may come in at a listener, and how often: what signing in and the checks of every request need.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::rate_limit::RateLimit;
use super::sessions::Sessions;
use super::sign_in::SignIn;
use super::tokens::Tokens;

pub(super) struct Entrance {
    pub language: String,
    pub tokens: Arc<Tokens>,
    pub sessions: Arc<Sessions>,
    /// Of an office with named people.
    pub people: Option<Arc<SignIn>>,
    pub wrong_tokens: RateLimit,
    pub gate: Arc<Gate>,
}

/// What the checks of every request need, of listeners without tokens, too.
pub(super) struct Gate {
    pub requests: RateLimit,
    /// Only this machine reaches the listener.
    pub loopback: bool,
    pub tls: bool,
}

impl Gate {
    pub fn new(address: SocketAddr, tls: bool) -> Self {
        Self {
            requests: RateLimit::new(300, Duration::from_millis(20)),
            loopback: address.ip().is_loopback(),
            tls,
        }
    }
}

/// What all listeners of a program have in common.
#[derive(Clone)]
pub(super) struct Keyring {
    pub language: String,
    pub tokens: Arc<Tokens>,
    pub sessions: Arc<Sessions>,
    pub people: Option<Arc<SignIn>>,
    pub tls: bool,
}

impl Keyring {
    pub fn new(settings: &crate::config::WebSettings, sessions: PathBuf, tls: bool) -> Self {
        Self {
            language: settings.language.clone(),
            tokens: Arc::new(Tokens::new(&settings.tokens)),
            sessions: Arc::new(Sessions::load(sessions)),
            people: None,
            tls,
        }
    }

    pub fn entrance(self, address: SocketAddr) -> Arc<Entrance> {
        Arc::new(Entrance {
            language: self.language,
            tokens: self.tokens,
            sessions: self.sessions,
            people: self.people,
            wrong_tokens: RateLimit::new(10, Duration::from_secs(12)),
            gate: Arc::new(Gate::new(address, self.tls)),
        })
    }
}
