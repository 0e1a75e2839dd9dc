//! The name of a host as ssh takes it.

use std::fmt;
use std::str::FromStr;

use crate::text::escaped;

/// What a name may have besides letters and digits: users, ports, addresses, and `ssh://` URLs. Nothing
/// that a shell gives a meaning to, because ssh puts the name into the commands of its configuration
/// (`ProxyCommand`, `Match exec`).
const SIGNS: &str = ".-_@:/[]%+";

/// The name of a host: an alias of ssh's configuration, `user@name`, an address, or `ssh://user@name:port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostName(String);

impl HostName {
    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As part of a file name.
    pub(super) fn reduced(&self) -> String {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        self.0.chars().map(plain).take(64).collect()
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why ssh would misread a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostNameError {
    /// Nothing.
    #[error("the name of a host is empty")]
    Empty,
    /// An option.
    #[error("`{}` is not the name of a host: ssh would take it for an option", escaped(.0))]
    Option(String),
    /// A character with a meaning elsewhere.
    #[error("`{}` is not the name of a host: it has {}", escaped(name), shown(*letter))]
    Letter {
        /// The name.
        name: String,
        /// The first such character.
        letter: char,
    },
}

fn shown(letter: char) -> String {
    if letter == ' ' { "a space".to_owned() } else { format!("the character `{}`", letter.escape_debug()) }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(name: &str) -> Result<Self, HostNameError> {
        if name.is_empty() {
            return Err(HostNameError::Empty);
        }
        // ssh also takes `@-oProxyCommand` apart.
        if name.starts_with('-') || name.contains("@-") || name.contains("/-") {
            return Err(HostNameError::Option(name.to_owned()));
        }
        match name.chars().find(|letter| !letter.is_alphanumeric() && !SIGNS.contains(*letter)) {
            Some(letter) => Err(HostNameError::Letter { name: name.to_owned(), letter }),
            None => Ok(Self(name.to_owned())),
        }
    }
}
