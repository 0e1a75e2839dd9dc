//! Plug-in providers: libraries that add a provider to ONNX Runtime, loaded by path.
//!
//! They came with version 22 of the library's interface, and `ort` is built for 17 here, so the few functions
//! are called through the library's own table. It only grows at its end, and its first 22 versions are one
//! prefix of it. Source of the places:
//! <https://github.com/microsoft/onnxruntime/blob/v1.22.0/include/onnxruntime/core/session/onnxruntime_c_api.h>,
//! counted from 0.

use std::ffi::{CStr, CString, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::builder::SessionBuilder;
use ort::{AsPointer, sys};

use super::failures::not_loaded;
use super::library::{Library, checked};
use crate::bundle::format::Stage;
use crate::runtime::Failure;

/// The version of the interface that has plug-ins, and the release of the library that has it.
const SINCE: u32 = 22;

const SEE_PLUGIN: &str =
    "see the plug-in's documentation for the devices, drivers and release of ONNX Runtime that it needs";

/// A function that is not called here.
type Unused = unsafe extern "system" fn();

/// The library's functions, those that are called by name. 0 to 300 are older.
#[repr(C)]
struct Api {
    _0: [Unused; 301],
    register_library:
        unsafe extern "system" fn(*mut sys::OrtEnv, *const c_char, *const c_char) -> sys::OrtStatusPtr,
    _302: Unused,
    devices: unsafe extern "system" fn(
        *const sys::OrtEnv,
        *mut *const *const EpDevice,
        *mut usize,
    ) -> sys::OrtStatusPtr,
    append_provider: unsafe extern "system" fn(
        *mut sys::OrtSessionOptions,
        *mut sys::OrtEnv,
        *const *const EpDevice,
        usize,
        *const *const c_char,
        *const *const c_char,
        usize,
    ) -> sys::OrtStatusPtr,
    _305: [Unused; 2],
    hardware_kind: unsafe extern "system" fn(*const HardwareDevice) -> i32,
    _308: Unused,
    hardware_vendor: unsafe extern "system" fn(*const HardwareDevice) -> *const c_char,
    _310: [Unused; 2],
    provider_name: unsafe extern "system" fn(*const EpDevice) -> *const c_char,
    _313: [Unused; 3],
    hardware: unsafe extern "system" fn(*const EpDevice) -> *const HardwareDevice,
    _317: Unused,
}

/// `OrtEpDevice`: a provider on a piece of hardware.
#[repr(C)]
struct EpDevice {
    _opaque: [u8; 0],
}

/// `OrtHardwareDevice`.
#[repr(C)]
struct HardwareDevice {
    _opaque: [u8; 0],
}

/// The provider and the device that the session uses.
pub(super) struct Plugged {
    /// The library's name for the provider.
    pub(super) provider: String,
    /// What it runs on, such as `cpu (Intel)`.
    pub(super) hardware: String,
}

/// Have the library load a plug-in, and a session use the device of that number, in the plug-in's own order.
///
/// # Errors
/// `library_too_old`, `provider_not_loaded`, `device_not_found`, `provider_refused`.
pub(super) fn plug(
    builder: &mut SessionBuilder,
    library: &Library,
    file: &Path,
    number: usize,
) -> Result<Plugged, Failure> {
    let table = table(library).ok_or_else(|| {
        let version = library.version.as_deref().unwrap_or("of an unknown version");
        let detail = format!("ONNX Runtime {version} does not support plug-in providers");
        Failure::new(Stage::Load, "library_too_old", detail)
            .with_hint(format!("set `runtimes.onnxruntime.library` to version 1.{SINCE}.0 or later"))
    })?;
    let brought = brought(table, &library.environment, file)?;
    let device = *brought.get(number).ok_or_else(|| device_not_found(table, file, &brought, number))?;
    append(table, builder, &library.environment, device)?;
    Ok(Plugged { provider: provider_name(table, device), hardware: hardware_name(table, device) })
}

#[expect(unsafe_code, reason = "the library's table of functions")]
fn table(library: &Library) -> Option<&'static Api> {
    // SAFETY: the library gives its static table, of which `Api` is a prefix from version `SINCE` on, or null
    // where it has no such version.
    unsafe { (library.base?.GetApi)(SINCE).cast::<Api>().as_ref() }
}

/// The devices that the plug-in adds. A library is registered once in a process, so they are kept for a
/// second session.
fn brought(table: &Api, environment: &Environment, file: &Path) -> Result<Vec<*const EpDevice>, Failure> {
    static BROUGHT: Mutex<Vec<(PathBuf, Vec<usize>)>> = Mutex::new(Vec::new());
    let mut known = BROUGHT.lock().unwrap_or_else(PoisonError::into_inner);
    let pointers = |devices: &[usize]| devices.iter().map(|device| *device as *const EpDevice).collect();
    if let Some((_, devices)) = known.iter().find(|(known, _)| known == file) {
        return Ok(pointers(devices));
    }
    let before = devices(table, environment)?;
    register(table, environment, file)?;
    let after = devices(table, environment)?;
    let new: Vec<usize> =
        after.iter().filter(|device| !before.contains(device)).map(|device| *device as usize).collect();
    let brought = pointers(&new);
    known.push((file.to_owned(), new));
    Ok(brought)
}

#[expect(unsafe_code, reason = "the library's table of functions")]
fn devices(table: &Api, environment: &Environment) -> Result<Vec<*const EpDevice>, Failure> {
    let (mut first, mut count) = (ptr::null(), 0);
    // SAFETY: an environment that lives, and two places to write to. The array belongs to the environment.
    let status = unsafe { (table.devices)(environment.ptr(), &mut first, &mut count) };
    checked(status).map_err(|error| {
        let detail = format!("ONNX Runtime lists no devices: {}", error.message());
        Failure::new(Stage::Load, "provider_refused", detail).with_hint(SEE_PLUGIN)
    })?;
    if first.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the library says that it wrote so many.
    Ok(unsafe { std::slice::from_raw_parts(first, count) }.to_vec())
}

#[expect(unsafe_code, reason = "the library's table of functions")]
fn register(table: &Api, environment: &Environment, file: &Path) -> Result<(), Failure> {
    // Some plug-ins name their provider after the registration; the file is what a person would call it.
    let name = file.file_stem().unwrap_or_default();
    let refused = |why: &str| not_loaded("plugin", file, why);
    let name = CString::new(name.as_bytes()).map_err(|error| refused(&error.to_string()))?;
    let path = CString::new(file.as_os_str().as_bytes()).map_err(|error| refused(&error.to_string()))?;
    // SAFETY: an environment that lives, and two C strings that the library copies.
    let status =
        unsafe { (table.register_library)(environment.ptr().cast_mut(), name.as_ptr(), path.as_ptr()) };
    checked(status).map_err(|error| refused(error.message()))
}

#[expect(unsafe_code, reason = "the library's table of functions")]
fn append(
    table: &Api,
    builder: &mut SessionBuilder,
    environment: &Environment,
    device: *const EpDevice,
) -> Result<(), Failure> {
    // SAFETY: options and an environment that live, one device of that environment, and no options of the
    // provider.
    let status = unsafe {
        (table.append_provider)(
            builder.ptr_mut(),
            environment.ptr().cast_mut(),
            &device,
            1,
            ptr::null(),
            ptr::null(),
            0,
        )
    };
    checked(status).map_err(|error| {
        let detail = format!("ONNX Runtime refused the plug-in's provider: {}", error.message());
        Failure::new(Stage::Load, "provider_refused", detail).with_hint(SEE_PLUGIN)
    })
}

fn device_not_found(table: &Api, file: &Path, brought: &[*const EpDevice], number: usize) -> Failure {
    let known: Vec<String> = brought
        .iter()
        .enumerate()
        .map(|(number, device)| {
            format!("{number}: {} on {}", provider_name(table, *device), hardware_name(table, *device))
        })
        .collect();
    let file = file.display();
    let (detail, hint) = match known.is_empty() {
        true => (format!("the plug-in {file} found no device on this host"), SEE_PLUGIN),
        false => (
            format!("the plug-in {file} has no device {number}, only {}", known.join("; ")),
            "`runtime_options.device` is the number of one of these",
        ),
    };
    Failure::new(Stage::Load, "device_not_found", detail).with_hint(hint)
}

#[expect(unsafe_code, reason = "the library's table of functions")]
fn provider_name(table: &Api, device: *const EpDevice) -> String {
    // SAFETY: a device that the library told of; the text belongs to it.
    text(unsafe { (table.provider_name)(device) })
}

/// Such as `cpu (Intel)`.
#[expect(unsafe_code, reason = "the library's table of functions")]
fn hardware_name(table: &Api, device: *const EpDevice) -> String {
    // SAFETY: as above; the hardware lives as long as the device.
    let (kind, vendor) = unsafe {
        let hardware = (table.hardware)(device);
        if hardware.is_null() {
            return "unknown".to_owned();
        }
        ((table.hardware_kind)(hardware), text((table.hardware_vendor)(hardware)))
    };
    let kind = match kind {
        0 => "cpu",
        1 => "gpu",
        2 => "npu",
        _ => "other",
    };
    if vendor.is_empty() { kind.to_owned() } else { format!("{kind} ({vendor})") }
}

#[expect(unsafe_code, reason = "C strings of the library")]
fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the library gives C strings that live as long as what they belong to.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn functions_are_where_the_header_has_them() {
        let places = [
            (offset_of!(Api, register_library), 301),
            (offset_of!(Api, devices), 303),
            (offset_of!(Api, append_provider), 304),
            (offset_of!(Api, hardware_kind), 307),
            (offset_of!(Api, hardware_vendor), 309),
            (offset_of!(Api, provider_name), 312),
            (offset_of!(Api, hardware), 316),
        ];
        for (offset, place) in places {
            assert_eq!(offset / size_of::<Unused>(), place);
        }
        assert_eq!(size_of::<Api>() / size_of::<Unused>(), 318, "the functions of version 22, to the last");
    }
}
