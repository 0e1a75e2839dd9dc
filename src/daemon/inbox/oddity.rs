//! What the status says of entries in the inbox that no job can mean, or not yet, and what to do about them.

use std::ffi::OsStr;
use std::time::Duration;

use super::is_model;
use super::locations::Locations;
use super::queue::WaitingJob;
use crate::daemon::status::Attention;
use crate::spool::plan::{Oddity, OddityKind, Unclaimed};

/// A model without a job is named after this long: a person who uploads a model writes the job next.
const MODEL_WITHOUT_JOB_AFTER: Duration = Duration::from_secs(300);

/// Any other file that nothing refers to is named after this long: its model may be under way.
const FILE_OF_NO_JOB_AFTER: Duration = Duration::from_secs(60);

/// The line for one entry.
pub(super) fn attention(oddity: Oddity) -> Attention {
    let (code, why) = match oddity.what {
        OddityKind::Folder => {
            ("folder_in_inbox", "folders are not entered; drop files directly into the inbox")
        }
        OddityKind::Special => {
            ("not_a_regular_file", "links, FIFOs and devices are not opened; drop the file itself")
        }
        OddityKind::Unfinished => ("unfinished_upload", "upload not finished"),
        OddityKind::Temporary => {
            ("temporary_name", "an upload under way, or one that was abandoned; it is never touched")
        }
    };
    line(code, &oddity.name, why.to_owned())
}

fn line(code: &str, name: &OsStr, why: String) -> Attention {
    Attention { code: code.to_owned(), what: name.to_string_lossy().escape_debug().to_string(), why }
}

/// The line for a complete file that is no job file, if no job can mean it.
pub(super) fn unclaimed<'a>(
    file: &Unclaimed,
    mut waiting: impl Iterator<Item = &'a WaitingJob>,
    locations: &Locations,
) -> Option<Attention> {
    let name = file.name.to_string_lossy();
    if let Some(meant) = job_file(&name) {
        let why = format!("job files end in .yaml or .yml; if this is one, rename it to {meant}");
        return Some(line("not_a_job_name", &file.name, why));
    }
    let meant = waiting.find_map(|waiting| {
        let missing = waiting.missing.iter().find(|missing| is_nearly(&missing.file, &name))?;
        Some((&waiting.job.name, &missing.file))
    });
    if let Some((job, missing)) = meant {
        let why = format!(
            "the job {job} waits for {missing}, which is another name; rename this file if it is meant"
        );
        return Some(line("name_differs", &file.name, why));
    }
    if file.is_used || file.is_old || locations.model_of(&file.name).is_some() {
        return None;
    }
    if is_model(&file.name) {
        let why = "no job has named this model; drop a job file that does".to_owned();
        return (file.age >= MODEL_WITHOUT_JOB_AFTER).then(|| line("model_without_job", &file.name, why));
    }
    let why = "no job and no model in the inbox refers to it; it may belong to a model that is missing, or have \
               another name there";
    (file.age >= FILE_OF_NO_JOB_AFTER).then(|| line("file_of_no_job", &file.name, why.to_owned()))
}

/// The name of the job file that this may be, such as `job.yaml` for `job.yaml.txt`.
fn job_file(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let end = [".yaml", ".yml"].into_iter().find_map(|ending| {
        let end = lower.find(ending)? + ending.len();
        let next = lower[end..].chars().next()?;
        (end > ending.len() && !next.is_ascii_alphanumeric()).then_some(end)
    })?;
    Some(name[..end].to_owned())
}

/// Would a person take the names for one? They differ in the case of letters, or by what a browser adds to
/// the name of a second download.
fn is_nearly(wanted: &str, name: &str) -> bool {
    let plain = |name: &str| {
        let name = name.to_lowercase();
        let (stem, ending) = name.rsplit_once('.').map_or((name.as_str(), ""), |parts| parts);
        let stem = stem.strip_suffix(')').and_then(|stem| {
            let (stem, number) = stem.rsplit_once('(')?;
            number.bytes().all(|byte| byte.is_ascii_digit()).then_some(stem.trim_end())
        });
        stem.map_or_else(|| name.clone(), |stem| format!("{stem}.{ending}"))
    };
    wanted != name && plain(wanted) == plain(name)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::daemon::inbox::Missing;
    use crate::daemon::job::QueuedJob;
    use crate::spool::names::{Entry, EntryKind, JobId};

    fn waiting() -> WaitingJob {
        let id = JobId { number: 1, tag: "t".into() };
        let entry = Entry { id, kind: EntryKind::Job, file: "j.yaml".into() };
        let missing = vec![Missing { file: "net.onnx".into(), why: None }];
        let job = QueuedJob { entry, name: "smoke".into(), priority: 0 };
        WaitingJob { missing, ..WaitingJob::of(job, Instant::now()) }
    }

    fn code(name: &str, age: Duration) -> Option<String> {
        let file = Unclaimed { name: name.into(), age, is_used: false, is_old: false };
        let line = unclaimed(&file, [waiting()].iter(), &Locations::default())?;
        Some(line.code)
    }

    #[test]
    fn likely_mistakes_are_named_at_once_and_the_rest_after_a_while() {
        for (name, wanted) in [
            ("job.yaml.txt", Some("not_a_job_name")),
            ("job.YML (1)", Some("not_a_job_name")),
            ("Net.onnx", Some("name_differs")),
            ("net (1).onnx", Some("name_differs")),
            ("net.ONNX", Some("name_differs")),
            ("other.onnx", None),
            ("net.onnx.data", None),
            ("yamllint.cfg", None),
        ] {
            assert_eq!(code(name, Duration::ZERO).as_deref(), wanted, "{name}");
        }
        let hour = Duration::from_secs(3600);
        assert_eq!(code("other.onnx", hour).as_deref(), Some("model_without_job"));
        assert_eq!(code("net.onnx.data", hour).as_deref(), Some("file_of_no_job"));
        let used = Unclaimed { name: "x.data".into(), age: hour, is_used: true, is_old: false };
        assert_eq!(unclaimed(&used, [].iter(), &Locations::default()), None);
    }

    #[test]
    fn what_it_says_helps() {
        let file =
            |name: &str| Unclaimed { name: name.into(), age: Duration::ZERO, is_used: false, is_old: false };
        let why = |name: &str| unclaimed(&file(name), [waiting()].iter(), &Locations::default()).unwrap().why;
        insta::assert_snapshot!(why("job.yaml.txt"), @"job files end in .yaml or .yml; if this is one, rename it to job.yaml");
        insta::assert_snapshot!(why("Net.onnx"), @"the job smoke waits for net.onnx, which is another name; rename this file if it is meant");
    }
}
