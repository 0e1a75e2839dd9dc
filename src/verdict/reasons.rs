//! Every reason that a verdict may have: the one list that `backbone list reasons`, `backbone explain`,
//! `docs/METHOD.md` and [`super::judge`] read. To add a reason, add an entry with the function that finds it.

use super::{ReasonKind, host, latency, outputs, power, provider};
use crate::bundle::format::VerdictState;

/// Every reason, worst first, in the order in which a verdict lists them.
pub const REASONS: &[ReasonKind] = &[
    ReasonKind {
        code: "not_measured",
        state: VerdictState::Invalid,
        meaning: "There are no latencies to judge: the job was rejected, was cancelled, or ended before its \
                  timed runs were complete.",
        cause: "a mistake in the job or its model, a runtime that failed, a time limit, or a request to cancel",
        advice: "read `outcome` in the bundle: it says where and why the job ended, and what to do",
        find: super::not_measured,
    },
    ReasonKind {
        code: "power_state_not_held",
        state: VerdictState::Invalid,
        meaning: "The power mode, a governor or a clock limit changed before or after a process, although it had \
                  been read back.",
        cause: "another service sets power modes or governors, or firmware lowers limits because of heat or supply",
        advice: "find out what changes it (a desktop's power service, nvpmodel's own service, heat), stop that, \
                  and measure again",
        find: power::power_state_not_held,
    },
    ReasonKind {
        code: "provider_not_used",
        state: VerdictState::Invalid,
        meaning: "The execution provider that the job asked for ran no node of the network: the numbers belong \
                  to another provider.",
        cause: "the provider's library takes no operator of this network, or could not be loaded",
        advice: "see `runtime.providers` in the bundle for the provider that ran it; ask for that one, or use a \
                  model that this provider supports",
        find: provider::provider_not_used,
    },
    ReasonKind {
        code: "few_runs",
        state: VerdictState::Suspect,
        meaning: "There are too few timed runs for a 95 % interval of the median.",
        cause: "`measure.timed_runs` times `measure.processes` is below six",
        advice: "set `measure.timed_runs` to 6 or more; 100 is the default",
        find: latency::few_runs,
    },
    ReasonKind {
        code: "summary_contradicts_latencies",
        state: VerdictState::Suspect,
        meaning: "The recorded statistics are not those of the recorded latencies: one of them was changed, or a \
                  program that wrote them has a fault.",
        cause: "somebody edited the bundle, or the program that wrote it has a fault",
        advice: "copy the bundle from its outbox again; reports and exports use the latencies and compute every \
                  number again",
        find: super::reread::summary_contradicts_latencies,
    },
    ReasonKind {
        code: "near_clock_resolution",
        state: VerdictState::Suspect,
        meaning: "The median is shorter than 100 steps of the clock that measured, so rounding by the clock \
                  affects the result.",
        cause: "the network is very small, or the program that timed it keeps time in coarse steps",
        advice: "measure a larger batch or input, so that one inference takes longer; with trtexec, whose clock \
                  gets coarser as its loop goes on, also fewer runs",
        find: latency::near_clock_resolution,
    },
    ReasonKind {
        code: "heavy_tail",
        state: VerdictState::Suspect,
        meaning: "The mean of the latencies is more than 5 % away from their median: a few runs, or a long tail, \
                  make up much of the mean.",
        cause: "a stall (other work, page faults, heat, a bus), or latencies that are skewed by nature",
        advice: "look at the raw latencies; remove what stalls the host, or compare medians and percentiles, \
                  which a few runs do not move",
        find: latency::heavy_tail,
    },
    ReasonKind {
        code: "wide_spread",
        state: VerdictState::Suspect,
        meaning: "The middle half of the latencies spans more than 10 % of their median.",
        cause: "other work on the host, clocks that change, or groups of runs with latencies of their own",
        advice: "stop other work on the host, lock its clocks, and check the raw latencies for several peaks",
        find: latency::wide_spread,
    },
    ReasonKind {
        code: "bimodal",
        state: VerdictState::Suspect,
        meaning: "In one trial, the latencies fall into two groups that are more than 5 % apart: neither mean \
                  nor median describes a run.",
        cause: "two clock levels, runs on different processors, or memory in two places",
        advice: "pin the worker (`host.cpus`), lock the clocks, and see `summary.trials[].modes`",
        find: latency::bimodal,
    },
    ReasonKind {
        code: "drift",
        state: VerdictState::Suspect,
        meaning: "In one trial, the medians of the first and second half of the runs differ by more than 5 %, \
                  and their intervals do not overlap.",
        cause: "caches and clocks that settle, or heat that builds up",
        advice: "raise `measure.warm_up_runs` if the runs got faster; cool the host if they got slower",
        find: latency::drift,
    },
    ReasonKind {
        code: "slow_first_runs",
        state: VerdictState::Suspect,
        meaning: "In one trial, the first timed runs were more than 5 % slower than the rest: the warm-up was \
                  too short.",
        cause: "caches, allocators, lazy compilation and clocks that had not settled yet",
        advice: "raise `measure.warm_up_runs`; `summary.trials[].steady_from` says by how much",
        find: latency::slow_first_runs,
    },
    ReasonKind {
        code: "level_change",
        state: VerdictState::Suspect,
        meaning: "In one trial, the latency changed by more than 5 % from one stretch of runs to the next and \
                  stayed there.",
        cause: "a clock that changed, heat, other work that began or ended, or memory that was moved",
        advice: "lock the host's clocks, stop other work, and look at the readings of the sensors in \
                  `environment.samples`",
        find: latency::level_change,
    },
    ReasonKind {
        code: "not_steady",
        state: VerdictState::Suspect,
        meaning: "In one trial, the latency rose or fell by more than 5 % over the runs, or no level holds for \
                  half of them.",
        cause: "heat that builds up, memory that grows, or other work that comes and goes",
        advice: "cool the host, raise `measure.warm_up_runs`, or measure longer until it is steady",
        find: latency::not_steady,
    },
    ReasonKind {
        code: "processes_disagree",
        state: VerdictState::Suspect,
        meaning: "The medians of the processes differ by more than 10 %: another process would probably give yet \
                  another median.",
        cause: "memory is laid out differently in each process, or the host changed between them",
        advice: "raise `measure.processes`, stop other work on the host, and compare medians of processes \
                  instead of single runs",
        find: latency::processes_disagree,
    },
    ReasonKind {
        code: "builds_disagree",
        state: VerdictState::Suspect,
        meaning: "The means of the builds differ by more than 10 %: the result is that of the best build, and \
                  another build would be slower.",
        cause: "a compiler that times its candidates on a host that is not quiet",
        advice: "measure more builds, compare the same number of builds, and keep the host quiet while it compiles",
        find: latency::builds_disagree,
    },
    ReasonKind {
        code: "provider_fallback",
        state: VerdictState::Suspect,
        meaning: "Execution providers other than the one that the job asked for ran a part of the network, with \
                  copies if they are on another device.",
        cause: "the provider does not implement some operators, or not with these types or shapes",
        advice: "see `runtime.providers` in the bundle for how much; replace the operators that the provider \
                  does not support. The library itself keeps computations of shapes on the processor",
        find: provider::provider_fallback,
    },
    ReasonKind {
        code: "outputs_not_finite",
        state: VerdictState::Suspect,
        meaning: "An output contains infinities or elements that are not numbers. Some processors are slower or \
                  faster with them.",
        cause: "weights or inputs beyond the range of the precision, or a division by zero",
        advice: "check the model's weights and its export, and that its precision has the range it needs; give \
                  inputs that the model was made for under `inputs`",
        find: outputs::outputs_not_finite,
    },
    ReasonKind {
        code: "outputs_constant",
        state: VerdictState::Suspect,
        meaning: "Every output has the same value in all its elements, although the inputs vary: perhaps nothing \
                  was computed.",
        cause: "weights that are zero, a saturated activation, or a runtime that skipped the work",
        advice: "check the model's weights and its export, and whether another runtime gives the same (`verify: \
                  cpu`); give inputs that the model was made for under `inputs`",
        find: outputs::outputs_constant,
    },
    ReasonKind {
        code: "outputs_vary",
        state: VerdictState::Suspect,
        meaning: "Processes of one build gave outputs on the same inputs that differ by more than rounding.",
        cause: "random operators, sums in another order, or faulty memory",
        advice: "see `outputs.differing_processes` in the bundle; check the model for random operators, and the \
                  host for faulty memory or an unstable clock",
        find: outputs::outputs_vary,
    },
    ReasonKind {
        code: "outputs_disagree",
        state: VerdictState::Suspect,
        meaning: "The outputs differ from those of the reference on the same inputs by more than the precision \
                  explains: the two did not compute the same.",
        cause: "a conversion that changed the network, another precision, or a fault of a runtime",
        advice: "see `outputs.comparison` in the bundle; check the conversion between the formats and the \
                  precision, and which of the two agrees with the framework that the model comes from",
        find: outputs::outputs_disagree,
    },
    ReasonKind {
        code: "clocks_not_locked",
        state: VerdictState::Suspect,
        meaning: "The job asked for locked clocks, and some of them could not be locked.",
        cause: "missing rights, a driver without limits, or firmware that keeps its own",
        advice: "give the daemon the rights for power control, see docs/OPERATING.md; a clock that the firmware \
                  limits stays limited until the device is cooler or has a stronger power supply",
        find: power::clocks_not_locked,
    },
    ReasonKind {
        code: "power_mode_not_in_force",
        state: VerdictState::Suspect,
        meaning: "The job asked for a power mode and the host reports it, but some of the mode's settings are \
                  not in force.",
        cause: "the mode's settings could not be written, or something changed them since",
        advice: "check `nvpmodel -q --verbose`, or the governors on other hosts; `backbone doctor` compares them too",
        find: power::power_mode_not_in_force,
    },
    ReasonKind {
        code: "unknown_release",
        state: VerdictState::Suspect,
        meaning: "The host is a Jetson with a release of Linux for Tegra that this version does not know or \
                  cannot read.",
        cause: "the release is newer than this program, or its file was edited",
        advice: "compare its results with each other only, and look for a newer version of this program",
        find: power::unknown_release,
    },
    ReasonKind {
        code: "throttled",
        state: VerdictState::Suspect,
        meaning: "The host was throttled between the readings right before and right after the timed runs.",
        cause: "heat, a power limit, or a weak power supply",
        advice: "cool the host, choose a lower power mode, or check its power supply, and measure again",
        find: host::throttled,
    },
    ReasonKind {
        code: "trip_point_reached",
        state: VerdictState::Suspect,
        meaning: "A thermal zone reached the temperature at which the kernel throttles the host.",
        cause: "too little cooling for this load and room",
        advice: "cool the host; with `host.start_below_celsius`, each process waits until the host is cool",
        find: host::trip_point_reached,
    },
    ReasonKind {
        code: "frequency_drift",
        state: VerdictState::Suspect,
        meaning: "In at least one reading, a frequency differed by more than 2 % from its value right before the \
                  timed runs.",
        cause: "a governor, a boost that ends, or a power limit",
        advice: "lock the host's clocks, or raise `measure.warm_up_runs` until they settle",
        find: host::frequency_drift,
    },
    ReasonKind {
        code: "background_load",
        state: VerdictState::Suspect,
        meaning: "More processes wanted to run than the host has processors.",
        cause: "other programs, or more threads in the job than there are processors",
        advice: "stop other programs, or set the runtime's `threads` to at most the number of processors",
        find: host::background_load,
    },
    ReasonKind {
        code: "swapping",
        state: VerdictState::Suspect,
        meaning: "The host wrote memory to its swap space between the readings right before and right after the \
                  timed runs.",
        cause: "the network, its runtime and other programs together need more memory than there is",
        advice: "stop other programs, measure a smaller network or batch, or use a host with more memory",
        find: host::swapping,
    },
    ReasonKind {
        code: "suspended",
        state: VerdictState::Suspect,
        meaning: "The host was suspended during the timed runs.",
        cause: "a lid, a power button, a timer of the system, or a virtual machine that was paused",
        advice: "disable sleep (`systemctl mask sleep.target suspend.target`), and measure again",
        find: host::suspended,
    },
    ReasonKind {
        code: "clock_stepped",
        state: VerdictState::Suspect,
        meaning: "The host's wall clock was set during the timed runs. Latencies come from another clock, but \
                  times and the order of results do not.",
        cause: "a time service that sets the clock instead of slewing it, or somebody who set it",
        advice: "let the time service settle before measuring (`chronyc waitsync`, `timedatectl`)",
        find: host::clock_stepped,
    },
    ReasonKind {
        code: "not_cooled",
        state: VerdictState::Suspect,
        meaning: "When a process started, the host was not as cool as `host.start_below_celsius` asks.",
        cause: "a warm room, a fan that does not run, or other work that keeps the host warm",
        advice: "cool the host, raise `host.wait_up_to_seconds`, or raise `host.start_below_celsius`",
        find: host::not_cooled,
    },
    ReasonKind {
        code: "sensor_lost",
        state: VerdictState::Suspect,
        meaning: "A sensor that could be read right before the timed runs could not be read during or right \
                  after them.",
        cause: "a driver that failed, a bus error, or a device that went to sleep",
        advice: "check the kernel's log for messages of its driver; what the host did meanwhile is unknown",
        find: host::sensor_lost,
    },
    ReasonKind {
        code: "placement_refused",
        state: VerdictState::Suspect,
        meaning: "The kernel refused the processors, the nice value or the locked memory that the job asks for.",
        cause: "the service lacks the right, or the host lacks what is asked for",
        advice: "give the service the right (`Nice=`, `LimitMEMLOCK=`, `AllowedCPUs=`), or ask for something \
                  that this host has",
        find: host::placement_refused,
    },
    ReasonKind {
        code: "provider_unobserved",
        state: VerdictState::Unverified,
        meaning: "The job asked for a provider other than the processor's, and which provider ran which node was \
                  not observed.",
        cause: "the library wrote no profile, or one that cannot be read",
        advice: "see the log tail in the bundle for why the library's profile could not be read; the worker \
                  writes it to a folder for temporary files",
        find: provider::provider_unobserved,
    },
    ReasonKind {
        code: "cooling_unobserved",
        state: VerdictState::Unverified,
        meaning: "The job asks for a cool host, and no thermal zone could be read, or not all that it names.",
        cause: "the host shows no thermal zones, as most virtual machines, or names them otherwise",
        advice: "name zones of this host in `host.zones`; `backbone doctor` lists those that it shows",
        find: host::cooling_unobserved,
    },
    ReasonKind {
        code: "power_state_unobserved",
        state: VerdictState::Unverified,
        meaning: "Neither power mode nor clocks could be observed. Most virtual machines show none.",
        cause: "a virtual machine, a container without sysfs, or a kernel without drivers for clocks",
        advice: "set the host's power mode and clocks from outside, record them in the job's `labels`, and \
                  compare only results with equal labels",
        find: power::power_state_unobserved,
    },
    ReasonKind {
        code: "environment_unobserved",
        state: VerdictState::Unverified,
        meaning: "Processor frequencies or temperatures could not be read right before and right after the timed \
                  runs of every process, or the clock and the throttling of the graphics card that the job asks \
                  for. Virtual machines show none.",
        cause: "a virtual machine, missing rights, or a kernel without drivers for sensors",
        advice: "see `environment.sensors` in the bundle for what could not be read and why; give the daemon the \
                  rights, or set clocks and cooling from outside",
        find: host::environment_unobserved,
    },
];
