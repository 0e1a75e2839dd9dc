//! Recurrent layers. Each step multiplies the input and the last state with the weights of every gate. What
//! joins the gates is part of the layer, as an activation is part of its convolution.

use super::{Answer, Context, Made, NodeEffect, Rules};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product};

pub(super) const RULES: Rules = &[(&["RNN", "GRU", "LSTM"], recurrent)];

fn gates(operator: &str) -> u64 {
    match operator {
        "RNN" => 1,
        "GRU" => 3,
        // LSTM and its dynamically quantised form.
        _ => 4,
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
    let gates = gates(&context.node.operator);
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
    // The lengths of the sequences are a setting: counted is the longest that there is room for.
    Ok(NodeEffect { outputs, work: Work::Compound { macs, operations: 0 }, settings: &[4] })
}
