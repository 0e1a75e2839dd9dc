//! What TensorFlow Lite and libedgetpu print where they fail, and what it means. Pure: the delegate itself gives no reasons, and a
//! crash leaves nothing but the last lines.

/// A text among a worker's last lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// Part of a line.
    pub text: &'static str,
    /// Stable code.
    pub reason: &'static str,
    /// What to do.
    pub hint: &'static str,
}

/// The most telling first.
pub(crate) const CAUSES: &[Cause] = &[
    Cause {
        text: "Package requires runtime version",
        reason: "runtime_too_old",
        hint: "compile the model with `--min_runtime_version`, or install the libedgetpu that the line names",
    },
    Cause { text: "Unsupported data type in custom op handler", reason: "libraries_do_not_fit", hint: FIT },
    Cause {
        text: "(EdgeTpuDelegateForCustomOp) failed to prepare",
        reason: "libraries_do_not_fit",
        hint: FIT,
    },
    Cause {
        text: "USB transfer error",
        reason: "device_vanished",
        hint: "check cable and port; a Coral stick draws up to 900 mA, which needs a USB 3 port or a powered hub",
    },
    Cause {
        text: "HIB Error",
        reason: "device_failed",
        hint: "see the kernel's log for the apex driver; a reboot resets the card",
    },
    Cause { text: "Failed to retrieve TPU context", reason: "device_failed", hint: "see the kernel's log" },
];

/// How to get two libraries that fit.
const FIT: &str = "libedgetpu and libtensorflowlite_c.so must be built from the same sources of TensorFlow; give the right one by \
                   `runtimes.edgetpu.library`";

/// What the lines say, and the line.
pub(crate) fn find(lines: &[String]) -> Option<(&'static Cause, &str)> {
    CAUSES.iter().find_map(|cause| {
        let line = lines.iter().find(|line| line.contains(cause.text))?;
        Some((cause, line.as_str()))
    })
}
