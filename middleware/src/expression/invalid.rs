use std::fmt;

/// Why a text is no expression, and where in it the trouble is.
///
/// ```
/// use countersign::expression::Expression;
///
/// let error = Expression::compile("'admins' in claim.groups").unwrap_err();
/// assert_eq!(error.to_string(), "nothing is called `claim` here (line 1, column 13)");
/// assert_eq!(error.marked(), "'admins' in claim.groups\n            ^");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidExpression {
    problem: String,
    line: usize,
    column: usize,
    text: String,
}

impl InvalidExpression {
    /// `at` counts characters of `source`.
    pub(super) fn new(source: &str, at: usize, problem: impl Into<String>) -> Self {
        let before: String = source.chars().take(at).collect();
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let text = source.split('\n').nth(line).unwrap_or_default().to_owned();
        Self { problem: problem.into(), line: line + 1, column: column + 1, text }
    }

    /// What is wrong, without where.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// In which line of the expression, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// At which character of that line, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The line, and below it a mark where the trouble is.
    pub fn marked(&self) -> String {
        let indent: String = self
            .text
            .chars()
            .take(self.column - 1)
            .map(|letter| if letter == '\t' { '\t' } else { ' ' })
            .collect();
        format!("{}\n{indent}^", self.text)
    }
}

impl fmt::Display for InvalidExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { problem, line, column, .. } = self;
        write!(f, "{problem} (line {line}, column {column})")
    }
}

impl std::error::Error for InvalidExpression {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_below_the_trouble() {
        let error = InvalidExpression::new("'ü' == claims.a &&\n\tclaims.b", 20, "it is wrong");
        assert_eq!(error.to_string(), "it is wrong (line 2, column 2)");
        assert_eq!(error.marked(), "\tclaims.b\n\t^");
        let past_the_end = InvalidExpression::new("a", 9, "it ends");
        assert_eq!(past_the_end.marked(), "a\n ^");
    }
}
