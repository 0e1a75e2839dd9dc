use super::places::{MAXIMUM_DEPTH, MAXIMUM_MARKS, MAXIMUM_NODES};
use super::*;

fn refused(text: impl AsRef<[u8]>) -> (String, Option<u32>, Option<u32>) {
    let mistake = parse(text.as_ref()).expect_err("this text is refused");
    (mistake.code, mistake.line, mistake.column)
}

fn at(code: &str, line: u32, column: u32) -> (String, Option<u32>, Option<u32>) {
    (code.to_owned(), Some(line), Some(column))
}

fn nowhere(code: &str) -> (String, Option<u32>, Option<u32>) {
    (code.to_owned(), None, None)
}

fn entries(node: &Node) -> &[(Node, Node)] {
    match &node.value {
        Value::Map(entries) => entries,
        other => panic!("expected a map, found {other:?}"),
    }
}

#[test]
fn values_come_with_their_places_in_file_order() {
    let root =
        parse("# a job\nzeta: 1\nalpha:\n  - \"Äpfel\" # said\n  - [2.5, true, ~]\n".as_bytes()).unwrap();
    let entries = entries(&root);
    let found: Vec<_> = entries.iter().map(|(key, _)| (key.written.as_str(), key.position.line)).collect();
    assert_eq!(found, [("zeta", 2), ("alpha", 3)]);
    assert_eq!(entries[0].1.position, Position { line: 2, column: 7 });
    let Value::List(items) = &entries[1].1.value else { panic!("a list") };
    assert_eq!(items[0].value, Value::Text("Äpfel".to_owned()));
    assert!(items[0].is_quoted);
    let Value::List(inner) = &items[1].value else { panic!("a list") };
    let values: Vec<_> = inner.iter().map(|item| item.value.clone()).collect();
    assert_eq!(values, [Value::Float(2.5), Value::Boolean(true), Value::Null]);
    assert_eq!(inner[1].position, Position { line: 5, column: 11 });
}

#[test]
fn columns_count_characters_not_bytes() {
    let root = parse("{größe: 7}".as_bytes()).unwrap();
    assert_eq!(entries(&root)[0].1.position, Position { line: 1, column: 9 });
}

#[test]
fn keys_written_twice_are_both_there() {
    let root = parse(b"a: 1\na: 2\n").unwrap();
    let values: Vec<_> = entries(&root).iter().map(|(_, value)| value.value.clone()).collect();
    assert_eq!(values, [Value::Integer(1), Value::Integer(2)]);
}

#[test]
fn value_that_was_left_out_stands_where_its_key_is() {
    let root = parse(b"a: 1\nmodel:\nb: 2\n").unwrap();
    let (key, value) = &entries(&root)[1];
    assert_eq!(value.value, Value::Null);
    assert_eq!(value.position, key.position);
}

#[test]
fn line_ends_of_windows_and_a_byte_order_mark_change_nothing() {
    let root = parse("\u{feff}a: 1\r\nb: two\r\n".as_bytes()).unwrap();
    assert_eq!(entries(&root)[0].0.position, Position { line: 1, column: 1 });
    assert_eq!(entries(&root)[1].1.value, Value::Text("two".to_owned()));
}

#[test]
fn numbers_keep_how_they_were_written() {
    let root = parse(b"a: 1.10\nb: '5'\nc: 0x10\nd: 99999999999999999999999999999999999999999999\n").unwrap();
    let entries = entries(&root);
    assert_eq!(entries[0].1.written, "1.10");
    assert!(entries[1].1.is_quoted);
    assert_eq!(entries[2].1.value, Value::Integer(16));
    assert!(matches!(entries[3].1.value, Value::Float(_)));
}

#[test]
fn text_without_values_is_a_mistake_of_its_own() {
    for text in ["", " \n\n", "# only a comment\n", "---\n", "--- # nothing\n...\n", "~\n", "\u{feff}"] {
        assert_eq!(refused(text).0, EMPTY, "{text:?}");
    }
}

#[test]
fn what_is_not_text_is_named_with_its_place() {
    assert_eq!(refused(b"a: 1\nb: \0x"), at("not_text", 2, 4));
    assert_eq!(refused(b"a: 1\nb: \xff"), at("not_text", 2, 4));
    let utf_16: Vec<u8> = "a: 1".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(refused(utf_16).0, "not_text");
}

#[test]
fn anchors_aliases_merge_keys_and_tags_are_refused_where_they_stand() {
    assert_eq!(refused("a: &x 1\nb: 2\n"), at("anchor", 1, 4));
    assert_eq!(refused("a: &x [1]\n"), at("anchor", 1, 4));
    assert_eq!(refused("model: *.onnx\n"), at("anchor", 1, 8));
    assert_eq!(refused("a: 1\n<<: {b: 2}\n"), at("merge_key", 2, 1));
    assert_eq!(refused("a: !!int 1\n"), at("tag", 1, 4));
    assert_eq!(refused("a: !here 1\n"), at("tag", 1, 4));
    assert_eq!(refused("a: !b!here 1\n"), at("tag", 1, 4));
    assert!(parse(b"'<<': 1\na: '*b'\nc: \"&d\"\n").is_ok(), "quotes make text of them");
}

#[test]
fn second_document_is_refused() {
    assert_eq!(refused("a: 1\n---\nb: 2\n").0, "several_documents");
    assert!(parse(b"---\na: 1\n...\n").is_ok(), "one document may be marked as one");
}

#[test]
fn keys_that_are_lists_or_maps_are_refused() {
    assert_eq!(refused("a: 1\n? [b]\n: 2\n"), at("key_not_text", 2, 3));
    assert_eq!(refused("{{a: 1}: 2}\n"), at("key_not_text", 1, 2));
}

#[test]
fn nesting_ends_at_its_limit() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(MAXIMUM_DEPTH).as_bytes()).is_ok());
    assert_eq!(refused(nested(MAXIMUM_DEPTH + 1)).0, "too_deep");
    assert_eq!(refused("[".repeat(MAXIMUM_SPEC_BYTES)).0, "too_deep");
    assert_eq!(refused("- ".repeat(MAXIMUM_SPEC_BYTES / 2)).0, "too_deep");
    assert_eq!(refused("{a: ".repeat(1000)).0, "too_deep");
}

#[test]
fn number_of_values_ends_at_its_limit() {
    let list = |count: usize| "- a\n".repeat(count);
    assert!(parse(list(MAXIMUM_NODES - 1).as_bytes()).is_ok());
    assert_eq!(refused(list(MAXIMUM_NODES)).0, "too_many_values");
    assert_eq!(refused("a:\n".repeat(MAXIMUM_SPEC_BYTES / 3)).0, "too_many_values");
    assert_eq!(refused(format!("[{}]", "a,".repeat(MAXIMUM_SPEC_BYTES / 2 - 1))).0, "too_many_values");
    let almost = format!("[{}]", "a,".repeat(MAXIMUM_NODES - 2));
    assert!(parse(almost.as_bytes()).is_ok(), "the bound on marks lets {MAXIMUM_NODES} values through");
}

#[test]
fn long_comments_and_texts_are_no_marks() {
    let ruled = format!("{}a: 1\n", "# --- [x] ---, {y}: \"z\"\n".repeat(MAXIMUM_MARKS / 2));
    assert!(parse(ruled.as_bytes()).is_ok());
}

#[test]
fn file_beyond_the_size_limit_is_refused_unread() {
    assert_eq!(refused(vec![b'#'; MAXIMUM_SPEC_BYTES + 1]), nowhere("too_large"));
    assert_eq!(refused(vec![b'#'; MAXIMUM_SPEC_BYTES]).0, EMPTY);
}

#[test]
fn syntax_errors_say_in_plain_words_what_is_wrong() {
    let texts = [
        "a: b: c\n",
        "measure:\n  timed_runs: 5\n seed: 1\n",
        "a: 1\nb\nc: 3\n",
        "a: 'never closed\nb: 1\n",
        "a: [1, 2\nb: 3\n",
        "a: {b: 1, c: 2\n",
        "a: 1\n\tb: 2\n",
        "a: \"x\" y\n",
        "a: @b\n",
        "a: \"C:\\models\"\n",
        "a: ]\n",
        "- a\nb: 1\n",
        "a: |\n  text\n b: 1\n",
        "model:net.onnx\nbackbone: 1\n",
        "a: %b\n",
        "a: - b\n",
        "a: [- b]\n",
        "  a: 1\nb\n",
        "a: 'x'#y\n",
        "a: b # c\n  d\n",
        "a: 1\n\t",
        "a: 1\n...\n\t",
        "{a:}",
    ];
    let shown: Vec<String> = texts
        .iter()
        .map(|text| {
            let mistake = parse(text.as_bytes()).expect_err(text);
            assert_eq!(mistake.code, "syntax");
            format!("{text:?}\n{}", crate::spec::render(&[mistake], "job.yaml"))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[-a\\[\\]{}:,?*&!|>'\"%#@`<~ \t\r\n0-9.é]{0,60}") {
        let _ = parse(text.as_bytes());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
        let _ = parse(&bytes);
    }
}
