//! `backbone networks cost`: the cost of a model file, counted from its graph.
//!
//! Reads the file; `network::count` does the counting. Integers are exact in every format.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use super::RowFormat;
use crate::cli::failure::{Advise as _, Explain as _};
use crate::cli::{Exit, print, table};
use crate::network::cost::{Cost, LayerCost};
use crate::network::count::{self, Known};
use crate::table::Kind::{Integer, Number, Text};
use crate::table::csv::{self, Quotes};
use crate::table::{Column, Datum, column};

/// Count the operations, parameters and bytes moved of a model file
#[derive(Debug, Args)]
pub(super) struct NetworksCostArguments {
    /// An .onnx or .tflite file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print one row for each layer, in execution order
    #[arg(long)]
    per_layer: bool,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: RowFormat,
    /// Shape of an input that the model leaves open, such as image=1x3x224x224; may be repeated
    #[arg(long = "input", value_name = "NAME=SHAPE", value_parser = input_shape)]
    inputs: Vec<(String, Vec<u64>)>,
    /// Values of an input that holds whole numbers, such as rate=16000 or shape=1,3,32,32, where they decide
    /// what runs; may be repeated
    #[arg(long = "value", value_name = "NAME=VALUES", value_parser = input_values)]
    values: Vec<(String, Vec<i64>)>,
}

/// The name may hold `=`, as exporters write them; the shape cannot.
fn input_shape(text: &str) -> Result<(String, Vec<u64>), String> {
    let (name, sizes) = text.rsplit_once('=').ok_or("write NAME=SHAPE, such as image=1x3x224x224")?;
    let size = |size: &str| size.parse().map_err(|_| format!("`{size}` is not a size of 0 or more"));
    Ok((name.to_owned(), sizes.split('x').map(size).collect::<Result<_, _>>()?))
}

fn input_values(text: &str) -> Result<(String, Vec<i64>), String> {
    let (name, values) = text.rsplit_once('=').ok_or("write NAME=VALUES, such as rate=16000")?;
    let value = |value: &str| value.parse().map_err(|_| format!("`{value}` is not a whole number"));
    Ok((name.to_owned(), values.split(',').map(value).collect::<Result<_, _>>()?))
}

pub(super) fn execute(arguments: &NetworksCostArguments) -> anyhow::Result<Exit> {
    let bytes =
        fs_err::read(&arguments.file).advise("name a file that this user can read").exit(Exit::WrongInput)?;
    let known = Known {
        shapes: arguments.inputs.iter().cloned().collect(),
        values: arguments.values.iter().cloned().collect(),
        ..Known::default()
    };
    let name = crate::cli::readable(arguments.file.as_os_str());
    let cost = count::model_with(&bytes, &known)
        .explain()
        .map_err(|error| error.context(format!("cannot count {name}")))
        .exit(Exit::WrongInput)?;
    print(&render(&cost, arguments.per_layer, arguments.format))?;
    Ok(Exit::Done)
}

/// Columns of the whole model. Scripts read them by name.
const TOTALS: &[Column<Cost>] = &[
    column("macs", Integer, "", |cost| cost.macs().into()),
    column("operations", Integer, "", |cost| cost.operations().into()),
    column("other_operations", Integer, "", |cost| cost.other_operations().into()),
    column("parameters", Integer, "", |cost| cost.parameters().into()),
    column("bytes_moved", Integer, "", |cost| cost.bytes_moved().into()),
    column("operational_density", Number, "", |cost| cost.operational_density().into()),
    column("uncounted", Integer, "", |cost| cost.uncounted.len().into()),
];

/// A line of the table of layers.
struct LayerLine<'a> {
    name: &'a str,
    operator: &'a str,
    /// Its numbers; `None` if it was not counted.
    layer: Option<&'a LayerCost>,
}

/// Columns of a layer.
fn layer_columns<'a>() -> [Column<LayerLine<'a>>; 8] {
    [
        column("name", Text, "", |line| line.name.into()),
        column("operator", Text, "", |line| line.operator.into()),
        column("output_shape", Text, "", |line| line.layer.map(shape).into()),
        column("macs", Integer, "", |line| line.layer.map(|layer| layer.macs).into()),
        column("operations", Integer, "", |line| line.layer.map(|layer| 2 * layer.macs).into()),
        column("other_operations", Integer, "", |line| line.layer.map(|layer| layer.other_operations).into()),
        column("parameters", Integer, "", |line| line.layer.map(|layer| layer.parameters).into()),
        column("bytes_moved", Integer, "", |line| line.layer.map(|layer| layer.bytes_moved).into()),
    ]
}

fn render(cost: &Cost, is_per_layer: bool, format: RowFormat) -> String {
    match format {
        RowFormat::Table => table_text(cost, is_per_layer),
        RowFormat::Csv if is_per_layer => {
            let uncounted = cost.uncounted.iter();
            let uncounted =
                uncounted.map(|one| LayerLine { name: &one.name, operator: &one.operator, layer: None });
            csv::table(&layer_columns(), layer_lines(cost).chain(uncounted), Quotes::WhenNeeded)
        }
        RowFormat::Csv => csv::table(TOTALS, [cost.clone()], Quotes::WhenNeeded),
        RowFormat::Json => {
            let mut whole = json!({
                "macs": cost.macs(),
                "operations": cost.operations(),
                "other_operations": cost.other_operations(),
                "parameters": cost.parameters(),
                "bytes_moved": cost.bytes_moved(),
                "operational_density": cost.operational_density(),
                "uncounted": cost.uncounted.iter().map(|one| {
                    json!({ "name": one.name, "operator": one.operator, "why": one.why })
                }).collect::<Json>(),
                "differences": cost.differences.iter().map(|one| {
                    json!({
                        "tensor": one.tensor,
                        "used": one.used,
                        "source": one.source.name(),
                        "computed": one.computed,
                    })
                }).collect::<Json>(),
                "assumptions": cost.assumptions.iter().map(|one| {
                    json!({ "name": one.name, "operator": one.operator, "what": one.what })
                }).collect::<Json>(),
            });
            if is_per_layer {
                whole["layers"] = cost.layers.iter().map(layer_json).collect();
            }
            format!("{whole:#}\n")
        }
    }
}

fn layer_lines(cost: &Cost) -> impl Iterator<Item = LayerLine<'_>> {
    cost.layers.iter().map(|layer| LayerLine {
        name: &layer.name,
        operator: &layer.operator,
        layer: Some(layer),
    })
}

fn shape(layer: &LayerCost) -> String {
    sizes(&layer.output_shape)
}

fn sizes(shape: &[u64]) -> String {
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    sizes.join("x")
}

fn table_text(cost: &Cost, is_per_layer: bool) -> String {
    let mut text = String::new();
    if is_per_layer {
        let columns = layer_columns();
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let rows: Vec<Vec<String>> = layer_lines(cost)
            .map(|line| columns.iter().map(|column| cell((column.read)(&line))).collect())
            .collect();
        text = table::render(&names, &rows) + "\n";
    }
    let total = |column: &Column<Cost>| vec![column.name.to_owned(), cell((column.read)(cost))];
    text.push_str(&table::render(&["WHOLE", ""], &TOTALS.iter().map(total).collect::<Vec<_>>()));
    if !cost.uncounted.is_empty() {
        let rows: Vec<Vec<String>> = cost
            .uncounted
            .iter()
            .map(|one| vec![one.name.clone(), one.operator.clone(), one.why.clone()])
            .collect();
        text.push_str("\nNot counted, so the numbers above are too small:\n");
        text.push_str(&table::indent(&table::render(&["NAME", "OPERATOR", "WHY"], &rows)));
    }
    if !cost.assumptions.is_empty() {
        let rows: Vec<Vec<String>> = cost
            .assumptions
            .iter()
            .map(|one| vec![one.name.clone(), one.operator.clone(), one.what.clone()])
            .collect();
        text.push_str("\nAssumed:\n");
        text.push_str(&table::indent(&table::render(&["NAME", "OPERATOR", "WHAT"], &rows)));
    }
    if !cost.differences.is_empty() {
        let rows: Vec<Vec<String>> = cost
            .differences
            .iter()
            .map(|one| {
                let source = one.source.name().to_owned();
                vec![one.tensor.clone(), sizes(&one.used), source, sizes(&one.computed)]
            })
            .collect();
        text.push_str("\nShapes that differ from those computed from the inputs:\n");
        let names = ["TENSOR", "USED", "SOURCE", "COMPUTED"];
        text.push_str(&table::indent(&table::render(&names, &rows)));
    }
    text
}

/// For people: three decimals, where the other formats have every digit.
fn cell(value: Datum) -> String {
    match value {
        Datum::Text(text) => text,
        Datum::Integer(integer) => integer.to_string(),
        Datum::Number(number) => format!("{number:.3}"),
        _ => String::new(),
    }
}

fn layer_json(layer: &LayerCost) -> Json {
    json!({
        "name": layer.name,
        "operator": layer.operator,
        "output_shape": layer.output_shape,
        "macs": layer.macs,
        "operations": 2 * layer.macs,
        "other_operations": layer.other_operations,
        "parameters": layer.parameters,
        "bytes_moved": layer.bytes_moved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::cost::{Assumption, Difference, ShapeSource, Uncounted};

    fn example() -> Cost {
        let layer = |name: &str, operator: &str, macs, other_operations| LayerCost {
            name: name.to_owned(),
            operator: operator.to_owned(),
            output_shape: vec![1, 8, 4, 4],
            macs,
            other_operations,
            parameters: 72,
            bytes_moved: 1000,
        };
        Cost {
            layers: vec![layer("a, or \"b\"", "Conv", 1152, 0), layer("pool", "MaxPool", 0, 512)],
            uncounted: vec![Uncounted {
                name: "sort".to_owned(),
                operator: "TopK".to_owned(),
                why: "this operator is not counted".to_owned(),
            }],
            differences: vec![Difference {
                tensor: "resized".to_owned(),
                used: vec![1, 8, 7, 7],
                source: ShapeSource::File,
                computed: vec![1, 8, 6, 6],
            }],
            measured_shapes: 0,
            assumptions: vec![Assumption {
                name: "image".to_owned(),
                operator: "input".to_owned(),
                what: "its open first dimension is 1".to_owned(),
            }],
        }
    }

    #[test]
    fn a_table_has_layers_the_whole_and_what_is_missing_from_it() {
        insta::assert_snapshot!(render(&example(), true, RowFormat::Table));
    }

    #[test]
    fn csv_quotes_names_and_gives_no_number_for_what_is_not_counted() {
        insta::assert_snapshot!(render(&example(), true, RowFormat::Csv));
        insta::assert_snapshot!(render(&example(), false, RowFormat::Csv));
    }

    #[test]
    fn json_is_one_object() {
        let whole: Json = serde_json::from_str(&render(&example(), true, RowFormat::Json)).unwrap();
        assert_eq!(whole["operations"], 2304);
        assert_eq!(whole["operational_density"], 2304.0 / 2000.0);
        assert_eq!(whole["layers"][1]["output_shape"], json!([1, 8, 4, 4]));
        assert_eq!(whole["uncounted"][0]["operator"], "TopK");
        assert!(
            serde_json::from_str::<Json>(&render(&example(), false, RowFormat::Json))
                .unwrap()
                .get("layers")
                .is_none()
        );
    }

    #[test]
    fn shapes_are_read_and_mistakes_in_them_named() {
        assert_eq!(input_shape("a=b:0=1x3x8x8"), Ok(("a=b:0".to_owned(), vec![1, 3, 8, 8])));
        assert_eq!(input_values("a=b:0=1,-3"), Ok(("a=b:0".to_owned(), vec![1, -3])));
        assert_eq!(input_values("rate=fast"), Err("`fast` is not a whole number".to_owned()));
        assert_eq!(input_shape("image"), Err("write NAME=SHAPE, such as image=1x3x224x224".to_owned()));
        assert_eq!(input_shape("image=1x0"), Ok(("image".to_owned(), vec![1, 0])));
        assert_eq!(input_shape("image=1x-1"), Err("`-1` is not a size of 0 or more".to_owned()));
    }
}
