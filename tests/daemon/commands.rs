//! The commands as people type them: what they print, where, and the code that they end with.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use backbone::bundle::format::Status as OutcomeStatus;
use backbone::daemon::status::{FORMAT, Status};
use backbone::host::{HostLock, HostRoot};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::rig::{self, BACKBONE, Rig, clean, job, long_job, model, slow_model};

/// A folder with job files and models, a host root and an outbox of its own.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs_err::create_dir(desk.path("host")).unwrap();
        fs_err::create_dir(desk.path("out")).unwrap();
        desk.write("net.sim", &model(500));
        desk.write("slow.sim", &slow_model());
        desk.write("crash.sim", r#"{"latency_us": [100], "fault": {"kind": "abort", "run": 2}}"#);
        desk.write("good.yaml", &job("net.sim", "measure: {warm_up_runs: 1, timed_runs: 8, processes: 2}"));
        desk.write("odd.sim", r#"{"latency_us": [500], "outputs": [{"name": "y", "values": [1, null]}]}"#);
        desk.write("odd.yaml", &job("odd.sim", ""));
        desk.write("slow.yaml", &long_job("slow.sim", ""));
        desk.write("crash.yaml", &job("crash.sim", ""));
        desk.write("lonely.yaml", &job("never.sim", ""));
        desk.write("broken.yaml", "backbone: 1\nmodel: net.sim\nmeasure: {timed_run: 8, processes: 0}\n");
        desk
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs_err::write(self.path(name), text).unwrap();
    }

    /// A command that is started in the folder.
    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = clean(BACKBONE);
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let always = ["run", "--outbox", "out", "--host-root", "host"];
        self.command(&[&always[..], arguments].concat()).output().unwrap()
    }

    fn bundles(&self) -> usize {
        fs_err::read_dir(self.path("out")).unwrap().count()
    }

    fn lock(&self) -> HostLock {
        let root = HostRoot::new(self.path("host")).unwrap();
        HostLock::try_acquire(&root).unwrap().expect("no other process holds it")
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What differs from run to run.
fn settings(desk: &Path) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&regex_literal(&desk.display().to_string()), "DESK");
    settings.add_filter(r"\d{10}-[a-z0-9]{6}-\d{4}", "ID");
    settings.add_filter(r"\d+\.\d{3} ms \(\d+\.\d{3} to \d+\.\d{3}\)", "M.MMM ms (L.LLL to H.HHH)");
    settings.add_filter(r"about \d+ s left", "SOON left");
    settings.add_filter(r"(unverified|suspect): [a-z_]+(, [a-z_]+)*", "STATE: REASONS");
    settings
}

fn regex_literal(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_alphanumeric() || c == '/' { c.to_string() } else { format!("\\{c}") })
        .collect()
}

#[test]
fn help_of_every_command_says_how_it_is_used() {
    let desk = Desk::new();
    let mut text = String::new();
    let commands =
        ["", "serve", "run", "check", "status", "cancel", "retry", "pause", "resume", "list", "schema"];
    for name in commands {
        let arguments: Vec<&str> = if name.is_empty() { vec!["-h"] } else { vec![name, "-h"] };
        let short = desk.command(&arguments).output().unwrap();
        let long = desk.command(&[&arguments[..arguments.len() - 1], &["--help"]].concat()).output().unwrap();
        for output in [&short, &long] {
            assert_eq!((output.status.code(), stderr(output).as_str()), (Some(0), ""), "{name}");
            assert!(stdout(output).contains("Usage: backbone"), "{name}");
        }
        text.push_str(&format!("════ {name}\n{}\n", stdout(&short)));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn mistakes_of_the_command_line_end_with_code_2_and_say_what_is_expected() {
    let desk = Desk::new();
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage: backbone"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["stauts"], "'status'"),
        (&["run"], "<SPEC|MODEL>"),
        (&["check"], "<SPEC>"),
        (&["cancel"], "<JOB>"),
        (&["run", "good.yaml", "--outbx", "out"], "--outbox"),
        (&["serve", "--fast"], "unexpected argument '--fast'"),
        (&["schema", "nothing"], "[possible values: job, bundle]"),
        (&["list"], "runtimes"),
        (&["list", "colours"], "unrecognized subcommand 'colours'"),
        (&["status", "--watch", "--json"], "cannot be used with"),
        (&["serve", "--config", "missing.yaml"], "hint: create it"),
        (&["serve", "--config", "broken.yaml"], "unknown key `backbone`"),
    ];
    for (arguments, expected) in cases {
        let output = desk.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

#[test]
fn check_shows_what_would_run_and_lists_every_mistake() {
    let desk = Desk::new();
    for (file, code) in [("good.yaml", 0), ("lonely.yaml", 2), ("broken.yaml", 2), ("nothing.yaml", 2)] {
        let output = desk.command(&["check", file]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    let files = ["good.yaml", "lonely.yaml", "broken.yaml", "nothing.yaml", "out"];
    let all = desk.command(&[&["check"][..], &files].concat()).output().unwrap();
    assert_eq!(all.status.code(), Some(2));
    insta::assert_snapshot!(stdout(&all));
    assert_eq!(desk.bundles(), 0, "check wrote something");
}

#[test]
fn check_speaks_of_a_hosts_memory_only_where_a_host_is_named() {
    let desk = Desk::new();
    fs_err::create_dir(desk.path("host/proc")).unwrap();
    desk.write("host/proc/meminfo", "MemTotal: 2097152 kB\n");
    let file = fs_err::OpenOptions::new().append(true).open(desk.path("net.sim")).unwrap();
    file.set_len(3 << 30).unwrap();
    let without = desk.command(&["check", "good.yaml"]).output().unwrap();
    assert_eq!(without.status.code(), Some(0), "{without:?}");
    let with = desk.command(&["check", "good.yaml", "--host-root", "host"]).output().unwrap();
    assert_eq!(with.status.code(), Some(2), "{with:?}");
    let text = stdout(&with);
    assert!(text.starts_with("good.yaml: would not run"), "{text}");
    assert!(text.contains("3221225472 bytes, and the host has 2147483648 bytes of memory"), "{text}");
    let no_folder = desk.command(&["check", "good.yaml", "--host-root", "nowhere"]).output().unwrap();
    assert_eq!(no_folder.status.code(), Some(2), "{no_folder:?}");
    assert!(stderr(&no_folder).contains("nowhere/proc/meminfo\nhint: leave out"), "{no_folder:?}");
}

#[test]
fn run_measures_job_files_and_ends_with_a_table() {
    let desk = Desk::new();
    let output = desk.run(&["good.yaml", "good.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(desk.bundles(), 2);
    let text = format!("{}────\n{}", stderr(&output), stdout(&output));
    settings(desk.0.path()).bind(|| {
        insta::assert_snapshot!(text, @"
        good: net.sim on sim, trial 1 of 2
        good: net.sim on sim, trial 2 of 2, SOON left
        good: net.sim on sim: M.MMM ms (L.LLL to H.HHH), STATE: REASONS (simulated) (good.net.sim.ID.json.gz)
        good: net.sim on sim, trial 1 of 2
        good: net.sim on sim, trial 2 of 2, SOON left
        good: net.sim on sim: M.MMM ms (L.LLL to H.HHH), STATE: REASONS (simulated) (good.net.sim.ID.json.gz)
        ────
        job   model    runtime  n   median (95 % interval)     verdict
        good  net.sim  sim      16  M.MMM ms (L.LLL to H.HHH)  STATE: REASONS (simulated)
        good  net.sim  sim      16  M.MMM ms (L.LLL to H.HHH)  STATE: REASONS (simulated)

        bundles: DESK/out
        ");
    });
}

#[test]
fn run_of_a_job_file_with_mistakes_prints_them_as_check_does() {
    let desk = Desk::new();
    let checked = stdout(&desk.command(&["check", "broken.yaml"]).output().unwrap());
    let ran = stderr(&desk.run(&["broken.yaml"]));
    let lines: Vec<&str> = checked.lines().filter(|line| *line != "broken.yaml: 2 mistakes").collect();
    assert_eq!(lines.len(), 4, "{checked}");
    assert_eq!(ran.lines().take(4).collect::<Vec<_>>(), lines);
}

#[test]
fn run_ends_with_the_code_of_its_worst_result_and_a_bundle_for_each() {
    let desk = Desk::new();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["good.yaml"], 0, "power_state_unobserved"),
        (&["odd.yaml", "--strict"], 3, "outputs_not_finite"),
        (&["odd.yaml"], 0, "outputs_not_finite"),
        (&["crash.yaml"], 1, "failed: aborted"),
        (&["lonely.yaml"], 2, "rejected: model_never_came"),
        (&["broken.yaml"], 2, "rejected: mistakes_in_spec"),
        (&["good.yaml", "crash.yaml"], 1, "failed: aborted"),
        (&["crash.yaml", "broken.yaml", "good.yaml"], 2, "rejected: mistakes_in_spec"),
    ];
    let mut bundles = 0;
    for (arguments, code, expected) in cases {
        let output = desk.run(arguments);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {output:?}");
        assert!(stdout(&output).contains(expected), "{arguments:?}: {output:?}");
        bundles += arguments.iter().filter(|argument| argument.ends_with(".yaml")).count();
        // Its own folders are gone, whatever happened.
        assert_eq!(desk.bundles(), bundles, "{arguments:?}");
    }
}

#[test]
fn run_refuses_what_it_cannot_begin_and_leaves_nothing() {
    let desk = Desk::new();
    let missing = desk.run(&["nothing.yaml"]);
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
    assert!(stderr(&missing).contains("nothing.yaml"), "{missing:?}");
    let folder = desk.run(&["host"]);
    assert_eq!(folder.status.code(), Some(2), "{folder:?}");
    let in_a_file = ["run", "good.yaml", "--outbox", "good.yaml/out", "--host-root", "host"];
    let nowhere = desk.command(&in_a_file).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1), "{nowhere:?}");
    assert!(stderr(&nowhere).contains("hint: name another outbox"), "{nowhere:?}");
    desk.write("notes.txt", "nothing to measure");
    let text = desk.run(&["good.yaml", "notes.txt"]);
    assert_eq!(text.status.code(), Some(2), "{text:?}");
    let said =
        "notes.txt is neither a job file nor a model\nhint: names end in .yaml, .yml, .onnx or .tflite";
    assert!(stderr(&text).contains(said), "{text:?}");
    assert_eq!(desk.bundles(), 0, "nothing is measured if a later file cannot be");
}

#[test]
fn run_measures_a_model_without_a_job_file_with_defaults() {
    let desk = Desk::new();
    let output = desk.run(&["net.sim", "good.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).contains("net   net.sim  sim      100"), "{output:?}");
    assert_eq!(desk.bundles(), 2);
}

#[test]
fn run_waits_for_the_host_or_with_no_wait_ends_with_code_4() {
    let desk = Desk::new();
    let lock = desk.lock();
    let busy = desk.run(&["good.yaml", "--no-wait"]);
    assert_eq!(busy.status.code(), Some(4), "{busy:?}");
    assert!(stderr(&busy).contains("hint: run without --no-wait"), "{busy:?}");
    assert_eq!(desk.bundles(), 0);

    let mut waiting = desk
        .command(&["run", "good.yaml", "--outbox", "out", "--host-root", "host"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert_eq!(line, format!("waiting for the host: process {} is measuring", std::process::id()));
    drop(lock);
    assert!(lines.all(|line| line.is_ok()));
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    assert_eq!(desk.bundles(), 1);
}

#[test]
fn daemon_waits_while_another_process_measures_and_says_so() {
    let rig = Rig::running();
    let root = HostRoot::new(rig.path("host")).unwrap();
    let lock = HostLock::try_acquire(&root).unwrap().expect("no other process holds it");
    rig.drop_file("net.sim", model(50));
    rig.drop_file("patient.yaml", job("net.sim", ""));
    rig.wait_for_status("the daemon to wait", |status| {
        status.state == backbone::daemon::status::State::WaitingForHost && status.queued == 1
    });
    drop(lock);
    rig.wait_until_done(1);
}

#[test]
fn interrupted_run_ends_with_code_1_and_leaves_nothing() {
    let desk = Desk::new();
    let mut run = desk
        .command(&["run", "slow.yaml", "--outbox", "out", "--host-root", "host"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(run.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "slow: slow.sim on sim, trial 1 of 1\n");
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(1));
    assert!(rest.contains("stopped before slow.yaml was measured"), "{rest}");
    assert_eq!(desk.bundles(), 0);
}

#[test]
fn export_that_would_fill_a_disk_needs_a_yes() {
    let desk = Desk::new();
    let mut command = desk.command(&["networks", "export", "-o", "models"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.starts_with("error: the export would write 648 files, ") && error.contains(" GB\n"),
        "{error}"
    );
    assert!(error.contains("hint: add `--yes`") && output.status.code() == Some(2), "{error}");
    assert!(!desk.path("models").exists());
}

#[test]
fn killed_export_leaves_no_model_and_the_next_one_removes_its_rest() {
    let desk = Desk::new();
    let export = |what: &str| {
        let words =
            "networks export --batch 1 --input 32 --precision fp32 --format onnx --yes --output models";
        let words: Vec<&str> = words.split(' ').chain(what.split(' ')).collect();
        let mut command = desk.command(&words);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let names = || -> Vec<String> {
        let entries = fs_err::read_dir(desk.path("models")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    // Half a gigabyte: it is not written before it is seen.
    let mut killed = export("--block standard --kernel 7").spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while names().is_empty() {
        assert!(Instant::now() < deadline, "nothing is written");
        std::thread::yield_now();
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = names();
    assert!(left.len() == 1 && left[0].starts_with('.') && left[0].ends_with(".part"), "{left:?}");
    let small = "--block depthwise-separable --kernel 3 --width-percent 5 --depths 1,1,1,1";
    assert!(export(small).status().unwrap().success());
    assert_eq!(names(), ["depthwise-separable-k3-b1-i32-fp32-w5-d1_1_1_1.onnx"]);
}

#[test]
fn status_is_shown_in_words_and_as_json_also_after_the_daemon_ended() {
    let mut rig = Rig::running();
    rig.must(&["pause"]);
    rig.drop_file("net.sim", model(50));
    rig.drop_file("queued.yaml", job("net.sim", "priority: 7"));
    rig.drop_file("waiting.yaml", job("never.sim", ""));
    rig.wait_for_status("both jobs", |status| status.queued == 1 && status.waiting.len() == 1);
    let text = rig.must(&["status"]);
    assert!(text.starts_with(&format!("paused (process {}, as of ", rig.process())), "{text}");
    assert!(text.contains("1 job queued, 1 waiting for a model"), "{text}");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.iter().any(|row| row.first() == Some(&"queued") && row.last() == Some(&"7")), "{text}");
    assert!(rows.iter().any(|row| row.starts_with(&["waiting", "never.sim"])), "{text}");

    let json: Status = serde_json::from_str(&rig.must(&["status", "--json"])).unwrap();
    assert_eq!(json.format, FORMAT);
    assert_eq!((json.process, json.queued, json.next[0].priority), (rig.process(), 1, 7));
    // The outbox has a copy for collectors.
    assert_eq!(Status::read(&rig.outbox("")).unwrap(), json);

    rig.kill();
    let dead = rig.command(&["status"]);
    assert_eq!(dead.status.code(), Some(1));
    assert!(stdout(&dead).starts_with("no daemon is running; the last one was paused at "), "{dead:?}");
}

#[test]
fn watched_status_shows_every_change_and_counts_on_until_it_is_interrupted() {
    let rig = Rig::running();
    let mut command = clean(BACKBONE);
    command.args(["status", "--watch", "--config"]).arg(rig.configuration());
    let mut watch = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next =
        |wanted: &str| lines.find(|line| line.as_ref().unwrap().contains(wanted)).unwrap().unwrap();
    next("idle (process");
    rig.must(&["pause"]);
    next("paused (process");
    rig.must(&["resume"]);
    rig.drop_file("slow.sim", model(400_000));
    rig.drop_file("long.yaml", long_job("slow.sim", ""));
    // The status file says nothing new while a worker times.
    let shown = next("  trial    1 of 1");
    while next("  trial    1 of 1") == shown {}
    next("  inbox    looked at last at ");
    next("  done     1 job; 1 result measured, 0 rejected");
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn status_without_a_daemon_says_where_it_looked() {
    let desk = Desk::new();
    for arguments in [&["status", "--state", "nowhere"][..], &["status", "--json", "--state", "nowhere"]] {
        let output = desk.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = stderr(&output);
        assert!(
            text.contains("no daemon is running on this host (no status in")
                && text.contains("nowhere/status.json)"),
            "{text}"
        );
    }
}

#[test]
fn lists_name_everything_that_is_registered() {
    let desk = Desk::new();
    let runtimes = stdout(&desk.command(&["list", "runtimes"]).output().unwrap());
    for runtime in backbone::runtime::RUNTIMES {
        assert!(runtimes.lines().any(|line| line.starts_with(runtime.name)), "{runtimes}");
        for option in runtime.options {
            assert!(runtimes.contains(option.name), "{} of {}", option.name, runtime.name);
        }
    }
    let reasons = stdout(&desk.command(&["list", "reasons"]).output().unwrap());
    for reason in backbone::verdict::REASONS {
        assert!(reasons.contains(reason.code) && reasons.contains(reason.advice), "{}", reason.code);
    }
}

#[test]
fn schemas_are_json_schemas_of_what_goes_in_and_comes_out() {
    let desk = Desk::new();
    let schema = |format: &str| -> Value {
        let output = desk.command(&["schema", format]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let job = schema("job");
    for field in backbone::spec::FIELDS {
        let top = field.path.split('.').next().unwrap();
        assert!(job["properties"][top].is_object(), "no `{top}` in {job}");
    }
    let bundle = schema("bundle");
    assert_eq!(desk.run(&["good.yaml"]).status.code(), Some(0));
    let file = fs_err::read_dir(desk.path("out")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs_err::read(file).unwrap();
    let written = backbone::bundle::read::decode(&bytes[..]).unwrap();
    assert_eq!(written.outcome.status, OutcomeStatus::Measured);
    let written = serde_json::to_value(&written).unwrap();
    for key in written.as_object().unwrap().keys() {
        assert!(bundle["properties"][key].is_object(), "no `{key}` in the schema of bundles");
    }
}

#[test]
fn serve_once_ends_when_the_inbox_is_done_and_names_who_still_waits() {
    let rig = Rig::new(rig::Settings { settle_seconds: 1, ..Default::default() });
    rig.copy_in_place("net.sim", model(500));
    rig.copy_in_place("first.yaml", job("net.sim", ""));
    rig.copy_in_place("broken.yaml", "backbone: 1\n");
    rig.copy_in_place("lonely.yaml", job("never.sim", ""));
    let output = rig.serve().arg("--once").output().unwrap();
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let row = |begin: &str| text.lines().find(|line| line.starts_with(begin)).unwrap_or_default().to_owned();
    assert!(row("first").contains("power_state_unobserved"), "{text}");
    assert!(row("broken").contains("rejected: mistakes_in_spec"), "{text}");
    assert!(text.contains("lonely still waits for never.sim\n"), "{text}");
    assert!(
        text.contains(&format!("bundles: {}\n", rig.outbox("").display().to_string().trim_end_matches('/'))),
        "{text}"
    );
    assert_eq!(rig.bundles().len(), 2);
}

#[test]
fn requests_without_a_daemon_are_carried_out_by_the_next_one() {
    let mut rig = Rig::running();
    rig.must(&["pause"]);
    rig.drop_file("net.sim", model(50));
    for name in ["doomed", "kept"] {
        rig.drop_file(format!("{name}.yaml"), job("net.sim", ""));
    }
    rig.wait_for_status("both jobs", |status| status.queued == 2);
    rig.end(Signal::TERM);
    assert_eq!(
        rig.must(&["cancel", "doomed"]),
        "No daemon is running; `doomed` will be cancelled when one starts.\n"
    );
    rig.must(&["resume"]);
    rig.start();
    rig.wait_until_done(2);
    assert_eq!(rig.bundle_of("doomed").outcome.status, OutcomeStatus::Cancelled);
    assert_eq!(rig.measured_order(), ["kept"]);
}

#[test]
fn output_whose_reader_is_gone_is_no_failure() {
    let desk = Desk::new();
    let mut list =
        desk.command(&["list", "reasons"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(list.stdout.take());
    let output = list.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}
