//! A job whose files are being copied into the spool, a slice at a time.
//!
//! One job is copied at a time, by the daemon's own loop between its other duties, and nothing is measured
//! meanwhile. Small files are done within the first slice.

use std::ffi::OsStr;
use std::io;
use std::time::{Duration, Instant};

use super::admit::{Rejection, check_digest, check_format};
use super::survey::JobFiles;
use crate::daemon::job::ReadJob;
use crate::guarded;
use crate::spec::files::{JobFile, Purpose};
use crate::spool::journal::{BoundFile, BoundModel};
use crate::spool::plan::Tracker;
use crate::spool::{Begun, Copy, CopyError, Slice, Spool, is_shortage};

/// How long one slice may take, so that a signal is obeyed soon.
const SLICE: Duration = Duration::from_millis(100);

/// The copying of one job's files.
#[derive(Debug)]
pub(super) struct Copying {
    pub(super) read: ReadJob,
    pub(super) since: Instant,
    files: JobFiles,
    taken: Vec<BoundFile>,
    copy: Option<Box<Copy>>,
    /// How often in a row the disk refused these files.
    pub(super) refusals: u32,
}

/// What a slice came to.
#[derive(Debug)]
pub(super) enum Copied {
    /// There is more to copy.
    More,
    /// All are copied: the models in the order of the job, and all others.
    All(Vec<BoundModel>, Vec<BoundFile>),
    /// This file changed or is gone.
    Changed(String),
    /// One of them is unusable.
    Rejected(Rejection),
    /// They cannot be copied now.
    Refused(CopyError),
}

impl Copying {
    /// Of these files, for a job that has waited since then.
    pub(super) fn new(read: ReadJob, since: Instant, files: JobFiles) -> Self {
        Self { read, since, files, taken: Vec::new(), copy: None, refusals: 0 }
    }

    /// After so many refusals.
    pub(super) fn after(self, refusals: u32) -> Self {
        Self { refusals, ..self }
    }

    /// Bytes to copy.
    pub(super) fn bytes(&self, spool: &Spool) -> u64 {
        self.files.files.iter().map(|(_, stat)| spool.models.bytes_to_copy(stat)).sum()
    }

    /// Name of the file that is copied, the bytes done, and of how many.
    pub(super) fn progress(&self) -> Option<(&str, u64, u64)> {
        self.copy.as_ref().map(|copy| copy.progress())
    }

    /// Copy for one slice.
    pub(super) fn advance(&mut self, spool: &mut Spool, tracker: &mut Tracker) -> Copied {
        let until = Instant::now() + SLICE;
        loop {
            let Some((name, _)) = self.files.files.get(self.taken.len()) else {
                // The journal is about to name them.
                let synced = spool.models.sync();
                return synced.map_or_else(|error| Copied::Refused(error.into()), |()| self.all());
            };
            let name = name.clone();
            match self.advance_file(spool, until) {
                Ok(None) => return Copied::More,
                Ok(Some(Begun::There(file))) => {
                    tracker.used(OsStr::new(&name), Instant::now());
                    match self.check(spool, &file) {
                        Ok(Ok(())) => {}
                        Ok(Err(rejection)) => return Copied::Rejected(rejection),
                        Err(error) => return Copied::Refused(error.into()),
                    }
                    self.taken.push(file);
                }
                Ok(Some(_)) => return Copied::Changed(name),
                Err(error) => return Copied::Refused(error),
            }
        }
    }

    /// `None` if the time is up before the file is copied.
    fn advance_file(&mut self, spool: &mut Spool, until: Instant) -> Result<Option<Begun>, CopyError> {
        let (name, stat) = &self.files.files[self.taken.len()];
        let job = &self.read.queued.entry.id;
        let mut copy = match self.copy.take() {
            Some(copy) => copy,
            None => {
                let others = self.files.files.iter().skip(self.taken.len() + 1);
                let more_bytes = others.map(|(_, stat)| spool.models.bytes_to_copy(stat)).sum();
                match spool.models.begin(&spool.inbox, OsStr::new(name), stat, job, more_bytes)? {
                    Begun::Copying(copy) => copy,
                    other => return Ok(Some(other)),
                }
            }
        };
        if copy.advance(until)? == Slice::More {
            self.copy = Some(copy);
            return Ok(None);
        }
        Ok(Some(spool.models.end(*copy, job)?.map_or(Begun::Changed, Begun::There)))
    }

    /// Is the copy what the job file says? An error of the host, short of something, says nothing about it.
    fn check(&self, spool: &Spool, copied: &BoundFile) -> io::Result<Result<(), Rejection>> {
        let job = &self.read.job;
        let path = spool.models.path(&copied.sha256);
        guarded::open_path(&path).map(drop).or_else(
            |error| {
                if is_shortage(&error) { Err(error) } else { Ok(()) }
            },
        )?;
        let mut of_file = job.files().into_iter().filter(|wanted| wanted.file == copied.file);
        let is_as_wanted = |wanted: JobFile<'_>| {
            check_digest(&wanted, &copied.sha256)?;
            match wanted.purpose {
                Purpose::Model(index) => check_format(&path, job, index),
                Purpose::Input => Ok(()),
            }
        };
        Ok(of_file.try_for_each(is_as_wanted))
    }

    fn all(&self) -> Copied {
        let of = |name: &str| self.taken.iter().find(|file| file.file == name).cloned().unwrap_or_default();
        let (mut models, mut inputs) = (Vec::new(), Vec::new());
        for wanted in self.read.job.files() {
            match wanted.purpose {
                Purpose::Model(index) => {
                    let parts = self.files.parts.get(index).map(Vec::as_slice).unwrap_or_default();
                    let parts = parts.iter().map(|name| of(name)).collect();
                    models.push(BoundModel { main: of(wanted.file), parts });
                }
                Purpose::Input => inputs.push(of(wanted.file)),
            }
        }
        Copied::All(models, inputs)
    }
}
