//! The original power state, kept on disk while it is changed: one small file, durable before the first write
//! to the host and removed only after the last write that restores it. The next process that holds the host
//! lock finds it and restores the host.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::bundle::format::PowerState;
use crate::guarded::{self, Synced};
use crate::host::root::HostRoot;

/// The file's name.
pub(crate) const FILE: &str = "power-state.json";

/// The name of one that could not be understood.
const DAMAGED: &str = "power-state.json.damaged";

/// More than any host has settings for.
const LARGEST_BYTES: u64 = 16 << 20;

/// The state folder under another host root, which may be used with several state folders.
const FOLDER_OF_A_STAND_IN: &str = "/var/lib/backbone";

/// The saved state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// Id of the job for which the state was changed.
    pub job: String,
    /// The original state.
    pub found: PowerState,
    /// Settings that appeared with the job's mode, such as those of processors that were offline before. They
    /// are restored first, while they can be written: the kernel keeps them until the processors are online
    /// again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub came: BTreeMap<String, String>,
    /// Why the host was asked to reboot, if it was.
    pub reboot: Option<RebootFor>,
}

/// Why the host was asked to reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RebootFor {
    /// To set the job's mode; the job continues afterwards.
    Job,
    /// To restore the host.
    Restore,
}

/// Where the original state is kept.
pub trait Keep {
    /// The saved state, if any. One that cannot be understood is set aside and counts as none.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self) -> io::Result<Option<Saved>>;

    /// Where a state that could not be understood was set aside, until somebody removes it.
    fn damaged(&self) -> Option<PathBuf> {
        None
    }

    /// Save a state in place of the present one; durable when this returns.
    ///
    /// # Errors
    /// The disk refuses. The previous state is still saved.
    fn write(&self, saved: &Saved) -> io::Result<()>;

    /// Remove the saved state.
    ///
    /// # Errors
    /// The disk refuses.
    fn remove(&self) -> io::Result<()>;
}

/// A file in the state folder.
#[derive(Debug)]
pub struct SavedFile(PathBuf);

impl SavedFile {
    /// For a host and the daemon's state folder.
    pub fn of(root: &HostRoot, state: &Path) -> Self {
        let folder = if root.is_real() { state.to_owned() } else { root.path(FOLDER_OF_A_STAND_IN) };
        Self(folder.join(FILE))
    }

    /// A state that cannot be understood cannot be restored either, and must not keep jobs from being
    /// measured. The file stays under another name, until a person has looked at it. One that is there
    /// already is older and stays: what comes after it says less about the host as it was.
    fn set_aside(&self, error: &dyn std::fmt::Display) -> io::Result<()> {
        let aside = self.0.with_file_name(DAMAGED);
        log::error!("cannot understand {}: {error}; it is now {}", self.0.display(), aside.display());
        if fs_err::symlink_metadata(&aside).is_ok() {
            fs_err::remove_file(&self.0)?;
        } else {
            guarded::rename(&self.0, &aside)?;
        }
        fs_err::File::open(self.folder())?.sync_all()
    }

    fn folder(&self) -> &Path {
        self.0.parent().unwrap_or(Path::new("/"))
    }
}

impl Keep for SavedFile {
    fn read(&self) -> io::Result<Option<Saved>> {
        match guarded::read_path(&self.0, LARGEST_BYTES) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(saved) => Ok(Some(saved)),
                Err(error) => self.set_aside(&error).map(|()| None),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // Not a file at all, or one that is far too large.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge) =>
            {
                self.set_aside(&error).map(|()| None)
            }
            Err(error) => Err(error),
        }
    }

    fn damaged(&self) -> Option<PathBuf> {
        let path = self.0.with_file_name(DAMAGED);
        fs_err::symlink_metadata(&path).is_ok().then_some(path)
    }

    fn write(&self, saved: &Saved) -> io::Result<()> {
        if !self.folder().exists() {
            // Under another host root, or for `backbone run` on a host without an installed daemon.
            fs_err::create_dir_all(self.folder())?;
        }
        let mut text = serde_json::to_vec(saved)?;
        text.push(b'\n');
        guarded::write(self.folder(), FILE, &text, Synced::Yes)
    }

    fn remove(&self) -> io::Result<()> {
        match fs_err::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            // Even if it is gone already: a killed process may not have synced its removal.
            _ => fs_err::File::open(self.folder())?.sync_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_until_it_is_removed_and_garbage_is_no_state() {
        let folder = tempfile::tempdir().unwrap();
        let keep = SavedFile::of(&HostRoot::real(), folder.path());
        assert_eq!(keep.read().unwrap(), None);
        let found = PowerState::default();
        let reboot = Some(RebootFor::Job);
        let saved = Saved { job: "1-a".to_owned(), found, came: BTreeMap::new(), reboot };
        keep.write(&saved).unwrap();
        assert_eq!(keep.read().unwrap(), Some(saved));
        keep.remove().unwrap();
        keep.remove().unwrap();
        assert_eq!(keep.read().unwrap(), None);
        assert_eq!(keep.damaged(), None);
        for (content, kept) in [("{}", "{}"), ("later", "{}")] {
            fs_err::write(folder.path().join(FILE), content).unwrap();
            assert_eq!(keep.read().unwrap(), None);
            assert!(!folder.path().join(FILE).exists());
            assert_eq!(fs_err::read_to_string(keep.damaged().unwrap()).unwrap(), kept);
        }
    }

    #[test]
    fn folder_that_stands_for_a_machine_keeps_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        let keep = SavedFile::of(&root, Path::new("/nowhere"));
        let found = PowerState::default();
        keep.write(&Saved { job: String::new(), found, came: BTreeMap::new(), reboot: None }).unwrap();
        assert!(folder.path().join("var/lib/backbone").join(FILE).exists());
    }
}
