//! From a finished bundle to the outbox, and from a finished job to `done/`.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

use super::Spool;
use super::folder::Folder;
use super::names::{Entry, JobId};

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
        let temporary = self.ready.join(format!(".{name}"));
        let written = fs_err::File::create(&temporary)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs_err::rename(&temporary, self.ready.join(name)))
            .and_then(|()| self.ready.sync());
        if written.is_err() {
            // The next start removes what remains.
            let _ = fs_err::remove_file(&temporary);
        }
        written
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
                let mut temporary = OsString::from(".");
                temporary.push(name);
                let copied = fs_err::copy(self.ready.join(name), outbox.join(&temporary))
                    .and_then(|_| fs_err::File::open(outbox.join(&temporary))?.sync_all())
                    .and_then(|()| outbox.rename(&temporary, &outbox, name));
                if copied.is_err() {
                    let _ = outbox.remove(&temporary);
                }
                copied?;
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
pub(super) fn clean_ready(ready: &Folder) -> io::Result<Vec<String>> {
    let mut whole = Vec::new();
    for name in ready.names()? {
        match name.to_str() {
            Some(name) if !name.starts_with('.') => whole.push(name.to_owned()),
            _ => ready.remove(&name)?,
        }
    }
    whole.sort();
    Ok(whole)
}
