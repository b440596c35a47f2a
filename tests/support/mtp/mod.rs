//! An MTP device in memory behind the transport's trait, with the quirks of real devices as switches.

#![allow(dead_code, reason = "each test file uses its own share")]

mod answers;
mod lists;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use camdock::camera::ptp::{TransportError, op};

pub use lists::Lists;
pub use wire::Wire;

pub const STORAGE: u32 = 0x0001_0001;
pub const TOP: u32 = u32::MAX;

/// The end of a data phase whose length is a multiple of the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// An empty packet, by the standard.
    EmptyPacket,
    /// One byte in its place.
    StrayByte,
    /// Nothing, but the transfer ends, as with QEMU's device.
    Nothing,
    /// Nothing, and the transfer continues with the response.
    Glued,
}

/// The parent that lists the top folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listing {
    /// FFFFFFFF is the top.
    Standard,
    /// FFFFFFFF is refused, 0 is the top.
    ZeroIsTop,
    /// FFFFFFFF is refused, 0 gives every object of the storage.
    ZeroIsAll,
    /// FFFFFFFF gives an empty list, 0 is the top.
    EmptyThenZero,
}

#[derive(Clone, Debug)]
pub struct Quirks {
    pub packet: usize,
    pub ending: Ending,
    pub listing: Listing,
    /// The header of a data phase comes in a packet of its own.
    pub header_alone: bool,
    /// The response comes in the last packet of the data.
    pub glue_response: bool,
    /// Code and transaction of data headers are junk.
    pub junk_headers: bool,
    /// Data headers of objects give the length FFFFFFFF.
    pub unknown_length: bool,
    /// The session is open already, of a program that crashed.
    pub already_open: bool,
    /// Transaction ids up to this one are refused.
    pub used_transactions: u32,
    /// OpenSession breaks the transfer until the device is reset.
    pub needs_reset: bool,
    /// Each operation is first answered so many times with Busy.
    pub busy: u32,
    /// So many pieces are answered with Incomplete behind zeros.
    pub incomplete: u32,
    /// So many data phases stall in the middle.
    pub stalls: u32,
    /// So many data phases fall silent in the middle.
    pub silences: u32,
    /// So many transfers fail with an I/O error.
    pub io_errors: u32,
    /// Unplugged after so many bytes of data.
    pub pulled_after: Option<u64>,
    /// Class requests 0x64 and 0x67, and 0x66, are not known.
    pub no_cancel: bool,
    pub no_reset: bool,
    /// Device status says Busy so many times after a cancel.
    pub busy_status: u32,
    /// Never answers again after its session was closed.
    pub hangs_on_close: bool,
    /// Gives DeviceInfo only inside a session.
    pub info_in_session_only: bool,
    /// Sends an event container on the data pipe before each response.
    pub events: bool,
    /// An old response lies in the pipe at first.
    pub old_response: bool,
    /// Each folder holds one more folder, without end.
    pub endless: bool,
    /// Each data phase claims to be so much longer than it is.
    pub claims_more: u32,
    /// Objects end after so many bytes, whatever their size says.
    pub ends_after: Option<u64>,
    /// Data phases of datasets have so many bytes, whatever was asked.
    pub floods: Option<u64>,
    /// Pieces have so many bytes more than asked for.
    pub oversized_pieces: u32,
    /// Pieces have at most so many bytes.
    pub small_pieces: Option<u32>,
    /// ObjectInfo is refused for this handle.
    pub broken_object: Option<u32>,
    /// The kernel has no memory for transfers larger than this.
    pub transfer_max: Option<usize>,
    /// The response to a deletion, which is not done.
    pub delete_answer: Option<u16>,
    /// A deletion is answered with OK and not done.
    pub delete_ignored: bool,
    /// The answer to a deletion never comes; done or not, as `delete_ignored` says.
    pub delete_unanswered: bool,
    /// Once an object is deleted, the last one of its folder takes its handle.
    pub reuses_handles: bool,
    /// It is pulled out before it answers a deletion.
    pub unplugs_on_delete: bool,
    /// From the n-th time on, DeviceInfo gives another serial.
    pub serial_after: Option<(u32, String)>,
    pub lists: Lists,
    /// ObjectInfo gives the lower half of a large size instead of FFFFFFFF.
    pub cuts_sizes: bool,
    /// Every size is given as 0.
    pub zero_sizes: bool,
    /// The ids that GetStorageIDs names, where they differ from those that can be listed.
    pub named_storages: Option<Vec<u32>>,
    /// The storage FFFFFFFF stands for all of them.
    pub every_storage: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            packet: 512,
            ending: Ending::EmptyPacket,
            listing: Listing::Standard,
            header_alone: false,
            glue_response: false,
            junk_headers: false,
            unknown_length: false,
            already_open: false,
            used_transactions: 0,
            needs_reset: false,
            busy: 0,
            incomplete: 0,
            stalls: 0,
            silences: 0,
            io_errors: 0,
            pulled_after: None,
            no_cancel: false,
            no_reset: false,
            busy_status: 0,
            hangs_on_close: false,
            info_in_session_only: false,
            events: false,
            old_response: false,
            endless: false,
            claims_more: 0,
            ends_after: None,
            floods: None,
            oversized_pieces: 0,
            small_pieces: None,
            broken_object: None,
            transfer_max: None,
            delete_answer: None,
            delete_ignored: false,
            delete_unanswered: false,
            reuses_handles: false,
            unplugs_on_delete: false,
            serial_after: None,
            lists: Lists::Good,
            cuts_sizes: false,
            zero_sizes: false,
            named_storages: None,
            every_storage: false,
        }
    }
}

#[derive(Clone)]
pub struct Node {
    pub parent: u32,
    pub storage: u32,
    pub name: Vec<u16>,
    pub folder: bool,
    pub size: u64,
    pub created: String,
    pub modified: String,
    pub protected: bool,
    /// The seed of its content.
    pub seed: u32,
}

pub struct State {
    pub quirks: Quirks,
    pub operations: Vec<u16>,
    pub properties: Vec<u16>,
    pub storages: Vec<u32>,
    pub objects: HashMap<u32, Node>,
    /// In the order in which they are listed.
    pub children: HashMap<(u32, u32), Vec<u32>>,
    pub manufacturer: String,
    pub serial: String,
    /// Type and value of the battery's property, with its range.
    pub battery: (u8, u8, u8),
    pub clock: String,
    pub session_open: bool,
    pub plugged: bool,
    pub dead: bool,
    /// All commands received, in order: (operation, transaction, parameters).
    pub asked: Vec<(u16, u32, Vec<u32>)>,
    pub cancels: u32,
    pub resets: u32,
    pub port_resets: u32,
    pub data_sent: u64,
    next: u32,
    busy_left: u32,
    out: VecDeque<wire::Outgoing>,
    /// Operation, transaction and parameters of a command that waits for its data.
    taking: Option<(u16, u32, Vec<u32>)>,
    halted: bool,
    /// The command at work is never answered.
    hangs: bool,
}

/// The test's end of a device.
#[derive(Clone)]
pub struct Device(Arc<Mutex<State>>);

impl Device {
    pub fn new(quirks: Quirks) -> Self {
        let state = State {
            operations: vec![
                op::GET_DEVICE_INFO,
                op::OPEN_SESSION,
                op::CLOSE_SESSION,
                op::GET_STORAGE_IDS,
                op::GET_STORAGE_INFO,
                op::GET_OBJECT_HANDLES,
                op::GET_OBJECT_INFO,
                op::GET_OBJECT,
                0x100b,
                op::GET_DEVICE_PROP_DESC,
                op::GET_DEVICE_PROP_VALUE,
                op::SET_DEVICE_PROP_VALUE,
                op::GET_PARTIAL_OBJECT,
                op::GET_PARTIAL_OBJECT_64,
                op::GET_OBJECT_PROP_VALUE,
                op::GET_OBJECT_PROP_LIST,
            ],
            properties: vec![0x5001, 0x5011],
            storages: vec![STORAGE],
            objects: HashMap::new(),
            children: HashMap::new(),
            manufacturer: "Acme".into(),
            serial: "X8-000123".into(),
            battery: (0, 100, 80),
            clock: "20260102T030405".into(),
            session_open: quirks.already_open,
            plugged: true,
            dead: false,
            asked: Vec::new(),
            cancels: 0,
            resets: 0,
            port_resets: 0,
            data_sent: 0,
            next: 1,
            busy_left: quirks.busy,
            out: VecDeque::new(),
            taking: None,
            halted: false,
            hangs: false,
            quirks,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub fn without(self, operations: &[u16]) -> Self {
        self.lock().operations.retain(|o| !operations.contains(o));
        self
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn wire(&self) -> Wire {
        Wire(Arc::clone(&self.0))
    }

    /// Puts an object into a folder of the first storage; returns its handle.
    pub fn add(&self, parent: u32, name: &str, size: Option<u64>) -> u32 {
        self.add_raw(STORAGE, parent, name.encode_utf16().collect(), size)
    }

    pub fn folder(&self, parent: u32, name: &str) -> u32 {
        self.add(parent, name, None)
    }

    /// `size` `None`: a folder.
    pub fn add_raw(&self, storage: u32, parent: u32, name: Vec<u16>, size: Option<u64>) -> u32 {
        self.lock().add(storage, parent, name, size)
    }

    /// The number of times that an operation was received.
    pub fn count(&self, operation: u16) -> usize {
        let state = self.lock();
        state.asked.iter().filter(|a| a.0 == operation).count()
    }
}

impl State {
    fn add(&mut self, storage: u32, parent: u32, name: Vec<u16>, size: Option<u64>) -> u32 {
        let handle = self.next;
        self.next += 1;
        let node = Node {
            parent: if parent == TOP { 0 } else { parent },
            storage,
            name,
            folder: size.is_none(),
            size: size.unwrap_or(0),
            created: String::new(),
            modified: format!("20260102T0304{:02}", handle % 60),
            protected: false,
            seed: handle,
        };
        self.objects.insert(handle, node);
        self.children
            .entry((storage, parent))
            .or_default()
            .push(handle);
        handle
    }

    fn there(&self) -> Result<(), TransportError> {
        if self.plugged {
            Ok(())
        } else {
            Err(TransportError::Gone)
        }
    }
}

/// The bytes of an object from `offset` on: the same for the same handle, different everywhere else.
pub fn content(handle: u32, offset: u64, out: &mut [u8]) {
    let mut at = offset;
    let mut done = 0;
    while done < out.len() {
        let word = (u64::from(handle) << 40 ^ (at / 8))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
            .to_le_bytes();
        let from = usize::try_from(at % 8).unwrap();
        let count = (8 - from).min(out.len() - done);
        out[done..done + count].copy_from_slice(&word[from..from + count]);
        done += count;
        at += count as u64;
    }
}
