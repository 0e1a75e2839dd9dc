//! Words and lists in sentences for people. Text in, text out; every part of the program may use it.

/// Edits between a wrong word and the right one: a letter, or a third of the word's length.
const EDITS_PER_LETTER: usize = 3;

/// Words that people write who come from other tools or from papers, in lower case and with `_`, and what
/// they mean here: the first of the names that is possible at that place.
const GUESSES: &[(&str, &[&str])] = &[
    ("batch_size", &["batch", "batches"]),
    ("block_type", &["block", "blocks"]),
    ("clocks", &["lock_clocks"]),
    ("coral", &["edgetpu"]),
    ("core", &["cpus"]),
    ("cores", &["cpus"]),
    ("cuda", &["cuda", "provider"]),
    ("data_type", &["precision", "precisions"]),
    ("depthwise", &["depthwise-separable"]),
    ("device", &["provider"]),
    ("dtype", &["precision", "precisions"]),
    ("edge_tpu", &["edgetpu"]),
    ("ep", &["provider"]),
    ("execution_provider", &["provider"]),
    ("float", &["fp32"]),
    ("float32", &["fp32"]),
    ("full", &["standard"]),
    ("gpu", &["cuda"]),
    ("image_size", &["input", "inputs"]),
    ("input_shape", &["inputs"]),
    ("input_size", &["input", "inputs"]),
    ("iterations", &["timed_runs"]),
    ("iters", &["timed_runs"]),
    ("jetson_clocks", &["lock_clocks"]),
    ("kernel_size", &["kernel", "kernels"]),
    ("litert", &["tflite"]),
    ("mode", &["power_mode"]),
    ("model_file", &["model"]),
    ("models", &["model"]),
    ("networks", &["study"]),
    ("num_threads", &["threads"]),
    ("nvpmodel", &["power_mode"]),
    ("onnx", &["onnxruntime"]),
    ("onnx_runtime", &["onnxruntime"]),
    ("ort", &["onnxruntime"]),
    ("power", &["power_mode"]),
    ("quantised", &["int8"]),
    ("quantized", &["int8"]),
    ("repeat", &["timed_runs"]),
    ("repeats", &["timed_runs"]),
    ("repetitions", &["timed_runs"]),
    ("resolution", &["input", "inputs"]),
    ("runs", &["timed_runs"]),
    ("samples", &["timed_runs"]),
    ("separable", &["depthwise-separable"]),
    ("shapes", &["inputs"]),
    ("spatial", &["spatially-separable"]),
    ("tags", &["labels"]),
    ("tensorflow_lite", &["tflite"]),
    ("tensorrt", &["trtexec"]),
    ("timeout", &["timeout_seconds"]),
    ("tpu", &["edgetpu"]),
    ("trt", &["tensorrt", "trtexec"]),
    ("warm_up", &["warm_up_runs"]),
    ("warmup", &["warm_up_runs"]),
    ("warmup_iterations", &["warm_up_runs"]),
    ("warmup_runs", &["warm_up_runs"]),
    ("warmups", &["warm_up_runs"]),
];

/// Longer words are never compared: the comparison takes time with the square of the length.
const MAXIMUM_COMPARED_BYTES: usize = 64;

/// A number with its noun: `1 job`, `3 jobs`.
pub(crate) fn counted(count: impl TryInto<u64>, one: &str, many: &str) -> String {
    // No count in this program exceeds 64 bits.
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

/// A count with the prefix that leaves few digits: `8.2 GOP`, `1.3 TOP`, `512 B`.
pub(crate) fn scaled(count: u128, unit: &str) -> String {
    const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut scaled = count as f64;
    let mut prefix = 0;
    // A number that would be rounded to 1000.0 takes the next prefix.
    while scaled >= 999.95 && prefix + 1 < PREFIXES.len() {
        scaled /= 1000.0;
        prefix += 1;
    }
    match prefix {
        0 => format!("{count} {unit}"),
        _ => format!("{scaled:.1} {}{unit}", PREFIXES[prefix]),
    }
}

/// Names in back quotes: `` `a`, `b`, `c` ``.
pub(crate) fn quoted_list<T: AsRef<str>>(names: &[T]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// Alternatives in a sentence: `a`, `a or b`, `a, b or c`.
pub(crate) fn alternatives<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} or {}", first.join(", "), last.as_ref())
        }
    }
}

/// The first four names, because more would hide the sentence around them, and how many more there are: `a,
/// b, c, d and 3 more`.
pub(crate) fn first_few<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 4;
    let names: Vec<T> = names.into_iter().collect();
    let listed = names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

/// The text with its control characters escaped, so that a name from a file or a folder cannot move a
/// terminal's cursor or forge a line.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// What somebody meant who wrote none of these names: what the word means in other tools, else the most
/// similar name, if one is similar.
pub(crate) fn nearest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if written.len() > MAXIMUM_COMPARED_BYTES {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let written = plain(written);
    let names: Vec<&str> = names.into_iter().collect();
    let meant = GUESSES.iter().find(|(guess, _)| *guess == written).map_or(&[][..], |(_, meant)| meant);
    if let Some(name) = meant.iter().find_map(|meant| names.iter().find(|name| *name == meant)) {
        return Some(name);
    }
    let allowed = (written.chars().count() / EDITS_PER_LETTER).max(1);
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&written, &plain(name)), name))
        .filter(|&(edits, name)| edits <= allowed && edits < name.len())
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_the_prefix_that_leaves_few_digits() {
        let counts = [0, 999, 1000, 999_949, 999_950, 8_200_000_000, 1_300_000_000_000];
        let said = counts.map(|count| scaled(count, "OP"));
        assert_eq!(said, ["0 OP", "999 OP", "1.0 kOP", "999.9 kOP", "1.0 MOP", "8.2 GOP", "1.3 TOP"]);
        assert_eq!(scaled(9 * 10_u128.pow(24), "OP"), "9000000.0 EOP");
    }

    #[test]
    fn words_of_other_tools_are_guessed_where_their_meaning_is_possible() {
        assert_eq!(nearest("ORT", ["tflite", "onnxruntime"]), Some("onnxruntime"));
        assert_eq!(nearest("depthwise", ["standard", "depthwise-separable"]), Some("depthwise-separable"));
        assert_eq!(nearest("batch-size", ["batches", "kernels"]), Some("batches"));
        assert_eq!(nearest("iterations", ["name", "labels"]), None);
        let is_sorted = GUESSES.is_sorted_by(|(one, _), (other, _)| one < other);
        assert!(is_sorted && GUESSES.iter().all(|(guess, _)| !guess.contains(['-', ' '])));
    }

    #[test]
    fn numbers_and_lists_read_as_a_person_writes_them() {
        assert_eq!([counted(1_u8, "job", "jobs"), counted(2_usize, "job", "jobs")], ["1 job", "2 jobs"]);
        assert_eq!(quoted_list(&["a", "b"]), "`a`, `b`");
        let names = ["a", "b", "c", "d", "e", "f"];
        assert_eq!([0, 1, 2, 3].map(|count| alternatives(&names[..count])), ["", "a", "a or b", "a, b or c"]);
        assert_eq!(first_few(&names[..4]), "a, b, c, d");
        assert_eq!(first_few(names), "a, b, c, d and 2 more");
    }

    #[test]
    fn names_from_the_inbox_cannot_move_the_cursor() {
        assert_eq!(escaped("a\u{1b}[2Jb\nc é"), "a\\u{1b}[2Jb\\nc é");
    }
}
