//! Attention: scores of every query with every key, and the values that they weigh.
//!
//! MACs are those of both products, masked scores included: `batch × heads × queries × keys × (size of a key
//! + size of a value)`, and where the operator projects its input, those of the projection.

use super::normalization::SOFTMAX_OPERATIONS;
use super::{Answer, Context, Made, NodeEffect, Rules, storage_bits};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product};

pub(super) const RULES: Rules =
    &[(&["Attention"], attention), (&["LinearAttention"], linear_attention), (&["RotaryEmbedding"], rotate)];

/// For operators of ONNX Runtime.
pub(super) const ADDED: Rules = &[
    (&["Attention"], projected_attention),
    (&["QAttention"], quantised_attention),
    (&["MultiHeadAttention"], multi_head_attention),
    (&["GroupQueryAttention"], group_query_attention),
    (&["RotaryEmbedding", "GemmaRotaryEmbedding"], rotate),
];

/// The sizes of attention.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    batch: u64,
    heads: u64,
    /// Heads that keys and values have.
    key_heads: u64,
    queries: u64,
    /// Past ones included.
    keys: u64,
    key_size: u64,
    value_size: u64,
}

impl Sizes {
    fn scores(&self) -> Result<u64, Uncountable> {
        product(&[self.batch, self.heads, self.queries, self.keys])
    }

    /// Both products, with so many MACs before them.
    fn work(&self, before: u64) -> Result<Work, Uncountable> {
        let scores = self.scores()?;
        let each = self.key_size.checked_add(self.value_size).ok_or(Uncountable::TooLarge)?;
        let macs = product(&[scores, each])?.checked_add(before).ok_or(Uncountable::TooLarge)?;
        Ok(Work::Compound { macs, operations: product(&[scores, SOFTMAX_OPERATIONS])? })
    }

    /// Keys and values with the past ones, which the next inference reads.
    fn present(&self, context: &Context<'_, '_>, first: usize) -> Result<[Made; 2], Uncountable> {
        let shape = |size| Ok(vec![self.batch, self.key_heads, self.keys, size]);
        let kind = context.element_type();
        Ok([
            context.made(first, shape(self.key_size), kind)?,
            context.made(first + 1, shape(self.value_size), kind)?,
        ])
    }
}

fn misfit(shape: &[u64]) -> Uncountable {
    Uncountable::Wrong(format!("{} are no queries, keys or values", shape_text(shape)))
}

/// Batch, heads, length and size of a head, from (batch, heads, length, size) or (batch, length, heads ×
/// size).
fn heads(shape: &[u64], heads: Option<u64>) -> Result<[u64; 4], Uncountable> {
    match (shape, heads) {
        (&[batch, heads, length, size], _) => Ok([batch, heads, length, size]),
        (&[batch, length, all], Some(heads)) if heads > 0 => Ok([batch, heads, length, all / heads]),
        _ => Err(misfit(shape)),
    }
}

/// How many keys an earlier inference left.
fn past_keys(context: &Context<'_, '_>, input: usize) -> Result<u64, Uncountable> {
    let Some(past) = context.optional(input) else { return Ok(0) };
    let shape = past.shape.as_deref().ok_or_else(|| Uncountable::unknown_shape(&past.name))?;
    let axis = shape.len().checked_sub(2).ok_or_else(|| misfit(shape))?;
    Ok(shape[axis])
}

fn attention(context: &Context<'_, '_>) -> Answer {
    let (query, key, value) = (context.shape(0)?, context.shape(1)?, context.shape(2)?);
    let [batch, query_heads, queries, key_size] = heads(query, context.size("q_num_heads"))?;
    let [_, key_heads, keys, _] = heads(key, context.size("kv_num_heads"))?;
    let [.., value_size] = heads(value, context.size("kv_num_heads"))?;
    let keys = keys.checked_add(past_keys(context, 4)?).ok_or(Uncountable::TooLarge)?;
    let sizes = Sizes { batch, heads: query_heads, key_heads, queries, keys, key_size, value_size };
    let output = if query.len() == 4 {
        vec![batch, query_heads, queries, value_size]
    } else {
        vec![batch, queries, product(&[query_heads, value_size])?]
    };
    let mut outputs = vec![context.made(0, Ok(output), context.element_type())?];
    outputs.extend(sizes.present(context, 1)?);
    outputs.push(context.made(3, Ok(vec![batch, query_heads, queries, keys]), context.element_type())?);
    Ok(NodeEffect { outputs, work: sizes.work(0)?, settings: &[] })
}

/// A state of one matrix a head, which each step updates by an outer product and multiplies with the query;
/// rules with a correction read it once more.
fn linear_attention(context: &Context<'_, '_>) -> Answer {
    let (key_heads, value) = (context.size("kv_num_heads"), context.shape(2)?);
    let [batch, query_heads, steps, key_size] = heads(context.shape(0)?, context.size("q_num_heads"))?;
    let [_, key_heads, _, value_size] = heads(value, key_heads)?;
    let corrects = context.text("update_rule").is_none_or(|rule| rule.ends_with(b"delta"));
    let passes = if corrects { 2 } else { 1 };
    let each = product(&[key_heads, passes])?.checked_add(query_heads).ok_or(Uncountable::TooLarge)?;
    let macs = product(&[batch, steps, key_size, value_size, each])?;
    let output = vec![batch, steps, product(&[query_heads, value_size])?];
    let state = vec![batch, key_heads, key_size, value_size];
    let kind = context.element_type();
    let outputs = vec![context.made(0, Ok(output), kind)?, context.made(1, Ok(state), kind)?];
    Ok(NodeEffect { outputs, work: Work::Compound { macs, operations: 0 }, settings: &[] })
}

/// Input, weights of all three projections, bias, mask, past.
fn projected_attention(context: &Context<'_, '_>) -> Answer {
    project(context, 4, &[])
}

/// Input, weights, bias, two scales, mask, two zero points, past.
fn quantised_attention(context: &Context<'_, '_>) -> Answer {
    let mut effect = project(context, 8, &[3, 4, 6, 7])?;
    effect.outputs[0].element_type = context.type_of(3);
    effect.outputs[0].stored_bits = Some(storage_bits(context.type_of(3)));
    Ok(effect)
}

fn project(context: &Context<'_, '_>, past_at: usize, settings: &'static [usize]) -> Answer {
    let (input, weights) = (context.shape(0)?, context.shape(1)?);
    let (&[batch, queries, depth], Some(columns)) = (input, weights.last().copied()) else {
        return Err(misfit(input));
    };
    let heads = context.size("num_heads").filter(|heads| *heads > 0).unwrap_or(1);
    let (key, value) = match context.integers("qkv_hidden_sizes") {
        Some(&[_, key, value]) => (key.unsigned_abs(), value.unsigned_abs()),
        _ => (columns / 3, columns / 3),
    };
    let past = match context.optional(past_at).and_then(|past| past.shape.as_deref()) {
        Some(&[_, _, _, past, _]) => past,
        _ => 0,
    };
    let keys = queries.checked_add(past).ok_or(Uncountable::TooLarge)?;
    let (key_size, value_size) = (key / heads, value / heads);
    let sizes = Sizes { batch, heads, key_heads: heads, queries, keys, key_size, value_size };
    let work = sizes.work(product(&[batch, queries, depth, columns])?)?;
    let output = context.made(0, Ok(vec![batch, queries, value]), context.element_type())?;
    let present = context.made(1, Ok(vec![2, batch, heads, keys, key_size]), context.element_type())?;
    Ok(NodeEffect { outputs: vec![output, present], work, settings })
}

/// Query, key, value, bias, two masks, past keys and values; query or key may hold the others too.
fn multi_head_attention(context: &Context<'_, '_>) -> Answer {
    let query = context.shape(0)?;
    let number = context.size("num_heads");
    let sizes = match query {
        &[batch, queries, heads, 3, size] => {
            Sizes { batch, heads, key_heads: heads, queries, keys: queries, key_size: size, value_size: size }
        }
        _ => {
            let [batch, query_heads, queries, key_size] = heads(query, number)?;
            let key = context.shape(1)?;
            let (keys, value_size) = match key {
                &[_, keys, _, 2, size] => (keys, size),
                _ => (heads(key, number)?[2], heads(context.shape(2)?, number)?[3]),
            };
            Sizes { batch, heads: query_heads, key_heads: query_heads, queries, keys, key_size, value_size }
        }
    };
    let keys = sizes.keys.checked_add(past_keys(context, 6)?).ok_or(Uncountable::TooLarge)?;
    let sizes = Sizes { keys, ..sizes };
    let output = vec![sizes.batch, sizes.queries, product(&[sizes.heads, sizes.value_size])?];
    let mut outputs = vec![context.made(0, Ok(output), context.element_type())?];
    outputs.extend(sizes.present(context, 1)?);
    Ok(NodeEffect { outputs, work: sizes.work(0)?, settings: &[] })
}

/// Query (which may hold keys and values too), key, value, past keys and values, two lengths.
fn group_query_attention(context: &Context<'_, '_>) -> Answer {
    let query = context.shape(0)?;
    let (Some(query_heads), Some(key_heads)) = (context.size("num_heads"), context.size("kv_num_heads"))
    else {
        return Err(Uncountable::Wrong("it has no numbers of heads".to_owned()));
    };
    let &[batch, queries, columns] = query else { return Err(misfit(query)) };
    let is_packed = context.optional(1).is_none();
    let all_heads =
        if is_packed { query_heads.saturating_add(key_heads.saturating_mul(2)) } else { query_heads };
    let size = columns.checked_div(all_heads).ok_or_else(|| misfit(query))?;
    let keys = queries.checked_add(past_keys(context, 3)?).ok_or(Uncountable::TooLarge)?;
    let sizes =
        Sizes { batch, heads: query_heads, key_heads, queries, keys, key_size: size, value_size: size };
    let output = vec![batch, queries, product(&[query_heads, size])?];
    let mut outputs = vec![context.made(0, Ok(output), context.element_type())?];
    outputs.extend(sizes.present(context, 1)?);
    Ok(NodeEffect { outputs, work: sizes.work(0)?, settings: &[5, 6] })
}

/// Two multiplications and an addition for each element.
fn rotate(context: &Context<'_, '_>) -> Answer {
    let made = super::elementwise::same_shape(context, context.element_type())?;
    let work = super::times(made.elements()?, 3)?;
    Ok(NodeEffect::one(made, work))
}
