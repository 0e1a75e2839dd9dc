//! NumPy's `.npy` format: a header in the syntax of a Python dictionary, then the elements.
//!
//! The header is read as the three keys that NumPy writes and nothing else; it is never evaluated. Written
//! here rather than taken from a crate: the readers that exist bring a parser of Python literals with big
//! integers.
//!
//! Source: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::io::Read;
use std::path::Path;

use super::order::{c_order, swap_bytes};
use super::{Elements, TensorFile, TensorFileError, malformed};
use crate::model_file::elements;

const MAGIC: &[u8] = b"\x93NUMPY";

/// NumPy itself refuses longer headers of files that it does not trust.
const LONGEST_HEADER_BYTES: usize = 10_000;

/// Most dimensions; NumPy's own limit.
const MOST_DIMENSIONS: usize = 64;

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NpyHeader {
    pub(super) element_type: &'static str,
    pub(super) shape: Vec<u64>,
    pub(super) element_bytes: usize,
    /// The first dimension is the fastest.
    pub(super) is_fortran: bool,
    /// The bytes of each element are in the other order than the machine's.
    pub(super) is_swapped: bool,
    /// Bytes before the elements.
    pub(super) length: u64,
}

impl NpyHeader {
    /// Bytes of all elements.
    pub(super) fn payload_bytes(&self) -> Option<u64> {
        elements(&self.shape)?.checked_mul(self.element_bytes as u64)
    }

    /// Does a file of this size hold exactly these elements?
    pub(super) fn check_size(&self, format: &'static str, bytes: u64) -> Result<(), TensorFileError> {
        let wanted = self.payload_bytes().and_then(|payload| payload.checked_add(self.length));
        if wanted == Some(bytes) {
            return Ok(());
        }
        let wanted = wanted.map_or_else(|| "more than 2^64".to_owned(), |wanted| wanted.to_string());
        let (shape, element_type) = (&self.shape, self.element_type);
        Err(malformed(
            format,
            format!("{element_type} elements of shape {shape:?} need {wanted} bytes, and it has {bytes}"),
        ))
    }
}

pub(super) fn open(path: &Path) -> Result<TensorFile, TensorFileError> {
    let mut file = fs_err::File::open(path)?;
    let header = header(&mut file, "npy")?;
    header.check_size("npy", file.metadata()?.len())?;
    Ok(TensorFile {
        element_type: header.element_type,
        shape: header.shape.clone(),
        elements: Elements::Npy { file, header },
    })
}

/// Read the elements that follow the header.
pub(super) fn read(
    from: &mut impl Read,
    header: &NpyHeader,
    format: &'static str,
    into: &mut [u8],
) -> Result<(), TensorFileError> {
    if header.payload_bytes() != Some(into.len() as u64) {
        return Err(malformed(format, format!("its tensor does not have {} bytes", into.len())));
    }
    from.read_exact(into).map_err(|error| cut_off(format, error))?;
    if header.is_swapped {
        swap_bytes(into, header.element_bytes);
    }
    if header.is_fortran {
        into.copy_from_slice(&c_order(into, &header.shape, header.element_bytes));
    }
    Ok(())
}

/// Read a header and leave the reader at the first element.
pub(super) fn header(from: &mut impl Read, format: &'static str) -> Result<NpyHeader, TensorFileError> {
    let mut start = [0; 8];
    from.read_exact(&mut start).map_err(|error| cut_off(format, error))?;
    if !start.starts_with(MAGIC) {
        return Err(malformed(format, "it does not begin with NumPy's signature"));
    }
    let mut size = [0; 4];
    let width = match start[6] {
        1 => 2,
        2 | 3 => 4,
        version => return Err(malformed(format, format!("it has the unknown version {version}"))),
    };
    from.read_exact(&mut size[..width]).map_err(|error| cut_off(format, error))?;
    let length = u32::from_le_bytes(size) as usize;
    if length > LONGEST_HEADER_BYTES {
        return Err(malformed(format, format!("its header has {length} bytes")));
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text).map_err(|error| cut_off(format, error))?;
    let text = String::from_utf8(text).map_err(|_| malformed(format, "its header is not text"))?;
    let length = (start.len() + width + length) as u64;
    let Written { descr, is_fortran, shape } = Written::read(&text).ok_or_else(|| {
        malformed(format, "its header does not have the keys `descr`, `fortran_order` and `shape`")
    })?;
    let (element_type, element_bytes, is_big_endian) =
        element_type(descr).map_err(|what| TensorFileError::ElementType { what })?;
    let is_swapped = is_big_endian != cfg!(target_endian = "big") && element_bytes > 1;
    Ok(NpyHeader { element_type, shape, element_bytes, is_fortran, is_swapped, length })
}

fn cut_off(format: &'static str, error: std::io::Error) -> TensorFileError {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return malformed(format, "it ends early");
    }
    // How a damaged archive shows.
    if matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput) {
        return malformed(format, error.to_string());
    }
    error.into()
}

/// The three keys as they are written.
struct Written<'a> {
    descr: &'a str,
    is_fortran: bool,
    shape: Vec<u64>,
}

impl<'a> Written<'a> {
    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (1, 80), }`, the keys in any order.
    fn read(text: &'a str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        let (mut descr, mut is_fortran, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, after) = quoted(rest)?;
            rest = after.trim_start().strip_prefix(':')?.trim_start();
            match key {
                "descr" if descr.is_none() => {
                    let (found, after) = description(rest)?;
                    (descr, rest) = (Some(found), after);
                }
                "fortran_order" if is_fortran.is_none() => {
                    let (found, after) = match rest.strip_prefix("True") {
                        Some(after) => (true, after),
                        None => (false, rest.strip_prefix("False")?),
                    };
                    (is_fortran, rest) = (Some(found), after);
                }
                "shape" if shape.is_none() => {
                    let (inside, after) = rest.strip_prefix('(')?.split_once(')')?;
                    (shape, rest) = (Some(sizes(inside)?), after);
                }
                _ => return None,
            }
            rest = rest.trim_start();
            match rest.strip_prefix(',') {
                Some(after) => rest = after.trim_start(),
                None if rest.is_empty() => {}
                None => return None,
            }
        }
        Some(Self { descr: descr?, is_fortran: is_fortran?, shape: shape? })
    }
}

/// A text in quotes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mark = text.chars().next().filter(|mark| matches!(mark, '\'' | '"'))?;
    text[1..].split_once(mark)
}

/// A type, or the list of fields that stands for a record; of that, no more than that it is one.
fn description(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with('[') {
        return quoted(text);
    }
    let mut depth = 0_usize;
    for (index, character) in text.char_indices() {
        match character {
            '[' => depth += 1,
            ']' if depth == 1 => return Some((&text[..1], &text[index + 1..])),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// `1, 80, 3000`, `5,` or nothing.
fn sizes(text: &str) -> Option<Vec<u64>> {
    let mut sizes = Vec::new();
    let text = text.trim();
    let text = text.strip_suffix(',').unwrap_or(text);
    if text.trim().is_empty() {
        return Some(sizes);
    }
    for size in text.split(',') {
        // NumPy of Python 2 wrote `5L`.
        sizes.push(size.trim().trim_end_matches('L').parse().ok()?);
    }
    (sizes.len() <= MOST_DIMENSIONS).then_some(sizes)
}

/// The type, its size in bytes, and whether it is big-endian. The error is what the elements are.
fn element_type(descr: &str) -> Result<(&'static str, usize, bool), String> {
    if descr == "[" {
        return Err("records of several fields".to_owned());
    }
    let (order, code) = match descr.strip_prefix(['<', '>', '|', '=']) {
        Some(code) => (descr.chars().next(), code),
        None => (None, descr),
    };
    let is_big_endian = match order {
        Some('>') => true,
        Some('=') | None => cfg!(target_endian = "big"),
        _ => false,
    };
    let known = match code {
        "f2" => ("float16", 2),
        "f4" => ("float32", 4),
        "f8" => ("float64", 8),
        "i1" => ("int8", 1),
        "i2" => ("int16", 2),
        "i4" => ("int32", 4),
        "i8" => ("int64", 8),
        "u1" => ("uint8", 1),
        "u2" => ("uint16", 2),
        "u4" => ("uint32", 4),
        "u8" => ("uint64", 8),
        "b1" => ("bool", 1),
        _ => {
            return Err(match code.chars().next() {
                Some('O') => "Python objects, which would have to be unpickled".to_owned(),
                Some('U' | 'S' | 'a') => "texts".to_owned(),
                Some('c') => "complex numbers".to_owned(),
                Some('M' | 'm') => "dates or times".to_owned(),
                Some('V') => "raw bytes without a type, as NumPy saves bfloat16".to_owned(),
                _ => format!("of the type `{}`", crate::text::escaped(descr)),
            });
        }
    };
    Ok((known.0, known.1, is_big_endian))
}
