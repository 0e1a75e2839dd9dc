//! Where a reason begins, and where each number comes from.

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

/// Distance of the mean from the median / median above which the tail is heavy.
pub(crate) const HEAVY_TAIL: f64 = 0.05;

/// Change from one level to the next / median above which the level has changed.
pub(crate) const LEVEL_CHANGE: f64 = 0.05;

/// So many of the first runs in a row, all slower than nearly all others, are no chance.
pub(crate) const SLOW_FIRST_RUNS: usize = 3;

/// Change from the first to the last run / median above which a series is not steady.
pub(crate) const NOT_STEADY: f64 = 0.05;

/// Standard errors from which a trend is one.
pub(crate) const TREND_SCORE: f64 = 3.29;

/// Part of the runs for which one level must hold.
pub(crate) const STEADY_SHARE: f64 = 0.5;

/// Distance between the means of two groups / median above which they are two groups.
pub(crate) const MODES_DIFFER: f64 = 0.05;

/// Groups of fewer runs are chance.
pub(crate) const FEWEST_FOR_GROUPS: usize = 20;

/// Range of the builds' means / lowest mean above which builds disagree.
pub(crate) const BUILDS_DISAGREE: f64 = 0.10;

/// Runnable processes beyond the number of processors from which the host is busy with something else.
pub(crate) const BACKGROUND_PROCESSES: f64 = 1.0;

/// Swap space that was taken, in bytes, from which the host swaps.
pub(crate) const SWAPPED_BYTES: f64 = 1_048_576.0;

/// Seconds of suspension from which the host was suspended.
pub(crate) const SUSPENDED_SECONDS: f64 = 0.1;

/// Seconds by which the wall clock may move away from the one that never steps, beyond what a time service
/// that slews it does.
pub(crate) const CLOCK_STEP_SECONDS: f64 = 0.1;

/// Fastest rate at which the kernel slews its clock, 500 parts in a million (`adjtimex`(2)).
pub(crate) const CLOCK_SLEW: f64 = 500e-6;

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
    (
        "heavy_tail",
        HEAVY_TAIL,
        "|mean − median| / median. For 100 normally distributed latencies with a deviation of 10 % it is below 2.6 % in \
         99.9 % of series (standard error of the difference 0.756 σ / √n); one run of ten times the others among a \
         hundred makes it 9 %.",
    ),
    (
        "level_change",
        LEVEL_CHANGE,
        "change of the median / median, as for `drift`, but wherever it happens. A partition with a penalty of 3 σ² ln n \
         for each change finds it from five runs on.",
    ),
    (
        "slow_first_runs",
        SLOW_FIRST_RUNS as f64,
        "runs in a row, each above the median of the second half by 3.5 scaled median absolute deviations (the outlier \
         of Iglewicz and Hoaglin 1993) and by 5 %. If one run in ten were such an outlier, three in a row would come \
         first once in a thousand series. A first level more than 5 % slower counts too, if it has at most a quarter of the runs.",
    ),
    (
        "not_steady",
        NOT_STEADY,
        "change by the median slope over all runs / median, if the trend is 3.29 standard errors from none, which chance \
         exceeds once in a thousand series. A linear drift of 10 % over the runs separates the medians of the halves by 5 %.",
    ),
    (
        "bimodal",
        MODES_DIFFER,
        "distance of the groups' means / median, if each group has 10 % of the runs and they are four common standard \
         deviations apart (Ashman's D; 2.65 for one normal distribution cut in two, 3.46 for a uniform one).",
    ),
    ("builds_disagree", BUILDS_DISAGREE, "range of the builds' means / lowest mean, as for processes."),
    (
        "background_load",
        BACKGROUND_PROCESSES,
        "runnable processes, averaged over the last minute, beyond the number of processors. A job whose threads are at \
         most the processors causes no more than that many by itself.",
    ),
    (
        "swapping",
        SWAPPED_BYTES,
        "bytes of swap space taken: 256 pages. A host with memory to spare takes none.",
    ),
    (
        "suspended",
        SUSPENDED_SECONDS,
        "seconds by which the clock that counts suspension moved away from the one that does not. They move together to \
         the microsecond otherwise.",
    ),
    (
        "clock_stepped",
        CLOCK_STEP_SECONDS,
        "seconds by which the wall clock moved away from the clock that times, beyond 500 parts in a million, which is the \
         fastest that the kernel slews. Time services step from 0.128 s (ntpd) or 0.1 s on.",
    ),
];
