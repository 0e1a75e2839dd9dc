//! The next steps from the host's present power state to the wanted one. No I/O, no clock.
//!
//! Settings depend on each other, so they are set in stages, and the host is read again after each: a power
//! mode decides which processors are online and the range of their limits; processors and turbo decide which
//! other settings exist; a governor decides which preferences can be written. Of a pair of limits the one
//! that makes room is written first, because the kernel refuses or clamps a lower limit above the upper one.

use std::collections::BTreeSet;

use crate::bundle::format::{PowerDifference, PowerMode, PowerState};

/// The name of the mode in [`PowerDifference::setting`].
pub(crate) const MODE: &str = "power mode";

/// One change of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Set a mode.
    Mode(PowerMode),
    /// Write a setting.
    Write {
        /// Its file.
        setting: String,
        /// The value.
        value: String,
    },
}

/// A stage: settings to set once those of earlier stages are as wanted or have been tried.
type Stage = fn(&str) -> bool;

const STAGES: &[Stage] = &[
    // Without persistence mode a driver forgets the locks of a card that no process uses.
    |setting| setting.ends_with("/online") || is_turbo(setting) || setting.ends_with("/persistence_mode"),
    // Switches that make a clock ignore its limits.
    |setting| {
        ["/railgate_enable", "/mrq_rate_locked", "/clk_state"].iter().any(|name| setting.ends_with(name))
    },
    |setting| setting.ends_with("governor"),
    |_| true,
];

fn is_turbo(setting: &str) -> bool {
    setting.ends_with("/no_turbo") || setting.ends_with("/cpufreq/boost")
}

/// The steps of the next stage that has any; empty if everything is as wanted or has been tried. Settings
/// that the host does not have at present are skipped.
pub(crate) fn next(present: &PowerState, wanted: &PowerState, tried: &BTreeSet<Step>) -> Vec<Step> {
    if let Some(mode) = wanted.mode.as_ref().filter(|mode| present.mode.as_ref() != Some(*mode)) {
        let step = Step::Mode(mode.clone());
        if !tried.contains(&step) {
            return vec![step];
        }
    }
    for stage in STAGES {
        let mut steps: Vec<Step> = Vec::new();
        for (setting, value) in wanted.settings.iter().filter(|(setting, _)| stage(setting)) {
            let step = Step::Write { setting: setting.clone(), value: value.clone() };
            if present.settings.get(setting).is_some_and(|now| now != value) && !tried.contains(&step) {
                steps.push(step);
            }
        }
        if !steps.is_empty() {
            steps.sort_by_key(|step| place(step, present));
            return steps;
        }
    }
    Vec::new()
}

/// The place of a step in its stage.
fn place(step: &Step, present: &PowerState) -> (u8, String) {
    let Step::Write { setting, value } = step else { return (0, String::new()) };
    let makes_room = upper_of(setting).is_some_and(|upper| {
        let upper = present.settings.get(&upper).and_then(|upper| upper.parse::<u64>().ok());
        // A lower limit that fits below the present upper one goes first, so that the upper one can be
        // lowered to it.
        upper.zip(value.parse().ok()).is_some_and(|(upper, lower): (u64, u64)| lower <= upper)
    });
    let place = match (upper_of(setting).is_some(), makes_room) {
        (true, true) => 0,
        (false, _) => 1,
        (true, false) => 2,
    };
    (place, setting.clone())
}

/// The upper limit that belongs to a lower one.
pub(crate) fn upper_of(setting: &str) -> Option<String> {
    let (folder, name) = setting.rsplit_once('/')?;
    match name {
        "scaling_min_freq" => Some(format!("{folder}/scaling_max_freq")),
        "min_freq" => Some(format!("{folder}/max_freq")),
        _ => None,
    }
}

/// Where the present state differs from the wanted one.
pub(crate) fn differences(present: &PowerState, wanted: &PowerState) -> Vec<PowerDifference> {
    let text = |mode: &PowerMode| format!("{} ({})", mode.name, mode.id);
    let mode = wanted.mode.as_ref().filter(|mode| present.mode.as_ref() != Some(*mode));
    let mode = mode.map(|mode| PowerDifference {
        setting: MODE.to_owned(),
        wanted: text(mode),
        found: present.mode.as_ref().map(text),
        error: None,
    });
    let settings =
        wanted.settings.iter().filter(|(setting, value)| present.settings.get(*setting) != Some(value));
    let settings = settings.map(|(setting, value)| PowerDifference {
        setting: setting.clone(),
        wanted: value.clone(),
        found: present.settings.get(setting).cloned(),
        error: None,
    });
    mode.into_iter().chain(settings).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state(mode: Option<(u32, &str)>, settings: &[(&str, &str)]) -> PowerState {
        PowerState {
            mode: mode.map(|(id, name)| PowerMode { id, name: name.to_owned() }),
            settings: settings
                .iter()
                .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    fn shown(steps: &[Step]) -> Vec<String> {
        steps
            .iter()
            .map(|step| match step {
                Step::Mode(mode) => mode.name.clone(),
                Step::Write { setting, value } => {
                    format!("{} {value}", setting.rsplit('/').next().unwrap_or_default())
                }
            })
            .collect()
    }

    const MIN: &str = "/p/scaling_min_freq";
    const MAX: &str = "/p/scaling_max_freq";

    #[test]
    fn state_as_it_is_needs_no_step() {
        let state = state(Some((3, "MODE_30W_ALL")), &[(MIN, "1"), ("/cpu1/online", "0")]);
        assert!(next(&state, &state, &BTreeSet::new()).is_empty());
        assert!(differences(&state, &state).is_empty());
    }

    #[test]
    fn mode_comes_before_processors_and_processors_before_limits() {
        let present = state(Some((2, "MODE_15W")), &[(MIN, "1"), ("/cpu1/online", "0")]);
        let wanted = state(Some((0, "MAXN")), &[(MIN, "2"), ("/cpu1/online", "1"), ("/gone", "1")]);
        let mut tried = BTreeSet::new();
        let mut order = Vec::new();
        loop {
            let steps = next(&present, &wanted, &tried);
            if steps.is_empty() {
                break;
            }
            order.push(shown(&steps));
            tried.extend(steps);
        }
        assert_eq!(order, [vec!["MAXN"], vec!["online 1"], vec!["scaling_min_freq 2"]]);
    }

    proptest! {
        #[test]
        fn lower_limit_is_never_above_the_upper_one(now in (0_u64..9, 0_u64..9), then in (0_u64..9, 0_u64..9)) {
            let pair = |(a, b): (u64, u64)| {
                let (low, high) = (a.min(b).to_string(), a.max(b).to_string());
                state(None, &[(MIN, &low), (MAX, &high)])
            };
            let (mut present, wanted) = (pair(now), pair(then));
            for step in next(&present, &wanted, &BTreeSet::new()) {
                let Step::Write { setting, value } = step else { panic!("no mode was asked for") };
                present.settings.insert(setting, value);
                let number = |setting| present.settings[setting].parse::<u64>().unwrap();
                prop_assert!(number(MIN) <= number(MAX));
            }
            prop_assert_eq!(present, wanted);
        }
    }
}
