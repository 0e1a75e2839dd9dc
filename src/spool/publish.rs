//! From a finished bundle to the outbox, and from a finished job to `done/`.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

use super::folder::Folder;
use super::names::{Entry, JobId};
use super::plan::FileKind;
use super::{Spool, Unexpected, remove_or_note};

/// Where a bundle is after [`Spool::publish`].
#[derive(Debug)]
pub enum Published {
    /// In the outbox.
    Yes,
    /// Still in `ready/`, because the outbox refused it. Nothing is lost; the daemon tries again.
    Later(io::Error),
}

impl Spool {
    /// Write a bundle into `ready/`. It is durable under its name when this returns.
    ///
    /// # Errors
    /// The disk is full or broken; no part of the file remains.
    pub fn make_ready(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if !self.ready.is_still_there() {
            // What is written into a folder that was moved away would never be published.
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{} is gone", self.ready.path().display()),
            ));
        }
        let name = OsStr::new(name);
        let mut file = self.ready.new_file(name)?;
        file.file().write_all(bytes)?;
        file.file().sync_all()?;
        file.place(name)?;
        self.ready.sync()
    }

    /// Publish a bundle from `ready/`: rename it into the outbox, or copy and rename it if the outbox is on
    /// another file system.
    pub fn publish(&self, name: &str) -> Published {
        match self.try_publish(OsStr::new(name)) {
            Ok(()) => Published::Yes,
            Err(error) => Published::Later(error),
        }
    }

    /// Finish a job: keep its file for `retry`, remove its models and its journal.
    ///
    /// # Errors
    /// The disk refused; the next start tries again.
    pub fn retire(&mut self, entry: &Entry) -> io::Result<()> {
        let name = OsString::from(entry.name());
        match self.queue.rename(&name, &self.done, &name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The journal records that the bundles are published. It must not disappear while the job could come
        // back.
        self.done.sync()?;
        self.queue.sync()?;
        self.forget(&entry.id)
    }

    /// Remove the files of finished jobs, except the newest ones.
    ///
    /// # Errors
    /// The folder is unreadable.
    pub(crate) fn prune_done(&self, keep: usize) -> io::Result<()> {
        let mut entries: Vec<Entry> =
            self.done.names()?.iter().filter_map(|name| Entry::parse(name)).collect();
        entries.sort_by(|a, b| b.id.cmp(&a.id));
        for entry in entries.iter().skip(keep) {
            self.done.remove(entry.name().as_ref())?;
        }
        Ok(())
    }

    fn forget(&mut self, id: &JobId) -> io::Result<()> {
        self.models.release(id);
        match fs_err::remove_file(self.journal.join(format!("{id}.jsonl"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn try_publish(&self, name: &OsStr) -> io::Result<()> {
        // Opened each time, because an outbox may be unmounted and mounted again between two bundles.
        let outbox = Folder::open(&self.outbox)?;
        match self.ready.rename(name, &outbox, name) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let mut copy = outbox.new_file(name)?;
                io::copy(&mut std::fs::File::from(self.ready.open_file(name)?), copy.file())?;
                copy.file().sync_all()?;
                copy.place(name)?;
                outbox.sync()?;
                self.ready.remove(name)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => outbox.sync(),
        }
    }
}

/// Remove incomplete bundles; return the names of the complete ones.
pub(super) fn clean_ready(ready: &Folder, oddities: &mut Vec<Unexpected>) -> io::Result<Vec<String>> {
    let mut whole = Vec::new();
    for name in ready.names()? {
        let is_file = ready.entry(&name).is_some_and(|found| found.kind == FileKind::Regular);
        match name.to_str() {
            Some(name) if !name.starts_with('.') && is_file => whole.push(name.to_owned()),
            _ => remove_or_note(ready, &name, oddities),
        }
    }
    whole.sort();
    Ok(whole)
}
