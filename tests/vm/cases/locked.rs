//! Cameras that only charge until they are unlocked, then come back on the same port as a USB disk with other ids.

use std::fs;
use std::sync::{Arc, Mutex};

use crate::bed::{Footage, Form, Guest, Layout, Media, Medium, Part, Setup};

const SERIAL: &str = "L81234567";

/// A camera with both public protocols: control transfers where its ids are 4255, lines of text where they are 4256.
struct Locked {
    vendor: u16,
    password: &'static str,
    unlocked: bool,
    leaving: bool,
    /// The requests it received, for the test to check.
    heard: Vec<String>,
    reply: Vec<u8>,
    disk: Disk,
}

impl Locked {
    fn new(vendor: u16, password: &'static str, medium: &Medium) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            vendor,
            password,
            unlocked: false,
            leaving: false,
            heard: Vec::new(),
            reply: Vec::new(),
            disk: Disk {
                bytes: fs::read(&medium.path).unwrap(),
                sense: 0,
                writes: 0,
            },
        }))
    }

    /// The reply to one command of the control protocol: byte 6 says how it went, data from byte 9.
    fn command(&mut self, code: [u8; 3], data: &[u8]) -> (bool, Vec<u8>) {
        let said = match code {
            [0xe1, 0, 0x10] => "log in as admin",
            [0xe1, 0, 0x11] => "log in as user",
            [0xe1, 0, 0x30] => "identity",
            [0xe1, 0, 0x51] => "to storage",
            [0xe1, 0, 0x70] => "battery",
            _ => "something else",
        };
        self.heard.push(said.into());
        match said {
            "log in as admin" => (data == self.password.as_bytes(), vec![0; 6]),
            "identity" => {
                let mut identity = vec![0; 100];
                identity[..9].copy_from_slice(SERIAL.as_bytes());
                identity[9..13].copy_from_slice(b"4711");
                identity[17..24].copy_from_slice(b"Jo Hill");
                (true, identity)
            }
            "battery" => (true, vec![71]),
            "to storage" => {
                (self.unlocked, self.leaving) = (true, true);
                (true, Vec::new())
            }
            _ => (false, Vec::new()),
        }
    }
}

impl Part for Locked {
    fn form(&self) -> Form {
        let texts = |serial: &str| ["Acme".to_owned(), "X8".to_owned(), serial.to_owned()];
        let (product, interface, endpoints, texts) = if self.unlocked {
            // Its disk has no serial: the camera is known only from unlocking it.
            (0x1000, [8, 6, 0x50], vec![0x02, 0x81], texts(""))
        } else {
            (0x0001, [0xff, 0, 0], vec![0x01, 0x81], texts(""))
        };
        Form {
            vendor: self.vendor,
            product,
            interface,
            endpoints,
            texts,
        }
    }

    fn control(&mut self, setup: Setup, data: &[u8]) -> Option<Vec<u8>> {
        match (setup.kind, setup.request, setup.value) {
            (0x40, 0x55, 0x00aa) if !self.unlocked && data.len() >= 9 => {
                assert_eq!(&data[..5], [0xa1, 0xb2, 0xc3, 0xd4, 0]);
                let (good, answer) = self.command(data[5..8].try_into().unwrap(), &data[9..]);
                self.reply = data[..9].to_vec();
                self.reply[6] = if good { 0x80 } else { 0x81 };
                self.reply.extend_from_slice(&answer);
                Some(Vec::new())
            }
            (0xc0, 0x55, _) if !self.reply.is_empty() => Some(std::mem::take(&mut self.reply)),
            // The disk's only unit, and its reset.
            (0xa1, 0xfe, _) if self.unlocked => Some(vec![0]),
            (0x21, 0xff, _) if self.unlocked => Some(Vec::new()),
            _ => None,
        }
    }

    fn bulk(&mut self, data: &[u8]) -> Vec<Vec<u8>> {
        if self.unlocked {
            return self.disk.command(data);
        }
        let line = String::from_utf8_lossy(data).into_owned();
        let name = line.split(';').next().unwrap().to_owned();
        self.heard.push(name.clone());
        let answer = match name.as_str() {
            "@Ver" if line == format!("@Ver;8;{};#", self.password) => "@Ver;8;OK;#".into(),
            "@Ver" => "@Ver;8;ER;#".into(),
            "@Gdv" => format!("@Gdv;8;{SERIAL};#"),
            "@ATH" => {
                (self.unlocked, self.leaving) = (true, true);
                "@ATH;8;OK;#".into()
            }
            _ => String::new(),
        };
        vec![answer.into_bytes()]
    }

    fn leaves(&mut self) -> bool {
        std::mem::take(&mut self.leaving)
    }
}

/// The bulk-only transport and the few SCSI commands of a disk.
struct Disk {
    bytes: Vec<u8>,
    sense: u8,
    writes: u64,
}

impl Disk {
    fn command(&mut self, wrapper: &[u8]) -> Vec<Vec<u8>> {
        if wrapper.len() != 31 || &wrapper[..4] != b"USBC" {
            // Data of a write, which was refused.
            return Vec::new();
        }
        let block = &wrapper[15..];
        let blocks = u32::try_from(self.bytes.len() / 512).unwrap();
        let answer = match block[0] {
            0x00 | 0x1e | 0x1b | 0x35 => Ok(Vec::new()),
            0x03 => {
                let mut sense = vec![0x70, 0, self.sense, 0, 0, 0, 0, 10];
                sense.resize(18, 0);
                self.sense = 0;
                Ok(sense)
            }
            0x12 if block[1] & 1 == 0 => {
                let mut inquiry = vec![0, 0x80, 4, 2, 31, 0, 0, 0];
                inquiry.extend_from_slice(b"Acme    X8 camera       1.00");
                Ok(inquiry)
            }
            0x1a => Ok(vec![3, 0, 0, 0]),
            0x25 => Ok([(blocks - 1).to_be_bytes(), 512_u32.to_be_bytes()].concat()),
            0x28 => {
                let from = u32::from_be_bytes(block[2..6].try_into().unwrap()) as usize * 512;
                let count = usize::from(u16::from_be_bytes([block[7], block[8]])) * 512;
                self.bytes
                    .get(from..from + count)
                    .map(<[u8]>::to_vec)
                    .ok_or(5)
            }
            0x2a | 0x8a => {
                self.writes += 1;
                Err(7)
            }
            _ => Err(5),
        };
        let expected = u32::from_le_bytes(wrapper[8..12].try_into().unwrap());
        let mut replies = Vec::new();
        let (status, sent) = match answer {
            Ok(mut data) => {
                data.truncate(expected as usize);
                let sent = u32::try_from(data.len()).unwrap();
                if expected > 0 {
                    replies.push(data);
                }
                (0, sent)
            }
            Err(sense) => {
                self.sense = sense;
                if expected > 0 && wrapper[12] & 0x80 != 0 {
                    replies.push(Vec::new());
                }
                (1, 0)
            }
        };
        let mut done = b"USBS".to_vec();
        done.extend_from_slice(&wrapper[4..8]);
        done.extend_from_slice(&(expected - sent).to_le_bytes());
        done.push(status);
        replies.push(done);
        replies
    }
}

fn secret(guest: &mut Guest, name: &str, password: &str) {
    let line = format!(
        "install -d -o camdock -g camdock -m 0700 /var/lib/camdock/keys/unlock; cd /var/lib/camdock/keys/unlock; \
         printf %s {password} >{name}; chown camdock:camdock {name}; chmod 0600 {name}"
    );
    guest.shell(&line).ends(0);
}

fn footage() -> Footage {
    Footage::new(&[
        ("DCIM/A0001.MP4", 500, 3_000_000),
        ("DCIM/A0001.GPS", 501, 700),
    ])
}

/// Unlocks the camera, waits for the disk in the same bay, and takes it under the serial that it gave while unlocking.
fn unlocked_and_taken(vendor: u16, name: &str, password: &'static str, heard: &[&str]) {
    let mut guest = Guest::installed();
    guest.roster(&[&format!("acme/{SERIAL}")]);
    secret(&mut guest, name, password);
    // As the rules' head says, for ids that they do not know.
    let rule = "SUBSYSTEM==\"usb\", ENV{DEVTYPE}==\"usb_device\", ATTR{idVendor}==\"4256\", ENV{CAMDOCK_CAMERA}=\"1\"\n";
    guest.agent.put(
        "/etc/udev/rules.d/66-local.rules",
        0o644,
        rule.as_bytes(),
        None,
    );
    guest.shell("udevadm control --reload").ends(0);
    let footage = footage();
    let medium = guest.medium("medium", Layout::Fat16, &footage);
    let camera = Locked::new(vendor, password, &medium);
    let plugged = guest.plug_scripted(4, camera.clone());
    let (stored, view) = guest.all_stored("left 4");
    assert_eq!(
        (&view["camera"], &view["officer"]),
        (&format!("acme/{SERIAL}").into(), &"4711".into())
    );
    guest.print_times("left 4", plugged, stored, footage.total());
    assert_eq!(camera.lock().unwrap().heard, heard);
    assert_eq!(camera.lock().unwrap().disk.writes, 0);
    let said = guest.shell("journalctl -o cat").ends(0).text();
    assert!(
        !said.contains(password),
        "the password stands in the journal"
    );
    guest.verify_against(&[(SERIAL, &footage)]);
}

#[test]
fn vm_camera_locked_by_control_transfers_is_unlocked_and_taken_in_the_same_bay() {
    let heard = ["log in as admin", "identity", "battery", "to storage"];
    unlocked_and_taken(0x4255, "acme-x8", "Qw3rt9", &heard);
}

#[test]
fn vm_camera_locked_by_lines_of_text_is_unlocked_and_taken_in_the_same_bay() {
    unlocked_and_taken(0x4256, "acme-b2", "Zk81mPq7", &["@Ver", "@Gdv", "@ATH"]);
}

#[test]
fn vm_wrong_password_is_not_sent_again_and_a_corrected_one_opens_the_docked_camera() {
    let mut guest = Guest::installed();
    secret(&mut guest, "acme-x8", "wrong1");
    let footage = footage();
    let medium = guest.medium("medium", Layout::Fat16, &footage);
    let camera = Locked::new(0x4255, "Qw3rt9", &medium);
    guest.plug_scripted(4, camera.clone());
    let (_, view) = guest.bay("left 4", |view| view["state"] == "not_recognised");
    println!("left 4 says: {view}");
    assert!(!view["next_step"].as_str().unwrap().is_empty());
    // It has no serial. What is docked next may be another camera; after that it is not sent again.
    for sent in [2, 2] {
        guest.pull_other(4);
        guest.bay_clears("left 4");
        guest.plug_scripted(4, camera.clone());
        let (_, view) = guest.bay("left 4", |view| view["state"] == "not_recognised");
        println!("left 4 says: {view}");
        assert_eq!(camera.lock().unwrap().heard, vec!["log in as admin"; sent]);
    }
    // Another camera is not kept waiting.
    guest.roster(&["QEMU/X81234567", &format!("acme/{SERIAL}")]);
    let other = Footage::new(&[("DCIM/B.MP4", 510, 400_000)]);
    let other_medium = guest.medium("other", Layout::Fat16, &other);
    guest.plug(1, "X81234567", &other_medium, &Media::Good);
    guest.all_stored("left 1");
    assert_eq!(camera.lock().unwrap().heard.len(), 2);
    // The password is corrected while it stays docked.
    secret(&mut guest, "acme-x8", "Qw3rt9");
    guest.all_stored("left 4");
    guest.verify_against(&[("X81234567", &other), (SERIAL, &footage)]);
}
