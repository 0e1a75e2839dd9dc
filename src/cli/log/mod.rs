//! Log records: fields in the journal under systemd, readable lines on standard error elsewhere.
//!
//! A record is a few fixed words and key-values: `info!(JOB = name, ID = id; "claimed")`. In the journal the
//! keys are fields (`JOB=`, `ID=`, `STAGE=`) for queries such as `journalctl JOB=smoke`; the message has them
//! too, so that plain `journalctl -u backbone` shows everything. Levels: ERROR someone must act, WARN odd but
//! nothing lost, INFO one line a state change, DEBUG the rest.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Context as _;
use env_logger::{Logger, Target};
use log::kv::{Error, Key, Value, VisitSource};
use log::{Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use crate::text::escaped;

mod patient;

use patient::Patient;

/// The daemon's default filter: its own state changes, and only warnings from libraries.
pub(super) const DAEMON: &str = "warn,backbone=info";

/// The default filter of a command on a terminal, whose output says the rest.
pub(super) const COMMAND: &str = "warn";

/// The first of these that is set replaces the default; the syntax is that of `env_logger`, such as
/// `backbone=debug`.
const VARIABLES: [&str; 2] = ["BACKBONE_LOG", "RUST_LOG"];

/// Start to log, with the filter `default` if the environment sets none. Called once in a process.
///
/// # Errors
/// Standard error is connected to the journal, but the journal's socket does not exist.
pub(super) fn install(default: &str) -> anyhow::Result<()> {
    let filters = VARIABLES.iter().find_map(|variable| std::env::var(variable).ok());
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(filters.as_deref().unwrap_or(default));
    let (logger, maximum): (Box<dyn Log>, _) = if connected_to_journal() {
        let journal = JournalLog::new().context("cannot reach the journal")?;
        let filter = builder.build();
        let maximum = filter.filter();
        (Box::new(Journal { filter, journal }), maximum)
    } else {
        builder.target(Target::Pipe(Box::new(Patient::new(std::io::stderr()))));
        builder.format(|formatter, record| {
            // Whole seconds: the daemon's state changes are seconds apart, and latencies are never logged.
            let time = jiff::Timestamp::now();
            writeln!(formatter, "{time:.0} {} {}", record.level(), line(record))
        });
        let logger = builder.build();
        let maximum = logger.filter();
        (Box::new(logger), maximum)
    };
    log::set_max_level(maximum);
    log::set_boxed_logger(logger).context("a logger is installed already")
}

/// The journal's logger, behind the same filter as the terminal's.
struct Journal {
    filter: Logger,
    journal: JournalLog,
}

impl Log for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.filter.matches(record) {
            let line = line(record);
            let mut entry = record.to_builder();
            // A full journal must not end a measurement: drop the record.
            let _ = self.journal.journal_send(&entry.args(format_args!("{line}")).build());
        }
    }

    fn flush(&self) {}
}

/// One line: the message, then its key-values. Control characters are escaped, so that a file name cannot
/// forge a record.
fn line(record: &Record<'_>) -> String {
    let mut line = LogLine(String::new());
    line.0.push_str(&escaped(&record.args().to_string()));
    // Writing to a string cannot fail, and `LogLine` never refuses a pair.
    let _ = record.key_values().visit(&mut line);
    line.0
}

struct LogLine(String);

impl<'kvs> VisitSource<'kvs> for LogLine {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push(' ');
        // Capitals are for the journal's fields; people read lower case.
        self.0.push_str(&key.as_str().to_ascii_lowercase());
        self.0.push('=');
        let value = value.to_string();
        // Quoted if the line could not be taken apart again without it.
        if value.is_empty() || value.contains([' ', '"', '=']) {
            let _ = write!(self.0, "{value:?}");
        } else {
            self.0.push_str(&escaped(&value));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_whatever_its_values_hold() {
        let pairs: &[(&str, &str)] =
            &[("JOB", "smoke"), ("detail", "no such file"), ("file", "two\nlines"), ("empty", "")];
        let record = Record::builder().args(format_args!("claimed\nERROR forged")).key_values(&pairs).build();
        assert_eq!(
            line(&record),
            r#"claimed\nERROR forged job=smoke detail="no such file" file=two\nlines empty="""#
        );
    }

    #[test]
    fn every_default_filter_is_understood() {
        for (default, expected) in [(DAEMON, log::LevelFilter::Info), (COMMAND, log::LevelFilter::Warn)] {
            assert_eq!(env_logger::Builder::new().parse_filters(default).build().filter(), expected);
        }
    }
}
