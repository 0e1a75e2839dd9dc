//! Reasons from the host: the readings of its sensors around and during the timed runs, and the placement of
//! the worker.

use super::thresholds::{
    BACKGROUND_PROCESSES, CLOCK_SLEW, CLOCK_STEP_SECONDS, FREQUENCY_DRIFT, SUSPENDED_SECONDS, SWAPPED_BYTES,
};
use super::{Evidence, Measured};
use crate::bundle::format::{
    ClockSpan, Cooling, CoolingEnd, Environment, Observation, Quantity, Reading, Sensor, Trial,
};

/// Without one of each, the state of the host during the measurement is unknown.
const NEEDED: &[(Quantity, &str)] =
    &[(Quantity::CpuFrequency, "processor frequencies"), (Quantity::Temperature, "temperatures")];

/// One sensor during one trial: its reading right before, and its readings during and right after the timed
/// runs.
struct SensorSpan<'a> {
    trial: &'a Trial,
    sensor: &'a Sensor,
    before: Option<f64>,
    later: Vec<Option<f64>>,
}

impl SensorSpan<'_> {
    fn which(&self) -> String {
        format!("process {}, `{}`", self.trial.id.process, self.sensor.name)
    }
}

/// Every sensor during every measured trial.
fn spans<'a>(evidence: &Evidence<'a>, measured: Option<&Measured>) -> Vec<SensorSpan<'a>> {
    let Some(environment) = evidence.environment.filter(|_| measured.is_some()) else {
        return Vec::new();
    };
    let mut spans = Vec::new();
    for trial in evidence.trials {
        let of_trial =
            |reading: &&Reading| (reading.build, reading.process) == (trial.id.build, trial.id.process);
        let Some(before) = environment.before.iter().find(of_trial) else { continue };
        let Some(after) = environment.after.iter().find(of_trial) else { continue };
        let samples = environment.samples.iter().filter(of_trial);
        let later: Vec<&Reading> = samples.chain([after]).collect();
        for (index, sensor) in environment.sensors.iter().enumerate() {
            let value = |reading: &Reading| reading.values.get(index).copied().flatten();
            let later = later.iter().map(|reading| value(reading)).collect();
            spans.push(SensorSpan { trial, sensor, before: value(before), later });
        }
    }
    spans
}

fn listed(details: Vec<String>) -> Option<String> {
    /// More than these add nothing new.
    const SHOWN: usize = 5;
    let more = details.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = details.into_iter().take(SHOWN).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    (!shown.is_empty()).then(|| shown.join("; "))
}

pub(super) fn environment_unobserved(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let spans = spans(evidence, measured);
    let is_observed = |quantity: Quantity, trial: &Trial| {
        let of_trial = spans.iter().filter(|span| {
            (span.trial.id.build, span.trial.id.process) == (trial.id.build, trial.id.process)
                && span.sensor.quantity == quantity
        });
        of_trial
            .into_iter()
            .any(|span| span.before.is_some() && span.later.last().is_some_and(Option::is_some))
    };
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(quantity, _)| !evidence.trials.iter().all(|trial| is_observed(*quantity, trial)))
        .map(|(_, words)| *words)
        .collect();
    let of_host = (!missing.is_empty()).then(|| format!("{} were not observed", missing.join(" and ")));
    listed(of_host.into_iter().chain(graphics_unobserved(evidence, &spans)).collect())
}

/// What was not observed of the graphics card that the job asks for.
fn graphics_unobserved(evidence: &Evidence, spans: &[SensorSpan<'_>]) -> Option<String> {
    let graphics = evidence.environment?.graphics.as_ref()?;
    let of_card = |quantity: Quantity, trial: &Trial, is_told: &dyn Fn(&SensorSpan<'_>) -> bool| {
        let mut spans = spans.iter().filter(|span| span.trial.id == trial.id && span.sensor.is_of_card());
        spans.any(|span| span.sensor.quantity == quantity && is_told(span))
    };
    let both_ends =
        |span: &SensorSpan<'_>| span.before.is_some() && span.later.last().is_some_and(Option::is_some);
    // A card that is idle is not throttled: a state counts if it was read during the runs.
    let within = |span: &SensorSpan<'_>| span.later.iter().rev().skip(1).any(Option::is_some);
    let clock = |trial: &Trial| of_card(Quantity::GpuFrequency, trial, &both_ends);
    let throttling = |trial: &Trial| {
        of_card(Quantity::ThrottleTime, trial, &both_ends) || of_card(Quantity::CoolingState, trial, &within)
    };
    let missing: Vec<&str> = [
        (!evidence.trials.iter().all(clock)).then_some("clock"),
        (!evidence.trials.iter().all(throttling)).then_some("throttling"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let why = graphics.detail.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    (!missing.is_empty()).then(|| format!("not observed of the graphics card: {}{why}", missing.join(", ")))
}

pub(super) fn not_cooled(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let gave_up = evidence.environment?.cooling.iter().filter(|cooling| cooling.ended == CoolingEnd::GaveUp);
    let of_cooling = gave_up.filter_map(|cooling| {
        Some(format!(
            "process {}: the job asks for less than {} °C, and it was still at {:.1} °C after {:.0} s",
            cooling.process, cooling.below_celsius, cooling.hottest_celsius?, cooling.waited_seconds
        ))
    });
    listed(of_cooling.collect())
}

pub(super) fn cooling_unobserved(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let is_unobserved = |cooling: &&Cooling| match cooling.ended {
        CoolingEnd::Cool => false,
        CoolingEnd::GaveUp => cooling.hottest_celsius.is_none(),
        CoolingEnd::Unobservable => true,
    };
    let of_cooling = evidence.environment?.cooling.iter().filter(is_unobserved).map(|cooling| {
        let asked =
            format!("process {}: the job asks for less than {} °C", cooling.process, cooling.below_celsius);
        match cooling.unobservable_zones.is_empty() {
            true => format!("{asked}, and no thermal zone can be read"),
            false => format!("{asked}, and {} cannot be read", cooling.unobservable_zones.join(", ")),
        }
    });
    listed(of_cooling.collect())
}

pub(super) fn throttled(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let details = spans(evidence, measured).into_iter().filter_map(|span| {
        let values = span.later.iter().flatten().copied();
        match span.sensor.quantity {
            Quantity::ThrottleCount => {
                let (before, after) = (span.before?, values.last()?);
                (after != before).then(|| format!("{}: throttled {} times", span.which(), after - before))
            }
            Quantity::CoolingState => {
                let state = span.before.into_iter().chain(values).fold(0.0, f64::max);
                (state > 0.0).then(|| match span.sensor.is_of_card() {
                    true => format!("{}: the card reports it", span.which()),
                    false => format!("{}: cooling state {state}", span.which()),
                })
            }
            Quantity::ThrottleTime => {
                let seconds = values.last()? - span.before?;
                (seconds > 0.0).then(|| format!("{}: for {seconds:.3} s", span.which()))
            }
            _ => None,
        }
    });
    listed(details.collect())
}

pub(super) fn frequency_drift(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let chosen = evidence.environment.and_then(cpus_of_worker);
    // Before and after a program that times itself, nothing runs: an idle host may lower its clocks.
    let is_around =
        evidence.environment.is_some_and(|environment| environment.observation == Observation::Around);
    let details = spans(evidence, measured).into_iter().filter_map(|span| {
        let counts = match span.sensor.quantity {
            Quantity::CpuFrequency => chosen.as_ref().is_none_or(|names| names.contains(&span.sensor.name)),
            Quantity::GpuFrequency | Quantity::MemoryFrequency => true,
            _ => false,
        };
        if !counts {
            return None;
        }
        let within = &span.later[..span.later.len().saturating_sub(1)];
        let values: Vec<f64> = if is_around {
            within.iter().flatten().copied().collect()
        } else {
            Some(span.before?).into_iter().chain(span.later.iter().flatten().copied()).collect()
        };
        let (before, later) = values.split_first()?;
        let change = |value: &f64| super::relative(*value - before, *before);
        let furthest = later.iter().max_by(|one, other| change(one).abs().total_cmp(&change(other).abs()))?;
        (change(furthest).abs() > FREQUENCY_DRIFT).then(|| {
            format!("{}: {:.0} MHz before, {:.0} MHz later", span.which(), before / 1e6, furthest / 1e6)
        })
    });
    listed(details.collect())
}

/// The processors of a worker that is restricted to some; the others do not matter.
fn cpus_of_worker(environment: &Environment) -> Option<Vec<String>> {
    let placement = environment.placement.as_ref()?;
    let cpus = placement.cpus.as_ref().filter(|_| !placement.cpus_asked.is_empty())?;
    Some(cpus.iter().map(|cpu| format!("cpu{cpu}")).collect())
}

pub(super) fn trip_point_reached(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let details = spans(evidence, measured).into_iter().filter_map(|span| {
        let trip = span.sensor.trip_celsius?;
        let hottest =
            span.before.into_iter().chain(span.later.iter().flatten().copied()).max_by(f64::total_cmp)?;
        (hottest >= trip)
            .then(|| format!("{}: {hottest:.1} °C, and the kernel throttles from {trip:.1} °C", span.which()))
    });
    listed(details.collect())
}

pub(super) fn sensor_lost(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let lost = |span: &SensorSpan<'_>| span.before.is_some() && span.later.iter().any(Option::is_none);
    listed(spans(evidence, measured).iter().filter(|span| lost(span)).map(SensorSpan::which).collect())
}

pub(super) fn background_load(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let processors = f64::from(evidence.host.logical_cores?);
    let details = spans(evidence, measured).into_iter().filter_map(|span| {
        let loads = span.before.into_iter().chain(span.later.iter().flatten().copied());
        let most = loads.filter(|_| span.sensor.quantity == Quantity::LoadAverage).max_by(f64::total_cmp)?;
        (most > processors + BACKGROUND_PROCESSES)
            .then(|| format!("{}: {most:.1} runnable processes, and {processors} processors", span.which()))
    });
    listed(details.collect())
}

pub(super) fn swapping(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let details = spans(evidence, measured).into_iter().filter_map(|span| {
        let before = span.before.filter(|_| span.sensor.quantity == Quantity::SwapUsed)?;
        let most = span.later.iter().flatten().copied().max_by(f64::total_cmp)?;
        (most - before >= SWAPPED_BYTES)
            .then(|| format!("{}: {:.1} MiB more in use", span.which(), (most - before) / 1_048_576.0))
    });
    listed(details.collect())
}

/// The spans of the clocks around the timed runs of each trial.
fn clocks<'a>(evidence: &Evidence<'a>, measured: Option<&Measured>) -> impl Iterator<Item = &'a ClockSpan> {
    let environment = evidence.environment.filter(|_| measured.is_some());
    environment.into_iter().flat_map(|environment| &environment.clocks)
}

pub(super) fn suspended(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let suspended = clocks(evidence, measured).filter_map(|span| {
        let seconds = span.suspended_seconds.filter(|seconds| *seconds >= SUSPENDED_SECONDS)?;
        Some(format!("build {}, process {}: for {seconds:.1} s", span.build, span.process))
    });
    listed(suspended.collect())
}

pub(super) fn clock_stepped(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    let stepped = clocks(evidence, measured).filter_map(|span| {
        let seconds = span.stepped_seconds?;
        let slewed = CLOCK_SLEW * span.seconds;
        (seconds.abs() >= CLOCK_STEP_SECONDS + slewed)
            .then(|| format!("build {}, process {}: by {seconds:+.1} s", span.build, span.process))
    });
    listed(stepped.collect())
}

pub(super) fn placement_refused(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    listed(evidence.environment?.placement.as_ref()?.refused.clone())
}

#[cfg(test)]
pub(super) mod tests;
