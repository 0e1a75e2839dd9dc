//! What each ONNX operator makes and costs, from the shapes that it reads.
//!
//! Each file has the rules of a group of operators, as a list `RULES`; [`GROUPS`] has all lists. An operator
//! that is not in it, or whose shapes cannot be known, is handed back as [`Uncountable::Unknown`] and listed
//! as uncounted; so is one whose inputs do not fit it, with what does not fit.
//!
//! Source of shapes and attributes: <https://onnx.ai/onnx/operators/>, and for `com.microsoft`
//! <https://github.com/microsoft/onnxruntime/blob/v1.22.0/docs/ContribOperators.md>.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::fact::{Fact, Sequence, Values};
use super::frame::{CallSettings, attribute};
use super::settle::{Differing, OutputSlot, settled};
use crate::model_file::elements;
use crate::model_file::onnx::{OnnxAttribute, OnnxNode, bits, is_own_domain};
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product};

mod attention;
mod data_dependent;
mod einsum;
mod elementwise;
mod generators;
mod indexing;
mod layout;
mod microsoft;
mod normalization;
mod products;
mod quantization;
mod recurrent;
mod reductions;
mod resampling;
mod selection;
mod sequences;
mod signal;
mod values;
mod windows;

/// What an operator answers.
type Answer = Result<NodeEffect, Uncountable>;

/// A rule for one or more operators.
type Rule = fn(&Context<'_, '_>) -> Answer;

/// Rules with the operators that they are for.
type Rules = &'static [(&'static [&'static str], Rule)];

/// Every rule for ONNX's own operators.
const GROUPS: &[Rules] = &[
    attention::RULES,
    data_dependent::RULES,
    einsum::RULES,
    elementwise::RULES,
    generators::RULES,
    indexing::RULES,
    layout::RULES,
    normalization::RULES,
    products::RULES,
    quantization::RULES,
    recurrent::RULES,
    reductions::RULES,
    resampling::RULES,
    selection::RULES,
    sequences::RULES,
    signal::RULES,
    windows::RULES,
];

/// The domain of operators that ONNX Runtime adds.
const MICROSOFT: &str = "com.microsoft";

static OWN: LazyLock<HashMap<&str, Rule>> = LazyLock::new(|| by_name(GROUPS));
static ADDED: LazyLock<HashMap<&str, Rule>> = LazyLock::new(|| by_name(microsoft::GROUPS));

fn by_name(groups: &'static [Rules]) -> HashMap<&'static str, Rule> {
    let rules = groups.iter().copied().flatten();
    rules.flat_map(|(names, rule)| names.iter().map(|name| (*name, *rule))).collect()
}

/// What an operator makes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Made {
    pub(super) shape: Vec<u64>,
    pub(super) element_type: i64,
    /// Where it is stored narrower than its type.
    pub(super) stored_bits: Option<u64>,
    /// Its values, where they are known and shapes may be made of them.
    pub(super) values: Option<Values>,
    /// What it holds, if it is no tensor.
    pub(super) sequence: Option<Sequence>,
    /// How the shape differs from the computed one.
    pub(super) difference: Option<Differing>,
}

impl Made {
    fn of_sequence(sequence: Sequence) -> Self {
        Self {
            shape: Vec::new(),
            element_type: sequence.any().element_type,
            stored_bits: None,
            values: None,
            sequence: Some(sequence),
            difference: None,
        }
    }

    fn elements(&self) -> Result<u64, Uncountable> {
        product(&self.shape)
    }
}

/// What an operator makes and does.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NodeEffect {
    pub(super) outputs: Vec<Made>,
    pub(super) work: Work,
    /// Inputs that are shapes, scales and bounds rather than tensors that are read.
    pub(super) settings: &'static [usize],
}

impl NodeEffect {
    pub(super) fn one(output: Made, work: Work) -> Self {
        Self { outputs: vec![output], work, settings: &[] }
    }

    fn with_settings(self, settings: &'static [usize]) -> Self {
        Self { settings, ..self }
    }
}

/// A node with what it reads.
pub(super) struct Context<'n, 'a> {
    pub(super) node: &'n OnnxNode<'a>,
    pub(super) inputs: Vec<Option<&'n Fact<'a>>>,
    pub(super) outputs: Vec<OutputSlot<'n>>,
    pub(super) settings: Option<&'n CallSettings<'n, 'a>>,
    /// Version of ONNX's own operators.
    pub(super) version: i64,
}

/// What a node makes and does.
pub(super) fn apply(context: &Context<'_, '_>) -> Answer {
    let node = context.node;
    let name = node.operator.as_str();
    let rule = match node.domain.as_str() {
        domain if is_own_domain(domain) => OWN.get(name),
        MICROSOFT => ADDED.get(name),
        _ => None,
    };
    match rule {
        Some(rule) => rule(context),
        None if is_own_domain(&node.domain) => {
            Err(Uncountable::Unknown("this operator is not counted".to_owned()))
        }
        None if node.domain == MICROSOFT => {
            Err(Uncountable::Unknown(format!("this operator of `{MICROSOFT}` is not counted")))
        }
        None => Err(Uncountable::Unknown(format!("operators of the domain `{}` are not known", node.domain))),
    }
}

/// Does an operator make something else each time?
pub(super) fn is_random(node: &OnnxNode<'_>) -> bool {
    const RANDOM: &[&str] = &[
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    ];
    RANDOM.contains(&node.operator.as_str())
}

impl<'n, 'a> Context<'n, 'a> {
    /// An input that must be there.
    pub(super) fn input(&self, index: usize) -> Result<&'n Fact<'a>, Uncountable> {
        self.optional(index).ok_or_else(|| Uncountable::missing_input(index))
    }

    pub(super) fn optional(&self, index: usize) -> Option<&'n Fact<'a>> {
        self.inputs.get(index).copied().flatten()
    }

    /// Shape of an input that must be there.
    pub(super) fn shape(&self, index: usize) -> Result<&'n [u64], Uncountable> {
        let input = self.input(index)?;
        input.shape.as_deref().ok_or_else(|| Uncountable::unknown_shape(&input.name))
    }

    /// Number of elements of an input.
    pub(super) fn elements(&self, index: usize) -> Result<u64, Uncountable> {
        elements(self.shape(index)?).ok_or(Uncountable::TooLarge)
    }

    /// Whole numbers that an input holds and shapes depend on.
    pub(super) fn values(&self, index: usize) -> Result<Vec<i64>, Uncountable> {
        let input = self.input(index)?;
        input.integers().ok_or_else(|| unknown_values(input))
    }

    /// Whole numbers that an input holds, of which none may be negative.
    pub(super) fn sizes(&self, index: usize) -> Result<Vec<u64>, Uncountable> {
        let sizes: Result<_, _> = self.values(index)?.into_iter().map(u64::try_from).collect();
        sizes.map_err(|_| Uncountable::Wrong(format!("its input {index} has a negative size")))
    }

    /// Floating-point numbers that an input holds.
    pub(super) fn floats(&self, index: usize) -> Result<Vec<f64>, Uncountable> {
        let input = self.input(index)?;
        input.floats().ok_or_else(|| unknown_values(input))
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'n OnnxAttribute<'a>> {
        attribute(self.node, self.settings, name)
    }

    pub(super) fn integer(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).and_then(|attribute| attribute.integer).unwrap_or(default)
    }

    /// A setting that is a size; `None` if it is left out or negative.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        self.attribute(name)?.integer.and_then(|size| u64::try_from(size).ok())
    }

    pub(super) fn integers(&self, name: &str) -> Option<&'n [i64]> {
        self.attribute(name).map(|attribute| attribute.integers.as_slice())
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a [u8]> {
        self.attribute(name).and_then(|attribute| attribute.text)
    }

    /// A list that is a setting in old versions and an input in later ones; `None` if it is neither.
    pub(super) fn list(&self, name: &str, input: usize) -> Result<Option<Vec<i64>>, Uncountable> {
        match (self.integers(name), self.optional(input)) {
            (Some(list), _) => Ok(Some(list.to_vec())),
            (None, Some(_)) => self.values(input).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Element type of the first input.
    pub(super) fn element_type(&self) -> i64 {
        self.type_of(0)
    }

    /// Element type of an input; float32 if it is left out.
    pub(super) fn type_of(&self, index: usize) -> i64 {
        self.optional(index).map_or(FLOAT, |input| input.element_type)
    }

    /// Does anything read this output?
    pub(super) fn is_asked(&self, output: usize) -> bool {
        self.outputs.get(output).is_some_and(|output| output.is_asked)
    }

    /// An output of a shape that is computed, unless another source knows better.
    ///
    /// # Errors
    /// Why it could not be computed, where no other source knows it.
    pub(super) fn made(
        &self,
        output: usize,
        computed: Result<Vec<u64>, Uncountable>,
        element_type: i64,
    ) -> Result<Made, Uncountable> {
        let (shape, difference) = match self.outputs.get(output) {
            Some(slot) => settled(slot, computed)?,
            None => (computed?, None),
        };
        Ok(Made { shape, element_type, stored_bits: None, values: None, sequence: None, difference })
    }
}

/// ONNX's numbers of types: floating-point numbers of 32 bits, whole numbers, truth values.
const FLOAT: i64 = 1;
const INT32: i64 = 6;
const INT64: i64 = 7;
const BOOL: i64 = 9;

/// So many operations for each of so many elements.
fn times(elements: u64, operations: u64) -> Result<Work, Uncountable> {
    elements.checked_mul(operations).map(Work::Operations).ok_or(Uncountable::TooLarge)
}

fn unknown_values(input: &Fact<'_>) -> Uncountable {
    let why = match &input.payload {
        Some(payload) if payload.is_external => "not in the file",
        _ => "not constant",
    };
    Uncountable::Unknown(format!(
        "its result's shape depends on the values of `{}`, which are {why}",
        input.name
    ))
}

/// Bits that elements of a type are stored in; 0 where the type is unknown.
pub(super) fn storage_bits(element_type: i64) -> u64 {
    bits(element_type).unwrap_or(0)
}
