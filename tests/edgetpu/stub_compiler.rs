//! A stub of edgetpu_compiler for tests, no part of it: it refuses what the compiler refuses, prints what the
//! compiler prints, and writes a model of one operator of the Edge TPU around the tensors of its input.
//! Nothing is compiled. The tests build it with rustc. What it is comes from
//! $BACKBONE_HOST_ROOT/etc/edgetpu-compiler-stub, lines `VERSION=14` to `16` and `FAULT=…`.
//!
//! Source of the texts: issues 168, 211, 313, 439, 508 and 879 of https://github.com/google-coral/edgetpu.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::exit;

const VERSIONS: &[(&str, &str)] =
    &[("14", "14.1.317412892"), ("15", "15.0.340273435"), ("16", "16.0.384591198")];

/// Operators of TensorFlow Lite by number, as far as the family has them.
const OPERATORS: &[(u8, &str)] = &[
    (0, "ADD"),
    (1, "AVERAGE_POOL_2D"),
    (3, "CONV_2D"),
    (4, "DEPTHWISE_CONV_2D"),
    (9, "FULLY_CONNECTED"),
    (17, "MAX_POOL_2D"),
    (22, "RESHAPE"),
    (25, "SOFTMAX"),
    (40, "MEAN"),
];

/// From this size on the activations of an image do not fit.
const LARGEST_IMAGE: i32 = 1000;

fn main() {
    let root = std::env::var("BACKBONE_HOST_ROOT").unwrap_or_default();
    let settings = std::fs::read_to_string(format!("{root}/etc/edgetpu-compiler-stub")).unwrap_or_default();
    let setting = |key: &str| {
        let line = settings.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    let version = setting("VERSION");
    let version = if version.is_empty() { "16" } else { &version };
    let whole = VERSIONS.iter().find(|(short, _)| *short == version).expect("a known version").1;
    println!("Edge TPU Compiler version {whole}");
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (folder, input) = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["-s", "-o", folder, input] => (PathBuf::from(folder), PathBuf::from(input)),
        _ => {
            eprintln!("stub: called with {words:?}");
            exit(2);
        }
    };
    if version == "16" {
        println!("Started a compilation timeout timer of 180 seconds.\n");
    }
    let model = std::fs::read(&input).expect("the model");
    let name = input.file_name().expect("a file").to_string_lossy().into_owned();
    let internal = |message: &str| -> ! {
        println!("{message}");
        exit(1)
    };
    match setting("FAULT").as_str() {
        "internal" => internal("Internal compiler error. Aborting! "),
        "internal_once" => {
            if count(&root) == 1 {
                internal("Internal compiler error. Aborting! ");
            }
        }
        "timeout" => internal(
            "Compilation timeout. This is usually caused by large activations.\nCompilation failed! ",
        ),
        "exception" => internal(
            "libc++abi: terminating with uncaught exception of type std::out_of_range: vector\n\
             Compilation child process completed within timeout period.\nCompilation failed! ",
        ),
        "exception_once" => {
            if count(&root) == 1 {
                internal("libc++abi: terminating with uncaught exception of type std::out_of_range: vector");
            }
        }
        "crash" => std::process::abort(),
        "dynamic" => internal(
            "ERROR: Attempting to use a delegate that only supports static-sized tensors with a graph that has \
             dynamic-sized tensors.\n\
             Compilation failed: Model failed in Tflite interpreter. Please ensure model can be loaded/run.\n\
             Compilation child process completed within timeout period.\nCompilation failed! ",
        ),
        "interpreter" => internal(
            "Compilation failed: Model failed in Tflite interpreter. Please ensure model can be loaded/run.",
        ),
        "unparsed" => {
            println!(
                "ERROR: Didn't find op for builtin opcode 'QUANTIZE' version '3'.\nERROR: Registration failed.\n"
            );
            internal(&format!("Invalid model: {name}\nModel could not be parsed"));
        }
        "silent" => exit(0),
        "hang" => loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        },
        "stub_output" => {
            std::fs::write(output(&folder, &input), vec![0; 1024]).expect("an output");
            println!("Model compiled successfully in 3 ms.");
            exit(0);
        }
        _ => {}
    }
    let file = File(&model);
    let graph = file.tables(file.root(), 2)[0];
    let image = file.tables(graph, 0)[file.integers(graph, 1)[0] as usize];
    let shape = file.integers(image, 0);
    // Element type 0, float32, is left out by writers.
    if file.byte(image, 1) == 0 {
        internal(&format!("Invalid model: {name}\nModel not quantized"));
    }
    if shape[1] >= LARGEST_IMAGE {
        if version == "16" {
            println!("ERROR: Restored original execution plan after delegate application failure.");
            println!("Compilation failed: Compilation failed due to large activation tensors in model.");
            internal("Compilation child process completed within timeout period.\nCompilation failed! ");
        }
        internal("Internal compiler error. Aborting! ");
    }
    let operators = operators(file, graph);
    let total: usize = operators.values().sum();
    let is_mapped = shape[0] == 1;
    let compiled = if is_mapped { compiled(&model, graph) } else { model.clone() };
    let output = output(&folder, &input);
    std::fs::write(&output, &compiled).expect("an output");
    let kibibytes = |bytes: usize| format!("{:.2}KiB", bytes as f64 / 1024.0);
    println!("Model compiled successfully in 577 ms.\n");
    println!("Input model: {}\nInput size: {}", input.display(), kibibytes(model.len()));
    println!("Output model: {}\nOutput size: {}", output.display(), kibibytes(compiled.len()));
    let used = if is_mapped { model.len() } else { 0 };
    println!("On-chip memory used for caching model parameters: {}", kibibytes(used));
    println!("On-chip memory remaining for caching model parameters: 7.67MiB");
    println!("Off-chip memory used for streaming uncached model parameters: 0.00B");
    println!("Number of Edge TPU subgraphs: {}", u8::from(is_mapped));
    println!(
        "Total number of operations: {total}\nOperation log: {}\n",
        output.with_extension("log").display()
    );
    if !is_mapped {
        println!(
            "Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model will"
        );
        println!(
            "instead run on the CPU, which is slower. If possible, consider updating your model to use only operations supported"
        );
        println!("by the Edge TPU. For details, visit g.co/coral/model-reqs.");
        println!(
            "Number of operations that will run on Edge TPU: 0\nNumber of operations that will run on CPU: {total}\n"
        );
    }
    println!("{:<31}{:<11}Status\n", "Operator", "Count");
    let status = if is_mapped {
        "Mapped to Edge TPU"
    } else {
        "Tensor has unsupported rank (up to 3 innermost dimensions mapped)"
    };
    for (operator, count) in operators {
        println!("{operator:<31}{count:<11}{status}");
    }
    if version == "16" {
        println!("Compilation child process completed within timeout period.\nCompilation succeeded! ");
    }
}

/// Which call of it this is, from 1.
fn count(root: &str) -> usize {
    let marks = |number: usize| PathBuf::from(format!("{root}/compiler-mark-{number}"));
    let number = (1..).find(|number| !marks(*number).exists()).expect("an end");
    std::fs::write(marks(number), "").expect("a mark");
    number
}

fn output(folder: &Path, input: &Path) -> PathBuf {
    folder.join(format!("{}_edgetpu.tflite", input.file_stem().expect("a name").to_string_lossy()))
}

fn operators(file: File<'_>, graph: usize) -> BTreeMap<String, usize> {
    let codes = file.tables(file.root(), 1);
    let mut counts = BTreeMap::new();
    for node in file.tables(graph, 3) {
        let code = file.byte(codes[file.number(node, 0) as usize], 0);
        let name = OPERATORS.iter().find(|(number, _)| *number == code).map_or("OTHER", |(_, name)| name);
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

/// A model of one custom operator from the graph's inputs to its outputs. Tables of the old file are referred
/// to, which comes whole behind the new ones, for references in a FlatBuffer lead forward only.
fn compiled(model: &[u8], graph: usize) -> Vec<u8> {
    /// Where the old file begins; a multiple of 16, so that what was aligned in it still is.
    const OLD: usize = 208;
    let old = File(model);
    let mut new = vec![0_u8; OLD];
    let mut put = |at: usize, bytes: &[u8]| new[at..at + bytes.len()].copy_from_slice(bytes);
    let mut table = |at: usize, fields: &[u16]| {
        let mut bytes = Vec::new();
        for word in [4 + 2 * fields.len() as u16, 20].iter().chain(fields) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let start = at + bytes.len().next_multiple_of(4);
        put(at, &bytes);
        put(start, &((start - at) as u32).to_le_bytes());
    };
    table(8, &[4, 8, 12, 0, 16]);
    table(52, &[16, 4, 8, 12]);
    table(116, &[4, 8, 12, 16]);
    table(156, &[4, 8, 12, 0, 0, 16]);
    let mut number = |at: usize, value: usize| new[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    number(0, 24);
    number(28, 3); // schema version
    for (at, to) in [(32, 44), (36, 108), (48, 64), (68, 84), (112, 128), (144, 148), (152, 172), (188, 192)]
    {
        number(at, to - at);
    }
    for at in [44, 108, 148] {
        number(at, 1); // one code, one graph, one node
    }
    number(72, 1); // the operator's version
    number(76, 32); // CUSTOM
    number(84, 17);
    number(192, 4);
    number(40, OLD + old.place(old.root(), 4) - 40);
    for (at, field) in [(132, 0), (136, 1), (140, 2), (180, 1), (184, 2)] {
        number(at, OLD + old.place(graph, field) - at);
    }
    new[4..8].copy_from_slice(b"TFL3");
    new[80] = 32;
    new[88..105].copy_from_slice(b"edgetpu-custom-op");
    new[196..200].copy_from_slice(b"stub");
    new.extend_from_slice(model);
    new
}

/// The little of a FlatBuffer that is needed; the file is one of ours.
#[derive(Clone, Copy)]
struct File<'a>(&'a [u8]);

impl File<'_> {
    fn word(self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().expect("four bytes"))
    }

    fn root(self) -> usize {
        self.word(0) as usize
    }

    /// Offset of a field in its table; `None` if it is left out.
    fn field(self, table: usize, field: usize) -> Option<usize> {
        let listed = table.wrapping_sub(self.word(table).cast_signed() as usize);
        let size = u16::from_le_bytes([self.0[listed], self.0[listed + 1]]) as usize;
        let at = 4 + 2 * field;
        if at + 2 > size {
            return None;
        }
        let offset = u16::from_le_bytes([self.0[listed + at], self.0[listed + at + 1]]) as usize;
        (offset > 0).then_some(table + offset)
    }

    fn byte(self, table: usize, field: usize) -> u8 {
        self.field(table, field).map_or(0, |at| self.0[at])
    }

    fn number(self, table: usize, field: usize) -> u32 {
        self.field(table, field).map_or(0, |at| self.word(at))
    }

    /// Where what a field refers to begins.
    fn place(self, table: usize, field: usize) -> usize {
        let at = self.field(table, field).expect("a field that is there");
        at + self.word(at) as usize
    }

    fn integers(self, table: usize, field: usize) -> Vec<i32> {
        let at = self.place(table, field);
        (0..self.word(at) as usize).map(|index| self.word(at + 4 + 4 * index) as i32).collect()
    }

    fn tables(self, table: usize, field: usize) -> Vec<usize> {
        let at = self.place(table, field);
        let entry = |index: usize| at + 4 + 4 * index;
        (0..self.word(at) as usize).map(|index| entry(index) + self.word(entry(index)) as usize).collect()
    }
}
