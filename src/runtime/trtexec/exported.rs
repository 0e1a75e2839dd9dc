//! The file that `--exportOutput` writes: name, dimensions and values of each output. Pure.
//!
//! It is not always JSON: names are not escaped, and `nan` and `inf` are printed as such. Each output has
//! lines of its own, which are read between the marks that trtexec itself writes. Floats have six
//! significant digits.
//!
//! Source: `samples/common/sampleReporting.cpp` of <https://github.com/NVIDIA/TensorRT>, branches
//! release/6.0 to release/11.1.

use crate::runtime::encode::encode_printed;
use crate::runtime::fill::ElementType;

/// Before a name, and before what follows it.
const NAME: &str = "{ \"name\" : \"";
const DIMENSIONS: &str = ", \"dimensions\" : \"";
const VALUES: &str = ", \"values\" : [";

/// The largest file that is read: ten characters for each of the elements that are kept of other runtimes.
pub(super) const LARGEST_BYTES: u64 = 160 << 20;

/// An output, its values as they are printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exported<'a> {
    pub(super) name: &'a str,
    pub(super) shape: Vec<u64>,
    values: &'a str,
}

/// Every output, in the file's order; `None` if the file is incomplete or of another form.
pub(super) fn parse(text: &str) -> Option<Vec<Exported<'_>>> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    if lines.next()? != "[" {
        return None;
    }
    let mut outputs = Vec::new();
    loop {
        let line = lines.next()?;
        if line == "]" {
            return lines.next().is_none().then_some(outputs);
        }
        let name = line.strip_prefix(", ").unwrap_or(line).strip_prefix(NAME)?.strip_suffix('"')?;
        let dimensions = lines.next()?.strip_prefix(DIMENSIONS)?.strip_suffix('"')?;
        let values = lines.next()?.strip_prefix(VALUES)?.strip_suffix(']')?;
        if lines.next()? != "}" {
            return None;
        }
        outputs.push(Exported { name, shape: shape(dimensions)?, values: values.trim() });
    }
}

/// `1x3x32x32`; nothing for a scalar.
fn shape(dimensions: &str) -> Option<Vec<u64>> {
    match dimensions.trim() {
        "" => Some(Vec::new()),
        dimensions => dimensions.split('x').map(|size| size.parse().ok()).collect(),
    }
}

impl Exported<'_> {
    /// The bytes of all elements, native byte order; `None` if one is no such number, or they are not as many
    /// as the shape says.
    pub(super) fn bytes(&self, element_type: ElementType) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.values.len());
        for value in self.values.split(',').map(str::trim).filter(|value| !value.is_empty()) {
            let (eight, size) = encode_printed(value, element_type)?;
            bytes.extend_from_slice(&eight[..size]);
        }
        let count = self.shape.iter().try_fold(1_u64, |count, size| count.checked_mul(*size))?;
        (bytes.len() as u64 == count.checked_mul(element_type.size_bytes() as u64)?).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout of release/8.5, with a name that is no JSON and values that are none.
    const FILE: &str = "[\n  { \"name\" : \"probabilities\"\n  , \"dimensions\" : \"1x3\"\n  , \"values\" : [ 0.25, -1e-05, 12.5 ]\n  }\n, \
                        { \"name\" : \"a \"quoted\" name\"\n  , \"dimensions\" : \"2\"\n  , \"values\" : [ nan, -inf ]\n  }\n]\n";

    fn floats(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_ne_bytes()).collect()
    }

    #[test]
    fn outputs_are_read_with_names_and_values_that_are_no_json() {
        let outputs = parse(FILE).unwrap();
        let told: Vec<_> = outputs.iter().map(|output| (output.name, output.shape.clone())).collect();
        assert_eq!(told, [("probabilities", vec![1, 3]), ("a \"quoted\" name", vec![2])]);
        assert_eq!(outputs[0].bytes(ElementType::Float32), Some(floats(&[0.25, -1e-5, 12.5])));
        let bytes = outputs[1].bytes(ElementType::Float32).unwrap();
        let infinite = f32::from_ne_bytes(bytes[4..].try_into().unwrap());
        assert!(f32::from_ne_bytes(bytes[..4].try_into().unwrap()).is_nan() && infinite == f32::NEG_INFINITY);
    }

    #[test]
    fn file_that_is_cut_anywhere_is_none() {
        for end in 0..FILE.trim_end().len() {
            assert_eq!(parse(&FILE[..end]), None, "{end}");
        }
    }

    #[test]
    fn values_must_be_numbers_of_the_type_and_as_many_as_the_shape_says() {
        let of = |shape: &[u64], values: &'static str| Exported { name: "y", shape: shape.to_vec(), values };
        assert_eq!(of(&[], "7").bytes(ElementType::Int64), Some(7_i64.to_ne_bytes().to_vec()));
        assert_eq!(of(&[2], "1, 0").bytes(ElementType::Bool), Some(vec![1, 0]));
        assert_eq!(of(&[0, 4], "").bytes(ElementType::Float32), Some(Vec::new()));
        for (shape, values) in [(&[2][..], "1"), (&[1], "1, 2"), (&[1], "x"), (&[1], "0.5"), (&[1], "300")] {
            assert_eq!(of(shape, values).bytes(ElementType::Int8), None, "{values}");
        }
    }
}
