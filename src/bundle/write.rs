//! Turns a bundle into the bytes of its file, and makes the file's name.
//!
//! The same content always gives the same bytes, so a bundle that is published again after a crash can be
//! recognised. No file is opened here.

use std::io::{self, BufWriter, Write};

use flate2::{Compression, GzBuilder};

use crate::bundle::format::Bundle;
use crate::bundle::seal::seal;
use crate::error::Hint;

/// Longest job and configuration part of a file name, in bytes.
const LONGEST_PART: usize = 80;

/// Longest runtime part: longer than any name in `RUNTIMES`.
const LONGEST_RUNTIME: usize = 20;

/// Longest id part. The four parts, their dots and the extension are then at most 239 bytes: below the limit
/// of 255 of Linux file systems, with room for the prefix and suffix of a temporary name.
const LONGEST_ID: usize = 48;

/// zlib's own default. Level 9 took four times as long for 2 % less (10,000 latencies around 1.5 ms).
const LEVEL: u32 = 6;

/// The header's operating system: 255, unknown (RFC 1952 §2.3.1), so that the bytes do not depend on where
/// they were made.
const OPERATING_SYSTEM_UNKNOWN: u8 = 255;

/// Bytes of JSON compressed at a time: some milliseconds.
const PIECE_BYTES: usize = 1 << 16;

/// Why a bundle could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the bundle as JSON")]
pub struct EncodeError(#[from] serde_json::Error);

impl Hint for EncodeError {
    fn hint(&self) -> Option<String> {
        Some("this is a bug in this program; please report it, with the job that led to it".to_owned())
    }
}

/// The bytes of a bundle's file: compact JSON that ends in one newline, compressed with gzip, with a fixed
/// gzip header (no name, time 0). A bundle with a place in a chain is sealed (module `seal`).
///
/// Compact, because a line for each latency is of no use; `zcat FILE | python3 -m json.tool` prints it in
/// readable form.
///
/// # Errors
/// Only for a number that is not finite, which `stats` never produces.
pub fn encode(bundle: &Bundle) -> Result<Vec<u8>, EncodeError> {
    encode_with(bundle, &mut || Ok(()))
}

/// As [`encode`], with `pulse` called for each piece: a bundle of a million latencies takes seconds.
///
/// # Errors
/// Also those of `pulse`.
pub(crate) fn encode_with(
    bundle: &Bundle,
    pulse: &mut dyn FnMut() -> io::Result<()>,
) -> Result<Vec<u8>, EncodeError> {
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(OPERATING_SYSTEM_UNKNOWN)
        .write(Vec::new(), Compression::new(LEVEL));
    let mut output = BufWriter::with_capacity(PIECE_BYTES, Pulsing { inner: gzip, pulse });
    serde_json::to_writer(&mut output, bundle)?;
    let finished = output.write_all(b"\n").and_then(|()| {
        let Pulsing { inner, .. } = output.into_inner().map_err(io::IntoInnerError::into_error)?;
        inner.finish()
    });
    let plain = finished.map_err(serde_json::Error::io)?;
    Ok(if bundle.integrity.is_some() { seal(&plain) } else { plain })
}

/// Calls `pulse` before each piece.
struct Pulsing<'a, Inner> {
    inner: Inner,
    pulse: &'a mut dyn FnMut() -> io::Result<()>,
}

impl<Inner: Write> Write for Pulsing<'_, Inner> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        (self.pulse)()?;
        self.inner.write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// `<job>.<part>.<runtime>.<id>.json.gz`: the file name of a bundle.
///
/// `part` is the configuration or the model's stem, or `rejected` if there is neither; `runtime` is `none` if
/// there is none. Parts contain only `[A-Za-z0-9_-]`: each run of other characters becomes one `-`, dashes at
/// either end are dropped (a name that starts with one reads as an option), and an empty part becomes
/// `unnamed`. Parts are cut at 80 bytes (runtime 20, id 48). Different jobs may be reduced to the same name;
/// the id tells them apart, so ids must already consist of these characters and fit this length.
pub fn file_name(job: &str, part: Option<&str>, runtime: Option<&str>, id: &str) -> String {
    format!(
        "{}.{}.{}.{}.json.gz",
        reduced(job, LONGEST_PART),
        reduced(part.unwrap_or("rejected"), LONGEST_PART),
        reduced(runtime.unwrap_or("none"), LONGEST_RUNTIME),
        reduced(id, LONGEST_ID),
    )
}

fn reduced(text: &str, longest: usize) -> String {
    let mut part = String::new();
    let mut in_gap = false;
    for character in text.chars() {
        let is_allowed = character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        if is_allowed {
            part.push(character);
        } else if !in_gap {
            part.push('-');
        }
        in_gap = !is_allowed;
    }
    let part = part.trim_start_matches('-');
    let part = part[..part.len().min(longest)].trim_end_matches('-');
    if part.is_empty() { "unnamed".to_owned() } else { part.to_owned() }
}
