//! Checks of single values against the table of fields, the same for job files and the configuration. Each
//! notes its mistakes and gives `None` where there is nothing to go on with; none reads a file.

use std::collections::BTreeMap;

use super::fields::{Fallback, Field, Kind, MAXIMUM_ENTRIES};
use super::mistakes::{Mistakes, is_printable, printable, quoted};
use super::raw::{Node, Value};
use crate::runtime::RUNTIMES;
pub(crate) use crate::text::nearest;
use crate::text::quoted_list;

/// The values of a file by field path, groups opened. Unknown and doubled keys are noted, of doubled ones the
/// first counts.
pub(crate) fn fields<'a>(
    root: &'a Node,
    table: &'static [Field],
    mistakes: &mut Mistakes,
) -> BTreeMap<&'static str, &'a Node> {
    let mut found = BTreeMap::new();
    let mut groups = vec![("", root)];
    while let Some((path, node)) = groups.pop() {
        let Some(entries) = map(node, path, mistakes) else { continue };
        let children: Vec<&Field> = table.iter().filter(|field| field.parent() == path).collect();
        let names: Vec<&str> = children.iter().map(|field| field.key()).collect();
        let values = keys(entries, path, &names, table, mistakes);
        for field in children {
            match values.get(field.key()) {
                Some(&value) => {
                    found.insert(field.path, value);
                    if field.kind == Kind::Group {
                        groups.push((field.path, value));
                    }
                }
                None if field.fallback == Fallback::Required => missing(node, field, mistakes),
                None => {}
            }
        }
    }
    found
}

fn missing(node: &Node, field: &Field, mistakes: &mut Mistakes) {
    let message = format!("the key {} is missing", quoted(field.key()));
    let hint = match field.kind {
        Kind::Format(format) => format!("begin the file with `{}: {format}`", field.key()),
        Kind::Block => format!("add `{}: standard`, or another block type", field.key()),
        Kind::Precision => format!("add `{}: int8` or `{}: fp32`", field.key(), field.key()),
        Kind::Factor(factor) => {
            let (smallest, largest) = factor.range();
            let number = if factor.is_odd() { "an odd number" } else { "a whole number" };
            format!("add `{}: …`, {number}, {}", field.key(), range(smallest.into(), largest.into()))
        }
        _ => format!("add `{}: …`", field.key()),
    };
    mistakes.add(node.position, field.path, "missing_key", message, hint);
}

/// The values of a map whose keys are known beforehand. `table` is asked where an unknown key may belong.
pub(crate) fn keys<'a, 'n>(
    entries: &'a [(Node, Node)],
    path: &str,
    names: &[&'n str],
    table: &[Field],
    mistakes: &mut Mistakes,
) -> BTreeMap<&'n str, &'a Node> {
    let mut found: BTreeMap<&'n str, (&Node, &'a Node)> = BTreeMap::new();
    for (key, value) in entries {
        let Some(&name) = names.iter().find(|&&name| name == key.written) else {
            let message = format!("unknown key {}", quoted(&key.written));
            let hint = unknown_key_hint(&key.written, names, table);
            mistakes.add(key.position, &below(path, &key.written), "unknown_key", message, hint);
            continue;
        };
        match found.get(name) {
            Some((first, _)) => twice(first, key, &below(path, name), mistakes),
            None => {
                found.insert(name, (key, value));
            }
        }
    }
    found.into_iter().map(|(name, (_, value))| (name, value)).collect()
}

/// The entries of a map with free keys, the first of doubled ones.
pub(crate) fn free_keys<'a>(
    entries: &'a [(Node, Node)],
    path: &str,
    mistakes: &mut Mistakes,
) -> Vec<(&'a Node, &'a Node)> {
    let mut seen: BTreeMap<&str, &Node> = BTreeMap::new();
    let mut kept = Vec::new();
    for (key, value) in entries {
        match seen.get(key.written.as_str()) {
            Some(first) => twice(first, key, &below(path, &key.written), mistakes),
            None => {
                seen.insert(&key.written, key);
                kept.push((key, value));
            }
        }
    }
    kept
}

/// The entries of a map with free keys, as far as they are accepted.
pub(crate) fn entries<'a>(node: &'a Node, path: &str, mistakes: &mut Mistakes) -> Vec<(&'a Node, &'a Node)> {
    let Some(entries) = map(node, path, mistakes) else { return Vec::new() };
    if entries.len() > MAXIMUM_ENTRIES {
        let message = format!("there are {} entries", entries.len());
        mistakes.add(node.position, path, "too_many_values", message, format!("at most {MAXIMUM_ENTRIES}"));
        return Vec::new();
    }
    free_keys(entries, path, mistakes)
}

fn twice(first: &Node, second: &Node, field: &str, mistakes: &mut Mistakes) {
    let message =
        format!("the key {} is written twice, first in line {}", quoted(&first.written), first.position.line);
    mistakes.add(second.position, field, "duplicate_key", message, "keep one of them");
}

fn unknown_key_hint(written: &str, names: &[&str], table: &[Field]) -> String {
    if let Some(name) = nearest(written, names.iter().copied()) {
        return format!("did you mean `{name}`?");
    }
    if let Some(field) = nearest(written, table.iter().map(Field::key))
        .and_then(|key| table.iter().find(|field| field.key() == key))
    {
        return match field.parent() {
            "" => format!("`{}` belongs at the top level of the file", field.key()),
            parent => format!("`{}` belongs below `{parent}`", field.key()),
        };
    }
    let options = RUNTIMES.iter().flat_map(|runtime| runtime.options).map(|option| option.name);
    if let Some(option) = nearest(written, options).filter(|_| names.contains(&"runtime_options")) {
        return format!("`{option}` is an option of a runtime and belongs below `runtime_options`");
    }
    format!("keys here: {}", quoted_list(names))
}

/// The path of a key below another.
pub(crate) fn below(path: &str, key: &str) -> String {
    if path.is_empty() { printable(key) } else { format!("{path}.{}", printable(key)) }
}

pub(crate) fn map<'a>(node: &'a Node, field: &str, mistakes: &mut Mistakes) -> Option<&'a [(Node, Node)]> {
    if let Value::Map(entries) = &node.value {
        return Some(entries);
    }
    let hint = match field {
        "" => "a job file consists of lines `key: value`".to_owned(),
        _ => format!("write `{field}: {{key: value}}`, or leave `{field}` out"),
    };
    wrong_type(node, field, "a map of keys and values", &hint, mistakes);
    None
}

pub(crate) fn integer(
    node: &Node,
    field: &str,
    minimum: i64,
    maximum: i64,
    mistakes: &mut Mistakes,
) -> Option<i64> {
    let range = range(minimum, maximum);
    let number = match node.value {
        Value::Integer(number) => number,
        _ => {
            let hint = match intended(node) {
                Some(number) if is_between(number, minimum, maximum) => format!("write {number}"),
                _ => format!("write a whole number, {range}"),
            };
            wrong_type(node, field, "a whole number", &hint, mistakes);
            return None;
        }
    };
    match i64::try_from(number) {
        Ok(number) if (minimum..=maximum).contains(&number) => Some(number),
        _ => {
            let written = quoted(&node.written);
            let message = if number < minimum.into() {
                format!("{written} is less than {minimum}")
            } else {
                format!("{written} is more than {maximum}")
            };
            mistakes.add(
                node.position,
                field,
                "out_of_range",
                message,
                format!("write a whole number, {range}"),
            );
            None
        }
    }
}

/// A number in a closed range, with a fraction if need be.
pub(crate) fn decimal(
    node: &Node,
    field: &str,
    (minimum, maximum): (f64, f64),
    mistakes: &mut Mistakes,
) -> Option<f64> {
    let hint = format!("write a number, {minimum} to {maximum}");
    let number = match node.value {
        Value::Integer(number) => number as f64,
        Value::Float(number) => number,
        _ => {
            wrong_type(node, field, "a number", &hint, mistakes);
            return None;
        }
    };
    if (minimum..=maximum).contains(&number) {
        return Some(number);
    }
    let beyond = match number < minimum {
        true => format!("less than {minimum}"),
        false => format!("not a number up to {maximum}"),
    };
    mistakes.add(
        node.position,
        field,
        "out_of_range",
        format!("{} is {beyond}", quoted(&node.written)),
        hint,
    );
    None
}

/// How a range is written everywhere.
pub(crate) fn range(minimum: i64, maximum: i64) -> String {
    format!("{minimum} to {maximum}")
}

fn is_between(number: i128, minimum: i64, maximum: i64) -> bool {
    (i128::from(minimum)..=i128::from(maximum)).contains(&number)
}

/// The whole number that somebody may have meant: `"100"`, `1_000`, `010`, `1e9`, `5.0`.
fn intended(node: &Node) -> Option<i128> {
    match &node.value {
        // Beyond 2^53 a float no longer tells which whole number was meant.
        Value::Float(number) if number.fract() == 0.0 && number.abs() <= 2f64.powi(53) => {
            format!("{number:.0}").parse().ok()
        }
        Value::Text(text) => text.trim().replace(['_', ',', '\'', ' '], "").parse().ok(),
        _ => None,
    }
}

pub(crate) fn boolean(node: &Node, field: &str, mistakes: &mut Mistakes) -> Option<bool> {
    if let Value::Boolean(value) = node.value {
        return Some(value);
    }
    let hint = match node.written.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" | "1" | "true" => "write true",
        "no" | "off" | "n" | "0" | "false" => "write false",
        _ => "write true or false",
    };
    wrong_type(node, field, "true or false", hint, mistakes);
    None
}

pub(crate) fn choice<'n>(
    node: &Node,
    field: &str,
    choices: &[&'n str],
    mistakes: &mut Mistakes,
) -> Option<&'n str> {
    if let Some(choice) =
        choices.iter().find(|&&choice| matches!(&node.value, Value::Text(text) if text == choice))
    {
        return Some(choice);
    }
    let all = format!("it can be {}", quoted_list(choices));
    if !matches!(node.value, Value::Text(_)) {
        wrong_type(node, field, "a word", &all, mistakes);
        return None;
    }
    let hint =
        nearest(&node.written, choices.iter().copied()).map_or(all, |near| format!("did you mean `{near}`?"));
    let message = format!("{} is not a valid value here", quoted(&node.written));
    mistakes.add(node.position, field, "unknown_value", message, hint);
    None
}

pub(crate) fn text(
    node: &Node,
    field: &str,
    maximum_bytes: usize,
    mistakes: &mut Mistakes,
) -> Option<String> {
    let Value::Text(text) = &node.value else {
        let hint = match node.value {
            Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => {
                format!("put it in quotes: \"{}\"", printable(&node.written))
            }
            _ => "write a text".to_owned(),
        };
        wrong_type(node, field, "a text", &hint, mistakes);
        return None;
    };
    is_line(node, text, field, maximum_bytes, mistakes).then(|| text.clone())
}

/// One line of printable text that is not too long and not empty.
pub(crate) fn is_line(
    node: &Node,
    text: &str,
    field: &str,
    maximum_bytes: usize,
    mistakes: &mut Mistakes,
) -> bool {
    let at = node.position;
    if text.trim().is_empty() {
        mistakes.add(at, field, "empty_text", "the text is empty", "write something, or leave the key out");
    } else if text.len() > maximum_bytes {
        let message = format!("{} has {} bytes", quoted(text), text.len());
        mistakes.add(at, field, "too_long", message, format!("at most {maximum_bytes} bytes"));
    } else if !text.chars().all(is_printable) {
        let message =
            format!("{} holds a line break or another character that cannot be printed", quoted(text));
        mistakes.add(at, field, "control_character", message, "keep to one line of printable characters");
    } else {
        return true;
    }
    false
}

pub(crate) fn wrong_type(node: &Node, field: &str, expected: &str, hint: &str, mistakes: &mut Mistakes) {
    if node.value == Value::Null {
        let message = format!("a value is missing; expected {expected}");
        mistakes.add(node.position, field, "missing_value", message, hint);
        return;
    }
    let written = quoted(&node.written);
    let actual = match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Boolean(_) => format!("the truth value {written}"),
        Value::Integer(_) => format!("the number {written}"),
        Value::Float(number) if number.is_nan() => format!("{written}, which is not a number"),
        Value::Float(number) if number.is_infinite() => format!("{written}, which is infinite"),
        Value::Float(_) => format!("the decimal number {written}"),
        Value::Text(_) if node.is_quoted => format!("the text {written} in quotes"),
        Value::Text(_) => format!("the text {written}"),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
    };
    mistakes.add(node.position, field, "wrong_type", format!("expected {expected}, found {actual}"), hint);
}
