//! Functions and types in code that was stripped: how long, with how many parameters, under which names.

use super::paths::is_name;

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// From the line of its `fn` to that of its closing brace.
    pub(crate) lines: usize,
    /// `self` included.
    pub(crate) parameters: usize,
}

/// Every function in the code, with those inside of others.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    starts(code, "fn").filter_map(|(start, name)| function(code, start, name)).collect()
}

/// Names of the structs, enums, traits, unions and type aliases that the code defines. Associated types are
/// not among them.
pub(crate) fn types(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for keyword in ["struct", "enum", "trait", "union", "type"] {
        for (start, name) in starts(code, keyword) {
            let line = code[..start].rsplit('\n').next().unwrap_or_default();
            let is_associated = keyword == "type" && line.starts_with(' ');
            let is_definition = line.trim_start().is_empty() || line.trim_start().starts_with("pub");
            if is_definition && !is_associated {
                found.push(name.to_owned());
            }
        }
    }
    found
}

/// Where this keyword stands before a name, and the name.
fn starts<'a>(code: &'a str, keyword: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    code.match_indices(keyword).filter_map(move |(start, _)| {
        let after = code[start + keyword.len()..].strip_prefix(' ')?;
        let is_word = !code[..start].ends_with(is_name);
        let name = &after[..after.find(|character| !is_name(character)).unwrap_or(after.len())];
        (is_word && !name.is_empty()).then_some((start, name))
    })
}

/// The function whose `fn` is at this place; none if it has no body.
fn function(code: &str, start: usize, name: &str) -> Option<Function> {
    let mut at = start + "fn ".len() + name.len();
    if code[at..].starts_with('<') {
        at += closed(&code[at..])?.0;
    }
    let (parameters_length, parameters) = closed(&code[at..])?;
    at += parameters_length;
    at += code[at..].find(['{', ';'])?;
    if code[at..].starts_with(';') {
        return None;
    }
    let body = braced(&code[at..])?;
    let lines = code[start..at + body].matches('\n').count() + 1;
    Some(Function { name: name.to_owned(), lines, parameters })
}

/// Of the bracket at the start of the text: up to the one that closes it, and how many members, separated by
/// commas, are in it.
fn closed(text: &str) -> Option<(usize, usize)> {
    let (mut depth, mut members, mut is_empty) = (0_usize, 0, true);
    let mut before = ' ';
    for (index, character) in text.char_indices() {
        match character {
            '(' | '[' | '{' | '<' => {
                is_empty &= depth == 0;
                depth += 1;
            }
            '>' if before == '-' || before == '=' => {}
            ')' | ']' | '}' | '>' => {
                depth -= 1;
                if depth == 0 {
                    return Some((index + 1, members + usize::from(!is_empty)));
                }
            }
            ',' if depth == 1 => {
                members += usize::from(!is_empty);
                is_empty = true;
            }
            character if !character.is_whitespace() => is_empty = false,
            _ => {}
        }
        before = character;
    }
    None
}

/// Up to the brace that closes the one at the start of the text.
fn braced(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(index + 1);
                }
            }
            _ => {}
        }
    }
    None
}
