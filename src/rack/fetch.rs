//! Collecting the outbox of one host into a folder of its own, `host=ID`.
//!
//! 1. The device lists its bundles: names and sizes.
//! 2. rsync brings those that are not here into a hidden folder, in portions. A killed collector loses at
//!    most one portion, and the next one goes on after it.
//! 3. Each file is read as a whole: its gzip stream, its seal, its JSON. Only then it gets its name, and
//!    never in place of another good file.
//! 4. If asked for, the device removes a file of a name only if its digest is the one that is here, verified
//!    and durable. A file that changed in between stays.
//!
//! Two collectors at once do no harm: each has a hidden folder of its own, a name is given once, and what the
//! other removed is not missed. The daemon publishes by renaming, so a listed file is whole.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::collect::{Whole, WrongFile, whole};
use crate::guarded::{self, Synced};
use crate::scratch::{self, Scratch};

use super::connection::{Connection, here};
use super::device::Device;
use super::rsync;
use super::trouble::Trouble;

/// How the name of the hidden folder begins.
const OF_COLLECTORS: &str = ".backbone-collect-";

/// The file with the device's status, as in every outbox.
const STATUS_FILE: &str = "status.json";

/// How many files, and bytes, rsync brings at a time.
const PORTION_FILES: usize = 500;
const PORTION_BYTES: u64 = 64 << 20;

/// Prints size and name of each bundle in the folder `$1`. A file that vanishes meanwhile is no failure.
const LIST: &str = "cd \"$1\" || exit 3; \
     find . -maxdepth 1 -type f -name \"*.json.gz\" -exec stat -c \"%s %n\" {} + 2>/dev/null; exit 0";

/// Removes files of the folder `$1` that have the digests of its input, and prints their names.
const REMOVE: &str = "cd \"$1\" || exit 3; LC_ALL=C sha256sum -c 2>/dev/null | while IFS= read -r l; do \
     case $l in *\": OK\") n=${l%\": OK\"}; rm \"./$n\" && printf \"%s\\n\" \"$n\";; esac; done; exit 0";

/// Whether to remove on the device what is safe here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// Leave everything there.
    None,
    /// Remove what is verified and durable here.
    OfSafe,
}

/// What one host gave.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// Its id, if it has one.
    pub(crate) host_id: Option<String>,
    /// Bundles that came now.
    pub(crate) new: usize,
    /// Bundles that were here.
    pub(crate) here: usize,
    /// Bundles that were removed on the device.
    pub(crate) removed: usize,
    /// Bundles that should have been removed, and are still there.
    pub(crate) kept: usize,
    /// Bundles that vanished before they were brought.
    pub(crate) vanished: usize,
    /// Files that are not whole bundles, and stay where they are: name and what is wrong.
    pub(crate) damaged: Vec<(String, String)>,
    /// Files of the outbox with names that no bundle has; left alone.
    pub(crate) odd_names: usize,
    /// What ended it early, or kept something from being removed.
    pub(crate) trouble: Option<Trouble>,
}

/// A name that a bundle may have; it is safe in a path, in a list of digests, and for a shell.
fn is_bundle_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.len() <= 255
        && name.ends_with(".json.gz")
        && !name.starts_with(['.', '-'])
        && name.bytes().all(is_plain)
}

/// What is in an outbox: sizes by name, and how many other names.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) sizes: BTreeMap<String, u64>,
    odd_names: usize,
}

/// List the bundles in a folder of the device.
pub(super) fn list(connection: &Connection, outbox: &Path) -> Result<Listing, Trouble> {
    let answer = connection.run(LIST, &[outbox.as_os_str()], b"")?;
    if answer.code != 0 {
        let why = Trouble::of_words(&answer.stderr);
        return Err(why.unwrap_or_else(|| Trouble::NoFolder(super::trouble::last_line(&answer.stderr))));
    }
    let mut listing = Listing::default();
    for line in String::from_utf8_lossy(&answer.stdout).lines() {
        match line.split_once(" ./") {
            Some((size, name)) if is_bundle_name(name) && size.parse::<u64>().is_ok() => {
                listing.sizes.insert(name.to_owned(), size.parse().unwrap_or_default());
            }
            _ => listing.odd_names += 1,
        }
    }
    Ok(listing)
}

/// Collect the outbox of a host. `outbox` is its folder on the device, if the user names one.
///
/// # Errors
/// Nothing could be brought. Later trouble is in [`Brought::trouble`].
pub(crate) fn fetch(
    connection: &Connection,
    outbox: Option<&Path>,
    output: &Path,
    removal: Removal,
) -> Result<Brought, Trouble> {
    let device = Device::ask(connection)?;
    let outbox = outbox.unwrap_or(&device.outbox);
    let listing = list(connection, outbox)?;
    let folder = output.join(match &device.host_id {
        Some(id) => format!("host={id}"),
        None => format!("host={}", connection.host().reduced()),
    });
    fs_err::create_dir_all(&folder).map_err(here)?;
    scratch::sweep(&folder, OF_COLLECTORS);
    let mut collector = Collector {
        connection,
        outbox,
        safe: BTreeMap::new(),
        brought: Brought {
            folder,
            host_id: device.host_id.clone(),
            odd_names: listing.odd_names,
            ..Brought::default()
        },
    };
    let done = collector.collect(&listing, &device, removal);
    collector.brought.trouble = done.err().or(collector.brought.trouble.take());
    Ok(collector.brought)
}

struct Collector<'a> {
    connection: &'a Connection,
    outbox: &'a Path,
    /// Digests of files of the outbox that are verified here, by their names there, with their paths here.
    safe: BTreeMap<String, (String, PathBuf)>,
    brought: Brought,
}

impl Collector<'_> {
    fn collect(&mut self, listing: &Listing, device: &Device, removal: Removal) -> Result<(), Trouble> {
        let mut wanted = Vec::new();
        for (name, size) in &listing.sizes {
            let here = self.brought.folder.join(name);
            let is_here =
                fs_err::symlink_metadata(&here).is_ok_and(|file| file.is_file() && file.len() == *size);
            // Before something is removed there, what is here is read, however long it has been here.
            match (is_here, removal) {
                (false, _) => wanted.push((name.as_str(), *size)),
                (true, Removal::None) => self.brought.here += 1,
                (true, Removal::OfSafe) => match whole(&here) {
                    Ok(Whole { sha256 }) => {
                        self.brought.here += 1;
                        self.safe.insert(name.clone(), (sha256, here));
                    }
                    Err(_) => wanted.push((name.as_str(), *size)),
                },
            }
        }
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            let (portion, later) = rest.split_at(portion_of(rest));
            self.bring(portion)?;
            rest = later;
        }
        self.keep_status(device)?;
        if removal == Removal::OfSafe { self.remove() } else { Ok(()) }
    }

    /// Bring these files, and give those their names that are whole.
    fn bring(&mut self, portion: &[(&str, u64)]) -> Result<(), Trouble> {
        let hidden = Scratch::make(&self.brought.folder, OF_COLLECTORS).map_err(here)?;
        let names: Vec<&str> = portion.iter().map(|(name, _)| *name).collect();
        let list = self.connection.own_file("names");
        fs_err::write(&list, names.join("\0")).map_err(here)?;
        let mut from = std::ffi::OsString::from("--files-from=");
        from.push(&list);
        let mut to = hidden.path().as_os_str().to_owned();
        to.push("/");
        let source = rsync::there(self.outbox);
        let words =
            [OsStr::new("--from0"), from.as_os_str(), OsStr::new("--"), source.as_os_str(), to.as_os_str()];
        let transfer = rsync::call(self.connection, &words)?;
        for name in names {
            let staged = hidden.path().join(name);
            if !staged.exists() {
                self.brought.vanished += 1;
                continue;
            }
            match whole(&staged) {
                Ok(Whole { sha256 }) => self.place(name, &staged, sha256)?,
                Err(WrongFile { detail, .. }) => self.brought.damaged.push((name.to_owned(), detail)),
            }
        }
        match transfer.trouble {
            // A file that another collector took is not missed; one that may not be read is.
            Some(Trouble::NoFolder(_)) if transfer.is_partial => Ok(()),
            Some(trouble) if transfer.is_partial => {
                self.brought.trouble.get_or_insert(trouble);
                Ok(())
            }
            Some(trouble) => Err(trouble),
            None => Ok(()),
        }
    }

    /// Give a good file its name, unless a good file has it.
    fn place(&mut self, name: &str, staged: &Path, sha256: String) -> Result<(), Trouble> {
        // The second name is for a different result of the same name, which a cloned device may publish.
        let other = name.replace(".json.gz", &format!(".{}.json.gz", &sha256[..8]));
        for name_here in [name, &other] {
            let target = self.brought.folder.join(name_here);
            match give_name(staged, &target) {
                Ok(()) => {
                    self.brought.new += 1;
                    self.safe.insert(name.to_owned(), (sha256, target));
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(here(error)),
            }
            match whole(&target) {
                Ok(known) if known.sha256 == sha256 => {
                    self.brought.here += 1;
                    self.safe.insert(name.to_owned(), (sha256, target));
                    return Ok(());
                }
                Ok(_) => {}
                // A copy that was damaged here.
                Err(_) => {
                    guarded::rename(staged, &target).map_err(here)?;
                    self.brought.new += 1;
                    self.safe.insert(name.to_owned(), (sha256, target));
                    return Ok(());
                }
            }
        }
        Err(Trouble::Here(format!(
            "{} and {other} are other results",
            self.brought.folder.join(name).display()
        )))
    }

    /// The status of before the listing: the newest bundle that it names was published by then.
    fn keep_status(&self, device: &Device) -> Result<(), Trouble> {
        let known = guarded::read_path(&self.brought.folder.join(STATUS_FILE), device.text.len() as u64 + 1);
        if known.is_ok_and(|known| known == device.text) {
            return Ok(());
        }
        guarded::write(&self.brought.folder, STATUS_FILE, &device.text, Synced::No).map_err(here)
    }

    fn remove(&mut self) -> Result<(), Trouble> {
        if self.safe.is_empty() {
            return Ok(());
        }
        let mut digests = String::new();
        for (name, (sha256, path)) in &self.safe {
            fs_err::File::open(path).and_then(|file| file.sync_all()).map_err(here)?;
            digests.push_str(&format!("{sha256}  {name}\n"));
        }
        for folder in
            [Some(self.brought.folder.as_path()), self.brought.folder.parent()].into_iter().flatten()
        {
            fs_err::File::open(folder).and_then(|folder| folder.sync_all()).map_err(here)?;
        }
        let answer = self.connection.run(REMOVE, &[self.outbox.as_os_str()], digests.as_bytes())?;
        let printed = String::from_utf8_lossy(&answer.stdout).into_owned();
        self.brought.removed = printed.lines().filter(|name| self.safe.contains_key(*name)).count();
        let missing = self.safe.len().saturating_sub(self.brought.removed);
        // What is gone was removed by another collector.
        let still_there = list(self.connection, self.outbox)?.sizes;
        self.brought.kept =
            self.safe.keys().filter(|name| still_there.contains_key(*name)).count().min(missing);
        match Trouble::of_words(&answer.stderr) {
            Some(Trouble::NoFolder(_)) | None => Ok(()),
            Some(trouble) => Err(trouble),
        }
    }
}

/// How many of these files rsync brings next.
fn portion_of(files: &[(&str, u64)]) -> usize {
    let mut bytes = 0_u64;
    let fit = files.iter().take(PORTION_FILES).take_while(|(_, size)| {
        bytes = bytes.saturating_add(*size);
        bytes <= PORTION_BYTES
    });
    fit.count().max(1)
}

/// Give a file its name if nothing has it. Some file systems of memory cards have no links.
fn give_name(from: &Path, to: &Path) -> io::Result<()> {
    match fs_err::hard_link(from, to) {
        Ok(()) => fs_err::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) if fs_err::symlink_metadata(to).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs_err::rename(from, to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_bundles_are_safe_everywhere() {
        assert!(is_bundle_name("a.standard-k3-b1-i224-int8.sim.0000000001-k3f9a2-0001.json.gz"));
        for odd in
            ["-rf.json.gz", ".a.json.gz", "a b.json.gz", "../a.json.gz", "a\n.json.gz", "é.json.gz", "a.json"]
        {
            assert!(!is_bundle_name(odd), "{odd}");
        }
    }

    #[test]
    fn portions_are_limited_by_number_and_size_and_never_empty() {
        assert_eq!(portion_of(&[("a", u64::MAX), ("b", 1)]), 1);
        assert_eq!(portion_of(&[("a", 1), ("b", PORTION_BYTES)]), 1);
        assert_eq!(portion_of(&vec![("a", 1); PORTION_FILES + 1]), PORTION_FILES);
    }
}
