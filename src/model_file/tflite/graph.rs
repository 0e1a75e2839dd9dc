//! Tensors and operators of a `.tflite` file, as far as a count needs them.
//!
//! `model_file::tflite` has checked the offsets and indices before this looks again; what it does not know
//! are constants, options and what the tensors' sizes mean.
//!
//! Source of the field numbers:
//! <https://github.com/tensorflow/tensorflow/blob/v2.17.1/tensorflow/compiler/mlir/lite/schema/schema.fbs>.

use crate::model_file::flatbuffer::{File, FlatTable};
use crate::model_file::{ReadError, elements, readable, tflite};

/// The first graph.
pub(crate) struct TfliteGraph<'a> {
    pub(crate) tensors: Vec<GraphTensor<'a>>,
    pub(crate) operators: Vec<TfliteOperator<'a>>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
}

/// A tensor as the file has it.
pub(crate) struct GraphTensor<'a> {
    pub(crate) name: String,
    pub(crate) shape: Vec<u64>,
    /// The same with open dimensions.
    pub(crate) signature: Vec<Option<u64>>,
    pub(crate) bits: u64,
    pub(crate) is_int32: bool,
    pub(crate) is_variable: bool,
    /// Its bytes, where it is a constant that lies within the tables.
    pub(crate) payload: &'a [u8],
    pub(crate) is_constant: bool,
}

/// An operator.
pub(crate) struct TfliteOperator<'a> {
    /// Number of the builtin operator.
    pub(crate) code: u32,
    /// What a custom operator is called.
    pub(crate) custom: String,
    /// Optional ones that are left out are `None`.
    pub(crate) inputs: Vec<Option<usize>>,
    pub(crate) outputs: Vec<usize>,
    pub(crate) options: Option<FlatTable<'a>>,
}

/// The number of custom operators.
pub(crate) const CUSTOM: u32 = 32;

/// Bits of an element, by the schema's `TensorType`; texts and handles have none.
const BITS: &[Option<u64>] = &[
    Some(32),
    Some(16),
    Some(32),
    Some(8),
    Some(64),
    None,
    Some(8),
    Some(16),
    Some(64),
    Some(8),
    Some(64),
    Some(128),
    Some(64),
    None,
    None,
    Some(32),
    Some(16),
    Some(4),
    Some(16),
    Some(2),
    Some(4),
    Some(8),
    Some(8),
];

/// The schema's number of int32.
const INT32: u8 = 2;

impl<'a> TfliteGraph<'a> {
    /// Of a file.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let unreadable = |what| ReadError::Unreadable { format: "TensorFlow Lite", what };
        tflite::read(bytes).map_err(unreadable)?;
        let (graph, sizes) = Self::read_tables(bytes).map_err(unreadable)?;
        for (tensor, size) in graph.tensors.iter().zip(sizes) {
            tensor.check(size)?;
        }
        Ok(graph)
    }

    /// The graph, and the size of each constant in the file.
    fn read_tables(bytes: &'a [u8]) -> Result<(Self, Vec<Option<u64>>), String> {
        let model = File::new(bytes).root()?;
        let graphs = model.tables(2)?;
        let graph = graphs.first().ok_or_else(|| "it holds no graph".to_owned())?;
        let buffers = model.tables(4)?;
        let (mut tensors, mut sizes) = (Vec::new(), Vec::new());
        for table in graph.tables(0)? {
            let buffer =
                buffers.get(table.number(2)? as usize).ok_or_else(|| "a buffer is missing".to_owned())?;
            let (payload, outside) = (buffer.bytes(0)?, buffer.outside_bytes()?);
            let size = outside.max(payload.len() as u64);
            tensors.push(GraphTensor::read(&table, payload, size > 0)?);
            // Sparse constants are shorter than their shape.
            let is_dense = table.table(6)?.is_none();
            sizes.push((size > 0 && is_dense).then_some(size));
        }
        let codes = model.tables(1)?;
        let mut operators = Vec::new();
        for table in graph.tables(3)? {
            let code =
                codes.get(table.number(0)? as usize).ok_or_else(|| "an operator has no kind".to_owned())?;
            let indices = |field| -> Result<Vec<Option<usize>>, String> {
                Ok(table.integers(field)?.into_iter().map(|index| usize::try_from(index).ok()).collect())
            };
            operators.push(TfliteOperator {
                // Old files have the first field alone, new ones both.
                code: u32::from(code.byte(0)?).max(code.number(3)?),
                custom: readable(code.bytes(1)?),
                inputs: indices(1)?,
                outputs: indices(2)?.into_iter().flatten().collect(),
                options: table.table(4)?,
            });
        }
        let border = |field| -> Result<Vec<usize>, String> {
            Ok(graph.integers(field)?.into_iter().filter_map(|index| usize::try_from(index).ok()).collect())
        };
        Ok((Self { tensors, operators, inputs: border(1)?, outputs: border(2)? }, sizes))
    }
}

impl<'a> GraphTensor<'a> {
    fn read(table: &FlatTable<'a>, payload: &'a [u8], is_constant: bool) -> Result<Self, String> {
        let name = readable(table.bytes(3)?);
        let sizes = table.integers(0)?;
        let signature = table.integers(7)?;
        let marked = if signature.len() == sizes.len() { &signature } else { &sizes };
        let signature = marked.iter().map(|size| u64::try_from(*size).ok()).collect();
        // A negative size without a signature is open too; its placeholder is never used.
        let shape = sizes.iter().map(|size| u64::try_from(*size).unwrap_or(1)).collect();
        let element_type = table.byte(1)?;
        let bits = BITS.get(usize::from(element_type)).copied().flatten();
        Ok(Self {
            name,
            shape,
            signature,
            bits: bits.unwrap_or(0),
            is_int32: element_type == INT32,
            is_variable: table.byte(5)? != 0,
            payload,
            is_constant,
        })
    }

    fn check(&self, size: Option<u64>) -> Result<(), ReadError> {
        let wanted = elements(&self.shape).and_then(|elements| elements.checked_mul(self.bits));
        let Some(wanted) = wanted else {
            let what = "has more elements than fit into 64 bits".to_owned();
            return Err(ReadError::WrongTensor { tensor: self.name.clone(), what });
        };
        match size {
            Some(size) if self.bits > 0 && size != wanted.div_ceil(8) => Err(ReadError::WrongTensor {
                tensor: self.name.clone(),
                what: format!(
                    "of shape {:?} needs {} bytes, and the file has {size} for it",
                    self.shape,
                    wanted.div_ceil(8)
                ),
            }),
            _ => Ok(()),
        }
    }

    /// The values of an int32 constant.
    pub(crate) fn integers(&self) -> Option<Vec<i64>> {
        let (values, _) = self.payload.as_chunks();
        (self.is_constant && self.is_int32)
            .then(|| values.iter().map(|four| i64::from(i32::from_le_bytes(*four))).collect())
    }
}
