//! Which results were taken on the same platform: the machine, its power state and its software stack, as
//! recorded and no further.
//!
//! A host's name alone says nothing: two machines of one name stay apart if anything recorded of them
//! differs, and one machine before and after an update, or in two power modes, is two platforms, which can be
//! compared. Two machines that are alike in everything recorded, their name included, cannot be told apart;
//! give them names. Data comes from rows.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

pub(crate) use crate::analysis::identity::{EdgeTpuLink, Identity, Software};
pub(crate) use crate::analysis::identity::{Machine, Power};
use crate::analysis::row::{Row, word};
use crate::bundle::format::Status;
use crate::stats::resample::seed_of;

/// A machine with its software, and what was found of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Platform {
    /// Eight hexadecimal digits that depend on the identity alone: the same in every report.
    pub id: String,
    /// Its name for people: host, runtime, version, power mode, and the id if that is not unique.
    pub label: String,
    /// Its name next to the other platforms of the report: the parts of the label in which they differ.
    pub name: String,
    /// What it is.
    pub identity: Identity,
    /// Whether any of its rows is simulated.
    pub simulated: bool,
    /// Versions of the program that measured.
    pub harness_versions: BTreeSet<String>,
    /// Rows, by status and verdict, such as `measured, suspect`.
    pub counts: BTreeMap<String, usize>,
}

impl Platform {
    /// Its rows by status and verdict: `3 measured, valid; 1 failed`.
    pub(crate) fn results(&self) -> String {
        let counts: Vec<String> =
            self.counts.iter().map(|(standing, count)| format!("{count} {standing}")).collect();
        counts.join("; ")
    }
}

/// The platforms of the rows, in the order of their labels; sets [`Row::platform`].
///
/// A row that ended early may lack the version of its library or its power state. It joins the platform that
/// its job was otherwise measured on if that agrees with what the row does have, else the only platform that
/// agrees, else it is a platform of its own.
pub(crate) fn assign(rows: &mut [Row]) -> Vec<Platform> {
    let distinct: HashSet<&Identity> =
        rows.iter().map(|row| &*row.identity).filter(|identity| identity.software.is_some()).collect();
    let mut identities: Vec<Identity> = distinct.into_iter().cloned().collect();
    identities.sort_by_cached_key(|identity| (label(identity), identity.clone()));
    let homes = homes(&identities, rows);
    for (row, home) in rows.iter_mut().zip(homes) {
        row.platform = home;
    }
    without_empty(identities, rows)
}

/// The identity that each row belongs to.
fn homes(identities: &[Identity], rows: &[Row]) -> Vec<Option<usize>> {
    let place: HashMap<&Identity, usize> =
        identities.iter().enumerate().map(|(index, identity)| (identity, index)).collect();
    let own: Vec<Option<usize>> = rows.iter().map(|row| place.get(&*row.identity).copied()).collect();
    let mut whole: BTreeSet<usize> = BTreeSet::new();
    let mut whole_of_job: HashMap<&str, BTreeSet<usize>> = HashMap::new();
    for (row, own) in rows.iter().zip(&own) {
        let tells_all = row.status == Status::Measured || row.identity.tells_all();
        if let Some(own) = own.filter(|_| tells_all) {
            whole.insert(own);
            whole_of_job.entry(&row.job_id).or_default().insert(own);
        }
    }
    let only = |candidates: &BTreeSet<usize>, early: &Identity| {
        let mut agreeing = candidates.iter().copied().filter(|&home| identities[home].may_hold(early));
        agreeing.next().filter(|_| agreeing.next().is_none())
    };
    let home = |row: &Row, own: usize| {
        if whole.contains(&own) {
            return own;
        }
        let early = &identities[own];
        let of_job = whole_of_job.get(row.job_id.as_str()).and_then(|homes| only(homes, early));
        of_job.or_else(|| only(&whole, early)).unwrap_or(own)
    };
    // Rows of one job that ended alike have one answer, and there may be thousands.
    let mut known: HashMap<(usize, &str), usize> = HashMap::new();
    let row_and_own = rows.iter().zip(own);
    row_and_own
        .map(|(row, own)| {
            let own = own?;
            Some(*known.entry((own, &row.job_id)).or_insert_with(|| home(row, own)))
        })
        .collect()
}

fn without_empty(identities: Vec<Identity>, rows: &mut [Row]) -> Vec<Platform> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); identities.len()];
    for (index, row) in rows.iter().enumerate() {
        if let Some(home) = row.platform {
            members[home].push(index);
        }
    }
    let mut platforms: Vec<Platform> = Vec::new();
    for (identity, members) in identities.into_iter().zip(members) {
        if members.is_empty() {
            continue;
        }
        let mut counts = BTreeMap::new();
        for &member in &members {
            rows[member].platform = Some(platforms.len());
            *counts.entry(standing(&rows[member])).or_insert(0) += 1;
        }
        // Texts and numbers always have a JSON text.
        let recorded = serde_json::to_string(&identity).unwrap_or_default();
        let id = format!("{:08x}", seed_of(0, &recorded) >> 32);
        platforms.push(Platform {
            id,
            label: label(&identity),
            name: String::new(),
            simulated: members.iter().any(|&member| rows[member].simulated),
            harness_versions: members.iter().map(|&member| rows[member].harness_version.clone()).collect(),
            counts,
            identity,
        });
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for platform in &platforms {
        *seen.entry(platform.label.clone()).or_default() += 1;
    }
    for platform in platforms.iter_mut().filter(|platform| seen[&platform.label] > 1) {
        platform.label = format!("{} [{}]", platform.label, platform.id);
    }
    name(&mut platforms);
    platforms
}

/// Sets [`Platform::name`]: what differs and nothing else, with the id where that is not unique.
fn name(platforms: &mut [Platform]) {
    let parts: Vec<Vec<Option<String>>> = platforms.iter().map(|one| parts(&one.identity)).collect();
    let differs = |place: usize| parts.iter().any(|one| one[place] != parts[0][place]);
    // A single platform differs from none; its host and runtime are a name.
    let shown: Vec<usize> = match platforms.len() {
        0 | 1 => vec![0, 1],
        _ => (0..parts[0].len()).filter(|&place| differs(place)).collect(),
    };
    let names: Vec<String> = parts
        .iter()
        .map(|parts| shown.iter().filter_map(|&place| parts[place].clone()).collect::<Vec<_>>().join(", "))
        .collect();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    names.iter().for_each(|name| *seen.entry(name).or_default() += 1);
    for (platform, name) in platforms.iter_mut().zip(&names) {
        platform.name = match (name.as_str(), seen[name.as_str()]) {
            ("", _) => platform.label.clone(),
            (name, 1) => name.to_owned(),
            (name, _) => format!("{name} [{}]", platform.id),
        };
    }
}

/// The parts of a label, each `None` if it is unknown: host, runtime with its version, power state, Edge TPU.
fn parts(identity: &Identity) -> Vec<Option<String>> {
    let software = identity.software.as_ref();
    let links: Vec<String> = identity.machine.edge_tpus.iter().filter_map(EdgeTpuLink::name).collect();
    vec![
        Some(identity.machine.host.clone().unwrap_or_else(|| "unnamed host".to_owned())),
        software.map(|software| match &software.version {
            Some(version) => format!("{} {version}", software.runtime),
            None => software.runtime.clone(),
        }),
        identity.power.as_ref().and_then(Power::name),
        (!links.is_empty()).then(|| links.join(", ")),
    ]
}

/// `xavier, onnxruntime 1.17.0, MAXN`, without what is unknown.
fn label(identity: &Identity) -> String {
    let mut label = identity.machine.host.clone().unwrap_or_else(|| "unnamed host".to_owned());
    if let Some(software) = &identity.software {
        label.push_str(&format!(", {}", software.runtime));
        if let Some(version) = &software.version {
            label.push_str(&format!(" {version}"));
        }
    }
    let power = identity.power.as_ref().and_then(Power::name);
    for part in power.into_iter().chain(identity.machine.edge_tpus.iter().filter_map(EdgeTpuLink::name)) {
        label.push_str(&format!(", {part}"));
    }
    label
}

/// `measured, suspect`; a result without a measurement has only its status.
fn standing(row: &Row) -> String {
    let status = word(&row.status).unwrap_or_default();
    match row.status {
        Status::Measured => format!("{status}, {}", word(&row.verdict).unwrap_or_default()),
        _ => status,
    }
}
