//! Parses datasets from a device's bytes. Never panics, and never allocates for a length that is merely claimed.

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};
use thiserror::Error;

#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("its {0} is malformed")]
pub struct Malformed(pub &'static str);

/// A dataset being read, little-endian.
pub struct DatasetReader<'a> {
    rest: &'a [u8],
    /// For errors: the dataset's name.
    what: &'static str,
}

impl<'a> DatasetReader<'a> {
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub fn malformed(&self) -> Malformed {
        Malformed(self.what)
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Malformed(self.what))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.bytes::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.bytes().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.bytes().map(u64::from_le_bytes)
    }

    pub fn skip(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.rest = self.rest.get(bytes..).ok_or(Malformed(self.what))?;
        Ok(())
    }

    /// A counted UTF-16 string up to its terminating zero.
    pub fn string(&mut self) -> Result<PtpString, Malformed> {
        let count = usize::from(self.u8()?);
        let bytes = self.rest.get(..count * 2).ok_or(Malformed(self.what))?;
        self.rest = &self.rest[count * 2..];
        let units = bytes
            .chunks_exact(2)
            .map(|two| u16::from_le_bytes([two[0], two[1]]))
            .take_while(|&unit| unit != 0)
            .collect();
        Ok(PtpString(units))
    }

    /// A counted array, of which at most `max` elements are kept, and the number of elements left out.
    pub fn array_u32(&mut self, max: usize) -> Result<(Vec<u32>, u64), Malformed> {
        let count = self.u32()? as usize;
        let bytes = count
            .checked_mul(4)
            .and_then(|bytes| self.rest.get(..bytes))
            .ok_or(Malformed(self.what))?;
        self.rest = &self.rest[bytes.len()..];
        let kept = bytes
            .chunks_exact(4)
            .take(max)
            .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect();
        Ok((kept, count.saturating_sub(max) as u64))
    }

    pub fn array_u16(&mut self) -> Result<Vec<u16>, Malformed> {
        let count = self.u32()? as usize;
        let bytes = count
            .checked_mul(2)
            .and_then(|bytes| self.rest.get(..bytes))
            .ok_or(Malformed(self.what))?;
        self.rest = &self.rest[bytes.len()..];
        Ok(bytes
            .chunks_exact(2)
            .map(|two| u16::from_le_bytes([two[0], two[1]]))
            .collect())
    }
}

/// At most 255 UTF-16 units without a zero, well-formed or not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PtpString(Vec<u16>);

impl PtpString {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For display and parsing: lone surrogates are replaced.
    pub fn to_text(&self) -> String {
        String::from_utf16_lossy(&self.0)
    }

    /// UTF-8; a lone surrogate becomes the three bytes of its code point, so that different names stay different.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len());
        for unit in char::decode_utf16(self.0.iter().copied()) {
            match unit {
                Ok(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(lone) => {
                    let [high, low] = lone.unpaired_surrogate().to_be_bytes();
                    bytes.extend([
                        0xe0 | high >> 4,
                        0x80 | (high & 0x0f) << 2 | low >> 6,
                        0x80 | low & 0x3f,
                    ]);
                }
            }
        }
        bytes
    }

    /// The wire format: counted, with a terminating zero, cut to the longest possible count.
    pub fn encode(text: &str) -> Vec<u8> {
        let mut units: Vec<u16> = text.encode_utf16().take(254).collect();
        if units.is_empty() {
            return vec![0];
        }
        units.push(0);
        let mut bytes = vec![u8::try_from(units.len()).unwrap_or(u8::MAX)];
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes
    }
}

/// A time as a device writes it: `YYYYMMDDThhmmss`, perhaps with a fraction, perhaps with `Z` or `±hhmm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PtpDate {
    pub civil: civil::DateTime,
    /// `None`: in the device's local time.
    pub offset: Option<Offset>,
}

impl PtpDate {
    /// `None`: not a valid time.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, rest) = text.split_at_checked(8)?;
        let rest = rest.strip_prefix('T')?;
        let (time, rest) = rest.split_at_checked(6)?;
        let number = |digits: &str| -> Option<i16> {
            let all = digits.bytes().all(|b| b.is_ascii_digit());
            all.then(|| digits.parse().ok()).flatten()
        };
        let two = |text: &str, at: usize| -> Option<i8> {
            i8::try_from(number(text.get(at..at + 2)?)?).ok()
        };
        let (nanos, rest) = match rest.strip_prefix('.') {
            None => (0, rest),
            Some(rest) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let (fraction, rest) = rest.split_at(digits);
                let fraction = &fraction[..fraction.len().min(9)];
                let value: i32 = fraction.parse().ok()?;
                let scale = 10_i32.pow(9 - u32::try_from(fraction.len()).ok()?);
                (value * scale, rest)
            }
        };
        let offset = match rest.as_bytes() {
            [] => None,
            [b'Z' | b'z'] => Some(Offset::UTC),
            [sign @ (b'+' | b'-'), digits @ ..] if digits.len() == 4 => {
                let digits = rest.get(1..)?;
                let seconds = i32::from(two(digits, 0)?) * 3600 + i32::from(two(digits, 2)?) * 60;
                Some(Offset::from_seconds(if *sign == b'-' { -seconds } else { seconds }).ok()?)
            }
            _ => return None,
        };
        let civil = civil::DateTime::new(
            number(date.get(..4)?)?,
            two(date, 4)?,
            two(date, 6)?,
            two(time, 0)?,
            two(time, 2)?,
            two(time, 4)?,
            nanos,
        )
        .ok()?;
        Some(Self { civil, offset })
    }

    /// In the device's own zone where it gives one, else in `zone`.
    pub fn timestamp(&self, zone: &TimeZone) -> Option<Timestamp> {
        match self.offset {
            Some(offset) => offset.to_timestamp(self.civil).ok(),
            None => zone.to_timestamp(self.civil).ok(),
        }
    }

    /// The wire format, in the device's local time.
    pub fn encode(civil: civil::DateTime) -> String {
        format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second()
        )
    }
}
