//! The messages of an ONNX file, as far as a count needs them; unknown fields and all payloads are left where
//! they are.
//!
//! Source of the field numbers: <https://github.com/onnx/onnx/blob/v1.19.0/onnx/onnx.proto>.

use graph::own_version;
use protobuf::{FieldValue, Malformed, MessageFields};

use super::{Dimension, ReadError, elements, readable};

mod border;
mod external;
mod graph;
mod protobuf;
mod tensor;
mod values;

pub(crate) use border::{Border, BorderTensor, border, element_type};
pub(crate) use external::{ExternalFile, ListError, external_files};
pub(crate) use graph::{OnnxAttribute, OnnxFunction, OnnxGraph, OnnxNode, is_own_domain};
pub(crate) use tensor::tensor;

/// A model.
#[derive(Debug, Default)]
pub(crate) struct OnnxModel<'a> {
    /// The main graph.
    pub(crate) graph: OnnxGraph<'a>,
    /// Operators that the file defines itself.
    pub(crate) functions: Vec<OnnxFunction<'a>>,
    /// Version of ONNX's own operators; `None` where the file does not say it.
    pub(crate) version: Option<i64>,
}

/// A constant.
#[derive(Debug, Default, Clone)]
pub(crate) struct Payload<'a> {
    pub(crate) name: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) element_type: i64,
    raw: Option<&'a [u8]>,
    /// Typed lists, in pieces as the file has them; read when somebody wants the values.
    pieces: Vec<FieldValue<'a>>,
    pub(crate) is_external: bool,
}

/// A tensor as declared.
#[derive(Debug, Default, Clone)]
pub(crate) struct DeclaredTensor {
    pub(crate) name: String,
    /// 0 for what is not a tensor.
    pub(crate) element_type: i64,
    /// `None` where the file gives no shape.
    pub(crate) shape: Option<Vec<Dimension>>,
    /// Of a sequence or an optional: what it consists of.
    pub(crate) element: Option<Box<DeclaredTensor>>,
}

fn text(value: FieldValue<'_>) -> Result<String, Malformed> {
    value.bytes().map(readable)
}

impl<'a> OnnxModel<'a> {
    /// Reads a whole file.
    ///
    /// # Errors
    /// [`ReadError::Unreadable`].
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, ReadError> {
        Self::read_model(bytes).map_err(|what| ReadError::Unreadable { format: "ONNX", what })
    }

    fn read_model(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut model = Self::default();
        let mut graph = None;
        for field in MessageFields::new(bytes) {
            let (number, value) = field?;
            match number {
                7 if graph.is_some() => return Err("it holds two graphs".to_owned()),
                7 => graph = Some(value.bytes()?),
                8 => model.version = own_version(value.bytes()?)?.or(model.version),
                25 => model.functions.push(OnnxFunction::read(value.bytes()?)?),
                _ => {}
            }
        }
        model.graph = OnnxGraph::read(graph.ok_or_else(|| "it holds no graph".to_owned())?, 1)?;
        Ok(model)
    }
}

impl<'a> Payload<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut payload = Self::default();
        let mut shape = Vec::new();
        for field in MessageFields::new(bytes) {
            let (number, value) = field?;
            match number {
                1 => value.integers(&mut shape)?,
                2 => payload.element_type = value.integer()?,
                4..=7 | 10 | 11 => payload.pieces.push(value),
                8 => payload.name = text(value)?,
                9 => payload.raw = Some(value.bytes()?),
                14 => payload.is_external = value.integer()? == 1,
                _ => {}
            }
        }
        payload.shape = whole_sizes(&shape, &payload.name)?;
        Ok(payload)
    }

    /// Sparse weights are counted as the dense ones that runtimes make of them.
    fn read_sparse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut payload = Self::default();
        let mut shape = Vec::new();
        for field in MessageFields::new(bytes) {
            match field? {
                (1, value) => payload = Self::read(value.bytes()?)?,
                (3, value) => value.integers(&mut shape)?,
                _ => {}
            }
        }
        payload.shape = whole_sizes(&shape, &payload.name)?;
        // Its values are not in their places; they must not be read as a list.
        payload.raw = None;
        payload.pieces.clear();
        payload.is_external = true;
        Ok(payload)
    }

    /// Bytes of the payload against the shape.
    ///
    /// # Errors
    /// Where the file holds more or less than the shape says.
    pub(crate) fn check(&self) -> Result<(), ReadError> {
        let wrong = |what: String| Err(ReadError::WrongTensor { tensor: self.name.clone(), what });
        let Some(elements) = elements(&self.shape) else {
            return wrong("has more elements than fit into 64 bits".to_owned());
        };
        if self.is_external {
            return Ok(());
        }
        match (self.raw, bits(self.element_type)) {
            (Some(raw), Some(bits)) => {
                let wanted = elements.checked_mul(bits).map(|bits| bits.div_ceil(8));
                if wanted != Some(raw.len() as u64) {
                    let (wanted, found) = (wanted.unwrap_or(u64::MAX), raw.len());
                    return wrong(format!(
                        "of shape {:?} needs {wanted} bytes, and the file has {found} for it",
                        self.shape
                    ));
                }
            }
            // A type that is newer than this reader, or texts.
            (_, None) if self.element_type != TEXT => {}
            (Some(_), None) => return wrong("holds texts as bytes".to_owned()),
            (None, _) => {
                let found = self.listed()?;
                // Complex numbers are stored as pairs, 4-bit numbers two in one, 2-bit numbers four.
                let wanted = match self.element_type {
                    14 | 15 => elements.checked_mul(2),
                    21..=23 => Some(elements.div_ceil(2)),
                    25 | 26 => Some(elements.div_ceil(4)),
                    _ => Some(elements),
                };
                if wanted != Some(found) {
                    return wrong(format!("of shape {:?} has {found} values in the file", self.shape));
                }
            }
        }
        Ok(())
    }

    /// How many values the typed lists hold.
    fn listed(&self) -> Result<u64, ReadError> {
        let mut count = 0;
        for piece in &self.pieces {
            count += match (piece, self.element_type) {
                (FieldValue::Bytes(bytes), 1 | 14) => bytes.len() as u64 / 4,
                (FieldValue::Bytes(bytes), 11 | 15) => bytes.len() as u64 / 8,
                // Every text is a field of its own.
                (_, 8) => 1,
                // Each number ends in a byte without the high bit.
                (FieldValue::Bytes(bytes), _) => bytes.iter().filter(|byte| **byte < 0x80).count() as u64,
                _ => 1,
            };
        }
        Ok(count)
    }
}

/// ONNX's number of the type of texts.
const TEXT: i64 = 8;

/// Lists that describe shapes have one value an axis; this leaves room for graphs that join several. Small,
/// because every node of a hostile file may hold another copy.
pub(crate) const MOST_VALUES: u64 = 256;

fn whole_sizes(sizes: &[i64], name: &str) -> Result<Vec<u64>, Malformed> {
    sizes
        .iter()
        .map(|size| u64::try_from(*size).map_err(|_| format!("tensor `{name}` has the dimension {size}")))
        .collect()
}

/// Bits of an element, by ONNX's number of the type; `None` for texts and types newer than this reader.
pub(crate) fn bits(element_type: i64) -> Option<u64> {
    Some(match element_type {
        2 | 3 | 9 | 17..=20 | 24 => 8,
        4 | 5 | 10 | 16 => 16,
        1 | 6 | 12 => 32,
        7 | 11 | 13 | 14 => 64,
        15 => 128,
        21..=23 => 4,
        25 | 26 => 2,
        _ => return None,
    })
}

impl DeclaredTensor {
    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut declared = Self::default();
        for field in MessageFields::new(bytes) {
            match field? {
                (1, value) => declared.name = text(value)?,
                (2, value) => declared.read_type(value.bytes()?, 0)?,
                _ => {}
            }
        }
        Ok(declared)
    }

    /// A type inside as many others.
    fn read_type(&mut self, bytes: &[u8], depth: usize) -> Result<(), Malformed> {
        for field in MessageFields::new(bytes) {
            match field? {
                // Sparse tensors are counted as dense ones.
                (1 | 8, value) => self.read_tensor(value.bytes()?)?,
                // An optional sequence of tensors is all that there is.
                (4 | 9, value) if depth < 2 => {
                    for field in MessageFields::new(value.bytes()?) {
                        if let (1, value) = field? {
                            let mut element = Self::default();
                            element.read_type(value.bytes()?, depth + 1)?;
                            self.element = Some(Box::new(element));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_tensor(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        for field in MessageFields::new(bytes) {
            match field? {
                (1, value) => self.element_type = value.integer()?,
                (2, value) => {
                    let mut shape = Vec::new();
                    for field in MessageFields::new(value.bytes()?) {
                        if let (1, value) = field? {
                            shape.push(dimension(value.bytes()?)?);
                        }
                    }
                    self.shape = Some(shape);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Exporters write −1 and 0 for open dimensions too.
fn dimension(bytes: &[u8]) -> Result<Dimension, Malformed> {
    let mut dimension = Dimension::Open(None);
    for field in MessageFields::new(bytes) {
        match field? {
            (1, value) => {
                dimension = match u64::try_from(value.integer()?) {
                    Ok(number) if number > 0 => Dimension::Fixed(number),
                    _ => Dimension::Open(None),
                };
            }
            (2, value) => dimension = Dimension::Open(Some(text(value)?).filter(|name| !name.is_empty())),
            _ => {}
        }
    }
    Ok(dimension)
}
