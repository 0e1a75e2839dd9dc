//! NumPy's `.npz` format: a zip archive with a `.npy` file for each array, stored or deflated.
//!
//! An archive claims the size of each member. It is compared with the array's own header before anything is
//! unpacked, and no more than the array's elements are unpacked, whatever the archive holds.

use std::io::{BufReader, Read as _};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::npy::{self, NpyHeader};
use super::{Elements, TensorFile, TensorFileError, malformed};
use crate::text::{escaped, first_few};

type Archive = ZipArchive<BufReader<fs_err::File>>;

pub(super) fn open(path: &Path, name: &str) -> Result<TensorFile, TensorFileError> {
    let file = fs_err::File::open(path)?;
    let mut archive = archive(file)?;
    let member = format!("{name}.npy");
    if archive.index_for_name(&member).is_none() {
        let names = archive.file_names().map(|name| {
            let name = name.strip_suffix(".npy").unwrap_or(name);
            format!("`{}`", escaped(name))
        });
        let names = first_few(names);
        let names = if names.is_empty() { "no arrays".to_owned() } else { names };
        return Err(TensorFileError::NoArray { name: name.to_owned(), names });
    }
    let header = {
        let mut array = archive.by_name(&member).map_err(refused)?;
        let header = npy::header(&mut array, "npz")?;
        header.check_size("npz", array.size())?;
        header
    };
    let file = fs_err::File::open(path)?;
    Ok(TensorFile {
        element_type: header.element_type,
        shape: header.shape.clone(),
        elements: Elements::Npz { file, member, header },
    })
}

pub(super) fn read(
    file: fs_err::File,
    member: &str,
    header: &NpyHeader,
    into: &mut [u8],
) -> Result<(), TensorFileError> {
    let mut archive = archive(file)?;
    let mut array = archive.by_name(member).map_err(refused)?;
    if npy::header(&mut array, "npz")? != *header {
        return Err(malformed("npz", "it changed while it was read"));
    }
    npy::read(&mut array, header, "npz", into)?;
    // The end of the member is where its checksum is compared.
    match array.read(&mut [0; 1]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(malformed("npz", "an array has more elements than its header claims")),
        Err(error) => Err(malformed("npz", error.to_string())),
    }
}

fn archive(file: fs_err::File) -> Result<Archive, TensorFileError> {
    ZipArchive::new(BufReader::new(file)).map_err(refused)
}

fn refused(error: ZipError) -> TensorFileError {
    match error {
        ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => error.into(),
        ZipError::UnsupportedArchive(what) => {
            malformed("npz", format!("it is packed in an unknown way ({what})"))
        }
        other => malformed("npz", other.to_string()),
    }
}
