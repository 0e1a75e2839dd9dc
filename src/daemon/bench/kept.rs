//! The bytes of outputs that are to be compared: files in the spool, written by workers after their timed
//! runs.
//!
//! A file is only there between the trial that wrote it and the comparison. It is not synced: if it is lost,
//! the bundle says that nothing was compared. KeptOutput are read a piece at a time, because the daemon must
//! stay small.

use std::io::{self, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use fs_err::File;

use crate::bundle::format::{Agreement, AgreementState, MatchedBy, Output, OutputTolerance, Tensor, TrialId};
use crate::guarded;
use crate::runtime::agreement::Differences;
use crate::runtime::fill::ElementType;
use crate::runtime::layout::{ChannelOrder, Conversion};
use crate::runtime::shapes::element_count;
use crate::spool::names::JobId;

/// Name of the folder in the spool.
const FOLDER: &str = "outputs";

/// Bytes of all kept outputs beyond which no more are kept. A study on several runtimes keeps those of each
/// network until the last runtime has run it.
const FOLDER_LIMIT: u64 = 512 << 20;

/// KeptOutput that are compared at a time.
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
    /// The same tensors as the model was loaded.
    pub(super) described: &'a [Tensor],
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
    for (ours_place, (place, output)) in places.into_iter().zip(ours.tensors).enumerate() {
        let agreement = match Pair::of((ours, ours_place), (reference, place)) {
            Err(why) => not_comparable(output, why),
            Ok(pair) => {
                pair.differences().map_err(lost)?.agreement(&output.name, pair.element_type, tolerance)
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

/// Two outputs that can be compared.
struct Pair<'a> {
    ours: KeptOutput<'a>,
    reference: KeptOutput<'a>,
    element_type: ElementType,
    conversion: Conversion,
    sizes: [usize; 3],
}

/// The elements of an output in its file.
struct KeptOutput<'a> {
    file: &'a Path,
    /// Where they begin.
    start: u64,
    element_type: ElementType,
}

impl<'a> Pair<'a> {
    /// Of the outputs in these places.
    ///
    /// # Errors
    /// Why they cannot be compared.
    fn of(ours: (Side<'a>, usize), reference: (Side<'a>, usize)) -> Result<Self, String> {
        let (output, other) = (&ours.0.tensors[ours.1], &reference.0.tensors[reference.1]);
        let tensor = |(side, place): (Side<'_>, usize)| Tensor {
            name: String::new(),
            element_type: side.tensors[place].element_type.clone(),
            shape: side.tensors[place].shape.iter().copied().map(Some).collect(),
            quantization: side.described.get(place).and_then(|described| described.quantization),
        };
        let (to, mut from) = (tensor(ours), tensor(reference));
        let sizes = |output: &Output| -> Vec<u64> {
            output.shape.iter().copied().filter(|size| *size != 1).collect()
        };
        if sizes(output) == sizes(other) {
            // Of sizes of 1, one model may have more than the other.
            from.shape.clone_from(&to.shape);
        } else if ChannelOrder::of(&output.shape, &other.shape).is_none() {
            let (mut one, mut two) = (sizes(output), sizes(other));
            one.sort_unstable();
            two.sort_unstable();
            let what = if one == two { "permuted" } else { "different" };
            return Err(format!("the dimensions are {what}: {:?} against {:?}", output.shape, other.shape));
        }
        let unread = || "their elements are not read".to_owned();
        let ours = KeptOutput::at(ours).ok_or_else(unread)?;
        let reference = KeptOutput::at(reference).ok_or_else(unread)?;
        let (one, two) = (ours.element_type, reference.element_type);
        let conversion = Conversion::of(&from, &to)
            .map_err(|_| format!("the elements are {} against {}", one.name(), two.name()))?;
        let sizes = conversion.layout().sizes(&output.shape).ok_or_else(unread)?;
        Ok(Self { ours, reference, element_type: one, conversion, sizes })
    }

    fn differences(&self) -> io::Result<Differences> {
        let mut differences = Differences::default();
        let (mut ours, mut reference) = (self.ours.open()?, self.reference.open()?);
        let [images, pixels, channels] = self.sizes;
        let (layout, image) = (self.conversion.layout(), pixels * channels);
        let mut add = |values: &[f64], references: &[f64]| {
            for (value, reference) in values.iter().zip(references) {
                let (reference, value) = self.conversion.numbers(*reference, *value);
                differences.add(value, reference);
            }
        };
        for start in (0..images).map(|number| number * image) {
            // Pixels whose channels are read at a time, so that a piece of both files is in memory.
            let most = if layout == ChannelOrder::Same {
                PIECE_ELEMENTS
            } else {
                (PIECE_ELEMENTS / channels).max(1)
            };
            for pixel in (0..pixels).step_by(most) {
                let count = most.min(pixels - pixel);
                let (last, first) = match layout {
                    ChannelOrder::Same => {
                        let values = ours.read(start + pixel, count)?;
                        add(&values, &reference.read(start + pixel, count)?);
                        continue;
                    }
                    ChannelOrder::ChannelsLast => (&mut ours, &mut reference),
                    ChannelOrder::ChannelsFirst => (&mut reference, &mut ours),
                };
                let with_channels_last = last.read(start + pixel * channels, count * channels)?;
                for channel in 0..channels {
                    let of_last: Vec<f64> =
                        with_channels_last.iter().skip(channel).step_by(channels).copied().collect();
                    let of_first = first.read(start + channel * pixels + pixel, count)?;
                    match layout {
                        ChannelOrder::ChannelsLast => add(&of_last, &of_first),
                        _ => add(&of_first, &of_last),
                    }
                }
            }
        }
        Ok(differences)
    }
}

impl<'a> KeptOutput<'a> {
    /// Of the output in this place; `None` if they are not read.
    fn at((side, place): (Side<'a>, usize)) -> Option<Self> {
        let bytes = |output: &Output| {
            let size = ElementType::of_name(&output.element_type).map_or(0, ElementType::size_bytes);
            (element_count(&output.shape).unwrap_or(0) * size) as u64
        };
        let output = &side.tensors[place];
        let element_type = ElementType::of_name(&output.element_type).filter(|_| output.sha256.is_some())?;
        Some(Self { file: side.file, start: side.tensors[..place].iter().map(bytes).sum(), element_type })
    }

    fn open(&self) -> io::Result<ElementReader> {
        let file = BufReader::new(guarded::open_path(self.file)?);
        Ok(ElementReader { file, start: self.start, element_type: self.element_type })
    }
}

/// Reads elements anywhere in an output.
struct ElementReader {
    file: BufReader<File>,
    start: u64,
    element_type: ElementType,
}

impl ElementReader {
    /// So many elements from that one on.
    fn read(&mut self, first: usize, elements: usize) -> io::Result<Vec<f64>> {
        let size = self.element_type.size_bytes();
        let place = self.start + (first * size) as u64;
        let here = self.file.stream_position()?;
        // Keeps what the buffer has, if it goes on there.
        self.file.seek_relative(place.cast_signed() - here.cast_signed())?;
        let mut bytes = vec![0; elements * size];
        self.file.read_exact(&mut bytes)?;
        let mut values = Vec::with_capacity(elements);
        self.element_type.each(&bytes, |value| values.push(value));
        Ok(values)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::format::Quantization;
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
            Side { tensors: ours.0, described: &[], file: &one },
            Side { tensors: reference.0, described: &[], file: &two },
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
    fn channels_may_be_first_in_one_and_last_in_the_other() {
        // Two images of 2 pixels with three channels: channel + 10 × pixel + 100 × image.
        let first = [0.0, 10.0, 1.0, 11.0, 2.0, 12.0, 100.0, 110.0, 101.0, 111.0, 102.0, 112.0];
        let last = [0.0, 1.0, 2.0, 10.0, 11.0, 12.0, 100.0, 101.0, 102.0, 110.0, 111.0, 112.0];
        let (nchw, nhwc) = ([float("a", &[2, 3, 1, 2])], [float("a", &[2, 1, 2, 3])]);
        for (ours, reference) in [((&nchw, &first), (&nhwc, &last)), ((&nhwc, &last), (&nchw, &first))] {
            let (_, agreements) = compared((ours.0, &ours.1[..]), (reference.0, &reference.1[..])).unwrap();
            assert_eq!(agreements[0].largest_absolute_difference, Some(0.0));
            assert_eq!(agreements[0].largest_reference_magnitude, Some(112.0));
        }
        let large: Vec<f32> = (0..3 * 5000).map(|index| index as f32).collect();
        let moved: Vec<f32> =
            (0..5000).flat_map(|pixel| [0, 1, 2].map(|channel| large[channel * 5000 + pixel])).collect();
        let (nchw, nhwc) = ([float("a", &[1, 3, 5000, 1])], [float("a", &[1, 5000, 1, 3])]);
        let (_, agreements) = compared((&nhwc, &moved), (&nchw, &large)).unwrap();
        assert_eq!(agreements[0].largest_absolute_difference, Some(0.0));
    }

    #[test]
    fn elements_with_a_scale_are_compared_by_what_they_stand_for() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        fs_err::write(&one, [255, 0, 3]).unwrap();
        let floats = [0.0_f32, 0.5, 2.25].map(f32::to_ne_bytes).concat();
        fs_err::write(&two, floats).unwrap();
        let scaled = Tensor {
            name: "a".to_owned(),
            element_type: "int8".to_owned(),
            shape: vec![Some(3)],
            quantization: Some(Quantization { scale: 0.5, zero_point: -1 }),
        };
        let (_, agreements) = compare(
            Side { tensors: &[output("a", "int8", &[3])], described: &[scaled], file: &one },
            Side { tensors: &[float("a", &[3])], described: &[], file: &two },
            &Rounding::Int8.tolerance(),
        )
        .unwrap();
        assert_eq!(agreements[0].largest_absolute_difference, Some(0.25));
        assert_eq!(agreements[0].state, AgreementState::Agrees);
    }

    #[test]
    fn permuted_dimensions_and_other_types_are_not_comparable_and_never_disagree() {
        let (_, agreements) =
            compared((&[float("a", &[3, 1, 2])], &[0.0; 6]), (&[float("a", &[1, 2, 3])], &[1.0; 6])).unwrap();
        assert_eq!(agreements[0].state, AgreementState::NotComparable);
        let detail = agreements[0].detail.as_deref();
        assert_eq!(detail, Some("the dimensions are permuted: [3, 1, 2] against [1, 2, 3]"));
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
