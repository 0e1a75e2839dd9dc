//! Reasons from the host's power state and its release.

use super::{Evidence, Measured};
use crate::bundle::format::{Power, PowerDifference, PowerState, Sensor};

pub(super) fn power_state_unobserved(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let is_observed = |power: &&Power| power.found.mode.is_some() || shows_clocks(&power.found);
    evidence
        .power
        .filter(is_observed)
        .is_none()
        .then(|| "neither a power mode nor a clock could be read".to_owned())
}

/// Which processors are online says nothing about their clocks, and every Linux reports it.
fn shows_clocks(state: &PowerState) -> bool {
    state.settings.keys().any(|setting| !setting.ends_with("/online"))
}

pub(super) fn power_state_not_held(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let changes = &evidence.power?.not_held;
    let first = changes.first()?;
    let when = if first.after { "after" } else { "before" };
    Some(format!(
        "{} process {}: {}",
        when,
        first.process,
        differences(changes.iter().map(|change| &change.difference))
    ))
}

pub(super) fn clocks_not_locked(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let power = evidence.power.filter(|power| power.requested.lock_clocks)?;
    if power.applied.as_ref().is_some_and(|applied| !shows_clocks(applied)) {
        return Some("the host shows no clocks that could be locked".to_owned());
    }
    if let Some(unlocked) = card_without_locks(evidence, power) {
        return Some(unlocked);
    }
    (!power.not_applied.is_empty()).then(|| differences(power.not_applied.iter()))
}

/// The clocks of a card whose driver did not answer, or that is not known, could not even be tried.
fn card_without_locks(evidence: &Evidence, power: &Power) -> Option<String> {
    let graphics = evidence.environment?.graphics.as_ref()?;
    let is_of_card = |setting: &String| setting.starts_with(Sensor::OF_CARD);
    let has_card = power.applied.as_ref().is_some_and(|applied| applied.settings.keys().any(is_of_card));
    let why = graphics.detail.as_deref().unwrap_or("its driver reported no clocks");
    (!has_card).then(|| format!("the clocks of the graphics card could not be locked: {why}"))
}

/// If the job also asks for locked clocks, `clocks_not_locked` reports the difference.
pub(super) fn power_mode_not_in_force(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let asked = |power: &&Power| power.requested.power_mode.is_some() && !power.requested.lock_clocks;
    let power = evidence.power.filter(asked)?;
    (!power.not_applied.is_empty()).then(|| differences(power.not_applied.iter()))
}

pub(super) fn unknown_release(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let host = evidence.host;
    let is_unknown = host.family.as_deref() == Some("jetson") && host.jetpack.is_none();
    is_unknown.then(|| match &host.l4t {
        Some(release) => format!("L4T {release} is not in this version's table"),
        None => "the L4T release cannot be read".to_owned(),
    })
}

/// The first difference, and how many more there are.
fn differences<'a>(mut all: impl Iterator<Item = &'a PowerDifference>) -> String {
    let Some(first) = all.next() else { return String::new() };
    let found = first.found.as_deref().unwrap_or("unreadable");
    let said = first.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    let more = match all.count() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{} is {found}, not {}{said}{more}", first.setting, first.wanted)
}
