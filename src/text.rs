//! Words and lists in sentences for people. Text in, text out; every part of the program may use it.

/// Edits between a wrong word and the right one: a letter, or a third of the word's length.
const EDITS_PER_LETTER: usize = 3;

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

/// The most similar of some names, where one is similar.
pub(crate) fn nearest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if written.len() > MAXIMUM_COMPARED_BYTES {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let written = plain(written);
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
