//! The Markdown tables of `docs/JOB-SPEC.md` and of the settings, for the test that keeps documents fresh.

use std::fmt::Write as _;

use super::{DEPTHS, precisions};
use crate::network::blocks::BLOCKS;
use crate::runtime::RUNTIMES;
use crate::spec::check;
use crate::spec::fields::{
    FIELDS, Factor, Fallback, Field, Kind, LARGEST_CPU, MAXIMUM_DIMENSION, MAXIMUM_ENTRIES,
    MAXIMUM_ENTRY_BYTES, MAXIMUM_LIST_ITEMS, MAXIMUM_RANK, MAXIMUM_VALUES, PAPER,
};
use crate::spec::runtimes::accepted;
use crate::text::quoted_list;

/// The Markdown tables of all keys and of the runtimes' options.
pub(crate) fn reference() -> String {
    let mut text = String::from("### Keys\n\n");
    text.push_str(&table(FIELDS));
    text.push_str("\n### Block types\n\n| Block | What it is |\n|---|---|\n");
    for block in BLOCKS {
        let _ = writeln!(text, "| `{}` | {} |", block.name, cell(block.summary));
    }
    text.push_str("\n### Runtimes\n\n| Runtime | Reads | What it is |\n|---|---|---|\n");
    for runtime in RUNTIMES {
        let _ = writeln!(
            text,
            "| `{}` | `.{}` | {} |",
            runtime.name,
            runtime.model_format,
            cell(runtime.summary)
        );
    }
    for runtime in RUNTIMES.iter().filter(|runtime| !runtime.options.is_empty()) {
        let _ = write!(
            text,
            "\n### Options of `{}`\n\n| Option | Accepts | What it does |\n|---|---|---|\n",
            runtime.name
        );
        for option in runtime.options {
            let accepted = accepted(&option.kind);
            let _ = writeln!(text, "| `{}` | {} | {} |", option.name, cell(&accepted), cell(option.summary));
        }
    }
    text
}

/// One row a field.
pub(crate) fn table(fields: &[Field]) -> String {
    let mut text = String::from("| Key | Accepts | Without it | What it does |\n|---|---|---|---|\n");
    for field in fields {
        let fallback = match field.fallback {
            Fallback::Required => "**required**".to_owned(),
            Fallback::Integer(number) => number.to_string(),
            Fallback::Text(text) => format!("`{text}`"),
            Fallback::Boolean(value) => format!("`{value}`"),
            Fallback::Words(words) => words.to_owned(),
        };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            field.path,
            cell(&in_words(field.kind)),
            cell(&fallback),
            cell(field.summary)
        );
    }
    text
}

fn in_words(kind: Kind) -> String {
    match kind {
        Kind::Format(format) => format.to_string(),
        Kind::Integer { minimum, maximum } => format!("whole number, {}", check::range(minimum, maximum)),
        Kind::Decimal { minimum, maximum } => format!("a number, {minimum} to {maximum}"),
        Kind::Text { maximum_bytes } => format!("one line of text, at most {maximum_bytes} bytes"),
        Kind::Boolean => "`true` or `false`".to_owned(),
        Kind::Choice(choices) => quoted_list(choices),
        Kind::Builds { maximum } => format!("`{PAPER}`, or a whole number, {}", check::range(1, maximum)),
        Kind::Group => "a map of the keys below".to_owned(),
        Kind::Path => "an absolute path".to_owned(),
        Kind::Models => format!("a file name, a map, or a list of at most {MAXIMUM_LIST_ITEMS} of these"),
        Kind::ModelFile => "the bare name of a model file".to_owned(),
        Kind::Sha256 => "64 hexadecimal digits".to_owned(),
        Kind::Runtimes => format!("the name of a runtime, or a list of at most {MAXIMUM_LIST_ITEMS}"),
        Kind::RuntimeOptions => "a map of options, or of runtimes to such maps".to_owned(),
        Kind::Inputs => format!(
            "a map of at most {MAXIMUM_ENTRIES} input names to shapes (lists of 1 to {MAXIMUM_RANK} whole numbers), or to maps of \
             the keys below"
        ),
        Kind::Shape => format!(
            "a list of at most {MAXIMUM_RANK} whole numbers, each {}",
            check::range(0, MAXIMUM_DIMENSION)
        ),
        Kind::Number => "a number".to_owned(),
        Kind::Numbers => format!("a list of 1 to {MAXIMUM_VALUES} numbers"),
        Kind::Range => "a list of two whole numbers, the smaller one first".to_owned(),
        Kind::TensorFile => "the bare name of a `.npy`, `.npz` or `.pb` file".to_owned(),
        Kind::Labels => format!(
            "a map of words to texts, numbers, `true` or `false`, at most {MAXIMUM_ENTRY_BYTES} bytes each; at most \
             {MAXIMUM_ENTRIES}"
        ),
        Kind::Block => "the name of a block type, see below".to_owned(),
        Kind::Blocks => "a list of names of block types, see below".to_owned(),
        Kind::Precision => quoted_list(&precisions()),
        Kind::Precisions => format!("a list of {}", quoted_list(&precisions())),
        Kind::Factor(factor) => format!("{} number, {}", whole_or_odd(factor), range_of(factor)),
        Kind::Factors(factor) => {
            format!("a list of {} numbers, each {}", whole_or_odd(factor), range_of(factor))
        }
        Kind::Depths => format!("a list of {DEPTHS} whole numbers, each {}", range_of(Factor::Depth)),
        Kind::Cpus => format!("a list of whole numbers, each {}", check::range(0, LARGEST_CPU)),
        Kind::Zones => format!("a list of at most {MAXIMUM_LIST_ITEMS} names"),
        Kind::RuntimeSettings => "a map of runtime names to maps of the keys below".to_owned(),
    }
}

fn whole_or_odd(factor: Factor) -> &'static str {
    if factor.is_odd() { "odd" } else { "whole" }
}

fn range_of(factor: Factor) -> String {
    let (smallest, largest) = factor.range();
    check::range(smallest.into(), largest.into())
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
