//! Benchmarks of hosts: power states and the doctor, on fake hosts; see `rig` for how they are run.

#[path = "../rig/mod.rs"]
mod rig;

mod doctor;
mod power_lock;

fn main() -> std::process::ExitCode {
    rig::run(&[("power_lock", power_lock::run), ("doctor", doctor::run)])
}
