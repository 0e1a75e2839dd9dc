//! What TensorFlow Lite and libedgetpu print when they fail, and what it means. Pure. The delegate itself
//! gives no reasons, and a crash leaves nothing but the log tail.

use crate::bundle::format::Fault;
use crate::runtime::causes::{self, Cause, cause};

/// The most telling first.
const CAUSES: &[Cause] = &[
    cause(
        "Package requires runtime version",
        "runtime_too_old",
        Fault::Host,
        "compile the model with `--min_runtime_version`, or install the libedgetpu that the line names",
    ),
    cause("Unsupported data type in custom op handler", "libraries_do_not_fit", Fault::Host, FIT),
    cause("(EdgeTpuDelegateForCustomOp) failed to prepare", "libraries_do_not_fit", Fault::Host, FIT),
    cause(
        "USB transfer error",
        "device_vanished",
        Fault::Host,
        "check the cable and the port; a Coral stick draws up to 900 mA, which needs a USB 3 port or a powered hub",
    ),
    cause(
        "HIB Error",
        "device_failed",
        Fault::Host,
        "see the kernel's log for the apex driver; a reboot resets the card",
    ),
    cause("Failed to retrieve TPU context", "device_failed", Fault::Host, "see the kernel's log"),
];

/// How to get two libraries that work together.
const FIT: &str = "libedgetpu and libtensorflowlite_c.so must be built from the same sources of TensorFlow; set \
                   `runtimes.edgetpu.library` to the right one";

/// What the lines say, and the line that says it.
pub(crate) fn find(lines: &[String]) -> Option<(&'static Cause, String)> {
    causes::find(CAUSES, lines)
}
