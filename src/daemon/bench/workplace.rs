//! The one folder that a worker may write to, and what is taken from it afterwards.
//!
//! It is `workplace/` in the spool, made anew for each worker: its temporary files, the compiled models of
//! the model that it runs (moved here for its time, so that no worker sees those of another model), and the
//! bytes of its outputs. What a worker leaves is a stranger's: only regular files under plain names, with no
//! other name elsewhere, are taken; everything else goes with the folder.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::bundle::format::{Sandbox, SandboxSetting};
use crate::config::Config;
use crate::host::HostRoot;
use crate::spool::{LAID_OUT, clear};
use crate::worker::protocol::{Confinement, KEPT_OUTPUTS_LIMIT, Request, WorkerUser};

/// Name of the folder in the spool.
const FOLDER: &str = "workplace";

/// Name of a worker's folder in it, if the worker has no compiled models.
const PLAIN: &str = "worker";

/// In a worker's folder: compiled models, and the bytes of outputs.
const ENGINES: &str = "engines";
const OUTPUTS: &str = "outputs";

/// The user whom workers become, where it exists and the daemon may change users.
const WORKER_USER: &str = "backbone-worker";

/// How the workers of this daemon are confined.
#[derive(Debug, Clone)]
pub(super) struct Confining {
    setting: SandboxSetting,
    user: Option<WorkerUser>,
    spool: PathBuf,
}

/// The folder of one worker.
pub(super) struct Workplace<'a> {
    confining: &'a Confining,
    folder: PathBuf,
    /// Where the compiled models are otherwise.
    engines: Option<PathBuf>,
    /// Where the outputs are to be.
    outputs: Option<PathBuf>,
}

impl Confining {
    /// As the configuration asks, on this host.
    pub(super) fn on(root: &HostRoot, config: &Config) -> Self {
        let user = root.read("/etc/passwd").ok().and_then(|text| user(&text, WORKER_USER));
        Self {
            setting: config.sandbox,
            user: user.filter(|_| may_change_users()),
            spool: config.spool.clone(),
        }
    }

    /// Make the folder, and let the request name what is in it.
    pub(super) fn workplace(&self, request: &mut Request) -> io::Result<Workplace<'_>> {
        let all = self.spool.join(FOLDER);
        self.take_up(&all)?;
        let name = request.load.compilation.as_ref().map_or(PLAIN, |asked| asked.model_sha256.as_str());
        let folder = all.join(name);
        // Not create_dir_all: if the spool is missing, so is its disk.
        fs_err::create_dir(&all)?;
        fs_err::create_dir(&folder)?;
        let mut place = Workplace { confining: self, folder, engines: None, outputs: None };
        if let Some(compilation) = &mut request.load.compilation {
            let lent = place.folder.join(ENGINES);
            match fs_err::rename(&compilation.folder, &lent) {
                // Someone tidied the spool: the worker says what is missing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => fs_err::create_dir(&lent)?,
                moved => moved?,
            }
            place.engines = Some(std::mem::replace(&mut compilation.folder, lent));
        }
        if let Some(file) = &mut request.outputs_file {
            place.outputs = Some(std::mem::replace(file, place.folder.join(OUTPUTS)));
        }
        if let Some(user) = &self.user {
            give(&place.folder, user)?;
        }
        request.confinement = Some(Confinement {
            setting: self.setting,
            workplace: Some(place.folder.clone()),
            model_folder: turn_folder(&request.load.model),
            user: self.user.clone(),
            landlock_abi: None,
        });
        Ok(place)
    }

    /// What there is to say of workers that are not confined.
    pub(super) fn none(&self) -> Option<Sandbox> {
        (self.setting == SandboxSetting::Off)
            .then(|| Sandbox { setting: SandboxSetting::Off, ..Sandbox::default() })
    }

    /// After a crash: the compiled models that a worker had go back, everything else is removed.
    fn take_up(&self, all: &Path) -> io::Result<()> {
        let entries = match fs_err::read_dir(all) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let kept = self.spool.join(super::engines::FOLDER).join(entry.file_name());
            if entry.file_name() != PLAIN && !kept.exists() {
                // Only time is lost with them.
                let _ = take_engines(&entry.path().join(ENGINES), &kept);
            }
        }
        clear(all)
    }
}

impl Workplace<'_> {
    /// Take what the worker was asked for, and remove the rest. The request names the former places again.
    pub(super) fn hand_back(self, request: &mut Request) {
        request.confinement = None;
        if let Some((compilation, kept)) = request.load.compilation.as_mut().zip(self.engines) {
            let lent = std::mem::replace(&mut compilation.folder, kept);
            if let Err(error) = take_engines(&lent, &compilation.folder) {
                // They are compiled again.
                log::warn!("cannot keep the compiled models of a worker: {error}");
            }
        }
        if let Some(file) = self.outputs {
            let written = self.folder.join(OUTPUTS);
            match take_outputs(&written, &file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    log::warn!("cannot keep the outputs of a worker: {error}");
                }
                _ => {}
            }
            request.outputs_file = Some(file);
        }
        if let Err(error) = clear(&self.confining.spool.join(FOLDER)) {
            // The next worker's attempt to make its own says so, as a trouble.
            log::warn!("cannot remove the folder of a worker: {error}");
        }
    }
}

/// Move the folder of compiled models, without what does not belong there.
fn take_engines(lent: &Path, kept: &Path) -> io::Result<()> {
    if !fs_err::symlink_metadata(lent)?.is_dir() {
        clear(lent)?;
        return fs_err::create_dir(kept);
    }
    for entry in fs_err::read_dir(lent)? {
        let entry = entry?;
        let is_plain = entry.file_name().to_str().is_some_and(is_plain_name);
        if !(is_plain && is_own_file(&entry.path())?) {
            clear(&entry.path())?;
        }
    }
    fs_err::rename(lent, kept)
}

fn take_outputs(written: &Path, kept: &Path) -> io::Result<()> {
    let length = fs_err::symlink_metadata(written)?.len();
    if !is_own_file(written)? || length > KEPT_OUTPUTS_LIMIT {
        return Err(io::Error::other("the worker left something else in their place"));
    }
    fs_err::rename(written, kept)
}

/// A regular file without another name, which could be anywhere.
fn is_own_file(path: &Path) -> io::Result<bool> {
    let stat = fs_err::symlink_metadata(path)?;
    Ok(stat.is_file() && stat.nlink() == 1)
}

fn is_plain_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Give the folder and what was lent in it to the worker's user.
fn give(folder: &Path, user: &WorkerUser) -> io::Result<()> {
    let give = |path: &Path| std::os::unix::fs::lchown(path, Some(user.user), Some(user.group));
    let lent = folder.join(ENGINES);
    if lent.exists() {
        for entry in fs_err::read_dir(&lent)? {
            give(&entry?.path())?;
        }
        give(&lent)?;
    }
    give(folder)
}

/// The folder of a model of several files; every other model is a file among those of other jobs.
fn turn_folder(model: &Path) -> Option<PathBuf> {
    model.parent().filter(|folder| folder.ends_with(LAID_OUT)).map(Path::to_path_buf)
}

/// A line of passwd(5).
fn user(passwd: &str, name: &str) -> Option<WorkerUser> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut numbers = line.split(':').skip(2).map(str::parse);
    let (user, group) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (user != 0).then(|| WorkerUser { name: name.to_owned(), user, group })
}

/// May this process give files away, become another user, and end what it started as one?
fn may_change_users() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    let needed = CapabilitySet::SETUID
        | CapabilitySet::SETGID
        | CapabilitySet::CHOWN
        | CapabilitySet::KILL
        | CapabilitySet::DAC_OVERRIDE;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_workers_is_found_by_its_name_and_is_never_root() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbackbone-worker:x:990:988::/:/usr/sbin/nologin\n";
        let found = user(passwd, "backbone-worker").unwrap();
        assert_eq!((found.user, found.group), (990, 988));
        assert_eq!(user(passwd, "root"), None);
        assert_eq!(user(passwd, "backbone"), None);
    }

    #[test]
    fn only_files_of_the_worker_alone_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (lent, kept, other) =
            (folder.path().join("lent"), folder.path().join("kept"), folder.path().join("other"));
        fs_err::create_dir_all(lent.join("folder/in it")).unwrap();
        fs_err::write(&other, "elsewhere").unwrap();
        fs_err::write(lent.join("a-1.engine"), "engine").unwrap();
        fs_err::hard_link(&other, lent.join("b-1.engine")).unwrap();
        std::os::unix::fs::symlink(&other, lent.join("c-1.engine")).unwrap();
        fs_err::write(lent.join("d\n1.engine"), "name").unwrap();
        take_engines(&lent, &kept).unwrap();
        let names: Vec<_> =
            fs_err::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["a-1.engine"]);
        assert_eq!(fs_err::read(&other).unwrap(), b"elsewhere");
        for bad in [lent.join("none"), kept.clone()] {
            assert!(take_outputs(&bad, &folder.path().join("outputs")).is_err());
        }
        take_outputs(&kept.join("a-1.engine"), &folder.path().join("outputs")).unwrap();
    }
}
