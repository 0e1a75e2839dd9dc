//! Errors as people read them: once, with their chain and their advice.
//!
//! ```text
//! error: cannot read the job `smoke`
//!   caused by: smoke.yaml: permission denied
//! hint: chmod g+r smoke.yaml
//! ```
//!
//! Module errors are `thiserror` types that implement [`Hint`]; [`Explain::explain`] carries them into
//! `anyhow` without losing the advice. A command adds advice of its own with [`Advise::advise`] and an exit
//! code with [`Advise::exit`].

use std::error::Error;
use std::fmt;
use std::io::Write as _;

use super::Exit;
use crate::error::Hint;

/// An error with what the command line adds to it.
#[derive(Debug)]
pub(crate) struct Advised {
    error: anyhow::Error,
    hint: Option<String>,
    exit: Option<Exit>,
}

impl fmt::Display for Advised {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, formatter)
    }
}

impl Error for Advised {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Not the error itself: its text is this one's text, and the chain is printed once.
        self.error.chain().nth(1)
    }
}

/// Carries an error that has a hint into `anyhow`.
pub(crate) trait Explain<T> {
    /// Keep the error's chain and its hint.
    ///
    /// # Errors
    /// The same error.
    fn explain(self) -> anyhow::Result<T>;
}

impl<T, E: Hint + Error + Send + Sync + 'static> Explain<T> for Result<T, E> {
    fn explain(self) -> anyhow::Result<T> {
        self.map_err(|error| {
            let hint = error.hint();
            Advised { error: error.into(), hint, exit: None }.into()
        })
    }
}

/// Adds what only the command knows.
pub(crate) trait Advise<T> {
    /// What to do next, lower case, no full stop.
    ///
    /// # Errors
    /// The same error.
    fn advise(self, hint: impl Into<String>) -> anyhow::Result<T>;

    /// The exit code, instead of [`Exit::Failed`].
    ///
    /// # Errors
    /// The same error.
    fn exit(self, exit: Exit) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Advise<T> for Result<T, E> {
    fn advise(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| Advised { error: error.into(), hint: Some(hint.into()), exit: None }.into())
    }

    fn exit(self, exit: Exit) -> anyhow::Result<T> {
        self.map_err(|error| Advised { error: error.into(), hint: None, exit: Some(exit) }.into())
    }
}

/// Print `error` to standard error, and return the exit code.
pub(super) fn report(error: &anyhow::Error) -> Exit {
    // If standard error is closed, there is no place to report it.
    let _ = std::io::stderr().lock().write_all(render(error).as_bytes());
    exit_of(error)
}

/// The exit code for `error`.
pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    additions(error).find_map(|advised| advised.exit).unwrap_or(Exit::Failed)
}

/// The text of [`report`].
pub(crate) fn render(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  caused by: {cause}\n"));
    }
    let mut hints: Vec<&str> = Vec::new();
    for hint in additions(error).filter_map(|advised| advised.hint.as_deref()) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    for hint in hints {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text
}

/// Everything added on the error's way up, outermost first.
fn additions(error: &anyhow::Error) -> impl Iterator<Item = &Advised> {
    let mut found = Vec::new();
    let mut waiting = vec![error];
    while let Some(error) = waiting.pop() {
        for link in error.chain() {
            if let Some(advised) = link.downcast_ref::<Advised>() {
                found.push(advised);
                waiting.push(&advised.error);
                // The rest of this chain is the rest of the wrapped error's chain.
                break;
            }
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("power mode `{0}` is not offered by this host")]
    struct NoSuchMode(&'static str, #[source] std::io::Error);

    impl Hint for NoSuchMode {
        fn hint(&self) -> Option<String> {
            Some("remove `host.power_mode` to keep the current mode".to_owned())
        }
    }

    fn failing() -> Result<(), NoSuchMode> {
        Err(NoSuchMode("FAST", std::io::Error::other("the list has `SLOW`")))
    }

    #[test]
    fn a_chain_is_printed_once_and_ends_in_the_hints_of_all_its_links() {
        let error = failing()
            .explain()
            .context("job `smoke` cannot start")
            .advise("run `backbone check` first")
            .unwrap_err();
        insta::assert_snapshot!(render(&error), @"
        error: job `smoke` cannot start
          caused by: power mode `FAST` is not offered by this host
          caused by: the list has `SLOW`
        hint: run `backbone check` first
        hint: remove `host.power_mode` to keep the current mode
        ");
    }

    #[test]
    fn the_outermost_exit_code_wins_and_failed_is_the_default() {
        assert_eq!(exit_of(&failing().explain().unwrap_err()), Exit::Failed);
        let inner = failing().explain().exit(Exit::WrongInput);
        assert_eq!(exit_of(&inner.context("outer").unwrap_err()), Exit::WrongInput);
        let inner = failing().exit(Exit::WrongInput).exit(Exit::Busy);
        assert_eq!(exit_of(&inner.unwrap_err()), Exit::Busy);
    }
}
