//! Operators whose results are as large as the values of their inputs decide. Unless the file declares their
//! sizes, a runtime reported them, or the values are constant, they are uncounted, and what follows them is
//! as far as it depends on those sizes.

use super::selection::copied;
use super::{Answer, Context, INT64, NodeEffect, Rules};
use crate::network::count::graph::Work;
use crate::network::count::onnx::fact::Values;
use crate::network::count::uncountable::Uncountable;

pub(super) const RULES: Rules = &[
    (&["NonZero"], non_zero),
    (&["Compress"], compress),
    (&["Unique"], unique),
    (&["NonMaxSuppression"], suppress),
    (&["StringSplit", "StringNormalizer", "ImageDecoder", "TfIdfVectorizer"], text_or_image),
    (&["StringConcat", "RegexFullMatch"], text_or_image),
];

fn open(what: &str) -> Uncountable {
    Uncountable::Unknown(format!("how many {what} depends on the values of its input"))
}

fn non_zero(context: &Context<'_, '_>) -> Answer {
    let known = context.input(0)?.values().zip(context.shape(0).ok());
    let (computed, values) = match known {
        Some((Values::Integers(values), shape)) => {
            let places: Vec<i64> =
                values.iter().zip(0..).filter(|(value, _)| **value != 0).map(|(_, place)| place).collect();
            let shape = vec![shape.len() as u64, places.len() as u64];
            (Ok(shape.clone()), (shape[0] == 1).then_some(Values::Integers(places)))
        }
        _ => (Err(open("elements are not zero")), None),
    };
    let mut made = context.made(0, computed, INT64)?;
    made.values = values;
    Ok(NodeEffect::one(made, Work::Operations(context.elements(0)?)))
}

fn compress(context: &Context<'_, '_>) -> Answer {
    copied(context, Err(open("elements are chosen")), &[])
}

pub(super) fn unique(context: &Context<'_, '_>) -> Answer {
    let mut outputs = vec![context.made(0, Err(open("elements are different")), context.element_type())?];
    for output in 1..context.node.outputs.len() {
        let length = context.elements(0).map(|elements| vec![elements]);
        let computed = if output == 2 { length } else { Ok(vec![outputs[0].elements()?]) };
        outputs.push(context.made(output, computed, INT64)?);
    }
    Ok(NodeEffect { outputs, work: Work::Operations(context.elements(0)?), settings: &[] })
}

fn suppress(context: &Context<'_, '_>) -> Answer {
    let made = context.made(0, Err(open("boxes are kept")), INT64)?;
    // One comparison for each score; how many boxes are compared with each other is decided by the values.
    Ok(NodeEffect::one(made, Work::Operations(context.elements(1)?)).with_settings(&[2, 3, 4]))
}

fn text_or_image(_: &Context<'_, '_>) -> Answer {
    Err(Uncountable::Unknown("it works on texts or encoded images, whose sizes are not known".to_owned()))
}
