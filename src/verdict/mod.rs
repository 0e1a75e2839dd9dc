//! May the numbers be trusted? Evidence comes in, a verdict with its reasons goes out.
//!
//! Pure: no file, no clock. A verdict changes no number and drops none; it only tells a reader what speaks against them.
//! [`REASONS`] is the one list: `backbone list reasons`, `docs/METHOD.md` and [`judge`] read it. To add a reason, add one
//! entry with the function that finds it. `simulated` is no reason but a flag of its own in the bundle.

use crate::bundle::format::{
    Environment, Host, Power, ProviderShare, Reason, Status, Trial, Verdict, VerdictState,
};
use crate::stats::{self, Sorted};
use crate::units::Nanos;

mod host;
mod power;
mod provider;
#[cfg(test)]
mod tests;

/// A median below this many clock steps is near the clock's resolution; see [`THRESHOLDS`] for all of them.
pub const CLOCK_STEPS_IN_MEDIAN: u64 = 100;

/// Interquartile range over median, above which latencies scatter widely.
pub const WIDE_SPREAD: f64 = 0.10;

/// Difference between the medians of a trial's two halves over the trial's median, above which it drifts.
pub const DRIFT: f64 = 0.05;

/// Range of the processes' medians over the median of all, above which processes disagree.
pub const PROCESSES_DISAGREE: f64 = 0.10;

/// Change of a frequency from right before the timed runs, above which it drifted.
pub const FREQUENCY_DRIFT: f64 = 0.02;

/// Where each threshold comes from: reason, threshold as a person reads it, origin.
pub const THRESHOLDS: &[(&str, f64, &str)] = &[
    (
        "near_clock_resolution",
        CLOCK_STEPS_IN_MEDIAN as f64,
        "clock steps in the median. One step is then 1 % of it, the size of the differences that designs are compared by.",
    ),
    (
        "wide_spread",
        WIDE_SPREAD,
        "interquartile range / median. For bell-shaped latencies the median's 95 % interval is ± 1.82 IQR / √n wide \
         (standard error 1.2533 σ / √n, IQR = 1.349 σ), so beyond this the paper's 100 runs settle the median to no \
         better than ± 1.8 %.",
    ),
    (
        "drift",
        DRIFT,
        "difference of the halves' medians / median. Fresh processes on a shared virtual machine differ by 2.5–4 %; more \
         than this inside one process is not that noise.",
    ),
    (
        "processes_disagree",
        PROCESSES_DISAGREE,
        "range of the processes' medians / median of all. The range seen on a shared virtual machine is 9–16 %; a host \
         that is meant for measuring must stay below that.",
    ),
    (
        "frequency_drift",
        FREQUENCY_DRIFT,
        "change / frequency right before the timed runs. A step of 100 MHz, as x86 processors make, is 2 % of 5 GHz, and \
         boards make coarser ones; what the kernel computes from cycle counters wavers by less.",
    ),
];

/// Every reason, the worst first, in the order in which a verdict lists them.
pub const REASONS: &[ReasonKind] = &[
    ReasonKind {
        code: "not_measured",
        state: VerdictState::Invalid,
        meaning: "There are no latencies to judge: the job was rejected, cancelled, or ended before its timed runs did.",
        advice: "read `outcome` in the bundle: it says where the job ended, why, and what to do",
        find: not_measured,
    },
    ReasonKind {
        code: "power_state_not_held",
        state: VerdictState::Invalid,
        meaning: "The power mode, a governor or a clock limit was another before or after a process than it was read back before.",
        advice: "find out what else changes it (a desktop's power service, nvpmodel's own service, heat), stop that, and \
                 measure again",
        find: power::power_state_not_held,
    },
    ReasonKind {
        code: "provider_not_used",
        state: VerdictState::Invalid,
        meaning: "The execution provider that the job asked for ran no node of the network: the numbers are those of another one.",
        advice: "see `runtime.providers` in the bundle for who ran it; ask for that one, or for a model that this provider takes",
        find: provider::provider_not_used,
    },
    ReasonKind {
        code: "few_runs",
        state: VerdictState::Suspect,
        meaning: "There are too few timed runs for any 95 % interval of the median.",
        advice: "set `measure.timed_runs` to 6 or more; 100 is the default",
        find: few_runs,
    },
    ReasonKind {
        code: "near_clock_resolution",
        state: VerdictState::Suspect,
        meaning: "The median is shorter than 100 steps of the clock, so the clock's rounding is a part of the result.",
        advice: "measure a larger batch or input, so that one inference takes longer",
        find: near_clock_resolution,
    },
    ReasonKind {
        code: "wide_spread",
        state: VerdictState::Suspect,
        meaning: "The middle half of the latencies spans more than 10 % of their median.",
        advice: "stop other work on the host, fix its clocks, and look at the raw latencies for more than one peak",
        find: wide_spread,
    },
    ReasonKind {
        code: "drift",
        state: VerdictState::Suspect,
        meaning: "In one trial the medians of the first and the second half of the runs differ by more than 5 %, \
                  and their intervals do not overlap.",
        advice: "raise `measure.warm_up_runs` if the runs became faster; cool the host if they became slower",
        find: drift,
    },
    ReasonKind {
        code: "processes_disagree",
        state: VerdictState::Suspect,
        meaning: "The medians of the processes differ by more than 10 %: a new process would likely give yet another.",
        advice: "raise `measure.processes`, stop other work on the host, and compare medians of processes, not single runs",
        find: processes_disagree,
    },
    ReasonKind {
        code: "provider_fallback",
        state: VerdictState::Suspect,
        meaning: "Other execution providers than the one that the job asked for ran a part of the network; where they are on \
                  another device, with copies.",
        advice: "see `runtime.providers` in the bundle for how much; replace the operators that the provider does not know. \
                 Computations of shapes stay on the processor by the library's own choice",
        find: provider::provider_fallback,
    },
    ReasonKind {
        code: "provider_unobserved",
        state: VerdictState::Suspect,
        meaning: "A provider other than the processor's was asked for, and who ran which node was not observed.",
        advice: "see the last lines of the log in the bundle for why the library's profile could not be read; the worker writes it to a folder \
                 for temporary files",
        find: provider::provider_unobserved,
    },
    ReasonKind {
        code: "clocks_not_locked",
        state: VerdictState::Suspect,
        meaning: "The job asked for locked clocks, and not all of them could be locked.",
        advice: "give the daemon the rights for power control, see docs/OPERATING.md; a clock that the firmware limits stays \
                 limited until the device is cooler or better supplied",
        find: power::clocks_not_locked,
    },
    ReasonKind {
        code: "power_mode_not_in_force",
        state: VerdictState::Suspect,
        meaning: "The job asked for a power mode, the host says that it is in it, and not all of what the mode says is so.",
        advice: "see what `nvpmodel -q --verbose` says, or on other hosts the governors; `backbone doctor` compares them too",
        find: power::power_mode_not_in_force,
    },
    ReasonKind {
        code: "unknown_release",
        state: VerdictState::Suspect,
        meaning: "The host is a Jetson whose release of Linux for Tegra this version does not know, or can not read.",
        advice: "compare its results among themselves only, and look for a newer version of this program",
        find: power::unknown_release,
    },
    ReasonKind {
        code: "throttled",
        state: VerdictState::Suspect,
        meaning: "The host was throttled between the readings right before and right after the timed runs.",
        advice: "cool the host, choose a lower power mode, or see to its power supply; measure again",
        find: host::throttled,
    },
    ReasonKind {
        code: "trip_point_reached",
        state: VerdictState::Suspect,
        meaning: "A thermal zone was as hot as the kernel lets it become before it slows the host down.",
        advice: "cool the host; `host.start_below_celsius` waits before each process until it is cool",
        find: host::trip_point_reached,
    },
    ReasonKind {
        code: "frequency_drift",
        state: VerdictState::Suspect,
        meaning: "A frequency was more than 2 % off what it was right before the timed runs, in one reading at least.",
        advice: "fix the host's clocks, or raise `measure.warm_up_runs` until they have settled",
        find: host::frequency_drift,
    },
    ReasonKind {
        code: "not_cooled",
        state: VerdictState::Suspect,
        meaning: "The host was not seen to be as cool as `host.start_below_celsius` asks when a process started.",
        advice: "cool the host, raise `host.wait_up_to_seconds`, or name zones in `host.zones` that this host has",
        find: host::not_cooled,
    },
    ReasonKind {
        code: "sensor_lost",
        state: VerdictState::Suspect,
        meaning: "A sensor that could be read right before the timed runs could not within or right after them.",
        advice: "see the kernel's log for its driver; what the host did meanwhile is not known",
        find: host::sensor_lost,
    },
    ReasonKind {
        code: "placement_refused",
        state: VerdictState::Suspect,
        meaning: "The kernel refused the processors, the nice value or the locked memory that the job asks for.",
        advice: "give the service the right (`Nice=`, `LimitMEMLOCK=`, `AllowedCPUs=`), or ask for what this host has",
        find: host::placement_refused,
    },
    ReasonKind {
        code: "power_state_unobserved",
        state: VerdictState::Suspect,
        meaning: "Neither power mode nor clocks could be observed: the host shows none, as most virtual machines do.",
        advice: "fix the host's power mode and clocks from outside, write them into the job's `labels`, and compare only \
                 results that agree in them",
        find: power::power_state_unobserved,
    },
    ReasonKind {
        code: "environment_unobserved",
        state: VerdictState::Suspect,
        meaning: "Processor frequencies or temperatures could not be read right before and right after every process's timed \
                  runs; virtual machines show none.",
        advice: "see `environment.sensors` in the bundle for what could not be read and why; give the daemon the rights, or \
                 fix clocks and cooling from outside",
        find: host::environment_unobserved,
    },
];

/// One kind of reason.
#[derive(Debug)]
pub struct ReasonKind {
    /// Stable code, as bundles carry it.
    pub code: &'static str,
    /// The state it leads to.
    pub state: VerdictState,
    /// What it means, in one sentence.
    pub meaning: &'static str,
    /// What to do about it; lower case, no full stop.
    pub advice: &'static str,
    /// The case at hand with its numbers, where the evidence shows it.
    find: fn(&Evidence) -> Option<String>,
}

/// What a verdict is made of.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// How the configuration ended.
    pub status: Status,
    /// Every trial, with its raw latencies.
    pub trials: &'a [Trial],
    /// What the host's sensors told.
    pub environment: Option<&'a Environment>,
    /// The smallest step that the clock was seen to make between two reads, not what `clock_getres` claims: that is 1 ns
    /// even where the counter ticks every 32 ns.
    pub clock_resolution: Nanos,
    /// The host.
    pub host: &'a Host,
    /// Its power state, where it was looked at.
    pub power: Option<&'a Power>,
    /// Who ran which part of the network, the provider that the job asked for first.
    pub providers: &'a [ProviderShare],
}

/// Every reason that the evidence shows, and the worst of their states.
pub fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict { state: VerdictState::Valid, reasons: Vec::new() };
    for kind in REASONS {
        if let Some(detail) = (kind.find)(evidence) {
            verdict.state = verdict.state.max(kind.state);
            verdict.reasons.push(Reason { code: kind.code.to_owned(), detail });
        }
    }
    verdict
}

/// The reason of that code.
pub fn find(code: &str) -> Option<&'static ReasonKind> {
    REASONS.iter().find(|kind| kind.code == code)
}

impl Evidence<'_> {
    /// The pooled latencies in ascending order, of a configuration that was measured.
    fn sorted(&self) -> Option<Sorted> {
        (self.status == Status::Measured).then(|| Sorted::new(&stats::pooled(self.trials))).flatten()
    }
}

fn not_measured(evidence: &Evidence) -> Option<String> {
    let ended = match evidence.status {
        Status::Measured => {
            return evidence.sorted().is_none().then(|| "the trials hold no latency".to_owned());
        }
        Status::Rejected => "was rejected",
        Status::NotCompilable => "could not be compiled for this platform",
        Status::Failed => "failed",
        Status::TimedOut => "ran out of time",
        Status::Cancelled => "was cancelled",
    };
    Some(format!("the job {ended}"))
}

fn few_runs(evidence: &Evidence) -> Option<String> {
    let count = evidence.sorted()?.count();
    let fewest = stats::fewest_runs_for_interval();
    (count < fewest).then(|| format!("timed runs: {count}; an interval takes {fewest}"))
}

fn near_clock_resolution(evidence: &Evidence) -> Option<String> {
    let median = evidence.sorted()?.median();
    let step = evidence.clock_resolution.0;
    (median < step as f64 * CLOCK_STEPS_IN_MEDIAN as f64)
        .then(|| format!("median {median:.0} ns, clock step {step} ns"))
}

fn wide_spread(evidence: &Evidence) -> Option<String> {
    let sorted = evidence.sorted()?;
    if sorted.count() < stats::fewest_runs_for_interval() {
        return None; // Quartiles of five runs say nothing, and `few_runs` has said so.
    }
    let (lower, upper) = (sorted.percentile(25.0), sorted.percentile(75.0));
    let spread = relative(upper - lower, sorted.median());
    (spread > WIDE_SPREAD).then(|| {
        format!(
            "quartiles {:.6} ms and {:.6} ms lie {:.1} % of the median apart",
            lower / 1e6,
            upper / 1e6,
            spread * 100.0
        )
    })
}

fn drift(evidence: &Evidence) -> Option<String> {
    evidence.sorted()?;
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
            "build {}, process {}: the second half of the runs has a median {:+.1} % from the first",
            trial.id.build,
            trial.id.process,
            change * 100.0
        )
    })
}

fn processes_disagree(evidence: &Evidence) -> Option<String> {
    let overall = evidence.sorted()?.median();
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
            "medians of {} processes span {:.6} to {:.6} ms, {:.1} % of the median of all",
            medians.len(),
            fastest / 1e6,
            slowest / 1e6,
            range * 100.0
        )
    })
}

/// A difference as a part of a median; zero where both are zero, as a clock too coarse for the runs gives.
fn relative(difference: f64, median: f64) -> f64 {
    if difference == 0.0 { 0.0 } else { difference / median.max(f64::MIN_POSITIVE) }
}
