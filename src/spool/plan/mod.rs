//! Has an upload finished? Planning, separate from doing: which entries of the inbox may be taken now, and
//! when to look again.
//!
//! [`Tracker::look`] decides from its memory, the watcher's [`Hint`]s and the answers of [`Disk`]. It changes
//! nothing, reads no clock (the caller passes the time) and touches no file.
//!
//! An entry is whole
//! - when it was moved in under its name (rsync, sftp, `mv`), or linked in with an inode that was seen closed
//!   under a temporary name (WinSCP);
//! - otherwise when it was closed after writing and did not change for the settle time;
//! - found by a rescan: when no process has it open for writing; if that is unknown, when two looks a settle
//!   time apart saw it unchanged.
//!
//! Hints only make this faster and preserve the order of arrival. A rescan finds whatever they miss.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::{Duration, Instant};

use super::names::{NameKind, kind_of};

/// How many inodes to remember as closed under a temporary name: more than any client leaves behind at once.
const REMEMBERED_TEMPORARIES: usize = 1024;

/// What planning may ask about the inbox.
pub trait Disk {
    /// Names of all entries, in any order.
    ///
    /// # Errors
    /// The folder is unreadable.
    fn list(&mut self) -> io::Result<Vec<OsString>>;

    /// The entry with this name, without following links; `None` if there is none.
    fn stat(&mut self, name: &OsStr) -> Option<Stat>;

    /// Does any process have the file open for writing?
    fn writers(&mut self, name: &OsStr) -> Writers;
}

/// Whether any process has a file open for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// No process.
    None,
    /// At least one process.
    Some,
    /// The file system or our permissions do not tell.
    Unknown,
}

/// The identity and state of an entry, as far as wholeness needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Kind of entry.
    pub kind: FileKind,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Last change of the content, ns since the epoch.
    pub modified_ns: i128,
    /// Last change of the inode, renames included, ns since the epoch.
    pub changed_ns: i128,
}

impl Stat {
    /// Same file with the same content, as far as the inode shows. Ignores the change time, because removing
    /// another link changes it, as WinSCP does after linking.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        (self.kind, self.inode, self.size, self.modified_ns)
            == (other.kind, other.inode, other.size, other.modified_ns)
    }
}

/// Kind of a directory entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A folder: listed in the status, never entered.
    Folder,
    /// A FIFO, device node, socket or symbolic link: never opened.
    Special,
}

/// What the watcher saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Name in the inbox.
    pub name: OsString,
    /// What happened to it.
    pub event: HintEvent,
}

/// An event that says more than "look again".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintEvent {
    /// Renamed to this name.
    MovedIn,
    /// Created or linked.
    Created,
    /// Closed after writing.
    Closed,
    /// No event and no name: hints may be missing between the previous and the next one.
    Missed,
}

/// What one look found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Job files to claim, in their order of arrival.
    pub claims: Vec<Claim>,
    /// Names of `.cancel` files.
    pub cancels: Vec<OsString>,
    /// Names of files that became complete and that a waiting job may need.
    pub models: Vec<OsString>,
    /// When to look again without an event; `None` if only an event or the safety rescan calls for it.
    pub again_at: Option<Instant>,
}

/// One entry to take out of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Name in the inbox.
    pub name: OsString,
    /// Its state when the decision was made.
    pub stat: Stat,
    /// The upload did not finish in time.
    pub unfinished: bool,
}

/// Memory between looks: what is in the inbox, since when, and whether it is complete.
#[derive(Debug)]
pub struct Tracker {
    settle: Duration,
    give_up: Duration,
    entries: BTreeMap<OsString, Tracked>,
    /// Inodes seen closed under a temporary name, with their state then, because a new file may reuse the
    /// number of a removed one.
    closed_temporaries: BTreeMap<u64, Stat>,
    /// It has looked at every name once.
    has_listed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Tracked {
    stat: Stat,
    first_seen: Instant,
    unchanged_since: Instant,
    /// When to ask again; `None` while a process writes, because closing will be an event.
    due: Option<Instant>,
    whole: bool,
    /// A [`Look`] has reported it as complete.
    told: bool,
    /// When a job last used it.
    used: Option<Instant>,
    /// It was there when this process looked for the first time.
    is_old: bool,
}

/// An entry to list in the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// Name in the inbox.
    pub name: OsString,
    /// What is odd about it.
    pub what: OddityKind,
    /// How long this process has seen it there.
    pub age: Duration,
}

/// Why the status lists an inbox entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddityKind {
    /// A folder; job and model files belong into the inbox itself.
    Folder,
    /// A FIFO, device node, socket or symbolic link.
    Special,
    /// An upload that has not finished.
    Unfinished,
    /// An upload under a temporary name.
    Temporary,
}

/// A complete file that is no job file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclaimed {
    /// Name in the inbox.
    pub name: OsString,
    /// How long this process has seen it as it is.
    pub age: Duration,
    /// A job has used it.
    pub is_used: bool,
    /// It was there when this process looked for the first time.
    pub is_old: bool,
}

/// Can a waiting job take this model now?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelState {
    /// Complete, with this state.
    Whole(Stat),
    /// Present, but not complete.
    Unfinished,
    /// No entry of that name.
    Missing,
    /// Present, but not a regular file.
    NotAFile,
}

impl Tracker {
    /// An empty memory.
    pub fn new(settle: Duration, give_up: Duration) -> Self {
        Self {
            settle,
            give_up,
            entries: BTreeMap::new(),
            closed_temporaries: BTreeMap::new(),
            has_listed: false,
        }
    }

    /// Decide what may be taken now.
    ///
    /// `hints` are the watcher's, in order. `rescan` looks at every name: at the start, after a queue
    /// overflow, after a time without watching, and at intervals for safety.
    ///
    /// # Errors
    /// The folder is unreadable; the memory is unchanged.
    pub fn look(
        &mut self,
        disk: &mut dyn Disk,
        hints: &[Hint],
        rescan: bool,
        now: Instant,
    ) -> io::Result<Look> {
        let listed = if rescan { Some(disk.list()?) } else { None };
        for hint in hints.iter().filter(|hint| hint.event != HintEvent::Missed) {
            self.take_hint(disk, hint, now);
        }
        let mut order: Vec<OsString>;
        if let Some(names) = listed {
            order = self.take_listing(disk, names, hints, now);
        } else {
            order = hints.iter().map(|hint| hint.name.clone()).collect();
            let due = self.entries.iter().filter(|(_, t)| t.due.is_some_and(|due| due <= now));
            let mut due: Vec<_> = due.map(|(name, t)| (t.due, t.stat.changed_ns, name.clone())).collect();
            due.sort();
            order.extend(due.into_iter().map(|(_, _, name)| name));
        }
        let mut look = Look::default();
        for name in order {
            self.decide(disk, &name, now, &mut look);
        }
        look.again_at = self.again_at();
        Ok(look)
    }

    /// When to look again without an event.
    pub(crate) fn again_at(&self) -> Option<Instant> {
        self.entries.values().filter_map(|tracked| tracked.due).min()
    }

    /// Track an entry again whose claim failed, because the file changed or the disk refused.
    pub fn put_back(&mut self, claim: &Claim, now: Instant) {
        self.entries.insert(claim.name.clone(), Tracked::new(claim.stat, now, Some(now + self.settle)));
    }

    /// Can a waiting job take the model `name` now? Asks the disk again, because files may be overwritten in
    /// place.
    ///
    /// Only [`look`](Self::look) marks a file complete, because it reports that to every waiting job and not
    /// just to the first that asks. A file that is not complete yet is due at [`again_at`](Self::again_at).
    pub fn model(&mut self, disk: &mut dyn Disk, name: &OsStr, now: Instant) -> ModelState {
        let Some(stat) = disk.stat(name) else {
            self.entries.remove(name);
            return ModelState::Missing;
        };
        if stat.kind != FileKind::Regular {
            return ModelState::NotAFile;
        }
        let settle = self.settle;
        let tracked =
            self.entries.entry(name.to_owned()).or_insert_with(|| Tracked::new(stat, now, Some(now)));
        if !tracked.stat.same_content(&stat) {
            *tracked = Tracked::new(stat, now, Some(now + settle));
        }
        if tracked.whole { ModelState::Whole(stat) } else { ModelState::Unfinished }
    }

    /// Entries to list in the status.
    pub fn oddities(&self, now: Instant) -> Vec<Oddity> {
        let mut oddities = Vec::new();
        for (name, tracked) in &self.entries {
            let age = now.saturating_duration_since(tracked.first_seen);
            let what = match (tracked.stat.kind, kind_of(name)) {
                (FileKind::Folder, _) => OddityKind::Folder,
                (FileKind::Special, _) => OddityKind::Special,
                (FileKind::Regular, NameKind::Temporary) => OddityKind::Temporary,
                (FileKind::Regular, _) if !tracked.whole && age > self.settle => OddityKind::Unfinished,
                (FileKind::Regular, _) => continue,
            };
            oddities.push(Oddity { name: name.clone(), what, age });
        }
        oddities
    }

    /// Complete regular files other than jobs, with their state.
    pub(crate) fn unclaimed(&self, now: Instant) -> Vec<(Unclaimed, Stat)> {
        let is_one = |name: &OsStr, tracked: &Tracked| {
            tracked.whole && tracked.stat.kind == FileKind::Regular && kind_of(name) == NameKind::Other
        };
        let entries = self.entries.iter().filter(|(name, tracked)| is_one(name, tracked));
        let each = entries.map(|(name, tracked)| {
            let age = now.saturating_duration_since(tracked.unchanged_since);
            let (is_used, is_old) = (tracked.used.is_some(), tracked.is_old);
            (Unclaimed { name: name.clone(), age, is_used, is_old }, tracked.stat)
        });
        each.collect()
    }

    /// Regular files other than jobs that this process has seen complete for longer than `age`. Time before
    /// its start does not count, because only a monotonic clock is safe for deleting files.
    pub(crate) fn whole_for(&self, age: Duration, now: Instant) -> Vec<OsString> {
        let old = |tracked: &Tracked| {
            tracked.whole
                && tracked.stat.kind == FileKind::Regular
                && now.saturating_duration_since(tracked.used.unwrap_or(tracked.unchanged_since)) >= age
        };
        let entries = self.entries.iter().filter(|(name, t)| kind_of(name) == NameKind::Other && old(t));
        entries.map(|(name, _)| name.clone()).collect()
    }

    /// A job used this file just now: restart its retention.
    pub fn used(&mut self, name: &OsStr, now: Instant) {
        if let Some(tracked) = self.entries.get_mut(name) {
            tracked.used = Some(now);
        }
    }

    /// Since when a file is as it is, as far as this process has seen.
    pub(crate) fn unchanged_since(&self, name: &OsStr) -> Option<Instant> {
        self.entries.get(name).map(|tracked| tracked.unchanged_since)
    }

    /// Is there an entry of this name?
    pub(crate) fn has(&self, name: &OsStr) -> bool {
        self.entries.contains_key(name)
    }

    /// Is an upload in progress, which a run that ends once the inbox is done must wait for?
    pub(crate) fn has_unsettled(&self) -> bool {
        self.entries.iter().any(|(name, tracked)| {
            !tracked.whole && tracked.stat.kind == FileKind::Regular && kind_of(name) != NameKind::Temporary
        })
    }

    fn take_hint(&mut self, disk: &mut dyn Disk, hint: &Hint, now: Instant) {
        let Some(stat) = disk.stat(&hint.name) else {
            self.entries.remove(&hint.name);
            return;
        };
        if kind_of(&hint.name) == NameKind::Temporary {
            if hint.event == HintEvent::Closed {
                if self.closed_temporaries.len() >= REMEMBERED_TEMPORARIES {
                    self.closed_temporaries.pop_first();
                }
                self.closed_temporaries.insert(stat.inode, stat);
            }
            return;
        }
        let whole = match hint.event {
            HintEvent::MovedIn => true,
            HintEvent::Created => {
                let closed = self.closed_temporaries.remove(&stat.inode);
                closed.is_some_and(|closed| closed.same_content(&stat))
            }
            HintEvent::Closed | HintEvent::Missed => false,
        };
        let settled_at = now + self.settle;
        let tracked = self.entries.entry(hint.name.clone()).or_insert_with(|| Tracked::new(stat, now, None));
        // A complete file that did not change stays complete, even if an older descriptor is closed after
        // linking.
        let stays_whole = tracked.whole && tracked.stat.same_content(&stat);
        if whole || stays_whole {
            *tracked = Tracked { whole: true, due: None, ..Tracked::new(stat, now, None) };
        } else {
            let first_seen = tracked.first_seen;
            *tracked = Tracked { first_seen, ..Tracked::new(stat, now, Some(settled_at)) };
        }
    }

    /// Update the memory from a full listing. Returns the names to decide on by time of last change (a rename
    /// is one), which is the order of arrival as far as the disk knows it. Within one tick of the disk's
    /// clock, names that the watcher saw keep its order. The others arrived where the watcher missed
    /// something, or so late that their events are still pending; between these two the name decides, because
    /// files are mostly copied in order of their names.
    fn take_listing(
        &mut self,
        disk: &mut dyn Disk,
        names: Vec<OsString>,
        hints: &[Hint],
        now: Instant,
    ) -> Vec<OsString> {
        let seen: BTreeMap<&OsStr, usize> =
            hints.iter().enumerate().map(|(index, hint)| (hint.name.as_os_str(), index)).collect();
        let missed = hints.iter().rposition(|hint| hint.event == HintEvent::Missed);
        let seen_next = missed.and_then(|missed| hints.get(missed + 1));
        let unseen = |name: &OsStr| match (missed, seen_next) {
            (Some(missed), Some(next)) if name < next.name.as_os_str() => missed,
            _ => usize::MAX,
        };
        let present: BTreeSet<&OsStr> = names.iter().map(OsString::as_os_str).collect();
        self.entries.retain(|name, _| present.contains(name.as_os_str()));
        let mut found: Vec<(i128, usize, OsString)> = Vec::with_capacity(names.len());
        for name in names {
            let Some(stat) = disk.stat(&name) else { continue };
            match self.entries.get_mut(&name) {
                Some(tracked) if tracked.stat.same_content(&stat) => tracked.stat = stat,
                Some(tracked) => {
                    let first_seen = tracked.first_seen;
                    *tracked = Tracked { first_seen, ..Tracked::new(stat, now, Some(now + self.settle)) };
                }
                None => {
                    let tracked = Tracked { is_old: !self.has_listed, ..Tracked::new(stat, now, Some(now)) };
                    self.entries.insert(name.clone(), tracked);
                }
            }
            found.push((
                stat.changed_ns,
                seen.get(name.as_os_str()).copied().unwrap_or_else(|| unseen(&name)),
                name,
            ));
        }
        self.has_listed = true;
        found.sort();
        found.into_iter().map(|(_, _, name)| name).collect()
    }

    fn decide(&mut self, disk: &mut dyn Disk, name: &OsStr, now: Instant, look: &mut Look) {
        let kind = kind_of(name);
        let Some(tracked) = self.entries.get_mut(name) else { return };
        match (tracked.stat.kind, kind) {
            (FileKind::Folder, _) | (_, NameKind::Temporary) => {
                tracked.due = None;
                return;
            }
            (FileKind::Special, NameKind::Spec) => {
                look.claims.push(Claim { name: name.to_owned(), stat: tracked.stat, unfinished: false });
                self.entries.remove(name);
                return;
            }
            (_, NameKind::Cancel) => {
                look.cancels.push(name.to_owned());
                self.entries.remove(name);
                return;
            }
            (FileKind::Special, _) => {
                tracked.due = None;
                return;
            }
            (FileKind::Regular, NameKind::Spec | NameKind::Other) => {}
        }
        if !tracked.whole {
            Self::settle(tracked, disk, name, self.settle, now);
        }
        let (stat, whole) = (tracked.stat, tracked.whole);
        let given_up = now.saturating_duration_since(tracked.first_seen) >= self.give_up;
        if kind == NameKind::Other {
            if whole && !std::mem::replace(&mut tracked.told, true) {
                look.models.push(name.to_owned());
            }
        } else if whole || given_up {
            look.claims.push(Claim { name: name.to_owned(), stat, unfinished: !whole });
            self.entries.remove(name);
        }
    }

    /// Check whether a file that no event marked complete is complete by now.
    fn settle(tracked: &mut Tracked, disk: &mut dyn Disk, name: &OsStr, settle: Duration, now: Instant) {
        let Some(stat) = disk.stat(name) else { return };
        if !tracked.stat.same_content(&stat) {
            let first_seen = tracked.first_seen;
            *tracked = Tracked { first_seen, ..Tracked::new(stat, now, Some(now + settle)) };
            return;
        }
        if tracked.due.is_some_and(|due| due > now) {
            return;
        }
        match disk.writers(name) {
            Writers::None => {
                tracked.whole = true;
                tracked.due = None;
            }
            Writers::Some => tracked.due = None,
            Writers::Unknown if now.saturating_duration_since(tracked.unchanged_since) >= settle => {
                tracked.whole = true;
                tracked.due = None;
            }
            Writers::Unknown => tracked.due = Some(tracked.unchanged_since + settle),
        }
    }
}

impl Tracked {
    fn new(stat: Stat, now: Instant, due: Option<Instant>) -> Self {
        Self {
            stat,
            first_seen: now,
            unchanged_since: now,
            due,
            whole: false,
            told: false,
            used: None,
            is_old: false,
        }
    }
}

#[cfg(test)]
mod tests;
