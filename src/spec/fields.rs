//! The table of everything that a job file may say. Checks, the JSON Schema and the reference in
//! `docs/JOB-SPEC.md` are derived from it; nothing here reads a file.

pub(crate) use super::field::{Factor, Fallback, Field, Kind};

/// The version of the job file that this program reads, the value of `backbone`.
pub(crate) const FORMAT: i64 = 1;

/// Longest `name`, in bytes; also the longest part of a bundle's name.
pub(crate) const MAXIMUM_NAME_BYTES: usize = 80;

/// Most entries in `labels` and in `inputs`; room for anything sensible, small compared with a thousand
/// latencies in a bundle.
pub(crate) const MAXIMUM_ENTRIES: usize = 64;

/// Longest value of a label and longest name of an input, in bytes; as long as a file name may be.
pub(crate) const MAXIMUM_ENTRY_BYTES: usize = 255;

/// Images of a network that names no batch.
pub(super) const DEFAULT_BATCH: u32 = 1;

/// Width of a network that names none: the paper's.
pub(super) const DEFAULT_WIDTH_PERCENT: u32 = 100;

/// Most files in `model` and most runtimes in `runtime`.
pub(crate) const MAXIMUM_LIST_ITEMS: usize = 16;

/// Most dimensions of an input; numerical libraries commonly stop at 32.
pub(crate) const MAXIMUM_RANK: usize = 32;

/// Largest dimension of an input: TensorFlow Lite counts them in signed 32 bits.
pub(crate) const MAXIMUM_DIMENSION: i64 = i32::MAX as i64;

/// Most numbers in `values`; longer lists are no reading matter and belong in a file.
pub(crate) const MAXIMUM_VALUES: usize = 4096;

/// Path of one input: its name is free.
pub(crate) const INPUT: &str = "inputs.NAME";

/// Most configurations of a job, runtimes included: sixty times the paper's family, a year of measuring at an
/// hour each.
pub(crate) const MAXIMUM_CONFIGURATIONS: usize = 10_000;

/// Largest number of a processor: the kernel's sets of them, as libraries know them, end there.
pub(crate) const LARGEST_CPU: i64 = 1023;

/// Longest phase for energy, in seconds: an hour evens out whatever a board's power does.
const LONGEST_ENERGY_SECONDS: i64 = 3600;

/// The word for what the paper did.
pub(crate) const PAPER: &str = "paper";

/// The protocol that measures until it is precise enough.
pub(crate) const RIGOROUS: &str = "rigorous";

/// What a job's results may be for.
pub(super) const ROLES: &[&str] = &[CONFIGURATION, SENTINEL];

/// They are what the job is about.
pub(super) const CONFIGURATION: &str = "configuration";

/// They show whether the device changed.
pub(super) const SENTINEL: &str = "sentinel";

/// Precision of `rigorous`, in percent: below what separates two networks of interest.
pub(super) const DEFAULT_PRECISION_PERCENT: i64 = 1;

/// Every key of a job file, in the order of the reference.
pub const FIELDS: &[Field] = &[
    Field {
        path: "backbone",
        kind: Kind::Format(FORMAT),
        fallback: Fallback::Required,
        summary: "Version of the job file format.",
    },
    Field {
        path: "name",
        kind: Kind::Text { maximum_bytes: MAXIMUM_NAME_BYTES },
        fallback: Fallback::Words("the file's name without `.yaml`"),
        summary: "Name of the job in listings and in the names of its bundles.",
    },
    Field {
        path: "model",
        kind: Kind::Models,
        fallback: Fallback::Words("required unless there is a `network` or `study`"),
        summary: "The model to measure: a file dropped into the same folder. A list names files with the same network \
                  in several formats; each runtime takes the one it reads.",
    },
    Field {
        path: "model.file",
        kind: Kind::ModelFile,
        fallback: Fallback::Required,
        summary: "Name of the file, if `model` is written as a map.",
    },
    Field {
        path: "model.sha256",
        kind: Kind::Sha256,
        fallback: Fallback::Words("any content is accepted"),
        summary: "SHA-256 that the file must have; a file with another digest is not measured.",
    },
    Field {
        path: "network",
        kind: Kind::Group,
        fallback: Fallback::Words("required unless there is a `model` or `study`"),
        summary: "One network of the family, generated on the device just before it is measured.",
    },
    Field {
        path: "network.block",
        kind: Kind::Block,
        fallback: Fallback::Required,
        summary: "Type of the residual blocks.",
    },
    Field {
        path: "network.kernel",
        kind: Kind::Factor(Factor::Kernel),
        fallback: Fallback::Required,
        summary: "Kernel size k, in pixels.",
    },
    Field {
        path: "network.batch",
        kind: Kind::Factor(Factor::Batch),
        fallback: Fallback::Integer(DEFAULT_BATCH as i64),
        summary: "Batch size b, in images; one inference processes the whole batch.",
    },
    Field {
        path: "network.input",
        kind: Kind::Factor(Factor::Input),
        fallback: Fallback::Required,
        summary: "Height and width i of the input, in pixels.",
    },
    Field {
        path: "network.precision",
        kind: Kind::Precision,
        fallback: Fallback::Required,
        summary: "Number format of the network.",
    },
    Field {
        path: "network.width_percent",
        kind: Kind::Factor(Factor::WidthPercent),
        fallback: Fallback::Integer(DEFAULT_WIDTH_PERCENT as i64),
        summary: "Width of every layer, in per cent of the paper's.",
    },
    Field {
        path: "network.depths",
        kind: Kind::Depths,
        fallback: Fallback::Words("`[3, 4, 6, 3]`, as in the paper"),
        summary: "Blocks in each of the four stages.",
    },
    Field {
        path: "study",
        kind: Kind::Group,
        fallback: Fallback::Words("required unless there is a `model` or `network`"),
        summary: "Every combination of the values below; each is a network of the family, generated just before it is measured.",
    },
    Field {
        path: "study.blocks",
        kind: Kind::Blocks,
        fallback: Fallback::Words("the paper's six"),
        summary: "Types of residual blocks.",
    },
    Field {
        path: "study.kernels",
        kind: Kind::Factors(Factor::Kernel),
        fallback: Fallback::Words("`[3, 5, 7]`"),
        summary: "Kernel sizes, in pixels.",
    },
    Field {
        path: "study.batches",
        kind: Kind::Factors(Factor::Batch),
        fallback: Fallback::Words("`[1, 2, 4]`"),
        summary: "Batch sizes, in images.",
    },
    Field {
        path: "study.inputs",
        kind: Kind::Factors(Factor::Input),
        fallback: Fallback::Words("`[224, 560, 1400]`"),
        summary: "Heights and widths of the input, in pixels.",
    },
    Field {
        path: "study.precisions",
        kind: Kind::Precisions,
        fallback: Fallback::Words("`[int8]`"),
        summary: "Number formats of the networks.",
    },
    Field {
        path: "order",
        kind: Kind::Choice(&["listed", "random"]),
        fallback: Fallback::Text("listed"),
        summary: "Order of the configurations of a study: as listed, or all of them, runtimes included, shuffled with \
                  the seed `measure.seed`.",
    },
    Field {
        path: "sentinel_every",
        kind: Kind::Integer { minimum: 0, maximum: 1000 },
        fallback: Fallback::Integer(0),
        summary: "Measure one fixed network (the sentinel) before the first configuration, after each so many of them, and after the last, on each runtime: its latencies show how the device drifts over the job. 0: never.",
    },
    Field {
        path: "sentinel",
        kind: Kind::Group,
        fallback: Fallback::Words("`standard`, kernel 3, input 224, 25 % width, `int8` or else `fp32`"),
        summary: "The network of the sentinel.",
    },
    Field {
        path: "sentinel.block",
        kind: Kind::Block,
        fallback: Fallback::Required,
        summary: "Type of the residual blocks.",
    },
    Field {
        path: "sentinel.kernel",
        kind: Kind::Factor(Factor::Kernel),
        fallback: Fallback::Required,
        summary: "Kernel size k, in pixels.",
    },
    Field {
        path: "sentinel.batch",
        kind: Kind::Factor(Factor::Batch),
        fallback: Fallback::Integer(DEFAULT_BATCH as i64),
        summary: "Batch size b, in images.",
    },
    Field {
        path: "sentinel.input",
        kind: Kind::Factor(Factor::Input),
        fallback: Fallback::Required,
        summary: "Height and width i of the input, in pixels.",
    },
    Field {
        path: "sentinel.precision",
        kind: Kind::Precision,
        fallback: Fallback::Required,
        summary: "Number format of the network.",
    },
    Field {
        path: "sentinel.width_percent",
        kind: Kind::Factor(Factor::WidthPercent),
        fallback: Fallback::Integer(DEFAULT_WIDTH_PERCENT as i64),
        summary: "Width of every layer, in per cent of the paper's.",
    },
    Field {
        path: "sentinel.depths",
        kind: Kind::Depths,
        fallback: Fallback::Words("`[3, 4, 6, 3]`, as in the paper"),
        summary: "Blocks in each of the four stages.",
    },
    Field {
        path: "role",
        kind: Kind::Choice(ROLES),
        fallback: Fallback::Text(CONFIGURATION),
        summary: "What the results are for: `configuration`, or `sentinel` for a network that is measured from time to time to see whether the device changed. Analyses leave sentinels out.",
    },
    Field {
        path: "runtime",
        kind: Kind::Runtimes,
        fallback: Fallback::Words(
            "for each model, the first runtime that reads its format; for generated networks, `onnxruntime`",
        ),
        summary: "The runtime that executes the model. With a list, the job measures on each and writes a bundle for each.",
    },
    Field {
        path: "runtime_options",
        kind: Kind::RuntimeOptions,
        fallback: Fallback::Words("each runtime's own defaults"),
        summary: "Options of the runtime. With several runtimes, a map from runtime name to options.",
    },
    Field {
        path: "inputs",
        kind: Kind::Inputs,
        fallback: Fallback::Words("the shapes in the model, and random elements"),
        summary: "Shapes of a dropped model's inputs, and what to fill them with, by input name. A list is a shape. An open \
                  first dimension alone is 1 without it; any other open dimension needs it.",
    },
    Field {
        path: "inputs.NAME.shape",
        kind: Kind::Shape,
        fallback: Fallback::Words("the shape in the model or in the file"),
        summary: "Shape, if the input is written as a map. It must agree with what the model fixes; an input with a 0 in its \
                  shape has no elements.",
    },
    Field {
        path: "inputs.NAME.value",
        kind: Kind::Number,
        fallback: Fallback::Words("random elements"),
        summary: "One number for every element. At most one of `value`, `values`, `range` and `file`.",
    },
    Field {
        path: "inputs.NAME.values",
        kind: Kind::Numbers,
        fallback: Fallback::Words("random elements"),
        summary: "Every element in order, the last dimension fastest.",
    },
    Field {
        path: "inputs.NAME.range",
        kind: Kind::Range,
        fallback: Fallback::Words("integers of 32 and 64 bits are 0 or 1, narrower ones any"),
        summary: "Random integers from the first to the second, both included. For integer inputs only.",
    },
    Field {
        path: "inputs.NAME.file",
        kind: Kind::TensorFile,
        fallback: Fallback::Words("random elements"),
        summary: "File with the elements, dropped into the same folder: `.npy`; `.npz`, from which the array with the input's name \
                  is taken; or `.pb`, ONNX's test data. Its element type and shape must be the input's.",
    },
    Field {
        path: "measure",
        kind: Kind::Group,
        fallback: Fallback::Words("the defaults below"),
        summary: "How to measure.",
    },
    Field {
        path: "measure.protocol",
        kind: Kind::Choice(&[PAPER, RIGOROUS]),
        fallback: Fallback::Text(PAPER),
        summary: "`paper`: as many processes and builds as the keys below say, each with its runs back to back, each run timed \
                  individually. `rigorous`: one process after another, and one build after another for runtimes that compile, until \
                  the mean is known as precisely as asked or the time is up.",
    },
    Field {
        path: "measure.precision_percent",
        kind: Kind::Decimal { minimum: 0.1, maximum: 50.0 },
        fallback: Fallback::Integer(DEFAULT_PRECISION_PERCENT),
        summary: "For `rigorous`: half the width of the 95 % interval of the mean over processes and builds, in percent of the mean.",
    },
    Field {
        path: "measure.time_limit_seconds",
        kind: Kind::Integer { minimum: 1, maximum: 86_400 * 7 },
        fallback: Fallback::Integer(600),
        summary: "For `rigorous`: time for the builds and processes of one configuration; waits for a cool host are not counted. No \
                  process starts that would end later, so at least one is measured.",
    },
    Field {
        path: "measure.warm_up_runs",
        kind: Kind::Integer { minimum: 0, maximum: 100_000 },
        fallback: Fallback::Integer(10),
        summary: "Untimed runs before the timed ones, in each process. Their latencies are recorded separately and enter no \
                  statistic. ONNX Runtime makes one more run before them, unrecorded, to see which provider runs which nodes.",
    },
    Field {
        path: "measure.timed_runs",
        kind: Kind::Integer { minimum: 1, maximum: 1_000_000 },
        fallback: Fallback::Integer(100),
        summary: "Exact number of timed runs in each process; with `rigorous`, in each of the first ones, from which it computes how many \
                  the later ones make. All runs of one bundle, those of every build and process and the untimed ones, are at most 10000000: more could not be read again.",
    },
    Field {
        path: "measure.builds",
        kind: Kind::Builds { maximum: 20 },
        fallback: Fallback::Text(PAPER),
        summary: "How often to compile the model, for runtimes that compile; each build is measured. `paper`: 3 for inputs up to \
                  560 pixels, else 1. The summary describes the build with the lowest mean. Not with `rigorous`.",
    },
    Field {
        path: "measure.processes",
        kind: Kind::Integer { minimum: 1, maximum: 100 },
        fallback: Fallback::Integer(1),
        summary: "Fresh processes for each build, one after another, each with its own load, warm-up and timed runs. Not with \
                  `rigorous`.",
    },
    Field {
        path: "measure.timeout_seconds",
        kind: Kind::Integer { minimum: 1, maximum: 86_400 * 7 },
        fallback: Fallback::Integer(3600),
        summary: "Time limit for each process; a process that exceeds it is killed and the job fails.",
    },
    Field {
        path: "measure.seed",
        kind: Kind::Integer { minimum: 0, maximum: i64::MAX },
        fallback: Fallback::Integer(1),
        summary: "Seed of the generated input data and of `order: random`.",
    },
    Field {
        path: "measure.energy_seconds",
        kind: Kind::Integer { minimum: 0, maximum: LONGEST_ENERGY_SECONDS },
        fallback: Fallback::Integer(0),
        summary: "After the timed runs of the last process, keep running for this long to measure the energy of one inference, \
                  and observe the idle host for as long: half before, half after, at least two seconds each. These \
                  latencies are recorded separately. 0 turns it off; `timeout_seconds` must leave room for it. Not with `rigorous`.",
    },
    Field {
        path: "host",
        kind: Kind::Group,
        fallback: Fallback::Words("the host is measured as it is"),
        summary: "The state of the host during the job. The daemon applies it before the first run and restores the previous state afterwards.",
    },
    Field {
        path: "host.power_mode",
        kind: Kind::Text { maximum_bytes: MAXIMUM_NAME_BYTES },
        fallback: Fallback::Words("the present mode"),
        summary: "Name of the power mode: a mode of nvpmodel on a Jetson, a governor elsewhere. A job that names a mode which \
                  the host does not offer is rejected with a list of the modes that it offers.",
    },
    Field {
        path: "host.lock_clocks",
        kind: Kind::Boolean,
        fallback: Fallback::Boolean(false),
        summary: "Lock the clocks as far as the host allows; what this does on each kind of host is listed by \
                  `backbone list hosts`.",
    },
    Field {
        path: "host.start_below_celsius",
        kind: Kind::Integer { minimum: 1, maximum: 125 },
        fallback: Fallback::Words("no wait"),
        summary: "Before each process, wait until the thermal zones of the host are below this temperature.",
    },
    Field {
        path: "host.wait_up_to_seconds",
        kind: Kind::Integer { minimum: 0, maximum: 86_400 },
        fallback: Fallback::Integer(1800),
        summary: "How long to wait for a cool host; after that, measure anyway and say so in the verdict.",
    },
    Field {
        path: "host.zones",
        kind: Kind::Zones,
        fallback: Fallback::Words("all readable zones"),
        summary: "The thermal zones to wait for.",
    },
    Field {
        path: "host.cpus",
        kind: Kind::Cpus,
        fallback: Fallback::Words("the kernel decides"),
        summary: "Processors that the worker runs on. Meanwhile the daemon uses the others, if there are any.",
    },
    Field {
        path: "host.nice",
        kind: Kind::Integer { minimum: -20, maximum: 19 },
        fallback: Fallback::Words("that of the daemon"),
        summary: "Nice value of the worker; lower values have priority.",
    },
    Field {
        path: "host.lock_memory",
        kind: Kind::Boolean,
        fallback: Fallback::Boolean(false),
        summary: "Keep the worker's memory from being swapped.",
    },
    Field {
        path: "verify",
        kind: Kind::Choice(&["cpu"]),
        fallback: Fallback::Words("only outputs of several runtimes are compared"),
        summary: "`cpu`: after the trials, run the model once on the processor, with the plainest runtime that reads it, and \
                  compare the outputs. A job on several runtimes compares theirs without this key.",
    },
    Field {
        path: "priority",
        kind: Kind::Integer { minimum: -100, maximum: 100 },
        fallback: Fallback::Integer(0),
        summary: "Jobs with a higher number run first; jobs with equal numbers run in order of arrival.",
    },
    Field {
        path: "labels",
        kind: Kind::Labels,
        fallback: Fallback::Words("none"),
        summary: "Free text copied into the bundle, such as the rack or the author.",
    },
];
