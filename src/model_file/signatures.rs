//! What a file looks like by its first bytes: enough to tell people that they dropped the wrong file.

/// How many bytes at the start of a file decide; every signature is within them.
pub const HEAD_BYTES: usize = 16;

/// Offset, bytes and name of each signature.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (4, b"TFL3", "a TensorFlow Lite model"),
    (4, b"ORTM", "a model in ONNX Runtime's own .ort format"),
    (0, b"version https://", "a Git LFS pointer instead of the file"),
    (0, &[0x1f, 0x8b], "a gzip file"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x7fELF", "an executable or library"),
    (0, b"\x89PNG", "a PNG image"),
    (0, &[0xff, 0xd8, 0xff], "a JPEG image"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"ptrt", "a TensorRT engine"),
    (0, b"ftrt", "a TensorRT engine"),
    (0, b"BZh", "a bzip2 file"),
    (0, &[0xfd, b'7', b'z', b'X', b'Z'], "an xz file"),
    (0, &[0x28, 0xb5, 0x2f, 0xfd], "a Zstandard file"),
];

/// What the head of a file of another format than the expected one looks like, as a noun phrase.
pub(crate) fn other_format(head: &[u8]) -> String {
    looks_like(head).unwrap_or("a file of an unknown format").to_owned()
}

/// What the head of a file looks like, as a noun phrase; `None` if it has none of the known signatures.
pub(crate) fn looks_like(head: &[u8]) -> Option<&'static str> {
    if head.is_empty() {
        return Some("an empty file");
    }
    let signed = SIGNATURES
        .iter()
        .find(|(offset, signature, _)| head.get(*offset..).is_some_and(|rest| rest.starts_with(signature)));
    if let Some((_, _, name)) = signed {
        return Some(name);
    }
    if head.iter().all(|byte| *byte == 0) {
        return Some("a file of zeros");
    }
    if head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        return Some(if head.trim_ascii_start().starts_with(b"<") {
            "an HTML or XML page"
        } else {
            "plain text"
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_wrong_files_are_named() {
        for (head, name) in [
            (&b""[..], "an empty file"),
            (b"\x1c\0\0\0TFL3\0\0\0\0", "a TensorFlow Lite model"),
            (b"version https://git-lfs", "a Git LFS pointer instead of the file"),
            (b"<!doctype html>\n", "an HTML or XML page"),
            (b"backbone: 1\nname", "plain text"),
            (b"\0\0\0\0", "a file of zeros"),
        ] {
            assert_eq!(looks_like(head), Some(name));
        }
        assert_eq!(looks_like(b"\x08\x08\x12\x11backbone"), None);
    }

    #[test]
    fn every_signature_lies_within_the_head() {
        for (offset, signature, name) in SIGNATURES {
            assert!(offset + signature.len() <= HEAD_BYTES, "{name}");
        }
    }
}
