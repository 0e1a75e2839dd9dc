//! The bytes of outputs that are to be compared: files in the spool, written by workers after their timed
//! runs.
//!
//! A file is only there between the trial that wrote it and the comparison. It is not synced: if it is lost,
//! the bundle says that nothing was compared. Elements are read a piece at a time, because the daemon must
//! stay small.

use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use fs_err::File;

use crate::bundle::format::{Agreement, AgreementState, MatchedBy, Output, OutputTolerance, TrialId};
use crate::guarded;
use crate::runtime::agreement::Differences;
use crate::runtime::fill::ElementType;
use crate::runtime::shapes::element_count;
use crate::spool::names::JobId;

/// Name of the folder in the spool.
const FOLDER: &str = "outputs";

/// Bytes of all kept outputs beyond which no more are kept. A study on several runtimes keeps those of each
/// network until the last runtime has run it.
const FOLDER_LIMIT: u64 = 512 << 20;

/// Elements that are compared at a time.
const PIECE_ELEMENTS: usize = 4096;

/// The files of one job.
#[derive(Debug)]
pub(super) struct KeptOutputs {
    folder: PathBuf,
    job: String,
    is_full: bool,
}

impl KeptOutputs {
    /// Make the folder, and remove what other jobs left in it.
    pub(super) fn of(job: &JobId, spool: &Path) -> io::Result<Self> {
        let folder = spool.join(FOLDER);
        // Not create_dir_all: if the spool is missing, so is its disk.
        match fs_err::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let mut kept = Self { folder, job: job.to_string(), is_full: false };
        kept.remove(|name| !name.starts_with(&kept.prefix()))?;
        let mut bytes = 0;
        for entry in fs_err::read_dir(&kept.folder)? {
            bytes += entry?.metadata()?.len();
        }
        kept.is_full = bytes > FOLDER_LIMIT;
        Ok(kept)
    }

    /// The file for a trial of a configuration; `None` if there are too many already.
    pub(super) fn for_trial(&self, configuration: usize, trial: TrialId) -> Option<PathBuf> {
        (!self.is_full).then(|| self.of_trial(configuration, trial))
    }

    /// The file of a trial of a configuration, whether it is there or not.
    pub(super) fn of_trial(&self, configuration: usize, trial: TrialId) -> PathBuf {
        let TrialId { build, process } = trial;
        self.folder.join(format!("{}{configuration}~{build}~{process}", self.prefix()))
    }

    /// Remove the files of a configuration.
    pub(super) fn remove_configuration(&self, configuration: usize) -> io::Result<()> {
        let prefix = format!("{}{configuration}~", self.prefix());
        self.remove(|name| name.starts_with(&prefix))
    }

    /// Remove all files of the job.
    pub(super) fn remove_job(&self) -> io::Result<()> {
        self.remove(|name| name.starts_with(&self.prefix()))
    }

    fn prefix(&self) -> String {
        format!("{}~", self.job)
    }

    fn remove(&self, is_meant: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs_err::read_dir(&self.folder)? {
            let entry = entry?;
            if is_meant(&entry.file_name().to_string_lossy()) {
                fs_err::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Outputs, and the file with their bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) tensors: &'a [Output],
    pub(super) file: &'a Path,
}

/// Compare each output with that of the reference.
///
/// # Errors
/// Why nothing can be compared.
pub(super) fn compare(
    ours: Side<'_>,
    reference: Side<'_>,
    tolerance: &OutputTolerance,
) -> Result<(MatchedBy, Vec<Agreement>), String> {
    let (matched_by, places) = matched(ours.tensors, reference.tensors)?;
    let lost = |error: io::Error| format!("the outputs were not kept: {error}");
    let mut agreements = Vec::new();
    for (place, output) in places.into_iter().zip(ours.tensors) {
        let other = &reference.tensors[place];
        let agreement = match elements_of(output, other) {
            Err(why) => not_comparable(output, why),
            Ok(types) => {
                let mut one = at(ours, output).map_err(lost)?;
                let mut two = at(reference, other).map_err(lost)?;
                let count = element_count(&output.shape).unwrap_or(0);
                let differences = differences((&mut one, types.0), (&mut two, types.1), count);
                differences.map_err(lost)?.agreement(&output.name, types.0, tolerance)
            }
        };
        agreements.push(agreement);
    }
    Ok((matched_by, agreements))
}

/// The place of each of our outputs among those of the reference.
fn matched(ours: &[Output], reference: &[Output]) -> Result<(MatchedBy, Vec<usize>), String> {
    let by_name: Option<Vec<usize>> =
        ours.iter().map(|output| reference.iter().position(|other| other.name == output.name)).collect();
    if let Some(places) = by_name {
        return Ok((MatchedBy::Name, places));
    }
    let counts = |outputs: &[Output]| -> Vec<_> {
        outputs.iter().map(|output| element_count(&output.shape)).collect()
    };
    if counts(ours) == counts(reference) {
        return Ok((MatchedBy::Position, (0..ours.len()).collect()));
    }
    let names = |outputs: &[Output]| -> String {
        let all: Vec<String> =
            outputs.iter().map(|output| format!("{} {:?}", output.name, output.shape)).collect();
        all.join(", ")
    };
    Err(format!("the outputs do not correspond: {} against {}", names(ours), names(reference)))
}

/// How to read the elements of two outputs that can be compared.
fn elements_of(output: &Output, other: &Output) -> Result<(ElementType, ElementType), String> {
    let sizes =
        |output: &Output| -> Vec<u64> { output.shape.iter().copied().filter(|size| *size != 1).collect() };
    let (mut one, mut two) = (sizes(output), sizes(other));
    if one != two {
        one.sort_unstable();
        two.sort_unstable();
        let what = if one == two { "permuted" } else { "different" };
        return Err(format!("the dimensions are {what}: {:?} against {:?}", output.shape, other.shape));
    }
    let unread = || Err("their elements are not read".to_owned());
    let read =
        |output: &Output| ElementType::of_name(&output.element_type).filter(|_| output.sha256.is_some());
    let (Some(one), Some(two)) = (read(output), read(other)) else { return unread() };
    let is_float = |element_type: ElementType| element_type.name().contains("float");
    if one != two && !(is_float(one) && is_float(two)) {
        return Err(format!("the elements are {} against {}", one.name(), two.name()));
    }
    Ok((one, two))
}

fn not_comparable(output: &Output, why: String) -> Agreement {
    Agreement {
        name: output.name.clone(),
        state: AgreementState::NotComparable,
        largest_absolute_difference: None,
        largest_relative_difference: None,
        largest_reference_magnitude: None,
        cosine_similarity: None,
        detail: Some(why),
    }
}

/// The bytes of an output from its first on.
fn at(side: Side<'_>, output: &Output) -> io::Result<BufReader<File>> {
    let bytes = |output: &Output| {
        let size = ElementType::of_name(&output.element_type).map_or(0, ElementType::size_bytes);
        (element_count(&output.shape).unwrap_or(0) * size) as u64
    };
    let before = side.tensors.iter().take_while(|other| !std::ptr::eq(*other, output));
    let mut file = guarded::open_path(side.file)?;
    file.seek(SeekFrom::Start(before.map(bytes).sum()))?;
    Ok(BufReader::new(file))
}

fn differences(
    (one, one_type): (&mut impl Read, ElementType),
    (two, two_type): (&mut impl Read, ElementType),
    count: usize,
) -> io::Result<Differences> {
    let mut differences = Differences::default();
    let mut left = count;
    while left > 0 {
        let elements = left.min(PIECE_ELEMENTS);
        let values = read(one, one_type, elements)?;
        let references = read(two, two_type, elements)?;
        values.iter().zip(&references).for_each(|(value, reference)| differences.add(*value, *reference));
        left -= elements;
    }
    Ok(differences)
}

fn read(from: &mut impl Read, element_type: ElementType, elements: usize) -> io::Result<Vec<f64>> {
    let mut bytes = vec![0; elements * element_type.size_bytes()];
    from.read_exact(&mut bytes)?;
    let mut values = Vec::with_capacity(elements);
    element_type.each(&bytes, |value| values.push(value));
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::agreement::Rounding;

    fn output(name: &str, element_type: &str, shape: &[u64]) -> Output {
        Output {
            name: name.to_owned(),
            element_type: element_type.to_owned(),
            shape: shape.to_vec(),
            sha256: Some(String::new()),
            minimum: None,
            maximum: None,
            is_finite: Some(true),
            is_constant: Some(false),
            detail: None,
        }
    }

    fn compared(
        ours: (&[Output], &[f32]),
        reference: (&[Output], &[f32]),
    ) -> Result<(MatchedBy, Vec<Agreement>), String> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, values: &[f32]| {
            let path = folder.path().join(name);
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
            fs_err::write(&path, bytes).unwrap();
            path
        };
        let (one, two) = (file("one", ours.1), file("two", reference.1));
        compare(
            Side { tensors: ours.0, file: &one },
            Side { tensors: reference.0, file: &two },
            &Rounding::Fp32.tolerance(),
        )
    }

    fn float(name: &str, shape: &[u64]) -> Output {
        output(name, "float32", shape)
    }

    #[test]
    fn outputs_of_other_order_are_matched_by_name_and_read_from_their_place() {
        let ours = [float("a", &[2]), float("b", &[1, 1])];
        let reference = [float("b", &[1]), float("a", &[1, 2])];
        let (matched_by, agreements) =
            compared((&ours, &[1.0, 2.0, 9.0]), (&reference, &[9.0, 1.0, 2.5])).unwrap();
        assert_eq!(matched_by, MatchedBy::Name);
        assert_eq!(agreements[0].state, AgreementState::Disagrees);
        assert_eq!(agreements[0].largest_absolute_difference, Some(0.5));
        assert_eq!(agreements[1].state, AgreementState::Agrees);
    }

    #[test]
    fn other_names_are_matched_by_position_if_the_sizes_agree() {
        let (matched_by, agreements) =
            compared((&[float("Identity", &[1, 2])], &[1.0, 2.0]), (&[float("logits", &[2])], &[1.0, 2.0]))
                .unwrap();
        assert_eq!((matched_by, agreements[0].state), (MatchedBy::Position, AgreementState::Agrees));
        let why = compared((&[float("a", &[2])], &[1.0, 2.0]), (&[float("b", &[3])], &[0.0; 3]));
        assert_eq!(why.unwrap_err(), "the outputs do not correspond: a [2] against b [3]");
    }

    #[test]
    fn permuted_dimensions_and_other_types_are_not_comparable_and_never_disagree() {
        let (_, agreements) =
            compared((&[float("a", &[1, 3, 2])], &[0.0; 6]), (&[float("a", &[1, 2, 3])], &[1.0; 6])).unwrap();
        assert_eq!(agreements[0].state, AgreementState::NotComparable);
        let detail = agreements[0].detail.as_deref();
        assert_eq!(detail, Some("the dimensions are permuted: [1, 3, 2] against [1, 2, 3]"));
        let (_, agreements) =
            compared((&[output("a", "int8", &[4])], &[0.0]), (&[float("a", &[4])], &[0.0; 4])).unwrap();
        assert_eq!(agreements[0].detail.as_deref(), Some("the elements are int8 against float32"));
    }

    #[test]
    fn file_that_is_short_or_gone_is_no_comparison() {
        let why = compared((&[float("a", &[2])], &[1.0]), (&[float("a", &[2])], &[1.0, 2.0])).unwrap_err();
        assert!(why.starts_with("the outputs were not kept: "), "{why}");
    }

    #[test]
    fn files_of_other_jobs_and_of_past_configurations_go() {
        let spool = tempfile::tempdir().unwrap();
        let id = |number| JobId { number, tag: "test".to_owned() };
        let trial = TrialId { build: 1, process: 2 };
        let first = KeptOutputs::of(&id(1), spool.path()).unwrap();
        fs_err::write(first.for_trial(1, trial).unwrap(), "x").unwrap();
        let second = KeptOutputs::of(&id(2), spool.path()).unwrap();
        assert!(!first.of_trial(1, trial).exists());
        for configuration in [1, 11] {
            fs_err::write(second.of_trial(configuration, trial), "x").unwrap();
        }
        second.remove_configuration(1).unwrap();
        assert!(!second.of_trial(1, trial).exists() && second.of_trial(11, trial).exists());
        second.remove_job().unwrap();
        assert_eq!(fs_err::read_dir(spool.path().join(FOLDER)).unwrap().count(), 0);
    }
}
