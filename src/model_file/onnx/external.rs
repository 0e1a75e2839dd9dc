//! Which further files an ONNX file refers to, and how long each must be at least.
//!
//! A tensor whose `data_location` is external says in `external_data` in which file its numbers are
//! (`location`, relative to the model's folder), from which byte (`offset`) and how many bytes (`length`).
//! Tensors are initializers and attributes, also in subgraphs, in local functions and in training graphs.
//!
//! The file is read in small pieces, and payloads are skipped: a model of 2 GB takes some kilobytes. What a
//! location says is handed on as it is written; whether it may be trusted is decided elsewhere.
//!
//! Sources: <https://onnx.ai/onnx/repo-docs/ExternalData.html>,
//! <https://github.com/onnx/onnx/blob/v1.19.0/onnx/onnx.proto>.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read, Seek, SeekFrom};

use super::bits;
use crate::model_file::{ReadError, elements, readable};

/// Bytes read at once: most messages that hold no payload fit, and little more than that is read.
const WINDOW_BYTES: usize = 4096;

/// Messages within messages, as deep as protocol buffers read them by default.
const DEEPEST: usize = 100;

/// Longest text that is kept; a file name has 255 bytes at most.
const LONGEST_TEXT_BYTES: u64 = 4096;

/// More files than any exporter writes: one for each tensor of a large transformer.
const MOST_FILES: usize = 10_000;

/// More fields than any model has outside of its payloads: a file of a million small ones does not hold up
/// the daemon.
const MOST_FIELDS: u64 = 10_000_000;

/// Value of `data_location` for a tensor in another file.
const EXTERNAL: u64 = 1;

/// A file that a model refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExternalFile {
    /// As the model names it.
    pub(crate) location: String,
    /// Where the last of its tensors ends: the file has at least so many bytes.
    pub(crate) least_bytes: u64,
    /// The name of that tensor.
    pub(crate) tensor: String,
}

/// Why the files cannot be listed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// What the file says cannot be understood.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The files that the model in `source` refers to, sorted by location.
///
/// # Errors
/// The source is unreadable or is not an ONNX file, or a tensor says something impossible.
pub(crate) fn external_files(source: impl Read + Seek) -> Result<Vec<ExternalFile>, ListError> {
    let mut scan = Scan::of(source)?;
    let mut found: BTreeMap<String, ExternalFile> = BTreeMap::new();
    let end = scan.end;
    scan.message(Holder::Model, end, 0, &mut |file| {
        let known = found.get(&file.location).map(|known| known.least_bytes);
        if known.is_none() && found.len() >= MOST_FILES {
            return Err(unreadable(format!("it refers to more than {MOST_FILES} files")));
        }
        if known.is_none_or(|least_bytes| least_bytes < file.least_bytes) {
            found.insert(file.location.clone(), file);
        }
        Ok(())
    })?;
    Ok(found.into_values().collect())
}

fn unreadable(what: impl Into<String>) -> ListError {
    ReadError::Unreadable { format: "ONNX", what: what.into() }.into()
}

/// A message that may hold tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Model,
    Graph,
    Node,
    Attribute,
    Function,
    Training,
    Sparse,
    Tensor,
}

impl Holder {
    /// The message in this field, if it may hold tensors.
    fn field(self, number: u64) -> Option<Self> {
        Some(match (self, number) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::Sparse, 1 | 2) => Self::Tensor,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::Sparse,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            _ => return None,
        })
    }
}

/// What a tensor says, as far as it matters here.
#[derive(Debug, Default)]
struct TensorWords {
    name: String,
    element_type: u64,
    shape: Vec<u64>,
    is_external: bool,
    entries: Vec<(String, String)>,
}

/// A field's value: a number, or the end of what is in it.
enum Content {
    Number(u64),
    Until(u64),
    Other,
}

type Visit<'a> = &'a mut dyn FnMut(ExternalFile) -> Result<(), ListError>;

/// A file, read from its begin to its end.
struct Scan<S> {
    source: BufReader<S>,
    at: u64,
    end: u64,
    fields: u64,
}

impl<S: Read + Seek> Scan<S> {
    fn of(mut source: S) -> io::Result<Self> {
        let end = source.seek(SeekFrom::End(0))?;
        source.seek(SeekFrom::Start(0))?;
        Ok(Self { source: BufReader::with_capacity(WINDOW_BYTES, source), at: 0, end, fields: 0 })
    }

    /// Everything up to `end` is a message of this kind.
    fn message(&mut self, kind: Holder, end: u64, depth: usize, visit: Visit<'_>) -> Result<(), ListError> {
        if depth > DEEPEST {
            return Err(unreadable(format!("it is nested deeper than {DEEPEST} messages")));
        }
        if kind == Holder::Tensor {
            return self.tensor(end)?.file()?.map_or(Ok(()), visit);
        }
        while self.at < end {
            let (number, field) = self.field(end)?;
            if let Content::Until(stop) = field {
                match kind.field(number) {
                    Some(inner) => self.message(inner, stop, depth + 1, visit)?,
                    None => self.skip_to(stop)?,
                }
            }
        }
        Ok(())
    }

    fn tensor(&mut self, end: u64) -> Result<TensorWords, ListError> {
        let mut tensor = TensorWords::default();
        while self.at < end {
            match self.field(end)? {
                (1, Content::Number(size)) => tensor.shape.push(size),
                (1, Content::Until(stop)) => {
                    while self.at < stop {
                        let size = self.varint(stop)?;
                        tensor.shape.push(size);
                    }
                }
                (2, Content::Number(number)) => tensor.element_type = number,
                (8, Content::Until(stop)) => tensor.name = self.text(stop)?,
                (13, Content::Until(stop)) => {
                    let entry = self.entry(stop)?;
                    tensor.entries.push(entry);
                }
                (14, Content::Number(number)) => tensor.is_external = number == EXTERNAL,
                (_, Content::Until(stop)) => self.skip_to(stop)?,
                _ => {}
            }
        }
        Ok(tensor)
    }

    /// A key and its value.
    fn entry(&mut self, end: u64) -> Result<(String, String), ListError> {
        let mut entry = (String::new(), String::new());
        while self.at < end {
            match self.field(end)? {
                (1, Content::Until(stop)) => entry.0 = self.text(stop)?,
                (2, Content::Until(stop)) => entry.1 = self.text(stop)?,
                (_, Content::Until(stop)) => self.skip_to(stop)?,
                _ => {}
            }
        }
        Ok(entry)
    }

    fn field(&mut self, end: u64) -> Result<(u64, Content), ListError> {
        self.fields += 1;
        if self.fields > MOST_FIELDS {
            return Err(unreadable(format!("it has more than {MOST_FIELDS} fields")));
        }
        let tag = self.varint(end)?;
        let field = match tag & 7 {
            0 => Content::Number(self.varint(end)?),
            1 => self.skip(8, end)?,
            2 => {
                let length = self.varint(end)?;
                Content::Until(self.after(length, end)?)
            }
            5 => self.skip(4, end)?,
            kind => return Err(unreadable(format!("a field is of the unknown wire type {kind}"))),
        };
        Ok((tag >> 3, field))
    }

    fn skip(&mut self, bytes: u64, end: u64) -> Result<Content, ListError> {
        let stop = self.after(bytes, end)?;
        self.skip_to(stop)?;
        Ok(Content::Other)
    }

    /// The place after so many bytes, which must be there.
    fn after(&self, length: u64, end: u64) -> Result<u64, ListError> {
        let stop = self.at.checked_add(length).filter(|stop| *stop <= end);
        stop.ok_or_else(|| {
            unreadable(format!("a field of {length} bytes begins where {} are left", end - self.at))
        })
    }

    fn skip_to(&mut self, stop: u64) -> Result<(), ListError> {
        let distance = i64::try_from(stop - self.at).map_err(io::Error::other)?;
        self.source.seek_relative(distance)?;
        self.at = stop;
        Ok(())
    }

    fn varint(&mut self, end: u64) -> Result<u64, ListError> {
        let mut number = 0_u64;
        for place in 0..10_u32 {
            if self.at >= end {
                break;
            }
            let Some(byte) = self.source.fill_buf()?.first().copied() else { break };
            self.source.consume(1);
            self.at += 1;
            number |= u64::from(byte & 0x7f).checked_shl(7 * place).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(unreadable("it ends within a number"))
    }

    fn text(&mut self, stop: u64) -> Result<String, ListError> {
        let mut bytes = Vec::new();
        let length = (stop - self.at).min(LONGEST_TEXT_BYTES);
        let read = self.source.by_ref().take(length).read_to_end(&mut bytes)? as u64;
        self.at += read;
        if read < length {
            return Err(unreadable("it ends within a text"));
        }
        self.skip_to(stop)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl TensorWords {
    /// The file with the tensor's numbers, if they are in another one.
    fn file(self) -> Result<Option<ExternalFile>, ListError> {
        if !self.is_external {
            return Ok(None);
        }
        let tensor = readable(self.name.as_bytes());
        let wrong = |what: String| ListError::from(ReadError::WrongTensor { tensor: tensor.clone(), what });
        // Of a key that occurs twice the last counts, as in every map of protocol buffers.
        let entry =
            |key: &str| self.entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value);
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => match text.trim().parse::<u64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(wrong(format!(
                    "is in another file, and its {key} there is `{}`",
                    readable(text.as_bytes())
                ))),
            },
        };
        let location = entry("location").filter(|location| !location.is_empty());
        let location =
            location.ok_or_else(|| wrong("is in another file, which it does not name".to_owned()))?;
        let length = match number("length")? {
            Some(length) => length,
            None => self.least_bytes().unwrap_or(0),
        };
        let least_bytes = number("offset")?.unwrap_or(0).checked_add(length);
        let least_bytes = least_bytes.ok_or_else(|| wrong("ends beyond any file".to_owned()))?;
        Ok(Some(ExternalFile { location: location.clone(), least_bytes, tensor }))
    }

    /// What its shape and type take.
    fn least_bytes(&self) -> Option<u64> {
        let bits = bits(i64::try_from(self.element_type).ok()?)?;
        Some(elements(&self.shape)?.checked_mul(bits)?.div_ceil(8))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A field that holds bytes.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        [bytes, content.to_vec()].concat()
    }

    /// As [`field`], for field numbers that take two bytes.
    fn late_field(number: u16, content: &[u8]) -> Vec<u8> {
        let tag = number << 3 | 2;
        let mut bytes = field(0, content);
        bytes.splice(0..1, [tag as u8 | 0x80, (tag >> 7) as u8]);
        bytes
    }

    fn tensor(name: &str, entries: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = [vec![1 << 3, 2, 1 << 3, 3, 2 << 3, 1], field(8, name.as_bytes())].concat();
        for (key, value) in entries {
            bytes.extend(field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat()));
        }
        [bytes, vec![14 << 3, 1]].concat()
    }

    fn initializer(tensor: &[u8]) -> Vec<u8> {
        field(7, &field(5, tensor))
    }

    fn listed(bytes: Vec<u8>) -> Vec<(String, u64)> {
        let files = external_files(Cursor::new(bytes)).unwrap();
        files.into_iter().map(|file| (file.location, file.least_bytes)).collect()
    }

    fn refused(bytes: Vec<u8>) -> String {
        external_files(Cursor::new(bytes)).unwrap_err().to_string()
    }

    #[test]
    fn every_place_of_a_tensor_is_looked_at() {
        let at = |location: &str| tensor("w", &[("location", location), ("offset", "8"), ("length", "24")]);
        let node = |attribute: Vec<u8>| field(1, &field(5, &attribute));
        let graph = [
            field(5, &at("initializer")),
            node(field(5, &at("attribute"))),
            node(field(10, &at("attributes"))),
            // A branch of an If within a branch of another.
            node(field(6, &node(field(6, &field(5, &at("subgraph")))))),
            node(late_field(22, &field(1, &at("sparse")))),
            late_field(15, &[field(1, &at("values")), field(2, &at("indices"))].concat()),
        ];
        let function = field(7, &field(5, &field(5, &at("function"))));
        let model = [
            field(7, &graph.concat()),
            late_field(25, &function),
            late_field(20, &field(1, &field(5, &at("training")))),
        ];
        let names: Vec<String> = listed(model.concat()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "attribute",
                "attributes",
                "function",
                "indices",
                "initializer",
                "sparse",
                "subgraph",
                "training",
                "values"
            ]
        );
    }

    #[test]
    fn a_file_is_as_long_as_its_last_tensor_says() {
        let graph = [
            field(5, &tensor("a", &[("location", "w"), ("offset", "4096"), ("length", "24")])),
            // Without a length, shape and type say it: 2 × 3 floats.
            field(5, &tensor("b", &[("location", "w"), ("offset", "100")])),
            field(5, &tensor("c", &[("location", "v"), ("offset", "100")])),
        ];
        let bytes = field(7, &graph.concat());
        assert_eq!(listed(bytes), [("v".to_owned(), 124), ("w".to_owned(), 4120)]);
    }

    #[test]
    fn tensors_in_the_file_itself_and_payloads_are_passed_over() {
        let mut inner = [field(9, &[0xff; 100_000]), tensor("w", &[("location", "x")])].concat();
        let last = inner.len() - 1;
        inner[last] = 0;
        assert_eq!(listed(initializer(&inner)), []);
    }

    #[test]
    fn nonsense_is_refused_with_the_tensor_that_says_it() {
        insta::assert_snapshot!(refused(initializer(&tensor("w", &[]))), @"tensor `w` is in another file, which it does not name");
        insta::assert_snapshot!(refused(initializer(&tensor("w", &[("location", "x"), ("offset", "-1")]))), @"tensor `w` is in another file, and its offset there is `-1`");
        insta::assert_snapshot!(refused(initializer(&tensor("w", &[("location", "x"), ("offset", "18446744073709551615"), ("length", "1")]))), @"tensor `w` ends beyond any file");
        insta::assert_snapshot!(refused(b"\x3a\x7fshort".to_vec()), @"the file is not a whole ONNX model: a field of 127 bytes begins where 5 are left");
        let mut deep = Vec::new();
        for _ in 0..80 {
            deep = field(1, &field(5, &field(6, &deep)));
        }
        insta::assert_snapshot!(refused(field(7, &deep)), @"the file is not a whole ONNX model: it is nested deeper than 100 messages");
    }
}
