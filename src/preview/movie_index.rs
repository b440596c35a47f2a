//! The facts in an MP4's index that ffmpeg does not pass on: encryption, edit lists and the samples' bytes.

use std::io::{self, Read, Seek, SeekFrom};

/// Boxes that are visited at most, and how deep they may lie.
const STEPS: usize = 4096;
const DEPTH: usize = 8;
const EDITS_MAX: u32 = 10_000;
const CHUNK: usize = 64 << 10;

/// The facts of one track.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrackIndex {
    pub handler: [u8; 4],
    pub encrypted: bool,
    /// Bytes of all samples that the index names.
    pub sample_bytes: u64,
    /// Units a second, and the length of the media in them.
    time_scale: u32,
    duration: u64,
    /// The part that is shown: its length in the movie's units, and where it begins in the media's.
    edits: Vec<(u64, u64)>,
}

impl TrackIndex {
    pub const fn is_video(&self) -> bool {
        matches!(&self.handler, b"vide")
    }

    pub const fn is_sound(&self) -> bool {
        matches!(&self.handler, b"soun")
    }

    /// The length of the media that its edit list leaves out, in milliseconds.
    fn hidden_ms(&self, movie_scale: u32) -> u64 {
        let scale = u64::from(self.time_scale);
        if self.edits.is_empty() || scale == 0 || movie_scale == 0 {
            return 0;
        }
        let mut shown: Vec<(u64, u64)> = self
            .edits
            .iter()
            .map(|&(length, from)| {
                let length = u128::from(length) * u128::from(scale) / u128::from(movie_scale);
                let length = u64::try_from(length).unwrap_or(u64::MAX);
                // In a fragmented file, 0 stands for everything from there on.
                let to = if length == 0 {
                    self.duration.max(from)
                } else {
                    from.saturating_add(length)
                };
                (from, to)
            })
            .collect();
        shown.sort_unstable();
        let (mut length, mut end) = (0u64, 0u64);
        for (from, to) in shown {
            length = length.saturating_add(to.saturating_sub(from.max(end)));
            end = end.max(to);
        }
        u64::try_from(u128::from(self.duration.saturating_sub(length)) * 1000 / u128::from(scale))
            .unwrap_or(u64::MAX)
    }
}

/// The tracks of a `moov` box.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MovieIndex {
    pub tracks: Vec<TrackIndex>,
    time_scale: u32,
}

impl MovieIndex {
    /// Reads the box's content; whatever is damaged in it is left out.
    pub fn read(reader: &mut (impl Read + Seek + ?Sized), content: u64, end: u64) -> Self {
        let mut index = Self::default();
        let mut steps = STEPS;
        let _ = index.walk(reader, content, end, DEPTH, &mut steps);
        index
    }

    /// The length of picture that edit lists leave out, in milliseconds.
    pub fn hidden_ms(&self) -> u64 {
        let videos = self.tracks.iter().filter(|track| track.is_video());
        let hidden = videos.map(|track| track.hidden_ms(self.time_scale));
        hidden.max().unwrap_or(0)
    }

    pub fn sample_bytes(&self) -> u64 {
        let bytes = self.tracks.iter().map(|track| track.sample_bytes);
        bytes.fold(0, u64::saturating_add)
    }

    fn walk(
        &mut self,
        reader: &mut (impl Read + Seek + ?Sized),
        mut offset: u64,
        end: u64,
        depth: usize,
        steps: &mut usize,
    ) -> io::Result<()> {
        while offset < end && *steps > 0 && depth > 0 {
            *steps -= 1;
            let Some((name, content, after)) = next_box(reader, offset, end) else {
                break;
            };
            let within = after.min(end);
            match &name {
                b"mvhd" => self.time_scale = header(reader, content)?.0,
                b"trak" => {
                    self.tracks.push(TrackIndex::default());
                    self.walk(reader, content, within, depth - 1, steps)?;
                }
                b"edts" | b"mdia" | b"minf" | b"stbl" => {
                    self.walk(reader, content, within, depth - 1, steps)?;
                }
                _ => {
                    if let Some(track) = self.tracks.last_mut() {
                        track.take(reader, name, content, within)?;
                    }
                }
            }
            offset = after;
        }
        Ok(())
    }
}

impl TrackIndex {
    fn take(
        &mut self,
        reader: &mut (impl Read + Seek + ?Sized),
        name: [u8; 4],
        content: u64,
        end: u64,
    ) -> io::Result<()> {
        match &name {
            b"mdhd" => (self.time_scale, self.duration) = header(reader, content)?,
            b"hdlr" => self.handler = at(reader, content + 8)?,
            b"elst" => self.take_edits(reader, content)?,
            b"stsd" => {
                let [_, _, _, _, count @ ..] = at::<8>(reader, content)?;
                let mut offset = content + 8;
                for _ in 0..u32::from_be_bytes(count).min(16) {
                    let Some((format, _, after)) = next_box(reader, offset, end) else {
                        break;
                    };
                    // Encrypted by the common encryption scheme, or by that of an older shop.
                    self.encrypted |= format.starts_with(b"enc") || format.starts_with(b"drm");
                    offset = after;
                }
            }
            b"stsz" => {
                let [_, _, _, _, a, b, c, d, count @ ..] = at::<12>(reader, content)?;
                let count = u64::from(u32::from_be_bytes(count));
                self.sample_bytes = match u32::from_be_bytes([a, b, c, d]) {
                    0 => sum(reader, content + 12, end, count, 32)?,
                    size => count.saturating_mul(size.into()),
                };
            }
            b"stz2" => {
                let [_, _, _, _, _, _, _, bits, count @ ..] = at::<12>(reader, content)?;
                let count = u64::from(u32::from_be_bytes(count));
                self.sample_bytes = sum(reader, content + 12, end, count, bits)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn take_edits(
        &mut self,
        reader: &mut (impl Read + Seek + ?Sized),
        content: u64,
    ) -> io::Result<()> {
        let [version, _, _, _, count @ ..] = at::<8>(reader, content)?;
        for number in 0..u64::from(u32::from_be_bytes(count).min(EDITS_MAX)) {
            let (length, from) = if version == 1 {
                let edit = content + 8 + number * 20;
                let length = u64::from_be_bytes(at(reader, edit)?);
                (length, i64::from_be_bytes(at(reader, edit + 8)?))
            } else {
                let [a, b, c, d, from @ ..] = at::<8>(reader, content + 8 + number * 12)?;
                let length = u32::from_be_bytes([a, b, c, d]);
                (length.into(), i32::from_be_bytes(from).into())
            };
            // A negative one is a pause in front of the media.
            if let Ok(from) = u64::try_from(from) {
                self.edits.push((length, from));
            }
        }
        Ok(())
    }
}

/// A box's name, where its content begins and where it ends.
pub fn next_box(
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

/// Bytes at an offset.
pub fn at<const N: usize>(
    reader: &mut (impl Read + Seek + ?Sized),
    offset: u64,
) -> io::Result<[u8; N]> {
    reader.seek(SeekFrom::Start(offset))?;
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Time scale and duration of an `mvhd` or `mdhd` box.
fn header(reader: &mut (impl Read + Seek + ?Sized), content: u64) -> io::Result<(u32, u64)> {
    let [version] = at::<1>(reader, content)?;
    Ok(if version == 1 {
        let scale = u32::from_be_bytes(at(reader, content + 20)?);
        (scale, u64::from_be_bytes(at(reader, content + 24)?))
    } else {
        let scale = u32::from_be_bytes(at(reader, content + 12)?);
        (scale, u32::from_be_bytes(at(reader, content + 16)?).into())
    })
}

/// The sum of a table of sizes.
fn sum(
    reader: &mut (impl Read + Seek + ?Sized),
    from: u64,
    end: u64,
    count: u64,
    bits: u8,
) -> io::Result<u64> {
    let bytes = count.saturating_mul(bits.into()).div_ceil(8);
    let mut left = bytes.min(end.saturating_sub(from));
    reader.seek(SeekFrom::Start(from))?;
    let (mut chunk, mut sum) = (vec![0; CHUNK], 0u64);
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let sizes = &mut chunk[..length];
        reader.read_exact(sizes)?;
        let part: u64 = match bits {
            4 => sizes
                .iter()
                .map(|b| u64::from(b >> 4) + u64::from(b & 15))
                .sum(),
            8 => sizes.iter().map(|b| u64::from(*b)).sum(),
            16 => sizes
                .chunks_exact(2)
                .map(|b| u64::from(u16::from_be_bytes([b[0], b[1]])))
                .sum(),
            _ => sizes
                .chunks_exact(4)
                .map(|b| u64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]])))
                .sum(),
        };
        sum = sum.saturating_add(part);
        left -= length as u64;
    }
    Ok(sum)
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

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    /// A track of 20 s at 1000 units a second.
    fn track(format: [u8; 4], edits: &[[u32; 2]], sizes: &[u8]) -> Vec<u8> {
        let count = u32::try_from(edits.len()).unwrap();
        let list: Vec<u8> = edits
            .iter()
            .flat_map(|[length, from]| numbers(&[*length, *from, 1 << 16]))
            .collect();
        let edits = box_of(*b"elst", &[numbers(&[0, count]), list].concat());
        let described = box_of(
            *b"stsd",
            &[numbers(&[0, 1]), box_of(format, &[0; 16])].concat(),
        );
        let table = box_of(*b"stbl", &[described, sizes.to_vec()].concat());
        let media = [
            box_of(*b"mdhd", &numbers(&[0, 0, 0, 1000, 20_000])),
            box_of(*b"hdlr", &[&[0; 8][..], b"vide", &[0; 12]].concat()),
            box_of(*b"minf", &table),
        ];
        box_of(
            *b"trak",
            &[box_of(*b"edts", &edits), box_of(*b"mdia", &media.concat())].concat(),
        )
    }

    fn read(tracks: &[Vec<u8>]) -> MovieIndex {
        let header = box_of(*b"mvhd", &numbers(&[0, 0, 0, 500, 10_000]));
        let bytes = [header, tracks.concat()].concat();
        let end = bytes.len() as u64;
        MovieIndex::read(&mut Cursor::new(bytes), 0, end)
    }

    #[test]
    fn edits_sizes_and_encryption_are_read() {
        let sizes = box_of(*b"stsz", &numbers(&[0, 0, 3, 100, 50, 7]));
        let hidden = |edits: &[[u32; 2]]| {
            let index = read(&[track(*b"avc1", edits, &sizes)]);
            assert_eq!(index.sample_bytes(), 157);
            assert!(!index.tracks[0].encrypted);
            index.hidden_ms()
        };
        assert_eq!(hidden(&[]), 0);
        // All of it, behind a pause, beginning with the second picture.
        assert_eq!(hidden(&[[100, u32::MAX], [10_000, 80]]), 0);
        assert_eq!(hidden(&[[5800, 8400]]), 8400);
        // The same part twice, and one of it again.
        assert_eq!(hidden(&[[1000, 0], [1000, 0], [1000, 1000]]), 17_000);
        let index = read(&[
            track(*b"encv", &[], &box_of(*b"stsz", &numbers(&[0, 9, 4]))),
            track(
                *b"avc1",
                &[],
                &box_of(*b"stz2", &[numbers(&[0, 4, 4]), vec![0x12, 0x34]].concat()),
            ),
        ]);
        assert_eq!(index.tracks.len(), 2);
        assert!(index.tracks[0].encrypted && index.tracks[0].is_video());
        assert_eq!(index.sample_bytes(), 36 + 10);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_hang(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            at in 0..600usize,
        ) {
            let mut damaged = track(*b"avc1", &[[5800, 8400]], &box_of(*b"stsz", &numbers(&[0, 0, 3, 1, 5, 7])));
            let from = at.min(damaged.len());
            damaged.splice(from..from, bytes);
            let end = damaged.len() as u64;
            let index = MovieIndex::read(&mut Cursor::new(damaged), 0, end);
            let _ = (index.hidden_ms(), index.sample_bytes());
        }
    }
}
