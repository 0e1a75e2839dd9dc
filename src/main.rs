//! The `backbone` executable: the daemon, the commands for people, and the worker for runtimes that load
//! their library at run time. Everything is in the library; this names the entry.

fn main() -> std::process::ExitCode {
    backbone::cli::main()
}
