//! What STS's refusals mean here.

use crate::{error::Kind, sts::refusal::Refusal};
use aws_sdk_sts::{
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use std::{error::Error, fmt, time::Duration};

/// Longer messages are cut: they are for a line in a log.
const LONGEST_MESSAGE: usize = 400;

/// One refusal, for the operator.
#[derive(Debug)]
struct Answer {
    code: String,
    message: String,
    request_id: Option<String>,
    advice: &'static str,
}

/// A refusal by STS, or by what is on the way to it. `secret` is what must not be repeated. `ours` says whether the
/// call was signed with credentials of the service itself.
pub(super) fn refusal<E>(error: &SdkError<E, HttpResponse>, secret: &str, ours: bool) -> Refusal
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let SdkError::ServiceError(service) = error else {
        // What cannot even be said to STS is not STS's fault.
        let unsaid = matches!(error, SdkError::ConstructionFailure(_));
        let kind = if unsaid { Kind::InvalidStsRequest } else { Kind::StsUnavailable };
        return Refusal::new(kind, DisplayErrorContext(error).to_string());
    };
    let status = service.raw().status().as_u16();
    let code = service.err().code().unwrap_or_default();
    let kind = kind(code, status, ours);
    let answer = Answer {
        code: if code.is_empty() { format!("status {status}") } else { code.to_owned() },
        message: quotable(service.err().message().unwrap_or_default(), secret),
        request_id: error.request_id().map(str::to_owned),
        advice: advice(kind),
    };
    let refusal = Refusal::new(kind, answer);
    let wait = service.raw().headers().get("retry-after").and_then(|seconds| seconds.parse().ok());
    match wait.filter(|_| kind.is_retryable()) {
        Some(seconds) => refusal.with_retry_after(Duration::from_secs(seconds)),
        None => refusal,
    }
}

fn kind(code: &str, status: u16, ours: bool) -> Kind {
    match code {
        "AccessDenied" | "AccessDeniedException" => Kind::RoleRefused,
        "ExpiredTokenException" | "ExpiredToken" if !ours => Kind::ExpiredToken,
        "InvalidIdentityToken" | "InvalidIdentityTokenException" => Kind::IdentityTokenRejected,
        "IDPRejectedClaim" | "IDPRejectedClaimException" => Kind::ClaimRejected,
        "IDPCommunicationError" | "IDPCommunicationErrorException" => Kind::StsCannotReachIssuer,
        "MalformedPolicyDocument" | "MalformedPolicyDocumentException" => Kind::MalformedPolicy,
        "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => Kind::PolicyTooLarge,
        "RegionDisabledException" => Kind::RegionDisabled,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "MissingAuthenticationToken"
        | "IncompleteSignature"
        | "SignatureDoesNotMatch"
        | "OptInRequired" => Kind::NoServiceCredentials,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "SlowDown" => Kind::StsThrottled,
        _ if status == 429 => Kind::StsThrottled,
        _ if status >= 500 => Kind::StsUnavailable,
        // Not an error of the API's own: something on the way answered.
        "" => Kind::StsUnavailable,
        _ => Kind::InvalidStsRequest,
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "STS leads to no other kind")]
fn advice(kind: Kind) -> &'static str {
    match kind {
        Kind::RoleRefused => {
            "compare the role's trust policy with what was sent: audience, subject, external id, and whether \
             sts:TagSession and sts:SetSourceIdentity are allowed"
        }
        Kind::ExpiredToken => "the caller has to sign in again",
        Kind::IdentityTokenRejected => {
            "create the issuer's OIDC provider in the role's account, with the token's audience (its azp, where it \
             has one) among the client ids, and make sure that AWS can fetch the issuer's keys"
        }
        Kind::ClaimRejected => "look at the issuer, which told STS not to accept the token",
        Kind::StsCannotReachIssuer => "make the issuer's discovery document and keys reachable for AWS",
        Kind::MalformedPolicy => "correct the session policy",
        Kind::PolicyTooLarge => "shorten the session policy or send fewer tags",
        Kind::RegionDisabled => "activate STS in that region in the role's account, or name another region",
        Kind::NoServiceCredentials => "look at this service's own AWS credentials, and at its clock",
        Kind::StsThrottled => "make sessions longer, or have the quota raised",
        Kind::StsUnavailable => "check the way to STS",
        _ => {
            "compare duration with the role's maximum, and session name, tags and source identity with what STS \
             takes"
        }
    }
}

/// The message without line breaks, and without the token, should STS ever repeat it.
fn quotable(message: &str, secret: &str) -> String {
    let parts = secret.split('.').filter(|part| part.len() > 8);
    let message = parts.fold(message.to_owned(), |message, part| message.replace(part, "…"));
    message
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(LONGEST_MESSAGE)
        .collect()
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, message, request_id, advice } = self;
        write!(f, "{code}")?;
        if !message.is_empty() {
            write!(f, " ({message})")?;
        }
        if let Some(id) = request_id {
            write!(f, ", request {id}")?;
        }
        write!(f, "; {advice}")
    }
}

impl Error for Answer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_token_expired_depends_on_who_was_asking() {
        assert_eq!(kind("ExpiredTokenException", 400, false), Kind::ExpiredToken);
        assert_eq!(kind("ExpiredToken", 403, true), Kind::NoServiceCredentials);
        assert_eq!(kind("ExpiredTokenException", 403, true), Kind::NoServiceCredentials);
    }

    #[test]
    fn what_nobody_has_heard_of_is_judged_by_its_status() {
        assert_eq!(kind("", 502, false), Kind::StsUnavailable);
        assert_eq!(kind("", 404, false), Kind::StsUnavailable);
        assert_eq!(kind("Whatever", 500, false), Kind::StsUnavailable);
        assert_eq!(kind("Whatever", 429, false), Kind::StsThrottled);
        assert_eq!(kind("Whatever", 400, false), Kind::InvalidStsRequest);
    }

    #[test]
    fn no_message_repeats_the_token() {
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
        let message = format!("Value '{token}' at 'webIdentityToken'\nis wrong {}", "x".repeat(1000));
        let quoted = quotable(&message, token);
        assert!(!quoted.contains("eyJ") && !quoted.contains("c2lnbmF0dXJl") && !quoted.contains('\n'));
        assert_eq!(quoted.chars().count(), LONGEST_MESSAGE);
    }
}
