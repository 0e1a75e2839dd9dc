//! `backbone networks export`: model files of the family, one for each configuration, precision and format.

use std::io::{ErrorKind, IsTerminal as _, Write};
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
    BATCHES, Configuration, INPUTS, KERNELS, Mistake, Precision, RESNET_50_DEPTHS, RequestedConfiguration,
};
use crate::network::emit::{self, Form, Format, LARGEST_FILE_BYTES, ModelFile, onnx};
use crate::text::{counted, scaled};
use part::Part;

mod part;

/// More than this may be a mistake: the whole family takes some hundred times as much.
const ASK_ABOVE_BYTES: u64 = 1_000_000_000;

/// Write model files of the family, by default all 648
///
/// Each option that selects networks may be repeated; without it, all values of the paper are used. A file is
/// named after its configuration, such as standard-k3-b1-i224-int8.onnx, and is written completely or not at
/// all. The same options give the same bytes on every machine. If an ONNX file would exceed 2 GB, its weights
/// are in a second file, named after it with .data.
#[derive(Debug, Args)]
pub(super) struct NetworksExportArguments {
    /// Block type; `backbone list blocks` shows them
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
    /// Folder to write to, created if missing
    #[arg(short, long, alias = "out", value_name = "DIR")]
    output: PathBuf,
    /// Write more than 1 GB without asking
    #[arg(short, long)]
    yes: bool,
    /// Width of every layer in percent of the paper's
    #[arg(long, value_name = "PERCENT", default_value_t = 100, allow_negative_numbers = true)]
    width_percent: i64,
    /// Number of blocks in each of the four stages, such as 3,4,6,3
    #[arg(long, value_name = "DEPTHS", value_delimiter = ',', num_args = 1, allow_negative_numbers = true)]
    depths: Vec<i64>,
    /// Version of the ONNX operator set [default: 11 for fp32, 13 for int8]
    #[arg(long, value_name = "VERSION")]
    opset: Option<u32>,
    /// In fp32 ONNX, keep batch normalisation as separate nodes
    #[arg(long)]
    separate_batch_normalisation: bool,
    /// In int8 ONNX, use uint8 activations, which ONNX Runtime fuses and TensorRT cannot read
    #[arg(long)]
    unsigned_activations: bool,
    /// ONNX files larger than this get their weights in a second file. Not a flag, because only tests lower
    /// it.
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

pub(super) fn execute(arguments: &NetworksExportArguments) -> anyhow::Result<Exit> {
    let wanted = wanted(arguments)?;
    // One that cannot be written says so in its turn.
    let bytes: u64 = wanted.iter().filter_map(|one| one.form.length(&one.configuration).ok()).sum();
    let amount = format!("{}, {}", counted(wanted.len(), "file", "files"), scaled(bytes.into(), "B"));
    if bytes > ASK_ABOVE_BYTES && !arguments.yes && !confirmed(&amount)? {
        return Ok(Exit::Failed);
    }
    fs::create_dir_all(&arguments.output).context("cannot create the output folder")?;
    part::remove_abandoned(&arguments.output).context("cannot remove the files of an interrupted export")?;
    note(&format!("writing {amount}, to {}", arguments.output.display()));
    let failed = write_all(&wanted, arguments)?;
    if failed == 0 {
        Ok(Exit::Done)
    } else {
        anyhow::bail!("{failed} of {} files could not be written", wanted.len())
    }
}

/// Ask whether so much is to be written.
fn confirmed(amount: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(anyhow::anyhow!("the export would write {amount}"))
            .advise("add `--yes` to write them, or choose fewer networks")
            .exit(Exit::WrongInput);
    }
    note(&format!("this writes {amount}. Continue? [y/N]"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// One file to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    configuration: Configuration,
    form: Form,
}

/// All files to write, in the order of the table, or every mistake at once.
fn wanted(arguments: &NetworksExportArguments) -> anyhow::Result<Vec<Wanted>> {
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
                        let requested = RequestedConfiguration {
                            width_percent,
                            depths,
                            ..RequestedConfiguration::new(block, kernel, batch, input, precision)
                        };
                        match Configuration::new(&requested) {
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

/// Every different mistake once, and their hints.
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

/// The given values, each once; all values if none is given.
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
    let text = || anyhow::anyhow!("{} depths are given for four stages", given.len());
    <[i64; 4]>::try_from(given)
        .map_err(|_| text())
        .advise("write four, such as 3,4,6,3")
        .exit(Exit::WrongInput)
}

/// Write the files, several in parallel. Reports failures and returns their number.
fn write_all(wanted: &[Wanted], arguments: &NetworksExportArguments) -> anyhow::Result<usize> {
    // Each thread keeps a processor busy with weights and takes memory; more threads than these gain nothing.
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
    // If it is the only file, its failure is the command's.
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

fn write_one(wanted: &Wanted, arguments: &NetworksExportArguments) -> anyhow::Result<()> {
    let Wanted { configuration, form } = wanted;
    let path = arguments.output.join(form.file_name(configuration));
    let file = match form.format {
        Format::Onnx => {
            let mut options = onnx::EmitOptions::for_precision(configuration.precision());
            options.opset = arguments.opset.unwrap_or(options.opset);
            options.is_normalisation_apart = arguments.separate_batch_normalisation;
            options.are_activations_unsigned = form.are_activations_unsigned;
            options.weights_beside_above_bytes = arguments.largest_file_bytes;
            onnx::model_file(configuration, &options)
        }
        Format::Tflite => emit::tflite::model_file(configuration),
    };
    let file = file.explain().exit(Exit::WrongInput)?;
    write_whole(&path, &file)?;
    print(&format!("{}\n", path.display()))
}

/// Write a file, and its weights file if it has one. A failure leaves nothing behind.
fn write_whole(path: &Path, file: &ModelFile) -> anyhow::Result<()> {
    match write_parts(path, file) {
        Err(error) if error.kind() == ErrorKind::StorageFull => {
            let size = file.length();
            Err(error)
                .with_context(|| format!("cannot write {}, {size} bytes", path.display()))
                .advise("free space on that disk, or name another folder with `--output`")
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
    // The model last, so that its weights exist when it appears.
    beside.publish()?;
    let published = model.publish();
    if published.is_err() && !path.is_file() {
        fs::remove_file(&path_beside)?;
    }
    published
}

#[cfg(test)]
mod tests;
