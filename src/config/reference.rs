//! The Markdown table of all settings, for the test that keeps documents fresh.

use std::fmt::Write as _;

use super::settings::{DELEGATE, LIBRARY, PLUGIN, PROGRAM, SETTINGS, VARIABLE_PREFIX, keys_of, variable};
use crate::runtime::{RUNTIMES, Runtime};
use crate::spec::{check, reference};

/// The Markdown table of all settings, with their environment variables.
pub(crate) fn reference() -> String {
    let mut text = reference::table(SETTINGS);
    for runtime in RUNTIMES {
        for (key, summary) in keys_of(runtime) {
            let usual = match key {
                LIBRARY if !runtime.library_variables.is_empty() => {
                    format!("what {} names, else the runtime's own search", variables(runtime))
                }
                LIBRARY => "the runtime's own search".to_owned(),
                PROGRAM => "`/usr/sbin`, `/usr/bin`, `/usr/src/tensorrt/bin`, then PATH".to_owned(),
                DELEGATE => "the system's folders for libraries, then the loader's own search".to_owned(),
                PLUGIN => "none".to_owned(),
                _ => "beside `backbone`".to_owned(),
            };
            let _ = writeln!(
                text,
                "| `runtimes.{}.{key}` | an absolute path | {usual} | {summary} |",
                runtime.name
            );
        }
    }
    let _ = writeln!(
        text,
        "\nEvery key but `runtimes` has an environment variable: `{VARIABLE_PREFIX}` and the key in capitals, such as \
         `{}`. Keys of runtimes leave out `runtimes`: `{}`.",
        variable("settle_seconds"),
        variable("runtimes.onnxruntime.library"),
    );
    text
}

fn variables(runtime: &Runtime) -> String {
    check::listed(runtime.library_variables)
}
