//! Input shapes: what the model declares, compared with what the job gives.
//!
//! Shared by all runtimes, so that they refuse the same things in the same words. Knows no runtime and reads
//! no file.

use std::collections::BTreeMap;
use std::fmt;

use super::Failure;
use crate::bundle::format::Stage;
use crate::model_file::{self, Dimension};
use crate::text::nearest;

/// An input as the model declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredInput {
    /// Name in the model.
    pub name: String,
    /// Shape in the model's own layout; `None` if the model gives none, not even a rank.
    pub shape: Option<Vec<Dimension>>,
}

/// The shape that an input is bound with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundShape {
    /// Its sizes.
    pub sizes: Vec<u64>,
    /// The model leaves the first dimension open, and it is 1 because no one says otherwise.
    pub is_first_as_one: bool,
}

impl BoundShape {
    fn given(sizes: &[u64]) -> Self {
        Self { sizes: sizes.to_vec(), is_first_as_one: false }
    }

    /// Without a word of the job; `None` if that leaves a dimension open.
    fn by_default(declared: &[Dimension]) -> Option<Self> {
        let sizes = model_file::default_shape(declared)?;
        Some(Self { sizes, is_first_as_one: declared.first().is_some_and(Dimension::is_open) })
    }
}

impl DeclaredInput {
    /// Does the model leave any of its shape to the job?
    pub fn is_open(&self) -> bool {
        self.shape.as_ref().is_none_or(|shape| shape.iter().any(Dimension::is_open))
    }

    /// An example of what the job may give for it, as its hint shows.
    fn example(&self) -> String {
        let sizes = match &self.shape {
            None => "1, 3, 224, 224".to_owned(),
            Some(shape) => {
                let sizes = shape.iter().map(|dimension| dimension.fixed().unwrap_or(1).to_string());
                sizes.collect::<Vec<_>>().join(", ")
            }
        };
        format!("{}: [{sizes}]", self.name)
    }
}

impl fmt::Display for DeclaredInput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(shape) = &self.shape else { return write!(formatter, "{}: any shape", self.name) };
        let dimensions: Vec<String> = shape.iter().map(ToString::to_string).collect();
        write!(formatter, "{}: [{}]", self.name, dimensions.join(", "))
    }
}

/// The inputs in a sentence.
pub(super) fn list(declared: &[DeclaredInput]) -> String {
    declared.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Are all of these inputs of the model?
///
/// # Errors
/// `unknown_input` with the nearest name.
pub(super) fn check_names<'n>(
    declared: &[DeclaredInput],
    names: impl IntoIterator<Item = &'n String>,
) -> Result<(), Failure> {
    let unknown = names.into_iter().find(|name| declared.iter().all(|input| input.name != **name));
    let Some(name) = unknown else { return Ok(()) };
    let has = if declared.is_empty() { "none".to_owned() } else { list(declared) };
    let detail = format!("`inputs` names `{name}`, but the model has no such input; it has {has}");
    let near = nearest(name, declared.iter().map(|input| input.name.as_str()));
    Err(Failure::new(Stage::Prepare, "unknown_input", detail).with_hint(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "use the model's own input names under `inputs`".to_owned(),
    }))
}

/// The shape to bind for each declared input, in the model's order: the given one, or the declared one. A
/// name that the model gives an open dimension stands for one size wherever it occurs, so a given shape
/// closes it in the other inputs too. An open first dimension that is left alone is 1.
///
/// # Errors
/// `shape_mismatch` for a given shape of another rank or against a fixed dimension, `dynamic_shape` if any
/// other dimension stays open; it lists every input with its symbols.
pub fn resolve(
    declared: &[DeclaredInput],
    given: &BTreeMap<String, Vec<u64>>,
) -> Result<Vec<BoundShape>, Failure> {
    check_names(declared, given.keys())?;
    let named = named_sizes(declared, given);
    declared
        .iter()
        .map(|input| match (given.get(&input.name), &input.shape) {
            (Some(given), Some(shape)) => fitting(input, shape, given),
            (Some(given), None) => Ok(BoundShape::given(given)),
            (None, Some(shape)) => {
                BoundShape::by_default(&with_sizes(shape, &named)).ok_or_else(|| dynamic(declared, given))
            }
            (None, None) => Err(dynamic(declared, given)),
        })
        .collect()
}

/// The sizes that given shapes have where the model has names.
fn named_sizes<'a>(
    declared: &'a [DeclaredInput],
    given: &BTreeMap<String, Vec<u64>>,
) -> BTreeMap<&'a str, u64> {
    let mut named = BTreeMap::new();
    for input in declared {
        let (Some(shape), Some(given)) = (&input.shape, given.get(&input.name)) else { continue };
        for (dimension, size) in shape.iter().zip(given) {
            if let Dimension::Open(Some(name)) = dimension {
                named.entry(name.as_str()).or_insert(*size);
            }
        }
    }
    named
}

fn with_sizes(shape: &[Dimension], named: &BTreeMap<&str, u64>) -> Vec<Dimension> {
    let closed = |dimension: &Dimension| match dimension {
        Dimension::Open(Some(name)) => {
            named.get(name.as_str()).map_or_else(|| dimension.clone(), |size| Dimension::Fixed(*size))
        }
        other => other.clone(),
    };
    shape.iter().map(closed).collect()
}

fn fitting(input: &DeclaredInput, shape: &[Dimension], given: &[u64]) -> Result<BoundShape, Failure> {
    let fits = given.len() == shape.len()
        && given.iter().zip(shape).all(|(size, dimension)| match dimension {
            Dimension::Fixed(fixed) => size == fixed,
            Dimension::Open(_) => true,
        });
    if fits {
        return Ok(BoundShape::given(given));
    }
    Err(Failure::new(
        Stage::Prepare,
        "shape_mismatch",
        format!("`inputs` gives {given:?} for `{}`, but the model declares {input}", input.name),
    )
    .with_hint(
        "keep the rank and the numbers that the model fixes, and replace each name and each `?` by a number",
    ))
}

fn dynamic(declared: &[DeclaredInput], given: &BTreeMap<String, Vec<u64>>) -> Failure {
    let needed = |input: &&DeclaredInput| {
        let is_closed =
            input.shape.as_deref().is_some_and(|shape| model_file::default_shape(shape).is_some());
        !is_closed && !given.contains_key(&input.name)
    };
    let examples: Vec<String> = declared.iter().filter(needed).map(DeclaredInput::example).collect();
    let detail = format!("the model leaves input dimensions open: {}", list(declared));
    Failure::new(Stage::Prepare, "dynamic_shape", detail).with_hint(format!(
        "set the shapes to measure in the job, as in `inputs: {{{}}}`",
        examples.join(", ")
    ))
}

/// Elements of a tensor of that shape; `None` if the number does not fit.
pub fn element_count(shape: &[u64]) -> Option<usize> {
    usize::try_from(model_file::elements(shape)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> DeclaredInput {
        let open = |name: &str| Dimension::Open(Some(name.to_owned()));
        DeclaredInput {
            name: "image".to_owned(),
            shape: Some(vec![open("batch"), Dimension::Fixed(3), open("height"), Dimension::Open(None)]),
        }
    }

    fn mask() -> DeclaredInput {
        let shape = Some(vec![Dimension::Fixed(1), Dimension::Fixed(8)]);
        DeclaredInput { name: "mask".to_owned(), shape }
    }

    fn given(name: &str, shape: &[u64]) -> BTreeMap<String, Vec<u64>> {
        BTreeMap::from([(name.to_owned(), shape.to_vec())])
    }

    #[test]
    fn fixed_shapes_need_nothing_and_may_be_repeated() {
        assert_eq!(sizes(&[mask()], &BTreeMap::new()), [vec![1, 8]]);
        assert_eq!(sizes(&[mask()], &given("mask", &[1, 8])), [vec![1, 8]]);
    }

    fn sizes(declared: &[DeclaredInput], given: &BTreeMap<String, Vec<u64>>) -> Vec<Vec<u64>> {
        resolve(declared, given).unwrap().into_iter().map(|shape| shape.sizes).collect()
    }

    #[test]
    fn open_first_dimension_alone_is_one_unless_the_job_says_otherwise() {
        let ids = DeclaredInput {
            name: "ids".to_owned(),
            shape: Some(vec![Dimension::Open(Some("batch".to_owned())), Dimension::Fixed(128)]),
        };
        let shape = &resolve(std::slice::from_ref(&ids), &BTreeMap::new()).unwrap()[0];
        assert_eq!((shape.sizes.as_slice(), shape.is_first_as_one), (&[1, 128][..], true));
        let shape = &resolve(&[ids], &given("ids", &[4, 128])).unwrap()[0];
        assert_eq!((shape.sizes.as_slice(), shape.is_first_as_one), (&[4, 128][..], false));
    }

    #[test]
    fn name_of_a_dimension_stands_for_one_size_in_all_inputs() {
        let open = |name: &str| Dimension::Open(Some(name.to_owned()));
        let text = |name: &str| DeclaredInput {
            name: name.to_owned(),
            shape: Some(vec![open("batch"), open("sequence")]),
        };
        let both = [text("ids"), text("mask")];
        assert_eq!(sizes(&both, &given("ids", &[2, 128])), [[2, 128], [2, 128]]);
        assert_eq!(resolve(&both, &BTreeMap::new()).unwrap_err().reason, "dynamic_shape");
    }

    #[test]
    fn input_without_a_shape_takes_the_one_of_the_job() {
        let any = DeclaredInput { name: "x".to_owned(), shape: None };
        assert_eq!(sizes(std::slice::from_ref(&any), &given("x", &[1, 3, 8, 8])), [vec![1, 3, 8, 8]]);
        let failure = resolve(&[any], &BTreeMap::new()).unwrap_err();
        assert_eq!(failure.reason, "dynamic_shape");
        insta::assert_snapshot!(failure.detail, @"the model leaves input dimensions open: x: any shape");
        insta::assert_snapshot!(failure.hint.unwrap(), @"set the shapes to measure in the job, as in `inputs: {x: [1, 3, 224, 224]}`");
    }

    #[test]
    fn given_shapes_close_open_dimensions() {
        assert_eq!(
            sizes(&[image(), mask()], &given("image", &[2, 3, 32, 48])),
            [vec![2, 3, 32, 48], vec![1, 8]]
        );
        // A tensor without elements is one that a model may take.
        assert_eq!(sizes(&[image()], &given("image", &[0, 3, 8, 8])), [vec![0, 3, 8, 8]]);
    }

    #[test]
    fn open_dimensions_are_listed_with_their_symbols() {
        let failure = resolve(&[image(), mask()], &BTreeMap::new()).unwrap_err();
        assert_eq!(failure.reason, "dynamic_shape");
        insta::assert_snapshot!(failure.detail, @"the model leaves input dimensions open: image: [batch, 3, height, ?], mask: [1, 8]");
        insta::assert_snapshot!(failure.hint.unwrap(), @"set the shapes to measure in the job, as in `inputs: {image: [1, 3, 1, 1]}`");
    }

    #[test]
    fn unknown_names_wrong_ranks_and_contradictions_are_refused() {
        let refused = |given| {
            let failure = resolve(&[image(), mask()], &given).unwrap_err();
            format!("{}: {}", failure.reason, failure.detail)
        };
        let failure = resolve(&[image()], &given("images", &[1])).unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("did you mean `image`?"));
        insta::assert_snapshot!(refused(given("images", &[1])), @"unknown_input: `inputs` names `images`, but the model has no such input; it has image: [batch, 3, height, ?], mask: [1, 8]");
        insta::assert_snapshot!(refused(given("image", &[1, 3, 8])), @"shape_mismatch: `inputs` gives [1, 3, 8] for `image`, but the model declares image: [batch, 3, height, ?]");
        insta::assert_snapshot!(refused(given("image", &[1, 4, 8, 8])), @"shape_mismatch: `inputs` gives [1, 4, 8, 8] for `image`, but the model declares image: [batch, 3, height, ?]");
    }

    #[test]
    fn element_counts_that_do_not_fit_are_none() {
        assert_eq!(element_count(&[]), Some(1));
        assert_eq!(element_count(&[2, 3, 4]), Some(24));
        assert_eq!(element_count(&[u64::MAX, 2]), None);
    }
}
