//! Operators that compute nothing: views, copies, and choices of a part.

use super::{Answer, Context, Effect, one};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product, resolve_axis};

/// The file's shape, where the number of elements is right.
pub(super) fn view(context: &Context<'_, '_>) -> Answer {
    let (input, output) = (context.shape(0)?, context.declared()?);
    if product(input)? != product(output)? {
        return Err(Uncountable::Wrong(format!(
            "{} cannot become {}",
            shape_text(input),
            shape_text(output)
        )));
    }
    one(output.to_vec(), Work::View, vec![0])
}

pub(super) fn reshape(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let Some(wanted) = context.values(1) else { return view(context) };
    let (have, fixed) =
        (product(input)?, wanted.iter().map(|size| u64::try_from(*size).unwrap_or(1)).collect::<Vec<_>>());
    let rest = have.checked_div(product(&fixed)?).unwrap_or(0);
    let output: Vec<u64> = wanted.iter().map(|size| u64::try_from(*size).unwrap_or(rest)).collect();
    if product(&output)? != have {
        return Err(Uncountable::Wrong(format!("{} cannot be reshaped to {wanted:?}", shape_text(input))));
    }
    one(output, Work::View, vec![0])
}

pub(super) fn concatenation(context: &Context<'_, '_>) -> Answer {
    let mut output = context.shape(0)?.to_vec();
    let axis = resolve_axis(context.integer(0)?, output.len())?;
    for input in 1..context.operator.inputs.len() {
        let other = context.shape(input)?;
        if other.len() != output.len()
            || (0..other.len()).any(|place| place != axis && other[place] != output[place])
        {
            return Err(Uncountable::Wrong(format!(
                "{} and {} cannot be joined along axis {axis}",
                shape_text(&output),
                shape_text(other)
            )));
        }
        output[axis] = output[axis].checked_add(other[axis]).ok_or(Uncountable::TooLarge)?;
    }
    one(output, Work::Operations(0), context.all())
}

pub(super) fn pad(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let Some(pads) = context.values(1) else {
        return one(context.declared()?.to_vec(), Work::Operations(0), vec![0]);
    };
    let misfit = || Uncountable::Wrong(format!("its pads {pads:?} do not fit {}", shape_text(input)));
    let (pairs, rest) = pads.as_chunks::<2>();
    if pairs.len() != input.len() || !rest.is_empty() {
        return Err(misfit());
    }
    let padded = input.iter().zip(pairs).map(|(size, [before, after])| {
        size.checked_add_signed(*before).and_then(|size| size.checked_add_signed(*after)).ok_or_else(misfit)
    });
    one(padded.collect::<Result<_, _>>()?, Work::Operations(0), vec![0])
}

pub(super) fn transpose(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let Some(order) = context.values(1) else { return selection(context) };
    let order: Vec<usize> =
        order.into_iter().map(|number| resolve_axis(number, input.len())).collect::<Result<_, _>>()?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..input.len()).collect::<Vec<_>>() {
        return Err(Uncountable::Wrong(format!(
            "{order:?} does not order the axes of {}",
            shape_text(input)
        )));
    }
    one(order.into_iter().map(|axis| input[axis]).collect(), Work::Selection, vec![0])
}

/// Copies what the file says that it makes.
pub(super) fn selection(context: &Context<'_, '_>) -> Answer {
    context.shape(0)?;
    context.declared()?;
    Ok(Effect { shapes: Vec::new(), work: Work::Selection, tensors: vec![0] })
}

/// The axis comes first.
pub(super) fn split(context: &Context<'_, '_>) -> Answer {
    context.shape(1)?;
    context.declared()?;
    Ok(Effect { shapes: Vec::new(), work: Work::Selection, tensors: vec![1] })
}

pub(super) fn packing(context: &Context<'_, '_>) -> Answer {
    context.declared()?;
    Ok(Effect { shapes: Vec::new(), work: Work::Operations(0), tensors: context.all() })
}
