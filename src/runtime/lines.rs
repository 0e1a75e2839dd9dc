//! Bytes into lines: they come in any pieces, and stop anywhere. Memory is bounded. Pure.

/// The longest line that is read; what is longer is cut. Errors that quote a node have some hundred bytes.
const LONGEST_LINE_BYTES: usize = 16 * 1024;

/// A line that is not complete yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// Take a piece; `read` gets every line that it completes, without white space at its end.
    pub(crate) fn take(&mut self, bytes: &[u8], mut read: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST_LINE_BYTES.saturating_sub(self.0.len());
            self.0.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                read(String::from_utf8_lossy(&self.0).trim_end());
                self.0.clear();
            }
        }
    }

    /// No byte follows: the line that has no end.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.0);
        (!line.is_empty()).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}
