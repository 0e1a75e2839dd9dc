//! A file that holds one `TensorProto`, as ONNX's test data does: its elements, not only its shape.

use super::Payload;
use super::protobuf::{FieldValue, Malformed};
use crate::model_file::elements;

/// A tensor with its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OnnxTensor {
    pub(crate) shape: Vec<u64>,
    /// ONNX's number of the type.
    pub(crate) element_type: i64,
    /// The elements in C order, in the machine's byte order.
    pub(crate) native_bytes: Vec<u8>,
}

/// Read it.
///
/// # Errors
/// The bytes are no such message, hold more or less than the shape says, or are of a type whose elements are
/// not read here.
pub(crate) fn tensor(bytes: &[u8]) -> Result<OnnxTensor, Malformed> {
    let payload = Payload::read(bytes)?;
    if payload.is_external {
        return Err("its elements are in another file".to_owned());
    }
    payload.check().map_err(|error| error.to_string())?;
    let native_bytes = match payload.raw {
        Some(raw) => native(raw, payload.element_type),
        None => listed(&payload.pieces, payload.element_type)?,
    };
    let element_bytes = super::bits(payload.element_type).unwrap_or(8) / 8;
    let wanted = elements(&payload.shape).and_then(|count| count.checked_mul(element_bytes));
    if wanted != Some(native_bytes.len() as u64) {
        return Err(format!("its shape {:?} and its elements contradict each other", payload.shape));
    }
    Ok(OnnxTensor { shape: payload.shape, element_type: payload.element_type, native_bytes })
}

/// Raw elements are little-endian.
fn native(raw: &[u8], element_type: i64) -> Vec<u8> {
    let mut bytes = raw.to_vec();
    let width = super::bits(element_type).unwrap_or(8) as usize / 8;
    if cfg!(target_endian = "big") && width > 1 {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    bytes
}

/// Elements in the list of their type. Narrow types share the list of `int32`; floats of 16 bits are in it as
/// their bits.
fn listed(pieces: &[FieldValue<'_>], element_type: i64) -> Result<Vec<u8>, Malformed> {
    let mut bytes = Vec::new();
    match element_type {
        1 => {
            let mut floats = Vec::new();
            pieces.iter().try_for_each(|piece| piece.floats(&mut floats))?;
            bytes.extend(floats.into_iter().flat_map(f32::to_ne_bytes));
        }
        11 => {
            for piece in pieces {
                match piece {
                    FieldValue::Fixed64(bits) => bytes.extend(bits.to_ne_bytes()),
                    FieldValue::Bytes(packed) => {
                        bytes.extend(
                            packed
                                .as_chunks()
                                .0
                                .iter()
                                .flat_map(|eight| u64::from_le_bytes(*eight).to_ne_bytes()),
                        );
                    }
                    _ => return Err("a list of numbers has another type".to_owned()),
                }
            }
        }
        2..=7 | 9 | 10 | 12 | 13 | 16 => {
            let mut integers = Vec::new();
            pieces.iter().try_for_each(|piece| piece.integers(&mut integers))?;
            for integer in integers {
                push(integer, element_type, &mut bytes)?;
            }
        }
        _ => return Err(format!("its element type {element_type} is not read here")),
    }
    Ok(bytes)
}

fn push(integer: i64, element_type: i64, bytes: &mut Vec<u8>) -> Result<(), Malformed> {
    let outside = |_| format!("it holds {integer}, which its element type cannot");
    match element_type {
        2 => bytes.push(u8::try_from(integer).map_err(outside)?),
        3 => bytes.extend(i8::try_from(integer).map_err(outside)?.to_ne_bytes()),
        4 | 10 | 16 => bytes.extend(u16::try_from(integer).map_err(outside)?.to_ne_bytes()),
        5 => bytes.extend(i16::try_from(integer).map_err(outside)?.to_ne_bytes()),
        6 => bytes.extend(i32::try_from(integer).map_err(outside)?.to_ne_bytes()),
        9 => bytes.push(u8::from(integer != 0)),
        12 => bytes.extend(u32::try_from(integer).map_err(outside)?.to_ne_bytes()),
        13 => bytes.extend(integer.cast_unsigned().to_ne_bytes()),
        _ => bytes.extend(integer.to_ne_bytes()),
    }
    Ok(())
}
