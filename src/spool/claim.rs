//! Taking complete files out of the inbox, durably.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::Spool;
use super::folder::stat_of_file;
use super::lease;
use super::names::{Entry, EntryKind};
use super::plan::{Claim, FileKind, Writers};

/// From this many claims at once, one syncfs(2) replaces their fsync(2) calls. It also writes everything else
/// that is dirty on the file system, which costs more than a few fsyncs but less than many.
pub(super) const SHARED_SYNC_FROM: usize = 8;

/// What became of one claim.
#[derive(Debug)]
pub enum Claimed {
    /// The job is claimed, durably.
    Taken(Entry),
    /// The file changed or disappeared since the decision: look again.
    Changed(Claim),
    /// The disk refused.
    Failed(Claim, io::Error),
}

impl Spool {
    /// Claim entries of the inbox, in this order. Every job returned as taken is durable. All files are open
    /// at once, so the caller passes a few hundred at most.
    ///
    /// # Errors
    /// A folder could not be synced. What is durable is then unknown, so nothing may act on the claims; a
    /// restart finds out.
    pub fn claim(&mut self, claims: Vec<Claim>) -> io::Result<Vec<Claimed>> {
        let opened: Vec<(Claim, io::Result<Option<OwnedFd>>)> =
            claims.into_iter().map(|claim| (claim.clone(), self.open_unchanged(&claim))).collect();
        let shared = opened.len() >= SHARED_SYNC_FROM;
        let synced = if shared { self.inbox.sync_file_system() } else { Ok(()) };
        let mut outcomes: Vec<Claimed> = Vec::with_capacity(opened.len());
        for (claim, file) in opened {
            let kind = synced.as_ref().err().map(io::Error::kind);
            outcomes.push(match (kind, file) {
                (Some(kind), _) => Claimed::Failed(claim, kind.into()),
                (None, Err(error)) if error.kind() == io::ErrorKind::NotFound => Claimed::Changed(claim),
                (None, Err(error)) => Claimed::Failed(claim, error),
                (None, Ok(file)) => self.take(claim, file, shared),
            });
        }
        if outcomes.iter().any(|outcome| matches!(outcome, Claimed::Taken(_))) {
            // Both folders: after a power cut the name must be in exactly one of them.
            self.inbox.sync()?;
            self.queue.sync()?;
        }
        Ok(outcomes)
    }

    /// Open an entry if it is still the one that was decided on. `None` for what is never opened.
    fn open_unchanged(&self, claim: &Claim) -> io::Result<Option<OwnedFd>> {
        if claim.stat.kind != FileKind::Regular {
            return Ok(None);
        }
        let file = self.inbox.open_file(&claim.name).map_err(|error| match error.kind() {
            // It was a regular file when that was decided.
            io::ErrorKind::InvalidInput => io::ErrorKind::NotFound.into(),
            _ => error,
        })?;
        // An unfinished upload is taken as it is; any other file must not have changed.
        if !claim.unfinished && !stat_of_file(&file)?.same_content(&claim.stat) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Some(file))
    }

    fn take(&mut self, claim: Claim, file: Option<OwnedFd>, synced: bool) -> Claimed {
        let kind = if claim.unfinished { EntryKind::Unfinished } else { EntryKind::Job };
        let result = (|| {
            if let Some(file) = &file {
                if !synced {
                    rustix::fs::fsync(file)?;
                }
                // A file that was moved in and then overwritten in place: its writer is not done.
                let written = || lease::writers(file.as_fd()) == Writers::Some;
                if !claim.unfinished && (!stat_of_file(file)?.same_content(&claim.stat) || written()) {
                    return Ok(None);
                }
            }
            let entry = Entry { id: self.identity.next()?, kind, file: OsString::clone(&claim.name) };
            self.inbox.rename(&claim.name, &self.queue, entry.name().as_ref())?;
            Ok::<_, io::Error>(Some(entry))
        })();
        match result {
            Ok(Some(entry)) => Claimed::Taken(entry),
            Ok(None) => Claimed::Changed(claim),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Claimed::Changed(claim),
            Err(error) => Claimed::Failed(claim, error),
        }
    }
}
