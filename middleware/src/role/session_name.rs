use crate::expression::Facts;
use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;
use std::{borrow::Cow, fmt, str::FromStr};

/// How sessions are called, and so what CloudTrail shows: a text with places for claims in it.
///
/// A place is `{sub}`, `{claims.NAME}` or, for a claim inside a claim, `{claims.NAME.NAME}`. AWS allows
/// letters, digits and `_+=,.@-`, 2 to 64 of them. Where something else had to be replaced or cut away, the
/// name ends in `-` and sixteen characters that belong to this issuer and subject alone, so that distinct
/// people stay distinct; nobody can choose a claim such that they pass for somebody else.
///
/// ```
/// use countersign::{expression::Supposed, role::SessionName};
///
/// let template: SessionName = "{claims.email}".parse()?;
/// let name = |email: &str| {
///     let claims = serde_json::json!({"iss": "https://login.example.com", "sub": "7", "email": email});
///     let caller = Supposed::from_claims(claims.as_object().cloned().unwrap_or_default()).ok()?;
///     template.name(&caller.facts()).ok()
/// };
/// assert_eq!(name("alice+aws@example.com").as_deref(), Some("alice+aws@example.com"));
/// assert_eq!(name("auth0|alice").as_deref(), Some("auth0-alice-5ftc5ayi7rmue7lp"));
/// # Ok::<(), countersign::role::InvalidSessionName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionName {
    source: String,
    parts: Vec<Part>,
    strict: bool,
}

/// A text that is no template for session names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSessionName {
    problem: String,
}

/// Why a caller has no session name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NamelessSession {
    /// The place in the template asks for a claim that this caller has not, or that is no text, number or truth.
    NoClaim(String),
    /// The name would have to be changed to be valid, and the template is [strict](SessionName::strict).
    WouldChange,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Subject,
    Claim(Vec<String>),
}

const LONGEST: usize = 64;
/// Eighty bits, five to a character.
const SUFFIX: usize = 16;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

impl SessionName {
    /// Refuses a caller whose name would have to be changed, instead of changing it.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// What a session for this caller is called.
    ///
    /// # Errors
    ///
    /// When the caller lacks a claim that the template asks for, or the template is strict and the name not
    /// valid as it is.
    pub fn name(&self, facts: &Facts<'_>) -> Result<String, NamelessSession> {
        let wanted = self.fill(facts)?;
        let fits = (2..=LONGEST).contains(&wanted.len()) && wanted.chars().all(is_allowed);
        if fits && !looks_suffixed(&wanted) {
            return Ok(wanted);
        }
        if self.strict {
            return Err(NamelessSession::WouldChange);
        }
        let reduced = wanted.chars().map(|letter| if is_allowed(letter) { letter } else { '-' });
        let kept: String = reduced.take(LONGEST - SUFFIX - 1).collect();
        Ok(format!("{kept}-{}", suffix(facts.issuer(), facts.subject())))
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether a place in it is for this claim.
    pub fn asks_for(&self, claim: &str) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Claim(path) => path.first().is_some_and(|first| first == claim),
            Part::Subject => claim == "sub",
            Part::Text(_) => false,
        })
    }

    fn fill(&self, facts: &Facts<'_>) -> Result<String, NamelessSession> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Subject => filled.push_str(facts.subject()),
                Part::Claim(path) => match claim(facts, path) {
                    Some(value) => filled.push_str(&value),
                    None => return Err(NamelessSession::NoClaim(path.join("."))),
                },
            }
        }
        Ok(filled)
    }
}

impl Default for SessionName {
    /// `{sub}`
    fn default() -> Self {
        Self { source: "{sub}".to_owned(), parts: vec![Part::Subject], strict: false }
    }
}

impl FromStr for SessionName {
    type Err = InvalidSessionName;

    fn from_str(source: &str) -> Result<Self, InvalidSessionName> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((text, behind)) = rest.split_once('{') {
            let Some((place, behind)) = behind.split_once('}') else {
                return Err(InvalidSessionName { problem: format!("{{{behind} is never closed") });
            };
            parts.extend(self::text(text)?);
            parts.push(place_of(place)?);
            rest = behind;
        }
        parts.extend(text(rest)?);
        if !parts.iter().any(|part| matches!(part, Part::Subject | Part::Claim(_))) {
            let problem = "it has no place such as {sub}, so everybody would be called the same".to_owned();
            return Err(InvalidSessionName { problem });
        }
        Ok(Self { source: source.to_owned(), parts, strict: false })
    }
}

impl fmt::Display for InvalidSessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for InvalidSessionName {}

impl fmt::Display for NamelessSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoClaim(claim) => {
                write!(f, "the session's name asks for claim {claim:?}, which the caller has not as a text")
            }
            Self::WouldChange => f.write_str("the session's name is strict and would have to be changed"),
        }
    }
}

impl std::error::Error for NamelessSession {}

fn text(text: &str) -> Result<Option<Part>, InvalidSessionName> {
    match text.chars().find(|letter| !is_allowed(*letter)) {
        Some('}') => Err(InvalidSessionName { problem: "a } closes nothing".to_owned() }),
        Some(letter) => {
            let problem =
                format!("{letter:?} is not allowed; write letters, digits and _+=,.@- around the places");
            Err(InvalidSessionName { problem })
        }
        None => Ok((!text.is_empty()).then(|| Part::Text(text.to_owned()))),
    }
}

fn place_of(place: &str) -> Result<Part, InvalidSessionName> {
    if place == "sub" {
        return Ok(Part::Subject);
    }
    match place.strip_prefix("claims.").map(|path| path.split('.').map(str::to_owned).collect::<Vec<_>>()) {
        Some(path) if path.iter().all(|name| !name.is_empty()) => Ok(Part::Claim(path)),
        _ => Err(InvalidSessionName {
            problem: format!("{{{place}}} is no place; write {{sub}} or {{claims.NAME}}"),
        }),
    }
}

fn claim<'a>(facts: &Facts<'a>, path: &[String]) -> Option<Cow<'a, str>> {
    let (first, inside) = path.split_first()?;
    let value = inside.iter().try_fold(facts.claims().get(first)?, |value, name| value.get(name))?;
    match value {
        Value::String(text) => Some(text.as_str()).filter(|text| !text.is_empty()).map(Cow::Borrowed),
        Value::Bool(_) | Value::Number(_) => Some(Cow::Owned(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_allowed(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter)
}

fn looks_suffixed(name: &str) -> bool {
    name.rsplit_once('-')
        .is_some_and(|(_, last)| last.len() == SUFFIX && last.bytes().all(|byte| ALPHABET.contains(&byte)))
}

/// The lengths keep ("ab", "c") and ("a", "bc") apart.
fn suffix(issuer: &str, subject: &str) -> String {
    let mut context = Context::new(&SHA256);
    for text in ["countersign session name", issuer, subject] {
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text.as_bytes());
    }
    let digest = context.finish();
    let bits = digest.as_ref().iter().take(10).fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    (0..SUFFIX)
        .rev()
        .filter_map(|place| usize::try_from((bits >> (place * 5)) & 31).ok())
        .filter_map(|index| ALPHABET.get(index).copied())
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Supposed;
    use serde_json::json;

    fn named(template: &str, claims: &Value) -> Result<String, NamelessSession> {
        let mut all = json!({"iss": "https://i", "sub": "alice"});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let caller = Supposed::from_claims(all.as_object().unwrap().clone()).unwrap();
        template.parse::<SessionName>().unwrap().name(&caller.facts())
    }

    #[test]
    fn places_are_filled_with_claims() {
        for (template, claims, name) in [
            ("{sub}", json!({}), "alice"),
            ("mcp-{sub}@{claims.team}", json!({"team": "data"}), "mcp-alice@data"),
            (
                "{claims.address.country}{claims.n}{claims.b}",
                json!({"address": {"country": "DE"}, "n": 7, "b": true}),
                "DE7true",
            ),
        ] {
            assert_eq!(named(template, &claims).as_deref(), Ok(name));
        }
        for claims in [json!({}), json!({"team": null}), json!({"team": ["data"]}), json!({"team": ""})] {
            assert_eq!(named("{claims.team}", &claims), Err(NamelessSession::NoClaim("team".to_owned())));
        }
    }

    #[test]
    fn a_changed_name_has_a_suffix_of_its_owners() {
        let of = |sub: &str| named("{sub}", &json!({"sub": sub})).unwrap();
        assert!(of("auth0|x").starts_with("auth0-x-"));
        assert_ne!(of("auth0|x"), of("auth0/x"));
        assert_eq!(of("auth0-x"), "auth0-x");
        assert_eq!(of(&"x".repeat(64)), "x".repeat(64));
        assert_eq!(of(&"x".repeat(65)).len(), 64);
        assert!(of("x").starts_with("x-") && of("x").len() == 18);
        // Whoever takes a name that somebody else's would be changed to gets another one.
        let taken = of("auth0|x");
        assert_ne!(of(&taken), taken);
        let elsewhere = named("{sub}", &json!({"iss": "https://other", "sub": "auth0|x"})).unwrap();
        assert_ne!(elsewhere, taken);
    }

    #[test]
    fn strict_changes_nothing() {
        let template = SessionName::default().strict();
        let of = |sub: &str| {
            let claims = json!({"iss": "i", "sub": sub});
            let caller = Supposed::from_claims(claims.as_object().unwrap().clone()).unwrap();
            template.name(&caller.facts())
        };
        assert_eq!(of("alice").as_deref(), Ok("alice"));
        for sub in ["auth0|x", "x", &"x".repeat(65), "x-aaaaaaaaaaaaaaaa"] {
            assert_eq!(of(sub), Err(NamelessSession::WouldChange));
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (template, problem) in [
            ("", "so everybody would be called the same"),
            ("alice", "so everybody would be called the same"),
            ("{sub", "{sub is never closed"),
            ("sub}", "a } closes nothing"),
            ("{sub}|", "'|' is not allowed"),
            ("{email}", "{email} is no place; write {sub} or {claims.NAME}"),
            ("{claims.}", "{claims.} is no place"),
            ("{claims.a..b}", "is no place"),
            ("{}", "{} is no place"),
        ] {
            let error = template.parse::<SessionName>().unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
