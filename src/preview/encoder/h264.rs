//! The shape of H.264 as an encoder beside this process gives it: enough to believe it, or not.

/// The kinds that an encoder without B-pictures and extensions writes: slices, notes, parameter sets, delimiters, fillers.
const SLICE: u8 = 1;
const KEY_SLICE: u8 = 5;
const NOTE: u8 = 6;
const SEQUENCE: u8 = 7;
const PICTURE: u8 = 8;
const DELIMITER: u8 = 9;
const FILLER: u8 = 12;
/// `profile_idc` of the baseline, and the flag that makes it the constrained one, which every browser plays.
const BASELINE: u8 = 66;
const CONSTRAINED: u8 = 0x40;

/// The units between start codes, without them; `None` when bytes lie before the first.
fn units(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(3).position(|three| three == [0, 0, 1]) {
        starts.push(at + found);
        at += found + 3;
    }
    let first = *starts.first()?;
    if bytes[..first].iter().any(|byte| *byte != 0) {
        return None;
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let mut found = Vec::new();
    for (start, end) in starts.iter().zip(ends) {
        let unit = &bytes[start + 3..end];
        let length = unit
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |n| n + 1);
        found.push(&unit[..length]);
    }
    Some(found)
}

fn kind(unit: &[u8]) -> Option<u8> {
    let first = *unit.first()?;
    (first & 0x80 == 0).then_some(first & 0x1f)
}

/// The parameter sets in a stretch of H.264, each behind a start code.
pub fn parameter_sets(bytes: &[u8]) -> Vec<u8> {
    let mut sets = Vec::new();
    for unit in units(bytes).unwrap_or_default() {
        if matches!(kind(unit), Some(SEQUENCE | PICTURE)) {
            sets.extend_from_slice(&[0, 0, 0, 1]);
            sets.extend_from_slice(unit);
        }
    }
    sets
}

/// Whether there is no picture in it, only what comes before one.
pub fn no_picture(bytes: &[u8]) -> bool {
    let slice = |unit: &&[u8]| matches!(kind(unit), Some(SLICE..=KEY_SLICE));
    units(bytes).is_some_and(|units| !units.iter().any(slice))
}

/// Whether these are the parameter sets of a stream that every browser plays, and nothing else.
pub fn playable(extradata: &[u8]) -> bool {
    let Some(units) = units(extradata) else {
        return false;
    };
    let (mut sequences, mut pictures) = (0, 0);
    for unit in units {
        match (kind(unit), unit) {
            (Some(SEQUENCE), [_, BASELINE, flags, _, _, ..]) if flags & CONSTRAINED != 0 => {
                sequences += 1;
            }
            (Some(PICTURE), [_, _, ..]) => pictures += 1,
            (Some(NOTE), _) => {}
            _ => return false,
        }
    }
    (sequences, pictures) == (1, 1)
}

/// Whether a packet is a key picture; `None` when it is no picture of the stream that `extradata` describes.
pub fn key_picture(packet: &[u8], extradata: &[u8]) -> Option<bool> {
    let known = units(extradata)?;
    let (mut slices, mut keys) = (0, 0);
    for unit in units(packet)? {
        match kind(unit)? {
            SLICE => slices += 1,
            KEY_SLICE => keys += 1,
            SEQUENCE | PICTURE if !known.contains(&unit) => return None,
            SEQUENCE | PICTURE | NOTE | DELIMITER | FILLER => {}
            _ => return None,
        }
    }
    ((slices > 0) != (keys > 0)).then_some(keys > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETS: &[u8] = &[
        0, 0, 0, 1, 0x67, 66, 0xc0, 30, 0xd9, 0, 0, 1, 0x68, 0xce, 0x38,
    ];

    #[test]
    fn a_stream_for_browsers_is_told_from_others() {
        assert!(playable(SETS));
        let mut high = SETS.to_vec();
        high[5] = 100;
        let mut unconstrained = SETS.to_vec();
        unconstrained[6] = 0;
        let beyond = [SETS, &[0, 0, 1, 0x65, 1]].concat();
        for other in [&high[..], &unconstrained, &beyond, &SETS[..9], b"", b"x"] {
            assert!(!playable(other), "{other:?}");
        }
        let with_picture = [SETS, &[0, 0, 1, 0x65, 0x88]].concat();
        assert_eq!(parameter_sets(&with_picture).len(), SETS.len() + 1);
        assert!(playable(&parameter_sets(&with_picture)));
        assert!(no_picture(SETS) && !no_picture(&with_picture) && !no_picture(b"x"));
    }

    #[test]
    fn pictures_are_told_from_what_is_none() {
        let packet = |units: &[&[u8]]| {
            let with_codes = units.iter().map(|unit| [&[0, 0, 0, 1], *unit].concat());
            key_picture(&with_codes.collect::<Vec<_>>().concat(), SETS)
        };
        assert_eq!(packet(&[&[0x65, 0x88], &[0x65, 0x11]]), Some(true));
        assert_eq!(packet(&[&[0x09, 0x10], &[0x41, 0x9a]]), Some(false));
        let own = [0x67, 66, 0xc0, 30, 0xd9];
        assert_eq!(packet(&[&own, &[0x68, 0xce, 0x38], &[0x65, 1]]), Some(true));
        let other = [0x67, 66, 0xc0, 31, 0xd9];
        assert_eq!(packet(&[&other, &[0x65, 1]]), None);
        assert_eq!(packet(&[&[0x65, 1], &[0x41, 1]]), None);
        assert_eq!(packet(&[&[0x06, 1]]), None);
        assert_eq!(packet(&[&[0x7c, 1]]), None);
        assert_eq!(key_picture(b"no start code", SETS), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(0..4u8, 0..100)) {
            playable(&bytes);
            key_picture(&bytes, SETS);
            key_picture(SETS, &bytes);
            parameter_sets(&bytes);
        }
    }
}
