//! Thrift's compact protocol, as far as the headers and the footer of a Parquet file need it.
//!
//! Fields must be written in ascending order of their numbers. Nothing is read.

/// Types of fields and list elements, as the protocol numbers them.
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Ends a struct.
const STOP: u8 = 0;

/// Lists of fewer elements have their length in the first byte.
const SHORT_LIST: usize = 15;

/// A struct being written; [`Struct::end`] gives its bytes.
#[derive(Debug, Default)]
pub(super) struct Struct {
    bytes: Vec<u8>,
    last_field: u8,
}

impl Struct {
    pub(super) fn i32(self, field: u8, value: i32) -> Self {
        self.field(field, I32, &varint(zigzag(value.into())))
    }

    pub(super) fn i64(self, field: u8, value: i64) -> Self {
        self.field(field, I64, &varint(zigzag(value)))
    }

    pub(super) fn text(self, field: u8, text: &str) -> Self {
        self.field(field, BINARY, &binary(text))
    }

    pub(super) fn structure(self, field: u8, structure: Self) -> Self {
        self.field(field, STRUCT, &structure.end())
    }

    pub(super) fn i32s(self, field: u8, values: &[i32]) -> Self {
        let elements = values.iter().map(|&value| varint(zigzag(value.into()))).collect();
        self.list(field, I32, elements)
    }

    pub(super) fn texts(self, field: u8, texts: &[&str]) -> Self {
        self.list(field, BINARY, texts.iter().map(|text| binary(text)).collect())
    }

    pub(super) fn structures(self, field: u8, structures: Vec<Self>) -> Self {
        self.list(field, STRUCT, structures.into_iter().map(Self::end).collect())
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.bytes.push(STOP);
        self.bytes
    }

    fn list(self, field: u8, kind: u8, elements: Vec<Vec<u8>>) -> Self {
        let mut payload = if elements.len() < SHORT_LIST {
            vec![(elements.len() as u8) << 4 | kind]
        } else {
            let mut long = vec![0xf0 | kind];
            long.extend(varint(elements.len() as u64));
            long
        };
        payload.extend(elements.concat());
        self.field(field, LIST, &payload)
    }

    fn field(mut self, field: u8, kind: u8, payload: &[u8]) -> Self {
        self.bytes.push((field - self.last_field) << 4 | kind);
        self.bytes.extend_from_slice(payload);
        self.last_field = field;
        self
    }
}

/// Seven bits a byte, the lowest first.
pub(super) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn binary(text: &str) -> Vec<u8> {
    [varint(text.len() as u64), text.as_bytes().to_vec()].concat()
}
