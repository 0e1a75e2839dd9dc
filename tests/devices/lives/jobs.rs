//! The jobs of a life: their files, and what must come of them.

use std::path::Path;

use super::chance::Chance;
use super::machine::HostKind;

/// A job, and what a life has asked of it.
pub(super) struct LifeJob {
    pub(super) name: String,
    pub(super) text: String,
    /// Files that it waits for and that were not dropped yet.
    pub(super) missing: Vec<(String, Vec<u8>)>,
    /// How many bundles each of its runs makes.
    pub(super) configurations: usize,
    /// Trials of a configuration that is measured, one number for each runtime.
    pub(super) trials: Vec<(&'static str, usize)>,
    pub(super) warm_up_runs: usize,
    pub(super) timed_runs: usize,
    /// It cannot be read, and is rejected.
    pub(super) is_broken: bool,
    pub(super) is_cancelled: bool,
    pub(super) is_retried: bool,
}

/// Draw a job for such a host.
pub(super) fn draw(number: usize, kind: HostKind, chance: &mut Chance) -> LifeJob {
    let special = !matches!(kind, HostKind::Plain) && chance.below(3) > 0;
    let mut job = match kind {
        _ if chance.one_in(15) => broken(number),
        HostKind::Runtimes if special => of_runtimes(number, chance),
        HostKind::Xavier if special => of_trtexec(number, chance),
        HostKind::EdgeTpu if special => of_edge_tpu(number),
        _ => scripted(number, kind, chance),
    };
    if chance.one_in(4) {
        job.text.push_str(&format!("priority: {}\n", *chance.pick(&[-7, -1, 1, 5])));
    }
    job
}

fn job(number: usize, trials: Vec<(&'static str, usize)>, configurations: usize) -> LifeJob {
    LifeJob {
        name: format!("job-{number:03}"),
        text: "backbone: 1\n".to_owned(),
        missing: Vec::new(),
        configurations,
        trials,
        warm_up_runs: 1,
        timed_runs: 3,
        is_broken: false,
        is_cancelled: false,
        is_retried: false,
    }
}

fn broken(number: usize) -> LifeJob {
    let mut job = job(number, Vec::new(), 1);
    job.text.push_str("modle: net.sim\n");
    job.is_broken = true;
    job
}

/// Scripted latencies; on a Xavier, in a power state that the job asks for.
fn scripted(number: usize, kind: HostKind, chance: &mut Chance) -> LifeJob {
    let processes = usize::try_from(chance.below(3) + 1).unwrap();
    let mut job = job(number, vec![("sim", processes)], 1);
    job.timed_runs = usize::try_from(chance.below(20) + 1).unwrap();
    let model = format!("net-{}.sim", chance.below(4));
    let latency = *chance.pick(&[20, 300, 2_000, 9_000]);
    job.text.push_str(&format!(
        "model: {model}\nmeasure: {{warm_up_runs: 1, timed_runs: {}, processes: {processes}}}\n",
        job.timed_runs
    ));
    if kind == HostKind::Xavier && chance.below(3) > 0 {
        let host = chance.pick(&[
            "{power_mode: MODE_30W_ALL, lock_clocks: true}",
            "{power_mode: MODE_30W_ALL}",
            "{lock_clocks: true}",
        ]);
        job.text.push_str(&format!("host: {host}\n"));
    }
    job.missing.push((model, format!("{{\"latency_us\": [{latency}]}}").into_bytes()));
    job
}

fn of_trtexec(number: usize, chance: &mut Chance) -> LifeJob {
    let builds = usize::try_from(chance.below(2) + 1).unwrap();
    let mut job = job(number, vec![("trtexec", builds)], 2);
    job.text.push_str(&format!(
        "runtime: trtexec\nmeasure: {{warm_up_runs: 1, timed_runs: 3, builds: {builds}}}\n\
         study: {{blocks: [depthwise-separable], kernels: [3, 5], batches: [1], inputs: [32], precisions: [fp32]}}\n"
    ));
    if chance.one_in(2) {
        job.text.push_str("host: {power_mode: MODE_30W_ALL, lock_clocks: true}\n");
    }
    job
}

fn of_edge_tpu(number: usize) -> LifeJob {
    let mut job = job(number, vec![("edgetpu", 1)], 2);
    job.text.push_str(
        "runtime: edgetpu\nmeasure: {warm_up_runs: 1, timed_runs: 3}\n\
         study: {blocks: [depthwise-separable], kernels: [3, 5], batches: [1], inputs: [32], precisions: [int8]}\n",
    );
    job
}

fn of_runtimes(number: usize, chance: &mut Chance) -> LifeJob {
    const MEASURE: &str = "measure: {warm_up_runs: 1, timed_runs: 3}\n";
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = |folder: &str, name: &str| {
        (name.to_owned(), fs_err::read(repository.join(folder).join(name)).unwrap())
    };
    match chance.below(4) {
        0 => {
            let mut job = job(number, vec![("onnxruntime", 1)], 1);
            job.text.push_str(&format!("model: external.onnx\n{MEASURE}"));
            job.missing =
                vec![file("tests/models", "external.onnx"), file("tests/models", "external.onnx.data")];
            job
        }
        1 => {
            let mut job = job(number, vec![("onnxruntime", 1)], 1);
            job.text.push_str(&format!(
                "model: tiny-cnn.onnx\nruntime: onnxruntime\nruntime_options: {{provider: plugin}}\n{MEASURE}"
            ));
            job.missing.push(file("inbox-examples", "tiny-cnn.onnx"));
            job
        }
        2 => {
            let mut job = job(number, vec![("onnxruntime", 1), ("tflite", 1)], 2);
            job.text.push_str(&format!(
                "network: {{block: depthwise-separable, kernel: 3, batch: 1, input: 32, precision: int8}}\n\
                 runtime: [onnxruntime, tflite]\n{MEASURE}"
            ));
            job
        }
        _ => {
            let mut job = job(number, vec![("onnxruntime", 1), ("sim", 1)], 2);
            job.text.push_str(&format!(
                "model: [external.onnx, net-0.sim]\nruntime: [onnxruntime, sim]\n{MEASURE}"
            ));
            job.missing = vec![
                file("tests/models", "external.onnx"),
                file("tests/models", "external.onnx.data"),
                ("net-0.sim".to_owned(), b"{\"latency_us\": [300]}".to_vec()),
            ];
            job
        }
    }
}
