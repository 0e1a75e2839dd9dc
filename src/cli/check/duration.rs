//! How long a job may take at most: its processes, including those that compile, the waits for a cool host
//! before them, and the phase that measures energy. Counted from the job alone; how fast a model runs is not
//! known here.

use std::time::Duration;

use crate::daemon::idle_beside_energy;
use crate::spec::{Job, JobConfiguration, MeasureProtocol};
use crate::text::counted;

/// A line for all of it and one for energy, and whether the phase for energy fits into its process.
pub(super) fn lines(job: &Job) -> (String, bool) {
    let measure = &job.measure;
    if let MeasureProtocol::Rigorous { time_limit_seconds, .. } = measure.protocol {
        let configurations = job.configurations.len();
        let text = format!(
            "  limit: about {} ({} of {}; no process starts that would probably end later)\n",
            of(u64::from(time_limit_seconds) * configurations as u64),
            counted(configurations, "configuration", "configurations"),
            of(time_limit_seconds.into()),
        );
        return (text, true);
    }
    let limit = u64::from(measure.timeout_seconds);
    let builds = |configuration: &JobConfiguration| u64::from(configuration.builds(measure));
    let timing: u64 = job.configurations.iter().map(builds).sum::<u64>() * u64::from(measure.processes);
    // Each build is a process of its own.
    let compiled = job.configurations.iter().filter(|configuration| configuration.runtime.compiles());
    let processes = timing + compiled.map(builds).sum::<u64>();
    let wait = job.host.start_below_celsius.map_or(0, |_| u64::from(job.host.wait_up_to_seconds));
    let waits = match wait {
        0 => String::new(),
        wait => {
            let which = if processes == timing { "each" } else { "each trial" };
            format!(", {which} after a wait of up to {} for a cool host", of(wait))
        }
    };
    let mut text = format!(
        "  limit: {} ({} of at most {}{waits})\n",
        of(processes * limit + timing * wait),
        counted(processes, "process", "processes"),
        of(limit),
    );
    // A program that times itself has no energy phase.
    let configurations =
        job.configurations.iter().filter(|configuration| !configuration.runtime.times_itself()).count()
            as u64;
    if measure.energy_seconds == 0 || configurations == 0 {
        return (text, true);
    }
    let phase = energy_phase(measure.energy_seconds).as_secs();
    let fits = phase < limit;
    let room = match fits {
        true => format!("at least {} in total", of(phase * configurations)),
        false => format!("longer than `measure.timeout_seconds`, which is {limit}"),
    };
    text.push_str(&format!("  energy: {} for each configuration, idle time included; {room}\n", of(phase)));
    (text, fits)
}

/// The runs for energy, and the host idle before and after them.
fn energy_phase(energy_seconds: u32) -> Duration {
    Duration::from_secs(energy_seconds.into()) + 2 * idle_beside_energy(energy_seconds)
}

/// Seconds as people say them, rounded to what an estimate is worth.
pub(super) fn about(seconds: f64) -> String {
    let step = match seconds {
        ..1.0 => return "1 s".to_owned(),
        ..120.0 => 1.0,
        ..7200.0 => 60.0,
        _ => 600.0,
    };
    of(((seconds / step).ceil() * step) as u64)
}

/// Seconds as people say them, exactly: `1 h`, `2 h 30 min`, `90 s`.
pub(super) fn of(seconds: u64) -> String {
    const PARTS: [(u64, &str); 3] = [(3600, "h"), (60, "min"), (1, "s")];
    // Below two minutes, seconds are the natural unit.
    if seconds < 120 {
        return format!("{seconds} s");
    }
    let mut rest = seconds;
    let mut words = Vec::new();
    for (length, unit) in PARTS {
        if rest >= length {
            words.push(format!("{} {unit}", rest / length));
            rest %= length;
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::resolve;

    fn told(rest: &str) -> (String, bool) {
        let text = format!("backbone: 1\nmodel: net.onnx\n{rest}");
        lines(&resolve::job(text.as_bytes(), "a.yaml").unwrap())
    }

    #[test]
    fn waits_for_a_cool_host_and_the_phase_for_energy_are_counted() {
        let (text, fits) = told(
            "measure: {processes: 3, timeout_seconds: 600, energy_seconds: 60}\nhost: {start_below_celsius: 50}\n",
        );
        assert!(fits);
        insta::assert_snapshot!(text, @"
          limit: 2 h (3 processes of at most 10 min, each after a wait of up to 30 min for a cool host)
          energy: 2 min for each configuration, idle time included; at least 2 min in total
        ");
        assert_eq!(
            told("measure: {energy_seconds: 1}\n").0.lines().last(),
            Some("  energy: 5 s for each configuration, idle time included; at least 5 s in total")
        );
    }

    #[test]
    fn phase_for_energy_that_does_not_fit_into_its_process_is_no_right_job() {
        let (text, fits) = told("measure: {timeout_seconds: 60, energy_seconds: 60}\n");
        assert!(!fits);
        assert!(text.ends_with("longer than `measure.timeout_seconds`, which is 60\n"), "{text}");
    }
}
