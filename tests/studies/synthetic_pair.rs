//! Writes a pair of studies shaped like the paper's: a Jetson AGX Xavier with TensorRT and a Coral Edge TPU.
//!
//! **Synthetic.** Nothing here was measured, and no number says anything about the real boards: latencies
//! follow a few rules of thumb with noise from a seed, to show what a report makes of such a pair. Hosts are
//! named so, every job is labelled so, and every bundle is `simulated`.
//!
//! ```sh
//! cargo run --example synthetic-pair -- DIR
//! backbone export DIR --include-simulated --format csv
//! ```

use std::path::{Path, PathBuf};

use backbone::bundle::format::{
    Bundle, Configuration, Cost, EdgeTpu, EdgeTpuBus, Reason, Stage, Status, Timed, VerdictState,
};
use backbone::bundle::write::encode;

#[path = "mod.rs"]
mod studies;

use studies::{Study, energy, failed};

/// At larger inputs one build is made, below three, as the paper does.
const LARGEST_INPUT_BUILT_THRICE: u32 = 560;

/// The largest input that the Edge TPU's compiler takes.
const LARGEST_INPUT_ON_CORAL: u32 = 560;

/// Memory for weights on an Edge TPU, in bytes; the rest comes over USB with each inference.
const WEIGHTS_ON_CHIP: f64 = 7.5e6;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("name a folder to write to")?;
    write("xavier", &xavier(), &folder)?;
    write("coral", &coral(), &folder)?;
    Ok(())
}

fn write(device: &str, bundles: &[Bundle], folder: &Path) -> std::io::Result<()> {
    let folder = folder.join(device);
    fs_err::create_dir_all(&folder)?;
    for bundle in bundles {
        let configuration = bundle.configuration.as_ref().map_or("", |configuration| &configuration.name);
        let runtime = bundle.runtime.as_ref().map_or("", |runtime| &runtime.name);
        let name = format!("synthetic.{configuration}.{runtime}.{}.json.gz", bundle.id);
        fs_err::write(folder.join(name), encode(bundle).map_err(std::io::Error::other)?)?;
    }
    Ok(())
}

fn paper(host: &str, runtime: &str, version: &str, milliseconds: studies::Truth) -> Study {
    Study {
        runtime: runtime.to_owned(),
        version: version.to_owned(),
        milliseconds,
        simulated: true,
        ..Study::of_the_paper(host, 2022, 1, 100)
    }
}

fn xavier() -> Vec<Bundle> {
    let study = |inputs: Vec<u32>, builds| Study {
        inputs,
        builds,
        power: Some(("MODE_30W_ALL", true)),
        ..paper("synthetic-xavier", "trtexec", "6.0.1", Box::new(on_xavier))
    };
    let (small, large) = (vec![224, LARGEST_INPUT_BUILT_THRICE], vec![1400]);
    let mut bundles = [study(small, 3).bundles(), study(large, 1).bundles()].concat();
    for (index, bundle) in bundles.iter_mut().enumerate() {
        bundle.id = format!("{index:010}-{}", &bundle.id[11..]);
        timed(bundle, "gpu_compute", "enqueueing and running the engine on the GPU, without copies");
        let watts = 22.0;
        let seconds = bundle.summary.as_ref().map_or(0.0, |summary| summary.mean / 1e3);
        bundle.energy = Some(energy(watts * seconds));
    }
    // What goes wrong in every long study.
    for bundle in bundles.iter_mut().filter(|bundle| is(bundle, "standard", 7, 4, 1400)) {
        *bundle = failed(bundle.clone(), Status::TimedOut, "timed_out");
    }
    for bundle in bundles.iter_mut().filter(|bundle| is(bundle, "spatially-separable", 5, 4, 1400)) {
        bundle.verdict.state = VerdictState::Suspect;
        let detail = "GPU between 1.06 and 1.38 GHz".to_owned();
        bundle.verdict.reasons.push(Reason { code: "frequency_drift".to_owned(), detail });
    }
    finish(bundles)
}

fn coral() -> Vec<Bundle> {
    let stick =
        EdgeTpu { bus: EdgeTpuBus::Usb, name: "2-1".to_owned(), link_megabits_per_second: Some(5000) };
    let study =
        Study { edge_tpus: vec![stick], ..paper("synthetic-coral", "edgetpu", "16.0", Box::new(on_coral)) };
    let mut bundles = study.bundles();
    for bundle in &mut bundles {
        timed(bundle, "invoke", "one call of the interpreter, with the transfers over USB");
        bundle.host.packages = [("libedgetpu1-max".to_owned(), "16.0".to_owned())].into();
        let too_large = bundle
            .configuration
            .as_ref()
            .is_some_and(|theta| theta.input > LARGEST_INPUT_ON_CORAL || theta.batch > 1);
        if too_large {
            *bundle = failed(bundle.clone(), Status::NotCompilable, "compilation_failed");
            bundle.outcome.stage = Some(Stage::Build);
        }
    }
    finish(bundles)
}

/// Dense int8 convolutions fill the tensor cores once there is enough to do; depthwise ones do not, the less
/// the larger the kernel is: more operations for each byte, and fewer a second.
fn on_xavier(theta: &Configuration, cost: &Cost) -> f64 {
    let operations = cost.operations as f64;
    let peak = match (theta.block.as_str(), theta.kernel) {
        ("standard", 3) => 9.0e12,
        ("standard", _) => 7.5e12,
        ("bottleneck-standard", _) => 6.0e12,
        ("spatially-separable", _) => 4.2e12,
        ("bottleneck-spatially-separable", _) => 3.0e12,
        ("depthwise-separable", 3) => 1.1e12,
        ("depthwise-separable", 5) => 0.8e12,
        ("depthwise-separable", _) => 0.6e12,
        (_, 3) => 1.3e12,
        (_, 5) => 1.0e12,
        _ => 0.8e12,
    };
    let layers = if theta.block.starts_with("bottleneck") { 50.0 } else { 34.0 };
    operations / peak * 1e3 + cost.bytes_moved as f64 / 90e9 * 1e3 + layers * 0.012
}

/// A systolic array that likes depthwise layers better, and a link that weights beyond its memory come over.
fn on_coral(theta: &Configuration, cost: &Cost) -> f64 {
    let peak = match theta.block.as_str() {
        "standard" | "bottleneck-standard" => 2.2e12,
        "spatially-separable" | "bottleneck-spatially-separable" => 1.4e12,
        _ => 0.5e12,
    };
    let streamed = (cost.parameters as f64 - WEIGHTS_ON_CHIP).max(0.0);
    cost.operations as f64 / peak * 1e3 + streamed / 320e6 * 1e3 + 1.5
}

fn timed(bundle: &mut Bundle, code: &str, description: &str) {
    if let Some(runtime) = &mut bundle.runtime {
        runtime.timed = Timed { code: code.to_owned(), description: format!("{description} (synthetic)") };
        runtime.options.clear();
    }
}

fn is(bundle: &Bundle, block: &str, kernel: u32, batch: u32, input: u32) -> bool {
    bundle.configuration.as_ref().is_some_and(|theta| {
        (theta.block.as_str(), theta.kernel, theta.batch, theta.input) == (block, kernel, batch, input)
    })
}

fn finish(mut bundles: Vec<Bundle>) -> Vec<Bundle> {
    for bundle in &mut bundles {
        bundle.job.name = "synthetic".to_owned();
        bundle.job.labels =
            [("synthetic".to_owned(), "shaped like the paper's, nothing was measured".to_owned())].into();
        bundle.host.processor = Some("synthetic".to_owned());
    }
    bundles
}
