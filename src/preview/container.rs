//! The outermost structure of a container. It shows where the index is, which ffmpeg does not say.

use std::io::{self, Read, Seek, SeekFrom};

use super::movie_index::{MovieIndex, at, next_box};
use crate::model::{IndexState, Remark, RemarkCode};

/// Boxes that one walk visits at most. Real files have a few; a fragmented file is left at its first fragment.
const STEPS: usize = 20_000;
/// Less than this is padding.
const REMARKABLE_BYTES: u64 = 64 << 10;
const REMARKABLE_MS: u64 = 250;
/// Bytes that are read at a time in search of the last one that is not zero.
const ZEROS_STEP: u64 = 64 << 10;
/// Packets of a transport stream that are looked at.
const TRANSPORT_PACKETS: u64 = 5000;

/// The index, and tracks hidden in boxes that no demuxer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    pub index: IndexState,
    pub hidden: Vec<&'static str>,
    /// The major brand of an MP4 or QuickTime file, from its first box.
    pub brand: Option<[u8; 4]>,
    /// Bytes of media that are really there.
    pub media_bytes: u64,
    /// Bytes that the last part of the file announces and does not have.
    cut_off: u64,
    /// Bytes of the file and of the zeros at its end.
    size: u64,
    zeros: u64,
    movie: MovieIndex,
    scrambled: bool,
}

impl Structure {
    pub const fn all_zeros(&self) -> bool {
        self.size > 0 && self.zeros == self.size
    }

    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether the last part of the file is not all there.
    pub const fn is_cut_off(&self) -> bool {
        self.cut_off > 0
    }

    pub fn encrypted_video(&self) -> u64 {
        let tracks = self.movie.tracks.iter();
        let encrypted = tracks.filter(|track| track.is_video() && track.encrypted);
        encrypted.count() as u64 + u64::from(self.scrambled)
    }

    pub fn encrypted_sound(&self) -> u64 {
        let tracks = self.movie.tracks.iter();
        tracks
            .filter(|track| track.is_sound() && track.encrypted)
            .count() as u64
    }

    /// Facts of the file that no player shows.
    pub fn remarks(&self) -> Vec<Remark> {
        let indexed = matches!(self.index, IndexState::AtStart | IndexState::AtEnd);
        let outside = self.media_bytes.saturating_sub(self.movie.sample_bytes());
        // Some cameras pad their media, by a few bytes in a hundred.
        let padding = REMARKABLE_BYTES.max(self.media_bytes / 20);
        let unnamed = indexed && !self.movie.tracks.is_empty() && outside >= padding;
        let facts = [
            (RemarkCode::EncryptedVideo, self.encrypted_video(), 1),
            (RemarkCode::EncryptedSound, self.encrypted_sound(), 1),
            (
                RemarkCode::HiddenByEdits,
                self.movie.hidden_ms(),
                REMARKABLE_MS,
            ),
            (
                RemarkCode::OutsideIndex,
                if unnamed { outside } else { 0 },
                1,
            ),
            (RemarkCode::CutOff, self.cut_off, 1),
            (RemarkCode::ZerosAtEnd, self.zeros, REMARKABLE_BYTES),
        ];
        let said = facts.into_iter().filter(|(_, n, least)| n >= least);
        said.map(|(code, n, _)| Remark::new(code, n)).collect()
    }
}

/// Reads the outermost structure, and of an MP4 the index, and leaves the reader anywhere. An I/O error counts as the end.
pub fn structure(reader: &mut (impl Read + Seek + ?Sized)) -> Structure {
    let mut found = Structure {
        index: IndexState::Missing,
        hidden: Vec::new(),
        brand: None,
        media_bytes: 0,
        cut_off: 0,
        size: 0,
        zeros: 0,
        movie: MovieIndex::default(),
        scrambled: false,
    };
    found.index = look(reader, &mut found).unwrap_or(IndexState::Missing);
    found.zeros = zeros_at_end(reader, found.size);
    found
}

/// The number of zeros at the file's end. Most files end with another byte, and are not read any further.
fn zeros_at_end(reader: &mut (impl Read + Seek + ?Sized), size: u64) -> u64 {
    let (mut zeros, mut block) = (0, Vec::new());
    while zeros < size {
        let length = ZEROS_STEP.min(size - zeros);
        block.resize(usize::try_from(length).unwrap_or(0), 0);
        let from = reader.seek(SeekFrom::Start(size - zeros - length));
        if from.and_then(|_| reader.read_exact(&mut block)).is_err() {
            break;
        }
        if let Some(last) = block.iter().rposition(|byte| *byte != 0) {
            return zeros + (block.len() - 1 - last) as u64;
        }
        zeros += length;
    }
    zeros
}

fn look(reader: &mut (impl Read + Seek + ?Sized), found: &mut Structure) -> io::Result<IndexState> {
    let end = reader.seek(SeekFrom::End(0))?;
    found.size = end;
    let head: [u8; 12] = match at(reader, 0) {
        Ok(head) => head,
        Err(_) => return Ok(IndexState::NotUsed),
    };
    if head.starts_with(b"RIFF") && &head[8..] == b"AVI " {
        let [_, _, _, _, a, b, c, d, ..] = head;
        let announced = u64::from(u32::from_le_bytes([a, b, c, d])) + 8;
        // Cameras write the size last.
        found.cut_off = announced.saturating_sub(end.next_multiple_of(2));
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
    found.scrambled = scrambled(reader, end);
    Ok(IndexState::NotUsed)
}

/// Whether most of a transport stream's packets say that they are scrambled.
fn scrambled(reader: &mut (impl Read + Seek + ?Sized), end: u64) -> bool {
    // Packets of 192 bytes begin with a time of four bytes.
    for (length, before) in [(188, 0), (192, 4)] {
        let (mut packets, mut marked) = (0u64, 0u64);
        while packets < TRANSPORT_PACKETS && (packets + 1) * length <= end {
            match at::<4>(reader, packets * length + before) {
                Ok([0x47, _, _, flags]) => marked += u64::from(flags & 0xc0 != 0),
                _ => break,
            }
            packets += 1;
        }
        if packets >= 8 {
            return marked * 2 > packets;
        }
    }
    false
}

fn boxes_of(
    reader: &mut (impl Read + Seek + ?Sized),
    end: u64,
    found: &mut Structure,
) -> IndexState {
    let (mut offset, mut media, mut index, mut fragments) = (0, false, IndexState::Missing, false);
    for _ in 0..STEPS {
        let Some((name, content, after)) = next_box(reader, offset, end) else {
            break;
        };
        // Anything else at the end need not be a box.
        if matches!(&name, b"mdat" | b"moov" | b"moof") {
            found.cut_off = after.saturating_sub(end);
        }
        match &name {
            b"ftyp" if offset == 0 => found.brand = at(reader, content).ok(),
            b"mdat" => {
                media = true;
                found.media_bytes += after.min(end).saturating_sub(content);
            }
            b"moof" => fragments = true,
            // An index that is cut off cannot be read.
            b"moov" if after <= end => {
                index = if media {
                    IndexState::AtEnd
                } else {
                    IndexState::AtStart
                };
                within(reader, content, after, &mut found.hidden);
                found.movie = MovieIndex::read(reader, content, after);
            }
            b"gps " | b"GPS " => found.hidden.push("gps (Novatek)"),
            _ => {}
        }
        offset = after;
    }
    if fragments {
        IndexState::Fragmented
    } else {
        index
    }
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
            // The walk continues inside the segment.
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
    fn what_no_player_shows_is_remarked() {
        let remarks = |bytes: &[u8]| {
            let found = structure(&mut Cursor::new(bytes)).remarks();
            found.iter().map(|r| (r.code, r.n)).collect::<Vec<_>>()
        };
        let ftyp = box_of(*b"ftyp", b"isom0000");
        let film = [
            ftyp.clone(),
            box_of(*b"moov", &[]),
            box_of(*b"mdat", &vec![1; 200_000]),
        ]
        .concat();
        assert_eq!(remarks(&film), []);
        assert_eq!(
            remarks(&film[..film.len() - 10]),
            [(RemarkCode::CutOff, 10)]
        );
        let mut zeroed = film.clone();
        zeroed[100_000..].fill(0);
        let zeros = film.len() as u64 - 100_000;
        assert_eq!(remarks(&zeroed), [(RemarkCode::ZerosAtEnd, zeros)]);
        let moof = box_of(*b"moof", &[1; 90]);
        let fragments = [film, moof.clone(), moof].concat();
        assert_eq!(remarks(&fragments), []);
        assert_eq!(
            remarks(&fragments[..fragments.len() - 20]),
            [(RemarkCode::CutOff, 20)]
        );
        assert_eq!(index(&fragments), IndexState::Fragmented);
        let found = structure(&mut Cursor::new(vec![0; 200_001]));
        assert!(found.all_zeros());
        assert!(!structure(&mut Cursor::new(b"")).all_zeros());
        for length in [188, 192] {
            let packet = |flags: u8| {
                let mut packet = vec![0xff; length];
                let at = length - 188;
                packet[at..at + 4].copy_from_slice(&[0x47, 1, 0, flags]);
                packet
            };
            let stream = |flags: u8| structure(&mut Cursor::new(packet(flags).repeat(20)));
            assert_eq!(stream(0x90).encrypted_video(), 1);
            assert_eq!(stream(0x10).encrypted_video(), 0);
        }
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
