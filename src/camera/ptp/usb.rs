//! The transport over a real bus: rusb, blocking transfers, one claimed interface.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusb::{
    Context, Device, DeviceHandle, Direction, InterfaceDescriptor, TransferType, UsbContext as _,
};

use super::transport::{BulkTransport, Presence, Setup, TransportError};
use crate::model::UsbDevice;

/// While udev still works on a new device, opening it says Access, Busy or NoDevice.
const OPEN_WAIT: Duration = Duration::from_secs(2);
const OPEN_PAUSE: Duration = Duration::from_millis(50);
const STRING_WAIT: Duration = Duration::from_secs(1);
const SYSFS: &str = "/sys/bus/usb/devices";

/// The interface of a device to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceClaim {
    /// The one that speaks PTP or MTP.
    Ptp,
    /// A vendor's interface with these bulk endpoints.
    Bulk {
        interface: u8,
        endpoint_out: u8,
        endpoint_in: u8,
    },
    /// A vendor's interface of which only the control endpoint is used.
    Control { interface: u8 },
}

pub struct UsbTransport {
    handle: DeviceHandle<Context>,
    interface: u8,
    endpoint_out: u8,
    endpoint_in: u8,
    packet_out: usize,
    packet_in: usize,
    paths: DevicePaths,
}

/// Where the kernel shows the device while it is plugged in.
#[derive(Debug, Clone)]
struct DevicePaths {
    devnum: PathBuf,
    node: PathBuf,
    address: u8,
}

struct ChosenInterface {
    interface: u8,
    alternate: u8,
    endpoint_out: (u8, u16),
    endpoint_in: (u8, u16),
}

impl UsbTransport {
    /// Opens the device and claims the interface; waits up to two seconds until udev has released it.
    pub fn open(device: &UsbDevice, claim: InterfaceClaim) -> Result<Self, TransportError> {
        let began = Instant::now();
        loop {
            let error = match Self::try_open(device, claim) {
                Ok(transport) => return Ok(transport),
                Err(error) => error,
            };
            let passing = matches!(
                error,
                TransportError::Access | TransportError::Busy | TransportError::Gone
            );
            if !passing || began.elapsed() > OPEN_WAIT {
                return Err(error);
            }
            std::thread::sleep(OPEN_PAUSE);
        }
    }

    /// As [`Self::open`], for a camera that is to be read.
    pub fn open_ptp(device: &UsbDevice) -> Result<Self, TransportError> {
        Self::open(device, InterfaceClaim::Ptp)
    }

    fn try_open(device: &UsbDevice, claim: InterfaceClaim) -> Result<Self, TransportError> {
        let context = Context::new().map_err(from_rusb)?;
        let found = context
            .devices()
            .map_err(from_rusb)?
            .iter()
            .find(|d| (d.bus_number(), d.address()) == (device.bus, device.address))
            .ok_or(TransportError::Gone)?;
        let descriptor = found.device_descriptor().map_err(from_rusb)?;
        // Addresses are used again: this may be what came after it.
        if (descriptor.vendor_id(), descriptor.product_id()) != (device.vendor, device.product) {
            return Err(TransportError::Gone);
        }
        let handle = found.open().map_err(from_rusb)?;
        let chosen = choose(&found, &handle, claim)?;
        // Only if a driver holds it; the driver gets it back when the interface is released.
        if handle.kernel_driver_active(chosen.interface) == Ok(true) {
            handle
                .set_auto_detach_kernel_driver(true)
                .map_err(from_rusb)?;
        }
        handle
            .claim_interface(chosen.interface)
            .map_err(from_rusb)?;
        if chosen.alternate != 0 {
            handle
                .set_alternate_setting(chosen.interface, chosen.alternate)
                .map_err(from_rusb)?;
        }
        Ok(Self {
            handle,
            interface: chosen.interface,
            endpoint_out: chosen.endpoint_out.0,
            endpoint_in: chosen.endpoint_in.0,
            packet_out: usize::from(chosen.endpoint_out.1).max(1),
            packet_in: usize::from(chosen.endpoint_in.1),
            paths: DevicePaths {
                devnum: Path::new(SYSFS).join(&device.name).join("devnum"),
                node: PathBuf::from(format!(
                    "/dev/bus/usb/{:03}/{:03}",
                    device.bus, device.address
                )),
                address: device.address,
            },
        })
    }
}

impl DevicePaths {
    /// Another device on the same port has another address.
    fn is_there(&self) -> bool {
        if !Path::new(SYSFS).is_dir() {
            return self.node.exists();
        }
        std::fs::read_to_string(&self.devnum)
            .is_ok_and(|text| text.trim() == self.address.to_string())
    }
}

/// The interface to claim, with its first bulk endpoint in each direction.
fn choose(
    device: &Device<Context>,
    handle: &DeviceHandle<Context>,
    claim: InterfaceClaim,
) -> Result<ChosenInterface, TransportError> {
    if let InterfaceClaim::Control { interface } = claim {
        return Ok(ChosenInterface {
            interface,
            alternate: 0,
            endpoint_out: (0, 64),
            endpoint_in: (0, 64),
        });
    }
    let configuration = device.active_config_descriptor().map_err(from_rusb)?;
    let mut best: Option<(u8, ChosenInterface)> = None;
    for setting in configuration.interfaces().flat_map(|i| i.descriptors()) {
        let rank = match claim {
            InterfaceClaim::Bulk { interface, .. } if setting.interface_number() != interface => {
                continue;
            }
            InterfaceClaim::Ptp => match ptp_rank(&setting, handle) {
                Some(rank) => rank,
                None => continue,
            },
            _ => 0,
        };
        let wanted = |direction: Direction, address: Option<u8>| {
            setting
                .endpoint_descriptors()
                .find(|e| {
                    e.transfer_type() == TransferType::Bulk
                        && e.direction() == direction
                        && address.is_none_or(|address| address == e.address())
                })
                .map(|e| (e.address(), e.max_packet_size() & 0x07ff))
        };
        let (out, back) = match claim {
            InterfaceClaim::Bulk {
                endpoint_out,
                endpoint_in,
                ..
            } => (Some(endpoint_out), Some(endpoint_in)),
            _ => (None, None),
        };
        let (Some(endpoint_out), Some(endpoint_in)) =
            (wanted(Direction::Out, out), wanted(Direction::In, back))
        else {
            continue;
        };
        if best.as_ref().is_none_or(|(held, _)| rank < *held) {
            best = Some((
                rank,
                ChosenInterface {
                    interface: setting.interface_number(),
                    alternate: setting.setting_number(),
                    endpoint_out,
                    endpoint_in,
                },
            ));
        }
    }
    best.map(|(_, found)| found).ok_or(TransportError::NotFound)
}

/// The still image class comes first, then a vendor interface with MTP in its name, then any other vendor interface:
/// a profile has matched the device by then.
fn ptp_rank(setting: &InterfaceDescriptor<'_>, handle: &DeviceHandle<Context>) -> Option<u8> {
    match (
        setting.class_code(),
        setting.sub_class_code(),
        setting.protocol_code(),
    ) {
        (0x06, 0x01, 0x01) => Some(0),
        (0xff, _, _) => {
            let named = handle
                .read_languages(STRING_WAIT)
                .ok()
                .and_then(|languages| languages.first().copied())
                .and_then(|language| {
                    handle
                        .read_interface_string(language, setting, STRING_WAIT)
                        .ok()
                })
                .is_some_and(|text| text.to_ascii_uppercase().contains("MTP"));
            Some(if named { 1 } else { 2 })
        }
        _ => None,
    }
}

fn from_rusb(error: rusb::Error) -> TransportError {
    match error {
        // An interrupted transfer counts as a slice of time without an answer.
        rusb::Error::Timeout | rusb::Error::Interrupted => TransportError::Timeout,
        rusb::Error::Pipe => TransportError::Stall,
        rusb::Error::NoDevice => TransportError::Gone,
        rusb::Error::Overflow => TransportError::Overflow,
        rusb::Error::Access => TransportError::Access,
        rusb::Error::Busy => TransportError::Busy,
        rusb::Error::NoMem => TransportError::NoMemory,
        rusb::Error::NotFound | rusb::Error::InvalidParam => TransportError::NotFound,
        _ => TransportError::Io,
    }
}

impl BulkTransport for UsbTransport {
    fn max_packet(&self) -> usize {
        self.packet_in
    }

    fn interface(&self) -> u16 {
        u16::from(self.interface)
    }

    fn send(&mut self, bytes: &[u8], timeout: Duration) -> Result<(), TransportError> {
        let mut sent = 0;
        while sent < bytes.len() {
            sent += self
                .handle
                .write_bulk(self.endpoint_out, &bytes[sent..], timeout)
                .map_err(from_rusb)?;
        }
        if bytes.len().is_multiple_of(self.packet_out) {
            self.handle
                .write_bulk(self.endpoint_out, &[], timeout)
                .map_err(from_rusb)?;
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, TransportError> {
        self.handle
            .read_bulk(self.endpoint_in, buffer, timeout)
            .map_err(from_rusb)
    }

    fn control_out(
        &mut self,
        setup: Setup,
        bytes: &[u8],
        timeout: Duration,
    ) -> Result<(), TransportError> {
        let Setup {
            kind,
            request,
            value,
            index,
        } = setup;
        let sent = self
            .handle
            .write_control(kind, request, value, index, bytes, timeout)
            .map_err(from_rusb)?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err(TransportError::Io)
        }
    }

    fn control_in(
        &mut self,
        setup: Setup,
        buffer: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, TransportError> {
        let Setup {
            kind,
            request,
            value,
            index,
        } = setup;
        self.handle
            .read_control(kind, request, value, index, buffer, timeout)
            .map_err(from_rusb)
    }

    fn clear_halts(&mut self) -> Result<(), TransportError> {
        for endpoint in [self.endpoint_in, self.endpoint_out] {
            // The endpoint may not be halted; the next transfer shows whether it works.
            if self.handle.clear_halt(endpoint) == Err(rusb::Error::NoDevice) {
                return Err(TransportError::Gone);
            }
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        match self.handle.reset() {
            // It came back as something else, which the next scan finds.
            Err(rusb::Error::NotFound) => Err(TransportError::Gone),
            done => done.map_err(from_rusb),
        }
    }

    fn presence(&self) -> Presence {
        let paths = self.paths.clone();
        Box::new(move || paths.is_there())
    }
}
