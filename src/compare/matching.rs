//! Which results of one side belong to which of the other, and what speaks against comparing them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::analysis::contrast;
use crate::analysis::row::Row;
use crate::compare::fact::{Differing, Fact};
use crate::compare::{OneSided, Refusal, Refused, Terms};
use crate::text::counted;

/// Usable results of one side that are alike in everything that must be alike.
#[derive(Debug, Clone)]
pub(super) struct AlikeRows<'a> {
    /// θ, or the model.
    pub(super) network: String,
    /// The runtime.
    pub(super) runtime: String,
    /// The results, at least one.
    pub(super) rows: Vec<&'a Row>,
    /// Results of the same network and runtime without usable latencies.
    pub(super) left_out: usize,
    /// What they say of each fact that must be alike.
    facts: Vec<(Fact, Option<String>)>,
}

/// What became of a group.
#[derive(Debug)]
pub(super) enum Fate<'a> {
    /// Both sides have it; the facts are those that one side did not record.
    Alike(AlikeRows<'a>, AlikeRows<'a>, Vec<Fact>),
    /// Both sides have it, and it was not compared.
    Refused(Refused),
    /// One side has it.
    OneSided(OneSided),
}

/// Network and runtime, by which results without latencies are found.
type Name = (String, String);

/// One side: what is usable, and what is not.
struct Heap<'a> {
    groups: Vec<Option<AlikeRows<'a>>>,
    unusable: BTreeMap<Name, Vec<&'a Row>>,
}

impl<'a> Heap<'a> {
    fn new(rows: &'a [Row], wanted: &[Fact]) -> Self {
        let mut unusable: BTreeMap<Name, Vec<&Row>> = BTreeMap::new();
        let mut usable: BTreeMap<Vec<Option<String>>, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            match row.usable() {
                Ok(_) => {
                    let key = wanted.iter().map(|fact| fact.of(row)).collect();
                    usable.entry(key).or_default().push(row);
                }
                Err(_) => unusable.entry(name(row)).or_default().push(row),
            }
        }
        let group = |(values, rows): (Vec<Option<String>>, Vec<&'a Row>)| {
            let (network, runtime) = name(rows[0]);
            let left_out = unusable.get(&(network.clone(), runtime.clone())).map_or(0, Vec::len);
            let facts = wanted.iter().copied().zip(values).collect();
            Some(AlikeRows { network, runtime, rows, left_out, facts })
        };
        let groups = usable.into_iter().map(group).collect();
        Self { groups, unusable }
    }

    fn left(&self) -> impl Iterator<Item = (usize, &AlikeRows<'a>)> {
        self.groups.iter().enumerate().filter_map(|(place, group)| Some((place, group.as_ref()?)))
    }
}

fn name(row: &Row) -> Name {
    let runtime = Fact::Runtime.of(row).unwrap_or_else(|| "-".to_owned());
    (row.subject().unwrap_or_else(|| "a job without a network".to_owned()), runtime)
}

/// Everything on both sides, with what became of it.
pub(super) fn found<'a>(a: &'a [Row], b: &'a [Row], terms: &Terms) -> Vec<Fate<'a>> {
    let wanted: Vec<Fact> = Fact::ALL.into_iter().filter(|fact| !terms.across.contains(fact)).collect();
    let (mut ours, mut theirs) = (Heap::new(a, &wanted), Heap::new(b, &wanted));
    let mut found = Vec::new();
    exact(&mut ours, &mut theirs, &mut found);
    // What differs in little first: of one network and runtime, of one network, and the only ones left.
    similar(&mut ours, &mut theirs, &mut found, |group| format!("{} {}", group.network, group.runtime));
    similar(&mut ours, &mut theirs, &mut found, |group| group.network.clone());
    if ours.left().count() == 1 && theirs.left().count() == 1 {
        similar(&mut ours, &mut theirs, &mut found, |_| String::new());
    }
    for (side, heap, other) in [('a', &ours, &theirs), ('b', &theirs, &ours)] {
        for (_, group) in heap.left() {
            let name = (group.network.clone(), group.runtime.clone());
            found.push(match other.unusable.get(&name) {
                Some(rows) => Fate::Refused(without_latencies(&name, side, rows)),
                None => {
                    let (network, runtime) = name;
                    Fate::OneSided(OneSided { side, network, runtime, results: group.rows.len() })
                }
            });
        }
    }
    failures(&ours, &theirs, &mut found);
    found
}

/// Groups that are alike in everything, unknown values included.
fn exact<'a>(ours: &mut Heap<'a>, theirs: &mut Heap<'a>, found: &mut Vec<Fate<'a>>) {
    let key = |group: &AlikeRows<'_>| -> Vec<Option<String>> {
        group.facts.iter().map(|(_, value)| value.clone()).collect()
    };
    let places: HashMap<Vec<Option<String>>, usize> =
        theirs.left().map(|(place, group)| (key(group), place)).collect();
    for slot in &mut ours.groups {
        let place = slot.as_ref().and_then(|group| places.get(&key(group)).copied());
        if let Some(place) = place
            && let (Some(one), Some(other)) = (slot.take(), theirs.groups[place].take())
        {
            let unknown = one.facts.iter().filter(|(_, value)| value.is_none());
            let unknown = unknown.map(|(fact, _)| *fact).collect();
            found.push(Fate::Alike(one, other, unknown));
        }
    }
}

/// Of the groups that have a name in common, those that contradict each other least.
fn similar<'a>(
    ours: &mut Heap<'a>,
    theirs: &mut Heap<'a>,
    found: &mut Vec<Fate<'a>>,
    name: impl Fn(&AlikeRows<'_>) -> String,
) {
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (place, group) in theirs.left() {
        places.entry(name(group)).or_default().push(place);
    }
    for slot in &mut ours.groups {
        let Some(one) = slot.as_ref() else { continue };
        let Some(candidates) = places.get_mut(&name(one)) else { continue };
        let apart = |place: &usize| {
            let other = theirs.groups[*place].as_ref();
            other.map_or(usize::MAX, |other| contradictions(one, other).len())
        };
        let nearest = (0..candidates.len()).min_by_key(|&index| apart(&candidates[index]));
        let Some(nearest) = nearest else { continue };
        let place = candidates.remove(nearest);
        if let (Some(one), Some(other)) = (slot.take(), theirs.groups[place].take()) {
            found.push(judged(one, other));
        }
    }
}

fn contradictions(one: &AlikeRows<'_>, other: &AlikeRows<'_>) -> Vec<Fact> {
    let pairs = one.facts.iter().zip(&other.facts);
    let differing = pairs.filter(|((_, one), (_, other))| one.is_some() && other.is_some() && one != other);
    differing.map(|((fact, _), _)| *fact).collect()
}

fn judged<'a>(one: AlikeRows<'a>, other: AlikeRows<'a>) -> Fate<'a> {
    let facts = contradictions(&one, &other);
    if facts.is_empty() {
        let pairs = one.facts.iter().zip(&other.facts);
        let unknown = pairs.filter(|(one, other)| one.1.is_none() || other.1.is_none());
        let unknown = unknown.map(|(one, _)| one.0).collect();
        return Fate::Alike(one, other, unknown);
    }
    let differs: Vec<Differing> =
        facts.into_iter().flat_map(|fact| Differing::between(fact, one.rows[0], other.rows[0])).collect();
    let sentences: Vec<String> = differs.iter().map(Differing::sentence).collect();
    Fate::Refused(Refused {
        network: one.network,
        runtime: one.runtime,
        reason: Refusal::Differs,
        detail: format!("the two sides differ in {}", sentences.join("; ")),
        differs,
    })
}

/// What one side mixes, if it mixes anything: a mean over two thread counts is the latency of neither.
pub(super) fn mixed(a: &AlikeRows<'_>, b: &AlikeRows<'_>) -> Option<Refused> {
    for (side, group) in [("A", a), ("B", b)] {
        let first = group.rows[0];
        for fact in Fact::ALL.into_iter().chain([Fact::Software]) {
            let own = fact.of(first);
            let other = group.rows.iter().find(|row| fact.of(row) != own);
            let differs = other.map_or_else(Vec::new, |other| Differing::between(fact, first, other));
            if !differs.is_empty() {
                let sentences: Vec<String> = differs.iter().map(Differing::sentence).collect();
                return Some(Refused {
                    network: group.network.clone(),
                    runtime: group.runtime.clone(),
                    reason: Refusal::Mixed,
                    detail: format!(
                        "{side} holds results that differ in {}; compare folders or jobs with one of them each",
                        sentences.join("; ")
                    ),
                    differs,
                });
            }
        }
    }
    None
}

/// What the two sides of a comparison differ in although they were compared.
pub(super) fn differing(a: &AlikeRows<'_>, b: &AlikeRows<'_>) -> Vec<Differing> {
    let facts = Fact::ALL.into_iter().chain([Fact::Software]);
    facts.flat_map(|fact| Differing::between(fact, a.rows[0], b.rows[0])).collect()
}

/// A side has latencies, and the other only results without.
fn without_latencies((network, runtime): &Name, side: char, rows: &[&Row]) -> Refused {
    let (reason, other) = match side {
        'a' => (Refusal::NoLatenciesInB, "B"),
        _ => (Refusal::NoLatenciesInA, "A"),
    };
    Refused {
        network: network.clone(),
        runtime: runtime.clone(),
        reason,
        detail: format!("{other} has no usable latency: {}", endings(rows)),
        differs: Vec::new(),
    }
}

/// What neither side could measure.
fn failures(ours: &Heap<'_>, theirs: &Heap<'_>, found: &mut Vec<Fate<'_>>) {
    let mut known: BTreeSet<Name> = BTreeSet::new();
    for one in found.iter() {
        let groups = match one {
            Fate::Alike(one, other, _) => [Some(one), Some(other)],
            _ => [None, None],
        };
        known.extend(groups.into_iter().flatten().map(|one| (one.network.clone(), one.runtime.clone())));
        match one {
            Fate::Refused(one) => drop(known.insert((one.network.clone(), one.runtime.clone()))),
            Fate::OneSided(one) => drop(known.insert((one.network.clone(), one.runtime.clone()))),
            Fate::Alike(..) => {}
        }
    }
    let names: BTreeSet<&Name> = ours.unusable.keys().chain(theirs.unusable.keys()).collect();
    for name in names.into_iter().filter(|name| !known.contains(*name)) {
        let (network, runtime) = name.clone();
        found.push(match (ours.unusable.get(name), theirs.unusable.get(name)) {
            (Some(one), Some(other)) => Fate::Refused(Refused {
                network,
                runtime,
                reason: Refusal::NoLatenciesInA,
                detail: format!(
                    "neither side has a usable latency: A: {}; B: {}",
                    endings(one),
                    endings(other)
                ),
                differs: Vec::new(),
            }),
            (one, other) => Fate::OneSided(OneSided {
                side: if one.is_some() { 'a' } else { 'b' },
                network,
                runtime,
                results: one.or(other).map_or(0, Vec::len),
            }),
        });
    }
}

/// `2 results: failed: out_of_memory`.
fn endings(rows: &[&Row]) -> String {
    let whys: BTreeSet<String> = rows
        .iter()
        .map(|row| match row.status {
            crate::bundle::format::Status::Measured if row.verdict_reasons.is_empty() => "invalid".to_owned(),
            crate::bundle::format::Status::Measured => {
                format!("invalid: {}", row.verdict_reasons.join(", "))
            }
            _ => contrast::why(row),
        })
        .collect();
    let whys: Vec<String> = whys.into_iter().collect();
    format!("{}, {}", counted(rows.len(), "result", "results"), whys.join("; "))
}
