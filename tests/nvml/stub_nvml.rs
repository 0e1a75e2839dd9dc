//! A stub of NVIDIA's management library for tests, no part of it. The tests build it with rustc as a C
//! library; with `--cfg old` it lacks what an old driver lacks. What it reports comes from
//! $BACKBONE_HOST_ROOT/etc/nvml-stub, lines such as `CARDS=2` or `SM1=1410`, which are read again for every
//! call; what is set through it goes to $BACKBONE_HOST_ROOT/run/nvml-stub/, a file for each setting.
//!
//! Source of names, signatures and numbers: nvml.h of CUDA 12.4.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const OK: c_int = 0;
const INVALID: c_int = 2;
const NOT_SUPPORTED: c_int = 3;
const NO_PERMISSION: c_int = 4;
const NOT_FOUND: c_int = 6;
const TOO_SMALL: c_int = 7;
const NOT_LOADED: c_int = 9;
const LOST: c_int = 15;
const OPERATING_SYSTEM: c_int = 17;
const MISMATCH: c_int = 18;
const UNKNOWN: c_int = 999;

fn root() -> PathBuf {
    std::env::var_os("BACKBONE_HOST_ROOT").unwrap_or_default().into()
}

/// The value of a key; the last line with it counts.
fn text(key: &str) -> Option<String> {
    let script = fs::read_to_string(root().join("etc/nvml-stub")).unwrap_or_default();
    let mut lines = script.lines().rev().filter_map(|line| line.split_once('='));
    lines.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
}

fn number(key: &str, otherwise: u64) -> u64 {
    text(key).map_or(otherwise, |text| text.parse().expect("a number in etc/nvml-stub"))
}

/// Of one card: `SM0`.
fn of_card(key: &str, card: usize, otherwise: u64) -> u64 {
    number(&format!("{key}{card}"), otherwise)
}

fn kept(name: &str, card: usize) -> PathBuf {
    root().join("run/nvml-stub").join(format!("{name}{card}"))
}

fn set(name: &str, card: usize, value: Option<String>) -> c_int {
    if number("DENIED", 0) == 1 {
        return NO_PERMISSION;
    }
    let path = kept(name, card);
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of the stub");
    match value {
        Some(value) => fs::write(path, value).expect("a setting of the stub"),
        None => drop(fs::remove_file(path)),
    }
    OK
}

fn was_set(name: &str, card: usize) -> Option<u64> {
    fs::read_to_string(kept(name, card)).ok()?.split(' ').next()?.parse().ok()
}

/// Hang or crash if the script wants that of this function, or say that the card does not have it.
fn call(function: &str, card: Option<usize>) -> Result<(), c_int> {
    let is_it = |key: &str| text(key).is_some_and(|names| names.split(',').any(|name| name == function));
    if is_it("HANG") {
        std::thread::sleep(Duration::from_secs(3600));
    }
    if is_it("CRASH") {
        std::process::abort();
    }
    match card {
        Some(card) if of_card("LOST", card, 0) == 1 => Err(LOST),
        _ if is_it("NOT_SUPPORTED") => Err(NOT_SUPPORTED),
        _ => Ok(()),
    }
}

/// Nanoseconds for which a limit lowered the clocks: with `POWER_LIMITED0=1` it always does.
fn slowed(policy: c_uint, card: usize) -> c_ulonglong {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    if policy == 0 { of_card("POWER_LIMITED", card, 0) * since.as_nanos() as u64 } else { 0 }
}

fn card(device: *mut c_void) -> usize {
    device as usize - 1
}

/// An exported function that asks for one number of a card.
macro_rules! asked {
    ($($function:ident($card:ident $(, $argument:ident: $kind:ty)*) -> $out:ty { $value:expr })*) => {
        $(#[unsafe(no_mangle)]
        pub unsafe extern "C" fn $function(device: *mut c_void $(, $argument: $kind)*, out: *mut $out) -> c_int {
            let $card = card(device);
            if let Err(code) = call(stringify!($function), Some($card)) {
                return code;
            }
            unsafe { *out = $value };
            OK
        })*
    };
}

/// An exported function that sets something on a card.
macro_rules! sets {
    ($($function:ident($card:ident $(, $argument:ident: $kind:ty)*) { $name:literal: $value:expr })*) => {
        $(#[unsafe(no_mangle)]
        pub unsafe extern "C" fn $function(device: *mut c_void $(, $argument: $kind)*) -> c_int {
            let $card = card(device);
            match call(stringify!($function), Some($card)) {
                Err(code) => code,
                Ok(()) => set($name, $card, $value),
            }
        })*
    };
}

fn clock(kind: c_uint, card: usize) -> c_uint {
    let (key, idle, locked) = if kind == 2 { ("MEMORY", 1593, "memory") } else { ("SM", 345, "locked") };
    let told = text(&format!("{key}{card}")).map(|told| told.parse().expect("megahertz"));
    told.or_else(|| was_set(locked, card)).unwrap_or(idle) as c_uint
}

/// Application clocks, which somebody has set below the default.
fn application(kind: c_uint, card: usize) -> c_uint {
    let kept = fs::read_to_string(kept("application", card)).unwrap_or_else(|_| "2619 1200".to_owned());
    let (memory, graphics) = kept.split_once(' ').expect("two clocks");
    if kind == 2 { memory } else { graphics }.parse().expect("megahertz")
}

fn written(text: &str, out: *mut c_char, length: c_uint) -> c_int {
    if text.len() >= length as usize {
        return INVALID;
    }
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), out.cast(), text.len());
        *out.add(text.len()) = 0;
    }
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> c_int {
    if let Err(code) = call("nvmlInit_v2", None) {
        return code;
    }
    match text("INIT").as_deref() {
        None => OK,
        Some("not_loaded") => NOT_LOADED,
        Some("mismatch") => MISMATCH,
        Some("denied") => NO_PERMISSION,
        Some("blocked") => OPERATING_SYSTEM,
        Some(_) => UNKNOWN,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> c_int {
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(out: *mut c_char, length: c_uint) -> c_int {
    written(&text("DRIVER").unwrap_or_else(|| "550.54.15".to_owned()), out, length)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(out: *mut c_int) -> c_int {
    unsafe { *out = number("CUDA", 12040) as c_int };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(out: *mut c_uint) -> c_int {
    if let Err(code) = call("nvmlDeviceGetCount_v2", None) {
        return code;
    }
    unsafe { *out = number("CARDS", 1) as c_uint };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, out: *mut *mut c_void) -> c_int {
    if of_card("LOST", index as usize, 0) == 1 {
        return LOST;
    }
    unsafe { *out = (index as usize + 1) as *mut c_void };
    OK
}

fn uuid(device: usize) -> String {
    match device {
        // Instances of card 0.
        100.. => format!("MIG-10000000-0000-4000-8000-00000000000{}", device - 100),
        card => format!("GPU-0000000{card}-0000-4000-8000-00000000000{card}"),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByUUID(name: *const c_char, out: *mut *mut c_void) -> c_int {
    let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap_or_default();
    let cards = number("CARDS", 1) as usize;
    match (0..cards).find(|card| uuid(*card) == name) {
        Some(card) if of_card("LOST", card, 0) == 1 => LOST,
        Some(card) => {
            unsafe { *out = (card + 1) as *mut c_void };
            OK
        }
        None => NOT_FOUND,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(device: *mut c_void, out: *mut c_char, length: c_uint) -> c_int {
    match call("nvmlDeviceGetUUID", Some(card(device))) {
        Err(code) => code,
        Ok(()) => written(&uuid(card(device)), out, length),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(device: *mut c_void, out: *mut c_char, length: c_uint) -> c_int {
    let name = text(&format!("NAME{}", card(device))).unwrap_or_else(|| "NVIDIA H100 80GB HBM3".to_owned());
    written(&name, out, length)
}

#[repr(C)]
pub struct Pci {
    bus_id_legacy: [c_char; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    pci_device_id: c_uint,
    pci_sub_system_id: c_uint,
    bus_id: [c_char; 32],
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPciInfo_v3(device: *mut c_void, out: *mut Pci) -> c_int {
    let text = format!("00000000:0{}:00.0", card(device) + 1);
    unsafe { written(&text, (*out).bus_id.as_mut_ptr(), 32) }
}

#[repr(C)]
pub struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[cfg(not(old))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: *mut c_void, out: *mut Memory) -> c_int {
    if let Err(code) = call("nvmlDeviceGetMemoryInfo_v2", Some(card(device))) {
        return code;
    }
    let used = of_card("USED_MIB", card(device), 4) << 20;
    unsafe {
        ((*out).total, (*out).used) = (80 << 30, used);
        ((*out).reserved, (*out).free) = (600 << 20, (80 << 30) - used);
    }
    OK
}

#[repr(C)]
pub struct Process {
    pid: c_uint,
    memory: c_ulonglong,
    instance: c_uint,
    compute: c_uint,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: *mut c_void,
    count: *mut c_uint,
    out: *mut Process,
) -> c_int {
    let processes = of_card("PROCESSES", card(device), 0) as c_uint;
    unsafe {
        *count = processes;
        for index in (0..processes as usize).filter(|_| !out.is_null()) {
            *out.add(index) = Process { pid: 4000 + index as c_uint, memory: 0, instance: c_uint::MAX, compute: c_uint::MAX };
        }
    }
    // The library's answer to a question for the number alone.
    if out.is_null() && processes > 0 { TOO_SMALL } else { OK }
}

#[repr(C)]
pub struct Violation {
    reference: c_ulonglong,
    nanoseconds: c_ulonglong,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigMode(device: *mut c_void, now: *mut c_uint, next: *mut c_uint) -> c_int {
    let mode = of_card("MIG", card(device), 0) as c_uint;
    unsafe { (*now, *next) = (mode, mode) };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxMigDeviceCount(_device: *mut c_void, out: *mut c_uint) -> c_int {
    unsafe { *out = 7 };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    _device: *mut c_void,
    index: c_uint,
    out: *mut *mut c_void,
) -> c_int {
    if index > 1 {
        return NOT_FOUND;
    }
    unsafe { *out = (index as usize + 101) as *mut c_void };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetEccMode(device: *mut c_void, now: *mut c_uint, next: *mut c_uint) -> c_int {
    if let Err(code) = call("nvmlDeviceGetEccMode", Some(card(device))) {
        return code;
    }
    unsafe { (*now, *next) = (1, 1) };
    OK
}

asked! {
    nvmlDeviceGetClockInfo(card, kind: c_uint) -> c_uint { clock(kind, card) }
    nvmlDeviceGetMaxClockInfo(_card, kind: c_uint) -> c_uint { if kind == 2 { 2619 } else { 1980 } }
    nvmlDeviceGetTemperature(card, _kind: c_uint) -> c_uint { of_card("CELSIUS", card, 34) as c_uint }
    nvmlDeviceGetTemperatureThreshold(_card, _kind: c_uint) -> c_uint { 87 }
    nvmlDeviceGetPowerUsage(card) -> c_uint { of_card("MILLIWATTS", card, 71_250) as c_uint }
    nvmlDeviceGetEnforcedPowerLimit(_card) -> c_uint { 700_000 }
    nvmlDeviceGetCurrentClocksThrottleReasons(card) -> c_ulonglong { of_card("REASONS", card, 1) }
    nvmlDeviceGetViolationStatus(card, policy: c_uint) -> Violation {
        Violation { reference: 0, nanoseconds: slowed(policy, card) }
    }
    nvmlDeviceGetDefaultApplicationsClock(_card, kind: c_uint) -> c_uint { if kind == 2 { 2619 } else { 1590 } }
    nvmlDeviceGetApplicationsClock(card, kind: c_uint) -> c_uint { application(kind, card) }
    nvmlDeviceGetPersistenceMode(card) -> c_uint { was_set("persistence", card).unwrap_or(0) as c_uint }
}

/// Millijoules since 1970 at the power of the script.
#[cfg(not(old))]
fn millijoules(card: usize) -> c_ulonglong {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    (seconds * of_card("MILLIWATTS", card, 71_250) as f64) as c_ulonglong
}

#[cfg(not(old))]
mod not_in_old_drivers {
    use super::*;

    asked! {
        nvmlDeviceGetTotalEnergyConsumption(card) -> c_ulonglong { millijoules(card) }
    }

    sets! {
        nvmlDeviceSetGpuLockedClocks(card, low: c_uint, high: c_uint) { "locked": Some(format!("{low} {high}")) }
        nvmlDeviceResetGpuLockedClocks(card) { "locked": None }
        nvmlDeviceSetMemoryLockedClocks(card, low: c_uint, high: c_uint) { "memory": Some(format!("{low} {high}")) }
        nvmlDeviceResetMemoryLockedClocks(card) { "memory": None }
    }
}

sets! {
    nvmlDeviceSetApplicationsClocks(card, memory: c_uint, graphics: c_uint) { "application": Some(format!("{memory} {graphics}")) }
    nvmlDeviceSetPersistenceMode(card, mode: c_uint) { "persistence": Some(mode.to_string()) }
}
