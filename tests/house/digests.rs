//! The model files of the family are the same bytes on every machine: their SHA-256 is kept in
//! `tests/networks.sha256`.
//!
//! The 90 files at input 224 and batch 1 hold every weight of the family and are checked always. `make
//! digests` checks all
//! 810. With `BACKBONE_REGENERATE=1` the ignored test writes the list anew.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use backbone::network::configuration::{Configuration, Precision};
use backbone::network::emit::Form;
use sha2::{Digest as _, Sha256};

const LIST: &str = "tests/networks.sha256";

#[test]
fn files_at_input_224_and_batch_1_have_the_digests_of_the_list() {
    let list = list();
    assert_eq!(list.len(), 162 * 5, "{LIST} is not whole");
    let wanted = files()
        .into_iter()
        .filter(|(configuration, _)| configuration.input() == 224 && configuration.batch() == 1);
    let digests = digests(wanted.collect());
    assert_eq!(digests.len(), 90);
    for (name, digest) in digests {
        assert_eq!(list.get(&name), Some(&digest), "{name}");
    }
}

#[test]
#[ignore = "31 GB of files, two minutes when optimised: make digests"]
fn all_files_have_the_digests_of_the_list() {
    let digests = digests(files());
    assert_eq!(digests.len(), 162 * 5);
    if std::env::var_os("BACKBONE_REGENERATE").is_some_and(|value| value == "1") {
        // The format of sha256sum, so that exported files can be checked without this program.
        let lines: String = digests.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
        fs_err::write(path(), lines).unwrap();
    }
    assert_eq!(list(), digests);
}

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(LIST)
}

fn list() -> BTreeMap<String, String> {
    let text = fs_err::read_to_string(path()).unwrap();
    let entry = |line: &str| line.split_once("  ").map(|(digest, name)| (name.to_owned(), digest.to_owned()));
    text.lines().map(|line| entry(line).unwrap()).collect()
}

fn files() -> Vec<(Configuration, Form)> {
    let precisions = Precision::ALL.iter().flat_map(|&precision| Configuration::family(precision));
    precisions
        .flat_map(|configuration| Form::all(&configuration).iter().map(move |&form| (configuration, form)))
        .collect()
}

/// Digests by file name, made by as many threads as there are processors.
fn digests(files: Vec<(Configuration, Form)>) -> BTreeMap<String, String> {
    let waiting = Mutex::new(files);
    let digests = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some((configuration, form)) = waiting.lock().unwrap().pop() else { return };
                    let mut hash = Hash(Sha256::new());
                    form.model_file(&configuration).unwrap().write(&mut hash).unwrap();
                    let digest = data_encoding::HEXLOWER.encode(&hash.0.finalize());
                    digests.lock().unwrap().insert(form.file_name(&configuration), digest);
                }
            });
        }
    });
    digests.into_inner().unwrap()
}

struct Hash(Sha256);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
