//! The release of NVIDIA's software on a Jetson: Linux for Tegra (L4T) and its JetPack.

use super::super::machine::Machine;

const RELEASE_FILE: &str = "/etc/nv_tegra_release";

/// The first JetPack with each release of L4T. Source: NVIDIA's release notes.
const JETPACKS: &[(&str, &str)] = &[
    ("32.3.1", "4.3"),
    ("32.4.2", "4.4 DP"),
    ("32.4.3", "4.4"),
    ("32.4.4", "4.4.1"),
    ("32.5.0", "4.5"),
    ("32.5.1", "4.5.1"),
    ("32.6.1", "4.6"),
    ("32.7.1", "4.6.1"),
    ("35.1.0", "5.0.2"),
    ("35.2.1", "5.1"),
    ("35.3.1", "5.1.1"),
    ("35.4.1", "5.1.2"),
    ("36.3.0", "6.0"),
    ("36.4.0", "6.1"),
    ("36.4.3", "6.2"),
    ("36.4.7", "6.2.1"),
    ("36.5.0", "6.2.2"),
    ("38.2.0", "7.0"),
    ("38.4.0", "7.1"),
    ("39.2.0", "7.2"),
];

/// The release of a Jetson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    /// Such as `32.3.1`.
    pub(crate) l4t: String,
    /// Such as `4.3`; `None` for a release that is not in the table.
    pub(crate) jetpack: Option<&'static str>,
}

impl Release {
    /// From its file, else from the version of its core package; `None` if neither shows it.
    pub(crate) fn read(machine: &dyn Machine, core_package: Option<&str>) -> Option<Self> {
        let of_file = machine.read(RELEASE_FILE).ok().and_then(|text| parse(&text));
        let of_package = || core_package?.split('-').next().map(str::to_owned);
        of_file.or_else(of_package).map(Self::of)
    }

    fn of(l4t: String) -> Self {
        let jetpack = JETPACKS.iter().find(|(release, _)| *release == l4t).map(|(_, jetpack)| *jetpack);
        Self { l4t, jetpack }
    }
}

/// `# R32 (release), REVISION: 3.1, GCID: …`. `BOARD` is not used, because several boards share its value.
fn parse(text: &str) -> Option<String> {
    let line = text.lines().next()?;
    let major = line.trim_start_matches(['#', ' ']).strip_prefix('R')?.split(' ').next()?;
    let revision = line.split("REVISION:").nth(1)?.split(',').next()?.trim();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    (is_number(major) && is_number(revision)).then(|| format!("{major}.{revision}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_is_the_first_lines_and_an_unknown_one_has_no_jetpack() {
        let line = "# R32 (release), REVISION: 3.1, GCID: 18186506, BOARD: t186ref, EABI: aarch64, DATE: x";
        assert_eq!(
            parse(line).map(Release::of),
            Some(Release { l4t: "32.3.1".to_owned(), jetpack: Some("4.3") })
        );
        let unknown = Release::of("99.1.0".to_owned());
        assert_eq!(unknown.jetpack, None);
        for text in ["", "R", "# R32", "# Rx (release), REVISION: 3.1,", "# R32 (release), REVISION: ,"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
