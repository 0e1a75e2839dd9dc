//! Studies that were never measured: bundles with known true latencies, for tests and benchmarks of the desk
//! side.
//!
//! Noise is that of a shared machine: processes differ, some configurations' more than others'; neighbouring
//! runs resemble each other; a run in fifty is an outlier. Everything comes from the seed.

#![allow(dead_code, unreachable_pub, reason = "each test and benchmark uses a part")]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, OnceLock};

use backbone::bundle::format::{
    Bundle, Configuration, Cost, EdgeTpu, Energy, EnergyState, Environment, FORMAT, Fault, Harness, Host,
    Job, JoulesInterval, Latencies, Observation, Outcome, Power, PowerMode, PowerRequest, PowerState, Reason,
    Runtime, Stage, Status, Timed, Times, Trial, TrialId, Verdict, VerdictState,
};
use backbone::network::configuration::{Configuration as Theta, RequestedConfiguration};
use backbone::network::count_configuration::cost;
use backbone::stats::resample::{Draws, seed_of};
use backbone::units::Nanos;

/// The true mean latency of a configuration, in milliseconds.
pub type Truth = Box<dyn Fn(&Configuration, &Cost) -> f64 + Sync + Send>;

/// A study of one platform.
pub struct Study {
    pub host: String,
    pub runtime: String,
    pub version: String,
    pub blocks: Vec<&'static str>,
    pub kernels: Vec<u32>,
    pub batches: Vec<u32>,
    pub inputs: Vec<u32>,
    pub precisions: Vec<&'static str>,
    pub processes: u32,
    pub runs: usize,
    pub seed: u64,
    /// Standard deviation of the logarithm of a process's mean, in the middle of the configurations.
    pub between_processes: f64,
    /// What each configuration truly takes.
    pub milliseconds: Truth,
    pub simulated: bool,
    /// Builds, each with all processes and a level of its own.
    pub builds: u32,
    /// Power mode as read back, where it was observed, and whether clocks were locked.
    pub power: Option<(&'static str, bool)>,
    pub edge_tpus: Vec<EdgeTpu>,
}

pub const BLOCKS: [&str; 6] = [
    "standard",
    "bottleneck-standard",
    "spatially-separable",
    "bottleneck-spatially-separable",
    "depthwise-separable",
    "bottleneck-depthwise-separable",
];

/// Operations for each millisecond of a machine whose time is proportional to operations.
pub const OPERATIONS_PER_MILLISECOND: f64 = 2e8;

impl Study {
    /// Twenty-four configurations, three processes of 30 runs, time proportional to operations: no choice
    /// pays or costs.
    pub fn without_effect(seed: u64) -> Self {
        Self {
            host: "synthetic".to_owned(),
            runtime: "onnxruntime".to_owned(),
            version: "1.0".to_owned(),
            blocks: BLOCKS.to_vec(),
            kernels: vec![3],
            batches: vec![1, 2],
            inputs: vec![224, 560],
            precisions: vec!["int8"],
            processes: 3,
            runs: 30,
            seed,
            between_processes: 0.03,
            milliseconds: Box::new(|_, cost| cost.operations as f64 / OPERATIONS_PER_MILLISECOND),
            simulated: false,
            builds: 1,
            power: None,
            edge_tpus: Vec::new(),
        }
    }

    /// The paper's 162 configurations, `runs` runs in each of `processes` processes.
    pub fn of_the_paper(host: &str, seed: u64, processes: u32, runs: usize) -> Self {
        Self {
            host: host.to_owned(),
            kernels: vec![3, 5, 7],
            batches: vec![1, 2, 4],
            inputs: vec![224, 560, 1400],
            processes,
            runs,
            ..Self::without_effect(seed)
        }
    }

    /// Every configuration with its cost.
    pub fn configurations(&self) -> Vec<(Configuration, Cost)> {
        let mut all = Vec::new();
        for block in &self.blocks {
            for &kernel in &self.kernels {
                for &batch in &self.batches {
                    for &input in &self.inputs {
                        for precision in &self.precisions {
                            all.push(configuration(block, kernel, batch, input, precision));
                        }
                    }
                }
            }
        }
        all
    }

    /// A bundle for each configuration.
    pub fn bundles(&self) -> Vec<Bundle> {
        let configurations = self.configurations();
        (1..).zip(configurations).map(|(number, one)| self.bundle(number, one)).collect()
    }

    /// The same without their summaries, which take nearly all of the time: for tests of the analysis, which
    /// reads latencies alone. A reader of files would miss them.
    pub fn bundles_without_summaries(&self) -> Vec<Bundle> {
        let configurations = self.configurations();
        (1..).zip(configurations).map(|(number, one)| self.measured(number, one)).collect()
    }

    pub fn bundle(&self, number: usize, (configuration, cost): (Configuration, Cost)) -> Bundle {
        let operations = cost.operations as f64;
        let bundle = self.measured(number, (configuration, cost));
        let summary = backbone::stats::summary(&bundle.trials);
        let throughput = summary.as_ref().map(|summary| operations / (summary.mean / 1e3));
        Bundle { throughput_operations_per_second: throughput, summary, ..bundle }
    }

    fn measured(&self, number: usize, (configuration, cost): (Configuration, Cost)) -> Bundle {
        let truth = (self.milliseconds)(&configuration, &cost);
        let mut noise =
            Noise(Draws::new(seed_of(self.seed, &format!("{} {}", self.host, configuration.name))));
        // Between half and twice the middle.
        let between = self.between_processes * (2.0 * noise.uniform() - 1.0).exp2();
        let trials: Vec<Trial> = (1..=self.builds)
            .flat_map(|build| (1..=self.processes).map(move |process| (build, process)))
            .map(|(build, process)| {
                // The first is the slowest.
                let slower = f64::from(self.builds - build).mul_add(0.05, 1.0);
                let level = slower * truth * (between * noise.normal() - between * between / 2.0).exp();
                Trial {
                    id: TrialId { build, process },
                    latencies: Latencies {
                        warm_up_ns: vec![Nanos((truth * 2e6) as u64)],
                        latency_ns: noise.runs(level, self.runs),
                        extra_latency_ns: Vec::new(),
                        clock_step_ns: None,
                    },
                }
            })
            .collect();
        let id = format!(
            "{number:010}-{:06x}-0001",
            seed_of(self.seed, &format!("{} {}", self.host, self.version)) >> 40
        );
        Bundle {
            format: FORMAT.to_owned(),
            id,
            simulated: self.simulated,
            harness: Harness { name: "backbone".to_owned(), version: "0.1.0".to_owned() },
            host: Host {
                name: Some(self.host.clone()),
                operating_system: Some("Debian GNU/Linux 12".to_owned()),
                kernel: Some("6.1.0".to_owned()),
                architecture: Some("aarch64".to_owned()),
                processor: Some("synthetic".to_owned()),
                logical_cores: Some(8),
                memory_bytes: Some(16 << 30),
                root: "/".to_owned(),
                edge_tpus: self.edge_tpus.clone(),
                ..Host::default()
            },
            job: Job {
                id: format!("{:010}-job", self.seed),
                name: "study".to_owned(),
                file: "study.yaml".to_owned(),
                labels: BTreeMap::from([("rack".to_owned(), "b2".to_owned())]),
                spec: None,
                spec_encoding: None,
                spec_sha256: None,
            },
            throughput_operations_per_second: None,
            configuration: Some(configuration),
            model: None,
            cost: Some(cost),
            cost_missing: None,
            protocol: None,
            schedule: None,
            inputs: Vec::new(),
            runtime: Some(Runtime {
                name: self.runtime.clone(),
                version: Some(self.version.clone()),
                library: Some("/usr/lib/libsynthetic.so".to_owned()),
                library_sha256: Some("00".repeat(32)),
                options: BTreeMap::from([("threads".to_owned(), 2.into())]),
                options_from_model: Vec::new(),
                timed: Timed {
                    code: "session_run".to_owned(),
                    description: "one call of the session".to_owned(),
                },
                providers: Vec::new(),
                libraries: Vec::new(),
            }),
            preparation: Vec::new(),
            profile: None,
            outputs: None,
            resources: Vec::new(),
            outcome: Outcome {
                status: Status::Measured,
                stage: None,
                reason: None,
                detail: None,
                hint: None,
                fault: Fault::Unknown,
                mistakes: Vec::new(),
                log_tail: Vec::new(),
            },
            trials,
            summary: None,
            environment: self.power.map(environment),
            energy: None,
            verdict: Verdict { state: VerdictState::Valid, reasons: Vec::new() },
            times: Times {
                claimed: Some("2026-11-22T12:00:00Z".to_owned()),
                started: Some("2026-11-22T12:00:01Z".to_owned()),
                finished: "2026-11-22T12:00:02Z".to_owned(),
            },
            integrity: None,
        }
    }
}

/// A host in that mode, whose one clock was locked or not.
fn environment((mode, is_locked): (&str, bool)) -> Environment {
    const CLOCK: &str = "/sys/devices/system/cpu/cpufreq/policy0";
    let lower = if is_locked { "2265600" } else { "115200" };
    let settings =
        [("scaling_governor", "schedutil"), ("scaling_max_freq", "2265600"), ("scaling_min_freq", lower)];
    let found = PowerState {
        mode: Some(PowerMode { id: 0, name: mode.to_owned() }),
        settings: settings.map(|(file, value)| (format!("{CLOCK}/{file}"), value.to_owned())).into(),
    };
    let power = Power {
        requested: PowerRequest::default(),
        found,
        applied: None,
        not_applied: Vec::new(),
        not_held: Vec::new(),
        restored: None,
        not_restored: Vec::new(),
    };
    Environment { power: Some(power), observation: Observation::Bracketed, ..Environment::default() }
}

/// The same bundle, as it would be had its worker ended with a reason.
pub fn failed(mut bundle: Bundle, status: Status, reason: &str) -> Bundle {
    bundle.outcome = Outcome {
        status,
        stage: Some(Stage::Load),
        reason: Some(reason.to_owned()),
        detail: Some("it did not work".to_owned()),
        hint: Some("try another".to_owned()),
        fault: Fault::Unknown,
        mistakes: Vec::new(),
        log_tail: Vec::new(),
    };
    bundle.trials.clear();
    bundle.summary = None;
    bundle.throughput_operations_per_second = None;
    bundle.verdict = Verdict {
        state: VerdictState::Invalid,
        reasons: vec![Reason { code: "not_measured".to_owned(), detail: "the job failed".to_owned() }],
    };
    if let Some(runtime) = &mut bundle.runtime {
        (runtime.version, runtime.library, runtime.library_sha256) = (None, None, None);
    }
    bundle
}

/// A configuration with its cost, counted once in each process.
pub fn configuration(
    block: &str,
    kernel: u32,
    batch: u32,
    input: u32,
    precision: &str,
) -> (Configuration, Cost) {
    type Known = Mutex<HashMap<(String, u32, u32, u32, String), (Configuration, Cost)>>;
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let key = (block.to_owned(), kernel, batch, input, precision.to_owned());
    let mut known = KNOWN.get_or_init(Known::default).lock().expect("no test panics here");
    known.entry(key).or_insert_with(|| count(block, kernel, batch, input, precision)).clone()
}

fn count(block: &str, kernel: u32, batch: u32, input: u32, precision: &str) -> (Configuration, Cost) {
    let requested = RequestedConfiguration::new(block, kernel.into(), batch.into(), input.into(), precision);
    let theta = Theta::new(&requested).expect("a configuration of the family");
    let counted = cost(&theta);
    let cost = Cost {
        macs: counted.macs(),
        operations: counted.operations(),
        other_operations: counted.other_operations(),
        parameters: counted.parameters(),
        bytes_moved: counted.bytes_moved(),
        operational_density: counted.operational_density(),
        uncounted: Vec::new(),
        differences: Vec::new(),
        assumptions: Vec::new(),
        measured_shapes: None,
    };
    let configuration = Configuration {
        name: theta.to_string(),
        block: block.to_owned(),
        kernel,
        batch,
        input,
        precision: precision.to_owned(),
        width_percent: theta.width_percent(),
        depths: theta.depths(),
    };
    (configuration, cost)
}

/// Random numbers of a study.
pub struct Noise(pub Draws);

impl Noise {
    pub fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Box and Muller, "A note on the generation of random normal deviates", 1958.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Runs around a true mean in milliseconds.
    fn runs(&mut self, mean_ms: f64, count: usize) -> Vec<Nanos> {
        const RESEMBLANCE: f64 = 0.4;
        const SPREAD: f64 = 0.02;
        const OUTLIERS: f64 = 0.02;
        const OUTLIER_FACTOR: f64 = 1.3;
        let mean_factor = 1.0 + OUTLIERS * (OUTLIER_FACTOR - 1.0);
        let mut state = self.normal();
        (0..count)
            .map(|_| {
                state = RESEMBLANCE * state + (1.0 - RESEMBLANCE * RESEMBLANCE).sqrt() * self.normal();
                let outlier = if self.uniform() < OUTLIERS { OUTLIER_FACTOR } else { 1.0 };
                let factor = (SPREAD * state - SPREAD * SPREAD / 2.0).exp() * outlier / mean_factor;
                Nanos((mean_ms * factor * 1e6).round() as u64)
            })
            .collect()
    }
}

/// What an inference took, a tenth more or less.
pub fn energy(joules: f64) -> Energy {
    Energy {
        state: EnergyState::Measured,
        detail: None,
        joules_per_inference: Some(joules),
        interval: Some(JoulesInterval {
            low_joules: joules * 0.9,
            high_joules: joules * 1.1,
            confidence: 0.95,
        }),
        total_from: vec!["VDD_IN".to_owned()],
        sources: Vec::new(),
        runs: 100,
        loop_seconds: 10.0,
        latency_ns: Vec::new(),
        idle_before: Vec::new(),
        loaded: Vec::new(),
        idle_after: Vec::new(),
    }
}
