//! NVIDIA's nvpmodel: list the power modes, query the current one, and set one by its name.
//!
//! Its exit code means little: it can be 0 after an error and not 0 after a success. So its output is
//! searched for errors, and the mode is queried again afterwards. It asks questions; only a deliberate reboot
//! answers one.

use std::time::Duration;

use rustix::io::Errno;

use crate::bundle::format::PowerMode;
use crate::host::machine::Machine;
use crate::host::power::{ModeError, Reboot, RefusedFile};
use crate::host::tool::{ToolCall, ToolError, ToolOutput};

const TOOL: &str = "nvpmodel";

/// Lists the modes of this board. Their numbers differ between boards.
pub(super) const MODES_FILE: &str = "/etc/nvpmodel.conf";

/// Holds the number of the mode that was set last; survives reboots.
pub(crate) const STATUS_FILE: &str = "/var/lib/nvpmodel/status";

/// A query takes a few tens of milliseconds; jtop allows four seconds for a busy device.
const QUERY_LIMIT: Duration = Duration::from_secs(4);

/// Setting a mode can take several seconds if it switches processors off or on.
const SET_LIMIT: Duration = Duration::from_secs(20);

/// Every mode in the configuration file, in its order.
pub(super) fn modes(machine: &dyn Machine) -> Result<Vec<PowerMode>, ModeError> {
    match machine.read(MODES_FILE) {
        Ok(text) => Ok(parse_modes(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(ModeError::Unlisted(error)),
    }
}

/// Lines such as `< POWER_MODEL ID=3 NAME=MODE_30W_ALL >`, in any spacing and order.
fn parse_modes(text: &str) -> Vec<PowerMode> {
    let mode = |line: &str| {
        let line = line.trim().strip_prefix('<')?.trim_start().strip_prefix("POWER_MODEL")?;
        let value = |key: &str| {
            let mut words = line.split(|letter: char| letter.is_whitespace() || letter == '>');
            words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
        };
        Some(PowerMode { id: value("ID")?.parse().ok()?, name: value("NAME")?.to_owned() })
    };
    text.lines().filter_map(mode).collect()
}

/// Folders outside the kernel's own file systems in which modes write files, such as options of the driver of
/// Thor's GPU.
pub(crate) fn folders_on_disk(machine: &dyn Machine) -> Vec<String> {
    const OF_THE_KERNEL: &[&str] = &["/sys/", "/proc/", "/dev/"];
    let text = machine.read(MODES_FILE).unwrap_or_default();
    let folder = |line: &str| {
        let line = line.trim();
        let path = line.split_whitespace().nth(1).filter(|_| !line.starts_with(['#', '<']))?;
        let is_on_disk = path.starts_with('/') && !OF_THE_KERNEL.iter().any(|start| path.starts_with(start));
        path.rsplit_once('/').filter(|_| is_on_disk).map(|(folder, _)| folder.to_owned())
    };
    let mut folders: Vec<String> = text.lines().filter_map(folder).collect();
    folders.sort();
    folders.dedup();
    folders
}

/// The current mode as the tool reports it; if it reports none, the one that was set last.
pub(super) fn present(machine: &dyn Machine) -> Option<PowerMode> {
    let call = ToolCall { name: TOOL, arguments: &["-q"], input: "", limit: QUERY_LIMIT };
    let told = machine.run(&call).ok().and_then(|output| parse_query(&output.text));
    told.or_else(|| {
        let id = set_last(machine)?;
        modes(machine).ok()?.into_iter().find(|mode| mode.id == id)
    })
}

/// The number of the mode that was set last, which the next boot brings.
pub(crate) fn set_last(machine: &dyn Machine) -> Option<u32> {
    let status = machine.read(STATUS_FILE).ok()?;
    status.split_whitespace().find_map(|word| word.strip_prefix("pmode:"))?.parse().ok()
}

/// `NV Power Mode: NAME`, and the number on the next line. Other lines, including errors about files that
/// this user may not read, are ignored.
fn parse_query(text: &str) -> Option<PowerMode> {
    let mut lines = text.lines();
    let name = lines.find_map(|line| Some(line.split_once("NV Power Mode:")?.1.trim().to_owned()))?;
    let id = lines.next()?.trim().parse().ok()?;
    (!name.is_empty()).then_some(PowerMode { id, name })
}

/// Set a mode.
pub(super) fn set(machine: &dyn Machine, mode: &PowerMode, reboot: Reboot) -> Result<(), ModeError> {
    let id = mode.id.to_string();
    let input = match reboot {
        Reboot::Never => "",
        Reboot::Now => "YES\n",
    };
    let call = ToolCall { name: TOOL, arguments: &["-m", &id], input, limit: SET_LIMIT };
    let name = mode.name.clone();
    match machine.run(&call) {
        Ok(output) => judge(name, &output, reboot),
        // It may have asked a question and waited for an answer from elsewhere than its input.
        Err(ToolError::Hung { text, .. }) if asks_for_reboot(&text) => Err(ModeError::NeedsReboot { name }),
        Err(source) => Err(ModeError::Tool { name, source }),
    }
}

fn asks_for_reboot(text: &str) -> bool {
    text.contains("DO YOU WANT TO REBOOT") || text.contains("Reboot required")
}

fn judge(name: String, output: &ToolOutput, reboot: Reboot) -> Result<(), ModeError> {
    let is_error = |line: &&str| line.contains("NVPM ERROR");
    if asks_for_reboot(&output.text) {
        let goes_down = reboot == Reboot::Now && !output.text.lines().any(|line| is_error(&line));
        return if goes_down { Ok(()) } else { Err(ModeError::NeedsReboot { name }) };
    }
    let errors: Vec<&str> = output.text.lines().filter(is_error).map(str::trim).collect();
    if errors.is_empty() && output.code == Some(0) {
        return Ok(());
    }
    let refused = errors.iter().find_map(|line| Some((*line, refused_file(line)?)));
    let said = match (&refused, errors.first()) {
        (Some((line, file)), _) => format!("{line} ({})", meaning(file.errno)),
        (None, Some(line)) => (*line).to_owned(),
        (None, None) => {
            format!("exit code {:?}, `{}`", output.code, output.text.lines().last().unwrap_or_default())
        }
    };
    let is_denied = match &refused {
        Some((_, file)) => [Errno::ACCESS, Errno::PERM].contains(&Errno::from_raw_os_error(file.errno)),
        None => errors.iter().any(|line| line.split([' ', '.', ',', '!']).any(|word| word == "root")),
    };
    let refused = refused.map(|(_, file)| file);
    Err(if is_denied { ModeError::Denied { name, said } } else { ModeError::Refused { name, said, refused } })
}

/// Every error number of the kernel: MAX_ERRNO in `include/linux/err.h` is the largest.
const ERRNOS: std::ops::RangeInclusive<i32> = 1..=4095;

/// The file and errno in `NVPM ERROR: Error opening PATH: 13` or `NVPM ERROR: Error writing VALUE to PATH:
/// 16`. Lines such as `failed to write PARAM …: PATH: … VAL: 1` end in a value and not in an errno.
fn refused_file(line: &str) -> Option<RefusedFile> {
    let told = line.split_once("NVPM ERROR:")?.1.trim_start().strip_prefix("Error ")?;
    let (tried, errno) = told.rsplit_once(':')?;
    let path = tried.split_whitespace().last().filter(|word| word.starts_with('/'))?;
    let errno = errno.trim().parse().ok().filter(|errno| ERRNOS.contains(errno))?;
    Some(RefusedFile { path: path.to_owned(), errno })
}

/// `errno 16, busy`: the kernel's word for an error that nvpmodel gives as a number.
fn meaning(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default().to_owned();
    format!("errno {errno}: {}", text.to_lowercase())
}

#[cfg(any(test, fuzzing))]
pub(super) fn read_anything(text: &str) {
    let _ = (parse_modes(text), parse_query(text));
    for code in [Some(0), Some(255), None] {
        let output = ToolOutput { code, text: text.to_owned() };
        let _ = judge("A".to_owned(), &output, Reboot::Never);
        let _ = judge("A".to_owned(), &output, Reboot::Now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_in_every_spelling_seen() {
        let text = "# < POWER_MODEL ID=9 NAME=NONE >\r\n< POWER_MODEL ID=0 NAME=MAXN >\r\n\
                    <POWER_MODEL NAME=MODE_10W ID=1 >  \n  < POWER_MODEL ID=3 NAME=MODE_30W_ALL>\n\
                    < PM_CONFIG DEFAULT=2 >\n< POWER_MODEL ID=x NAME=Y >\n";
        let names: Vec<String> =
            parse_modes(text).iter().map(|mode| format!("{} {}", mode.id, mode.name)).collect();
        assert_eq!(names, ["0 MAXN", "1 MODE_10W", "3 MODE_30W_ALL"]);
    }

    #[test]
    fn query_is_understood_with_noise_around_it_and_not_without_its_number() {
        let noise = "NVPM WARN: fan mode is not set!\nNV Power Mode: MODE_15W_DESKTOP\n7\n\
                     NVPM ERROR: Error opening /sys/kernel/nvpmodel_emc_cap/emc_iso_cap: 13";
        assert_eq!(parse_query(noise), Some(PowerMode { id: 7, name: "MODE_15W_DESKTOP".to_owned() }));
        assert_eq!(
            parse_query("NV Fan Mode:quiet\nNV Power Mode: 120W\n1"),
            Some(PowerMode { id: 1, name: "120W".to_owned() })
        );
        for text in ["", "NV Power Mode: MAXN", "NV Power Mode: MAXN\nnone", "NV Power Mode:\n0"] {
            assert_eq!(parse_query(text), None, "{text}");
        }
    }

    #[test]
    fn what_nvpmodel_prints_counts_and_not_its_exit_code_alone() {
        let code = |code, text: &str, reboot| {
            let output = ToolOutput { code: Some(code), text: text.to_owned() };
            judge("M".to_owned(), &output, reboot).err().map_or("set", |error| error.code())
        };
        let asks = "NVPM WARN: Reboot required for changing to this power mode: 1\n\
                    NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:";
        let unanswered = format!("{asks}\nNVPM ERROR: bad input!");
        let rebooting = format!("{asks}\nNVPM WARN: rebooting..");
        let denied = "NVPM ERROR: Error opening /sys/devices/system/cpu/cpu0/online: 13\nNVPM ERROR: failed to set power mode!";
        for (exit, text, reboot, expected) in [
            (0, "", Reboot::Never, "set"),
            (0, "NVPM WARN: fan mode is not set!", Reboot::Never, "set"),
            (0, "NVPM ERROR: failed to set power mode!", Reboot::Never, "power_mode_refused"),
            (0, denied, Reboot::Never, "power_mode_denied"),
            (255, "", Reboot::Never, "power_mode_refused"),
            (234, &unanswered, Reboot::Never, "reboot_needed"),
            (234, &unanswered, Reboot::Now, "reboot_needed"),
            (0, &rebooting, Reboot::Now, "set"),
        ] {
            assert_eq!(code(exit, text, reboot), expected, "{text}");
        }
    }

    /// Code, message and hint of a mode that was not set.
    fn refused(exit: i32, text: &str) -> String {
        use crate::error::Hint as _;
        let output = ToolOutput { code: Some(exit), text: text.to_owned() };
        let error = judge("M".to_owned(), &output, Reboot::Never).unwrap_err();
        format!("{}: {error}\nhint: {}", error.code(), error.hint().unwrap())
    }

    #[test]
    fn numbers_that_are_no_error_number_name_no_file() {
        for number in ["0", "-1", "4096", "2147483647", "99999999999"] {
            assert!(
                refused_file(&format!("NVPM ERROR: Error opening /sys/x: {number}")).is_none(),
                "{number}"
            );
        }
        assert!(refused_file("NVPM ERROR: Error opening /sys/x: 16").is_some());
    }

    #[test]
    fn error_number_is_what_the_kernel_said_and_not_the_value_of_a_setting() {
        let text = |name: &str| {
            let path = format!("{}/tests/host/transcripts/{name}.txt", env!("CARGO_MANIFEST_DIR"));
            fs_err::read_to_string(path).unwrap()
        };
        let told: Vec<String> = [
            "nvpmodel-busy",
            "nvpmodel-gpu-busy",
            "nvpmodel-read-only",
            "nvpmodel-no-such-file",
            "nvpmodel-denied",
            "nvpmodel-not-permitted",
        ]
        .map(|name| format!("{name}\n{}", refused(255, &text(name))))
        .into();
        insta::assert_snapshot!(told.join("\n\n"));
    }
}
