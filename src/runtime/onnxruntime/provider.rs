//! The provider that a session uses.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ort::ep::{self, ExecutionProvider};
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::SessionBuilder;
use serde_json::Value;

use super::failures::{not_loaded, refused};
use super::library::Library;
use super::{CPU_PROVIDER, DEVICE, RUNTIME, TF32, plugin, provider_of, word};
use crate::bundle::format::Stage;
use crate::model_file;
use crate::runtime::{Failure, LoadRequest, NeedKind, Options, options};

/// With this variable NVIDIA's libraries do not use TF32, whatever else was set. Source:
/// <https://docs.nvidia.com/cuda/cublas/#tensor-core-usage>; TensorRT documents it too.
const TF32_VARIABLE: &str = "NVIDIA_TF32_OVERRIDE";

/// The provider of a session.
pub(super) struct Provider {
    /// The library's name for it.
    pub(super) name: String,
    /// The library file that holds it; `None` for the runtime's own.
    pub(super) library: Option<PathBuf>,
    /// A second provider besides the processor's that the session may use, and its file.
    pub(super) second: Option<(&'static str, PathBuf)>,
    /// Where the outputs stay.
    pub(super) outputs_on: OutputsOn,
    /// Options in force.
    pub(super) options: Options,
}

/// The memory in which a run leaves its outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputsOn {
    /// Main memory: computed there or copied there.
    Host,
    /// That of the CUDA device of this number; runs wait for it.
    Cuda(i32),
}

impl OutputsOn {
    pub(super) fn memory(self) -> Result<MemoryInfo<'static>, ort::Error> {
        let (device, number) = match self {
            Self::Host => (AllocationDevice::CPU, 0),
            Self::Cuda(number) => (AllocationDevice::CUDA, number),
        };
        MemoryInfo::new(device, number, AllocatorType::Device, MemoryType::Default)
    }
}

/// Set what any library of the provider reads when it is loaded.
pub(super) fn prepare(request: &Options) {
    // Some plug-ins run on NVIDIA's libraries too.
    if provider_of(request) == word::CPU {
        return;
    }
    #[expect(unsafe_code, reason = "only environment variables reach all of NVIDIA's libraries")]
    // SAFETY: a worker process has no other thread before it opens its library.
    unsafe {
        match options::boolean(request, TF32, false) {
            true => std::env::remove_var(TF32_VARIABLE),
            false => std::env::set_var(TF32_VARIABLE, "0"),
        }
    }
}

/// Have the session use the provider that the job asks for.
///
/// # Errors
/// `options_not_accepted`, `provider_not_built_in`, `provider_not_loaded`, `provider_refused`, and those of
/// [`plugin::plug`].
pub(super) fn add(
    mut builder: SessionBuilder,
    library: &Library,
    request: &LoadRequest,
) -> Result<(SessionBuilder, Provider), Failure> {
    let asked = provider_of(&request.options);
    refuse_idle_options(asked, &request.options)?;
    let number = request.options.get(DEVICE).and_then(Value::as_u64).unwrap_or(0) as u32;
    let cuda_device = number.cast_signed();
    let tf32 = options::boolean(&request.options, TF32, false);
    let mut in_force = Options::from([(super::PROVIDER.to_owned(), asked.into())]);
    if asked != word::CPU {
        in_force.insert(DEVICE.to_owned(), number.into());
        in_force.insert(TF32.to_owned(), tf32.into());
    }
    let mut second = None;
    let (name, file, outputs_on) = match asked {
        word::CUDA => {
            let cuda = ep::CUDA::default().with_device_id(cuda_device);
            builder = added(builder, library, asked, vec![cuda.build()])?;
            (ep::CUDA::NAME.to_owned(), Some(provider_file(library, asked)), OutputsOn::Cuda(cuda_device))
        }
        word::TENSORRT => {
            let is_quantised = is_quantised(&request.model);
            in_force.insert("int8".to_owned(), is_quantised.into());
            // Without it TensorRT refuses models that are quantised; it changes nothing for other models.
            let tensorrt = ep::TensorRT::default().with_device_id(cuda_device).with_int8(is_quantised);
            // What TensorRT does not take stays on the GPU.
            let cuda = ep::CUDA::default().with_device_id(cuda_device);
            builder = added(builder, library, asked, vec![tensorrt.build(), cuda.build()])?;
            second = Some((ep::CUDA::NAME, mapped_name(provider_file(library, word::CUDA))));
            (ep::TensorRT::NAME.to_owned(), Some(provider_file(library, asked)), OutputsOn::Cuda(cuda_device))
        }
        word::PLUGIN => {
            let file = request.provided.get(NeedKind::Plugin).ok_or_else(|| {
                let detail = "the host's configuration names no plug-in provider";
                Failure::new(Stage::Load, "plugin_not_configured", detail).with_hint(format!(
                    "set `runtimes.{}.plugin` to the plug-in's library file",
                    RUNTIME.name
                ))
            })?;
            let plugged = plugin::plug(&mut builder, library, file, number as usize)?;
            in_force.insert("hardware".to_owned(), plugged.hardware.into());
            (plugged.provider, Some(file.to_owned()), OutputsOn::Host)
        }
        _ => (CPU_PROVIDER.to_owned(), None, OutputsOn::Host),
    };
    Ok((builder, Provider { name, library: file.map(mapped_name), second, outputs_on, options: in_force }))
}

/// The name by which the kernel lists a mapped file.
fn mapped_name(file: PathBuf) -> PathBuf {
    fs_err::canonicalize(&file).unwrap_or(file)
}

/// An option without effect would mislead.
fn refuse_idle_options(asked: &str, given: &Options) -> Result<(), Failure> {
    let idle = [DEVICE, TF32].into_iter().find(|option| given.contains_key(*option));
    match idle.filter(|_| asked == word::CPU) {
        None => Ok(()),
        Some(option) => {
            let detail = format!("provider `{asked}` has no option `{option}`");
            Err(Failure::new(Stage::Load, "options_not_accepted", detail)
                .with_hint(format!("leave `{option}` out, or choose a provider that has it")))
        }
    }
}

fn added(
    builder: SessionBuilder,
    library: &Library,
    asked: &str,
    providers: Vec<ep::ExecutionProviderDispatch>,
) -> Result<SessionBuilder, Failure> {
    let is_built_in = match asked {
        word::TENSORRT => ep::TensorRT::is_available(),
        _ => ep::CUDA::is_available(),
    };
    if !is_built_in.unwrap_or(true) {
        let own = library.file.as_deref().unwrap_or(Path::new("the library")).display();
        let detail = format!("{own} was built without the provider `{asked}`");
        return Err(Failure::new(Stage::Load, "provider_not_built_in", detail).with_hint(
            "set `runtimes.onnxruntime.library` to a build of ONNX Runtime for GPUs, such as the one in the onnxruntime-gpu \
             package, or the one for this JetPack",
        ));
    }
    let providers: Vec<_> =
        providers.into_iter().map(ep::ExecutionProviderDispatch::error_on_failure).collect();
    builder.with_execution_providers(providers).map_err(|error| {
        // The library writes the loader's words to its log, not into its answer.
        let files = [asked, word::CUDA].map(|provider| provider_file(library, provider));
        match files.into_iter().find_map(|file| Some((loader_error(&file)?, file))) {
            Some((why, file)) => not_loaded(asked, &file, &why),
            None => refused(asked, error.message()),
        }
    })
}

/// A provider that comes with the library is next to the name by which that was opened, which may be a link.
fn provider_file(library: &Library, provider: &str) -> PathBuf {
    let name = format!("libonnxruntime_providers_{provider}.so");
    library.opened_as().map_or_else(|| PathBuf::from(&name), |file| file.with_file_name(&name))
}

/// Why the loader cannot open a library, in its words; `None` if it can.
#[expect(unsafe_code, reason = "asks the system's loader")]
fn loader_error(file: &Path) -> Option<String> {
    let name = CString::new(file.as_os_str().as_bytes()).ok()?;
    // SAFETY: a C string. A provider's initialisers run, as they did when the library tried; this process
    // ends soon.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY) };
    if !handle.is_null() {
        return None;
    }
    // SAFETY: the loader's last words in this thread, null or a C string that the next call overwrites.
    let words = unsafe { libc::dlerror() };
    // SAFETY: as above.
    (!words.is_null()).then(|| unsafe { CStr::from_ptr(words) }.to_string_lossy().into_owned())
}

/// Does the model contain QuantizeLinear or DequantizeLinear nodes? The library refuses a file that cannot be
/// read.
fn is_quantised(model: &Path) -> bool {
    fs_err::read(model)
        .ok()
        .and_then(|bytes| model_file::onnx::border(&bytes).ok())
        .is_some_and(|border| border.is_quantised)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_a_provider_does_not_look_at_are_refused() {
        let given = Options::from([(DEVICE.to_owned(), 1.into())]);
        let failure = refuse_idle_options(word::CPU, &given).unwrap_err();
        insta::assert_snapshot!(failure, @"provider `cpu` has no option `device`");
        assert!(refuse_idle_options(word::PLUGIN, &given).is_ok());
        let given = Options::from([(TF32.to_owned(), true.into())]);
        assert!(refuse_idle_options(word::CPU, &given).is_err());
        assert!(refuse_idle_options(word::CUDA, &given).is_ok());
    }
}
