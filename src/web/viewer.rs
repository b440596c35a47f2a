//! Who is behind a request, what they may do, and which stations they may see.

use std::sync::Arc;

use crate::config::Role;
use crate::model::StationName;

/// The person or program behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// The person's name, or the token's; `None`: somebody at this machine without a token.
    pub name: Option<Arc<str>>,
    pub roles: Arc<[Role]>,
    pub reach: Reach,
}

/// The stations that somebody's unit has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    All,
    Stations(Arc<[StationName]>),
}

/// What somebody sees: the stations of their unit, and what is restricted or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    pub reach: Reach,
    pub restricted: bool,
}

/// What a page of the office lets somebody do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// See how the stations stand.
    Oversee,
    /// Find recordings, and read what was done with them.
    Find,
    /// See footage.
    Watch,
    /// See what is restricted.
    SeeRestricted,
    /// Decide about quarantine, officers, gaps, tags and holds, and confirm the keys of people.
    Decide,
    /// Read who saw what.
    Audit,
    /// Propose that recordings are deleted.
    ProposeDisposal,
    /// Approve that recordings are deleted.
    ApproveDisposal,
    /// Hand out what was shared: a program's, and no person's.
    ServeShares,
}

impl Duty {
    /// The roles that may. A small force's `evidence` may all.
    pub const fn roles(self) -> &'static [Role] {
        use Role::{Auditor, Disposer, Evidence, Manager, Operations, ShareReader, Viewer};
        match self {
            Self::Oversee => &[Evidence, Viewer, Manager, Disposer, Auditor, Operations],
            Self::Find => &[Evidence, Viewer, Manager, Disposer, Auditor],
            Self::Watch => &[Evidence, Viewer, Manager],
            Self::SeeRestricted | Self::Decide => &[Evidence, Manager],
            Self::Audit => &[Evidence, Manager, Auditor],
            Self::ProposeDisposal => &[Evidence, Manager, Disposer],
            Self::ApproveDisposal => &[Evidence, Disposer],
            Self::ServeShares => &[ShareReader],
        }
    }
}

impl Viewer {
    /// A token.
    pub fn of_token(name: Arc<str>, role: Role, reach: Reach) -> Self {
        Self {
            name: Some(name),
            roles: Arc::new([role]),
            reach,
        }
    }

    /// Somebody at this machine.
    pub fn local() -> Self {
        Self {
            name: None,
            roles: Arc::new([Role::Kiosk]),
            reach: Reach::All,
        }
    }

    /// As the logs have them.
    pub fn operator(&self) -> &str {
        self.name.as_deref().unwrap_or("unknown")
    }

    pub fn may(&self, duty: Duty) -> bool {
        self.has_any(duty.roles())
    }

    pub fn has_any(&self, roles: &[Role]) -> bool {
        self.roles.iter().any(|role| roles.contains(role))
    }

    pub fn sight(&self) -> Sight {
        Sight {
            reach: self.reach.clone(),
            restricted: self.may(Duty::SeeRestricted),
        }
    }

    /// Whether their unit has the station. One that it does not have is to them as if it did not exist.
    pub fn sees(&self, station: &StationName) -> bool {
        self.reach.has(station)
    }
}

impl Reach {
    pub fn has(&self, station: &StationName) -> bool {
        match self {
            Self::All => true,
            Self::Stations(stations) => stations.contains(station),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_brings_its_duties_and_a_unit_its_stations() {
        let station = |name: &str| name.parse::<StationName>().unwrap();
        let of = |role| Viewer::of_token("P. Lee".into(), role, Reach::All);
        let duties = |role| {
            let all = [
                Duty::Oversee,
                Duty::Find,
                Duty::Watch,
                Duty::SeeRestricted,
                Duty::Decide,
                Duty::Audit,
                Duty::ProposeDisposal,
                Duty::ApproveDisposal,
                Duty::ServeShares,
            ];
            all.map(|duty| u8::from(of(role).may(duty)))
        };
        assert_eq!(duties(Role::Kiosk), [0; 9]);
        assert_eq!(duties(Role::Evidence), [1, 1, 1, 1, 1, 1, 1, 1, 0]);
        assert_eq!(duties(Role::Operations), [1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(duties(Role::Viewer), [1, 1, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(duties(Role::Manager), [1, 1, 1, 1, 1, 1, 1, 0, 0]);
        assert_eq!(duties(Role::Disposer), [1, 1, 0, 0, 0, 0, 1, 1, 0]);
        assert_eq!(duties(Role::Auditor), [1, 1, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(duties(Role::ShareReader), [0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(of(Role::Viewer).sees(&station("one")));
        let north = Viewer {
            reach: Reach::Stations(Arc::new([station("one")])),
            ..of(Role::Viewer)
        };
        assert!(north.sees(&station("one")) && !north.sees(&station("two")));
        let nowhere = Reach::Stations(Arc::new([]));
        assert!(!nowhere.has(&station("one")));
    }
}
