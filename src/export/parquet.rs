//! Apache Parquet: every column with its type, latencies as lists, for DuckDB, Polars and Arrow.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use super::{Export, TableFormat, write_layers, write_results};
use crate::table::{Column, Datum, Kind};

pub(super) const EXPORT: Export = Export {
    name: "parquet",
    summary: "a typed table with every latency, for DuckDB and Polars",
    is_binary: true,
    write: write_results::<Parquet>,
    write_layers: Some(write_layers::<Parquet>),
};

/// Large enough for a reader to skip by, small enough that a group of long studies fits in memory while it is
/// written.
const ROWS_IN_GROUP: usize = 4096;

struct Parquet;

impl TableFormat for Parquet {
    fn write_table<R>(
        columns: &[Column<R>],
        rows: impl Iterator<Item = R>,
        output: &mut (dyn Write + Send),
    ) -> io::Result<()> {
        write_groups(columns, rows, output).map_err(|error| match error {
            ParquetError::External(source) => match source.downcast::<io::Error>() {
                Ok(source) => *source,
                Err(source) => io::Error::other(source),
            },
            other => io::Error::other(other),
        })
    }
}

fn write_groups<R>(
    columns: &[Column<R>],
    mut rows: impl Iterator<Item = R>,
    output: &mut (dyn Write + Send),
) -> Result<(), ParquetError> {
    let schema = parse_message_type(&schema(columns))?;
    let properties = WriterProperties::builder()
        .set_created_by(concat!("backbone ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::GZIP(GzipLevel::try_new(1)?))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut file = SerializedFileWriter::new(output, Arc::new(schema), Arc::new(properties))?;
    loop {
        let views: Vec<R> = rows.by_ref().take(ROWS_IN_GROUP).collect();
        if views.is_empty() {
            break;
        }
        let mut group = file.next_row_group()?;
        for column in columns {
            // The schema has exactly these columns, in this order.
            if let Some(mut writer) = group.next_column()? {
                write_column(column, &views, &mut writer)?;
                writer.close()?;
            }
        }
        group.close()?;
    }
    file.close().map(|_| ())
}

/// The schema in Parquet's own notation.
fn schema<R>(columns: &[Column<R>]) -> String {
    let field = |column: &Column<R>| {
        let name = column.name;
        match column.kind {
            Kind::Text => format!("optional binary {name} (UTF8);"),
            Kind::Integer => format!("optional int64 {name} (INTEGER(64, false));"),
            Kind::Number | Kind::Estimate | Kind::Change => format!("optional double {name};"),
            Kind::Boolean => format!("optional boolean {name};"),
            Kind::Integers => format!(
                "required group {name} (LIST) {{ repeated group list {{ required int64 element (INTEGER(64, false)); }} }}"
            ),
        }
    };
    format!("message backbone {{ {} }}", columns.iter().map(field).collect::<String>())
}

fn write_column<R>(
    column: &Column<R>,
    rows: &[R],
    writer: &mut SerializedColumnWriter<'_>,
) -> Result<(), ParquetError> {
    let values = rows.iter().map(column.read);
    match column.kind {
        Kind::Text => write_values::<ByteArrayType>(writer, values, |value| match value {
            Datum::Text(text) => vec![ByteArray::from(text.into_bytes())],
            _ => Vec::new(),
        }),
        Kind::Integer => write_values::<Int64Type>(writer, values, |value| match value {
            Datum::Integer(number) => vec![number.cast_signed()],
            _ => Vec::new(),
        }),
        Kind::Number | Kind::Estimate | Kind::Change => {
            write_values::<DoubleType>(writer, values, |value| match value {
                Datum::Number(number) | Datum::Estimate(number, _) | Datum::Change(number, _) => vec![number],
                _ => Vec::new(),
            })
        }
        Kind::Boolean => write_values::<BoolType>(writer, values, |value| match value {
            Datum::Boolean(flag) => vec![flag],
            _ => Vec::new(),
        }),
        Kind::Integers => write_values::<Int64Type>(writer, values, |value| match value {
            Datum::Integers(numbers) => numbers.into_iter().map(u64::cast_signed).collect(),
            _ => Vec::new(),
        }),
    }
}

/// Write the values of each row with their levels. A definition of 0 means that there is no value, a
/// repetition of 0 that a row begins; columns that are no lists ignore repetitions.
fn write_values<T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    values: impl Iterator<Item = Datum>,
    read: impl Fn(Datum) -> Vec<T::T>,
) -> Result<(), ParquetError> {
    let (mut plain, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        let of_row = read(value);
        definitions.extend(std::iter::repeat_n(i16::from(!of_row.is_empty()), of_row.len().max(1)));
        repetitions.extend((0..of_row.len().max(1)).map(|place| i16::from(place > 0)));
        plain.extend(of_row);
    }
    writer.typed::<T>().write_batch(&plain, Some(&definitions), Some(&repetitions)).map(|_| ())
}
