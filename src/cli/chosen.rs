//! Which of the collected results a command is about.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::outcome;
use crate::analysis::row::Row;
use crate::bundle::format::Status;

/// What results have to be; without any flag, everything is wanted.
#[derive(Debug, Args)]
pub(super) struct Chosen {
    /// Only results of the job of this name; repeat it for several, like the others below
    #[arg(long, value_name = "NAME")]
    job: Vec<String>,
    /// Only results with this label
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Only results of this host
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Only results of this runtime
    #[arg(long, value_name = "NAME")]
    runtime: Vec<String>,
    /// Only generated networks of this precision
    #[arg(long, value_name = "fp32|int8")]
    precision: Vec<String>,
    /// Only results with this verdict, or that ended like this: `failed`, `timed_out`, …
    #[arg(long, value_name = "STATE")]
    verdict: Vec<String>,
    /// Only results that were finished at this time or later, such as `2026-11-28` or `2026-11-28T08:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only results that were finished before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
}

impl Chosen {
    /// Is it among what was asked for?
    pub(super) fn admits(&self, row: &Row) -> bool {
        let is_one = |wanted: &[String], found: Option<&str>| {
            wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|wanted| wanted == found))
        };
        let software = row.identity.software.as_ref();
        let finished = row.finished.parse::<Timestamp>().ok();
        is_one(&self.job, Some(&row.job))
            && is_one(&self.host, row.identity.machine.host.as_deref())
            && is_one(&self.runtime, software.map(|software| software.runtime.as_str()))
            && is_one(&self.precision, row.configuration.as_ref().map(|it| it.precision.as_str()))
            && is_one(&self.verdict, Some(&ending(row)))
            && (self.label.is_empty()
                || self.label.iter().any(|(key, value)| row.labels.get(key) == Some(value)))
            && self.since.is_none_or(|since| finished.is_some_and(|finished| finished >= since))
            && self.until.is_none_or(|until| finished.is_some_and(|finished| finished < until))
    }
}

/// The verdict of what was measured, else how it ended; as bundles spell it.
pub(super) fn ending(row: &Row) -> String {
    match row.status {
        Status::Measured => row.verdict.word().to_owned(),
        status => outcome::word(status).replace(' ', "_"),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label is written KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A point in time; a date alone is the beginning of that day here.
fn time(text: &str) -> Result<Timestamp, String> {
    let date = || text.parse::<Date>().ok()?.to_zoned(TimeZone::system()).ok();
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| Some(date()?.timestamp()))
        .ok_or_else(|| "a time is written 2026-11-28 or 2026-11-28T08:00:00Z".to_owned())
}
