//! `get_url`: a file from the web, or from elsewhere on the host.

use crate::host::Host;
use crate::host::digest;
use crate::host::files::{Content, FileKind};
use crate::host::web::{Request, Response, without_password};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Map;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

crate::arguments! {
    pub struct Args {
        /// The address: `http`, `https` or `file`.
        url: String,
        /// Where the file goes; into a directory under the name that the server or the address gives it.
        dest: PathBuf,
        /// Download every time and replace the file if its content differs; otherwise only what is newer, or does not have
        /// the `checksum`.
        force: bool = false,
        /// Keep the old file aside before replacing it.
        backup: bool = false,
        /// `ALGORITHM:HEX`, or `ALGORITHM:ADDRESS` of a list of digests: what the file must have. One that has it is not
        /// downloaded again.
        checksum: String = String::new(),
        /// Whether the proxies of the environment are used.
        use_proxy: bool = true,
        /// Whether the server's certificate is checked.
        validate_certs: bool = true,
        /// How many seconds the download may take to answer.
        timeout: u64 = 10,
        /// Headers to send.
        headers: Option<Map>,
        /// The user to log in as.
        url_username ["username"]: Option<String>,
        /// The password to log in with.
        url_password ["password"]: Option<String>,
        /// Accepted; a login is always sent at once.
        force_basic_auth: bool = false,
        /// A file with the client's certificate.
        client_cert: Option<PathBuf>,
        /// A file with the client's key, if it is not in `client_cert`.
        client_key: Option<PathBuf>,
        /// What the client calls itself.
        http_agent: String = "ansible-httpget".to_string(),
        /// Accepted; nothing is kept on disk before the file is in place.
        tmp_dest: Option<PathBuf>,
        /// Accepted; compressed transfers are unpacked.
        decompress: bool = true,
        /// Accepted; the program brings its own ciphers.
        ciphers: Option<Vec<String>>,
        /// Accepted; `.netrc` is not read.
        use_netrc: bool = true,
        /// Accepted; Kerberos is not spoken.
        use_gssapi: bool = false,
        /// Accepted; redirections are always sent without their fragments.
        unredirected_headers: Vec<String> = Vec::new(),
    } with file attributes
}

crate::module! {
    name: "get_url", collection: "ansible.builtin", aliases: [], effects: World,
    doc: "Downloads a file to the host, checks its digest and puts it in place at once.",
    examples: [r#"{"url": "file:///etc/passwd", "dest": "/scratch/passwd", "mode": "0600"}"#],
}

fn request(args: &Args, url: &str) -> Request {
    let headers = args.headers.iter().flatten().map(|(name, value)| (name.to_string(), value.to_string()));
    Request {
        headers: headers.collect(),
        // A download of a large file takes its time; only its beginning must not.
        timeout: Duration::from_secs(args.timeout.max(1) * 60),
        validate_certs: args.validate_certs,
        use_proxy: args.use_proxy,
        login: args.url_username.clone().map(|user| (user, args.url_password.clone().unwrap_or_default())),
        client_certificate: args.client_cert.clone().map(|certificate| (certificate, args.client_key.clone())),
        agent: args.http_agent.clone(),
        ..Request::get(url)
    }
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let began = Instant::now();
    let wanted = Checksum::wanted(args, host)?;
    let into = into_directory(args, host)?;
    let there = if into { None } else { host.files().stat_followed(&args.dest)? };
    let outcome = Outcome::new().with("url", without_password(&args.url));
    let mut asked = request(args, &args.url);
    if let (Some(stat), false) = (&there, args.force) {
        match &wanted {
            Some(wanted) if host.files().digest(&args.dest, &wanted.algorithm)?.as_deref() == Some(&wanted.hex) => {
                return kept(args, host, outcome.with("msg", "file already exists"), began);
            }
            // Its digest is wrong, however new it is.
            Some(_) => {}
            None => asked.headers.push(("If-Modified-Since".into(), http_date(stat.times.1))),
        }
    }
    let answer = host.fetch(&asked).map_err(|halt| with_place(halt, args))?;
    if answer.status == Some(304) {
        return kept(args, host, outcome.with("msg", "HTTP Error 304: Not Modified").with("status_code", 304), began);
    }
    if answer.status.is_some_and(|status| !(200..300).contains(&status)) {
        return Err(host.premature(refused(args, &answer)));
    }
    if let Some(wanted) = &wanted {
        wanted.require(&answer.body, &args.url).map_err(|failure| host.premature(failure))?;
    }
    let dest = if into { args.dest.join(file_name(&answer)) } else { args.dest.clone() };
    place(args, host, answer, dest, outcome, began)
}

fn with_place(halt: Halt, args: &Args) -> Halt {
    match halt {
        Halt::Failed(failure) => failure.with("url", without_password(&args.url)).with("dest", args.dest.display().to_string()).into(),
        unknown => unknown,
    }
}

fn refused(args: &Args, answer: &Response) -> Failure {
    let status = answer.status.unwrap_or_default();
    Failure::new(format!("Request failed: {} answered {status} {}", without_password(&args.url), answer.reason))
        .with("status_code", i64::from(status))
        .with("response", format!("HTTP Error {status}: {}", answer.reason))
        .with("url", without_password(&args.url))
        .with("dest", args.dest.display().to_string())
}

fn into_directory(args: &Args, host: &mut Host) -> Result<bool, Halt> {
    if let Some(stat) = host.files().stat_followed(&args.dest)? {
        return Ok(stat.kind == FileKind::Directory);
    }
    let slash = args.dest.as_os_str().as_bytes().ends_with(b"/");
    let parent = if slash { Some(args.dest.as_path()) } else { args.dest.parent() };
    if let Some(parent) = parent.filter(|p| !p.as_os_str().is_empty())
        && host.files().stat_followed(parent)?.is_none()
    {
        return Err(Failure::new(format!("Destination {} does not exist", parent.display()))
            .hint("make the directory with `file: state=directory` before")
            .into());
    }
    Ok(false)
}

/// Ends without a download: only attributes may differ.
fn kept(args: &Args, host: &mut Host, outcome: Outcome, began: Instant) -> Result<Outcome, Halt> {
    host.files().converge(&args.dest, &args.desired())?;
    let outcome = outcome.with("dest", args.dest.display().to_string()).with("elapsed", began.elapsed().as_secs());
    host.describe(&args.dest, outcome)
}

fn place(args: &Args, host: &mut Host, answer: Response, dest: PathBuf, outcome: Outcome, began: Instant) -> Result<Outcome, Halt> {
    let before = match host.files().stat_followed(&dest)? {
        Some(_) => host.files().digest(&dest, "sha1")?,
        None => None,
    };
    let mut outcome = outcome
        .with("msg", format!("OK ({} bytes)", answer.header("content-length").unwrap_or_else(|| answer.body.len().to_string())))
        .with("status_code", answer.status.map(i64::from))
        .with("checksum_dest", before)
        .with("checksum_src", digest::hex("sha1", &answer.body))
        .with("md5sum", digest::hex("md5", &answer.body))
        .with("dest", dest.display().to_string())
        .with("elapsed", began.elapsed().as_secs());
    if let Some(kept) = host.edit(&dest, Content::Bytes(answer.body), args.desired(), args.backup, None)? {
        outcome = outcome.with("backup_file", kept.display().to_string());
    }
    host.describe(&dest, outcome)
}

/// The name that the server gives the file, else the last part of the address.
fn file_name(answer: &Response) -> String {
    let given = answer.header("content-disposition").and_then(|value| {
        let name = value.split(';').find_map(|part| part.trim().strip_prefix("filename=").map(|n| n.trim_matches('"').to_string()))?;
        // A server does not choose the directory.
        name.rsplit('/').next().map(str::to_string).filter(|name| !name.is_empty() && name != "..")
    });
    given.unwrap_or_else(|| {
        let path = answer.url.split(['?', '#']).next().unwrap_or_default();
        let path = path.split_once("://").map_or(path, |(_, rest)| rest);
        match path.rsplit_once('/') {
            Some((_, name)) if !name.is_empty() && name != ".." => name.to_string(),
            _ => "index.html".to_string(),
        }
    })
}

/// A digest that a file must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checksum {
    algorithm: String,
    hex: String,
}

impl Checksum {
    /// Reads `ALGORITHM:HEX`; `None` for an empty text, an error for what is something else.
    pub(crate) fn parse(text: &str) -> Result<Option<Checksum>, Halt> {
        if text.is_empty() {
            return Ok(None);
        }
        let malformed = || {
            Failure::new(format!("the checksum {text:?} does not have the form ALGORITHM:HEX")).hint("for example sha256:9f86d081…").into()
        };
        let (algorithm, hex) = text.split_once(':').ok_or_else(malformed)?;
        let Some(sample) = digest::hex(algorithm, b"") else {
            return Err(Halt::failed(format!("the digest {algorithm:?} is not known: md5, sha1, sha224, sha256, sha384 and sha512 are")));
        };
        let hex: String = hex.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
        if hex.len() != sample.len() || !hex.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        Ok(Some(Checksum { algorithm: algorithm.to_lowercase(), hex }))
    }

    fn wanted(args: &Args, host: &mut Host) -> Result<Option<Checksum>, Halt> {
        let Some((algorithm, list)) = args.checksum.split_once(':').filter(|(_, rest)| rest.contains("://")) else {
            return Checksum::parse(&args.checksum);
        };
        let answer = host.fetch(&request(args, list))?;
        if answer.status.is_some_and(|status| status != 200) {
            return Err(host.premature(refused(args, &answer)));
        }
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let name = file_name(&Response { url: args.url.clone(), ..Response::default() });
        match listed(&text, &name) {
            Some(hex) => Checksum::parse(&format!("{algorithm}:{hex}")),
            None => Err(Halt::failed(format!("{} holds no digest of {name:?}", without_password(list)))),
        }
    }

    /// The digest's algorithm and value.
    pub(crate) fn require(&self, bytes: &[u8], what: &str) -> Result<(), Failure> {
        let found = digest::hex(&self.algorithm, bytes).unwrap_or_default();
        if found == self.hex {
            return Ok(());
        }
        Err(Failure::new(format!("The checksum for {} did not match {}; it was {found}.", without_password(what), self.hex))
            .hint("either the file was changed where it comes from, or the checksum in the task belongs to another version"))
    }
}

/// The digest of the file in a list as `sha256sum` writes it; a list of one digest alone needs no name.
fn listed(text: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if let [only] = lines.as_slice()
        && only.split_whitespace().count() == 1
    {
        return Some(only.trim().to_string());
    }
    lines.iter().find_map(|line| {
        let (digest, file) = line.split_once(char::is_whitespace)?;
        let file = file.trim().trim_start_matches('*').trim_start_matches("./");
        (file == name || file.rsplit('/').next() == Some(name)).then(|| digest.to_string())
    })
}

/// A time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
fn http_date(seconds: f64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = seconds as i64;
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Civil date by Howard Hinnant's `civil_from_days`.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 2 } else { month - 10 };
    let year = year_of_era + era * 400 + i64::from(month < 2);
    let (hours, minutes, seconds) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let (weekday, month) = (DAYS[days.rem_euclid(7) as usize], MONTHS[month as usize]);
    format!("{weekday}, {day:02} {month} {year} {hours:02}:{minutes:02}:{seconds:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, Server, returned};
    use serde_json::json;

    #[test]
    fn dates_of_http() {
        assert_eq!(http_date(784_111_777.0), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(951_782_400.5), "Tue, 29 Feb 2000 00:00:00 GMT");
    }

    #[test]
    fn digests_in_lists() {
        let list = "aa  ./other\nbb *dir/file.tgz\n";
        assert_eq!(listed(list, "file.tgz").as_deref(), Some("bb"));
        assert_eq!(listed("cc\n", "x").as_deref(), Some("cc"));
        assert_eq!(listed(list, "no"), None);
        assert!(Checksum::parse("sha256:zz").is_err() && Checksum::parse("crc:00").is_err());
    }

    #[test]
    fn names_of_files() {
        let answer = |url: &str, disposition: Option<&str>| Response {
            url: url.into(),
            headers: disposition.map(|d| ("content-disposition".to_string(), d.to_string())).into_iter().collect(),
            ..Response::default()
        };
        assert_eq!(file_name(&answer("http://h/a/b.tgz?x=1/2", None)), "b.tgz");
        assert_eq!(file_name(&answer("http://h/", None)), "index.html");
        assert_eq!(file_name(&answer("http://h/x", Some("attachment; filename=\"../../etc/y\""))), "y");
    }

    #[test]
    fn downloads_once() {
        let server = Server::start(&[
            ("/f.txt", "200 OK", "text"),
            ("/sums", "200 OK", "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1  f.txt\n"),
        ]);
        let mut bench = Bench::new();
        let url = format!("{}/f.txt", server.url);
        let (outcome, changes) =
            bench.law(&MODULE, json!({"url": url, "dest": "/scratch", "checksum": format!("sha256:{}/sums", server.url)}));
        assert_eq!((bench.read("f.txt").as_deref(), changes.len()), (Some("text"), 1));
        assert_eq!((returned(&outcome, "status_code"), returned(&outcome, "msg")), ("200".into(), "OK (4 bytes)".into()));
        bench.law(&MODULE, json!({"url": url, "dest": "/scratch/g", "mode": "0600"}));
        let wrong = json!({"url": url, "dest": "/scratch/h", "checksum": format!("sha1:{}", "0".repeat(40))});
        assert!(bench.failure(&MODULE, wrong).contains("did not match 0000"));
        assert!(bench.read("h").is_none());
        assert!(bench.failure(&MODULE, json!({"url": format!("{}/no", server.url), "dest": "/scratch/h"})).contains("404"));
        let refused = json!({"url": "http://127.0.0.1:1/x", "dest": "/scratch/h"});
        assert!(bench.failure(&MODULE, refused.clone()).starts_with("Request failed: "));
        assert!(matches!(bench.run(false, &MODULE, refused).result, Err(Halt::Unknown(_))));
        assert_eq!(returned(&outcome, "url"), url);
    }
}
