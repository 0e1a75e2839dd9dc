//! The known texts, the most telling first.
//!
//! Source: sources of <https://github.com/NVIDIA/TensorRT>, tag v6.0.1 and branches release/6.0 to
//! release/11.1, its ONNX parser, public logs and issues.

use super::super::release::{FIRST, LATEST, Release};
use crate::bundle::format::Fault;

/// Lines that a text may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Severity {
    /// Marked as errors, or without a mark: libraries below TensorRT print so.
    Errors,
    /// Warnings too: in this case the error that follows names only the consequence.
    Warnings,
}

/// A known text, in which releases it occurs, and what it means.
#[derive(Debug)]
pub(in super::super) struct KnownText {
    /// Part of a line.
    pub(in super::super) text: &'static str,
    pub(in super::super) lines: Severity,
    /// The first and the last release that prints it.
    pub(in super::super) releases: (Release, Release),
    /// [`Fault::Model`] holds only while a model is compiled.
    pub(in super::super) fault: Fault,
    /// Stable code.
    pub(in super::super) reason: &'static str,
    /// What to do; lower case, no full stop.
    pub(in super::super) hint: &'static str,
}

pub(in super::super) const MEMORY: &str = "use a smaller input or batch, stop other programs that use memory, or lower `runtime_options.workspace_mebibytes`";
const BUG: &str =
    "this trtexec differs from its release's sources; please report its `--help` text and the log tail";
const REBUILD: &str = "another TensorRT built the engine, or it is for another GPU; it was removed from the cache, and `backbone retry` builds it again";
const OPERATOR: &str = "the log tail names the operator; export the model with operators and an opset that this TensorRT supports";
const CUDA: &str = "nothing is known about the model: check the driver with `nvidia-smi` (on a Jetson, that JetPack is complete), and that CUDA and \
                    TensorRT are for this driver";
const ROOM: &str = "free space on the disk that the daemon's state folder is on; the job is measured again when there is room";
const RIGHTS: &str =
    "check that the daemon's user is in the group `video`, and that the systemd unit hides no device";
const LIBRARIES: &str = "install TensorRT, CUDA and cuDNN completely and from one release, and run `ldconfig`; the line names the library";
const SHAPES: &str = "check that the names and shapes under `inputs` are those of the model";
const INTERNAL: &str = "this is a fault of TensorRT or of the libraries below it, perhaps with this model only: try another release, and see the \
                        log tail";
const PRECISION: &str =
    "use another `runtime_options.precision`, or a model in a precision that this GPU has";

/// A row for errors of every release.
const fn error(text: &'static str, fault: Fault, reason: &'static str, hint: &'static str) -> KnownText {
    KnownText { text, lines: Severity::Errors, releases: (FIRST, LATEST), fault, reason, hint }
}

/// A row for warnings and errors of every release.
const fn warning(text: &'static str, fault: Fault, reason: &'static str, hint: &'static str) -> KnownText {
    KnownText { lines: Severity::Warnings, ..error(text, fault, reason, hint) }
}

impl KnownText {
    const fn since(self, major: u32, minor: u32) -> Self {
        Self { releases: (Release::numbered(major, minor), self.releases.1), ..self }
    }

    const fn until(self, major: u32, minor: u32) -> Self {
        Self { releases: (self.releases.0, Release::numbered(major, minor)), ..self }
    }
}

/// The most telling first.
pub(in super::super) const KNOWN: &[KnownText] = &[
    // The disk, and what may be opened.
    warning("No space left on device", Fault::Host, "disk_full", ROOM),
    warning("Disk quota exceeded", Fault::Host, "disk_full", ROOM),
    error("Read-only file system", Fault::Host, "engine_not_saved", "make the daemon's state folder writable"),
    error("Saving engine to file failed", Fault::Host, "engine_not_saved", ROOM),
    error("Engine serialization failed", Fault::Host, "engine_not_saved", MEMORY).until(7, 2),
    error(
        "iming cache",
        Fault::Host,
        "timings_not_readable",
        "remove the files `*.timings` from the folder `engines` of the daemon's state folder, and `backbone retry`",
    )
    .since(8, 0),
    error("error while loading shared libraries", Fault::Host, "library_not_found", LIBRARIES),
    error("Unable to load library", Fault::Host, "library_not_found", LIBRARIES),
    error("Could not load library", Fault::Host, "library_not_found", LIBRARIES),
    error("cannot open shared object file", Fault::Host, "library_not_found", LIBRARIES),
    error("undefined symbol", Fault::Host, "libraries_do_not_fit", LIBRARIES),
    error(
        "Error opening engine file",
        Fault::Host,
        "engine_missing",
        "`backbone retry` builds it again; do not change the spool's folder `engines` during a measurement",
    ),
    error("Could not open file", Fault::Host, "file_not_opened", "check that the daemon's user may read its state folder"),
    error("Cannot open file", Fault::Host, "file_not_opened", "check that the daemon's user may read its state folder"),
    // The driver and the GPU, before any model was looked at.
    warning("CUDA initialization failure with error", Fault::Host, "cuda_not_initialised", CUDA),
    warning("Cuda initialization failure with error", Fault::Host, "cuda_not_initialised", CUDA),
    error("CUDA driver version is insufficient", Fault::Host, "cuda_not_initialised", CUDA),
    error("no CUDA-capable device is detected", Fault::Host, "cuda_not_initialised", CUDA),
    error("CUDA-capable device(s) is/are busy or unavailable", Fault::Host, "cuda_not_initialised", CUDA),
    error("all CUDA-capable devices are busy or unavailable", Fault::Host, "cuda_not_initialised", CUDA),
    error("unsupported display driver / cuda driver combination", Fault::Host, "cuda_not_initialised", CUDA),
    error("forward compatibility was attempted", Fault::Host, "cuda_not_initialised", CUDA),
    error("compiled with an unsupported toolchain", Fault::Host, "cuda_not_initialised", CUDA),
    error("invalid device ordinal", Fault::Host, "cuda_not_initialised", CUDA),
    error("Cannot find device ID", Fault::Host, "cuda_not_initialised", CUDA),
    error("NvRmMemInit failed", Fault::Host, "gpu_not_accessible", RIGHTS),
    error("NvRmGpuLibOpen failed", Fault::Host, "gpu_not_accessible", RIGHTS),
    error("/dev/nvhost", Fault::Host, "gpu_not_accessible", RIGHTS),
    error("/dev/nvmap", Fault::Host, "gpu_not_accessible", RIGHTS),
    error(
        "Unknown embedded device detected",
        Fault::Host,
        "board_not_supported",
        "this TensorRT does not know the module: install the JetPack for it, or NVIDIA's patch of this release",
    )
    .since(8, 0),
    error(
        "is not supported by this TensorRT release",
        Fault::Host,
        "gpu_not_supported",
        "this TensorRT has no kernels for this GPU: install a release that supports it",
    )
    .since(10, 0),
    error(
        "Unsupported SM",
        Fault::Host,
        "gpu_not_supported",
        "this TensorRT has no kernels for this GPU: install a release that supports it",
    ),
    error(
        "no kernel image is available for execution on the device",
        Fault::Host,
        "gpu_not_supported",
        "this TensorRT has no kernels for this GPU: install a release that supports it",
    ),
    error(
        "CUDNN_STATUS_ARCH_MISMATCH",
        Fault::Host,
        "gpu_not_supported",
        "this cuDNN has no kernels for this GPU: install a release that supports it",
    ),
    error("CUDNN_STATUS_NOT_INITIALIZED", Fault::Host, "library_not_usable", LIBRARIES),
    error("CUBLAS_STATUS_NOT_INITIALIZED", Fault::Host, "library_not_usable", LIBRARIES),
    error(
        "Cannot create DLA engine",
        Fault::Host,
        "dla_missing",
        "this module has no DLA core of that number",
    ),
    // The command line.
    error("Unknown option: ", Fault::Host, "unknown_option", BUG),
    error(
        "only supports TensorRT INetworkDefinitions with an explicit batch dimension",
        Fault::Host,
        "explicit_batch_missing",
        BUG,
    )
    .since(7, 0)
    .until(7, 1),
    error(
        "but int8 is not configured in the builder",
        Fault::Job,
        "int8_not_configured",
        "the model is quantised: set `runtime_options.precision` to `int8` or leave it out",
    ),
    error(
        "no scaling factors detected",
        Fault::Job,
        "int8_ranges_missing",
        "`precision: int8` needs ranges for this model: use a quantised model (QuantizeLinear), or another precision",
    ),
    error("no optimization profile has been defined", Fault::Job, "shapes_not_accepted", SHAPES),
    error("is missing dimensions in profile", Fault::Job, "shapes_not_accepted", SHAPES),
    error("Cannot find input tensor with name", Fault::Job, "shapes_not_accepted", SHAPES),
    error("tatic dimension mismatch while setting input shape", Fault::Job, "shapes_not_accepted", SHAPES),
    error("does not satisfy any optimization profiles", Fault::Job, "shapes_not_accepted", SHAPES),
    error("IOptimizationProfile::setDimensions", Fault::Job, "shapes_not_accepted", SHAPES).since(8, 0),
    // Memory: [`super::GpuMemory`] says whose fault it is.
    error("OutOfMemory", Fault::Unknown, OUT_OF_MEMORY, MEMORY),
    error("out of memory", Fault::Unknown, OUT_OF_MEMORY, MEMORY),
    error("std::bad_alloc", Fault::Unknown, OUT_OF_MEMORY, MEMORY),
    error("Requested amount of GPU memory", Fault::Unknown, OUT_OF_MEMORY, MEMORY),
    error("STATUS_ALLOC_FAILED", Fault::Unknown, OUT_OF_MEMORY, MEMORY),
    error("NvMapMemAllocInternalTagged", Fault::Unknown, OUT_OF_MEMORY, MEMORY),
    error("NvMapMemHandleAlloc: error", Fault::Unknown, OUT_OF_MEMORY, MEMORY),
    // The model.
    error(
        "TensorRT only supports multi-input conv for explicit precision QAT networks",
        Fault::Model,
        "quantised_model_not_supported",
        "use TensorRT 8.0 or later, or the fp32 model of the same network with `precision: int8`",
    ),
    error(
        "falling back to GPU is not enabled",
        Fault::Model,
        "layer_not_on_dla",
        "the line names the layer; let the GPU run what the DLA does not support",
    ),
    error("layers require hardware with", Fault::Model, "precision_not_supported", PRECISION).since(8, 6),
    error("precision require hardware with", Fault::Model, "precision_not_supported", PRECISION).since(9, 0),
    error(
        "could not find plugin",
        Fault::Model,
        "plugin_not_found",
        "neither TensorRT nor its plugins have this operator: export the model without it",
    ),
    error(
        "Plugin not found, are the plugin name",
        Fault::Model,
        "plugin_not_found",
        "neither TensorRT nor its plugins have this operator: export the model without it",
    ),
    error("No importer registered for op", Fault::Model, "operator_not_supported", OPERATOR),
    error("While parsing node number", Fault::Model, "operator_not_supported", OPERATOR),
    error(
        "Could not find any implementation for node",
        Fault::Model,
        NO_IMPLEMENTATION,
        "TensorRT has no kernel for this layer on this GPU; raise `runtime_options.workspace_mebibytes`, or try another precision",
    ),
    error("Version tag does not match", Fault::Host, "engine_mismatch", REBUILD),
    error("Serialization assertion", Fault::Host, "engine_mismatch", REBUILD).since(8, 0),
    error("Serialization Error in verifyHeader", Fault::Host, "engine_mismatch", REBUILD).until(7, 2),
    error("engine plan file is not compatible", Fault::Host, "engine_mismatch", REBUILD),
    error("generated on an incompatible device", Fault::Host, "engine_mismatch", REBUILD),
    error("Engine deserialization failed", Fault::Host, "engine_mismatch", REBUILD),
    error("Got invalid engine!", Fault::Host, "engine_mismatch", REBUILD),
    error("In function importModel", Fault::Model, "model_not_parsed", OPERATOR),
    error("Failed to parse onnx file", Fault::Model, "model_not_parsed", OPERATOR),
    error(
        "Network must have at least one output",
        Fault::Model,
        "network_not_valid",
        "export the model with its outputs named",
    ),
    // What may be anything.
    error(
        "an illegal memory access was encountered",
        Fault::Unknown,
        "cuda_failed",
        "a kernel failed, because of the GPU, the driver or TensorRT: see the kernel's log for `Xid`, and measure again",
    ),
    error("unspecified launch failure", Fault::Unknown, "cuda_failed", "a kernel failed: see the kernel's log for `Xid`, and measure again"),
    error("uncorrectable ECC error", Fault::Host, "gpu_failed", "the GPU's memory is damaged: see `nvidia-smi -q -d ECC`"),
    error("GPU is lost", Fault::Host, "gpu_failed", "see the kernel's log for `Xid`, and reboot"),
    warning("Cuda failure", Fault::Unknown, "cuda_failed", CUDA),
    error("Cuda Runtime (", Fault::Unknown, "cuda_failed", CUDA).since(8, 0),
    error("Cask", Fault::Unknown, "internal_error", INTERNAL),
    error("yelin", Fault::Unknown, "internal_error", INTERNAL),
    error("CUDNN_STATUS_", Fault::Unknown, "internal_error", INTERNAL),
    error("CUBLAS_STATUS_", Fault::Unknown, "internal_error", INTERNAL),
    error(
        "Uncaught exception detected",
        Fault::Unknown,
        "uncaught_exception",
        "this is a fault of TensorRT or of its installation; see its message",
    )
    .since(8, 6),
    warning("was linked against", Fault::Host, "libraries_do_not_fit", LIBRARIES),
    error("Permission denied", Fault::Host, "gpu_not_accessible", RIGHTS),
    warning("Unable to determine GPU memory usage", Fault::Host, "cuda_not_initialised", CUDA),
    error("Builder creation failed", Fault::Host, "cuda_not_initialised", CUDA).since(8, 0),
    error("Runtime creation failed", Fault::Host, "cuda_not_initialised", CUDA).since(8, 0),
];

/// Memory ran out.
pub(in super::super) const OUT_OF_MEMORY: &str = "out_of_memory";

/// No kernel runs a layer.
pub(in super::super) const NO_IMPLEMENTATION: &str = "no_implementation";
