//! Module `deb822_repository`: apt's sources in the form of deb822.

use crate::host::Host;
use crate::host::files::{Content, Desired, Entry, Mode};
use crate::module::{Halt, Outcome};
use crate::openpgp;
use crate::{arguments, choices, module};
use std::path::{Path, PathBuf};

choices! { pub enum State { Present = "present", Absent = "absent" } }
choices! { pub enum Type { Deb = "deb", Source = "deb-src" } }

arguments! {
    pub struct Args {
        /// The repository's name; its files are named by it.
        name: String,
        /// Whether it is there.
        state: State = State::Present,
        /// Kinds of packages.
        types: Vec<Type> = vec![Type::Deb],
        /// Addresses.
        uris: Option<Vec<String>>,
        /// Suites; one that ends with `/` is a path.
        suites: Option<Vec<String>>,
        /// Components, e.g. `main`.
        components: Option<Vec<String>>,
        /// The key: an armored block, an address, a path on the host, or fingerprints.
        signed_by: Option<String>,
        /// Whether apt uses it.
        enabled: Option<bool>,
        /// Architectures.
        architectures: Option<Vec<String>>,
        /// Languages of descriptions.
        languages: Option<Vec<String>>,
        /// What apt fetches from it.
        targets: Option<Vec<String>>,
        /// Whether packages need no key.
        trusted: Option<bool>,
        /// Allows repositories without signatures.
        allow_insecure: Option<bool>,
        /// Allows keys with weak digests.
        allow_weak: Option<bool>,
        /// Allows a repository that was signed to be no longer.
        allow_downgrade_to_insecure: Option<bool>,
        /// Whether indexes are fetched by their hash.
        by_hash: Option<bool>,
        /// Whether the clock is believed.
        check_date: Option<bool>,
        /// Whether old indexes are refused.
        check_valid_until: Option<bool>,
        /// Seconds that an index may be from the future.
        date_max_future: Option<i64>,
        /// Path of the file `InRelease`.
        inrelease_path: Option<String>,
        /// Whether indexes are patched.
        pdiffs: Option<bool>,
        /// Packages of it that alone are used.
        include: Option<Vec<String>>,
        /// Packages of it that are not used.
        exclude: Option<Vec<String>>,
        /// Permissions of the files.
        mode: Mode = Mode::Bits(0o644),
        /// Accepted for playbooks that ask for it; nothing of Python is needed.
        install_python_debian: bool = false,
    }
}

module! {
    name: "deb822_repository", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "A repository of apt in the form of deb822, with its key. The package lists are not fetched: use `apt` with `update_cache`.",
    examples: [
        r#"{"name": "debian", "uris": "http://deb.debian.org/debian", "suites": "stable", "components": ["main", "contrib"]}"#,
        r#"{"name": "debian", "state": "absent"}"#,
    ],
}

const FOLDER: &str = "/etc/apt/sources.list.d";
const KEYRINGS: &str = "/etc/apt/keyrings";

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let slug = slug(&args.name);
    let dest = Path::new(FOLDER).join(format!("{slug}.sources"));
    let shown = dest.display().to_string();
    if args.state == State::Absent {
        let keys = [format!("{KEYRINGS}/{slug}.gpg"), format!("{KEYRINGS}/{slug}.asc")];
        for path in std::iter::once(&shown).chain(&keys) {
            host.files().converge(Path::new(path), &Desired { entry: Some(Entry::Absent), ..Desired::default() })?;
        }
        let outcome = Outcome::new().with("dest", shown).with("key_filename", keys[0].as_str());
        return Ok(outcome.with("repo", crate::value::Value::Null));
    }
    let (signed_by, key_file) = match &args.signed_by {
        Some(given) => key(args, given, &slug, host)?,
        None => (None, None),
    };
    let text = text(args, signed_by.as_deref());
    let entry = Some(Entry::File(Content::Bytes(text.clone().into_bytes())));
    host.files().converge(&dest, &Desired { entry, mode: Some(args.mode.clone()), follow: true, ..Desired::default() })?;
    let key_file = key_file.map(|f| f.display().to_string());
    let outcome = Outcome::new().with("dest", shown).with("key_filename", key_file).with("repo", text);
    host.describe(&dest, outcome)
}

/// The name of the files: lower case, `-` for spaces, without other signs.
fn slug(name: &str) -> String {
    let lower = name.to_lowercase().split_whitespace().collect::<Vec<_>>().join("-");
    lower.chars().filter(|c| c.is_alphanumeric() || "._-".contains(*c)).collect()
}

/// What `Signed-By` says, and the file that holds the key where it was fetched.
fn key(args: &Args, given: &str, slug: &str, host: &mut Host) -> Result<(Option<String>, Option<PathBuf>), Halt> {
    if given.contains("-----BEGIN PGP") {
        // A block within a field: lines are indented, and an empty one is a dot.
        let lines = given.trim().lines().map(|l| if l.trim().is_empty() { "    .".to_string() } else { format!("    {}", l.trim()) });
        return Ok((Some(format!("\n{}", lines.collect::<Vec<_>>().join("\n"))), None));
    }
    if !given.contains("://") {
        return Ok((Some(given.to_string()), None));
    }
    let content = host.download(given)?;
    if openpgp::keys(&content).is_none() {
        return Err(Halt::failed(format!("what is at {given} is no key of OpenPGP")));
    }
    let end = if openpgp::is_armored(&content) { "asc" } else { "gpg" };
    let folder = Desired { entry: Some(Entry::Directory), ..Desired::default() };
    if host.files().stat_followed(Path::new(KEYRINGS))?.is_none() {
        host.files().converge(Path::new(KEYRINGS), &Desired { mode: Some(Mode::Bits(0o755)), ..folder })?;
    }
    let file = Path::new(KEYRINGS).join(format!("{slug}.{end}"));
    let entry = Some(Entry::File(Content::Bytes(content)));
    host.files().converge(&file, &Desired { entry, mode: Some(args.mode.clone()), follow: true, ..Desired::default() })?;
    Ok((Some(file.display().to_string()), Some(file)))
}

/// The whole file, its fields in the order of the arguments' names.
fn text(args: &Args, signed_by: Option<&str>) -> String {
    let list = |values: &Option<Vec<String>>| values.as_ref().filter(|v| !v.is_empty()).map(|v| v.join(" "));
    let flag = |value: Option<bool>| value.map(|v| if v { "yes" } else { "no" }.to_string());
    let types: Vec<&str> = args.types.iter().map(|t| t.word()).collect();
    let fields = [
        ("Allow-Downgrade-To-Insecure", flag(args.allow_downgrade_to_insecure)),
        ("Allow-Insecure", flag(args.allow_insecure)),
        ("Allow-Weak", flag(args.allow_weak)),
        ("Architectures", list(&args.architectures)),
        ("By-Hash", flag(args.by_hash)),
        ("Check-Date", flag(args.check_date)),
        ("Check-Valid-Until", flag(args.check_valid_until)),
        ("Components", list(&args.components)),
        ("Date-Max-Future", args.date_max_future.map(|n| n.to_string())),
        ("Enabled", flag(args.enabled)),
        ("Exclude", list(&args.exclude)),
        ("Include", list(&args.include)),
        ("InRelease-Path", args.inrelease_path.clone()),
        ("Languages", list(&args.languages)),
        ("X-Repolib-Name", Some(args.name.clone())),
        ("PDiffs", flag(args.pdiffs)),
        ("Signed-By", signed_by.map(str::to_string)),
        ("Suites", list(&args.suites)),
        ("Targets", list(&args.targets)),
        ("Trusted", flag(args.trusted)),
        ("Types", Some(types.join(" "))),
        ("URIs", list(&args.uris)),
    ];
    let line = |(name, value): (&str, Option<String>)| {
        let value = value?;
        let space = if value.starts_with('\n') { "" } else { " " };
        Some(format!("{name}:{space}{value}\n"))
    };
    fields.into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use crate::value::Value;
    use serde_json::json;

    fn args(json: serde_json::Value) -> Args {
        Args::parse("deb822_repository", Value::from_json(&json).as_map().unwrap()).unwrap()
    }

    #[test]
    fn files_as_observed() {
        let given = json!({"name": "debian", "types": "deb", "uris": "http://deb.debian.org/debian", "suites": "stretch",
            "components": ["main", "contrib"], "allow_insecure": true, "date_max_future": 5, "languages": ["en", "none"], "check_date": false});
        let expected = "Allow-Insecure: yes\nCheck-Date: no\nComponents: main contrib\nDate-Max-Future: 5\nLanguages: en none\nX-Repolib-Name: debian\nSuites: stretch\nTypes: deb\nURIs: http://deb.debian.org/debian\n";
        assert_eq!(text(&args(given), None), expected);
        let given =
            json!({"name": "My repo", "types": ["deb", "deb-src"], "uris": "http://x.example/deb", "suites": "./", "enabled": false});
        let expected = "Enabled: no\nX-Repolib-Name: My repo\nSigned-By: /usr/share/keyrings/x.gpg\nSuites: ./\nTypes: deb deb-src\nURIs: http://x.example/deb\n";
        assert_eq!(text(&args(given), Some("/usr/share/keyrings/x.gpg")), expected);
        assert_eq!(slug("My repo"), "my-repo");
    }

    #[test]
    fn blocks_are_indented() {
        let mut bench = crate::testing::Bench::new();
        let given = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEYCQj\n-----END PGP PUBLIC KEY BLOCK-----";
        let args = args(json!({"name": "key", "signed_by": given}));
        let (signed_by, _) = key(&args, given, "key", &mut bench.host).unwrap();
        let expected = "X-Repolib-Name: key\nSigned-By:\n    -----BEGIN PGP PUBLIC KEY BLOCK-----\n    .\n    mDMEYCQj\n    -----END PGP PUBLIC KEY BLOCK-----\nTypes: deb\n";
        assert_eq!(text(&args, signed_by.as_deref()), expected);
    }
}
