//! What power control does to a host: read and write small files, list folders, run its tools. The one implementation
//! outside tests is [`HostRoot`]; the trait is there so that a test can put a machine in its place that clamps, refuses, or
//! dies between any two of these.

use std::io;
use std::time::Duration;

use super::root::HostRoot;
use super::tool::{self, ToolError, ToolOutput};

/// The host as power control sees it. Paths are the host's, absolute.
pub trait Machine {
    /// The text of a file, without white space at its end.
    ///
    /// # Errors
    /// It can not be read.
    fn read(&self, path: &str) -> io::Result<String>;

    /// Write a value into a file that exists.
    ///
    /// # Errors
    /// It does not exist, or the host refuses the value.
    fn write(&self, path: &str, value: &str) -> io::Result<()>;

    /// Names in a folder, sorted; empty where there is none.
    fn names(&self, folder: &str) -> Vec<String>;

    /// Run a tool of the host to its end.
    ///
    /// # Errors
    /// It is missing, can not be started, or takes longer than `limit`.
    fn run(&self, call: &ToolCall<'_>) -> Result<ToolOutput, ToolError>;
}

/// A call of a tool.
#[derive(Debug, Clone, Copy)]
pub struct ToolCall<'a> {
    /// Its bare name.
    pub name: &'a str,
    /// Its arguments.
    pub arguments: &'a [&'a str],
    /// What it finds on its standard input.
    pub input: &'a str,
    /// How long it may take.
    pub limit: Duration,
}

impl Machine for HostRoot {
    fn read(&self, path: &str) -> io::Result<String> {
        HostRoot::read(self, path)
    }

    fn write(&self, path: &str, value: &str) -> io::Result<()> {
        HostRoot::write(self, path, value)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs_err::read_dir(self.path(folder)) else { return Vec::new() };
        let name = |entry: io::Result<fs_err::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let mut names: Vec<String> = entries.filter_map(name).collect();
        names.sort_by(|a, b| in_number_order(a, b));
        names
    }

    fn run(&self, call: &ToolCall<'_>) -> Result<ToolOutput, ToolError> {
        tool::run(self, call)
    }
}

/// `cpu2` before `cpu10`: shorter names first among those that differ in a number only.
fn in_number_order(a: &str, b: &str) -> std::cmp::Ordering {
    let stem = |name: &str| name.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
    a[..stem(a)].cmp(&b[..stem(b)]).then(a.len().cmp(&b.len())).then(a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        for name in ["cpu10", "cpu2", "cpu0", "cpufreq"] {
            fs_err::create_dir_all(root.path("/sys").join(name)).unwrap();
        }
        assert_eq!(root.names("/sys"), ["cpu0", "cpu2", "cpu10", "cpufreq"]);
        assert!(root.names("/none").is_empty());
    }

    #[test]
    fn value_is_written_into_a_file_that_is_there_and_makes_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        fs_err::write(root.path("/governor"), "powersave and more\n").unwrap();
        Machine::write(&root, "/governor", "performance").unwrap();
        assert_eq!(Machine::read(&root, "/governor").unwrap(), "performance");
        assert!(Machine::write(&root, "/other", "1").is_err());
        assert!(!root.path("/other").exists());
    }
}
