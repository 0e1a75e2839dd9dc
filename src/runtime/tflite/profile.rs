//! The time of each operator, through the library's own interface for profilers. Compiled into
//! `backbone-worker-tflite` only.
//!
//! A profiler is an option of an interpreter, and `tflitec` keeps the options to itself. So that the profiled
//! session is the measured one in everything else, this executable has a `TfLiteInterpreterCreate` of its
//! own, which `tflitec` calls and which adds the profiler before it calls the library's.
//!
//! The interface is `TfLiteTelemetryProfilerStruct` in
//! <https://github.com/tensorflow/tensorflow/blob/v2.17.0/tensorflow/lite/profiling/telemetry/c/profiler.h>.
//! The library calls it on the thread that invokes the interpreter. A delegate reports its own operators
//! while its node runs; the node then counts with what is left.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};
use std::time::Instant;

use backbone::bundle::format::{Layer, Stage};
use backbone::runtime::layers::LayerTimes;
use backbone::runtime::{Failure, Profiler};
use tflitec::interpreter::Interpreter;

use super::library;

/// An operator: its subgraph, its number there, and its name. Operators of delegates have numbers of their
/// own.
type Operator = (i64, i64, String);

thread_local! {
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

/// What the profiler has heard so far.
struct Recorder {
    /// The run that is recorded; `None` during warm-up.
    run: Option<usize>,
    times: LayerTimes<Operator>,
    /// Operators that have begun and not ended, the outermost first.
    open: Vec<Open>,
}

struct Open {
    operator: Operator,
    began: Instant,
    /// Time of the operators inside it.
    inner_nanoseconds: u64,
}

impl Recorder {
    fn begin(&mut self, operator: Operator) -> u32 {
        self.open.push(Open { operator, began: Instant::now(), inner_nanoseconds: 0 });
        self.open.len() as u32
    }

    fn end(&mut self, depth: u32) {
        if depth == 0 || self.open.len() < depth as usize {
            return;
        }
        self.open.truncate(depth as usize);
        if let Some(Open { operator, began, inner_nanoseconds }) = self.open.pop() {
            let elapsed = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.add(operator, elapsed.saturating_sub(inner_nanoseconds), elapsed);
        }
    }

    /// An operator took `own` nanoseconds, and with all that is inside it `elapsed`.
    fn add(&mut self, operator: Operator, own: u64, elapsed: u64) {
        if let Some(outer) = self.open.last_mut() {
            outer.inner_nanoseconds = outer.inner_nanoseconds.saturating_add(elapsed);
        }
        let Some(run) = self.run else { return };
        let (_, number, name) = &operator;
        let layer =
            Layer { name: format!("{name} {number}"), operator: Some(name.clone()), ..Layer::default() };
        self.times.add(run, operator, own, || layer);
    }
}

/// An interpreter that was created with the profiler.
pub(super) struct ProfiledInterpreter(Interpreter<'static>);

impl ProfiledInterpreter {
    /// What `create` makes, with the profiler in it.
    pub(super) fn create(
        create: impl FnOnce() -> Result<Interpreter<'static>, Failure>,
    ) -> Result<Self, Failure> {
        let recorder = Recorder { run: None, times: LayerTimes::new(0), open: Vec::new() };
        RECORDER.set(Some(recorder));
        let interpreter = create()?;
        if !interposed::is_attached() {
            let detail = "this version of TensorFlow Lite has no interface for profilers";
            return Err(Failure::new(Stage::Load, "profile_not_supported", detail)
                .with_hint("leave out `runtime_options.profile`"));
        }
        Ok(Self(interpreter))
    }

    pub(super) fn interpreter(&self) -> &Interpreter<'static> {
        &self.0
    }
}

impl Profiler for ProfiledInterpreter {
    fn profile(&mut self, warm_up_runs: u32, runs: u32) -> Result<Vec<Layer>, Failure> {
        recorder(|recorder| recorder.times = LayerTimes::new(runs as usize));
        let warm_up = (0..warm_up_runs).map(|_| None);
        for run in warm_up.chain((0..runs as usize).map(Some)) {
            recorder(|recorder| recorder.run = run);
            self.0.invoke().map_err(|_| {
                Failure::new(Stage::Timing, "run_failed", "TensorFlow Lite refused to run the model")
                    .with_hint(super::SEE_LOG)
            })?;
        }
        let layers = RECORDER.take().map(|recorder| recorder.times.into_layers()).unwrap_or_default();
        if layers.is_empty() {
            let detail = "TensorFlow Lite reported no operator to the profiler";
            return Err(Failure::new(Stage::Report, "profile_not_readable", detail));
        }
        Ok(layers)
    }
}

/// Nothing happens if nothing is recorded.
fn recorder<T>(change: impl FnOnce(&mut Recorder) -> T) -> Option<T> {
    RECORDER.with_borrow_mut(|recorder| recorder.as_mut().map(change))
}

#[expect(unsafe_code, reason = "the C interface of the library")]
mod interposed {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    static IS_ATTACHED: AtomicBool = AtomicBool::new(false);

    pub(super) fn is_attached() -> bool {
        IS_ATTACHED.load(Ordering::Relaxed)
    }

    /// `TfLiteTelemetryProfilerStruct`.
    #[repr(C)]
    struct TelemetryProfiler {
        data: *mut c_void,
        report_telemetry_event: extern "C" fn(*mut c_void, *const c_char, u64),
        report_telemetry_op_event: extern "C" fn(*mut c_void, *const c_char, i64, i64, u64),
        report_settings: extern "C" fn(*mut c_void, *const c_char, *const c_void),
        report_begin_op_invoke_event: extern "C" fn(*mut c_void, *const c_char, i64, i64) -> u32,
        report_end_op_invoke_event: extern "C" fn(*mut c_void, u32),
        report_op_invoke_event: extern "C" fn(*mut c_void, *const c_char, u64, i64, i64),
    }

    // SAFETY: it holds functions and a null pointer, and nothing changes it.
    unsafe impl Sync for TelemetryProfiler {}

    static PROFILER: TelemetryProfiler = TelemetryProfiler {
        data: std::ptr::null_mut(),
        report_telemetry_event: ignore_event,
        report_telemetry_op_event: ignore_operator_event,
        report_settings: ignore_settings,
        report_begin_op_invoke_event: begin,
        report_end_op_invoke_event: end,
        report_op_invoke_event: ran,
    };

    extern "C" fn ignore_event(_: *mut c_void, _: *const c_char, _: u64) {}
    extern "C" fn ignore_operator_event(_: *mut c_void, _: *const c_char, _: i64, _: i64, _: u64) {}
    extern "C" fn ignore_settings(_: *mut c_void, _: *const c_char, _: *const c_void) {}

    extern "C" fn begin(_: *mut c_void, name: *const c_char, number: i64, subgraph: i64) -> u32 {
        recorder(|recorder| recorder.begin((subgraph, number, text(name)))).unwrap_or(0)
    }

    extern "C" fn end(_: *mut c_void, depth: u32) {
        recorder(|recorder| recorder.end(depth));
    }

    extern "C" fn ran(_: *mut c_void, name: *const c_char, microseconds: u64, number: i64, subgraph: i64) {
        let nanoseconds = microseconds.saturating_mul(1_000);
        recorder(|recorder| recorder.add((subgraph, number, text(name)), nanoseconds, nanoseconds));
    }

    fn text(name: *const c_char) -> String {
        if name.is_null() {
            return String::new();
        }
        // SAFETY: not null, and the library gives C strings.
        unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
    }

    type Create = unsafe extern "C" fn(*const c_void, *mut c_void) -> *mut c_void;
    type SetProfiler = unsafe extern "C" fn(*mut c_void, *const TelemetryProfiler);

    /// Stands before the library's function in every call of this executable.
    ///
    /// # Safety
    /// As the library's.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn TfLiteInterpreterCreate(model: *const c_void, options: *mut c_void) -> *mut c_void {
        let create = library::function(c"TfLiteInterpreterCreate");
        if create.is_null() {
            return std::ptr::null_mut();
        }
        let set_profiler = library::function(c"TfLiteInterpreterOptionsSetTelemetryProfiler");
        if !set_profiler.is_null() && recorder(|_| ()).is_some() {
            // SAFETY: the library's function has this signature in every version that has it; the profiler is
            // static.
            unsafe {
                std::mem::transmute::<*mut c_void, SetProfiler>(set_profiler)(options, &raw const PROFILER);
            };
            IS_ATTACHED.store(true, Ordering::Relaxed);
        }
        // SAFETY: the library's function has this signature; the caller vouches for the pointers.
        unsafe { std::mem::transmute::<*mut c_void, Create>(create)(model, options) }
    }
}
