//! Taking in a model of two files with 2 GiB of weights: how much memory it takes, how long the watchdog
//! waits for a ping, and how soon SIGTERM is obeyed meanwhile.
//!
//! The weights are a sparse file of zeros, so reading it costs less than from a disk; it is copied and hashed
//! as any other. The network has no nodes, so the job ends when the model is loaded: only what comes before
//! is measured here.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::rig::{Daemon, Place, Report};

const WEIGHTS_BYTES: u64 = 2 << 30;

/// Twice the longest silence that is allowed, as systemd's watchdog is set.
const WATCHDOG_MICROSECONDS: &str = "4000000";

/// Longest silence of a daemon that copies.
const SILENCE_LIMIT: Duration = Duration::from_secs(2);

/// From SIGTERM to the end.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Resident memory at most, beyond that of the idle daemon.
const MEMORY_LIMIT_KB: u64 = 16 * 1024;

/// A slow disk, syncs included.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn run() -> ExitCode {
    let mut report = Report::new("a model of two files, 2 GiB of weights");
    let place = Place::on_disk();
    let socket = place.path("notify");
    let pings = listen(&socket);
    let socket = socket.to_string_lossy().into_owned();
    let start =
        || Daemon::start(&place, "", &[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", WATCHDOG_MICROSECONDS)]);
    stage_model(&place);

    let mut daemon = start();
    for name in ["net.onnx.data", "net.onnx", "large.yaml"] {
        place.drop_in(name);
    }
    let is_copying = |waiting: &backbone::daemon::status::Status| {
        waiting.waiting.iter().any(|job| job.copying.as_ref().is_some_and(|copying| copying.copied_bytes > 0))
    };
    daemon.wait("the copy", PATIENCE, is_copying);
    let ended = daemon.end(rustix::process::Signal::TERM);
    report.judged(
        "SIGTERM while it copies",
        &format!("{:.0} ms until its end", ended.as_secs_f64() * 1e3),
        "≤ 1 s",
        ended <= END_LIMIT,
    );

    let daemon = start();
    let idle_kb = daemon.vitals().resident_kb;
    let begun = Instant::now();
    while place.names("outbox").iter().all(|name| !name.ends_with(".json.gz")) {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for the bundle: {:?}", daemon.status());
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = begun.elapsed();
    let grown_kb = daemon.vitals().peak_kb.saturating_sub(idle_kb);
    report.figure("copied, hashed and synced", &format!("in {:.1} s", took.as_secs_f64()));
    report.judged(
        "more resident memory at most",
        &format!("{grown_kb} kB"),
        "≤ 16384 kB",
        grown_kb <= MEMORY_LIMIT_KB,
    );
    let silence = longest_silence(&pings, begun, begun + took);
    report.judged(
        "longest time without a ping",
        &format!("{:.2} s", silence.as_secs_f64()),
        "≤ 2 s",
        silence <= SILENCE_LIMIT,
    );
    report.end()
}

/// The times of all pings from now on.
fn listen(path: &Path) -> Arc<Mutex<Vec<Instant>>> {
    let socket = UnixDatagram::bind(path).expect("a socket");
    let pings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&pings);
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        while let Ok(length) = socket.recv(&mut message) {
            if String::from_utf8_lossy(&message[..length]).contains("WATCHDOG=1") {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            }
        }
    });
    pings
}

fn longest_silence(pings: &Mutex<Vec<Instant>>, from: Instant, to: Instant) -> Duration {
    let pings = pings.lock().unwrap_or_else(PoisonError::into_inner);
    let within = pings.iter().copied().filter(|ping| (from..to).contains(ping));
    let times: Vec<Instant> = std::iter::once(from).chain(within).chain([to]).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// The job, the `.onnx` file and its weights, outside of the inbox.
fn stage_model(place: &Place) {
    place.stage("large.yaml", "backbone: 1\nmodel: net.onnx\nruntime: onnxruntime\n");
    fs_err::write(place.path("staging/net.onnx"), onnx_with_external_weights())
        .expect("a file can be written");
    let weights = fs_err::File::create(place.path("staging/net.onnx.data")).expect("a file can be made");
    weights.set_len(WEIGHTS_BYTES).expect("a sparse file");
}

/// An ONNX file of one tensor in `net.onnx.data`. Field numbers as in
/// <https://github.com/onnx/onnx/blob/v1.19.0/onnx/onnx.proto>.
fn onnx_with_external_weights() -> Vec<u8> {
    let entry =
        |key: &str, value: &str| field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
    let tensor = [
        field(8, b"w"),
        entry("location", "net.onnx.data"),
        entry("offset", "0"),
        entry("length", &WEIGHTS_BYTES.to_string()),
        // `data_location` is 1, external.
        vec![14 << 3, 1],
    ];
    [vec![8, 8], field(7, &field(5, &tensor.concat()))].concat()
}

/// A field of a message, in less than 128 bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("a short field");
    assert!(length < 0x80, "a short field");
    [&[number << 3 | 2, length], content].concat()
}
