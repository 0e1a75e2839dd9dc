//! The scanner on small pieces of code: what it takes out, and what it must leave.

use super::functions::{Function, functions, types};
use super::modules::{absolute_paths, declared};
use super::paths::{expanded, renamed, used_words};
use super::strip::{without_literals, without_tests};
use super::{Source, every_source};

fn kept(code: &str) -> String {
    without_tests(code).0.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn only_the_items_for_tests_are_taken_out() {
    for (code, wanted) in [
        ("#[cfg(test)]\nmod tests;\nfn after() {}", "fn after() {}"),
        (
            "fn before() {}\n#[cfg(test)]\nmod tests { fn f() { if x { } } }\nfn after() {}",
            "fn before() {} fn after() {}",
        ),
        ("#[cfg(test)] use a::{b, c};\nuse d;", "use d;"),
        ("#[cfg(test)] pub(crate) use a::{b, c};\nuse d;", "use d;"),
        (
            "#[cfg(test)]\n#[path = ]\n#[expect(a(b), reason = [])]\npub(crate) fn f(x: [u8; 2]) -> u8 { g({1}) }\nfn g() {}",
            "fn g() {}",
        ),
        ("#[cfg(test)]\nimpl<T> A<T> for B where T: C { fn f() {} }\nstruct D;", "struct D;"),
        ("#[cfg(test)]\nconst A: B = B { c: 1 };\nconst D: u8 = 1;", "const D: u8 = 1;"),
        ("#[cfg(test)]\nconst fn a() -> u8 { 1 }\nfn b() {}", "fn b() {}"),
        ("#[cfg(test)]\nstruct A(u8, u8);\nstruct B;", "struct B;"),
        ("#[cfg(test)]\nstruct A { a: u8 }\nstruct B;", "struct B;"),
        ("struct A { #[cfg(test)] a: Map<u8, u8>, b: u8 }", "struct A { b: u8 }"),
        ("struct A { b: u8, #[cfg(test)] a: u8 }", "struct A { b: u8, }"),
        ("match a { #[cfg(test)] A => f(1, 2), B => g() }", "match a { B => g() }"),
        ("fn a() { #[cfg(test)] let b = C { d }; e(); }", "fn a() { e(); }"),
        ("fn a() { #[cfg(test)] { b(); } c(); }", "fn a() { c(); }"),
        ("#[cfg(all(test, unix))]\nmod tests {}\nfn a() {}", "fn a() {}"),
        ("#[cfg(any(test, unix))]\nfn a() {}", "#[cfg(any(test, unix))] fn a() {}"),
        ("#[cfg(not(test))]\nfn a() {}", "#[cfg(not(test))] fn a() {}"),
        ("#[cfg(feature = )]\nfn a() {}", "#[cfg(feature = )] fn a() {}"),
    ] {
        assert_eq!(kept(code), wanted, "{code}");
        assert_eq!(without_tests(code).0.lines().count(), code.lines().count(), "{code}");
    }
}

#[test]
fn code_after_a_test_item_is_still_judged() {
    let source = Source::new("src/a.rs", "//! x\n#[cfg(test)]\nmod tests;\n\nuse crate::b::C;\n");
    assert_eq!(absolute_paths(&source).into_iter().collect::<Vec<_>>(), [["b", "C"]]);
}

#[test]
fn comments_and_literals_are_taken_out_and_line_breaks_stay() {
    for (text, wanted) in [
        ("a // b\nc", "a \nc"),
        ("a /* b\nc */ d", "a \n d"),
        ("a(\"b \\\" { // \", c)", "a(, c)"),
        ("a(r\"b\\\", c)", "a(, c)"),
        ("a(r##\"b \"# c\"##, d)", "a(, d)"),
        ("a(br#\"b\"#, c)", "a(b, c)"),
        ("a('{', '\\'', b'}', c)", "a(, , b, c)"),
        ("fn f<'a>(b: &'a str) {}", "fn f<'a>(b: &'a str) {}"),
        ("r#type", "r#type"),
        ("for x in bar\"b\"", "for x in bar"),
    ] {
        assert_eq!(without_literals(text), wanted, "{text}");
    }
}

#[test]
fn trees_of_imports_are_taken_apart() {
    assert_eq!(expanded("a::{b::{self, c}, d as e}"), ["a::b", "a::b::c", "a::d"]);
    let renamed = renamed("a::{b::{self, c}, d as e};");
    let names: Vec<&str> = renamed.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["b", "c", "e"]);
    assert!(
        used_words("std::fs::read(x); println!(); a != b")
            .is_superset(&["std::fs", "fs::read", "println!", "a"].map(str::to_owned).into())
    );
    assert!(!used_words("a != b").contains("a!"));
}

#[test]
fn paths_are_made_absolute() {
    for (path, code, wanted) in [
        ("src/a/b.rs", "use super::c::D;", &["a", "c", "D"][..]),
        ("src/a/mod.rs", "use super::c::D;", &["c", "D"]),
        ("src/a/mod.rs", "mod c;\nuse c::D;", &["a", "c", "D"]),
        ("src/a/mod.rs", "fn f() { self::c::d(); }", &["a", "c", "d"]),
        ("src/main.rs", "fn f() { backbone::cli::main(); }", &["cli", "main"]),
        ("src/a/b/c.rs", "use super::super::D;", &["a", "D"]),
    ] {
        let found = absolute_paths(&Source::new(path, code));
        assert!(
            found.contains(&wanted.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()),
            "{code}: {found:?}"
        );
    }
    // Other crates, names of the file's own, and what is only passed on.
    let outside =
        Source::new("src/a.rs", "mod c;\npub use c::D;\nuse std::fs;\nfn f() { serde::x(); Self::y(); }");
    assert!(absolute_paths(&outside).is_empty());
    assert_eq!(declared("mod a;\npub(crate) mod b;\nmod c { }\nlet d = mode;"), ["a", "b"]);
}

#[test]
fn functions_are_measured() {
    let one = |code: &str| {
        functions(code)
            .into_iter()
            .map(|Function { name, lines, parameters }| (name, lines, parameters))
            .next()
            .unwrap()
    };
    for (code, wanted) in [
        ("fn a() {}", ("a", 1, 0)),
        ("fn a(&self, b: Map<K, V>, c: (u8, u8),) -> Box<dyn Fn(u8) -> u8> {\n    d\n}", ("a", 3, 3)),
        (
            "pub(crate) fn a<T: Into<U>, U>(b: impl Fn(u8, u8) -> u8, c: [u8; 2])\nwhere\n    T: D,\n{\n}",
            ("a", 5, 2),
        ),
        ("trait A { fn b(&self); fn c(&self) {} }", ("c", 1, 1)),
    ] {
        let (name, lines, parameters) = wanted;
        assert_eq!(one(code), (name.to_owned(), lines, parameters), "{code}");
    }
    assert_eq!(functions("fn a() {\n    fn b() {}\n}").len(), 2);
}

#[test]
fn types_are_found_and_associated_ones_are_not() {
    let code = "pub(crate) struct A;\nenum B {}\ntrait C { type D; }\ntype E = u8;\nimpl C for A {\n    type F = u8;\n}\nmod g {\n    struct H;\n}";
    let mut found = types(code);
    found.sort();
    assert_eq!(found, ["A", "B", "C", "E", "H"]);
}

#[test]
fn modules_that_only_tests_declare_are_tests() {
    let sources = every_source();
    let is_test = |path: &str| sources.iter().find(|source| source.path == path).map(|source| source.is_test);
    assert_eq!(is_test("src/derived_docs.rs"), Some(true));
    assert_eq!(is_test("src/host/power/fake_machine.rs"), Some(true));
    assert_eq!(is_test("src/spool/plan/mod.rs"), Some(false));
}
