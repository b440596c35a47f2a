use camdock::camera::ptp::{PtpString, TransportError, container, op, rc};

use super::wire::Outgoing;
use super::{Listing, Node, Quirks, State, TOP};

const DATA: u16 = 2;
const RESPONSE: u16 = 3;
/// In place of a response code: no response is sent.
const SILENCE: u16 = 1;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub(super) fn string(units: &[u16]) -> Vec<u8> {
    if units.is_empty() {
        return vec![0];
    }
    let units = &units[..units.len().min(254)];
    let mut bytes = vec![u8::try_from(units.len() + 1).unwrap()];
    bytes.extend(units.iter().chain(&[0]).flat_map(|u| u.to_le_bytes()));
    bytes
}

fn array<const N: usize>(elements: impl ExactSizeIterator<Item = [u8; N]>) -> Vec<u8> {
    let mut bytes = u32::try_from(elements.len())
        .unwrap()
        .to_le_bytes()
        .to_vec();
    bytes.extend(elements.flatten());
    bytes
}

/// The answer to a command: a dataset, an object's content (handle, offset, length), or nothing.
pub(super) enum Reply {
    Nothing(Vec<u32>),
    Dataset(Vec<u8>),
    Content(u32, u64, u64),
}

impl State {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        assert_eq!(u32_at(bytes, 0) as usize, bytes.len());
        let (kind, code, transaction) = (u16_at(bytes, 4), u16_at(bytes, 6), u32_at(bytes, 8));
        if kind == DATA {
            let (operation, expected, parameters) =
                self.taking.take().expect("data without a command");
            assert_eq!((code, transaction), (operation, expected));
            assert_eq!(parameters, [0x5011]);
            let text = &bytes[13..];
            let units: Vec<u16> = text
                .chunks_exact(2)
                .map(|t| u16::from_le_bytes([t[0], t[1]]))
                .collect();
            let text = String::from_utf16(&units).unwrap();
            text.trim_end_matches('\0').clone_into(&mut self.clock);
            self.respond(rc::OK, transaction, &[]);
            return;
        }
        assert_eq!(kind, 1);
        let parameters: Vec<u32> = bytes[12..]
            .chunks_exact(4)
            .map(|four| u32_at(four, 0))
            .collect();
        self.asked.push((code, transaction, parameters.clone()));
        if self.quirks.old_response {
            self.quirks.old_response = false;
            let old = container(RESPONSE, rc::OK, transaction.wrapping_add(77), &[]);
            self.out.push_back(Outgoing::Packet(old));
        }
        if self.quirks.needs_reset && code == op::OPEN_SESSION {
            self.halted = true;
            return;
        }
        let outside = code == op::OPEN_SESSION
            || (code == op::GET_DEVICE_INFO && !self.quirks.info_in_session_only);
        if !outside && !self.session_open {
            self.respond(rc::SESSION_NOT_OPEN, transaction, &[]);
        } else if !self.operations.contains(&code) {
            self.respond(rc::NOT_SUPPORTED, transaction, &[]);
        } else if code != op::GET_DEVICE_INFO
            && self.quirks.used_transactions > 0
            && transaction <= self.quirks.used_transactions
        {
            self.respond(rc::BAD_TRANSACTION, transaction, &[]);
        } else if self.busy_left > 0 {
            self.busy_left -= 1;
            self.respond(rc::BUSY, transaction, &[]);
        } else {
            self.busy_left = self.quirks.busy;
            match self.answer(code, &parameters) {
                Ok(Reply::Nothing(parameters)) => self.respond(rc::OK, transaction, &parameters),
                Ok(Reply::Dataset(bytes)) => self.data(code, transaction, bytes, (0, 0, 0)),
                Ok(Reply::Content(handle, offset, length)) => {
                    self.data(code, transaction, Vec::new(), (handle, offset, length));
                }
                Err(SILENCE) => {}
                Err(_) if std::mem::take(&mut self.hangs) => {}
                Err(0) => self.taking = Some((code, transaction, parameters)),
                Err(code) => self.respond(code, transaction, &[]),
            }
        }
    }

    fn answer(&mut self, code: u16, parameters: &[u32]) -> Result<Reply, u16> {
        let parameter = |at: usize| parameters.get(at).copied().unwrap_or(0);
        if self.quirks.broken_object == Some(parameter(0)) && code == op::GET_OBJECT_INFO {
            return Err(rc::GENERAL);
        }
        match code {
            op::GET_DEVICE_INFO => Ok(Reply::Dataset(self.device_info())),
            op::OPEN_SESSION if self.session_open => Err(rc::ALREADY_OPEN),
            op::OPEN_SESSION => {
                self.session_open = true;
                Ok(Reply::Nothing(vec![]))
            }
            op::CLOSE_SESSION => {
                self.session_open = false;
                self.dead = self.quirks.hangs_on_close;
                Ok(Reply::Nothing(vec![]))
            }
            op::GET_STORAGE_IDS => {
                let named = self.quirks.named_storages.as_ref();
                let ids = named.unwrap_or(&self.storages);
                Ok(Reply::Dataset(array(ids.iter().map(|s| s.to_le_bytes()))))
            }
            op::GET_STORAGE_INFO => Ok(Reply::Dataset(storage_info())),
            op::GET_OBJECT_HANDLES => self.handles(parameter(0), parameter(2)),
            op::GET_OBJECT_INFO => {
                let node = self.objects.get(&parameter(0)).ok_or(rc::BAD_HANDLE)?;
                Ok(Reply::Dataset(object_info(node, &self.quirks)))
            }
            op::DELETE_OBJECT => self.delete(parameter(0), parameter(1)),
            op::GET_OBJECT => self.content(parameter(0), 0, u64::MAX),
            op::GET_PARTIAL_OBJECT => {
                self.content(parameter(0), parameter(1).into(), self.piece(parameter(2)))
            }
            op::GET_PARTIAL_OBJECT_64 => {
                let offset = u64::from(parameter(1)) | u64::from(parameter(2)) << 32;
                self.content(parameter(0), offset, self.piece(parameter(3)))
            }
            op::GET_OBJECT_PROP_VALUE if parameter(1) == 0xdc04 => {
                let node = self.objects.get(&parameter(0)).ok_or(rc::BAD_HANDLE)?;
                let size = if self.quirks.zero_sizes { 0 } else { node.size };
                Ok(Reply::Dataset(size.to_le_bytes().to_vec()))
            }
            op::GET_OBJECT_PROP_LIST => self.prop_list(parameters),
            op::GET_DEVICE_PROP_DESC if parameter(0) == 0x5001 => {
                let (min, max, level) = self.battery;
                Ok(Reply::Dataset(vec![
                    0x01, 0x50, 2, 0, 0, max, level, 1, min, max, 1,
                ]))
            }
            op::GET_DEVICE_PROP_VALUE if parameter(0) == 0x5011 => {
                Ok(Reply::Dataset(PtpString::encode(&self.clock)))
            }
            op::SET_DEVICE_PROP_VALUE if parameter(0) == 0x5011 => Err(0),
            _ => Err(rc::GENERAL),
        }
    }

    fn piece(&self, asked: u32) -> u64 {
        let most = self
            .quirks
            .small_pieces
            .map_or(asked, |small| asked.min(small));
        u64::from(most) + u64::from(self.quirks.oversized_pieces)
    }

    fn content(&mut self, handle: u32, offset: u64, most: u64) -> Result<Reply, u16> {
        let node = self.objects.get(&handle).ok_or(rc::BAD_HANDLE)?;
        let end = self
            .quirks
            .ends_after
            .map_or(node.size, |end| end.min(node.size));
        let extra = u64::from(self.quirks.oversized_pieces);
        let length = (end + extra).saturating_sub(offset).min(most);
        Ok(Reply::Content(node.seed, offset, length))
    }

    fn delete(&mut self, handle: u32, format: u32) -> Result<Reply, u16> {
        // The client must never delete by format or everything at once.
        assert_eq!(format, 0);
        if self.objects.get(&handle).ok_or(rc::BAD_HANDLE)?.folder {
            return Err(rc::PARTIAL_DELETION);
        }
        if self.quirks.unplugs_on_delete {
            self.plugged = false;
        }
        if let Some(answer) = self.quirks.delete_answer {
            return Err(answer);
        }
        if !self.quirks.delete_ignored {
            self.objects.remove(&handle);
            let siblings = self.children.values_mut().find(|c| c.contains(&handle));
            let siblings = siblings.unwrap();
            siblings.retain(|h| *h != handle);
            if self.quirks.reuses_handles
                && let Some(last) = siblings.last_mut()
            {
                let moved = self.objects.remove(last).unwrap();
                *last = handle;
                self.objects.insert(handle, moved);
            }
        }
        if std::mem::take(&mut self.quirks.delete_unanswered) {
            return Err(SILENCE);
        }
        Ok(Reply::Nothing(vec![]))
    }

    fn handles(&mut self, storage: u32, parent: u32) -> Result<Reply, u16> {
        let storage = match self.storages.first() {
            Some(first) if self.quirks.every_storage && storage == u32::MAX => *first,
            _ => storage,
        };
        if !self.storages.contains(&storage) {
            return Err(rc::BAD_STORAGE);
        }
        if self.quirks.endless && parent != TOP {
            let name = format!("more{parent}").encode_utf16().collect();
            self.add(storage, parent, name, None);
        }
        let listed = match (self.quirks.listing, parent) {
            (Listing::ZeroIsTop | Listing::ZeroIsAll, TOP) | (Listing::Standard, 0) => {
                return Err(rc::BAD_PARENT);
            }
            (Listing::EmptyThenZero, TOP) => Vec::new(),
            (Listing::ZeroIsAll, 0) => {
                let mut all: Vec<u32> = self.objects.keys().copied().collect();
                // Folders come last, which the client must handle.
                all.sort_unstable_by(|a, b| b.cmp(a));
                all
            }
            (_, 0) => self
                .children
                .get(&(storage, TOP))
                .cloned()
                .unwrap_or_default(),
            _ => self
                .children
                .get(&(storage, parent))
                .cloned()
                .unwrap_or_default(),
        };
        Ok(Reply::Dataset(array(
            listed.iter().map(|h| h.to_le_bytes()),
        )))
    }

    fn device_info(&mut self) -> Vec<u8> {
        if let Some((left, other)) = &mut self.quirks.serial_after {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => self.serial.clone_from(other),
            }
        }
        let text = |text: &str| PtpString::encode(text);
        let mut info = vec![100, 0, 6, 0, 0, 0, 100, 0];
        info.extend(text("microsoft.com: 1.0;"));
        info.extend([0, 0]);
        info.extend(array(self.operations.iter().map(|o| o.to_le_bytes())));
        info.extend(array([].into_iter() as std::array::IntoIter<[u8; 2], 0>));
        info.extend(array(self.properties.iter().map(|p| p.to_le_bytes())));
        info.extend([0, 0, 0, 0, 0, 0, 0, 0]);
        for part in [self.manufacturer.as_str(), "X8", "1.0", &self.serial] {
            info.extend(text(part));
        }
        info
    }

    /// Queues a data phase and its response.
    fn data(&mut self, code: u16, transaction: u32, bytes: Vec<u8>, body: (u32, u64, u64)) {
        let quirks = self.quirks.clone();
        let mut body = body;
        let object = body.0 != 0;
        if let (Some(flood), false) = (quirks.floods, object) {
            body = (0, 0, flood);
        }
        let length = bytes.len() as u64 + body.2 + u64::from(quirks.claims_more) + 12;
        let length = if quirks.unknown_length && object {
            u32::MAX
        } else {
            u32::try_from(length).unwrap_or(u32::MAX)
        };
        let mut head = container(DATA, code, transaction, &bytes);
        head[..4].copy_from_slice(&length.to_le_bytes());
        if quirks.junk_headers {
            head[6..12].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef, 0x5a, 0xa5]);
        }
        let mut answer = rc::OK;
        let mut trouble = None;
        if object {
            let middle = body.1 + body.2 / 2;
            if self.quirks.stalls > 0 {
                self.quirks.stalls -= 1;
                trouble = Some((middle, TransportError::Stall));
            } else if self.quirks.silences > 0 {
                self.quirks.silences -= 1;
                trouble = Some((middle, TransportError::Timeout));
            } else if self.quirks.incomplete > 0 {
                self.quirks.incomplete -= 1;
                answer = rc::INCOMPLETE;
                body.0 = 0;
            }
        }
        let mut response = container(RESPONSE, answer, transaction, &[]);
        if quirks.glue_response {
            // Only after data that leaves room in the packet.
            let mut whole = head.split_off(0);
            let at = whole.len();
            whole.resize(at + usize::try_from(body.2).unwrap(), 0);
            if body.0 != 0 {
                super::content(body.0, body.1, &mut whole[at..]);
            }
            whole.append(&mut response);
            self.out.push_back(Outgoing::Data {
                head: whole,
                sent: 0,
                body: (0, 0, 0),
                alone: quirks.header_alone,
                trouble,
            });
            return;
        }
        self.out.push_back(Outgoing::Data {
            head,
            sent: 0,
            body,
            alone: quirks.header_alone,
            trouble,
        });
        self.respond(answer, transaction, &[]);
    }

    fn respond(&mut self, code: u16, transaction: u32, parameters: &[u32]) {
        if self.quirks.events {
            self.out
                .push_back(Outgoing::Packet(container(4, 0x4002, 0, &[1, 0, 0, 0])));
        }
        let payload: Vec<u8> = parameters.iter().flat_map(|p| p.to_le_bytes()).collect();
        self.out.push_back(Outgoing::Packet(container(
            RESPONSE,
            code,
            transaction,
            &payload,
        )));
    }
}

fn storage_info() -> Vec<u8> {
    let mut info = vec![3, 0, 2, 0, 1, 0];
    info.extend((64_u64 << 30).to_le_bytes());
    info.extend((1_u64 << 30).to_le_bytes());
    info.extend([0xff; 4]);
    info.extend(PtpString::encode("Internal storage"));
    info.extend(PtpString::encode("X8"));
    info
}

fn object_info(node: &Node, quirks: &Quirks) -> Vec<u8> {
    let size = match u32::try_from(node.size) {
        _ if quirks.zero_sizes => 0,
        Err(_) if quirks.cuts_sizes => u32::try_from(node.size & 0xffff_ffff).unwrap(),
        size => size.unwrap_or(u32::MAX),
    };
    let mut info = node.storage.to_le_bytes().to_vec();
    info.extend(if node.folder { 0x3001_u16 } else { 0x300b }.to_le_bytes());
    info.extend(u16::from(node.protected).to_le_bytes());
    info.extend(size.to_le_bytes());
    info.extend([0; 2 + 4 * 3 + 4 * 3]);
    info.extend(node.parent.to_le_bytes());
    info.extend([0; 2 + 4 + 4]);
    info.extend(string(&node.name));
    info.extend(PtpString::encode(&node.created));
    info.extend(PtpString::encode(&node.modified));
    info.extend(PtpString::encode(""));
    info
}
