//! Tensors of the library: how their elements are named and read.

use ort::value::{DynTensor, TensorElementType};

use crate::runtime::fill::ElementType;
use crate::runtime::{RunError, ShownOutput, shapes};

/// Show an output in main memory.
pub(super) fn show_tensor(
    name: &str,
    tensor: &DynTensor,
    show: &mut dyn FnMut(ShownOutput<'_>),
) -> Result<(), RunError> {
    let element_type = *tensor.data_type();
    let shape: Vec<u64> = tensor.shape().iter().map(|size| u64::try_from(*size).unwrap_or(0)).collect();
    let elements = fillable(element_type);
    let size =
        shapes::element_count(&shape).zip(elements).map(|(count, element)| count * element.size_bytes());
    let start = tensor.data_ptr().cast::<u8>();
    let bytes = size.map(|size| {
        if size == 0 || start.is_null() {
            return &[][..];
        }
        #[expect(unsafe_code, reason = "reads the tensor's bytes, whatever their type")]
        // SAFETY: outputs are bound to main memory, and a tensor of this type and shape has `size` bytes,
        // which the run that made it has filled in. `tensor` outlives the slice.
        unsafe {
            std::slice::from_raw_parts(start, size)
        }
    });
    show(ShownOutput { name, element_type: &name_of(element_type), elements, shape: &shape, bytes });
    Ok(())
}

/// How to read and fill such elements; `None` if no number can be made of them.
pub(super) fn fillable(element_type: TensorElementType) -> Option<ElementType> {
    Some(match element_type {
        TensorElementType::Bool => ElementType::Bool,
        TensorElementType::Int8 => ElementType::Int8,
        TensorElementType::Uint8 => ElementType::Uint8,
        TensorElementType::Int16 => ElementType::Int16,
        TensorElementType::Uint16 => ElementType::Uint16,
        TensorElementType::Int32 => ElementType::Int32,
        TensorElementType::Uint32 => ElementType::Uint32,
        TensorElementType::Int64 => ElementType::Int64,
        TensorElementType::Uint64 => ElementType::Uint64,
        TensorElementType::Float16 => ElementType::Float16,
        TensorElementType::Bfloat16 => ElementType::Bfloat16,
        TensorElementType::Float32 => ElementType::Float32,
        TensorElementType::Float64 => ElementType::Float64,
        _ => return None,
    })
}

/// The type's name in bundles.
pub(super) fn name_of(element_type: TensorElementType) -> String {
    fillable(element_type)
        .map_or_else(|| format!("{element_type:?}").to_ascii_lowercase(), |known| known.name().to_owned())
}
