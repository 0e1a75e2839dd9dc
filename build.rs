//! Which source the executables are built from, so that `backbone serve` hands over to a daemon of the same
//! build only; and where the worker that is linked with libtensorflowlite_c finds it: next to the
//! installation, and in development builds in the folder that `tools/fetch-runtimes` fills. The daemon's
//! LD_LIBRARY_PATH for a configured library goes before both.

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
    let set = |name: &str| std::env::var(name).unwrap_or_default();
    if std::env::var_os("CARGO_FEATURE_TFLITE").is_none() {
        return;
    }
    let mut places = vec!["$ORIGIN/../lib/backbone".to_owned()];
    if set("PROFILE") == "debug" {
        // target/debug/backbone-worker-tflite → runtimes/<arch>. Not in release builds: an installed one must
        // not look there.
        places.push(format!("$ORIGIN/../../runtimes/{}", set("CARGO_CFG_TARGET_ARCH")));
    }
    for place in places {
        println!("cargo:rustc-link-arg-bin=backbone-worker-tflite=-Wl,-rpath,{place}");
    }
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
