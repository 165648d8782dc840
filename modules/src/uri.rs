//! `uri`: a request to a web service.

use crate::host::Host;
use crate::host::files::{Content, FileKind};
use crate::host::web::{Redirects, Request, Response, without_password};
use crate::module::{Failure, Halt, Outcome};
use crate::value::{Map, Value};
use base64::Engine;
use std::path::PathBuf;
use std::time::{Duration, Instant};

crate::choices! {
    pub enum BodyFormat {
        Raw = "raw",
        Json = "json",
        FormUrlencoded = "form-urlencoded",
        FormMultipart = "form-multipart",
    }
}

crate::choices! {
    pub enum Follow { Safe = "safe", All = "all" | "yes" | "true" | "True", None = "none" | "no" | "false" | "False", Urllib2 = "urllib2" }
}

crate::arguments! {
    pub struct Args {
        /// The address.
        url: String,
        /// The method; anything but `GET`, `HEAD` and `OPTIONS` is sent by apply alone, its answer is known then.
        method: String = "GET".to_string(),
        /// What to send.
        body: Option<Value>,
        /// How `body` is written.
        body_format: BodyFormat = BodyFormat::Raw,
        /// A file on the host to send instead of `body`.
        src: Option<PathBuf>,
        /// Accepted; `src` is on the host.
        remote_src: bool = false,
        /// Where the answer is written to.
        dest: Option<PathBuf>,
        /// Return the answer as `content`, also when it is a failure.
        return_content: bool = false,
        /// Status codes that are a success.
        status_code: Vec<i64> = vec![200],
        /// Headers to send.
        headers: Map = Map::new(),
        /// How many seconds it may take.
        timeout: u64 = 30,
        /// Which redirections are followed: `safe` those of `GET` and `HEAD`.
        follow_redirects: Follow = Follow::Safe,
        /// Do nothing if this file exists.
        creates: Option<PathBuf>,
        /// Do nothing if this file does not exist.
        removes: Option<PathBuf>,
        /// Ask even if a cache has the answer.
        force: bool = false,
        /// The user to log in as.
        url_username ["user"]: Option<String>,
        /// The password to log in with.
        url_password ["password"]: Option<String>,
        /// Accepted; a login is always sent at once.
        force_basic_auth: bool = false,
        /// A file with the client's certificate.
        client_cert: Option<PathBuf>,
        /// A file with the client's key, if it is not in `client_cert`.
        client_key: Option<PathBuf>,
        /// A file of certificates to trust instead of the system's.
        ca_path: Option<PathBuf>,
        /// Whether the server's certificate is checked.
        validate_certs: bool = true,
        /// Whether the proxies of the environment are used.
        use_proxy: bool = true,
        /// What the client calls itself.
        http_agent: String = "ansible-httpget".to_string(),
        /// Accepted; compressed answers are unpacked.
        decompress: bool = true,
        /// Accepted; the program brings its own ciphers.
        ciphers: Option<Vec<String>>,
        /// Accepted; `.netrc` is not read.
        use_netrc: bool = true,
        /// Accepted; Kerberos is not spoken.
        use_gssapi: bool = false,
        /// Accepted; headers are sent to the first address alone where HTTP asks for it.
        unredirected_headers: Vec<String> = Vec::new(),
    } with file attributes
}

crate::module! {
    name: "uri", collection: "ansible.builtin", aliases: [], effects: World, foresight: Reads,
    doc: "Sends a request to a web service and returns the answer. Requests that only ask are sent in plans too.",
    examples: [r#"{"url": "http://127.0.0.1:1/", "creates": "/etc/passwd"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let began = Instant::now();
    for (path, skip_if, word) in [(&args.creates, true, "exists"), (&args.removes, false, "does not exist")] {
        if let Some(path) = path
            && host.files().stat_followed(path)?.is_some() == skip_if
        {
            let said = format!("skipped, since '{}' {word}", path.display());
            let mut outcome = Outcome::new().with("stdout_lines", Value::list([Value::str(&said)])).with("stdout", said);
            outcome.skipped = true;
            return Ok(outcome);
        }
    }
    let asked = request(args, host)?;
    let answer = host.fetch(&asked).map_err(|halt| unanswered(halt, args))?;
    let outcome = described(args, &answer, began);
    let status = i64::from(answer.status.unwrap_or(200));
    if !args.status_code.contains(&status) {
        let wanted: Vec<String> = args.status_code.iter().map(ToString::to_string).collect();
        let message = format!("Status code was {status} and not [{}]: HTTP Error {status}: {}", wanted.join(", "), answer.reason);
        return Err(host.premature(Failure { message, hint: None, returns: outcome.returns }));
    }
    let outcome = outcome.with("msg", format!("OK ({} bytes)", answer.header("content-length").unwrap_or_else(|| "unknown".into())));
    written(args, host, answer, outcome)
}

fn unanswered(halt: Halt, args: &Args) -> Halt {
    match halt {
        Halt::Failed(mut failure) => {
            let wanted: Vec<String> = args.status_code.iter().map(ToString::to_string).collect();
            failure.message = format!("Status code was -1 and not [{}]: {}", wanted.join(", "), failure.message);
            failure.with("url", without_password(&args.url)).with("redirected", false).into()
        }
        unknown => unknown,
    }
}

fn request(args: &Args, host: &mut Host) -> Result<Request, Halt> {
    let mut headers: Vec<(String, String)> = args.headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let typed = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let (body, kind) = match &args.src {
        Some(path) => {
            let bytes = host.files().read(path)?.ok_or_else(|| Halt::failed(format!("Unable to open source file {}", path.display())))?;
            (Some(bytes), None)
        }
        None => body(args)?,
    };
    if let Some(kind) = kind.filter(|_| !typed) {
        headers.push(("Content-Type".into(), kind));
    }
    if args.force {
        headers.push(("Cache-Control".into(), "no-cache".into()));
    }
    let method = args.method.to_uppercase();
    let asks = matches!(method.as_str(), "GET" | "HEAD");
    let redirects = match args.follow_redirects {
        Follow::None => Redirects::None,
        Follow::Safe if !asks => Redirects::None,
        _ => Redirects::All,
    };
    Ok(Request {
        method,
        headers,
        body,
        timeout: Duration::from_secs(args.timeout),
        validate_certs: args.validate_certs,
        use_proxy: args.use_proxy,
        redirects,
        login: args.url_username.clone().map(|user| (user, args.url_password.clone().unwrap_or_default())),
        ca_path: args.ca_path.clone(),
        client_certificate: args.client_cert.clone().map(|certificate| (certificate, args.client_key.clone())),
        agent: args.http_agent.clone(),
        ..Request::get(&args.url)
    })
}

type Body = (Option<Vec<u8>>, Option<String>);

fn body(args: &Args) -> Result<Body, Halt> {
    let Some(body) = &args.body else {
        return Ok((None, None));
    };
    Ok(match (args.body_format, body.reveal()) {
        (BodyFormat::Json, Value::Str(text)) => (Some(text.as_bytes().to_vec()), Some("application/json".into())),
        (BodyFormat::Json, body) => (Some(body.revealed().to_json().to_string().into_bytes()), Some("application/json".into())),
        (BodyFormat::FormUrlencoded, Value::Str(text)) => {
            (Some(text.as_bytes().to_vec()), Some("application/x-www-form-urlencoded".into()))
        }
        (BodyFormat::FormUrlencoded, body) => (Some(form(body)?.into_bytes()), Some("application/x-www-form-urlencoded".into())),
        (BodyFormat::FormMultipart, body) => multipart(body)?,
        (BodyFormat::Raw, body @ (Value::Map(_) | Value::List(_))) => {
            (Some(body.revealed().to_json().to_string().into_bytes()), Some("application/json".into()))
        }
        (BodyFormat::Raw, body) => (Some(body.to_string().into_bytes()), None),
    })
}

/// Pairs as a form's text; lists repeat their name.
fn form(body: &Value) -> Result<String, Halt> {
    let refused = || Halt::failed("a form's `body` must be a dictionary, a list of pairs or text");
    let mut pairs: Vec<(String, Value)> = Vec::new();
    match body {
        Value::Map(map) => pairs.extend(map.iter().map(|(k, v)| (k.to_string(), v.clone()))),
        Value::List(list) => {
            for item in list.iter() {
                let [name, value] = item.as_list().ok_or_else(refused)? else { return Err(refused()) };
                pairs.push((name.to_string(), value.clone()));
            }
        }
        _ => return Err(refused()),
    }
    let flat = pairs.iter().flat_map(|(name, value)| match value.reveal() {
        Value::List(values) => values.iter().map(|v| (name, v.to_string())).collect(),
        value => vec![(name, value.to_string())],
    });
    Ok(flat.map(|(name, value)| format!("{}={}", quoted(name), quoted(&value))).collect::<Vec<_>>().join("&"))
}

/// Text as forms carry it: a blank is `+`, all but letters, digits and `_.-~` is `%XX`.
fn quoted(text: &str) -> String {
    let quote = |byte: u8| match byte {
        b' ' => "+".to_string(),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(quote).collect()
}

fn multipart(body: &Value) -> Result<Body, Halt> {
    let map = body.as_map().ok_or_else(|| Halt::failed("the `body` of form-multipart must be a dictionary"))?;
    // The boundary depends on the content alone, so that equal requests are equal.
    let digest = crate::host::digest::hex("sha256", body.to_string().as_bytes()).unwrap_or_default();
    let boundary = format!("{:=<15}{}", "", &digest[..24]);
    let mut out = Vec::new();
    for (name, part) in map {
        let text = |key: &str| part.get(key).map(ToString::to_string);
        let (content, file) = match part.reveal() {
            Value::Map(_) => {
                let content = text("content").ok_or_else(|| Halt::failed(format!("the part {name} of the form has no `content`")))?;
                let coded = text("multipart_encoding").is_some_and(|e| e == "base64") && text("filename").is_some();
                let content = if coded { base64::engine::general_purpose::STANDARD.encode(content) } else { content };
                (content, text("filename"))
            }
            plain => (plain.to_string(), None),
        };
        let clean = |text: &str| text.replace(['"', '\r', '\n'], "_");
        let file = file.map(|file| format!("; filename=\"{}\"", clean(&file))).unwrap_or_default();
        let kind = text("mime_type").unwrap_or_else(|| "text/plain".to_string());
        out.extend_from_slice(
            format!(
                "--{boundary}\r\nContent-Type: {}\r\nContent-Disposition: form-data; name=\"{}\"{file}\r\n\r\n{content}\r\n",
                clean(&kind),
                clean(&name.to_string())
            )
            .as_bytes(),
        );
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((Some(out), Some(format!("multipart/form-data; boundary=\"{boundary}\""))))
}

/// What every answer returns, whether it is a success or not.
fn described(args: &Args, answer: &Response, began: Instant) -> Outcome {
    let mut outcome = Outcome::new();
    for (name, _) in &answer.headers {
        let value = answer.header(name).unwrap_or_default();
        outcome = outcome.with(&name.replace('-', "_"), value);
    }
    let kind = answer.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if (kind == "application/json" || kind.ends_with("+json") || kind == "text/json")
        && let Ok(json) = serde_json::from_slice::<serde_json::Value>(&answer.body)
    {
        outcome = outcome.with("json", Value::from_json(&json));
    }
    if args.return_content {
        outcome = outcome.with("content", String::from_utf8_lossy(&answer.body).into_owned());
    }
    let redirected = answer.url.trim_end_matches('/') != without_password(&args.url).trim_end_matches('/');
    let jar = cookies(answer);
    let jar_text: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
    outcome
        .with("status", answer.status.map(i64::from))
        .with("url", answer.url.as_str())
        .with("redirected", redirected)
        .with("cookies", Value::map(jar.into_iter().map(|(name, value)| (name, Value::str(value)))))
        .with("cookies_string", jar_text.join("; "))
        .with("elapsed", began.elapsed().as_secs())
}

fn cookies(answer: &Response) -> Vec<(String, String)> {
    let set = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    let pair = |value: &str| value.split(';').next()?.split_once('=').map(|(n, v)| (n.trim().to_string(), v.trim().to_string()));
    set.filter_map(|(_, value)| pair(value)).collect()
}

fn written(args: &Args, host: &mut Host, answer: Response, outcome: Outcome) -> Result<Outcome, Halt> {
    let Some(dest) = &args.dest else {
        return Ok(outcome);
    };
    let into = host.files().stat_followed(dest)?.is_some_and(|stat| stat.kind == FileKind::Directory);
    let name =
        answer.url.split(['?', '#']).next().and_then(|path| path.rsplit('/').next()).filter(|n| !n.is_empty()).unwrap_or("index.html");
    let path = if into { dest.join(name) } else { dest.clone() };
    host.edit(&path, Content::Bytes(answer.body), args.desired(), false, None)?;
    host.describe(&path, outcome.with("path", path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, Server, returned};
    use serde_json::json;

    #[test]
    fn asks_and_reads_json() {
        let server = Server::start(&[(
            "/j",
            "200 OK\r\nContent-Type: application/json\r\nX-My: 1\r\nSet-Cookie: a=b; Path=/",
            r#"{"a": [1, 2.5]}"#,
        )]);
        let mut bench = Bench::new();
        let url = format!("{}/j", server.url);
        let (outcome, changes) = bench.law(&MODULE, json!({"url": url, "return_content": true}));
        assert!(changes.is_empty());
        assert_eq!(returned(&outcome, "json"), "{'a': [1, 2.5]}");
        assert_eq!((returned(&outcome, "x_my"), returned(&outcome, "status")), ("1".into(), "200".into()));
        assert_eq!((returned(&outcome, "cookies"), returned(&outcome, "redirected")), ("{'a': 'b'}".into(), "False".into()));
        let (outcome, _) = bench.law(&MODULE, json!({"url": url, "dest": "/scratch/j", "mode": "0600"}));
        assert!(returned(&outcome, "path").ends_with("/j"));
        assert!(bench.failure(&MODULE, json!({"url": format!("{}/no", server.url)})).starts_with("Status code was 404 and not [200]"));
        bench.apply(&MODULE, json!({"url": format!("{}/no", server.url), "status_code": "200,404"}));
    }

    #[test]
    fn only_apply_sends_what_may_change() {
        let server = Server::start(&[("/p", "201 Created", "")]);
        let mut bench = Bench::new();
        let args =
            json!({"url": format!("{}/p", server.url), "method": "post", "body": {"a": 1}, "body_format": "json", "status_code": [201]});
        assert!(matches!(bench.run(false, &MODULE, args.clone()).result, Err(Halt::Unknown(_))));
        assert_eq!(server.seen().len(), 0);
        let (_, changes) = bench.apply(&MODULE, args);
        assert_eq!(changes, []);
        let seen = server.seen();
        assert!(seen[0].contains("application/json") && seen[0].ends_with(r#"{"a":1}"#), "{seen:?}");
    }

    #[test]
    fn writes_forms() {
        let value = Value::map([("a", Value::Int(1)), ("b", Value::list([Value::str("x"), Value::str("y z&")]))]);
        assert_eq!(form(&value).unwrap(), "a=1&b=x&b=y+z%26");
        let part = Value::map([("content", Value::str("hi")), ("filename", Value::str("x.txt"))]);
        let (body, kind) = multipart(&Value::map([("f", part)])).unwrap();
        let text = String::from_utf8(body.unwrap()).unwrap();
        assert!(kind.unwrap().starts_with("multipart/form-data; boundary="));
        assert!(text.contains("form-data; name=\"f\"; filename=\"x.txt\"\r\n\r\nhi\r\n"), "{text}");
    }

    #[test]
    fn skips_by_files() {
        let mut bench = Bench::new();
        let (outcome, _) = bench.law(&MODULE, json!({"url": "http://127.0.0.1:1/", "creates": "/scratch"}));
        assert!(outcome.skipped && returned(&outcome, "stdout").ends_with("exists"));
        bench.law(&MODULE, json!({"url": "http://127.0.0.1:1/", "removes": "/scratch/no"}));
    }
}
