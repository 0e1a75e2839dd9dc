//! What the two YAML parsers say of a syntax error, in words for people who write job files.

/// The parser's message for a line without a `:`; it is noticed when the next line begins.
pub(super) const NEITHER_KEY_NOR_VALUE: &str = "simple key expect";

/// What is wrong and what to do, for a parser's message.
pub(super) fn in_words(reason: &str) -> (String, &'static str) {
    let known = SYNTAX.iter().find(|known| reason.contains(known.fragment));
    known.map_or_else(
        || {
            (
                format!("this is not YAML: {reason}"),
                "compare indentation, quotes and brackets with an example",
            )
        },
        |known| (known.message.to_owned(), known.hint),
    )
}

struct Syntax {
    /// Part of the parser's message.
    fragment: &'static str,
    message: &'static str,
    hint: &'static str,
}

/// The first that fits counts.
const SYNTAX: &[Syntax] = &[
    Syntax {
        fragment: "mapping values are not allowed",
        message: "a `: ` is in a place where no key can begin",
        hint: "each key needs its own line, and a space after its `:`; text that holds `: ` goes in quotes",
    },
    Syntax {
        fragment: NEITHER_KEY_NOR_VALUE,
        message: "this line is neither a `key: value` nor the continuation of a value",
        hint: "check for a missing `:` after the key, or a missing space after the `:`",
    },
    Syntax {
        fragment: "did not find expected key",
        message: "the indentation does not fit the keys above",
        hint: "keys of one map begin in one column",
    },
    Syntax {
        fragment: "did not find expected '-' indicator",
        message: "the indentation does not fit the list above",
        hint: "items of one list begin with `- ` in one column",
    },
    Syntax {
        fragment: "indentation in quoted scalar",
        message: "a quotation mark opens here and is not closed in its line",
        hint: "close the text with the mark that opened it",
    },
    Syntax {
        fragment: "illegal placement of ':'",
        message: "a key is inside a list or map that is not closed",
        hint: "check for a missing `]` or `}` in a line above",
    },
    Syntax {
        fragment: "invalid indentation",
        message: "the indentation does not fit the lines above",
        hint: "keys of one map begin in one column; values below a key are indented further",
    },
    Syntax { fragment: "tab", message: "a tab is used to indent", hint: "indent with spaces" },
    Syntax {
        fragment: "quoted scalar, found unexpected end",
        message: "a quotation mark is never closed",
        hint: "close the text with the mark that opened it",
    },
    Syntax {
        fragment: "document indicator",
        message: "a quotation mark is not closed before the document ends",
        hint: "close the text with the mark that opened it",
    },
    Syntax {
        fragment: "trailing content after double-quoted",
        message: "something follows the closing quotation mark",
        hint: "end the line there, or put all of the text in one pair of quotes",
    },
    Syntax {
        fragment: "flow sequence, expected",
        message: "a list in brackets lacks a `,` or its `]`",
        hint: "write lists as `[1, 2, 3]`",
    },
    Syntax {
        fragment: "flow mapping, did not find",
        message: "a map in braces lacks a `,` or its `}`",
        hint: "write maps as `{key: value, other: value}`",
    },
    Syntax {
        fragment: "block sequence entries are not allowed",
        message: "a list item `- ` is in a place where none can begin",
        hint: "put each `- ` on a line of its own, below its key",
    },
    Syntax {
        fragment: "only valid inside a block",
        message: "a list item `- ` is inside brackets",
        hint: "write lists as `[1, 2, 3]`",
    },
    Syntax {
        fragment: "expected <document start>",
        message: "this line does not belong to the lines above",
        hint: "keys of one map begin in one column, each with a `:` after it",
    },
    Syntax {
        fragment: "comments must be separated",
        message: "a `#` follows a value without a space",
        hint: "put a space before a comment, and quotes around text that holds `#`",
    },
    Syntax {
        fragment: "comment intercepting",
        message: "a comment interrupts a text",
        hint: "put the text in quotes or on one line, the comment above it",
    },
    Syntax {
        fragment: "':' must be followed",
        message: "a `:` is not followed by a space",
        hint: "write `key: value`; text that holds `:` goes in quotes",
    },
    Syntax {
        fragment: "unexpected ':'",
        message: "a `:` is not followed by a space",
        hint: "write `key: value`; text that holds `:` goes in quotes",
    },
    Syntax {
        fragment: "more than one document",
        message: "something follows the end of the document, `...`",
        hint: "remove the line `...`",
    },
    Syntax {
        fragment: "cannot start any token",
        message: "a value cannot begin with this character",
        hint: "indent with spaces, not tabs; put text that begins with punctuation in quotes",
    },
    Syntax {
        fragment: "expected node content",
        message: "a value is missing or begins with a character that needs quotes",
        hint: "close every bracket; put text that begins with punctuation in quotes",
    },
    Syntax {
        fragment: "misplaced bracket",
        message: "a closing bracket has no partner",
        hint: "remove it, or open a bracket before it",
    },
    Syntax {
        fragment: "unknown escape character",
        message: "a `\\` in double quotes is followed by an unknown escape character",
        hint: "use single quotes, where `\\` is an ordinary character",
    },
    Syntax {
        fragment: "unexpected character",
        message: "a value cannot begin with this character",
        hint: "put the text in quotes",
    },
    Syntax {
        fragment: "unprintable",
        message: "this character cannot be printed",
        hint: "save the file as plain text in UTF-8",
    },
];
