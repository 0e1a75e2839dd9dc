//! `Einsum`: products and sums that a text describes.

use super::{Answer, Context, NodeEffect, Rules};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product};

pub(super) const RULES: Rules = &[(&["Einsum"], einsum)];

/// Every axis of an operand is held against those of all others.
const MOST_OPERANDS: usize = 64;

/// What stands for an axis: a letter, or one of the axes of `...`, counted from the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Further(usize),
    Letter(u8),
}

/// An operand: its labels with their sizes.
type Operand = Vec<(Label, u64)>;

/// Operands are multiplied from left to right. Each product takes the sizes of all its labels, multiplied; it
/// is a matrix product where a label is summed over, else a multiplication of elements.
fn einsum(context: &Context<'_, '_>) -> Answer {
    let equation: Vec<u8> =
        context.text("equation").unwrap_or_default().iter().copied().filter(|byte| *byte != b' ').collect();
    let (left, right) = match equation.windows(2).position(|two| two == b"->") {
        Some(place) => (&equation[..place], Some(&equation[place + 2..])),
        None => (equation.as_slice(), None),
    };
    let terms: Vec<&[u8]> = left.split(|byte| *byte == b',').collect();
    if terms.len() > MOST_OPERANDS {
        return Err(Uncountable::Unknown(format!("it has more than {MOST_OPERANDS} inputs")));
    }
    let mut operands = Vec::new();
    for (index, term) in terms.iter().enumerate() {
        operands.push(operand(term, context.shape(index)?)?);
    }
    if operands.len() != context.inputs.len() {
        return Err(wrong(format!("it names {} inputs and has {}", operands.len(), context.inputs.len())));
    }
    let size_of = |label: Label| {
        let sizes = operands.iter().flatten().filter(|(other, _)| *other == label).map(|(_, size)| *size);
        sizes.max()
    };
    let wanted = match right {
        Some(term) => labels(term, further(&operands)),
        None => implicit(&operands),
    };
    let output: Option<Vec<u64>> = wanted.iter().map(|label| size_of(*label)).collect();
    let output = output.ok_or_else(|| wrong("its result names an axis that no input has".to_owned()));
    let made = context.made(0, output, context.element_type())?;
    let (macs, operations) = work(operands, &wanted)?;
    let channels = made.shape.last().copied().unwrap_or(1);
    let work = match (macs, operations) {
        (0, operations) => Work::Operations(operations),
        (macs, 0) => Work::Product { macs, channels },
        (macs, operations) => Work::Compound { macs, operations },
    };
    Ok(NodeEffect::one(made, work))
}

fn wrong(what: String) -> Uncountable {
    Uncountable::Wrong(what)
}

/// How many axes `...` stands for.
fn further(operands: &[Operand]) -> usize {
    let is_further = |(label, _): &(Label, u64)| matches!(label, Label::Further(_));
    operands.iter().map(|operand| operand.iter().filter(|axis| is_further(axis)).count()).max().unwrap_or(0)
}

fn labels(term: &[u8], further: usize) -> Vec<Label> {
    let mut found = Vec::new();
    let mut rest = term;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        if let (b'.', [b'.', b'.', behind @ ..]) = (*byte, behind) {
            found.extend((0..further).rev().map(Label::Further));
            rest = behind;
        } else {
            found.push(Label::Letter(*byte));
        }
    }
    found
}

fn operand(term: &[u8], shape: &[u64]) -> Result<Operand, Uncountable> {
    let letters = term.iter().filter(|byte| **byte != b'.').count();
    let labels = labels(term, shape.len().saturating_sub(letters));
    if labels.len() != shape.len() {
        let term = String::from_utf8_lossy(term);
        return Err(wrong(format!("`{term}` does not fit an input of shape {}", shape_text(shape))));
    }
    Ok(labels.into_iter().zip(shape.iter().copied()).collect())
}

/// Without a result: all labels that appear once, in the order of the alphabet.
fn implicit(operands: &[Operand]) -> Vec<Label> {
    let all: Vec<Label> = operands.iter().flatten().map(|(label, _)| *label).collect();
    let mut wanted: Vec<Label> = all
        .iter()
        .copied()
        .filter(|label| {
            matches!(label, Label::Further(_)) || all.iter().filter(|other| *other == label).count() == 1
        })
        .collect();
    // The last of the further axes has the number 0.
    wanted.sort_by_key(|label| match label {
        Label::Further(number) => (0, usize::MAX - number),
        Label::Letter(letter) => (1, usize::from(*letter)),
    });
    wanted.dedup();
    wanted
}

/// MACs and other operations.
fn work(operands: Vec<Operand>, wanted: &[Label]) -> Result<(u64, u64), Uncountable> {
    let all_sizes = |operand: &Operand| product(&operand.iter().map(|(_, size)| *size).collect::<Vec<_>>());
    let mut rest = operands.into_iter();
    let Some(mut so_far) = rest.next().map(unique) else { return Ok((0, 0)) };
    let (mut macs, mut operations) = (0_u64, 0_u64);
    if rest.len() == 0 {
        return Ok((0, all_sizes(&so_far)?));
    }
    while let Some(next) = rest.next() {
        let whole = unique(so_far.into_iter().chain(next).collect());
        let is_needed = |label: &Label| {
            wanted.contains(label) || rest.as_slice().iter().flatten().any(|(other, _)| other == label)
        };
        let count = all_sizes(&whole)?;
        let kept: Operand = whole.iter().filter(|(label, _)| is_needed(label)).copied().collect();
        let column = if kept.len() < whole.len() { &mut macs } else { &mut operations };
        *column = column.checked_add(count).ok_or(Uncountable::TooLarge)?;
        so_far = kept;
    }
    Ok((macs, operations))
}

/// Each label once, with its largest size: an axis of one is repeated.
fn unique(operand: Operand) -> Operand {
    let mut found: Operand = Vec::new();
    for (label, size) in operand {
        match found.iter_mut().find(|(other, _)| *other == label) {
            Some((_, known)) => *known = size.max(*known),
            None => found.push((label, size)),
        }
    }
    found
}
