//! The class requests of PIMA 15740, annex D: cancel 0x64, reset 0x66, status 0x67.

use std::time::Duration;

use super::PtpError;
use super::dataset::DeviceStatus;
use super::link::Link;
use super::transport::{Setup, TransportError};
use super::wire::rc;

const CANCEL: u8 = 0x64;
const RESET: u8 = 0x66;
const STATUS: u8 = 0x67;
const CANCEL_CODE: u16 = 0x4001;
/// Out and in, class, interface.
const OUT: u8 = 0x21;
const IN: u8 = 0xa1;

const STATUS_TRIES: u32 = 40;
/// Bytes that a device may still send after a cancel.
const DRAIN_MAX: u64 = 64 << 20;
const DRAIN_WAIT: Duration = Duration::from_millis(100);
const CONTROL_WAIT: Duration = Duration::from_secs(2);

fn setup(link: &mut Link, kind: u8, request: u8) -> Setup {
    Setup {
        kind,
        request,
        value: 0,
        index: link.transport().interface(),
    }
}

/// Ends a transaction in its data phase and empties the pipe.
pub(super) fn cancel(link: &mut Link, transaction: u32) -> Result<(), PtpError> {
    let mut payload = [0; 6];
    payload[..2].copy_from_slice(&CANCEL_CODE.to_le_bytes());
    payload[2..].copy_from_slice(&transaction.to_le_bytes());
    let setup_out = setup(link, OUT, CANCEL);
    match link
        .transport()
        .control_out(setup_out, &payload, CONTROL_WAIT)
    {
        // The device doesn't know the request: emptying the pipe must suffice.
        Ok(()) | Err(TransportError::Stall | TransportError::Timeout) => {}
        Err(error) => return Err(error.into()),
    }
    // A device may wait for its data to be taken before it answers the status request.
    let mut dry = link.drain(DRAIN_MAX, DRAIN_WAIT)?;
    if !ready(link)? {
        return Err(PtpError::Protocol("it stays busy after a cancel"));
    }
    link.transport().clear_halts()?;
    if !dry {
        dry = link.drain(DRAIN_MAX, DRAIN_WAIT)?;
    }
    link.forget();
    if dry {
        Ok(())
    } else {
        Err(PtpError::Protocol("it continues to send after a cancel"))
    }
}

/// Polls the status while the device is busy. A device that doesn't know the request counts as ready.
fn ready(link: &mut Link) -> Result<bool, PtpError> {
    let setup_in = setup(link, IN, STATUS);
    for _ in 0..STATUS_TRIES {
        let mut bytes = [0; 32];
        match link
            .transport()
            .control_in(setup_in, &mut bytes, CONTROL_WAIT)
        {
            Ok(count) => match DeviceStatus::parse(&bytes[..count.min(bytes.len())]) {
                Ok(status) if status.code == rc::BUSY => {
                    let pause = link.timing.pause;
                    link.pause(pause)?;
                }
                _ => return Ok(true),
            },
            Err(TransportError::Gone) => return Err(PtpError::Gone),
            Err(_) => return Ok(true),
        }
    }
    Ok(false)
}

/// Sends the class's reset, or resets the port where the device doesn't know that.
pub(super) fn reset(link: &mut Link) -> Result<(), PtpError> {
    link.forget();
    let setup_out = setup(link, OUT, RESET);
    let asked = link.transport().control_out(setup_out, &[], CONTROL_WAIT);
    if let Err(error) = asked {
        if error == TransportError::Gone {
            return Err(PtpError::Gone);
        }
        link.transport().reset()?;
    }
    if !ready(link)? {
        link.transport().reset()?;
    }
    link.transport().clear_halts()?;
    link.drain(DRAIN_MAX, DRAIN_WAIT)?;
    link.forget();
    Ok(())
}
