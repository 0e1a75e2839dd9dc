//! What strace(1) wrote with `-f -y -ttt`: one line for each system call, or two if another process ran
//! meanwhile.

use std::collections::BTreeMap;

/// One system call of one thread.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Thread id.
    pub(crate) thread: u32,
    /// Its name.
    pub(crate) name: String,
    /// Arguments and result as written, descriptors with their paths.
    pub(crate) text: String,
    /// Seconds since the epoch, at its beginning.
    pub(crate) at: f64,
    /// Line at which it began.
    pub(crate) began: usize,
    /// Line at which it was over; `None` if it never returned.
    pub(crate) over: Option<usize>,
}

impl Call {
    /// Was it over before that one began?
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.over.is_some_and(|over| over <= other.began)
    }

    /// Is it a call of that name whose text holds all these pieces?
    pub(crate) fn is(&self, name: &str, pieces: &[&str]) -> bool {
        self.name == name && pieces.iter().all(|piece| self.text.contains(piece))
    }
}

/// All calls, in the order of their beginnings.
pub(crate) fn parse(text: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: BTreeMap<u32, usize> = BTreeMap::new();
    for (line, content) in text.lines().enumerate() {
        let mut words = content.splitn(2, ' ');
        let (Some(thread), Some(rest)) = (words.next().and_then(|word| word.parse().ok()), words.next())
        else {
            continue;
        };
        let Some((at, rest)) = rest.trim_start().split_once(' ') else { continue };
        let at: f64 = at.parse().expect("strace -ttt writes seconds");
        if let Some(resumed) = rest.strip_prefix("<... ") {
            if let Some(index) = unfinished.remove(&thread) {
                let rest = resumed.split_once("resumed>").map_or("", |(_, rest)| rest);
                calls[index].text.push_str(rest);
                calls[index].over = Some(line);
            }
            continue;
        }
        // Lines of signals and ends (`---`, `+++`) are no calls.
        let Some((name, text)) = rest.split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let (text, over) = match text.strip_suffix("<unfinished ...>") {
            Some(text) => {
                unfinished.insert(thread, calls.len());
                (text, None)
            }
            None => (text, Some(line)),
        };
        calls.push(Call { thread, name: name.to_owned(), text: text.to_owned(), at, began: line, over });
    }
    calls
}
