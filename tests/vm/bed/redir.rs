//! A USB device simulated by this process on a port of the guest's controller: QEMU's `usb-redir` speaks the usbredir
//! protocol with us, and the guest's kernel sees hardware. The device may leave and come back with other ids.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One set of descriptors that the device presents.
#[derive(Clone)]
pub struct Form {
    pub vendor: u16,
    pub product: u16,
    /// Class, subclass, protocol of its one interface.
    pub interface: [u8; 3],
    /// Bulk endpoints, such as 0x01 and 0x81.
    pub endpoints: Vec<u8>,
    /// Manufacturer, product, serial; empty for none.
    pub texts: [String; 3],
}

/// The device's behaviour; called for each transfer in order.
pub trait Part: Send {
    fn form(&self) -> Form;
    /// A class or vendor request on endpoint 0; `None` stalls.
    fn control(&mut self, setup: Setup, data: &[u8]) -> Option<Vec<u8>>;
    /// Takes the bytes of a bulk OUT transfer; returns the answers for the IN endpoint, one entry for each transfer.
    fn bulk(&mut self, data: &[u8]) -> Vec<Vec<u8>>;
    /// True once when the device is to leave and come back in another form.
    fn leaves(&mut self) -> bool;
}

#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub kind: u8,
    pub request: u8,
    pub value: u16,
    pub length: u16,
}

// Packet types and capabilities of the protocol's version 0.7 (usbredir's docs/usb-redirection-protocol.md).
const HELLO: u32 = 0;
const DEVICE_CONNECT: u32 = 1;
const DEVICE_DISCONNECT: u32 = 2;
const INTERFACE_INFO: u32 = 4;
const EP_INFO: u32 = 5;
const SET_CONFIGURATION: u32 = 6;
const GET_CONFIGURATION: u32 = 7;
const CONFIGURATION_STATUS: u32 = 8;
const SET_ALT_SETTING: u32 = 9;
const GET_ALT_SETTING: u32 = 10;
const ALT_SETTING_STATUS: u32 = 11;
const CONTROL_PACKET: u32 = 100;
const BULK_PACKET: u32 = 101;
/// Device version, packet sizes of endpoints, ids of 64 bits, bulk lengths of 32 bits: without them QEMU lets no device at
/// an xHCI controller.
const CAPABILITIES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6;
const SUCCESS: u8 = 0;
const STALL: u8 = 4;
const HIGH_SPEED: u8 = 2;

/// Serves one device on a socket until QEMU lets go of it.
pub fn play(socket: &Path, part: Arc<Mutex<dyn Part>>) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A device that is pulled out drops its connection at any point.
            let _ = stream.and_then(|stream| Device::new(stream, &part).serve());
        }
    });
}

struct Device<'a> {
    input: BufReader<UnixStream>,
    out: UnixStream,
    part: &'a Mutex<dyn Part>,
    /// Data waiting to be fetched from the IN endpoint.
    queued: VecDeque<Vec<u8>>,
    /// Requests on the IN endpoint that wait for something to fetch: id, endpoint, length.
    asked: VecDeque<(u64, u8, usize)>,
}

impl<'a> Device<'a> {
    fn new(stream: UnixStream, part: &'a Mutex<dyn Part>) -> Self {
        Self {
            out: stream.try_clone().unwrap(),
            input: BufReader::new(stream),
            part,
            queued: VecDeque::new(),
            asked: VecDeque::new(),
        }
    }

    fn serve(mut self) -> io::Result<()> {
        // Both greetings have ids of 32 bits in their heads, everything after them of 64.
        let mut hello = vec![0; 12 + 64 + 4];
        hello[4] = 64 + 4;
        hello[12..27].copy_from_slice(b"camdock test 1 ");
        hello[76..].copy_from_slice(&CAPABILITIES.to_le_bytes());
        self.out.write_all(&hello)?;
        let mut head = [0; 12];
        self.input.read_exact(&mut head)?;
        let (kind, length) = kind_and_length(&head);
        assert_eq!(kind, HELLO);
        self.input.read_exact(&mut vec![0; length])?;
        self.connect()?;
        loop {
            let mut head = [0; 16];
            self.input.read_exact(&mut head)?;
            let (kind, length) = kind_and_length(&head);
            let id = u64::from_le_bytes(head[8..].try_into().unwrap());
            let mut body = vec![0; length];
            self.input.read_exact(&mut body)?;
            match kind {
                SET_CONFIGURATION => self.send(CONFIGURATION_STATUS, id, &[0, body[0]])?,
                GET_CONFIGURATION => self.send(CONFIGURATION_STATUS, id, &[0, 1])?,
                SET_ALT_SETTING => self.send(ALT_SETTING_STATUS, id, &[0, body[0], body[1]])?,
                GET_ALT_SETTING => self.send(ALT_SETTING_STATUS, id, &[0, body[0], 0])?,
                CONTROL_PACKET => self.control(id, &body)?,
                BULK_PACKET => self.bulk(id, &body)?,
                _ => {}
            }
            if self.part.lock().unwrap().leaves() {
                std::thread::sleep(Duration::from_millis(200));
                self.send(DEVICE_DISCONNECT, 0, &[])?;
                self.queued.clear();
                self.asked.clear();
                std::thread::sleep(Duration::from_millis(800));
                self.connect()?;
            }
        }
    }

    fn send(&mut self, kind: u32, id: u64, body: &[u8]) -> io::Result<()> {
        let mut packet = kind.to_le_bytes().to_vec();
        packet.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
        packet.extend_from_slice(&id.to_le_bytes());
        packet.extend_from_slice(body);
        self.out.write_all(&packet)
    }

    fn connect(&mut self) -> io::Result<()> {
        let form = self.part.lock().unwrap().form();
        // Arrays of 32 endpoints: 0 to 15 out, then 0 to 15 in; 255 is none.
        let (mut kinds, mut sizes) = ([255_u8; 32], [0_u16; 32]);
        for control in [0, 16] {
            (kinds[control], sizes[control]) = (0, 64);
        }
        for endpoint in &form.endpoints {
            let at = usize::from(endpoint & 0x0f) + if endpoint & 0x80 == 0 { 0 } else { 16 };
            (kinds[at], sizes[at]) = (2, 512);
        }
        let mut endpoints = kinds.to_vec();
        endpoints.extend_from_slice(&[0; 64]);
        endpoints.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
        self.send(EP_INFO, 0, &endpoints)?;
        let mut interfaces = 1_u32.to_le_bytes().to_vec();
        interfaces.extend_from_slice(&[0; 32]);
        for value in form.interface {
            interfaces.push(value);
            interfaces.extend_from_slice(&[0; 31]);
        }
        self.send(INTERFACE_INFO, 0, &interfaces)?;
        let mut connect = vec![HIGH_SPEED, 0, 0, 0];
        for word in [form.vendor, form.product, 0x0100] {
            connect.extend_from_slice(&word.to_le_bytes());
        }
        self.send(DEVICE_CONNECT, 0, &connect)
    }

    fn control(&mut self, id: u64, body: &[u8]) -> io::Result<()> {
        let half = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
        let setup = Setup {
            request: body[1],
            kind: body[2],
            value: half(4),
            length: half(8),
        };
        let answer = if setup.kind & 0x60 == 0 {
            standard(&self.part.lock().unwrap().form(), setup)
        } else {
            self.part.lock().unwrap().control(setup, &body[10..])
        };
        let mut head = body[..10].to_vec();
        // QEMU does not initialise the status field of a request.
        head[3] = SUCCESS;
        let Some(mut data) = answer else {
            head[3] = STALL;
            head[8..10].fill(0);
            return self.send(CONTROL_PACKET, id, &head);
        };
        if setup.kind & 0x80 == 0 {
            return self.send(CONTROL_PACKET, id, &head);
        }
        data.truncate(usize::from(setup.length));
        let length = u16::try_from(data.len()).unwrap();
        head[8..10].copy_from_slice(&length.to_le_bytes());
        head.extend_from_slice(&data);
        self.send(CONTROL_PACKET, id, &head)
    }

    fn bulk(&mut self, id: u64, body: &[u8]) -> io::Result<()> {
        const HEAD: usize = 10;
        let length = usize::from(u16::from_le_bytes([body[2], body[3]]))
            | usize::from(u16::from_le_bytes([body[8], body[9]])) << 16;
        let endpoint = body[0];
        if endpoint & 0x80 == 0 {
            let mut head = body[..HEAD].to_vec();
            head[1] = SUCCESS;
            self.send(BULK_PACKET, id, &head)?;
            let answers = self.part.lock().unwrap().bulk(&body[HEAD..]);
            self.queued.extend(answers);
        } else {
            self.asked.push_back((id, endpoint, length));
        }
        while !self.queued.is_empty() && !self.asked.is_empty() {
            let answer = self.queued.pop_front().unwrap();
            let (id, endpoint, length) = self.asked.pop_front().unwrap();
            let (now, later) = answer.split_at(length.min(answer.len()));
            if !later.is_empty() {
                self.queued.push_front(later.to_vec());
            }
            let count = u32::try_from(now.len()).unwrap().to_le_bytes();
            let mut reply = vec![
                endpoint, 0, count[0], count[1], 0, 0, 0, 0, count[2], count[3],
            ];
            reply.extend_from_slice(now);
            self.send(BULK_PACKET, id, &reply)?;
        }
        Ok(())
    }
}

/// A packet's type, and the number of bytes after its head.
fn kind_and_length(head: &[u8]) -> (u32, usize) {
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
    (word(0), usize::try_from(word(4)).unwrap())
}

/// Descriptors, as USB 2.0 (chapter 9) lays them out; everything else of the standard requests is done or refused.
fn standard(form: &Form, setup: Setup) -> Option<Vec<u8>> {
    const GET_STATUS: u8 = 0;
    const GET_DESCRIPTOR: u8 = 6;
    match (setup.kind & 0x80, setup.request) {
        (0, _) => Some(Vec::new()),
        (_, GET_STATUS) => Some(vec![0, 0]),
        (_, GET_DESCRIPTOR) => match setup.value >> 8 {
            1 => {
                let mut device = vec![18, 1, 0, 2, 0, 0, 0, 64];
                for word in [form.vendor, form.product, 0x0100] {
                    device.extend_from_slice(&word.to_le_bytes());
                }
                let text = |at: usize| {
                    if form.texts[at].is_empty() {
                        0
                    } else {
                        u8::try_from(at + 1).unwrap()
                    }
                };
                device.extend([text(0), text(1), text(2), 1]);
                Some(device)
            }
            2 => {
                let count = u8::try_from(form.endpoints.len()).unwrap();
                let [class, subclass, protocol] = form.interface;
                let mut configuration = vec![9, 2, 18 + 7 * count, 0, 1, 1, 0, 0x80, 250];
                configuration.extend([9, 4, 0, 0, count, class, subclass, protocol, 0]);
                for endpoint in &form.endpoints {
                    configuration.extend([7, 5, *endpoint, 2, 0, 2, 0]);
                }
                Some(configuration)
            }
            3 => match usize::from(setup.value & 0xff) {
                0 => Some(vec![4, 3, 0x09, 0x04]),
                at => {
                    let text = form.texts.get(at - 1)?.encode_utf16();
                    let text: Vec<u8> = text.flat_map(u16::to_le_bytes).collect();
                    let mut string = vec![u8::try_from(text.len() + 2).unwrap(), 3];
                    string.extend_from_slice(&text);
                    Some(string)
                }
            },
            _ => None,
        },
        _ => None,
    }
}
