//! What STS is told about a caller's session.

use super::{diagnostic::Findings, providers::Known, raw::Named};
use countersign::{
    expression::TextExpression,
    sts::{Session, SessionBuilder, SessionTag},
    tokens::Need,
};
use serde_saphyr::{Location, Spanned};
use std::time::Duration;

/// The settings, as they are written.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) duration: Option<Spanned<u32>>,
    pub(super) external_id: Option<Spanned<String>>,
    pub(super) source_identity: Option<Spanned<String>>,
    pub(super) tags: Option<Spanned<Named<Spanned<String>>>>,
    /// Whether a token is exchanged, which says such things itself.
    pub(super) by_token: bool,
}

impl Terms {
    /// Where nobody has a session, none of this is about anything.
    pub(super) fn refuse_all(&self, findings: &mut Findings) {
        let places = self.said().into_iter().chain(self.duration.as_ref().map(|it| it.referenced));
        for place in places {
            let what = "callers have no sessions here, as this server signs for all of them";
            findings.error(place, what, "remove it, or choose other `credentials`");
        }
    }

    /// Where something is said that only an assumed role can be given.
    fn said(&self) -> Vec<Location> {
        let id = self.external_id.as_ref().map(|it| it.referenced);
        let source = self.source_identity.as_ref().map(|it| it.referenced);
        let tags = self.tags.as_ref().map(|it| it.referenced);
        [id, source, tags].into_iter().flatten().collect()
    }
}

pub(super) fn resolve_session(
    mut session: SessionBuilder,
    terms: Terms,
    place: Location,
    known: &Known,
    needs: &mut Vec<Need>,
    findings: &mut Findings,
) -> Option<Session> {
    if terms.by_token {
        for place in terms.said() {
            let what = "STS takes this from the token itself, where a token is exchanged";
            findings.error(place, what, "have the issuer put it there, or write `credentials: brokered`");
        }
        if !terms.said().is_empty() {
            return None;
        }
    }
    let place = terms.duration.as_ref().map_or(place, |seconds| seconds.referenced);
    if let Some(seconds) = terms.duration {
        session = session.with_duration(Duration::from_secs(seconds.value.into()));
    }
    if let Some(id) = terms.external_id {
        session = session.with_external_id(id.value);
    }
    if let Some(source) = terms.source_identity {
        session = session.with_source_identity(resolve_value(&source, known, needs, findings)?);
    }
    if let Some(Spanned { value: Named(tags), .. }) = terms.tags {
        for (key, value) in tags {
            session =
                session.with_tag(SessionTag::new(key.value, resolve_value(&value, known, needs, findings)?));
        }
    }
    let built = session.build();
    let remedy = "3600 is what most roles allow; tags and the like are bounded by STS";
    built.map_err(|error| findings.error(place, error.to_string(), remedy)).ok()
}

fn resolve_value(
    expression: &Spanned<String>,
    known: &Known,
    needs: &mut Vec<Need>,
    findings: &mut Findings,
) -> Option<TextExpression> {
    let compiled = TextExpression::compile(&expression.value);
    let remedy = "write an expression that gives text, such as claims.team; a fixed text stands in 'quotes' of its own";
    let place = expression.referenced;
    let compiled = compiled.map_err(|error| findings.error(place, error.to_string(), remedy)).ok()?;
    known.looked_at(compiled.references(), place, needs, findings)?;
    Some(compiled)
}
