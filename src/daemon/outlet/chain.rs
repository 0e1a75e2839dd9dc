//! The chain of a host: each bundle names the digest of the file before it, so that one which is altered or
//! missing is noticed at the desk.
//!
//! The newest link is a file in the state folder. A bundle is made ready, then the file is written, durably,
//! and only then is the bundle published: whatever is in an outbox is in the chain. A process that was killed
//! between the two left a bundle in `ready/` that is the next of the chain, and the next start takes it up;
//! otherwise two bundles would have the same number. Without the file a new chain begins.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::bundle::format::{ChainHead, Integrity};
use crate::bundle::read::decode;
use crate::daemon::job::SpecFile;
use crate::guarded::{self, Synced, random_letters};
use crate::spool::Spool;

/// The file in the state folder.
pub(crate) const FILE: &str = "chain.json";

/// More than the file ever has.
const LARGEST_BYTES: u64 = 4096;

/// Letters of a chain's name.
const NAME_LETTERS: usize = 12;

/// Only the newest bundle in `ready/` can be one that the file does not know; files of one tick of the clock
/// look equally new.
const NEWEST_READY: usize = 4;

/// The chain.
#[derive(Debug)]
pub(in crate::daemon) struct Chain {
    state: PathBuf,
    /// The newest bundle; number 0 before the first.
    head: ChainHead,
}

/// What a bundle becomes in the chain once its bytes are durable.
#[derive(Debug, Clone)]
pub(super) struct Link(ChainHead);

impl Chain {
    /// The chain of this state folder, or a new one.
    pub(super) fn open(state: &Path) -> Self {
        let read = guarded::read_path(&state.join(FILE), LARGEST_BYTES);
        let head = match read.map(|text| serde_json::from_slice::<ChainHead>(&text)) {
            Ok(Ok(head)) => Some(head),
            Ok(Err(error)) => {
                log::error!(
                    "cannot understand {}: {error}; a new chain of bundles begins",
                    state.join(FILE).display()
                );
                None
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                log::error!("{error}; a new chain of bundles begins");
                None
            }
        };
        let new = || ChainHead {
            // Without a random generator the chain has no name, and the bundles still their digests.
            chain: random_letters(NAME_LETTERS).unwrap_or_default(),
            sequence: 0,
            sha256: String::new(),
        };
        Self { state: state.to_owned(), head: head.unwrap_or_else(new) }
    }

    /// Let the next start begin a new chain, because this state folder came with a copied image, and its
    /// original goes on with the chain.
    ///
    /// # Errors
    /// The disk refuses.
    pub(in crate::daemon) fn end(state: &Path) -> io::Result<()> {
        match fs_err::remove_file(state.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // Durable with the file of the host's id, which is in the same folder.
            ended => ended,
        }
    }

    /// Take up a bundle that a killed process made ready and did not put into the chain.
    pub(super) fn take_up(&mut self, ready: &[String], spool: &Spool) {
        let modified = |name: &&String| spool.ready_entry(name).map(|found| found.modified_ns);
        let mut newest: Vec<&String> = ready.iter().collect();
        newest.sort_by_key(modified);
        for name in newest.into_iter().rev().take(NEWEST_READY) {
            let Some(link) = spool.read_ready(OsStr::new(name)).ok().and_then(|bytes| self.next_link(&bytes))
            else {
                continue;
            };
            if let Err(error) = self.advance(&link) {
                // The next bundle tries again, and is held up as long as the disk refuses.
                log::error!("cannot keep the chain of bundles: {error}");
                self.head = link.0;
            }
            return;
        }
    }

    /// If these bytes are the next bundle of the chain.
    fn next_link(&self, bytes: &[u8]) -> Option<Link> {
        let integrity = decode(bytes).ok()?.integrity?;
        let is_first = self.head.sequence == 0 && integrity.sequence == 1;
        let follows = integrity.chain == self.head.chain
            && integrity.sequence == self.head.sequence + 1
            && integrity.previous_sha256.as_ref() == Some(&self.head.sha256);
        (is_first || follows).then(|| link(&integrity, bytes))
    }

    /// The place of the next bundle.
    pub(super) fn next(&self, spec: &SpecFile, harness_sha256: Option<String>) -> Integrity {
        let digest = |text: &Vec<u8>| HEXLOWER.encode(&Sha256::digest(text));
        Integrity {
            chain: self.head.chain.clone(),
            sequence: self.head.sequence + 1,
            previous_sha256: (self.head.sequence > 0).then(|| self.head.sha256.clone()),
            spec_sha256: spec.text.as_ref().map(digest),
            harness_sha256,
        }
    }

    /// A bundle is durable: it is the newest of the chain, durably.
    ///
    /// # Errors
    /// The disk refuses. The bundle must not be published.
    pub(super) fn advance(&mut self, link: &Link) -> io::Result<()> {
        let mut text = serde_json::to_vec(&link.0)?;
        text.push(b'\n');
        guarded::write(&self.state, FILE, &text, Synced::Yes)?;
        self.head.clone_from(&link.0);
        Ok(())
    }

    /// The newest bundle, if there is any.
    pub(super) fn head(&self) -> Option<&ChainHead> {
        Some(&self.head).filter(|head| head.sequence > 0)
    }
}

/// Of a bundle with this place and these bytes.
pub(super) fn link(integrity: &Integrity, bytes: &[u8]) -> Link {
    Link(ChainHead {
        chain: integrity.chain.clone(),
        sequence: integrity.sequence,
        sha256: HEXLOWER.encode(&Sha256::digest(bytes)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::lab::Lab;

    #[test]
    fn chain_goes_on_after_a_restart_and_a_new_one_begins_without_its_file() {
        let lab = Lab::new();
        let mut chain = Chain::open(&lab.config.state);
        assert_eq!(chain.head(), None);
        let first = chain.next(&SpecFile::default(), None);
        assert_eq!((first.sequence, &first.previous_sha256), (1, &None));
        chain.advance(&link(&first, b"first")).unwrap();
        let again = Chain::open(&lab.config.state);
        let second = again.next(&SpecFile::default(), None);
        assert_eq!((second.sequence, &second.chain), (2, &first.chain));
        assert_eq!(second.previous_sha256, Some(HEXLOWER.encode(&Sha256::digest(b"first"))));
        for damage in [&b"{"[..], b"{}", b""] {
            fs_err::write(lab.config.state.join(FILE), damage).unwrap();
            let new = Chain::open(&lab.config.state).next(&SpecFile::default(), None);
            assert_eq!(new.sequence, 1);
            assert_ne!(new.chain, first.chain);
        }
    }
}
