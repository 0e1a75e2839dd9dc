//! The sources as the guards see them: without comments, literals and tests. A scan of text, not a parser: it
//! knows as much of the language as the project's own style uses.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub(crate) mod functions;
pub(crate) mod modules;
pub(crate) mod paths;
pub(crate) mod strip;

#[cfg(test)]
mod tests;

/// One source file.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Path from the root of the repository.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// Without comments, literals and test items; line breaks stay.
    pub(crate) code: String,
    /// The whole file is for tests.
    pub(crate) is_test: bool,
    /// Modules that it declares for tests only.
    test_modules: Vec<String>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, removed) = strip::without_tests(&strip::without_literals(text));
        let is_test = path.ends_with("/tests.rs")
            || path.ends_with("_tests.rs")
            || path.contains("/tests/")
            || code.contains("#![cfg(test)]");
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            is_test: false,
            test_modules: modules::declared(&removed),
        };
        if is_test { source.for_tests() } else { source }
    }

    fn for_tests(mut self) -> Self {
        self.is_test = true;
        self.code.clear();
        self
    }

    /// Its module: `["spool", "plan"]` for `src/spool/plan.rs`, and `["spool"]` for `src/spool/mod.rs`.
    pub(crate) fn module(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut parts: Vec<&str> = path.split('/').collect();
        if parts.last().is_some_and(|last| *last == "mod") || parts == ["lib"] {
            parts.pop();
        }
        parts
    }

    /// The folder or file of `src/` that it belongs to: `spool`, `units`, `lib`.
    pub(crate) fn room(&self) -> &str {
        let path = self.path.trim_start_matches("src/");
        path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
    }
}

/// Every source file of the library and the executables, sorted by path.
pub(crate) fn every_source() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(read_sources)
}

fn read_sources() -> Vec<Source> {
    let mut sources: Vec<Source> = files("src", "rs")
        .into_iter()
        .map(|path| Source::new(&path, &fs_err::read_to_string(root().join(&path)).unwrap()))
        .collect();
    let test_modules: BTreeSet<Vec<String>> = sources
        .iter()
        .flat_map(|source| {
            let parent: Vec<String> = source.module().into_iter().map(str::to_owned).collect();
            source.test_modules.iter().map(move |name| [&parent[..], std::slice::from_ref(name)].concat())
        })
        .collect();
    for source in &mut sources {
        let module = source.module();
        let belongs_to = |module: &[String]| test_modules.contains(module);
        let module: Vec<String> = module.into_iter().map(str::to_owned).collect();
        if (1..=module.len()).any(|length| belongs_to(&module[..length])) {
            *source = source.clone().for_tests();
        }
    }
    sources
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Paths from the root of all files with this extension in a folder and its folders, sorted.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<String> {
    let mut folders: Vec<PathBuf> = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|its| its == extension) {
                found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
