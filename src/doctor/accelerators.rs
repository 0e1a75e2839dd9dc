//! Edge TPUs and graphics processors: how they are connected, driven and cooled, and what libraries drive them.

use super::subject::Subject;
use super::{Finding, named};
use crate::bundle::format::{EdgeTpu, EdgeTpuBus};
use crate::installation::LIBRARY_FOLDERS;

/// USB 3; USB 2 has 480.
const FAST_MEGABITS_PER_SECOND: u32 = 5_000;

/// Vendor and product of an Edge TPU on PCIe, as sysfs has them.
const CARD: (&str, &str) = ("0x1ac1", "0x089a");

/// Releases of libedgetpu, by their beginnings, with the tflite_runtime that is built from the same sources of TensorFlow. Others fail at
/// `AllocateTensors`, or crash.
const PAIRS: &[(&str, &[&str])] = &[("14.", &["2.1."]), ("15.", &["2.5.0"]), ("16.0", &["2.5.0.post1"])];

/// What is at work by the driver's own defaults: from there on it halves the clock.
const USUAL_TRIP_CELSIUS: f64 = 85.0;

/// Nearer than this to the trip point a card reaches it within a trial.
const NEAR_CELSIUS: f64 = 10.0;

/// Where none is seen.
fn none(subject: &Subject, what: &str) -> Finding {
    match subject.shows_devices() {
        true => Finding::does_not_apply(format!("the host has no {what}")),
        false => Finding::unobservable("the host shows no devices"),
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
        None => Finding::unobservable(format!(
            "the stick at {} does not tell the speed of its link",
            slowest.name
        )),
        Some(speed) if speed < FAST_MEGABITS_PER_SECOND => Finding::problem(
            format!("the stick at {} has a link of {speed} Mbit/s, which is USB 2", slowest.name),
            "put it into a USB 3 port, by a USB 3 cable, without a hub; `lsusb -t` shows the link",
        ),
        Some(speed) => Finding::ok(format!("the stick at {} has a link of {speed} Mbit/s", slowest.name)),
    }
}

pub(super) fn driver(subject: &Subject) -> Finding {
    const FOLDER: &str = "/sys/bus/pci/devices";
    let is_card = |name: &&String| {
        let read = |file: &str| subject.read(&format!("{FOLDER}/{name}/{file}"));
        read("vendor").as_deref() == Some(CARD.0) && read("device").as_deref() == Some(CARD.1)
    };
    let cards = subject.root.names_in(FOLDER).iter().filter(is_card).count();
    let driven = on(subject, EdgeTpuBus::Pcie);
    let without_node: Vec<&str> = driven
        .iter()
        .map(|card| card.name.as_str())
        .filter(|name| !subject.exists(&format!("/dev/{name}")))
        .collect();
    if cards > driven.len() {
        Finding::problem(
            format!("{} of {cards} Coral cards have no driver", cards - driven.len()),
            "`sudo apt install gasket-dkms && sudo modprobe apex`; `sudo dmesg | grep -i apex` says why not",
        )
    } else if driven.is_empty() {
        none(subject, "Coral card")
    } else if !without_node.is_empty() {
        Finding::problem(
            format!("no device file for {}", named(without_node)),
            "`sudo udevadm trigger --subsystem-match apex`",
        )
    } else {
        Finding::ok(format!("driven: {}", named(driven.iter().map(|card| card.name.as_str()))))
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
        LIBRARY_FOLDERS.iter().find(is_there).map(|folder| format!("a libedgetpu in {folder}"))
    };
    match packaged.or_else(built) {
        Some(found) => Finding::ok(format!("the Edge TPU is driven by {found}")),
        None => Finding::problem(
            "there is an Edge TPU and no libedgetpu",
            "`sudo apt install libedgetpu1-max` from packages.cloud.google.com/apt coral-edgetpu-stable",
        ),
    }
}

pub(super) fn build(subject: &Subject) -> Finding {
    if on(subject, EdgeTpuBus::Usb).is_empty() {
        return none(subject, "Coral stick");
    }
    match subject.package("libedgetpu1-") {
        None => Finding::unobservable("no package tells which build of libedgetpu there is"),
        Some(("libedgetpu1-std", version)) => Finding::advice(
            format!("libedgetpu1-std {version} runs the stick at half its clock"),
            "`sudo apt install libedgetpu1-max` for the full clock; the stick gets hot",
        ),
        Some((name, version)) => Finding::ok(format!("{name} {version} runs the stick at its full clock")),
    }
}

pub(super) fn pair(subject: &Subject) -> Finding {
    if subject.host.edge_tpus.is_empty() {
        return none(subject, "Edge TPU");
    }
    if subject.host.packages.is_empty() {
        return Finding::unobservable("the host lists no package of libedgetpu");
    }
    let Some((library, version)) = subject.package("libedgetpu1-") else {
        return Finding::does_not_apply("no package of libedgetpu is installed");
    };
    let Some((_, runtime)) = subject.package("python3-tflite-runtime") else {
        return Finding::does_not_apply("no package of TensorFlow Lite is installed beside libedgetpu");
    };
    let Some((_, pairs)) = PAIRS.iter().find(|(start, _)| version.starts_with(start)) else {
        return Finding::unobservable(format!(
            "which TensorFlow Lite belongs to {library} {version} is not known"
        ));
    };
    let plain = runtime.split('-').next().unwrap_or(runtime);
    match pairs.iter().any(|pair| plain == *pair || pair.ends_with('.') && plain.starts_with(pair)) {
        true => Finding::ok(format!("{library} {version} and tflite_runtime {runtime} belong together")),
        false => Finding::problem(
            format!(
                "{library} {version} belongs to tflite_runtime {}, and there is {runtime}",
                pairs.join(" or ").trim_end_matches('.')
            ),
            format!(
                "`apt list --all-versions {library} python3-tflite-runtime`, and install two of one release"
            ),
        ),
    }
}

pub(super) fn heat(subject: &Subject) -> Finding {
    let cards = on(subject, EdgeTpuBus::Pcie);
    if cards.is_empty() {
        return none(subject, "Coral card");
    }
    let celsius = |path: String| subject.number(&path).map(|millidegrees| millidegrees as f64 / 1e3);
    let told: Vec<(&str, f64, f64)> = cards
        .iter()
        .filter_map(|card| {
            let folder = format!("/sys/class/apex/{}", card.name);
            let trip = celsius(format!("{folder}/trip_point0_temp"))?;
            Some((card.name.as_str(), celsius(format!("{folder}/temp"))?, trip))
        })
        .collect();
    let Some((name, now, trip)) = told.iter().copied().min_by(|a, b| (a.2 - a.1).total_cmp(&(b.2 - b.1)))
    else {
        return Finding::unobservable("no Coral card tells its temperature and trip points");
    };
    let observed = format!("{name} is at {now:.1} °C and halves its clock from {trip:.0} °C");
    if trip - now < NEAR_CELSIUS {
        Finding::problem(observed, "give the card a heat sink and moving air")
    } else if trip < USUAL_TRIP_CELSIUS {
        Finding::advice(
            observed,
            format!(
                "`echo 85000 | sudo tee /sys/class/apex/{name}/trip_point0_temp` is the driver's default"
            ),
        )
    } else {
        Finding::ok(observed)
    }
}

pub(super) fn graphics_processor(subject: &Subject) -> Finding {
    if !subject.host.gpus.is_empty() {
        let names = named(subject.host.gpus.iter().map(String::as_str));
        return Finding::ok(format!("driven: {names}"));
    }
    if subject.is_jetson() {
        return Finding::problem(
            "this Jetson shows no graphics processor, so nothing can run on it, and its clock is not seen",
            "`sudo dmesg | grep -i -e nvgpu -e nvidia` says why its driver did not start",
        );
    }
    const FOLDER: &str = "/sys/bus/pci/devices";
    let is_card = |name: &&String| {
        let read = |file: &str| subject.read(&format!("{FOLDER}/{name}/{file}")).unwrap_or_default();
        // Display controllers have classes that begin so (PCI Code and ID Assignment).
        read("vendor") == "0x10de" && read("class").starts_with("0x03")
    };
    match subject.root.names_in(FOLDER).iter().find(is_card) {
        Some(name) => Finding::advice(
            format!("the NVIDIA card at {name} has no driver"),
            "install the driver of the distribution, such as `sudo apt install nvidia-driver`",
        ),
        None => none(subject, "graphics processor of NVIDIA"),
    }
}
