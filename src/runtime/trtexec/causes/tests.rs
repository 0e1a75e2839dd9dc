//! Every row by a line that a release printed, with its meaning written by hand.

use super::*;
use crate::bundle::format::Fault;
use crate::bundle::format::Fault::{Host, Job, Model, Unknown};

/// The line as trtexec prints it, its reason, and whose fault it is.
const LINES: &[(&str, &str, Fault)] = &[
    ("[E] No space left on device", "disk_full", Host),
    ("[E] Disk quota exceeded", "disk_full", Host),
    ("[E] basic_ios::clear: Read-only file system", "engine_not_saved", Host),
    ("[E] Saving engine to file failed.", "engine_not_saved", Host),
    ("[E] Engine serialization failed", "engine_not_saved", Host),
    ("[E] Error[1]: the timing cache is damaged", "timings_not_readable", Host),
    (
        "trtexec: error while loading shared libraries: libnvinfer.so.8: cannot open shared object file: No such file or directory",
        "library_not_found",
        Host,
    ),
    ("[E] [TRT] Unable to load library: libnvinfer_builder_resource.so.8.4.1", "library_not_found", Host),
    ("Could not load library libcudnn_cnn_infer.so.8. Error: libnvrtc.so", "library_not_found", Host),
    ("libcublas.so.11: cannot open shared object file: No such file or directory", "library_not_found", Host),
    ("trtexec: symbol lookup error: undefined symbol: cudnnCreate", "libraries_do_not_fit", Host),
    ("[E] Error opening engine file: m.engine", "engine_missing", Host),
    ("[E] [TRT] ModelImporter.cpp:688: Could not open file m.onnx", "file_not_opened", Host),
    ("[E] Uncaught exception detected: Cannot open file a.input-0!", "file_not_opened", Host),
    ("[W] [TRT] CUDA initialization failure with error: 222. Please check", "cuda_not_initialised", Host),
    ("[E] [TRT] Cuda initialization failure with error 2. Please check", "cuda_not_initialised", Host),
    (
        "Cuda failure: CUDA driver version is insufficient for CUDA runtime version",
        "cuda_not_initialised",
        Host,
    ),
    ("Cuda failure: no CUDA-capable device is detected", "cuda_not_initialised", Host),
    ("Cuda failure: all CUDA-capable devices are busy or unavailable", "cuda_not_initialised", Host),
    ("Cuda failure: CUDA-capable device(s) is/are busy or unavailable", "cuda_not_initialised", Host),
    (
        "Cuda failure: system has unsupported display driver / cuda driver combination",
        "cuda_not_initialised",
        Host,
    ),
    ("Cuda failure: forward compatibility was attempted on non supported HW", "cuda_not_initialised", Host),
    ("[E] the provided PTX was compiled with an unsupported toolchain.", "cuda_not_initialised", Host),
    ("Cuda failure: invalid device ordinal", "cuda_not_initialised", Host),
    ("[E] Cannot find device ID 0!", "cuda_not_initialised", Host),
    ("****NvRmMemInit failed**** error type: 196626", "gpu_not_accessible", Host),
    ("NvRmGpuLibOpen failed, error=8", "gpu_not_accessible", Host),
    ("NvRmPrivGetChipIdLimited: open /dev/nvhost-ctrl failed", "gpu_not_accessible", Host),
    ("cannot open /dev/nvmap", "gpu_not_accessible", Host),
    (
        "[E] [TRT] Assertion upperBound != 0 failed. Unknown embedded device detected.",
        "board_not_supported",
        Host,
    ),
    ("[E] Error[9]: Target GPU SM 120 is not supported by this TensorRT release.", "gpu_not_supported", Host),
    ("[E] [TRT] 1: Unsupported SM: 0x601", "gpu_not_supported", Host),
    ("[E] no kernel image is available for execution on the device", "gpu_not_supported", Host),
    ("[E] [TRT] Cudnn Error: 6 (CUDNN_STATUS_ARCH_MISMATCH)", "gpu_not_supported", Host),
    ("[E] [TRT] CUDNN_STATUS_NOT_INITIALIZED", "library_not_usable", Host),
    ("[E] [TRT] CUBLAS_STATUS_NOT_INITIALIZED", "library_not_usable", Host),
    ("[E] Cannot create DLA engine, 0 not available", "dla_missing", Host),
    ("[E] Unknown option: --quux ", "unknown_option", Host),
    (
        "[E] This version of the ONNX parser only supports TensorRT INetworkDefinitions with an explicit batch dimension",
        "explicit_batch_missing",
        Host,
    ),
    ("[E] [TRT] 4: but int8 is not configured in the builder", "int8_not_configured", Job),
    ("[E] [TRT] Calibration failure occurred with no scaling factors detected.", "int8_ranges_missing", Job),
    (
        "[E] [TRT] Network has dynamic or shape inputs, but no optimization profile has been defined.",
        "shapes_not_accepted",
        Job,
    ),
    ("[E] [TRT] image: dynamic input is missing dimensions in profile 0.", "shapes_not_accepted", Job),
    ("[E] Cannot find input tensor with name \"x\" in the network inputs!", "shapes_not_accepted", Job),
    ("[E] [TRT] Static dimension mismatch while setting input shape.", "shapes_not_accepted", Job),
    ("[E] Supplied shape does not satisfy any optimization profiles", "shapes_not_accepted", Job),
    ("[E] [TRT] 3: IOptimizationProfile::setDimensions: Error Code 3", "shapes_not_accepted", Job),
    ("[E] [TRT] Error Code 2: OutOfMemory (Requested size was 5 bytes.)", "out_of_memory", Unknown),
    ("[E] [TRT] Error Code 1: Cuda Runtime (out of memory)", "out_of_memory", Unknown),
    ("terminate called after throwing an instance of 'std::bad_alloc'", "out_of_memory", Unknown),
    ("[E] [TRT] Requested amount of GPU memory (5 bytes) could not be allocated.", "out_of_memory", Unknown),
    ("[E] [TRT] CUBLAS_STATUS_ALLOC_FAILED", "out_of_memory", Unknown),
    ("NvMapMemAllocInternalTagged: 1075072515 error 12", "out_of_memory", Unknown),
    ("NvMapMemHandleAlloc: error 0", "out_of_memory", Unknown),
    (
        "[E] [TRT] TensorRT only supports multi-input conv for explicit precision QAT networks!",
        "quantised_model_not_supported",
        Model,
    ),
    (
        "[E] [TRT] layer /model/Pow is not supported on DLA and falling back to GPU is not enabled.",
        "layer_not_on_dla",
        Model,
    ),
    (
        "[E] Networks with INT8 Q/DQ layers require hardware with INT8 support.",
        "precision_not_supported",
        Model,
    ),
    (
        "[E] Networks with BF16 precision require hardware with BF16 support.",
        "precision_not_supported",
        Model,
    ),
    ("[E] [TRT] 3: getPluginCreator could not find plugin: Custom version: 1", "plugin_not_found", Model),
    (
        "[8] Assertion failed: creator && \"Plugin not found, are the plugin name, version, and namespace correct?\"",
        "plugin_not_found",
        Model,
    ),
    ("[8] No importer registered for op: QuantizeLinear", "operator_not_supported", Model),
    (
        "[E] [TRT] ModelImporter.cpp:773: While parsing node number 3 [NonZero -> \"y\"]:",
        "operator_not_supported",
        Model,
    ),
    ("[E] Error[10]: Could not find any implementation for node conv1.", "no_implementation", Model),
    ("[E] [TRT] Version tag does not match. Note: Current Version: 213", "engine_mismatch", Host),
    ("[E] [TRT] 1: Serialization assertion plan->header.magicTag failed.", "engine_mismatch", Host),
    ("[E] [TRT] coreReadArchive.cpp (31) - Serialization Error in verifyHeader: 0", "engine_mismatch", Host),
    (
        "[E] [TRT] The engine plan file is not compatible with this version of TensorRT",
        "engine_mismatch",
        Host,
    ),
    ("[E] [TRT] The engine plan file is generated on an incompatible device", "engine_mismatch", Host),
    ("[E] [TRT] 4: Engine deserialization failed.", "engine_mismatch", Host),
    ("[E] Got invalid engine!", "engine_mismatch", Host),
    ("ERROR: ModelImporter.cpp:463 In function importModel:", "model_not_parsed", Model),
    ("[E] Failed to parse onnx file", "model_not_parsed", Model),
    ("[E] [TRT] 4: Network must have at least one output", "network_not_valid", Model),
    ("[E] [TRT] 1: Cuda Runtime (an illegal memory access was encountered)", "cuda_failed", Unknown),
    ("[E] [TRT] 1: Cuda Runtime (unspecified launch failure)", "cuda_failed", Unknown),
    ("[E] [TRT] 1: Cuda Runtime (uncorrectable ECC error encountered)", "gpu_failed", Host),
    ("Unable to determine the device handle: GPU is lost.", "gpu_failed", Host),
    ("Cuda failure: unknown error", "cuda_failed", Unknown),
    ("[E] [TRT] 1: [x.cpp::y::1] Error Code 1: Cuda Runtime (invalid argument)", "cuda_failed", Unknown),
    (
        "[E] [TRT] Cask Error in checkCaskExecError<false>: 7 (Cask Convolution execution)",
        "internal_error",
        Unknown,
    ),
    (
        "[E] [TRT] 1: [runner.cpp::execute::386] Error Code 1: Myelin (Final runtime)",
        "internal_error",
        Unknown,
    ),
    ("[E] [TRT] 1: Error Code 1: Cudnn (CUDNN_STATUS_EXECUTION_FAILED)", "internal_error", Unknown),
    ("[E] [TRT] 1: Error Code 1: Cublas (CUBLAS_STATUS_EXECUTION_FAILED)", "internal_error", Unknown),
    ("[E] Uncaught exception detected: map::at", "uncaught_exception", Unknown),
    (
        "[W] [TRT] TensorRT was linked against cuDNN 7.6.3 but loaded cuDNN 7.6.2",
        "libraries_do_not_fit",
        Host,
    ),
    ("[E] Permission denied", "gpu_not_accessible", Host),
    ("[W] [TRT] Unable to determine GPU memory usage", "cuda_not_initialised", Host),
    ("[E] Builder creation failed", "cuda_not_initialised", Host),
    ("[E] Runtime creation failed", "cuda_not_initialised", Host),
];

fn row_of(line: &str) -> Option<&'static KnownText> {
    let mut found = MostTelling::default();
    found.take(None, line.starts_with("[W] "), line);
    found.row().map(|(known, _)| known)
}

#[test]
fn every_row_is_that_of_a_line_and_says_whose_fault_it_is() {
    let mut rows = std::collections::BTreeSet::new();
    for (line, reason, fault) in LINES {
        let known = row_of(line).unwrap_or_else(|| panic!("no row for `{line}`"));
        assert_eq!((known.reason, known.fault), (*reason, *fault), "{line}");
        rows.insert(known.text);
    }
    let without: Vec<&str> =
        KNOWN.iter().map(|known| known.text).filter(|text| !rows.contains(text)).collect();
    assert!(without.is_empty(), "no line for {without:?}");
}

#[test]
fn no_text_hides_behind_an_earlier_one() {
    for (place, known) in KNOWN.iter().enumerate() {
        let first = KNOWN.iter().position(|other| known.text.contains(other.text));
        assert_eq!(first, Some(place), "{}", known.text);
    }
}

#[test]
fn warning_is_a_cause_only_where_the_error_names_none() {
    assert!(
        row_of("[W] [TRT] Unknown embedded device detected. Using 59655MiB as the allocation cap").is_none()
    );
    assert!(row_of("[W] [TRT] Requested amount of GPU memory (5 bytes) could not be allocated.").is_none());
}

#[test]
fn row_counts_only_in_the_releases_that_print_it() {
    let mut found = MostTelling::default();
    found.take(Some(Release::numbered(8, 5)), false, "[E] an explicit batch dimension: only supports TensorRT INetworkDefinitions with an explicit batch dimension");
    assert!(found.row().is_none());
    found.take(Some(Release::General6), false, "[E] Runtime creation failed");
    assert!(found.row().is_none());
}

#[test]
fn number_of_a_cuda_error_is_explained() {
    let meaning = |line| cuda_error(line);
    assert_eq!(
        meaning("CUDA initialization failure with error: 222. Please check your CUDA installation"),
        Some("the driver is older than the libraries' code")
    );
    assert_eq!(meaning("Cuda initialization failure with error 100. Please"), Some("no GPU was found"));
    assert_eq!(meaning("CUDA initialization failure with error: 12345."), None);
    assert!(CUDA_ERRORS.is_sorted());
}

#[test]
fn memory_is_the_models_fault_only_if_nothing_else_can_have_held_it() {
    let fault = |lines: &[&str]| {
        let mut memory = GpuMemory::default();
        lines.iter().for_each(|line| memory.take(line));
        memory.fault()
    };
    let (size, free) = (
        "Device Global Memory: 4000 MiB",
        "[MemUsageChange] Init CUDA: CPU +1, GPU +300, now: CPU 9, GPU 650 (MiB)",
    );
    let used = "[MemUsageChange] Init CUDA: CPU +1, GPU +0, now: CPU 9, GPU 3000 (MiB)";
    let refused = "OutOfMemory (Requested size was 1073741824 bytes.)";
    assert_eq!(fault(&[refused]), Unknown);
    assert_eq!(fault(&[size, refused]), Unknown);
    assert_eq!(fault(&[size, free, refused]), Model);
    assert_eq!(fault(&[size, used, refused]), Host);
    assert_eq!(fault(&[size, used, "Requested amount of GPU memory (8589934592 bytes) could not"]), Model);
}
