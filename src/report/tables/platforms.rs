//! Where numbers come from, and what ran there: the platform table and the feasibility table.

use crate::analysis::Analysis;
use crate::analysis::platform::{EdgeTpuLink, Power};
use crate::report::table::Kind::{Number, Text};
use crate::report::table::{Table, Value};
use crate::report::tables::Only;

/// Table IV of the paper: where the numbers come from.
pub(in crate::report) fn platforms(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "platforms",
        &[
            ("label", "Platform", Text),
            ("host", "Host", Text),
            ("board", "Board", Text),
            ("chip", "Chip", Text),
            ("processor", "Processor", Text),
            ("architecture", "Architecture", Text),
            ("logical_cores", "Cores", Number),
            ("memory_gibibytes", "Memory, GiB", Number),
            ("gpus", "Graphics processors", Text),
            ("edge_tpus", "Edge TPUs", Text),
            ("power", "Power state", Text),
            ("operating_system", "Distribution", Text),
            ("kernel", "Kernel", Text),
            ("l4t", "L4T", Text),
            ("jetpack", "JetPack", Text),
            ("runtime", "Runtime", Text),
            ("runtime_version", "Version", Text),
            ("library_sha256", "Library, SHA-256", Text),
            ("edge_tpu_package", "Edge TPU package", Text),
            ("options", "Options", Text),
            ("timed", "Clock, code", Text),
            ("timed_description", "What the clock covered", Text),
            ("root", "Host root", Text),
            ("simulated", "Simulated", Text),
            ("harness_versions", "Measured by version", Text),
            ("results", "Results", Text),
        ],
    );
    for (index, platform) in analysis.platforms.iter().enumerate() {
        let machine = &platform.identity.machine;
        let software = platform.identity.software.as_ref();
        let counts: Vec<String> =
            platform.counts.iter().map(|(standing, count)| format!("{count} {standing}")).collect();
        let versions: Vec<&str> = platform.harness_versions.iter().map(String::as_str).collect();
        table.push(
            Some(index),
            vec![
                platform.label.as_str().into(),
                machine.host.clone().into(),
                machine.board.clone().into(),
                machine.chip.clone().into(),
                machine.processor.clone().into(),
                machine.architecture.clone().into(),
                machine.logical_cores.into(),
                machine.memory_quarter_gibibytes.map(|quarters| quarters as f64 / 4.0).into(),
                listed(&machine.gpus),
                listed(&machine.edge_tpus.iter().map(edge_tpu).collect::<Vec<_>>()),
                platform.identity.power.as_ref().map(power).into(),
                software.and_then(|software| software.operating_system.clone()).into(),
                software.and_then(|software| software.kernel.clone()).into(),
                software.and_then(|software| software.l4t.clone()).into(),
                software.and_then(|software| software.jetpack.clone()).into(),
                software.map(|software| software.runtime.clone()).into(),
                software.and_then(|software| software.version.clone()).into(),
                software.and_then(|software| software.library_sha256.clone()).into(),
                software.and_then(|software| software.edge_tpu_package.clone()).into(),
                software.map(|software| software.options.clone()).into(),
                software.map(|software| software.timed.clone()).into(),
                software.map(|software| software.timed_description.clone()).into(),
                machine.root.as_str().into(),
                platform.simulated.into(),
                versions.join(", ").into(),
                counts.join("; ").into(),
            ],
        );
    }
    table
}

/// What ran, by block.
pub(in crate::report) fn feasibility(analysis: &Analysis, only: Only) -> Table {
    let mut table = Table::new(
        "feasibility",
        &[
            ("block", "Block", Text),
            ("tried", "Tried", Number),
            ("measured", "With usable latencies", Number),
            ("not_measured", "The others, by how they ended", Text),
        ],
    );
    for one in analysis.feasibility.iter().filter(|one| only.holds(one.platform)) {
        for block in &one.blocks {
            let others: Vec<String> =
                block.not_measured.iter().map(|(why, count)| format!("{count} {why}")).collect();
            let name = block.block.clone().unwrap_or_else(|| "model files".to_owned());
            table.push(
                Some(one.platform),
                vec![name.into(), block.tried.into(), block.measured.into(), others.join("; ").into()],
            );
        }
    }
    table
}

/// Every result that is not measured, with what to do about it.
pub(in crate::report) fn gaps(analysis: &Analysis, only: Only) -> Table {
    let mut table = Table::new(
        "not-measured",
        &[
            ("subject", "Network", Text),
            ("why", "How it ended", Text),
            ("detail", "What happened", Text),
            ("hint", "What to do", Text),
            ("measured_otherwise", "Measured by another result", Text),
            ("row", "Result", Text),
        ],
    );
    for one in analysis.feasibility.iter().filter(|one| only.holds(one.platform)) {
        for gap in &one.gaps {
            let row = &analysis.rows[gap.row];
            table.push(
                Some(one.platform),
                vec![
                    gap.subject.clone().into(),
                    gap.why.as_str().into(),
                    row.detail.clone().into(),
                    row.hint.clone().into(),
                    gap.measured_otherwise.into(),
                    row.id.as_str().into(),
                ],
            );
        }
    }
    table
}

/// A power state in words.
pub(in crate::report) fn power(power: &Power) -> String {
    let mut words: Vec<String> = power.mode.iter().map(|mode| format!("mode {mode}")).collect();
    if !power.governors.is_empty() {
        words.push(format!("governor {}", power.governors.join(" and ")));
    }
    words.push(
        match power.clocks_locked {
            Some(true) => "clocks locked",
            Some(false) => "clocks not locked",
            None => "clocks not observed",
        }
        .to_owned(),
    );
    words.join(", ")
}

fn listed(words: &[String]) -> Value {
    if words.is_empty() { Value::Absent } else { words.join(", ").into() }
}

fn edge_tpu(link: &EdgeTpuLink) -> String {
    match link.megabits_per_second {
        Some(speed) => format!("{} at {speed} Mbit/s", link.bus),
        None => link.bus.to_owned(),
    }
}
