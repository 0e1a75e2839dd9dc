//! The inputs of a trial: which shape each has, and the bytes it is filled with.
//!
//! Shared by all runtimes: a runtime says what its model declares and hands over memory, and everything that
//! a job may say of an input is carried out here. Files are read here too, and so in a worker process only.

use std::collections::BTreeMap;

use super::element::ElementType;
use super::encode::{Unfit, encode};
use super::fill::Generator;
use super::layout::Conversion;
use super::shapes::{self, BoundShape, DeclaredInput};
use super::{Failure, GivenInput, GivenInputs, InputContent, InputFile};
use crate::bundle::format::{FilledFromFile, FilledInput, InputOrigin, Stage, Tensor};
use crate::error::Hint as _;
use crate::model_file::elements;
use crate::model_file::tensor::{TensorFile, TensorFileError};

/// The most bytes that a file alone may make an input: with a larger one in mind, the job gives the shape. A
/// small archive can claim any number of elements.
const LARGEST_FROM_FILE_BYTES: u64 = 1 << 30;

/// The inputs of a trial, in the model's order.
#[derive(Debug, Clone)]
pub struct Inputs {
    planned: Vec<PlannedInput>,
    generator: Generator,
    seed: u64,
}

/// One input.
#[derive(Debug, Clone)]
pub struct PlannedInput {
    /// Name in the model.
    pub name: String,
    /// The shape to bind.
    pub shape: BoundShape,
    /// What the job gives.
    content: Option<InputContent>,
    /// Its element type, once it is filled.
    element_type: Option<ElementType>,
    instead: Instead,
    /// From what another model's input would hold.
    like: Option<Conversion>,
}

/// Who fills an input that the job leaves to the generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instead {
    Generator,
    Zeros,
    Program,
}

impl PlannedInput {
    /// Does the job give its elements?
    pub fn has_content(&self) -> bool {
        self.content.is_some()
    }

    /// Integers of the generator.
    fn is_own_integer(&self) -> bool {
        let is_own = self.content.is_none() && self.instead == Instead::Generator;
        is_own && self.element_type.is_some_and(ElementType::is_integer)
    }

    fn is_wide(&self) -> bool {
        self.is_own_integer() && self.element_type.is_some_and(|element_type| element_type.size_bytes() >= 4)
    }

    /// The numbers that the job lists, if it does; one of them if it stands for all elements.
    pub(super) fn numbers(&self) -> Option<Vec<serde_json::Number>> {
        match &self.content {
            Some(InputContent::Values(values)) => Some(values.clone()),
            Some(InputContent::Value(value)) => {
                let count = shapes::element_count(&self.shape.sizes).filter(|count| *count <= 64)?;
                Some(vec![value.clone(); count])
            }
            _ => None,
        }
    }
}

impl Inputs {
    /// What to bind for a model that declares these inputs.
    ///
    /// # Errors
    /// What the job gives does not fit the model: names, shapes, counts of values, files.
    pub fn plan(declared: &[DeclaredInput], given: &GivenInputs, seed: u64) -> Result<Self, Failure> {
        shapes::check_names(declared, given.keys())?;
        let mut given_shapes = BTreeMap::new();
        for input in declared {
            if let Some(shape) =
                given.get(&input.name).map(|given| given_shape(input, given)).transpose()?.flatten()
            {
                given_shapes.insert(input.name.clone(), shape);
            }
        }
        let shapes = shapes::resolve(declared, &given_shapes)?;
        let planned = declared.iter().zip(shapes).map(|(input, shape)| {
            let content = given.get(&input.name).and_then(|given| given.content.clone());
            check_count(&input.name, &shape.sizes, content.as_ref())?;
            let name = input.name.clone();
            let (element_type, instead, like) = (None, Instead::Generator, None);
            Ok(PlannedInput { name, shape, content, element_type, instead, like })
        });
        Ok(Self { planned: planned.collect::<Result<_, _>>()?, generator: Generator::new(seed), seed })
    }

    /// Let inputs that the job does not give hold what those of another model of the same network would, in
    /// its order; `described` says what this model's are. Nothing changes if there are no others.
    ///
    /// # Errors
    /// The inputs of the two models do not correspond.
    pub fn like(mut self, others: &[Tensor], described: &[Tensor]) -> Result<Self, Failure> {
        let refused = |why: String| Failure::new(Stage::Prepare, "inputs_not_converted", why);
        for ((input, other), ours) in self.planned.iter_mut().zip(others).zip(described) {
            let shape = input.shape.sizes.iter().copied().map(Some).collect();
            let conversion = Conversion::of(other, &Tensor { shape, ..ours.clone() }).map_err(refused)?;
            input.like = Some(conversion).filter(|conversion| !conversion.is_identity());
        }
        Ok(self)
    }

    /// The inputs.
    pub fn planned(&self) -> &[PlannedInput] {
        &self.planned
    }

    /// The shape to bind for an input.
    pub fn shape(&self, index: usize) -> &[u64] {
        &self.planned[index].shape.sizes
    }

    /// Fill the memory of an input: all inputs once, in the model's order.
    ///
    /// # Errors
    /// What the job gives does not suit the element type, or its file cannot be read.
    pub fn fill(&mut self, index: usize, element_type: ElementType, bytes: &mut [u8]) -> Result<(), Failure> {
        let input = &mut self.planned[index];
        input.element_type = Some(element_type);
        let refused = |unfit: Unfit| unfit.failure(&input.name, element_type);
        match &input.content {
            None => match input.like {
                None => self.generator.fill(element_type, bytes),
                Some(conversion) => {
                    let elements = bytes.len() / element_type.size_bytes();
                    let mut source = vec![0; elements * conversion.source_type().size_bytes()];
                    self.generator.fill(conversion.source_type(), &mut source);
                    conversion.convert(&source, bytes);
                }
            },
            Some(InputContent::Range(minimum, maximum)) => {
                self.generator.fill_range(element_type, (*minimum, *maximum), bytes).map_err(refused)?;
            }
            Some(InputContent::Value(value)) => {
                let (element, size) = encode(value, element_type).map_err(refused)?;
                bytes.chunks_exact_mut(size).for_each(|place| place.copy_from_slice(&element[..size]));
            }
            Some(InputContent::Values(values)) => {
                for (place, value) in bytes.chunks_exact_mut(element_type.size_bytes()).zip(values) {
                    let (element, size) = encode(value, element_type).map_err(refused)?;
                    place.copy_from_slice(&element[..size]);
                }
            }
            Some(InputContent::File(file)) => read_file(input, file, element_type, bytes)?,
        }
        Ok(())
    }

    /// Does what the job gives suit an input of that element type? Fills nothing, and reads no more of a file
    /// than its header.
    ///
    /// # Errors
    /// As [`Inputs::fill`].
    pub(super) fn check(&self, index: usize, element_type: ElementType) -> Result<(), Failure> {
        let input = &self.planned[index];
        let refused = |unfit: Unfit| unfit.failure(&input.name, element_type);
        match &input.content {
            None => Ok(()),
            Some(InputContent::Range(minimum, maximum)) => {
                Generator::new(0).fill_range(element_type, (*minimum, *maximum), &mut []).map_err(refused)
            }
            Some(InputContent::Value(value)) => encode(value, element_type).map(drop).map_err(refused),
            Some(InputContent::Values(values)) => {
                values.iter().try_for_each(|value| encode(value, element_type).map(drop)).map_err(refused)
            }
            Some(InputContent::File(file)) => open_for(input, file, element_type).map(drop),
        }
    }

    /// Has the generator made integers of 32 or 64 bits, which may be indices?
    pub fn may_hold_indices(&self) -> bool {
        self.planned.iter().any(PlannedInput::is_wide)
    }

    /// The first run said that an index is out of range: integers that the job did not give become zeros,
    /// those of 32 and 64 bits if there are any, because the narrow ones are most often activations. The
    /// inputs that change; nothing happens the second time.
    pub fn zero_integers(&mut self) -> Vec<usize> {
        let is_to_change =
            if self.may_hold_indices() { PlannedInput::is_wide } else { PlannedInput::is_own_integer };
        let mut changed = Vec::new();
        for (index, input) in self.planned.iter_mut().enumerate().filter(|(_, input)| is_to_change(input)) {
            input.instead = Instead::Zeros;
            changed.push(index);
        }
        changed
    }

    /// An input that no run of [`Inputs::fill`] fills, because the program that measures fills it.
    pub fn leave_to_program(&mut self, index: usize) {
        self.planned[index].instead = Instead::Program;
    }

    /// How each is filled.
    pub fn filled(&self) -> Vec<FilledInput> {
        self.planned.iter().map(|input| self.filled_input(input)).collect()
    }

    fn filled_input(&self, input: &PlannedInput) -> FilledInput {
        let mut filled = FilledInput {
            name: input.name.clone(),
            how: InputOrigin::Random,
            seed: None,
            range: None,
            value: None,
            count: None,
            file: None,
            first_dimension_as_one: input.shape.is_first_as_one,
        };
        match (&input.content, input.instead) {
            (None, Instead::Generator) => filled.seed = Some(self.seed),
            (None, Instead::Zeros) => filled.how = InputOrigin::ZerosAfterOutOfRange,
            (None, Instead::Program) => filled.how = InputOrigin::Program,
            (Some(InputContent::Range(minimum, maximum)), _) => {
                (filled.how, filled.range) = (InputOrigin::Range, Some([*minimum, *maximum]));
                filled.seed = Some(self.seed);
            }
            (Some(InputContent::Value(value)), _) => {
                (filled.how, filled.value) = (InputOrigin::Value, Some(value.clone()));
            }
            (Some(InputContent::Values(values)), _) => {
                (filled.how, filled.count) = (InputOrigin::Values, Some(values.len() as u64));
            }
            (Some(InputContent::File(file)), _) => {
                let (name, sha256) = (file.name.clone(), file.sha256.clone());
                (filled.how, filled.file) = (InputOrigin::File, Some(FilledFromFile { name, sha256 }));
            }
        }
        filled
    }
}

/// The shape that the job gives, by itself or through the elements that it gives.
fn given_shape(input: &DeclaredInput, given: &GivenInput) -> Result<Option<Vec<u64>>, Failure> {
    if let Some(file) = given.file() {
        return shape_in_file(input, file, given.shape.as_deref()).map(Some);
    }
    let is_list = input.shape.as_ref().is_some_and(|shape| shape.len() == 1);
    Ok(match (&given.shape, &given.content) {
        (None, Some(InputContent::Values(values))) if is_list => Some(vec![values.len() as u64]),
        (shape, _) => shape.clone(),
    })
}

/// The shape of the tensor in the file; the one that the job gives must be the same.
fn shape_in_file(
    input: &DeclaredInput,
    file: &InputFile,
    given: Option<&[u64]>,
) -> Result<Vec<u64>, Failure> {
    let declared = || {
        let fixed = input.shape.as_ref()?.iter().map(crate::model_file::Dimension::fixed);
        fixed.collect::<Option<Vec<u64>>>()
    };
    let expected = given.map(<[u64]>::to_vec).or_else(declared);
    let tensor = open(file, &input.name, expected.as_deref())?;
    if let Some(given) = given.filter(|given| *given != tensor.shape) {
        let detail = format!(
            "`inputs` gives the shape {given:?} for `{}`, but {} has {:?}",
            input.name, file.name, tensor.shape
        );
        return Err(Failure::new(Stage::Prepare, "shape_mismatch", detail)
            .with_hint("leave out `shape`, which the file has, or save the array in that shape"));
    }
    let limit = LARGEST_FROM_FILE_BYTES / 8;
    if expected.is_none() && elements(&tensor.shape).is_none_or(|count| count > limit) {
        let detail = format!(
            "{} says that input `{}` has the shape {:?}, which is more than {limit} elements",
            file.name, input.name, tensor.shape
        );
        return Err(Failure::new(Stage::Prepare, "input_file_too_large", detail)
            .with_hint("if that is right, give the same `shape` next to `file`"));
    }
    Ok(tensor.shape)
}

fn open(file: &InputFile, input: &str, expected: Option<&[u64]>) -> Result<TensorFile, Failure> {
    let format = file.name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    TensorFile::open(&file.path, &format, input, expected.and_then(elements))
        .map_err(|error| not_readable(file, input, &error))
}

fn not_readable(file: &InputFile, input: &str, error: &TensorFileError) -> Failure {
    let detail = format!("{} cannot be read for input `{input}`: {error}", file.name);
    let failure = Failure::new(Stage::Prepare, "input_file_not_readable", detail);
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// The file of an input, if its elements have that type.
fn open_for(
    input: &PlannedInput,
    file: &InputFile,
    element_type: ElementType,
) -> Result<TensorFile, Failure> {
    let tensor = open(file, &input.name, Some(&input.shape.sizes))?;
    let (found, wanted) = (tensor.element_type, element_type.name());
    if found != wanted {
        let detail = format!("{} has {found} elements, but input `{}` has {wanted}", file.name, input.name);
        return Err(Failure::new(Stage::Prepare, "element_type_mismatch", detail)
            .with_hint(format!("convert the array before saving it, as `array.astype(\"{wanted}\")` does")));
    }
    Ok(tensor)
}

fn read_file(
    input: &PlannedInput,
    file: &InputFile,
    element_type: ElementType,
    bytes: &mut [u8],
) -> Result<(), Failure> {
    let tensor = open_for(input, file, element_type)?;
    tensor.read(bytes).map_err(|error| not_readable(file, &input.name, &error))
}

/// As many values as elements.
fn check_count(name: &str, shape: &[u64], content: Option<&InputContent>) -> Result<(), Failure> {
    let Some(InputContent::Values(values)) = content else { return Ok(()) };
    let count = elements(shape);
    if count == Some(values.len() as u64) {
        return Ok(());
    }
    let elements = count.map_or_else(|| "more than 2^64".to_owned(), |count| count.to_string());
    let detail = format!(
        "`inputs` gives {} values for `{name}`, but its shape {shape:?} has {elements} elements",
        values.len()
    );
    Err(Failure::new(Stage::Prepare, "wrong_count_of_values", detail)
        .with_hint("list every element in order, the last dimension fastest, or write one `value` for all"))
}

#[cfg(test)]
mod tests;
