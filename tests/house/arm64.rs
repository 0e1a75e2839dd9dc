//! The parts of `tools/cross-build` and `tools/test-arm64` that can be checked without building for another
//! architecture or booting one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The executables of a folder, checked as if they were for an architecture; `None` if there is no Python
/// here.
fn check(folder: &Path, architecture: &str) -> Option<(bool, String)> {
    let mut command = Command::new("python3");
    command.arg("tools/cross-build").args(["--arch", architecture, "--check"]).arg(folder).current_dir(ROOT);
    let Output { status, stdout, stderr } = match command.output() {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("BACKBONE_REQUIRE_PYTHON").is_none(), "cannot run python3: {error}");
            return None;
        }
    };
    Some((
        status.success(),
        format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)),
    ))
}

/// Those that cargo builds here need the C library of here.
#[test]
fn executables_that_an_old_system_cannot_start_are_refused() {
    let built = Path::new(env!("CARGO_BIN_EXE_backbone")).parent().unwrap();
    let Some((passed, text)) = check(built, std::env::consts::ARCH) else { return };
    assert!(!passed, "{text}");
    let newest = text.lines().find_map(|line| {
        let (name, rest) = line.split_once(" (")?;
        (name == "backbone").then(|| rest.rsplit_once("needs glibc 2.")?.1.parse::<u32>().ok()).flatten()
    });
    match newest.unwrap_or_else(|| panic!("{text}")) {
        28.. => assert!(text.contains(" of glibc 2."), "{text}"),
        _ => assert!(text.contains("libgcc_s.so.1, which an old system may not have"), "{text}"),
    }

    let other = if std::env::consts::ARCH == "x86_64" { "aarch64" } else { "x86_64" };
    let (passed, text) = check(built, other).unwrap();
    assert!(!passed && text.contains(&format!("backbone: is no executable for {other}")), "{text}");

    let empty = tempfile::tempdir().unwrap();
    let (passed, text) = check(empty.path(), other).unwrap();
    assert!(!passed && text.contains("backbone-worker-tflite: is missing"), "{text}");
}

#[test]
fn every_step_of_the_arm64_machine_is_done_and_has_a_limit() {
    let text = fs_err::read_to_string(Path::new(ROOT).join("tests/arm64/steps")).unwrap();
    let listed = text.lines().find_map(|line| line.strip_prefix("STEPS=")).unwrap().trim_matches('"');
    let listed: BTreeSet<&str> = listed
        .split(' ')
        .map(|step| {
            let (name, seconds) = step.split_once(':').unwrap();
            assert!((1..=1800).contains(&seconds.parse::<u32>().unwrap()), "{step}");
            name
        })
        .collect();
    let written: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("step_")?.split_once("()"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(listed, written);
}
