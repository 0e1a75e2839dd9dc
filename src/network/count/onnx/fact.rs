//! What the walk knows of a tensor, for the operators that read it.

use crate::model_file::onnx::{MOST_VALUES, Payload};

/// What is known of a tensor while its readers are being walked.
#[derive(Debug, Default)]
pub(super) struct Fact<'a> {
    pub(super) name: String,
    pub(super) shape: Option<Vec<u64>>,
    pub(super) element_type: i64,
    pub(super) stored_bits: u64,
    pub(super) is_constant: bool,
    /// A constant that follows from the shape of an activation: a runtime computes it in each run.
    pub(super) is_of_shapes: bool,
    pub(super) payload: Option<Payload<'a>>,
    pub(super) values: Option<Values>,
    /// What it holds, if it is a sequence of tensors.
    pub(super) sequence: Option<Sequence>,
}

/// Values that shapes may be made of, in the order of the tensor's elements; never more than
/// [`MOST_VALUES`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// Whole numbers and truth values.
    Integers(Vec<i64>),
    /// Sizes are scaled as floating-point numbers.
    Floats(Vec<f64>),
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Floats(values) => values.len(),
        }
    }

    /// Those at these places, which may repeat.
    pub(super) fn at(&self, places: &[usize]) -> Option<Self> {
        if places.len() as u64 > MOST_VALUES {
            return None;
        }
        Some(match self {
            Self::Integers(values) => {
                Self::Integers(places.iter().map(|place| values.get(*place).copied()).collect::<Option<_>>()?)
            }
            Self::Floats(values) => {
                Self::Floats(places.iter().map(|place| values.get(*place).copied()).collect::<Option<_>>()?)
            }
        })
    }
}

/// A tensor in a sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) shape: Option<Vec<u64>>,
    pub(super) element_type: i64,
}

/// A sequence of tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sequence {
    /// Of these.
    Listed(Vec<Item>),
    /// Of so many as the input decides, all like this one.
    Alike(Item),
}

/// Longer sequences are not followed tensor by tensor: every node of a hostile file may hold another copy.
const MOST_ITEMS: usize = 64;

impl Sequence {
    /// Of these tensors.
    pub(super) fn of(items: Vec<Item>) -> Self {
        if items.len() <= MOST_ITEMS {
            return Self::Listed(items);
        }
        Self::Alike(Self::Listed(items).any())
    }

    /// Of so many, all like this one.
    pub(super) fn repeated(item: Item, count: u64) -> Self {
        match usize::try_from(count).ok().filter(|count| *count <= MOST_ITEMS) {
            Some(count) => Self::Listed(vec![item; count]),
            None => Self::Alike(item),
        }
    }

    /// What any of them is; without a shape where they differ.
    pub(super) fn any(&self) -> Item {
        match self {
            Self::Alike(item) => item.clone(),
            Self::Listed(items) => {
                let first = items.first().cloned().unwrap_or_default();
                if items.iter().all(|item| *item == first) { first } else { Item { shape: None, ..first } }
            }
        }
    }
}

impl Fact<'_> {
    /// Its values, where they are known.
    pub(super) fn values(&self) -> Option<Values> {
        let payload = self.payload.as_ref();
        if self.shape.as_ref().is_some_and(|shape| shape.contains(&0)) {
            let is_float = matches!(self.element_type, 1 | 10 | 11 | 16);
            return Some(if is_float { Values::Floats(Vec::new()) } else { Values::Integers(Vec::new()) });
        }
        self.values
            .clone()
            .or_else(|| payload.and_then(Payload::integers).map(Values::Integers))
            .or_else(|| payload.and_then(Payload::floats).map(Values::Floats))
    }

    /// Its values as whole numbers, where they are known.
    pub(super) fn integers(&self) -> Option<Vec<i64>> {
        match self.values()? {
            Values::Integers(values) => Some(values),
            Values::Floats(_) => None,
        }
    }

    /// Its values as floating-point numbers, where they are known.
    pub(super) fn floats(&self) -> Option<Vec<f64>> {
        match self.values()? {
            Values::Integers(_) => None,
            Values::Floats(values) => Some(values),
        }
    }
}
