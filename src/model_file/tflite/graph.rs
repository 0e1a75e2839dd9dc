//! Tensors and operators of a `.tflite` file, as far as a count needs them.
//!
//! `model_file::tflite` has checked the offsets and indices before this looks again; what it does not know
//! are constants, options and what the tensors' sizes mean.
//!
//! Source of the field numbers:
//! <https://github.com/tensorflow/tensorflow/blob/v2.17.1/tensorflow/compiler/mlir/lite/schema/schema.fbs>.

use crate::model_file::flatbuffer::{File, FlatTable};
use crate::model_file::{ReadError, elements, readable, tflite};

/// Every graph of a file. The first is the one that an interpreter runs; operators of it run others.
pub(crate) struct TfliteModel<'a> {
    pub(crate) graphs: Vec<TfliteGraph<'a>>,
    /// Entry points by name, with the number of the graph that each runs.
    pub(crate) signatures: Vec<(String, usize)>,
}

/// One graph.
pub(crate) struct TfliteGraph<'a> {
    pub(crate) tensors: Vec<GraphTensor<'a>>,
    pub(crate) operators: Vec<TfliteOperator<'a>>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
}

/// A tensor as the file has it.
pub(crate) struct GraphTensor<'a> {
    pub(crate) name: String,
    /// The shape that an interpreter begins with: 1 where the signature is open.
    pub(crate) shape: Vec<u64>,
    /// The same with open dimensions.
    pub(crate) signature: Vec<Option<u64>>,
    /// Does the file say that an empty shape is a scalar? Older files leave it open.
    pub(crate) is_ranked: bool,
    pub(crate) bits: u64,
    element_type: u8,
    pub(crate) is_variable: bool,
    /// Its bytes, where it is a constant that lies within the tables.
    payload: &'a [u8],
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
    /// Of the first or the second list of options, whichever its operator belongs to.
    pub(crate) options: Option<FlatTable<'a>>,
}

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

/// The schema's numbers of types that shapes, axes and bounds are given in.
const INT32: u8 = 2;
const INT64: u8 = 4;

/// Shapes, axes and bounds have no more elements. A hostile file could have every operator read one list that
/// is as long as the file.
const MOST_VALUES: usize = 4096;

impl<'a> TfliteModel<'a> {
    /// Of a file.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let unreadable = |what| ReadError::Unreadable { format: "TensorFlow Lite", what };
        tflite::read(bytes).map_err(unreadable)?;
        let model = File::new(bytes).root().map_err(unreadable)?;
        let tables = || -> Result<_, String> { Ok((model.tables(1)?, model.tables(2)?, model.tables(4)?)) };
        let (codes, graphs, buffers) = tables().map_err(unreadable)?;
        let mut read = Vec::with_capacity(graphs.len());
        for table in &graphs {
            let (graph, sizes) = TfliteGraph::read(table, &codes, &buffers).map_err(unreadable)?;
            for (tensor, size) in graph.tensors.iter().zip(sizes) {
                tensor.check(size)?;
            }
            read.push(graph);
        }
        let signatures = signatures(&model).map_err(unreadable)?;
        Ok(Self { graphs: read, signatures })
    }
}

/// Files have a few; in a hostile one very many could share a name that is as long as the file.
const MOST_SIGNATURES: usize = 64;

fn signatures(model: &FlatTable<'_>) -> Result<Vec<(String, usize)>, String> {
    let tables = model.tables(7)?;
    let signature = |table: &FlatTable<'_>| Ok((readable(table.bytes(2)?), table.number(4)? as usize));
    tables.iter().take(MOST_SIGNATURES).map(signature).collect()
}

impl<'a> TfliteGraph<'a> {
    /// The graph, and the size of each constant in the file.
    fn read(
        graph: &FlatTable<'a>,
        codes: &[FlatTable<'a>],
        buffers: &[FlatTable<'a>],
    ) -> Result<(Self, Vec<Option<u64>>), String> {
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
        let operators = graph.tables(3)?;
        let operators = operators.iter().map(|table| TfliteOperator::read(table, codes));
        let operators = operators.collect::<Result<_, _>>()?;
        let border = |field| -> Result<Vec<usize>, String> {
            Ok(graph.integers(field)?.into_iter().filter_map(|index| usize::try_from(index).ok()).collect())
        };
        Ok((Self { tensors, operators, inputs: border(1)?, outputs: border(2)? }, sizes))
    }
}

impl<'a> TfliteOperator<'a> {
    fn read(table: &FlatTable<'a>, codes: &[FlatTable<'a>]) -> Result<Self, String> {
        let code =
            codes.get(table.number(0)? as usize).ok_or_else(|| "an operator has no kind".to_owned())?;
        let indices = |field| -> Result<Vec<Option<usize>>, String> {
            Ok(table.integers(field)?.into_iter().map(|index| usize::try_from(index).ok()).collect())
        };
        let options = match table.table(4)? {
            Some(options) => Some(options),
            None => table.table(12)?,
        };
        Ok(Self {
            // Old files have the first field alone, new ones both.
            code: u32::from(code.byte(0)?).max(code.number(3)?),
            custom: readable(code.bytes(1)?),
            inputs: indices(1)?,
            outputs: indices(2)?.into_iter().flatten().collect(),
            options,
        })
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
            is_ranked: !sizes.is_empty() || table.byte(8)? != 0,
            bits: bits.unwrap_or(0),
            element_type,
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

    /// Does it have no elements, so that there is nothing to store?
    pub(crate) fn is_empty(&self) -> bool {
        self.signature.contains(&Some(0))
    }

    /// The values of a constant of whole numbers, as shapes, axes and bounds are given.
    pub(crate) fn integers(&self) -> Option<Vec<i64>> {
        if self.is_empty() {
            return Some(Vec::new());
        }
        if !self.is_constant || self.payload.len() > MOST_VALUES * 8 {
            return None;
        }
        match self.element_type {
            INT32 => {
                let (values, _) = self.payload.as_chunks();
                Some(values.iter().map(|four| i64::from(i32::from_le_bytes(*four))).collect())
            }
            INT64 => {
                let (values, _) = self.payload.as_chunks();
                Some(values.iter().map(|eight| i64::from_le_bytes(*eight)).collect())
            }
            _ => None,
        }
    }
}
