//! The key `model`: which file names a job may name. A name is looked up in one folder, so it must not be
//! able to mean anything outside that folder, nor a file that is still being uploaded. Whether the file
//! exists is asked elsewhere.

use super::ModelReference;
use super::SPEC_EXTENSIONS;
use super::check;
use super::fields::{FIELDS, Field, MAXIMUM_LIST_ITEMS};
use super::mistakes::{Mistakes, Position, is_printable, quoted};
use super::raw::{Node, Value};
use crate::runtime::Runtime;

/// Longest file name on the file systems of Linux.
const MAXIMUM_FILE_NAME_BYTES: usize = 255;

/// Hexadecimal digits of a SHA-256 digest.
const SHA256_DIGITS: usize = 64;

/// Ends of names that upload programs and editors use until a file is whole.
const TEMPORARY_SUFFIXES: &[&str] = &["~", ".part", ".filepart", ".tmp"];

/// A model of the list and where it is named.
pub(super) struct Named {
    pub(super) reference: ModelReference,
    pub(super) position: Position,
}

/// All models; `None` where any of them is wrong, so that no one is also reported as missing.
pub(super) fn read(
    node: &Node,
    runtimes: &[&'static Runtime],
    mistakes: &mut Mistakes,
) -> Option<Vec<Named>> {
    let Value::List(items) = &node.value else {
        return one(node, "model", runtimes, mistakes).map(|model| vec![model]);
    };
    let at = node.position;
    if items.is_empty() {
        mistakes.add(
            at,
            "model",
            "empty_list",
            "the list of models is empty",
            "name at least one model file",
        );
        return None;
    }
    if items.len() > MAXIMUM_LIST_ITEMS {
        let message = format!("the list has {} models", items.len());
        mistakes.add(at, "model", "too_many_values", message, format!("at most {MAXIMUM_LIST_ITEMS}"));
        return None;
    }
    let mut models: Vec<Named> = Vec::new();
    let mut all_right = true;
    for (index, item) in items.iter().enumerate() {
        let field = format!("model[{index}]");
        match one(item, &field, runtimes, mistakes) {
            Some(model) if models.iter().any(|other| other.reference.file == model.reference.file) => {
                let message = format!("{} is named twice", quoted(&model.reference.file));
                mistakes.add(model.position, &field, "duplicate_model", message, "keep one of them");
                all_right = false;
            }
            Some(model) => models.push(model),
            None => all_right = false,
        }
    }
    all_right.then_some(models)
}

fn one(node: &Node, field: &str, runtimes: &[&'static Runtime], mistakes: &mut Mistakes) -> Option<Named> {
    let Value::Map(entries) = &node.value else {
        let file = file(node, field, runtimes, mistakes)?;
        return Some(Named { reference: ModelReference { file, sha256: None }, position: node.position });
    };
    let names: Vec<&str> = FIELDS.iter().filter(|known| known.parent() == "model").map(Field::key).collect();
    let values = check::keys(entries, field, &names, FIELDS, mistakes);
    let digest = values.get("sha256").map(|node| sha256(node, &check::below(field, "sha256"), mistakes));
    let Some(named) = values.get("file") else {
        let hint = "write `{file: net.onnx, sha256: …}`";
        let path = check::below(field, "file");
        mistakes.add(node.position, &path, "missing_key", "the key `file` is missing", hint);
        return None;
    };
    let file = file(named, &check::below(field, "file"), runtimes, mistakes)?;
    let sha256 = match digest {
        Some(digest) => Some(digest?),
        None => None,
    };
    Some(Named { reference: ModelReference { file, sha256 }, position: named.position })
}

fn file(node: &Node, field: &str, runtimes: &[&'static Runtime], mistakes: &mut Mistakes) -> Option<String> {
    let Value::Text(name) = &node.value else {
        check::wrong_type(node, field, "the name of a model file", "write it as `net.onnx`", mistakes);
        return None;
    };
    let fault = fault_of_name(name).or_else(|| fault_of_extension(name, runtimes));
    let Some(fault) = fault else { return Some(name.clone()) };
    let message = format!("{} {}", quoted(name), fault.message);
    mistakes.add(node.position, field, fault.code, message, fault.hint);
    None
}

/// Why a name cannot be that of a file of a job.
pub(crate) struct NameFault {
    code: &'static str,
    /// Follows the name.
    pub(crate) message: String,
    pub(super) hint: String,
}

/// What is wrong with the name of a file of a job, whatever its extension.
pub(crate) fn fault_of_name(name: &str) -> Option<NameFault> {
    let fault = |message: &str, hint: &str| {
        Some(NameFault { code: "model_name", message: message.to_owned(), hint: hint.to_owned() })
    };
    let here = "drop the file into the same folder as the job file and write its bare name";
    let lower = name.to_ascii_lowercase();
    if name.trim().is_empty() {
        fault("is not a file name", here)
    } else if name.starts_with('/') {
        fault("is an absolute path", here)
    } else if name.split(['/', '\\']).any(|part| part == "..") {
        fault("leads out of the folder", here)
    } else if name.contains(['/', '\\']) {
        fault("is in another folder", here)
    } else if !name.chars().all(is_printable) {
        fault("holds a line break or another character that cannot be printed", "rename the file")
    } else if name.len() > MAXIMUM_FILE_NAME_BYTES {
        fault("is longer than 255 bytes", "rename the file")
    } else if name.starts_with('.') {
        fault(
            "is a hidden file; uploads use such names until they are finished",
            "rename it without the leading `.`",
        )
    } else if TEMPORARY_SUFFIXES.iter().any(|suffix| lower.ends_with(suffix)) {
        fault(
            "is a temporary name that uploads use until they are finished",
            "write the name of the finished file",
        )
    } else {
        None
    }
}

fn fault_of_extension(name: &str, runtimes: &[&'static Runtime]) -> Option<NameFault> {
    let extension = extension(name).unwrap_or_default();
    if runtimes.iter().any(|runtime| runtime.model_format == extension) {
        return None;
    }
    if SPEC_EXTENSIONS.contains(&extension.as_str()) {
        let message = "is a job file, not a model".to_owned();
        return Some(NameFault { code: "model_name", message, hint: reads(runtimes) });
    }
    let message =
        if extension.is_empty() { "has no extension" } else { "is of a format that no runtime reads" };
    Some(NameFault { code: "unknown_extension", message: message.to_owned(), hint: reads(runtimes) })
}

/// `.onnx` files are read by …, for hints.
fn reads(runtimes: &[&'static Runtime]) -> String {
    let each: Vec<String> =
        runtimes.iter().map(|runtime| format!("{} reads .{}", runtime.name, runtime.model_format)).collect();
    each.join(", ")
}

/// What follows the last dot, in lower case.
pub(super) fn extension(name: &str) -> Option<String> {
    name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
}

fn sha256(node: &Node, field: &str, mistakes: &mut Mistakes) -> Option<String> {
    // A digest of digits alone is a number to YAML; what the author wrote is what counts.
    let written = node.written.trim();
    let is_scalar = !matches!(node.value, Value::List(_) | Value::Map(_) | Value::Null);
    if is_scalar && written.len() == SHA256_DIGITS && written.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(written.to_ascii_lowercase());
    }
    let hint = "write the 64 hexadecimal digits that `sha256sum FILE` prints";
    if is_scalar {
        let message = format!("{} is not a SHA-256 digest", quoted(written));
        mistakes.add(node.position, field, "not_a_digest", message, hint);
    } else {
        check::wrong_type(node, field, "a SHA-256 digest", hint, mistakes);
    }
    None
}
