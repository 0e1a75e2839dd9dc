//! Why the daemon cannot start.

use std::io;

use crate::error::Hint;
use crate::spool::OpenError;
use crate::worker::sandbox;

/// The daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The spool.
    #[error(transparent)]
    Spool(#[from] OpenError),
    /// The configuration requires what this kernel lacks.
    #[error("the configuration requires the sandbox of workers, and this host cannot confine them: {0}")]
    Sandbox(String),
    /// Descriptors, signals, own executable, state folder.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// For an error of the system while trying `what`.
    pub(super) fn system(what: &str) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_owned();
        move |source| Self::System { what, source }
    }
}

impl Hint for StartError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Spool(error) => error.hint(),
            Self::Sandbox(_) => Some(sandbox::REQUIRED_HINT.to_owned()),
            Self::System { .. } => None,
        }
    }
}
