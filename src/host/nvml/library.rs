//! The library itself: opened in the process that answers for it, and in no other.
//!
//! A function that an older driver lacks, or that a card does not support, costs one value and no more.

use std::ffi::OsString;
use std::path::Path;

use nvml_wrapper::enum_wrappers::device::{
    Clock, PerformancePolicy, TemperatureSensor, TemperatureThreshold,
};
use nvml_wrapper::enums::device::GpuLockedClocksSetting;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::clocks::CardClocks;
use super::readings::{Limit, READINGS, Value, reasons_in};
use super::{Card, Cards, Change, LIBRARY, Trouble};
use crate::host::root::HostRoot;

/// Where distributions put it; searched below another host root. On the real host the loader knows better.
const FOLDERS: &[&str] =
    &["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];

/// Open the library and begin to talk to the driver.
pub(super) fn open(root: &HostRoot) -> Result<Nvml, Trouble> {
    let path = path(root)?;
    Nvml::builder().lib_path(&path).init().map_err(|error| match error {
        NvmlError::LibloadingError(error) => {
            Trouble::NoLibrary(std::error::Error::source(&error).unwrap_or(&error).to_string())
        }
        error => trouble(error),
    })
}

fn path(root: &HostRoot) -> Result<OsString, Trouble> {
    if root.is_real() {
        return Ok(LIBRARY.into());
    }
    let paths = FOLDERS.iter().map(|folder| root.path(Path::new(folder).join(LIBRARY)));
    let found = paths.into_iter().find(|path| path.exists());
    found.map(Into::into).ok_or_else(|| Trouble::NoLibrary(format!("it is not below {}", FOLDERS.join(", "))))
}

/// In words that do not change with the release of the library.
pub(super) fn trouble(error: NvmlError) -> Trouble {
    match error {
        NvmlError::DriverNotLoaded => Trouble::NotLoaded,
        NvmlError::LibRmVersionMismatch => Trouble::Mismatch,
        NvmlError::NoPermission | NvmlError::OperatingSystem => Trouble::Denied,
        NvmlError::GpuLost => Trouble::Lost,
        NvmlError::ResetRequired => Trouble::NeedsReset,
        NvmlError::NotSupported => Trouble::Unsupported,
        NvmlError::FunctionNotFound => Trouble::NoFunction("such function".to_owned()),
        NvmlError::FailedToLoadSymbol(text) => {
            // The loader's sentence: `…: undefined symbol: nvmlDeviceGetMemoryInfo_v2`.
            Trouble::NoFunction(
                text.rsplit(": ").next().unwrap_or(&text).trim_end_matches(['"', ' ', '}']).to_owned(),
            )
        }
        error => Trouble::Other(error.to_string()),
    }
}

/// Every card, and what does not change while it is measured.
pub(super) fn cards(nvml: &Nvml) -> Result<Cards, Trouble> {
    let count = nvml.device_count().map_err(trouble)?;
    let card = |index| {
        let device = nvml.device_by_index(index).map_err(trouble)?;
        // Every question about a lost card ends in the same error.
        let uuid = device.uuid().map_err(trouble)?;
        Ok(card(&device, index, uuid))
    };
    Ok(Cards {
        driver: nvml.sys_driver_version().ok(),
        cuda: nvml.sys_cuda_driver_version().ok().map(cuda_version),
        cards: (0..count).map(card).collect(),
    })
}

/// 12040 is 12.4. Source: nvml.h, `NVML_CUDA_DRIVER_VERSION_MAJOR`.
fn cuda_version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

fn card(device: &Device<'_>, index: u32, uuid: String) -> Card {
    let memory = device.memory_info().ok();
    let split = device.mig_mode().ok().map(|mode| mode.current == 1);
    Card {
        index,
        uuid,
        name: device.name().ok(),
        bus: device.pci_info().ok().map(|pci| pci.bus_id),
        is_persistent: device.is_in_persistent_mode().ok(),
        has_ecc: device.is_ecc_enabled().ok().map(|ecc| ecc.currently_enabled),
        is_split: split,
        instances: if split == Some(true) { instances(device) } else { Vec::new() },
        memory_bytes: memory.as_ref().map(|memory| memory.total),
        memory_used_bytes: memory.as_ref().map(|memory| memory.used),
        processes: processes(device),
        power_limit_watts: device.enforced_power_limit().ok().map(|milliwatts| f64::from(milliwatts) / 1e3),
        slowdown_celsius: device.temperature_threshold(TemperatureThreshold::Slowdown).ok().map(f64::from),
        graphics_megahertz: device.clock_info(Clock::SM).ok(),
        highest_graphics_megahertz: device.max_clock_info(Clock::SM).ok(),
        slowed_by: device.current_throttle_reasons().ok().map(|reasons| reasons_in(reasons.bits())),
    }
}

fn instances(device: &Device<'_>) -> Vec<String> {
    let count = device.mig_device_count().unwrap_or(0);
    (0..count).filter_map(|index| device.mig_device_by_index(index).ok()?.uuid().ok()).collect()
}

fn processes(device: &Device<'_>) -> Option<Vec<u32>> {
    let computing = device.running_compute_processes().ok()?;
    // A desktop; not every card can say so.
    let drawing = device.running_graphics_processes();
    let mut processes: Vec<u32> =
        computing.into_iter().chain(drawing.unwrap_or_default()).map(|process| process.pid).collect();
    processes.sort_unstable();
    processes.dedup();
    Some(processes)
}

/// What a card reports about its clocks.
pub(super) fn clocks(device: &Device<'_>) -> CardClocks {
    let usual = device.default_applications_clock(Clock::Graphics);
    let application = device.applications_clock(Clock::Memory).ok();
    CardClocks {
        is_persistent: device.is_in_persistent_mode().ok(),
        sustained_graphics_megahertz: usual.or_else(|_| device.max_clock_info(Clock::Graphics)).ok(),
        highest_memory_megahertz: device.max_clock_info(Clock::Memory).ok(),
        application_megahertz: application.zip(device.applications_clock(Clock::Graphics).ok()),
    }
}

/// Change a setting of a card. Needs the rights of root, or CAP_SYS_ADMIN.
pub(super) fn change(device: &mut Device<'_>, change: Change) -> Result<(), Trouble> {
    let changed = match change {
        Change::Persistence(is_persistent) => device.set_persistent(is_persistent),
        Change::LockGraphics(Some(megahertz)) => {
            device.set_gpu_locked_clocks(GpuLockedClocksSetting::Numeric {
                min_clock_mhz: megahertz,
                max_clock_mhz: megahertz,
            })
        }
        Change::LockGraphics(None) => device.reset_gpu_locked_clocks(),
        Change::LockMemory(Some(megahertz)) => device.set_mem_locked_clocks(megahertz, megahertz),
        Change::LockMemory(None) => device.reset_mem_locked_clocks(),
        Change::Application(memory, graphics) => device.set_applications_clocks(memory, graphics),
    };
    changed.map_err(trouble)
}

/// A value for each of [`READINGS`].
pub(super) fn read(device: &Device<'_>) -> Vec<Result<f64, Trouble>> {
    let mask = device.current_throttle_reasons().map(|reasons| reasons.bits()).map_err(trouble);
    let megahertz = |clock| device.clock_info(clock).map(|megahertz| f64::from(megahertz) * 1e6);
    let values = READINGS.iter().map(|reading| {
        let value = match reading.value {
            Value::Reason(bit) => return mask.clone().map(|mask| f64::from(u8::from(mask & bit != 0))),
            Value::Celsius => device.temperature(TemperatureSensor::Gpu).map(f64::from),
            Value::GraphicsHertz => megahertz(Clock::SM),
            Value::MemoryHertz => megahertz(Clock::Memory),
            Value::Watts => device.power_usage().map(|milliwatts| f64::from(milliwatts) / 1e3),
            Value::Joules => device.total_energy_consumption().map(|millijoules| millijoules as f64 / 1e3),
            Value::Slowed(limit) => {
                let policy = match limit {
                    Limit::Power => PerformancePolicy::Power,
                    Limit::Thermal => PerformancePolicy::Thermal,
                    Limit::Board => PerformancePolicy::BoardLimit,
                };
                device.violation_status(policy).map(|slowed| slowed.violation_time as f64 / 1e9)
            }
        };
        value.map_err(trouble)
    });
    values.collect()
}
