//! Benchmarks of timing: what the timed loop, the sensors and a worker add to a run; see `rig` for how they
//! are run.

#[path = "../../tests/counting/mod.rs"]
mod counting;
#[path = "../rig/mod.rs"]
mod rig;

mod outputs;
mod paired_python;
mod sampler;
mod sandbox;
mod timed_loop;
mod trtexec;

fn main() -> std::process::ExitCode {
    rig::run(&[
        ("timed_loop", timed_loop::run),
        ("outputs", outputs::run),
        ("paired_python", paired_python::run),
        ("sampler", sampler::run),
        ("sandbox", sandbox::run),
        ("trtexec", trtexec::run),
    ])
}
