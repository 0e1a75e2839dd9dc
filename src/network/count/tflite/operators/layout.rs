//! Operators that compute nothing: views, copies, and choices of a part.

use super::{Answer, Outcome, Reading, Trouble, axis, one, product};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;

/// The file's shape, where the number of elements is right.
pub(super) fn view(reading: &Reading<'_, '_>) -> Answer {
    let (input, output) = (reading.shape(0)?, reading.declared()?);
    if product(input)? != product(output)? {
        return Err(Trouble::Wrong(format!("{} cannot become {}", shape_text(input), shape_text(output))));
    }
    one(output.to_vec(), Work::View, vec![0])
}

pub(super) fn reshape(reading: &Reading<'_, '_>) -> Answer {
    let input = reading.shape(0)?;
    let Some(wanted) = reading.values(1) else { return view(reading) };
    let (have, fixed) =
        (product(input)?, wanted.iter().map(|size| u64::try_from(*size).unwrap_or(1)).collect::<Vec<_>>());
    let rest = have.checked_div(product(&fixed)?).unwrap_or(0);
    let output: Vec<u64> = wanted.iter().map(|size| u64::try_from(*size).unwrap_or(rest)).collect();
    if product(&output)? != have {
        return Err(Trouble::Wrong(format!("{} cannot be reshaped to {wanted:?}", shape_text(input))));
    }
    one(output, Work::View, vec![0])
}

pub(super) fn concatenation(reading: &Reading<'_, '_>) -> Answer {
    let mut output = reading.shape(0)?.to_vec();
    let axis = axis(reading.integer(0)?, output.len())?;
    for input in 1..reading.operator.inputs.len() {
        let other = reading.shape(input)?;
        if other.len() != output.len()
            || (0..other.len()).any(|place| place != axis && other[place] != output[place])
        {
            return Err(Trouble::Wrong(format!(
                "{} and {} cannot be joined along axis {axis}",
                shape_text(&output),
                shape_text(other)
            )));
        }
        output[axis] = output[axis].checked_add(other[axis]).ok_or(Trouble::TooLarge)?;
    }
    one(output, Work::Operations(0), reading.all())
}

pub(super) fn pad(reading: &Reading<'_, '_>) -> Answer {
    let input = reading.shape(0)?;
    let Some(pads) = reading.values(1) else {
        return one(reading.declared()?.to_vec(), Work::Operations(0), vec![0]);
    };
    let misfit = || Trouble::Wrong(format!("its pads {pads:?} do not fit {}", shape_text(input)));
    let (pairs, rest) = pads.as_chunks::<2>();
    if pairs.len() != input.len() || !rest.is_empty() {
        return Err(misfit());
    }
    let padded = input.iter().zip(pairs).map(|(size, [before, after])| {
        size.checked_add_signed(*before).and_then(|size| size.checked_add_signed(*after)).ok_or_else(misfit)
    });
    one(padded.collect::<Result<_, _>>()?, Work::Operations(0), vec![0])
}

pub(super) fn transpose(reading: &Reading<'_, '_>) -> Answer {
    let input = reading.shape(0)?;
    let Some(order) = reading.values(1) else { return selection(reading) };
    let order: Vec<usize> =
        order.into_iter().map(|number| axis(number, input.len())).collect::<Result<_, _>>()?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..input.len()).collect::<Vec<_>>() {
        return Err(Trouble::Wrong(format!("{order:?} does not order the axes of {}", shape_text(input))));
    }
    one(order.into_iter().map(|axis| input[axis]).collect(), Work::Selection, vec![0])
}

/// Copies what the file says that it makes.
pub(super) fn selection(reading: &Reading<'_, '_>) -> Answer {
    reading.shape(0)?;
    reading.declared()?;
    Ok(Outcome { shapes: Vec::new(), work: Work::Selection, tensors: vec![0] })
}

/// The axis comes first.
pub(super) fn split(reading: &Reading<'_, '_>) -> Answer {
    reading.shape(1)?;
    reading.declared()?;
    Ok(Outcome { shapes: Vec::new(), work: Work::Selection, tensors: vec![1] })
}

pub(super) fn packing(reading: &Reading<'_, '_>) -> Answer {
    reading.declared()?;
    Ok(Outcome { shapes: Vec::new(), work: Work::Operations(0), tensors: reading.all() })
}
