//! Inference libraries: whether they exist, fit this machine, and are of matching releases. None is loaded.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Finding;
use super::subject::{Library, Subject};
use crate::installation::LIBRARY_FOLDERS;
use crate::text::first_few;

/// The TensorRT shipped with each release of L4T, both by prefix. Source: NVIDIA's release notes.
const TENSORRT: &[(&str, &str)] = &[
    ("32.1", "5.0"),
    ("32.2", "5.1"),
    ("32.3", "6.0"),
    ("32.4.2", "7.1.0"),
    ("32.4", "7.1"),
    ("32.5", "7.1"),
    ("32.6", "8.0"),
    ("32.7", "8.2"),
    ("35.1", "8.4"),
    ("35.", "8.5"),
    ("36.0", "8.6"),
    ("36.2", "8.6"),
    ("36.3", "8.6"),
    ("36.4", "10.3"),
    ("36.5", "10.3"),
    ("38.", "10.13"),
    ("39.2", "10.16"),
];

/// Architectures: the number in an ELF header (elf.h) and the kernel's name.
const MACHINES: &[(u16, &str)] = &[(62, "x86_64"), (183, "aarch64"), (40, "armv7l"), (243, "riscv64")];

const NOT_A_JETSON: &str = "only Jetsons have L4T";

pub(super) fn files(subject: &Subject) -> Finding {
    let mut found = Vec::new();
    let mut wrong = Vec::new();
    let mut remedy = None;
    for library in subject.asked.libraries.iter().filter(|library| !library.file_name.is_empty()) {
        let setting = format!("`runtimes.{}.library` in /etc/backbone/config.yaml", library.runtime);
        match file(subject, library).map(|path| (unfit(subject, &path), path)) {
            None => {
                wrong.push(format!("{} has no {}", library.runtime, library.file_name));
                remedy.get_or_insert(format!("install it, or set {setting}"));
            }
            Some((Some(why), path)) => {
                wrong.push(format!("{} has {}, which {why}", library.runtime, path.display()));
                remedy.get_or_insert(format!("set {setting} to another file"));
            }
            Some((None, path)) => found.push(format!("{} ({})", path.display(), library.runtime)),
        }
    }
    let found = first_few(&found);
    match remedy {
        Some(remedy) => Finding::problem(first_few(&wrong), remedy),
        None if found.is_empty() => Finding::does_not_apply("no runtime loads a library"),
        None => Finding::ok(found),
    }
}

/// The file that would be loaded, as a path on the host; one named in the settings even if it is missing.
fn file(subject: &Subject, library: &Library) -> Option<PathBuf> {
    let is_there = |path: &&PathBuf| subject.root.path(path).exists();
    let named =
        library.candidates.iter().find(is_there).or(library.candidates.first().filter(|_| library.is_named));
    named.cloned().or_else(|| {
        LIBRARY_FOLDERS.iter().find_map(|folder| {
            let mut names = subject.root.names_in(folder).into_iter();
            names.find(|name| name.starts_with(library.file_name)).map(|name| Path::new(folder).join(name))
        })
    })
}

/// Why the loader would refuse the file, judged by its first bytes.
fn unfit(subject: &Subject, path: &Path) -> Option<String> {
    /// Up to the architecture.
    const HEAD_BYTES: usize = 20;
    let mut head = [0; HEAD_BYTES];
    let read = fs_err::File::open(subject.root.path(path)).and_then(|mut file| file.read_exact(&mut head));
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Some("does not exist".to_owned());
        }
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Some("is not a library".to_owned());
        }
        Err(error) => return Some(format!("cannot be read: {}", error.kind())),
        Ok(()) => {}
    }
    if !head.starts_with(b"\x7fELF") {
        return Some("is not a library".to_owned());
    }
    let number = u16::from_le_bytes([head[18], head[19]]);
    let made_for = MACHINES
        .iter()
        .find(|(machine, _)| *machine == number)
        .map_or("another architecture", |(_, name)| name);
    let here = subject.host.architecture.as_deref()?;
    (made_for != here).then(|| format!("is built for {made_for}, not for {here}"))
}

pub(super) fn workers(subject: &Subject) -> Finding {
    let missing: Vec<String> = subject
        .asked
        .libraries
        .iter()
        .filter(|library| !subject.root.path(&library.worker).is_file())
        .map(|library| format!("{} (for {})", library.worker.display(), library.runtime))
        .collect();
    match missing.is_empty() {
        true => Finding::ok("the worker executable of every runtime is installed"),
        false => Finding::problem(
            format!("missing: {}", first_few(&missing)),
            "`make build && sudo make install`, or set `runtimes.NAME.worker` in /etc/backbone/config.yaml",
        ),
    }
}

pub(super) fn tensorrt(subject: &Subject) -> Finding {
    if !subject.is_jetson() {
        return Finding::does_not_apply(NOT_A_JETSON);
    }
    let Some((package, version)) = subject.package("libnvinfer") else {
        return Finding::does_not_apply("no package of TensorRT is installed");
    };
    let release = subject.host.l4t.as_deref().unwrap_or_default();
    let Some((_, expected)) = TENSORRT.iter().find(|(start, _)| release.starts_with(start)) else {
        return Finding::unobservable(format!(
            "the TensorRT version shipped with L4T {release} is not known"
        ));
    };
    match version.starts_with(expected) {
        true => Finding::ok(format!("{package} {version} matches L4T {release}")),
        false => Finding::problem(
            format!("L4T {release} ships TensorRT {expected}, but {package} {version} is installed"),
            "`sudo apt install --reinstall nvidia-jetpack` installs matching versions",
        ),
    }
}

pub(super) fn cuda(subject: &Subject) -> Finding {
    let toolkit = subject.package("cuda-cudart-").map(|(name, version)| (name.to_owned(), major(version)));
    let built_for = ["libnvinfer", "libcudnn"].into_iter().filter_map(|start| {
        let (name, version) = subject.package(start)?;
        let (_, cuda) = version.split_once("+cuda")?;
        Some((format!("{name} {version}"), major(cuda)))
    });
    let all: Vec<(String, &str)> = built_for.chain(toolkit).collect();
    let Some((first, expected)) = all.first() else {
        return match subject.exists("/var/lib/dpkg/status") {
            true => Finding::does_not_apply("no package of CUDA is installed"),
            false => Finding::unobservable("this host has no list of packages"),
        };
    };
    match all.iter().find(|(_, cuda)| cuda != expected) {
        None => Finding::ok(format!("all packages are for CUDA {expected}")),
        Some((other, cuda)) => Finding::problem(
            format!("{first} is for CUDA {expected}, but {other} is for CUDA {cuda}"),
            "install packages for one CUDA release; `apt list --installed 2>/dev/null | grep -i -e cuda -e cudnn -e nvinfer` lists them",
        ),
    }
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

pub(super) fn release_known(subject: &Subject) -> Finding {
    if !subject.is_jetson() {
        return Finding::does_not_apply(NOT_A_JETSON);
    }
    match (&subject.host.l4t, &subject.host.jetpack) {
        (Some(release), Some(jetpack)) => Finding::ok(format!("L4T {release} is JetPack {jetpack}")),
        (Some(release), None) => Finding::advice(
            format!("this version of backbone does not know L4T {release}, so results are flagged"),
            "update backbone; `cat /etc/nv_tegra_release` shows the release of L4T",
        ),
        (None, _) => {
            Finding::unobservable("neither /etc/nv_tegra_release nor a package shows the release of L4T")
        }
    }
}

pub(super) fn release_whole(subject: &Subject) -> Finding {
    if !subject.is_jetson() {
        return Finding::does_not_apply(NOT_A_JETSON);
    }
    let packaged =
        subject.package("nvidia-l4t-core").map(|(_, version)| version.split('-').next().unwrap_or(version));
    match (packaged, subject.host.l4t.as_deref()) {
        (Some(packaged), Some(release)) if packaged == release => {
            Finding::ok(format!("kernel, firmware and packages are from L4T {release}"))
        }
        (Some(packaged), Some(release)) => Finding::problem(
            format!("/etc/nv_tegra_release says {release}, but the package nvidia-l4t-core is {packaged}"),
            "finish the upgrade: `sudo apt full-upgrade && sudo reboot`",
        ),
        _ => Finding::unobservable("no package shows the release of L4T"),
    }
}
