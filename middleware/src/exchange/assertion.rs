//! What an identity assertion has to say before it is redeemed.
//!
//! Its signature is the redeeming server's to check. That it came from the identity provider is known by the connection;
//! what is checked here is that it is the one that was asked for, and good for nothing else.

use super::{kind::ID_JAG, work::Asserted};
use crate::{fetch::jwt::Jwt, token_endpoint::Granted};
use serde_json::Value;
use std::time::SystemTime;

const TYP: &str = "oauth-id-jag+jwt";

/// What is wrong with it, where something is.
pub(super) fn check(granted: &Granted, asserted: &Asserted, now: SystemTime) -> Result<(), &'static str> {
    if granted.issued_token_type.as_deref() != Some(ID_JAG) {
        return Err("it issued no identity assertion, or does not say that it did");
    }
    if !granted.token_type.eq_ignore_ascii_case("N_A") {
        return Err("an identity assertion that can be used as a token is none");
    }
    let Some(jwt) = Jwt::read(&granted.access_token) else {
        return Err("the identity assertion is no JWT");
    };
    let claim = |name: &str| jwt.claims.get(name);
    let text = |name: &str| claim(name).and_then(Value::as_str);
    if jwt.header.get("typ").and_then(Value::as_str) != Some(TYP) {
        return Err("the identity assertion has the `typ` of something else");
    }
    if text("iss") != Some(&asserted.issuer) {
        return Err("the identity assertion is of another issuer");
    }
    if !is_only(claim("aud"), &asserted.audience) {
        return Err("the identity assertion is for another authorization server, or for more than one");
    }
    if !is_only(claim("resource"), &asserted.resource) {
        return Err("the identity assertion is for another resource, or for more than one");
    }
    if text("client_id") != Some(asserted.endpoint.client_id()) {
        return Err("the identity assertion is for another client");
    }
    if text("sub").is_none_or(str::is_empty) {
        return Err("the identity assertion is about nobody");
    }
    if jwt.expires().is_none_or(|end| end <= now) {
        return Err("the identity assertion has ended, or never ends");
    }
    Ok(())
}

/// One value, by itself or as a list of one.
fn is_only(claim: Option<&Value>, value: &str) -> bool {
    match claim {
        Some(Value::String(text)) => text == value,
        Some(Value::Array(list)) => matches!(list.as_slice(), [Value::String(text)] if text == value),
        Some(_) | None => false,
    }
}
