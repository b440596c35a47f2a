//! Parses property values, descriptions and lists. The device gives the types, which are not trusted.

use super::reader::{DatasetReader, Malformed, PtpString};

/// Elements of an array value that are kept.
const ARRAY_MAX: usize = 1024;

/// A property's value. Arrays of anything but bytes are only measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Number(i128),
    Text(PtpString),
    Array(Vec<i128>),
}

impl Value {
    pub fn parse(reader: &mut DatasetReader<'_>, kind: u16) -> Result<Self, Malformed> {
        if kind == 0xffff {
            return reader.string().map(Self::Text);
        }
        if kind & 0x4000 != 0 {
            let count = reader.u32()?;
            let mut kept = Vec::new();
            for _ in 0..count {
                let element = number(reader, kind & !0x4000)?;
                if kept.len() < ARRAY_MAX {
                    kept.push(element);
                }
            }
            return Ok(Self::Array(kept));
        }
        number(reader, kind).map(Self::Number)
    }

    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&PtpString> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn number(reader: &mut DatasetReader<'_>, kind: u16) -> Result<i128, Malformed> {
    Ok(match kind {
        1 => i128::from(i8::from_le_bytes(reader.bytes()?)),
        2 => i128::from(reader.u8()?),
        3 => i128::from(i16::from_le_bytes(reader.bytes()?)),
        4 => i128::from(reader.u16()?),
        5 => i128::from(i32::from_le_bytes(reader.bytes()?)),
        6 => i128::from(reader.u32()?),
        7 => i128::from(i64::from_le_bytes(reader.bytes()?)),
        8 => i128::from(reader.u64()?),
        9 | 10 => i128::from_le_bytes(reader.bytes()?),
        _ => return Err(reader.malformed()),
    })
}

/// The values that a property can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    Any,
    Range { min: Value, max: Value },
    OneOf(Vec<Value>),
}

/// GetDevicePropDesc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropDesc {
    pub code: u16,
    pub writable: bool,
    pub current: Value,
    pub form: Form,
}

impl PropDesc {
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = DatasetReader::new(bytes, "property description");
        let (code, kind) = (reader.u16()?, reader.u16()?);
        let writable = reader.u8()? == 1;
        Value::parse(&mut reader, kind)?; // factory default
        let current = Value::parse(&mut reader, kind)?;
        // The value stays valid even if the form is malformed.
        let form = form(&mut reader, kind).unwrap_or(Form::Any);
        Ok(Self {
            code,
            writable,
            current,
            form,
        })
    }

    /// 0 to 100; `None` when the value is not a level.
    pub fn percent(&self) -> Option<u8> {
        let Value::Number(current) = self.current else {
            return None;
        };
        let numbers = |value: &Value| match value {
            Value::Number(number) => Some(*number),
            _ => None,
        };
        let (min, max) = match &self.form {
            Form::Range { min, max } => (numbers(min)?, numbers(max)?),
            Form::OneOf(values) => (0, values.iter().filter_map(numbers).max()?),
            Form::Any => (0, 100),
        };
        let span = max.checked_sub(min).filter(|span| *span > 0)?;
        let above = current.checked_sub(min).filter(|above| *above >= 0)?;
        u8::try_from(above.checked_mul(100)?.checked_div(span)?.min(100)).ok()
    }
}

fn form(reader: &mut DatasetReader<'_>, kind: u16) -> Result<Form, Malformed> {
    Ok(match reader.u8()? {
        1 => Form::Range {
            min: Value::parse(reader, kind)?,
            max: Value::parse(reader, kind)?,
        },
        2 => {
            let count = reader.u16()?;
            let values: Result<_, _> = (0..count).map(|_| Value::parse(reader, kind)).collect();
            Form::OneOf(values?)
        }
        _ => Form::Any,
    })
}

/// One element of GetObjectPropList.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectProp {
    pub object: u32,
    pub code: u16,
    pub value: Value,
}

/// Hands each element to `each`; the elements before a malformed one have been handed over by then.
pub fn parse_prop_list(bytes: &[u8], mut each: impl FnMut(ObjectProp)) -> Result<(), Malformed> {
    let mut reader = DatasetReader::new(bytes, "property list");
    for _ in 0..reader.u32()? {
        let (object, code, kind) = (reader.u32()?, reader.u16()?, reader.u16()?);
        let value = Value::parse(&mut reader, kind)?;
        each(ObjectProp {
            object,
            code,
            value,
        });
    }
    Ok(())
}
