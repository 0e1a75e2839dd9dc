//! Trees as rsync, people and accidents leave them.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;
use crate::bundle::read::decode;
use crate::bundle::write::encode;

const MEASURED: &[u8] = include_bytes!("../../tests/bundles/v1-measured.json.gz");
const FAILED: &[u8] = include_bytes!("../../tests/bundles/v1-failed.json.gz");
const REJECTED: &[u8] = include_bytes!("../../tests/bundles/v1-rejected.json.gz");

fn tree(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join("outbox").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn collected(folder: &TempDir, include_simulated: bool) -> Collection {
    collect(&[folder.path().join("outbox")], include_simulated).unwrap()
}

/// Every oddity as `path kind`.
fn odd(collection: &Collection) -> Vec<String> {
    let word = |kind: OddityKind| serde_json::to_value(kind).unwrap().as_str().unwrap().to_owned();
    collection.oddities.iter().map(|oddity| format!("{} {}", oddity.path, word(oddity.kind))).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn everything_in_a_tree_is_a_result_or_is_named() {
    let newer = gzip(br#"{"format": "backbone.bundle/99"}"#);
    let folder = tree(&[
        ("xavier/a.json.gz", MEASURED),
        ("xavier/deep/er/b.json.gz", REJECTED),
        ("coral/again.json.gz", MEASURED),
        ("coral/simulated.json.gz", FAILED),
        ("coral/short.json.gz", &MEASURED[..200]),
        ("coral/empty.json.gz", b""),
        ("coral/text.json.gz", b"{}"),
        ("coral/other.json.gz", &gzip(b"[1, 2]")),
        ("coral/newer.json.gz", &newer),
        ("coral/trailing.json.gz", &[MEASURED, b"x"].concat()),
        ("coral/.c.json.gz.Xy12Ab", MEASURED),
        ("coral/.rsync-partial/d.json.gz", MEASURED),
        ("status.json", b"{}"),
        ("notes.txt", b"hello"),
    ]);
    let outbox = folder.path().join("outbox");
    std::os::unix::fs::symlink(outbox.join("xavier"), outbox.join("loop")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(outbox.join("e.json.gz")).unwrap();
    let collection = collected(&folder, false);
    let paths: Vec<&str> = collection.rows.iter().map(|row| row.path.as_str()).collect();
    assert_eq!(paths, ["outbox/coral/again.json.gz", "outbox/xavier/deep/er/b.json.gz"]);
    assert_eq!(collection.files, 16);
    insta::assert_snapshot!(odd(&collection).join("\n"), @"
    outbox/coral/.c.json.gz.Xy12Ab partial
    outbox/coral/.rsync-partial/d.json.gz partial
    outbox/coral/empty.json.gz truncated
    outbox/coral/newer.json.gz newer_format
    outbox/coral/other.json.gz damaged
    outbox/coral/short.json.gz truncated
    outbox/coral/simulated.json.gz simulated
    outbox/coral/text.json.gz damaged
    outbox/coral/trailing.json.gz damaged
    outbox/e.json.gz not_a_file
    outbox/loop not_a_file
    outbox/notes.txt foreign
    outbox/status.json foreign
    outbox/xavier/a.json.gz duplicate
    ");
    assert_eq!(collection.rows.len() + collection.oddities.len(), collection.files);
}

#[test]
fn simulated_results_come_when_asked_for() {
    let folder = tree(&[("a.json.gz", FAILED)]);
    assert_eq!(collected(&folder, false).rows.len(), 0);
    let collection = collected(&folder, true);
    assert!(collection.rows[0].simulated && collection.oddities.is_empty());
}

#[test]
fn different_results_of_one_id_stay_apart_and_a_recompressed_copy_counts_once() {
    let mut other = decode(MEASURED).unwrap();
    other.host.name = Some("another".to_owned());
    let other = encode(&other).unwrap();
    let mut recompressed = Vec::new();
    flate2::read::GzDecoder::new(MEASURED).read_to_end(&mut recompressed).unwrap();
    let recompressed = gzip(&recompressed);
    assert_ne!(recompressed, MEASURED);
    let folder = tree(&[("a.json.gz", MEASURED), ("b.json.gz", &other), ("c.json.gz", &recompressed)]);
    let collection = collected(&folder, false);
    let ids: Vec<&str> = collection.rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.starts_with("0000000001-7f3a#")), "{ids:?}");
    assert_eq!(
        odd(&collection),
        ["outbox/a.json.gz shared_id", "outbox/b.json.gz shared_id", "outbox/c.json.gz duplicate"]
    );
}

#[test]
fn a_bomb_is_named_and_a_large_bundle_is_read() {
    let limits = Limits { at_once_bytes: 1 << 10, largest_bytes: 1 << 20 };
    let bomb = gzip(&vec![b' '; (1 << 20) + 1]);
    let folder = tree(&[("large.json.gz", MEASURED), ("bomb.json.gz", &bomb)]);
    let collection = collect_within(&[folder.path().join("outbox")], false, limits).unwrap();
    assert_eq!(collection.rows.len(), 1);
    assert_eq!(odd(&collection), ["outbox/bomb.json.gz too_large"]);
}

#[test]
fn an_empty_folder_has_no_rows_and_a_missing_one_is_an_error() {
    let folder = tree(&[]);
    fs::create_dir(folder.path().join("outbox")).unwrap();
    let collection = collected(&folder, false);
    assert!(collection.rows.is_empty() && collection.oddities.is_empty());
    let error = collect(&[folder.path().join("outbocks")], false).unwrap_err();
    assert!(error.to_string().contains("outbocks") && error.hint().is_some());
}

#[test]
fn a_single_bundle_and_overlapping_folders_may_be_named() {
    let folder = tree(&[("x/a.json.gz", MEASURED)]);
    let bundle = folder.path().join("outbox/x/a.json.gz");
    assert_eq!(collect(std::slice::from_ref(&bundle), false).unwrap().rows.len(), 1);
    let collection = collect(&[folder.path().join("outbox"), bundle], false).unwrap();
    assert_eq!(collection.rows.len(), 1);
    assert_eq!(collection.oddities[0].kind, OddityKind::Duplicate);
}

#[test]
fn rows_of_one_platform_share_what_is_known_of_it() {
    let mut other = decode(MEASURED).unwrap();
    other.id = "0000000009-7f3a".to_owned();
    let folder = tree(&[("a.json.gz", MEASURED), ("b.json.gz", &encode(&other).unwrap())]);
    let collection = collected(&folder, false);
    assert!(Arc::ptr_eq(&collection.rows[0].identity, &collection.rows[1].identity));
}
