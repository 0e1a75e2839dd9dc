//! How far an output is from the same output of another run on the same inputs. Pure; knows no runtime.
//!
//! Elements are judged by the size of the whole output: rounding in a layer is relative to the largest
//! numbers that meet there, so a small element among large ones has no digits of its own.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fill::ElementType;
use crate::bundle::format::{Agreement, AgreementState, OutputTolerance, Tensor};

/// The precision of a computation, as far as it decides what rounding may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rounding {
    /// 24 significant bits.
    Fp32,
    /// 11 significant bits in the factors: fp16, TF32.
    Half,
    /// Eight bits and a scale.
    Int8,
}

impl Rounding {
    /// That of a loaded model: of the options in force, and of its inputs and outputs.
    pub(crate) fn of<'a>(
        options: &BTreeMap<String, Value>,
        mut tensors: impl Iterator<Item = &'a Tensor>,
    ) -> Self {
        let precision = options.get("precision").and_then(Value::as_str).unwrap_or_default();
        let is_set = |name: &str| options.get(name).and_then(Value::as_bool) == Some(true);
        let is_narrow = |tensor: &Tensor| matches!(tensor.element_type.as_str(), "int8" | "uint8");
        let is_half = |tensor: &Tensor| matches!(tensor.element_type.as_str(), "float16" | "bfloat16");
        let mut half = precision == "fp16" || is_set("tf32");
        let is_int8 = tensors.any(|tensor| {
            half |= is_half(tensor);
            is_narrow(tensor)
        });
        match () {
            () if is_int8 || precision.starts_with("int8") || is_set("int8") => Self::Int8,
            () if half => Self::Half,
            () => Self::Fp32,
        }
    }

    /// What it may do to an output. METHOD gives the origins.
    pub(crate) fn tolerance(self) -> OutputTolerance {
        match self {
            Self::Fp32 => OutputTolerance {
                precision: "fp32".to_owned(),
                largest_share: Some(1e-3),
                smallest_cosine: None,
            },
            Self::Half => OutputTolerance {
                precision: "fp16".to_owned(),
                largest_share: Some(2e-2),
                smallest_cosine: None,
            },
            Self::Int8 => OutputTolerance {
                precision: "int8".to_owned(),
                largest_share: None,
                smallest_cosine: Some(0.99),
            },
        }
    }
}

/// The differences between two tensors, element by element.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Differences {
    largest_absolute: f64,
    largest_relative: f64,
    magnitude: f64,
    product: f64,
    square: f64,
    reference_square: f64,
    /// Elements of which one is finite and the other is not, or that are infinite in opposite directions.
    not_finite: u64,
}

impl Differences {
    /// Add the next element.
    pub(crate) fn add(&mut self, value: f64, reference: f64) {
        if !value.is_finite() || !reference.is_finite() {
            let is_same = value == reference || (value.is_nan() && reference.is_nan());
            self.not_finite += u64::from(!is_same);
            return;
        }
        let difference = (value - reference).abs();
        self.largest_absolute = self.largest_absolute.max(difference);
        if reference != 0.0 {
            self.largest_relative = self.largest_relative.max(difference / reference.abs());
        }
        self.magnitude = self.magnitude.max(reference.abs());
        self.product += value * reference;
        self.square += value * value;
        self.reference_square += reference * reference;
    }

    /// The verdict over all elements of the output of that name.
    pub(crate) fn agreement(
        self,
        name: &str,
        element_type: ElementType,
        tolerance: &OutputTolerance,
    ) -> Agreement {
        let finite = |value: f64| (value.is_finite() && self.not_finite == 0).then_some(value);
        let length = (self.square * self.reference_square).sqrt();
        let cosine = if length > 0.0 { finite((self.product / length).clamp(-1.0, 1.0)) } else { None };
        let state = match () {
            () if self.not_finite > 0 => AgreementState::Disagrees,
            () if self.largest_absolute == 0.0 => AgreementState::Agrees,
            () if element_type.is_decision() => AgreementState::NotJudged,
            () if self.is_within(tolerance, cosine) => AgreementState::Agrees,
            () => AgreementState::Disagrees,
        };
        let detail = (self.not_finite > 0)
            .then(|| format!("{} elements are finite in one of the two only", self.not_finite));
        Agreement {
            name: name.to_owned(),
            state,
            largest_absolute_difference: finite(self.largest_absolute),
            largest_relative_difference: finite(self.largest_relative),
            largest_reference_magnitude: finite(self.magnitude),
            cosine_similarity: cosine,
            detail,
        }
    }

    fn is_within(&self, tolerance: &OutputTolerance, cosine: Option<f64>) -> bool {
        let by_share =
            tolerance.largest_share.is_none_or(|share| self.largest_absolute <= share * self.magnitude);
        let by_cosine = tolerance.smallest_cosine.is_none_or(|least| cosine.is_some_and(|it| it >= least));
        by_share && by_cosine
    }
}

impl ElementType {
    /// Are its elements classes, indices and counts, as a rule? They jump where the numbers behind them move
    /// a little.
    fn is_decision(self) -> bool {
        matches!(self, Self::Bool | Self::Int32 | Self::Int64 | Self::Uint32 | Self::Uint64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(values: &[f64], references: &[f64], rounding: Rounding) -> Agreement {
        let mut differences = Differences::default();
        values.iter().zip(references).for_each(|(value, reference)| differences.add(*value, *reference));
        differences.agreement("y", ElementType::Float32, &rounding.tolerance())
    }

    #[test]
    fn differences_are_those_worked_by_hand() {
        let agreement = compared(&[3.0, 4.5, 0.1], &[3.0, 4.0, 0.0], Rounding::Fp32);
        assert_eq!(agreement.largest_absolute_difference, Some(0.5));
        assert_eq!(agreement.largest_relative_difference, Some(0.125));
        assert_eq!(agreement.largest_reference_magnitude, Some(4.0));
        // (9 + 18) / √(29.26 × 25)
        assert!((agreement.cosine_similarity.unwrap() - 0.998_289_7).abs() < 1e-6, "{agreement:?}");
        assert_eq!(agreement.state, AgreementState::Disagrees);
    }

    #[test]
    fn tolerance_is_a_share_of_the_largest_magnitude() {
        // An element near zero has no digits of its own.
        let near_zero = compared(&[10.0, 0.009], &[10.0, 0.0], Rounding::Fp32);
        assert_eq!(near_zero.state, AgreementState::Agrees);
        assert_eq!(compared(&[10.0, 0.011], &[10.0, 0.0], Rounding::Fp32).state, AgreementState::Disagrees);
        assert_eq!(compared(&[10.0, 0.19], &[10.0, 0.0], Rounding::Half).state, AgreementState::Agrees);
        assert_eq!(compared(&[10.0, 0.21], &[10.0, 0.0], Rounding::Half).state, AgreementState::Disagrees);
        // A few steps of 127 are within int8; another direction is not.
        assert_eq!(compared(&[120.0, -60.0], &[127.0, -55.0], Rounding::Int8).state, AgreementState::Agrees);
        assert_eq!(
            compared(&[120.0, 60.0], &[127.0, -55.0], Rounding::Int8).state,
            AgreementState::Disagrees
        );
        // Zeros everywhere agree, whatever the rounding.
        for rounding in [Rounding::Fp32, Rounding::Int8] {
            let zeros = compared(&[0.0, 0.0], &[0.0, 0.0], rounding);
            assert_eq!((zeros.state, zeros.cosine_similarity), (AgreementState::Agrees, None));
        }
        assert_eq!(compared(&[0.5], &[0.0], Rounding::Int8).state, AgreementState::Disagrees);
    }

    #[test]
    fn elements_that_are_not_finite_must_be_so_in_both() {
        let nan = f64::NAN;
        let same = compared(&[nan, f64::INFINITY, 1.0], &[nan, f64::INFINITY, 1.0], Rounding::Fp32);
        assert_eq!((same.state, same.largest_absolute_difference), (AgreementState::Agrees, Some(0.0)));
        for value in [nan, f64::NEG_INFINITY] {
            let one = compared(&[value, 1.0], &[2.0, 1.0], Rounding::Int8);
            assert_eq!((one.state, one.largest_absolute_difference), (AgreementState::Disagrees, None));
            assert_eq!(one.detail.as_deref(), Some("1 elements are finite in one of the two only"));
        }
    }

    #[test]
    fn indices_that_differ_are_not_judged() {
        let mut differences = Differences::default();
        differences.add(7.0, 3.0);
        let tolerance = Rounding::Fp32.tolerance();
        let judged = |elements| differences.agreement("y", elements, &tolerance).state;
        assert_eq!(judged(ElementType::Int64), AgreementState::NotJudged);
        assert_eq!(judged(ElementType::Int8), AgreementState::Disagrees);
    }

    #[test]
    fn rounding_follows_from_options_and_tensors() {
        let tensor = |element_type: &str| Tensor {
            name: "x".into(),
            element_type: element_type.into(),
            shape: Vec::new(),
            quantization: None,
        };
        let of = |options: &[(&str, Value)], element_type: &str| {
            let options = options.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            Rounding::of(&options, [tensor(element_type)].iter())
        };
        assert_eq!(of(&[("precision", "fp32".into())], "float32"), Rounding::Fp32);
        assert_eq!(of(&[("tf32", false.into())], "float32"), Rounding::Fp32);
        assert_eq!(of(&[("tf32", true.into())], "float32"), Rounding::Half);
        assert_eq!(of(&[("precision", "fp16".into())], "float32"), Rounding::Half);
        assert_eq!(of(&[], "float16"), Rounding::Half);
        assert_eq!(of(&[("precision", "int8_fp16".into())], "float32"), Rounding::Int8);
        assert_eq!(of(&[("int8", true.into())], "float32"), Rounding::Int8);
        assert_eq!(of(&[], "uint8"), Rounding::Int8);
    }
}
