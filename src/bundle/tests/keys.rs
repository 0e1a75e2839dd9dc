//! The table of keys in `docs/BUNDLE-FORMAT.md`, from the schema.

use serde_json::Value;

use crate::bundle::format::FORMAT;
use crate::bundle::read::schema;
use crate::derived_docs;

/// One key of a bundle.
pub(super) struct Row {
    /// Where it is, such as `trials[].latency_ns[]`.
    pub(super) path: String,
    /// JSON type, and `null` if that is allowed.
    pub(super) kind: String,
    unit: &'static str,
    meaning: String,
}

#[test]
fn table_of_keys_in_the_documents_is_up_to_date() {
    let mut table = "| Key | Type | Unit | Meaning |\n|---|---|---|---|\n".to_owned();
    for row in rows() {
        table += &format!("| `{}` | {} | {} | {} |\n", row.path, row.kind, row.unit, row.meaning);
    }
    derived_docs::assert_current("docs/BUNDLE-FORMAT.md", "bundle keys", &table);
}

#[test]
fn every_key_has_a_meaning_and_every_number_a_unit() {
    for row in rows() {
        assert!(!row.meaning.is_empty(), "{} has no meaning", row.path);
        let is_number = row.kind.contains("integer") || row.kind.contains("number");
        assert!(!is_number || !row.unit.is_empty(), "{} ({}) has no unit", row.path, row.kind);
    }
}

/// Every key, in the order of the format.
pub(super) fn rows() -> Vec<Row> {
    let schema = schema();
    let mut rows = Vec::new();
    collect(&schema, &schema, "", &mut rows);
    rows
}

fn collect(schema: &Value, object: &Value, path: &str, rows: &mut Vec<Row>) {
    let Some(properties) = object["properties"].as_object() else { return };
    for (key, property) in properties {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let required =
            object["required"].as_array().is_some_and(|all| all.contains(&Value::from(key.as_str())));
        let mut shown = Shown::default();
        describe(schema, property, &mut shown);
        let mut meaning = text(property);
        if meaning.is_empty() {
            meaning = text(shown.target);
        }
        if !required {
            meaning += " Left out if empty.";
        }
        let unit = unit(&path, key);
        rows.push(Row { path: path.clone(), kind: shown.kinds.join(" or "), unit, meaning });
        if shown.target["properties"].is_object() {
            let below = if shown.in_list { format!("{path}[]") } else { path };
            collect(schema, shown.target, &below, rows);
        }
    }
}

/// What a property turned out to be.
#[derive(Default)]
struct Shown<'a> {
    kinds: Vec<String>,
    /// The object whose keys come next.
    target: &'a Value,
    in_list: bool,
}

fn describe<'a>(schema: &'a Value, property: &'a Value, shown: &mut Shown<'a>) {
    if let Some(name) = property["$ref"].as_str() {
        return describe(schema, schema.pointer(name.trim_start_matches('#')).unwrap(), shown);
    }
    if let Some(choices) = property["anyOf"].as_array() {
        return choices.iter().for_each(|choice| describe(schema, choice, shown));
    }
    if let Some(words) = property["oneOf"].as_array() {
        let words: Vec<String> =
            words.iter().flat_map(words_of).map(|word| format!("`{}`", word.as_str().unwrap())).collect();
        shown.kinds.push(words.join(", "));
        return;
    }
    let kinds: Vec<&str> = match &property["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec!["anything"],
    };
    for kind in kinds {
        let kind = match kind {
            "array" => {
                let mut items = Shown::default();
                describe(schema, &property["items"], &mut items);
                shown.in_list = true;
                shown.target = items.target;
                format!("list of {}", items.kinds.join(" or "))
            }
            "object" => {
                shown.target = property;
                if property["additionalProperties"].is_null() || property["properties"].is_object() {
                    "object".to_owned()
                } else {
                    let mut values = Shown::default();
                    describe(schema, &property["additionalProperties"], &mut values);
                    format!("map of name to {}", values.kinds.join(" or "))
                }
            }
            kind => kind.to_owned(),
        };
        shown.kinds.push(kind);
    }
}

fn words_of(choice: &Value) -> Vec<&Value> {
    choice["const"]
        .is_string()
        .then(|| &choice["const"])
        .into_iter()
        .chain(choice["enum"].as_array().into_iter().flatten())
        .collect()
}

fn text(schema: &Value) -> String {
    // Links to Rust items are for readers of the source.
    schema["description"]
        .as_str()
        .unwrap_or_default()
        .replace("[`FORMAT`]", &format!("`{FORMAT}`"))
        .replace(['[', ']'], "")
        .replace('\n', " ")
        .replace('|', "\\|")
}

fn unit(path: &str, key: &str) -> &'static str {
    const COUNTED: &[&str] = &[
        "logical_cores",
        "count",
        "trials_used",
        "build",
        "process",
        "line",
        "column",
        "shape",
        "depths",
        "sequence",
        "macs",
        "operations",
        "other_operations",
        "parameters",
        "cpus",
        "cpus_asked",
        "daemon_cpus",
        "nice",
        "nice_asked",
        "runs",
        "attempts",
        "subgraphs",
        "operations_on_edge_tpu",
        "operations_on_cpu",
        "nodes",
        "device",
        "processes",
        "measured_shapes",
        "landlock_abi",
        "scale",
        "zero_point",
        "used",
        "computed",
        "effective_count",
        "start",
        "steady_from",
        "mild_outliers",
        "severe_outliers",
        "severe_at",
        "autocorrelation",
        "trend",
        "share",
    ];
    match key {
        _ if key.ends_with("_ns") => "ns",
        _ if key.ends_with("_bytes") => "bytes",
        _ if key.ends_with("_seconds") => "s",
        _ if key.ends_with("_milliseconds") => "ms",
        _ if key.ends_with("_celsius") => "°C",
        _ if key.ends_with("_joules") || key == "joules_per_inference" => "J",
        _ if key.ends_with("_watts") => "W",
        "values" if path.starts_with("environment.") => "as `sensors` say",
        "values" => "W or J, as `sources` say",
        _ if key.ends_with("_megabits_per_second") => "Mbit/s",
        "id" if path.ends_with(".mode.id") => "1",
        "minimum" | "maximum" if path.starts_with("outputs.") => "as the output",
        "largest_absolute_difference" | "largest_reference_magnitude" => "as the output",
        "largest_relative_difference" | "cosine_similarity" | "largest_share" | "smallest_cosine" => "1",
        "configuration" if path.starts_with("outputs.") => "1",
        "percent" | "precision_percent" => "%",
        "mean" | "low" | "high" if path.starts_with("protocol.") => "ms",
        "confidence" => "probability",
        "percentiles" | "missing_percentiles" | "median_interval" | "mean_interval" => "",
        "variance" | "levels" | "modes" => "",
        "trials" | "reason" if path.starts_with("summary.") => "",
        _ if key.starts_with("between_") => "ms²",
        "kernel" | "input" if path.starts_with("configuration.") => "pixels",
        "batch" => "images",
        "width_percent" => "%",
        "range" | "value" if path.starts_with("inputs[]") => "as in the model",
        "seed" | "place" | "places" => "1",
        "bytes_moved" => "bytes",
        "seconds" => "s",
        "operational_density" => "operations per byte",
        "throughput_operations_per_second" => "operations per second",
        _ if COUNTED.contains(&key) => "1",
        _ if path.starts_with("summary.") => "ms",
        _ if path.starts_with("times.") => "RFC 3339, UTC",
        _ => "",
    }
}
