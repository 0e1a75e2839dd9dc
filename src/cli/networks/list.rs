//! `backbone networks list`: the paper's reference sheet, one row for each configuration.

use anyhow::Context as _;
use clap::Args;

use super::RowFormat;
use crate::cli::{Exit, print, table};
use crate::network::configuration::{Configuration, Precision};
use crate::network::count_configuration::cost_of_graph;
use crate::network::graph::Graph;

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

/// The columns, in order. Scripts read them by name: they never change their meaning.
const COLUMNS: [&str; 12] = [
    "block",
    "kernel",
    "batch",
    "input",
    "macs",
    "operations",
    "other_operations",
    "parameters",
    "bytes_moved_fp32",
    "bytes_moved_int8",
    "operational_density_fp32",
    "operational_density_int8",
];

/// The densities come from divisions; everything else is an exact integer.
enum Cell {
    Text(&'static str),
    Integer(u64),
    Ratio(f64),
}

fn render(format: RowFormat) -> anyhow::Result<String> {
    let rows: Vec<[Cell; 12]> = Configuration::family(Precision::Fp32).map(|one| row(&one)).collect();
    let texts = |decimals: Option<usize>| {
        rows.iter().map(move |row| row.iter().map(|cell| text(cell, decimals)).collect())
    };
    Ok(match format {
        // Two decimals are enough to read; the other formats give every digit.
        RowFormat::Table => table::render(&COLUMNS, &texts(Some(2)).collect::<Vec<Vec<String>>>()),
        RowFormat::Csv => {
            let mut lines = vec![COLUMNS.join(",")];
            lines.extend(texts(None).map(|row: Vec<String>| row.join(",")));
            lines.join("\n") + "\n"
        }
        RowFormat::Json => {
            let objects: Vec<serde_json::Map<String, serde_json::Value>> = rows
                .iter()
                .map(|row| COLUMNS.iter().map(|&name| name.to_owned()).zip(row.iter().map(value)).collect())
                .collect();
            serde_json::to_string_pretty(&objects).context("cannot write the table as JSON")? + "\n"
        }
    })
}

fn row(configuration: &Configuration) -> [Cell; 12] {
    let graph = Graph::new(configuration);
    let fp32 = cost_of_graph(&graph, Precision::Fp32);
    let int8 = cost_of_graph(&graph, Precision::Int8);
    [
        Cell::Text(configuration.block().name),
        Cell::Integer(configuration.kernel().into()),
        Cell::Integer(configuration.batch().into()),
        Cell::Integer(configuration.input().into()),
        Cell::Integer(fp32.macs()),
        Cell::Integer(fp32.operations()),
        Cell::Integer(fp32.other_operations()),
        Cell::Integer(fp32.parameters()),
        Cell::Integer(fp32.bytes_moved()),
        Cell::Integer(int8.bytes_moved()),
        // Every network moves bytes.
        Cell::Ratio(fp32.operational_density().unwrap_or_default()),
        Cell::Ratio(int8.operational_density().unwrap_or_default()),
    ]
}

fn text(cell: &Cell, decimals: Option<usize>) -> String {
    match (cell, decimals) {
        (Cell::Text(text), _) => (*text).to_owned(),
        (Cell::Integer(integer), _) => integer.to_string(),
        (Cell::Ratio(ratio), Some(decimals)) => format!("{ratio:.decimals$}"),
        (Cell::Ratio(ratio), None) => ratio.to_string(),
    }
}

fn value(cell: &Cell) -> serde_json::Value {
    match cell {
        Cell::Text(text) => (*text).into(),
        Cell::Integer(integer) => (*integer).into(),
        Cell::Ratio(ratio) => (*ratio).into(),
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
            assert_eq!(object.keys().collect::<Vec<_>>(), COLUMNS);
            let cells: Vec<String> = object
                .values()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect();
            assert_eq!(cells.join(","), line);
        }
    }
}
