//! Signals that end a worker: what each means, and what to do about it.

/// What a signal says of a worker that it killed.
pub(super) struct Explanation {
    pub(super) reason: &'static str,
    pub(super) cause: &'static str,
    pub(super) hint: &'static str,
}

pub(super) const SIGILL: i32 = rustix::process::Signal::ILL.as_raw();
pub(super) const SIGABRT: i32 = rustix::process::Signal::ABORT.as_raw();
pub(super) const SIGBUS: i32 = rustix::process::Signal::BUS.as_raw();
pub(super) const SIGFPE: i32 = rustix::process::Signal::FPE.as_raw();
pub(super) const SIGKILL: i32 = rustix::process::Signal::KILL.as_raw();
pub(super) const SIGSEGV: i32 = rustix::process::Signal::SEGV.as_raw();
pub(super) const SIGSYS: i32 = rustix::process::Signal::SYS.as_raw();

pub(super) const USE_LESS_MEMORY: &str =
    "use a smaller model or batch, stop other programs, or raise the unit's memory limit";

/// Explain a signal that the daemon did not send.
pub(super) fn explain(signal: i32, out_of_memory: Option<bool>, log_tail: &[String]) -> Explanation {
    let (reason, cause, hint) = match (signal, out_of_memory) {
        (SIGKILL, Some(true)) => ("out_of_memory", "the host ran out of memory", USE_LESS_MEMORY),
        (SIGKILL, Some(false)) => (
            "killed",
            "someone killed it; the kernel did not run out of memory",
            "look for an operator, a script or a supervisor that kills processes",
        ),
        (SIGKILL, None) => (
            "killed",
            "this host does not report whether memory ran out",
            "look for `Out of memory` in the kernel log, then for someone who kills processes",
        ),
        (SIGABRT, _) if log_tail.iter().any(|line| says_out_of_memory(line)) => {
            ("out_of_memory", "it did not get the memory it asked for", USE_LESS_MEMORY)
        }
        (SIGABRT, _) => (
            "aborted",
            "the library aborted",
            "its last log lines say why; the usual cause is a model that the library does not expect",
        ),
        (SIGSEGV, _) => (
            "segmentation_fault",
            "it accessed memory that is not its own",
            "the library has a bug, or the model was made to break it; try another version of the library",
        ),
        (SIGBUS, _) => (
            "bus_error",
            "it accessed memory that has nothing behind it",
            "a mapped file was shortened, or the disk is full or failing; see the kernel log",
        ),
        (SIGILL, _) => (
            "illegal_instruction",
            "it ran an instruction that this processor does not have",
            "the library was built for another processor; install one built for this host",
        ),
        (SIGFPE, _) => (
            "arithmetic_fault",
            "it divided by zero",
            "the library has a bug, or the model has an empty dimension; try another version of the library",
        ),
        (SIGSYS, _) => (
            "blocked_system_call",
            "it used a system call that a sandbox forbids",
            "relax `SystemCallFilter=` in the unit",
        ),
        _ => (
            "signalled",
            "nothing in the worker expects this signal",
            "look for someone who sends signals to processes, and see the last log lines",
        ),
    };
    Explanation { reason, cause, hint }
}

/// The signal's name, or its number if it has none here.
pub(super) fn name(signal: i32) -> String {
    let name = match signal {
        SIGILL => "SIGILL",
        SIGABRT => "SIGABRT",
        SIGBUS => "SIGBUS",
        SIGFPE => "SIGFPE",
        SIGKILL => "SIGKILL",
        SIGSEGV => "SIGSEGV",
        SIGSYS => "SIGSYS",
        other => return format!("signal {other}"),
    };
    name.into()
}

// What Rust, C++ and C libraries print when an allocation fails.
fn says_out_of_memory(line: &str) -> bool {
    ["memory allocation of ", "std::bad_alloc", "Cannot allocate memory"]
        .iter()
        .any(|words| line.contains(words))
}
