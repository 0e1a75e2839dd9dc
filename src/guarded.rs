//! Files in folders that others may write to: the inbox, the outbox, `spool/control`, `/run/lock`, and
//! folders of results at the desk.
//!
//! Whoever may write to a folder may plant anything under any name in it: a link to a file that only we may
//! write, a FIFO without a writer, a device whose opening does something. So an entry is opened only if
//! it is a regular file, never through a link and never waiting ([`open`]); a file is made only where none
//! is, under a name that cannot be foreseen, and gets its own name by a rename, which replaces an entry and
//! never follows it ([`NewFile`]). Everything is relative to an open folder, or to a path whose folders
//! belong to the administrator. `tests/house/tidy.rs` keeps other ways to open files out of these modules.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use fs_err::File;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

/// Letters of random names.
pub(crate) const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Random letters in the name of a new file: 80 bits. Upload programs use fewer.
const RANDOM_LETTERS: usize = 16;

/// In the names of things that were in the way of our files.
const ASIDE: &str = ".not-ours.";

/// Bytes of the longest file name.
const LONGEST_NAME: usize = 255;

/// Another process may make the same name, but not this often.
const ATTEMPTS: u32 = 16;

/// Mode of new files before the umask, as of every file that is created without one.
const MODE: u32 = 0o666;

/// How to open an entry: no link is followed, and nothing is waited for.
const FLAGS: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Open a regular file in an open folder for reading.
///
/// # Errors
/// It is missing, is not a regular file, or is not readable.
pub(crate) fn open(folder: impl AsFd, name: &OsStr) -> io::Result<File> {
    open_with(folder, name, OFlags::RDONLY)
}

/// As [`open`], by path. Links in the folders above are followed.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_path(path: &Path) -> io::Result<File> {
    open(CWD, path.as_os_str())
}

/// As [`open_path`], for reading and writing. Changes nothing.
///
/// # Errors
/// As [`open`], or it is not writable.
pub(crate) fn open_to_write(path: &Path) -> io::Result<File> {
    open_with(CWD, path.as_os_str(), OFlags::RDWR)
}

fn open_with(folder: impl AsFd, name: &OsStr, access: OFlags) -> io::Result<File> {
    let path = Path::new(name);
    // Looked at before it is opened, because opening a device may act on it; and again afterwards, because
    // the entry may have been replaced in between.
    let look = || {
        regular(&rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?)?;
        let file = rustix::fs::openat(&folder, name, access | FLAGS, Mode::empty())?;
        regular(&rustix::fs::fstat(&file)?)?;
        Ok(file)
    };
    let file = look().map_err(|error| named("open file", path, &error))?;
    Ok(File::from_parts(file.into(), path))
}

/// Open a regular file by path to append to it; it is created if it is missing.
///
/// # Errors
/// It is not a regular file, or the disk refuses.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | FLAGS;
    let look = || {
        let file = rustix::fs::openat(CWD, path, flags, Mode::from_raw_mode(MODE))?;
        regular(&rustix::fs::fstat(&file)?)?;
        Ok(file)
    };
    let file = look().map_err(|error| named("open file", path, &error))?;
    Ok(File::from_parts(file.into(), path))
}

/// All bytes of a regular file in an open folder.
///
/// # Errors
/// As [`open`], or it has more than `limit_bytes`.
pub(crate) fn read(folder: impl AsFd, name: &OsStr, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(folder, name)?.take(limit_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes {
        let what = io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {limit_bytes} bytes"));
        return Err(named("read file", Path::new(name), &what));
    }
    Ok(bytes)
}

/// As [`read`], by path.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_path(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    read(CWD, path.as_os_str(), limit_bytes)
}

/// Create an empty file, unless something of that name is there.
///
/// # Errors
/// `AlreadyExists`, whatever it is; or the folder cannot be written.
pub(crate) fn create_path(path: &Path) -> io::Result<()> {
    create(CWD, path.as_os_str()).map(drop).map_err(|error| named("create file", path, &error))
}

fn create(folder: impl AsFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | FLAGS;
    let file = rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(MODE))?;
    Ok(File::from_parts(file.into(), name))
}

/// A file under a temporary name. Dropping it removes it, unless it got its own name before.
#[derive(Debug)]
pub(crate) struct NewFile<F: AsFd> {
    folder: F,
    name: OsString,
    file: File,
    is_placed: bool,
}

impl<F: AsFd> NewFile<F> {
    /// Create a file that is to be named `name`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn create(folder: F, name: &OsStr) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let temporary = temporary_name(name)?;
            match create(&folder, &temporary) {
                Ok(file) => return Ok(Self { folder, name: temporary, file, is_placed: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(named("create file", Path::new(name), &error)),
            }
        }
        Err(io::Error::other("every name that was tried is taken"))
    }

    /// The file.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Its temporary name.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Give the file its name, in place of whatever has it.
    ///
    /// # Errors
    /// As [`replace`].
    pub(crate) fn place(mut self, name: &OsStr) -> io::Result<()> {
        replace((&self.folder, &self.name), (&self.folder, name))?;
        self.is_placed = true;
        Ok(())
    }
}

impl<F: AsFd> Drop for NewFile<F> {
    fn drop(&mut self) {
        if !self.is_placed {
            // What remains is removed by `sweep`.
            let _ = rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }
}

/// When a written file is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Synced {
    /// When the call returns, with its name.
    Yes,
    /// Some time later.
    No,
}

/// Write a file in a folder that is named by its path, so that a reader sees the old bytes or the new ones.
///
/// # Errors
/// The disk refuses. The old file is still there.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8], synced: Synced) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty())
        .map_err(|error| named("open folder", folder, &error.into()))?;
    let mut file = NewFile::create(folder.as_fd(), OsStr::new(name))?;
    file.file().write_all(bytes)?;
    if synced == Synced::Yes {
        file.file().sync_all()?;
    }
    file.place(OsStr::new(name))?;
    if synced == Synced::Yes { Ok(rustix::fs::fsync(folder)?) } else { Ok(()) }
}

/// As [`replace`], by path.
///
/// # Errors
/// As [`replace`].
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let renamed = replace((CWD, from.as_os_str()), (CWD, to.as_os_str()));
    renamed.map_err(|error| named("rename file", from, &error))
}

/// Rename a file, in place of whatever has the new name. A folder there, which a rename would not replace, is
/// set aside under a name of its own.
///
/// # Errors
/// `EXDEV` between file systems; others as rename(2).
pub(crate) fn replace(
    (from, name): (impl AsFd, &OsStr),
    (to, new_name): (impl AsFd, &OsStr),
) -> io::Result<()> {
    let rename = || rustix::fs::renameat(&from, name, &to, new_name);
    let moved = match rename() {
        Err(Errno::ISDIR) => {
            let aside = set_aside(&to, new_name)?;
            let shown = new_name.to_string_lossy();
            log::warn!("a folder has the name of our file {shown}; it is now {}", aside.to_string_lossy());
            rename()
        }
        moved => moved,
    };
    Ok(moved?)
}

/// Give something that is in the way a name that no file of ours ever has; the name.
///
/// # Errors
/// As rename(2).
pub(crate) fn set_aside(folder: impl AsFd, name: &OsStr) -> io::Result<OsString> {
    if name.as_bytes().windows(ASIDE.len()).any(|part| part == ASIDE.as_bytes()) {
        return Ok(name.to_owned());
    }
    // The longest names are cut.
    let kept = &name.as_bytes()[..name.len().min(LONGEST_NAME - ASIDE.len() - RANDOM_LETTERS)];
    let mut aside = OsStr::from_bytes(kept).to_owned();
    aside.push(format!("{ASIDE}{}", random_letters(RANDOM_LETTERS)?));
    rustix::fs::renameat(&folder, name, &folder, &aside)?;
    Ok(aside)
}

/// Remove temporary files of earlier processes: those of our user for which `is_ours` knows the name that
/// they were to get.
///
/// # Errors
/// The folder is unreadable.
pub(crate) fn sweep(folder: BorrowedFd<'_>, is_ours: impl Fn(&str) -> bool) -> io::Result<()> {
    for name in names(folder)? {
        let meant = name.to_str().and_then(meant_name).is_some_and(&is_ours);
        let stat = || rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW).ok();
        let user = rustix::process::geteuid().as_raw();
        if meant && stat().is_some_and(|stat| stat.st_uid == user && regular(&stat).is_ok()) {
            // Harmless if it stays.
            let _ = rustix::fs::unlinkat(folder, &name, AtFlags::empty());
        }
    }
    Ok(())
}

/// As [`sweep`], by path, for files with these names. A folder that is not there has nothing to sweep.
pub(crate) fn sweep_path(folder: &Path, ours: &[&str]) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(folder) = rustix::fs::open(folder, flags, Mode::empty()) {
        // Harmless if they stay.
        let _ = sweep(folder.as_fd(), |name| ours.contains(&name));
    }
}

/// Names of all entries of an open folder, in which nothing else reads at the same time.
///
/// # Errors
/// The folder is unreadable.
pub(crate) fn names(folder: impl AsFd) -> io::Result<Vec<OsString>> {
    rustix::fs::seek(&folder, rustix::fs::SeekFrom::Start(0))?;
    let mut buffer = [std::mem::MaybeUninit::<u8>::uninit(); 8192];
    let mut entries = RawDir::new(&folder, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

/// Letters from the kernel's random generator.
///
/// # Errors
/// There is no such generator.
pub(crate) fn random_letters(count: usize) -> io::Result<String> {
    let mut bytes = vec![0_u8; count];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

/// `.status.json.k3f9a2…`: hidden, like the names that rsync gives to files on their way.
fn temporary_name(name: &OsStr) -> io::Result<OsString> {
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(".");
    temporary.push(random_letters(RANDOM_LETTERS)?);
    Ok(temporary)
}

/// The name that a file with such a temporary name was to get.
fn meant_name(temporary: &str) -> Option<&str> {
    let (name, random) = temporary.strip_prefix('.')?.rsplit_once('.')?;
    let is_random = random.len() == RANDOM_LETTERS && random.bytes().all(|byte| LETTERS.contains(&byte));
    is_random.then_some(name)
}

/// Is it a regular file?
fn regular(stat: &Stat) -> io::Result<()> {
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Symlink => "it is a link, which is not followed",
        FileType::Directory => "it is a folder",
        FileType::Fifo => "it is a FIFO",
        FileType::Socket => "it is a socket",
        _ => "it is a device",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// In the words of `fs_err`. That the host is short of something says nothing about the file, and callers
/// look for the error number.
fn named(action: &str, path: &Path, error: &io::Error) -> io::Error {
    const SHORT: &[Errno] = &[Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::NOBUFS];
    if let Some(errno) = Errno::from_io_error(error).filter(|errno| SHORT.contains(errno)) {
        return errno.into();
    }
    io::Error::new(error.kind(), format!("failed to {action} `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{FileType, mknodat};

    use super::*;

    /// A folder with one entry of each kind, each under its own name.
    fn planted() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs_err::write(path("file"), "bytes").unwrap();
        fs_err::write(path("target"), "precious").unwrap();
        symlink(path("target"), path("link")).unwrap();
        symlink(path("nothing"), path("dangling")).unwrap();
        fs_err::create_dir(path("folder")).unwrap();
        fs_err::write(path("folder/inside"), "kept").unwrap();
        mknodat(CWD, path("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
        drop(std::os::unix::net::UnixListener::bind(path("socket")).unwrap());
        folder
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_waited_for() {
        let folder = planted();
        assert_eq!(read_path(&folder.path().join("file"), 5).unwrap(), b"bytes");
        assert_eq!(
            read_path(&folder.path().join("file"), 4).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        for (name, why) in [
            ("link", "a link"),
            ("dangling", "a link"),
            ("folder", "a folder"),
            ("fifo", "a FIFO"),
            ("socket", "a socket"),
            ("missing", "No such file"),
        ] {
            let path = folder.path().join(name);
            for error in [open_path(&path).unwrap_err(), open_to_write(&path).unwrap_err()] {
                let text = error.to_string();
                assert!(text.contains(why) && text.contains(&*path.to_string_lossy()), "{text}");
            }
        }
        assert!(open_path(Path::new("/dev/null")).unwrap_err().to_string().contains("a device"));
    }

    #[test]
    fn new_file_replaces_whatever_has_its_name_and_follows_nothing() {
        let folder = planted();
        for name in ["file", "link", "dangling", "folder", "fifo", "socket", "missing"] {
            assert_eq!(
                create_path(&folder.path().join(name)).err().map(|error| error.kind()),
                (name != "missing").then_some(io::ErrorKind::AlreadyExists),
                "{name}"
            );
            write(folder.path(), name, b"ours", Synced::Yes).unwrap();
            assert_eq!(read_path(&folder.path().join(name), 4).unwrap(), b"ours", "{name}");
        }
        assert_eq!(fs_err::read_to_string(folder.path().join("target")).unwrap(), "precious");
        assert!(!folder.path().join("nothing").exists());
        let aside = fs_err::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let aside: Vec<_> = aside.filter(|path| path.to_string_lossy().contains(".not-ours.")).collect();
        assert_eq!(aside.len(), 1, "{aside:?}");
        assert_eq!(fs_err::read_to_string(aside[0].join("inside")).unwrap(), "kept");
    }

    #[test]
    fn file_that_is_dropped_leaves_nothing_and_one_that_was_left_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let open = File::open(folder.path()).unwrap();
        drop(NewFile::create(&open, OsStr::new("status.json")).unwrap());
        assert_eq!(names(&open).unwrap(), Vec::<OsString>::new());
        let left = NewFile::create(&open, OsStr::new("status.json")).unwrap();
        let other = NewFile::create(&open, OsStr::new("other")).unwrap();
        fs_err::write(folder.path().join(".status.json.XXXXXX"), "of rsync").unwrap();
        sweep(open.as_fd(), |name| name == "status.json").unwrap();
        assert_eq!(names(&open).unwrap().len(), 2);
        drop((left, other));
        assert_eq!(names(&open).unwrap(), [".status.json.XXXXXX"]);
    }
}
