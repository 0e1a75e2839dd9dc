//! Hardware that a job needs and this host does not have, as far as a bundle shows it.

use crate::bundle::format::Bundle;

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MissingHardware {
    /// An NVIDIA Jetson, or another host with TensorRT.
    Jetson,
    /// A Coral Edge TPU.
    EdgeTpu,
    /// A GPU.
    Gpu,
}

/// Reasons that say so on a host without the hardware: runtime, codes, what is missing. On a host that has the hardware the
/// same codes are about its software, which the person at the host can install.
const REASONS: &[(&str, &[&str], MissingHardware)] = &[
    ("trtexec", &["program_not_found"], MissingHardware::Jetson),
    (
        "edgetpu",
        &[
            "program_not_found",
            "model_not_compiled",
            "library_not_found",
            "delegate_not_found",
            "device_missing",
        ],
        MissingHardware::EdgeTpu,
    ),
    (
        "onnxruntime",
        &["provider_not_built_in", "provider_not_loaded", "provider_refused"],
        MissingHardware::Gpu,
    ),
];

/// ONNX Runtime's providers that run on a GPU. What a plug-in runs on is not known.
const GPU_PROVIDERS: &[&str] = &["cuda", "tensorrt"];

impl MissingHardware {
    /// What the job of this bundle needed and the host lacked; `None` if the bundle has a result, or failed for another reason.
    pub(crate) fn of(bundle: &Bundle) -> Option<Self> {
        let (reason, runtime) = (bundle.outcome.reason.as_deref()?, bundle.runtime.as_ref()?);
        let (.., hardware) =
            REASONS.iter().find(|(name, reasons, _)| runtime.name == *name && reasons.contains(&reason))?;
        let provider = runtime.options.get("provider").and_then(|provider| provider.as_str());
        let is_missing = match hardware {
            Self::Jetson => bundle.host.gpus.is_empty(),
            Self::EdgeTpu => bundle.host.edge_tpus.is_empty(),
            Self::Gpu => {
                bundle.host.gpus.is_empty() && provider.is_some_and(|name| GPU_PROVIDERS.contains(&name))
            }
        };
        is_missing.then_some(*hardware)
    }

    /// In a sentence, after "needs".
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Jetson => "a Jetson",
            Self::EdgeTpu => "an Edge TPU",
            Self::Gpu => "a GPU",
        }
    }
}
