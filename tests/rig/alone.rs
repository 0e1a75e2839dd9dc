//! Tests that need a process of their own, because they count its memory or its children: the test's
//! executable once more, for that test only.

use std::process::Command;

/// Set in the process that a test has for itself.
const ALONE: &str = "BACKBONE_TEST_ALONE";

/// Run the body of a test in a process of its own. Call it first in the test, with a closure that is the
/// whole body.
pub(crate) fn in_own_process<F: FnOnce()>(body: F) {
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    // `daemon::spec_memory::some_test::{{closure}}`; the harness leaves the name of the executable out.
    let name = std::any::type_name::<F>().trim_end_matches("::{{closure}}");
    let (_, name) = name.split_once("::").expect("a test is in a crate");
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success() && said[0].contains("1 passed"), "{name}:\n{}\n{}", said[0], said[1]);
}
