//! `backbone networks list`: the paper's reference sheet, one row for each configuration.

use anyhow::Context as _;
use clap::Args;

use super::RowFormat;
use crate::cli::{Exit, print, table};
use crate::network::configuration::{Configuration, Precision};
use crate::network::cost::Cost;
use crate::network::count_configuration::cost_of_graph;
use crate::network::graph::Graph;
use crate::table::Kind::{Integer, Number, Text};
use crate::table::csv::{self, Quotes};
use crate::table::{Column, Datum, column};

/// List the cost of each of the 162 configurations of the family
#[derive(Debug, Args)]
pub(super) struct NetworksListArguments {
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: RowFormat,
}

pub(super) fn execute(arguments: NetworksListArguments) -> anyhow::Result<Exit> {
    print(&render(arguments.format)?)?;
    Ok(Exit::Done)
}

/// The columns, in order. Scripts read them by name, so a column never changes its meaning.
const COLUMNS: &[Column<Network>] = &[
    column("block", Text, "", |network| network.configuration.block().name.into()),
    column("kernel", Integer, "", |network| network.configuration.kernel().into()),
    column("batch", Integer, "", |network| network.configuration.batch().into()),
    column("input", Integer, "", |network| network.configuration.input().into()),
    column("macs", Integer, "", |network| network.fp32.macs().into()),
    column("operations", Integer, "", |network| network.fp32.operations().into()),
    column("other_operations", Integer, "", |network| network.fp32.other_operations().into()),
    column("parameters", Integer, "", |network| network.fp32.parameters().into()),
    column("bytes_moved_fp32", Integer, "", |network| network.fp32.bytes_moved().into()),
    column("bytes_moved_int8", Integer, "", |network| network.int8.bytes_moved().into()),
    column("operational_density_fp32", Number, "", |network| network.fp32.operational_density().into()),
    column("operational_density_int8", Number, "", |network| network.int8.operational_density().into()),
];

/// A configuration with its cost in both precisions.
struct Network {
    configuration: Configuration,
    fp32: Cost,
    int8: Cost,
}

impl Network {
    fn new(configuration: Configuration) -> Self {
        let graph = Graph::new(&configuration);
        let [fp32, int8] =
            [Precision::Fp32, Precision::Int8].map(|precision| cost_of_graph(&graph, precision));
        Self { configuration, fp32, int8 }
    }
}

fn render(format: RowFormat) -> anyhow::Result<String> {
    let networks = Configuration::family(Precision::Fp32).map(Network::new);
    let values = |network: Network| COLUMNS.iter().map(move |column| (column.read)(&network));
    Ok(match format {
        RowFormat::Table => {
            let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
            let rows: Vec<Vec<String>> =
                networks.map(|network| values(network).map(text).collect()).collect();
            table::render(&names, &rows)
        }
        RowFormat::Csv => csv::table(COLUMNS, networks, Quotes::WhenNeeded),
        RowFormat::Json => {
            let names = || COLUMNS.iter().map(|column| column.name.to_owned());
            let objects: Vec<serde_json::Map<String, serde_json::Value>> =
                networks.map(|network| names().zip(values(network).map(json)).collect()).collect();
            serde_json::to_string_pretty(&objects).context("cannot write the table as JSON")? + "\n"
        }
    })
}

/// For people: two decimals, where the other formats have every digit.
fn text(value: Datum) -> String {
    match value {
        Datum::Text(text) => text,
        Datum::Integer(integer) => integer.to_string(),
        Datum::Number(number) => format!("{number:.2}"),
        _ => String::new(),
    }
}

fn json(value: Datum) -> serde_json::Value {
    match value {
        Datum::Text(text) => text.into(),
        Datum::Integer(integer) => integer.into(),
        Datum::Number(number) => number.into(),
        _ => serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_has_162_rows_below_exactly_the_promised_columns() {
        let csv = render(RowFormat::Csv).unwrap();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 1 + 162);
        insta::assert_snapshot!([lines[0], lines[1], lines[162]].join("\n"), @"
        block,kernel,batch,input,macs,operations,other_operations,parameters,bytes_moved_fp32,bytes_moved_int8,operational_density_fp32,operational_density_int8
        standard,3,1,224,1813561344,3627122688,3186176,9955136,67015936,16768192,54.123286258361,216.3097063774079
        bottleneck-depthwise-separable,7,4,1400,102731121664,205462243328,498513920,2721664,8388274688,2097105536,24.4939812977188,97.97420291965697
        ");
        assert_eq!(render(RowFormat::Table).unwrap().lines().count(), 1 + 162);
    }

    #[test]
    fn json_and_csv_hold_the_same_numbers_under_the_same_names() {
        let csv = render(RowFormat::Csv).unwrap();
        let json: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(&render(RowFormat::Json).unwrap()).unwrap();
        assert_eq!(json.len(), 162);
        for (object, line) in json.iter().zip(csv.lines().skip(1)) {
            let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
            assert_eq!(object.keys().collect::<Vec<_>>(), names);
            let cells: Vec<String> = object
                .values()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect();
            assert_eq!(cells.join(","), line);
        }
    }
}
