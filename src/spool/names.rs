//! Names: what a file in the inbox is by its name, and how the spool names its own entries. Pure.
//!
//! The spool keeps a job's state in names, because a power cut cannot tear a rename: `queue/<id>~<kind>~<file
//! name>`. Every byte of the original file name outside `[A-Za-z0-9._-]` is written as `%XX`, so that no
//! name, however hostile, can leave the folder, be hidden or contain our separator.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Endings of unfinished files: rsync and many others, WinSCP, editors.
const TEMPORARY_ENDINGS: &[&[u8]] = &[b".part", b".filepart", b".tmp", b"~"];

/// Longest spelled file name in a spool entry: 255 bytes (`NAME_MAX`) minus id, kind and separators, rounded
/// down. A longer one is cut, which affects its display only.
const LONGEST_SPELLED: usize = 200;

/// What an inbox entry is, by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// An upload under a temporary name (`.name.XXXXXX`, `.part`, `.filepart`, `.tmp`, `~`): never touched.
    Temporary,
    /// A job file: `.yaml` or `.yml`.
    Spec,
    /// A request to cancel a job: `.cancel`.
    Cancel,
    /// Anything else: a model, or an unrelated file.
    Other,
}

/// What an inbox entry is, by its name alone.
pub(crate) fn kind_of(name: &OsStr) -> NameKind {
    let bytes = name.as_bytes();
    if bytes.starts_with(b".") || TEMPORARY_ENDINGS.iter().any(|ending| bytes.ends_with(ending)) {
        return NameKind::Temporary;
    }
    let lower = bytes.to_ascii_lowercase();
    if lower.ends_with(b".yaml") || lower.ends_with(b".yml") {
        NameKind::Spec
    } else if lower.ends_with(b".cancel") {
        NameKind::Cancel
    } else {
        NameKind::Other
    }
}

/// Identity of a job: its arrival number on this spool and the spool's random tag. Ids are ordered on one
/// host whatever its clock does, and unique across hosts. Written `0000000042-k3f9a2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId {
    /// Arrival number, from 1.
    pub number: u64,
    /// Six letters or digits, chosen once per spool folder.
    pub tag: String,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}-{}", self.number, self.tag)
    }
}

impl JobId {
    /// Parse an id as `Display` writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, tag) = text.split_once('-')?;
        let well_formed = number.len() >= 10
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && !tag.is_empty()
            && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
        well_formed.then(|| Some(Self { number: number.parse().ok()?, tag: tag.to_owned() }))?
    }

    /// The id of the bundle of this job's n-th configuration, from 1: `0000000042-k3f9a2-0001`.
    pub(crate) fn bundle_id(&self, configuration: usize) -> String {
        format!("{self}-{configuration:04}")
    }

    /// Job and configuration of a bundle, from the bundle's file name.
    pub(crate) fn of_bundle(file_name: &str) -> Option<(Self, usize)> {
        Self::parse_bundle_id(file_name.strip_suffix(".json.gz")?.rsplit('.').next()?)
    }

    /// Job and configuration of a bundle's id.
    pub(crate) fn parse_bundle_id(text: &str) -> Option<(Self, usize)> {
        let (job, configuration) = text.rsplit_once('-')?;
        Some((Self::parse(job)?, configuration.parse().ok()?))
    }
}

/// Why an entry is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A job whose upload finished.
    Job,
    /// An upload that did not finish within the allowed time; it is to be rejected.
    Unfinished,
}

/// One entry of `queue/` or `done/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The job.
    pub id: JobId,
    /// Why it is here.
    pub kind: EntryKind,
    /// File name in the inbox (cut if very long).
    pub file: OsString,
}

impl Entry {
    /// The entry's name in `queue/` and `done/`.
    pub fn name(&self) -> String {
        let kind = match self.kind {
            EntryKind::Job => "job",
            EntryKind::Unfinished => "unfinished",
        };
        format!("{}~{kind}~{}", self.id, spell(&self.file))
    }

    /// Parse a name of `queue/` or `done/`; `None` for anything that [`Entry::name`] does not write.
    pub fn parse(name: &OsStr) -> Option<Self> {
        let mut parts = name.to_str()?.splitn(3, '~');
        let id = JobId::parse(parts.next()?)?;
        let kind = match parts.next()? {
            "job" => EntryKind::Job,
            "unfinished" => EntryKind::Unfinished,
            _ => return None,
        };
        Some(Self { id, kind, file: unspell(parts.next()?)? })
    }
}

/// Every byte outside `[A-Za-z0-9._-]` as `%XX`, cut to [`LONGEST_SPELLED`] bytes.
pub(crate) fn spell(name: &OsStr) -> String {
    let mut spelled = String::new();
    for &byte in name.as_bytes() {
        let piece = if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        };
        if spelled.len() + piece.len() > LONGEST_SPELLED {
            break;
        }
        spelled.push_str(&piece);
    }
    spelled
}

/// The name that [`spell`] wrote (up to its cut).
pub(crate) fn unspell(spelled: &str) -> Option<OsString> {
    let mut bytes = Vec::with_capacity(spelled.len());
    let mut rest = spelled.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    Some(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_of_upload_programs_are_recognised() {
        for name in [".net.onnx.Xy12Ab", "a.yaml.part", "a.yaml.filepart", "a.yaml~", ".hidden.yaml", "x.tmp"]
        {
            assert_eq!(kind_of(OsStr::new(name)), NameKind::Temporary, "{name}");
        }
        assert_eq!(kind_of(OsStr::new("a.yaml")), NameKind::Spec);
        assert_eq!(kind_of(OsStr::new("A.YML")), NameKind::Spec);
        assert_eq!(kind_of(OsStr::new("a.cancel")), NameKind::Cancel);
        assert_eq!(kind_of(OsStr::new("net.onnx")), NameKind::Other);
    }

    #[test]
    fn any_file_name_survives_its_spelling() {
        for name in [
            &b"plain.yaml"[..],
            b"new\nline.yaml",
            b"\xff\xfe.yaml",
            b"a b%c~d.yaml",
            "größe.yaml".as_bytes(),
        ] {
            let name = OsStr::from_bytes(name);
            assert_eq!(unspell(&spell(name)).as_deref(), Some(name));
            let entry = Entry {
                id: JobId { number: 7, tag: "abc123".into() },
                kind: EntryKind::Job,
                file: name.into(),
            };
            assert_eq!(Entry::parse(OsStr::new(&entry.name())), Some(entry));
        }
    }

    #[test]
    fn the_longest_file_name_still_fits_into_a_directory_entry() {
        let name = OsString::from_vec(vec![b'\n'; 255]);
        let entry = Entry {
            id: JobId { number: u64::MAX, tag: "abc123".into() },
            kind: EntryKind::Unfinished,
            file: name,
        };
        assert!(entry.name().len() <= 255);
        assert!(Entry::parse(OsStr::new(&entry.name())).is_some());
    }

    #[test]
    fn ids_sort_by_arrival_as_text_too() {
        let text = |number| JobId { number, tag: "zz".into() }.to_string();
        assert!(text(9) < text(10) && text(999) < text(1_000_000));
        let id = JobId { number: 42, tag: "k3f9a2".into() };
        assert_eq!(JobId::parse_bundle_id(&id.bundle_id(3)), Some((id, 3)));
        assert_eq!(JobId::parse("junk"), None);
        assert_eq!(JobId::parse("0000000042-"), None);
    }
}
