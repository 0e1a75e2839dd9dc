//! The C interface of ONNX Runtime for plug-in providers, as far as the stub goes: the library's tables of
//! functions, and those that a plug-in fills in.
//!
//! Source of names, signatures and the places in the tables: onnxruntime_ep_c_api.h and onnxruntime_c_api.h
//! of https://github.com/microsoft/onnxruntime, release 1.23, places counted from 0.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;

use super::Kernel;

pub(super) type Unused = unsafe extern "C" fn();
pub(super) type Status = *mut c_void;
pub(super) const OK: Status = null_mut();

#[repr(C)]
pub(super) struct ApiBase {
    pub(super) api: unsafe extern "C" fn(u32) -> *const Api,
}

#[repr(C)]
pub(super) struct Api {
    pub(super) status: unsafe extern "C" fn(c_int, *const c_char) -> Status,
    _1: [Unused; 50],
    pub(super) tensor: unsafe extern "C" fn(*mut c_void, *mut *mut f32) -> Status,
    _52: [Unused; 3],
    pub(super) shape_of_type: unsafe extern "C" fn(*const c_void, *mut *const c_void) -> Status,
    _56: [Unused; 4],
    pub(super) element_type: unsafe extern "C" fn(*const c_void, *mut c_int) -> Status,
    pub(super) dimension_count: unsafe extern "C" fn(*const c_void, *mut usize) -> Status,
    pub(super) dimensions: unsafe extern "C" fn(*const c_void, *mut i64, usize) -> Status,
    _63: [Unused; 2],
    pub(super) shape_of_tensor: unsafe extern "C" fn(*const c_void, *mut *mut c_void) -> Status,
    _66: [Unused; 24],
    pub(super) input: unsafe extern "C" fn(*const c_void, usize, *mut *mut c_void) -> Status,
    pub(super) output:
        unsafe extern "C" fn(*mut c_void, usize, *const i64, usize, *mut *mut c_void) -> Status,
    _92: [Unused; 7],
    pub(super) release_shape: unsafe extern "C" fn(*mut c_void),
    _100: [Unused; 190],
    pub(super) type_of_value: unsafe extern "C" fn(*const c_void, *mut *const c_void) -> Status,
    _291: [Unused; 16],
    pub(super) hardware_kind: unsafe extern "C" fn(*const c_void) -> c_int,
    _308: [Unused; 9],
    pub(super) provider_api: unsafe extern "C" fn() -> *const ProviderApi,
    _318: [Unused; 22],
    pub(super) output_count: unsafe extern "C" fn(*const c_void, *mut usize) -> Status,
    pub(super) outputs: unsafe extern "C" fn(*const c_void, *mut *const c_void, usize) -> Status,
    _342: [Unused; 2],
    pub(super) node_count: unsafe extern "C" fn(*const c_void, *mut usize) -> Status,
    pub(super) nodes: unsafe extern "C" fn(*const c_void, *mut *const c_void, usize) -> Status,
    _346: [Unused; 4],
    pub(super) operator: unsafe extern "C" fn(*const c_void, *mut *const c_char) -> Status,
}

#[repr(C)]
pub(super) struct ProviderApi {
    pub(super) create_device: unsafe extern "C" fn(
        *mut Factory,
        *const c_void,
        *const c_void,
        *const c_void,
        *mut *mut c_void,
    ) -> Status,
    _1: Unused,
    pub(super) add_nodes:
        unsafe extern "C" fn(*mut c_void, *const *const c_void, usize, *const c_void) -> Status,
}

#[repr(C)]
pub(super) struct Factory {
    pub(super) version: u32,
    pub(super) name: extern "C" fn(*const Factory) -> *const c_char,
    pub(super) vendor: extern "C" fn(*const Factory) -> *const c_char,
    pub(super) devices: unsafe extern "C" fn(
        *mut Factory,
        *const *const c_void,
        usize,
        *mut *mut c_void,
        usize,
        *mut usize,
    ) -> Status,
    pub(super) create: unsafe extern "C" fn(
        *mut Factory,
        *const *const c_void,
        *const *const c_void,
        usize,
        *const c_void,
        *const c_void,
        *mut *mut Provider,
    ) -> Status,
    pub(super) release: unsafe extern "C" fn(*mut Factory, *mut Provider),
    pub(super) vendor_number: extern "C" fn(*const Factory) -> u32,
    pub(super) provider_version: extern "C" fn(*const Factory) -> *const c_char,
    pub(super) validate_compiled: *const c_void,
    pub(super) create_allocator: *const c_void,
    pub(super) release_allocator: *const c_void,
    pub(super) create_transfer: unsafe extern "C" fn(*mut Factory, *mut *mut c_void) -> Status,
    pub(super) is_stream_aware: extern "C" fn(*const Factory) -> bool,
    pub(super) create_stream: *const c_void,
}

#[repr(C)]
pub(super) struct Provider {
    pub(super) version: u32,
    pub(super) name: extern "C" fn(*const Provider) -> *const c_char,
    pub(super) take: unsafe extern "C" fn(*mut Provider, *const c_void, *mut c_void) -> Status,
    pub(super) compile: unsafe extern "C" fn(
        *mut Provider,
        *const *const c_void,
        *const *const c_void,
        usize,
        *mut *mut Kernel,
        *mut *mut c_void,
    ) -> Status,
    pub(super) release_kernels: unsafe extern "C" fn(*mut Provider, *mut *mut Kernel, usize),
    /// Layouts, options, notices of runs, allocator, stream, compatibility: all may be left out.
    pub(super) others: [*const c_void; 8],
}
