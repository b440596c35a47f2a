//! The outermost structure of a container. It shows where the index is, which ffmpeg does not say.

use std::io::{self, Read, Seek, SeekFrom};

use crate::model::IndexState;

/// Boxes that one walk visits at most. Real files have a few; a fragmented file is left at its first fragment.
const STEPS: usize = 20_000;

/// The index, and tracks hidden in boxes that no demuxer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    pub index: IndexState,
    pub hidden: Vec<&'static str>,
    /// The major brand of an MP4 or QuickTime file, from its first box.
    pub brand: Option<[u8; 4]>,
    /// Bytes of media that are really there.
    pub media_bytes: u64,
}

/// Reads the outermost structure only, and leaves the reader anywhere. An I/O error counts as the end.
pub fn structure(reader: &mut (impl Read + Seek + ?Sized)) -> Structure {
    let mut found = Structure {
        index: IndexState::Missing,
        hidden: Vec::new(),
        brand: None,
        media_bytes: 0,
    };
    found.index = look(reader, &mut found).unwrap_or(IndexState::Missing);
    found
}

fn look(reader: &mut (impl Read + Seek + ?Sized), found: &mut Structure) -> io::Result<IndexState> {
    let end = reader.seek(SeekFrom::End(0))?;
    let head: [u8; 12] = match at(reader, 0) {
        Ok(head) => head,
        Err(_) => return Ok(IndexState::NotUsed),
    };
    if head.starts_with(b"RIFF") && &head[8..] == b"AVI " {
        return Ok(riff(reader, end));
    }
    if head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        return Ok(matroska(reader, end));
    }
    let boxes: [&[u8]; 8] = [
        b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid",
    ];
    if boxes.contains(&&head[4..8]) {
        return Ok(boxes_of(reader, end, found));
    }
    Ok(IndexState::NotUsed)
}

fn at<const N: usize>(
    reader: &mut (impl Read + Seek + ?Sized),
    offset: u64,
) -> io::Result<[u8; N]> {
    reader.seek(SeekFrom::Start(offset))?;
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A box's name, where its content begins and where it ends.
fn next_box(
    reader: &mut (impl Read + Seek + ?Sized),
    offset: u64,
    end: u64,
) -> Option<([u8; 4], u64, u64)> {
    let head: [u8; 8] = at(reader, offset).ok()?;
    let [a, b, c, d, name @ ..] = head;
    let (content, size) = match u32::from_be_bytes([a, b, c, d]) {
        0 => (offset + 8, end - offset),
        1 => (
            offset + 16,
            u64::from_be_bytes(at(reader, offset + 8).ok()?),
        ),
        size => (offset + 8, u64::from(size)),
    };
    let after = offset.checked_add(size)?;
    (after >= content).then_some((name, content, after))
}

fn boxes_of(
    reader: &mut (impl Read + Seek + ?Sized),
    end: u64,
    found: &mut Structure,
) -> IndexState {
    let (mut offset, mut media, mut index) = (0, false, IndexState::Missing);
    for _ in 0..STEPS {
        let Some((name, content, after)) = next_box(reader, offset, end) else {
            break;
        };
        match &name {
            b"ftyp" if offset == 0 => found.brand = at(reader, content).ok(),
            b"mdat" => {
                media = true;
                found.media_bytes += after.min(end).saturating_sub(content);
            }
            b"moof" => return IndexState::Fragmented,
            // An index that is cut off cannot be read.
            b"moov" if after <= end => {
                index = if media {
                    IndexState::AtEnd
                } else {
                    IndexState::AtStart
                };
                within(reader, content, after, &mut found.hidden);
            }
            b"gps " | b"GPS " => found.hidden.push("gps (Novatek)"),
            _ => {}
        }
        offset = after;
    }
    index
}

fn within(
    reader: &mut (impl Read + Seek + ?Sized),
    mut offset: u64,
    end: u64,
    hidden: &mut Vec<&'static str>,
) {
    for _ in 0..64 {
        if offset >= end {
            return;
        }
        let Some((name, _, after)) = next_box(reader, offset, end) else {
            return;
        };
        if &name == b"gps " {
            hidden.push("gps (Novatek)");
        }
        offset = after;
    }
}

fn riff(reader: &mut (impl Read + Seek + ?Sized), end: u64) -> IndexState {
    let mut offset = 12;
    for _ in 0..STEPS {
        let Ok(head) = at::<8>(reader, offset) else {
            break;
        };
        let [a, b, c, d, size @ ..] = head;
        let size = u64::from(u32::from_le_bytes(size));
        let after = offset + 8 + size + size % 2;
        match &[a, b, c, d] {
            b"idx1" if after <= end + 1 => return IndexState::AtEnd,
            // In an OpenDML file, the header list names the indexes.
            b"LIST" if size < 1 << 20 => {
                let mut list = vec![0; usize::try_from(size).unwrap_or(0)];
                if reader.read_exact(&mut list).is_ok()
                    && list.starts_with(b"hdrl")
                    && list.windows(4).any(|four| four == b"indx")
                {
                    return IndexState::AtEnd;
                }
            }
            _ => {}
        }
        offset = after;
    }
    IndexState::Missing
}

fn matroska(reader: &mut (impl Read + Seek + ?Sized), end: u64) -> IndexState {
    let (mut offset, mut media) = (0, false);
    for _ in 0..STEPS {
        let Some((id, content, size)) = element(reader, offset) else {
            break;
        };
        match id {
            // The walk goes on inside the segment.
            0x1853_8067 => {
                offset = content;
                continue;
            }
            0x1f43_b675 => media = true,
            0x1c53_bb6b => {
                return if media {
                    IndexState::AtEnd
                } else {
                    IndexState::AtStart
                };
            }
            _ => {}
        }
        match size.and_then(|size| content.checked_add(size)) {
            Some(after) if after <= end => offset = after,
            _ => break,
        }
    }
    IndexState::Missing
}

/// An element's id, where its content begins, and its size unless it is open-ended.
fn element(
    reader: &mut (impl Read + Seek + ?Sized),
    offset: u64,
) -> Option<(u32, u64, Option<u64>)> {
    let first: [u8; 1] = at(reader, offset).ok()?;
    let id_length = first[0].leading_zeros() as usize + 1;
    if id_length > 4 {
        return None;
    }
    let mut head = [0; 12];
    reader.seek(SeekFrom::Start(offset)).ok()?;
    let mut filled = 0;
    while filled < head.len() {
        match reader.read(&mut head[filled..]).ok()? {
            0 => break,
            n => filled += n,
        }
    }
    let id = head[..id_length]
        .iter()
        .fold(0, |id, byte| id << 8 | u32::from(*byte));
    let size = &head[id_length..filled.max(id_length)];
    let size_length = size.first()?.leading_zeros() as usize + 1;
    let bytes = size.get(..size_length).filter(|_| size_length <= 8)?;
    let value = bytes
        .iter()
        .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let bits = 7 * size_length;
    let mask = (1u64 << bits) - 1;
    let size = value & mask;
    let content = offset + (id_length + size_length) as u64;
    Some((id, content, (size != mask).then_some(size)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn box_of(name: [u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], &name, content].concat()
    }

    fn index(bytes: &[u8]) -> IndexState {
        structure(&mut Cursor::new(bytes)).index
    }

    #[test]
    fn the_index_of_an_mp4_is_found_where_it_is() {
        let (ftyp, mdat) = (box_of(*b"ftyp", b"isom0000"), box_of(*b"mdat", &[0; 100]));
        let moov = box_of(*b"moov", &box_of(*b"gps ", &[0; 16]));
        let moof = box_of(*b"moof", &[]);
        let of = |parts: &[&[u8]]| index(&parts.concat());
        assert_eq!(of(&[&ftyp, &moov, &mdat]), IndexState::AtStart);
        assert_eq!(of(&[&ftyp, &mdat, &moov]), IndexState::AtEnd);
        assert_eq!(of(&[&ftyp, &moov, &moof, &mdat]), IndexState::Fragmented);
        assert_eq!(of(&[&ftyp, &mdat]), IndexState::Missing);
        let cut = [&ftyp[..], &mdat, &moov[..moov.len() - 1]].concat();
        assert_eq!(index(&cut), IndexState::Missing);
        let whole = [ftyp, mdat, moov].concat();
        let found = structure(&mut Cursor::new(whole));
        assert_eq!(found.hidden, ["gps (Novatek)"]);
    }

    #[test]
    fn what_needs_no_index_lacks_none() {
        assert_eq!(index(&[0x47; 400]), IndexState::NotUsed);
        assert_eq!(index(b""), IndexState::NotUsed);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_hang(
            kind in 0..4usize,
            bytes in proptest::collection::vec(any::<u8>(), 0..300)
        ) {
            let heads: [&[u8]; 4] = [b"\0\0\0\x10ftypisom0000", b"RIFF\0\0\0\0AVI ", b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff", b""];
            structure(&mut Cursor::new([heads[kind], &bytes].concat()));
        }
    }
}
