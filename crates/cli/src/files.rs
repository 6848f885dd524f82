// SPDX-License-Identifier: GPL-2.0-only
//! Reading what the user named: files, folders, standard input.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use scenario::Source;

use crate::error::Failure;

/// A file that was read.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// Where it is; absent for standard input.
    pub(crate) path: Option<PathBuf>,
    /// Its name and text.
    pub(crate) source: Source,
}

impl Input {
    /// The last part of its name.
    pub(crate) fn file_name(&self) -> String {
        let name = self.path.as_ref().and_then(|path| path.file_name());
        name.map_or_else(
            || "stdin".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// That without its ending.
    pub(crate) fn stem(&self) -> String {
        let name = self.file_name();
        name.rsplit_once('.')
            .map_or(name.clone(), |(stem, _)| stem.to_owned())
    }
}

/// The bytes of a file or, for `-`, of standard input.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut bytes);
        return match read {
            Ok(_) => Ok(bytes),
            Err(error) => Err(Failure::input(format!(
                "cannot read standard input: {error}"
            ))),
        };
    }
    fs::read(path).map_err(|error| unreadable(path, &error))
}

/// The text of one file or of standard input.
pub(crate) fn text(path: &Path) -> Result<Input, Failure> {
    let stdin = path == Path::new("-");
    let name = if stdin {
        "<stdin>".to_owned()
    } else {
        path.display().to_string()
    };
    let text = String::from_utf8(bytes(path)?)
        .map_err(|_| Failure::input(format!("{name} is not text (it is not UTF-8)")))?;
    Ok(Input {
        path: (!stdin).then(|| path.to_owned()),
        source: Source::new(name, text),
    })
}

/// The files that the arguments name: folders stand for the files below them with one of
/// `endings`, in the order of their paths.
pub(crate) fn expand(arguments: &[PathBuf], endings: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for argument in arguments {
        if argument.is_dir() {
            let mut found = Vec::new();
            walk(argument, endings, &mut found)?;
            found.sort();
            files.extend(found);
        } else {
            files.push(argument.clone());
        }
    }
    Ok(files)
}

/// Every file below `folder` with one of `endings`.
pub(crate) fn walk(
    folder: &Path,
    endings: &[&str],
    found: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        let ending = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        // A link to a folder could lead around in a circle.
        if path.is_dir() && !path.is_symlink() {
            walk(&path, endings, found)?;
        } else if endings.contains(&ending) {
            found.push(path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => Failure::input(format!("there is no file `{path}`")),
        io::ErrorKind::IsADirectory => {
            Failure::input(format!("`{path}` is a folder; this command takes a file"))
        }
        _ => Failure::input(format!("cannot read `{path}`: {error}")),
    }
}

/// A file's name as JSON shows it: without what is the host's own. An absolute path begins at
/// `sim-configs` if that is part of it; otherwise only its last part stays.
pub(crate) fn json_name(name: &str) -> String {
    let slashed = name.replace('\\', "/");
    if let Some(at) = slashed.rfind("sim-configs/") {
        return slashed[at..].to_owned();
    }
    if Path::new(name).is_absolute() {
        return slashed.rsplit('/').next().unwrap_or(&slashed).to_owned();
    }
    slashed
}

#[cfg(test)]
mod tests {
    use super::json_name;

    #[test]
    fn names_in_json_hold_nothing_of_the_host() {
        assert_eq!(
            json_name("/home/x/sim-configs/scenarios/a.toml"),
            "sim-configs/scenarios/a.toml"
        );
        assert_eq!(json_name("/home/x/a.toml"), "a.toml");
        assert_eq!(json_name("b/a.toml"), "b/a.toml");
        assert_eq!(json_name("<stdin>"), "<stdin>");
    }
}
