//! The key `inputs`: shapes and contents of a dropped model's inputs. Whether the model has such inputs, and
//! of which element type, is asked elsewhere; nothing here reads a file.

use serde_json::Number;

use super::check;
use super::fields::{
    FIELDS, Field, INPUT, MAXIMUM_DIMENSION, MAXIMUM_ENTRY_BYTES, MAXIMUM_RANK, MAXIMUM_VALUES,
};
use super::mistakes::{Mistakes, quoted};
use super::models;
use super::raw::{Node, Value};
use crate::model_file::tensor::TENSOR_EXTENSIONS;
use crate::runtime::{GivenInput, GivenInputs, InputContent, InputFile};
use crate::text::{alternatives, quoted_list};

/// The keys of which one says what the elements are.
const CONTENTS: [&str; 4] = ["value", "values", "range", "file"];

const AN_INPUT: &str = "a list of dimensions, or a map";

/// What the job says of each input.
pub(super) fn read(node: &Node, mistakes: &mut Mistakes) -> GivenInputs {
    let mut found = GivenInputs::new();
    for (key, value) in check::entries(node, "inputs", mistakes) {
        let field = check::below("inputs", &key.written);
        if !check::is_line(key, &key.written, &field, MAXIMUM_ENTRY_BYTES, mistakes) {
            continue;
        }
        let given = match &value.value {
            Value::List(items) if items.is_empty() => {
                let hint = format!("write 1 to {MAXIMUM_RANK} of them; a scalar needs no shape");
                mistakes.add(value.position, &field, "out_of_range", "the shape has 0 dimensions", hint);
                None
            }
            Value::List(_) => shape(value, &field, mistakes).map(GivenInput::shaped),
            Value::Map(entries) => one(value, entries, &field, mistakes),
            _ => {
                let hint = "write a shape, such as `[1, 3, 224, 224]`, or what to fill it with, such as `{value: 16000}`";
                check::wrong_type(value, &field, AN_INPUT, hint, mistakes);
                None
            }
        };
        if let Some(given) = given {
            found.insert(key.written.clone(), given);
        }
    }
    found
}

fn one(node: &Node, entries: &[(Node, Node)], field: &str, mistakes: &mut Mistakes) -> Option<GivenInput> {
    let names: Vec<&str> = FIELDS.iter().filter(|known| known.parent() == INPUT).map(Field::key).collect();
    let values = check::keys(entries, field, &names, FIELDS, mistakes);
    let shape = match values.get("shape") {
        Some(node) => Some(shape(node, &check::below(field, "shape"), mistakes)?),
        None => None,
    };
    let there: Vec<&&Node> = CONTENTS.iter().filter_map(|content| values.get(content)).collect();
    if let [_, .., last] = there.as_slice() {
        let message = "more than one key says what to fill it with";
        let hint = format!("keep one of {}", quoted_list(&CONTENTS));
        mistakes.add(last.position, field, "several_contents", message, hint);
        return None;
    }
    if shape.is_none() && there.is_empty() {
        // Unknown keys were reported.
        if entries.is_empty() {
            let hint = "write its `shape`, or what to fill it with, such as `{value: 16000}`";
            mistakes.add(node.position, field, "empty_map", "nothing is said of this input", hint);
        }
        return None;
    }
    let at = |key: &str| check::below(field, key);
    let content = if let Some(node) = values.get("value") {
        Some(InputContent::Value(number(node, &at("value"), mistakes)?))
    } else if let Some(node) = values.get("values") {
        Some(InputContent::Values(numbers(node, &at("values"), shape.as_deref(), mistakes)?))
    } else if let Some(node) = values.get("range") {
        Some(range(node, &at("range"), mistakes)?)
    } else if let Some(node) = values.get("file") {
        Some(InputContent::File(file(node, &at("file"), mistakes)?))
    } else {
        None
    };
    Some(GivenInput { shape, content })
}

fn shape(node: &Node, field: &str, mistakes: &mut Mistakes) -> Option<Vec<u64>> {
    let Value::List(items) = &node.value else {
        let hint = "write one whole number for each dimension, such as `[1, 3, 224, 224]`";
        check::wrong_type(node, field, "a list of dimensions", hint, mistakes);
        return None;
    };
    if items.len() > MAXIMUM_RANK {
        let message = format!("the shape has {} dimensions", items.len());
        mistakes.add(node.position, field, "out_of_range", message, format!("at most {MAXIMUM_RANK}"));
        return None;
    }
    let dimensions = items.iter().enumerate().map(|(index, item)| {
        let dimension = check::integer(item, &format!("{field}[{index}]"), 0, MAXIMUM_DIMENSION, mistakes);
        dimension.and_then(|dimension| u64::try_from(dimension).ok())
    });
    // Every wrong dimension is reported.
    dimensions.collect::<Vec<Option<u64>>>().into_iter().collect()
}

fn number(node: &Node, field: &str, mistakes: &mut Mistakes) -> Option<Number> {
    let found = match node.value {
        Value::Integer(number) => {
            i64::try_from(number).map(Number::from).or_else(|_| u64::try_from(number).map(Number::from)).ok()
        }
        Value::Float(number) => Number::from_f64(number),
        _ => {
            check::wrong_type(node, field, "a number", "write a number; truth values are 1 and 0", mistakes);
            return None;
        }
    };
    if found.is_none() {
        let message = format!("{} is a number that no element of a tensor holds", quoted(&node.written));
        let hint = "write a finite number; whole numbers have at most 64 bits";
        mistakes.add(node.position, field, "out_of_range", message, hint);
    }
    found
}

fn numbers(node: &Node, field: &str, shape: Option<&[u64]>, mistakes: &mut Mistakes) -> Option<Vec<Number>> {
    let Value::List(items) = &node.value else {
        let hint = "write every element in order, such as `[1, 3, 32, 32]`, or one `value` for all";
        check::wrong_type(node, field, "a list of numbers", hint, mistakes);
        return None;
    };
    if items.is_empty() || items.len() > MAXIMUM_VALUES {
        let message = format!("the list has {} values", items.len());
        let hint = format!(
            "write 1 to {MAXIMUM_VALUES} of them; for more, save them with `numpy.save` and write `file`"
        );
        mistakes.add(node.position, field, "too_many_values", message, hint);
        return None;
    }
    let elements = shape.map(|shape| shape.iter().fold(1_u64, |product, size| product.saturating_mul(*size)));
    if let Some(elements) = elements.filter(|elements| *elements != items.len() as u64) {
        let message = format!("there are {} values for {elements} elements", items.len());
        let hint = "list every element in order, the last dimension fastest, or write one `value` for all";
        mistakes.add(node.position, field, "wrong_count_of_values", message, hint);
        return None;
    }
    let read =
        items.iter().enumerate().map(|(index, item)| number(item, &format!("{field}[{index}]"), mistakes));
    read.collect::<Vec<Option<Number>>>().into_iter().collect()
}

fn range(node: &Node, field: &str, mistakes: &mut Mistakes) -> Option<InputContent> {
    let hint = "write the smallest and the largest integer, such as `[0, 30521]`";
    let Value::List(items) = &node.value else {
        check::wrong_type(node, field, "a list of two whole numbers", hint, mistakes);
        return None;
    };
    if let Some(item) = items.iter().find(|item| matches!(item.value, Value::Float(_))) {
        let message = format!("{} is not a whole number, and a range is for integers", quoted(&item.written));
        let hint = "leave `range` out: floats are random in [0, 1); or give `value`, `values` or a `file`";
        mistakes.add(item.position, field, "range_on_floats", message, hint);
        return None;
    }
    let [first, second] = items.as_slice() else {
        let message = format!("the list has {} numbers", items.len());
        mistakes.add(node.position, field, "out_of_range", message, hint);
        return None;
    };
    let mut end = |item: &Node, index: usize| {
        check::integer(item, &format!("{field}[{index}]"), i64::MIN, i64::MAX, mistakes)
    };
    let (first, second) = (end(first, 0), end(second, 1));
    let (smallest, largest) = (first?, second?);
    if smallest > largest {
        let message = format!("the range ends at {largest}, before it begins at {smallest}");
        mistakes.add(node.position, field, "out_of_range", message, hint);
        return None;
    }
    Some(InputContent::Range(smallest, largest))
}

fn file(node: &Node, field: &str, mistakes: &mut Mistakes) -> Option<InputFile> {
    let Value::Text(name) = &node.value else {
        check::wrong_type(node, field, "the name of a file", "write it as `mel.npy`", mistakes);
        return None;
    };
    if let Some(fault) = models::fault_of_name(name) {
        mistakes.add(
            node.position,
            field,
            "input_name",
            format!("{} {}", quoted(name), fault.message),
            fault.hint,
        );
        return None;
    }
    let extension = models::extension(name).unwrap_or_default();
    if !TENSOR_EXTENSIONS.contains(&extension.as_str()) {
        let message = format!("{} is of a format that is not read for inputs", quoted(name));
        let known: Vec<String> = TENSOR_EXTENSIONS.iter().map(|extension| format!(".{extension}")).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let hint =
            format!("save the array as {}, as `numpy.save(\"mel.npy\", array)` does", alternatives(&known));
        mistakes.add(node.position, field, "unknown_extension", message, hint);
        return None;
    }
    Some(InputFile { name: name.clone(), path: Default::default(), sha256: None })
}

#[cfg(test)]
mod tests;
