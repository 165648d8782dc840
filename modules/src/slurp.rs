//! `slurp`: brings a file's content back as Base64.

use crate::host::Host;
use crate::host::files::FileKind;
use crate::module::{Failure, Halt, Outcome};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::PathBuf;

crate::arguments! {
    pub struct Args {
        /// The file to read.
        src ["path"]: PathBuf,
    }
}

crate::module! {
    name: "slurp", collection: "ansible.builtin", aliases: [], effects: Local,
    foresight: Reads,
    doc: "Reads a file of the host; `content` holds it as Base64, for `b64decode`.",
    examples: [r#"{"src": "/etc/passwd"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let shown = args.src.display().to_string();
    if !host.may_read(&args.src) {
        return Err(Failure::new(format!("File is not readable: {shown}")).hint("this user may not: does it need `become: true`?").into());
    }
    let through_file = args.src.parent().map(|parent| host.files().stat_followed(parent)).transpose()?.flatten();
    if through_file.is_some_and(|stat| stat.kind != FileKind::Directory) {
        return Err(Halt::failed(format!("Unable to slurp file: {shown}: a part of the path is a file, not a directory")));
    }
    match host.files().stat_followed(&args.src)? {
        None => return Err(Failure::new(format!("File not found: {shown}")).into()),
        Some(stat) if stat.kind == FileKind::Directory => {
            return Err(Halt::failed(format!("Source is a directory and must be a file: {shown}")));
        }
        Some(_) => {}
    }
    let content = host.files().read(&args.src)?.unwrap_or_default();
    Ok(Outcome::new().with("content", STANDARD.encode(content)).with("source", shown).with("encoding", "base64"))
}

#[cfg(test)]
mod tests {
    use super::MODULE;
    use crate::testing::{Bench, returned};
    use serde_json::json;

    #[test]
    fn reads_files_only() {
        let mut bench = Bench::new();
        bench.write("f", [0, 255]);
        assert_eq!(returned(&bench.law(&MODULE, json!({"src": "/scratch/f"})).0, "content"), "AP8=");
        assert!(bench.failure(&MODULE, json!({"src": "/scratch/no"})).starts_with("File not found: "));
        assert!(bench.failure(&MODULE, json!({"src": "/scratch"})).starts_with("Source is a directory"));
        assert!(bench.failure(&MODULE, json!({"src": "/scratch/f/x"})).starts_with("Unable to slurp file"));
    }
}
