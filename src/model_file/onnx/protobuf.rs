//! The wire format of protocol buffers, read in place.
//!
//! A field's payload is a slice of the file, so that a field that is not read (the weights) costs the reading
//! of its length. Written here rather than taken from a crate: generated messages copy what they hold, and
//! the fields that a count needs are few. Every length is checked against the bytes that are there.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldValue<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: a text, a message, a packed list.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

/// What is wrong with a message, as a clause.
pub(super) type Malformed = String;

impl<'a> FieldValue<'a> {
    /// The payload of a text or message.
    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err("a field that should hold a message or a text holds a number".to_owned()),
        }
    }

    /// A whole number. Negative ones are stored as their two's complement in 64 bits.
    pub(super) fn integer(self) -> Result<i64, Malformed> {
        match self {
            Self::Varint(number) => Ok(number.cast_signed()),
            _ => Err("a field that should hold a number holds something else".to_owned()),
        }
    }

    /// Append the numbers of a repeated field, which writers may pack or not.
    pub(super) fn integers(self, into: &mut Vec<i64>) -> Result<(), Malformed> {
        let Self::Bytes(bytes) = self else {
            into.push(self.integer()?);
            return Ok(());
        };
        let mut fields = MessageFields::new(bytes);
        while !fields.rest.is_empty() {
            into.push(fields.varint()?.cast_signed());
        }
        Ok(())
    }

    /// Append the 32-bit floating-point numbers of a repeated field, packed or not.
    pub(super) fn floats(self, into: &mut Vec<f32>) -> Result<(), Malformed> {
        match self {
            Self::Fixed32(bits) => into.push(f32::from_bits(bits)),
            Self::Bytes(bytes) => {
                for four in bytes.chunks(4) {
                    let four = four.try_into().map_err(|_| "a list of numbers ends within one".to_owned())?;
                    into.push(f32::from_le_bytes(four));
                }
            }
            Self::Varint(_) | Self::Fixed64(_) => return Err("a list of numbers has another type".to_owned()),
        }
        Ok(())
    }
}

/// The fields of a message, in the order of the file.
#[derive(Debug, Clone)]
pub(super) struct MessageFields<'a> {
    rest: &'a [u8],
}

impl<'a> MessageFields<'a> {
    /// Of this message.
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let Some((taken, rest)) = split else {
            return Err(format!("a field of {length} bytes begins where {} are left", self.rest.len()));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for (place, byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte holds one bit; what a writer puts above it is dropped, as protocol buffers do.
            number |= u64::from(byte & 0x7f).checked_shl(7 * place as u32).unwrap_or(0);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[place + 1..];
                return Ok(number);
            }
        }
        Err("it ends within a number".to_owned())
    }

    fn field(&mut self) -> Result<(u64, FieldValue<'a>), Malformed> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => FieldValue::Varint(self.varint()?),
            1 => {
                let mut eight = [0; 8];
                eight.copy_from_slice(self.take(8)?);
                FieldValue::Fixed64(u64::from_le_bytes(eight))
            }
            2 => {
                let length = self.varint()?;
                FieldValue::Bytes(self.take(length)?)
            }
            5 => {
                let mut four = [0; 4];
                four.copy_from_slice(self.take(4)?);
                FieldValue::Fixed32(u32::from_le_bytes(four))
            }
            kind => return Err(format!("a field is of the unknown wire type {kind}")),
        };
        match tag >> 3 {
            0 => Err("a field has the number 0".to_owned()),
            number => Ok((number, value)),
        }
    }
}

impl<'a> Iterator for MessageFields<'a> {
    type Item = Result<(u64, FieldValue<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_are_read() {
        // The encoding guide's own: field 1 = 150; field 2 = "testing"; field 6 = [3, 270, 86942] packed.
        let message = [0x08, 0x96, 0x01, 0x12, 0x07, b't', b'e', b's', b't', b'i', b'n', b'g'];
        let fields: Vec<_> = MessageFields::new(&message).map(Result::unwrap).collect();
        assert_eq!(fields, [(1, FieldValue::Varint(150)), (2, FieldValue::Bytes(b"testing"))]);
        let packed = [0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05];
        let (number, value) = MessageFields::new(&packed).next().unwrap().unwrap();
        let mut numbers = Vec::new();
        value.integers(&mut numbers).unwrap();
        assert_eq!((number, numbers), (6, vec![3, 270, 86942]));
    }

    #[test]
    fn minus_one_takes_ten_bytes_and_an_eleventh_is_refused() {
        let mut message = vec![0x08];
        message.extend([0xff; 9]);
        message.push(0x01);
        let (_, value) = MessageFields::new(&message).next().unwrap().unwrap();
        assert_eq!(value.integer(), Ok(-1));
        let endless = [[0x08].as_slice(), &[0xff; 20]].concat();
        assert!(MessageFields::new(&endless).next().unwrap().is_err());
    }

    #[test]
    fn lengths_beyond_the_end_are_refused_and_reading_stops_there() {
        let mut fields = MessageFields::new(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f, b'x']);
        let refusal = fields.next().unwrap().unwrap_err();
        assert_eq!(refusal, "a field of 4294967295 bytes begins where 1 are left");
        assert_eq!(fields.next(), None);
    }
}
