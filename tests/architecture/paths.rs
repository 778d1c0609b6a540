//! The paths that a Rust source names, `use` trees unfolded. Comments and strings do not count.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// `crate::a::b`, and the line it begins in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
}

impl Path {
    /// The segments from the first on.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }
}

/// Every path of at least one segment in `source`, in the order of the text.
pub(crate) fn paths(source: &str) -> Vec<Path> {
    let mut found = Vec::new();
    collect(tokens(source), &mut found);
    found
}

/// The source as the compiler's lexer sees it.
pub(crate) fn tokens(source: &str) -> TokenStream {
    source.parse().expect("the file is Rust")
}

fn collect(stream: TokenStream, found: &mut Vec<Path>) {
    let tokens: Vec<_> = stream.into_iter().collect();
    let mut rest = tokens.as_slice();
    while let [token, next @ ..] = rest {
        rest = match token {
            TokenTree::Ident(name) => follow(line(token), vec![name.to_string()], next, found),
            TokenTree::Group(group) => {
                collect(group.stream(), found);
                next
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => next,
        };
    }
}

/// Goes on after `segments` for as long as `::` leads on, and says where it stopped.
fn follow<'t>(
    line: usize,
    mut segments: Vec<String>,
    mut rest: &'t [TokenTree],
    found: &mut Vec<Path>,
) -> &'t [TokenTree] {
    while let [TokenTree::Punct(first), TokenTree::Punct(second), token, next @ ..] = rest {
        if first.as_char() != ':' || first.spacing() != Spacing::Joint || second.as_char() != ':' {
            break;
        }
        match token {
            TokenTree::Ident(name) => segments.push(name.to_string()),
            TokenTree::Punct(star) if star.as_char() == '*' => segments.push("*".to_owned()),
            TokenTree::Group(tree) if tree.delimiter() == Delimiter::Brace => {
                branch(&segments, tree.stream(), found);
                return next;
            }
            // A turbofish: what is inside it are paths of their own.
            TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => break,
        }
        rest = next;
    }
    found.push(Path { line, segments });
    rest
}

fn branch(before: &[String], tree: TokenStream, found: &mut Vec<Path>) {
    let tokens: Vec<_> = tree.into_iter().collect();
    let mut rest = tokens.as_slice();
    while let [token, next @ ..] = rest {
        let with = |name: &str| before.iter().map(String::as_str).chain([name]).map(str::to_owned).collect();
        rest = match token {
            TokenTree::Ident(name) if name == "as" => next.get(1..).unwrap_or_default(),
            TokenTree::Ident(name) if name == "self" => follow(line(token), before.to_vec(), next, found),
            TokenTree::Ident(name) => follow(line(token), with(&name.to_string()), next, found),
            TokenTree::Punct(star) if star.as_char() == '*' => follow(line(token), with("*"), next, found),
            TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => next,
        };
    }
}

fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

#[test]
fn use_trees_are_unfolded_and_prose_is_left_out() {
    let source = r#"
        //! Not crate::comment.
        use crate::{
            a::{self, b as c, d::*},
            e,
        };
        /* nor crate::block */
        fn f(g: ::std::string::String) -> h::I<j::K> { "not crate::string"; l::m::<crate::n::O>() }
    "#;

    let found = paths(source);
    let told: Vec<_> =
        found.iter().map(|path| format!("{}:{}", path.line, path.segments.join("::"))).collect();

    for wanted in [
        "4:crate::a",
        "4:crate::a::b",
        "4:crate::a::d::*",
        "5:crate::e",
        "8:std::string::String",
        "8:h::I",
        "8:j::K",
        "8:l::m",
        "8:crate::n::O",
    ] {
        assert!(told.iter().any(|path| path == wanted), "{wanted} is not among {told:?}");
    }
    for unwanted in ["comment", "block", "string"] {
        assert!(
            !told.iter().any(|path| path.ends_with(&format!("crate::{unwanted}"))),
            "{unwanted} is prose"
        );
    }
}
