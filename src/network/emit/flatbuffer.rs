//! FlatBuffers, the writing half, front to back: tables first, then whatever is too large to hold, by its
//! length alone.
//!
//! No crate for this: those write back to front, so that everything must be held in memory before the first
//! byte is out.
//!
//! Source: <https://flatbuffers.dev/internals/>

/// A table: fields by their slot in the schema.
#[derive(Debug, Default)]
pub(in crate::network) struct Table {
    fields: Vec<(u16, Field)>,
}

#[derive(Debug)]
enum Field {
    Byte(u8),
    Word(u32),
    Reference(Node),
}

/// What a field may refer to.
#[derive(Debug)]
enum Node {
    Table(Table),
    Tables(Vec<Table>),
    Text(String),
    Vector {
        count: u32,
        bytes: Vec<u8>,
        alignment: usize,
    },
    /// So many bytes, which the caller writes after everything else. The index says which.
    Later {
        index: usize,
        length: u64,
    },
}

impl Table {
    pub(in crate::network) fn new() -> Self {
        Self::default()
    }

    pub(in crate::network) fn byte(self, slot: u16, value: u8) -> Self {
        self.with(slot, Field::Byte(value))
    }

    pub(in crate::network) fn word(self, slot: u16, value: u32) -> Self {
        self.with(slot, Field::Word(value))
    }

    pub(in crate::network) fn table(self, slot: u16, table: Self) -> Self {
        self.with(slot, Field::Reference(Node::Table(table)))
    }

    pub(in crate::network) fn tables(self, slot: u16, tables: Vec<Self>) -> Self {
        self.with(slot, Field::Reference(Node::Tables(tables)))
    }

    pub(in crate::network) fn text(self, slot: u16, text: &str) -> Self {
        self.with(slot, Field::Reference(Node::Text(text.to_owned())))
    }

    pub(in crate::network) fn words(self, slot: u16, words: &[u32]) -> Self {
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.vector(slot, words.len(), bytes, 4)
    }

    pub(in crate::network) fn floats(self, slot: u16, floats: &[f32]) -> Self {
        self.vector(slot, floats.len(), super::float_bytes(floats), 4)
    }

    pub(in crate::network) fn long_zeros(self, slot: u16, count: usize) -> Self {
        self.vector(slot, count, vec![0; 8 * count], 8)
    }

    /// Bytes that begin at a multiple of `alignment`.
    pub(in crate::network) fn bytes(self, slot: u16, bytes: Vec<u8>, alignment: usize) -> Self {
        self.vector(slot, bytes.len(), bytes, alignment)
    }

    /// Bytes that the caller writes after everything else.
    pub(in crate::network) fn later(self, slot: u16, index: usize, length: u64) -> Self {
        self.with(slot, Field::Reference(Node::Later { index, length }))
    }

    fn vector(self, slot: u16, count: usize, bytes: Vec<u8>, alignment: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.with(slot, Field::Reference(Node::Vector { count, bytes, alignment }))
    }

    fn with(mut self, slot: u16, field: Field) -> Self {
        self.fields.push((slot, field));
        self
    }
}

/// What was laid out: bytes, and what belongs between them.
#[derive(Debug)]
pub(in crate::network) struct Laid {
    /// Everything that is held: tables, names, short vectors.
    pub(in crate::network) head: Vec<u8>,
    /// What follows: the bytes before it (padding and length) and its index.
    pub(in crate::network) later: Vec<(Vec<u8>, usize)>,
}

/// Lay out a file whose root is `root`. Every `later` vector begins at a multiple of `alignment`.
pub(in crate::network) fn lay_out(root: Table, identifier: [u8; 4], alignment: usize) -> Laid {
    let mut layout = Layout { bytes: vec![0; 4], later: Vec::new() };
    layout.bytes.extend(identifier);
    let position = layout.table(root);
    layout.refer(0, position as u64);
    let Layout { mut bytes, later } = layout;
    let mut end = bytes.len() as u64;
    let mut followers = Vec::new();
    for Waiting { reference, index, length } in later {
        let padding = padding_before(end + 4, alignment as u64);
        let position = end + padding;
        write_word(&mut bytes, reference, position - reference as u64);
        let mut opening = vec![0; padding as usize];
        opening.extend((length as u32).to_le_bytes());
        followers.push((opening, index));
        end = position + 4 + length;
    }
    Laid { head: bytes, later: followers }
}

struct Layout {
    bytes: Vec<u8>,
    later: Vec<Waiting>,
}

struct Waiting {
    /// Where the reference to it stands.
    reference: usize,
    index: usize,
    length: u64,
}

impl Layout {
    /// Write a table with all that it refers to; says where it stands.
    fn table(&mut self, mut table: Table) -> usize {
        const SIGNED_OFFSET: usize = 4;
        // Words before bytes, so that nothing needs padding.
        table.fields.sort_by_key(|(_, field)| matches!(field, Field::Byte(_)));
        let slots = table.fields.iter().map(|(slot, _)| usize::from(*slot) + 1).max().unwrap_or(0);
        let mut offsets = vec![0_u16; slots];
        let mut size = SIGNED_OFFSET as u16;
        for (slot, field) in &table.fields {
            offsets[usize::from(*slot)] = size;
            size += if matches!(field, Field::Byte(_)) { 1 } else { 4 };
        }
        let vtable_size = 4 + 2 * slots;
        self.pad(self.bytes.len() + vtable_size, 4);
        let vtable = self.bytes.len();
        self.bytes.extend((vtable_size as u16).to_le_bytes());
        self.bytes.extend(size.to_le_bytes());
        self.bytes.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        let start = self.bytes.len();
        self.bytes.extend(((start - vtable) as u32).to_le_bytes());
        let mut references = Vec::new();
        for (_, field) in table.fields {
            match field {
                Field::Byte(value) => self.bytes.push(value),
                Field::Word(value) => self.bytes.extend(value.to_le_bytes()),
                Field::Reference(node) => {
                    references.push((self.bytes.len(), node));
                    self.bytes.extend([0; 4]);
                }
            }
        }
        for (reference, node) in references {
            self.node(reference, node);
        }
        start
    }

    fn node(&mut self, reference: usize, node: Node) {
        let position = match node {
            Node::Table(table) => self.table(table),
            Node::Tables(tables) => self.tables(tables),
            Node::Text(text) => {
                let mut bytes = text.into_bytes();
                let count = bytes.len() as u32;
                // Texts end in a zero that their length does not count.
                bytes.push(0);
                self.vector(count, &bytes, 4)
            }
            Node::Vector { count, bytes, alignment } => self.vector(count, &bytes, alignment),
            Node::Later { index, length } => return self.later.push(Waiting { reference, index, length }),
        };
        self.refer(reference, position as u64);
    }

    fn tables(&mut self, tables: Vec<Table>) -> usize {
        let places = vec![0; 4 * tables.len()];
        let position = self.vector(tables.len() as u32, &places, 4);
        for (index, table) in tables.into_iter().enumerate() {
            let reference = position + 4 + 4 * index;
            let target = self.table(table);
            self.refer(reference, target as u64);
        }
        position
    }

    fn vector(&mut self, count: u32, bytes: &[u8], alignment: usize) -> usize {
        self.pad(self.bytes.len() + 4, alignment.max(4));
        let position = self.bytes.len();
        self.bytes.extend(count.to_le_bytes());
        self.bytes.extend(bytes);
        position
    }

    /// Pad so that what would have begun at `position` begins at a multiple of `alignment`.
    fn pad(&mut self, position: usize, alignment: usize) {
        let padding = padding_before(position as u64, alignment as u64) as usize;
        self.bytes.resize(self.bytes.len() + padding, 0);
    }

    fn refer(&mut self, reference: usize, target: u64) {
        write_word(&mut self.bytes, reference, target - reference as u64);
    }
}

fn padding_before(position: u64, alignment: u64) -> u64 {
    position.next_multiple_of(alignment) - position
}

/// Files larger than 32 bits can count are refused by their length before anybody writes them.
fn write_word(bytes: &mut [u8], position: usize, value: u64) {
    bytes[position..position + 4].copy_from_slice(&(value as u32).to_le_bytes());
}
