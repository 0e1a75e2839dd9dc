//! Exit codes: the contract with scripts and with systemd (`RestartPreventExitStatus=` in the unit names two
//! of them).

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done,
    /// Something failed that may work next time.
    Failed,
    /// A flag, a configuration, a job or a model file is wrong; trying again does not help.
    WrongInput,
    /// Measured, but a verdict is invalid, or suspect under `--strict`.
    NotValid,
    /// Another daemon has the inbox, or with `--no-wait` another measurement is running on the host.
    Busy,
    /// B is slower than A in at least one configuration.
    Slower,
    /// B failed where A was measured; under `--strict` also if anything could not be compared or decided.
    Undecided,
}

/// Every code with its meaning, for the help and `docs/OPERATING.md`.
const MEANINGS: &[(Exit, &str)] = &[
    (Exit::Done, "done"),
    (Exit::Failed, "failed"),
    (Exit::WrongInput, "the input is wrong: a flag, the configuration, a job or a model file"),
    (Exit::NotValid, "measured, but a verdict is invalid (with --strict: or suspect)"),
    (Exit::Busy, "busy: another daemon has the inbox, or --no-wait and another measurement is running"),
    (Exit::Slower, "compare: B is slower than A in at least one configuration"),
    (
        Exit::Undecided,
        "compare: B failed where A was measured (with --strict: or a configuration is ambiguous, refused or on one side only)",
    ),
];

impl Exit {
    /// The number that the process ends with.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::WrongInput => 2,
            Exit::NotValid => 3,
            Exit::Busy => 4,
            Exit::Slower => 5,
            Exit::Undecided => 6,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// The exit codes as the last lines of `backbone --help`.
pub(super) fn table() -> String {
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in MEANINGS {
        text.push_str(&format!("  {}  {meaning}\n", exit.code()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_guide_lists_every_exit_code() {
        let rows: String =
            MEANINGS.iter().map(|(exit, meaning)| format!("| {} | {meaning} |\n", exit.code())).collect();
        let table = format!("| Code | Meaning |\n|---|---|\n{rows}");
        crate::derived_docs::assert_current("docs/OPERATING.md", "exit codes", &table);
    }
}
