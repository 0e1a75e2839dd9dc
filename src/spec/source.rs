//! What a job measures: `model`, `network` or `study`, exactly one of them; and the keys that make sense with
//! one of them only.

use std::collections::BTreeMap;

use super::mistakes::Mistakes;
use super::models::{self, Named};
use super::networks;
use super::raw::{Node, Value};
use crate::network::configuration::Configuration;
use crate::runtime::Runtime;
use crate::text::quoted_list;

/// The keys that say what to measure.
const SOURCES: [&str; 3] = ["model", "network", "study"];

/// What a job measures, before runtimes are known.
pub(super) enum JobSource {
    /// Dropped files that hold one network.
    Dropped(Vec<Named>),
    /// Networks of the family, each another.
    Generated(Vec<Configuration>),
}

/// Read it; `None` where it is not clear what is meant or anything in it is wrong.
pub(super) fn read(
    root: &Node,
    nodes: &BTreeMap<&'static str, &Node>,
    known: &[&'static Runtime],
    mistakes: &mut Mistakes,
) -> Option<JobSource> {
    let models = nodes.get("model").and_then(|node| models::read(node, known, mistakes));
    let network = networks::network(&networks::NETWORK, nodes, mistakes);
    let study = networks::study(nodes, mistakes);
    belongs(nodes, mistakes);
    let Value::Map(entries) = &root.value else {
        // For a file that is no map this is the only mistake reported.
        return None;
    };
    let mut there: Vec<&Node> = Vec::new();
    for (key, _) in entries {
        let is_first = there.iter().all(|other| other.written != key.written);
        if is_first && SOURCES.contains(&key.written.as_str()) {
            there.push(key);
        }
    }
    match there.as_slice() {
        [] => {
            let message =
                format!("the job does not say what to measure: {} are all missing", quoted_list(&SOURCES));
            let hint = "name a file in the same folder, such as `model: net.onnx`, or a network of the family, \
                        such as `network: {block: standard, kernel: 3, input: 224, precision: int8}`";
            mistakes.add(root.position, "model", "missing_key", message, hint);
            None
        }
        [_] => match (models, network, study) {
            (Some(models), ..) => Some(JobSource::Dropped(models)),
            (_, Some(network), _) => Some(JobSource::Generated(vec![network])),
            (.., networks) => networks.map(JobSource::Generated),
        },
        [.., last] => {
            let written: Vec<String> =
                there.iter().map(|key| format!("`{}` in line {}", key.written, key.position.line)).collect();
            let message = format!("more than one key says what to measure: {}", written.join(", "));
            let hint = format!("keep one of {}; write one job for each", quoted_list(&SOURCES));
            mistakes.add(last.position, &last.written, "several_sources", message, hint);
            None
        }
    }
}

/// Keys that have no effect on what is measured.
fn belongs(nodes: &BTreeMap<&'static str, &Node>, mistakes: &mut Mistakes) {
    let is_dropped = nodes.contains_key("model");
    let is_generated = nodes.contains_key("network") || nodes.contains_key("study");
    if let Some(node) = nodes.get("inputs")
        && is_generated
        && !is_dropped
    {
        let message = "generated networks have no open shapes";
        let hint = "leave `inputs` out; the batch and the input size of the network decide the shape";
        mistakes.add(node.position, "inputs", "fixed_shapes", message, hint);
    }
    if let Some(node) = nodes.get("order")
        && (is_dropped || is_generated)
        && !nodes.contains_key("study")
    {
        let message = "only a `study` has an `order`";
        let hint = "leave `order` out; the runtimes of a list run in the order in which they are written";
        mistakes.add(node.position, "order", "needs_study", message, hint);
    }
}
