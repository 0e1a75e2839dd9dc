//! Sequences of tensors, and optionals. They hold references: nothing is computed or copied until a sequence
//! is joined.

use super::layout::view;
use super::{Answer, BOOL, Context, INT64, Made, NodeEffect, Rules};
use crate::model_file::onnx::MOST_VALUES;
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::onnx::fact::{Item, Sequence, Values};
use crate::network::count::uncountable::{Uncountable, resolve_axis};

pub(super) const RULES: Rules = &[
    (&["SequenceEmpty"], empty),
    (&["SequenceConstruct"], construct),
    (&["SequenceInsert"], insert),
    (&["SequenceErase"], erase),
    (&["SequenceAt"], at),
    (&["SequenceLength"], length),
    (&["SplitToSequence"], split),
    (&["ConcatFromSequence"], concat),
    (&["Optional", "OptionalGetElement"], pass),
    (&["OptionalHasElement"], has_element),
];

fn made(sequence: Sequence) -> Answer {
    Ok(NodeEffect::one(Made::of_sequence(sequence), Work::View))
}

fn sequence<'n>(context: &Context<'n, '_>) -> Result<&'n Sequence, Uncountable> {
    let input = context.input(0)?;
    input
        .sequence
        .as_ref()
        .ok_or_else(|| Uncountable::Unknown(format!("what the sequence `{}` holds is not known", input.name)))
}

fn item(context: &Context<'_, '_>, input: usize) -> Result<Item, Uncountable> {
    let tensor = context.input(input)?;
    Ok(Item { shape: tensor.shape.clone(), element_type: tensor.element_type })
}

/// A place in a sequence of so many; the last if it is left out, `None` if it is not known.
fn place(context: &Context<'_, '_>, input: usize, count: usize) -> Option<usize> {
    if context.optional(input).is_none() {
        return count.checked_sub(1);
    }
    resolve_axis(*context.values(input).ok()?.first()?, count).ok()
}

fn empty(_: &Context<'_, '_>) -> Answer {
    made(Sequence::Listed(Vec::new()))
}

fn construct(context: &Context<'_, '_>) -> Answer {
    let items: Result<Vec<Item>, _> = (0..context.inputs.len()).map(|input| item(context, input)).collect();
    made(Sequence::of(items?))
}

fn insert(context: &Context<'_, '_>) -> Answer {
    let added = item(context, 1)?;
    made(match sequence(context)? {
        Sequence::Listed(items) => {
            let at = match context.optional(2) {
                None => Some(items.len()),
                Some(_) => place(context, 2, items.len() + 1),
            };
            let is_alike = items.iter().all(|item| *item == added);
            match at.or(is_alike.then_some(0)) {
                Some(at) => {
                    let mut items = items.clone();
                    items.insert(at, added);
                    Sequence::of(items)
                }
                None => Sequence::Alike(Item { shape: None, ..added }),
            }
        }
        Sequence::Alike(any) => {
            let is_alike = *any == added;
            Sequence::Alike(if is_alike { added } else { Item { shape: None, ..added } })
        }
    })
}

fn erase(context: &Context<'_, '_>) -> Answer {
    made(match sequence(context)? {
        Sequence::Listed(items) => match place(context, 1, items.len()) {
            Some(place) => {
                let mut items = items.clone();
                items.remove(place);
                Sequence::Listed(items)
            }
            None => Sequence::Alike(sequence(context)?.any()),
        },
        alike @ Sequence::Alike(_) => alike.clone(),
    })
}

fn at(context: &Context<'_, '_>) -> Answer {
    let sequence = sequence(context)?;
    let item = match sequence {
        Sequence::Listed(items) => place(context, 1, items.len()).and_then(|place| items.get(place)).cloned(),
        Sequence::Alike(_) => None,
    };
    let item = item.unwrap_or_else(|| sequence.any());
    let computed = item.shape.ok_or_else(|| {
        Uncountable::Unknown("which tensor of the sequence it is depends on the input".to_owned())
    });
    Ok(NodeEffect::one(context.made(0, computed, item.element_type)?, Work::View))
}

fn length(context: &Context<'_, '_>) -> Answer {
    let mut length = context.made(0, Ok(Vec::new()), INT64)?;
    if let Sequence::Listed(items) = sequence(context)? {
        length.values = Some(Values::Integers(vec![items.len() as i64]));
    }
    Ok(NodeEffect::one(length, Work::View))
}

fn split(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let axis = resolve_axis(context.integer("axis", 0), input.len())?;
    let (size, element_type) = (input[axis], context.element_type());
    let part = |part: u64| {
        let mut shape = input.to_vec();
        shape[axis] = part;
        Item { shape: Some(shape), element_type }
    };
    let parts: Vec<u64> = match context.optional(1) {
        None => {
            let mut single = part(1);
            if let (0, Some(shape)) = (context.integer("keepdims", 1), single.shape.as_mut()) {
                shape.remove(axis);
            }
            return made(Sequence::repeated(single, size));
        }
        Some(split) => match (context.sizes(1), split.shape.as_deref()) {
            (Ok(sizes), Some([])) => {
                let each = sizes.first().copied().filter(|each| *each > 0).unwrap_or(1);
                if size.is_multiple_of(each) {
                    return made(Sequence::repeated(part(each), size / each));
                }
                if size / each > MOST_VALUES {
                    // The last part is smaller.
                    return made(Sequence::Alike(Item { shape: None, element_type }));
                }
                (0..size.div_ceil(each)).map(|place| each.min(size - place * each)).collect()
            }
            (Ok(sizes), _) => sizes,
            (Err(_), _) => return made(Sequence::Alike(Item { shape: None, element_type })),
        },
    };
    made(Sequence::of(parts.into_iter().map(part).collect()))
}

fn concat(context: &Context<'_, '_>) -> Answer {
    let sequence = sequence(context)?;
    let computed = || {
        let Sequence::Listed(items) = sequence else {
            return Err(Uncountable::Unknown("how many tensors it joins depends on the input".to_owned()));
        };
        let shapes: Option<Vec<&Vec<u64>>> = items.iter().map(|item| item.shape.as_ref()).collect();
        let shapes = shapes
            .ok_or_else(|| Uncountable::Unknown("the shapes of what it joins are not known".to_owned()))?;
        let Some(first) = shapes.first() else {
            return Err(Uncountable::Wrong("it joins an empty sequence".to_owned()));
        };
        let mut output = (*first).clone();
        if context.integer("new_axis", 0) != 0 {
            let axis = resolve_axis(context.integer("axis", 0), first.len() + 1)?;
            output.insert(axis, shapes.len() as u64);
            return Ok(output);
        }
        let axis = resolve_axis(context.integer("axis", 0), first.len())?;
        for other in &shapes[1..] {
            let size = other.get(axis).filter(|_| other.len() == first.len()).ok_or_else(|| {
                Uncountable::Wrong(format!(
                    "{} and {} cannot be joined",
                    shape_text(first),
                    shape_text(other)
                ))
            })?;
            output[axis] = output[axis].checked_add(*size).ok_or(Uncountable::TooLarge)?;
        }
        Ok(output)
    };
    let made = context.made(0, computed(), sequence.any().element_type)?;
    Ok(NodeEffect::one(made, Work::Operations(0)).with_settings(&[0]))
}

/// What is in an optional is there for all that is counted.
fn pass(context: &Context<'_, '_>) -> Answer {
    let Some(input) = context.optional(0) else {
        return Err(Uncountable::Unknown("it is empty".to_owned()));
    };
    match &input.sequence {
        Some(sequence) => made(sequence.clone()),
        None => view(context, context.shape(0).map(<[u64]>::to_vec), &[]),
    }
}

fn has_element(context: &Context<'_, '_>) -> Answer {
    let mut answer = context.made(0, Ok(Vec::new()), BOOL)?;
    if context.optional(0).is_none() {
        answer.values = Some(Values::Integers(vec![0]));
    }
    Ok(NodeEffect::one(answer, Work::View))
}
