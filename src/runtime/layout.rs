//! One tensor in the layouts and element types of two models of the same network. Pure.
//!
//! ONNX files have channels first (NCHW), TensorFlow Lite files have them last (NHWC), and a quantised model
//! takes integers that stand for the floating-point numbers of the other.

use super::element::ElementType;
use super::encode::put_nearest;
use crate::bundle::format::{Quantization, Tensor};

/// Where the channels of a tensor are, compared with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelOrder {
    /// In the same place.
    Same,
    /// Last, and in the other one second.
    ChannelsLast,
    /// Second, and in the other one last.
    ChannelsFirst,
}

impl ChannelOrder {
    /// That of a tensor of shape `this`, compared with one of shape `other`; `None` if these are not shapes
    /// of one tensor.
    pub(crate) fn of(this: &[u64], other: &[u64]) -> Option<Self> {
        if this == other {
            return Some(Self::Same);
        }
        let is_moved = |first: &[u64], last: &[u64]| match (first, last) {
            ([batch, channels, pixels @ ..], [other_batch, other_pixels @ .., other_channels]) => {
                batch == other_batch && channels == other_channels && pixels == other_pixels
            }
            _ => false,
        };
        match () {
            () if is_moved(other, this) => Some(Self::ChannelsLast),
            () if is_moved(this, other) => Some(Self::ChannelsFirst),
            () => None,
        }
    }

    /// The sizes of a tensor of shape `this`: images, pixels, channels.
    pub(crate) fn sizes(self, this: &[u64]) -> Option<[usize; 3]> {
        let product = |sizes: &[u64]| {
            let sizes = sizes.iter().map(|size| usize::try_from(*size).ok());
            sizes.into_iter().try_fold(1_usize, |product, size| product.checked_mul(size?))
        };
        let [images, rest @ ..] = this else { return Some([1, 1, 1]) };
        let (pixels, channels) = match (self, rest) {
            (Self::Same, _) => (product(rest)?, 1),
            (Self::ChannelsLast, [pixels @ .., channels])
            | (Self::ChannelsFirst, [channels, pixels @ ..]) => {
                (product(pixels)?, usize::try_from(*channels).ok()?)
            }
            (_, []) => (1, 1),
        };
        Some([usize::try_from(*images).ok()?, pixels, channels])
    }
}

/// How the elements of one model's input become those of another's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Conversion {
    layout: ChannelOrder,
    sizes: [usize; 3],
    from: Codes,
    to: Codes,
}

/// Elements, and what they stand for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Codes {
    element_type: ElementType,
    quantization: Option<Quantization>,
}

impl Codes {
    fn of(tensor: &Tensor) -> Option<Self> {
        let element_type = ElementType::of_name(&tensor.element_type)?;
        Some(Self { element_type, quantization: tensor.quantization })
    }

    fn number(self, element: f64) -> f64 {
        self.quantization.map_or(element, |quantization| quantization.value(element))
    }

    /// Do they stand for floating-point numbers?
    fn are_real(self) -> bool {
        self.element_type.is_float() || self.quantization.is_some()
    }
}

impl Conversion {
    /// From the input `from` of one model to the input `to` of another.
    ///
    /// # Errors
    /// Why the values of the one do not give those of the other.
    pub(crate) fn of(from: &Tensor, to: &Tensor) -> Result<Self, String> {
        let shape = |tensor: &Tensor| tensor.shape.iter().copied().collect::<Option<Vec<u64>>>();
        let refused = || format!("{} does not give {}", described(from), described(to));
        let (ours, theirs) = shape(to).zip(shape(from)).ok_or_else(refused)?;
        let layout = ChannelOrder::of(&ours, &theirs).ok_or_else(refused)?;
        let sizes = layout.sizes(&ours).ok_or_else(refused)?;
        let (mut from, to) = Codes::of(from).zip(Codes::of(to)).ok_or_else(refused)?;
        if from.element_type == to.element_type && from.quantization.is_none() | to.quantization.is_none() {
            // Nothing says that the elements stand for something else.
            from = to;
        }
        if from != to && !(from.are_real() && to.are_real()) {
            return Err(refused());
        }
        Ok(Self { layout, sizes, from, to })
    }

    /// Does it change anything?
    pub(crate) fn is_identity(self) -> bool {
        self.layout == ChannelOrder::Same && self.from == self.to
    }

    /// The type of the elements that it converts.
    pub(crate) fn source_type(self) -> ElementType {
        self.from.element_type
    }

    /// Where the channels are in the target.
    pub(crate) fn layout(self) -> ChannelOrder {
        self.layout
    }

    /// The numbers that two elements stand for: themselves if both stand for the same.
    pub(crate) fn numbers(self, source: f64, target: f64) -> (f64, f64) {
        if self.from == self.to {
            return (source, target);
        }
        (self.from.number(source), self.to.number(target))
    }

    /// Write into `target` what the elements of `source` are in the other model.
    pub(crate) fn convert(self, source: &[u8], target: &mut [u8]) {
        let [_, pixels, channels] = self.sizes;
        let image = (pixels * channels).max(1);
        let (size, target_size) = (self.from.element_type.size_bytes(), self.to.element_type.size_bytes());
        for (place, written) in target.chunks_exact_mut(target_size).enumerate() {
            let within = place % image;
            let moved = match self.layout {
                ChannelOrder::Same => within,
                ChannelOrder::ChannelsLast => (within % channels) * pixels + within / channels,
                ChannelOrder::ChannelsFirst => (within % pixels) * channels + within / pixels,
            };
            let read = (place - within + moved) * size;
            let Some(element) = source.get(read..read + size) else { return };
            if self.from == self.to {
                written.copy_from_slice(element);
            } else {
                self.element(element, written);
            }
        }
    }

    fn element(self, source: &[u8], target: &mut [u8]) {
        let mut value = 0.0;
        self.from.element_type.each(source, |element| value = element);
        let value = self.from.number(value);
        let value = self.to.quantization.map_or(value, |quantization| quantization.element(value));
        put_nearest(value, self.to.element_type, target);
    }
}

impl Quantization {
    /// What an element stands for.
    fn value(self, element: f64) -> f64 {
        self.scale * (element - self.zero_point as f64)
    }

    /// The element for a number, not rounded yet.
    fn element(self, value: f64) -> f64 {
        value / self.scale + self.zero_point as f64
    }
}

fn described(tensor: &Tensor) -> String {
    let size = |size: &Option<u64>| size.map_or_else(|| "?".to_owned(), |size| size.to_string());
    let sizes: Vec<String> = tensor.shape.iter().map(size).collect();
    let scaled = tensor.quantization.map(|quantization| {
        format!(" (scale {}, zero point {})", quantization.scale, quantization.zero_point)
    });
    format!("{} [{}]{}", tensor.element_type, sizes.join(", "), scaled.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(element_type: &str, shape: &[u64], quantization: Option<(f64, i64)>) -> Tensor {
        Tensor {
            name: "x".to_owned(),
            element_type: element_type.to_owned(),
            shape: shape.iter().copied().map(Some).collect(),
            quantization: quantization.map(|(scale, zero_point)| Quantization { scale, zero_point }),
        }
    }

    fn converted(from: &Tensor, to: &Tensor, source: &[u8]) -> Vec<u8> {
        let conversion = Conversion::of(from, to).unwrap();
        let size = ElementType::of_name(&to.element_type).unwrap().size_bytes();
        let count: u64 = to.shape.iter().flatten().product();
        let mut target = vec![0; count as usize * size];
        conversion.convert(source, &mut target);
        target
    }

    #[test]
    fn channels_move_to_the_other_end_and_back() {
        // Two images of 1 × 2 pixels with three channels: element = channel + 10 × pixel + 100 × image.
        let first = [0, 10, 1, 11, 2, 12, 100, 110, 101, 111, 102, 112];
        let last = [0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112];
        let (nchw, nhwc) = (tensor("uint8", &[2, 3, 1, 2], None), tensor("uint8", &[2, 1, 2, 3], None));
        assert_eq!(converted(&nchw, &nhwc, &first), last);
        assert_eq!(converted(&nhwc, &nchw, &last), first);
        assert_eq!(converted(&nchw, &nchw, &first), first);
        assert!(Conversion::of(&nchw, &nchw).unwrap().is_identity());
    }

    #[test]
    fn numbers_become_the_nearest_element_that_stands_for_them_and_back() {
        let floats = tensor("float32", &[4], None);
        let codes = tensor("int8", &[4], Some((0.5, -1)));
        let values = [0.0_f32, 0.3, -100.0, 1.0];
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        let elements: Vec<i8> =
            converted(&floats, &codes, &bytes).into_iter().map(|byte| byte as i8).collect();
        assert_eq!(elements, [-1, 0, -128, 1]);
        let back: Vec<f32> = converted(&codes, &floats, &[255, 0, 128, 1])
            .chunks_exact(4)
            .map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap()))
            .collect();
        assert_eq!(back, [0.0, 0.5, -63.5, 1.0]);
    }

    #[test]
    fn other_shapes_open_sizes_and_integers_that_stand_for_themselves_are_refused() {
        let floats = tensor("float32", &[1, 3, 8, 9], None);
        let refusals = [
            tensor("float32", &[1, 8, 3, 9], None),
            tensor("float32", &[1, 3, 72], None),
            tensor("int8", &[1, 8, 9, 3], None),
            tensor("string", &[1, 3, 8, 9], None),
            Tensor { shape: vec![Some(1), None, Some(8), Some(9)], ..floats.clone() },
        ];
        let refusals: Vec<String> =
            refusals.iter().map(|to| Conversion::of(&floats, to).unwrap_err()).collect();
        insta::assert_snapshot!(refusals.join("\n"), @"
        float32 [1, 3, 8, 9] does not give float32 [1, 8, 3, 9]
        float32 [1, 3, 8, 9] does not give float32 [1, 3, 72]
        float32 [1, 3, 8, 9] does not give int8 [1, 8, 9, 3]
        float32 [1, 3, 8, 9] does not give string [1, 3, 8, 9]
        float32 [1, 3, 8, 9] does not give float32 [1, ?, 8, 9]
        ");
    }
}
