//! Benchmarks of the real daemon; see `rig` for how they are run.

#[path = "../rig/mod.rs"]
mod rig;

mod claim_latency;
mod idle_daemon;
mod intake;
mod many_jobs;
mod wall;

fn main() -> std::process::ExitCode {
    rig::run(&[
        ("claim_latency", claim_latency::run),
        ("idle_daemon", idle_daemon::run),
        ("intake", intake::run),
        ("many_jobs", many_jobs::run),
        ("wall", wall::run),
    ])
}
