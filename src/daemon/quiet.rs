//! What the daemon does while a worker lives, or while it waits for a cool host: it feeds the watchdog, looks whether the job is
//! to be cancelled, and lets the sensors be read. It sleeps between these, once a second at most within the timed runs.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::inbox::Wake;
use super::job::QueuedJob;
use super::sensing::Sensing;
use super::service::Service;
use crate::worker::parent::{Control, Watch};
use crate::worker::protocol::Pause;

/// What the parent of a worker asks while it sleeps.
pub(super) struct Quiet<'a> {
    wake: &'a Wake,
    service: &'a mut Service,
    sensing: &'a mut Sensing,
    cancel_files: Vec<PathBuf>,
    control: PathBuf,
    control_changed: Option<SystemTime>,
    is_cancelled: bool,
    queued: &'a QueuedJob,
    /// Reads the power state again: before the timed runs, or after.
    pub(super) look_at_power: Option<&'a mut dyn FnMut(bool)>,
}

impl<'a> Quiet<'a> {
    /// For one trial of this job, or the wait before it.
    pub(super) fn new(
        wake: &'a Wake,
        service: &'a mut Service,
        sensing: &'a mut Sensing,
        inbox: &Path,
        control: &Path,
        queued: &'a QueuedJob,
    ) -> Self {
        Self {
            wake,
            service,
            sensing,
            cancel_files: cancel_files(inbox, queued),
            control: control.to_owned(),
            control_changed: changed(control),
            is_cancelled: false,
            queued,
            look_at_power: None,
        }
    }

    /// The sensors.
    pub(super) fn sensing(&mut self) -> &mut Sensing {
        self.sensing
    }

    /// Is anything to end what goes on?
    pub(super) fn control(&mut self) -> Control {
        self.wake.clear();
        self.service.feed_watchdog(Instant::now());
        if self.wake.stop_requested() {
            return Control::Stop;
        }
        let control_changed = changed(&self.control);
        if control_changed != self.control_changed {
            self.control_changed = control_changed;
            self.is_cancelled |= super::control::cancels(&self.control, self.queued);
        }
        self.is_cancelled |= self.cancel_files.iter().any(|file| file.exists());
        if self.is_cancelled { Control::Cancel } else { Control::Continue }
    }
}

impl Watch for Quiet<'_> {
    fn interrupt(&self) -> Option<BorrowedFd<'_>> {
        Some(self.wake.descriptor())
    }

    fn pause(&mut self, at: Pause) -> Duration {
        // The sensors go nearest to the timed runs: they change faster, and a tool of the host may take its time.
        if let Some(look) = self.look_at_power.as_mut().filter(|_| at == Pause::BeforeTiming) {
            look(false);
        }
        let wait = self.sensing.pause(at);
        if let Some(look) = self.look_at_power.as_mut().filter(|_| at == Pause::AfterTiming) {
            look(true);
        }
        wait
    }

    fn tick_after(&self) -> Duration {
        self.sensing.tick_after()
    }

    fn tick(&mut self) -> Control {
        self.sensing.tick();
        self.control()
    }
}

/// Time of a folder's last change: one system call tells whether there is anything to read.
fn changed(folder: &Path) -> Option<SystemTime> {
    fs_err::metadata(folder).and_then(|stat| stat.modified()).ok()
}

/// The cancel files that would mean this job.
fn cancel_files(inbox: &Path, queued: &QueuedJob) -> Vec<PathBuf> {
    let file = PathBuf::from(&queued.entry.file);
    let stem = file.file_stem().unwrap_or_default().to_owned();
    let names = [stem, file.into_os_string(), queued.name.clone().into(), queued.entry.id.to_string().into()];
    let with_ending = |mut name: std::ffi::OsString| {
        name.push(".cancel");
        // A job's name is free text; a separator in it can not be a file's name.
        (Path::new(&name).components().count() == 1).then(|| inbox.join(name))
    };
    names.into_iter().filter_map(with_ending).collect()
}
