//! The command line: what people type, what they read, and the exit code.
//!
//! A command turns flags into calls of the library and the answer into text; it measures nothing and decides
//! nothing about jobs. Only this folder writes to the terminal, and only through [`print()`] and
//! [`failure::report`], so that a closed pipe (`backbone list reasons | head -1`) ends quietly.

use std::io::{ErrorKind, Write as _};

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::host::nvml;
use crate::worker::hook;

mod check;
#[cfg(feature = "desk")]
mod chosen;
#[cfg(feature = "desk")]
mod collect;
#[cfg(feature = "desk")]
mod collected;
#[cfg(feature = "desk")]
mod compare;
mod doctor;
mod exit;
mod explain;
#[cfg(feature = "desk")]
mod export;
pub(crate) mod failure;
mod feasibility;
mod handover;
mod job_files;
mod list;
mod local_time;
mod log;
mod networks;
mod outcome;
mod place;
#[cfg(feature = "desk")]
mod rack;
#[cfg(feature = "desk")]
mod rack_status;
#[cfg(feature = "desk")]
mod report;
mod request;
#[cfg(feature = "desk")]
mod results;
mod run;
mod schema;
mod serve;
mod show;
mod status;
#[cfg(feature = "desk")]
mod submit;
pub(crate) mod table;
#[cfg(feature = "desk")]
mod whole_file;
mod worker;

pub use exit::Exit;
pub use place::DaemonPlace;

/// The first argument of a worker process, which no one types by mistake.
pub const WORKER: &str = "__worker";

/// Measure neural networks on this device, unattended and reproducibly.
#[derive(Debug, Parser)]
#[command(name = "backbone", version, after_help = exit::table(), max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The same program with only the command `serve`.
#[derive(Debug, Parser)]
#[command(name = "backbone", version, after_help = exit::table(), max_term_width = 100)]
struct DaemonCli {
    #[command(subcommand)]
    command: DaemonCommand,
}

#[derive(Debug, Subcommand)]
enum DaemonCommand {
    Serve(serve::ServeArguments),
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArguments),
    Run(run::RunArguments),
    Check(check::CheckArguments),
    Status(status::StatusArguments),
    Doctor(doctor::DoctorArguments),
    /// Cancel a job, queued or running; its bundles say so
    Cancel(request::JobArguments),
    /// Measure a finished job again, as a new job at the end of the queue
    Retry(request::JobArguments),
    /// Start no further job until `backbone resume`; the running one is finished
    Pause(request::DaemonArguments),
    /// Start jobs again after `backbone pause`
    Resume(request::DaemonArguments),
    #[cfg(feature = "desk")]
    Results(results::ResultsArguments),
    Show(show::ShowArguments),
    List(list::ListArguments),
    Explain(explain::ExplainArguments),
    Networks(networks::NetworksArguments),
    #[cfg(feature = "desk")]
    Submit(submit::SubmitArguments),
    #[cfg(feature = "desk")]
    Collect(collect::CollectArguments),
    #[cfg(feature = "desk")]
    Compare(compare::CompareArguments),
    #[cfg(feature = "desk")]
    Export(export::ExportArguments),
    #[cfg(feature = "desk")]
    Report(report::ReportArguments),
    Schema(schema::SchemaArguments),
}

/// The definition of the command line, for man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Likewise, of the daemon's own executable.
pub fn daemon_command() -> clap::Command {
    DaemonCli::command().name("backbone-daemon").display_name("backbone-daemon")
}

/// Run the command that the process was started with; the whole of `main`.
pub fn main() -> std::process::ExitCode {
    // Before the parser and without the logger: a worker's standard output is a protocol, and a worker maps
    // or allocates nothing that the measurement does not need.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == WORKER) {
        return worker::execute();
    }
    // Likewise: its output is an answer to the process that started it.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == nvml::COMMAND) {
        return nvml::execute();
    }
    // Likewise: it becomes a command of the host's owner.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == hook::COMMAND) {
        return hook::execute();
    }
    match parse::<Cli>() {
        Ok(cli) => ended(execute(cli.command)),
        Err(exit) => exit,
    }
}

/// The whole of `main` of the daemon's own executable.
pub fn daemon() -> std::process::ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == handover::PRINT_BUILD) {
        return ended(print(&format!("{}\n", handover::BUILD)).map(|()| Exit::Done));
    }
    match parse::<DaemonCli>() {
        Ok(DaemonCli { command: DaemonCommand::Serve(arguments) }) => {
            ended(log::install(log::DAEMON).and_then(|()| serve::execute(arguments)))
        }
        Err(exit) => exit,
    }
}

fn parse<Line: Parser>() -> Result<Line, std::process::ExitCode> {
    Line::try_parse().map_err(|refusal| {
        // Help and version are errors to clap, but not to the person who asked for them.
        let exit = if refusal.use_stderr() { Exit::WrongInput } else { Exit::Done };
        match refusal.print() {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Exit::Failed.into(),
            _ => exit.into(),
        }
    })
}

fn ended(result: anyhow::Result<Exit>) -> std::process::ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(error) => failure::report(&error).into(),
    }
}

fn execute(command: Command) -> anyhow::Result<Exit> {
    let not_handed_over = if matches!(command, Command::Serve(_)) { handover::hand_over() } else { None };
    log::install(match command {
        Command::Serve(_) => log::DAEMON,
        _ => log::COMMAND,
    })?;
    not_handed_over.iter().for_each(|why| ::log::warn!("{why}"));
    match command {
        Command::Serve(arguments) => serve::execute(arguments),
        Command::Run(arguments) => run::execute(arguments),
        Command::Check(arguments) => check::execute(&arguments),
        Command::Status(arguments) => status::execute(arguments),
        Command::Doctor(arguments) => doctor::execute(arguments),
        Command::Cancel(arguments) => request::cancel(arguments),
        Command::Retry(arguments) => request::retry(arguments),
        Command::Pause(arguments) => request::pause(arguments),
        Command::Resume(arguments) => request::resume(arguments),
        #[cfg(feature = "desk")]
        Command::Results(arguments) => results::execute(arguments),
        Command::Show(arguments) => show::execute(arguments),
        Command::List(arguments) => list::execute(arguments),
        Command::Explain(arguments) => explain::execute(&arguments),
        Command::Networks(arguments) => networks::execute(arguments),
        #[cfg(feature = "desk")]
        Command::Submit(arguments) => submit::execute(&arguments),
        #[cfg(feature = "desk")]
        Command::Collect(arguments) => collect::execute(&arguments),
        #[cfg(feature = "desk")]
        Command::Compare(arguments) => compare::execute(arguments),
        #[cfg(feature = "desk")]
        Command::Export(arguments) => export::execute(&arguments),
        #[cfg(feature = "desk")]
        Command::Report(arguments) => report::execute(&arguments),
        Command::Schema(arguments) => schema::execute(arguments),
    }
}

/// Write `text` to standard output. It is no failure if the reader has gone.
///
/// # Errors
/// Any other failure to write, such as a full disk behind a redirection.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write to standard output"))
        }
        _ => Ok(()),
    }
}

/// Write a line of progress to standard error. Ignores errors, because there is no other place to report
/// them.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A span of time as people say it: `about 40 s`, `about 12 min`, `about 3 h 20 min`.
fn about(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match (minutes / 60, minutes % 60) {
        _ if seconds < 90.0 => format!("about {seconds:.0} s"),
        (0, minutes) => format!("about {minutes} min"),
        (hours, 0) => format!("about {hours} h"),
        (hours, minutes) => format!("about {hours} h {minutes} min"),
    }
}

/// A file name for people: bytes that are not UTF-8 replaced, control characters escaped.
pub(crate) fn readable(name: &std::ffi::OsStr) -> String {
    crate::text::escaped(&name.to_string_lossy())
}

#[cfg(test)]
mod tests;
