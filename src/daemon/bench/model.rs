//! The model of a configuration: the copy of a dropped file, or a network of the family generated for its
//! turn. Nothing here runs while a worker lives.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use crate::bundle::format::{Failure, Outcome, Stage, Status};
use crate::daemon::troubles::{Setback, Subject, TroubleKind};
use crate::daemon::turn::{Course, Left, Turn};
use crate::error::Hint as _;
use crate::network::configuration::Configuration as Network;
use crate::network::emit::{BESIDE_EXTENSION, ModelFile};
use crate::runtime::{GivenInputs, InputContent};
use crate::spec::{Job, JobConfiguration, ModelSource};
use crate::spool::journal::BoundModel;
use crate::spool::{Spool, spare_bytes};

/// A model file, ready to be measured.
#[derive(Debug)]
pub(super) struct AtHand {
    pub(super) path: PathBuf,
    pub(super) model: BoundModel,
}

/// Called while bytes move: keeps the daemon alive, and says by an error that it is to stop.
pub(crate) type Pulse<'a> = dyn FnMut() -> io::Result<()> + 'a;

/// Make the configuration's model ready.
pub(super) fn at_hand(turn: &Turn<'_>, spool: &mut Spool, pulse: &mut Pulse<'_>) -> Result<AtHand, Left> {
    match turn.chosen().source {
        ModelSource::Dropped(index) => {
            let models = turn.progress.models.as_ref();
            let model = models.and_then(|models| models.get(index)).ok_or(Left::ModelLost)?;
            for file in model.files().chain(&turn.progress.inputs) {
                let mut is_stopped = false;
                let mut pulse = || pulse().inspect_err(|_| is_stopped = true);
                match spool.models.verify(&file.sha256, &mut pulse) {
                    Ok(true) => {}
                    Ok(false) => return Err(Left::ModelLost),
                    Err(_) if is_stopped => return Err(Left::Interrupted),
                    Err(error) => return Err(Left::Trouble(error)),
                }
            }
            let path = path_of(model, spool, pulse)?;
            Ok(AtHand { path, model: model.clone() })
        }
        ModelSource::Generated(network) => generate(turn, &network, spool, pulse),
    }
}

/// Where the runtime finds the model. One of several files needs the others next to it, under their names.
fn path_of(model: &BoundModel, spool: &Spool, pulse: &mut Pulse<'_>) -> Result<PathBuf, Left> {
    if model.parts.is_empty() {
        return Ok(spool.models.path(&model.main.sha256));
    }
    let mut is_stopped = false;
    let mut pulse = || pulse().inspect_err(|_| is_stopped = true);
    match spool.models.lay_out(model.files(), &mut pulse) {
        Ok(folder) => Ok(folder.join(&model.main.file)),
        Err(_) if is_stopped => Err(Left::Interrupted),
        Err(error) => Err(Left::Trouble(error)),
    }
}

/// What the job says of inputs, with the files where their copies are.
pub(super) fn bound_inputs(turn: &Turn<'_>, spool: &Spool) -> GivenInputs {
    let mut inputs = turn.job.inputs.clone();
    for given in inputs.values_mut() {
        let Some(InputContent::File(file)) = &mut given.content else { continue };
        if let Some(bound) = turn.progress.inputs.iter().find(|bound| bound.file == file.name) {
            file.path = spool.models.path(&bound.sha256);
            file.sha256 = Some(bound.sha256.clone());
        }
    }
    inputs
}

fn generate(
    turn: &Turn<'_>,
    network: &Network,
    spool: &Spool,
    pulse: &mut Pulse<'_>,
) -> Result<AtHand, Left> {
    let chosen = turn.chosen();
    let not_generated = |outcome| Left::from(Course::default().ended(outcome, None));
    let file = model_file(chosen, network).map_err(|outcome| not_generated(*outcome))?;
    has_room_for(turn, file.length(), spool)?;
    let name = chosen.model_file(turn.job);
    log::debug!(JOB = turn.job.name.as_str(); "generating {name}, {} bytes", file.length());
    let mut is_stopped = false;
    let mut pulse = || pulse().inspect_err(|_| is_stopped = true);
    match write_files(&file, &name, spool, &mut pulse) {
        Ok(at_hand) => Ok(at_hand),
        Err(_) if is_stopped => Err(Left::Interrupted),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            Err(not_generated(too_large(&name, file.length(), &error)))
        }
        Err(error) if is_full(&error) => {
            Err(no_room(turn, &format!("{name} has {} bytes: {error}", file.length())).into())
        }
        Err(error) => Err(Left::Trouble(error)),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Write the file of a model, and the one with its weights if it has two.
fn write_files(file: &ModelFile, name: &str, spool: &Spool, pulse: &mut Pulse<'_>) -> io::Result<AtHand> {
    let mut parts = Vec::new();
    if file.has_file_beside() {
        let name = format!("{name}.{BESIDE_EXTENSION}");
        parts.push(spool.models.generate(&name, |output| file.write_beside(output), pulse)?.1);
    }
    let (path, main) = spool.models.generate(name, |output| file.write(output), pulse)?;
    Ok(AtHand { path, model: BoundModel { main, parts } })
}

/// Size of the largest model that the job generates and that a disk of `total_bytes` can hold.
fn largest_model(job: &Job, total_bytes: u64) -> u64 {
    let generated = job.configurations.iter().filter_map(|chosen| match chosen.source {
        // What its format cannot hold is refused in its turn and needs no room.
        ModelSource::Generated(network) => (chosen.runtime.networks)(&chosen.options)?.length(&network).ok(),
        ModelSource::Dropped(_) => None,
    });
    generated.filter(|bytes| *bytes <= total_bytes).max().unwrap_or(0)
}

/// Is there space for a model of this size, and before the job's first configuration for its largest one? If
/// not now, the job waits and holds up no other; if the disk is too small, waiting would not help.
fn has_room_for(turn: &Turn<'_>, model_bytes: u64, spool: &Spool) -> Result<(), Left> {
    let (free, total) = spool.queue().space().map_err(Left::Trouble)?;
    let is_first = turn.progress.started.is_empty() && turn.progress.bundled.is_empty();
    let largest = if is_first { largest_model(turn.job, total) } else { 0 };
    let needed = model_bytes.max(largest).saturating_add(spare_bytes(total));
    let what =
        format!("a generated model takes {needed} bytes in the spool, {free} of its {total} bytes are free");
    if model_bytes > total {
        let hint = "put the folder of inbox and spool on a larger disk, or measure a smaller network";
        let outcome = not_generated("model_larger_than_disk", what, Some(hint.to_owned()));
        return Err(Course::default().ended(Outcome { status: Status::Rejected, ..outcome }, None).into());
    }
    if free < needed { Err(no_room(turn, &what).into()) } else { Ok(()) }
}

fn no_room(turn: &Turn<'_>, what: &str) -> Setback {
    let id = &turn.queued.entry.id;
    Setback {
        subject: Subject::Job(id.clone()),
        trouble: TroubleKind::NoRoom,
        what: format!("job {} ({id})", turn.job.name),
        why: format!("{what}; make room there"),
    }
}

fn model_file(chosen: &JobConfiguration, network: &Network) -> Result<ModelFile, Box<Outcome>> {
    let Some(form) = (chosen.runtime.networks)(&chosen.options) else {
        let detail = format!("no network can be generated as a .{} file", chosen.runtime.model_format);
        return Err(Box::new(not_generated(
            "format_not_generated",
            detail,
            Some("choose another runtime".to_owned()),
        )));
    };
    form.model_file(network)
        .map_err(|error| Box::new(not_generated("not_generated", error.to_string(), error.hint())))
}

fn too_large(name: &str, bytes: u64, error: &io::Error) -> Outcome {
    let detail = format!("cannot write {name}, {bytes} bytes: {error}");
    let hint = "the file system of the spool, or a limit of the daemon, allows no file of this size";
    not_generated("not_written", detail, Some(hint.to_owned()))
}

fn not_generated(reason: &str, detail: String, hint: Option<String>) -> Outcome {
    Failure { hint, ..Failure::new(Stage::Model, reason, detail) }.outcome(Status::Failed)
}
