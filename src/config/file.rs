//! The configuration file: read as a whole and checked in the same way as job files; all mistakes are
//! reported at once.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::ConfigError;
use super::settings::SETTINGS;
use crate::runtime::{Need, RUNTIMES};
use crate::spec::MAXIMUM_SPEC_BYTES;
use crate::spec::check;
use crate::spec::fields::Kind;
use crate::spec::mistakes::{Mistakes, quoted};
use crate::spec::raw::{self, Node, Value};

/// The contents of the configuration file, by path of the key.
#[derive(Default)]
pub(super) struct FileSettings {
    pub(super) path: PathBuf,
    pub(super) paths: BTreeMap<String, PathBuf>,
    pub(super) numbers: BTreeMap<String, i64>,
    pub(super) words: BTreeMap<String, &'static str>,
}

pub(super) fn read(named: Option<&Path>, default: &Path) -> Result<FileSettings, ConfigError> {
    let path = named.unwrap_or(default);
    let mut text = Vec::new();
    let limit = MAXIMUM_SPEC_BYTES as u64 + 1;
    match fs_err::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
            return Ok(FileSettings::default());
        }
        Err(error) => return Err(ConfigError::Read { path: path.to_path_buf(), source: error }),
        Ok(_) => {}
    }
    let of_file = |mistakes| ConfigError::Mistakes { path: path.to_path_buf(), mistakes };
    let root = match raw::parse(&text) {
        Ok(root) => root,
        // A package ships its defaults as a file with every line commented out.
        Err(mistake) if mistake.code == raw::EMPTY => return Ok(FileSettings::default()),
        Err(mistake) => return Err(of_file(vec![mistake])),
    };
    let mut mistakes = Mistakes::default();
    let mut settings = FileSettings { path: path.to_path_buf(), ..FileSettings::default() };
    let nodes = check::fields(&root, SETTINGS, &mut mistakes);
    for field in SETTINGS {
        let Some(node) = nodes.get(field.path) else { continue };
        match field.kind {
            Kind::Integer { minimum, maximum } => {
                if let Some(number) = check::integer(node, field.path, minimum, maximum, &mut mistakes) {
                    settings.numbers.insert(field.path.to_owned(), number);
                }
            }
            Kind::Choice(choices) => {
                if let Some(word) = check::choice(node, field.path, choices, &mut mistakes) {
                    settings.words.insert(field.path.to_owned(), word);
                }
            }
            Kind::RuntimeSettings => runtimes_of_file(node, &mut settings, &mut mistakes),
            _ => path_of_file(node, field.path, &mut settings, &mut mistakes),
        }
    }
    if mistakes.is_empty() { Ok(settings) } else { Err(of_file(mistakes.into_sorted())) }
}

fn runtimes_of_file(node: &Node, settings: &mut FileSettings, mistakes: &mut Mistakes) {
    let Some(entries) = check::map(node, "runtimes", mistakes) else { return };
    let names: Vec<&str> =
        RUNTIMES.iter().filter(|runtime| !runtime.needs.is_empty()).map(|runtime| runtime.name).collect();
    let found = check::keys(entries, "runtimes", &names, &[], mistakes);
    for runtime in RUNTIMES {
        let Some(node) = found.get(runtime.name) else { continue };
        let path = format!("runtimes.{}", runtime.name);
        let Some(entries) = check::map(node, &path, mistakes) else { continue };
        let names: Vec<&str> = runtime.needs.iter().map(Need::key).collect();
        for (key, node) in check::keys(entries, &path, &names, &[], mistakes) {
            path_of_file(node, &format!("{path}.{key}"), settings, mistakes);
        }
    }
}

fn path_of_file(node: &Node, setting: &str, settings: &mut FileSettings, mistakes: &mut Mistakes) {
    let hint = "write the full path, starting with `/`";
    let Value::Text(text) = &node.value else {
        return check::wrong_type(node, setting, "an absolute path", hint, mistakes);
    };
    let path = PathBuf::from(text);
    if path.is_absolute() && text.chars().all(|character| !character.is_control()) {
        settings.paths.insert(setting.to_owned(), path);
    } else {
        let message = format!("{} is not an absolute path", quoted(text));
        mistakes.add(node.position, setting, "not_absolute", message, hint);
    }
}
