//! Operators that copy elements to other places. They compute nothing, but what they copy moves.

use super::{Answer, Context, Effect, one};
use crate::network::count::error::shape_text;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::{Uncountable, product, resolve_axis};

/// Copies whose shapes are the file's or come of values that only a run shows.
pub(super) const DECLARED: &[&str] = &[
    "STABLEHLO_SLICE",
    "STABLEHLO_DYNAMIC_SLICE",
    "STABLEHLO_GATHER",
    "STABLEHLO_TRANSPOSE",
    "STABLEHLO_BROADCAST_IN_DIM",
    "STABLEHLO_CONCATENATE",
];

fn selected(shape: Vec<u64>) -> Answer {
    one(shape, Work::Selection, vec![0])
}

/// Copies what the file says that it makes.
pub(super) fn declared(context: &Context<'_, '_>) -> Answer {
    context.shape(0)?;
    selected(context.declared_or_unknown(0)?)
}

pub(super) fn same(context: &Context<'_, '_>) -> Answer {
    selected(context.shape(0)?.to_vec())
}

/// A tensor of which some elements are replaced: all of it comes out.
pub(super) fn updated(context: &Context<'_, '_>) -> Answer {
    let output = context.shape(0)?.to_vec();
    one(output, Work::Operations(0), vec![0, 1])
}

/// Elements are put into an empty tensor whose shape is the third input.
pub(super) fn scattered(context: &Context<'_, '_>) -> Answer {
    one(wanted(context, 2)?, Work::Operations(0), vec![0, 1])
}

/// The same with the shape as the second input.
pub(super) fn sparse_to_dense(context: &Context<'_, '_>) -> Answer {
    one(wanted(context, 1)?, Work::Operations(0), vec![0, 2])
}

/// Elements are put between others, and the file says how many.
pub(super) fn spread(context: &Context<'_, '_>) -> Answer {
    context.shape(0)?;
    one(context.declared_or_unknown(0)?, Work::Operations(0), vec![0])
}

/// A shape that is an input, or else the file's.
fn wanted(context: &Context<'_, '_>, input: usize) -> Result<Vec<u64>, Uncountable> {
    let sizes = context.values(input).map(|sizes| sizes.into_iter().map(u64::try_from).collect());
    match sizes {
        Some(Ok(sizes)) => Ok(sizes),
        _ => context.declared_or_unknown(0),
    }
}

/// The last axis becomes the diagonal of two.
pub(super) fn diagonal(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    selected(input.iter().chain(input.last()).copied().collect())
}

/// Axes after the first are cut into blocks, which come one after another along the first.
pub(super) fn space_to_batch(context: &Context<'_, '_>) -> Answer {
    let Some((input, blocks, edges)) = blocks(context)? else { return declared(context) };
    let mut output = input.to_vec();
    for (axis, (block, [before, after])) in blocks.iter().zip(edges).enumerate() {
        output[0] = output[0].checked_mul(*block).ok_or(Uncountable::TooLarge)?;
        let size = &mut output[axis + 1];
        *size =
            size.checked_add(before).and_then(|size| size.checked_add(after)).ok_or(Uncountable::TooLarge)?
                / block;
    }
    selected(output)
}

/// The way back; edges are cut off.
pub(super) fn batch_to_space(context: &Context<'_, '_>) -> Answer {
    let Some((input, blocks, edges)) = blocks(context)? else { return declared(context) };
    let mut output = input.to_vec();
    for (axis, (block, [before, after])) in blocks.iter().zip(edges).enumerate() {
        output[0] /= block;
        let size = product(&[output[axis + 1], *block])?;
        output[axis + 1] = size.saturating_sub(before).saturating_sub(after);
    }
    selected(output)
}

/// Shape of the input, sizes of blocks, and what is added or cut off before and after; `None` if only a run
/// shows them.
type Blocks<'r> = (&'r [u64], Vec<u64>, Vec<[u64; 2]>);

fn blocks<'r>(context: &Context<'r, '_>) -> Result<Option<Blocks<'r>>, Uncountable> {
    let input = context.shape(0)?;
    let (Some(blocks), Some(edges)) = (context.values(1), context.values(2)) else { return Ok(None) };
    let whole = |numbers: Vec<i64>| numbers.into_iter().map(u64::try_from).collect::<Result<Vec<u64>, _>>();
    let (Ok(blocks), Ok(edges)) = (whole(blocks), whole(edges)) else {
        return Err(Uncountable::Wrong("its blocks or edges are negative".to_owned()));
    };
    let (edges, rest) = edges.as_chunks::<2>();
    if blocks.contains(&0) || blocks.len() != edges.len() || !rest.is_empty() || blocks.len() >= input.len() {
        return Err(Uncountable::Wrong(format!("its blocks {blocks:?} do not fit {}", shape_text(input))));
    }
    Ok(Some((input, blocks, edges.to_vec())))
}

pub(super) fn transpose(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let Some(order) = context.values(1) else { return declared(context) };
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
    selected(order.into_iter().map(|axis| input[axis]).collect())
}

/// A size of −1 is all that is left.
pub(super) fn slice(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let sizes = context.values(2).filter(|sizes| sizes.len() == input.len());
    let Some(sizes) = sizes else { return declared(context) };
    if sizes.iter().all(|size| *size >= 0) {
        return selected(sizes.into_iter().map(i64::unsigned_abs).collect());
    }
    let begins = context.values(1).filter(|begins| begins.len() == input.len());
    let Some(begins) = begins else { return declared(context) };
    let rows = input.iter().zip(begins).zip(sizes);
    let size = |((whole, begin), size): ((&u64, i64), i64)| {
        u64::try_from(size).unwrap_or_else(|_| whole.saturating_sub(begin.unsigned_abs()))
    };
    selected(rows.map(size).collect())
}

/// What a strided slice makes of each axis, and the bits of its masks.
struct Cuts<'c> {
    begins: &'c [i64],
    ends: &'c [i64],
    strides: &'c [i64],
    begin_mask: i64,
    end_mask: i64,
    shrink_mask: i64,
    /// Whether ends count from the begins.
    ends_are_offsets: bool,
}

impl Cuts<'_> {
    /// How many elements are left of an axis; `None` if the axis goes away.
    fn size(&self, entry: usize, whole: u64) -> Option<u64> {
        let has = |mask: i64| mask >> entry & 1 != 0;
        if has(self.shrink_mask) {
            return None;
        }
        let (stride, length) = (self.strides[entry], i64::try_from(whole).unwrap_or(i64::MAX));
        let (least, most) = if stride > 0 { (0, length) } else { (-1, length - 1) };
        let place = |number: i64| {
            let from_front = if number < 0 { number.saturating_add(length) } else { number };
            from_front.clamp(least, most)
        };
        let begin = match (has(self.begin_mask), stride > 0) {
            (true, true) => 0,
            (true, false) => length - 1,
            (false, _) => place(self.begins[entry]),
        };
        let end = match (has(self.end_mask), stride > 0) {
            (true, true) => length,
            (true, false) => -1,
            (false, _) if self.ends_are_offsets => place(begin.saturating_add(self.ends[entry])),
            (false, _) => place(self.ends[entry]),
        };
        let distance = if stride > 0 { end - begin } else { begin - end };
        Some(u64::try_from(distance).unwrap_or(0).div_ceil(stride.unsigned_abs().max(1)))
    }
}

pub(super) fn strided_slice(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let (Some(begins), Some(ends), Some(strides)) = (context.values(1), context.values(2), context.values(3))
    else {
        return declared(context);
    };
    let (ellipsis, new_axes) = (context.integer(2)?, context.integer(3)?);
    // The masks have a bit for each entry.
    if begins.len() != ends.len() || begins.len() != strides.len() || begins.len() > 31 {
        return Err(Uncountable::Wrong("its bounds are of different lengths".to_owned()));
    }
    let cuts = Cuts {
        begins: &begins,
        ends: &ends,
        strides: &strides,
        begin_mask: context.integer(0)?,
        end_mask: context.integer(1)?,
        shrink_mask: context.integer(4)?,
        ends_are_offsets: context.byte(5)? != 0,
    };
    let has = |mask: i64, entry: usize| mask >> entry & 1 != 0;
    let named = (0..begins.len()).filter(|entry| !has(ellipsis, *entry) && !has(new_axes, *entry)).count();
    let mut left = input.iter().copied();
    let mut output = Vec::new();
    for entry in 0..begins.len() {
        if has(ellipsis, entry) {
            output.extend(left.by_ref().take(input.len().saturating_sub(named)));
        } else if has(new_axes, entry) {
            output.push(1);
        } else if let Some(whole) = left.next() {
            output.extend(cuts.size(entry, whole));
        } else {
            return Err(Uncountable::Wrong(format!("its bounds do not fit {}", shape_text(input))));
        }
    }
    output.extend(left);
    selected(output)
}

/// The axis comes first.
pub(super) fn split(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(1)?;
    let parts = context.operator.outputs.len() as u64;
    let axis = context.value(0).map(|axis| resolve_axis(axis, input.len())).transpose()?;
    let mut part = match axis {
        Some(_) => input.to_vec(),
        None => context.declared_or_unknown(0)?,
    };
    if let Some(axis) = axis {
        part[axis] = part[axis].checked_div(parts).unwrap_or(0);
    }
    Ok(Effect { shapes: vec![part; parts as usize], work: Work::Selection, tensors: vec![1] })
}

/// One size may be −1, for what is left.
pub(super) fn split_by_sizes(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let (Some(sizes), Some(axis)) = (context.values(1), context.value(2)) else {
        context.declared_or_unknown(0)?;
        return Ok(Effect { shapes: Vec::new(), work: Work::Selection, tensors: vec![0] });
    };
    let axis = resolve_axis(axis, input.len())?;
    let known = sizes.iter().filter_map(|size| u64::try_from(*size).ok()).fold(0, u64::saturating_add);
    let rest = input[axis].saturating_sub(known);
    let shapes = sizes.iter().map(|size| {
        let mut part = input.to_vec();
        part[axis] = u64::try_from(*size).unwrap_or(rest);
        part
    });
    Ok(Effect { shapes: shapes.collect(), work: Work::Selection, tensors: vec![0] })
}

pub(super) fn unpack(context: &Context<'_, '_>) -> Answer {
    let mut part = context.shape(0)?.to_vec();
    let axis = resolve_axis(context.integer(1)?, part.len())?;
    part.remove(axis);
    let shapes = vec![part; context.operator.outputs.len()];
    Ok(Effect { shapes, work: Work::Selection, tensors: vec![0] })
}

pub(super) fn gather(context: &Context<'_, '_>) -> Answer {
    let (table, places) = (context.shape(0)?, context.shape(1)?);
    let axis = resolve_axis(context.integer(0)?, table.len())?;
    let shared = usize::try_from(context.integer(1)?).unwrap_or(0).min(places.len());
    let output = table[..axis].iter().chain(&places[shared..]).chain(&table[axis + 1..]);
    selected(output.copied().collect())
}

/// Each row of the places is one place along the first axes.
pub(super) fn gather_positions(context: &Context<'_, '_>) -> Answer {
    let (table, places) = (context.shape(0)?, context.shape(1)?);
    let fits = |depth: u64| usize::try_from(depth).ok().filter(|depth| *depth <= table.len());
    match places {
        [rows @ .., depth] if fits(*depth).is_some() => {
            let depth = fits(*depth).unwrap_or(0);
            selected(rows.iter().chain(&table[depth..]).copied().collect())
        }
        _ => Err(Uncountable::Wrong(format!(
            "places of shape {} do not fit a table of shape {}",
            shape_text(places),
            shape_text(table)
        ))),
    }
}

/// The places come first.
pub(super) fn embedding(context: &Context<'_, '_>) -> Answer {
    let (places, table) = (context.shape(0)?, context.shape(1)?);
    let output = places.iter().chain(table.iter().skip(1)).copied().collect();
    one(output, Work::Selection, vec![1])
}

pub(super) fn tile(context: &Context<'_, '_>) -> Answer {
    let input = context.shape(0)?;
    let times = context.values(1).filter(|times| times.len() == input.len());
    let Some(times) = times else { return declared(context) };
    let sizes = input.iter().zip(times).map(|(size, times)| {
        let times = u64::try_from(times).unwrap_or(0);
        size.checked_mul(times).ok_or(Uncountable::TooLarge)
    });
    selected(sizes.collect::<Result<_, _>>()?)
}

pub(super) fn broadcast_to(context: &Context<'_, '_>) -> Answer {
    context.shape(0)?;
    let sizes =
        context.values(1).map(|sizes| sizes.into_iter().map(u64::try_from).collect::<Result<Vec<_>, _>>());
    match sizes {
        Some(Ok(sizes)) => selected(sizes),
        _ => declared(context),
    }
}

pub(super) fn space_to_depth(context: &Context<'_, '_>) -> Answer {
    let ([batch, height, width, depth], block) = (context.image(0)?, context.number(0, 0)?);
    let depth = product(&[depth, block, block])?;
    selected(vec![batch, height / block, width / block, depth])
}

pub(super) fn depth_to_space(context: &Context<'_, '_>) -> Answer {
    let ([batch, height, width, depth], block) = (context.image(0)?, context.number(0, 0)?);
    let (height, width) = (product(&[height, block])?, product(&[width, block])?);
    selected(vec![batch, height, width, depth / product(&[block, block])?])
}
