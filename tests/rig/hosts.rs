//! Fake hosts for rigs and for tests in this process: a folder filled by `tests/host/make`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every fake host.
pub(crate) fn all() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/hosts");
    let files = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_type().unwrap().is_file());
    let mut names: Vec<String> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Where the rate of the memory is: up to Orin, and on tegra210.
const MEMORY_RATES: [&str; 2] = ["clk/emc/rate", "override.emc/clk_rate"];

/// Fill a folder with the files of a fake host.
pub(crate) fn fill(folder: &Path, name: &str) {
    let make = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/make");
    let output = Command::new("bash").arg(make).arg(name).arg(folder).output().unwrap();
    assert!(output.status.success(), "{name}: {output:?}");
}

/// Make its nvpmodel faulty; the words are in `tests/host/tools/nvpmodel`.
pub(crate) fn make_faulty(folder: &Path, fault: &str) {
    fs_err::create_dir_all(folder.join("faults")).unwrap();
    fs_err::write(folder.join("faults/nvpmodel"), format!("{fault}\n")).unwrap();
}

/// Run its nvpmodel, as another user of the host would.
pub(crate) fn nvpmodel(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(folder.join("usr/sbin/nvpmodel"));
    let output = command.args(arguments).env("BACKBONE_HOST_ROOT", folder).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// What its kernel and its nvpmodel say. Not the clock of the memory, which is not ours while it is unlocked,
/// and not the clocks of processors that are off, which nvpmodel may leave at any value.
#[derive(PartialEq, Eq)]
pub(crate) struct State(BTreeMap<PathBuf, String>);

impl State {
    /// What is not as it was, a line each.
    pub(crate) fn differences(&self, before: &Self) -> Vec<String> {
        let differs = |(path, text): &(&PathBuf, &String)| before.0.get(*path) != Some(*text);
        let changed = self.0.iter().filter(differs);
        let changed =
            changed.map(|(path, text)| format!("{} was {:?}, is {text}", path.display(), before.0.get(path)));
        let gone = before.0.keys().filter(|path| !self.0.contains_key(*path));
        changed.chain(gone.map(|path| format!("{} is gone", path.display()))).collect()
    }
}

pub(crate) fn state(folder: &Path) -> State {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.join("sys"), folder.join("var/lib/nvpmodel")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs_err::read_dir(&folder) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                if !is_off(&entry.path()) {
                    folders.push(entry.path());
                }
            } else if kind.is_file() && !MEMORY_RATES.iter().any(|rate| entry.path().ends_with(rate)) {
                let text = fs_err::read_to_string(entry.path()).unwrap();
                found.insert(entry.path(), text.trim_end().to_owned());
            }
        }
    }
    State(found)
}

/// Is it the folder of a cpufreq policy whose processors are all off?
fn is_off(folder: &Path) -> bool {
    let Ok(related) = fs_err::read_to_string(folder.join("related_cpus")) else { return false };
    related.split_whitespace().all(|number| {
        let online = folder.join(format!("../../cpu{number}/online"));
        fs_err::read_to_string(online).is_ok_and(|online| online.trim() == "0")
    })
}
