//! Turns scans of USB into dock events, by comparing each with what was plugged in before. No I/O, no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::ports::Ports;
use super::sysfs::{Plug, PlugState};
use super::verdict::{UsbVerdict, judge};
use crate::config::{Access, Profile, Profiles};
use crate::dock::{DockEvent, LeftReason, Target};
use crate::model::{BayName, UsbDevice};

/// The longest time that the mount helper may take before a refusal is reported.
const MOUNT_WAIT: Duration = Duration::from_secs(20);
/// The longest time that the kernel may take to configure a device.
const READY_WAIT: Duration = Duration::from_secs(5);
/// After more arrivals on one port within [`FLAP_WINDOW`] than this, the next device must stay for [`FLAP_HOLD`] first.
const FLAPS: usize = 3;
const FLAP_WINDOW: Duration = Duration::from_secs(20);
const FLAP_HOLD: Duration = Duration::from_secs(4);

/// The USB ports, as far as they were reported. Times count from any fixed moment.
#[derive(Debug, Default)]
pub struct UsbSlots {
    slots: BTreeMap<String, Slot>,
    profiles: Option<Arc<Profiles>>,
}

#[derive(Debug)]
struct Slot {
    bay: BayName,
    /// Name, bus and address of the device; `None`: no device.
    device: Option<(String, u8, u8)>,
    since: Duration,
    state: SlotState,
    /// An arrival was reported, so its departure must be reported, too.
    departure_due: bool,
    arrivals: VecDeque<Duration>,
}

#[derive(Debug)]
enum SlotState {
    Empty,
    Unready {
        said: bool,
    },
    /// It came and went too often, so it must stay for a while first.
    Held,
    Other,
    /// An optical drive without a disc: nothing is docked.
    NoDisc,
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
    /// The locked form has left, and the unlocked form is awaited.
    Returning {
        by: Duration,
        profile: Arc<Profile>,
        again: bool,
    },
}

/// The facts that a decision needs besides the scan itself.
pub struct ScanContext<'a> {
    pub profiles: &'a Arc<Profiles>,
    /// Whether the mount helper's folder of this device was reported as arrived.
    pub mounted: &'a dyn Fn(&Plug) -> bool,
    pub now: Duration,
}

impl UsbSlots {
    /// Takes one scan. Departures come before arrivals.
    pub fn observe(
        &mut self,
        plugs: Vec<Plug>,
        context: &ScanContext<'_>,
        ports: &mut Ports,
    ) -> Vec<DockEvent> {
        let mut found: BTreeMap<String, Plug> = BTreeMap::new();
        for plug in plugs {
            // Both paths of a socket are in use: the second one becomes a bay of its own.
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
            .is_none_or(|known| !Arc::ptr_eq(known, context.profiles));
        self.profiles = Some(Arc::clone(context.profiles));
        let mut events = Vec::new();
        for (key, slot) in &mut self.slots {
            slot.depart(found.get(key), context.now, &mut events);
        }
        self.slots.retain(|_, slot| !slot.forgotten(context.now));
        for (key, plug) in found {
            let slot = self.slots.entry(key.clone()).or_insert_with(|| Slot {
                bay: ports.bay(&key, plug.peer_port.as_deref()),
                device: None,
                since: context.now,
                state: SlotState::Empty,
                departure_due: false,
                arrivals: VecDeque::new(),
            });
            slot.arrive(&plug, reloaded, context, &mut events);
        }
        events
    }

    /// Bays with a device that may still become a docked camera.
    pub fn pending(&self) -> BTreeSet<&BayName> {
        let waits = |slot: &&Slot| {
            matches!(
                slot.state,
                SlotState::Unready { said: false }
                    | SlotState::Held
                    | SlotState::Mounting { said: false, .. }
                    | SlotState::Returning { .. }
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
    /// Notes that the device has left.
    fn depart(&mut self, now_there: Option<&Plug>, now: Duration, events: &mut Vec<DockEvent>) {
        if let SlotState::Returning { by, .. } = self.state {
            if now_there.is_none() && now > by {
                self.leave(LeftReason::NotBack, events);
            }
            return;
        }
        if self.device.is_none() || now_there.map(id) == self.device {
            return;
        }
        self.device = None;
        self.since = now;
        if let SlotState::Locked { profile, again } = &self.state {
            let returns = profile
                .unlock
                .as_ref()
                .map_or(Duration::ZERO, |u| u.returns);
            self.state = SlotState::Returning {
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
        self.state = SlotState::Empty;
        if std::mem::take(&mut self.departure_due) {
            events.push(DockEvent::Left {
                bay: self.bay.clone(),
                reason,
            });
        }
    }

    fn forgotten(&self, now: Duration) -> bool {
        matches!(self.state, SlotState::Empty) && now.saturating_sub(self.since) > FLAP_WINDOW
    }

    fn arrive(
        &mut self,
        plug: &Plug,
        reloaded: bool,
        context: &ScanContext<'_>,
        events: &mut Vec<DockEvent>,
    ) {
        let now = context.now;
        if self.device.is_none() {
            self.device = Some(id(plug));
            self.since = now;
            self.arrivals.push_back(now);
            while self.arrivals.front().is_some_and(|then| {
                now.saturating_sub(*then) > FLAP_WINDOW || self.arrivals.len() > 64
            }) {
                self.arrivals.pop_front();
            }
            // A camera that comes back unlocked does not flap.
            if !matches!(self.state, SlotState::Returning { .. }) && self.arrivals.len() > FLAPS {
                self.state = SlotState::Held;
            }
        }
        // This is known only after the kernel has found its disks.
        if plug.state == PlugState::Own {
            self.leave(LeftReason::Own, events);
            self.state = SlotState::Other;
            return;
        }
        if plug.state == PlugState::NoDisc {
            self.leave(LeftReason::Removed, events);
            self.state = SlotState::NoDisc;
            return;
        }
        let stayed = now.saturating_sub(self.since);
        match &mut self.state {
            SlotState::Held if stayed < FLAP_HOLD => {}
            SlotState::Unready { said } if plug.state == PlugState::Unready => {
                if !*said && stayed > READY_WAIT {
                    *said = true;
                    let reason = "the kernel does not configure it: too little power, or USB devices must be authorised here";
                    self.refuse(reason.into(), events);
                    self.state = SlotState::Unready { said: true };
                }
            }
            SlotState::Other | SlotState::Refused if !reloaded => {}
            SlotState::Empty
            | SlotState::NoDisc
            | SlotState::Held
            | SlotState::Unready { .. }
            | SlotState::Other
            | SlotState::Refused
            | SlotState::Returning { .. } => self.decide(plug, context, events),
            SlotState::Mounting { .. } | SlotState::Mounted if (context.mounted)(plug) => {
                // From here on, arrival and departure are those of its folder.
                self.state = SlotState::Mounted;
                self.departure_due = false;
            }
            SlotState::Mounted => {
                self.state = SlotState::Mounting {
                    by: now + MOUNT_WAIT,
                    said: false,
                };
            }
            SlotState::Mounting { by, said } => {
                if !*said && now > *by {
                    let by = *by;
                    self.refuse("its storage was not mounted: is the udev rule 67-camdock.rules installed, and what does `journalctl -u 'camdock-mount@*'` say?".into(), events);
                    self.state = SlotState::Mounting { by, said: true };
                }
            }
            SlotState::Docked | SlotState::Locked { .. } => {}
        }
    }

    fn refuse(&mut self, reason: String, events: &mut Vec<DockEvent>) {
        self.state = SlotState::Refused;
        self.departure_due = true;
        events.push(DockEvent::Refused {
            bay: self.bay.clone(),
            reason,
        });
    }

    fn decide(&mut self, plug: &Plug, context: &ScanContext<'_>, events: &mut Vec<DockEvent>) {
        let device = match &plug.state {
            PlugState::Unready => {
                if !matches!(self.state, SlotState::Returning { .. }) {
                    self.state = SlotState::Unready { said: false };
                }
                return;
            }
            PlugState::Own | PlugState::NoDisc => return,
            PlugState::Absurd(reason) => {
                return self.refuse(format!("its descriptors make no sense: {reason}"), events);
            }
            PlugState::Device(device) => device,
        };
        let returned = match &self.state {
            SlotState::Returning { profile, again, .. } => Some((profile.name.clone(), *again)),
            _ => None,
        };
        match judge(device, context.profiles) {
            UsbVerdict::Other => {
                self.leave(LeftReason::Replaced, events);
                self.state = SlotState::Other;
            }
            UsbVerdict::Refused(reason) => self.refuse(reason, events),
            // Unlocking it again and again could lock the camera for good.
            UsbVerdict::Camera {
                locked: true,
                profile,
            } if returned == Some((profile.name.clone(), true)) => {
                self.refuse(
                    "it comes back locked each time it is unlocked".into(),
                    events,
                );
            }
            UsbVerdict::Camera {
                locked: true,
                profile,
            } => {
                self.departure_due = true;
                events.push(DockEvent::Locked {
                    bay: self.bay.clone(),
                    device: UsbDevice::clone(device),
                    profile: profile.name.clone(),
                });
                // Tried once more: somebody may have docked it, or another one, again before it was due back.
                let again = returned.is_some_and(|(name, _)| name == profile.name);
                self.state = SlotState::Locked { profile, again };
            }
            UsbVerdict::Camera { profile, .. } if profile.access == Access::MassStorage => {
                if (context.mounted)(plug) {
                    self.state = SlotState::Mounted;
                    self.departure_due = false;
                    return;
                }
                self.departure_due = true;
                events.push(DockEvent::Plugged {
                    bay: self.bay.clone(),
                    device: UsbDevice::clone(device),
                    profile: profile.name.clone(),
                });
                self.state = SlotState::Mounting {
                    by: context.now + MOUNT_WAIT,
                    said: false,
                };
            }
            UsbVerdict::Camera { profile, .. } => {
                self.departure_due = true;
                events.push(DockEvent::Arrived {
                    bay: self.bay.clone(),
                    target: Target::Usb(UsbDevice::clone(device)),
                    profile: profile.name.clone(),
                });
                self.state = SlotState::Docked;
            }
        }
    }
}

#[cfg(test)]
mod tests;
