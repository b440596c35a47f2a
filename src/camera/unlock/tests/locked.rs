use std::time::Duration;

use crate::camera::ptp::{BulkTransport, Presence, Setup, TransportError};

/// A locked camera of either protocol.
#[derive(Default)]
pub struct FakeDevice {
    pub password: String,
    pub locked_out: bool,
    pub logged_in: bool,
    pub in_storage: bool,
    pub log_ins: u32,
    /// Everything it was sent.
    pub sent: Vec<Vec<u8>>,
    pub reply: Vec<u8>,
    pub clock: Vec<u8>,
    /// Replies that stand for its own, whatever was asked.
    pub junk: Option<Vec<u8>>,
    /// Each transfer fails with this.
    pub fails: Option<TransportError>,
    pub leaves_at_once: bool,
    pub small_packets: bool,
}

impl FakeDevice {
    pub fn new(password: &str) -> Self {
        Self {
            password: password.into(),
            ..Self::default()
        }
    }

    fn check(&mut self, given: &[u8]) -> bool {
        self.log_ins += 1;
        self.logged_in = !self.locked_out && given == self.password.as_bytes();
        self.locked_out |= self.log_ins > 2 && !self.logged_in;
        self.logged_in
    }

    /// Byte by byte as the public description has it.
    fn control(&mut self, message: &[u8]) {
        assert_eq!(message[..5], [0xa1, 0xb2, 0xc3, 0xd4, 0]);
        assert_eq!((message[5], message[6], message[8]), (0xe1, 0, 0));
        let data = &message[9..];
        let mut answer = vec![0; message.len()];
        let good = match (message[7], data.len()) {
            (0x10, 6) => self.check(data),
            (0x11, 6) => false,
            _ if !self.logged_in => false,
            (0x30, 100) => {
                for (at, text) in [
                    (0, "X800012"),
                    (9, "007"),
                    (17, "P. Walker"),
                    (52, "12"),
                    (68, "Leeds"),
                ] {
                    answer[9 + at..9 + at + text.len()].copy_from_slice(text.as_bytes());
                }
                true
            }
            (0x70, 1) => {
                answer[9] = 64;
                true
            }
            (0x41, 7) => {
                self.clock = data.to_vec();
                true
            }
            (0x51, 0) => {
                self.in_storage = true;
                true
            }
            _ => false,
        };
        answer[6] = if good { 0x80 } else { 0x81 };
        self.reply = answer;
    }

    fn line(&mut self, line: &str) {
        let fields: Vec<&str> = line.split(';').collect();
        self.reply = match (fields[0], self.logged_in) {
            ("@Ver", _) => {
                if self.check(fields[2].as_bytes()) {
                    b"@Ver;OK;#".to_vec()
                } else {
                    // Some echo what they refuse.
                    format!("@Ver;ERROR;{};#", fields[2]).into_bytes()
                }
            }
            ("@Gdv", true) => b"@Gdv;8;B2000077;#".to_vec(),
            ("@Sdt" | "@Stm", true) => {
                self.clock.extend(fields[2].bytes());
                format!("{};OK;#", fields[0]).into_bytes()
            }
            ("@ATH", true) => {
                assert_eq!(line, "@ATH;8;12345678;#");
                self.in_storage = true;
                b"@ATH;OK;#".to_vec()
            }
            _ => b"ERROR".to_vec(),
        };
    }
}

impl BulkTransport for FakeDevice {
    fn max_packet(&self) -> usize {
        if self.small_packets { 8 } else { 64 }
    }

    fn interface(&self) -> u16 {
        0
    }

    fn send(&mut self, bytes: &[u8], _: Duration) -> Result<(), TransportError> {
        self.fails.map_or(Ok(()), Err)?;
        self.sent.push(bytes.to_vec());
        self.line(std::str::from_utf8(bytes).unwrap());
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], _: Duration) -> Result<usize, TransportError> {
        if self.in_storage && self.leaves_at_once {
            return Err(TransportError::Gone);
        }
        let reply = match &self.junk {
            Some(junk) => junk.clone(),
            None => std::mem::take(&mut self.reply),
        };
        if reply.is_empty() {
            return Err(TransportError::Timeout);
        }
        let count = if self.small_packets { 8 } else { 64 }.min(reply.len());
        buffer[..count].copy_from_slice(&reply[..count]);
        if self.junk.is_none() {
            self.reply = reply[count..].to_vec();
        }
        Ok(count)
    }

    fn control_out(
        &mut self,
        setup: Setup,
        bytes: &[u8],
        _: Duration,
    ) -> Result<(), TransportError> {
        self.fails.map_or(Ok(()), Err)?;
        let Setup {
            kind,
            request,
            value,
            index,
        } = setup;
        assert_eq!((kind, request, value, index), (0x40, 0x55, 0xaa, 0));
        self.sent.push(bytes.to_vec());
        self.control(bytes);
        Ok(())
    }

    fn control_in(
        &mut self,
        setup: Setup,
        buffer: &mut [u8],
        _: Duration,
    ) -> Result<usize, TransportError> {
        assert_eq!((setup.kind, setup.request), (0xc0, 0x55));
        if self.in_storage && self.leaves_at_once {
            return Err(TransportError::Gone);
        }
        let reply = match &self.junk {
            Some(junk) => junk,
            None => &self.reply,
        };
        let count = reply.len().min(buffer.len());
        buffer[..count].copy_from_slice(&reply[..count]);
        Ok(count)
    }

    fn clear_halts(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn presence(&self) -> Presence {
        Box::new(|| true)
    }
}
