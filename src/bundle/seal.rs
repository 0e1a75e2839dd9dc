//! The seal of a bundle's file: the SHA-256 of its compressed bytes, in an extra field of its gzip header
//! (RFC 1952 §2.3.1.1), which other programs skip. Every other byte of the header has one value only, so any
//! change of the file is found without any other file.
//!
//! It is no signature: whoever changes a bundle on purpose can seal it anew. That is what the chain of a host
//! is for ([`Integrity`](super::format::Integrity)): each bundle has the digest of the file before it.

use std::io::{self, Read};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// Header of a sealed file up to its digest: gzip, deflate, an extra field, time 0, no flags of the
/// compression, system unknown; the extra field has 36 bytes; its only subfield is ours and has 32.
const HEAD: &[u8; 16] = &[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 36, 0, b'B', b'B', 32, 0];

/// Bytes of a plain header, which [`seal`] replaces.
const PLAIN_HEAD_BYTES: usize = 10;

/// Bytes of a digest.
const DIGEST_BYTES: usize = 32;

/// What the seal of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seal {
    /// It is as it was made.
    Whole,
    /// It was changed.
    Broken,
    /// It has none: an older program made it.
    None,
}

/// Seal a gzip file with a plain header.
pub(super) fn seal(gzip: &[u8]) -> Vec<u8> {
    let body = gzip.get(PLAIN_HEAD_BYTES..).unwrap_or_default();
    let digest = Sha256::digest(body);
    [&HEAD[..], &digest, body].concat()
}

/// Reads a file, and knows at its end what its seal says and the digest of all its bytes.
#[derive(Debug)]
pub(crate) struct Sealed<R> {
    inner: R,
    head: Vec<u8>,
    body: Sha256,
    whole: Sha256,
}

impl<R: Read> Sealed<R> {
    /// Read through this.
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, head: Vec::new(), body: Sha256::new(), whole: Sha256::new() }
    }

    /// After all bytes were read: the SHA-256 of the file, in lower-case hex, and its seal.
    pub(crate) fn finish(self) -> (String, Seal) {
        let whole = HEXLOWER.encode(&self.whole.finalize());
        let seal = match self.head.split_at_checked(HEAD.len()) {
            Some((head, digest)) if head == HEAD => {
                if digest == &self.body.finalize()[..] {
                    Seal::Whole
                } else {
                    Seal::Broken
                }
            }
            _ => Seal::None,
        };
        (whole, seal)
    }
}

impl<R: Read> Read for Sealed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        let bytes = &buffer[..length];
        self.whole.update(bytes);
        let of_head = bytes.len().min(HEAD.len() + DIGEST_BYTES - self.head.len());
        self.head.extend_from_slice(&bytes[..of_head]);
        self.body.update(&bytes[of_head..]);
        Ok(length)
    }
}
