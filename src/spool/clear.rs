//! Removing a folder to which a stranger wrote.
//!
//! Nothing that is found there is followed, opened or waited for, however it is named and however deep it is
//! nested: a folder in a folder is moved up before it is looked into, so that neither the descriptors nor the
//! stack of this process grow with the depth.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

/// What a folder of one level holds at a time; a buffer of this size takes a hundred entries.
const ENTRIES_BYTES: usize = 8192;

/// Remove the folder with everything in it. It need not exist.
///
/// # Errors
/// Something in it cannot be removed.
pub(crate) fn clear(folder: &Path) -> io::Result<()> {
    let top = match open(CWD, folder) {
        Err(Errno::NOENT) => return Ok(()),
        // Not a folder, or a link to one.
        Err(Errno::NOTDIR | Errno::LOOP) => return fs_err::remove_file(folder),
        top => top?,
    };
    let mut moved = 0_u64;
    loop {
        let entries = entries(&top)?;
        if entries.is_empty() {
            break;
        }
        for name in &entries {
            if rustix::fs::unlinkat(&top, name, AtFlags::empty()).is_err() {
                hollow_out(top.as_fd(), name, &mut moved)?;
                rustix::fs::unlinkat(&top, name, AtFlags::REMOVEDIR)?;
            }
        }
    }
    fs_err::remove_dir(folder)
}

/// Empty a folder in `top`: its files are removed, its folders are moved to `top` under new names.
fn hollow_out(top: BorrowedFd<'_>, name: &std::ffi::CStr, moved: &mut u64) -> io::Result<()> {
    let folder = open(top, name)?;
    loop {
        let entries = entries(&folder)?;
        if entries.is_empty() {
            return Ok(());
        }
        for entry in &entries {
            if rustix::fs::unlinkat(&folder, entry, AtFlags::empty()).is_ok() {
                continue;
            }
            // To move a folder, it must be writable itself. One of another user cannot be made so without
            // CAP_FOWNER, which the daemon does not have, and need not be: CAP_DAC_OVERRIDE moves it.
            let _ = make_accessible(folder.as_fd(), entry);
            loop {
                *moved += 1;
                let free = format!(".moved-{moved}");
                match rustix::fs::renameat_with(&folder, entry, top, free, rustix::fs::RenameFlags::NOREPLACE)
                {
                    Err(Errno::EXIST) => {}
                    renamed => break renamed?,
                }
            }
        }
    }
}

/// Open a folder and no link to one; with the right to list and change it if it is ours to give.
fn open(parent: impl AsFd, name: impl rustix::path::Arg + Copy) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(parent.as_fd(), name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            make_accessible(parent.as_fd(), name)?;
            rustix::fs::openat(parent.as_fd(), name, flags, Mode::empty())
        }
        opened => {
            let opened = opened?;
            // Listing is allowed, removing perhaps not; a folder of another user stays as it is.
            let _ = rustix::fs::fchmod(&opened, Mode::RWXU);
            Ok(opened)
        }
    }
}

/// No process of the stranger is left that could replace the folder by a link meanwhile.
fn make_accessible(parent: BorrowedFd<'_>, name: impl rustix::path::Arg + Copy) -> Result<(), Errno> {
    let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(Errno::NOTDIR);
    }
    rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())
}

/// Names in a folder, as many as one look gives.
fn entries(folder: &OwnedFd) -> io::Result<Vec<std::ffi::CString>> {
    rustix::fs::seek(folder, rustix::fs::SeekFrom::Start(0))?;
    let mut buffer = [MaybeUninit::uninit(); ENTRIES_BYTES];
    let mut listing = RawDir::new(folder, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = listing.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_a_stranger_may_leave_goes_and_nothing_outside_does() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, place) = (folder.path().join("kept"), folder.path().join("place"));
        fs_err::create_dir(&kept).unwrap();
        fs_err::write(kept.join("file"), "kept").unwrap();
        fs_err::create_dir_all(place.join("a/b/c")).unwrap();
        fs_err::create_dir(place.join(".moved-1")).unwrap();
        fs_err::write(place.join("a/b/file"), "").unwrap();
        std::os::unix::fs::symlink(&kept, place.join("a/link")).unwrap();
        rustix::fs::mknodat(CWD, place.join("a/pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        for closed in ["a/b/c", "a/b"] {
            rustix::fs::chmod(place.join(closed), Mode::empty()).unwrap();
        }
        clear(&place).unwrap();
        assert!(!place.exists());
        assert_eq!(fs_err::read(kept.join("file")).unwrap(), b"kept");
        clear(&place).unwrap();
        std::os::unix::fs::symlink(&kept, &place).unwrap();
        clear(&place).unwrap();
        assert!(fs_err::symlink_metadata(&place).is_err() && kept.join("file").exists());
    }

    #[test]
    fn folders_of_another_user_are_removed_without_the_right_to_change_their_modes() {
        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can give folders away");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        fs_err::create_dir_all(place.join("worker/cache/deep")).unwrap();
        fs_err::write(place.join("worker/cache/deep/file"), "").unwrap();
        for given in ["worker/cache/deep/file", "worker/cache/deep", "worker/cache", "worker"] {
            std::os::unix::fs::lchown(place.join(given), Some(12345), Some(12345)).unwrap();
        }
        // Capabilities are a thread's own: this one has what the unit gives to the daemon.
        let cleared = std::thread::spawn(move || {
            let mut sets = capabilities(None).unwrap();
            sets.effective.remove(CapabilitySet::FOWNER);
            set_capabilities(None, sets).unwrap();
            clear(&place)
        });
        cleared.join().unwrap().unwrap();
    }

    #[test]
    fn folders_nested_deeper_than_any_path_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        fs_err::create_dir(&place).unwrap();
        let mut at = open(CWD, &place).unwrap();
        for _ in 0..5000 {
            rustix::fs::mkdirat(&at, "down", Mode::RWXU).unwrap();
            at = open(&at, "down").unwrap();
        }
        drop(at);
        clear(&place).unwrap();
        assert!(!place.exists());
    }
}
