//! Control flow: operators that run graphs in their attributes.
//!
//! Both branches of an `If` are walked. Where its condition is known, the branch that runs is counted, else
//! the one with more MACs; [`Assumption`]s list what each has. Bodies of `Loop`, `Scan` and `SequenceMap` are
//! walked once and counted as often as they run, where that is known; else once, which is listed too.

use super::{Call, Found, Outputs, Walk};
use crate::model_file::onnx::{OnnxGraph, OnnxNode, is_own_domain};
use crate::network::cost::Assumption;
use crate::network::count::error::CountError;
use crate::network::count::graph::{Step, TensorIndex, Work};
use crate::network::count::onnx::fact::{Fact, Item, Sequence, Values};
use crate::network::count::onnx::frame::{OnnxFrame, attribute};
use crate::network::count::onnx::operators::storage_bits;
use crate::network::count::uncountable::resolve_axis;

/// What the outputs of a node are, or why they are not known.
pub(super) type Followed = Result<Outputs, String>;

/// ONNX's numbers of types.
const INT64: i64 = 7;
const BOOL: i64 = 9;

/// Until this version, the first axis of everything that a `Scan` reads is a batch.
const LAST_BATCHED_SCAN: i64 = 8;

/// Follow a node if it is one of control flow.
pub(super) fn follow<'a>(
    walk: &mut Walk<'_, 'a>,
    frame: &OnnxFrame<'_, 'a>,
    call: &Call<'_, 'a>,
) -> Result<Option<Followed>, CountError> {
    if !is_own_domain(&call.node.domain) {
        return Ok(None);
    }
    let answer = match call.node.operator.as_str() {
        "If" => branches(walk, frame, call)?,
        "Loop" => repeat(walk, frame, call)?,
        "Scan" => scan(walk, frame, call)?,
        "SequenceMap" => map(walk, frame, call)?,
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

fn graph<'f, 'a>(
    frame: &OnnxFrame<'f, 'a>,
    node: &'f OnnxNode<'a>,
    name: &str,
) -> Result<&'f OnnxGraph<'a>, String> {
    let found = attribute(node, frame.settings, name).and_then(|attribute| attribute.graphs.first());
    found.ok_or_else(|| format!("it has no `{name}`"))
}

fn whole_number(walk: &Walk<'_, '_>, call: &Call<'_, '_>, input: usize) -> Option<i64> {
    let place = call.read.get(input).copied().flatten()?;
    walk.facts[place].integers()?.first().copied()
}

fn macs(steps: &[Step]) -> u64 {
    let macs = steps.iter().map(|step| match step.work {
        Work::Product { macs, .. } | Work::Compound { macs, .. } => macs.saturating_mul(step.scope.repeats),
        _ => 0,
    });
    macs.fold(0, u64::saturating_add)
}

fn operations(steps: &[Step]) -> u64 {
    let operations = steps.iter().map(|step| match step.work {
        Work::Operations(operations) => operations.saturating_mul(step.scope.repeats),
        _ => 0,
    });
    operations.fold(0, u64::saturating_add)
}

fn assume(walk: &mut Walk<'_, '_>, call: &Call<'_, '_>, what: String) {
    let (name, operator) = (call.name.clone(), call.node.operator.clone());
    walk.assumptions.push(Assumption { name, operator, what });
}

fn branches<'a>(
    walk: &mut Walk<'_, 'a>,
    frame: &OnnxFrame<'_, 'a>,
    call: &Call<'_, 'a>,
) -> Result<Followed, CountError> {
    const NAMES: [&str; 2] = ["then_branch", "else_branch"];
    let mut walked: Vec<(Outputs, Found)> = Vec::new();
    for name in NAMES {
        let branch = match graph(frame, call.node, name) {
            Ok(branch) => branch,
            Err(why) => return Ok(Err(why)),
        };
        let mark = walk.mark();
        let outputs = walk.subgraph(frame, call, branch, &[])?;
        walked.push((outputs, walk.take_since(mark)));
    }
    let condition = whole_number(walk, call, 0);
    let weight = |found: &Found| (macs(&found.steps), operations(&found.steps), found.steps.len());
    let counts: Vec<u64> = walked.iter().map(|(_, found)| macs(&found.steps)).collect();
    let chosen = match condition {
        Some(condition) => usize::from(condition == 0),
        None => usize::from(weight(&walked[1].1) > weight(&walked[0].1)),
    };
    let why = match condition {
        Some(_) => "its condition is known",
        None if counts[0] == counts[1] => "both have as many MACs",
        None => "it is the more expensive one",
    };
    // Where constants alone decide, as around optional axes, there is nothing to assume.
    if condition.is_none() || !walk.known.values.is_empty() && counts[0].max(counts[1]) > 0 {
        let (other, left_out) = (NAMES[1 - chosen], counts[1 - chosen]);
        let (runs, macs) = (NAMES[chosen], counts[chosen]);
        let what =
            format!("`{runs}` runs ({why}): {macs} MACs; `{other}` has {left_out} MACs, which are left out");
        assume(walk, call, what);
    }
    let (outputs, found) = walked.swap_remove(chosen);
    walk.put_back(found);
    if condition.is_some() {
        return Ok(Ok(outputs));
    }
    // Values are those of one branch only.
    let outputs = outputs.into_iter().map(|place| place.map(|place| walk.without_values(place)));
    Ok(Ok(outputs.collect()))
}

/// Count steps since `from` as often as they run; a body whose number of runs is not known counts once.
fn multiply(
    walk: &mut Walk<'_, '_>,
    call: &Call<'_, '_>,
    from: usize,
    runs: Option<u64>,
) -> Result<(), CountError> {
    let Some(runs) = runs else {
        let has_steps = walk.steps.len() > from;
        if has_steps {
            let macs = macs(&walk.steps[from..]);
            let what = format!("how often it runs depends on the input; its body of {macs} MACs counts once");
            assume(walk, call, what);
        }
        return Ok(());
    };
    for step in &mut walk.steps[from..] {
        step.scope.repeats = step.scope.repeats.checked_mul(runs).ok_or_else(|| CountError::TooLarge {
            what: format!("the number of runs of node `{}`", call.name),
        })?;
    }
    Ok(())
}

/// How often a `Loop` runs.
fn trips(walk: &Walk<'_, '_>, call: &Call<'_, '_>, goes_on: Option<i64>) -> Option<u64> {
    let is_left_out = call.read.get(1).copied().flatten().is_none();
    let begins = if is_left_out { Some(1) } else { whole_number(walk, call, 1) };
    let most = whole_number(walk, call, 0).map(|most| u64::try_from(most).unwrap_or(0));
    match (begins, goes_on) {
        (Some(0), _) => Some(0),
        (Some(_), Some(0)) => most.map_or(Some(1), |most| Some(most.min(1))),
        (Some(_), Some(_)) => most,
        _ => most.filter(|most| *most == 0),
    }
}

/// `Loop`: a number of runs, a condition, and what is carried from one run to the next.
fn repeat<'a>(
    walk: &mut Walk<'_, 'a>,
    frame: &OnnxFrame<'_, 'a>,
    call: &Call<'_, 'a>,
) -> Result<Followed, CountError> {
    let body = match graph(frame, call.node, "body") {
        Ok(body) => body,
        Err(why) => return Ok(Err(why)),
    };
    let number = walk.add(scalar("iteration", INT64, None));
    // The body runs only where it holds.
    let condition = walk.add(scalar("condition", BOOL, Some(1)));
    let initial: Vec<Option<TensorIndex>> = call.read.iter().skip(2).copied().collect();
    let mut inputs = vec![number, condition];
    for place in &initial {
        inputs.push(match place {
            Some(place) => walk.variable(*place),
            None => walk.add(Fact::default()),
        });
    }
    let mark = walk.mark();
    let mut outputs = walk.subgraph(frame, call, body, &inputs)?;
    let carried_out = |outputs: &Outputs, place: usize| outputs.get(place + 1).copied().flatten();
    let mut is_growing = false;
    for place in 0..initial.len() {
        let (before, after) = (inputs[place + 2], carried_out(&outputs, place));
        let same = after.is_some_and(|after| walk.facts[after].shape == walk.facts[before].shape);
        if !same && walk.facts[before].shape.is_some() {
            // What grows from run to run has no one shape.
            is_growing = true;
            walk.facts[before].shape = None;
        }
        if let Some(Sequence::Listed(_)) = walk.facts[before].sequence {
            is_growing = true;
            let item = after.and_then(|after| walk.facts[after].sequence.as_ref().map(Sequence::any));
            walk.facts[before].sequence = Some(Sequence::Alike(item.unwrap_or_default()));
        }
    }
    let goes_on = outputs.first().copied().flatten().and_then(|place| walk.facts[place].integers());
    let runs = trips(walk, call, goes_on.and_then(|values| values.first().copied()));
    if is_growing && runs != Some(1) {
        drop(walk.take_since(mark));
        outputs = walk.subgraph(frame, call, body, &inputs)?;
    }
    multiply(walk, call, mark.steps, runs)?;
    let mut made: Outputs = Vec::new();
    for (place, before) in initial.iter().enumerate() {
        let after = carried_out(&outputs, place);
        made.push(if runs == Some(0) { *before } else { after.map(|after| walk.without_values(after)) });
    }
    for after in outputs.iter().skip(1 + initial.len()) {
        made.push(after.map(|after| stacked(walk, after, 0, runs)));
    }
    Ok(Ok(made))
}

/// `Scan`: states, and tensors that are taken apart along an axis.
fn scan<'a>(
    walk: &mut Walk<'_, 'a>,
    frame: &OnnxFrame<'_, 'a>,
    call: &Call<'_, 'a>,
) -> Result<Followed, CountError> {
    let body = match graph(frame, call.node, "body") {
        Ok(body) => body,
        Err(why) => return Ok(Err(why)),
    };
    let integers = |name: &str| {
        let found = attribute(call.node, frame.settings, name);
        found.map(|attribute| attribute.integers.clone()).unwrap_or_default()
    };
    let is_batched = frame.version <= LAST_BATCHED_SCAN;
    let read: Vec<TensorIndex> =
        call.read.iter().skip(usize::from(is_batched)).filter_map(|place| *place).collect();
    let scanned = attribute(call.node, frame.settings, "num_scan_inputs").and_then(|number| number.integer);
    let scanned = scanned.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let Some(states) = read.len().checked_sub(scanned) else {
        return Ok(Err(format!("it scans {scanned} inputs, and has {}", read.len())));
    };
    let (axes, mut runs, mut inputs) = (integers("scan_input_axes"), None, Vec::new());
    let mut batch = None;
    for (place, tensor) in read.iter().enumerate() {
        let input = walk.variable(*tensor);
        let shape = walk.facts[input].shape.as_mut();
        if let Some(shape) = shape {
            if is_batched && !shape.is_empty() {
                batch = Some(shape.remove(0));
            }
            if let Some(number) = place.checked_sub(states) {
                let axis = axes.get(number).copied().unwrap_or(0);
                match resolve_axis(axis, shape.len()) {
                    Ok(axis) => runs = runs.or(Some(shape.remove(axis))),
                    Err(_) => return Ok(Err(format!("it scans along axis {axis} of a tensor without it"))),
                }
                // Later tensors are as long as the first.
            }
        }
        inputs.push(input);
    }
    let mark = walk.mark();
    let outputs = walk.subgraph(frame, call, body, &inputs)?;
    let all = match (runs, batch) {
        (Some(runs), Some(batch)) if is_batched => runs.checked_mul(batch),
        (runs, _) => runs,
    };
    multiply(walk, call, mark.steps, all)?;
    let out_axes = integers("scan_output_axes");
    let mut made = Outputs::new();
    for (place, output) in outputs.iter().enumerate() {
        let Some(output) = *output else {
            made.push(None);
            continue;
        };
        let mut tensor = walk.without_values(output);
        if let Some(number) = place.checked_sub(states) {
            tensor = stacked(walk, output, out_axes.get(number).copied().unwrap_or(0), runs);
        }
        if is_batched {
            tensor = stacked(walk, tensor, 0, batch);
        }
        made.push(Some(tensor));
    }
    Ok(Ok(made))
}

/// `SequenceMap`: the body for each tensor of a sequence.
fn map<'a>(
    walk: &mut Walk<'_, 'a>,
    frame: &OnnxFrame<'_, 'a>,
    call: &Call<'_, 'a>,
) -> Result<Followed, CountError> {
    let body = match graph(frame, call.node, "body") {
        Ok(body) => body,
        Err(why) => return Ok(Err(why)),
    };
    let (mut runs, mut inputs) = (None, Vec::new());
    for (place, tensor) in call.read.iter().enumerate() {
        let Some(tensor) = *tensor else { return Ok(Err(format!("its input {place} is missing"))) };
        let sequence = walk.facts[tensor].sequence.clone();
        inputs.push(match sequence {
            None if place == 0 => return Ok(Err("its first input is no sequence".to_owned())),
            None => tensor,
            Some(sequence) => {
                if let (0, Sequence::Listed(items)) = (place, &sequence) {
                    runs = Some(items.len() as u64);
                }
                let Item { shape, element_type } = sequence.any();
                let (name, stored_bits) = (walk.facts[tensor].name.clone(), storage_bits(element_type));
                walk.add(Fact { name, shape, element_type, stored_bits, ..Fact::default() })
            }
        });
    }
    let mark = walk.mark();
    let outputs = walk.subgraph(frame, call, body, &inputs)?;
    multiply(walk, call, mark.steps, runs)?;
    let made = outputs.into_iter().map(|output| {
        let fact = &walk.facts[output?];
        let item = Item { shape: fact.shape.clone(), element_type: fact.element_type };
        let sequence = match runs {
            Some(runs) => Sequence::repeated(item, runs),
            None => Sequence::Alike(item),
        };
        let name = fact.name.clone();
        Some(walk.add(Fact { name, sequence: Some(sequence), ..Fact::default() }))
    });
    Ok(Ok(made.collect()))
}

fn scalar<'a>(name: &str, element_type: i64, value: Option<i64>) -> Fact<'a> {
    Fact {
        name: name.to_owned(),
        shape: Some(Vec::new()),
        element_type,
        stored_bits: storage_bits(element_type),
        values: value.map(|value| Values::Integers(vec![value])),
        ..Fact::default()
    }
}

/// What a body makes, of all its runs along an axis.
fn stacked(walk: &mut Walk<'_, '_>, tensor: TensorIndex, axis: i64, runs: Option<u64>) -> TensorIndex {
    let place = walk.variable(tensor);
    let fact = &mut walk.facts[place];
    fact.shape = fact.shape.take().zip(runs).and_then(|(mut shape, runs)| {
        let axis = resolve_axis(axis, shape.len() + 1).ok()?;
        shape.insert(axis, runs);
        Some(shape)
    });
    place
}
