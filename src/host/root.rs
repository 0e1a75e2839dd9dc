//! The only access to `/sys`, `/proc` and other files of the host.
//!
//! A root other than `/` makes a folder stand in for a machine: a test fixture, or a copy of a device's
//! files. Results measured under such a root are marked simulated. `..` never leaves the root; symbolic links
//! are followed as they are, so a fixture should hold relative ones.

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::path::{Component, Path, PathBuf};

/// The most that is read from one file. Files of sysfs hold at most a page, and `/proc/cpuinfo` is smaller
/// than this even on the largest machines.
const LARGEST_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// The folder used as `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoot(PathBuf);

impl HostRoot {
    /// Use this folder. A relative path is resolved now, so a later change of the current folder does not
    /// matter.
    ///
    /// # Errors
    /// The path is empty, or the current folder does not exist.
    pub fn new(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        Ok(Self(if inside(&path).as_os_str().is_empty() { PathBuf::from("/") } else { path }))
    }

    /// The machine this program runs on.
    pub fn real() -> Self {
        Self(PathBuf::from("/"))
    }

    /// Whether it is the machine this program runs on. A link to `/` counts as another root.
    pub(crate) fn is_real(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// The folder itself.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The real path of a path on the host, such as `/proc/stat`. `..` at the root stays at the root, as in a
    /// chroot.
    pub fn path(&self, host_path: impl AsRef<Path>) -> PathBuf {
        self.0.join(inside(host_path.as_ref()))
    }

    /// The text of a file of the host, without white space at its end.
    ///
    /// # Errors
    /// It cannot be opened or read, is not UTF-8, or is larger than 4 MiB. The error names the path.
    pub fn read(&self, host_path: impl AsRef<Path>) -> io::Result<String> {
        let path = self.path(host_path);
        let mut text = String::new();
        fs_err::File::open(&path)?.take(LARGEST_FILE_BYTES + 1).read_to_string(&mut text)?;
        if text.len() as u64 > LARGEST_FILE_BYTES {
            let message = format!("`{}` is larger than {LARGEST_FILE_BYTES} bytes", path.display());
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        text.truncate(text.trim_end().len());
        Ok(text)
    }

    /// Names in a folder of the host, numbers sorted by value (`hwmon2` before `hwmon10`); empty if it cannot
    /// be listed. Names that are not UTF-8 are left out; the kernel has none.
    pub(crate) fn names_in(&self, host_path: impl AsRef<Path>) -> Vec<String> {
        let Ok(entries) = fs_err::read_dir(self.path(host_path)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort_by_cached_key(|name| {
            let start = name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
            let number = name[start.len()..].parse::<u64>().ok();
            (start, number, name.clone())
        });
        names
    }

    /// Write a value into an existing file of the host, with one write(2), as sysfs requires.
    ///
    /// # Errors
    /// It does not exist, or the host refuses the value. The error names the path.
    pub fn write(&self, host_path: impl AsRef<Path>, value: &str) -> io::Result<()> {
        let mut file = fs_err::OpenOptions::new().write(true).truncate(true).open(self.path(host_path))?;
        file.write_all(value.as_bytes())
    }
}

/// The path relative to the root, with `.` and `..` resolved by name.
fn inside(path: &Path) -> PathBuf {
    let mut parts: Vec<OsString> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_owned()),
            Component::ParentDir => drop(parts.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    parts.iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_root_folder_is_real() {
        for path in ["/", "//", "/.", "/..", "/usr/.."] {
            assert!(HostRoot::new(path).unwrap().is_real(), "{path}");
        }
        for path in ["/tmp", ".", "fixture", "/srv/../tmp"] {
            assert!(!HostRoot::new(path).unwrap().is_real(), "{path}");
        }
        assert!(HostRoot::real().is_real());
        assert!(HostRoot::new("").is_err());
    }

    #[test]
    fn relative_root_is_fixed_when_it_is_made() {
        let root = HostRoot::new("fixture").unwrap();
        assert_eq!(root.as_path(), std::env::current_dir().unwrap().join("fixture"));
    }

    #[test]
    fn paths_of_the_host_are_under_the_root() {
        let root = HostRoot::new("/srv/fake").unwrap();
        assert_eq!(root.path("/proc/stat"), Path::new("/srv/fake/proc/stat"));
        assert_eq!(root.path("proc/stat"), Path::new("/srv/fake/proc/stat"));
        assert_eq!(root.path("/proc/../../../etc/passwd"), Path::new("/srv/fake/etc/passwd"));
        assert_eq!(HostRoot::real().path("/proc/stat"), Path::new("/proc/stat"));
    }

    #[test]
    fn text_is_read_without_its_last_newline_and_errors_name_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        fs_err::create_dir_all(root.path("/sys/x")).unwrap();
        fs_err::write(root.path("/sys/x/name"), " a b\n\n").unwrap();
        assert_eq!(root.read("/sys/x/name").unwrap(), " a b");
        let message = root.read("/sys/x/other").unwrap_err().to_string();
        assert!(message.contains("/sys/x/other"), "{message}");
        assert!(root.read("/sys/x").is_err());
    }

    #[test]
    fn file_without_end_is_refused() {
        let message = HostRoot::real().read("/dev/zero").unwrap_err().to_string();
        assert!(message.contains("`/dev/zero` is larger than"), "{message}");
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_root(path in prop::collection::vec("/|\\.|\\.\\.|[a-z]{1,3}", 0..12)) {
            let path = path.join("/");
            let found = HostRoot::new("/srv/fake").unwrap().path(&path);
            prop_assert!(found.starts_with("/srv/fake"), "{} -> {}", path, found.display());
            prop_assert!(found.components().all(|component| component != Component::ParentDir));
        }
    }
}
