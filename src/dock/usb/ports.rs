//! Assigns bays to ports: named in the configuration, else numbered once and for all. Pure; the caller keeps the numbers on
//! disk.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::Bay;
use crate::model::BayName;

/// Ports that get a number at most; no machine has as many.
const NUMBERED_MAX: usize = 4096;

#[derive(Debug)]
pub struct Ports {
    configured: BTreeMap<String, BayName>,
    names: BTreeSet<BayName>,
    numbers: BTreeMap<String, u32>,
    changed: bool,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    v: u8,
    bays: BTreeMap<String, u32>,
}

impl Ports {
    /// `saved` is what [`Ports::take_changed`] gave last; `Err` when it is malformed.
    pub fn new(bays: &[Bay], saved: Option<&[u8]>) -> Result<Self, serde_json::Error> {
        let saved = saved.map(serde_json::from_slice::<Saved>).transpose()?;
        Ok(Self::with(bays, saved.map(|s| s.bays).unwrap_or_default()))
    }

    fn with(bays: &[Bay], numbers: BTreeMap<String, u32>) -> Self {
        let configured = bays
            .iter()
            .flat_map(|bay| {
                bay.ports
                    .iter()
                    .map(|port| (port.clone(), bay.name.clone()))
            })
            .collect();
        Self {
            configured,
            names: bays.iter().map(|bay| bay.name.clone()).collect(),
            numbers,
            changed: false,
        }
    }

    /// Starts without saved numbers.
    pub fn unsaved(bays: &[Bay]) -> Self {
        Self::with(bays, BTreeMap::new())
    }

    /// The bay of a port, or of its socket's other path.
    pub fn bay(&mut self, port: &str, peer: Option<&str>) -> BayName {
        let named = |port| self.configured.get(port);
        if let Some(bay) = named(port).or_else(|| peer.and_then(named)) {
            return bay.clone();
        }
        // The configuration may have used this number as a name since.
        let free = |n: &u32| !self.names.contains(&numbered(*n));
        let known = |port| self.numbers.get(port).copied().filter(free);
        let number = known(port).or_else(|| peer.and_then(known));
        let number = number.unwrap_or_else(|| {
            let taken: BTreeSet<u32> = self.numbers.values().copied().collect();
            let free = (1..u32::MAX)
                .find(|n| !taken.contains(n) && !self.names.contains(&numbered(*n)))
                .unwrap_or(u32::MAX);
            if self.numbers.len() < NUMBERED_MAX {
                self.numbers.insert(port.to_owned(), free);
                self.changed = true;
            }
            free
        });
        numbered(number)
    }

    /// Whether a name belongs to a port, so that a docked folder can't use it.
    pub fn owns(&self, name: &BayName) -> bool {
        self.names.contains(name) || self.numbers.values().any(|n| numbered(*n) == *name)
    }

    /// The bytes to keep on disk, if something has changed since the last call.
    pub fn take_changed(&mut self) -> Option<Vec<u8>> {
        let saved = Saved {
            v: 1,
            bays: self.numbers.clone(),
        };
        std::mem::take(&mut self.changed)
            .then(|| serde_json::to_vec_pretty(&saved).ok())
            .flatten()
    }
}

fn numbered(number: u32) -> BayName {
    BayName::new(&format!("bay-{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ports(bays: &[(&str, &[&str])], saved: Option<&[u8]>) -> Ports {
        let bays: Vec<Bay> = bays
            .iter()
            .map(|(name, ports)| Bay {
                name: BayName::new(name),
                ports: ports.iter().map(ToString::to_string).collect(),
                import: false,
            })
            .collect();
        Ports::new(&bays, saved).unwrap()
    }

    #[test]
    fn a_bay_is_named_by_the_configuration_through_either_path_of_its_socket() {
        let mut ports = ports(&[("left", &["a", "b"]), ("bay-1", &["c"])], None);
        assert_eq!(ports.bay("a", None).as_str(), "left");
        assert_eq!(ports.bay("b", Some("x")).as_str(), "left");
        assert_eq!(ports.bay("x", Some("a")).as_str(), "left");
        assert!(ports.take_changed().is_none());
        // A number that the configuration uses as a name is skipped.
        assert_eq!(ports.bay("d", None).as_str(), "bay-2");
        assert!(ports.owns(&BayName::new("bay-1")) && ports.owns(&BayName::new("bay-2")));
        assert!(!ports.owns(&BayName::new("bay-3")));
    }

    #[test]
    fn numbers_stay_over_a_restart_and_when_bays_get_names() {
        let mut first = ports(&[], None);
        assert_eq!(first.bay("b", None).as_str(), "bay-1");
        assert_eq!(first.bay("a", Some("z")).as_str(), "bay-2");
        let saved = first.take_changed().unwrap();
        assert!(first.take_changed().is_none());
        let mut second = ports(&[("desk", &["b"])], Some(&saved));
        assert_eq!(second.bay("a", None).as_str(), "bay-2");
        assert_eq!(second.bay("z", Some("a")).as_str(), "bay-2");
        assert_eq!(second.bay("b", None).as_str(), "desk");
        assert_eq!(second.bay("c", None).as_str(), "bay-3");
        assert!(Ports::new(&[], Some(b"{")).is_err());
    }

    proptest! {
        #[test]
        fn no_two_ports_share_a_bay_and_each_keeps_its_own(
            asked in proptest::collection::vec(0u8..20, 0..60), cut in 0usize..60
        ) {
            let mut ports = ports(&[("bay-3", &["port-1"])], None);
            let mut assigned: BTreeMap<u8, BayName> = BTreeMap::new();
            for (step, port) in asked.into_iter().enumerate() {
                let bay = ports.bay(&format!("port-{port}"), None);
                prop_assert_eq!(assigned.entry(port).or_insert_with(|| bay.clone()), &bay);
                if step == cut {
                    let saved = ports.take_changed();
                    let bays = [Bay { name: BayName::new("bay-3"), ports: vec!["port-1".into()], import: false }];
                    if let Some(saved) = saved {
                        ports = Ports::new(&bays, Some(&saved)).unwrap();
                    }
                }
            }
            let names: BTreeSet<_> = assigned.values().collect();
            prop_assert_eq!(names.len(), assigned.len());
        }
    }
}
