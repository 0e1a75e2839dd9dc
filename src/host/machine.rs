//! What power control does with a host: read and write small files, list folders, run tools. The only
//! implementation outside tests is [`HostRoot`]. The trait lets a test use a machine that clamps or refuses
//! values, or dies between any two calls.

use std::collections::BTreeMap;
use std::io;

use super::root::HostRoot;
use super::tool::{self, ToolCall, ToolError, ToolOutput};

/// The host as power control sees it. Paths are absolute paths on the host.
pub trait Machine {
    /// The text of a file, without white space at its end.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self, path: &str) -> io::Result<String>;

    /// Write a value into a file that exists.
    ///
    /// # Errors
    /// It does not exist, or the host refuses the value.
    fn write(&self, path: &str, value: &str) -> io::Result<()>;

    /// Names in a folder, sorted; empty if it does not exist.
    fn names(&self, folder: &str) -> Vec<String>;

    /// Settings of the clocks of graphics cards that may be changed now; none where they are left alone.
    fn cards(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Run a tool of the host to its end.
    ///
    /// # Errors
    /// It is missing, cannot be started, or takes longer than its limit.
    fn run(&self, call: &ToolCall<'_>) -> Result<ToolOutput, ToolError>;
}

impl Machine for HostRoot {
    fn read(&self, path: &str) -> io::Result<String> {
        HostRoot::read(self, path)
    }

    fn write(&self, path: &str, value: &str) -> io::Result<()> {
        HostRoot::write(self, path, value)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        self.names_in(folder)
    }

    fn run(&self, call: &ToolCall<'_>) -> Result<ToolOutput, ToolError> {
        tool::run(self, call)
    }
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
