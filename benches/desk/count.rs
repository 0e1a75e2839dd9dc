//! How long it takes to count what a model file costs, reading it included. Fails where the target is missed.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use backbone::network::count::{InputShapes, model};

/// Size of the file.
const BYTES: usize = 100_000_000;

/// Convolutions in it; weights of each take the file's size divided by this.
const CONVOLUTIONS: usize = 50;

/// The target for the median.
const LIMIT: Duration = Duration::from_millis(100);

/// Counts.
const RUNS: usize = 15;

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn field(number: u8, payload: &[u8]) -> Vec<u8> {
    [[number << 3 | 2].as_slice(), &varint(payload.len() as u64), payload].concat()
}

fn integer(number: u8, value: u64) -> Vec<u8> {
    [[number << 3].as_slice(), &varint(value)].concat()
}

/// Pointwise convolutions in a row, each with weights of its own in the file.
fn network() -> Vec<u8> {
    let channels = ((BYTES / CONVOLUTIONS / 4) as f64).sqrt() as u64;
    let size = |size: u64| field(1, &integer(1, size));
    let shape = field(2, &[1, channels, 7, 7].map(size).concat());
    let mut graph =
        field(11, &[field(1, b"x0"), field(2, &field(1, &[integer(1, 1), shape].concat()))].concat());
    for place in 0..CONVOLUTIONS {
        let name = format!("w{place}");
        let sizes = [channels, channels, 1, 1].map(|size| integer(1, size)).concat();
        let payload = vec![0x3f; (channels * channels * 4) as usize];
        let weights = [sizes, integer(2, 1), field(8, name.as_bytes()), field(9, &payload)].concat();
        graph.extend(field(5, &weights));
        let (input, output) = (format!("x{place}"), format!("x{}", place + 1));
        let texts = [(1, input.as_str()), (1, name.as_str()), (2, output.as_str()), (4, "Conv")];
        let node = texts.map(|(number, text)| field(number, text.as_bytes())).concat();
        graph.extend(field(1, &node));
    }
    field(7, &graph)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[expect(clippy::print_stdout, reason = "the figures are what a benchmark is for")]
pub(crate) fn run() -> ExitCode {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("network.onnx");
    fs_err::write(&path, network()).expect("room for the file");
    let (mut whole, mut counting) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let started = Instant::now();
        let bytes = fs_err::read(&path).expect("the file");
        let read = Instant::now();
        let cost = model(&bytes, &InputShapes::new()).expect("a whole model");
        counting.push(read.elapsed());
        whole.push(started.elapsed());
        assert_eq!(cost.layers.len(), CONVOLUTIONS);
    }
    let (whole, counting) = (median(whole), median(counting));
    let bytes = fs_err::metadata(&path).expect("the file").len();
    println!(
        "cost of an ONNX file of {bytes} bytes: {whole:.2?} (limit {LIMIT:?}), {counting:.2?} without reading it"
    );
    if whole <= LIMIT { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
