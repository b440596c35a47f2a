use std::time::Duration;

use thiserror::Error;

/// Errors of one transfer.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum TransportError {
    #[error("the device did not answer in time")]
    Timeout,
    #[error("the device stalled the endpoint")]
    Stall,
    #[error("the device is no longer there")]
    Gone,
    #[error("the device sent more than was asked for")]
    Overflow,
    #[error("this user may not use the device")]
    Access,
    #[error("another program or driver holds the device")]
    Busy,
    #[error("the kernel has no memory left for transfers")]
    NoMemory,
    #[error("the transfer failed")]
    Io,
    #[error("the device has no such interface or endpoint")]
    NotFound,
}

/// A control transfer's setup packet without its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// bmRequestType; its top bit is the direction.
    pub kind: u8,
    pub request: u8,
    pub value: u16,
    pub index: u16,
}

/// Whether the device is still on the bus. Cheap, and may be asked from any thread.
pub type Presence = Box<dyn Fn() -> bool + Send + Sync>;

/// The bulk endpoints, one for each direction, and the control endpoint of a device that nobody else uses.
///
/// Blocking; each call tries once. A transport that answered [`TransportError::Gone`] never comes back.
pub trait BulkTransport: Send {
    /// Bytes of a full packet on the IN endpoint; buffers are multiples of it.
    fn max_packet(&self) -> usize;

    /// wIndex of class requests.
    fn interface(&self) -> u16;

    /// Sends all of `bytes`, followed by an empty packet if they end on a packet boundary.
    fn send(&mut self, bytes: &[u8], timeout: Duration) -> Result<(), TransportError>;

    /// One transfer: ends when `buffer` is full or with a short or empty packet. A time-out that comes after some bytes
    /// returns these bytes.
    fn receive(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, TransportError>;

    fn control_out(
        &mut self,
        setup: Setup,
        bytes: &[u8],
        timeout: Duration,
    ) -> Result<(), TransportError>;

    fn control_in(
        &mut self,
        setup: Setup,
        buffer: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, TransportError>;

    /// Clears both bulk endpoints' halt.
    fn clear_halts(&mut self) -> Result<(), TransportError>;

    /// Resets the device's port: the last resort.
    fn reset(&mut self) -> Result<(), TransportError>;

    fn presence(&self) -> Presence;
}
