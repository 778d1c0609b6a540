//! House rules that hold for every file.

use crate::{
    checkout::{File, sources, texts},
    paths::tokens,
};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

const LONG: usize = 400;
const TOO_LONG: usize = 600;

#[test]
fn every_relaxed_lint_has_a_reason() {
    assert_eq!(unexplained(&sources()), [""; 0]);
}

#[test]
fn nothing_is_put_off_in_a_comment() {
    assert_eq!(put_off(&texts()), [""; 0]);
}

#[test]
fn no_file_is_too_long() {
    let files = sources();
    for line in longer_than(LONG, &files) {
        println!("long: {line}");
    }
    assert_eq!(longer_than(TOO_LONG, &files), [""; 0]);
}

fn unexplained(files: &[File]) -> Vec<String> {
    let mut places = Vec::new();
    for file in files {
        relaxed_without_reason(tokens(&file.text), false, &mut |line| {
            places.push(format!("{}:{line} relaxes a lint without a reason", file.path.display()));
        });
    }
    places
}

/// Finds `allow(…)` and `expect(…)` in attributes, those inside `cfg_attr` included.
fn relaxed_without_reason(stream: TokenStream, in_attribute: bool, found: &mut impl FnMut(usize)) {
    let tokens: Vec<_> = stream.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let mut before = tokens.iter().take(at).rev();
        let previous = before.next();
        let opens = |token: Option<&TokenTree>, mark| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark);
        let attribute = group.delimiter() == Delimiter::Bracket
            && (opens(previous, '#') || (opens(previous, '!') && opens(before.next(), '#')));
        if let Some(TokenTree::Ident(name)) = previous
            && in_attribute
            && (name == "allow" || name == "expect")
            && !group
                .stream()
                .into_iter()
                .any(|token| matches!(token, TokenTree::Ident(name) if name == "reason"))
        {
            found(name.span().start().line);
        }
        relaxed_without_reason(group.stream(), in_attribute || attribute, found);
    }
}

fn put_off(files: &[File]) -> Vec<String> {
    // In two halves, since this file is read too.
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    let mut places = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            let mut words = line.split(|letter: char| !letter.is_alphanumeric());
            if words.any(|word| marks.iter().any(|mark| mark == word)) {
                places.push(format!("{}:{}: {}", file.path.display(), at + 1, line.trim()));
            }
        }
    }
    places
}

fn longer_than(limit: usize, files: &[File]) -> Vec<String> {
    let lines = files.iter().map(|file| (file.path.display(), file.text.lines().count()));
    lines
        .filter(|(_, lines)| *lines > limit)
        .map(|(path, lines)| format!("{path} has {lines} lines"))
        .collect()
}

#[test]
fn these_rules_can_be_broken() {
    let rust = |text: &str| [File::made_up("src/lib.rs", text)];
    for text in [
        "#[allow(dead_code)] fn f() {}",
        "#![allow(dead_code)]",
        "mod a { #[expect(unused, clippy::all)] fn f() {} }",
        "#[cfg_attr(test, allow(dead_code))] fn f() {}",
    ] {
        assert_eq!(unexplained(&rust(text)).len(), 1, "{text}");
    }
    for text in [
        "#[allow(dead_code, reason = \"it is for tests\")] fn f() {}",
        "fn allow(a: u8) { expect(a); a.expect(\"it is there\") }",
        "// #[allow(dead_code)]",
    ] {
        assert_eq!(unexplained(&rust(text)), [""; 0], "{text}");
    }
    let late = format!("fn f() {{}}\n// {}: later", ["TO", "DO"].concat());
    assert_eq!(put_off(&rust(&late)).len(), 1);
    assert_eq!(put_off(&rust("// todo!() is linted")), [""; 0]);
    assert_eq!(longer_than(2, &rust("a\nb\nc\n")), ["src/lib.rs has 3 lines"]);
    assert_eq!(longer_than(3, &rust("a\nb\nc\n")), [""; 0]);
}
