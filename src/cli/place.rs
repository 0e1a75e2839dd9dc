//! The daemon that a command talks to: the flags that name its folders, and the resulting configuration.

use std::path::PathBuf;

use clap::Args;

use super::failure::Explain as _;
use super::{Exit, failure::Advise as _};
use crate::config::{Config, Overrides, Provenance};

/// The daemon that a command talks to. Settings that are left out come from the environment, then the
/// configuration file, then the built-in defaults.
#[derive(Debug, Clone, Default, Args)]
pub struct DaemonPlace {
    /// Configuration file [default: /etc/backbone/config.yaml where it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder where people drop job and model files
    #[arg(long, value_name = "FOLDER")]
    pub inbox: Option<PathBuf>,
    /// Folder for the daemon's small state
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<PathBuf>,
}

impl DaemonPlace {
    /// The settings in force, and where each came from.
    ///
    /// # Errors
    /// The configuration cannot be read, or has mistakes.
    pub(super) fn load(
        self,
        outbox: Option<PathBuf>,
        host_root: Option<PathBuf>,
    ) -> anyhow::Result<(Config, Vec<Provenance>)> {
        let flags = Overrides { inbox: self.inbox, outbox, spool: None, state: self.state, host_root };
        let environment = |name: &str| std::env::var_os(name);
        Config::load(flags, &environment, self.config.as_deref()).explain().exit(Exit::WrongInput)
    }
}

#[cfg(test)]
mod tests {
    use super::super::failure;
    use super::*;

    #[test]
    fn operators_guide_lists_every_setting() {
        crate::derived_docs::assert_current(
            "docs/OPERATING.md",
            "settings",
            &crate::config::reference::reference(),
        );
    }

    #[test]
    fn shipped_configuration_is_understood_as_it_is_and_with_every_line_turned_on() {
        let shipped = include_str!("../../systemd/config.yaml").replace("@LIBRARIES@", "/usr/lib/backbone");
        // Lines of prose have words before any colon; settings are `# key: value`.
        let is_setting = |line: &str| {
            line.strip_prefix("# ").is_some_and(|rest| {
                rest.split_once(": ").is_some_and(|(key, _)| {
                    key.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
                })
            })
        };
        let turned_on: String = shipped
            .lines()
            .map(|line| if is_setting(line) { format!("{}\n", &line[2..]) } else { format!("{line}\n") })
            .collect();
        assert_ne!(turned_on, shipped);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let mut settings = Vec::new();
        for text in [&shipped, &turned_on] {
            fs_err::write(&file, text).unwrap();
            let (config, _) = Config::load(Overrides::default(), &|_| None, Some(&file)).unwrap();
            settings.push(config);
        }
        // What is commented out are the defaults, so that turning a line on changes nothing.
        assert_eq!(settings[0], settings[1]);
    }

    #[test]
    fn wrong_settings_end_with_the_code_for_wrong_input_and_a_hint() {
        let place = DaemonPlace { config: Some("/nowhere/config.yaml".into()), ..DaemonPlace::default() };
        let error = place.load(None, None).unwrap_err();
        insta::assert_snapshot!(failure::render(&error), @"
        error: cannot read the configuration file /nowhere/config.yaml
          caused by: failed to open file `/nowhere/config.yaml`: No such file or directory (os error 2)
        hint: create it, or leave out the flag to use /etc/backbone/config.yaml if it exists
        ");
        assert_eq!(failure::exit_of(&error), Exit::WrongInput);
    }
}
