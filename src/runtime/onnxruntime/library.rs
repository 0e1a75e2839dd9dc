//! Opening the ONNX Runtime library, once in a process.
//!
//! `ort` opens it; this turns every way that can go wrong into a [`Failure`], and reports which file was
//! opened.

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

/// The variable in which users of `ort` name the library.
pub(super) const VARIABLE: &str = "ORT_DYLIB_PATH";

/// With this variable the library sends nothing to its makers. The published builds for Linux do so since
/// 1.29, and `with_telemetry` turns it off too late: by then a thread runs, a database is in the user's
/// cache, and while the clock runs threads start that look up the makers' host (seen with 1.31.1). Source of
/// the name:
/// <https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/platform/posix/telemetry.cc>.
const TELEMETRY_VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// What the system's loader is asked for if no file is named: the development name, then the soname.
const SYSTEM_NAMES: &[&str] = &["libonnxruntime.so", "libonnxruntime.so.1"];

/// The opened library.
#[derive(Clone)]
pub(super) struct Library {
    /// Its environment: logging and nothing else; threads belong to the session.
    pub(super) environment: Environment,
    /// The file.
    pub(super) file: Option<PathBuf>,
    /// Its version, such as `1.31.1`.
    pub(super) version: Option<String>,
    /// The source of its tables of functions.
    pub(super) base: Option<&'static sys::OrtApiBase>,
    /// The path that was asked for.
    asked: Option<PathBuf>,
}

impl Library {
    /// The path by which it was opened.
    pub(super) fn opened_as(&self) -> Option<&Path> {
        self.asked.as_deref().or(self.file.as_deref())
    }
}

static OPENED: Mutex<Option<Library>> = Mutex::new(None);

/// Set what the library reads when it is opened.
pub(super) fn prepare() {
    #[expect(unsafe_code, reason = "only an environment variable reaches the library in time")]
    // SAFETY: a worker process has no other thread before it opens its library.
    unsafe {
        std::env::set_var(TELEMETRY_VARIABLE, "1");
    }
}

/// Open the library that was asked for, otherwise the one that the system's loader finds.
///
/// # Errors
/// `library_not_found`, `library_too_old`, `library_not_usable`; `library_already_open` if the process has
/// opened another one.
pub(super) fn open(asked: Option<&Path>) -> Result<Library, Failure> {
    let mut opened = OPENED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(library) = &*opened {
        return if asked.is_none() || library.asked.as_deref() == asked {
            Ok(library.clone())
        } else {
            Err(Failure::new(
                Stage::Start,
                "library_already_open",
                format!("this process has opened {:?} and cannot also open {asked:?}", library.file),
            ))
        };
    }
    let builder = first_that_opens(asked)?;
    let environment = builder.with_name("backbone").with_telemetry(false).build().map_err(|error| {
        Failure::new(
            Stage::Start,
            "library_not_usable",
            format!("ONNX Runtime could not set up its environment: {error}"),
        )
        .with_hint("see the worker's log tail")
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
        // Checked before `ort` is asked: once it has a library it accepts any path.
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
            // A library that opens but is not usable is the intended one: trying others would hide that.
            Err(LoadDynamicError::BadVersion { version_str, path }) => {
                return Err(Failure::new(
                    Stage::Start,
                    "library_too_old",
                    format!("{} is ONNX Runtime {version_str}", path.display()),
                )
                .with_hint(format!(
                    "set `runtimes.onnxruntime.library` in the configuration, or {VARIABLE}, to version 1.{}.0 or later",
                    ort::MINOR_VERSION
                )));
            }
            Err(error) => {
                return Err(Failure::new(Stage::Start, "library_not_usable", error.to_string())
                    .with_hint("check that this file is ONNX Runtime's libonnxruntime.so, and that it is built for this machine"));
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

/// `ort` resolves relative paths from the executable's folder; the author meant the working directory. A bare
/// name stays as it is: the system's loader searches for it.
fn absolute(path: &Path) -> PathBuf {
    if path.components().count() == 1 && path.is_relative() && !path.exists() {
        return path.to_path_buf();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The opened library's entry, which needs no version of its interface. `ort` does not expose it.
#[expect(unsafe_code, reason = "asks the C library, which is open")]
fn base(file: &Path) -> Option<&'static sys::OrtApiBase> {
    type GetApiBase = unsafe extern "system" fn() -> *const sys::OrtApiBase;

    let file = CString::new(file.as_os_str().as_bytes()).ok()?;
    // SAFETY: the name is a C string; RTLD_NOLOAD opens nothing new. The handle is kept: the library stays
    // open anyway.
    let library = unsafe { libc::dlopen(file.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if library.is_null() {
        return None;
    }
    // SAFETY: a handle from dlopen and a C string.
    let symbol = unsafe { libc::dlsym(library, c"OrtGetApiBase".as_ptr()) };
    if symbol.is_null() {
        return None;
    }
    // SAFETY: the library exports OrtGetApiBase with this signature since its first release; `ort` has called
    // it already.
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
    // SAFETY: a status that the library just returned and that nothing else frees.
    unsafe { ort::Error::result_from_status(status) }
}
