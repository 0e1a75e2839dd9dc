//! The keys `runtime` and `runtime_options`: where to measure, which model each runtime takes, and what is
//! asked of it. What may be asked is an allow-list, each runtime's own; nothing else reaches an inference
//! library.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::check;
use super::fields::MAXIMUM_LIST_ITEMS;
use super::mistakes::{Mistakes, Position, quoted};
use super::models::{self, Named};
use super::networks;
use super::raw::{Node, Value};
use super::source::JobSource;
use super::{JobConfiguration, ModelSource};
use crate::bundle::format::Role;
use crate::network::emit::Format;
use crate::runtime::{OptionKind, Options, Runtime};
use crate::text::quoted_list;

/// The runtimes of a job and how they were written.
pub(super) struct Chosen {
    runtimes: Vec<(&'static Runtime, Position)>,
    /// Options are keyed by runtime name.
    has_list: bool,
    /// Some of what was written could not be understood.
    is_partial: bool,
}

/// The runtimes that are named, or those that read the models.
pub(super) fn choose(
    node: Option<&Node>,
    source: Option<&JobSource>,
    known: &[&'static Runtime],
    mistakes: &mut Mistakes,
) -> Chosen {
    match (node, source) {
        (Some(node), _) => named(node, known, mistakes),
        (None, Some(JobSource::Dropped(models))) => implied(models, known),
        (None, Some(JobSource::Generated(_))) => {
            let first = known.iter().find(|runtime| (runtime.networks)(&Options::new()).is_some());
            // It is a default, so it has no place in the file.
            let runtimes = first.map(|runtime| (*runtime, Position { line: 1, column: 1 }));
            Chosen { runtimes: runtimes.into_iter().collect(), has_list: false, is_partial: false }
        }
        (None, None) => Chosen { runtimes: Vec::new(), has_list: false, is_partial: true },
    }
}

fn named(node: &Node, known: &[&'static Runtime], mistakes: &mut Mistakes) -> Chosen {
    let Value::List(items) = &node.value else {
        let runtime = one(node, "runtime", known, mistakes);
        let is_partial = runtime.is_none();
        return Chosen { runtimes: runtime.into_iter().collect(), has_list: false, is_partial };
    };
    let mut chosen = Chosen { runtimes: Vec::new(), has_list: true, is_partial: false };
    if items.is_empty() || items.len() > MAXIMUM_LIST_ITEMS {
        let message = format!("the list has {} runtimes", items.len());
        let hint = format!("name 1 to {MAXIMUM_LIST_ITEMS}, or leave `runtime` out");
        mistakes.add(node.position, "runtime", "empty_list", message, hint);
        chosen.is_partial = true;
        return chosen;
    }
    for (index, item) in items.iter().enumerate() {
        let field = format!("runtime[{index}]");
        match one(item, &field, known, mistakes) {
            Some((runtime, position))
                if chosen.runtimes.iter().any(|(other, _)| other.name == runtime.name) =>
            {
                let message = format!("`{}` is named twice", runtime.name);
                let hint = "keep one of them; to measure more often, raise `measure.processes`";
                mistakes.add(position, &field, "duplicate_runtime", message, hint);
            }
            Some(found) => chosen.runtimes.push(found),
            None => chosen.is_partial = true,
        }
    }
    chosen
}

fn one(
    node: &Node,
    field: &str,
    known: &[&'static Runtime],
    mistakes: &mut Mistakes,
) -> Option<(&'static Runtime, Position)> {
    let names: Vec<&str> = known.iter().map(|runtime| runtime.name).collect();
    let hint = format!("runtimes: {}", quoted_list(&names));
    if !matches!(node.value, Value::Text(_)) {
        check::wrong_type(node, field, "the name of a runtime", &hint, mistakes);
        return None;
    }
    if let Some(runtime) = known.iter().find(|runtime| runtime.name == node.written) {
        return Some((runtime, node.position));
    }
    let hint = check::nearest(&node.written, names).map_or(hint, |near| format!("did you mean `{near}`?"));
    let message = format!("there is no runtime {}", quoted(&node.written));
    mistakes.add(node.position, field, "unknown_runtime", message, hint);
    None
}

/// For each model the first runtime that reads it, in the order of the models.
fn implied(models: &[Named], known: &[&'static Runtime]) -> Chosen {
    let mut chosen = Chosen { runtimes: Vec::new(), has_list: false, is_partial: false };
    for model in models {
        let extension = models::extension(&model.reference.file);
        let reader = known.iter().find(|runtime| extension.as_deref() == Some(runtime.model_format));
        let Some(runtime) = reader else { continue };
        if !chosen.runtimes.iter().any(|(other, _)| other.name == runtime.name) {
            chosen.runtimes.push((runtime, model.position));
        }
    }
    chosen.has_list = chosen.runtimes.len() > 1;
    chosen
}

/// Give each runtime what it measures, and its options: the one dropped model that it reads, or each network,
/// on one runtime after the other.
pub(super) fn configure(
    chosen: &Chosen,
    source: Option<&JobSource>,
    options: Option<&Node>,
    mistakes: &mut Mistakes,
) -> Vec<JobConfiguration> {
    let mut by_runtime = options.map(|node| options_of(chosen, node, mistakes)).unwrap_or_default();
    let mut configurations = Vec::new();
    match source {
        Some(JobSource::Dropped(models)) => {
            for &(runtime, position) in &chosen.runtimes {
                let Some(model) = model_of(runtime, position, models, mistakes) else { continue };
                let options = by_runtime.remove(runtime.name).unwrap_or_default();
                configurations.push(JobConfiguration {
                    runtime,
                    options,
                    source: ModelSource::Dropped(model),
                    role: Role::Configuration,
                });
            }
        }
        Some(JobSource::Generated(found)) => {
            for &(runtime, position) in
                chosen.runtimes.iter().filter(|(runtime, _)| (runtime.networks)(&Options::new()).is_none())
            {
                add_not_generated(runtime, position, mistakes);
            }
            let last = chosen.runtimes.last().map(|&(_, position)| position);
            let count = found.len().saturating_mul(chosen.runtimes.len());
            if last.is_some_and(|last| networks::is_too_many(count, last, "runtime", mistakes)) {
                return configurations;
            }
            for &network in found {
                for &(runtime, _) in &chosen.runtimes {
                    let options = by_runtime.get(runtime.name).cloned().unwrap_or_default();
                    configurations.push(JobConfiguration {
                        runtime,
                        options,
                        source: ModelSource::Generated(network),
                        role: Role::Configuration,
                    });
                }
            }
        }
        None => {}
    }
    configurations
}

fn add_not_generated(runtime: &Runtime, position: Position, mistakes: &mut Mistakes) {
    let formats: Vec<String> = Format::ALL.iter().map(|format| format!(".{}", format.extension())).collect();
    let message = format!(
        "`{}` reads .{} files, and networks are generated as {} only",
        runtime.name,
        runtime.model_format,
        formats.join(" or ")
    );
    let hint =
        format!("choose another runtime, or drop a .{} file and name it as `model`", runtime.model_format);
    mistakes.add(position, "runtime", "not_generated", message, hint);
}

fn model_of(
    runtime: &'static Runtime,
    position: Position,
    models: &[Named],
    mistakes: &mut Mistakes,
) -> Option<usize> {
    let format = runtime.model_format;
    let mut fitting = models
        .iter()
        .enumerate()
        .filter(|(_, model)| models::extension(&model.reference.file).as_deref() == Some(format));
    match (fitting.next(), fitting.next()) {
        (Some((index, _)), None) => Some(index),
        (None, _) => {
            let message = format!("`{}` reads .{format} files, and `model` names none", runtime.name);
            let hint =
                format!("add the .{format} file of the same network to `model`, or choose another runtime");
            mistakes.add(position, "runtime", "no_model_for_runtime", message, hint);
            None
        }
        (Some((_, first)), Some((_, second))) => {
            let message = format!(
                "`{}` takes one .{format} file, and `model` names {} and {}",
                runtime.name,
                quoted(&first.reference.file),
                quoted(&second.reference.file)
            );
            let hint = "the models of one job are one network; make a job of each network";
            mistakes.add(second.position, "model", "several_models_for_runtime", message, hint);
            None
        }
    }
}

fn options_of(chosen: &Chosen, node: &Node, mistakes: &mut Mistakes) -> BTreeMap<&'static str, Options> {
    let mut found = BTreeMap::new();
    let path = "runtime_options";
    let Some(entries) = check::map(node, path, mistakes) else { return found };
    if !chosen.has_list {
        if let &[(runtime, _)] = chosen.runtimes.as_slice() {
            found.insert(runtime.name, options_of_runtime(runtime, entries, path, mistakes));
        }
        return found;
    }
    let names: Vec<&str> = chosen.runtimes.iter().map(|(runtime, _)| runtime.name).collect();
    for (key, value) in check::free_keys(entries, path, mistakes) {
        let field = check::below(path, &key.written);
        if let Some((runtime, _)) = chosen.runtimes.iter().find(|(runtime, _)| runtime.name == key.written) {
            if let Some(entries) = check::map(value, &field, mistakes) {
                found.insert(runtime.name, options_of_runtime(runtime, entries, &field, mistakes));
            }
        } else if !chosen.is_partial {
            // With a runtime that could not be understood, the key may well belong to it.
            let message = format!("{} is not a runtime of this job", quoted(&key.written));
            let owner = chosen.runtimes.iter().find(|(runtime, _)| option(runtime, &key.written).is_some());
            let near = check::nearest(&key.written, names.iter().copied());
            let hint = match (near, owner) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, Some((owner, _))) => {
                    format!("with several runtimes, write `{}: {{{}: …}}`", owner.name, key.written)
                }
                (None, None) => {
                    format!("with several runtimes, options are keyed by runtime: {}", quoted_list(&names))
                }
            };
            mistakes.add(key.position, &field, "unknown_key", message, hint);
        }
    }
    found
}

fn option(runtime: &'static Runtime, name: &str) -> Option<&'static crate::runtime::RuntimeOption> {
    runtime.options.iter().find(|option| option.name == name)
}

fn options_of_runtime(
    runtime: &'static Runtime,
    entries: &[(Node, Node)],
    path: &str,
    mistakes: &mut Mistakes,
) -> Options {
    let mut found = BTreeMap::new();
    for (key, value) in check::free_keys(entries, path, mistakes) {
        let field = check::below(path, &key.written);
        let Some(option) = option(runtime, &key.written) else {
            let message = format!("`{}` has no option {}", runtime.name, quoted(&key.written));
            mistakes.add(
                key.position,
                &field,
                "unknown_option",
                message,
                unknown_option_hint(runtime, key, value),
            );
            continue;
        };
        let value = match option.kind {
            OptionKind::Integer { minimum, maximum } => {
                check::integer(value, &field, minimum, maximum, mistakes).map(Json::from)
            }
            OptionKind::Boolean => check::boolean(value, &field, mistakes).map(Json::from),
            OptionKind::Choice(choices) => check::choice(value, &field, choices, mistakes).map(Json::from),
        };
        if let Some(value) = value {
            found.insert(option.name.to_owned(), value);
        }
    }
    found
}

fn unknown_option_hint(runtime: &Runtime, key: &Node, value: &Node) -> String {
    if key.written == runtime.name && matches!(value.value, Value::Map(_)) {
        return format!(
            "with one runtime, write options directly below `runtime_options`, without `{}`",
            key.written
        );
    }
    let near = check::nearest(&key.written, runtime.options.iter().map(|option| option.name));
    let all: Vec<String> = runtime
        .options
        .iter()
        .map(|option| format!("`{}` ({})", option.name, accepted(&option.kind)))
        .collect();
    let all = if all.is_empty() {
        format!("`{}` has no options", runtime.name)
    } else {
        format!("options of `{}`: {}", runtime.name, all.join(", "))
    };
    near.map_or_else(|| all.clone(), |near| format!("did you mean `{near}`? {all}"))
}

/// What an option accepts, in words.
pub(super) fn accepted(kind: &OptionKind) -> String {
    match kind {
        OptionKind::Integer { minimum, maximum } => check::range(*minimum, *maximum),
        OptionKind::Boolean => "true or false".to_owned(),
        OptionKind::Choice(choices) => choices.join(" or "),
    }
}
