//! The one classifier of USB devices: what scans found, and the time, give the events. No I/O, no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::judge::{Verdict, judge};
use super::ports::Ports;
use super::sysfs::{Plug, PlugState};
use crate::config::{Access, Profile, Profiles};
use crate::dock::{DockEvent, LeftReason, Target};
use crate::model::{BayName, UsbDevice};

/// How long the mount helper may take before people are told.
const MOUNT_WAIT: Duration = Duration::from_secs(20);
/// How long the kernel may take to configure a device.
const READY_WAIT: Duration = Duration::from_secs(5);
/// More arrivals on one port within [`FLAP_WINDOW`] than this, and the next one must stay for [`FLAP_HOLD`] first.
const FLAPS: usize = 3;
const FLAP_WINDOW: Duration = Duration::from_secs(20);
const FLAP_HOLD: Duration = Duration::from_secs(4);

/// Everything on USB as far as it was reported. Times are since any fixed moment.
#[derive(Debug, Default)]
pub struct Plugged {
    slots: BTreeMap<String, Slot>,
    profiles: Option<Arc<Profiles>>,
}

#[derive(Debug)]
struct Slot {
    bay: BayName,
    /// What is there now: name, bus and address; `None`: nothing.
    there: Option<(String, u8, u8)>,
    since: Duration,
    state: State,
    /// The consumer was told of something that it must be told has left.
    owed: bool,
    arrivals: VecDeque<Duration>,
}

#[derive(Debug)]
enum State {
    Empty,
    Unready {
        said: bool,
    },
    /// It came and went too often: it must stay first.
    Held,
    Other,
    Refused,
    Mounting {
        by: Duration,
        said: bool,
    },
    Mounted,
    Docked,
    /// `again`: it came back still locked.
    Locked {
        profile: Arc<Profile>,
        again: bool,
    },
    /// The locked form went; what it becomes is awaited.
    Returning {
        by: Duration,
        profile: Arc<Profile>,
        again: bool,
    },
}

/// What deciding needs besides the scan itself.
pub struct Around<'a> {
    pub profiles: &'a Arc<Profiles>,
    /// The helper's folder of this device was reported as arrived.
    pub mounted: &'a dyn Fn(&Plug) -> bool,
    pub now: Duration,
}

impl Plugged {
    /// Takes one scan in. Departures come before arrivals.
    pub fn observe(
        &mut self,
        plugs: Vec<Plug>,
        around: &Around<'_>,
        ports: &mut Ports,
    ) -> Vec<DockEvent> {
        let mut found: BTreeMap<String, Plug> = BTreeMap::new();
        for plug in plugs {
            // Both paths of a socket in use at once: the second is a bay of its own.
            let key = if found.contains_key(&plug.port) {
                format!("{}+{}", plug.port, plug.name)
            } else {
                plug.port.clone()
            };
            found.insert(key, plug);
        }
        let reloaded = self
            .profiles
            .as_ref()
            .is_none_or(|known| !Arc::ptr_eq(known, around.profiles));
        self.profiles = Some(Arc::clone(around.profiles));
        let mut events = Vec::new();
        for (key, slot) in &mut self.slots {
            slot.depart(found.get(key), around.now, &mut events);
        }
        self.slots.retain(|_, slot| !slot.forgotten(around.now));
        for (key, plug) in found {
            let slot = self.slots.entry(key.clone()).or_insert_with(|| Slot {
                bay: ports.bay(&key, plug.peer_port.as_deref()),
                there: None,
                since: around.now,
                state: State::Empty,
                owed: false,
                arrivals: VecDeque::new(),
            });
            slot.look(&plug, reloaded, around, &mut events);
        }
        events
    }

    /// Bays in which something is still on its way to be a docked camera.
    pub fn pending(&self) -> BTreeSet<&BayName> {
        let waits = |slot: &&Slot| {
            matches!(
                slot.state,
                State::Unready { said: false }
                    | State::Held
                    | State::Mounting { said: false, .. }
                    | State::Returning { .. }
            )
        };
        self.slots
            .values()
            .filter(waits)
            .map(|slot| &slot.bay)
            .collect()
    }
}

fn id(plug: &Plug) -> (String, u8, u8) {
    (plug.name.clone(), plug.bus, plug.address)
}

impl Slot {
    /// Notes that what was there is not any more.
    fn depart(&mut self, now_there: Option<&Plug>, now: Duration, events: &mut Vec<DockEvent>) {
        if let State::Returning { by, .. } = self.state {
            if now_there.is_none() && now > by {
                self.leave(LeftReason::NotBack, events);
            }
            return;
        }
        if self.there.is_none() || now_there.map(id) == self.there {
            return;
        }
        self.there = None;
        self.since = now;
        if let State::Locked { profile, again } = &self.state {
            let returns = profile
                .unlock
                .as_ref()
                .map_or(Duration::ZERO, |u| u.returns);
            self.state = State::Returning {
                by: now + returns,
                profile: Arc::clone(profile),
                again: *again,
            };
            return;
        }
        let reason = if now_there.is_some() {
            LeftReason::Replaced
        } else {
            LeftReason::Removed
        };
        self.leave(reason, events);
    }

    fn leave(&mut self, reason: LeftReason, events: &mut Vec<DockEvent>) {
        self.state = State::Empty;
        if std::mem::take(&mut self.owed) {
            events.push(DockEvent::Left {
                bay: self.bay.clone(),
                reason,
            });
        }
    }

    fn forgotten(&self, now: Duration) -> bool {
        matches!(self.state, State::Empty) && now.saturating_sub(self.since) > FLAP_WINDOW
    }

    fn look(
        &mut self,
        plug: &Plug,
        reloaded: bool,
        around: &Around<'_>,
        events: &mut Vec<DockEvent>,
    ) {
        let now = around.now;
        if self.there.is_none() {
            self.there = Some(id(plug));
            self.since = now;
            self.arrivals.push_back(now);
            while self.arrivals.front().is_some_and(|then| {
                now.saturating_sub(*then) > FLAP_WINDOW || self.arrivals.len() > 64
            }) {
                self.arrivals.pop_front();
            }
            // Coming back unlocked is no flapping.
            if !matches!(self.state, State::Returning { .. }) && self.arrivals.len() > FLAPS {
                self.state = State::Held;
            }
        }
        // It can turn out to be the station's own only once its disks are there.
        if plug.state == PlugState::Own {
            self.leave(LeftReason::Own, events);
            self.state = State::Other;
            return;
        }
        let stayed = now.saturating_sub(self.since);
        match &mut self.state {
            State::Held if stayed < FLAP_HOLD => {}
            State::Unready { said } if plug.state == PlugState::Unready => {
                if !*said && stayed > READY_WAIT {
                    *said = true;
                    let reason = "the kernel does not configure it: too little power, or USB devices must be authorised here";
                    self.refuse(reason.into(), events);
                    self.state = State::Unready { said: true };
                }
            }
            State::Other | State::Refused if !reloaded => {}
            State::Empty
            | State::Held
            | State::Unready { .. }
            | State::Other
            | State::Refused
            | State::Returning { .. } => self.decide(plug, around, events),
            State::Mounting { .. } | State::Mounted if (around.mounted)(plug) => {
                // The folder's own arrival and departure are told by the folder.
                self.state = State::Mounted;
                self.owed = false;
            }
            State::Mounted => {
                self.state = State::Mounting {
                    by: now + MOUNT_WAIT,
                    said: false,
                };
            }
            State::Mounting { by, said } => {
                if !*said && now > *by {
                    let by = *by;
                    self.refuse("its storage was not mounted: is the udev rule 67-camdock.rules installed, and what does `journalctl -u 'camdock-mount@*'` say?".into(), events);
                    self.state = State::Mounting { by, said: true };
                }
            }
            State::Docked | State::Locked { .. } => {}
        }
    }

    fn refuse(&mut self, reason: String, events: &mut Vec<DockEvent>) {
        self.state = State::Refused;
        self.owed = true;
        events.push(DockEvent::Refused {
            bay: self.bay.clone(),
            reason,
        });
    }

    fn decide(&mut self, plug: &Plug, around: &Around<'_>, events: &mut Vec<DockEvent>) {
        let device = match &plug.state {
            PlugState::Unready => {
                if !matches!(self.state, State::Returning { .. }) {
                    self.state = State::Unready { said: false };
                }
                return;
            }
            PlugState::Own => return,
            PlugState::Absurd(reason) => {
                return self.refuse(
                    format!("it describes itself in an absurd way: {reason}"),
                    events,
                );
            }
            PlugState::Device(device) => device,
        };
        let returned = match &self.state {
            State::Returning { profile, again, .. } => Some((profile.name.clone(), *again)),
            _ => None,
        };
        match judge(device, around.profiles) {
            Verdict::Other => {
                self.leave(LeftReason::Replaced, events);
                self.state = State::Other;
            }
            Verdict::Refused(reason) => self.refuse(reason, events),
            // Going on by itself could lock the camera for good.
            Verdict::Camera {
                locked: true,
                profile,
            } if returned == Some((profile.name.clone(), true)) => {
                self.refuse(
                    "it comes back locked each time it is to be unlocked".into(),
                    events,
                );
            }
            Verdict::Camera {
                locked: true,
                profile,
            } => {
                self.owed = true;
                events.push(DockEvent::Locked {
                    bay: self.bay.clone(),
                    device: UsbDevice::clone(device),
                    profile: profile.name.clone(),
                });
                // Once: somebody may have docked it, or another one, anew before it was due back.
                let again = returned.is_some_and(|(name, _)| name == profile.name);
                self.state = State::Locked { profile, again };
            }
            Verdict::Camera { profile, .. } if profile.access == Access::MassStorage => {
                if (around.mounted)(plug) {
                    self.state = State::Mounted;
                    self.owed = false;
                    return;
                }
                self.owed = true;
                events.push(DockEvent::Plugged {
                    bay: self.bay.clone(),
                    device: UsbDevice::clone(device),
                    profile: profile.name.clone(),
                });
                self.state = State::Mounting {
                    by: around.now + MOUNT_WAIT,
                    said: false,
                };
            }
            Verdict::Camera { profile, .. } => {
                self.owed = true;
                events.push(DockEvent::Arrived {
                    bay: self.bay.clone(),
                    target: Target::Usb(UsbDevice::clone(device)),
                    profile: profile.name.clone(),
                });
                self.state = State::Docked;
            }
        }
    }
}

#[cfg(test)]
mod tests;
