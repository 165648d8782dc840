//! Texts that the user wrote, and places in them.

use crate::error::{Diagnostic, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs, io};

/// A text with the name it is shown under. Cloning is cheap.
#[derive(Clone)]
pub struct Source(Arc<Text>);

struct Text {
    path: PathBuf,
    text: String,
    secret: bool,
}

impl Source {
    /// A text and the path or name it is shown under, e.g. `site.yaml` or `--extra-vars`.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Source {
        Source::with(path.into(), text.into(), false)
    }
    /// A text that was encrypted: messages do not quote it, and the values in it are secret.
    pub fn secret(path: impl Into<PathBuf>, text: impl Into<String>) -> Source {
        Source::with(path.into(), text.into(), true)
    }
    fn with(path: PathBuf, text: String, secret: bool) -> Source {
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Source(Arc::new(Text { path, text, secret }))
    }
    /// Whether the text was encrypted.
    pub fn is_secret(&self) -> bool {
        self.0.secret
    }
    /// Reads a file.
    ///
    /// # Errors
    /// A file that is missing, a folder, not readable, or not UTF-8; the message names it.
    pub fn read(path: impl AsRef<Path>) -> Result<Source> {
        let path = path.as_ref();
        Source::decoded(path, fs::read(path).map_err(|e| unreadable(path, &e))?)
    }
    /// The text of a file's bytes.
    ///
    /// # Errors
    /// Bytes that are not UTF-8; the message names the first.
    pub fn decoded(path: &Path, bytes: Vec<u8>) -> Result<Source> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Source::new(path, text)),
            Err(error) => Err(Box::new(not_utf8(path, &error))),
        }
    }
    /// Path or name.
    pub fn path(&self) -> &Path {
        &self.0.path
    }
    /// The whole text.
    pub fn text(&self) -> &str {
        &self.0.text
    }
    /// One line, counted from 1, without its end.
    pub fn line(&self, number: u32) -> Option<&str> {
        self.0.text.lines().nth((number as usize).checked_sub(1)?)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.path.display())
    }
}

/// A place in a source: where a value starts.
#[derive(Debug, Clone)]
pub struct Place {
    /// The text.
    pub source: Source,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// How many characters of the line it covers; 0 when not known.
    pub length: u32,
}

impl Place {
    /// A place in no file, for values made by the program itself.
    pub fn nowhere(name: &str) -> Place {
        Place { source: Source::new(name, ""), line: 0, column: 0, length: 0 }
    }
}

/// `path:line:column`, the form that editors and terminals link.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.source.path().display()),
            _ => write!(f, "{}:{}:{}", self.source.path().display(), self.line, self.column),
        }
    }
}

/// Paths as a list for messages, each once; the current folder is `.`.
pub fn listed(paths: &[PathBuf]) -> String {
    let mut shown: Vec<String> = Vec::new();
    for path in paths {
        let text = if path.as_os_str().is_empty() { ".".to_owned() } else { path.display().to_string() };
        if !shown.contains(&text) {
            shown.push(text);
        }
    }
    shown.join(", ")
}

/// The name in the same folder that a missing file's name is near to.
pub fn near(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> = fs::read_dir(folder).ok()?.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
    let wrong = stem(&path.file_name()?.to_string_lossy());
    let stems: Vec<String> = names.iter().map(|name| stem(name)).collect();
    // Endings are alike anyway: they say nothing about what was meant.
    let nearest = stems.iter().find(|known| **known == wrong).map(String::as_str);
    let nearest = nearest.or_else(|| modules::args::nearest(&wrong, stems.iter().map(String::as_str)))?;
    names.iter().zip(&stems).find(|(_, known)| *known == nearest).map(|(name, _)| name.clone())
}

/// The error for a file that cannot be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Box<Diagnostic> {
    let shown = path.display();
    let diagnostic = match error.kind() {
        io::ErrorKind::NotFound => missing(path),
        io::ErrorKind::IsADirectory => Diagnostic::input(format!("`{shown}` is a folder, not a file")),
        io::ErrorKind::PermissionDenied => Diagnostic::input(format!("no permission to read `{shown}`"))
            .hint("check its owner and mode, and those of the folders above it"),
        _ => Diagnostic::input(format!("cannot read `{shown}`")).note(error.to_string()),
    };
    Box::new(diagnostic)
}

fn missing(path: &Path) -> Diagnostic {
    let diagnostic = Diagnostic::input(format!("`{}` does not exist", path.display()));
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(folder) else {
        return diagnostic.note(format!("its folder `{}` does not exist or cannot be read", folder.display()));
    };
    let names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    let wrong = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    diagnostic.nearest(&wrong, names.iter().map(String::as_str))
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Diagnostic {
    let bytes = error.as_bytes();
    let good = String::from_utf8_lossy(&bytes[..error.utf8_error().valid_up_to()]);
    let byte = bytes.get(error.utf8_error().valid_up_to()).copied().unwrap_or_default();
    let count = |n: usize| u32::try_from(n).unwrap_or(0);
    let line = count(good.matches('\n').count()) + 1;
    let column = count(good.rsplit('\n').next().unwrap_or_default().chars().count()) + 1;
    let diagnostic = Diagnostic::input(format!("`{}` is not UTF-8 text", path.display()));
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return diagnostic.hint("it looks like UTF-16; save it as UTF-8");
    }
    if bytes.contains(&0) {
        return diagnostic.hint("it looks like a binary file");
    }
    let place = Place { source: Source::new(path, String::from_utf8_lossy(bytes)), line, column, length: 1 };
    let hint = format!("save it as UTF-8, e.g. `iconv -f latin1 -t utf-8 {}`", path.display());
    diagnostic.at(&place).label(format!("the byte 0x{byte:02x}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_says_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("site.yaml"), "\u{feff}a: 1\nä: 2").unwrap();
        fs::write(at("latin"), b"ok\nb\xe4r").unwrap();
        fs::write(at("wide"), b"\xff\xfea\0").unwrap();
        let source = Source::read(at("site.yaml")).unwrap();
        assert_eq!((source.line(1), source.line(2), source.line(3), source.line(0)), (Some("a: 1"), Some("ä: 2"), None, None));
        let error = Source::read(at("site.yml")).unwrap_err();
        assert!(error.summary.ends_with("does not exist"), "{}", error.summary);
        assert_eq!(error.hints, ["did you mean `site.yaml`?"]);
        assert!(Source::read(at("no/site.yml")).unwrap_err().notes[0].contains("its folder"));
        assert!(Source::read(folder.path()).unwrap_err().summary.ends_with("is a folder, not a file"));
        assert_eq!(Source::read(at("latin")).unwrap_err().place.map(|p| (p.line, p.column)), Some((2, 2)));
        assert!(Source::read(at("wide")).unwrap_err().hints[0].contains("UTF-16"));
    }
}
