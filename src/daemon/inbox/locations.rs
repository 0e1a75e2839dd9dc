//! Which files in the inbox belong to which model: what `.onnx` files say of their external data.
//!
//! A model file is read again only after it changed. What it says is an upload's word: a location is looked
//! up in the inbox only if it is a bare name that an upload may have.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use super::admit::Rejection;
use crate::bundle::format::Stage;
use crate::error::Hint as _;
use crate::model_file::ReadError;
use crate::model_file::onnx::{ExternalFile, ListError, external_files};
use crate::spec::models::fault_of_name;
use crate::spool::Folder;
use crate::spool::names::{NameKind, kind_of};
use crate::spool::plan::Stat;

/// What to do about a location that is not taken.
const EXPORT_AGAIN: &str = "export the model again with its weights in one file in the same folder, such as \
                            onnx.save_model(model, \"net.onnx\", save_as_external_data=True, location=\"net.onnx.data\")";

/// What model files say of further files, remembered by the state of the model file.
#[derive(Debug, Default)]
pub(super) struct Locations {
    known: BTreeMap<OsString, (Stat, Vec<ExternalFile>)>,
}

/// Why the files of a model are not known.
#[derive(Debug)]
pub(super) enum NotListed {
    /// They cannot be taken.
    Rejected(Rejection),
    /// The model file changed or is gone.
    Changed,
    /// The disk refused.
    Trouble(io::Error),
}

impl Locations {
    /// The further files of a model file in this state; none for a format that has no such files, and for a
    /// file that is not whole, which its runtime will say better.
    pub(super) fn of(
        &mut self,
        inbox: &Folder,
        name: &OsStr,
        stat: &Stat,
    ) -> Result<&[ExternalFile], NotListed> {
        let is_known = self.known.get(name).is_some_and(|(known, _)| known.same_content(stat));
        if !is_known {
            let files = read(inbox, name)?;
            self.known.insert(name.to_owned(), (*stat, files));
        }
        Ok(self.known.get(name).map(|(_, files)| files.as_slice()).unwrap_or_default())
    }

    /// Forget the files that are not in the inbox any more.
    pub(super) fn keep(&mut self, is_there: impl Fn(&OsStr) -> bool) {
        self.known.retain(|name, _| is_there(name));
    }

    /// A model in the inbox that refers to the file.
    pub(super) fn model_of(&self, part: &OsStr) -> Option<&OsStr> {
        let names =
            |files: &[ExternalFile]| files.iter().any(|file| OsStr::new(bare(&file.location)) == part);
        self.known.iter().find(|(_, (_, files))| names(files)).map(|(model, _)| model.as_os_str())
    }
}

/// Can a model with this name refer to further files?
pub(super) fn may_refer(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
}

fn read(inbox: &Folder, name: &OsStr) -> Result<Vec<ExternalFile>, NotListed> {
    if !may_refer(name) {
        return Ok(Vec::new());
    }
    let file = match inbox.open_file(name) {
        Ok(file) => std::fs::File::from(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NotListed::Changed),
        Err(error) => return Err(NotListed::Trouble(error)),
    };
    listed(&name.to_string_lossy(), external_files(file))
}

/// A further file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExternalPart {
    /// Its bare name.
    pub(crate) file: String,
    /// How long it is at least.
    pub(crate) least_bytes: u64,
}

/// The further files of a model file at this path, for commands; none if it is not whole.
///
/// # Errors
/// They cannot be taken.
pub(crate) fn parts_of(path: &Path) -> Result<Vec<ExternalPart>, Rejection> {
    let name = path.file_name().unwrap_or_default();
    if !may_refer(name) {
        return Ok(Vec::new());
    }
    let files = fs_err::File::open(path).map_err(ListError::from).and_then(external_files);
    match listed(&name.to_string_lossy(), files) {
        Ok(files) => {
            let part = |file: ExternalFile| ExternalPart {
                file: bare(&file.location).to_owned(),
                least_bytes: file.least_bytes,
            };
            Ok(files.into_iter().map(part).collect())
        }
        Err(NotListed::Rejected(rejection)) => Err(rejection),
        Err(NotListed::Changed | NotListed::Trouble(_)) => Ok(Vec::new()),
    }
}

/// The further files of a model as they may be taken.
pub(super) fn listed(
    model: &str,
    files: Result<Vec<ExternalFile>, ListError>,
) -> Result<Vec<ExternalFile>, NotListed> {
    let files = match files {
        Ok(files) => files,
        Err(ListError::Disk(error)) => return Err(NotListed::Trouble(error)),
        Err(ListError::Read(ReadError::Unreadable { .. })) => return Ok(Vec::new()),
        Err(ListError::Read(error)) => {
            let hint = error.hint().unwrap_or_default();
            let detail = format!("`{model}`: {error}");
            return Err(NotListed::Rejected(Rejection::new(
                Stage::Model,
                "external_data_unclear",
                detail,
                &hint,
            )));
        }
    };
    match files.iter().find_map(|file| Some((file, fault(model, bare(&file.location))?))) {
        None => Ok(files),
        Some((file, fault)) => {
            let (tensor, location) = (&file.tensor, file.location.escape_debug());
            let detail = format!("`{model}` keeps its tensor `{tensor}` in `{location}`, which {fault}");
            Err(NotListed::Rejected(Rejection::new(
                Stage::Model,
                "external_data_location",
                detail,
                EXPORT_AGAIN,
            )))
        }
    }
}

/// `./name` is the same file as `name`.
pub(super) fn bare(location: &str) -> &str {
    location.strip_prefix("./").unwrap_or(location)
}

/// What is wrong with a bare name, as a clause.
fn fault(model: &str, name: &str) -> Option<String> {
    if name == model {
        return Some("is the model file itself".to_owned());
    }
    if let Some(fault) = fault_of_name(name) {
        return Some(fault.message);
    }
    match kind_of(OsStr::new(name)) {
        NameKind::Spec => Some("has the name of a job file".to_owned()),
        NameKind::Cancel => Some("has the name of a request to cancel a job".to_owned()),
        NameKind::Temporary => {
            Some("has a temporary name, which uploads use until they are finished".to_owned())
        }
        NameKind::Other if name == "." => Some("is a folder".to_owned()),
        NameKind::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(location: &str) -> Option<String> {
        let file = ExternalFile { location: location.to_owned(), least_bytes: 1, tensor: "w".to_owned() };
        match listed("net.onnx", Ok(vec![file])) {
            Ok(_) => None,
            Err(NotListed::Rejected(rejection)) => Some(rejection.failure.detail),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn locations_that_could_mean_another_file_are_refused_each_with_its_reason() {
        for location in ["net.onnx.data", "./net.onnx.data", "weights.bin", "größe.bin", "onnx::MatMul_3"] {
            assert_eq!(refusal(location), None, "{location}");
        }
        let refused = [
            "/etc/passwd",
            "../x",
            "a/b",
            "a\\b",
            "..",
            ".",
            "./",
            "",
            "x\0y",
            "x\ny",
            ".hidden",
            "x.part",
            "x~",
            "x.TMP",
            "job.yaml",
            "net.onnx",
            "./net.onnx",
            "*/_ORT_MEM_ADDR_/*",
            "x.cancel",
        ];
        let lines: Vec<String> = refused
            .into_iter()
            .map(|location| refusal(location).unwrap_or_else(|| panic!("{location:?} is taken")))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn what_is_not_a_whole_model_is_left_to_its_runtime() {
        let torn = ReadError::Unreadable { format: "ONNX", what: "it ends within a number".to_owned() };
        assert_eq!(listed("net.onnx", Err(torn.into())).unwrap(), []);
    }
}
