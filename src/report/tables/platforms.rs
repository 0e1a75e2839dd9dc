//! Where numbers come from, and what ran there: the platform table and the feasibility table.

use crate::analysis::Analysis;
use crate::analysis::platform::{EdgeTpuLink, Platform, Software};
use crate::report::table::{Sheet, yes_or_no};
use crate::report::tables::Only;
use crate::table::Kind::{Integer, Number, Text};
use crate::table::{Datum, column};

/// Table IV of the paper: the platforms.
pub(in crate::report) fn platforms(analysis: &Analysis) -> Sheet {
    Sheet::new(
        "platforms",
        analysis.platforms.iter().enumerate().map(|(index, platform)| (Some(index), platform)),
        &[
            column("label", Text, "Platform", |platform| platform.label.as_str().into()),
            column("host", Text, "Host", |platform| platform.identity.machine.host.as_deref().into()),
            column("board", Text, "Board", |platform| platform.identity.machine.board.as_deref().into()),
            column("chip", Text, "Chip", |platform| platform.identity.machine.chip.as_deref().into()),
            column("processor", Text, "Processor", |platform| {
                platform.identity.machine.processor.as_deref().into()
            }),
            column("architecture", Text, "Architecture", |platform| {
                platform.identity.machine.architecture.as_deref().into()
            }),
            column("logical_cores", Integer, "Cores", |platform| {
                platform.identity.machine.logical_cores.into()
            }),
            column("memory_gibibytes", Number, "Memory, GiB", |platform| {
                platform
                    .identity
                    .machine
                    .memory_quarter_gibibytes
                    .map(|quarters| quarters as f64 / 4.0)
                    .into()
            }),
            column("gpus", Text, "Graphics processors", |platform| listed(&platform.identity.machine.gpus)),
            column("edge_tpus", Text, "Edge TPUs", |platform| {
                listed(&platform.identity.machine.edge_tpus.iter().map(edge_tpu).collect::<Vec<_>>())
            }),
            column("power", Text, "Power state", |platform| {
                platform.identity.power.as_ref().map(ToString::to_string).into()
            }),
            column("operating_system", Text, "Distribution", |platform| {
                software(platform, |software| software.operating_system.as_deref())
            }),
            column("kernel", Text, "Kernel", |platform| {
                software(platform, |software| software.kernel.as_deref())
            }),
            column("l4t", Text, "L4T", |platform| software(platform, |software| software.l4t.as_deref())),
            column("jetpack", Text, "JetPack", |platform| {
                software(platform, |software| software.jetpack.as_deref())
            }),
            column("runtime", Text, "Runtime", |platform| {
                software(platform, |software| Some(&software.runtime))
            }),
            column("runtime_version", Text, "Version", |platform| {
                software(platform, |software| software.version.as_deref())
            }),
            column("library_sha256", Text, "Library, SHA-256", |platform| {
                software(platform, |software| software.library_sha256.as_deref())
            }),
            column("edge_tpu_package", Text, "Edge TPU package", |platform| {
                software(platform, |software| software.edge_tpu_package.as_deref())
            }),
            column("options", Text, "Options", |platform| {
                software(platform, |software| Some(&software.options))
            }),
            column("timed", Text, "Clock, code", |platform| {
                software(platform, |software| Some(&software.timed.code))
            }),
            column("timed_description", Text, "What the clock covered", |platform| {
                software(platform, |software| Some(&software.timed.description))
            }),
            column("root", Text, "Host root", |platform| platform.identity.machine.root.as_str().into()),
            column("simulated", Text, "Simulated", |platform| yes_or_no(platform.simulated)),
            column("harness_versions", Text, "Measured by version", |platform| {
                let versions: Vec<&str> = platform.harness_versions.iter().map(String::as_str).collect();
                versions.join(", ").into()
            }),
            column("results", Text, "Results", |platform| platform.results().into()),
        ],
    )
}

/// What ran, by block.
pub(in crate::report) fn feasibility(analysis: &Analysis, only: Only) -> Sheet {
    let own = analysis.feasibility.iter().filter(|one| only.holds(one.platform));
    let rows = own.flat_map(|one| one.blocks.iter().map(|block| (Some(one.platform), block)));
    Sheet::new(
        "feasibility",
        rows,
        &[
            column("block", Text, "Block", |block| block.block.as_deref().unwrap_or("model files").into()),
            column("tried", Integer, "Tried", |block| block.tried.into()),
            column("measured", Integer, "With usable latencies", |block| block.measured.into()),
            column("not_measured", Text, "Outcome of the rest", |block| {
                let others: Vec<String> =
                    block.not_measured.iter().map(|(why, count)| format!("{count} {why}")).collect();
                others.join("; ").into()
            }),
        ],
    )
}

/// Every result without a measurement, with what to do about it.
pub(in crate::report) fn gaps(analysis: &Analysis, only: Only) -> Sheet {
    let own = analysis.feasibility.iter().filter(|one| only.holds(one.platform));
    let rows =
        own.flat_map(|one| one.gaps.iter().map(|gap| (Some(one.platform), (gap, &analysis.rows[gap.row]))));
    Sheet::new(
        "not-measured",
        rows,
        &[
            column("subject", Text, "Network", |(gap, _)| gap.subject.as_deref().into()),
            column("why", Text, "Outcome", |(gap, _)| gap.why.as_str().into()),
            column("detail", Text, "What happened", |(_, row)| row.detail.as_deref().into()),
            column("hint", Text, "What to do", |(_, row)| row.hint.as_deref().into()),
            column("measured_otherwise", Text, "Measured by another result", |(gap, _)| {
                yes_or_no(gap.measured_otherwise)
            }),
            column("row", Text, "Result", |(_, row)| row.id.as_str().into()),
        ],
    )
}

fn software(platform: &Platform, read: impl Fn(&Software) -> Option<&str>) -> Datum {
    platform.identity.software.as_ref().and_then(read).into()
}

fn listed(words: &[String]) -> Datum {
    if words.is_empty() { Datum::Absent } else { words.join(", ").into() }
}

fn edge_tpu(link: &EdgeTpuLink) -> String {
    match link.megabits_per_second {
        Some(speed) => format!("{} at {speed} Mbit/s", link.bus),
        None => link.bus.to_owned(),
    }
}
