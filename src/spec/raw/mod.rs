//! YAML text as a tree of values with their places, and nothing about what the values mean.
//!
//! The only user of `serde_yaml` in the project. A pass over parser events goes first: it notes where every
//! value stands and refuses what a settings file does not need (anchors, aliases, tags, several documents,
//! great depth, great numbers), so that nothing is ever expanded. Only then does `serde_yaml` give the
//! values, order and duplicate keys kept, and the two are joined.
//!
//! Text comes in as bytes, a [`Node`] or one [`Mistake`] goes out. No file is opened here.

use std::fmt;

use saphyr_parser::ScalarStyle;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use self::places::{ValuePlace, ValueShape};
use super::mistakes::{Position, mistake};
use crate::bundle::format::Mistake;

mod places;
mod syntax;

/// Larger job and configuration files are refused, best before they are read. A job with every key is about 1
/// KB; this leaves room for a thousand times that and bounds what a hostile file can cost.
pub const MAXIMUM_SPEC_BYTES: usize = 1 << 20;

/// Code of the mistake of a file that says nothing at all.
pub(crate) const EMPTY: &str = "empty";

/// One value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Where it begins. A value that was left out (`key:` and nothing more) is where its key is.
    pub position: Position,
    /// What it is.
    pub value: Value,
    /// A scalar as its author wrote it, quotes and escapes resolved; empty for lists and maps.
    pub written: String,
    /// In quotes or as a block, so text whatever it looks like.
    pub is_quoted: bool,
}

/// What a value is by the YAML 1.2 core schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number; may be infinite or not a number.
    Float(f64),
    /// Everything else that is not a list or a map.
    Text(String),
    /// Items in file order.
    List(Vec<Node>),
    /// Keys and values in file order; a key may occur twice. Keys are never lists or maps.
    Map(Vec<(Node, Node)>),
}

/// Read the text of one YAML document.
///
/// # Errors
/// The first thing that makes the whole text unreadable, with its place.
pub(crate) fn parse(text: &[u8]) -> Result<Node, Mistake> {
    let text = decoded(text)?;
    let places = places::find(text)?;
    if places.is_empty() {
        return Err(empty(text));
    }
    let tree: Tree = serde_yaml::from_str(text).map_err(|error| refused_values(&error))?;
    let mut places = places.into_iter();
    let root = join(tree, &mut places, None)?;
    match (places.next(), &root.value) {
        (Some(place), _) => Err(disagreement(place.position)),
        (None, Value::Null) => Err(empty(text)),
        (None, _) => Ok(root),
    }
}

/// The bytes as text, a byte order mark removed.
fn decoded(bytes: &[u8]) -> Result<&str, Mistake> {
    if bytes.len() > MAXIMUM_SPEC_BYTES {
        let message =
            format!("the file has {} bytes, more than the {MAXIMUM_SPEC_BYTES} that are read", bytes.len());
        return Err(mistake(None, "", "too_large", message, "is this a model file with a wrong name?"));
    }
    let valid = std::str::from_utf8(bytes);
    let (valid_up_to, what) = match &valid {
        Ok(text) => (text.find('\0'), "a NUL byte"),
        Err(error) => (Some(error.valid_up_to()), "bytes that are not UTF-8"),
    };
    if let Some(end) = valid_up_to {
        let before = String::from_utf8_lossy(&bytes[..end]);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&character| character != '\n').count() + 1;
        return Err(mistake(
            Some(Position { line: saturated(line), column: saturated(column) }),
            "",
            "not_text",
            format!("the file is not text: it holds {what}"),
            "save the job as plain text in UTF-8; a model is a file of its own next to it",
        ));
    }
    let text = valid.unwrap_or_default();
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn empty(text: &str) -> Mistake {
    let message =
        if text.trim().is_empty() { "the file is empty" } else { "the file has comments but no values" };
    mistake(
        None,
        "",
        EMPTY,
        message.to_owned(),
        "the smallest job is `backbone: 1` and `model: FILE`, a line each",
    )
}

/// `serde_yaml` refused what the event pass let through.
fn refused_values(error: &serde_yaml::Error) -> Mistake {
    let position = error
        .location()
        .map(|location| Position { line: saturated(location.line()), column: saturated(location.column()) });
    let full = error.to_string();
    let (message, hint) = syntax::in_words(full.split(" at line ").next().unwrap_or(&full));
    mistake(position, "", "syntax", message, hint)
}

/// The two parsers read the text differently; guessing which one the author meant would measure the wrong
/// thing.
fn disagreement(position: Position) -> Mistake {
    mistake(
        Some(position),
        "",
        "syntax",
        "this can be read in two ways".to_owned(),
        "write it in a plainer form, with quotes around text that holds punctuation",
    )
}

fn saturated(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Walk the values in the order in which the event pass met them. `key` is the place of the key that a value
/// belongs to.
fn join(
    tree: Tree,
    places: &mut std::vec::IntoIter<ValuePlace>,
    key: Option<Position>,
) -> Result<Node, Mistake> {
    let Some(place) = places.next() else {
        return Err(disagreement(key.unwrap_or(Position { line: 1, column: 1 })));
    };
    let is_left_out = place.written.is_empty() && place.style == ScalarStyle::Plain;
    let position = match key {
        Some(key) if place.shape == ValueShape::Scalar && is_left_out => key,
        _ => place.position,
    };
    let value = match (tree, place.shape) {
        (Tree::Scalar(value), ValueShape::Scalar) => value,
        (Tree::List(items), ValueShape::List) => {
            Value::List(items.into_iter().map(|item| join(item, places, None)).collect::<Result<_, _>>()?)
        }
        (Tree::Map(entries), ValueShape::Map) => {
            let mut nodes = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let key = join(key, places, None)?;
                let value = join(value, places, Some(key.position))?;
                nodes.push((key, value));
            }
            Value::Map(nodes)
        }
        _ => return Err(disagreement(place.position)),
    };
    Ok(Node { position, value, written: place.written, is_quoted: place.style != ScalarStyle::Plain })
}

/// What `serde_yaml` says, without places.
enum Tree {
    Scalar(Value),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Boolean(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Integer(value.into())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Integer(value.into())))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Tree, E> {
        // Beyond every range here, so the nearest number that can be held is refused all the same.
        Ok(Tree::Scalar(Value::Integer(i128::try_from(value).unwrap_or(i128::MAX))))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Integer(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}

#[cfg(test)]
mod tests;
