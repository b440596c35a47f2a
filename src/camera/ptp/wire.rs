//! Containers (PIMA 15740 over USB, annex D): u32 length, u16 type, u16 code, u32 transaction, up to five u32 parameters.

/// Bytes of a container's header.
pub const HEADER: usize = 12;
/// Bytes of the longest response.
pub const RESPONSE_MAX: usize = HEADER + 5 * 4;
/// As a data header's length: the data phase ends with a short packet.
pub const LENGTH_UNKNOWN: u32 = u32::MAX;

pub const COMMAND: u16 = 1;
pub const DATA: u16 = 2;
pub const RESPONSE: u16 = 3;

/// Operation codes.
pub mod op {
    pub const GET_DEVICE_INFO: u16 = 0x1001;
    pub const OPEN_SESSION: u16 = 0x1002;
    pub const CLOSE_SESSION: u16 = 0x1003;
    pub const GET_STORAGE_IDS: u16 = 0x1004;
    pub const GET_STORAGE_INFO: u16 = 0x1005;
    pub const GET_OBJECT_HANDLES: u16 = 0x1007;
    pub const GET_OBJECT_INFO: u16 = 0x1008;
    pub const GET_OBJECT: u16 = 0x1009;
    pub const DELETE_OBJECT: u16 = 0x100b;
    pub const GET_DEVICE_PROP_DESC: u16 = 0x1014;
    pub const GET_DEVICE_PROP_VALUE: u16 = 0x1015;
    pub const SET_DEVICE_PROP_VALUE: u16 = 0x1016;
    pub const GET_PARTIAL_OBJECT: u16 = 0x101b;
    pub const GET_OBJECT_PROP_VALUE: u16 = 0x9803;
    pub const GET_OBJECT_PROP_LIST: u16 = 0x9805;
    pub const GET_PARTIAL_OBJECT_64: u16 = 0x95c1;
}

/// Response codes.
pub mod rc {
    pub const OK: u16 = 0x2001;
    pub const GENERAL: u16 = 0x2002;
    pub const SESSION_NOT_OPEN: u16 = 0x2003;
    pub const BAD_TRANSACTION: u16 = 0x2004;
    pub const NOT_SUPPORTED: u16 = 0x2005;
    pub const PARAMETER_NOT_SUPPORTED: u16 = 0x2006;
    pub const INCOMPLETE: u16 = 0x2007;
    pub const BAD_STORAGE: u16 = 0x2008;
    pub const BAD_HANDLE: u16 = 0x2009;
    pub const WRITE_PROTECTED: u16 = 0x200d;
    pub const STORE_READ_ONLY: u16 = 0x200e;
    pub const ACCESS_DENIED: u16 = 0x200f;
    pub const PARTIAL_DELETION: u16 = 0x2012;
    pub const STORE_NOT_AVAILABLE: u16 = 0x2013;
    pub const BUSY: u16 = 0x2019;
    pub const BAD_PARENT: u16 = 0x201a;
    pub const ALREADY_OPEN: u16 = 0x201e;
    pub const CANCELLED: u16 = 0x201f;
}

/// Device and object properties, and the one object format that matters.
pub mod prop {
    pub const BATTERY_LEVEL: u16 = 0x5001;
    pub const DATE_TIME: u16 = 0x5011;
    pub const STORAGE: u16 = 0xdc01;
    pub const OBJECT_FORMAT: u16 = 0xdc02;
    pub const PROTECTION: u16 = 0xdc03;
    pub const OBJECT_SIZE: u16 = 0xdc04;
    pub const FILE_NAME: u16 = 0xdc07;
    pub const CREATED: u16 = 0xdc08;
    pub const MODIFIED: u16 = 0xdc09;
    pub const PARENT: u16 = 0xdc0b;
    /// Format of a folder.
    pub const ASSOCIATION: u16 = 0x3001;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerHeader {
    /// Bytes of the whole container; [`LENGTH_UNKNOWN`] is possible in a data header.
    pub length: u32,
    pub kind: u16,
    pub code: u16,
    pub transaction: u32,
}

impl ContainerHeader {
    /// `None`: fewer than twelve bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<2>()?;
        let (code, rest) = rest.split_first_chunk::<2>()?;
        let (transaction, _) = rest.split_first_chunk::<4>()?;
        Some(Self {
            length: u32::from_le_bytes(*length),
            kind: u16::from_le_bytes(*kind),
            code: u16::from_le_bytes(*code),
            transaction: u32::from_le_bytes(*transaction),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub code: u16,
    pub transaction: u32,
    /// Up to five.
    pub parameters: Vec<u32>,
}

impl Response {
    /// A response at the start of `bytes`, and how many of them it takes; `None` when there is none.
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let header = ContainerHeader::parse(bytes).filter(|header| header.kind == RESPONSE)?;
        // An impossible length is ignored: the end of the transfer counts.
        let end = usize::try_from(header.length)
            .ok()
            .filter(|length| (HEADER..=RESPONSE_MAX).contains(length))
            .unwrap_or(RESPONSE_MAX)
            .min(bytes.len());
        let parameters = bytes[HEADER..end]
            .chunks_exact(4)
            .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect();
        let response = Self {
            code: header.code,
            transaction: header.transaction,
            parameters,
        };
        Some((response, end))
    }
}

/// A command container; at most five parameters.
pub fn command(code: u16, transaction: u32, parameters: &[u32]) -> Vec<u8> {
    let payload: Vec<u8> = parameters
        .iter()
        .take(5)
        .flat_map(|p| p.to_le_bytes())
        .collect();
    container(COMMAND, code, transaction, &payload)
}

/// Any container; `payload` is far below 4 GiB.
pub fn container(kind: u16, code: u16, transaction: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + payload.len()).unwrap_or(LENGTH_UNKNOWN);
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&code.to_le_bytes());
    bytes.extend_from_slice(&transaction.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}
