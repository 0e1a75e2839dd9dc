//! The table of fields for readers: the JSON Schema, and in `reference` the tables of `docs/JOB-SPEC.md`.
//! Everything here is derived; a statement that is not in the table or in a runtime's description does not
//! belong here.

use serde_json::{Map, Value, json};

use super::fields::PAPER;
use super::fields::{
    FIELDS, Factor, Fallback, Field, INPUT, Kind, LARGEST_CPU, MAXIMUM_CONFIGURATIONS, MAXIMUM_DIMENSION,
    MAXIMUM_ENTRIES, MAXIMUM_ENTRY_BYTES, MAXIMUM_LIST_ITEMS, MAXIMUM_NAME_BYTES, MAXIMUM_RANK,
    MAXIMUM_VALUES,
};
use crate::model_file::tensor::TENSOR_EXTENSIONS;
use crate::network::blocks::BLOCKS;
use crate::network::configuration::{Precision, RESNET_50_DEPTHS};
use crate::runtime::{OptionKind, RUNTIMES, Runtime};

/// The JSON Schema (2020-12) of the job file, for editors that complete and check YAML.
///
/// It says what one value may be. That a runtime finds the one model it reads, and what a file name may look
/// like beyond its characters, is checked by [`super::resolve::job`] alone.
pub fn schema() -> Value {
    let mut schema = group("");
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["oneOf"] = json!([{"required": ["model"]}, {"required": ["network"]}, {"required": ["study"]}]);
    schema["title"] = json!("BackboneAnalysis job file");
    let mut definitions = Map::new();
    for runtime in RUNTIMES {
        definitions.insert(runtime.name.to_owned(), options(runtime));
    }
    let options_by_runtime: Map<String, Value> =
        RUNTIMES.iter().map(|runtime| (runtime.name.to_owned(), reference_to(runtime.name))).collect();
    definitions.insert(
        "by_runtime".to_owned(),
        json!({"type": "object", "properties": options_by_runtime, "additionalProperties": false}),
    );
    schema["$defs"] = Value::Object(definitions);
    let mut conditions: Vec<Value> = RUNTIMES
        .iter()
        .map(|runtime| options_when(json!({"const": runtime.name}), reference_to(runtime.name)))
        .collect();
    conditions.push(options_when(json!({"type": "array"}), reference_to("by_runtime")));
    schema["allOf"] = Value::Array(conditions);
    schema
}

fn reference_to(definition: &str) -> Value {
    json!({"$ref": format!("#/$defs/{definition}")})
}

fn options_when(runtime: Value, options: Value) -> Value {
    json!({
        "if": {"properties": {"runtime": runtime}, "required": ["runtime"]},
        "then": {"properties": {"runtime_options": options}},
    })
}

fn group(path: &str) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in FIELDS.iter().filter(|field| field.parent() == path) {
        let mut property = of_kind(field);
        property["description"] = json!(field.summary);
        match field.fallback {
            Fallback::Required => required.push(field.key()),
            Fallback::Integer(number) => property["default"] = json!(number),
            Fallback::Text(text) => property["default"] = json!(text),
            Fallback::Boolean(value) => property["default"] = json!(value),
            Fallback::Words(_) => {}
        }
        properties.insert(field.key().to_owned(), property);
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn of_kind(field: &Field) -> Value {
    match field.kind {
        Kind::Format(format) => json!({"const": format}),
        Kind::Integer { minimum, maximum } => {
            json!({"type": "integer", "minimum": minimum, "maximum": maximum})
        }
        Kind::Decimal { minimum, maximum } => {
            json!({"type": "number", "minimum": minimum, "maximum": maximum})
        }
        Kind::Text { maximum_bytes } => json!({"type": "string", "minLength": 1, "maxLength": maximum_bytes}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Choice(choices) => json!({"enum": choices}),
        Kind::Builds { maximum } => {
            json!({"oneOf": [{"const": PAPER}, {"type": "integer", "minimum": 1, "maximum": maximum}]})
        }
        Kind::Group => group(field.path),
        Kind::Path => json!({"type": "string", "pattern": "^/"}),
        Kind::Models => {
            let file = model_file();
            let with_digest = group(field.path);
            let items = json!({"oneOf": [file, with_digest]});
            json!({"oneOf": [file, with_digest, {
                "type": "array", "items": items, "minItems": 1, "maxItems": MAXIMUM_LIST_ITEMS,
            }]})
        }
        Kind::ModelFile => model_file(),
        Kind::Sha256 => json!({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}),
        Kind::Runtimes => {
            let name = json!({"enum": RUNTIMES.iter().map(|runtime| runtime.name).collect::<Vec<_>>()});
            json!({"oneOf": [name, {
                "type": "array", "items": name, "minItems": 1, "maxItems": MAXIMUM_LIST_ITEMS, "uniqueItems": true,
            }]})
        }
        Kind::RuntimeOptions | Kind::RuntimeSettings => json!({"type": "object"}),
        Kind::Inputs => json!({
            "type": "object",
            "propertyNames": {"minLength": 1, "maxLength": MAXIMUM_ENTRY_BYTES},
            "maxProperties": MAXIMUM_ENTRIES,
            "additionalProperties": {"oneOf": [shape(1), group(INPUT)]},
        }),
        Kind::Shape => shape(0),
        Kind::Number => json!({"type": "number"}),
        Kind::Numbers => json!({
            "type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": MAXIMUM_VALUES,
        }),
        Kind::Range => json!({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}),
        Kind::TensorFile => named_file(TENSOR_EXTENSIONS),
        Kind::Block => block_names(),
        Kind::Blocks => list_of(&block_names()),
        Kind::Precision => precision_names(),
        Kind::Precisions => list_of(&precision_names()),
        Kind::Factor(factor) => number(factor),
        Kind::Factors(factor) => list_of(&number(factor)),
        Kind::Depths => json!({
            "type": "array", "items": number(Factor::Depth), "minItems": DEPTHS, "maxItems": DEPTHS,
        }),
        Kind::Cpus => json!({
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "maximum": LARGEST_CPU},
            "minItems": 1,
            "maxItems": LARGEST_CPU + 1,
            "uniqueItems": true,
        }),
        Kind::Zones => json!({
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": MAXIMUM_ENTRY_BYTES},
            "minItems": 1,
            "maxItems": MAXIMUM_LIST_ITEMS,
            "uniqueItems": true,
        }),
        Kind::Labels => json!({
            "type": "object",
            "propertyNames": {"minLength": 1, "maxLength": MAXIMUM_NAME_BYTES},
            "maxProperties": MAXIMUM_ENTRIES,
            "additionalProperties": {"type": ["string", "number", "boolean"], "maxLength": MAXIMUM_ENTRY_BYTES},
        }),
    }
}

fn shape(least_rank: usize) -> Value {
    json!({
        "type": "array",
        "items": {"type": "integer", "minimum": 0, "maximum": MAXIMUM_DIMENSION},
        "minItems": least_rank,
        "maxItems": MAXIMUM_RANK,
    })
}

/// Stages with a depth of their own.
const DEPTHS: usize = RESNET_50_DEPTHS.len();

fn block_names() -> Value {
    json!({"enum": BLOCKS.iter().map(|block| block.name).collect::<Vec<_>>()})
}

fn precision_names() -> Value {
    json!({"enum": precisions()})
}

fn number(factor: Factor) -> Value {
    let (minimum, maximum) = factor.range();
    let mut number = json!({"type": "integer", "minimum": minimum, "maximum": maximum});
    if factor.is_odd() {
        number["not"] = json!({"multipleOf": 2});
    }
    number
}

fn list_of(item: &Value) -> Value {
    json!({
        "type": "array", "items": item, "minItems": 1, "maxItems": MAXIMUM_CONFIGURATIONS, "uniqueItems": true,
    })
}

/// A model that a runtime reads.
fn model_file() -> Value {
    let mut extensions: Vec<&str> = Vec::new();
    for runtime in RUNTIMES {
        if !extensions.contains(&runtime.model_format) {
            extensions.push(runtime.model_format);
        }
    }
    named_file(&extensions)
}

/// A bare name that is not hidden and has one of these extensions, in either case.
fn named_file(extensions: &[&str]) -> Value {
    let either_case = |letter: char| match letter.is_ascii_alphabetic() {
        true => format!("[{letter}{}]", letter.to_ascii_uppercase()),
        false => letter.to_string(),
    };
    let extensions: Vec<String> =
        extensions.iter().map(|extension| extension.chars().map(either_case).collect()).collect();
    json!({"type": "string", "pattern": format!("^[^./\\\\][^/\\\\]*\\.({})$", extensions.join("|"))})
}

fn options(runtime: &Runtime) -> Value {
    let mut properties = Map::new();
    for option in runtime.options {
        let mut property = match option.kind {
            OptionKind::Integer { minimum, maximum } => {
                json!({"type": "integer", "minimum": minimum, "maximum": maximum})
            }
            OptionKind::Boolean => json!({"type": "boolean"}),
            OptionKind::Choice(choices) => json!({"enum": choices}),
        };
        property["description"] = json!(option.summary);
        properties.insert(option.name.to_owned(), property);
    }
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn precisions() -> Vec<&'static str> {
    Precision::ALL.iter().map(|precision| precision.name()).collect()
}

#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
mod tests;
