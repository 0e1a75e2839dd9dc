//! Opening the ONNX Runtime library, once in a process.
//!
//! `ort` opens it; this decides which file, turns every way that can go wrong into a [`Failure`], and tells what was opened.

use std::error::Error as _;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::sys;

use crate::bundle::format::Stage;
use crate::runtime::{Failure, mapped};

/// The variable by which `ort`'s users name the library.
pub(super) const VARIABLE: &str = "ORT_DYLIB_PATH";

/// By this variable the library sends nothing to its makers. The builds that they publish for Linux do since 1.29, and what
/// `with_telemetry` turns off comes too late: a thread has begun, a database lies in the user's cache, and while the clock runs threads
/// come and go that look up the makers' host (seen with 1.31.1). Source of the name:
/// <https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/platform/posix/telemetry.cc>.
const TELEMETRY_VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// What the system's loader is asked for otherwise: the development name, then the soname.
const SYSTEM_NAMES: &[&str] = &["libonnxruntime.so", "libonnxruntime.so.1"];

/// The opened library.
#[derive(Clone)]
pub(super) struct Library {
    /// Its environment: logging and nothing else, for threads belong to the session.
    pub(super) environment: Environment,
    /// The file.
    pub(super) file: Option<PathBuf>,
    /// Its version, such as `1.31.1`.
    pub(super) version: Option<String>,
    /// Where its tables of functions come from.
    pub(super) base: Option<&'static sys::OrtApiBase>,
    /// How it was asked for.
    asked: Option<PathBuf>,
}

impl Library {
    /// The name by which it was opened, where it was asked for by one.
    pub(super) fn opened_as(&self) -> Option<&Path> {
        self.asked.as_deref().or(self.file.as_deref())
    }
}

static OPENED: Mutex<Option<Library>> = Mutex::new(None);

/// What must be said before the library is opened.
pub(super) fn prepare() {
    #[expect(unsafe_code, reason = "an environment variable is the one way to tell the library in time")]
    // SAFETY: a worker process has no other thread before it opens its library.
    unsafe {
        std::env::set_var(TELEMETRY_VARIABLE, "1");
    }
}

/// Open the library that was asked for, otherwise the one that the system's loader finds.
///
/// # Errors
/// `library_not_found`, `library_too_old`, `library_not_usable`; `library_already_open` where the process has another.
pub(super) fn open(asked: Option<&Path>) -> Result<Library, Failure> {
    let mut opened = OPENED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(library) = &*opened {
        return if asked.is_none() || library.asked.as_deref() == asked {
            Ok(library.clone())
        } else {
            Err(Failure::new(
                Stage::Start,
                "library_already_open",
                format!("this process has opened {:?} and cannot open {asked:?} too", library.file),
            ))
        };
    }
    let builder = first_that_opens(asked)?;
    let environment = builder.with_name("backbone").with_telemetry(false).build().map_err(|error| {
        Failure::new(
            Stage::Start,
            "library_not_usable",
            format!("ONNX Runtime set up no environment: {error}"),
        )
        .with_hint("the worker's last lines on standard error may say more")
    })?;
    let file = mapped::file_at(ort::api().RunWithBinding as *const () as usize);
    let base = file.as_deref().and_then(base);
    let version = base.map(version);
    let library = Library { environment, file, version, base, asked: asked.map(Path::to_path_buf) };
    *opened = Some(library.clone());
    Ok(library)
}

pub(super) fn first_that_opens(
    asked: Option<&Path>,
) -> Result<ort::environment::EnvironmentBuilder, Failure> {
    let candidates = candidates(asked);
    let mut refusals = Vec::new();
    for candidate in &candidates {
        // Asked before `ort` is: once it has a library it says yes to any path.
        if candidate.is_absolute() && !candidate.is_file() {
            refusals.push(format!("there is no file {}", candidate.display()));
            continue;
        }
        match ort::init_from(candidate) {
            Ok(builder) => return Ok(builder),
            Err(LoadDynamicError::Dlopen { error, path }) => {
                // The loader's own words are one level down.
                let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                refusals.push(format!("{}: {reason}", path.display()));
            }
            // A library that opens but is not usable is the one that was meant: going on would hide it.
            Err(LoadDynamicError::BadVersion { version_str, path }) => {
                return Err(Failure::new(
                    Stage::Start,
                    "library_too_old",
                    format!("{} is ONNX Runtime {version_str}", path.display()),
                )
                .with_hint(format!(
                    "give a library of version 1.{}.0 or later by `runtimes.onnxruntime.library` in the configuration or by {VARIABLE}",
                    ort::MINOR_VERSION
                )));
            }
            Err(error) => {
                return Err(Failure::new(Stage::Start, "library_not_usable", error.to_string())
                    .with_hint("is this file ONNX Runtime's libonnxruntime.so, and for this machine?"));
            }
        }
    }
    let reason = if candidates.iter().any(|candidate| candidate.is_file()) {
        "library_not_usable"
    } else {
        "library_not_found"
    };
    Err(Failure::new(
        Stage::Start,
        reason,
        format!("the ONNX Runtime library could not be opened: {}", refusals.join("; ")),
    )
    .with_hint(format!(
        "set `runtimes.onnxruntime.library` in the configuration, or {VARIABLE}, to the host's libonnxruntime.so"
    )))
}

fn candidates(asked: Option<&Path>) -> Vec<PathBuf> {
    if let Some(path) = asked {
        return vec![absolute(path)];
    }
    SYSTEM_NAMES.iter().map(PathBuf::from).collect()
}

/// `ort` looks for relative paths beside the executable; whoever wrote one meant the working directory. A bare name stays one: the
/// system's loader has its own search for those.
fn absolute(path: &Path) -> PathBuf {
    if path.components().count() == 1 && path.is_relative() && !path.exists() {
        return path.to_path_buf();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// What the opened library tells without being asked for a version of its interface. `ort` keeps it to itself.
#[expect(unsafe_code, reason = "asks the C library, which is open")]
fn base(file: &Path) -> Option<&'static sys::OrtApiBase> {
    type GetApiBase = unsafe extern "system" fn() -> *const sys::OrtApiBase;

    let file = CString::new(file.as_os_str().as_bytes()).ok()?;
    // SAFETY: the name is a C string; RTLD_NOLOAD opens nothing new. The handle is kept: the library stays open anyway.
    let library = unsafe { libc::dlopen(file.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if library.is_null() {
        return None;
    }
    // SAFETY: a handle from dlopen and a C string.
    let symbol = unsafe { libc::dlsym(library, c"OrtGetApiBase".as_ptr()) };
    if symbol.is_null() {
        return None;
    }
    // SAFETY: the library exports OrtGetApiBase with this signature since its first release; `ort` has called it already.
    let get_api_base = unsafe { std::mem::transmute::<*mut libc::c_void, GetApiBase>(symbol) };
    // SAFETY: it takes nothing and returns a static table or null.
    unsafe { get_api_base().as_ref() }
}

#[expect(unsafe_code, reason = "asks the C library for its version")]
fn version(base: &sys::OrtApiBase) -> String {
    // SAFETY: returns a static C string.
    unsafe { CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned()
}

/// What a call of the library returned, as a result.
#[expect(unsafe_code, reason = "the library's status")]
pub(super) fn checked(status: sys::OrtStatusPtr) -> Result<(), ort::Error> {
    // SAFETY: a status that the library just returned and that nobody else frees.
    unsafe { ort::Error::result_from_status(status) }
}
