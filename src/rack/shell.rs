//! Words for a shell, and words of a person.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// A word that a POSIX shell, and csh and fish, take as it is.
pub(super) fn quoted(word: &OsStr) -> Vec<u8> {
    let mut text = vec![b'\''];
    for byte in word.as_bytes() {
        match byte {
            b'\'' => text.extend_from_slice(b"'\\''"),
            byte => text.push(*byte),
        }
    }
    text.push(b'\'');
    text
}

/// A word for rsync's `--rsh`, which knows both quotes and no other escape. `None` for a word with both.
pub(super) fn quoted_for_rsync(word: &str) -> Option<String> {
    match (word.contains('\''), word.contains('"')) {
        (false, _) => Some(format!("'{word}'")),
        (true, false) => Some(format!("\"{word}\"")),
        (true, true) => None,
    }
}

/// The words of a command line, split as rsync splits its `--rsh`. `None` if a quote is not closed.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}
