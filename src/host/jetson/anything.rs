//! For `fuzzing`: what nvpmodel prints and its configuration file, if they were any bytes.

use super::{nvpmodel, release, values};

/// Read the bytes as each of them, and as the file that names the release.
pub(crate) fn read_anything(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    nvpmodel::read_anything(&text);
    values::read_anything(&text);
    release::read_anything(&text);
}
