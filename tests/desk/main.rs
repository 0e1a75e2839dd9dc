//! The desk side: the analysis on studies whose truth is known, reports and exports of the real program, and
//! other people's tools as second opinions.

#![expect(clippy::unwrap_used, reason = "a test whose surroundings fail stops there")]
#![expect(clippy::print_stdout, reason = "skipped tests say why, others what they found")]

use std::path::Path;
use std::process::{Command, Output};

use backbone::bundle::format::Bundle;
use backbone::bundle::write::encode;
use tempfile::TempDir;

#[path = "../studies/mod.rs"]
mod studies;

mod analysis;
mod bad_input;
mod compare;
mod platforms;
mod report;
mod results;
mod second_opinions;

/// Write a device's bundles to `results/DEVICE/` in the folder.
fn write(folder: &TempDir, device: &str, bundles: &[Bundle]) {
    let folder = folder.path().join("results").join(device);
    fs_err::create_dir_all(&folder).unwrap();
    for (index, bundle) in bundles.iter().enumerate() {
        fs_err::write(folder.join(format!("{index}.json.gz")), encode(bundle).unwrap()).unwrap();
    }
}

/// Run `backbone export` on a folder of results.
fn export(results: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_backbone")).arg("export").arg(results).args(arguments).output().unwrap()
}
