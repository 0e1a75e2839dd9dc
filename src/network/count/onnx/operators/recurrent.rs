//! Recurrent layers. Each step multiplies the input and the last state with the weights of every gate.

use super::{Answer, Context, Made, NodeEffect, Rules};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product};

pub(super) const RULES: Rules = &[(&["RNN", "GRU", "LSTM"], recurrent)];

/// Gates, and operations for each element of the state: sums of products and biases, activations, and what
/// joins the gates.
fn gates(operator: &str) -> (u64, u64) {
    match operator {
        "RNN" => (1, 3),
        "GRU" => (3, 13),
        // LSTM and its dynamically quantised form.
        _ => (4, 17),
    }
}

/// `seq × batch × directions × gates × hidden × (input + hidden)`. Source of shapes:
/// <https://onnx.ai/onnx/operators/onnx__LSTM.html>.
pub(super) fn recurrent(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let &[first, second, depth] = input else {
        return Err(Uncountable::Wrong(format!("its input has the shape {}", shape_text(input))));
    };
    let is_batch_first = context.integer("layout", 0) != 0;
    let (steps, batch) = if is_batch_first { (second, first) } else { (first, second) };
    let (gates, each) = gates(context.node.operator.trim_start_matches("DynamicQuantize"));
    let weights = context.shape(1)?;
    let from_weights = || weights.iter().skip(1).copied().find(|size| *size != depth)?.checked_div(gates);
    let hidden = context.size("hidden_size").or_else(from_weights);
    let hidden = hidden.ok_or_else(|| Uncountable::Wrong("it has no `hidden_size`".to_owned()))?;
    let directions = weights.first().copied().unwrap_or(1);
    let states =
        if is_batch_first { vec![batch, directions, hidden] } else { vec![directions, batch, hidden] };
    let all = if is_batch_first {
        vec![batch, steps, directions, hidden]
    } else {
        vec![steps, directions, batch, hidden]
    };
    let element_type = context.element_type();
    let state = |output| context.made(output, Ok(states.clone()), element_type);
    let mut outputs: Vec<Made> = vec![context.made(0, Ok(all), element_type)?, state(1)?];
    if gates == 4 {
        outputs.push(state(2)?);
    }
    let elements = product(&[steps, batch, directions, hidden])?;
    let both = depth.checked_add(hidden).ok_or(Uncountable::TooLarge)?;
    let macs = product(&[elements, gates, both])?;
    let operations = product(&[elements, each])?;
    // The lengths of the sequences are a setting: counted is the longest that there is room for.
    Ok(NodeEffect { outputs, work: Work::Compound { macs, operations }, settings: &[4] })
}
