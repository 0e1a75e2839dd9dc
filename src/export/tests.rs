//! The documents list what the code has, and every format copes with values that are hard to write.

use super::columns::columns;
use super::*;
use crate::analysis::platform;
use crate::bundle::format::{Bundle, Layer};
use crate::bundle::read::decode;
use crate::table::{Column, Kind};

fn rows() -> Vec<Row> {
    let read = |bytes: &[u8]| -> Bundle { decode(bytes).unwrap() };
    let bundles = [
        read(include_bytes!("../../tests/bundles/v1-measured.json.gz")),
        read(include_bytes!("../../tests/bundles/v1-rejected.json.gz")),
        read(include_bytes!("../../tests/bundles/v1-failed.json.gz")),
    ];
    let row = |(index, bundle)| Row::new(bundle, format!("{index}.json.gz"), "ab".repeat(32));
    bundles.into_iter().enumerate().map(row).collect()
}

fn written(format: &str) -> (Vec<u8>, usize) {
    let mut rows = rows();
    let platforms = platform::assign(&mut rows);
    let mut bytes = Vec::new();
    let left_out = Export::find(format)
        .unwrap()
        .write(&Results { rows: &rows, platforms: &platforms }, &mut bytes)
        .unwrap();
    (bytes, left_out)
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Integer => "integer",
        Kind::Number | Kind::Estimate | Kind::Change => "number",
        Kind::Boolean => "boolean",
        Kind::Integers => "list of integers",
    }
}

#[test]
fn the_documents_tables_of_formats_and_columns_are_current() {
    let mut table = "| Format | What it is |\n|---|---|\n".to_owned();
    for export in EXPORTS {
        table.push_str(&format!("| `{}` | {} |\n", export.name, export.summary));
    }
    crate::derived_docs::assert_current("docs/ANALYSIS.md", "export formats", &table);
    crate::derived_docs::assert_current("docs/ANALYSIS.md", "export columns", &documented(&columns()));
    let layers = documented(&layers::columns());
    crate::derived_docs::assert_current("docs/ANALYSIS.md", "export columns of layers", &layers);
}

fn documented<R>(columns: &[Column<R>]) -> String {
    let mut table = "| Column | Type | Unit | Meaning |\n|---|---|---|---|\n".to_owned();
    for column in columns {
        let (kind, unit) = (word(column.kind), column.unit);
        table.push_str(&format!("| `{}` | {kind} | {unit} | {} |\n", column.name, column.meaning));
    }
    table
}

#[test]
fn each_layer_of_a_profiled_result_is_a_row() {
    let mut rows = rows();
    rows[0].layers = vec![
        Layer { name: "conv".to_owned(), macs: Some(9), mean_milliseconds: 1.5, ..Layer::default() },
        Layer { name: "relu".to_owned(), ..Layer::default() },
    ];
    let results = Results { rows: &rows, platforms: &[] };
    let written = |format: &str| {
        let mut bytes = Vec::new();
        Export::find(format).unwrap().write_layers(&results, &mut bytes).unwrap();
        bytes
    };
    insta::assert_snapshot!(String::from_utf8(written("csv")).unwrap());
    assert_eq!(String::from_utf8(written("jsonl")).unwrap().lines().count(), 2);
    assert!(written("parquet").ends_with(b"PAR1"));
    assert!(!Export::find("pyperf").unwrap().has_layers());
}

#[test]
fn names_of_columns_and_formats_are_unique() {
    let mut names: Vec<&str> = columns().iter().map(|column| column.name).collect();
    names.extend(EXPORTS.iter().map(|export| export.name));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(Export::find("xlsx").is_none());
}

#[test]
fn csv_quotes_texts_and_leaves_nulls_empty() {
    let (bytes, left_out) = written("csv");
    assert_eq!(left_out, 0);
    insta::assert_snapshot!(String::from_utf8(bytes).unwrap());
}

#[test]
fn jsonl_holds_every_column_of_every_row() {
    let (bytes, _) = written("jsonl");
    for line in String::from_utf8(bytes).unwrap().lines() {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        assert_eq!(object.len(), columns().len());
    }
}

#[test]
fn pyperf_holds_a_run_for_each_process_and_counts_what_it_leaves_out() {
    let (bytes, left_out) = written("pyperf");
    assert_eq!(left_out, 2);
    let suite: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(suite["version"], "1.0");
    let runs = suite["benchmarks"][0]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0]["values"][0], 0.001_500_001);
}

#[test]
fn parquet_begins_and_ends_as_parquet_does_even_without_rows() {
    let (bytes, _) = written("parquet");
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let mut empty = Vec::new();
    Export::find("parquet").unwrap().write(&Results { rows: &[], platforms: &[] }, &mut empty).unwrap();
    assert!(empty.ends_with(b"PAR1"));
}

#[test]
fn a_full_disk_is_reported() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut rows = rows();
    let platforms = platform::assign(&mut rows);
    for export in EXPORTS {
        let error = export.write(&Results { rows: &rows, platforms: &platforms }, &mut Full).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{}", export.name);
    }
}
