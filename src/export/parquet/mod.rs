//! Apache Parquet: every column typed, latencies as a list column, for DuckDB, Polars and Arrow.
//!
//! Our own writer of the least that the format has (plain values, version 1 data pages, gzip), because the `parquet` crate with
//! everything off made the executable a quarter larger, and an idle daemon pays for that with memory. DuckDB and Polars
//! read what it writes in `tests/desk/second_opinions.rs`. The format: <https://parquet.apache.org/docs/file-format/>.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::columns::{COLUMNS, Column, Kind, Value, View};
use super::{Export, Table};

mod thrift;

use thrift::{Struct, varint};

pub(super) const EXPORT: Export = Export {
    name: "parquet",
    summary: "a typed table with every latency, for DuckDB and Polars",
    is_binary: true,
    write,
};

/// Enough for a reader to skip by, and few enough that a group of long studies fits in memory while it is written.
const ROWS_IN_GROUP: usize = 4096;

const MAGIC: &[u8] = b"PAR1";

// Numbers of the format.
const BOOLEAN: i32 = 0;
const INT64: i32 = 2;
const DOUBLE: i32 = 5;
const BYTE_ARRAY: i32 = 6;
const REQUIRED: i32 = 0;
const OPTIONAL: i32 = 1;
const REPEATED: i32 = 2;
const UTF8: i32 = 0;
const LIST: i32 = 3;
const UINT_64: i32 = 14;
const PLAIN: i32 = 0;
const RLE: i32 = 3;
const GZIP: i32 = 2;
const DATA_PAGE: i32 = 0;

fn write(table: &Table<'_>, output: &mut (dyn Write + Send)) -> io::Result<usize> {
    let mut output = Counted { output, bytes: 0 };
    output.write_all(MAGIC)?;
    let mut groups = Vec::new();
    for rows in table.rows.chunks(ROWS_IN_GROUP) {
        let views: Vec<View<'_>> = rows.iter().map(|row| View::new(row, table.platforms)).collect();
        let begun = output.bytes;
        let chunks = COLUMNS
            .iter()
            .map(|column| write_chunk(column, &views, &mut output))
            .collect::<io::Result<Vec<Struct>>>()?;
        let group = Struct::default()
            .structures(1, chunks)
            .i64(2, signed(output.bytes - begun))
            .i64(3, signed(rows.len() as u64));
        groups.push(group);
    }
    let footer = Struct::default()
        .i32(1, 1)
        .structures(2, schema())
        .i64(3, signed(table.rows.len() as u64))
        .structures(4, groups)
        .text(6, concat!("backbone ", env!("CARGO_PKG_VERSION")))
        .end();
    output.write_all(&footer)?;
    output.write_all(&(footer.len() as u32).to_le_bytes())?;
    output.write_all(MAGIC)?;
    Ok(0)
}

/// A writer that knows its place.
struct Counted<'a> {
    output: &'a mut (dyn Write + Send),
    bytes: u64,
}

impl Counted<'_> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.output.write_all(bytes)
    }
}

/// The root, then every column, depth first; a list is three elements.
fn schema() -> Vec<Struct> {
    let element =
        |kind: Option<i32>, repetition: i32, name: &str, children: Option<i32>, converted: Option<i32>| {
            let mut element = Struct::default();
            if let Some(kind) = kind {
                element = element.i32(1, kind);
            }
            element = element.i32(3, repetition).text(4, name);
            if let Some(children) = children {
                element = element.i32(5, children);
            }
            match converted {
                Some(converted) => element.i32(6, converted),
                None => element,
            }
        };
    let mut elements = vec![Struct::default().text(4, "backbone").i32(5, COLUMNS.len() as i32)];
    for column in COLUMNS {
        let kind = Some(physical(column.kind));
        match column.kind {
            Kind::Integers => elements.extend([
                element(None, REQUIRED, column.name, Some(1), Some(LIST)),
                element(None, REPEATED, "list", Some(1), None),
                element(kind, REQUIRED, "element", None, Some(UINT_64)),
            ]),
            Kind::Text => elements.push(element(kind, OPTIONAL, column.name, None, Some(UTF8))),
            Kind::Integer => elements.push(element(kind, OPTIONAL, column.name, None, Some(UINT_64))),
            Kind::Number | Kind::Boolean => elements.push(element(kind, OPTIONAL, column.name, None, None)),
        }
    }
    elements
}

fn physical(kind: Kind) -> i32 {
    match kind {
        Kind::Text => BYTE_ARRAY,
        Kind::Integer | Kind::Integers => INT64,
        Kind::Number => DOUBLE,
        Kind::Boolean => BOOLEAN,
    }
}

/// Write a column of a row group as one page, and describe it.
fn write_chunk(column: &Column, views: &[View<'_>], output: &mut Counted<'_>) -> io::Result<Struct> {
    let page = Page::of(views.iter().map(column.value));
    let body = page.body(column.kind);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&body)?;
    let compressed = gzip.finish()?;
    let too_large =
        |_| io::Error::other(format!("a column of {ROWS_IN_GROUP} rows is larger than Parquet allows"));
    let (size, compressed_size) =
        (i32::try_from(body.len()).map_err(too_large)?, i32::try_from(compressed.len()).map_err(too_large)?);
    let values = page.definition.iter().map(|(count, _)| count).sum::<u64>();
    let data_page = Struct::default().i32(1, values as i32).i32(2, PLAIN).i32(3, RLE).i32(4, RLE);
    let header = Struct::default()
        .i32(1, DATA_PAGE)
        .i32(2, size)
        .i32(3, compressed_size)
        .structure(5, data_page)
        .end();
    let place = output.bytes;
    output.write_all(&header)?;
    output.write_all(&compressed)?;
    let path: &[&str] =
        if column.kind == Kind::Integers { &[column.name, "list", "element"] } else { &[column.name] };
    let description = Struct::default()
        .i32(1, physical(column.kind))
        .i32s(2, &[PLAIN, RLE])
        .texts(3, path)
        .i32(4, GZIP)
        .i64(5, signed(values))
        .i64(6, signed((header.len() + body.len()) as u64))
        .i64(7, signed(output.bytes - place))
        .i64(9, signed(place));
    Ok(Struct::default().i64(2, signed(place)).structure(3, description))
}

/// Values and levels of a column.
///
/// A level of 0 means: no value here (definition), a new row begins (repetition). Runs of equal levels are kept as a length
/// and the level.
#[derive(Debug, Default)]
struct Page {
    plain: Vec<u8>,
    /// Booleans are packed by bits.
    flags: Vec<bool>,
    definition: Vec<(u64, u8)>,
    repetition: Vec<(u64, u8)>,
}

impl Page {
    fn of(values: impl Iterator<Item = Value>) -> Self {
        let mut page = Self::default();
        for value in values {
            let count = page.push(value);
            push_run(&mut page.definition, count.max(1), u8::from(count > 0));
            push_run(&mut page.repetition, 1, 0);
            push_run(&mut page.repetition, count.saturating_sub(1), 1);
        }
        page
    }

    /// Adds the values of one row; tells how many they were.
    fn push(&mut self, value: Value) -> u64 {
        match value {
            Value::Null => return 0,
            Value::Text(text) => {
                self.plain.extend((text.len() as u32).to_le_bytes());
                self.plain.extend(text.into_bytes());
            }
            Value::Integer(number) => self.plain.extend(number.to_le_bytes()),
            Value::Number(number) => self.plain.extend(number.to_le_bytes()),
            Value::Boolean(flag) => self.flags.push(flag),
            Value::Integers(numbers) => {
                self.plain.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
                return numbers.len() as u64;
            }
        }
        1
    }

    fn body(&self, kind: Kind) -> Vec<u8> {
        let mut body = Vec::new();
        if kind == Kind::Integers {
            body.extend(levels(&self.repetition));
        }
        body.extend(levels(&self.definition));
        body.extend(&self.plain);
        let packed = self.flags.chunks(8);
        body.extend(packed.map(|flags| flags.iter().rev().fold(0, |byte, &flag| byte << 1 | u8::from(flag))));
        body
    }
}

fn push_run(runs: &mut Vec<(u64, u8)>, count: u64, level: u8) {
    match runs.last_mut() {
        _ if count == 0 => {}
        Some(last) if last.1 == level => last.0 += count,
        _ => runs.push((count, level)),
    }
}

/// Run-length encoding of levels that fit in one bit, with their length in bytes before them.
fn levels(runs: &[(u64, u8)]) -> Vec<u8> {
    let runs: Vec<u8> =
        runs.iter().flat_map(|&(count, level)| [varint(count << 1), vec![level]].concat()).collect();
    [(runs.len() as u32).to_le_bytes().to_vec(), runs].concat()
}

/// Sizes and counts of files that exist.
fn signed(number: u64) -> i64 {
    number as i64
}
