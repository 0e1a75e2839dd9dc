//! A checked reader of the parts of a `.tflite` file that a measurement needs.
//!
//! The C library trusts the offsets in a file and offers no check, so a truncated or corrupt file crashes it.
//! This reader walks the tables that the interpreter will follow (graph, tensors, operators, buffers),
//! refuses offsets and indices that lead out of the file, and reports what the C interface hides: which input
//! dimensions are open. It does not check what operators mean.
//!
//! Sources: the FlatBuffers binary format, <https://flatbuffers.dev/internals/>, and the field numbers of
//! TensorFlow Lite's schema 3,
//! <https://github.com/tensorflow/tensorflow/blob/v2.17.1/tensorflow/compiler/mlir/lite/schema/schema.fbs>.

use super::Dimension;
use super::flatbuffer::{File, FlatTable};

pub(crate) mod graph;
pub(crate) mod operators;

const IDENTIFIER: &[u8] = b"TFL3";

/// The version of the schema, field 0 of the model.
const SCHEMA_VERSION: u32 = 3;

/// What the file says about its first graph, the one that an interpreter runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TfliteFile {
    /// Inputs in the interpreter's order.
    pub inputs: Vec<TfliteTensor>,
    /// Outputs in the interpreter's order.
    pub outputs: Vec<TfliteTensor>,
    /// Names of the operators that are not TensorFlow Lite's own, in any graph.
    pub custom_operators: Vec<String>,
}

/// A tensor as the file declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TfliteTensor {
    /// Its name; empty if the file gives none.
    pub name: String,
    /// Element type as in bundles; a number for a type newer than this reader.
    pub element_type: String,
    /// Shape, usually NHWC.
    pub shape: Vec<Dimension>,
    /// What its elements stand for, if it has one scale and one zero point for all.
    pub quantization: Option<TfliteQuantization>,
}

/// An element stands for `scale` × (element − `zero_point`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TfliteQuantization {
    /// Finite, and greater than 0.
    pub scale: f32,
    /// The element that stands for 0.
    pub zero_point: i64,
}

/// Scales are no NaNs.
impl Eq for TfliteQuantization {}

impl TfliteTensor {
    /// Does the file leave any of its dimensions open?
    pub fn is_open(&self) -> bool {
        self.shape.iter().any(Dimension::is_open)
    }
}

/// Does the head of a file (8 bytes or more) have the format's identifier?
pub(crate) fn has_identifier(head: &[u8]) -> bool {
    head.get(4..8) == Some(IDENTIFIER)
}

/// Read a file.
///
/// # Errors
/// What is wrong with it, as a clause: `the file ends …`, `tensor 3 …`.
pub fn read(bytes: &[u8]) -> Result<TfliteFile, String> {
    if !has_identifier(bytes) {
        return Err("the file lacks the identifier TFL3".to_owned());
    }
    let model = File::new(bytes).root()?;
    let version = model.number(0)?;
    if version != SCHEMA_VERSION {
        return Err(format!(
            "the file has schema version {version}, but only version {SCHEMA_VERSION} is known"
        ));
    }
    let buffers = model.tables(4)?;
    for buffer in &buffers {
        buffer.bytes(0)?;
        buffer.outside_bytes()?;
    }
    let codes = model.tables(1)?;
    let graphs = model.tables(2)?;
    let mut budget = Budget { left: bytes.len().saturating_mul(MOST_SHARING) };
    let mut custom_operators = Vec::new();
    for code in &codes {
        let name = code.bytes(1)?;
        budget.spend(name.len())?;
        if !name.is_empty() {
            custom_operators.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    let mut first = None;
    for graph in &graphs {
        let checked = check_graph(graph, buffers.len(), codes.len(), &mut budget)?;
        first.get_or_insert(checked);
    }
    let first: Option<TfliteFile> = first;
    first
        .map(|graph| TfliteFile { custom_operators, ..graph })
        .ok_or_else(|| "the file contains no graph".to_owned())
}

/// How often the parts of a file may be read on average. Writers let some tables share a text or a list; in a
/// hostile file every table could share one that is as long as the file.
const MOST_SHARING: usize = 8;

/// Elements that may still be read.
struct Budget {
    left: usize,
}

impl Budget {
    fn spend(&mut self, elements: usize) -> Result<(), String> {
        let left = self.left.checked_sub(elements);
        self.left = left.ok_or_else(|| "its tables share more than any writer produces".to_owned())?;
        Ok(())
    }
}

fn check_graph(
    graph: &FlatTable<'_>,
    buffers: usize,
    codes: usize,
    budget: &mut Budget,
) -> Result<TfliteFile, String> {
    let tables = graph.tables(0)?;
    let operators = graph.tables(3)?;
    budget.spend(tables.len() + operators.len())?;
    let mut tensors = Vec::with_capacity(tables.len());
    for (number, table) in tables.iter().enumerate() {
        if table.number(2)? as usize >= buffers {
            return Err(format!("tensor {number} refers to a buffer that is not in the file"));
        }
        tensors.push(tensor(table, budget)?);
    }
    for (number, operator) in operators.iter().enumerate() {
        if operator.number(0)? as usize >= codes {
            return Err(format!("operator {number} has a kind that is not in the file"));
        }
        for field in [1, 2] {
            let indices = operator.integers(field)?;
            budget.spend(indices.len())?;
            for index in indices {
                // −1 stands for an optional tensor that is missing.
                if index != -1 && usize::try_from(index).map_or(true, |index| index >= tensors.len()) {
                    return Err(format!("operator {number} refers to a tensor that is not in the file"));
                }
            }
        }
        operator.table(4)?;
        operator.table(12)?;
        operator.bytes(5)?;
    }
    let named = |field| -> Result<Vec<TfliteTensor>, String> {
        graph
            .integers(field)?
            .into_iter()
            .map(|index| {
                let tensor = usize::try_from(index).ok().and_then(|index| tensors.get(index));
                tensor.cloned().ok_or_else(|| {
                    "the inputs or outputs refer to a tensor that is not in the file".to_owned()
                })
            })
            .collect()
    };
    Ok(TfliteFile { inputs: named(1)?, outputs: named(2)?, custom_operators: Vec::new() })
}

fn tensor(table: &FlatTable<'_>, budget: &mut Budget) -> Result<TfliteTensor, String> {
    let name = table.bytes(3)?;
    let shape = table.integers(0)?;
    budget.spend(shape.len() + name.len())?;
    let signature = table.integers(7)?;
    let mut quantization = None;
    if let Some(told) = table.table(4)? {
        // Lists of 4 and 8 bytes an element: least, greatest, scale, zero point.
        for (field, size) in [(0, 4), (1, 4), (2, 4), (3, 8)] {
            told.vector(field, size)?;
        }
        let scale = told.only_float(2)?.filter(|scale| scale.is_finite() && *scale > 0.0);
        quantization =
            scale.zip(told.only_long(3)?).map(|(scale, zero_point)| TfliteQuantization { scale, zero_point });
    }
    // The signature, if there is one, marks open dimensions by −1; the shape then has a placeholder.
    let marked = if signature.len() == shape.len() { &signature } else { &shape };
    let shape = marked
        .iter()
        .map(|size| u64::try_from(*size).map_or(Dimension::Open(None), Dimension::Fixed))
        .collect();
    Ok(TfliteTensor {
        name: String::from_utf8_lossy(name).into_owned(),
        element_type: element_type(table.byte(1)?),
        shape,
        quantization,
    })
}

/// Names of the schema's `TensorType`, by number.
const ELEMENT_TYPES: &[&str] = &[
    "float32",
    "float16",
    "int32",
    "uint8",
    "int64",
    "string",
    "bool",
    "int16",
    "complex64",
    "int8",
    "float64",
    "complex128",
    "uint64",
    "resource",
    "variant",
    "uint32",
    "uint16",
    "int4",
    "bfloat16",
    "int2",
    "uint4",
    "float8e4m3fn",
    "float8e5m2",
];

fn element_type(number: u8) -> String {
    ELEMENT_TYPES.get(usize::from(number)).map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(name: &str) -> Vec<u8> {
        fs_err::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
    }

    #[test]
    fn names_types_and_shapes_are_read() {
        let read = read(&example("inbox-examples/tiny-cnn-int8.tflite")).unwrap();
        let fixed = |shape: &[u64]| shape.iter().copied().map(Dimension::Fixed).collect::<Vec<_>>();
        let tensor = |name: &str, shape: &[u64], scale: f32| TfliteTensor {
            name: name.to_owned(),
            element_type: "int8".to_owned(),
            shape: fixed(shape),
            quantization: Some(TfliteQuantization { scale, zero_point: 0 }),
        };
        assert_eq!(read.inputs, [tensor("image", &[1, 192, 192, 3], 0.007_812_5)]);
        assert_eq!(read.outputs, [tensor("logits", &[1, 10], 0.125)]);
    }

    #[test]
    fn open_dimensions_come_from_the_signature() {
        let read = read(&example("tests/models/dynamic.tflite")).unwrap();
        let open = Dimension::Open(None);
        assert_eq!(read.inputs[0].shape, [Dimension::Fixed(1), open.clone(), open, Dimension::Fixed(3)]);
    }

    #[test]
    fn every_truncation_is_refused_and_none_panics() {
        let whole = example("tests/models/dynamic.tflite");
        assert!(read(&whole).is_ok());
        for length in 0..whole.len() {
            // The last bytes of a file may be padding that nothing refers to.
            assert!(
                read(&whole[..length]).is_err() || whole.len() - length < 16,
                "{length} bytes are accepted"
            );
        }
    }

    #[test]
    fn truncated_weights_are_refused() {
        let whole = example("inbox-examples/tiny-cnn-int8.tflite");
        let message = read(&whole[..whole.len() / 2]).unwrap_err();
        assert!(message.contains("truncated"), "{message}");
    }

    #[test]
    fn flipped_bytes_never_panic() {
        let whole = example("tests/models/dynamic.tflite");
        for place in 0..whole.len() {
            for value in [0x00, 0x7f, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[place] = value;
                // Either answer is right: many bytes are weights. That it returns is what is tested.
                let _ = read(&changed);
            }
        }
    }
}
