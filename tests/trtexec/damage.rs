//! Damaged transcripts: lines of trtexec dropped, doubled, cut, and mixed with those of others.
//! Shared by the tests of the interpreter and those with the stub.

/// A transcript after some accidents.
pub(super) struct Damaged {
    /// What is left.
    pub(super) text: String,
    /// A line with the time of a query was lost, or cut.
    pub(super) lost_a_query: bool,
    /// A line with the time of a query was doubled, or came from elsewhere.
    pub(super) gained_a_query: bool,
}

/// The transcript after one to six accidents, the same for the same seed.
pub(super) fn damaged(seed: u64, base: &str, others: &[String]) -> Damaged {
    let mut random = Random(seed);
    let mut lines: Vec<String> = base.lines().map(str::to_owned).collect();
    let (mut lost_a_query, mut gained_a_query) = (false, false);
    for _ in 0..=random.below(6) {
        if lines.is_empty() {
            break;
        }
        let place = random.below(lines.len());
        let is_query = |line: &str| line.contains("over 1 runs is ") || line.contains("on 1 runs - ");
        match random.below(4) {
            0 => lost_a_query |= is_query(&lines.remove(place)),
            1 => {
                gained_a_query |= is_query(&lines[place]);
                lines.insert(place, lines[place].clone());
            }
            2 => {
                lost_a_query |= is_query(&lines[place]);
                let ends: Vec<usize> = lines[place].char_indices().map(|(end, _)| end).collect();
                let end = if ends.is_empty() { 0 } else { ends[random.below(ends.len())] };
                lines[place].truncate(end);
            }
            _ => {
                let other: Vec<&str> = others[random.below(others.len())].lines().collect();
                let line = other[random.below(other.len())];
                // Two programs never have the same times; the transcripts of some releases do.
                if !(is_query(line) && lines.iter().any(|own| same_time(own, line))) {
                    gained_a_query |= is_query(line);
                    lines.insert(place, line.to_owned());
                }
            }
        }
    }
    Damaged { text: lines.join("\n") + "\n", lost_a_query, gained_a_query }
}

/// Does the other line give the same time of a query?
fn same_time(one: &str, other: &str) -> bool {
    let time =
        |line: &str| line.split(" ms").next().and_then(|head| head.rsplit(' ').next()).map(str::to_owned);
    time(one) == time(other)
}

/// Numbers of a linear congruential generator (Knuth's MMIX), good enough to choose lines.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below that.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        for _ in 0..2 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        }
        ((self.0 >> 33) % limit as u64) as usize
    }
}
