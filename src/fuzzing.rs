//! Every reader of bytes that come from elsewhere, as functions from bytes to nothing: whatever the bytes,
//! each returns soon, in bounded memory, without a panic.
//!
//! Only tests and the targets in `fuzz/` have this module. `make test` runs each function on its seeds and on
//! mutations of them; `make fuzz` searches for more with a fuzzer.

use std::io::Cursor;
use std::path::Path;

use crate::bundle::format::Bundle;
use crate::bundle::read;
use crate::host::jetson;
use crate::model_file::onnx::{border, external_files};
use crate::model_file::tensor::TensorFile;
use crate::model_file::tflite;
use crate::network::count::{Known, model_with};
use crate::runtime::{edgetpu, trtexec};
use crate::spec::{render, resolve};
use crate::worker::transcript;

/// A target: its name, which is also that of its executable, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("job_file", job_file),
    ("bundle", bundle),
    ("onnx", onnx),
    ("tflite", tensorflow_lite),
    ("tensor_file", tensor_file),
    ("worker_protocol", transcript::take_anything),
    ("trtexec", trtexec::anything::read_anything),
    ("nvpmodel", jetson::anything::read_anything),
    ("edgetpu_compiler", edgetpu::anything::read_anything),
];

/// Run the target of that name.
///
/// # Panics
/// There is none, or it does.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).expect("a name of `TARGETS`");
    target(bytes);
}

/// Larger elements than these are the business of a limit of its own, which has its tests.
const MOST_BYTES: usize = 1 << 20;

/// A job file, and what is said of its mistakes.
fn job_file(bytes: &[u8]) {
    if let Err(mistakes) = resolve::job(bytes, "fuzz.yaml") {
        assert!(!mistakes.is_empty());
        render(&mistakes, "fuzz.yaml");
    }
}

/// A bundle, compressed and plain.
fn bundle(bytes: &[u8]) {
    let _ = read::decode(bytes);
    let _ = serde_json::from_slice::<Bundle>(bytes);
}

/// An ONNX file: its cost, its border and its further files.
fn onnx(bytes: &[u8]) {
    let _ = model_with(bytes, &Known::default());
    let _ = border(bytes);
    let _ = external_files(Cursor::new(bytes));
}

/// A TensorFlow Lite file: its cost, and what a worker reads of it.
fn tensorflow_lite(bytes: &[u8]) {
    let _ = model_with(bytes, &Known::default());
    let _ = tflite::read(bytes);
}

/// An input's file, in each format.
fn tensor_file(bytes: &[u8]) {
    // Reads a file, as it does of a worker.
    let Ok(file) = tempfile::NamedTempFile::new_in(in_memory()) else { return };
    if fs_err::write(file.path(), bytes).is_err() {
        return;
    }
    for format in ["npy", "npz", "pb"] {
        let Ok(tensor) = TensorFile::open(file.path(), format, "x", Some(64)) else { continue };
        let elements = tensor.shape.iter().try_fold(8_usize, |bytes, size| {
            bytes.checked_mul(usize::try_from(*size).ok()?).filter(|bytes| *bytes <= MOST_BYTES)
        });
        if let Some(length) = elements {
            let _ = tensor.read(&mut vec![0; length]);
        }
    }
}

/// Millions of files on a disk would take days.
fn in_memory() -> &'static Path {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { shared } else { Path::new("/tmp") }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::random::split_mix_64;

    /// Mutations of each seed.
    const MUTATIONS: u64 = 400;

    /// What `fuzz/seeds` names for a target.
    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let list = fs_err::read_to_string(root.join("fuzz/seeds")).unwrap();
        let mut seeds = Vec::new();
        for line in list.lines().filter(|line| line.split(' ').next() == Some(target)) {
            let mut words = line.split(' ').skip(1);
            let (folder, end) = (words.next().unwrap(), words.next().unwrap_or_default());
            for entry in fs_err::read_dir(root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() && path.to_string_lossy().ends_with(end) {
                    let bytes = fs_err::read(path).unwrap();
                    let mut plain = Vec::new();
                    if GzDecoder::new(&bytes[..]).read_to_end(&mut plain).is_ok() {
                        seeds.push(plain);
                    }
                    seeds.push(bytes);
                }
            }
        }
        seeds
    }

    /// A few bytes changed, a piece left out or doubled, or the end cut off.
    fn mutated(bytes: &[u8], seed: &mut u64) -> Vec<u8> {
        let mut mutated = bytes.to_vec();
        for _ in 0..=split_mix_64(seed) % 4 {
            let length = mutated.len().max(1) as u64;
            let place = (split_mix_64(seed) % length) as usize;
            let end = (place + 1 + (split_mix_64(seed) % 64) as usize).min(mutated.len());
            let piece = mutated.get(place..end).unwrap_or_default().to_vec();
            match split_mix_64(seed) % 5 {
                0 => mutated.truncate(place),
                1 => drop(mutated.drain(place.min(end)..end)),
                2 => drop(mutated.splice(place..place, piece)),
                _ => {
                    if let Some(byte) = mutated.get_mut(place) {
                        *byte = split_mix_64(seed) as u8;
                    }
                }
            }
        }
        mutated
    }

    #[test]
    fn every_target_has_seeds_and_an_executable() {
        for (name, _) in TARGETS {
            assert!(!seeds(name).is_empty(), "fuzz/seeds has none for {name}");
            let target = format!("{}/fuzz/targets/{name}.rs", env!("CARGO_MANIFEST_DIR"));
            assert!(Path::new(&target).is_file(), "{target} is missing");
        }
    }

    #[test]
    fn no_target_panics_on_its_seeds_or_near_them() {
        let mut seed = 1;
        for (name, run) in TARGETS {
            for file in seeds(name) {
                run(&file);
                for _ in 0..MUTATIONS {
                    let bytes = mutated(&file, &mut seed);
                    let panicked = std::panic::catch_unwind(|| run(&bytes)).is_err();
                    assert!(!panicked, "{name} panicked on {}", data_encoding::BASE64.encode(&bytes));
                }
            }
        }
    }
}
