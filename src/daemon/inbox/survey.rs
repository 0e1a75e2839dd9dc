//! What the inbox has of a job's files: those that its job file names, and those that its models refer to.
//! Opens model files, but copies nothing.

use std::ffi::OsStr;
use std::io;
use std::time::{Duration, Instant};

use super::admit::{Rejection, check_memory, not_a_file};
use super::locations::{Locations, NotListed, bare};
use crate::bundle::format::Stage;
use crate::spec::Job;
use crate::spec::files::Purpose;
use crate::spool::Folder;
use crate::spool::plan::{ModelState, Stat, Tracker};

/// A file that a job waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Its name in the inbox.
    pub(crate) file: String,
    /// What a person cannot know from the job file; `None` if that names it.
    pub(crate) why: Option<String>,
}

impl Missing {
    /// A file that the job file names.
    pub(super) fn named(file: &str) -> Self {
        Self { file: file.to_owned(), why: None }
    }
}

/// All files of a job, each fully uploaded.
#[derive(Debug, Clone, Default)]
pub(super) struct JobFiles {
    /// Each file once, in the order in which they are copied.
    pub(super) files: Vec<(String, Stat)>,
    /// Names of the further files of each of [`Job::models`], sorted.
    pub(super) parts: Vec<Vec<String>>,
}

/// What there is.
#[derive(Debug)]
pub(super) enum Survey {
    /// All of them.
    Whole(JobFiles),
    /// These are missing or not fully uploaded, and if none of them changes, look again then.
    Missing(Vec<Missing>, Option<Instant>),
    /// One of them is unusable.
    Rejected(Rejection),
    /// The disk refused: the host's trouble, not the job's.
    Trouble(io::Error),
}

/// Looks through an inbox.
pub(super) struct Surveyor<'a> {
    pub(super) inbox: &'a Folder,
    pub(super) tracker: &'a mut Tracker,
    pub(super) locations: &'a mut Locations,
    /// The host's main memory; `None` if it could not be observed.
    pub(super) memory_bytes: Option<u64>,
    /// A file that is shorter than its model says may grow for this long.
    pub(super) patience: Duration,
    pub(super) now: Instant,
}

/// Why the files are not all there.
enum Obstacle {
    Rejected(Rejection),
    Trouble(io::Error),
}

impl Surveyor<'_> {
    /// Look for the files of a job.
    pub(super) fn survey(mut self, job: &Job) -> Survey {
        let mut found = JobFiles::default();
        let mut missing = Missings::default();
        for wanted in job.files() {
            let looked = match self.whole(wanted.file) {
                Err(obstacle) => Err(obstacle),
                Ok(None) => {
                    missing.add(Missing::named(wanted.file));
                    Ok(())
                }
                Ok(Some(stat)) => {
                    found.add(wanted.file, stat);
                    match wanted.purpose {
                        Purpose::Model(_) => self.parts(wanted.file, &stat, &mut found, &mut missing),
                        Purpose::Input => Ok(()),
                    }
                }
            };
            match looked {
                Ok(()) => {}
                Err(Obstacle::Rejected(rejection)) => return Survey::Rejected(rejection),
                Err(Obstacle::Trouble(error)) => return Survey::Trouble(error),
            }
        }
        if missing.files.is_empty() {
            Survey::Whole(found)
        } else {
            Survey::Missing(missing.files, missing.until)
        }
    }

    /// The file, if it is fully uploaded.
    fn whole(&mut self, file: &str) -> Result<Option<Stat>, Obstacle> {
        match self.tracker.model(&mut &*self.inbox, OsStr::new(file), self.now) {
            ModelState::Whole(stat) => Ok(Some(stat)),
            ModelState::Missing | ModelState::Unfinished => Ok(None),
            ModelState::NotAFile => Err(Obstacle::Rejected(not_a_file(file))),
        }
    }

    /// The further files of a model. All of it together must fit into the memory.
    fn parts(
        &mut self,
        model: &str,
        stat: &Stat,
        found: &mut JobFiles,
        missing: &mut Missings,
    ) -> Result<(), Obstacle> {
        let listed = match self.locations.of(self.inbox, OsStr::new(model), stat) {
            Ok(files) => files.to_vec(),
            Err(NotListed::Changed) => {
                missing.add(Missing::named(model));
                return Ok(());
            }
            Err(NotListed::Rejected(rejection)) => return Err(Obstacle::Rejected(rejection)),
            Err(NotListed::Trouble(error)) => return Err(Obstacle::Trouble(error)),
        };
        let (mut names, mut bytes) = (Vec::new(), stat.size);
        for file in listed {
            let name = bare(&file.location);
            match self.whole(name)? {
                None => {
                    let why = format!("`{model}` keeps weights in `{name}`");
                    missing.add(Missing { file: name.to_owned(), why: Some(why) });
                }
                Some(part) if part.size < file.least_bytes => {
                    let why = format!(
                        "`{name}` has {} bytes, and `{model}` needs {} of it for its tensor `{}`",
                        part.size, file.least_bytes, file.tensor
                    );
                    let until =
                        self.tracker.unchanged_since(OsStr::new(name)).map(|since| since + self.patience);
                    match until.filter(|until| *until > self.now) {
                        Some(until) => {
                            missing.add_until(Missing { file: name.to_owned(), why: Some(why) }, until);
                        }
                        None => return Err(Obstacle::Rejected(too_short(why))),
                    }
                }
                Some(part) => {
                    found.add(name, part);
                    bytes = bytes.saturating_add(part.size);
                    names.push(name.to_owned());
                }
            }
        }
        names.sort();
        names.dedup();
        found.parts.push(names);
        // Before any is copied: what does not fit into the memory may not fit on the disk twice either.
        check_memory(model, bytes, self.memory_bytes).map_err(Obstacle::Rejected)
    }
}

fn too_short(why: String) -> Rejection {
    let hint = "upload the file again, from the same export as the model";
    Rejection::new(Stage::Model, "external_data_too_short", why, hint)
}

#[derive(Default)]
struct Missings {
    files: Vec<Missing>,
    until: Option<Instant>,
}

impl Missings {
    fn add(&mut self, missing: Missing) {
        if !self.files.iter().any(|known| known.file == missing.file) {
            self.files.push(missing);
        }
    }

    fn add_until(&mut self, missing: Missing, until: Instant) {
        self.add(missing);
        self.until = self.until.into_iter().chain([until]).min();
    }
}

impl JobFiles {
    fn add(&mut self, file: &str, stat: Stat) {
        if !self.files.iter().any(|(known, _)| known == file) {
            self.files.push((file.to_owned(), stat));
        }
    }
}
