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
    cause("USB transfer error", "device_vanished", Fault::Host, CABLE),
    HIB_ERROR,
    WATCHDOG,
    // Fatal checks of its USB driver, which end the process: bulk out, transfer in, async transfer out.
    cause("failed. Abort", "device_vanished", Fault::Host, CABLE),
    cause("Failed to retrieve TPU context", "device_failed", Fault::Host, KERNEL_LOG),
    cause("Failed to execute request", "device_failed", Fault::Host, KERNEL_LOG),
];

/// What libedgetpu prints at severity E and then waits for ever: every error that it does not return from a
/// call. At severity F it ends the process itself, which is an ending of its own. Source: LOG(ERROR) and
/// LOG(FATAL) in driver/ and tflite/ of <https://github.com/google-coral/libedgetpu>, e35aed1; reports of
/// what follows a HIB error: issues 395, 507 and 741 of google-coral/edgetpu. What the gasket driver says of
/// a card (a reset that failed, memory that does not come up) is in the kernel's log, which the daemon does
/// not read.
pub(crate) const FATAL_LINES: &[Cause] = &[HIB_ERROR, WATCHDOG];

/// The host interface block of the chip. All bits set: the link to the card is lost.
const HIB_ERROR: Cause = cause("HIB Error. hib_error_status", "device_failed", Fault::Host, KERNEL_LOG);

/// The driver's own watchdog: it resets the chip, and what ran on it never ends.
const WATCHDOG: Cause = cause("Watchdog timed out", "device_failed", Fault::Host, KERNEL_LOG);

const CABLE: &str = "check the cable and the port; a Coral stick draws up to 900 mA, which needs a USB 3 port or a powered hub";

const KERNEL_LOG: &str = "see the kernel's log, `journalctl -k | grep -i -e apex -e gasket`; all bits set mean that the link to the card is \
                          lost: seat the card anew, and reboot";

/// How to get two libraries that work together.
const FIT: &str = "libedgetpu and libtensorflowlite_c.so must be built from the same sources of TensorFlow; set \
                   `runtimes.edgetpu.library` to the right one";

/// What the lines say, and the line that says it.
pub(crate) fn find(lines: &[String]) -> Option<(&'static Cause, String)> {
    causes::find(CAUSES, lines)
}
