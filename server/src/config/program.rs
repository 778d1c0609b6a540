//! Backends that are programs of this machine, and speak over their standard input and output.

use super::{diagnostic::Findings, raw, secret::resolve_secret};
use secrecy::{ExposeSecret, SecretString};
use serde_saphyr::{Location, Spanned};
use std::{
    env,
    ffi::{OsStr, OsString},
    fmt,
    fs::Metadata,
    path::{Path, PathBuf},
};

/// A program, and everything that it is started with.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<String>,
    /// All of its environment.
    pub(crate) env: Vec<(OsString, SecretString)>,
    /// Where it runs; `None` where this server does.
    pub(crate) folder: Option<PathBuf>,
    /// How many of its processes there may be at once.
    pub(crate) most: usize,
}

/// What a program gets of this server's own environment: where programs are, where its user's files are, and in which
/// language to speak. Anything else may be a secret of this server's, or of another backend's.
const PASSED_ON: [&str; 3] = ["PATH", "HOME", "LANG"];
const MOST: u32 = 32;
/// In names of variables that hold secrets, mostly.
const SECRETIVE: [&str; 5] = ["TOKEN", "SECRET", "PASSWORD", "API_KEY", "ACCESS_KEY"];

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("Program").field("path", &self.path).field("env", &names).finish_non_exhaustive()
    }
}

/// The program that a backend is; `None` where `findings` says why not.
pub(super) fn resolve_program(raw: raw::Backend, findings: &mut Findings) -> Option<Program> {
    let of_addresses = refuse_what_addresses_have(&raw, findings);
    let environment = resolve_environment(raw.env, findings);
    let folder = raw.cwd.as_ref().map(|cwd| resolve_folder(cwd, findings));
    let searched = match &environment {
        Some(environment) => value_of(environment, "PATH"),
        None => env::var_os("PATH"),
    };
    let path = resolve_path(&raw.command?, searched.as_deref(), findings);
    let most = match raw.max_processes {
        Some(Spanned { value: 0, referenced, .. }) => {
            findings.error(referenced, "without a process nobody answers", "write how many there may be");
            None
        }
        Some(most) => Some(most.value),
        None => Some(MOST),
    };
    let folder = match folder {
        Some(folder) => Some(folder?),
        None => None,
    };
    let args = raw.args.map(|args| args.value).unwrap_or_default();
    let most = usize::try_from(most?).unwrap_or(usize::MAX);
    let program = Program { path: path?, args, env: environment?, folder, most };
    of_addresses.then_some(program)
}

/// Nothing of a caller reaches a program: not who they are, and not their headers.
fn refuse_what_addresses_have(raw: &raw::Backend, findings: &mut Findings) -> bool {
    let mut fine = true;
    if let Some(url) = &raw.url {
        let what = "a backend is at an address or is a program, not both";
        findings.error(url.referenced, what, "keep `url` or `command`");
        fine = false;
    }
    if let Some(header) = raw.forward_headers.first() {
        let what = "there are no headers where a program reads its standard input";
        findings.error(header.referenced, what, "remove `forward_headers`");
        fine = false;
    }
    if let Some(auth) = raw.auth.as_ref().filter(|auth| !matches!(auth.value, raw::Auth::None)) {
        let what = "nobody signs for a program: it has one identity, whoever calls (V-19)";
        let remedy = "write `auth: none`, and what the program itself needs into `env`";
        findings.error(auth.referenced, what, remedy);
        fine = false;
    }
    fine
}

fn resolve_environment(
    raw: Option<Spanned<raw::Named<Spanned<String>>>>,
    findings: &mut Findings,
) -> Option<Vec<(OsString, SecretString)>> {
    let raw::Named(named) = raw.map(|named| named.value).unwrap_or(raw::Named(Vec::new()));
    let inherited = PASSED_ON.into_iter().filter(|name| named.iter().all(|(known, _)| known.value != *name));
    let mut resolved: Vec<(OsString, SecretString)> =
        inherited.filter_map(|name| Some((name.into(), env::var(name).ok()?.into()))).collect();
    let mut complete = true;
    for (name, value) in named {
        let place = name.referenced;
        let name = OsString::from(name.value);
        let wrong = name.is_empty() || name.as_encoded_bytes().iter().any(|byte| b"=\0".contains(byte));
        if wrong || resolved.iter().any(|(known, _)| *known == name) {
            let what = format!("`{}` cannot be a variable's name, or is there twice", name.display());
            findings.error(place, what, "give every variable a name of its own, without `=`");
            complete = false;
        }
        match resolve_value(&name, &value, findings) {
            Some(value) => resolved.push((name, value)),
            None => complete = false,
        }
    }
    complete.then_some(resolved)
}

/// What a variable is to hold: a reference to a secret, or what is written.
fn resolve_value(name: &OsStr, written: &Spanned<String>, findings: &mut Findings) -> Option<SecretString> {
    if written.value.starts_with("env:") || written.value.starts_with("file:") {
        return resolve_secret(written, findings);
    }
    if written.value.contains('\0') {
        findings.error(written.referenced, "a variable holds text without NUL", "correct the value");
        return None;
    }
    let name = name.to_string_lossy().to_ascii_uppercase();
    if !written.value.is_empty() && SECRETIVE.iter().any(|word| name.contains(word)) {
        let what = format!("`{name}` may be a secret, and is written down here");
        findings.warn(written.referenced, what, "write env:NAME or file:PATH, and keep the secret there");
    }
    Some(written.value.clone().into())
}

fn resolve_folder(written: &Spanned<String>, findings: &mut Findings) -> Option<PathBuf> {
    let folder = absolute(findings.beside(&written.value));
    if folder.is_dir() {
        return Some(folder);
    }
    let what = format!("there is no folder `{}`", folder.display());
    findings.error(written.referenced, what, "make it, or name another");
    None
}

/// Where the program is: at a path, which begins at the configuration's folder, or in one of the folders of `PATH`.
fn resolve_path(
    written: &Spanned<String>,
    searched: Option<&OsStr>,
    findings: &mut Findings,
) -> Option<PathBuf> {
    let Spanned { value: command, referenced, .. } = written;
    if command.contains('/') {
        let path = absolute(findings.beside(command));
        return is_program(&path)
            .then(|| path.clone())
            .or_else(|| not_there(&format!("`{}` is no program", path.display()), *referenced, findings));
    }
    let folders = env::split_paths(searched.unwrap_or_default());
    let mut paths = folders.map(|folder| absolute(folder.join(command)));
    let found = if command.is_empty() { None } else { paths.find(|path| is_program(path)) };
    found.or_else(|| not_there(&format!("there is no program `{command}` in PATH"), *referenced, findings))
}

fn not_there(what: &str, place: Location, findings: &mut Findings) -> Option<PathBuf> {
    findings.error(place, what, "install it, or write the path of a file that can be executed");
    None
}

fn value_of(environment: &[(OsString, SecretString)], name: &str) -> Option<OsString> {
    environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.expose_secret().into())
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && may_run(&metadata))
}

fn may_run(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::super::{
        load::parse,
        resolved::{Backend, Reached},
    };
    use super::*;
    use std::fs;
    use tempfile::{TempDir, tempdir};

    /// What is made of a backend in a configuration that lies in `folder`, or everything that is wrong with it.
    fn parsed(folder: &TempDir, backend: &str) -> Result<(Program, String), String> {
        let text = format!(
            "identity: {{issuers: [{{issuer: 'https://login.example.com'}}]}}\nbackends:\n  it: {backend}\n"
        );
        let file = folder.path().join("gateway.yaml").display().to_string();
        let told = |problems: Vec<_>| -> String {
            problems.iter().map(super::super::diagnostic::Problem::to_string).collect()
        };
        let (gateway, warnings) = parse(&file, &text).map_err(told)?;
        match gateway.backends.into_iter().next() {
            Some(Backend { reached: Reached::By(program), .. }) => Ok((program, told(warnings))),
            other => panic!("{other:?}"),
        }
    }

    fn folder() -> TempDir {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempdir().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        fs::write(folder.path().join("secret"), "hush\n").unwrap();
        fs::write(folder.path().join("serve"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(folder.path().join("serve"), fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    #[test]
    fn a_program_is_found_and_gets_what_is_named_and_little_else() {
        let folder = folder();
        let written = "{command: ./serve, args: [--quietly], cwd: work, max_processes: 3, \
                       env: {LEVEL: debug, LANG: C, TOKEN: 'file:secret'}}";
        let (program, warnings) = parsed(&folder, written).unwrap();
        assert_eq!(program.path, folder.path().join("./serve"));
        assert_eq!((program.args.as_slice(), program.most), (&["--quietly".to_owned()][..], 3));
        assert_eq!(program.folder.as_deref(), Some(folder.path().join("work").as_path()));
        let value = |name: &str| value_of(&program.env, name);
        assert_eq!(value("TOKEN").unwrap(), "hush");
        assert_eq!((value("LEVEL").unwrap(), value("LANG").unwrap()), ("debug".into(), "C".into()));
        assert_eq!(value("PATH"), env::var_os("PATH"));
        let known = ["PATH", "HOME", "LANG", "LEVEL", "TOKEN"];
        assert!(program.env.iter().all(|(name, _)| known.contains(&name.to_str().unwrap())));
        assert!(!format!("{program:?}").contains("hush"));
        assert!(!warnings.contains("TOKEN"), "{warnings}");
        let (_, warnings) = parsed(&folder, "{command: sh, auth: none, env: {MY_TOKEN: hush}}").unwrap();
        assert!(warnings.contains("`MY_TOKEN` may be a secret") && !warnings.contains("hush"), "{warnings}");
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let folder = folder();
        for (written, told) in [
            ("{command: sh, auth: {headers: {x-key: 'file:secret'}}}", "(V-19)"),
            ("{command: sh, auth: {upstream_token: {provider: github}}}", "(V-19)"),
            ("{command: sh, auth: {aws: {}}}", "(V-19)"),
            ("{command: sh, url: 'https://mcp.example.com'}", "not both"),
            ("{command: sh, forward_headers: [x-tenant]}", "no headers"),
            ("{command: no-such-program}", "no program `no-such-program` in PATH"),
            ("{command: ./secret}", "is no program"),
            ("{command: ''}", "no program"),
            ("{command: sh, cwd: nowhere}", "there is no folder"),
            ("{command: sh, env: {A: 'env:NOBODY_SETS_THIS'}}", "is not set"),
            ("{command: sh, env: {'A=B': c}}", "cannot be a variable's name"),
            ("{command: sh, max_processes: 0}", "without a process"),
            ("{command: sh, env: {PATH: /nowhere}}", "no program `sh` in PATH"),
            ("{url: 'https://mcp.example.com', auth: none, args: [a]}", "is about a program"),
            ("{auth: none}", "nothing says where"),
            ("{url: 'https://mcp.example.com'}", "`auth` is missing"),
            ("{comand: sh}", "did you mean `command`?"),
        ] {
            let problems = parsed(&folder, written).unwrap_err();
            assert!(problems.contains(told), "{written}: {problems}");
            assert!(problems.contains("gateway.yaml:3:"), "{written}: {problems}");
        }
    }
}
