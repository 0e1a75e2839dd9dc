//! Everything that should not be dropped into an inbox, dropped into one. Each ends in a bundle that says
//! where, why and what to do, or is named in the status; the daemon's memory stays small; and the next job
//! runs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use backbone::bundle::format::{Bundle, SpecEncoding, Stage, Status, VerdictState};
use backbone::spec::MAXIMUM_SPEC_BYTES;

use crate::hostile::alias_bomb;
use crate::rig::{BACKBONE, Rig, Settings, clean, hosts, job, model};

/// The most that refusing may cost.
const MEMORY_LIMIT_BYTES: u64 = 32 << 20;

/// The bundle of a refused file has everything that it must have.
fn refused(bundle: &Bundle, status: Status, stage: Stage, reason: &str) {
    let outcome = &bundle.outcome;
    let name = &bundle.job.file;
    assert_eq!((outcome.status, outcome.stage), (status, Some(stage)), "{name}: {outcome:?}");
    assert_eq!(outcome.reason.as_deref(), Some(reason), "{name}: {outcome:?}");
    assert!(outcome.detail.as_ref().is_some_and(|detail| !detail.is_empty()), "{name}: {outcome:?}");
    assert!(outcome.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "{name}: {outcome:?}");
    assert!(bundle.trials.is_empty() && bundle.summary.is_none(), "{name}");
    assert_eq!(bundle.verdict.state, VerdictState::Invalid, "{name}");
}

/// The bundle of the job file with this name.
fn of_file<'a>(bundles: &'a [Bundle], file: &str) -> &'a Bundle {
    let mut found = bundles.iter().filter(|bundle| bundle.job.file == file);
    let bundle = found.next().unwrap_or_else(|| panic!("no bundle of {file}"));
    assert!(found.next().is_none(), "two bundles of {file}");
    bundle
}

/// A good job still runs after all that.
fn next_job_runs(rig: &Rig, before: usize) {
    rig.drop_file("good.sim", model(50));
    rig.drop_file("good.yaml", job("good.sim", ""));
    rig.wait_until_done(before + 1);
    assert_eq!(rig.bundle_of("good").outcome.status, Status::Measured);
}

/// A job file whose one mistake is in this line.
fn with(line: &str) -> String {
    format!("backbone: 1\nmodel: good.sim\n{line}\n")
}

/// A job file for a generated network with this option of a runtime, which is not on its list.
fn generated(runtime: &str, option: &str) -> String {
    format!(
        "backbone: 1\nnetwork: {{block: standard, kernel: 3, input: 32, precision: int8}}\nruntime: {runtime}\nruntime_options: {{{option}}}\n"
    )
}

#[test]
fn job_files_that_are_no_job_files_are_rejected_with_the_code_of_their_mistake() {
    let rig = Rig::running();
    rig.drop_file("good.sim", model(50));
    let measure = |what: &str| with(&format!("measure: {{{what}}}"));
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("malformed", b"backbone: 1\nmodel: [good.sim\n".to_vec(), "syntax"),
        ("empty", b"".to_vec(), "empty"),
        ("comments-only", b"# nothing\n# here\n".to_vec(), "empty"),
        ("binary", (0..=255).cycle().take(5000).collect(), "not_text"),
        ("nul", b"backbone: 1\nmodel: good.sim\0\n".to_vec(), "not_text"),
        ("list", b"- 1\n- 2\n".to_vec(), "wrong_type"),
        ("two-documents", b"backbone: 1\n---\nmodel: good.sim\n".to_vec(), "several_documents"),
        ("alias-bomb", alias_bomb().into_bytes(), "anchor"),
        ("deep", "[".repeat(100_000).into_bytes(), "too_deep"),
        ("unknown-key", with("mesure: 3").into(), "unknown_key"),
        ("duplicate-key", with("model: good.sim").into(), "duplicate_key"),
        ("wrong-type", with("priority: [1]").into(), "wrong_type"),
        ("text-for-a-number", measure("timed_runs: many").into(), "wrong_type"),
        ("nan", measure("timed_runs: .nan").into(), "wrong_type"),
        ("infinite", measure("timeout_seconds: .inf").into(), "wrong_type"),
        ("fraction", measure("timed_runs: 2.5").into(), "wrong_type"),
        ("negative", measure("timed_runs: -1").into(), "out_of_range"),
        ("zero", measure("timed_runs: 0").into(), "out_of_range"),
        ("huge", measure("timed_runs: 1000000000000").into(), "out_of_range"),
        ("astronomic", measure(&format!("timed_runs: 1{}", "0".repeat(400))).into(), "wrong_type"),
        ("no-model", b"backbone: 1\n".to_vec(), "missing_key"),
        ("other-version", b"backbone: 99\nmodel: good.sim\n".to_vec(), "unsupported_format"),
        ("unknown-runtime", with("runtime: warp-drive").into(), "unknown_runtime"),
        ("option-of-none", with("runtime: sim\nruntime_options: {threads: 1}").into(), "unknown_option"),
        ("flags", generated("trtexec", "flags: --plugins=/tmp/evil.so").into(), "unknown_option"),
        ("program", generated("trtexec", "program: /tmp/evil").into(), "unknown_option"),
        ("cache", generated("trtexec", "timing_cache: /etc/passwd").into(), "unknown_option"),
        ("precision", generated("trtexec", "precision: fp8").into(), "unknown_value"),
        ("workspace", generated("trtexec", "workspace_mebibytes: 0").into(), "out_of_range"),
        ("delegate", generated("edgetpu", "delegate: /tmp/evil.so").into(), "unknown_option"),
        ("device", generated("edgetpu", "device: \":0\"").into(), "unknown_value"),
        ("library", generated("onnxruntime", "library: /tmp/evil.so").into(), "unknown_option"),
        ("parent", b"backbone: 1\nmodel: ../good.sim\n".to_vec(), "model_name"),
        ("absolute", b"backbone: 1\nmodel: /etc/passwd\n".to_vec(), "model_name"),
        ("folder", b"backbone: 1\nmodel: a/good.sim\n".to_vec(), "model_name"),
        ("hidden", b"backbone: 1\nmodel: .good.sim\n".to_vec(), "model_name"),
        ("temporary", b"backbone: 1\nmodel: good.sim.part\n".to_vec(), "model_name"),
        ("line-break", b"backbone: 1\nmodel: \"good\\n.sim\"\n".to_vec(), "model_name"),
        ("no-extension", b"backbone: 1\nmodel: good\n".to_vec(), "unknown_extension"),
        ("named-twice", b"backbone: 1\nmodel: [good.sim, good.sim]\n".to_vec(), "duplicate_model"),
    ];
    for (name, text, _) in cases {
        rig.drop_file(format!("{name}.yaml"), text);
    }
    let bundles = rig.wait_until_done(cases.len());
    let mut wrong = Vec::new();
    for (name, text, code) in cases {
        let bundle = of_file(&bundles, &format!("{name}.yaml"));
        refused(bundle, Status::Rejected, Stage::Spec, "mistakes_in_spec");
        let codes: Vec<&str> = bundle.outcome.mistakes.iter().map(|mistake| mistake.code.as_str()).collect();
        if !codes.contains(code) {
            wrong.push(format!("{name}: {codes:?} instead of {code}"));
        }
        assert!(bundle.outcome.mistakes.iter().all(|mistake| mistake.hint.is_some()), "{name}");
        let kept = match bundle.job.spec_encoding {
            Some(SpecEncoding::Utf8) => bundle.job.spec.clone().unwrap().into_bytes(),
            _ => data_encoding::BASE64.decode(bundle.job.spec.as_ref().unwrap().as_bytes()).unwrap(),
        };
        assert!(&kept == text, "{name} is not verbatim in its bundle");
        let file = rig.bundle_files().into_iter().filter(|path| {
            let shown = path.file_name().unwrap().to_str().unwrap();
            shown.starts_with(&format!("{name}.rejected."))
        });
        assert_eq!(file.count(), 1, "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    next_job_runs(&rig, cases.len());
}

#[test]
fn daemon_that_runs_holds_no_other_commands_code() {
    let rig = Rig::running();
    let of_process = |file: &str| format!("/proc/{}/{file}", rig.process());
    let executable = fs_err::read_link(of_process("exe")).unwrap();
    assert_eq!(executable.file_name().unwrap(), "backbone-daemon");
    let line = fs_err::read(of_process("cmdline")).unwrap();
    assert!(line.starts_with(b"backbone\0serve\0"), "{}", String::from_utf8_lossy(&line));
}

#[test]
fn daemon_of_another_build_is_not_handed_over_to() {
    let mut rig = Rig::new(Settings::default());
    let folder = rig.path("bin");
    fs_err::create_dir(&folder).unwrap();
    let program = folder.join("backbone");
    if fs_err::hard_link(BACKBONE, &program).is_err() {
        fs_err::copy(BACKBONE, &program).unwrap();
    }
    let daemon = folder.join("backbone-daemon");
    fs_err::write(&daemon, "#!/bin/sh\necho '0.0.1 then'\n").unwrap();
    fs_err::set_permissions(&daemon, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = clean(&program);
    command.args(["serve", "--config"]).arg(rig.configuration());
    rig.begin(&mut command);
    let executable = fs_err::read_link(format!("/proc/{}/exe", rig.process())).unwrap();
    assert_eq!(executable.file_name().unwrap(), "backbone");
    let log = rig.log();
    assert!(log.contains("WARN not handing over to") && log.contains("it is build 0.0.1 then"), "{log}");
}

#[test]
fn memory_stays_small_while_hostile_job_files_are_refused() {
    let rig = Rig::running();
    next_job_runs(&rig, 0);
    let before = rig.peak_memory();
    drop_hole(&rig, "gigabyte.yaml", 1 << 30);
    let filled = |unit: &str| unit.repeat(MAXIMUM_SPEC_BYTES / unit.len());
    rig.drop_file("bomb.yaml", alias_bomb());
    rig.drop_file("brackets.yaml", filled("["));
    rig.drop_file("keys.yaml", filled("a: 1\n"));
    rig.drop_file("text.yaml", format!("backbone: 1\nname: {}", &filled("x")[20..]));
    rig.drop_file("zeros.yaml", vec![0; MAXIMUM_SPEC_BYTES]);
    rig.drop_file("one-too-many.yaml", vec![b'#'; MAXIMUM_SPEC_BYTES + 1]);
    let bundles = rig.wait_until_done(8);
    for file in ["gigabyte.yaml", "one-too-many.yaml"] {
        let bundle = of_file(&bundles, file);
        refused(bundle, Status::Rejected, Stage::Spec, "spec_too_large");
        assert_eq!(bundle.job.spec, None);
    }
    for file in ["bomb.yaml", "brackets.yaml", "keys.yaml", "text.yaml", "zeros.yaml"] {
        refused(of_file(&bundles, file), Status::Rejected, Stage::Spec, "mistakes_in_spec");
    }
    let grown = rig.peak_memory() - before;
    eprintln!("refusing took {grown} bytes on top of {before}");
    assert!(grown < MEMORY_LIMIT_BYTES, "refusing took {grown} bytes on top of {before}");
}

#[test]
fn model_files_that_are_no_models_end_their_job_alone() {
    let rig = Rig::running_with(Settings {
        more: "runtimes: {onnxruntime: {library: /nonexistent/libonnxruntime.so}}",
        ..Settings::default()
    });
    let tflite = fs_err::read(example("tiny-cnn.tflite")).unwrap();
    let onnx = fs_err::read(example("tiny-cnn.onnx")).unwrap();
    type Case<'a> = (&'a str, &'a [u8], &'a str, Status, Stage, &'a str);
    let cases: &[Case<'_>] = &[
        ("a.sim", b"", "", Status::Rejected, Stage::Model, "wrong_format"),
        ("b.sim", b"\xff\x00\x01garbage", "", Status::Rejected, Stage::Model, "wrong_format"),
        ("c.sim", b"{\"latency_us\": [1", "", Status::Failed, Stage::Load, "model_not_readable"),
        ("d.sim", b"{\"latency_us\": \"none\"}", "", Status::Failed, Stage::Load, "model_not_readable"),
        ("e.onnx", &tflite, "", Status::Rejected, Stage::Model, "wrong_format"),
        ("f.tflite", &onnx, "", Status::Rejected, Stage::Model, "wrong_format"),
        ("g.onnx", b"", "", Status::Rejected, Stage::Model, "wrong_format"),
        ("h.tflite", b"short", "", Status::Rejected, Stage::Model, "wrong_format"),
        ("i.onnx", b"PK\x03\x04 a zip file", "", Status::Rejected, Stage::Model, "wrong_format"),
        ("j.sim", b"{\"latency_us\": [1]}", DIGEST, Status::Rejected, Stage::Model, "digest_differs"),
    ];
    for (file, content, digest, ..) in cases {
        rig.drop_file(file, content);
        let named = if digest.is_empty() {
            (*file).to_owned()
        } else {
            format!("{{file: {file}, sha256: {digest}}}")
        };
        rig.drop_file(format!("{file}.yaml"), job(&named, ""));
    }
    let bundles = rig.wait_until_done(cases.len());
    for (file, _, _, status, stage, reason) in cases {
        refused(of_file(&bundles, &format!("{file}.yaml")), *status, *stage, reason);
    }
    next_job_runs(&rig, cases.len());
}

/// Of nothing in particular.
const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("inbox-examples").join(name)
}

#[test]
fn models_that_lie_about_themselves_fail_in_the_real_runtime_and_the_next_job_runs() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("runtimes")
        .join(std::env::consts::ARCH)
        .join("libonnxruntime.so");
    if !library.is_file() {
        assert!(std::env::var_os("BACKBONE_REQUIRE_RUNTIMES").is_none(), "{} is missing", library.display());
        eprintln!("skipped: {} is missing; tools/fetch-runtimes gets it", library.display());
        return;
    }
    let mut rig = Rig::new(Settings::default());
    let mut text = fs_err::read_to_string(rig.configuration()).unwrap();
    text.push_str(&format!("runtimes: {{onnxruntime: {{library: {}}}}}\n", library.display()));
    fs_err::write(rig.configuration(), text).unwrap();
    rig.start();
    let onnx = fs_err::read(example("tiny-cnn.onnx")).unwrap();
    let truncated = &onnx[..onnx.len() / 2];
    let mut corrupt = onnx.clone();
    for byte in corrupt.iter_mut().skip(64).step_by(7).take(200) {
        *byte ^= 0xff;
    }
    // Says that it has an image of one size, and weights of another.
    let head_only = &onnx[..200];
    for (name, content) in [("truncated", truncated), ("corrupt", &corrupt[..]), ("head-only", head_only)] {
        rig.drop_file(format!("{name}.onnx"), content);
        rig.drop_file(format!("{name}.yaml"), job(&format!("{name}.onnx"), ""));
    }
    let bundles = rig.wait_until_done(3);
    for bundle in &bundles {
        assert_eq!(bundle.outcome.status, Status::Failed, "{:?}", bundle.outcome);
        assert_eq!(bundle.outcome.stage, Some(Stage::Load), "{:?}", bundle.outcome);
        assert!(bundle.outcome.hint.is_some(), "{:?}", bundle.outcome);
    }
    rig.drop_file("real.onnx", &onnx);
    rig.drop_file("real.yaml", job("real.onnx", ""));
    rig.wait_until_done(4);
    assert_eq!(rig.bundle_of("real").outcome.status, Status::Measured);
}

/// A host with so much memory, and a job that would change its power state.
fn host_of(kibibytes: u64) -> Rig {
    let more = "runtimes: {onnxruntime: {library: /nonexistent/libonnxruntime.so}}";
    let mut rig = Rig::new(Settings { more, ..Settings::default() });
    hosts::fill(&rig.path("host"), "agx-xavier-jetpack-4.3");
    fs_err::write(rig.path("host/proc/meminfo"), format!("MemTotal: {kibibytes} kB\n")).unwrap();
    rig.start();
    rig
}

/// A file that is one hole: large to whoever reads it, nothing on the disk.
fn drop_hole(rig: &Rig, name: &str, bytes: u64) {
    let upload = rig.path("lab/uploads").join(name);
    fs_err::File::create(&upload).unwrap().set_len(bytes).unwrap();
    fs_err::rename(upload, rig.inbox(name)).unwrap();
}

#[test]
fn model_larger_than_the_hosts_memory_is_refused_before_it_is_copied_and_the_host_is_left_alone() {
    let rig = host_of(2 << 20);
    let state = hosts::state(&rig.path("host"));
    for name in ["large.onnx", "large.tflite"] {
        drop_hole(&rig, name, 3 << 30);
        rig.drop_file(format!("{name}.yaml"), job(name, "host: {power_mode: MODE_15W, lock_clocks: true}"));
    }
    let bundles = rig.wait_until_done(2);
    for bundle in &bundles {
        refused(bundle, Status::Rejected, Stage::Model, "model_larger_than_memory");
        let detail = bundle.outcome.detail.as_ref().unwrap();
        assert!(detail.contains("has 3221225472 bytes, and the host has 2147483648 bytes"), "{detail}");
        assert!(bundle.model.is_none() && bundle.environment.is_none());
    }
    assert!(hosts::state(&rig.path("host")).differences(&state).is_empty());
    assert_eq!(rig.measured_order(), [""; 0]);
    next_job_runs(&rig, 2);
}

#[test]
fn network_larger_than_the_hosts_memory_is_refused_and_the_rest_of_its_study_continues() {
    let rig = host_of(4096);
    let state = hosts::state(&rig.path("host"));
    let study = "backbone: 1\nhost: {power_mode: MODE_15W}\nstudy: {blocks: [standard, depthwise-separable], kernels: [3], \
                 batches: [1], inputs: [32], precisions: [int8]}\n";
    rig.drop_file("study.yaml", study);
    let bundles = rig.wait_until_done(2);
    refused(&bundles[0], Status::Rejected, Stage::Model, "model_larger_than_memory");
    assert_eq!(bundles[0].configuration.as_ref().unwrap().block, "standard");
    assert!(bundles[0].environment.is_none(), "the power state was read for a configuration that cannot run");
    // As far as a host without the library can check it.
    assert_eq!(bundles[1].outcome.reason.as_deref(), Some("library_not_found"), "{:?}", bundles[1].outcome);
    assert!(bundles[1].environment.as_ref().unwrap().power.is_some());
    assert!(hosts::state(&rig.path("host")).differences(&state).is_empty());
}

#[test]
fn nothing_is_refused_for_its_size_where_the_memory_was_not_observed() {
    let rig = Rig::running();
    // Not all of it is JSON, which only a worker finds out.
    rig.drop_file("large.sim", [&b"{"[..], &[b' '; 5000]].concat());
    rig.drop_file("large.yaml", job("large.sim", ""));
    refused(&rig.wait_until_done(1)[0], Status::Failed, Stage::Load, "model_not_readable");
}

#[test]
fn what_is_no_regular_file_is_never_opened() {
    let rig = Rig::running_with(Settings { rescan_seconds: 1, give_up_seconds: 2, ..Settings::default() });
    let secret = rig.path("secret.yaml");
    fs_err::write(&secret, job("good.sim", "")).unwrap();
    fs_err::write(rig.path("secret.sim"), model(50)).unwrap();

    let mut rejected = vec!["fifo.yaml", "link.yaml", "dangling.yaml", "socket.yaml"];
    make("mkfifo", &[rig.inbox("fifo.yaml").as_os_str()]);
    symlink(&secret, rig.inbox("link.yaml")).unwrap();
    symlink("/nonexistent", rig.inbox("dangling.yaml")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(rig.inbox("socket.yaml")).unwrap();
    // A device that returns zeros without end.
    let device = [rig.inbox("device.yaml").into_os_string(), "c".into(), "1".into(), "5".into()];
    if rustix::process::geteuid().is_root()
        && try_make("mknod", &device.each_ref().map(std::ffi::OsString::as_os_str))
    {
        rejected.push("device.yaml");
    } else {
        eprintln!("skipped: a device node, which this process may not make");
    }
    let bundles = rig.wait_until_done(rejected.len());
    for file in &rejected {
        let bundle = of_file(&bundles, file);
        refused(bundle, Status::Rejected, Stage::Claim, "not_a_regular_file");
        assert_eq!(bundle.job.spec, None);
    }
    assert_eq!(fs_err::read_to_string(&secret).unwrap(), job("good.sim", ""));

    // The same as models.
    symlink(rig.path("secret.sim"), rig.inbox("link.sim")).unwrap();
    make("mkfifo", &[rig.inbox("fifo.sim").as_os_str()]);
    fs_err::create_dir(rig.inbox("folder.sim")).unwrap();
    for name in ["link", "fifo", "folder"] {
        rig.drop_file(format!("model-is-{name}.yaml"), job(&format!("{name}.sim"), ""));
    }
    let count = rejected.len() + 3;
    let bundles = rig.wait_until_done(count);
    for name in ["link", "fifo", "folder"] {
        let bundle = of_file(&bundles, &format!("model-is-{name}.yaml"));
        refused(bundle, Status::Rejected, Stage::Model, "model_not_a_file");
    }
    let status = rig.wait_for_attention("not_a_regular_file");
    let named = |what: &str| status.attention.iter().any(|attention| attention.what == what);
    assert!(named("link.sim") && named("fifo.sim") && named("folder.sim"), "{:?}", status.attention);
    next_job_runs(&rig, count);
}

fn make(program: &str, arguments: &[&OsStr]) {
    assert!(try_make(program, arguments), "{program}");
}

fn try_make(program: &str, arguments: &[&OsStr]) -> bool {
    clean(program).args(arguments).status().is_ok_and(|status| status.success())
}

#[test]
fn hostile_file_names_are_rejected_and_stay_harmless() {
    let rig = Rig::running();
    rig.drop_file("good.sim", model(50));
    let long = format!("{}.yaml", "n".repeat(250));
    let names: &[&[u8]] = &[
        b"line\nbreak.yaml",
        b"escape\x1b[2J.yaml",
        b"tab\t.yaml",
        b"not-utf8-\xff\xfe.yaml",
        b"~tilde~job~.yaml",
        b"percent%2F..%2f.yaml",
        b"-rf --no-preserve-root.yaml",
        b"$(reboot) `reboot` ; reboot.yaml",
        "größe-模型.yaml".as_bytes(),
        b"UPPER.YAML",
        long.as_bytes(),
        b"..yaml.yaml.yaml",
    ];
    let (bad, fine) = names.split_at(4);
    for name in names.iter().take(11) {
        rig.drop_file(Path::new(OsStr::from_bytes(name)), job("good.sim", ""));
    }
    let bundles = rig.wait_until_done(11);
    for name in bad {
        let shown = String::from_utf8_lossy(name);
        refused(of_file(&bundles, &shown), Status::Rejected, Stage::Claim, "bad_file_name");
    }
    for name in &fine[..7] {
        let shown = String::from_utf8_lossy(name);
        // A very long name is cut.
        let begin = &shown[..shown.len().min(150)];
        let mut found = bundles.iter().filter(|bundle| bundle.job.file.starts_with(begin));
        assert_eq!(found.next().expect("a bundle").outcome.status, Status::Measured, "{shown}");
    }
    // The log is read on terminals.
    let log = rig.log();
    assert!(!log.chars().any(|character| character.is_control() && character != '\n'), "{log:?}");
    for path in rig.bundle_files() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        assert!(name.chars().all(is_plain), "{name}");
    }
    next_job_runs(&rig, 11);
}

#[test]
fn name_used_twice_is_two_jobs() {
    let rig = Rig::running();
    rig.drop_file("good.sim", model(50));
    rig.must(&["pause"]);
    rig.drop_file("same.yaml", job("good.sim", "labels: {which: first}"));
    rig.wait_for_status("the first to be queued", |status| status.queued == 1);
    rig.drop_file("same.yaml", job("good.sim", "labels: {which: second}"));
    rig.wait_for_status("the second to be queued", |status| status.queued == 2);
    rig.drop_file("other.yaml", job("good.sim", "name: same\nlabels: {which: third}"));
    rig.wait_for_status("the third to be queued", |status| status.queued == 3);
    rig.must(&["resume"]);
    let bundles = rig.wait_until_done(3);
    let which: Vec<&str> = bundles.iter().map(|bundle| bundle.job.labels["which"].as_str()).collect();
    assert_eq!(which, ["first", "second", "third"]);
    assert!(bundles.iter().all(|bundle| bundle.job.name == "same"));
    next_job_runs(&rig, 3);
}
