//! Requests over HTTP: those that only ask are sent in plans too, others by apply alone.

use super::Host;
use crate::module::{Failure, Halt};
use base64::Engine;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use ureq::ResponseExt;
use ureq::http::{Request as HttpRequest, Uri};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};

/// Where distributions keep the bundle of certificates that they trust.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The largest answer that is taken: it is held in memory.
const LIMIT: u64 = 2 << 30;
/// How many redirections are followed.
const REDIRECTIONS: u32 = 10;

/// Which redirections a request follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Redirects {
    All,
    None,
}

/// What to ask.
#[derive(Debug, Clone)]
pub struct Request {
    /// `http`, `https` or `file` address.
    pub url: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// Headers to send.
    pub headers: Vec<(String, String)>,
    /// What to send.
    pub body: Option<Vec<u8>>,
    /// How long all of it may take.
    pub timeout: Duration,
    /// Whether the server's certificate is checked.
    pub validate_certs: bool,
    /// Whether the proxies of the environment are used.
    pub use_proxy: bool,
    /// Which redirections are followed.
    pub redirects: Redirects,
    /// User and password to send.
    pub login: Option<(String, String)>,
    /// A file of certificates to trust instead of the system's.
    pub ca_path: Option<PathBuf>,
    /// Files of the client's certificate and of its key, if that is another.
    pub client_certificate: Option<(PathBuf, Option<PathBuf>)>,
    /// What the client calls itself.
    pub agent: String,
}

impl Request {
    /// A `GET` with the defaults of Ansible's modules.
    pub fn get(url: &str) -> Request {
        Request {
            url: url.to_string(),
            method: "GET".to_string(),
            headers: Vec::new(),
            body: None,
            timeout: Duration::from_secs(30),
            validate_certs: true,
            use_proxy: true,
            redirects: Redirects::All,
            login: None,
            ca_path: None,
            client_certificate: None,
            agent: "ansible-httpget".to_string(),
        }
    }
}

/// What a server answered.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// Status code; `None` for a `file` address.
    pub status: Option<u16>,
    /// The status in words.
    pub reason: String,
    /// The address that answered, after redirections.
    pub url: String,
    /// Headers, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
}

impl Response {
    /// The values of a header, joined by commas.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

impl Host {
    /// Asks. Under the overlay, a method that may change something is not sent. As in Ansible a request is no change of
    /// this host, so none is recorded.
    ///
    /// # Errors
    /// `Halt::Unknown` in a plan when it was not sent or nobody answered, since earlier tasks may start the server;
    /// a failure with `status` -1 when nobody answered.
    pub fn fetch(&mut self, request: &Request) -> Result<Response, Halt> {
        if let Some(path) = request.url.strip_prefix("file://") {
            let path = PathBuf::from(decoded(path));
            let body = self.files().read(&path)?.ok_or_else(|| Halt::failed(format!("{} does not exist", path.display())))?;
            return Ok(Response { url: request.url.clone(), body, ..Response::default() });
        }
        if !self.is_live() && !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
            return Err(Halt::Unknown(format!("the answer to {} {}", request.method, without_password(&request.url))));
        }
        ask(request).map_err(|trouble| self.premature(Failure::new(trouble.to_string()).with("status", -1)))
    }

    /// What is at an address.
    ///
    /// # Errors
    /// As [`Host::fetch`], and when the server does not have it.
    pub fn download(&mut self, url: &str) -> Result<Vec<u8>, Halt> {
        self.download_from(url, true)
    }

    /// What is at an address, whose server's certificate is checked or not.
    ///
    /// # Errors
    /// As [`Host::download`].
    pub fn download_from(&mut self, url: &str, validate_certs: bool) -> Result<Vec<u8>, Halt> {
        let response = self.fetch(&Request { timeout: Duration::from_secs(300), validate_certs, ..Request::get(url) })?;
        match response.status {
            Some(200) | None => Ok(response.body),
            Some(status) => {
                let failure = Failure::new(format!("Failed to download {}: {status} {}", without_password(url), response.reason));
                Err(self.premature(failure.with("status_code", i64::from(status))))
            }
        }
    }

    /// What a failure means that earlier tasks may prevent by what they do to other machines and services: in a plan, it is
    /// not known yet.
    pub fn premature(&self, failure: Failure) -> Halt {
        if self.is_live() { failure.into() } else { Halt::Unknown(format!("now: {}", failure.message)) }
    }
}

/// The address without the password it may hold, for messages.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_string();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => url.to_string(),
    }
}

fn decoded(path: &str) -> String {
    let mut out = Vec::with_capacity(path.len());
    let bytes = path.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let hex = path.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Nobody answered, or not as HTTP and TLS want it.
    #[error("Request failed: {0}")]
    Request(String),
    /// The answer began and does not end as it said.
    #[error("HTTP Error while fetching {url}: Incomplete read, {why}")]
    Broken {
        /// The address, without a password.
        url: String,
        /// What happened.
        why: String,
    },
}

impl From<String> for Trouble {
    fn from(why: String) -> Trouble {
        Trouble::Request(why)
    }
}

fn words(error: ureq::Error) -> String {
    let said = match error {
        ureq::Error::Io(e) => e.to_string(),
        ureq::Error::ConnectionFailed => "connection refused".to_string(),
        ureq::Error::HostNotFound => "the host name is not known".to_string(),
        e => e.to_string(),
    };
    certificate_problem(&said).unwrap_or(said)
}

/// What is wrong with a server's certificate, in the words that OpenSSL has for it and playbooks look for.
fn certificate_problem(said: &str) -> Option<String> {
    let (_, problem) = said.split_once("invalid peer certificate: ")?;
    let name = problem.strip_prefix("certificate not valid for name \"").and_then(|rest| rest.split_once('"'));
    Some(match name {
        Some((name, _)) => format!("certificate verify failed: Hostname mismatch, certificate is not valid for '{name}' ({problem})"),
        None => format!("certificate verify failed: {problem}"),
    })
}

/// Asks from this machine, whatever the method.
///
/// # Errors
/// An address that is none, nobody who answers, or an answer that cannot be read.
pub fn ask(request: &Request) -> Result<Response, Trouble> {
    let clean = without_password(&request.url);
    let uri: Uri = clean.parse().map_err(|e| format!("{clean:?} is not an address: {e}"))?;
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(if request.redirects == Redirects::All { REDIRECTIONS } else { 0 })
        .max_redirects_will_error(true)
        .timeout_global(Some(request.timeout))
        .user_agent(request.agent.as_str())
        .proxy(if request.use_proxy { proxy(&uri) } else { None })
        .tls_config(tls(request, uri.scheme_str() == Some("https"))?)
        .build();
    let mut built = HttpRequest::builder().method(request.method.as_str()).uri(uri);
    let login = request.login.clone().or_else(|| login_in(&request.url));
    if let Some((user, password)) = login {
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        built = built.header("Authorization", format!("Basic {token}"));
    }
    for (name, value) in &request.headers {
        built = built.header(name, value);
    }
    let agent = config.new_agent();
    let mut answer = match &request.body {
        Some(body) => agent.run(built.body(body.clone()).map_err(|e| e.to_string())?),
        None => agent.run(built.body(()).map_err(|e| e.to_string())?),
    }
    .map_err(words)?;
    let headers = answer.headers().iter().map(|(n, v)| (n.as_str().to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()));
    Ok(Response {
        status: Some(answer.status().as_u16()),
        reason: answer.status().canonical_reason().unwrap_or_default().to_string(),
        url: answer.get_uri().to_string(),
        headers: headers.collect(),
        body: answer.body_mut().with_config().limit(LIMIT).read_to_vec().map_err(|e| Trouble::Broken { url: clean, why: words(e) })?,
    })
}

fn login_in(url: &str) -> Option<(String, String)> {
    let rest = url.split_once("://")?.1;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let (user, password) = authority.rsplit_once('@')?.0.split_once(':')?;
    Some((decoded(user), decoded(password)))
}

/// The proxy of the environment for the address's scheme, unless `no_proxy` names its host.
fn proxy(uri: &Uri) -> Option<ureq::Proxy> {
    let scheme = uri.scheme_str()?;
    let named = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let either = |name: &str| named(&name.to_lowercase()).or_else(|| named(&name.to_uppercase()));
    let address = either(&format!("{scheme}_proxy")).or_else(|| either("all_proxy"))?;
    let host = uri.host()?;
    let spared = either("no_proxy").is_some_and(|list| {
        list.split(',').map(str::trim).any(|entry| {
            let entry = entry.trim_start_matches("*").trim_start_matches('.');
            !entry.is_empty() && (host == entry || host.ends_with(&format!(".{entry}"))) || entry == "*"
        }) || list.trim() == "*"
    });
    if spared { None } else { ureq::Proxy::new(&address).ok() }
}

fn tls(request: &Request, secured: bool) -> Result<TlsConfig, String> {
    let builder = TlsConfig::builder().disable_verification(!request.validate_certs);
    // Reading the bundle takes a while, so only who needs it does.
    if !secured {
        return Ok(builder.build());
    }
    let read = |path: &PathBuf| fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
    let given = request.ca_path.clone().or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from));
    let bundle = match &given {
        Some(path) => Some(read(path)?),
        None => BUNDLES.iter().find_map(|path| fs::read(path).ok()),
    };
    let roots = match bundle {
        Some(pem) => RootCerts::from(certificates(&pem)),
        // Mozilla's list as it was when the program was built.
        None => RootCerts::WebPki,
    };
    let client = match &request.client_certificate {
        Some((certificate, key)) => {
            let pem = read(certificate)?;
            let key = key.as_ref().map(read).transpose()?.unwrap_or_else(|| pem.clone());
            let key = PrivateKey::from_pem(&key).map_err(|e| format!("the client's key: {e}"))?;
            Some(ClientCert::new_with_certs(&certificates(&pem), key))
        }
        None => None,
    };
    Ok(builder.root_certs(roots).client_cert(client).build())
}

fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    ureq::tls::parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_passwords() {
        assert_eq!(without_password("http://me:p%40ss@host:1/x@y"), "http://host:1/x@y");
        assert_eq!(without_password("http://host/x"), "http://host/x");
        assert_eq!(login_in("http://me:p%40ss@host/"), Some(("me".into(), "p@ss".into())));
        assert_eq!(login_in("http://host/a:b@c"), None);
    }

    #[test]
    fn certificates_are_refused_in_known_words() {
        let said = "io: invalid peer certificate: certificate not valid for name \"a.example\"; certificate is only valid for DnsName(\"b.example\")";
        let words = certificate_problem(said).unwrap();
        assert!(words.starts_with("certificate verify failed: Hostname mismatch, certificate is not valid for 'a.example' ("), "{words}");
        let words = certificate_problem("invalid peer certificate: UnknownIssuer");
        assert_eq!(words.as_deref(), Some("certificate verify failed: UnknownIssuer"));
        assert_eq!(certificate_problem("connection refused"), None);
    }

    #[test]
    fn an_answer_that_ends_early_is_no_answer() {
        use std::io::{Read, Write};
        for answer in ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhel", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhel"]
        {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            });
            let trouble = ask(&Request { use_proxy: false, ..Request::get(&url) }).unwrap_err().to_string();
            assert!(trouble.starts_with(&format!("HTTP Error while fetching {url}: Incomplete read, ")), "{trouble}");
            server.join().unwrap();
        }
    }
}
