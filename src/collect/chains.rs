//! Whether results are those that their hosts published: the chains of bundles, as far as they were
//! collected.
//!
//! Three answers: a result was *altered* (the one after it, or the host's status, names another digest for
//! it, or another result has its number); results are *missing* (there are earlier and later ones); or they
//! are *not collected* (older than the first or newer than the last that is here), which is nothing to worry
//! about.

use std::collections::BTreeMap;

use super::{Oddity, OddityKind};
use crate::bundle::format::{ChainHead, Integrity};
use crate::text::counted;

/// One collected file with a place in a chain.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// Path of the file, from the folder that was given.
    pub(super) path: String,
    /// Its host, for messages.
    pub(super) host: String,
    pub(super) integrity: Integrity,
    /// Digest of the file.
    pub(super) sha256: String,
}

/// Everything that is wrong with these chains. `heads` are the newest bundles, as copies of status files say;
/// `unread` is how many files are here that may hold a result and could not be read.
pub(super) fn verify(links: &[Link], heads: &[ChainHead], unread: usize) -> Vec<Oddity> {
    let mut chains: BTreeMap<&str, BTreeMap<u64, Vec<&Link>>> = BTreeMap::new();
    for link in links {
        let numbers = chains.entry(&link.integrity.chain).or_default();
        let same = numbers.entry(link.integrity.sequence).or_default();
        // A copy of the same file.
        if !same.iter().any(|known| known.sha256 == link.sha256) {
            same.push(link);
        }
    }
    let mut found = Vec::new();
    for (chain, numbers) in &chains {
        let heads: Vec<&ChainHead> = heads.iter().filter(|head| head.chain == *chain).collect();
        altered(numbers, &heads, &mut found);
        gaps((chain, numbers), &heads, unread, &mut found);
    }
    found
}

fn altered(numbers: &BTreeMap<u64, Vec<&Link>>, heads: &[&ChainHead], found: &mut Vec<Oddity>) {
    for (number, same) in numbers {
        let later = numbers.get(&(number + 1)).into_iter().flatten();
        let expected = later.filter_map(|next| next.integrity.previous_sha256.as_deref());
        let head = heads.iter().filter(|head| head.sequence == *number).map(|head| head.sha256.as_str());
        let expected: Vec<&str> = expected.chain(head).collect();
        for link in same {
            let detail = if expected.iter().any(|sha256| *sha256 != link.sha256) {
                format!(
                    "number {number} of {}; what its host published later names another digest for it",
                    link.host
                )
            } else if same.len() > 1 && expected.is_empty() {
                format!("{} different results are number {number} of {}", same.len(), link.host)
            } else {
                continue;
            };
            found.push(Oddity { path: link.path.clone(), kind: OddityKind::Altered, detail });
        }
    }
}

fn gaps(
    (chain, numbers): (&str, &BTreeMap<u64, Vec<&Link>>),
    heads: &[&ChainHead],
    unread: usize,
    found: &mut Vec<Oddity>,
) {
    let host = numbers.values().flatten().next().map_or("", |link| link.host.as_str());
    let path = format!("{host}, chain {chain}");
    let mut odd = |kind, first: u64, last: u64| {
        let which =
            if first == last { format!("number {first}") } else { format!("numbers {first} to {last}") };
        let detail = match (kind, unread) {
            (OddityKind::Missing, 0) => format!("{which}: earlier and later results of this host are here"),
            (OddityKind::Missing, _) => {
                let files = counted(unread, "file that cannot", "files that cannot");
                format!("{which}: earlier and later results of this host are here, and {files} be read")
            }
            _ => which,
        };
        found.push(Oddity { path: path.clone(), kind, detail });
    };
    let mut before = 0;
    for number in numbers.keys().copied() {
        if number > before + 1 {
            let kind = if before == 0 { OddityKind::NotCollected } else { OddityKind::Missing };
            odd(kind, before + 1, number - 1);
        }
        before = number;
    }
    if let Some(newest) = heads.iter().map(|head| head.sequence).max().filter(|newest| *newest > before) {
        odd(OddityKind::NotCollected, before + 1, newest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link whose file has the digest `own` and names `before`.
    fn link(sequence: u64, before: &str, own: &str) -> Link {
        let integrity = Integrity {
            chain: "c".to_owned(),
            sequence,
            previous_sha256: (sequence > 1).then(|| before.to_owned()),
            spec_sha256: None,
            harness_sha256: None,
        };
        Link { path: format!("{own}.json.gz"), host: "board".to_owned(), integrity, sha256: own.to_owned() }
    }

    fn verdict(links: &[Link], heads: &[ChainHead]) -> Vec<(OddityKind, String)> {
        verify(links, heads, 0)
            .into_iter()
            .map(|odd| (odd.kind, format!("{}: {}", odd.path, odd.detail)))
            .collect()
    }

    fn chain(numbers: impl IntoIterator<Item = u64>) -> Vec<Link> {
        numbers.into_iter().map(|n| link(n, &format!("d{}", n - 1), &format!("d{n}"))).collect()
    }

    #[test]
    fn whole_chain_has_nothing_wrong_and_copies_of_a_file_are_one() {
        assert_eq!(verdict(&chain(1..=5), &[]), []);
        assert_eq!(verdict(&[chain(1..=5), chain(2..=3)].concat(), &[]), []);
    }

    #[test]
    fn missing_and_not_collected_differ() {
        let head = ChainHead { chain: "c".to_owned(), sequence: 12, sha256: "d12".to_owned() };
        let found = verdict(&[chain(3..=4), chain(8..=9)].concat(), &[head]);
        assert_eq!(
            found,
            [
                (OddityKind::NotCollected, "board, chain c: numbers 1 to 2".to_owned()),
                (
                    OddityKind::Missing,
                    "board, chain c: numbers 5 to 7: earlier and later results of this host are here"
                        .to_owned()
                ),
                (OddityKind::NotCollected, "board, chain c: numbers 10 to 12".to_owned()),
            ]
        );
    }

    #[test]
    fn gap_that_a_damaged_file_may_have_left_says_so() {
        let found = verify(&[chain(1..=2), chain(4..=4)].concat(), &[], 1);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].detail,
            "number 3: earlier and later results of this host are here, and 1 file that cannot be read"
        );
    }

    #[test]
    fn altered_result_is_found_by_the_next_one_or_by_the_status() {
        let mut links = chain(1..=3);
        links[1].sha256 = "forged".to_owned();
        let found = verdict(&links, &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].0 == OddityKind::Altered && found[0].1.starts_with("d2.json.gz: number 2"),
            "{found:?}"
        );
        let mut links = chain(1..=3);
        links[2].sha256 = "forged".to_owned();
        assert_eq!(verdict(&links, &[]), []);
        let head = ChainHead { chain: "c".to_owned(), sequence: 3, sha256: "d3".to_owned() };
        assert_eq!(verdict(&links, &[head])[0].0, OddityKind::Altered);
    }

    #[test]
    fn of_two_results_with_one_number_the_next_says_which_is_right() {
        let mut links = chain(1..=3);
        links.push(link(2, "d1", "forged"));
        let found = verdict(&links, &[]);
        assert_eq!(found.len(), 1);
        assert!(found[0].1.starts_with("forged"), "{found:?}");
        links.remove(2);
        assert_eq!(verdict(&links, &[]).len(), 2, "without the next one, neither is trusted");
    }
}
