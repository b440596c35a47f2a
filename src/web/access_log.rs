//! Evidence metadata is handed out only to a request that stands in the log: the station's status, and what the office has read,
//! can be read through [`LoggedRequest`] alone, and extracting that enters the access first.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use super::{RefusedRequest, Viewer};
use crate::model::{EvidenceId, OperatorAction};

/// The same access by the same person within this time is one entry: turning pages, or looking again.
const REPEAT: Duration = Duration::from_mins(1);
/// A page that stays open asks again and again: that is one entry an hour.
const OPEN_PAGE: Duration = Duration::from_hours(1);
const REMEMBERED: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum AccessAction {
    Listed,
    Viewed,
    /// Entered each time, because it leaves the station as a file.
    Exported,
}

impl AccessAction {
    const fn name(self) -> &'static str {
        match self {
            Self::Listed => "evidence.listed",
            Self::Viewed => "evidence.viewed",
            Self::Exported => "evidence.exported",
        }
    }
}

/// What the custody log says about an access.
pub(super) struct AccessEntry {
    pub action: AccessAction,
    pub evidence: Option<EvidenceId>,
    pub description: String,
}

impl AccessEntry {
    pub fn listed(description: impl Into<String>) -> Self {
        Self {
            action: AccessAction::Listed,
            evidence: None,
            description: description.into(),
        }
    }

    pub fn exported(description: impl Into<String>) -> Self {
        Self {
            action: AccessAction::Exported,
            ..Self::listed(description)
        }
    }
}

/// What evidence metadata is read from, and whose log has the accesses.
pub(super) trait RecordsAccess: Send + Sync {
    /// Enters an access; durable when it returns. Blocks.
    fn record(&self, action: OperatorAction) -> Result<(), String>;
}

/// The state of a listener that shows evidence metadata.
pub(super) trait HasAccessLog<E: ?Sized>: Send + Sync {
    fn access_log(&self) -> &AccessLog<E>;
}

/// A request for evidence metadata.
pub(super) trait EvidenceRequest<E: ?Sized>: Sized {
    /// Reads the request and looks up what it names: a request that cannot be answered is not entered. Blocks.
    fn read(parts: &Parts, evidence: &E) -> Result<Self, RefusedRequest>;

    fn access(&self) -> AccessEntry;
}

/// A request whose access was entered in the custody log, and what may be read to answer it.
pub(super) struct LoggedRequest<R, E: ?Sized> {
    pub request: R,
    pub evidence: Arc<E>,
    pub viewer: Viewer,
}

/// The parameters in the address.
pub(super) fn query<T: DeserializeOwned>(parts: &Parts) -> Result<T, RefusedRequest> {
    let Query(query) = Query::try_from_uri(&parts.uri).map_err(RefusedRequest::from_response)?;
    Ok(query)
}

/// Who asks; the check of roles in front of every route says it.
pub(super) fn viewer_of(parts: &Parts) -> Result<&Viewer, RefusedRequest> {
    let unidentified = || RefusedRequest::new(StatusCode::UNAUTHORIZED, "a token is needed\n");
    parts.extensions.get().ok_or_else(unidentified)
}

impl<R, E, S> FromRequestParts<S> for LoggedRequest<R, E>
where
    R: EvidenceRequest<E> + Send,
    E: RecordsAccess + ?Sized + 'static,
    S: HasAccessLog<E>,
{
    type Rejection = RefusedRequest;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RefusedRequest> {
        let viewer = viewer_of(parts)?.clone();
        let peer = ConnectInfo::<SocketAddr>::from_request_parts(parts, state).await;
        let ConnectInfo(peer) = peer.map_err(RefusedRequest::from_response)?;
        let log = state.access_log();
        let request = tokio::task::block_in_place(|| {
            let request = R::read(parts, &log.evidence)?;
            log.enter(&viewer, peer.ip(), request.access())?;
            Ok::<_, RefusedRequest>(request)
        })?;
        let evidence = Arc::clone(&log.evidence);
        Ok(Self {
            request,
            evidence,
            viewer,
        })
    }
}

type AccessKey = (String, AccessAction, Option<EvidenceId>, String, IpAddr);

struct RecentAccess {
    at: Instant,
    last_repeat: Instant,
}

/// Enters accesses, and keeps the evidence from whoever has none entered.
pub(super) struct AccessLog<E: ?Sized> {
    evidence: Arc<E>,
    recent: Mutex<HashMap<AccessKey, RecentAccess>>,
}

impl<E: RecordsAccess + ?Sized> AccessLog<E> {
    pub fn new(evidence: Arc<E>) -> Self {
        Self {
            evidence,
            recent: Mutex::default(),
        }
    }

    /// For requests that are entered in another way.
    pub fn evidence(&self) -> &E {
        &self.evidence
    }

    /// Without the entry nothing is shown. Blocks.
    fn enter(
        &self,
        viewer: &Viewer,
        from: IpAddr,
        access: AccessEntry,
    ) -> Result<(), RefusedRequest> {
        let AccessEntry {
            action,
            evidence,
            description,
        } = access;
        let operator = viewer.operator().to_owned();
        let key = (
            operator.clone(),
            action,
            evidence,
            description.clone(),
            from,
        );
        let mut recent = self.recent.lock();
        if let Some(entered) = recent.get_mut(&key)
            && entered.last_repeat.elapsed() < REPEAT
            && entered.at.elapsed() < OPEN_PAGE
        {
            entered.last_repeat = Instant::now();
            return Ok(());
        }
        if recent.len() >= REMEMBERED {
            recent.clear();
        }
        // The lock is held over the append: two equal requests at the same time are one entry.
        let logged = self.evidence.record(OperatorAction {
            operator,
            action: action.name().to_owned(),
            evidence,
            reason: description,
            officer: None,
            gap: None,
            peer: Some(format!("web {from}")),
        });
        if let Err(error) = logged {
            tracing::error!(
                code = "access_not_logged",
                error,
                next_step = "see what the custody log says; no evidence is shown until it takes entries again",
                "an access could not be entered in the custody log"
            );
            let text = "the access could not be entered in the custody log, so nothing is shown\n";
            let refused = RefusedRequest::new(StatusCode::SERVICE_UNAVAILABLE, text);
            return Err(refused.coded("access_not_logged"));
        }
        if action != AccessAction::Exported {
            let (at, last_repeat) = (Instant::now(), Instant::now());
            recent.insert(key, RecentAccess { at, last_repeat });
        }
        Ok(())
    }
}
