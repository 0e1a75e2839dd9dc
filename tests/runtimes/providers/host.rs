//! A host with ONNX Runtime, the example's network and, where wanted, the stub as its plug-in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use backbone::bundle::format::Bundle;

use crate::rig::{Rig, Settings};

pub(super) const STUB: &str = "libstub_plugin.so";

/// The stub linked with [`PART`], which it looks for in its own folder.
pub(super) const STUB_WITH_PART: &str = "libstub_plugin_with_part.so";
pub(super) const PART: &str = "libstub_part.so";

/// Where the stubs are; made once for all tests.
pub(super) fn stubs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("provider-stubs-{}", std::process::id()));
        fs_err::create_dir_all(&folder).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes/providers/stub_plugin.rs");
        let source = source.to_str().unwrap();
        fs_err::write(folder.join("part.rs"), "#[unsafe(no_mangle)] extern \"C\" fn stub_part() {}").unwrap();
        compile(&folder, &["-o", PART, "part.rs"]);
        compile(&folder, &["-o", STUB, source]);
        let next_to_it = ["--cfg", "needs_part", "-L", ".", "-C", "link-arg=-Wl,-rpath,$ORIGIN"];
        compile(&folder, &[&["-o", STUB_WITH_PART, source], &next_to_it[..]].concat());
        folder
    })
}

fn compile(folder: &Path, words: &[&str]) {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(compiler);
    command
        .args(["--edition", "2024", "--crate-type", "cdylib", "-C", "strip=symbols"])
        .args(words)
        .current_dir(folder);
    assert!(command.status().unwrap().success());
}

pub(super) fn onnx_runtime() -> PathBuf {
    crate::rig::fetched("libonnxruntime.so")
}

/// Is the library missing?
pub(super) fn is_skipped() -> bool {
    crate::rig::lacks("libonnxruntime.so")
}

/// A host with ONNX Runtime and the example's network.
pub(super) struct Host {
    pub(super) rig: Rig,
}

impl Host {
    pub(super) fn without_plugin() -> Self {
        Self::configured(false)
    }

    /// With the stub as its plug-in.
    pub(super) fn with_plugin(settings: &str) -> Self {
        let host = Self::configured(true);
        host.plug(STUB);
        host.set(settings);
        host
    }

    fn configured(has_plugin: bool) -> Self {
        let mut host = Self { rig: Rig::new(Settings::default()) };
        fs_err::create_dir(host.rig.path("plugins")).unwrap();
        let plugin = match has_plugin {
            true => format!(", plugin: {}", host.plugin().display()),
            false => String::new(),
        };
        let configuration = fs_err::read_to_string(host.rig.configuration()).unwrap();
        let more = format!("runtimes: {{onnxruntime: {{library: {}{plugin}}}}}\n", onnx_runtime().display());
        fs_err::write(host.rig.configuration(), configuration + &more).unwrap();
        let [temporary, home] = ["temporary", "home"].map(|part| host.rig.path(part));
        fs_err::create_dir(&temporary).unwrap();
        fs_err::create_dir(&home).unwrap();
        let mut serve = host.rig.serve();
        serve.env("TMPDIR", temporary).env("HOME", home).env_remove("XDG_CACHE_HOME");
        // Where one of these is set the library keeps quiet by itself.
        for variable in ["CI", "TF_BUILD", "GITHUB_ACTIONS"] {
            serve.env_remove(variable);
        }
        host.rig.begin(&mut serve);
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("inbox-examples/tiny-cnn.onnx");
        host.rig.drop_file("tiny-cnn.onnx", fs_err::read(model).unwrap());
        host
    }

    pub(super) fn plugin(&self) -> PathBuf {
        self.rig.path("plugins").join(STUB)
    }

    /// Put that stub where the configuration says that the plug-in is, as a new file.
    pub(super) fn plug(&self, stub: &str) {
        let file = self.plugin();
        if file.exists() {
            fs_err::remove_file(&file).unwrap();
        }
        fs_err::copy(stubs().join(stub), file).unwrap();
    }

    /// What the stub does from now on.
    pub(super) fn set(&self, settings: &str) {
        fs_err::write(self.rig.path("plugins").join(format!("{STUB}.settings")), settings).unwrap();
    }

    /// What workers left where libraries put things of their own.
    pub(super) fn left_behind(&self) -> Vec<PathBuf> {
        let folders = ["temporary", "home"].map(|part| fs_err::read_dir(self.rig.path(part)).unwrap());
        folders.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    }

    pub(super) fn bundle(&self, name: &str, job: &str) -> Bundle {
        self.rig.drop_file(format!("{name}.yaml"), job);
        self.rig.wait_for("the job's bundle", || {
            self.rig.bundles().into_iter().find(|bundle| bundle.job.name == name)
        })
    }
}
