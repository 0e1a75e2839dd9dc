//! Why a provider could not be used, from the words of ONNX Runtime and of the system's loader. Pure.

use std::path::Path;

use crate::bundle::format::Stage;
use crate::runtime::Failure;

/// The function that a plug-in exports, and other libraries do not.
pub(super) const PLUGIN_ENTRY: &str = "CreateEpFactories";

/// A provider's library did not load. The loader's words name the missing one.
pub(super) fn not_loaded(asked: &str, file: &Path, why: &str) -> Failure {
    let hint = match missing_library(why) {
        Some(missing) if !file.ends_with(missing) => format!(
            "install {missing} in the version that {} needs, and make sure that the loader finds it (`ldconfig -p`, or \
             LD_LIBRARY_PATH of the service)",
            file.file_name().unwrap_or_default().display()
        ),
        _ if why.contains(PLUGIN_ENTRY) => {
            format!("{} is a library, but not a plug-in provider of ONNX Runtime", file.display())
        }
        _ => {
            format!("check that {} exists, and that it matches this release of ONNX Runtime", file.display())
        }
    };
    let detail = format!("the provider `{asked}` could not be loaded: {why}");
    Failure::new(Stage::Load, "provider_not_loaded", detail).with_hint(hint)
}

/// The provider was loaded and refuses: no device, no driver, or another one than it was built for.
pub(super) fn refused(asked: &str, why: &str) -> Failure {
    let detail = format!("the provider `{asked}` was loaded but refuses to run: {}", why.trim());
    Failure::new(Stage::Load, "provider_refused", detail).with_hint(
        "run `nvidia-smi` as the daemon's user: `runtime_options.device` must be one of the devices that it lists, and the driver's \
         CUDA version must be the provider's or later",
    )
}

/// The loader says `name: cannot open shared object file: …`.
fn missing_library(why: &str) -> Option<&str> {
    let before = &why[..why.find(": cannot open shared object file")?];
    before.rsplit([' ', '"', '\'']).next().filter(|name| !name.is_empty())
}

/// Does the library, CUDA or the system say that memory ran out?
pub(super) fn says_out_of_memory(why: &str) -> bool {
    ["out of memory", "Failed to allocate memory", "bad_alloc"].iter().any(|words| why.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_library_is_named() {
        let failure = not_loaded(
            "cuda",
            Path::new("/opt/ort/libonnxruntime_providers_cuda.so"),
            "libcublasLt.so.13: cannot open shared object file: No such file or directory",
        );
        assert_eq!((failure.stage, failure.reason.as_str()), (Stage::Load, "provider_not_loaded"));
        insta::assert_snapshot!(failure.detail, @"the provider `cuda` could not be loaded: libcublasLt.so.13: cannot open shared object file: No such file or directory");
        insta::assert_snapshot!(failure.hint.unwrap(), @"install libcublasLt.so.13 in the version that libonnxruntime_providers_cuda.so needs, and make sure that the loader finds it (`ldconfig -p`, or LD_LIBRARY_PATH of the service)");
    }

    #[test]
    fn missing_library_is_found_in_the_words_of_loader_and_runtime() {
        let own = "/opt/libonnxruntime_providers_cuda.so: cannot open shared object file: No such file or directory";
        assert_eq!(missing_library(own), Some("/opt/libonnxruntime_providers_cuda.so"));
        let plugin = "Failed to load library /opt/plugin.so with error: libnvinfer.so.10: cannot open shared object file: No such";
        assert_eq!(missing_library(plugin), Some("libnvinfer.so.10"));
        assert_eq!(missing_library("undefined symbol: x"), None);
    }
}
