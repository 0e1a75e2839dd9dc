//! What a runtime that compiles models gets from this host: a folder that keeps engines, and what platform it
//! is.
//!
//! The folder is `engines/` in the spool, with a folder for each model, which its workers get for their time
//! (see [`super::workplace`]). It is made when it is first needed, and bounded before each configuration: the
//! oldest files go first. Its files only save time, so none is synced.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::Config;
use crate::host::{HostRoot, graphics};
use crate::runtime::{Compilation, Runtime};
use crate::spool::journal::BoundModel;

/// Name of the folder in the spool.
pub(super) const FOLDER: &str = "engines";

/// For the first build of a model; `None` if the runtime compiles nothing.
pub(super) fn compilation(
    runtime: &Runtime,
    model: &BoundModel,
    config: &Config,
    root: &HostRoot,
) -> io::Result<Option<Compilation>> {
    if !runtime.compiles() {
        return Ok(None);
    }
    let folder = config.spool.join(FOLDER);
    make(&folder)?;
    bound(&folder, u64::from(config.keep_engine_megabytes) * 1_000_000)?;
    let folder = folder.join(model.content_sha256());
    make(&folder)?;
    Ok(Some(Compilation {
        folder,
        platform: graphics::platform(root),
        model_sha256: model.content_sha256(),
        build: 1,
    }))
}

/// Not create_dir_all: if the spool is missing, so is its disk.
fn make(folder: &Path) -> io::Result<()> {
    match fs_err::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Remove the files that were written longest ago until no more than that many bytes are left, and the
/// folders of models that have none.
fn bound(folder: &Path, limit_bytes: u64) -> io::Result<()> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        // Files next to the folders are from an earlier version.
        let of_model = if entry.file_type()?.is_dir() { listed(&entry.path())? } else { vec![entry.path()] };
        for path in of_model {
            let stat = fs_err::symlink_metadata(&path)?;
            files.push((stat.modified()?, stat.len(), path));
        }
    }
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, length, _)| length).sum();
    for (_, length, path) in files {
        if bytes <= limit_bytes {
            break;
        }
        fs_err::remove_file(&path)?;
        bytes -= length;
        // Refused as long as others are in it.
        let _ = path.parent().filter(|parent| *parent != folder).map(fs_err::remove_dir);
    }
    Ok(())
}

fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs_err::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_files_go_until_the_rest_fits() {
        let folder = tempfile::tempdir().unwrap();
        for (age, name) in [(30, "old"), (20, "middle"), (10, "new")] {
            let path = folder.path().join(name);
            fs_err::write(&path, [0; 100]).unwrap();
            let time = SystemTime::now() - std::time::Duration::from_secs(age);
            fs_err::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        let left = |limit| {
            bound(folder.path(), limit).unwrap();
            fs_err::read_dir(folder.path()).unwrap().count()
        };
        assert_eq!(left(300), 3);
        assert_eq!(left(299), 2);
        assert!(!folder.path().join("old").exists());
        assert_eq!(left(0), 0);
    }
}
