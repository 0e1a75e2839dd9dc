//! Codes of `outcome.reason` that concern devices, what compiles models for them, and the host's power state.

use super::Code;

/// In the order of their letters.
pub(in crate::cli::explain) const OF_DEVICES: &[Code] = &[
    (
        "activations_too_large",
        "The Edge TPU compiler found intermediate results that do not fit into the device.",
        "use a smaller input or batch",
    ),
    (
        "board_not_supported",
        "This TensorRT does not know the board.",
        "install the TensorRT of the board's JetPack release",
    ),
    (
        "compilation_failed",
        "The Edge TPU compiler refused the model and gave a reason.",
        "read the detail in the bundle: it quotes the compiler",
    ),
    (
        "compilation_not_explained",
        "The Edge TPU compiler failed without a reason.",
        "read `preparation` in the bundle, and try a smaller input or another version of the compiler",
    ),
    ("compiled_file_not_sound", "The compiled model is not one.", "check the disk, and measure again"),
    (
        "compiled_model_missing",
        "The compiled model is gone.",
        "measure again; if it happens often, raise `keep_engine_megabytes`",
    ),
    (
        "compiled_model_not_saved",
        "The compiled model could not be written.",
        "make room on the disk of the state folder",
    ),
    (
        "compiler_timed_out",
        "The Edge TPU compiler gave up because of its own time limit.",
        "compile on a faster host; it says nothing about the model",
    ),
    (
        "crash_after_passed",
        "The program crashed after it had reported its results.",
        "the latencies are in the bundle; update the program or its driver",
    ),
    (
        "crash_after_result",
        "The worker crashed after it had delivered all latencies.",
        "the latencies are in the bundle; update the library or its driver",
    ),
    (
        "cuda_failed",
        "A call of CUDA failed.",
        "read the detail, and check driver, CUDA and memory of the card",
    ),
    (
        "cuda_not_initialised",
        "CUDA could not be initialised.",
        "check that driver and CUDA fit, and that the user may use the card",
    ),
    (
        "delegate_not_found",
        "The library of the Edge TPU was not found.",
        "install libedgetpu, or name it in the configuration",
    ),
    (
        "delegate_refused",
        "The library of the Edge TPU refused the device or the model.",
        "check the device, its firmware and who uses it",
    ),
    (
        "device_failed",
        "The device failed during the run.",
        "read the quoted line; check cable, supply and cooling of the device",
    ),
    ("device_hung", "The device did not answer any more.", "reset the device or reboot, then measure again"),
    ("device_in_use", "Another process has the device.", "end the process that uses it"),
    (
        "device_missing",
        "The device that the runtime needs is not connected.",
        "connect it, and check with `backbone doctor`",
    ),
    (
        "device_not_found",
        "No device of that number or name is offered.",
        "see the detail for those that there are",
    ),
    (
        "device_not_permitted",
        "The worker may not use the device.",
        "add the worker's user to the device's group, see docs/OPERATING.md",
    ),
    (
        "device_vanished",
        "The device was disconnected during the run.",
        "check cable and supply; use a port without a hub",
    ),
    (
        "dla_missing",
        "The job asks for a DLA that this board does not have.",
        "leave out the option, or use another board",
    ),
    (
        "dynamic_tensors",
        "The model has tensors whose shape is known only at run time, which the Edge TPU does not support.",
        "export it with fixed shapes, or use the runtime `tflite`",
    ),
    (
        "engine_mismatch",
        "The engine on disk is from another TensorRT or another GPU.",
        "it is built again; measure again",
    ),
    (
        "engine_missing",
        "The built engine is gone.",
        "measure again; if it happens often, raise `keep_engine_megabytes`",
    ),
    (
        "engine_not_built",
        "The library could not build an engine from the model.",
        "read the quoted line in the detail",
    ),
    ("engine_not_saved", "The engine could not be written.", "make room on the disk of the state folder"),
    (
        "explicit_batch_missing",
        "The program wants an explicit batch dimension, which this release needs an option for.",
        "update TensorRT",
    ),
    ("gpu_not_accessible", "The graphics processor cannot be used.", "check driver, rights and sandbox"),
    (
        "gpu_not_supported",
        "This TensorRT release does not support the graphics processor.",
        "install a release that does",
    ),
    (
        "internal_compiler_error",
        "The compiler has a fault that it reports itself.",
        "try again, a smaller input, or another version of the compiler",
    ),
    (
        "interpreter_failed",
        "The compiler could not run the model itself.",
        "check that the model runs with the runtime `tflite`",
    ),
    (
        "layer_not_on_dla",
        "The DLA does not support a layer, and it may not fall back to the GPU.",
        "allow the fallback, or change the layer",
    ),
    ("model_not_a_file", "The model is a folder, a link or a device.", "upload a regular file"),
    ("model_not_compiled", "The compiler made no model.", "read `preparation` in the bundle"),
    ("model_not_quantised", "The Edge TPU needs a fully quantised model.", "quantise it to 8-bit integers"),
    (
        "no_implementation",
        "The library has no implementation of an operator for this device.",
        "use another precision, provider or version",
    ),
    (
        "nothing_mapped",
        "The compiler mapped no operator to the Edge TPU.",
        "quantise the model, or use the runtime `tflite`",
    ),
    (
        "power_mode_denied",
        "The power mode could not be set for lack of rights.",
        "give the daemon the rights, see docs/OPERATING.md",
    ),
    (
        "power_mode_not_offered",
        "This host does not offer the power mode.",
        "`backbone doctor` lists those that it offers",
    ),
    ("power_mode_not_set", "The power mode was set and is not in force.", "check nvpmodel by hand"),
    (
        "power_mode_refused",
        "The host refused the power mode.",
        "read the detail; something may keep the device busy",
    ),
    (
        "power_modes_unlisted",
        "The host's power modes cannot be listed.",
        "check nvpmodel and /etc/nvpmodel.conf",
    ),
    (
        "power_state_not_saved",
        "The power state could not be saved, so it was not changed.",
        "make room on the disk of the state folder",
    ),
    ("power_tool_hung", "nvpmodel did not end.", "check it by hand, or reboot"),
    ("power_tool_missing", "nvpmodel was not found.", "install it, or name it in the configuration"),
    ("power_tool_not_started", "nvpmodel could not be started.", "check its rights"),
    ("precision_not_supported", "This device has no units for the precision.", "choose another precision"),
    (
        "provider_not_loaded",
        "The provider's library could not be loaded.",
        "read the detail; CUDA or cuDNN may be missing",
    ),
    ("provider_refused", "The provider refused its options or the device.", "read the detail"),
    ("quantised_model_not_supported", "This release does not read quantised models.", "update TensorRT"),
    (
        "reboot_needed",
        "The power mode takes effect after a reboot only.",
        "allow it with `reboot_for_power_mode`, or reboot by hand",
    ),
    ("runtime_too_old", "The model was compiled for a newer runtime of the Edge TPU.", "update libedgetpu"),
    (
        "shape_input_not_supported",
        "The release cannot take an input whose values are a shape.",
        "update TensorRT, or export the model with fixed shapes",
    ),
    ("tool_crashed", "The program crashed.", "see the log tail; update the program or its driver"),
];
