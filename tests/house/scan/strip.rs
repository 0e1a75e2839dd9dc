//! What is taken out of a source before it is judged: comments, literals, and items that only tests see.

use super::paths::is_name;

/// Words that begin an item which ends with a semicolon, whatever braces are in it.
const STATEMENTS: &[&str] = &["use", "static", "type", "let"];

/// Words that begin an item which ends with its body, or with a semicolon where it has none.
const ITEMS: &[&str] = &[
    "mod",
    "fn",
    "struct",
    "enum",
    "union",
    "trait",
    "impl",
    "unsafe",
    "async",
    "const",
    "extern",
    "macro_rules",
];

/// The code without items, fields and statements under `#[cfg(test)]`, and what was taken out. Line breaks
/// stay.
pub(crate) fn without_tests(code: &str) -> (String, String) {
    let (mut kept, mut removed) = (String::new(), String::new());
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(") {
        let attribute_end = start + length_of_attribute(&rest[start..]);
        if !is_for_tests(&rest[start..attribute_end]) {
            kept.push_str(&rest[..attribute_end]);
            rest = &rest[attribute_end..];
            continue;
        }
        let end = attribute_end + length_of_item(&rest[attribute_end..]);
        kept.push_str(&rest[..start]);
        kept.extend(rest[start..end].chars().filter(|character| *character == '\n'));
        removed.push_str(&rest[attribute_end..end]);
        removed.push('\n');
        rest = &rest[end..];
    }
    kept.push_str(rest);
    (kept, removed)
}

fn is_for_tests(attribute: &str) -> bool {
    let attribute: String = attribute.chars().filter(|character| !character.is_whitespace()).collect();
    attribute == "#[cfg(test)]" || attribute.starts_with("#[cfg(all(test,")
}

/// Up to the bracket that closes the attribute at the start of the text.
fn length_of_attribute(text: &str) -> usize {
    let mut depth = 0;
    for (index, character) in text.char_indices() {
        match character {
            '[' => depth += 1,
            ']' => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// Up to the end of the item, field, match arm or statement at the start of the text, its further attributes
/// included.
fn length_of_item(text: &str) -> usize {
    let mut start = 0;
    loop {
        start += text[start..].len() - text[start..].trim_start().len();
        if !text[start..].starts_with("#[") {
            break;
        }
        start += length_of_attribute(&text[start..]);
    }
    let (first, second, is_field) = first_words(&text[start..]);
    let ends_with_semicolon =
        STATEMENTS.contains(&first) || (first == "const" && !ITEMS.contains(&second)) || first == "static";
    let ends_with_comma = !ends_with_semicolon && !ITEMS.contains(&first);
    let (mut depth, mut angles) = (0_usize, 0_usize);
    let mut before = ' ';
    for (index, character) in text[start..].char_indices() {
        let after = start + index + character.len_utf8();
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return start + index,
            ')' | ']' | '}' => {
                depth -= 1;
                if depth == 0 && character == '}' && !ends_with_semicolon {
                    return after;
                }
            }
            '<' if is_field => angles += 1,
            '>' if is_field && before != '-' => angles = angles.saturating_sub(1),
            ';' if depth == 0 => return after,
            ',' if depth == 0 && angles == 0 && ends_with_comma => return after,
            _ => {}
        }
        before = character;
    }
    text.len()
}

/// The first two words after the visibility, and whether they begin a field: a name and a colon.
fn first_words(text: &str) -> (&str, &str, bool) {
    let mut text = text.trim_start();
    if let Some(after) = text.strip_prefix("pub").filter(|after| !after.starts_with(is_name)) {
        text = after.trim_start();
        if text.starts_with('(') {
            text = text.split_once(')').map_or("", |(_, after)| after).trim_start();
        }
    }
    let word = |text: &str| text.find(|character| !is_name(character)).unwrap_or(text.len());
    let (first, rest) = text.split_at(word(text));
    let is_field = rest.starts_with(':') && !rest.starts_with("::");
    let rest = rest.trim_start();
    (first, &rest[..word(rest)], is_field)
}

/// Comments, texts and characters replaced by nothing; line breaks kept.
pub(crate) fn without_literals(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut code = String::new();
    let mut at = 0;
    while at < characters.len() {
        let after = literal_end(&characters, at);
        if after > at {
            code.extend(characters[at..after].iter().filter(|character| **character == '\n'));
            at = after;
        } else {
            code.push(characters[at]);
            at += 1;
        }
    }
    code
}

/// Where the comment or literal that begins here ends; `at` itself if none begins.
fn literal_end(characters: &[char], at: usize) -> usize {
    let find = |from: usize, wanted: &[char]| {
        (from..characters.len())
            .find(|index| characters[*index..].starts_with(wanted))
            .map_or(characters.len(), |index| index + wanted.len())
    };
    match characters[at..] {
        // The line break stays.
        ['/', '/', ..] => find(at, &['\n']).saturating_sub(1).max(at + 2),
        ['/', '*', ..] => find(at + 2, &['*', '/']),
        ['r', '"' | '#', ..] if !follows_name(characters, at) => {
            let hashes = characters[at + 1..].iter().take_while(|character| **character == '#').count();
            if characters.get(at + 1 + hashes) != Some(&'"') {
                return at; // A name such as `r#type`.
            }
            find(at + 2 + hashes, &[&['"'][..], &vec!['#'; hashes]].concat())
        }
        ['"', ..] => {
            let mut end = at + 1;
            while end < characters.len() && characters[end] != '"' {
                end += if characters[end] == '\\' { 2 } else { 1 };
            }
            end + 1
        }
        // A character, not a lifetime.
        ['\'', '\\', _, ..] => find(at + 3, &['\'']),
        ['\'', _, '\'', ..] => at + 3,
        _ => at,
    }
    .min(characters.len())
}

fn follows_name(characters: &[char], at: usize) -> bool {
    // `br"…"` is a text too.
    at > 0 && is_name(characters[at - 1]) && characters[at - 1] != 'b'
}
