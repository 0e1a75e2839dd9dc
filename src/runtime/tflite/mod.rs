//! TensorFlow Lite: runs `.tflite` files on the processor.
//!
//! This file is the description that the daemon reads; [`crate::model_file::tflite`] reads the file format
//! without a library. The executing half, `session.rs`, is not part of this library crate: it calls
//! libtensorflowlite_c and is compiled into `backbone-worker-tflite` alone, so that the daemon's executable
//! holds none of it.

use super::needs::Origin;
use super::{Need, OptionKind, Reach, Runtime, RuntimeOption, options};
use crate::model_file::signatures::other_format;
use crate::model_file::tflite;
use crate::network::emit::Form;

pub mod model;

/// The option that switches the delegate.
pub const XNNPACK: RuntimeOption = RuntimeOption {
    name: "xnnpack",
    kind: OptionKind::Boolean,
    summary: "use the kernels of the XNNPACK delegate; default: true. With false the library decides, and may still use them",
};

/// The description.
pub const RUNTIME: Runtime = Runtime {
    name: "tflite",
    summary: "TensorFlow Lite for .tflite files: on the processor, with XNNPACK",
    model_format: "tflite",
    recognise,
    networks: |_| Some(Form::TFLITE),
    options: &[options::THREADS, options::PROFILE, XNNPACK],
    options_from_model: &[],
    most_runs: None,
    timed: |_| {
        (
            "tflite.invoke.cpu",
            "one call of TfLiteInterpreterInvoke on the processor, with tensors that were allocated and filled before; reading and \
         writing them is not in it",
        )
    },
    needs: &[
        Need::Library { file: "libtensorflowlite_c.so", variables: &[], origin: Origin::Installation },
        Need::Worker { file: "backbone-worker-tflite" },
    ],
    reach: |_| Reach::PROCESSOR,
    fatal_lines: &[],
    simulated: false,
};

/// Bytes 4 to 8 of a FlatBuffer identify its schema.
fn recognise(head: &[u8]) -> Result<(), String> {
    if tflite::has_identifier(head) { Ok(()) } else { Err(other_format(head)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tflite_files_are_taken_and_others_are_named() {
        assert_eq!(recognise(b"\x1c\0\0\0TFL3\x14\0 \0\x1c\0\x18\0"), Ok(()));
        assert_eq!(recognise(b"PK\x03\x04\x14\0\0\0\x08\0"), Err("a zip archive".to_owned()));
        assert_eq!(recognise(b"\x08\x08\x12\x11backbone"), Err("a file of an unknown format".to_owned()));
    }
}
