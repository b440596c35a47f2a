//! The protocol of control transfers of devices such as 4255:0001: `a1 b2 c3 d4 00`, three bytes of command, `00`, padded data.

use jiff::civil::DateTime;
use zeroize::Zeroizing;

use super::{LockedDevice, StatedIdentity, UnlockError, Wait, switched, text};
use crate::camera::ptp::{BulkTransport, Setup};
use crate::config::UnlockRole;

const MARK: [u8; 5] = [0xa1, 0xb2, 0xc3, 0xd4, 0x00];
const HEADER: usize = 9;
/// Offset of a reply's status.
const STATUS: usize = 6;
const GOOD: u8 = 0x80;
const OUT: Setup = Setup {
    kind: 0x40,
    request: 0x55,
    value: 0x00aa,
    index: 0,
};
const IN: Setup = Setup {
    kind: 0xc0,
    request: 0x55,
    value: 0,
    index: 0,
};

/// A command's three bytes, and the length of its data in both directions.
#[derive(Clone, Copy)]
struct Command([u8; 3], usize);

const LOG_IN_ADMIN: Command = Command([0xe1, 0x00, 0x10], 6);
const LOG_IN_USER: Command = Command([0xe1, 0x00, 0x11], 6);
const IDENTITY: Command = Command([0xe1, 0x00, 0x30], 100);
const SET_TIME: Command = Command([0xe1, 0x00, 0x41], 7);
const TO_STORAGE: Command = Command([0xe1, 0x00, 0x51], 0);
const BATTERY: Command = Command([0xe1, 0x00, 0x70], 1);

pub(super) struct Control<'a> {
    transport: &'a mut dyn BulkTransport,
    wait: Wait,
    role: UnlockRole,
}

impl<'a> Control<'a> {
    pub fn new(transport: &'a mut dyn BulkTransport, wait: Wait, role: UnlockRole) -> Self {
        Self {
            transport,
            wait,
            role,
        }
    }

    /// The reply's data; `None`: the camera refused.
    fn send(
        &mut self,
        Command(code, length): Command,
        data: &[u8],
    ) -> Result<Option<Vec<u8>>, UnlockError> {
        let mut message = Zeroizing::new(vec![0; HEADER + length]);
        message[..MARK.len()].copy_from_slice(&MARK);
        message[MARK.len()..MARK.len() + 3].copy_from_slice(&code);
        for (to, from) in message[HEADER..].iter_mut().zip(data) {
            *to = *from;
        }
        self.transport.control_out(OUT, &message, self.wait)?;
        let mut reply = Zeroizing::new(vec![0; message.len()]);
        let count = self.transport.control_in(IN, &mut reply, self.wait)?;
        let reply = &reply[..count.min(message.len())];
        Ok(match reply.get(STATUS) {
            Some(&GOOD) => Some(reply.get(HEADER..).unwrap_or_default().to_vec()),
            _ => None,
        })
    }

    fn expect(
        &mut self,
        command: Command,
        data: &[u8],
        what: &'static str,
    ) -> Result<Vec<u8>, UnlockError> {
        self.send(command, data)?.ok_or(UnlockError::Refused(what))
    }
}

impl LockedDevice for Control<'_> {
    fn log_in(&mut self, password: &str) -> Result<bool, UnlockError> {
        let command = match self.role {
            UnlockRole::Admin => LOG_IN_ADMIN,
            UnlockRole::User => LOG_IN_USER,
        };
        Ok(self.send(command, password.as_bytes())?.is_some())
    }

    fn identity(&mut self) -> Result<StatedIdentity, UnlockError> {
        const WHAT: &str = "give its identity";
        let data = self.expect(IDENTITY, &[], WHAT)?;
        let field = |from: usize, to: usize| -> Result<&[u8], UnlockError> {
            data.get(from..to).ok_or(UnlockError::Reply(WHAT))
        };
        // Serial 9, user id 8, user name 35, department id 16, department name 32.
        let joined = |id: &[u8], name: &[u8]| match (text(id), text(name)) {
            (Some(id), Some(name)) => Some(format!("{id} {name}")),
            (one, other) => one.or(other),
        };
        Ok(StatedIdentity {
            serial: text(field(0, 9)?),
            user: joined(field(9, 17)?, field(17, 52)?),
            department: joined(field(52, 68)?, field(68, 100)?),
        })
    }

    fn battery(&mut self) -> Result<Option<u8>, UnlockError> {
        const WHAT: &str = "give its battery level";
        match self.expect(BATTERY, &[], WHAT)?.first() {
            Some(&level) if level <= 100 => Ok(Some(level)),
            _ => Err(UnlockError::Reply(WHAT)),
        }
    }

    fn set_clock(&mut self, local: DateTime) -> Result<(), UnlockError> {
        const WHAT: &str = "set its clock";
        let year = u16::try_from(local.year()).map_err(|_| UnlockError::Reply(WHAT))?;
        let small = |value: i8| u8::try_from(value).unwrap_or_default();
        let mut time = year.to_be_bytes().to_vec();
        time.extend([
            small(local.month()),
            small(local.day()),
            small(local.hour()),
            small(local.minute()),
            small(local.second()),
        ]);
        self.expect(SET_TIME, &time, WHAT).map(drop)
    }

    fn to_storage(&mut self) -> Result<(), UnlockError> {
        switched(self.expect(TO_STORAGE, &[], "show its storage").map(drop))
    }
}
