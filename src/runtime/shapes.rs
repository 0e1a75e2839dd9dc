//! Input shapes: what the model declares, compared with what the job gives.
//!
//! Shared by all runtimes, so that they refuse the same things in the same words. Knows no runtime and reads
//! no file.

use std::collections::BTreeMap;
use std::fmt;

use super::Failure;
use crate::bundle::format::Stage;
use crate::model_file::Dimension;

/// An input as the model declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredInput {
    /// Name in the model.
    pub name: String,
    /// Shape in the model's own layout.
    pub shape: Vec<Dimension>,
}

impl fmt::Display for DeclaredInput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dimensions: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        write!(formatter, "{}: [{}]", self.name, dimensions.join(", "))
    }
}

/// The shape to bind for each declared input, in the model's order.
///
/// # Errors
/// `unknown_input` for a shape given to a name that the model does not have, `shape_mismatch` for one of
/// another rank, with a zero or against a fixed dimension, `dynamic_shape` if a dimension stays open; it
/// lists every input with its symbols.
pub fn resolve(
    declared: &[DeclaredInput],
    given: &BTreeMap<String, Vec<u64>>,
) -> Result<Vec<Vec<u64>>, Failure> {
    let list = declared.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if let Some(name) = given.keys().find(|name| declared.iter().all(|input| input.name != **name)) {
        return Err(Failure::new(
            Stage::Prepare,
            "unknown_input",
            format!("`inputs` gives a shape for `{name}`, but the model has no such input; it has {list}"),
        )
        .with_hint("use the model's own input names under `inputs`"));
    }
    declared
        .iter()
        .map(|input| match given.get(&input.name) {
            Some(shape) => fitting(input, shape),
            None => input
                .shape
                .iter()
                .map(Dimension::fixed)
                .collect::<Option<Vec<u64>>>()
                .ok_or_else(|| dynamic(declared, &list)),
        })
        .collect()
}

fn fitting(input: &DeclaredInput, shape: &[u64]) -> Result<Vec<u64>, Failure> {
    let fits = shape.len() == input.shape.len()
        && shape.iter().zip(&input.shape).all(|(size, dimension)| match dimension {
            Dimension::Fixed(fixed) => size == fixed,
            Dimension::Open(_) => *size > 0,
        });
    if fits {
        return Ok(shape.to_vec());
    }
    Err(Failure::new(
        Stage::Prepare,
        "shape_mismatch",
        format!("`inputs` gives {shape:?} for `{}`, but the model declares {input}", input.name),
    )
    .with_hint(
        "keep the rank and the numbers that the model fixes, and replace each name and each `?` by a positive number",
    ))
}

fn dynamic(declared: &[DeclaredInput], list: &str) -> Failure {
    let example = declared
        .iter()
        .filter(|input| input.shape.iter().any(Dimension::is_open))
        .map(|input| {
            let sizes: Vec<String> =
                input.shape.iter().map(|dimension| dimension.fixed().unwrap_or(1).to_string()).collect();
            format!("{}: [{}]", input.name, sizes.join(", "))
        })
        .collect::<Vec<_>>()
        .join(", ");
    Failure::new(Stage::Prepare, "dynamic_shape", format!("the model leaves input dimensions open: {list}"))
        .with_hint(format!("set the shapes to measure in the job, as in `inputs: {{{example}}}`"))
}

/// Elements of a tensor of that shape; `None` if the number does not fit.
pub fn element_count(shape: &[u64]) -> Option<usize> {
    shape.iter().try_fold(1usize, |count, size| count.checked_mul(usize::try_from(*size).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> DeclaredInput {
        let open = |name: &str| Dimension::Open(Some(name.to_owned()));
        DeclaredInput {
            name: "image".to_owned(),
            shape: vec![open("batch"), Dimension::Fixed(3), open("height"), Dimension::Open(None)],
        }
    }

    fn mask() -> DeclaredInput {
        DeclaredInput { name: "mask".to_owned(), shape: vec![Dimension::Fixed(1), Dimension::Fixed(8)] }
    }

    fn given(name: &str, shape: &[u64]) -> BTreeMap<String, Vec<u64>> {
        BTreeMap::from([(name.to_owned(), shape.to_vec())])
    }

    #[test]
    fn fixed_shapes_need_nothing_and_may_be_repeated() {
        assert_eq!(resolve(&[mask()], &BTreeMap::new()).unwrap(), [vec![1, 8]]);
        assert_eq!(resolve(&[mask()], &given("mask", &[1, 8])).unwrap(), [vec![1, 8]]);
    }

    #[test]
    fn given_shapes_close_open_dimensions() {
        assert_eq!(
            resolve(&[image(), mask()], &given("image", &[2, 3, 32, 48])).unwrap(),
            [vec![2, 3, 32, 48], vec![1, 8]]
        );
    }

    #[test]
    fn open_dimensions_are_listed_with_their_symbols() {
        let failure = resolve(&[image(), mask()], &BTreeMap::new()).unwrap_err();
        assert_eq!(failure.reason, "dynamic_shape");
        insta::assert_snapshot!(failure.detail, @"the model leaves input dimensions open: image: [batch, 3, height, ?], mask: [1, 8]");
        insta::assert_snapshot!(failure.hint.unwrap(), @"set the shapes to measure in the job, as in `inputs: {image: [1, 3, 1, 1]}`");
    }

    #[test]
    fn unknown_names_wrong_ranks_zeros_and_contradictions_are_refused() {
        let refused = |given| {
            let failure = resolve(&[image(), mask()], &given).unwrap_err();
            format!("{}: {}", failure.reason, failure.detail)
        };
        insta::assert_snapshot!(refused(given("images", &[1])), @"unknown_input: `inputs` gives a shape for `images`, but the model has no such input; it has image: [batch, 3, height, ?], mask: [1, 8]");
        insta::assert_snapshot!(refused(given("image", &[1, 3, 8])), @"shape_mismatch: `inputs` gives [1, 3, 8] for `image`, but the model declares image: [batch, 3, height, ?]");
        insta::assert_snapshot!(refused(given("image", &[1, 4, 8, 8])), @"shape_mismatch: `inputs` gives [1, 4, 8, 8] for `image`, but the model declares image: [batch, 3, height, ?]");
        insta::assert_snapshot!(refused(given("image", &[0, 3, 8, 8])), @"shape_mismatch: `inputs` gives [0, 3, 8, 8] for `image`, but the model declares image: [batch, 3, height, ?]");
    }

    #[test]
    fn element_counts_that_do_not_fit_are_none() {
        assert_eq!(element_count(&[]), Some(1));
        assert_eq!(element_count(&[2, 3, 4]), Some(24));
        assert_eq!(element_count(&[u64::MAX, 2]), None);
    }
}
