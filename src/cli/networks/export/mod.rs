//! `backbone networks export`: model files of the family, one a configuration, precision and format.

use std::io::{ErrorKind, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use fs_err as fs;

use crate::cli::failure::{Advise as _, Explain as _};
use crate::cli::{Exit, note, print};
use crate::error::Hint as _;
use crate::network::blocks::Block;
use crate::network::configuration::{
    BATCHES, Configuration, INPUTS, KERNELS, Mistake, Precision, RESNET_50_DEPTHS, Wish,
};
use crate::network::emit::{self, Form, Format, LARGEST_FILE_BYTES, ModelFile, onnx};
use part::Part;

mod part;

/// Write model files of the family, all 648 where nothing is left out
///
/// Every choice may be given several times; one that is not given means all values of the paper. A file is named after
/// its configuration, as standard-k3-b1-i224-int8.onnx, and appears whole or not at all. The same choices give the same
/// bytes on every machine. The weights of an ONNX file that would pass 2 GB lie in a second file, named after it with .data.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Block type, see `backbone list blocks`
    #[arg(long = "block", value_name = "BLOCK")]
    blocks: Vec<String>,
    /// Kernel size, odd
    #[arg(long = "kernel", value_name = "PIXELS", allow_negative_numbers = true)]
    kernels: Vec<i64>,
    /// Batch size
    #[arg(long = "batch", value_name = "IMAGES", allow_negative_numbers = true)]
    batches: Vec<i64>,
    /// Height and width of the image, 32 or more
    #[arg(long = "input", value_name = "PIXELS", allow_negative_numbers = true)]
    inputs: Vec<i64>,
    /// fp32 or int8
    #[arg(long = "precision", value_name = "PRECISION")]
    precisions: Vec<String>,
    /// File format
    #[arg(long = "format", value_name = "FORMAT")]
    formats: Vec<FormatName>,
    /// Folder to write to; made where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Width of every layer, in per cent of the paper's
    #[arg(long, value_name = "PERCENT", default_value_t = 100, allow_negative_numbers = true)]
    width_percent: i64,
    /// Blocks in each of the four stages, as 3,4,6,3
    #[arg(long, value_name = "DEPTHS", value_delimiter = ',', num_args = 1, allow_negative_numbers = true)]
    depths: Vec<i64>,
    /// Version of ONNX's operator set; 11 for fp32 and 13 for int8 where it is not given
    #[arg(long, value_name = "VERSION")]
    opset: Option<u32>,
    /// Keep batch normalisation as nodes of its own, in fp32 ONNX
    #[arg(long)]
    separate_batch_normalisation: bool,
    /// Write int8 ONNX with uint8 activations, which ONNX Runtime fuses and TensorRT does not read
    #[arg(long)]
    unsigned_activations: bool,
    /// ONNX files larger than this get their weights in a second file. No flag: only tests have reason to lower it.
    #[arg(skip = LARGEST_FILE_BYTES)]
    largest_file_bytes: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    /// ONNX
    Onnx,
    /// TensorFlow Lite
    Tflite,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<Exit> {
    let wanted = wanted(arguments)?;
    fs::create_dir_all(&arguments.out).context("cannot make the folder to write to")?;
    part::remove_abandoned(&arguments.out).context("cannot remove what a killed export left")?;
    note(&format!("writing {} files to {}", wanted.len(), arguments.out.display()));
    let failed = write_all(&wanted, arguments)?;
    if failed == 0 {
        Ok(Exit::Done)
    } else {
        anyhow::bail!("{failed} of {} files were not written", wanted.len())
    }
}

/// One file that somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    configuration: Configuration,
    form: Form,
}

/// Everything asked for, in the order of the table, or every mistake at once.
fn wanted(arguments: &Arguments) -> anyhow::Result<Vec<Wanted>> {
    let depths = depths(&arguments.depths)?;
    let mut wanted = Vec::new();
    let mut mistakes: Vec<Mistake> = Vec::new();
    let names: Vec<&str> = Block::of_paper().iter().map(|block| block.name).collect();
    let precisions: Vec<&str> = Precision::ALL.iter().map(|precision| precision.name()).collect();
    let wide = |values: &[u32]| values.iter().map(|&value| i64::from(value)).collect::<Vec<i64>>();
    let blocks: Vec<&str> = chosen(arguments.blocks.iter().map(String::as_str), names);
    let kernels = chosen(arguments.kernels.iter().copied(), wide(KERNELS));
    let batches = chosen(arguments.batches.iter().copied(), wide(BATCHES));
    let inputs = chosen(arguments.inputs.iter().copied(), wide(INPUTS));
    let precisions = chosen(arguments.precisions.iter().map(String::as_str), precisions);
    let onnx = if arguments.unsigned_activations { Form::ONNX_UNSIGNED } else { Form::ONNX };
    let forms = chosen(
        arguments.formats.iter().map(|format| match format {
            FormatName::Onnx => onnx,
            FormatName::Tflite => Form::TFLITE,
        }),
        vec![onnx, Form::TFLITE],
    );
    for &block in &blocks {
        for &kernel in &kernels {
            for &batch in &batches {
                for &input in &inputs {
                    for &precision in &precisions {
                        let width_percent = arguments.width_percent;
                        let wish = Wish {
                            width_percent,
                            depths,
                            ..Wish::new(block, kernel, batch, input, precision)
                        };
                        match Configuration::new(&wish) {
                            Ok(configuration) => {
                                wanted.extend(forms.iter().map(|&form| Wanted { configuration, form }));
                            }
                            Err(found) => mistakes.extend(found),
                        }
                    }
                }
            }
        }
    }
    match told(&mistakes) {
        None => Ok(wanted),
        Some((text, hint)) => Err(anyhow::Error::msg(text)).advise(hint).exit(Exit::WrongInput),
    }
}

/// Every different mistake once, and what to do about each.
fn told(mistakes: &[Mistake]) -> Option<(String, String)> {
    let mut texts: Vec<String> = Vec::new();
    let mut hints: Vec<String> = Vec::new();
    for mistake in mistakes {
        let text = mistake.to_string();
        if !texts.contains(&text) {
            texts.push(text);
            hints.extend(mistake.hint());
        }
    }
    (!texts.is_empty()).then(|| (texts.join("; "), hints.join("; ")))
}

/// What was given, each value once; everything where nothing was.
fn chosen<T: PartialEq>(given: impl Iterator<Item = T>, all: Vec<T>) -> Vec<T> {
    let mut chosen: Vec<T> = Vec::new();
    for value in given {
        if !chosen.contains(&value) {
            chosen.push(value);
        }
    }
    if chosen.is_empty() { all } else { chosen }
}

fn depths(given: &[i64]) -> anyhow::Result<[i64; 4]> {
    if given.is_empty() {
        return Ok(RESNET_50_DEPTHS.map(i64::from));
    }
    let text = || anyhow::anyhow!("{} depths were given, and there are four stages", given.len());
    <[i64; 4]>::try_from(given).map_err(|_| text()).advise("write them as 3,4,6,3").exit(Exit::WrongInput)
}

/// Write every file, several at once; says how many could not be. Failures are told as they come.
fn write_all(wanted: &[Wanted], arguments: &Arguments) -> anyhow::Result<usize> {
    // Making weights needs a processor each; more threads than these gain nothing, each takes memory.
    const MOST_THREADS: usize = 4;
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let next = AtomicUsize::new(0);
    let errors = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(one) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = write_one(one, arguments);
                    if let Err(error) = outcome {
                        errors.lock().unwrap_or_else(PoisonError::into_inner).push(error);
                    }
                }
            });
        }
    });
    let mut errors = errors.into_inner().unwrap_or_else(PoisonError::into_inner);
    // A single failure is the command's own.
    match errors.len() {
        1 if wanted.len() == 1 => Err(errors.remove(0)),
        failed => {
            for error in &errors {
                crate::cli::failure::report(error);
            }
            Ok(failed)
        }
    }
}

fn write_one(wanted: &Wanted, arguments: &Arguments) -> anyhow::Result<()> {
    let Wanted { configuration, form } = wanted;
    let path = arguments.out.join(form.file_name(configuration));
    let file = match form.format {
        Format::Onnx => {
            let mut options = onnx::Options::for_precision(configuration.precision());
            options.opset = arguments.opset.unwrap_or(options.opset);
            options.is_normalisation_apart = arguments.separate_batch_normalisation;
            options.are_activations_unsigned = form.are_activations_unsigned;
            options.weights_beside_above_bytes = Some(arguments.largest_file_bytes);
            onnx::model_file(configuration, &options)
        }
        Format::Tflite => emit::tflite::model_file(configuration),
    };
    let file = file.explain().exit(Exit::WrongInput)?;
    write_whole(&path, &file)?;
    print(&format!("{}\n", path.display()))
}

/// Write a file, and the one beside it where it has one. Nothing remains of a failure.
fn write_whole(path: &Path, file: &ModelFile) -> anyhow::Result<()> {
    match write_parts(path, file) {
        Err(error) if error.kind() == ErrorKind::StorageFull => {
            let size = file.length();
            Err(error)
                .with_context(|| format!("cannot write {}, {size} bytes", path.display()))
                .advise("make room on that disk, or name another folder with --out")
        }
        other => other.with_context(|| format!("cannot write {}", path.display())),
    }
}

fn write_parts(path: &Path, file: &ModelFile) -> std::io::Result<()> {
    let model = |output: &mut dyn Write| file.write(output);
    if !file.has_file_beside() {
        return Part::write(path, model)?.publish();
    }
    let path_beside = path.with_added_extension(emit::BESIDE_EXTENSION);
    let beside = Part::write(&path_beside, |output| file.write_beside(output))?;
    let model = Part::write(path, model)?;
    // The model last: whoever finds it finds its weights too.
    beside.publish()?;
    let published = model.publish();
    if published.is_err() && !path.is_file() {
        fs::remove_file(&path_beside)?;
    }
    published
}

#[cfg(test)]
mod tests;
