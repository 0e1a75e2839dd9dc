//! How each input gets its elements: from a file through `--loadInputs`, as values through `--shapes` if they
//! are a shape, or made up by trtexec itself. Pure, except for [`Feed::write`].
//!
//! Every release splits these options at each comma, and the name of an input from its value at a colon: 7.0
//! at the first, unless the name is in single quotes; later ones at the last. The releases before 7.0 accept
//! `--loadInputs`, if they know it, and read nothing.
//!
//! Source: `samples/common/sampleOptions.cpp`, `sampleInference.cpp` and `sampleEngines.cpp` of
//! <https://github.com/NVIDIA/TensorRT>, branches release/6.0 to release/11.1.

use std::path::{Path, PathBuf};

use super::release::{self as option, Program, Release};
use crate::bundle::format::Stage;
use crate::model_file::onnx::Border;
use crate::runtime::Failure;
use crate::runtime::fill::ElementType;
use crate::runtime::inputs::Inputs;
use crate::runtime::shapes;

/// The release from which names are split from values at the last colon, and need no quotes.
const SPLITS_AT_LAST_COLON: Release = Release::numbered(7, 1);

/// The first release that has shape inputs.
const FIRST_WITH_SHAPE_INPUTS: Release = Release::numbered(7, 0);

/// The name of an input, and its sizes or, if it is a shape itself, its values.
pub(super) type ShapeWord = (String, Vec<i64>);

/// How the inputs of one model are fed to one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Feed {
    /// What `--shapes` says, names as they are to be written.
    pub(super) shapes: Vec<ShapeWord>,
    /// What `--loadInputs` says: the input, its name as it is to be written, and how its elements are stored.
    loads: Vec<LoadedInput>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LoadedInput {
    index: usize,
    name: String,
    stored: Stored,
}

/// How the elements of an input are stored on the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    AsTheyAre,
    /// 64-bit integers in 32 bits, before TensorRT had 64-bit ones.
    InHalf,
}

impl Feed {
    /// Decide for each input. Inputs that trtexec makes up are marked so in `inputs`.
    ///
    /// # Errors
    /// What the job gives cannot be said to this release.
    pub(super) fn plan(
        program: &Program,
        border: &Border,
        inputs: &mut Inputs,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let mut feed = Self { shapes: Vec::new(), loads: Vec::new() };
        let can_load = program.knows(&option::LOAD_INPUTS) && is_writable(&folder.to_string_lossy());
        for (index, declared) in border.inputs.iter().enumerate() {
            let sizes = inputs.shape(index).to_vec();
            let name = || written_name(program, &declared.name);
            if border.shape_inputs.contains(&declared.name) {
                feed.shapes.push((name()?, shape_values(program, inputs, index)?));
                continue;
            }
            if declared.is_open() {
                let sizes = sizes.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect();
                feed.shapes.push((name()?, sizes));
            }
            if sizes.contains(&0) {
                continue;
            }
            let stored = ElementType::of_name(&declared.element_type)
                .filter(|_| can_load)
                .and_then(|element_type| stored(program.release, element_type));
            match (stored, name()) {
                (Some(stored), Ok(name)) => feed.loads.push(LoadedInput { index, name, stored }),
                (_, Err(failure)) if inputs.planned()[index].has_content() => return Err(failure),
                (None, _) if inputs.planned()[index].has_content() => {
                    return Err(not_loadable(program, &declared.name, &declared.element_type));
                }
                _ => inputs.leave_to_program(index),
            }
        }
        Ok(feed)
    }

    /// Write the files that `--loadInputs` names. All inputs are filled, in the model's order, so that each
    /// gets the bytes that it gets with every other runtime. Returns the option's value, if there is any
    /// file.
    ///
    /// # Errors
    /// The elements do not suit the input, or the disk refuses.
    pub(super) fn write(
        &self,
        border: &Border,
        inputs: &mut Inputs,
        files: &dyn Fn(usize) -> PathBuf,
    ) -> Result<Option<String>, Failure> {
        let mut words = Vec::new();
        for (index, declared) in border.inputs.iter().enumerate() {
            let Some(element_type) = ElementType::of_name(&declared.element_type) else { continue };
            let size = shapes::element_count(inputs.shape(index))
                .and_then(|count| count.checked_mul(element_type.size_bytes()))
                .ok_or_else(|| too_large(&declared.name, inputs.shape(index)))?;
            let mut bytes = vec![0; size];
            inputs.fill(index, element_type, &mut bytes)?;
            let Some(load) = self.loads.iter().find(|load| load.index == index) else { continue };
            if load.stored == Stored::InHalf {
                bytes = in_half(&bytes).ok_or_else(|| outside_half(&declared.name))?;
            }
            let file = files(index);
            fs_err::write(&file, bytes).map_err(|error| not_written(&error))?;
            words.push(format!("{}:{}", load.name, file.display()));
        }
        Ok((!words.is_empty()).then(|| words.join(",")))
    }
}

/// Can it be part of these options?
fn is_writable(text: &str) -> bool {
    !text.contains([',', '\'', ':'])
}

/// The name as this release takes it.
fn written_name(program: &Program, name: &str) -> Result<String, Failure> {
    let refused = |why: &str| {
        let detail =
            format!("the command line of TensorRT {} {why}, and input `{name}` has one", program.version);
        Err(Failure::new(Stage::Prepare, "name_not_writable", detail).with_hint(
            "rename the input in the model, or measure it with another runtime; an input of fixed shape that the job leaves \
             alone needs no name here",
        ))
    };
    if name.contains([',', '\'']) {
        return refused("splits names at a comma or a quotation mark");
    }
    match name.contains(':') {
        false => Ok(name.to_owned()),
        true if program.release >= SPLITS_AT_LAST_COLON => Ok(name.to_owned()),
        true if program.release.major() == 7 => Ok(format!("'{name}'")),
        true => refused("splits names at a colon"),
    }
}

/// The values of an input that is a shape.
fn shape_values(program: &Program, inputs: &Inputs, index: usize) -> Result<Vec<i64>, Failure> {
    let input = &inputs.planned()[index];
    let name = &input.name;
    let refuse = |reason: &str, detail: String, hint: String| {
        Err(Failure::new(Stage::Prepare, reason, detail).with_hint(hint))
    };
    if program.release < FIRST_WITH_SHAPE_INPUTS {
        return refuse(
            "shape_input_not_supported",
            format!(
                "the values of input `{name}` are a shape, which TensorRT {} does not take",
                program.version
            ),
            "make the shape a constant of the model, or use TensorRT 7.0 or later".to_owned(),
        );
    }
    let values = input.numbers().and_then(|numbers| numbers.iter().map(serde_json::Number::as_i64).collect());
    match values {
        Some(values) => Ok(values),
        None => refuse(
            "shape_values_missing",
            format!("the values of input `{name}` are a shape, and decide what network TensorRT builds"),
            format!("give them in the job, as in `inputs: {{{name}: {{values: [1, 3, 224, 224]}}}}`"),
        ),
    }
}

/// How the release stores elements of this type in an input of its own choice; `None` if it turns them into
/// another type, or has no such input.
fn stored(release: Release, element_type: ElementType) -> Option<Stored> {
    let since = |major, minor| (release >= Release::numbered(major, minor)).then_some(Stored::AsTheyAre);
    match element_type {
        ElementType::Float32 | ElementType::Int32 | ElementType::Bool => Some(Stored::AsTheyAre),
        // 7.0 turned it into float32.
        ElementType::Float16 => since(7, 1),
        ElementType::Uint8 => since(8, 5),
        ElementType::Bfloat16 => since(10, 0),
        ElementType::Int64 if release < Release::numbered(9, 0) => Some(Stored::InHalf),
        ElementType::Int64 => since(10, 0),
        // int8 becomes float32; the others are no inputs there.
        _ => None,
    }
}

fn in_half(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut half = Vec::with_capacity(bytes.len() / 2);
    for eight in bytes.as_chunks::<8>().0 {
        half.extend(i32::try_from(i64::from_ne_bytes(*eight)).ok()?.to_ne_bytes());
    }
    Some(half)
}

fn not_loadable(program: &Program, name: &str, element_type: &str) -> Failure {
    let detail = format!(
        "TensorRT {} cannot read the {element_type} elements of input `{name}` from a file",
        program.version
    );
    Failure::new(Stage::Prepare, "input_not_loadable", detail)
        .with_hint("leave the content out, and trtexec makes one up; or use TensorRT 7.0 or later with float32, int32 or bool inputs")
}

fn outside_half(name: &str) -> Failure {
    let detail =
        format!("this release holds the int64 input `{name}` in 32 bits, which a given value exceeds");
    Failure::new(Stage::Prepare, "value_outside_type", detail).with_hint("give values of at most 32 bits")
}

fn too_large(name: &str, shape: &[u64]) -> Failure {
    Failure::new(
        Stage::Prepare,
        "tensor_too_large",
        format!("no memory for tensor `{name}` of shape {shape:?}"),
    )
    .with_hint("use smaller shapes under `inputs`")
}

fn not_written(error: &std::io::Error) -> Failure {
    Failure::new(Stage::Prepare, "input_not_written", format!("cannot write the inputs for trtexec: {error}"))
        .with_hint("free space on the spool's disk")
}
