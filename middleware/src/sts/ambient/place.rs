//! Which source of credentials is set up.

/// A source of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Environment,
    /// A profile that somebody named.
    Profile,
    /// The profile `default`, which may be there or not.
    DefaultProfile,
    WebIdentity,
    Container,
    Instance,
}

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) place: Place,
    /// Whether a profile called `default` comes first, if there is one: nobody named it.
    pub(super) after_default_profile: bool,
}

/// Decides by the environment. A source that is set up in part is an error: passing it over would have the service call
/// AWS as somebody else.
pub(super) fn choose(variable: impl Fn(&str) -> Option<String>) -> Result<Choice, &'static str> {
    let at_once = |place| Ok(Choice { place, after_default_profile: false });
    let is_set = |name: &str| variable(name).is_some();
    let secret = is_set("AWS_SECRET_ACCESS_KEY") || is_set("SECRET_ACCESS_KEY");
    match (is_set("AWS_ACCESS_KEY_ID"), secret, is_set("AWS_SESSION_TOKEN")) {
        (true, true, _) => return at_once(Place::Environment),
        (false, false, false) => {}
        (true, false, _) => {
            return Err("AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not; set both or neither");
        }
        (false, true, _) => {
            return Err("AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not; set both or neither");
        }
        (false, false, true) => return Err("AWS_SESSION_TOKEN is set without the key that it belongs to"),
    }
    if is_set("AWS_PROFILE") {
        return at_once(Place::Profile);
    }
    let place = match (is_set("AWS_WEB_IDENTITY_TOKEN_FILE"), is_set("AWS_ROLE_ARN")) {
        (true, true) => Place::WebIdentity,
        (true, false) => {
            return Err("AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not; set both or neither");
        }
        (false, true) => {
            return Err("AWS_ROLE_ARN is set, AWS_WEB_IDENTITY_TOKEN_FILE is not; set both or neither");
        }
        (false, false) => {
            let token = is_set("AWS_CONTAINER_AUTHORIZATION_TOKEN")
                || is_set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
            let address = is_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
                || is_set("AWS_CONTAINER_CREDENTIALS_FULL_URI");
            match (address, token) {
                (true, _) => Place::Container,
                (false, true) => {
                    return Err("AWS_CONTAINER_AUTHORIZATION_TOKEN or its FILE is set, \
                                AWS_CONTAINER_CREDENTIALS_FULL_URI is not; set both or neither");
                }
                (false, false) => Place::Instance,
            }
        }
    };
    Ok(Choice { place, after_default_profile: true })
}

impl Place {
    /// For the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment variables",
            Self::Profile => "the profile that was named",
            Self::DefaultProfile => "the profile `default`",
            Self::WebIdentity => "the service account's token (AWS_WEB_IDENTITY_TOKEN_FILE)",
            Self::Container => "the container's address for credentials (AWS_CONTAINER_CREDENTIALS_…_URI)",
            Self::Instance => "EC2's metadata service",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose_among(set: &[&str]) -> Result<Choice, &'static str> {
        choose(|name| set.contains(&name).then(|| "x".to_owned()))
    }

    fn choice(place: Place, after_default_profile: bool) -> Result<Choice, &'static str> {
        Ok(Choice { place, after_default_profile })
    }

    #[test]
    fn the_first_source_that_is_set_up_is_taken() {
        let (id, secret, token) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN");
        let (role, file) = ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE");
        assert_eq!(choose_among(&[id, secret, "AWS_PROFILE", role, file]), choice(Place::Environment, false));
        assert_eq!(choose_among(&[id, secret, token]), choice(Place::Environment, false));
        assert_eq!(choose_among(&["AWS_PROFILE", role, file]), choice(Place::Profile, false));
        assert_eq!(
            choose_among(&[role, file, "AWS_CONTAINER_CREDENTIALS_FULL_URI"]),
            choice(Place::WebIdentity, true)
        );
        assert_eq!(choose_among(&["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]), choice(Place::Container, true));
        assert_eq!(choose_among(&[]), choice(Place::Instance, true));
    }

    #[test]
    fn a_source_that_is_set_up_in_part_is_an_error() {
        for part in [
            &["AWS_ACCESS_KEY_ID"][..],
            &["AWS_SECRET_ACCESS_KEY"],
            &["SECRET_ACCESS_KEY"],
            &["AWS_SESSION_TOKEN"],
            &["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_PROFILE"],
            &["AWS_ROLE_ARN"],
            &["AWS_WEB_IDENTITY_TOKEN_FILE"],
            &["AWS_CONTAINER_AUTHORIZATION_TOKEN"],
            &["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
        ] {
            assert!(choose_among(part).is_err(), "{part:?}");
        }
    }
}
