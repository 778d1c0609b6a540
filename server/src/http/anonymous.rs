//! Where callers are not told apart: everybody is the same nobody.

use axum::{
    extract::Request,
    http::{Extensions, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use countersign::identity::TrustedIdentity;

/// Who vouches for nobody. No token names it: it is no address.
const ISSUER: &str = "urn:countersign:anonymous";

/// Whoever calls.
pub(super) fn nobody(_: &Extensions) -> Option<TrustedIdentity> {
    Some(TrustedIdentity::new(ISSUER, "anonymous"))
}

/// Whoever sends credentials believes that they count. Nobody would look at them, which is told instead.
pub(super) async fn refuse_credentials(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::AUTHORIZATION) {
        let what = "callers are anonymous here and nobody looks at credentials; send the request without \
                    `authorization`, or have the operator name issuers in `identity`\n";
        return (StatusCode::BAD_REQUEST, what).into_response();
    }
    next.run(request).await
}
