//! The Markdown table of all settings, for the test that keeps documents fresh.

use std::fmt::Write as _;

use super::settings::{SETTINGS, VARIABLE_PREFIX, variable};
use crate::runtime::needs::{Origin, ProgramWork};
use crate::runtime::{Need, RUNTIMES};
use crate::spec::reference;

/// The Markdown table of all settings, with their environment variables.
pub(crate) fn reference() -> String {
    let mut text = reference::table(SETTINGS);
    for runtime in RUNTIMES {
        for need in runtime.needs {
            let (name, key) = (runtime.name, need.key());
            let (search, summary) = (search(need), summary(need));
            let _ = writeln!(text, "| `runtimes.{name}.{key}` | an absolute path | {search} | {summary} |");
        }
    }
    let _ = writeln!(
        text,
        "\nEvery key except `runtimes` has an environment variable: `{VARIABLE_PREFIX}` and the key in capitals, such as \
         `{}`. Variables for keys of runtimes leave out `runtimes`: `{}`.",
        variable("settle_seconds"),
        variable("runtimes.onnxruntime.library"),
    );
    text
}

fn summary(need: &Need) -> &'static str {
    match need {
        Need::Library { .. } => "The inference library file.",
        Need::Delegate { .. } => "The delegate's library file.",
        Need::Plugin => "The library file of a plug-in provider, for jobs with `provider: plugin`.",
        Need::Program { work: ProgramWork::Compile, .. } => "The host's program that compiles models.",
        Need::Program { work: ProgramWork::CompileAndTime, .. } => {
            "The host's program that compiles models and runs them."
        }
        Need::Worker { .. } => "The worker executable.",
    }
}

/// Where the host is searched for what no setting names; see `installation`.
fn search(need: &Need) -> String {
    match need {
        Need::Library { variables, origin, .. } => {
            let variables = variables.iter().map(|name| format!("`{name}`"));
            let own = (*origin == Origin::Installation).then(|| "the installation".to_owned());
            let places = variables.chain(own).chain(["the system's loader".to_owned()]);
            places.collect::<Vec<_>>().join(", then ")
        }
        Need::Program { .. } => "`/usr/sbin`, `/usr/bin`, `/usr/src/tensorrt/bin`, then PATH".to_owned(),
        Need::Delegate { .. } => "the system's folders for libraries, then the system's loader".to_owned(),
        Need::Plugin => "none".to_owned(),
        Need::Worker { .. } => "next to `backbone`".to_owned(),
    }
}
