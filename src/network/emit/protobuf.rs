//! Protocol buffers, the writing half: a message is its fields one after the other.
//!
//! No crate for this: with one, a tensor is a field that must be held in memory, and the files here are made
//! while they are written.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>

/// A message under construction.
#[derive(Debug, Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// An integer. Negative ones are not needed here.
    pub(super) fn integer(mut self, field: u32, value: u64) -> Self {
        push_varint(&mut self.bytes, u64::from(field) << 3);
        push_varint(&mut self.bytes, value);
        self
    }

    pub(super) fn integers(self, field: u32, values: &[u64]) -> Self {
        values.iter().fold(self, |message, &value| message.integer(field, value))
    }

    pub(super) fn float(mut self, field: u32, value: f32) -> Self {
        push_varint(&mut self.bytes, u64::from(field) << 3 | 5);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub(super) fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(super) fn bytes(self, field: u32, bytes: &[u8]) -> Self {
        let mut message = self.opening(field, bytes.len() as u64);
        message.bytes.extend(bytes);
        message
    }

    pub(super) fn message(self, field: u32, inner: Self) -> Self {
        self.bytes(field, &inner.bytes)
    }

    /// The beginning of a field of so many bytes, which the caller writes next.
    pub(super) fn opening(mut self, field: u32, length: u64) -> Self {
        push_varint(&mut self.bytes, u64::from(field) << 3 | 2);
        push_varint(&mut self.bytes, length);
        self
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_encoded_as_in_the_specification() {
        // The examples of the page named above: 150 in field 1, "testing" in field 2, a message with 150 in
        // field 3.
        assert_eq!(Message::new().integer(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::new().text(2, "testing").into_bytes(), b"\x12\x07testing");
        let inner = Message::new().integer(1, 150);
        assert_eq!(Message::new().message(3, inner).into_bytes(), [0x1a, 3, 0x08, 0x96, 0x01]);
        assert_eq!(Message::new().float(1, 1.0).into_bytes(), [0x0d, 0, 0, 0x80, 0x3f]);
    }
}
