//! The key `host`: how the host is to be while it measures, and where the worker runs. Whether this host can
//! do it is found out when the job's turn comes; nothing here reads a file.

use super::check;
use super::fields::{LARGEST_CPU, MAXIMUM_ENTRY_BYTES, MAXIMUM_LIST_ITEMS};
use super::mistakes::{Mistakes, quoted};
use super::raw::{Node, Value};

/// Processors, each once, ascending.
pub(super) fn cpus(node: &Node, field: &str, mistakes: &mut Mistakes) -> Vec<u32> {
    let hint = "write the numbers of processors, such as `[2, 3]`, or leave the key out";
    let read = |item: &Node, field: &str, mistakes: &mut Mistakes| {
        check::integer(item, field, 0, LARGEST_CPU, mistakes).and_then(|cpu| u32::try_from(cpu).ok())
    };
    let mut cpus = each_once(node, field, LARGEST_CPU as usize + 1, hint, read, mistakes);
    cpus.sort_unstable();
    cpus
}

/// Names of thermal zones, each once.
pub(super) fn zones(node: &Node, field: &str, mistakes: &mut Mistakes) -> Vec<String> {
    let hint = "write the names of zones, such as `[CPU-therm, GPU-therm]`, or leave the key out";
    let read = |item: &Node, field: &str, mistakes: &mut Mistakes| {
        check::text(item, field, MAXIMUM_ENTRY_BYTES, mistakes)
    };
    each_once(node, field, MAXIMUM_LIST_ITEMS, hint, read, mistakes)
}

fn each_once<T: PartialEq>(
    node: &Node,
    field: &str,
    most: usize,
    hint: &str,
    read: impl Fn(&Node, &str, &mut Mistakes) -> Option<T>,
    mistakes: &mut Mistakes,
) -> Vec<T> {
    let Value::List(items) = &node.value else {
        check::wrong_type(node, field, "a list", hint, mistakes);
        return Vec::new();
    };
    if items.is_empty() || items.len() > most {
        let message = format!("the list has {} entries", items.len());
        mistakes.add(node.position, field, "out_of_range", message, format!("write 1 to {most} of them"));
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let field = format!("{field}[{index}]");
        let Some(value) = read(item, &field, mistakes) else { continue };
        if found.contains(&value) {
            let message = format!("{} is written twice", quoted(&item.written));
            mistakes.add(item.position, &field, "duplicate_value", message, "write each once");
        } else {
            found.push(value);
        }
    }
    found
}
