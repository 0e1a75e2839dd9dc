//! The `backbone-daemon` executable: `backbone serve` and no other command, so that the code of those is not in the memory of a
//! process that runs for months. `backbone serve` continues as this one if it is next to it.

fn main() -> std::process::ExitCode {
    backbone::cli::daemon()
}
