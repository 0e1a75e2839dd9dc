//! Edge TPUs and GPUs: how they are connected and cooled, and which drivers and libraries they have.

use super::Finding;
use super::subject::Subject;
use crate::bundle::format::{EdgeTpu, EdgeTpuBus, Quantity, Sensor};
use crate::installation::LIBRARY_FOLDERS;
use crate::text::first_few;

/// USB 3; USB 2 has 480.
const FAST_MEGABITS_PER_SECOND: u32 = 5_000;

/// Vendor and product of an Edge TPU on PCIe, as sysfs has them.
const CARD: (&str, &str) = ("0x1ac1", "0x089a");

/// NVIDIA, as a vendor on PCIe.
const NVIDIA: &str = "0x10de";

/// Releases of libedgetpu by prefix, each with the tflite_runtime built from the same TensorFlow sources.
/// Other pairs fail in `AllocateTensors` or crash.
const PAIRS: &[(&str, &[&str])] = &[("14.", &["2.1."]), ("15.", &["2.5.0"]), ("16.0", &["2.5.0.post1"])];

/// The driver's default trip point, from which it halves the clock.
const USUAL_TRIP_CELSIUS: f64 = 85.0;

/// A card closer than this to its trip point reaches it within a trial.
const NEAR_CELSIUS: f64 = 10.0;

/// The finding if no such device is seen.
fn none(subject: &Subject, what: &str) -> Finding {
    match subject.shows_devices() {
        true => Finding::does_not_apply(format!("this host has no {what}")),
        false => Finding::unobservable("the devices of this host are not visible"),
    }
}

fn on<'a>(subject: &'a Subject, bus: EdgeTpuBus) -> Vec<&'a EdgeTpu> {
    subject.host.edge_tpus.iter().filter(|edge_tpu| edge_tpu.bus == bus).collect()
}

pub(super) fn link(subject: &Subject) -> Finding {
    let sticks = on(subject, EdgeTpuBus::Usb);
    let Some(slowest) = sticks.iter().min_by_key(|stick| stick.link_megabits_per_second) else {
        return none(subject, "Coral stick");
    };
    match slowest.link_megabits_per_second {
        None => Finding::unobservable(format!("the stick at {} does not report its USB speed", slowest.name)),
        Some(speed) if speed < FAST_MEGABITS_PER_SECOND => Finding::problem(
            format!("the stick at {} is connected at {speed} Mbit/s, which is USB 2", slowest.name),
            "plug it into a USB 3 port with a USB 3 cable and no hub; `lsusb -t` shows the speed",
        ),
        Some(speed) => Finding::ok(format!("the stick at {} is connected at {speed} Mbit/s", slowest.name)),
    }
}

pub(super) fn driver(subject: &Subject) -> Finding {
    let is_card = |device: &&String| subject.read(&format!("{device}/device")).as_deref() == Some(CARD.1);
    let cards = subject.pci_devices(CARD.0).iter().filter(is_card).count();
    let driven = on(subject, EdgeTpuBus::Pcie);
    let without_node: Vec<&str> = driven
        .iter()
        .map(|card| card.name.as_str())
        .filter(|name| !subject.exists(&format!("/dev/{name}")))
        .collect();
    if cards > driven.len() {
        Finding::problem(
            format!("{} of {cards} Coral cards have no driver", cards - driven.len()),
            "`sudo apt install gasket-dkms && sudo modprobe apex`; if that fails, see `sudo dmesg | grep -i apex`",
        )
    } else if driven.is_empty() {
        none(subject, "Coral card")
    } else if !without_node.is_empty() {
        Finding::problem(
            format!("the device file is missing for {}", first_few(without_node)),
            "`sudo udevadm trigger --subsystem-match apex`",
        )
    } else {
        Finding::ok(format!(
            "the driver is loaded for {}",
            first_few(driven.iter().map(|card| card.name.as_str()))
        ))
    }
}

pub(super) fn library(subject: &Subject) -> Finding {
    if subject.host.edge_tpus.is_empty() {
        return none(subject, "Edge TPU");
    }
    let packaged = subject.package("libedgetpu1-").map(|(name, version)| format!("{name} {version}"));
    let built = || {
        let is_there = |folder: &&&str| {
            subject.root.names_in(folder).iter().any(|name| name.starts_with("libedgetpu.so"))
        };
        LIBRARY_FOLDERS.iter().find(is_there).map(|folder| format!("libedgetpu in {folder}"))
    };
    match packaged.or_else(built) {
        Some(found) => Finding::ok(format!("the Edge TPU uses {found}")),
        None => Finding::problem(
            "this host has an Edge TPU, but libedgetpu is not installed",
            "`sudo apt install libedgetpu1-max` from packages.cloud.google.com/apt coral-edgetpu-stable",
        ),
    }
}

pub(super) fn build(subject: &Subject) -> Finding {
    if on(subject, EdgeTpuBus::Usb).is_empty() {
        return none(subject, "Coral stick");
    }
    match subject.package("libedgetpu1-") {
        None => Finding::unobservable("no package shows which build of libedgetpu is installed"),
        Some(("libedgetpu1-std", version)) => Finding::advice(
            format!("libedgetpu1-std {version} runs the stick at half its clock rate"),
            "for the full clock rate, `sudo apt install libedgetpu1-max`; the stick then gets hot",
        ),
        Some((name, version)) => {
            Finding::ok(format!("{name} {version} runs the stick at its full clock rate"))
        }
    }
}

pub(super) fn pair(subject: &Subject) -> Finding {
    if subject.host.edge_tpus.is_empty() {
        return none(subject, "Edge TPU");
    }
    if subject.host.packages.is_empty() {
        return Finding::unobservable("this host has no list of packages");
    }
    let Some((library, version)) = subject.package("libedgetpu1-") else {
        return Finding::does_not_apply("no package of libedgetpu is installed");
    };
    let Some((_, runtime)) = subject.package("python3-tflite-runtime") else {
        return Finding::does_not_apply("no package of TensorFlow Lite is installed next to libedgetpu");
    };
    let Some((_, pairs)) = PAIRS.iter().find(|(start, _)| version.starts_with(start)) else {
        return Finding::unobservable(format!(
            "the TensorFlow Lite that matches {library} {version} is not known"
        ));
    };
    let plain = runtime.split('-').next().unwrap_or(runtime);
    match pairs.iter().any(|pair| plain == *pair || pair.ends_with('.') && plain.starts_with(pair)) {
        true => Finding::ok(format!("{library} {version} matches tflite_runtime {runtime}")),
        false => Finding::problem(
            format!(
                "{library} {version} needs tflite_runtime {}, but {runtime} is installed",
                pairs.join(" or ").trim_end_matches('.')
            ),
            format!(
                "install two of one release; `apt list --all-versions {library} python3-tflite-runtime` lists them"
            ),
        ),
    }
}

pub(super) fn heat(subject: &Subject) -> Finding {
    if on(subject, EdgeTpuBus::Pcie).is_empty() {
        return none(subject, "Coral card");
    }
    let is_card = |sensor: &Sensor| sensor.path.starts_with("/sys/class/apex/");
    let told: Vec<(&str, f64, f64)> = subject
        .readings(Quantity::Temperature)
        .filter(|(sensor, _)| is_card(sensor))
        .filter_map(|(sensor, celsius)| Some((sensor.name.as_str(), celsius, sensor.trip_celsius?)))
        .collect();
    let Some((name, now, trip)) = told.iter().copied().min_by(|a, b| (a.2 - a.1).total_cmp(&(b.2 - b.1)))
    else {
        return Finding::unobservable("no Coral card reports its temperature and trip point");
    };
    let observed = format!("{name} is at {now:.1} °C; it halves its clock at {trip:.0} °C");
    if trip - now < NEAR_CELSIUS {
        Finding::problem(observed, "add a heat sink and a fan")
    } else if trip < USUAL_TRIP_CELSIUS {
        Finding::advice(
            observed,
            format!(
                "restore the driver's default: `echo 85000 | sudo tee /sys/class/apex/{name}/trip_point0_temp`"
            ),
        )
    } else {
        Finding::ok(observed)
    }
}

pub(super) fn graphics_processor(subject: &Subject) -> Finding {
    if !subject.host.gpus.is_empty() {
        let names = first_few(subject.host.gpus.iter().map(String::as_str));
        return Finding::ok(format!("the driver is loaded for {names}"));
    }
    if subject.is_jetson() {
        return Finding::problem(
            "the GPU of this Jetson is not visible, so jobs cannot use it and its clock is not observed",
            "see why its driver did not start: `sudo dmesg | grep -i -e nvgpu -e nvidia`",
        );
    }
    // The class of display controllers (PCI Code and ID Assignment).
    let is_card = |device: &&String| {
        subject.read(&format!("{device}/class")).is_some_and(|class| class.starts_with("0x03"))
    };
    match subject.pci_devices(NVIDIA).iter().find(is_card) {
        Some(name) => Finding::advice(
            format!("the NVIDIA card at {} has no driver", name.rsplit('/').next().unwrap_or(name)),
            "install your distribution's driver, for example `sudo apt install nvidia-driver`",
        ),
        None => none(subject, "NVIDIA GPU"),
    }
}
