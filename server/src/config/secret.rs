//! Secrets, which a configuration names and never holds.

use super::diagnostic::Findings;
use secrecy::SecretString;
use serde_saphyr::{Location, Spanned};
use std::{env, fs, io::Read, path::Path};
use zeroize::Zeroize;

/// A file with more than this in it is no secret.
const MOST: u64 = 64 * 1024;

const REMEDY: &str = "write env:NAME or file:PATH, and keep the secret there";

/// What `reference` stands for: `env:NAME` a variable of the environment, `file:PATH` a file, less the line break at its
/// end. A relative path begins at the configuration's folder.
pub(super) fn resolve_secret(reference: &Spanned<String>, findings: &mut Findings) -> Option<SecretString> {
    let place = reference.referenced;
    match reference.value.split_once(':') {
        Some(("env", name)) => from_environment(name, place, findings),
        Some(("file", path)) => {
            let path = findings.beside(path);
            from_file(&path, place, findings)
        }
        _ => {
            // What is written here may be the secret itself, so it is not repeated.
            findings.error(place, "a secret is needed here, by reference", REMEDY);
            None
        }
    }
}

/// A file that holds no secret, such as certificates.
pub(super) fn resolve_file(path: &Spanned<String>, findings: &mut Findings) -> Option<Vec<u8>> {
    let from = findings.beside(path.value.strip_prefix("file:").unwrap_or(&path.value));
    fs::read(&from).map_err(|error| unreadable(&from, &error, path.referenced, findings)).ok()
}

fn from_environment(name: &str, place: Location, findings: &mut Findings) -> Option<SecretString> {
    let Some(value) = env::var_os(name).filter(|_| !name.is_empty() && !name.contains('=')) else {
        let what = format!("the environment variable `{name}` is not set");
        findings.error(place, what, "set it where this server is started, or name another");
        return None;
    };
    let Ok(value) = value.into_string() else {
        let what = format!("the environment variable `{name}` is no text");
        findings.error(place, what, "keep the secret in a file instead: file:PATH");
        return None;
    };
    filled(value, &format!("the environment variable `{name}`"), place, findings)
}

fn from_file(path: &Path, place: Location, findings: &mut Findings) -> Option<SecretString> {
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(MOST + 1).read_to_string(&mut text));
    let read = read.map_err(|error| unreadable(path, &error, place, findings)).ok()?;
    if u64::try_from(read).is_ok_and(|read| read > MOST) {
        text.zeroize();
        let what = format!("the file `{}` is too large for a secret", path.display());
        findings.error(place, what, "name the file that holds the secret alone");
        return None;
    }
    let end =
        text.strip_suffix('\n').map_or(text.len(), |rest| rest.strip_suffix('\r').unwrap_or(rest).len());
    text.truncate(end);
    filled(text, &format!("the file `{}`", path.display()), place, findings)
}

fn filled(value: String, what: &str, place: Location, findings: &mut Findings) -> Option<SecretString> {
    if value.is_empty() {
        findings.error(place, format!("{what} is empty"), "put the secret there");
        return None;
    }
    Some(value.into())
}

fn unreadable(path: &Path, error: &std::io::Error, place: Location, findings: &mut Findings) {
    let what = format!("the file `{}` cannot be read: {error}", path.display());
    findings.error(place, what, "name a file that this server may read, as text");
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use tempfile::tempdir;

    fn resolved(folder: &Path, reference: &str) -> Result<String, String> {
        let mut findings = Findings::in_file(&folder.join("gateway.yaml").display().to_string());
        let reference = Spanned::new(reference.to_owned(), Location::UNKNOWN, Location::UNKNOWN);
        let secret = resolve_secret(&reference, &mut findings);
        let told = findings.into_problems().iter().map(ToString::to_string).collect::<String>();
        secret.map(|secret| secret.expose_secret().to_owned()).ok_or(told)
    }

    #[test]
    fn a_reference_stands_for_what_is_there() {
        let folder = tempdir().unwrap();
        for (written, meant) in
            [("hush", "hush"), ("hush\n", "hush"), ("hush\r\n", "hush"), ("a\nb\n\n", "a\nb\n")]
        {
            fs::write(folder.path().join("secret"), written).unwrap();
            assert_eq!(resolved(folder.path(), "file:secret").unwrap(), meant, "{written:?}");
            let absolute = format!("file:{}", folder.path().join("secret").display());
            assert_eq!(resolved(folder.path(), &absolute).unwrap(), meant, "{written:?}");
        }
        assert_eq!(resolved(folder.path(), "env:PATH").unwrap(), env::var("PATH").unwrap());
    }

    #[test]
    fn what_is_wrong_with_it_is_told_without_it() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("empty"), "\n").unwrap();
        fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
        fs::write(folder.path().join("large"), "hush".repeat(20_000)).unwrap();
        for (reference, told) in [
            ("hunter2", "by reference"),
            ("vault:hunter2", "by reference"),
            ("env:", "is not set"),
            ("env:COUNTERSIGN_NOBODY_SETS_THIS", "is not set"),
            ("file:nowhere", "cannot be read"),
            ("file:empty", "is empty"),
            ("file:binary", "cannot be read"),
            ("file:large", "too large"),
        ] {
            let problem = resolved(folder.path(), reference).unwrap_err();
            assert!(problem.contains(told), "{reference}: {problem}");
            assert!(!problem.contains("hunter2") && !problem.contains("hush"), "{reference}: {problem}");
        }
    }
}
