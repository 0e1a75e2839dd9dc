//! The library's own profile of a session: which node ran on which provider, and how long it took.
//!
//! The profile is a file of trace events in JSON, documented at
//! <https://onnxruntime.ai/docs/performance/tune-performance/profiling-tools.html>. All versions since 1.2
//! name the provider of each node that ran. Nodes are those that the library made of the model's: a fused one
//! carries the name of one of its parts in its own or that of its output, a compiled one has a name of its
//! own. A profile that cannot be read or is incomplete is an error, never half an answer. Branches that were
//! not taken did not run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::bundle::format::{Layer, ProductNode};
use crate::runtime::NodeShapes;
use crate::runtime::layers::LayerTimes;

/// A node of the network as the library ran it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RanNode {
    /// The provider that ran it, by the library's name for it.
    pub(super) provider: String,
    /// Set if it is a convolution or a matrix product.
    pub(super) product: Option<ProductNode>,
}

/// The events of nodes end in this; those of the fences around them in older versions do not.
const KERNEL: &str = "_kernel_time";

/// Parts of the names of operators that multiply and accumulate: those of the standard, and the many that the
/// library replaces them with. Source:
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/OperatorKernels.md>.
const PRODUCTS: &[&str] = &["Attention", "Conv", "Einsum", "GRU", "Gemm", "LSTM", "MatMul", "MoE", "RNN"];
const CONVOLUTION: &str = "Conv";
const FUSED_CONVOLUTION: &str = "FusedConv";

/// The library's own copies between devices, which are not nodes of the network.
const COPIES: &[&str] = &["MemcpyFromHost", "MemcpyToHost"];

/// The library stops writing here, and says so in its log only. Source: `max_num_events_` in
/// <https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/common/profiler.h>.
const MOST_EVENTS: usize = 1_000_000;

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    /// Begin, in microseconds since the session began.
    #[serde(default)]
    ts: u64,
    /// Duration in microseconds.
    #[serde(default)]
    dur: u64,
    #[serde(default)]
    args: NodeArguments,
}

#[derive(Deserialize, Default)]
struct NodeArguments {
    #[serde(default)]
    op_name: String,
    provider: Option<String>,
    // A text in some versions, a number in others.
    node_index: Option<serde_json::Value>,
    #[serde(default)]
    input_type_shape: Vec<TypedShape>,
    #[serde(default)]
    output_type_shape: Vec<TypedShape>,
}

/// Sizes by element type; one of them.
type TypedShape = BTreeMap<String, Vec<u64>>;

/// The nodes that ran, in the order in which they did; each once, however often it ran.
///
/// # Errors
/// The text is not such a profile.
pub(super) fn nodes(text: &[u8]) -> Result<Vec<RanNode>, serde_json::Error> {
    let events = events(text)?;
    let mut seen = BTreeSet::new();
    let mut nodes = Vec::new();
    for event in events.into_iter().filter(|event| event.cat == "Node") {
        let Some(name) = event.name.strip_suffix(KERNEL) else { continue };
        let product = product(name, &event.args);
        let NodeArguments { op_name, provider, node_index, .. } = event.args;
        let Some(provider) = provider.filter(|_| !COPIES.contains(&op_name.as_str())) else { continue };
        // The numbering restarts in the body of each loop and branch.
        let index = node_index.map(|index| index.to_string());
        if seen.insert((index, name.to_owned(), provider.clone(), op_name)) {
            nodes.push(RanNode { provider, product });
        }
    }
    Ok(nodes)
}

fn events(text: &[u8]) -> Result<Vec<Event>, serde_json::Error> {
    let events: Vec<Event> = serde_json::from_slice(text)?;
    if events.len() >= MOST_EVENTS {
        return Err(serde::de::Error::custom("the library dropped what came after a million events"));
    }
    Ok(events)
}

/// The time of each node in the last `runs` runs of a session, in the order in which they first ran. Copies
/// between devices are nodes too: they take time. A node in a loop counts with all its rounds.
///
/// # Errors
/// The text is not such a profile, or has fewer runs.
pub(super) fn layers(text: &[u8], runs: u32) -> Result<Vec<Layer>, serde_json::Error> {
    let events = events(text)?;
    let mut begins: Vec<u64> = events.iter().filter(|event| is_run(event)).map(|event| event.ts).collect();
    begins.sort_unstable();
    let wanted = runs as usize;
    let Some(first) = begins.len().checked_sub(wanted).filter(|_| wanted > 0) else {
        let what = format!("it has {} runs, and {runs} were made", begins.len());
        return Err(serde::de::Error::custom(what));
    };
    let begins = &begins[first..];
    let mut times = LayerTimes::new(wanted);
    for event in events.into_iter().filter(|event| event.cat == "Node") {
        let Some(name) = event.name.strip_suffix(KERNEL) else { continue };
        // A node belongs to the last run that began before it.
        let Some(run) = begins.partition_point(|begin| *begin <= event.ts).checked_sub(1) else { continue };
        let NodeArguments { op_name, provider, node_index, .. } = event.args;
        let key =
            (node_index.map(|index| index.to_string()), name.to_owned(), provider.clone(), op_name.clone());
        times.add(run, key, event.dur.saturating_mul(1_000), || Layer {
            name: name.to_owned(),
            operator: Some(op_name).filter(|operator| !operator.is_empty()),
            provider,
            ..Layer::default()
        });
    }
    Ok(times.into_layers())
}

/// The shapes of what each node made, in the order of its outputs. A node that made other shapes in another
/// round of a loop, and nodes of one name that differ, are left out.
///
/// # Errors
/// The text is not such a profile.
pub(super) fn shapes(text: &[u8]) -> Result<NodeShapes, serde_json::Error> {
    let mut nodes: BTreeMap<String, Option<Vec<Vec<u64>>>> = BTreeMap::new();
    for event in events(text)?.into_iter().filter(|event| event.cat == "Node") {
        let Some(name) = event.name.strip_suffix(KERNEL) else { continue };
        let made = event.args.output_type_shape.into_iter();
        let made: Vec<Vec<u64>> = made.filter_map(|typed| typed.into_values().next()).collect();
        let known = nodes.entry(name.to_owned()).or_insert_with(|| Some(made.clone()));
        known.take_if(|known| *known != made);
    }
    Ok(nodes.into_iter().filter_map(|(name, made)| Some((name, made?))).collect())
}

/// The library records one of these for each run of a session.
fn is_run(event: &Event) -> bool {
    event.cat == "Session" && event.name == "model_run"
}

fn product(name: &str, arguments: &NodeArguments) -> Option<ProductNode> {
    PRODUCTS
        .iter()
        .any(|part| arguments.op_name.contains(part))
        .then(|| ProductNode { name: name.to_owned(), macs: macs_of_convolution(arguments) })
}

/// Each element of the output takes one product for each element of its filter: weights are `[outputs, inputs
/// in a group, …kernel]`, the output is `[batch, outputs, …]`. Only convolutions in fp32 keep their weights,
/// of other operators the profile does not tell them once the library has packed them anew.
fn macs_of_convolution(arguments: &NodeArguments) -> Option<u64> {
    if ![CONVOLUTION, FUSED_CONVOLUTION].contains(&arguments.op_name.as_str()) {
        return None;
    }
    let sizes = |shapes: &[TypedShape], index: usize| shapes.get(index)?.values().next().cloned();
    let (weights, output) = (sizes(&arguments.input_type_shape, 1)?, sizes(&arguments.output_type_shape, 0)?);
    let is_filter = weights.len() == output.len() && weights.len() > 2 && weights[0] == output[1];
    let factors = output.iter().chain(weights.iter().skip(1));
    is_filter.then(|| factors.copied().try_fold(1, u64::checked_mul)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_listed_once_each_in_their_order_with_their_provider() {
        let text = br#"[
            {"cat":"Session","pid":1,"tid":1,"dur":9,"ts":1,"ph":"X","name":"model_loading_uri","args":{}},
            {"cat":"Node","dur":1,"name":"fused conv1_fence_before","args":{"op_name":"FusedConv"}},
            {"cat":"Node","dur":5,"name":"fused conv1_kernel_time","args":{"op_name":"FusedConv","provider":"CUDAExecutionProvider","node_index":"3"}},
            {"cat":"Node","dur":5,"name":"fused conv1_kernel_time","args":{"op_name":"FusedConv","provider":"CUDAExecutionProvider","node_index":"3"}},
            {"cat":"Node","dur":5,"name":"Memcpy_kernel_time","args":{"op_name":"MemcpyToHost","provider":"CUDAExecutionProvider","node_index":"9"}},
            {"cat":"Node","dur":5,"name":"shape_kernel_time","args":{"op_name":"Shape","provider":"CPUExecutionProvider","node_index":4}},
            {"cat":"Node","dur":5,"name":"_kernel_time","args":{"op_name":"Add","provider":"CPUExecutionProvider","node_index":"5"}},
            {"cat":"Node","dur":5,"name":"_kernel_time","args":{"op_name":"Add","provider":"CPUExecutionProvider","node_index":"6"}}
        ]"#;
        let told: Vec<(Option<String>, String)> = nodes(text)
            .unwrap()
            .into_iter()
            .map(|node| (node.product.map(|product| product.name), node.provider))
            .collect();
        let cpu = || (None, "CPUExecutionProvider".to_owned());
        let fused = (Some("fused conv1".to_owned()), "CUDAExecutionProvider".to_owned());
        assert_eq!(told, [fused, cpu(), cpu(), cpu()]);
    }

    #[test]
    fn layers_have_the_times_of_the_last_runs_alone() {
        let text = br#"[
            {"cat":"Session","ts":10,"dur":90,"name":"model_run","args":{}},
            {"cat":"Node","ts":20,"dur":50,"name":"conv_kernel_time","args":{"op_name":"Conv","provider":"CPUExecutionProvider","node_index":"0"}},
            {"cat":"Node","ts":101,"dur":5,"name":"conv_kernel_time","args":{"op_name":"Conv","provider":"CPUExecutionProvider","node_index":"0"}},
            {"cat":"Node","ts":106,"dur":2,"name":"relu_kernel_time","args":{"op_name":"Relu","provider":"CPUExecutionProvider","node_index":"1"}},
            {"cat":"Session","ts":100,"dur":9,"name":"model_run","args":{}},
            {"cat":"Node","ts":201,"dur":7,"name":"conv_kernel_time","args":{"op_name":"Conv","provider":"CPUExecutionProvider","node_index":"0"}},
            {"cat":"Session","ts":200,"dur":9,"name":"model_run","args":{}}
        ]"#;
        let layer = |name: &str, operator: &str, mean, median| Layer {
            name: name.to_owned(),
            operator: Some(operator.to_owned()),
            provider: Some("CPUExecutionProvider".to_owned()),
            macs: None,
            mean_milliseconds: mean,
            median_milliseconds: Some(median),
        };
        let timed = layers(text, 2).unwrap();
        assert_eq!(timed, [layer("conv", "Conv", 0.006, 0.006), layer("relu", "Relu", 0.001, 0.001)]);
        let few = layers(text, 4).unwrap_err().to_string();
        assert!(few.contains("it has 3 runs, and 4 were made"), "{few}");
    }

    #[test]
    fn convolutions_are_counted_by_their_shapes_if_the_weights_are_known() {
        let text = br#"[
            {"cat":"Node","name":"activation1_nchwc_kernel_time","args":{"op_name":"Conv","provider":"CPUExecutionProvider",
             "input_type_shape":[{"float":[1,3,192,192]},{"float":[16,3,3,3]},{"float":[16]}],"output_type_shape":[{"float":[1,16,96,96]}]}},
            {"cat":"Node","name":"convolution1_token_13_kernel_time","args":{"op_name":"QLinearConv","provider":"CPUExecutionProvider",
             "input_type_shape":[{"uint8":[1,192,192,3]},{"float":[]},{"uint8":[]},{"float":[16]}],"output_type_shape":[{"uint8":[1,96,96,16]}]}},
            {"cat":"Node","name":"c_kernel_time","args":{"op_name":"Conv","provider":"CPUExecutionProvider",
             "input_type_shape":[{"float":[1,3,8,8]},{"float":[16]}],"output_type_shape":[{"float":[1,16,8,8]}]}}
        ]"#;
        let macs: Vec<Option<u64>> =
            nodes(text).unwrap().into_iter().map(|node| node.product.unwrap().macs).collect();
        assert_eq!(macs, [Some(16 * 96 * 96 * 3 * 3 * 3), None, None]);
    }

    #[test]
    fn shapes_are_those_of_all_rounds_or_left_out() {
        let event = |name: &str, shape: &str| {
            format!(r#"{{"cat":"Node","name":"{name}_kernel_time","args":{{"output_type_shape":{shape}}}}}"#)
        };
        let events = [
            event("split", r#"[{"float":[1,2]},{"float":[]}]"#),
            event("grows", r#"[{"float":[1]}]"#),
            event("grows", r#"[{"float":[2]}]"#),
            event("grows", r#"[{"float":[1]}]"#),
            event("split", r#"[{"float":[1,2]},{"float":[]}]"#),
        ];
        let told = shapes(format!("[{}]", events.join(",")).as_bytes()).unwrap();
        assert_eq!(told, NodeShapes::from([("split".to_owned(), vec![vec![1, 2], vec![]])]));
    }

    #[test]
    fn a_profile_that_the_library_gave_up_is_an_error() {
        let event = r#"{"cat":"Node","name":"a_kernel_time","args":{"provider":"CPUExecutionProvider"}}"#;
        let text = |count| format!("[{}]", vec![event; count].join(","));
        assert_eq!(nodes(text(3).as_bytes()).unwrap().len(), 1);
        assert!(nodes(text(MOST_EVENTS).as_bytes()).is_err());
    }

    #[test]
    fn nodes_of_one_name_and_number_on_two_providers_are_two() {
        let text = br#"[
            {"cat":"Node","name":"Add_0_kernel_time","args":{"op_name":"Add","provider":"CUDAExecutionProvider","node_index":"0"}},
            {"cat":"Node","name":"Add_0_kernel_time","args":{"op_name":"Add","provider":"CPUExecutionProvider","node_index":"0"}}
        ]"#;
        assert_eq!(nodes(text).unwrap().len(), 2, "such as in the two bodies of a branch");
    }

    #[test]
    fn a_profile_that_was_cut_off_is_an_error() {
        assert!(nodes(b"[{\"cat\":\"Node\",\"name\":\"a_kernel_time\"").is_err());
        assert!(nodes(b"").is_err());
    }
}
