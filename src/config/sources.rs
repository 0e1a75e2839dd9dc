//! Finds the value of a setting: checks flags, environment, file and defaults in turn, and records the
//! source.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::file::FileSettings;
use super::settings::{choices, default_path, limits, variable};
use super::{ConfigError, Provenance, Source};
use crate::runtime::{Provided, RUNTIMES};
use crate::spec::check;
use crate::spec::mistakes::quoted;
use crate::text::quoted_list;

/// Checks flags, environment, file and defaults in turn, and records the source.
pub(super) struct Sources<'a> {
    pub(super) environment: &'a dyn Fn(&str) -> Option<OsString>,
    pub(super) file: FileSettings,
    pub(super) provenance: Vec<Provenance>,
}

impl Sources<'_> {
    pub(super) fn path(
        &mut self,
        setting: &'static str,
        flag: Option<PathBuf>,
        derived: Option<PathBuf>,
    ) -> Result<PathBuf, ConfigError> {
        let flag = flag.map(|path| (path, Source::Flag(format!("--{}", setting.replace('_', "-")))));
        let found = match flag.or_else(|| self.path_said(setting)) {
            Some((path, source)) => (absolute(setting, path, &source)?, source),
            None => (derived.unwrap_or_else(|| default_path(setting)), Source::Default),
        };
        Ok(self.noted(setting, found))
    }

    /// A setting without which there is nothing.
    pub(super) fn optional_path(&mut self, setting: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        let Some((path, source)) = self.path_said(setting) else {
            let value = "none".to_owned();
            self.provenance.push(Provenance { setting: setting.to_owned(), value, source: Source::Default });
            return Ok(None);
        };
        let path = absolute(setting, path, &source)?;
        Ok(Some(self.noted(setting, (path, source))))
    }

    /// The value from the environment or the file.
    fn path_said(&self, setting: &str) -> Option<(PathBuf, Source)> {
        let from_environment = self.variable(&variable(setting));
        from_environment.map(|(value, source)| (PathBuf::from(value), source)).or_else(|| {
            let path = self.file.paths.get(setting)?;
            Some((path.clone(), Source::File(self.file.path.clone())))
        })
    }

    fn variable(&self, name: &str) -> Option<(OsString, Source)> {
        let value = (self.environment)(name).filter(|value| !value.is_empty())?;
        Some((value, Source::Environment(name.to_owned())))
    }

    fn noted(&mut self, setting: &str, (path, source): (PathBuf, Source)) -> PathBuf {
        let value = path.display().to_string();
        self.provenance.push(Provenance { setting: setting.to_owned(), value, source });
        path
    }

    pub(super) fn number(&mut self, setting: &'static str) -> Result<u32, ConfigError> {
        let (minimum, maximum, fallback) = limits(setting);
        let (number, source) = if let Some((value, source)) = self.variable(&variable(setting)) {
            let number = value.to_str().and_then(|text| text.trim().parse::<i64>().ok());
            match number.filter(|number| (minimum..=maximum).contains(number)) {
                Some(number) => (number, source),
                None => {
                    let expected = format!("a whole number, {}", check::range(minimum, maximum));
                    return Err(refused(setting, &value, &source, expected));
                }
            }
        } else if let Some(&number) = self.file.numbers.get(setting) {
            (number, Source::File(self.file.path.clone()))
        } else {
            (fallback, Source::Default)
        };
        let value = number.to_string();
        self.provenance.push(Provenance { setting: setting.to_owned(), value, source });
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    }

    pub(super) fn word(&mut self, setting: &'static str) -> Result<&'static str, ConfigError> {
        let (words, fallback) = choices(setting);
        let (word, source) = if let Some((value, source)) = self.variable(&variable(setting)) {
            match words.iter().find(|&&word| value.to_str().is_some_and(|text| text.trim() == word)) {
                Some(word) => (*word, source),
                None => {
                    return Err(refused(setting, &value, &source, format!("one of {}", quoted_list(words))));
                }
            }
        } else if let Some(word) = self.file.words.get(setting) {
            (*word, Source::File(self.file.path.clone()))
        } else {
            (fallback, Source::Default)
        };
        self.provenance.push(Provenance { setting: setting.to_owned(), value: word.to_owned(), source });
        Ok(word)
    }

    /// Settings of every runtime for which something is set.
    pub(super) fn runtimes(&mut self) -> Result<BTreeMap<String, Provided>, ConfigError> {
        let mut found = BTreeMap::new();
        for runtime in RUNTIMES {
            let mut named = Provided::default();
            for need in runtime.needs {
                let setting = format!("runtimes.{}.{}", runtime.name, need.key());
                let set = self.path_said(&setting).or_else(|| {
                    let mut usual = need.variables().iter();
                    usual.find_map(|name| self.variable(name)).map(|(value, source)| (value.into(), source))
                });
                let Some((path, source)) = set else { continue };
                let path = absolute(&setting, path, &source)?;
                named.set(need.kind(), self.noted(&setting, (path, source)));
            }
            if !named.is_empty() {
                found.insert(runtime.name.to_owned(), named);
            }
        }
        Ok(found)
    }
}

fn absolute(setting: &str, path: PathBuf, source: &Source) -> Result<PathBuf, ConfigError> {
    std::path::absolute(&path).map_err(|_| refused(setting, path.as_os_str(), source, "a path".to_owned()))
}

fn refused(setting: &str, value: &OsStr, source: &Source, expected: String) -> ConfigError {
    let value = quoted(&value.to_string_lossy());
    ConfigError::Value { origin: source.to_string(), setting: setting.to_owned(), value, expected }
}
