//! Answers to GetObjectPropList, correct ones and others.

use camdock::camera::ptp::{op, rc};

use super::answers::{Reply, string};
use super::{Node, State, TOP};

/// The device's behaviour for property lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lists {
    /// By the standard.
    Good,
    /// One property at a time only.
    OneProperty,
    /// Any depth is taken for 0: the object itself, as umtp-responder does it.
    NoDepth,
    /// Refuses the top folder.
    NoTop,
    /// Refuses everything.
    Refuses,
    /// Leaves out every third object.
    Gaps,
    /// Leaves out the properties from the n-th on.
    Short(usize),
    /// Sizes are wrong.
    WrongSizes,
    /// Sizes above 4 GiB are given as FFFFFFFF.
    NarrowSizes,
    /// Each property comes twice, with two values.
    Twice,
    /// Ends in the middle.
    Torn,
    /// Announces more elements than there are.
    Overcounted,
    /// Never answers.
    Hangs,
    /// Sends more than was requested.
    Floods,
}

impl Lists {
    pub const ALL: [Self; 15] = [
        Self::Good,
        Self::OneProperty,
        Self::NoDepth,
        Self::NoTop,
        Self::Refuses,
        Self::Gaps,
        Self::Short(0),
        Self::Short(4),
        Self::WrongSizes,
        Self::NarrowSizes,
        Self::Twice,
        Self::Torn,
        Self::Overcounted,
        Self::Hangs,
        Self::Floods,
    ];
}

const ANY: u32 = u32::MAX;
const TEXT: u16 = 0xffff;

impl State {
    pub(super) fn prop_list(&mut self, asked: &[u32]) -> Result<Reply, u16> {
        let &[handle, format, property, group, depth] = asked else {
            return Err(rc::PARAMETER_NOT_SUPPORTED);
        };
        assert_eq!((format, group), (0, 0));
        let lists = self.quirks.lists;
        match lists {
            Lists::Refuses => return Err(rc::PARAMETER_NOT_SUPPORTED),
            Lists::OneProperty if property == ANY => return Err(0xa807),
            Lists::NoTop if handle == 0 => return Err(rc::BAD_HANDLE),
            Lists::Hangs => {
                self.hangs = true;
                return Err(rc::GENERAL);
            }
            _ => {}
        }
        let depth = if lists == Lists::NoDepth { 0 } else { depth };
        let mut objects = Vec::new();
        if handle != 0 {
            objects.push(handle);
        }
        if depth == 1 {
            let parent = if handle == 0 { TOP } else { handle };
            let mut inside: Vec<u32> = self
                .children
                .iter()
                .filter(|((_, folder), _)| *folder == parent)
                .flat_map(|(_, children)| children.iter().copied())
                .collect();
            // The order is not defined.
            inside.reverse();
            objects.extend(inside);
        }
        let mut elements = Vec::new();
        for (number, handle) in objects.into_iter().enumerate() {
            let node = self.objects.get(&handle).ok_or(rc::BAD_HANDLE)?;
            let unreadable = self.quirks.broken_object == Some(handle);
            if unreadable || (lists == Lists::Gaps && number % 3 == 2) {
                continue;
            }
            let mut properties = properties(node, lists);
            if let Lists::Short(count) = lists {
                properties.truncate(count);
            }
            for (code, kind, value) in properties {
                if property == ANY || property == u32::from(code) {
                    elements.push(element(handle, code, kind, &value));
                    if lists == Lists::Twice {
                        let other: Vec<u8> = value.iter().map(|byte| byte ^ 1).collect();
                        let other = if kind == TEXT { string(&[0x78]) } else { other };
                        elements.push(element(handle, code, kind, &other));
                    }
                }
            }
        }
        let over = if lists == Lists::Overcounted { 7 } else { 0 };
        let count = u32::try_from(elements.len()).unwrap() + over;
        let mut list = count.to_le_bytes().to_vec();
        list.extend(elements.concat());
        match lists {
            Lists::Torn => list.truncate(list.len() * 2 / 3),
            Lists::Floods => list.resize(list.len() + (70 << 20), 0),
            _ => {}
        }
        Ok(Reply::Dataset(list))
    }

    /// The number of lists requested.
    pub fn lists_asked(&self) -> usize {
        let lists = self
            .asked
            .iter()
            .filter(|a| a.0 == op::GET_OBJECT_PROP_LIST);
        lists.count()
    }
}

fn element(handle: u32, code: u16, kind: u16, value: &[u8]) -> Vec<u8> {
    let mut element = handle.to_le_bytes().to_vec();
    element.extend(code.to_le_bytes());
    element.extend(kind.to_le_bytes());
    element.extend(value);
    element
}

fn properties(node: &Node, lists: Lists) -> Vec<(u16, u16, Vec<u8>)> {
    let format: u16 = if node.folder { 0x3001 } else { 0x300b };
    let size = match lists {
        Lists::WrongSizes => node.size + 1,
        Lists::NarrowSizes => node.size.min(u32::MAX.into()),
        _ => node.size,
    };
    let text = |text: &str| string(&text.encode_utf16().collect::<Vec<_>>());
    vec![
        (0xdc01, 6, node.storage.to_le_bytes().to_vec()),
        (0xdc02, 4, format.to_le_bytes().to_vec()),
        (0xdc03, 4, u16::from(node.protected).to_le_bytes().to_vec()),
        (0xdc04, 8, size.to_le_bytes().to_vec()),
        (0xdc07, TEXT, string(&node.name)),
        (0xdc08, TEXT, text(&node.created)),
        (0xdc09, TEXT, text(&node.modified)),
        (0xdc0b, 6, node.parent.to_le_bytes().to_vec()),
        // Properties that the client ignores: a number of 128 bits, and bytes.
        (0xdc41, 10, vec![0xee; 16]),
        (0xdc86, 0x4002, vec![3, 0, 0, 0, 1, 2, 3]),
    ]
}
