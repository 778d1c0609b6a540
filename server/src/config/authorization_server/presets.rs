//! What is known of well-known providers, from what they publish about themselves.

use super::super::{
    diagnostic::Findings,
    raw::{self, DescribedPreset, Preset},
};
use serde_saphyr::{Location, Spanned};

/// What is known of a provider whose addresses are told.
pub(super) struct Known {
    pub(super) authorize: &'static str,
    pub(super) token: &'static str,
    pub(super) userinfo: &'static str,
    pub(super) subject: &'static str,
    pub(super) usual: Usual,
}

/// What is known of a provider that describes itself.
pub(super) struct Described {
    pub(super) issuer: String,
    /// Where that was written, or what it follows from.
    pub(super) place: Location,
    pub(super) usual: Usual,
}

/// What a provider is asked for where the configuration says nothing else.
#[derive(Clone, Copy, Default)]
pub(super) struct Usual {
    pub(super) scopes: &'static [&'static str],
    pub(super) parameters: &'static [(&'static str, &'static str)],
    /// Whether it is shown a client's secret in the form.
    pub(super) secret_in_form: bool,
}

/// A provider of the first kind; `None` for one that describes itself.
pub(super) fn known(preset: &Spanned<Preset>, findings: &mut Findings) -> Option<Known> {
    match preset.value {
        Preset::Atlassian => Some(Known {
            authorize: "https://auth.atlassian.com/authorize",
            token: "https://auth.atlassian.com/oauth/token",
            userinfo: "https://api.atlassian.com/me",
            subject: "account_id",
            usual: Usual {
                scopes: &["read:me", "offline_access"],
                parameters: &[("audience", "api.atlassian.com"), ("prompt", "consent")],
                secret_in_form: true,
            },
        }),
        Preset::Github => Some(Known {
            authorize: "https://github.com/login/oauth/authorize",
            token: "https://github.com/login/oauth/access_token",
            userinfo: "https://api.github.com/user",
            subject: "id",
            usual: Usual { scopes: &["read:user"], parameters: &[], secret_in_form: true },
        }),
        Preset::Google => Some(Known {
            authorize: "https://accounts.google.com/o/oauth2/v2/auth",
            token: "https://oauth2.googleapis.com/token",
            userinfo: "https://openidconnect.googleapis.com/v1/userinfo",
            subject: "sub",
            usual: GOOGLE,
        }),
        Preset::Entra | Preset::Okta => {
            let what = "this provider describes itself, and says who somebody is in an ID token";
            findings.error(preset.referenced, what, "write `oidc:` in place of `oauth2:`");
            None
        }
    }
}

/// A provider of the second kind: the one that is named, or the one at an issuer.
pub(super) fn described(raw: &raw::Oidc, findings: &mut Findings) -> Option<Described> {
    let here = raw.endpoint().client_id.referenced;
    match (&raw.issuer, &raw.preset) {
        (Some(_), Some(preset)) => {
            let what = "`issuer` is named beside a preset, which has its own";
            findings.error(preset.referenced, what, "keep one of the two");
            None
        }
        (None, None) => {
            let what = "nothing says which provider this is (V-05)";
            findings.error(here, what, "add `issuer: https://…` beside it, or a `preset`");
            None
        }
        (Some(issuer), None) => {
            let unneeded = [(&raw.tenant, "tenant", "entra"), (&raw.domain, "domain", "okta")];
            fits_alone(unneeded, findings)?;
            let issuer = issuer.clone();
            Some(Described { issuer: issuer.value, place: issuer.referenced, usual: Usual::default() })
        }
        (None, Some(preset)) => of_preset(preset, raw, findings),
    }
}

const GOOGLE: Usual = Usual {
    scopes: &["openid", "email", "profile"],
    // There is a refresh token where the person is asked, and no scope for it.
    parameters: &[("access_type", "offline"), ("prompt", "consent")],
    secret_in_form: true,
};

const RENEWABLE: &[&str] = &["openid", "email", "profile", "offline_access"];

fn of_preset(
    preset: &Spanned<DescribedPreset>,
    raw: &raw::Oidc,
    findings: &mut Findings,
) -> Option<Described> {
    let place = preset.referenced;
    let (tenant, domain) = ((&raw.tenant, "tenant", "entra"), (&raw.domain, "domain", "okta"));
    match preset.value {
        DescribedPreset::Google => {
            fits_alone([tenant, domain], findings)?;
            Some(Described { issuer: "https://accounts.google.com".to_owned(), place, usual: GOOGLE })
        }
        DescribedPreset::Entra => {
            fits_alone([domain], findings)?;
            let Some(tenant) = &raw.tenant else {
                let remedy = "add `tenant:`, the directory's id as its overview shows it: eight, four, four, four and \
                              twelve hexadecimal digits";
                findings.error(place, "nothing says which directory of Entra this is (V-05)", remedy);
                return None;
            };
            let id = directory(tenant, findings)?;
            let usual = Usual { scopes: RENEWABLE, parameters: &[], secret_in_form: true };
            let issuer = format!("https://login.microsoftonline.com/{id}/v2.0");
            Some(Described { issuer, place: tenant.referenced, usual })
        }
        DescribedPreset::Okta => {
            fits_alone([tenant], findings)?;
            let Some(domain) = &raw.domain else {
                let remedy = "add `domain:`, as in acme.okta.com";
                findings.error(place, "nothing says which organization at Okta this is (V-05)", remedy);
                return None;
            };
            let host = organization(domain, findings)?;
            let usual = Usual { scopes: RENEWABLE, parameters: &[], secret_in_form: false };
            Some(Described { issuer: format!("https://{host}"), place: domain.referenced, usual })
        }
    }
}

/// `None` where something is said that is about another preset.
fn fits_alone<const N: usize>(
    unneeded: [(&Option<Spanned<String>>, &str, &str); N],
    findings: &mut Findings,
) -> Option<()> {
    let mut sound = true;
    for (written, key, preset) in unneeded {
        if let Some(written) = written {
            let what = format!("`{key}` is about the preset `{preset}`");
            findings.error(written.referenced, what, format!("remove it, or write `preset: {preset}`"));
            sound = false;
        }
    }
    sound.then_some(())
}

/// The id of a directory. Its tokens name that and no other name that it has, and those of several directories have
/// several issuers.
fn directory(tenant: &Spanned<String>, findings: &mut Findings) -> Option<String> {
    let Spanned { value, referenced, .. } = tenant;
    let lengths = value.split('-').map(str::len);
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if lengths.eq([8, 4, 4, 4, 12]) && value.split('-').all(digits) {
        return Some(value.to_ascii_lowercase());
    }
    let what = match value.as_str() {
        "common" | "organizations" | "consumers" => {
            format!("`{value}` stands for many directories, each an issuer of its own")
        }
        _ => format!("`{value}` is no id of a directory, which is what its tokens name"),
    };
    let remedy = "write the directory's id, as in 72f988bf-86f1-41af-91ab-2d7cd011db47";
    findings.error(*referenced, what, remedy);
    None
}

/// The host of an organization's own authorization server.
fn organization(domain: &Spanned<String>, findings: &mut Findings) -> Option<String> {
    let Spanned { value, referenced, .. } = domain;
    let host = value.to_ascii_lowercase();
    let fits = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !host.contains('.') || !host.split('.').all(fits) {
        let what = format!("`{value}` is no host");
        findings.error(*referenced, what, "write the host alone, as in acme.okta.com");
        return None;
    }
    if let Some((label, rest)) = host.split_once('.')
        && let Some(organization) = label.strip_suffix("-admin")
        && rest.starts_with("okta")
    {
        let what = format!("`{value}` is where administrators work, and no issuer");
        findings.error(*referenced, what, format!("write `{organization}.{rest}`"));
        return None;
    }
    Some(host)
}

#[cfg(test)]
mod tests {
    use crate::config::{
        authorization_server::{OAuth2, Oidc, Provider},
        parse,
    };

    fn provider(about: &str) -> Result<Provider, String> {
        let text = format!(
            "public_url: https://mcp.example.com\n\
             store: {{memory: true}}\n\
             backends: {{it: {{url: 'https://backend.example/mcp', auth: none}}}}\n\
             authorization_server: {{upstreams: [{{name: corp, {about}}}]}}\n"
        );
        match parse("gateway.yaml", &text) {
            Ok((gateway, _)) => Ok(gateway.authorization_server.unwrap().upstreams.remove(0).provider),
            Err(problems) => Err(problems.iter().map(|problem| format!("{problem}\n")).collect()),
        }
    }

    fn oidc(about: &str) -> Oidc {
        match provider(&format!("oidc: {{{about}, client_id: a, client_authentication: none}}")) {
            Ok(Provider::Oidc(oidc)) => *oidc,
            other => panic!("{about}: {other:?}"),
        }
    }

    fn oauth2(preset: &str) -> OAuth2 {
        let about = format!("oauth2: {{preset: {preset}, client_id: a, client_authentication: none}}");
        match provider(&about) {
            Ok(Provider::OAuth2(oauth2)) => *oauth2,
            other => panic!("{preset}: {other:?}"),
        }
    }

    #[test]
    fn an_issuer_follows_from_a_directory_or_an_organization() {
        for (about, issuer) in [
            ("preset: google", "https://accounts.google.com"),
            (
                "preset: entra, tenant: 72F988BF-86f1-41af-91ab-2d7cd011db47",
                "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
            ),
            ("preset: okta, domain: acme.okta.com", "https://acme.okta.com"),
            ("preset: okta, domain: login.acme.example", "https://login.acme.example"),
            ("issuer: 'https://login.example.com/a'", "https://login.example.com/a"),
        ] {
            let oidc = oidc(about);
            assert_eq!(oidc.issuer, issuer);
            assert!(oidc.asked.scopes.contains(&"openid".to_owned()), "{about}");
        }
    }

    #[test]
    fn each_is_asked_so_that_its_tokens_can_be_renewed() {
        let renewable = |scopes: &[String], parameters: &[(String, String)]| {
            let offline = ("access_type".to_owned(), "offline".to_owned());
            scopes.iter().any(|scope| scope == "offline_access") || parameters.contains(&offline)
        };
        let entra = "preset: entra, tenant: 72f988bf-86f1-41af-91ab-2d7cd011db47";
        for about in ["preset: google", entra, "preset: okta, domain: acme.okta.com"] {
            let asked = oidc(about).asked;
            assert!(renewable(&asked.scopes, &asked.parameters), "{about}: {asked:?}");
        }
        for preset in ["google", "atlassian"] {
            let asked = oauth2(preset).asked;
            assert!(renewable(&asked.scopes, &asked.parameters), "{preset}: {asked:?}");
        }
        // Whether GitHub's expire is a setting of the application there.
        assert_eq!(oauth2("github").asked.scopes, ["read:user"]);
        let fewer = oidc(&format!("{entra}, scopes: [email]")).asked;
        assert_eq!(fewer.scopes, ["openid", "email"], "what is written counts");
    }

    #[test]
    fn who_somebody_is_follows_from_what_each_calls_them() {
        for (preset, userinfo, subject) in [
            ("github", "https://api.github.com/user", "id"),
            ("google", "https://openidconnect.googleapis.com/v1/userinfo", "sub"),
            ("atlassian", "https://api.atlassian.com/me", "account_id"),
        ] {
            let identified = oauth2(preset).identified.unwrap();
            assert_eq!((identified.userinfo.as_str(), identified.subject.as_str()), (userinfo, subject));
        }
    }

    #[test]
    fn what_a_preset_needs_and_has_not_is_told() {
        for (about, said) in [
            ("oidc: {preset: entra", "nothing says which directory"),
            ("oidc: {preset: okta", "nothing says which organization"),
            ("oidc: {preset: entra, tenant: common", "stands for many directories"),
            ("oidc: {preset: entra, tenant: acme.example", "no id of a directory"),
            ("oidc: {preset: entra, tenant: 72f988bf-86f1-41af-91ab-2d7cd011db4x", "no id of a directory"),
            ("oidc: {preset: okta, domain: 'https://acme.okta.com'", "write the host alone"),
            ("oidc: {preset: okta, domain: acme", "write the host alone"),
            ("oidc: {preset: okta, domain: acme-admin.okta.com", "write `acme.okta.com`"),
            ("oidc: {preset: okta, domain: acme.okta.com, tenant: a", "about the preset `entra`"),
            ("oidc: {preset: google, domain: acme.okta.com", "about the preset `okta`"),
            ("oidc: {preset: google, issuer: 'https://accounts.google.com'", "keep one of the two"),
            ("oidc: {issuer: 'https://login.example.com', tenant: a", "about the preset `entra`"),
            ("oidc: {scopes: [email]", "nothing says which provider this is (V-05)"),
            ("oidc: {preset: gogle", "did you mean `google`?"),
            ("oauth2: {preset: entra", "write `oidc:` in place of `oauth2:`"),
            ("oauth2: {preset: okta", "write `oidc:` in place of `oauth2:`"),
        ] {
            let told =
                provider(&format!("{about}, client_id: a, client_authentication: none}}")).unwrap_err();
            assert!(told.contains(said) && told.contains("gateway.yaml:4:"), "{about}: {told}");
        }
    }
}
