//! The `backbone-daemon` executable: `backbone serve` and no other command, so that a process that runs for
//! months holds no other code in memory. `backbone serve` continues as this one if it is next to it and of
//! the same build.

fn main() -> std::process::ExitCode {
    backbone::cli::daemon()
}
