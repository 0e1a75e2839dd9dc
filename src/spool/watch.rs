//! Watching the inbox and the control folder: turns reports of `notify` into [`Hint`]s and one wake-up.
//!
//! The watcher's thread only queues names; it never touches a file. It watches for arrivals only (created,
//! moved in, closed after writing), so that neither our own opens and claims nor the writes of a long upload
//! wake the daemon. During timed runs, [`Watch::pause`] removes the watch; the rescan after [`Watch::resume`]
//! finds what arrived.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::plan::{Hint, HintEvent};
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Config, Event, EventKind, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher};

/// How many hints to keep. Further ones are dropped in favour of a rescan, as the kernel does with its own
/// queue.
const KEPT_HINTS: usize = 65_536;

/// A running watch.
pub(crate) struct Watch {
    /// `None` while the host has no room for one.
    watcher: Option<RecommendedWatcher>,
    inbox: PathBuf,
    watching: bool,
    control: PathBuf,
    watching_control: bool,
    shared: Arc<Shared>,
}

/// What was seen since the last [`Watch::take`].
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Arrivals in the inbox, in order.
    pub hints: Vec<Hint>,
    /// Something may have been missed: look at every entry.
    pub rescan: bool,
    /// A command put something into the control folder.
    pub control: bool,
}

struct Shared {
    seen: Mutex<Seen>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Watch {
    /// Watch both folders. The watcher's thread calls `wake` whenever it sees something. If that is not
    /// possible now, [`Watch::resume`] says why.
    pub(crate) fn start(inbox: &Path, control: &Path, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        let first = Seen { rescan: true, control: true, ..Seen::default() };
        let shared = Arc::new(Shared { seen: Mutex::new(first), wake });
        let mut watch = Self {
            watcher: None,
            inbox: inbox.to_owned(),
            watching: false,
            control: control.to_owned(),
            watching_control: false,
            shared,
        };
        // Asked for again by whoever wants to know.
        let _ = watch.resume();
        watch
    }

    /// Watch the folder of requests again after it was made again.
    ///
    /// # Errors
    /// As [`Watch::resume`].
    pub(crate) fn watch_control(&mut self) -> Result<(), notify::Error> {
        if let Some(watcher) = &mut self.watcher {
            // Fails if the watch went with the old folder.
            let _ = watcher.unwatch(&self.control);
        }
        self.watching_control = false;
        self.open()
    }

    /// Everything seen since the last call.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut *self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stop watching the inbox: until [`Watch::resume`], nothing there wakes this process.
    pub(crate) fn pause(&mut self) {
        if std::mem::take(&mut self.watching)
            && let Some(watcher) = &mut self.watcher
        {
            // Fails if the inbox is gone; then there is nothing to stop.
            let _ = watcher.unwatch(&self.inbox);
        }
    }

    /// Watch the inbox (again) and request a rescan, because arrivals in between were not seen.
    ///
    /// # Errors
    /// A limit of inotify is reached, or a folder is missing.
    pub(crate) fn resume(&mut self) -> Result<(), notify::Error> {
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.control |= !self.watching_control;
        if !self.watching {
            // Before the watch starts, so that none of its hints precedes this mark.
            seen.miss();
        }
        drop(seen);
        self.open()?;
        if let Some(watcher) = self.watcher.as_mut().filter(|_| !self.watching) {
            watcher.watch(&self.inbox, RecursiveMode::NonRecursive)?;
            self.watching = true;
        }
        Ok(())
    }

    /// The watcher itself, and its watch of the folder of requests, where they are missing.
    fn open(&mut self) -> Result<(), notify::Error> {
        if self.watcher.is_none() {
            let kinds = EventKindMask::CREATE | EventKindMask::MODIFY_NAME | EventKindMask::ACCESS_CLOSE;
            let (queue, control) = (Arc::clone(&self.shared), self.control.clone());
            self.watcher = Some(RecommendedWatcher::new(
                move |event| queue.take_event(event, &control),
                Config::default().with_event_kinds(kinds).with_follow_symlinks(false),
            )?);
        }
        if let Some(watcher) = self.watcher.as_mut().filter(|_| !self.watching_control) {
            watcher.watch(&self.control, RecursiveMode::NonRecursive)?;
            self.watching_control = true;
        }
        Ok(())
    }
}

impl Shared {
    fn take_event(&self, event: notify::Result<Event>, control: &Path) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(event) if event.need_rescan() => {
                seen.miss();
                seen.control = true;
            }
            Ok(event) => {
                for path in &event.paths {
                    match (arrival(event.kind), path.file_name()) {
                        _ if path.parent() == Some(control) => seen.control = true,
                        (Some(kind), Some(name)) => {
                            seen.add(Hint { name: OsString::from(name), event: kind });
                        }
                        // The folder itself was moved or removed.
                        _ => seen.miss(),
                    }
                }
            }
            Err(_) => seen.miss(),
        }
        drop(seen);
        (self.wake)();
    }
}

impl Seen {
    fn add(&mut self, hint: Hint) {
        if self.hints.len() < KEPT_HINTS {
            self.hints.push(hint);
        } else {
            self.miss();
        }
    }

    /// Mark that hints may be missing here. The mark is in the order of the hints, so that a rescan knows
    /// where its finds belong.
    fn miss(&mut self) {
        self.rescan = true;
        let miss = Hint { name: OsString::new(), event: HintEvent::Missed };
        if self.hints.last() != Some(&miss) {
            self.hints.push(miss);
        }
    }
}

/// The arrival that an event reports, if any.
fn arrival(kind: EventKind) -> Option<HintEvent> {
    match kind {
        EventKind::Create(CreateKind::File | CreateKind::Any | CreateKind::Other | CreateKind::Folder) => {
            Some(HintEvent::Created)
        }
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Some(HintEvent::MovedIn),
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(HintEvent::Closed),
        _ => None,
    }
}
