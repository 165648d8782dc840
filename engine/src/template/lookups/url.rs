//! The lookup of what is at an address, asked for by the controller.

use super::{Lookup, Request};
use crate::template::convert::argument;
use crate::template::errors::refuse;
use minijinja::Error;
use modules::host::web;
use modules::value::Value;
use std::path::PathBuf;
use std::time::Duration;

pub(super) const LOOKUPS: &[(&str, Lookup)] = &[("url", url)];

fn url(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let whole = !flag(request, "split_lines", true)?;
    let mut out = Vec::new();
    for address in request.texts() {
        let body = fetched(request, &address)?;
        let text = String::from_utf8_lossy(&body);
        match whole {
            true => out.push(Value::str(&text)),
            false => out.extend(text.lines().map(Value::str)),
        }
    }
    Ok(out)
}

fn fetched(request: &Request<'_>, address: &str) -> Result<Vec<u8>, Error> {
    let failed = |why: String| refuse(format!("Failed lookup url for {}: {why}", web::without_password(address)));
    if let Some(path) = address.strip_prefix("file://") {
        return std::fs::read(path).map_err(|e| failed(format!("<urlopen error {e}>")));
    }
    let text = |name| setting(request, name).map(|v| v.map(|v| v.to_string()));
    let seconds = text("timeout")?.and_then(|t| t.parse().ok()).filter(|t: &f64| *t > 0.0).unwrap_or(10.0);
    let headers = setting(request, "headers")?.unwrap_or_default();
    let login = text("username")?.map(|user| Ok::<_, Error>((user, text("password")?.unwrap_or_default()))).transpose()?;
    let asked = web::Request {
        headers: headers.as_map().into_iter().flatten().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        timeout: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
        validate_certs: flag(request, "validate_certs", true)?,
        use_proxy: flag(request, "use_proxy", true)?,
        redirects: match text("follow_redirects")?.as_deref() {
            Some("no" | "none" | "False") => web::Redirects::None,
            _ => web::Redirects::All,
        },
        login,
        ca_path: text("ca_path")?.map(PathBuf::from),
        agent: text("http_agent")?.unwrap_or_else(|| "ansible-httpget".into()),
        ..web::Request::get(address)
    };
    let answer = web::ask(&asked).map_err(|trouble| match trouble {
        web::Trouble::Request(why) => failed(format!("<urlopen error {why}>")),
        broken @ web::Trouble::Broken { .. } => failed(broken.to_string()),
    })?;
    match answer.status {
        Some(status) if status >= 300 => {
            let address = web::without_password(address);
            Err(refuse(format!("Received HTTP error for {address}: HTTP Error {status}: {}", answer.reason)))
        }
        _ => Ok(answer.body),
    }
}

/// An option of the call, else the variable `ansible_lookup_url_NAME`.
fn setting(request: &Request<'_>, name: &str) -> Result<Option<Value>, Error> {
    if let Some(given) = request.option(name)? {
        return Ok(Some(given).filter(|v| *v != Value::Null));
    }
    // The variable for the agent has a name of its own.
    let name = if name == "http_agent" { "agent" } else { name };
    request.frame.lookup(&format!("ansible_lookup_url_{name}")).map(|v| argument(&v)).transpose()
}

fn flag(request: &Request<'_>, name: &str, other: bool) -> Result<bool, Error> {
    use modules::args::FromValue;
    setting(request, name)?.map_or(Ok(other), |v| {
        bool::from_value(&v).map_err(|_| refuse(format!("the option `{name}` of the url lookup is yes or no, not {v}")))
    })
}
