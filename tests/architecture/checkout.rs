//! The files of the checkout: what git tracks, and what it would if asked.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A text file, by its path from the root.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl File {
    /// A made-up file, to try a rule on.
    pub(crate) fn made_up(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Its folders and its own name without the ending, below `folder`.
    pub(crate) fn below(&self, folder: &str) -> Option<Vec<String>> {
        let inside = self.path.strip_prefix(folder).ok()?.with_extension("");
        Some(inside.iter().map(|name| name.to_string_lossy().into_owned()).collect())
    }
}

/// Every text file; lock files are left out, since nobody writes them.
pub(crate) fn texts() -> Vec<File> {
    let files = listed(&[":!*.lock", ":!*-lock.json", ":!*/requirements.txt"]);
    assert!(!files.is_empty(), "git lists no file in {}", root().display());
    files
}

/// Every Rust file.
pub(crate) fn sources() -> Vec<File> {
    let files = listed(&["*.rs"]);
    assert!(!files.is_empty(), "git lists no Rust file in {}", root().display());
    files
}

/// The folder that holds the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is a member")
}

fn listed(patterns: &[&str]) -> Vec<File> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"])
        .args(patterns)
        .current_dir(root())
        .output()
        .expect("git is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git cannot list the files: {complaint}");
    let names = String::from_utf8(output.stdout).expect("file names are UTF-8");
    let files = names.split_terminator('\0').filter_map(|name| {
        // Deleted and not yet committed, or no text.
        let text = fs::read_to_string(root().join(name)).ok()?;
        Some(File { path: name.into(), text })
    });
    files.collect()
}
