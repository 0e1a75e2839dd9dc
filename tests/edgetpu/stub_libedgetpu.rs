//! A stub of libedgetpu for tests, no part of it: a delegate for TensorFlow Lite that takes the nodes of the
//! Edge TPU's operator and computes nothing. The tests build it with rustc as a C library. What it is comes
//! from $BACKBONE_HOST_ROOT/etc/libedgetpu-stub, lines such as `FAULT=refused` or `MICROSECONDS=1500`.
//!
//! Source of names and signatures: tflite/public/edgetpu_c.h and
//! edgetpu_delegate_for_custom_op_tflite_plugin.cc of https://github.com/google-coral/libedgetpu; of the
//! structures, tensorflow/lite/core/c/common.h of TensorFlow 2.17.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

/// By this text the installed build is known.
#[used]
#[unsafe(no_mangle)]
static STUB_BUILD: [u8; 21] = *b"PERFORMANCE=THROTTLED";

type Status = c_int;
const OK: Status = 0;
const ERROR: Status = 1;

#[repr(C)]
struct IntArray {
    size: c_int,
    first: [c_int; 0],
}

#[repr(C)]
struct Registration {
    init: Option<unsafe extern "C" fn(*mut Context, *const c_char, usize) -> *mut c_void>,
    free: Option<unsafe extern "C" fn(*mut Context, *mut c_void)>,
    prepare: Option<unsafe extern "C" fn(*mut Context, *mut c_void) -> Status>,
    invoke: Option<unsafe extern "C" fn(*mut Context, *mut c_void) -> Status>,
    profiling_string: *const c_void,
    builtin_code: i32,
    custom_name: *const c_char,
    version: c_int,
    registration_external: *mut c_void,
    async_kernel: *const c_void,
    inplace_operator: u64,
}

#[repr(C)]
struct Context {
    tensors_size: usize,
    execution_plan: unsafe extern "C" fn(*mut Context, *mut *mut IntArray) -> Status,
    tensors: *mut c_void,
    private: *mut c_void,
    resize_tensor: *const c_void,
    report_error: *const c_void,
    add_tensors: *const c_void,
    node_and_registration:
        unsafe extern "C" fn(*mut Context, c_int, *mut *mut c_void, *mut *mut Registration) -> Status,
    replace: unsafe extern "C" fn(*mut Context, Registration, *const IntArray, *mut Delegate) -> Status,
}

#[repr(C)]
struct Delegate {
    private: *mut c_void,
    prepare: unsafe extern "C" fn(*mut Context, *mut Delegate) -> Status,
    copy_from: *const c_void,
    copy_to: *const c_void,
    free: *const c_void,
    flags: i64,
    builder: *mut c_void,
}

fn setting(key: &str) -> Option<String> {
    let root = std::env::var("BACKBONE_HOST_ROOT").ok()?;
    let text = std::fs::read_to_string(format!("{root}/etc/libedgetpu-stub")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix('=')?.to_owned()))
}

fn fault() -> String {
    setting("FAULT").unwrap_or_default()
}

/// Is there a card that this process may open, or none at all? A stick has no file here.
fn has_openable_device() -> bool {
    let root = std::env::var("BACKBONE_HOST_ROOT").unwrap_or_default();
    let Ok(cards) = std::fs::read_dir(format!("{root}/sys/class/apex")) else { return true };
    let nodes = cards.flatten().map(|card| format!("{root}/dev/{}", card.file_name().to_string_lossy()));
    nodes.into_iter().any(|node| std::fs::OpenOptions::new().read(true).write(true).open(node).is_ok())
}

/// The device's folder below /sys goes, as it does when a stick is pulled out.
fn vanish() {
    let root = std::env::var("BACKBONE_HOST_ROOT").unwrap_or_default();
    let _ = std::fs::remove_dir_all(format!("{root}/sys/bus/usb/devices/1-2"));
    let _ = std::fs::remove_dir_all(format!("{root}/sys/class/apex"));
}

fn crash() -> ! {
    unsafe extern "C" {
        fn raise(signal: c_int) -> c_int;
    }
    // SAFETY: SIGSEGV, whose default is the end of the process.
    unsafe { raise(11) };
    std::process::abort()
}

#[unsafe(no_mangle)]
extern "C" fn edgetpu_version() -> *const c_char {
    c"BuildLabel(STUB), RuntimeVersion(14)".as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn tflite_plugin_create_delegate(
    keys: *const *const c_char,
    values: *const *const c_char,
    count: usize,
    _report_error: *const c_void,
) -> *mut Delegate {
    for index in 0..count {
        // SAFETY: `count` C strings, by the plugin's contract.
        let (key, value) = unsafe { (CStr::from_ptr(*keys.add(index)), CStr::from_ptr(*values.add(index))) };
        eprintln!("stub option {}={}", key.to_string_lossy(), value.to_string_lossy());
    }
    if fault() == "refused" || !has_openable_device() {
        return null_mut();
    }
    Box::into_raw(Box::new(Delegate {
        private: null_mut(),
        prepare,
        copy_from: null(),
        copy_to: null(),
        free: null(),
        // Nodes may have tensors of a size that is not known yet; without this TensorFlow Lite asks the
        // operator itself first.
        flags: 1,
        builder: null_mut(),
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn tflite_plugin_destroy_delegate(_delegate: *mut Delegate) {}

unsafe extern "C" fn prepare(context: *mut Context, delegate: *mut Delegate) -> Status {
    match fault().as_str() {
        "mismatch" => {
            eprintln!(
                "Unsupported data type in custom op handler: 0Node number 1 (EdgeTpuDelegateForCustomOp) failed to prepare."
            );
            return ERROR;
        }
        "crash" => {
            eprintln!("Unsupported data type in custom op handler: 65109260");
            crash();
        }
        "old" => {
            eprintln!(
                "Package requires runtime version (14), which is newer than this runtime version (13)."
            );
            return ERROR;
        }
        _ => {}
    }
    let mut plan = null_mut();
    // SAFETY: TensorFlow Lite calls this with a whole context; the structures are those of its release.
    unsafe {
        if ((*context).execution_plan)(context, &raw mut plan) != OK {
            return ERROR;
        }
        let first = (&raw const (*plan).first).cast::<c_int>();
        let mut taken = vec![0];
        for place in 0..usize::try_from((*plan).size).unwrap_or(0) {
            let index = *first.add(place);
            let (mut node, mut registration) = (null_mut(), null_mut());
            if ((*context).node_and_registration)(context, index, &raw mut node, &raw mut registration) != OK
            {
                return ERROR;
            }
            let name = (*registration).custom_name;
            if !name.is_null() && CStr::from_ptr(name) == c"edgetpu-custom-op" {
                taken.push(index);
            }
        }
        taken[0] = c_int::try_from(taken.len() - 1).unwrap_or(0);
        let kernel = Registration {
            init: None,
            free: None,
            prepare: None,
            invoke: Some(invoke),
            profiling_string: null(),
            builtin_code: 0,
            custom_name: c"StubEdgeTpu".as_ptr(),
            version: 1,
            registration_external: null_mut(),
            async_kernel: null(),
            inplace_operator: 0,
        };
        ((*context).replace)(context, kernel, taken.as_ptr().cast::<IntArray>(), delegate)
    }
}

unsafe extern "C" fn invoke(_context: *mut Context, _node: *mut c_void) -> Status {
    match fault().as_str() {
        "hang" => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        "vanish" => {
            vanish();
            eprintln!(
                "Transfer on tag 1 failed. Abort. Deadline exceeded: USB transfer error 2 [LibUsbDataOutCallback]"
            );
            return ERROR;
        }
        // As when the link to a card is lost: at the third run, and then it waits for ever.
        "link_lost" => {
            static RUNS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
            if RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 2 {
                eprintln!(
                    "E driver/mmio_driver.cc:254] HIB Error. hib_error_status = ffffffffffffffff, \
                     hib_first_error_status = ffffffffffffffff"
                );
                loop {
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
        }
        "vanish_and_hang" => {
            vanish();
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        _ => {}
    }
    let microseconds = setting("MICROSECONDS").and_then(|text| text.parse().ok()).unwrap_or(500);
    let until = Instant::now() + Duration::from_micros(microseconds);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    OK
}
