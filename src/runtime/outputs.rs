//! Output data: what is said of an output tensor after the timed runs. Pure; knows no runtime.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::fill::ElementType;
use crate::bundle::format::Output;

/// An output as a session shows it.
#[derive(Debug, Clone, Copy)]
pub struct ShownOutput<'a> {
    /// Name in the model.
    pub name: &'a str,
    /// Type of its elements, in the runtime's spelling.
    pub element_type: &'a str,
    /// How to read an element; `None` if no number can be made of it.
    pub elements: Option<ElementType>,
    /// Its shape after the run.
    pub shape: &'a [u64],
    /// Its bytes, native byte order; `None` if their number is not known.
    pub bytes: Option<&'a [u8]>,
}

impl ShownOutput<'_> {
    /// What a bundle says of it.
    pub fn describe(&self) -> Output {
        let digest = self.bytes.map(|bytes| HEXLOWER.encode(&Sha256::digest(bytes)));
        let range = self.elements.zip(self.bytes).map(|(elements, bytes)| Range::of(elements, bytes));
        let unread = || format!("elements of type {} are not read", self.element_type);
        Output {
            name: self.name.to_owned(),
            element_type: self.element_type.to_owned(),
            shape: self.shape.to_vec(),
            sha256: digest,
            minimum: range.and_then(|range| range.ends).map(|(minimum, _)| minimum),
            maximum: range.and_then(|range| range.ends).map(|(_, maximum)| maximum),
            is_finite: range.map(|range| range.is_finite),
            is_constant: range.map(|range| range.is_constant),
            detail: range.is_none().then(unread),
        }
    }
}

/// What the elements of a tensor have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    /// Smallest and largest finite element.
    ends: Option<(f64, f64)>,
    is_finite: bool,
    /// Two elements or more, and all have the same bytes.
    is_constant: bool,
}

impl Range {
    fn of(elements: ElementType, bytes: &[u8]) -> Self {
        let size = elements.size_bytes();
        let mut range = Self { ends: None, is_finite: true, is_constant: bytes.len() >= 2 * size };
        elements.each(bytes, |value| {
            if value.is_finite() {
                let (minimum, maximum) = range.ends.unwrap_or((value, value));
                range.ends = Some((minimum.min(value), maximum.max(value)));
            } else {
                range.is_finite = false;
            }
        });
        range.is_constant &= bytes.chunks_exact(size).all(|element| element == &bytes[..size]);
        range
    }
}

impl ElementType {
    /// The type of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.name() == name)
    }

    /// Every element of a tensor's bytes as a number, in order. Integers beyond 2⁵³ are rounded.
    pub fn each(self, bytes: &[u8], mut take: impl FnMut(f64)) {
        macro_rules! numbers {
            ($number:ty) => {
                bytes.chunks_exact(size_of::<$number>()).for_each(|element| {
                    let element = element.try_into().unwrap_or_default();
                    take(<$number>::from_ne_bytes(element) as f64);
                })
            };
        }
        let halves =
            || bytes.chunks_exact(2).map(|half| u16::from_ne_bytes(half.try_into().unwrap_or_default()));
        match self {
            Self::Bool => bytes.iter().for_each(|byte| take(f64::from(u8::from(*byte != 0)))),
            Self::Int8 => numbers!(i8),
            Self::Uint8 => numbers!(u8),
            Self::Int16 => numbers!(i16),
            Self::Uint16 => numbers!(u16),
            Self::Int32 => numbers!(i32),
            Self::Uint32 => numbers!(u32),
            Self::Int64 => numbers!(i64),
            Self::Uint64 => numbers!(u64),
            Self::Float16 => halves().for_each(|bits| take(half(bits))),
            Self::Bfloat16 => halves().for_each(|bits| take(f32::from_bits(u32::from(bits) << 16).into())),
            Self::Float32 => numbers!(f32),
            Self::Float64 => numbers!(f64),
        }
    }
}

/// IEEE 754 half precision.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(values: &[f32], shape: &[u64]) -> Output {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        let elements = ElementType::Float32;
        ShownOutput {
            name: "y",
            element_type: "float32",
            elements: Some(elements),
            shape,
            bytes: Some(&bytes),
        }
        .describe()
    }

    #[test]
    fn range_leaves_out_what_is_not_finite_and_says_so() {
        let output = described(&[1.0, f32::NAN, -3.0, f32::INFINITY], &[4]);
        assert_eq!((output.minimum, output.maximum), (Some(-3.0), Some(1.0)));
        assert_eq!((output.is_finite, output.is_constant), (Some(false), Some(false)));
        let output = described(&[f32::NAN; 3], &[3]);
        assert_eq!((output.minimum, output.is_finite, output.is_constant), (None, Some(false), Some(true)));
    }

    #[test]
    fn constant_takes_two_elements_that_are_equal() {
        assert_eq!(described(&[0.0, 0.0], &[1, 2]).is_constant, Some(true));
        for (values, shape) in [(&[0.0f32, 1e-30][..], &[2][..]), (&[5.0], &[1]), (&[], &[0, 4])] {
            assert_eq!(described(values, shape).is_constant, Some(false), "{values:?}");
        }
    }

    #[test]
    fn digest_is_that_of_the_bytes() {
        let bytes = b"abc";
        let elements = Some(ElementType::Uint8);
        let shown =
            ShownOutput { name: "y", element_type: "uint8", elements, shape: &[3], bytes: Some(bytes) };
        let digest = shown.describe().sha256.unwrap();
        assert!(digest.starts_with("ba7816bf8f01cfea"), "FIPS 180-2, B.1: {digest}");
    }

    #[test]
    fn elements_of_a_type_that_cannot_be_read_are_not_invented() {
        let shown =
            ShownOutput { name: "y", element_type: "float8e4m3fn", elements: None, shape: &[2], bytes: None };
        let output = shown.describe();
        assert_eq!(
            (output.sha256, output.minimum, output.is_finite, output.is_constant),
            (None, None, None, None)
        );
        assert_eq!(output.detail.as_deref(), Some("elements of type float8e4m3fn are not read"));
    }

    #[test]
    fn every_type_is_read_as_its_numbers() {
        let read = |element_type: ElementType, bytes: &[u8]| {
            let mut values = Vec::new();
            element_type.each(bytes, |value| values.push(value));
            values
        };
        assert_eq!(read(ElementType::Int8, &[0x80, 0x7f]), [-128.0, 127.0]);
        assert_eq!(read(ElementType::Bool, &[0, 1, 2]), [0.0, 1.0, 1.0]);
        assert_eq!(read(ElementType::Int64, &(-2i64).to_ne_bytes()), [-2.0]);
        assert_eq!(read(ElementType::Uint32, &u32::MAX.to_ne_bytes()), [4_294_967_295.0]);
        assert_eq!(read(ElementType::Bfloat16, &0xbf80_u16.to_ne_bytes()), [-1.0]);
        // Values of IEEE 754-2008: one, the largest, the smallest, minus two.
        let halves = [(0x3c00u16, 1.0), (0x7bff, 65504.0), (0x0001, 2f64.powi(-24)), (0xc000, -2.0)];
        for (bits, value) in halves {
            assert_eq!(read(ElementType::Float16, &bits.to_ne_bytes()), [value]);
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
        for element_type in ElementType::ALL {
            assert_eq!(ElementType::of_name(element_type.name()), Some(*element_type));
        }
    }
}
