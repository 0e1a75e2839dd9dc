//! The release of NVIDIA's software on a Jetson: Linux for Tegra (L4T) and its JetPack.

use super::super::machine::Machine;

const RELEASE_FILE: &str = "/etc/nv_tegra_release";

/// The first JetPack with each release of L4T, in order. Source: NVIDIA's release notes and its archive of
/// Jetson Linux.
const JETPACKS: &[(Revision, &str)] = &[
    ([28, 1, 0], "3.1"),
    ([28, 2, 0], "3.2"),
    ([28, 2, 1], "3.2.1"),
    ([31, 1, 0], "4.1.1"),
    ([32, 1, 0], "4.2"),
    ([32, 2, 0], "4.2.1"),
    ([32, 2, 1], "4.2.2"),
    ([32, 2, 3], "4.2.3"),
    ([32, 3, 1], "4.3"),
    ([32, 4, 2], "4.4 DP"),
    ([32, 4, 3], "4.4"),
    ([32, 4, 4], "4.4.1"),
    ([32, 5, 0], "4.5"),
    ([32, 5, 1], "4.5.1"),
    ([32, 5, 2], "4.5.1"),
    ([32, 6, 1], "4.6"),
    ([32, 7, 1], "4.6.1"),
    ([32, 7, 2], "4.6.2"),
    ([32, 7, 3], "4.6.3"),
    ([32, 7, 4], "4.6.4"),
    ([32, 7, 5], "4.6.5"),
    ([32, 7, 6], "4.6.6"),
    ([34, 1, 0], "5.0 DP"),
    ([34, 1, 1], "5.0.1 DP"),
    ([35, 1, 0], "5.0.2"),
    ([35, 2, 1], "5.1"),
    ([35, 3, 1], "5.1.1"),
    ([35, 4, 1], "5.1.2"),
    ([35, 5, 0], "5.1.3"),
    ([35, 6, 0], "5.1.4"),
    ([35, 6, 1], "5.1.5"),
    ([36, 2, 0], "6.0 DP"),
    ([36, 3, 0], "6.0"),
    ([36, 4, 0], "6.1"),
    ([36, 4, 3], "6.2"),
    ([36, 4, 4], "6.2.1"),
    ([36, 4, 7], "6.2.1"),
    ([36, 5, 0], "6.2.2"),
    ([38, 2, 0], "7.0"),
    ([38, 4, 0], "7.1"),
    ([39, 2, 0], "7.2"),
];

/// Release, major and minor revision of L4T.
type Revision = [u32; 3];

/// The release of a Jetson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    /// Such as `32.3.1`.
    pub(crate) l4t: String,
    /// Such as `4.3`; `6.2 or later` for a revision that the table does not list; `None` for a release of
    /// which it lists no revision, because nothing is known of it.
    pub(crate) jetpack: Option<String>,
}

impl Release {
    /// From its file, else from the version of its core package; `None` if neither shows it.
    pub(crate) fn read(machine: &dyn Machine, core_package: Option<&str>) -> Option<Self> {
        let of_file = machine.read(RELEASE_FILE).ok().and_then(|text| parse(&text));
        let of_package = || core_package?.split('-').next().map(str::to_owned);
        of_file.or_else(of_package).map(Self::of)
    }

    fn of(l4t: String) -> Self {
        let jetpack = revision(&l4t).and_then(jetpack);
        Self { l4t, jetpack }
    }
}

fn jetpack(revision: Revision) -> Option<String> {
    let of_release = || JETPACKS.iter().filter(|(known, _)| known[0] == revision[0]);
    match of_release().rfind(|(known, _)| *known <= revision) {
        Some((known, jetpack)) if *known == revision => Some((*jetpack).to_owned()),
        Some((_, jetpack)) => Some(format!("{jetpack} or later")),
        None => of_release().next().map(|(_, jetpack)| format!("before {jetpack}")),
    }
}

/// Of `32.7.5`; a part that is missing is 0.
fn revision(l4t: &str) -> Option<Revision> {
    let mut parts = l4t.split('.');
    let mut part = || parts.next().map_or(Some(0), |part| part.parse().ok());
    Some([part()?, part()?, part()?])
}

/// `# R32 (release), REVISION: 3.1, GCID: …`. `BOARD` is not used, because several boards share its value.
fn parse(text: &str) -> Option<String> {
    let line = text.lines().next()?;
    let major = line.trim_start_matches(['#', ' ']).strip_prefix('R')?.split(' ').next()?;
    let revision = line.split("REVISION:").nth(1)?.split(',').next()?.trim();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    (is_number(major) && is_number(revision)).then(|| format!("{major}.{revision}"))
}

#[cfg(any(test, fuzzing))]
pub(super) fn read_anything(text: &str) {
    let _ = parse(text).map(Release::of);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The JetPack of a release file's first line.
    fn jetpack_of(line: &str) -> Option<String> {
        parse(line).map(Release::of)?.jetpack
    }

    #[test]
    fn release_is_the_first_lines_and_that_of_the_field_is_known() {
        let line = "# R32 (release), REVISION: 3.1, GCID: 18186506, BOARD: t186ref, EABI: aarch64, DATE: x";
        let release = parse(line).map(Release::of).unwrap();
        assert_eq!((release.l4t.as_str(), release.jetpack.as_deref()), ("32.3.1", Some("4.3")));
        let text = include_str!("../../../tests/host/releases/nv_tegra_release-36.4.4");
        assert_eq!(jetpack_of(text).as_deref(), Some("6.2.1"));
        for text in ["", "R", "# R32", "# Rx (release), REVISION: 3.1,", "# R32 (release), REVISION: ,"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn revision_that_is_not_listed_is_known_by_its_neighbours_and_a_new_release_is_not() {
        for (l4t, expected) in [
            ("32.5.0", Some("4.5")),
            ("32.5.2", Some("4.5.1")),
            ("32.7.2", Some("4.6.2")),
            ("32.7.3", Some("4.6.3")),
            ("32.7.5", Some("4.6.5")),
            ("32.7.9", Some("4.6.6 or later")),
            ("35.5.0", Some("5.1.3")),
            ("35.6.0", Some("5.1.4")),
            ("35.6.2", Some("5.1.5 or later")),
            ("36.0.0", Some("before 6.0 DP")),
            ("36.2.0", Some("6.0 DP")),
            ("36.4.5", Some("6.2.1 or later")),
            ("36.6.1", Some("6.2.2 or later")),
            ("38.2.1", Some("7.0 or later")),
            ("38.4", Some("7.1")),
            ("40.1.0", None),
            ("37.1.0", None),
            ("99.1.0", None),
            ("x", None),
        ] {
            assert_eq!(Release::of(l4t.to_owned()).jetpack.as_deref(), expected, "{l4t}");
        }
    }

    #[test]
    fn table_is_in_order() {
        assert!(JETPACKS.is_sorted_by(|(earlier, _), (later, _)| earlier < later));
    }
}
