//! The release of TensorRT that a trtexec belongs to, from what it prints itself, and the options that it
//! knows. Pure.
//!
//! From 8.0 on every transcript begins with the number. Older ones are recognised by the help text, because
//! each release added an option that the previous one lacks. The options of a release newer than the table
//! are read from its help text too.
//!
//! Source of the table: `samples/common/sampleOptions.cpp` of <https://github.com/NVIDIA/TensorRT>, tag
//! v6.0.1 and branches release/6.0 to release/11.1.

use std::collections::BTreeSet;
use std::fmt;

/// The newest release whose options the table knows.
const NEWEST_KNOWN: Release = Release::numbered(11, 1);

/// Numbers below are `major * 1000 + minor * 100 + patch`, as before TensorRT 10.
const FIRST_LONG_NUMBER: u32 = 100_000;

/// No release has a number between these: such a number is not understood.
const LAST_SHORT_NUMBER: u32 = 9_999;

/// A release of TensorRT, as far as options depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Release {
    /// The tag 6.0.1 that JetPack 4.3 brings: it writes no file of times and knows neither warm-up nor
    /// spinning.
    General6,
    /// A major and a minor number. 6.0 is the rebuild of June 2020, which reports as 7.0 does.
    Numbered(u32, u32),
}

impl Release {
    pub(super) const fn numbered(major: u32, minor: u32) -> Self {
        Self::Numbered(major, minor)
    }

    /// From the number that a transcript names, such as 8502 or 101602.
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        let (major, rest) = match number {
            ..=LAST_SHORT_NUMBER => (number / 1000, number % 1000),
            FIRST_LONG_NUMBER.. => (number / 10_000, number % 10_000),
            _ => return None,
        };
        (major >= 6).then_some(Self::Numbered(major, rest / 100))
    }

    /// The major number.
    pub(crate) fn major(self) -> u32 {
        match self {
            Self::General6 => 6,
            Self::Numbered(major, _) => major,
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::General6 => formatter.write_str("6.0.1"),
            Self::Numbered(major, minor) => write!(formatter, "{major}.{minor}"),
        }
    }
}

/// A trtexec, as its own help text presents it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The release.
    pub release: Release,
    /// The version for the bundle: `8.5.2` if the program prints it, `7.1` if its options show it.
    pub version: String,
    /// Options in the help text, used for releases newer than the table.
    named: BTreeSet<String>,
}

impl Program {
    /// Read the transcript of `trtexec --help`; `None` if it is not trtexec, or older than 6.
    pub(crate) fn from_help(text: &str) -> Option<Self> {
        let named: BTreeSet<String> = text.split_whitespace().filter_map(option_name).collect();
        if !named.contains("--loadEngine") || !named.contains("--onnx") {
            return None;
        }
        if let Some(number) = frame_number(text) {
            let version = version_text(number);
            return Some(Self { release: Release::from_number(number)?, version, named });
        }
        let release = TOLD_APART_BY
            .iter()
            .find(|(option, _)| named.contains(*option))
            .map_or(Release::General6, |(_, release)| *release);
        Some(Self { release, version: release.to_string(), named })
    }

    /// Does it know the option?
    pub(crate) fn knows(&self, option: &CommandOption) -> bool {
        if self.release > NEWEST_KNOWN {
            self.named.contains(option.name)
        } else {
            option.is_in(self.release)
        }
    }
}

/// The option that tells a release without a number from the one before; newest first. The help text of the
/// tag 6.0.1 has none of them.
const TOLD_APART_BY: &[(&str, Release)] = &[
    ("--noDataTransfers", Release::numbered(7, 2)),
    ("--best", Release::numbered(7, 1)),
    ("--exposeDMA", Release::numbered(7, 0)),
    ("--useSpinWait", Release::numbered(6, 0)),
];

/// `--onnx=<file>` and `[--int8],` both name an option.
fn option_name(word: &str) -> Option<String> {
    let name = word.trim_start_matches(['[', '(', '`']);
    let end = name.find(|character: char| !character.is_ascii_alphanumeric() && character != '-');
    let name = &name[..end.unwrap_or(name.len())];
    (name.starts_with("--") && name.len() > 2).then(|| name.to_owned())
}

/// The number in `&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # …`.
pub(super) fn frame_number(text: &str) -> Option<u32> {
    let frame = text.lines().find(|line| line.starts_with("&&&& RUNNING TensorRT.trtexec"))?;
    let (_, rest) = frame.split_once("[TensorRT v")?;
    rest.split_once(']')?.0.parse().ok()
}

pub(super) fn version_text(number: u32) -> String {
    let (unit, rest) =
        if number < FIRST_LONG_NUMBER { (1000, number % 1000) } else { (10_000, number % 10_000) };
    format!("{}.{}.{}", number / unit, rest / 100, rest % 100)
}

/// An option of trtexec that this program may pass.
#[derive(Debug)]
pub(crate) struct CommandOption {
    /// With its dashes.
    pub name: &'static str,
    since: Release,
    /// The last release that has it with a meaning.
    until: Release,
}

impl CommandOption {
    const fn new(name: &'static str, since: Release, until: Release) -> Self {
        Self { name, since, until }
    }

    fn is_in(&self, release: Release) -> bool {
        self.since <= release && release <= self.until
    }
}

/// The first release that this program works with.
pub(super) const FIRST: Release = Release::General6;
const REBUILT_6: Release = Release::numbered(6, 0);
const LAST_10: Release = Release::numbered(10, u32::MAX);
/// Later than any release.
pub(super) const LATEST: Release = Release::numbered(u32::MAX, u32::MAX);

/// Other queries would overlap with the copies of the timed one. `--infStreams` is its newer name; the old
/// one still works.
pub(super) const STREAMS: CommandOption = CommandOption::new("--streams", REBUILT_6, LATEST);
pub(super) const AVERAGE_RUNS: CommandOption = CommandOption::new("--avgRuns", FIRST, LATEST);
pub(super) const ITERATIONS: CommandOption = CommandOption::new("--iterations", FIRST, LATEST);
pub(super) const DURATION: CommandOption = CommandOption::new("--duration", FIRST, LATEST);
pub(super) const WARM_UP: CommandOption = CommandOption::new("--warmUp", FIRST, LATEST);
pub(super) const DEVICE: CommandOption = CommandOption::new("--device", FIRST, LATEST);
pub(super) const ONNX: CommandOption = CommandOption::new("--onnx", FIRST, LATEST);
pub(super) const SAVE_ENGINE: CommandOption = CommandOption::new("--saveEngine", FIRST, LATEST);
pub(super) const LOAD_ENGINE: CommandOption = CommandOption::new("--loadEngine", FIRST, LATEST);
/// A no-op in 11, where spinning is the default.
pub(super) const SPIN_WAIT: CommandOption = CommandOption::new("--useSpinWait", REBUILT_6, LAST_10);
/// Without it 7.0 and 7.1 copy inputs and outputs during the kernels of the next query.
pub(super) const EXPOSE_TRANSFERS: CommandOption =
    CommandOption::new("--exposeDMA", Release::numbered(7, 0), Release::numbered(7, 1));
/// A no-op in 11, where it is the default.
pub(super) const NO_TRANSFERS: CommandOption =
    CommandOption::new("--noDataTransfers", Release::numbered(7, 2), LAST_10);
/// Accepted from 6 on. 6 writes no file, and 7.0 and 7.1 attach the profiler of layers for it, which slows
/// what is timed.
pub(super) const EXPORT_TIMES: CommandOption =
    CommandOption::new("--exportTimes", Release::numbered(7, 2), LATEST);
/// Accepted from 6 on, which writes no file.
pub(super) const EXPORT_PROFILE: CommandOption =
    CommandOption::new("--exportProfile", Release::numbered(7, 0), LATEST);
/// In 6 to 7.0 it prints that graphs are not supported.
pub(super) const CUDA_GRAPH: CommandOption =
    CommandOption::new("--useCudaGraph", Release::numbered(7, 1), LAST_10);
/// From 11 on graphs are the default.
pub(super) const NO_CUDA_GRAPH: CommandOption =
    CommandOption::new("--noCudaGraph", Release::numbered(11, 0), LATEST);
/// Required for ONNX by 7.0 and 7.1; 6 would take the batch from elsewhere; a no-op with a warning from 8.2
/// on, unknown to 10.
pub(super) const EXPLICIT_BATCH: CommandOption =
    CommandOption::new("--explicitBatch", FIRST, Release::numbered(8, 1));
/// In MiB; its default before 8.4 is 16, too little for most networks.
pub(super) const WORKSPACE: CommandOption = CommandOption::new("--workspace", FIRST, Release::numbered(8, 3));
pub(super) const MEMORY_POOL: CommandOption =
    CommandOption::new("--memPoolSize", Release::numbered(8, 4), LATEST);
pub(super) const TIMING_CACHE: CommandOption =
    CommandOption::new("--timingCacheFile", Release::numbered(8, 0), LATEST);
pub(super) const BUILD_ONLY: CommandOption =
    CommandOption::new("--buildOnly", FIRST, Release::numbered(8, 5));
pub(super) const SKIP_INFERENCE: CommandOption =
    CommandOption::new("--skipInference", Release::numbered(8, 6), LATEST);
pub(super) const NO_TF32: CommandOption = CommandOption::new("--noTF32", Release::numbered(7, 1), LATEST);
pub(super) const FP16: CommandOption = CommandOption::new("--fp16", FIRST, LAST_10);
pub(super) const INT8: CommandOption = CommandOption::new("--int8", FIRST, LAST_10);
/// Unknown to the tag 6.0.1.
pub(super) const EXPORT_OUTPUT: CommandOption = CommandOption::new("--exportOutput", REBUILT_6, LATEST);
/// From 11 on nothing is copied unless it is asked for.
pub(super) const INCLUDE_TRANSFERS: CommandOption =
    CommandOption::new("--includeDataTransfers", Release::numbered(11, 0), LATEST);
pub(super) const SHAPES: CommandOption = CommandOption::new("--shapes", FIRST, LATEST);
/// Before 7.0 it is unknown, or accepted and without effect.
pub(super) const LOAD_INPUTS: CommandOption =
    CommandOption::new("--loadInputs", Release::numbered(7, 0), LATEST);
