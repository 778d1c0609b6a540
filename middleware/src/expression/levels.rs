//! How deeply a text is nested, before anybody parses it.
//!
//! The parser recurses for each bracket and each link of a chain (`1+1+…`), and on a stack that is too small it
//! aborts the process. So a text whose parse could go deeper than [`LEVELS`] is refused from its tokens alone.
//! That takes reading tokens exactly as the parser does: what cannot be read, such as a string without an end,
//! is refused too, since the parser would skip a character and go on inside.

use super::invalid::InvalidExpression;
use std::{iter::Peekable, str::Chars};

/// How long an expression may be, in bytes.
pub(super) const LONGEST: usize = 1024;

/// How deep brackets and chains together may go, and the tree that comes of them.
pub(super) const LEVELS: usize = 32;

pub(super) fn check(source: &str) -> Result<(), InvalidExpression> {
    if source.len() > LONGEST {
        let problem = format!("it is longer than {LONGEST} bytes; split it into several rules");
        return Err(InvalidExpression::new(source, 0, problem));
    }
    Scanner { rest: source.chars().peekable(), at: 0, open: vec![Level::default()] }
        .run()
        .map_err(|problem| InvalidExpression::new(source, problem.at, problem.what))
}

struct Scanner<'s> {
    rest: Peekable<Chars<'s>>,
    at: usize,
    open: Vec<Level>,
}

struct Problem {
    at: usize,
    what: String,
}

/// What is inside one pair of brackets. A chain ends at `&&`, `||`, `?` and `:`; what is conditional, at a comma.
#[derive(Default)]
struct Level {
    opened: Option<(char, usize)>,
    chain: usize,
    inside: usize,
    conditions: usize,
    chains: usize,
    deepest: usize,
}

impl Scanner<'_> {
    fn run(mut self) -> Result<(), Problem> {
        let mut ends_operand = false;
        while let Some(&letter) = self.rest.peek() {
            let at = self.at;
            ends_operand = match letter {
                ' ' | '\t' | '\r' | '\n' | '\u{c}' => {
                    self.next();
                    ends_operand
                }
                '"' | '\'' => {
                    self.string(false)?;
                    true
                }
                'a'..='z' | 'A'..='Z' | '_' => self.word()?,
                '0'..='9' => {
                    self.take_while(|letter| letter.is_ascii_alphanumeric());
                    true
                }
                '/' => {
                    self.next();
                    if self.rest.peek() == Some(&'/') {
                        self.take_while(|letter| letter != '\n');
                    } else {
                        self.link(at)?;
                    }
                    false
                }
                '[' | '(' | '{' => {
                    self.next();
                    if letter == '[' && ends_operand {
                        self.link(at)?;
                    }
                    self.push(letter, at)?;
                    false
                }
                ']' | ')' | '}' => {
                    self.next();
                    self.pop(letter, at)?;
                    true
                }
                '+' | '-' | '*' | '%' | '.' => {
                    self.next();
                    self.link(at)?;
                    false
                }
                '<' | '>' | '=' | '!' => {
                    self.next();
                    let twofold = self.rest.next_if_eq(&'=').is_some();
                    self.at += usize::from(twofold);
                    match letter {
                        '=' if !twofold => return problem(at, "a single `=` compares nothing; write `==`"),
                        '!' if !twofold => {}
                        _ => self.link(at)?,
                    }
                    false
                }
                '&' | '|' => {
                    self.next();
                    if self.next() != Some(letter) {
                        return problem(at, format!("`{letter}` is written twice"));
                    }
                    self.level().end_chain();
                    false
                }
                '?' => {
                    self.next();
                    self.level().end_chain();
                    self.level().conditions += 1;
                    self.check(at)?;
                    false
                }
                ':' => {
                    self.next();
                    self.level().end_chain();
                    false
                }
                ',' => {
                    self.next();
                    self.level().end_part();
                    false
                }
                other => return problem(at, format!("`{}` means nothing here", other.escape_debug())),
            };
        }
        match self.open.pop().and_then(|level| level.opened) {
            Some((bracket, at)) => problem(at, format!("`{bracket}` is never closed")),
            None => Ok(()),
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.at += usize::from(next.is_some());
        next
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(letter) = self.rest.next_if(|letter| fits(*letter)) {
            taken.push(letter);
            self.at += 1;
        }
        taken
    }

    /// A name, an operator that is a word, or what stands before a string. Says whether it ends an operand.
    fn word(&mut self) -> Result<bool, Problem> {
        let at = self.at;
        let word = self.take_while(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        let before_string = matches!(self.rest.peek(), Some('"' | '\''));
        match word.to_ascii_lowercase().as_str() {
            "r" | "br" if before_string => self.string(true)?,
            "b" if before_string => self.string(false)?,
            _ => {}
        }
        if word == "in" {
            self.link(at)?;
        }
        Ok(word != "in")
    }

    fn string(&mut self, raw: bool) -> Result<(), Problem> {
        let at = self.at;
        let quote = self.next();
        let mut last = None;
        loop {
            let here = self.at;
            match self.next() {
                None | Some('\n' | '\r') => return problem(at, "this string has no end in its line"),
                ending if ending == quote => break,
                Some('\\') if !raw => self.escape(here)?,
                other => last = other,
            }
        }
        // An empty string with a quote behind it would open one of several lines.
        if last.is_none() && self.at == at + 2 && self.rest.peek().copied() == quote {
            return problem(at, "strings of several lines are not supported");
        }
        Ok(())
    }

    fn escape(&mut self, at: usize) -> Result<(), Problem> {
        let digits = match self.next() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`') => 0,
            Some('x' | 'X') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some('0'..='3') => return self.digits(2, 8, at),
            _ => return problem(at, "this escape means nothing; a backslash is written twice"),
        };
        self.digits(digits, 16, at)
    }

    fn digits(&mut self, count: usize, radix: u32, at: usize) -> Result<(), Problem> {
        for _ in 0..count {
            if !self.next().is_some_and(|letter| letter.is_digit(radix)) {
                return problem(at, "this escape is cut short");
            }
        }
        Ok(())
    }

    fn level(&mut self) -> &mut Level {
        if self.open.is_empty() {
            self.open.push(Level::default());
        }
        let last = self.open.len() - 1;
        #[allow(clippy::indexing_slicing, reason = "it was just made sure that there is a last one")]
        &mut self.open[last]
    }

    fn link(&mut self, at: usize) -> Result<(), Problem> {
        self.level().chain += 1;
        self.check(at)
    }

    fn push(&mut self, bracket: char, at: usize) -> Result<(), Problem> {
        self.open.push(Level { opened: Some((bracket, at)), ..Level::default() });
        self.check(at)
    }

    fn pop(&mut self, bracket: char, at: usize) -> Result<(), Problem> {
        let mut closed = self.open.pop().unwrap_or_default();
        let opens = match bracket {
            ']' => '[',
            ')' => '(',
            _ => '{',
        };
        if closed.opened.map(|(opened, _)| opened) != Some(opens) {
            return problem(at, format!("`{bracket}` closes nothing"));
        }
        closed.end_part();
        let level = self.level();
        level.inside = level.inside.max(closed.deepest + 1);
        self.check(at)
    }

    /// Whatever is open goes as deep as the levels around it and all that is inside.
    fn check(&self, at: usize) -> Result<(), Problem> {
        let Some((last, around)) = self.open.split_last() else { return Ok(()) };
        let above: usize = around.iter().map(|level| level.chain + level.conditions + 1).sum();
        let here = last.conditions + last.chains.max(last.chain + last.inside);
        if above + here > LEVELS {
            return problem(
                at,
                format!("it is nested deeper than {LEVELS} levels; split it into several rules"),
            );
        }
        Ok(())
    }
}

impl Level {
    fn end_chain(&mut self) {
        self.chains = self.chains.max(self.chain + self.inside);
        (self.chain, self.inside) = (0, 0);
    }

    fn end_part(&mut self) {
        self.end_chain();
        self.deepest = self.deepest.max(self.chains + self.conditions);
        (self.chains, self.conditions) = (0, 0);
    }
}

fn problem<T>(at: usize, what: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { at, what: what.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(source: &str) -> String {
        check(source).map_or_else(|error| error.to_string(), |()| "accepted".to_owned())
    }

    #[test]
    fn what_people_write_is_accepted() {
        for source in [
            "'admins' in claims.groups",
            "claims.a == 'x' && (claims.b > 1.5e+3 || !has(claims.c)) // why",
            "claims['https://e.example/a-b-c/d.e.f.g.h'].exists(g, g.matches(r'^\\d+[a-z]{2}$'))",
            "size(actor) == 0 ? tool.read_only : claims.level >= 3",
            r#""\"\\\x41\u00e4\U0001f600\101" == '' + "" "#,
        ] {
            assert_eq!(refused(source), "accepted", "{source}");
        }
        let many = vec!["claims.a.b == 'x'"; 40].join(" && ");
        assert_eq!(refused(&many), "accepted");
    }

    #[test]
    fn depth_is_counted_in_brackets_chains_and_conditions() {
        let deep = [
            "1+".repeat(40) + "1",
            "(".repeat(40) + "1" + &")".repeat(40),
            "f(".repeat(20) + "1" + &"+1)".repeat(20),
            "a".to_owned() + &"[0]".repeat(40),
            "a".to_owned() + &".b()".repeat(40),
            "true?1:".repeat(40) + "1",
            "1<".repeat(40) + "1",
            "1 in ".repeat(40) + "[]",
            "- ".repeat(40) + "1",
            "[".repeat(17) + &"]+1".repeat(17),
        ];
        for source in deep {
            assert!(refused(&source).starts_with("it is nested deeper than 32 levels"), "{source}");
        }
        assert!(refused(&"a ".repeat(600)).starts_with("it is longer than 1024 bytes"));
    }

    #[test]
    fn what_the_parser_would_read_differently_is_refused() {
        for (source, problem) in [
            ("'a", "this string has no end in its line (line 1, column 1)"),
            ("'a\n'", "this string has no end in its line (line 1, column 1)"),
            ("'''a'''", "strings of several lines are not supported (line 1, column 1)"),
            (r"'\q'", "this escape means nothing; a backslash is written twice (line 1, column 2)"),
            (r"'\u00g0'", "this escape is cut short (line 1, column 2)"),
            ("a & b", "`&` is written twice (line 1, column 3)"),
            ("a = b", "a single `=` compares nothing; write `==` (line 1, column 3)"),
            ("a.`b`", "``` means nothing here (line 1, column 3)"),
            ("(a]", "`]` closes nothing (line 1, column 3)"),
            ("a)", "`)` closes nothing (line 1, column 2)"),
            ("(a", "`(` is never closed (line 1, column 1)"),
            ("a ü", "`ü` means nothing here (line 1, column 3)"),
        ] {
            assert_eq!(refused(source), problem, "{source}");
        }
    }
}
