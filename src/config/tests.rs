use super::settings::SETTINGS;
use super::*;
use crate::runtime::{Need, NeedKind, RUNTIMES};
use crate::spec::fields::Kind;

const NOWHERE: &str = "/nonexistent/backbone/config.yaml";

fn load(
    flags: Overrides,
    variables: &[(&str, &str)],
    file: Option<&Path>,
) -> Result<(Config, Vec<Provenance>), ConfigError> {
    let environment = |name: &str| {
        variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| OsString::from(value))
    };
    Config::load_beside(flags, &environment, file, Path::new(NOWHERE))
}

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs_err::write(&path, text).unwrap();
    (folder, path)
}

fn source<'a>(provenance: &'a [Provenance], setting: &str) -> &'a Source {
    let mut found = provenance.iter().filter(|entry| entry.setting == setting);
    let entry = found.next().expect("every setting is recorded");
    assert!(found.next().is_none(), "{setting} is recorded twice");
    &entry.source
}

#[test]
fn defaults_are_what_the_reference_says() {
    let (config, provenance) = load(Overrides::default(), &[], None).unwrap();
    let expected = Config {
        reboots_for_power_mode: false,
        sandbox: SandboxSetting::Auto,
        power_state: "/var/lib/backbone".into(),
        inbox: "/srv/backbone/inbox".into(),
        outbox: "/srv/backbone/outbox".into(),
        spool: "/srv/backbone/spool".into(),
        state: "/var/lib/backbone".into(),
        host_root: "/".into(),
        settle_seconds: 1,
        give_up_seconds: 86_400,
        rescan_seconds: 60,
        model_retention_seconds: 604_800,
        keep_done_jobs: 1000,
        keep_engine_megabytes: 2000,
        no_output_seconds: 900,
        metrics_folder: None,
        notify: None,
        notify_seconds: 10,
        sentinel_hours: 0,
        sentinel_runtime: "onnxruntime",
        runtimes: BTreeMap::new(),
    };
    assert_eq!(config, expected);
    assert!(provenance.iter().all(|entry| entry.source == Source::Default));
    for field in SETTINGS.iter().filter(|field| field.path != "runtimes") {
        source(&provenance, field.path);
    }
    assert_eq!(provenance.len(), SETTINGS.len() - 1);
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let (_folder, path) = written(
        "inbox: /file/inbox\noutbox: /file/outbox\nstate: /file/state\nsettle_seconds: 7\nrescan_seconds: 8\n",
    );
    let flags = Overrides { inbox: Some("/flag/inbox".into()), ..Overrides::default() };
    let variables = [
        ("BACKBONE_INBOX", "/environment/inbox"),
        ("BACKBONE_OUTBOX", "/environment/outbox"),
        ("BACKBONE_RESCAN_SECONDS", "9"),
        ("BACKBONE_KEEP_DONE_JOBS", ""),
    ];
    let (config, provenance) = load(flags, &variables, Some(&path)).unwrap();
    let found = [&config.inbox, &config.outbox, &config.state, &config.spool];
    let wanted = ["/flag/inbox", "/environment/outbox", "/file/state", "/flag/spool"].map(PathBuf::from);
    assert_eq!(found, wanted.each_ref());
    assert_eq!((config.settle_seconds, config.rescan_seconds, config.keep_done_jobs), (7, 9, 1000));
    assert_eq!(*source(&provenance, "inbox"), Source::Flag("--inbox".to_owned()));
    assert_eq!(*source(&provenance, "outbox"), Source::Environment("BACKBONE_OUTBOX".to_owned()));
    assert_eq!(*source(&provenance, "state"), Source::File(path.clone()));
    assert_eq!(*source(&provenance, "spool"), Source::Default);
    assert_eq!(
        *source(&provenance, "rescan_seconds"),
        Source::Environment("BACKBONE_RESCAN_SECONDS".to_owned())
    );
}

#[test]
fn every_setting_can_come_from_file_and_environment() {
    for field in SETTINGS.iter().filter(|field| field.path != "runtimes") {
        let value = match field.kind {
            Kind::Path => "/elsewhere",
            Kind::Choice(words) => words[1],
            _ => "42",
        };
        let (_folder, path) = written(&format!("{}: {value}\n", field.path));
        let (_, provenance) = load(Overrides::default(), &[], Some(&path)).unwrap();
        assert_eq!(*source(&provenance, field.path), Source::File(path), "{}", field.path);
        let variable = format!("BACKBONE_{}", field.path.to_uppercase());
        let (_, provenance) = load(Overrides::default(), &[(&variable, value)], None).unwrap();
        assert_eq!(*source(&provenance, field.path), Source::Environment(variable), "{}", field.path);
    }
}

#[test]
fn relative_flags_start_at_the_working_directory() {
    let flags =
        Overrides { inbox: Some("in".into()), host_root: Some("fake".into()), ..Overrides::default() };
    let (config, _) = load(flags, &[], None).unwrap();
    let here = std::env::current_dir().unwrap();
    assert_eq!(config.inbox, here.join("in"));
    assert_eq!(config.spool, here.join("spool"));
    assert_eq!(config.host_root, here.join("fake"));
}

#[test]
fn library_comes_from_configuration_before_the_usual_variable() {
    let (_folder, path) = written("runtimes: {onnxruntime: {library: /file/libonnxruntime.so}}\n");
    let (config, provenance) = load(Overrides::default(), &[], Some(&path)).unwrap();
    assert_eq!(
        config.runtimes["onnxruntime"].get(NeedKind::Library),
        Some(Path::new("/file/libonnxruntime.so"))
    );
    assert_eq!(*source(&provenance, "runtimes.onnxruntime.library"), Source::File(path.clone()));
    let variables =
        [("BACKBONE_ONNXRUNTIME_LIBRARY", "/environment/lib.so"), ("BACKBONE_TFLITE_WORKER", "/w")];
    let (config, _) = load(Overrides::default(), &variables, Some(&path)).unwrap();
    assert_eq!(config.runtimes["onnxruntime"].get(NeedKind::Library), Some(Path::new("/environment/lib.so")));
    assert_eq!(config.runtimes["tflite"].get(NeedKind::Worker), Some(Path::new("/w")));
    for runtime in RUNTIMES {
        for usual in runtime.needs.iter().flat_map(Need::variables) {
            let (config, provenance) = load(Overrides::default(), &[(usual, "/usual/lib.so")], None).unwrap();
            assert_eq!(
                config.runtimes[runtime.name].get(NeedKind::Library),
                Some(Path::new("/usual/lib.so"))
            );
            let setting = format!("runtimes.{}.library", runtime.name);
            assert_eq!(*source(&provenance, &setting), Source::Environment((*usual).to_owned()));
            let set = format!("runtimes: {{{}: {{library: /file/lib.so}}}}\n", runtime.name);
            let (_folder, path) = written(&set);
            let (config, _) = load(Overrides::default(), &[(usual, "/usual/lib.so")], Some(&path)).unwrap();
            assert_eq!(config.runtimes[runtime.name].get(NeedKind::Library), Some(Path::new("/file/lib.so")));
        }
    }
}

#[test]
fn mistakes_of_the_file_come_all_at_once() {
    let (_folder, path) = written(
        "inbx: /a\noutbox: relative/outbox\nsettle_seconds: -1\nkeep_done_jobs: many\nstate:\nruntimes:\n  onxruntime: {}\n  \
         onnxruntime: {libary: /x}\n  tflite: {library: 5, worker: bin/worker}\noutbox: /b\n",
    );
    let error = load(Overrides::default(), &[], Some(&path)).unwrap_err();
    let text = error.to_string().replace(&*path.to_string_lossy(), "FILE");
    insta::assert_snapshot!(text);
}

#[test]
fn settings_that_do_nothing_are_not_accepted() {
    for text in ["runtimes: {sim: {library: /x}}\n", "runtimes: {onnxruntime: {worker: /x}}\n"] {
        let (_folder, path) = written(text);
        let error = load(Overrides::default(), &[], Some(&path)).unwrap_err();
        assert!(error.to_string().contains("unknown key"), "{error}");
    }
}

#[test]
fn file_without_settings_is_fine_and_a_named_one_must_exist() {
    let (_folder, path) = written("# inbox: /srv/elsewhere\n");
    assert!(load(Overrides::default(), &[], Some(&path)).is_ok());
    let error = load(Overrides::default(), &[], Some(Path::new(NOWHERE))).unwrap_err();
    assert!(matches!(&error, ConfigError::Read { .. }));
    insta::assert_snapshot!(format!("{error}\n{}", error.hint().unwrap()), @r"
    cannot read the configuration file /nonexistent/backbone/config.yaml
    create it, or leave out the flag to use /etc/backbone/config.yaml if it exists
    ");
}

#[test]
fn variables_that_cannot_be_understood_are_named() {
    let error = load(Overrides::default(), &[("BACKBONE_SETTLE_SECONDS", "soon")], None).unwrap_err();
    insta::assert_snapshot!(format!("{error}\n{}", error.hint().unwrap()), @r"
    $BACKBONE_SETTLE_SECONDS sets `settle_seconds` to `soon`, which is not a whole number, 0 to 3600
    set $BACKBONE_SETTLE_SECONDS to a whole number, 0 to 3600, or leave it out
    ");
    let empty = Overrides { inbox: Some(PathBuf::new()), ..Overrides::default() };
    assert!(matches!(load(empty, &[], None), Err(ConfigError::Value { .. })));
}

#[test]
fn folders_must_differ() {
    let flags =
        Overrides { inbox: Some("/a/box".into()), outbox: Some("/a/box/".into()), ..Overrides::default() };
    let error = load(flags, &[], None).unwrap_err();
    insta::assert_snapshot!(format!("{error}\n{}", error.hint().unwrap()), @r"
    `inbox` and `outbox` are the same folder, /a/box
    set `inbox` and `outbox` to different folders
    ");
}

#[test]
fn reference_names_every_setting() {
    let text = reference::reference();
    for field in SETTINGS {
        assert!(text.contains(&format!("`{}`", field.path)), "{}", field.path);
    }
    assert!(text.contains("`runtimes.onnxruntime.library`"));
    assert!(text.contains("`runtimes.tflite.worker`"));
    assert!(!text.contains("sim.library"));
}
