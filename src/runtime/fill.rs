//! Input data: every input tensor of a trial, filled from the job's seed.
//!
//! The same seed, element types and shapes give the same bytes on every host and runtime. The values mean
//! nothing to the model. They must be valid for it, and must not make it faster or slower than real ones
//! would (so no denormal numbers, and no tensor of zeros that a sparse kernel could skip).
//!
//! | element type | values |
//! |---|---|
//! | `float16`, `bfloat16`, `float32`, `float64` | uniform in [0, 1), exactly representable |
//! | `int8`, `uint8`, `int16`, `uint16` | uniform over the whole range: they contain quantised activations |
//! | `int32`, `int64`, `uint32`, `uint64` | 0 or 1: they contain indices, lengths or masks, for which other values are out of bounds |
//! | `bool` | false or true |

pub use super::element::ElementType;
use super::encode::{Unfit, put_integer};
use crate::random::split_mix_64;

/// Random bytes, see `random`.
#[derive(Debug, Clone)]
pub struct Generator {
    counter: u64,
}

impl Generator {
    /// The generator of that seed. A trial fills all inputs with one, in the model's order.
    pub fn new(seed: u64) -> Self {
        Self { counter: seed }
    }

    /// Fill a tensor's bytes, native byte order. Each element takes one step of the generator. Bytes past the
    /// last complete element stay as they are.
    pub fn fill(&mut self, element_type: ElementType, bytes: &mut [u8]) {
        match element_type {
            ElementType::Bool => self.each(bytes, |bits| [top(bits, 1) as u8]),
            ElementType::Int8 | ElementType::Uint8 => self.each(bytes, |bits| [top(bits, 8) as u8]),
            ElementType::Int16 | ElementType::Uint16 => {
                self.each(bytes, |bits| (top(bits, 16) as u16).to_ne_bytes());
            }
            ElementType::Int32 | ElementType::Uint32 => {
                self.each(bytes, |bits| (top(bits, 1) as u32).to_ne_bytes());
            }
            ElementType::Int64 | ElementType::Uint64 => self.each(bytes, |bits| top(bits, 1).to_ne_bytes()),
            ElementType::Float16 => self.each(bytes, |bits| half(top(bits, 11) as u16).to_ne_bytes()),
            ElementType::Bfloat16 => {
                // 8 significant bits: the lower half of the float32 is zero.
                self.each(bytes, |bits| {
                    ((((top(bits, 8) as f32) / 256.0).to_bits() >> 16) as u16).to_ne_bytes()
                });
            }
            ElementType::Float32 => {
                self.each(bytes, |bits| ((top(bits, 24) as f32) / 16_777_216.0).to_ne_bytes());
            }
            ElementType::Float64 => {
                self.each(bytes, |bits| ((top(bits, 53) as f64) / 9_007_199_254_740_992.0).to_ne_bytes());
            }
        }
    }

    /// Fill a tensor of integers with values from the smallest to the largest, both included. Each element
    /// takes one step of the generator; a value is at most 2⁻⁶⁴ × the number of values more likely than
    /// another.
    pub(super) fn fill_range(
        &mut self,
        element_type: ElementType,
        (smallest, largest): (i64, i64),
        bytes: &mut [u8],
    ) -> Result<(), Unfit> {
        let held = element_type.range().filter(|_| element_type.is_integer()).ok_or(Unfit::Range)?;
        let outside = [smallest, largest].into_iter().find(|end| !(held.0..=held.1).contains(&(*end).into()));
        if let Some(outside) = outside {
            return Err(Unfit::Number(outside.to_string()));
        }
        let values = (i128::from(largest) - i128::from(smallest) + 1).max(1).cast_unsigned();
        let size = element_type.size_bytes();
        let mut element = [0; 8];
        for place in bytes.chunks_exact_mut(size) {
            let step = (u128::from(self.next()) * values) >> 64;
            put_integer(i128::from(smallest) + step.cast_signed(), size, &mut element);
            place.copy_from_slice(&element[..size]);
        }
        Ok(())
    }

    /// 64 bits, one step of the generator.
    pub(crate) fn next(&mut self) -> u64 {
        split_mix_64(&mut self.counter)
    }

    fn each<const SIZE: usize>(&mut self, bytes: &mut [u8], element: impl Fn(u64) -> [u8; SIZE]) {
        for place in bytes.chunks_exact_mut(SIZE) {
            place.copy_from_slice(&element(self.next()));
        }
    }
}

/// The upper `count` bits, 1 to 64.
fn top(bits: u64, count: u32) -> u64 {
    bits >> (64 - count)
}

/// `numerator / 2048` as the bits of an IEEE 754 half, exact for numerators below 2048: 11 significant bits.
fn half(numerator: u16) -> u16 {
    const EXPONENT_BIAS: u16 = 15;
    const FRACTION_BITS: u16 = 10;
    if numerator == 0 {
        return 0;
    }
    let highest = 15 - numerator.leading_zeros() as u16;
    let exponent = highest + EXPONENT_BIAS - 11;
    let fraction = (numerator << (FRACTION_BITS - highest)) & ((1 << FRACTION_BITS) - 1);
    (exponent << FRACTION_BITS) | fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(element_type: ElementType, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count * element_type.size_bytes()];
        Generator::new(1).fill(element_type, &mut bytes);
        bytes
    }

    #[test]
    fn same_seed_gives_the_same_bytes_and_another_seed_others() {
        let mut other = vec![0; 64];
        Generator::new(2).fill(ElementType::Float32, &mut other);
        assert_eq!(filled(ElementType::Float32, 16), filled(ElementType::Float32, 16));
        assert_ne!(filled(ElementType::Float32, 16), other);
    }

    #[test]
    fn floats_lie_between_zero_and_one_and_vary() {
        let singles: Vec<f32> = filled(ElementType::Float32, 1000)
            .chunks_exact(4)
            .map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap()))
            .collect();
        let doubles: Vec<f64> = filled(ElementType::Float64, 1000)
            .chunks_exact(8)
            .map(|bytes| f64::from_ne_bytes(bytes.try_into().unwrap()))
            .collect();
        assert!(singles.iter().all(|value| (0.0..1.0).contains(value)));
        assert!(doubles.iter().all(|value| (0.0..1.0).contains(value)));
        // The mean of 1000 uniform values has a standard deviation of 0.009.
        assert!((singles.iter().sum::<f32>() / 1000.0 - 0.5).abs() < 0.05);
        assert!((doubles.iter().sum::<f64>() / 1000.0 - 0.5).abs() < 0.05);
    }

    #[test]
    fn half_precision_numbers_are_exact() {
        let value = |bits: u16| {
            f32::from(bits & 0x3ff).mul_add(2f32.powi(-10), 1.0) * 2f32.powi(i32::from(bits >> 10) - 15)
        };
        assert_eq!(half(0), 0);
        for numerator in 1..2048u16 {
            assert_eq!(value(half(numerator)), f32::from(numerator) / 2048.0, "{numerator}/2048");
        }
    }

    #[test]
    fn bfloat16_numbers_lie_between_zero_and_one() {
        for bytes in filled(ElementType::Bfloat16, 1000).chunks_exact(2) {
            let value = f32::from_bits(u32::from(u16::from_ne_bytes(bytes.try_into().unwrap())) << 16);
            assert!((0.0..1.0).contains(&value), "{value}");
        }
    }

    #[test]
    fn narrow_integers_cover_their_range_and_wide_ones_stay_valid_as_indices() {
        let bytes = filled(ElementType::Int8, 10_000);
        assert_eq!((0..=255u8).filter(|value| bytes.contains(value)).count(), 256);
        let indices: Vec<i64> = filled(ElementType::Int64, 100)
            .chunks_exact(8)
            .map(|bytes| i64::from_ne_bytes(bytes.try_into().unwrap()))
            .collect();
        assert!(indices.iter().all(|index| (0..=1).contains(index)));
        assert!(indices.contains(&0) && indices.contains(&1));
    }

    #[test]
    fn every_element_type_fills_all_its_bytes_or_none() {
        for element_type in [ElementType::Bool, ElementType::Int16, ElementType::Float16, ElementType::Uint32]
        {
            let mut bytes = vec![0xAA; element_type.size_bytes() * 4 + element_type.size_bytes() - 1];
            Generator::new(3).fill(element_type, &mut bytes);
            assert!(bytes[element_type.size_bytes() * 4..].iter().all(|byte| *byte == 0xAA));
        }
    }
}
