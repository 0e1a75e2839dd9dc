//! Which source the executables are built from, so that `backbone serve` hands over to a daemon of the same
//! build only.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script has no dependencies, and says which path it could not read"
)]

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

/// What the executables are made of.
const SOURCE: [&str; 4] = ["Cargo.lock", "Cargo.toml", "build.rs", "src"];

fn main() {
    let mut hasher = DefaultHasher::new();
    for place in SOURCE {
        println!("cargo:rerun-if-changed={place}");
        let digested = digest(Path::new(place), &mut hasher);
        digested.unwrap_or_else(|error| panic!("cannot read {place}: {error}"));
    }
    println!("cargo:rustc-env=BACKBONE_SOURCE_DIGEST={:016x}", hasher.finish());
}

/// Add names and contents of everything at `path`.
fn digest(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    path.hash(hasher);
    if !path.is_dir() {
        fs::read(path)?.hash(hasher);
        return Ok(());
    }
    let mut entries: Vec<PathBuf> =
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| digest(entry, hasher))
}
