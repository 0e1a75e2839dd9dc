//! A stub of a plug-in provider for ONNX Runtime, for tests, no part of any real one: it runs the nodes that
//! its settings name on the host's processor. A `Relu` on floats that it took alone is computed; whatever
//! else it took gives zeros. The tests build it with rustc as a C library. Its settings are in a file next to
//! it, `FILE.settings`, with lines such as `TAKES=Relu` (or an operator of another name, `all` as one node,
//! `nothing`) and `FAULT=crash` (or `crash_at_load`, `no_device`, `refuse_session`, `refuse_network`,
//! `refuse_run`). With `--cfg needs_part` it is linked with a second library, `stub_part`. The C interface is
//! in `stub_plugin_interface.rs`.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

#[path = "stub_plugin_interface.rs"]
mod interface;

use interface::{Api, ApiBase, Factory, OK, Provider, ProviderApi, Status};

/// The version of the interface that this is written for: the library calls nothing that is younger.
const VERSION: u32 = 23;
const NAME: &CStr = c"StubExecutionProvider";
const FLOAT: c_int = 1;
const FAIL: c_int = 1;
const PROCESSOR: c_int = 0;

/// The computation at which `FAULT=crash` ends the process.
const LAST_COMPUTATION: u32 = 10;

#[repr(C)]
struct Kernel {
    version: u32,
    create_state: unsafe extern "C" fn(*mut Kernel, *mut c_void, *mut *mut c_void) -> Status,
    compute: unsafe extern "C" fn(*mut Kernel, *mut c_void, *mut c_void) -> Status,
    release_state: extern "C" fn(*mut Kernel, *mut c_void),
    work: Work,
}

enum Work {
    Relu,
    /// Outputs of these shapes.
    Zeros(Vec<Vec<i64>>),
}

static API: OnceLock<&'static Api> = OnceLock::new();

/// What a call into the library or the stub's own settings refused.
struct Refused(Status);

fn api() -> &'static Api {
    API.get().expect("the library asks for factories first")
}

fn provider_api() -> &'static ProviderApi {
    // SAFETY: the library's static table.
    unsafe { &*(api().provider_api)() }
}

fn checked(status: Status) -> Result<(), Refused> {
    if status.is_null() { Ok(()) } else { Err(Refused(status)) }
}

fn refused(why: &str) -> Refused {
    let why = CString::new(why).unwrap_or_default();
    // SAFETY: a C string that the library copies.
    Refused(unsafe { (api().status)(FAIL, why.as_ptr()) })
}

fn told(result: Result<(), Refused>) -> Status {
    result.map_or_else(|Refused(status)| status, |()| OK)
}

fn setting(key: &str) -> String {
    let mut file = own_file().into_os_string();
    file.push(".settings");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_default().to_owned()
}

fn crash(when: &str) -> ! {
    eprintln!("stub plug-in: crashes {when}");
    std::process::abort()
}

/// The file that this library was loaded from.
fn own_file() -> PathBuf {
    #[repr(C)]
    struct Place {
        file: *const c_char,
        base: *mut c_void,
        symbol: *const c_char,
        address: *mut c_void,
    }
    unsafe extern "C" {
        fn dladdr(address: *const c_void, place: *mut Place) -> c_int;
    }
    let mut place = Place { file: null(), base: null_mut(), symbol: null(), address: null_mut() };
    // SAFETY: dladdr(3) writes a `Dl_info`; the name lives as long as the library is loaded.
    unsafe {
        assert!(dladdr((&raw const API).cast(), &raw mut place) != 0);
        PathBuf::from(OsStr::from_bytes(CStr::from_ptr(place.file).to_bytes()))
    }
}

#[cfg(needs_part)]
fn call_part() {
    #[link(name = "stub_part")]
    unsafe extern "C" {
        fn stub_part();
    }
    // SAFETY: it takes nothing and does nothing.
    unsafe { stub_part() };
}

#[cfg(not(needs_part))]
fn call_part() {}

#[unsafe(no_mangle)]
unsafe extern "C" fn CreateEpFactories(
    _registered: *const c_char,
    base: *const ApiBase,
    _logger: *const c_void,
    factories: *mut *mut Factory,
    _most: usize,
    count: *mut usize,
) -> Status {
    call_part();
    // SAFETY: the library's own table, and room for at least one factory.
    unsafe {
        let _ = API.set(&*((*base).api)(VERSION));
        *factories = Box::into_raw(Box::new(factory()));
        *count = 1;
    }
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ReleaseEpFactory(factory: *mut Factory) -> Status {
    // SAFETY: one that `CreateEpFactories` made.
    drop(unsafe { Box::from_raw(factory) });
    OK
}

fn factory() -> Factory {
    Factory {
        version: VERSION,
        name: factory_name,
        vendor,
        devices,
        create,
        release,
        vendor_number,
        provider_version,
        validate_compiled: null(),
        create_allocator: null(),
        release_allocator: null(),
        create_transfer,
        is_stream_aware,
        create_stream: null(),
    }
}

extern "C" fn factory_name(_: *const Factory) -> *const c_char {
    NAME.as_ptr()
}

extern "C" fn vendor(_: *const Factory) -> *const c_char {
    c"tests".as_ptr()
}

extern "C" fn vendor_number(_: *const Factory) -> u32 {
    0
}

extern "C" fn provider_version(_: *const Factory) -> *const c_char {
    c"1.0.0".as_ptr()
}

extern "C" fn is_stream_aware(_: *const Factory) -> bool {
    false
}

unsafe extern "C" fn create_transfer(_: *mut Factory, transfer: *mut *mut c_void) -> Status {
    // SAFETY: a place to write to. All is in main memory.
    unsafe { *transfer = null_mut() };
    OK
}

unsafe extern "C" fn devices(
    factory: *mut Factory,
    hardware: *const *const c_void,
    hardware_count: usize,
    devices: *mut *mut c_void,
    most: usize,
    count: *mut usize,
) -> Status {
    // SAFETY: arrays of the lengths that the library says.
    unsafe {
        *count = 0;
        if setting("FAULT") == "no_device" {
            return OK;
        }
        for one in std::slice::from_raw_parts(hardware, hardware_count) {
            if (api().hardware_kind)(*one) == PROCESSOR && *count < most {
                let made = (provider_api().create_device)(factory, *one, null(), null(), devices.add(*count));
                if !made.is_null() {
                    return made;
                }
                *count += 1;
            }
        }
    }
    OK
}

unsafe extern "C" fn create(
    _factory: *mut Factory,
    _hardware: *const *const c_void,
    _metadata: *const *const c_void,
    _count: usize,
    _options: *const c_void,
    _logger: *const c_void,
    provider: *mut *mut Provider,
) -> Status {
    if setting("FAULT") == "refuse_session" {
        return refused("the stub refuses every session").0;
    }
    let made = Provider {
        version: VERSION,
        name: provider_name,
        take,
        compile,
        release_kernels,
        others: [null(); 8],
    };
    // SAFETY: a place to write to.
    unsafe { *provider = Box::into_raw(Box::new(made)) };
    OK
}

unsafe extern "C" fn release(_factory: *mut Factory, provider: *mut Provider) {
    // SAFETY: one that `create` made.
    drop(unsafe { Box::from_raw(provider) });
}

extern "C" fn provider_name(_: *const Provider) -> *const c_char {
    NAME.as_ptr()
}

unsafe extern "C" fn take(_provider: *mut Provider, graph: *const c_void, taken: *mut c_void) -> Status {
    let add = |nodes: &[*const c_void]| {
        // SAFETY: nodes of the library's graph.
        checked(unsafe { (provider_api().add_nodes)(taken, nodes.as_ptr(), nodes.len(), null()) })
    };
    told(nodes(graph).and_then(|nodes| match setting("TAKES").as_str() {
        "nothing" => Ok(()),
        "all" => add(&nodes),
        wanted => nodes.iter().filter(|node| operator(**node) == wanted).try_for_each(|node| add(&[*node])),
    }))
}

unsafe extern "C" fn compile(
    _provider: *mut Provider,
    graphs: *const *const c_void,
    _fused: *const *const c_void,
    count: usize,
    kernels: *mut *mut Kernel,
    _contexts: *mut *mut c_void,
) -> Status {
    match setting("FAULT").as_str() {
        "refuse_network" => return refused("the stub refuses every network").0,
        "crash_at_load" => crash("while it compiles"),
        _ => {}
    }
    // SAFETY: arrays of the length that the library says.
    let graphs = unsafe { std::slice::from_raw_parts(graphs, count) };
    told(graphs.iter().enumerate().try_for_each(|(index, graph)| {
        let kernel = Kernel { version: VERSION, create_state, compute, release_state, work: work(*graph)? };
        // SAFETY: as above.
        unsafe { *kernels.add(index) = Box::into_raw(Box::new(kernel)) };
        Ok(())
    }))
}

unsafe extern "C" fn release_kernels(_provider: *mut Provider, kernels: *mut *mut Kernel, count: usize) {
    // SAFETY: those that `compile` made; none where it failed before.
    for kernel in unsafe { std::slice::from_raw_parts(kernels, count) } {
        if !kernel.is_null() {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(*kernel) });
        }
    }
}

fn work(graph: *const c_void) -> Result<Work, Refused> {
    if let [only] = nodes(graph)?[..]
        && operator(only) == "Relu"
    {
        return Ok(Work::Relu);
    }
    let mut count = 0;
    // SAFETY: the library's graph, which lives during this call, and places to write to of the lengths that
    // it told.
    unsafe {
        checked((api().output_count)(graph, &raw mut count))?;
        let mut outputs = vec![null(); count];
        checked((api().outputs)(graph, outputs.as_mut_ptr(), count))?;
        outputs.into_iter().map(|output| declared_shape(output)).collect::<Result<_, _>>().map(Work::Zeros)
    }
}

/// # Safety
/// An output of a graph that lives.
unsafe fn declared_shape(output: *const c_void) -> Result<Vec<i64>, Refused> {
    let (mut described, mut shape, mut element_type) = (null(), null(), 0);
    // SAFETY: as said.
    let sizes = unsafe {
        checked((api().type_of_value)(output, &raw mut described))?;
        checked((api().shape_of_type)(described, &raw mut shape))?;
        checked((api().element_type)(shape, &raw mut element_type))?;
        sizes(shape)?
    };
    if element_type != FLOAT || sizes.iter().any(|size| *size < 0) {
        return Err(refused("the stub makes floats of fixed shapes only"));
    }
    Ok(sizes)
}

/// # Safety
/// A shape of the library's that lives.
unsafe fn sizes(shape: *const c_void) -> Result<Vec<i64>, Refused> {
    let mut count = 0;
    // SAFETY: as said.
    unsafe {
        checked((api().dimension_count)(shape, &raw mut count))?;
        let mut sizes = vec![0; count];
        checked((api().dimensions)(shape, sizes.as_mut_ptr(), count))?;
        Ok(sizes)
    }
}

fn nodes(graph: *const c_void) -> Result<Vec<*const c_void>, Refused> {
    let mut count = 0;
    // SAFETY: a graph of the library's, and places to write to of the length that it told.
    unsafe {
        checked((api().node_count)(graph, &raw mut count))?;
        let mut nodes = vec![null(); count];
        checked((api().nodes)(graph, nodes.as_mut_ptr(), count))?;
        Ok(nodes)
    }
}

fn operator(node: *const c_void) -> String {
    let mut name = null();
    // SAFETY: a node of the library's; the text belongs to it.
    unsafe {
        let status = (api().operator)(node, &raw mut name);
        assert!(status.is_null());
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

unsafe extern "C" fn create_state(
    kernel: *mut Kernel,
    _context: *mut c_void,
    state: *mut *mut c_void,
) -> Status {
    // SAFETY: a place to write to. There is no state; the library wants something that is not null.
    unsafe { *state = kernel.cast() };
    OK
}

extern "C" fn release_state(_kernel: *mut Kernel, _state: *mut c_void) {}

unsafe extern "C" fn compute(kernel: *mut Kernel, _state: *mut c_void, context: *mut c_void) -> Status {
    static COMPUTATIONS: AtomicU32 = AtomicU32::new(0);
    let number = COMPUTATIONS.fetch_add(1, Ordering::Relaxed) + 1;
    match setting("FAULT").as_str() {
        "refuse_run" => return refused("the stub refuses every run").0,
        "crash" if number == LAST_COMPUTATION => crash(&format!("at computation {number}")),
        _ => {}
    }
    // SAFETY: a kernel that `compile` made, and the library's context of this run.
    told(unsafe {
        match &(*kernel).work {
            Work::Relu => relu(context),
            Work::Zeros(shapes) => shapes
                .iter()
                .enumerate()
                .try_for_each(|(index, sizes)| output(context, index, sizes).map(|values| values.fill(0.0))),
        }
    })
}

/// # Safety
/// The library's context of a run of `Relu` on floats.
unsafe fn relu(context: *mut c_void) -> Result<(), Refused> {
    let (mut input, mut shape, mut first) = (null_mut(), null_mut(), null_mut());
    // SAFETY: as said; the input has as many elements as its shape says, and so does the output.
    unsafe {
        checked((api().input)(context, 0, &raw mut input))?;
        checked((api().shape_of_tensor)(input, &raw mut shape))?;
        let sizes = sizes(shape);
        (api().release_shape)(shape);
        let output = output(context, 0, &sizes?)?;
        checked((api().tensor)(input, &raw mut first))?;
        let input = std::slice::from_raw_parts(first, output.len());
        output.iter_mut().zip(input).for_each(|(output, input)| *output = input.max(0.0));
    }
    Ok(())
}

/// # Safety
/// The library's context of a run, one of whose outputs is of floats and has this place and shape.
unsafe fn output<'run>(
    context: *mut c_void,
    index: usize,
    sizes: &[i64],
) -> Result<&'run mut [f32], Refused> {
    let (mut tensor, mut first) = (null_mut(), null_mut());
    // SAFETY: as said.
    unsafe {
        checked((api().output)(context, index, sizes.as_ptr(), sizes.len(), &raw mut tensor))?;
        checked((api().tensor)(tensor, &raw mut first))?;
        let count = sizes.iter().product::<i64>();
        Ok(std::slice::from_raw_parts_mut(first, usize::try_from(count).unwrap_or(0)))
    }
}
