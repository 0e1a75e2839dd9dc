//! Benchmarks of the desk side: networks, their cost, and the analysis; see `rig` for how they are run.

#[path = "../rig/mod.rs"]
mod rig;
#[path = "../../tests/studies/mod.rs"]
mod studies;

mod analysis;
mod compare;
mod count;
mod networks;
mod statistics;

fn main() -> std::process::ExitCode {
    rig::run(&[
        ("count", count::run),
        ("networks", networks::run),
        ("analysis", analysis::run),
        ("compare", compare::run),
        ("statistics", statistics::run),
    ])
}
