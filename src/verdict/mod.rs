//! Decides whether the numbers can be trusted: takes evidence, returns a verdict with its reasons.
//!
//! Pure: no file, no clock. A verdict changes no number and drops none; it only says what speaks against
//! them. [`REASONS`] is the one list: `backbone list reasons`, `docs/METHOD.md` and [`judge`] read it. To add
//! a reason, add an entry with the function that finds it. `simulated` is not a reason but a separate flag in
//! the bundle.

use crate::bundle::format::{
    Environment, Host, Outputs, Power, ProviderShare, Reason, Status, Summary, Tensor, Trial, Verdict,
    VerdictState,
};
use crate::stats::{self, Sorted};
use crate::units::Nanos;

mod host;
mod outputs;
mod power;
mod provider;
mod reread;
#[cfg(test)]
mod tests;

pub(crate) use reread::reread;

/// A median of fewer clock steps than this is near the clock's resolution; `THRESHOLDS` lists all thresholds.
pub(crate) const CLOCK_STEPS_IN_MEDIAN: u64 = 100;

/// Interquartile range / median above which the spread is wide.
pub(crate) const WIDE_SPREAD: f64 = 0.10;

/// Difference between the medians of a trial's two halves / the trial's median above which it drifts.
pub(crate) const DRIFT: f64 = 0.05;

/// Range of the processes' medians / the overall median above which processes disagree.
pub(crate) const PROCESSES_DISAGREE: f64 = 0.10;

/// Relative change of a frequency since right before the timed runs above which it has drifted.
pub(crate) const FREQUENCY_DRIFT: f64 = 0.02;

/// Relative difference between a recorded statistic and the same from the latencies above which they
/// contradict each other.
pub(crate) const CONTRADICTION: f64 = 1e-9;

/// Origin of each threshold: reason, threshold, what it is and where it comes from.
#[cfg(test)]
pub(crate) const THRESHOLDS: &[(&str, f64, &str)] = &[
    (
        "near_clock_resolution",
        CLOCK_STEPS_IN_MEDIAN as f64,
        "clock steps in the median. One step is then 1 % of it, which is the size of the differences between designs.",
    ),
    (
        "wide_spread",
        WIDE_SPREAD,
        "interquartile range / median. For normally distributed latencies the median's 95 % interval is ± 1.82 IQR / √n \
         (standard error 1.2533 σ / √n, IQR = 1.349 σ), so above this threshold the paper's 100 runs determine the \
         median to ± 1.8 % at best.",
    ),
    (
        "drift",
        DRIFT,
        "difference of the halves' medians / median. Fresh processes on a shared virtual machine differ by 2.5–4 %; a \
         larger difference within one process is not that noise.",
    ),
    (
        "processes_disagree",
        PROCESSES_DISAGREE,
        "range of the processes' medians / overall median. The range on a shared virtual machine is 9–16 %; a host \
         used for measuring must stay below that.",
    ),
    (
        "frequency_drift",
        FREQUENCY_DRIFT,
        "change / frequency right before the timed runs. A step of 100 MHz, as on x86 processors, is 2 % of 5 GHz, and \
         boards have larger steps; values that the kernel computes from cycle counters vary by less.",
    ),
    (
        "summary_contradicts_latencies",
        CONTRADICTION,
        "difference / value. Ten thousand times what the rounding of sums over any number of latencies may \
         change, and less than a change in the last printed digit.",
    ),
];

/// Every reason, worst first, in the order in which a verdict lists them.
pub const REASONS: &[ReasonKind] = &[
    ReasonKind {
        code: "not_measured",
        state: VerdictState::Invalid,
        meaning: "There are no latencies to judge: the job was rejected, was cancelled, or ended before its timed runs were complete.",
        advice: "read `outcome` in the bundle: it says where and why the job ended, and what to do",
        find: not_measured,
    },
    ReasonKind {
        code: "power_state_not_held",
        state: VerdictState::Invalid,
        meaning: "The power mode, a governor or a clock limit changed before or after a process, although it had been read back.",
        advice: "find out what changes it (a desktop's power service, nvpmodel's own service, heat), stop that, and \
                 measure again",
        find: power::power_state_not_held,
    },
    ReasonKind {
        code: "provider_not_used",
        state: VerdictState::Invalid,
        meaning: "The execution provider that the job asked for ran no node of the network: the numbers belong to another provider.",
        advice: "see `runtime.providers` in the bundle for the provider that ran it; ask for that one, or use a model that this \
                 provider supports",
        find: provider::provider_not_used,
    },
    ReasonKind {
        code: "few_runs",
        state: VerdictState::Suspect,
        meaning: "There are too few timed runs for a 95 % interval of the median.",
        advice: "set `measure.timed_runs` to 6 or more; 100 is the default",
        find: few_runs,
    },
    ReasonKind {
        code: "summary_contradicts_latencies",
        state: VerdictState::Suspect,
        meaning: "The recorded statistics are not those of the recorded latencies: one of them was changed, or a \
                  program that wrote them has a fault.",
        advice: "copy the bundle from its outbox again; reports and exports use the latencies and compute every number \
                 again",
        find: summary_contradicts_latencies,
    },
    ReasonKind {
        code: "near_clock_resolution",
        state: VerdictState::Suspect,
        meaning: "The median is shorter than 100 steps of the clock that measured, so rounding by the clock affects the result.",
        advice: "measure a larger batch or input, so that one inference takes longer; with trtexec, whose clock gets coarser as its \
                 loop goes on, also fewer runs",
        find: near_clock_resolution,
    },
    ReasonKind {
        code: "wide_spread",
        state: VerdictState::Suspect,
        meaning: "The middle half of the latencies spans more than 10 % of their median.",
        advice: "stop other work on the host, lock its clocks, and check the raw latencies for several peaks",
        find: wide_spread,
    },
    ReasonKind {
        code: "drift",
        state: VerdictState::Suspect,
        meaning: "In one trial, the medians of the first and second half of the runs differ by more than 5 %, \
                  and their intervals do not overlap.",
        advice: "raise `measure.warm_up_runs` if the runs got faster; cool the host if they got slower",
        find: drift,
    },
    ReasonKind {
        code: "processes_disagree",
        state: VerdictState::Suspect,
        meaning: "The medians of the processes differ by more than 10 %: another process would probably give yet another median.",
        advice: "raise `measure.processes`, stop other work on the host, and compare medians of processes instead of single runs",
        find: processes_disagree,
    },
    ReasonKind {
        code: "provider_fallback",
        state: VerdictState::Suspect,
        meaning: "Execution providers other than the one that the job asked for ran a part of the network, with copies if they \
                  are on another device.",
        advice: "see `runtime.providers` in the bundle for how much; replace the operators that the provider does not support. \
                 The library itself keeps computations of shapes on the processor",
        find: provider::provider_fallback,
    },
    ReasonKind {
        code: "outputs_not_finite",
        state: VerdictState::Suspect,
        meaning: "An output contains infinities or elements that are not numbers. Some processors are slower or faster with them.",
        advice: "check the model's weights and its export, and that its precision has the range it needs; give inputs that \
                 the model was made for under `inputs`",
        find: outputs::outputs_not_finite,
    },
    ReasonKind {
        code: "outputs_constant",
        state: VerdictState::Suspect,
        meaning: "Every output has the same value in all its elements, although the inputs vary: perhaps nothing was computed.",
        advice: "check the model's weights and its export, and whether another runtime gives the same (`verify: cpu`); give \
                 inputs that the model was made for under `inputs`",
        find: outputs::outputs_constant,
    },
    ReasonKind {
        code: "outputs_vary",
        state: VerdictState::Suspect,
        meaning: "Processes of one build gave outputs on the same inputs that differ by more than rounding.",
        advice: "see `outputs.differing_processes` in the bundle; check the model for random operators, and the host for \
                 faulty memory or an unstable clock",
        find: outputs::outputs_vary,
    },
    ReasonKind {
        code: "outputs_disagree",
        state: VerdictState::Suspect,
        meaning: "The outputs differ from those of the reference on the same inputs by more than the precision explains: the \
                  two did not compute the same.",
        advice: "see `outputs.comparison` in the bundle; check the conversion between the formats and the precision, and which \
                 of the two agrees with the framework that the model comes from",
        find: outputs::outputs_disagree,
    },
    ReasonKind {
        code: "clocks_not_locked",
        state: VerdictState::Suspect,
        meaning: "The job asked for locked clocks, and some of them could not be locked.",
        advice: "give the daemon the rights for power control, see docs/OPERATING.md; a clock that the firmware limits stays \
                 limited until the device is cooler or has a stronger power supply",
        find: power::clocks_not_locked,
    },
    ReasonKind {
        code: "power_mode_not_in_force",
        state: VerdictState::Suspect,
        meaning: "The job asked for a power mode and the host reports it, but some of the mode's settings are not in force.",
        advice: "check `nvpmodel -q --verbose`, or the governors on other hosts; `backbone doctor` compares them too",
        find: power::power_mode_not_in_force,
    },
    ReasonKind {
        code: "unknown_release",
        state: VerdictState::Suspect,
        meaning: "The host is a Jetson with a release of Linux for Tegra that this version does not know or cannot read.",
        advice: "compare its results with each other only, and look for a newer version of this program",
        find: power::unknown_release,
    },
    ReasonKind {
        code: "throttled",
        state: VerdictState::Suspect,
        meaning: "The host was throttled between the readings right before and right after the timed runs.",
        advice: "cool the host, choose a lower power mode, or check its power supply, and measure again",
        find: host::throttled,
    },
    ReasonKind {
        code: "trip_point_reached",
        state: VerdictState::Suspect,
        meaning: "A thermal zone reached the temperature at which the kernel throttles the host.",
        advice: "cool the host; with `host.start_below_celsius`, each process waits until the host is cool",
        find: host::trip_point_reached,
    },
    ReasonKind {
        code: "frequency_drift",
        state: VerdictState::Suspect,
        meaning: "In at least one reading, a frequency differed by more than 2 % from its value right before the timed runs.",
        advice: "lock the host's clocks, or raise `measure.warm_up_runs` until they settle",
        find: host::frequency_drift,
    },
    ReasonKind {
        code: "not_cooled",
        state: VerdictState::Suspect,
        meaning: "When a process started, the host was not as cool as `host.start_below_celsius` asks.",
        advice: "cool the host, raise `host.wait_up_to_seconds`, or raise `host.start_below_celsius`",
        find: host::not_cooled,
    },
    ReasonKind {
        code: "sensor_lost",
        state: VerdictState::Suspect,
        meaning: "A sensor that could be read right before the timed runs could not be read during or right after them.",
        advice: "check the kernel's log for messages of its driver; what the host did meanwhile is unknown",
        find: host::sensor_lost,
    },
    ReasonKind {
        code: "placement_refused",
        state: VerdictState::Suspect,
        meaning: "The kernel refused the processors, the nice value or the locked memory that the job asks for.",
        advice: "give the service the right (`Nice=`, `LimitMEMLOCK=`, `AllowedCPUs=`), or ask for something that this host has",
        find: host::placement_refused,
    },
    ReasonKind {
        code: "provider_unobserved",
        state: VerdictState::Unverified,
        meaning: "The job asked for a provider other than the processor's, and which provider ran which node was not observed.",
        advice: "see the log tail in the bundle for why the library's profile could not be read; the worker writes it to a \
                 folder for temporary files",
        find: provider::provider_unobserved,
    },
    ReasonKind {
        code: "cooling_unobserved",
        state: VerdictState::Unverified,
        meaning: "The job asks for a cool host, and no thermal zone could be read, or not all that it names.",
        advice: "name zones of this host in `host.zones`; `backbone doctor` lists those that it shows",
        find: host::cooling_unobserved,
    },
    ReasonKind {
        code: "power_state_unobserved",
        state: VerdictState::Unverified,
        meaning: "Neither power mode nor clocks could be observed. Most virtual machines show none.",
        advice: "set the host's power mode and clocks from outside, record them in the job's `labels`, and compare only \
                 results with equal labels",
        find: power::power_state_unobserved,
    },
    ReasonKind {
        code: "environment_unobserved",
        state: VerdictState::Unverified,
        meaning: "Processor frequencies or temperatures could not be read right before and right after the timed runs of every \
                  process, or the clock and the throttling of the graphics card that the job asks for. Virtual machines show none.",
        advice: "see `environment.sensors` in the bundle for what could not be read and why; give the daemon the rights, or \
                 set clocks and cooling from outside",
        find: host::environment_unobserved,
    },
];

/// One kind of reason.
#[derive(Debug)]
pub struct ReasonKind {
    /// Stable code, as bundles carry it.
    pub code: &'static str,
    /// State of a verdict with this reason.
    pub state: VerdictState,
    /// Meaning, in one sentence.
    pub meaning: &'static str,
    /// What to do about it; lower case, no full stop.
    pub advice: &'static str,
    /// Details of the case, if the evidence shows it. The second argument is the pooled latencies in
    /// ascending order, if the configuration was measured.
    find: fn(&Evidence, Option<&Sorted>) -> Option<String>,
}

/// What a verdict is based on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// How the configuration ended.
    pub status: Status,
    /// Every trial, with its raw latencies.
    pub trials: &'a [Trial],
    /// The statistics of a bundle that is read, to be checked; `None` while one is made.
    pub summary: Option<&'a Summary>,
    /// Readings of the host's sensors.
    pub environment: Option<&'a Environment>,
    /// The smallest step between two reads of the clock, as observed. Not the value of `clock_getres`, which
    /// is 1 ns even if the counter ticks every 32 ns.
    pub clock_resolution: Nanos,
    /// The host.
    pub host: &'a Host,
    /// Its power state, if it was read.
    pub power: Option<&'a Power>,
    /// How much of the network each provider ran, starting with the one that the job asked for.
    pub providers: &'a [ProviderShare],
    /// Inputs of the model, as bound.
    pub inputs: &'a [Tensor],
    /// What the runs computed, if it was read.
    pub outputs: Option<&'a Outputs>,
}

/// Finds every reason that the evidence shows, and the worst of their states.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    // Once for all reasons.
    let sorted = evidence.sorted();
    let mut verdict = Verdict { state: VerdictState::Valid, reasons: Vec::new() };
    for kind in REASONS {
        if let Some(detail) = (kind.find)(evidence, sorted.as_ref()) {
            verdict.state = verdict.state.max(kind.state);
            verdict.reasons.push(Reason { code: kind.code.to_owned(), detail });
        }
    }
    verdict
}

/// The reason with this code.
pub fn find(code: &str) -> Option<&'static ReasonKind> {
    REASONS.iter().find(|kind| kind.code == code)
}

impl Evidence<'_> {
    /// The pooled latencies in ascending order, if the configuration was measured.
    fn sorted(&self) -> Option<Sorted> {
        (self.status == Status::Measured).then(|| Sorted::new(&stats::pooled(self.trials))).flatten()
    }
}

fn not_measured(evidence: &Evidence, sorted: Option<&Sorted>) -> Option<String> {
    let ended = match evidence.status {
        Status::Measured => {
            return sorted.is_none().then(|| "the trials contain no latency".to_owned());
        }
        Status::Rejected => "was rejected",
        Status::NotCompilable => "could not be compiled for this platform",
        Status::Failed => "failed",
        Status::TimedOut => "timed out",
        Status::Cancelled => "was cancelled",
    };
    Some(format!("the job {ended}"))
}

fn few_runs(_: &Evidence, sorted: Option<&Sorted>) -> Option<String> {
    let count = sorted?.count();
    let fewest = stats::fewest_runs_for_interval();
    (count < fewest).then(|| format!("timed runs: {count}; an interval requires {fewest}"))
}

fn summary_contradicts_latencies(evidence: &Evidence, _: Option<&Sorted>) -> Option<String> {
    let recorded = evidence.summary?;
    let Some(computed) = stats::summary(evidence.trials) else {
        return Some("there are statistics and no latencies".to_owned());
    };
    let statistics = [
        ("count", Some(recorded.count as f64), Some(computed.count as f64)),
        ("mean", Some(recorded.mean), Some(computed.mean)),
        ("standard deviation", recorded.standard_deviation, computed.standard_deviation),
        ("median", Some(recorded.median), Some(computed.median)),
        ("minimum", Some(recorded.minimum), Some(computed.minimum)),
        ("maximum", Some(recorded.maximum), Some(computed.maximum)),
    ];
    statistics.into_iter().find_map(|(name, recorded, computed)| match (recorded, computed) {
        (Some(recorded), Some(computed)) => {
            let apart = (recorded - computed).abs() > CONTRADICTION * recorded.abs().max(computed.abs());
            apart.then(|| format!("the {name} is {computed} by the latencies, and {recorded} is recorded"))
        }
        _ => None,
    })
}

fn near_clock_resolution(evidence: &Evidence, sorted: Option<&Sorted>) -> Option<String> {
    let median = sorted?.median();
    let of_trials = stats::of_chosen_build(evidence.trials).filter_map(|trial| trial.latencies.clock_step_ns);
    let step = of_trials.max().unwrap_or(evidence.clock_resolution).0;
    (median < step as f64 * CLOCK_STEPS_IN_MEDIAN as f64)
        .then(|| format!("median {median:.0} ns, clock step {step} ns"))
}

fn wide_spread(_: &Evidence, sorted: Option<&Sorted>) -> Option<String> {
    let sorted = sorted?;
    if sorted.count() < stats::fewest_runs_for_interval() {
        return None; // Quartiles of five runs mean nothing, and `few_runs` covers them.
    }
    let (lower, upper) = (sorted.percentile(25.0), sorted.percentile(75.0));
    let spread = relative(upper - lower, sorted.median());
    (spread > WIDE_SPREAD).then(|| {
        format!(
            "quartiles {:.6} ms and {:.6} ms are {:.1} % of the median apart",
            lower / 1e6,
            upper / 1e6,
            spread * 100.0
        )
    })
}

fn drift(evidence: &Evidence, sorted: Option<&Sorted>) -> Option<String> {
    sorted?;
    let drifting: Vec<String> = evidence.trials.iter().filter_map(drift_of).collect();
    (!drifting.is_empty()).then(|| drifting.join("; "))
}

fn drift_of(trial: &Trial) -> Option<String> {
    let (first, second) = trial.latencies.latency_ns.split_at(trial.latencies.latency_ns.len() / 2);
    let (first, second, all) =
        (Sorted::new(first)?, Sorted::new(second)?, Sorted::new(&trial.latencies.latency_ns)?);
    let (before, after) = (first.median_interval()?, second.median_interval()?);
    let change = relative(second.median() - first.median(), all.median());
    let apart = before.high < after.low || after.high < before.low;
    (apart && change.abs() > DRIFT).then(|| {
        format!(
            "build {}, process {}: the median of the second half of the runs is {:+.1} % from that of the first",
            trial.id.build,
            trial.id.process,
            change * 100.0
        )
    })
}

fn processes_disagree(evidence: &Evidence, sorted: Option<&Sorted>) -> Option<String> {
    let overall = sorted?.median();
    let medians: Vec<f64> = stats::of_chosen_build(evidence.trials)
        .filter_map(|trial| Sorted::new(&trial.latencies.latency_ns))
        .map(|sorted| sorted.median())
        .collect();
    if medians.len() < 2 {
        return None;
    }
    let fastest = medians.iter().copied().fold(f64::INFINITY, f64::min);
    let slowest = medians.iter().copied().fold(0.0, f64::max);
    let range = relative(slowest - fastest, overall);
    (range > PROCESSES_DISAGREE).then(|| {
        format!(
            "medians of {} processes range from {:.6} to {:.6} ms, {:.1} % of the overall median",
            medians.len(),
            fastest / 1e6,
            slowest / 1e6,
            range * 100.0
        )
    })
}

/// A difference relative to a median. Zero if both are zero, as with a clock too coarse for the runs.
fn relative(difference: f64, median: f64) -> f64 {
    if difference == 0.0 { 0.0 } else { difference / median.max(f64::MIN_POSITIVE) }
}
