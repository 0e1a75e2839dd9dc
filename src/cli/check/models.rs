//! The dropped models of a job: whether the daemon would take them, and whether what the job says of their
//! inputs suits them. What a worker would refuse is asked of the worker's own functions.

use std::io;
use std::path::{Path, PathBuf};

use super::{Surroundings, regular_file_size, with_hint};
use crate::daemon::admit::{self, Rejection};
use crate::daemon::{ExternalPart, parts_of};
use crate::network::count::{self, CountError, InputShapes};
use crate::runtime::{Failure, GivenInputs, InputContent, declared};
use crate::spec::Job;
use crate::spec::files::{JobFile, Purpose};
use crate::spool;
use crate::text::counted;

/// Larger files are not read to be checked: they would need as much memory.
const LARGEST_READ_BYTES: u64 = 1 << 30;

/// What is known of a model that the daemon would take.
#[derive(Debug, Default)]
pub(super) struct LookedAt {
    /// Size of its files.
    pub(super) size: u64,
    /// Its operations, if all of them are counted.
    pub(super) operations: Option<u64>,
    /// Why they are not.
    pub(super) not_counted: Option<String>,
}

impl LookedAt {
    pub(super) fn in_words(&self) -> String {
        match &self.not_counted {
            Some(why) => format!("{} bytes, ok; operations not known: {why}", self.size),
            None => format!("{} bytes, ok", self.size),
        }
    }
}

/// Look at a file of the job, which is next to it.
pub(super) fn look(
    spec: &Path,
    job: &Job,
    wanted: &JobFile<'_>,
    surroundings: &Surroundings,
) -> Result<LookedAt, String> {
    let rejected = |rejection: Rejection| with_hint(&rejection.failure);
    let path = spec.with_file_name(wanted.file);
    let size = regular_file_size(&path)?.ok_or_else(|| rejected(admit::not_a_file(wanted.file)))?;
    admit::check_memory(wanted.file, size, surroundings.memory_bytes).map_err(rejected)?;
    // Only if the job names a digest: reading a large model takes seconds.
    if wanted.sha256.is_some() {
        let hashed = fs_err::File::open(&path).and_then(|mut file| spool::hash(&mut file, &mut io::sink()));
        admit::check_digest(wanted, &hashed.map_err(|error| error.to_string())?).map_err(rejected)?;
    }
    let Purpose::Model(index) = wanted.purpose else {
        return Ok(LookedAt { size, ..LookedAt::default() });
    };
    admit::check_format(&path, job, index).map_err(rejected)?;
    let (own_size, mut size) = (size, size);
    for part in parts_of(&path).map_err(rejected)? {
        size = size.saturating_add(look_at_part(&path, &part)?);
    }
    admit::check_memory(wanted.file, size, surroundings.memory_bytes).map_err(rejected)?;
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    if own_size > LARGEST_READ_BYTES || !(extension == "onnx" || extension == "tflite") {
        return Ok(LookedAt { size, ..LookedAt::default() });
    }
    let bytes = fs_err::read(&path).map_err(|error| error.to_string())?;
    let shapes = suits(&bytes, &given(spec, job)).map_err(|failure| with_hint(&failure))?;
    Ok(match count::model(&bytes, &shapes) {
        Ok(cost) if cost.uncounted.is_empty() => {
            LookedAt { size, operations: Some(cost.operations()), not_counted: None }
        }
        Ok(cost) => {
            let uncounted = counted(cost.uncounted.len(), "operator is", "operators are");
            let not_counted = Some(format!("{uncounted} not counted"));
            LookedAt { size, operations: None, not_counted }
        }
        // The file itself is what is wrong; all else is a limit of the count, not of the measurement.
        Err(CountError::Read(error)) => return Err(error.to_string()),
        Err(error) => LookedAt { size, operations: None, not_counted: Some(error.to_string()) },
    })
}

/// The size of a further file of a model that the daemon would take.
fn look_at_part(model: &Path, part: &ExternalPart) -> Result<u64, String> {
    let ExternalPart { file, least_bytes } = part;
    let of_part = |problem: String| format!("keeps weights in `{file}`: {problem}");
    let size = regular_file_size(&model.with_file_name(file)).map_err(of_part)?;
    let size = size.ok_or_else(|| with_hint(&admit::not_a_file(file).failure))?;
    if size < *least_bytes {
        return Err(of_part(format!("it has {size} bytes, and the model needs {least_bytes}")));
    }
    Ok(size)
}

/// The shapes that the model is measured with.
fn suits(bytes: &[u8], given: &GivenInputs) -> Result<InputShapes, Failure> {
    Ok(declared::check(bytes, given)?.into_iter().collect())
}

/// What the job says of inputs, with the files where they are.
fn given(spec: &Path, job: &Job) -> GivenInputs {
    let mut inputs = job.inputs.clone();
    for given in inputs.values_mut() {
        if let Some(InputContent::File(file)) = &mut given.content {
            let path: PathBuf = spec.with_file_name(&file.name);
            file.path = path;
        }
    }
    inputs
}
