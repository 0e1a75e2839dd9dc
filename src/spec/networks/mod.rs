//! The keys `network` and `study`: configurations of the family, generated where they are measured. What is
//! possible is decided by [`crate::network::configuration`]; here every mistake of it gets its place in the
//! file.

use std::collections::BTreeMap;

use super::check;
use super::fields::{DEFAULT_BATCH, DEFAULT_WIDTH_PERCENT, Factor, MAXIMUM_CONFIGURATIONS};
use super::mistakes::{Mistakes, Position, printable, quoted};
use super::raw::{Node, Value};
use crate::error::Hint as _;
use crate::network::blocks::Block;
use crate::network::configuration::{
    self, BATCHES, Configuration, INPUTS, KERNELS, Precision, RESNET_50_DEPTHS, RequestedConfiguration,
};

/// Precisions of a study that names none: what the paper measured.
pub(super) const PRECISIONS: &[Precision] = &[Precision::Int8];

/// The values of the file by field path.
type Nodes<'a> = BTreeMap<&'static str, &'a Node>;

/// A key that holds one network, and the paths of its own keys.
pub(super) struct NetworkKeys {
    whole: &'static str,
    block: &'static str,
    kernel: &'static str,
    batch: &'static str,
    input: &'static str,
    precision: &'static str,
    width_percent: &'static str,
    depths: &'static str,
}

/// The key `network`.
pub(super) const NETWORK: NetworkKeys = NetworkKeys {
    whole: "network",
    block: "network.block",
    kernel: "network.kernel",
    batch: "network.batch",
    input: "network.input",
    precision: "network.precision",
    width_percent: "network.width_percent",
    depths: "network.depths",
};

/// The key `sentinel`.
pub(super) const SENTINEL: NetworkKeys = NetworkKeys {
    whole: "sentinel",
    block: "sentinel.block",
    kernel: "sentinel.kernel",
    batch: "sentinel.batch",
    input: "sentinel.input",
    precision: "sentinel.precision",
    width_percent: "sentinel.width_percent",
    depths: "sentinel.depths",
};

/// The one configuration of such a key; `None` where the key is not there or anything in it is wrong.
pub(super) fn network(
    keys: &NetworkKeys,
    nodes: &Nodes<'_>,
    mistakes: &mut Mistakes,
) -> Option<Configuration> {
    let place = *nodes.get(keys.whole)?;
    let block = word(nodes, keys.block, block, mistakes);
    let kernel = number(nodes, keys.kernel, Factor::Kernel, mistakes);
    let batch = number(nodes, keys.batch, Factor::Batch, mistakes);
    let input = number(nodes, keys.input, Factor::Input, mistakes);
    let precision = word(nodes, keys.precision, precision, mistakes);
    let width_percent = number(nodes, keys.width_percent, Factor::WidthPercent, mistakes);
    let depths = match nodes.get(keys.depths) {
        Some(node) => depths(node, keys.depths, mistakes),
        None => Some(RESNET_50_DEPTHS),
    };
    let requested = RequestedConfiguration {
        width_percent: width_percent.unwrap_or(Some(DEFAULT_WIDTH_PERCENT))?.into(),
        depths: depths?.map(i64::from),
        ..RequestedConfiguration::new(
            block??,
            kernel??.into(),
            batch.unwrap_or(Some(DEFAULT_BATCH))?.into(),
            input??.into(),
            precision??,
        )
    };
    possible(&requested, place, keys.whole, mistakes)
}

/// The configurations of `study` as `backbone networks list` orders them, precisions innermost; `None` where
/// the key is not there or anything in it is wrong.
pub(super) fn study(nodes: &Nodes<'_>, mistakes: &mut Mistakes) -> Option<Vec<Configuration>> {
    let place = *nodes.get("study")?;
    let blocks_of_paper: Vec<&'static str> = Block::of_paper().iter().map(|block| block.name).collect();
    let blocks = list(nodes, "study.blocks", &blocks_of_paper, block, mistakes);
    let kernels = list(nodes, "study.kernels", KERNELS, factor(Factor::Kernel), mistakes);
    let batches = list(nodes, "study.batches", BATCHES, factor(Factor::Batch), mistakes);
    let inputs = list(nodes, "study.inputs", INPUTS, factor(Factor::Input), mistakes);
    let all_precisions: Vec<&'static str> = PRECISIONS.iter().map(|precision| precision.name()).collect();
    let precisions = list(nodes, "study.precisions", &all_precisions, precision, mistakes);
    let (blocks, kernels, batches) = (blocks?, kernels?, batches?);
    let (inputs, precisions) = (inputs?, precisions?);
    let count = [kernels.len(), batches.len(), inputs.len(), precisions.len()]
        .into_iter()
        .fold(blocks.len(), usize::saturating_mul);
    if is_too_many(count, place.position, "study", mistakes) {
        return None;
    }
    let mut configurations = Vec::with_capacity(count);
    for &block in &blocks {
        for &kernel in &kernels {
            for &batch in &batches {
                for &input in &inputs {
                    for &precision in &precisions {
                        let requested = RequestedConfiguration::new(
                            block,
                            kernel.into(),
                            batch.into(),
                            input.into(),
                            precision,
                        );
                        configurations.push(possible(&requested, place, "study", mistakes)?);
                    }
                }
            }
        }
    }
    Some(configurations)
}

/// Notes that a job measures more than it may.
pub(super) fn is_too_many(count: usize, place: Position, field: &str, mistakes: &mut Mistakes) -> bool {
    let is_too_many = count > MAXIMUM_CONFIGURATIONS;
    if is_too_many {
        let message = format!("the job would measure {count} configurations");
        let hint = format!("at most {MAXIMUM_CONFIGURATIONS}; make several jobs of it");
        mistakes.add(place, field, "too_many_configurations", message, hint);
    }
    is_too_many
}

/// Each factor is right by itself; a mistake of the whole is reported where the whole begins.
fn possible(
    requested: &RequestedConfiguration<'_>,
    place: &Node,
    field: &str,
    mistakes: &mut Mistakes,
) -> Option<Configuration> {
    match Configuration::new(requested) {
        Ok(configuration) => Some(configuration),
        Err(found) => {
            for mistake in found {
                add(&mistake, place, field, mistakes);
            }
            None
        }
    }
}

/// `None` where the key is not there, `Some(None)` where its value is wrong.
fn word<T>(
    nodes: &Nodes<'_>,
    path: &'static str,
    read: impl Fn(&Node, &str, &mut Mistakes) -> Option<T>,
    mistakes: &mut Mistakes,
) -> Option<Option<T>> {
    nodes.get(path).map(|node| read(node, path, mistakes))
}

/// `None` where the key is not there, `Some(None)` where its value is wrong.
fn number(nodes: &Nodes<'_>, path: &'static str, of: Factor, mistakes: &mut Mistakes) -> Option<Option<u32>> {
    word(nodes, path, factor(of), mistakes)
}

/// The values of one factor of a study, each once.
fn list<T: Copy + Ord>(
    nodes: &Nodes<'_>,
    path: &'static str,
    all: &[T],
    read: impl Fn(&Node, &str, &mut Mistakes) -> Option<T>,
    mistakes: &mut Mistakes,
) -> Option<Vec<T>> {
    let Some(node) = nodes.get(path) else { return Some(all.to_vec()) };
    let Value::List(items) = &node.value else {
        let hint = match node.value {
            Value::Null | Value::Map(_) => "write the values as `[…]`, or leave the key out".to_owned(),
            _ => format!("write `[{}]`", printable(&node.written)),
        };
        check::wrong_type(node, path, "a list", &hint, mistakes);
        return None;
    };
    if items.is_empty() {
        let hint = "leave the key out to take the values of the paper";
        mistakes.add(node.position, path, "empty_list", "the list is empty", hint);
        return None;
    }
    if items.len() > MAXIMUM_CONFIGURATIONS {
        let message = format!("the list has {} values", items.len());
        let hint = format!("at most {MAXIMUM_CONFIGURATIONS}");
        mistakes.add(node.position, path, "too_many_values", message, hint);
        return None;
    }
    let mut seen: BTreeMap<T, u32> = BTreeMap::new();
    let mut values = Vec::new();
    let mut all_right = true;
    for (index, item) in items.iter().enumerate() {
        let field = format!("{path}[{index}]");
        let Some(value) = read(item, &field, mistakes) else {
            all_right = false;
            continue;
        };
        if let Some(line) = seen.get(&value) {
            let message = format!("{} is named twice, first in line {line}", quoted(&item.written));
            let hint = "keep one of them; to measure more often, raise `measure.processes`";
            mistakes.add(item.position, &field, "duplicate_value", message, hint);
            all_right = false;
        } else {
            seen.insert(value, item.position.line);
            values.push(value);
        }
    }
    all_right.then_some(values)
}

fn block(node: &Node, field: &str, mistakes: &mut Mistakes) -> Option<&'static str> {
    let hint = "write its name as `standard`; `backbone list blocks` shows all";
    let name = text(node, field, "the name of a block type", hint, mistakes)?;
    match configuration::find_block(&name) {
        Ok(block) => Some(block.name),
        Err(mistake) => {
            add(&mistake, node, field, mistakes);
            None
        }
    }
}

fn precision(node: &Node, field: &str, mistakes: &mut Mistakes) -> Option<&'static str> {
    let name = text(node, field, "the name of a precision", "write `fp32` or `int8`", mistakes)?;
    match Precision::find(&name) {
        Ok(precision) => Some(precision.name()),
        Err(mistake) => {
            add(&mistake, node, field, mistakes);
            None
        }
    }
}

/// A word, made harmless and short: what looks for the nearest name takes time and memory with the length of
/// both.
fn text(node: &Node, field: &str, expected: &str, hint: &str, mistakes: &mut Mistakes) -> Option<String> {
    if matches!(node.value, Value::Text(_)) {
        return Some(printable(&node.written));
    }
    check::wrong_type(node, field, expected, hint, mistakes);
    None
}

/// What reads a factor that is a number.
fn factor(of: Factor) -> impl Fn(&Node, &str, &mut Mistakes) -> Option<u32> {
    move |node, field, mistakes| checked(node, field, of, mistakes)
}

fn checked(node: &Node, field: &str, factor: Factor, mistakes: &mut Mistakes) -> Option<u32> {
    let number = match node.value {
        Value::Integer(number) => i64::try_from(number).ok(),
        _ => None,
    };
    let Some(number) = number else {
        let (smallest, largest) = factor.range();
        check::integer(node, field, smallest.into(), largest.into(), mistakes);
        return None;
    };
    let checked = match factor {
        Factor::Kernel => configuration::check_kernel(number),
        Factor::Batch => configuration::check_batch(number),
        Factor::Input => configuration::check_input(number),
        Factor::WidthPercent => configuration::check_width_percent(number),
        Factor::Depth => configuration::check_depth(number),
    };
    match checked {
        Ok(number) => Some(number),
        Err(mistake) => {
            add(&mistake, node, field, mistakes);
            None
        }
    }
}

fn depths(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<[u32; 4]> {
    let hint = "write the number of blocks in each of the four stages, as `[3, 4, 6, 3]`";
    let Value::List(items) = &node.value else {
        check::wrong_type(node, path, "a list of four numbers", hint, mistakes);
        return None;
    };
    let Ok(items) = <&[Node; 4]>::try_from(items.as_slice()) else {
        let message = format!("{} depths are named, and there are four stages", items.len());
        mistakes.add(node.position, path, "wrong_length", message, hint);
        return None;
    };
    let mut index = 0;
    let depths = items.each_ref().map(|item| {
        let field = format!("{path}[{index}]");
        index += 1;
        factor(Factor::Depth)(item, &field, mistakes)
    });
    match depths {
        [Some(first), Some(second), Some(third), Some(fourth)] => Some([first, second, third, fourth]),
        _ => None,
    }
}

fn add(mistake: &configuration::Mistake, node: &Node, field: &str, mistakes: &mut Mistakes) {
    let code = match mistake {
        configuration::Mistake::Block(_) => "unknown_block",
        configuration::Mistake::Precision(_) => "unknown_precision",
        configuration::Mistake::EvenKernel(_) => "even_kernel",
        configuration::Mistake::Range { .. } => "out_of_range",
    };
    mistakes.add(node.position, field, code, mistake.to_string(), mistake.hint().unwrap_or_default());
}

#[cfg(test)]
mod tests;
