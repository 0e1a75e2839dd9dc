//! libtensorflowlite_c, opened while the worker runs. Compiled into `backbone-worker-tflite` only.
//!
//! `tflitec` declares the library's functions for the linker. An executable that is linked with the library
//! does not even start where it is missing, and then nothing can say what to do about it. So this executable
//! has a function of each of those names itself, which goes before the library's, and which calls the one
//! that [`open`] found. The linker then has no reason to note the library as needed;
//! `tests/runtimes/linked.rs` checks that it did not.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use backbone::bundle::format::Stage;
use backbone::runtime::Failure;

/// The name by which the system's loader knows it.
const FILE: &str = "libtensorflowlite_c.so";

const HINT: &str = "install the package backbone-runtimes, or set `runtimes.tflite.library` in the configuration to \
                    a libtensorflowlite_c.so of this host";

/// What `dlopen` returned.
static HANDLE: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// The delegate's options as the C library returns them by value, with the same reserve as in our header, by
/// which `tflitec` was compiled.
#[repr(C)]
pub(super) struct XnnpackOptions {
    pub(super) threads: i32,
    pub(super) flags: u32,
    reserve: [u64; 31],
}

/// `TfLiteQuantizationParams`.
#[repr(C)]
pub(super) struct Quantisation {
    scale: f32,
    zero_point: i32,
}

/// Open the library: the given file, otherwise the one that the system's loader finds.
///
/// # Errors
/// `library_not_found`, or `library_not_usable` if it cannot be loaded here or lacks a function.
pub(super) fn open(asked: Option<&Path>) -> Result<(), Failure> {
    let path = asked.map_or_else(|| PathBuf::from(FILE), absolute);
    let refused = |reason: &str, why: &str| {
        let detail = format!("the TensorFlow Lite library {} could not be opened: {why}", path.display());
        Failure::new(Stage::Start, reason, detail).with_hint(HINT)
    };
    if path.is_absolute() && !path.is_file() {
        return Err(refused("library_not_found", "there is no such file"));
    }
    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| refused("library_not_found", "its path contains a zero byte"))?;
    let handle = loader::open(&name).map_err(|why| {
        // Without a path the loader searches, and does not say so.
        let is_missing = !path.is_absolute() && why.starts_with(FILE);
        refused(if is_missing { "library_not_found" } else { "library_not_usable" }, &why)
    })?;
    for entry in ENTRIES {
        let function = loader::function(handle, entry.name);
        if function.is_null() && entry.necessity == Necessity::Required {
            return Err(refused(
                "library_not_usable",
                &format!("it has no function {}", entry.name.to_string_lossy()),
            ));
        }
        entry.slot.store(function, Ordering::Relaxed);
    }
    HANDLE.store(handle, Ordering::Release);
    Ok(())
}

/// A function of the open library; null if it has none of that name.
pub(super) fn function(name: &CStr) -> *mut c_void {
    match HANDLE.load(Ordering::Acquire) {
        handle if handle.is_null() => handle,
        handle => loader::function(handle, name),
    }
}

/// The loader resolves a relative path from the working directory only if it has a slash.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// One of the library's functions.
struct Forwarded {
    name: &'static CStr,
    necessity: Necessity,
    slot: &'static AtomicPtr<c_void>,
}

/// Whether a library without the function is of use.
#[derive(PartialEq, Eq)]
enum Necessity {
    Required,
    /// Never called by this program, or only after a look at whether it is there.
    Optional,
}

#[expect(unsafe_code, reason = "the interface of the dynamic loader")]
mod loader {
    use super::*;

    /// Global, as a library that the executable is linked with would be: a delegate may use its symbols.
    pub(super) fn open(name: &CStr) -> Result<*mut c_void, String> {
        // SAFETY: a C string. The library's constructors run in a process that is made to run them.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        if !handle.is_null() {
            return Ok(handle);
        }
        // SAFETY: no other thread of this process uses the loader; the text is copied before its next call.
        let why = unsafe { libc::dlerror().as_ref().map(|text| CStr::from_ptr(text)) };
        Err(why.map_or_else(|| "no reason given".to_owned(), |why| why.to_string_lossy().into_owned()))
    }

    pub(super) fn function(handle: *mut c_void, name: &CStr) -> *mut c_void {
        // SAFETY: an open library, and a C string.
        unsafe { libc::dlsym(handle, name.as_ptr()) }
    }
}

/// Functions of the library's names that call the library's, and [`ENTRIES`], the list of them.
macro_rules! forwarded {
    ($($necessity:ident fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        const ENTRIES: &[Forwarded] = &[$(Forwarded {
            name: match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => unreachable!(),
            },
            necessity: Necessity::$necessity,
            slot: &slots::$name,
        }),*];

        #[expect(non_upper_case_globals, reason = "each has the name of its function")]
        mod slots {
            use super::*;
            $(pub(super) static $name: AtomicPtr<c_void> = AtomicPtr::new(null_mut());)*
        }

        #[expect(unsafe_code, reason = "the C interface of the library")]
        pub(super) mod functions {
            use super::*;
            $(
                /// # Safety
                /// As the library's.
                #[unsafe(no_mangle)]
                pub(in super::super) unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? {
                    let function = slots::$name.load(Ordering::Relaxed);
                    assert!(!function.is_null(), "the library has no {}, or is not open", stringify!($name));
                    // SAFETY: the library's function of that name has this signature; the caller vouches for
                    // the arguments.
                    unsafe {
                        std::mem::transmute::<
                            *mut c_void,
                            unsafe extern "C" fn($($type),*) $(-> $result)?,
                        >(function)($($argument),*)
                    }
                }
            )*
        }
    };
}

type Opaque = *mut c_void;

// All that tools/tflite-headers declares, apart from TfLiteInterpreterCreate, which is in `profile.rs`.
forwarded! {
    Required fn TfLiteVersion() -> *const c_char;
    Optional fn TfLiteModelCreate(bytes: *const c_void, size: usize) -> Opaque;
    Required fn TfLiteModelCreateFromFile(path: *const c_char) -> Opaque;
    Required fn TfLiteModelDelete(model: Opaque);
    Required fn TfLiteInterpreterOptionsCreate() -> Opaque;
    Required fn TfLiteInterpreterOptionsDelete(options: Opaque);
    Required fn TfLiteInterpreterOptionsSetNumThreads(options: Opaque, threads: i32);
    Required fn TfLiteInterpreterOptionsAddDelegate(options: Opaque, delegate: Opaque);
    Required fn TfLiteInterpreterDelete(interpreter: Opaque);
    Required fn TfLiteInterpreterAllocateTensors(interpreter: Opaque) -> c_int;
    Required fn TfLiteInterpreterInvoke(interpreter: Opaque) -> c_int;
    Required fn TfLiteInterpreterGetInputTensorCount(interpreter: Opaque) -> i32;
    Required fn TfLiteInterpreterGetOutputTensorCount(interpreter: Opaque) -> i32;
    Required fn TfLiteInterpreterGetInputTensor(interpreter: Opaque, index: i32) -> Opaque;
    Required fn TfLiteInterpreterGetOutputTensor(interpreter: Opaque, index: i32) -> Opaque;
    Required fn TfLiteInterpreterResizeInputTensor(interpreter: Opaque, index: i32, dimensions: *const c_int, rank: i32) -> c_int;
    Optional fn TfLiteInterpreterGetSignatureCount(interpreter: Opaque) -> i32;
    Optional fn TfLiteInterpreterGetSignatureKey(interpreter: Opaque, index: i32) -> *const c_char;
    Optional fn TfLiteInterpreterGetSignatureRunner(interpreter: Opaque, key: *const c_char) -> Opaque;
    Optional fn TfLiteSignatureRunnerDelete(runner: Opaque);
    Optional fn TfLiteSignatureRunnerAllocateTensors(runner: Opaque) -> c_int;
    Optional fn TfLiteSignatureRunnerInvoke(runner: Opaque) -> c_int;
    Optional fn TfLiteSignatureRunnerGetInputCount(runner: Opaque) -> usize;
    Optional fn TfLiteSignatureRunnerGetOutputCount(runner: Opaque) -> usize;
    Optional fn TfLiteSignatureRunnerGetInputName(runner: Opaque, index: i32) -> *const c_char;
    Optional fn TfLiteSignatureRunnerGetOutputName(runner: Opaque, index: i32) -> *const c_char;
    Optional fn TfLiteSignatureRunnerGetInputTensor(runner: Opaque, name: *const c_char) -> Opaque;
    Optional fn TfLiteSignatureRunnerGetOutputTensor(runner: Opaque, name: *const c_char) -> Opaque;
    Optional fn TfLiteSignatureRunnerResizeInputTensor(runner: Opaque, name: *const c_char, dimensions: *const c_int, rank: i32) -> c_int;
    Required fn TfLiteTensorType(tensor: Opaque) -> c_int;
    Required fn TfLiteTensorNumDims(tensor: Opaque) -> i32;
    Required fn TfLiteTensorDim(tensor: Opaque, axis: i32) -> i32;
    Required fn TfLiteTensorByteSize(tensor: Opaque) -> usize;
    Required fn TfLiteTensorData(tensor: Opaque) -> *mut c_void;
    Required fn TfLiteTensorName(tensor: Opaque) -> *const c_char;
    Required fn TfLiteTensorQuantizationParams(tensor: Opaque) -> Quantisation;
    Required fn TfLiteTensorCopyFromBuffer(tensor: Opaque, source: *const c_void, size: usize) -> c_int;
    Optional fn TfLiteXNNPackDelegateOptionsDefault() -> MaybeUninit<XnnpackOptions>;
    Optional fn TfLiteXNNPackDelegateCreate(options: *const c_void) -> Opaque;
    Optional fn TfLiteXNNPackDelegateDelete(delegate: Opaque);
}
