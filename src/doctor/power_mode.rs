//! Power modes of a Jetson: what nvpmodel reports, what its configuration lists, and whether the host matches
//! the mode.

use super::Finding;
use super::subject::{Subject, ToolTrouble};
use crate::bundle::format::PowerMode;
use crate::host::jetson::nvpmodel::{self, STATUS_FILE};
use crate::host::power::hold::describe;
use crate::text::first_few;

const NONE: &str = "only Jetsons have power modes";

pub(super) fn present(subject: &Subject) -> Finding {
    if !subject.is_jetson() {
        return Finding::does_not_apply(NONE);
    }
    let said = match &subject.tool_trouble {
        Some(ToolTrouble::Hung(limit)) => {
            format!("nvpmodel did not answer within {} ms", limit.as_millis())
        }
        Some(ToolTrouble::Missing) => "nvpmodel is not installed".to_owned(),
        Some(ToolTrouble::NotStarted) => "nvpmodel cannot be run".to_owned(),
        None => match &subject.mode {
            Some(mode) => return Finding::ok(format!("the power mode is {} ({})", mode.name, mode.id)),
            None => "nvpmodel reports no mode".to_owned(),
        },
    };
    let remedy = match &subject.tool_trouble {
        Some(ToolTrouble::Missing) => "`sudo apt install nvidia-l4t-nvpmodel`",
        _ => "run `nvpmodel -q` by hand to see its message",
    };
    Finding::problem(format!("{said}, so jobs cannot set a power mode"), remedy)
}

pub(super) fn listed(subject: &Subject) -> Finding {
    if !subject.is_jetson() {
        return Finding::does_not_apply(NONE);
    }
    const REMEDY: &str =
        "`sudo apt install --reinstall nvidia-l4t-nvpmodel`, or link /etc/nvpmodel.conf to this board's file";
    match &subject.modes {
        Err(error) => Finding::problem(format!("{error}"), "`sudo chmod a+r /etc/nvpmodel.conf`"),
        Ok(modes) if modes.is_empty() => Finding::problem("/etc/nvpmodel.conf lists no power mode", REMEDY),
        Ok(modes) => match subject.mode.as_ref().filter(|mode| !modes.contains(mode)) {
            Some(mode) => Finding::problem(
                format!("the current mode {} ({}) is not in /etc/nvpmodel.conf", mode.name, mode.id),
                REMEDY,
            ),
            None => {
                let names = first_few(modes.iter().map(|mode| mode.name.as_str()));
                Finding::ok(format!("the modes are {names}"))
            }
        },
    }
}

pub(super) fn pending(subject: &Subject) -> Finding {
    if !subject.is_jetson() {
        return Finding::does_not_apply(NONE);
    }
    let asked = nvpmodel::set_last(subject.root);
    match (&subject.mode, asked) {
        (Some(mode), Some(asked)) if mode.id == asked => {
            Finding::ok(format!("the current mode {} stays after a reboot", mode.name))
        }
        (Some(mode), Some(asked)) => {
            let is_asked = |mode: &&PowerMode| mode.id == asked;
            let name = subject.modes.iter().flatten().find(is_asked).map_or("unknown", |mode| &mode.name);
            Finding::advice(
                format!("the mode is {}, but changes to {name} ({asked}) at the next boot", mode.name),
                format!("`sudo reboot`, or keep the current mode with `sudo nvpmodel -m {}`", mode.id),
            )
        }
        (None, _) => Finding::unobservable("the current mode is not known"),
        (_, None) => Finding::unobservable(format!("{STATUS_FILE} names no mode")),
    }
}

pub(super) fn values(subject: &Subject) -> Finding {
    if !subject.is_jetson() {
        return Finding::does_not_apply(NONE);
    }
    let Some(mode) = &subject.mode else {
        return Finding::unobservable("the current mode is not known");
    };
    let (compared, differences) = subject.family.power.mode_differences(subject.root, mode);
    if !differences.is_empty() {
        return Finding::problem(
            format!("the host does not match its mode {}: {}", mode.name, describe(&differences)),
            format!("`sudo nvpmodel -m {}`, or find out what changed it", mode.id),
        );
    }
    match compared {
        0 => Finding::unobservable(format!("no value of the mode {} can be read", mode.name)),
        _ => Finding::ok(format!("{compared} values of the mode {} are in force", mode.name)),
    }
}
