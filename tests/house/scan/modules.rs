//! Which file uses which: paths that begin with `crate`, `super`, `self` or a module of the file's own,
//! followed through re-exports to the file that defines what they name.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use super::paths::{expanded, is_name, path_starts, renamed};

/// How many re-exports lead from a name to its definition at most.
const LONGEST_CHAIN: usize = 8;

/// Absolute module path of each file, what it re-exports under which name, and all files that it uses.
#[derive(Debug)]
pub(crate) struct Modules<'a> {
    sources: Vec<&'a Source>,
    by_module: BTreeMap<Vec<String>, usize>,
    /// Of each file: the name under which something is re-exported, and its absolute path.
    re_exports: Vec<BTreeMap<String, Vec<String>>>,
}

impl<'a> Modules<'a> {
    /// Of all files that are no tests.
    pub(crate) fn of(sources: &'a [Source]) -> Self {
        let sources: Vec<&Source> = sources.iter().filter(|source| !source.is_test).collect();
        let by_module = sources.iter().enumerate().map(|(index, source)| (owned(source.module()), index));
        let re_exports = sources.iter().map(|source| re_exports(source)).collect();
        Modules { by_module: by_module.collect(), re_exports, sources }
    }

    /// Of each file, by its path, the paths of the files that it uses.
    pub(crate) fn uses(&self) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
        let mut found = BTreeMap::new();
        for (index, source) in self.sources.iter().enumerate() {
            let targets = absolute_paths(source).into_iter().filter_map(|path| self.file_of(path));
            let module = source.module();
            let others = targets
                .filter(|target| *target != index && !self.sources[*target].module().starts_with(&module));
            found.insert(&*source.path, others.map(|target| &*self.sources[target].path).collect());
        }
        found
    }

    /// The file that defines what an absolute path names.
    fn file_of(&self, mut path: Vec<String>) -> Option<usize> {
        for _ in 0..LONGEST_CHAIN {
            let length =
                (0..=path.len()).rev().find(|length| self.by_module.contains_key(&path[..*length]))?;
            let file = self.by_module[&path[..length]];
            match path.get(length).and_then(|name| self.re_exports[file].get(name)) {
                Some(target) => path = [&target[..], &path[length + 1..]].concat(),
                None => return Some(file),
            }
        }
        None
    }
}

/// Names of the modules that the code declares.
pub(crate) fn declared(code: &str) -> Vec<String> {
    let declarations = code.match_indices("mod ").filter(|(start, _)| !code[..*start].ends_with(is_name));
    let names = declarations.filter_map(|(start, _)| {
        let after = &code[start + "mod ".len()..];
        let name = &after[..after.find(|character| !is_name(character))?];
        after[name.len()..].trim_start().starts_with(';').then(|| name.to_owned())
    });
    names.collect()
}

/// Absolute paths (without `crate`) of all that a file names in this crate, but for what it only re-exports.
pub(crate) fn absolute_paths(source: &Source) -> BTreeSet<Vec<String>> {
    let re_exports = re_export_places(&source.code);
    let own = declared(&source.code);
    let mut found = BTreeSet::new();
    for start in path_starts(&source.code) {
        if re_exports.iter().any(|(begin, end)| (*begin..*end).contains(&start)) {
            continue;
        }
        for path in expanded(&source.code[start..]) {
            found.extend(absolute(source, &own, &path));
        }
    }
    found
}

/// What a file re-exports: the name here, and the absolute path.
fn re_exports(source: &Source) -> BTreeMap<String, Vec<String>> {
    let own = declared(&source.code);
    let mut found = BTreeMap::new();
    for (start, _) in re_export_places(&source.code) {
        for (path, name) in renamed(&source.code[start..]) {
            if let Some(path) = absolute(source, &own, &path) {
                found.insert(name, path);
            }
        }
    }
    found
}

/// Begin and end of the trees of each `pub use`, whatever its visibility.
fn re_export_places(code: &str) -> Vec<(usize, usize)> {
    let uses = code.match_indices("use ").filter(|(start, _)| {
        let before = code[..*start].rsplit(['\n', ';', '}', '{']).next().unwrap_or_default().trim_start();
        before.starts_with("pub")
    });
    uses.map(|(start, text)| {
        let start = start + text.len();
        (start, start + code[start..].find(';').unwrap_or(0))
    })
    .collect()
}

/// The path from the root of the crate; none if it leads out of the crate or to a name of the file itself.
fn absolute(source: &Source, own: &[String], path: &str) -> Option<Vec<String>> {
    let module = source.module();
    let names: Vec<&str> = path.split("::").collect();
    let (base, rest): (&[&str], &[&str]) = match names[0] {
        // The executables name the library from outside.
        "crate" | "backbone" if names.len() > 1 => (&[], &names[1..]),
        "self" if names.len() > 1 => (&module, &names[1..]),
        "super" => {
            let ups = names.iter().take_while(|name| **name == "super").count();
            (&module[..module.len().checked_sub(ups)?], &names[ups..])
        }
        first if names.len() > 1 && own.iter().any(|name| name == first) => (&module, &names),
        _ => return None,
    };
    Some(owned(base.iter().chain(rest).copied().collect()))
}

fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}
