//! Models of several files, as PyTorch's exporter writes them: found, waited for, copied and removed as one.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;

use backbone::bundle::format::{Bundle, Model, Stage, Status};
use backbone::daemon::control;
use rustix::process::Signal;
use sha2::{Digest as _, Sha256};

use crate::library::with_onnxruntime;
use crate::rig::{self, Rig, Settings, job, model};

/// The runtime ends at once, on every machine: what the intake did is in the bundle all the same.
const NO_LIBRARY: &str = "runtimes: {onnxruntime: {library: /nonexistent/libonnxruntime.so}}";

fn running() -> Rig {
    Rig::running_with(Settings { more: NO_LIBRARY, ..Settings::default() })
}

fn sha256(bytes: impl AsRef<[u8]>) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes.as_ref()))
}

/// A field of a message: its number, and what is in it.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 0x4000);
    let length = content.len() as u16;
    let length = [length as u8 & 0x7f | 0x80, (length >> 7) as u8];
    [&[number << 3 | 2], &length[..], content].concat()
}

/// An ONNX file with one tensor of so many bytes at the begin of another file.
fn refers_to(location: &str, bytes: u64) -> Vec<u8> {
    let entry =
        |key: &str, value: &str| field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
    let tensor = [
        field(8, b"w"),
        entry("location", location),
        entry("offset", "0"),
        entry("length", &bytes.to_string()),
        vec![14 << 3, 1],
    ];
    [vec![8, 8], field(7, &field(5, &tensor.concat()))].concat()
}

fn model_of(bundle: &Bundle) -> &Model {
    bundle.model.as_ref().unwrap_or_else(|| panic!("{:?}", bundle.outcome))
}

fn reason(bundle: &Bundle) -> (Option<Stage>, Option<&str>) {
    (bundle.outcome.stage, bundle.outcome.reason.as_deref())
}

fn copies(rig: &Rig) -> Vec<String> {
    let mut names: Vec<String> = fs_err::read_dir(rig.spool("models"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A file of zeros of this size, which takes no space on a disk that has sparse files.
fn sparse(path: &Path, bytes: u64) {
    File::create(path).unwrap().set_len(bytes).unwrap();
}

/// A file of that size without holes.
fn dense(path: &Path, bytes: u64) {
    let piece = vec![1; 64 << 20];
    let mut file = File::create(path).unwrap();
    for _ in 0..bytes / piece.len() as u64 {
        file.write_all(&piece).unwrap();
    }
}

#[test]
fn pair_is_measured_as_one_model_in_every_order_and_however_it_is_copied() {
    let Some(settings) = with_onnxruntime("") else { return };
    let rig = Rig::running_with(settings);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
    let file = |name: &str| (name.to_owned(), fs_err::read(folder.join(name)).unwrap());
    let (onnx, weights) = (file("external.onnx"), file("external.onnx.data"));
    let text = ("a.yaml".to_owned(), job("external.onnx", "").into_bytes());
    let orders = [
        [&onnx, &weights, &text],
        [&weights, &onnx, &text],
        [&text, &onnx, &weights],
        [&text, &weights, &onnx],
    ];
    for (round, order) in orders.into_iter().enumerate() {
        for (name, bytes) in order {
            match round {
                0 => rig.copy_in_place(name, bytes),
                1 => rig.rsync(name, bytes),
                2 => rig.drop_file(name, bytes),
                _ => rig.winscp(name, bytes),
            }
        }
        let bundle = rig.wait_until_done(round + 1).remove(round);
        assert_eq!(bundle.outcome.status, Status::Measured, "{round}: {:?}", bundle.outcome);
        assert_eq!(bundle.cost.as_ref().map(|cost| cost.macs), Some(6_642_432));
        let Model { sha256: digest, parts, content_sha256, .. } = model_of(&bundle);
        assert_eq!(digest, &sha256(&onnx.1));
        assert_eq!((parts[0].file.as_str(), parts[0].size_bytes), ("external.onnx.data", 7168));
        assert_eq!(parts[0].sha256, sha256(&weights.1));
        let lines = format!("{}\n{}\n", sha256(&onnx.1), sha256(&weights.1));
        assert_eq!(content_sha256.as_deref(), Some(&*sha256(lines)));
        for name in ["external.onnx", "external.onnx.data"] {
            fs_err::remove_file(rig.inbox(name)).unwrap();
        }
    }
}

#[test]
fn missing_part_is_named_with_its_model_and_the_job_goes_on_when_it_comes() {
    let rig = running();
    rig.drop_file("net.onnx", refers_to("net.onnx.data", 8));
    rig.drop_file("a.yaml", job("net.onnx", ""));
    let status = rig.wait_for_status("the job to wait", |status| status.waiting.len() == 1);
    assert_eq!(status.waiting[0].models, ["net.onnx.data"]);
    assert_eq!(status.waiting[0].why, ["`net.onnx` keeps weights in `net.onnx.data`"]);
    let shown = rig.must(&["status"]);
    assert!(shown.contains("net.onnx.data (`net.onnx` keeps weights in `net.onnx.data`)"), "{shown}");
    // It blocks no other job.
    rig.drop_file("net.sim", model(50));
    rig.drop_file("other.yaml", job("net.sim", ""));
    rig.wait_for_bundles(1);
    rig.drop_file("net.onnx.data", [7; 8]);
    rig.wait_until_done(2);
    let bundle = rig.bundle_of("a");
    assert_eq!(reason(&bundle).1, Some("library_not_found"));
    assert_eq!(model_of(&bundle).parts[0].sha256, sha256([7; 8]));
}

#[test]
fn job_is_cancelled_while_it_waits_for_a_part() {
    let rig = running();
    rig.drop_file("net.onnx", refers_to("net.onnx.data", 8));
    rig.drop_file("a.yaml", job("net.onnx", ""));
    rig.wait_for_status("the job to wait", |status| status.waiting.len() == 1);
    rig.must(&["cancel", "a"]);
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Cancelled);
    assert_eq!(rig.inbox_names(), ["net.onnx"]);
}

#[test]
fn two_models_share_a_file_that_goes_with_the_last_job() {
    let rig = running();
    control::pause(&rig.spool("control")).unwrap();
    rig.drop_file("shared.bin", [1; 16]);
    for (name, bytes) in [("one", 8), ("two", 16)] {
        rig.drop_file(format!("{name}.onnx"), refers_to("shared.bin", bytes));
        rig.drop_file(format!("{name}.yaml"), job(&format!("{name}.onnx"), ""));
    }
    rig.wait_for_status("both jobs", |status| status.queued == 2);
    assert_eq!(copies(&rig).len(), 3, "{:?}", copies(&rig));
    rig.must(&["cancel", "one"]);
    rig.wait_until("one to be gone", || copies(&rig).len() == 2);
    assert!(copies(&rig).contains(&sha256([1; 16])));
    control::resume(&rig.spool("control")).unwrap();
    let bundles = rig.wait_until_done(2);
    assert_eq!(model_of(&bundles[1]).parts[0].file, "shared.bin");
}

#[test]
fn data_that_change_while_the_job_is_queued_do_not_change_what_is_measured() {
    let rig = running();
    control::pause(&rig.spool("control")).unwrap();
    rig.drop_file("net.onnx", refers_to("net.onnx.data", 8));
    rig.drop_file("net.onnx.data", [1; 8]);
    rig.drop_file("first.yaml", job("net.onnx", ""));
    rig.wait_for_status("the job", |status| status.queued == 1);
    rig.copy_in_place("net.onnx.data", [2; 8]);
    rig.drop_file("second.yaml", job("net.onnx", ""));
    rig.wait_for_status("both jobs", |status| status.queued == 2);
    control::resume(&rig.spool("control")).unwrap();
    rig.wait_until_done(2);
    let (first, second) = (rig.bundle_of("first"), rig.bundle_of("second"));
    let (first, second) = (model_of(&first), model_of(&second));
    assert_eq!(first.sha256, second.sha256);
    assert_eq!(first.parts[0].sha256, sha256([1; 8]));
    assert_eq!(second.parts[0].sha256, sha256([2; 8]));
    assert_ne!(first.content_sha256, second.content_sha256);
}

#[test]
fn locations_that_lead_elsewhere_are_refused_and_nothing_is_opened() {
    let rig = running();
    let secret = rig.path("secret");
    fs_err::write(&secret, [0; 64]).unwrap();
    fs_err::create_dir(rig.inbox("folder")).unwrap();
    fs_err::write(rig.inbox("folder/w"), [0; 64]).unwrap();
    std::os::unix::fs::symlink(&secret, rig.inbox("link")).unwrap();
    fs_err::write(rig.inbox("short"), [0; 7]).unwrap();
    let absolute = secret.to_str().unwrap().to_owned();
    let cases = [
        ("absolute", absolute.as_str(), "external_data_location"),
        ("upwards", "../../secret", "external_data_location"),
        ("deeper", "folder/w", "external_data_location"),
        ("nul", "short\0w", "external_data_location"),
        ("itself", "itself.onnx", "external_data_location"),
        ("hidden", ".w", "external_data_location"),
        ("link", "link", "model_not_a_file"),
        ("folder", "folder", "model_not_a_file"),
        ("short", "short", "external_data_too_short"),
    ];
    for (index, (name, location, wanted)) in cases.iter().enumerate() {
        rig.drop_file(format!("{name}.onnx"), refers_to(location, 8));
        rig.drop_file(format!("{name}.yaml"), job(&format!("{name}.onnx"), ""));
        rig.wait_until_done(index + 1);
        let bundle = rig.bundle_of(name);
        assert_eq!(bundle.outcome.status, Status::Rejected, "{name}");
        assert_eq!(reason(&bundle), (Some(Stage::Model), Some(*wanted)), "{name}: {:?}", bundle.outcome);
        assert!(bundle.outcome.hint.is_some(), "{name}");
    }
}

#[test]
fn kill_and_cancel_while_a_large_part_is_copied_leave_nothing_half() {
    let mut rig = running();
    let bytes = 384 << 20;
    dense(&rig.inbox("net.onnx.data"), bytes);
    rig.drop_file("net.onnx", refers_to("net.onnx.data", bytes));
    rig.drop_file("a.yaml", job("net.onnx", ""));
    let is_copying = |rig: &Rig| {
        rig.wait_for_status("the copy", |status| {
            status
                .waiting
                .iter()
                .any(|waiting| waiting.copying.as_ref().is_some_and(|it| it.copied_bytes > 0))
        })
    };
    is_copying(&rig);
    rig.kill();
    rig.start();
    is_copying(&rig);
    rig.must(&["cancel", "a"]);
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Cancelled);
    assert_eq!(rig.inbox_names(), ["net.onnx", "net.onnx.data"]);
    // The names are free again, and small jobs follow as ever.
    rig.drop_file("net.sim", model(50));
    rig.drop_file("b.yaml", job("net.sim", ""));
    assert_eq!(rig.wait_until_done(2)[1].outcome.status, Status::Measured);
}

#[test]
fn watchdog_is_fed_and_sigterm_obeyed_while_a_large_file_is_copied_in_little_memory() {
    let mut rig = Rig::new(Settings { more: NO_LIBRARY, ..Settings::default() });
    let socket = rig.path("notify");
    let notified = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    notified.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let mut serve = rig.serve();
    serve.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "2000000");
    rig.begin(&mut serve);
    let memory = |rig: &Rig| {
        let status = fs_err::read_to_string(format!("/proc/{}/status", rig.process())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().to_owned();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    };
    let before = memory(&rig);
    let bytes = 2 << 30;
    // Holes are not copied, so it has none.
    dense(&rig.inbox("net.onnx.data"), bytes);
    rig.drop_file("net.onnx", refers_to("net.onnx.data", bytes));
    rig.drop_file("a.yaml", job("net.onnx", ""));
    let mut longest = std::time::Duration::ZERO;
    let mut fed = std::time::Instant::now();
    let mut pings = 0;
    let mut message = [0; 4096];
    // Begun, and for a second more.
    let mut until = None;
    while until.is_none_or(|until| std::time::Instant::now() < until) {
        let length = notified.recv(&mut message).expect("the watchdog is fed");
        if message[..length].starts_with(b"WATCHDOG=1") {
            longest = longest.max(fed.elapsed());
            fed = std::time::Instant::now();
            pings += 1;
        }
        let is_copying = || {
            let status = backbone::daemon::status::Status::read(&rig.path("state"));
            let waiting = status.map(|status| status.waiting).unwrap_or_default();
            waiting.iter().any(|waiting| waiting.copying.as_ref().is_some_and(|it| it.copied_bytes > 0))
        };
        if until.is_none() && is_copying() {
            until = Some(std::time::Instant::now() + std::time::Duration::from_secs(1));
        }
    }
    let status = rig.wait_for_status("the copy", |status| !status.waiting.is_empty());
    let copying = status.waiting[0].copying.as_ref().expect("2 GiB take longer than that");
    assert!(copying.copied_bytes > 0, "{copying:?}");
    let grown = memory(&rig) - before;
    let ended = rig.end(Signal::TERM);
    println!(
        "{pings} pings, {longest:?} apart at most; {grown} bytes more memory; stopped within {:?}",
        ended.took
    );
    assert!(longest < std::time::Duration::from_secs(2), "{longest:?} without a ping");
    assert!(grown < 16 << 20, "{grown} bytes");
    // Fivefold slack for a machine that is busy with other tests.
    assert!(ended.took < std::time::Duration::from_secs(5), "{ended:?}");
    assert!(copies(&rig).iter().all(|name| !name.starts_with('.')), "{:?}", copies(&rig));
}

#[test]
fn model_that_does_not_fit_now_waits_and_holds_up_no_other_and_one_that_never_fits_is_rejected() {
    if let Some(obstacle) = rig::disks::obstacle() {
        eprintln!("skipped: {obstacle}");
        return;
    }
    let mut rig = Rig::new(Settings { more: NO_LIBRARY, ..Settings::default() });
    rig.start_with_disks(&[("lab", "size=16m")]);
    fs_err::create_dir_all(rig.path("lab/uploads")).unwrap();
    rig.fill_all_but("lab", 2 << 20);
    sparse(&rig.inbox("large.onnx.data"), 6 << 20);
    rig.drop_file("large.onnx", refers_to("large.onnx.data", 6 << 20));
    rig.drop_file("large.yaml", job("large.onnx", ""));
    let status = rig.wait_for_attention("no_room");
    assert!(status.attention[0].what.ends_with("large.onnx"), "{:?}", status.attention);
    rig.drop_file("net.sim", model(50));
    rig.drop_file("small.yaml", job("net.sim", ""));
    assert_eq!(rig.wait_for_bundles(1)[0].outcome.status, Status::Measured);
    sparse(&rig.inbox("huge.onnx.data"), 64 << 20);
    rig.drop_file("huge.onnx", refers_to("huge.onnx.data", 64 << 20));
    rig.drop_file("huge.yaml", job("huge.onnx", ""));
    rig.wait_for_bundles(2);
    assert_eq!(reason(&rig.bundle_of("huge")), (Some(Stage::Model), Some("model_larger_than_disk")));
    rig.free("lab");
    rig.wait_until_done(3);
    assert_eq!(model_of(&rig.bundle_of("large")).parts[0].size_bytes, 6 << 20);
    rig.wait_for_status("no trouble", |status| status.attention.is_empty());
}

#[test]
fn model_uploaded_in_pieces_is_taken_again_before_the_job_fails() {
    let rig = Rig::running_with(Settings { settle_seconds: 1, ..Settings::default() });
    let text = model(100);
    let (head, tail) = text.split_at(8);
    rig.copy_in_place("net.sim", head);
    rig.drop_file("a.yaml", job("net.sim", ""));
    let status = rig.wait_for_status("the daemon to have found half a model", |status| {
        status.waiting.iter().any(|waiting| waiting.why.iter().any(|why| why.contains("not a whole model")))
    });
    assert_eq!(status.waiting[0].models, ["net.sim"]);
    let mut file = File::options().append(true).open(rig.inbox("net.sim")).unwrap();
    file.seek(std::io::SeekFrom::End(0)).unwrap();
    file.write_all(tail.as_bytes()).unwrap();
    drop(file);
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
    assert_eq!(model_of(&bundle).sha256, sha256(text));
}

#[test]
fn half_a_model_whose_upload_does_not_go_on_fails_as_ever() {
    let rig = Rig::running_with(Settings { settle_seconds: 1, ..Settings::default() });
    rig.copy_in_place("net.sim", "{\"latency");
    rig.drop_file("a.yaml", job("net.sim", ""));
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(reason(&bundle), (Some(Stage::Load), Some("model_not_readable")));
}

#[test]
fn files_that_no_job_can_mean_are_named_with_the_likely_cause() {
    let rig = running();
    rig.drop_file("a.yaml", job("net.onnx", ""));
    rig.wait_for_status("the job to wait", |status| status.waiting.len() == 1);
    rig.drop_file("b.yaml.txt", job("net.onnx", ""));
    rig.drop_file("Net.onnx", refers_to("w", 1));
    let status = rig.wait_for_status("both files", |status| status.attention.len() == 2);
    let named: Vec<(&str, &str)> =
        status.attention.iter().map(|line| (line.what.as_str(), line.code.as_str())).collect();
    assert_eq!(named, [("Net.onnx", "name_differs"), ("b.yaml.txt", "not_a_job_name")]);
}
