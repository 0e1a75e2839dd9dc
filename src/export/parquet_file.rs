//! Apache Parquet: every column typed, latencies as a list column, for DuckDB, Polars and Arrow.
//!
//! Written without compression; latencies are delta-encoded, which takes them to a third. One row group holds
//! [`ROWS_IN_GROUP`] rows.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::Encoding;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::columns::{COLUMNS, Kind, Value, View};
use super::{Export, Table};

pub(super) const EXPORT: Export = Export {
    name: "parquet",
    summary: "a typed table with every latency, for DuckDB and Polars",
    is_binary: true,
    write,
};

/// Enough for a reader to skip by, and few enough that a group of long studies fits in memory while it is written.
const ROWS_IN_GROUP: usize = 4096;

fn write(table: &Table<'_>, output: &mut (dyn Write + Send)) -> io::Result<usize> {
    write_file(table, output).map_err(|error| match error {
        // The writer's own error, if that is what it was.
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    })?;
    Ok(0)
}

fn write_file(table: &Table<'_>, output: &mut (dyn Write + Send)) -> Result<(), ParquetError> {
    let schema = Arc::new(parse_message_type(&schema())?);
    let mut properties =
        WriterProperties::builder().set_created_by(format!("backbone {}", env!("CARGO_PKG_VERSION")));
    for column in COLUMNS.iter().filter(|column| column.kind == Kind::Integers) {
        let path = ColumnPath::new(["list", "element"].iter().fold(
            vec![column.name.to_owned()],
            |mut path, part| {
                path.push((*part).to_owned());
                path
            },
        ));
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    let mut writer = SerializedFileWriter::new(output, schema, Arc::new(properties.build()))?;
    for rows in table.rows.chunks(ROWS_IN_GROUP) {
        let views: Vec<View<'_>> = rows.iter().map(|row| View::new(row, table.platforms)).collect();
        let mut group = writer.next_row_group()?;
        let mut columns = COLUMNS.iter();
        while let Some(writer) = group.next_column()? {
            // One writer for each column of the schema, which is made of the same slice.
            let Some(column) = columns.next() else { break };
            write_column(writer, column.kind, views.iter().map(column.value).collect())?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// The schema as Parquet spells it.
fn schema() -> String {
    let fields = COLUMNS.iter().map(|column| {
        let name = column.name;
        match column.kind {
            Kind::Text => format!("optional binary {name} (UTF8);"),
            Kind::Integer => format!("optional int64 {name} (INTEGER(64, false));"),
            Kind::Number => format!("optional double {name};"),
            Kind::Boolean => format!("optional boolean {name};"),
            Kind::Integers => format!(
                "required group {name} (LIST) {{ repeated group list {{ required int64 element (INTEGER(64, false)); }} }}"
            ),
        }
    });
    format!("message backbone {{ {} }}", fields.collect::<Vec<_>>().join(" "))
}

fn write_column(
    mut writer: SerializedColumnWriter<'_>,
    kind: Kind,
    values: Vec<Value>,
) -> Result<(), ParquetError> {
    // For an optional column: is the value there?
    let there: Vec<i16> = values.iter().map(|value| i16::from(*value != Value::Null)).collect();
    match kind {
        Kind::Text => {
            let texts: Vec<ByteArray> = values
                .into_iter()
                .filter_map(|value| match value {
                    Value::Text(text) => Some(ByteArray::from(text.into_bytes())),
                    _ => None,
                })
                .collect();
            writer.typed::<ByteArrayType>().write_batch(&texts, Some(&there), None)?;
        }
        Kind::Integer => {
            let numbers: Vec<i64> = values
                .into_iter()
                .filter_map(|value| match value {
                    Value::Integer(number) => Some(bits(number)),
                    _ => None,
                })
                .collect();
            writer.typed::<Int64Type>().write_batch(&numbers, Some(&there), None)?;
        }
        Kind::Number => {
            let numbers: Vec<f64> = values
                .into_iter()
                .filter_map(|value| match value {
                    Value::Number(number) => Some(number),
                    _ => None,
                })
                .collect();
            writer.typed::<DoubleType>().write_batch(&numbers, Some(&there), None)?;
        }
        Kind::Boolean => {
            let flags: Vec<bool> = values
                .into_iter()
                .filter_map(|value| match value {
                    Value::Boolean(flag) => Some(flag),
                    _ => None,
                })
                .collect();
            writer.typed::<BoolType>().write_batch(&flags, Some(&there), None)?;
        }
        Kind::Integers => write_lists(&mut writer, &values)?,
    }
    writer.close()
}

/// Lists are flattened (Dremel): level 0 of repetition begins a row, level 0 of definition stands for an empty list.
fn write_lists(writer: &mut SerializedColumnWriter<'_>, values: &[Value]) -> Result<(), ParquetError> {
    let (mut numbers, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        match value {
            Value::Integers(list) if !list.is_empty() => {
                numbers.extend(list.iter().copied().map(bits));
                definition.extend(std::iter::repeat_n(1, list.len()));
                repetition.push(0);
                repetition.extend(std::iter::repeat_n(1, list.len() - 1));
            }
            _ => {
                definition.push(0);
                repetition.push(0);
            }
        }
    }
    writer.typed::<Int64Type>().write_batch(&numbers, Some(&definition), Some(&repetition))?;
    Ok(())
}

/// Parquet stores an unsigned number as the signed one of the same bits.
fn bits(number: u64) -> i64 {
    i64::from_ne_bytes(number.to_ne_bytes())
}
