//! A habit of the shell scripts.

use std::path::{Path, PathBuf};

use crate::scan::root;

/// Readers that end before they have read everything: with `pipefail` the writer before them, which dies of
/// it now and then, makes the whole pipe fail.
const EARLY_READERS: [&str; 4] = ["| grep -q", "| head", "| grep -m", "| sed -n 1q"];

fn scripts() -> Vec<(PathBuf, String)> {
    let mut folders: Vec<PathBuf> =
        ["tools", "packaging", "tests", ".ci"].map(|name| root().join(name)).into();
    let mut found = vec![root().join("Makefile")];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let list = if path.is_dir() { &mut folders } else { &mut found };
            list.push(path);
        }
    }
    let read = |path: PathBuf| fs_err::read_to_string(&path).ok().map(|text| (path, text));
    found.into_iter().filter_map(read).filter(|(path, text)| fails_with_its_pipes(path, text)).collect()
}

fn fails_with_its_pipes(path: &Path, text: &str) -> bool {
    let is_script = text.starts_with("#!") || path.ends_with("Makefile");
    is_script && text.lines().take(30).any(|line| line.contains("pipefail"))
}

#[test]
fn no_pipe_of_a_script_fails_because_its_reader_stopped_early() {
    let scripts = scripts();
    assert!(scripts.len() > 8, "found only {} scripts with pipefail", scripts.len());
    for (path, text) in scripts {
        for (number, line) in text.lines().enumerate() {
            let code = line.split(" # ").next().unwrap_or_default().trim_start();
            let early = EARLY_READERS.iter().find(|reader| code.contains(**reader) && !code.starts_with('#'));
            assert!(
                early.is_none(),
                "{}:{}: `{}` stops reading; use `grep … >/dev/null` or `sed -n`",
                path.display(),
                number + 1,
                early.unwrap_or(&"")
            );
        }
    }
}
