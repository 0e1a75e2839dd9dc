//! Numbers of a job as elements of a tensor. Pure.

use serde_json::Number;

use super::Failure;
use super::element::ElementType;
use crate::bundle::format::Stage;

/// Beyond this a 64-bit float no longer tells which whole number was meant.
const LARGEST_WHOLE_FLOAT: f64 = 9_007_199_254_740_992.0;

/// Why what a job gives is not an element of the tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Unfit {
    /// The type cannot hold this number.
    Number(String),
    /// A range for a type that is not an integer.
    Range,
}

impl Unfit {
    pub(super) fn failure(self, input: &str, element_type: ElementType) -> Failure {
        let type_name = element_type.name();
        match self {
            Self::Number(number) => {
                let detail = format!("`inputs` gives {number} for `{input}`, whose elements are {type_name}");
                let hint = match element_type.range() {
                    Some((smallest, largest)) => {
                        format!("{type_name} holds whole numbers, {smallest} to {largest}")
                    }
                    None => format!("{type_name} does not hold numbers of this size"),
                };
                Failure::new(Stage::Prepare, "value_outside_type", detail).with_hint(hint)
            }
            Self::Range => {
                let detail = format!(
                    "`inputs` gives a range for `{input}`, whose elements are {type_name}: a range is for integers"
                );
                Failure::new(Stage::Prepare, "range_not_for_type", detail).with_hint(
                    "leave `range` out, and the elements are random in [0, 1); or give `value`, `values` or a `file`",
                )
            }
        }
    }
}

/// The bytes of a number, native byte order, and how many they are.
pub(super) fn encode(number: &Number, element_type: ElementType) -> Result<([u8; 8], usize), Unfit> {
    let unfit = || Unfit::Number(number.to_string());
    let mut bytes = [0; 8];
    let size = element_type.size_bytes();
    if let Some((smallest, largest)) = element_type.range() {
        let whole = whole(number).filter(|whole| (smallest..=largest).contains(whole)).ok_or_else(unfit)?;
        put_integer(whole, size, &mut bytes);
        return Ok((bytes, size));
    }
    let float = number.as_f64().and_then(|float| float_bytes(float, element_type));
    Ok((float.ok_or_else(unfit)?, size))
}

/// Write the element that is nearest to a number, native byte order. Beyond the range of floats it is 0.
pub(super) fn put_nearest(value: f64, element_type: ElementType, target: &mut [u8]) {
    let size = element_type.size_bytes();
    let mut bytes = [0; 8];
    match element_type.range() {
        Some((smallest, largest)) => {
            put_integer((value.round() as i128).clamp(smallest, largest), size, &mut bytes);
        }
        None => bytes = float_bytes(value, element_type).unwrap_or_default(),
    }
    target.copy_from_slice(&bytes[..size]);
}

/// `None` beyond the range of the type, and for types that are no floats.
fn float_bytes(float: f64, element_type: ElementType) -> Option<[u8; 8]> {
    let single = float as f32;
    let mut bytes = [0; 8];
    match element_type {
        ElementType::Float64 => bytes = float.to_ne_bytes(),
        ElementType::Float32 if single.is_finite() => bytes[..4].copy_from_slice(&single.to_ne_bytes()),
        ElementType::Float16 => bytes[..2].copy_from_slice(&half(single)?.to_ne_bytes()),
        ElementType::Bfloat16 => bytes[..2].copy_from_slice(&brain(single)?.to_ne_bytes()),
        _ => return None,
    }
    Some(bytes)
}

/// The bytes of a number that a program printed, which may be infinite or none; `None` if the type does not
/// hold it.
pub(super) fn encode_printed(text: &str, element_type: ElementType) -> Option<([u8; 8], usize)> {
    if let Ok(number) = text.parse::<Number>()
        && let Ok(found) = encode(&number, element_type)
    {
        return Some(found);
    }
    let float: f64 = text.parse().ok().filter(|float: &f64| !float.is_finite())?;
    let upper = (float as f32).to_bits() >> 16;
    let mut bytes = [0; 8];
    match element_type {
        ElementType::Float64 => bytes = float.to_ne_bytes(),
        ElementType::Float32 => bytes[..4].copy_from_slice(&(float as f32).to_ne_bytes()),
        // All bits of the exponent, and one of the fraction if it is no number.
        ElementType::Float16 => {
            let half = (upper as u16 & 0x8000) | if float.is_nan() { 0x7e00 } else { 0x7c00 };
            bytes[..2].copy_from_slice(&half.to_ne_bytes());
        }
        ElementType::Bfloat16 => bytes[..2].copy_from_slice(&(upper as u16).to_ne_bytes()),
        _ => return None,
    }
    Some((bytes, element_type.size_bytes()))
}

/// The lower `size` bytes of the two's complement.
pub(super) fn put_integer(whole: i128, size: usize, bytes: &mut [u8; 8]) {
    match size {
        1 => bytes[0] = whole as u8,
        2 => bytes[..2].copy_from_slice(&(whole as u16).to_ne_bytes()),
        4 => bytes[..4].copy_from_slice(&(whole as u32).to_ne_bytes()),
        _ => *bytes = (whole as u64).to_ne_bytes(),
    }
}

fn whole(number: &Number) -> Option<i128> {
    if let Some(integer) = number.as_i128() {
        return Some(integer);
    }
    let float = number.as_f64()?;
    (float.fract() == 0.0 && float.abs() <= LARGEST_WHOLE_FLOAT).then_some(float as i128)
}

/// IEEE 754 half precision, rounded to nearest, ties to even; `None` beyond its range.
fn half(single: f32) -> Option<u16> {
    const SMALLEST_NORMAL: f32 = 6.103_515_6e-5;
    let sign = ((single.to_bits() >> 16) & 0x8000) as u16;
    let magnitude = single.abs();
    if magnitude < SMALLEST_NORMAL {
        // Steps of 2^-24. A result of 1024 is the smallest normal number, which has these very bits.
        return Some(sign | (magnitude * 16_777_216.0).round_ties_even() as u16);
    }
    // 13 bits fewer of the fraction, and another bias of the exponent. A carry out of the fraction raises the
    // exponent, as it should.
    let bits = magnitude.to_bits();
    let rounded = bits + 0x0fff + ((bits >> 13) & 1);
    let half = (rounded >> 13).checked_sub((127 - 15) << 10)?;
    (half < 0x7c00).then_some(sign | half as u16)
}

/// The upper half of a `float32`, rounded to nearest, ties to even; `None` beyond its range.
fn brain(single: f32) -> Option<u16> {
    if !single.is_finite() {
        return None;
    }
    let bits = single.to_bits();
    let upper = ((u64::from(bits) + 0x7fff + u64::from((bits >> 16) & 1)) >> 16) as u16;
    (upper & 0x7f80 != 0x7f80).then_some(upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).unwrap()
    }

    fn bytes(text: &str, element_type: ElementType) -> Option<Vec<u8>> {
        encode(&number(text), element_type).ok().map(|(bytes, size)| bytes[..size].to_vec())
    }

    #[test]
    fn numbers_become_the_bytes_that_numpy_writes() {
        // numpy.array(value, type).tobytes() on a little-endian machine.
        for (text, element_type, expected) in [
            ("16000", ElementType::Int64, &[0x80, 0x3e, 0, 0, 0, 0, 0, 0][..]),
            ("-1", ElementType::Int32, &[0xff; 4]),
            ("255", ElementType::Uint8, &[0xff]),
            ("-128", ElementType::Int8, &[0x80]),
            ("1", ElementType::Bool, &[1]),
            ("18446744073709551615", ElementType::Uint64, &[0xff; 8]),
            ("3.0", ElementType::Int16, &[3, 0]),
            ("0.1", ElementType::Float32, &[0xcd, 0xcc, 0xcc, 0x3d]),
            ("1", ElementType::Float64, &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
            ("0.1", ElementType::Float16, &[0x66, 0x2e]),
            ("-65504", ElementType::Float16, &[0xff, 0xfb]),
            ("0.00001", ElementType::Float16, &[0xa8, 0x00]),
            ("0.1", ElementType::Bfloat16, &[0xcd, 0x3d]),
        ] {
            assert_eq!(bytes(text, element_type).as_deref(), Some(expected), "{text} as {element_type:?}");
        }
    }

    #[test]
    fn numbers_that_a_type_does_not_hold_are_refused() {
        for (text, element_type) in [
            ("256", ElementType::Uint8),
            ("-1", ElementType::Uint64),
            ("2", ElementType::Bool),
            ("0.5", ElementType::Int32),
            ("9223372036854775808", ElementType::Int64),
            ("1e39", ElementType::Float32),
            ("65520", ElementType::Float16),
            ("3.4e38", ElementType::Bfloat16),
        ] {
            assert_eq!(bytes(text, element_type), None, "{text} as {element_type:?}");
        }
        let failure = Unfit::Number("256".to_owned()).failure("ids", ElementType::Uint8);
        insta::assert_snapshot!(failure, @"`inputs` gives 256 for `ids`, whose elements are uint8");
        insta::assert_snapshot!(failure.hint.unwrap(), @"uint8 holds whole numbers, 0 to 255");
    }

    #[test]
    fn every_half_precision_number_is_itself() {
        for bits in (0..0x7c00_u16).chain(0x8000..0xfc00) {
            let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f32::from(bits & 0x3ff));
            let magnitude = match exponent {
                0 => fraction * 2_f32.powi(-24),
                exponent => (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
            };
            let value = if bits & 0x8000 == 0 { magnitude } else { -magnitude };
            assert_eq!(half(value), Some(bits), "{value}");
        }
    }
}
