//! What must be alike on both sides of a comparison, and what a result says of it.

use serde::Serialize;

use crate::analysis::compare::differing_keys;
use crate::analysis::row::Row;

/// Something that two results have in common, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// θ, or the digest of the model.
    Model,
    /// The name of the runtime.
    Runtime,
    /// Shape, type and filling of the inputs.
    Inputs,
    /// Options of the runtime, those that follow from the model excepted.
    Options,
    /// What the clock covered.
    Timed,
    /// Power mode, governors, and whether clocks were locked.
    Power,
    /// The machine.
    Host,
    /// Versions of the runtime, its library, the kernel and the distribution. They may differ between the
    /// sides, for that is what one compares before and after an update, but not within one.
    Software,
}

impl Fact {
    /// Those that must be alike on both sides.
    pub const ALL: [Self; 7] =
        [Self::Model, Self::Runtime, Self::Inputs, Self::Options, Self::Timed, Self::Power, Self::Host];

    /// As people type it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Runtime => "runtime",
            Self::Inputs => "inputs",
            Self::Options => "options",
            Self::Timed => "timed",
            Self::Power => "power",
            Self::Host => "host",
            Self::Software => "software",
        }
    }

    /// What a result says of it; `None` if it was not recorded.
    pub(super) fn of(self, row: &Row) -> Option<String> {
        let software = row.identity.software.as_ref();
        match self {
            Self::Model => match &row.configuration {
                Some(configuration) => Some(configuration.name.clone()),
                None => row.model_content_sha256.clone().or_else(|| row.model_sha256.clone()),
            },
            Self::Runtime => software.map(|software| software.runtime.clone()),
            Self::Inputs => row.inputs.as_deref().map(str::to_owned),
            Self::Options => software.map(|software| software.options.clone()),
            Self::Timed => software.map(|software| software.timed.code.clone()),
            Self::Power => row.identity.power.as_ref().map(ToString::to_string),
            // Facts of a machine always have a JSON text.
            Self::Host => serde_json::to_string(&row.identity.machine).ok(),
            Self::Software => software.and_then(|software| serde_json::to_string(software).ok()),
        }
    }

    /// The same for a person.
    fn shown(self, row: &Row) -> String {
        match self {
            Self::Model => row.subject(),
            Self::Host => row.identity.machine.host.clone().or_else(|| Some("an unnamed host".to_owned())),
            _ => self.of(row),
        }
        .unwrap_or_else(|| "not recorded".to_owned())
    }
}

/// Something that differs between two results.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Differing {
    /// What.
    pub fact: Fact,
    /// Which part of it; `None` if it is one value.
    pub key: Option<String>,
    /// In the one, A if the sides differ.
    pub a: String,
    /// In the other.
    pub b: String,
}

impl Differing {
    /// How two results differ in it; empty if they do not, or if one does not say.
    pub(super) fn between(fact: Fact, a: &Row, b: &Row) -> Vec<Self> {
        match (fact.of(a), fact.of(b)) {
            (Some(one), Some(other)) if one != other => {}
            _ => return Vec::new(),
        }
        let parts = |fact: Fact| match fact {
            Fact::Host => {
                Some((serde_json::to_value(&a.identity.machine), serde_json::to_value(&b.identity.machine)))
            }
            Fact::Software => {
                Some((serde_json::to_value(&a.identity.software), serde_json::to_value(&b.identity.software)))
            }
            _ => None,
        };
        let Some((Ok(one), Ok(other))) = parts(fact) else {
            return vec![Self { fact, key: None, a: fact.shown(a), b: fact.shown(b) }];
        };
        // They are facts of their own.
        let own = ["runtime", "options", "timed"];
        let keys = differing_keys("", &one, &other).into_iter().filter(|key| !own.contains(&key.as_str()));
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Null => "not recorded".to_owned(),
            value => value.to_string(),
        };
        keys.map(|key| Self { fact, a: text(&one[&key]), b: text(&other[&key]), key: Some(key) }).collect()
    }

    /// `options {"threads":2} and {"threads":4}`.
    pub fn sentence(&self) -> String {
        let what = match &self.key {
            Some(key) => format!("{} ({key})", self.fact.word()),
            None => self.fact.word().to_owned(),
        };
        format!("{what}: {} and {}", self.a, self.b)
    }
}
