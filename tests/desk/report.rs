//! `backbone report` from outside: the real program on bundles in folders, and its page in a real browser.
//!
//! The browser needs Chromium with its driver and the packages of `tests/desk/requirements.txt`: without, it
//! is skipped, and under `BACKBONE_REQUIRE_BROWSER=1` it fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use backbone::analysis::row::Row;
use backbone::bundle::format::{Bundle, Model, ModelPart, Status, VerdictState};
use backbone::bundle::write::encode;
use tempfile::TempDir;

use crate::studies::{self, Study, failed};

/// A folder of results and a place for the report.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn with(devices: &[(&str, Vec<Bundle>)]) -> Self {
        let folder = TempDir::new().unwrap();
        for (device, bundles) in devices {
            let place = folder.path().join("results").join(device);
            fs_err::create_dir_all(&place).unwrap();
            for (index, bundle) in bundles.iter().enumerate() {
                fs_err::write(place.join(format!("{index}.json.gz")), encode(bundle).unwrap()).unwrap();
            }
        }
        Self { folder }
    }

    fn report(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_backbone"))
            .current_dir(&self.folder)
            .args(["report", "results", "--resamples", "200"])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The page, made with arguments that must do.
    #[track_caller]
    fn page(&self, arguments: &[&str]) -> String {
        let output = self.report(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs_err::read_to_string(self.path("report.html")).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn files(&self, ending: &str) -> Vec<String> {
        let entries = fs_err::read_dir(self.path("report-figures")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
        names.sort_unstable();
        names
    }
}

/// Of every kind of result some: two versions of one board, another board, failures, suspect and invalid
/// ones.
fn lab() -> Desk {
    let study = |host: &str, version: &str, seed| Study {
        host: host.to_owned(),
        version: version.to_owned(),
        kernels: vec![3, 5],
        inputs: vec![224],
        runs: 8,
        milliseconds: Box::new(|theta, cost| {
            let slow = if theta.block == "standard" { 1.5 } else { 1.0 };
            slow * (cost.operations as f64 / studies::OPERATIONS_PER_MILLISECOND)
                .max(cost.bytes_moved as f64 / 4e6)
        }),
        ..Study::without_effect(seed)
    };
    let mut xavier = study("xavier", "1.0", 1).bundles();
    xavier[3] = failed(xavier[3].clone(), Status::TimedOut, "timed_out");
    for index in [5, 6] {
        xavier[index].verdict.state = VerdictState::Suspect;
    }
    xavier[8].verdict.state = VerdictState::Invalid;
    Desk::with(&[
        ("xavier", xavier),
        ("xavier-updated", study("xavier", "2.0", 2).bundles()),
        ("coral", study("coral", "1.0", 3).bundles()),
    ])
}

/// The page without the library that draws, which is not ours to check.
fn ours(page: &str) -> String {
    let library = page.find("/**\n* plotly.js").unwrap();
    let end = library + page[library..].find("</script>").unwrap();
    format!("{}{}", &page[..library], &page[end..])
}

#[test]
fn page_has_every_part_and_comes_with_every_figure_and_table() {
    let desk = lab();
    let page = desk.page(&["--search-space", "space.yaml"]);
    assert!(page.len() <= 6_000_000, "{} bytes", page.len());
    let ours = ours(&page);
    // Headings in order, with the figures under them.
    let mut skeleton = String::new();
    for piece in ours.split('<') {
        let tag = piece.split(['>', ' ']).next().unwrap();
        let text = piece.split_once('>').map_or("", |(_, text)| text);
        match tag {
            "h1" | "h2" | "h3" => skeleton.push_str(&format!("{tag} {}\n", text.trim())),
            "figure" => {
                let id = piece.split("id=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
                // `figure-PLATFORM-PART` or `figure-PART`.
                skeleton.push_str(&format!("   {}\n", id.splitn(3, '-').last().unwrap()));
            }
            _ => {}
        }
    }
    insta::assert_snapshot!("skeleton_of_a_report", skeleton);
    let figures = ours.matches("<figure").count();
    assert_eq!(desk.files(".svg").len(), figures);
    insta::assert_snapshot!("tables_of_a_report", desk.files(".csv").join("\n"));
    assert!(fs_err::read_to_string(desk.path("space.yaml")).unwrap().contains("search_space: 1"));
    // Nothing under a temporary name is left, and nothing is asked of anybody.
    assert!(desk.files(".part").is_empty());
    let addresses: Vec<&str> = ours.match_indices("://").map(|(at, _)| &ours[at - 5..at + 20]).collect();
    assert!(
        addresses.iter().all(|one| one.starts_with("http://www.w3.org") || one.contains("www.w3.org")),
        "{addresses:?}"
    );
    // What is left out and what is marked is said.
    for wanted in [
        "Excluded from aggregates: 1 not measured, 1 with an invalid verdict",
        "△ 2 suspect results",
        "Missing: ",
    ] {
        assert!(ours.contains(wanted), "{wanted}");
    }
    // The same results give the same report.
    assert!(desk.page(&[]) == page);
}

/// The report of `make demo`, on four of its bundles. Their processes differ so little that a contrast has
/// 5.04e7 degrees of freedom, for which no quantile was ever found.
#[test]
fn report_on_the_bundles_of_a_demo_ends() {
    const DEADLINE: Duration = Duration::from_secs(60);
    let folder = TempDir::new().unwrap();
    let bundles = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo-bundles");
    let mut report = Command::new(env!("CARGO_BIN_EXE_backbone"))
        .current_dir(&folder)
        .arg("report")
        .arg(bundles)
        .args(["-o", "demo/report.html"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while report.try_wait().unwrap().is_none() {
        if started.elapsed() > DEADLINE {
            report.kill().unwrap();
            panic!("the report is not written after {DEADLINE:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = report.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.starts_with("demo/report.html: 4 results"), "{told}");
    assert!(folder.path().join("demo/report.html").is_file());
}

#[test]
fn figure_of_a_small_study_reads_as_it_did() {
    let bundles = Study {
        blocks: vec!["standard", "bottleneck-standard"],
        inputs: vec![224],
        runs: 4,
        between_processes: 0.0,
        ..Study::without_effect(5)
    }
    .bundles();
    let desk = Desk::with(&[("device", bundles)]);
    desk.page(&[]);
    let name = desk.files("blocks-throughput-int8.svg").remove(0);
    let svg = fs_err::read_to_string(desk.path("report-figures").join(name)).unwrap();
    insta::assert_snapshot!("figure", svg.replace("><", ">\n<"));
}

const HOSTILE: &str = "</script><script>window.broken=1</script><img src=x onerror=\"window.broken=2\">'\"<a href=\"javascript:window.broken=3\">b</a>$\\alpha$%{x}\u{202e}\u{2028}\u{0}";

fn hostile() -> Desk {
    let mut bundles = Study { inputs: vec![224], runs: 4, ..Study::without_effect(1) }.bundles();
    for bundle in &mut bundles {
        bundle.job.name = HOSTILE.to_owned();
        bundle.job.labels.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
        bundle.host.name = Some(format!("{HOSTILE}{}", "long ".repeat(2_000)));
        bundle.host.processor = Some(HOSTILE.to_owned());
        bundle
            .verdict
            .reasons
            .push(backbone::bundle::format::Reason { code: HOSTILE.to_owned(), detail: HOSTILE.to_owned() });
        bundle.verdict.state = VerdictState::Suspect;
        if let Some(runtime) = &mut bundle.runtime {
            (runtime.name, runtime.timed.description) = (HOSTILE.to_owned(), HOSTILE.to_owned());
        }
    }
    for index in [0, 1] {
        let configuration = bundles[index].configuration.as_mut().unwrap();
        (configuration.block, configuration.name) = (HOSTILE.to_owned(), HOSTILE.to_owned());
        configuration.precision = format!("../../{HOSTILE}");
    }
    bundles[2] = failed(bundles[2].clone(), Status::Failed, HOSTILE);
    bundles[2].outcome.detail = Some(HOSTILE.to_owned());
    bundles[2].outcome.hint = Some(HOSTILE.to_owned());
    let model = Model {
        file: HOSTILE.to_owned(),
        format: HOSTILE.to_owned(),
        sha256: HOSTILE.to_owned(),
        size_bytes: 1,
        parts: Vec::new(),
        content_sha256: None,
        inputs: Vec::new(),
        outputs: Vec::new(),
    };
    (bundles[3].configuration, bundles[3].model) = (None, Some(model));
    Desk::with(&[("device", bundles)])
}

#[test]
fn hostile_names_get_out_of_nothing() {
    let desk = hostile();
    let page = desk.page(&[]);
    let ours = ours(&page);
    assert_eq!(ours.matches("<script").count(), 3, "scripts of others");
    assert_eq!(ours.matches("</script").count(), 3);
    for wanted in ["<img", "<a href=\"javascript", "onerror=\"", "\u{202e}", "\u{2028}", "\u{0}"] {
        assert!(!ours.contains(wanted), "{wanted:?}");
    }
    assert!(!ours.contains(&"long ".repeat(100)), "a name of ten thousand letters stands in full");
    for name in desk.files("") {
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{name}");
        if name.ends_with(".svg") {
            let svg = fs_err::read_to_string(desk.path("report-figures").join(&name)).unwrap();
            assert!(!svg.contains("<script") && !svg.contains("<img") && !svg.contains('\u{0}'), "{name}");
        }
    }
}

#[test]
fn models_of_equal_files_with_other_weights_are_other_networks() {
    let bundle = Study { inputs: vec![224], runs: 4, ..Study::without_effect(1) }.bundles().remove(0);
    let subject = |content: &str| {
        let model = Model {
            file: "net.onnx".to_owned(),
            format: "onnx".to_owned(),
            sha256: "ab".repeat(32),
            size_bytes: 1,
            parts: vec![ModelPart {
                file: "net.onnx.data".to_owned(),
                sha256: content.repeat(32),
                size_bytes: 8,
            }],
            content_sha256: Some(content.repeat(32)),
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        let bundle = Bundle { configuration: None, model: Some(model), ..bundle.clone() };
        Row::new(bundle, "path".to_owned(), "digest".to_owned()).subject()
    };
    assert_eq!(subject("cd").as_deref(), Some("net.onnx (cdcdcdcd)"));
    assert_ne!(subject("cd"), subject("ef"));
}

/// One result; failures alone; dropped models alone.
fn poor() -> [(&'static str, Desk); 3] {
    let bundles = Study { inputs: vec![224], runs: 4, ..Study::without_effect(1) }.bundles();
    let failures =
        bundles.iter().map(|bundle| failed(bundle.clone(), Status::Failed, "not_loaded")).collect();
    let mut models = bundles.clone();
    for (index, bundle) in models.iter_mut().enumerate() {
        (bundle.configuration, bundle.cost) = (None, None);
        bundle.model = Some(Model {
            file: format!("net-{index}.onnx"),
            format: "onnx".to_owned(),
            sha256: "ab".repeat(32),
            size_bytes: 1,
            parts: Vec::new(),
            content_sha256: None,
            inputs: Vec::new(),
            outputs: Vec::new(),
        });
    }
    [
        ("one", Desk::with(&[("device", bundles[..1].to_vec())])),
        ("failures", Desk::with(&[("device", failures)])),
        ("models", Desk::with(&[("device", models)])),
    ]
}

#[test]
fn report_on_little_says_what_is_missing_and_draws_nothing_empty() {
    for (what, desk) in poor() {
        let page = desk.page(&["--search-space", "space.yaml"]);
        let missing = match what {
            "one" => "No two usable results differ in exactly one factor",
            _ => "No configuration of the family has usable latencies",
        };
        assert!(page.contains(missing), "{what}");
        assert!(page.contains("None: no effect is significant"), "{what}");
        assert_eq!(page.contains("-blocks-throughput-int8\""), what == "one", "{what}");
        let drawn = ours(&page).matches("<figure").count();
        assert_eq!(desk.files(".svg").len(), drawn, "{what}");
        assert_eq!(drawn > 0, what == "one", "{what}");
    }
}

#[test]
fn simulated_results_are_marked_in_every_heading_and_figure() {
    let bundles = Study { simulated: true, inputs: vec![224], runs: 4, ..Study::without_effect(1) }.bundles();
    let desk = Desk::with(&[("device", bundles)]);
    let refused = desk.report(&[]);
    assert_eq!(refused.status.code(), Some(2));
    let page = ours(&desk.page(&["--include-simulated"]));
    let parts: Vec<&str> = page.split("<h3").skip(1).collect();
    assert!(
        parts.len() >= 7
            && parts.iter().all(|part| part.split("</h3").next().unwrap().contains("SIMULATED: "))
    );
    for name in desk.files(".svg") {
        let svg = fs_err::read_to_string(desk.path("report-figures").join(&name)).unwrap();
        assert!(svg.contains(">SIMULATED: "), "{name}");
    }
}

#[test]
fn report_that_cannot_be_written_says_so_with_a_hint() {
    let desk = lab();
    fs_err::write(desk.path("file"), "").unwrap();
    for (output, code) in [("results", 2), ("file/report.html", 1)] {
        let told = desk.report(&["--output", output]);
        let text = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(code), "{output}: {text}");
        assert!(text.contains("error: ") && text.contains("hint: "), "{output}: {text}");
    }
    for arguments in [["--peaks", "1"], ["--resamples", "0"], ["--builds", "best"]] {
        assert_eq!(desk.report(&arguments).status.code(), Some(2), "{arguments:?}");
    }
    // Somebody's file in the folder stays, and is named.
    desk.page(&[]);
    fs_err::write(desk.path("report-figures/mine.txt"), "mine").unwrap();
    let told = desk.report(&["--only-valid", "--seed", "2", "--peaks", "xavier=1e12,1e11"]);
    assert!(String::from_utf8(told.stderr).unwrap().contains("kept 1 file in"));
    assert!(desk.path("report-figures/mine.txt").exists());
}

#[test]
fn large_report_leaves_out_what_its_files_have_and_says_so() {
    let devices: Vec<(String, Vec<Bundle>)> = (0..3)
        .map(|seed| {
            let host = format!("board-{seed}");
            let study = Study { precisions: vec!["int8", "fp32"], ..Study::of_the_paper(&host, seed, 1, 3) };
            (host, study.bundles())
        })
        .collect();
    let devices: Vec<(&str, Vec<Bundle>)> =
        devices.iter().map(|(host, bundles)| (host.as_str(), bundles.clone())).collect();
    let page = Desk::with(&devices).page(&[]);
    assert!(page.len() <= 6_000_000, "{} bytes", page.len());
    assert!(page.contains("contrast-pairs.csv"));
}

/// Python with a browser to drive, unless there is none and none is required.
fn browser() -> Option<Command> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = root.join("target/python-desk");
    let python = || {
        let mut command = Command::new(std::env::var_os("BACKBONE_PYTHON").unwrap_or("python3".into()));
        if packages.exists() {
            command.env("PYTHONPATH", &packages);
        }
        command
    };
    let works = |mut command: Command| command.output().is_ok_and(|output| output.status.success());
    let mut imports = python();
    imports.args(["-c", "import selenium, axe_core_python"]);
    let mut driver = Command::new("chromedriver");
    driver.arg("--version");
    let mut chromium = Command::new("sh");
    chromium.args(["-c", "command -v chromium || command -v google-chrome || command -v chromium-browser"]);
    if [imports, driver, chromium].into_iter().all(works) {
        let mut command = python();
        command.arg(root.join("tests/desk/browser.py"));
        return Some(command);
    }
    let required = std::env::var_os("BACKBONE_REQUIRE_BROWSER").is_some_and(|value| value == "1");
    assert!(!required, "Chromium, its driver or the packages of tests/desk/requirements.txt are missing");
    println!("skipped: Chromium, its driver or the packages of tests/desk/requirements.txt are missing");
    None
}

#[track_caller]
fn looks_well(mut browser: Command, desk: &Desk, arguments: &[&str]) {
    let output = browser.arg(desk.path("report.html")).args(arguments).output().unwrap();
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    println!("{told}");
}

#[test]
fn browser_draws_filters_and_explains_a_report_and_asks_nothing_of_the_network() {
    let Some(browser) = browser() else { return };
    let desk = lab();
    desk.page(&[]);
    looks_well(browser, &desk, &["--accessibility"]);
}

#[test]
fn browser_runs_nothing_that_hostile_names_bring() {
    let Some(browser) = browser() else { return };
    let desk = hostile();
    desk.page(&[]);
    looks_well(browser, &desk, &[]);
}

#[test]
fn browser_shows_a_report_without_figures() {
    let Some(browser) = browser() else { return };
    let [_, (_, failures), _] = poor();
    failures.page(&[]);
    looks_well(browser, &failures, &["--without-figures"]);
}
