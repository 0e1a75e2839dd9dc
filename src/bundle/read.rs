//! Reads a bundle from the bytes of its file, and gives the schema of its contents.
//!
//! Reads every version since 1. Unknown keys are ignored, so an older program reads a newer bundle of the
//! same version. The bytes are not trusted: the memory that they may take is limited.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde_json::Value;

use crate::bundle::format::{Bundle, FORMAT};
use crate::error::Hint;

/// Largest size of a decompressed bundle. Ten million latencies of 20 digits fit; a file made to exhaust
/// memory does not.
pub(crate) const LARGEST_BUNDLE_BYTES: u64 = 256 * 1024 * 1024;

/// Latencies of a bundle that its readers take: those of a job are at most that many for each configuration.
/// As many of 16 digits, which is ten times the longest time limit, leave a third of the size for everything
/// else.
pub(crate) const MOST_LATENCIES: u64 = 10_000_000;

/// The part of [`FORMAT`] before the version.
const FORMAT_FAMILY: &str = "backbone.bundle/";

/// Why bytes cannot be read as a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The bytes could not be read.
    #[error("cannot read the bundle")]
    Unreadable(#[source] io::Error),
    /// It does not start like a gzip file.
    #[error("not a bundle: the file is not gzip-compressed")]
    NotGzip,
    /// It ends too early.
    #[error("the bundle is truncated: its compressed data ends too early")]
    Truncated,
    /// The compressed data or its checksum is wrong.
    #[error("the bundle is damaged: it does not decompress")]
    Damaged(#[source] io::Error),
    /// Bytes follow the end of the compressed data.
    #[error("the bundle is damaged: more bytes follow its end")]
    TrailingBytes,
    /// It decompresses to more than [`LARGEST_BUNDLE_BYTES`].
    #[error("the bundle decompresses to more than {} MiB", limit_bytes / (1024 * 1024))]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// Not JSON, or JSON without the keys of a bundle.
    #[error("not a bundle: its JSON does not have the form of `{FORMAT}`")]
    NotABundle(#[source] serde_json::Error),
    /// JSON of another format.
    #[error("not a bundle: its `format` is {0:?}")]
    UnknownFormat(String),
    /// A version newer than this program.
    #[error("the bundle has format `{found}`; this program reads up to `{FORMAT}`")]
    NewerFormat {
        /// Its `format`.
        found: String,
    },
}

impl Hint for ReadError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreadable(_) => "check that the file exists and is readable",
            Self::NotGzip | Self::NotABundle(_) | Self::UnknownFormat(_) => {
                "name files `….json.gz` from an outbox"
            }
            Self::Truncated | Self::Damaged(_) | Self::TrailingBytes => {
                "copy the file from the outbox again; bundles there are always complete"
            }
            Self::TooLarge { .. } => "check where the file comes from; no measurement is that large",
            Self::NewerFormat { .. } => "update this program to at least the version that wrote the bundle",
        };
        Some(hint.to_owned())
    }
}

/// Reads one bundle, to the end of the bytes.
///
/// # Errors
/// A [`ReadError`] for each way in which reading can fail.
pub fn decode(bytes: impl Read) -> Result<Bundle, ReadError> {
    decode_within(bytes, LARGEST_BUNDLE_BYTES).map(|(bundle, _)| bundle)
}

/// [`decode`] with the caller's limit; also returns the JSON that the bundle was read from.
pub(crate) fn decode_within(bytes: impl Read, limit_bytes: u64) -> Result<(Bundle, Vec<u8>), ReadError> {
    let json = decompressed(bytes, limit_bytes)?;
    let read = serde_json::from_slice::<Bundle>(&json);
    let head = match &read {
        Ok(bundle) => Head { format: bundle.format.clone() },
        // Only to name the format found: a valid bundle is parsed once.
        Err(_) => serde_json::from_slice(&json).map_err(ReadError::NotABundle)?,
    };
    check_version(&head.format)?;
    Ok((read.map_err(ReadError::NotABundle)?, json))
}

/// JSON Schema (2020-12) of the bundles that this program writes.
pub fn schema() -> Value {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Bundle>()
        .to_value()
}

/// The key that every version has.
#[derive(Deserialize)]
struct Head {
    format: String,
}

fn check_version(format: &str) -> Result<(), ReadError> {
    let present = version(FORMAT);
    match version(format) {
        Some(found) if Some(found) > present => Err(ReadError::NewerFormat { found: format.to_owned() }),
        Some(1..) => Ok(()),
        _ => Err(ReadError::UnknownFormat(format.to_owned())),
    }
}

fn version(format: &str) -> Option<u64> {
    let digits = format.strip_prefix(FORMAT_FAMILY)?;
    // `parse` would also take "+1" and "01".
    (digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0'))
        .then(|| digits.parse().ok())?
}

fn decompressed(bytes: impl Read, limit_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let mut input = BufReader::new(bytes);
    let start = input.fill_buf().map_err(ReadError::Unreadable)?;
    if start.is_empty() {
        return Err(ReadError::Truncated);
    }
    if start[0] != 0x1f || start.get(1).is_some_and(|&second| second != 0x8b) {
        return Err(ReadError::NotGzip);
    }
    let mut gzip = GzDecoder::new(input);
    let mut json = Vec::new();
    gzip.by_ref().take(limit_bytes.saturating_add(1)).read_to_end(&mut json).map_err(
        |source| match source.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Truncated,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => ReadError::Damaged(source),
            _ => ReadError::Unreadable(source),
        },
    )?;
    if json.len() as u64 > limit_bytes {
        return Err(ReadError::TooLarge { limit_bytes });
    }
    let mut rest = gzip.into_inner();
    if !rest.fill_buf().map_err(ReadError::Unreadable)?.is_empty() {
        return Err(ReadError::TrailingBytes);
    }
    Ok(json)
}
