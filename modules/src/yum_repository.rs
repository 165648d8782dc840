//! Module `yum_repository`: repositories of yum and dnf.

use crate::host::Host;
use crate::host::files::{Content, Desired, Entry};
use crate::module::{Failure, Halt, Outcome};
use crate::{arguments, choices, module};
use std::path::PathBuf;

choices! { pub enum State { Present = "present", Absent = "absent" } }

arguments! {
    pub struct Args {
        /// The repository's id, by which its section is named.
        name: String,
        /// What it is, in words.
        description: Option<String>,
        /// Whether it is there.
        state: State = State::Present,
        /// The file's name without `.repo`; by default the id.
        file: Option<String>,
        /// The folder of the files.
        reposdir: PathBuf = PathBuf::from("/etc/yum.repos.d"),
        /// Addresses of it.
        baseurl: Option<Vec<String>>,
        /// The address of a list of its addresses.
        mirrorlist: Option<String>,
        /// The address of its metalink.
        metalink: Option<String>,
        /// Whether it is used.
        enabled: Option<bool>,
        /// Whether packages' signatures are checked.
        gpgcheck: Option<bool>,
        /// Addresses of its keys.
        gpgkey: Option<Vec<String>>,
        /// The address of the key that signs its keys.
        gpgcakey: Option<String>,
        /// Whether the signature of its own data is checked.
        repo_gpgcheck: Option<bool>,
        /// Whether it is fetched beside others.
        parallel as "async": Option<bool>,
        /// How much of the line it may take.
        bandwidth: Option<String>,
        /// Its cost against others.
        cost: Option<String>,
        /// Whether the host is counted.
        countme: Option<bool>,
        /// When differences of metadata are not used.
        deltarpm_metadata_percentage: Option<String>,
        /// When differences of packages are not used.
        deltarpm_percentage: Option<String>,
        /// Whether groups of packages are used.
        enablegroups: Option<bool>,
        /// Packages to leave alone.
        exclude ["excludepkgs"]: Option<Vec<String>>,
        /// How the next address is chosen.
        failovermethod: Option<String>,
        /// What caches on the way may keep.
        http_caching: Option<String>,
        /// Another file of settings.
        include: Option<String>,
        /// Packages to use alone.
        includepkgs: Option<Vec<String>>,
        /// Which kind of addresses names resolve to.
        ip_resolve: Option<String>,
        /// Whether connections are kept.
        keepalive: Option<bool>,
        /// Whether what was fetched is kept.
        keepcache: Option<String>,
        /// Seconds until its data is old.
        metadata_expire: Option<String>,
        /// For which commands it may be old.
        metadata_expire_filter: Option<String>,
        /// Seconds until the list of addresses is old.
        mirrorlist_expire: Option<String>,
        /// Whether modules do not hide its packages.
        module_hotfixes: Option<bool>,
        /// Password.
        password: Option<String>,
        /// Its place among others, from 1.
        priority: Option<String>,
        /// Whether others do not update its packages.
        protect: Option<bool>,
        /// A proxy's address.
        proxy: Option<String>,
        /// The proxy's password.
        proxy_password: Option<String>,
        /// The proxy's user.
        proxy_username: Option<String>,
        /// How often fetching is tried again.
        retries: Option<String>,
        /// Whether it is in S3.
        s3_enabled: Option<bool>,
        /// Whether all goes on when it cannot be reached.
        skip_if_unavailable: Option<bool>,
        /// Whether permissions of certificates are checked.
        ssl_check_cert_permissions: Option<bool>,
        /// The authorities that are trusted.
        sslcacert ["ca_cert"]: Option<String>,
        /// The client's certificate.
        sslclientcert ["client_cert"]: Option<String>,
        /// The client's key.
        sslclientkey ["client_key"]: Option<String>,
        /// Whether certificates are checked.
        sslverify ["validate_certs"]: Option<bool>,
        /// How much of the bandwidth it may take.
        throttle: Option<String>,
        /// Seconds to wait for a connection.
        timeout: Option<String>,
        /// Variables shown beside its id.
        ui_repoid_vars: Option<String>,
        /// User.
        username: Option<String>,
    } with file attributes
}

module! {
    name: "yum_repository", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "A repository of yum and dnf: a section of a file in /etc/yum.repos.d. Other sections of the file stay as they are; a file \
          without sections goes.",
    examples: [
        r#"{"name": "epel", "description": "EPEL", "baseurl": "https://example.com/epel/$releasever", "gpgcheck": false, "reposdir": "/scratch"}"#,
        r#"{"name": "epel", "state": "absent"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let present = args.state == State::Present;
    if present && args.baseurl.is_none() && args.mirrorlist.is_none() && args.metalink.is_none() {
        return Err(Halt::failed("state is present but any of the following are missing: baseurl, mirrorlist, metalink"));
    }
    if present && args.description.is_none() {
        return Err(Halt::failed("state is present but all of the following are missing: description"));
    }
    if host.files().stat_followed(&args.reposdir)?.is_none() {
        let message = format!("Repo directory '{}' does not exist.", args.reposdir.display());
        return Err(Failure::new(message).hint("is this a host of Red Hat's family?").into());
    }
    let path = args.reposdir.join(format!("{}.repo", args.file.as_ref().unwrap_or(&args.name)));
    let before = String::from_utf8_lossy(&host.files().read(&path)?.unwrap_or_default()).into_owned();
    let after = replaced(&before, &args.name, present.then(|| section(args)).as_deref());
    if after.trim().is_empty() {
        host.files().converge(&path, &Desired { entry: Some(Entry::Absent), ..Desired::default() })?;
    } else {
        let entry = Some(Entry::File(Content::Bytes(after.into_bytes())));
        host.files().converge(&path, &Desired { entry, ..args.desired() })?;
    }
    Ok(Outcome::new().with("repo", args.name.as_str()).with("state", args.state.word()))
}

/// The file's text with one section as given, or without it; one that is new comes last.
fn replaced(text: &str, name: &str, section: Option<&str>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for line in text.lines() {
        let begins = line.starts_with('[');
        match parts.last_mut().filter(|_| !begins) {
            Some(part) => part.push_str(&format!("{line}\n")),
            None => parts.push(format!("{line}\n")),
        }
    }
    let is = |part: &String| part.trim_start().starts_with(&format!("[{name}]"));
    let found = parts.iter().any(is);
    let mut out: String = parts.iter().filter_map(|part| if is(part) { section.map(str::to_string) } else { Some(part.clone()) }).collect();
    if let Some(section) = section.filter(|_| !found) {
        if !out.is_empty() && !out.ends_with("\n\n") {
            out.push('\n');
        }
        out.push_str(section);
    }
    out
}

/// The repository's section, its settings sorted by name.
fn section(args: &Args) -> String {
    let flag = |value: Option<bool>| value.map(|v| if v { "1" } else { "0" }.to_string());
    let lines = |value: &Option<Vec<String>>| value.as_ref().map(|v| v.join("\n\t"));
    let words = |value: &Option<Vec<String>>| value.as_ref().map(|v| v.join(" "));
    let mut settings = vec![
        ("async", flag(args.parallel)),
        ("bandwidth", args.bandwidth.clone()),
        ("baseurl", lines(&args.baseurl)),
        ("cost", args.cost.clone()),
        ("countme", flag(args.countme)),
        ("deltarpm_metadata_percentage", args.deltarpm_metadata_percentage.clone()),
        ("deltarpm_percentage", args.deltarpm_percentage.clone()),
        ("enabled", flag(args.enabled)),
        ("enablegroups", flag(args.enablegroups)),
        ("exclude", words(&args.exclude)),
        ("failovermethod", args.failovermethod.clone()),
        ("gpgcakey", args.gpgcakey.clone()),
        ("gpgcheck", flag(args.gpgcheck)),
        ("gpgkey", lines(&args.gpgkey)),
        ("http_caching", args.http_caching.clone()),
        ("include", args.include.clone()),
        ("includepkgs", words(&args.includepkgs)),
        ("ip_resolve", args.ip_resolve.clone()),
        ("keepalive", flag(args.keepalive)),
        ("keepcache", args.keepcache.clone()),
        ("metadata_expire", args.metadata_expire.clone()),
        ("metadata_expire_filter", args.metadata_expire_filter.clone()),
        ("metalink", args.metalink.clone()),
        ("mirrorlist", args.mirrorlist.clone()),
        ("mirrorlist_expire", args.mirrorlist_expire.clone()),
        ("module_hotfixes", flag(args.module_hotfixes)),
        ("name", args.description.clone()),
        ("password", args.password.clone()),
        ("priority", args.priority.clone()),
        ("protect", flag(args.protect)),
        ("proxy", args.proxy.clone()),
        ("proxy_password", args.proxy_password.clone()),
        ("proxy_username", args.proxy_username.clone()),
        ("repo_gpgcheck", flag(args.repo_gpgcheck)),
        ("retries", args.retries.clone()),
        ("s3_enabled", flag(args.s3_enabled)),
        ("skip_if_unavailable", flag(args.skip_if_unavailable)),
        ("ssl_check_cert_permissions", flag(args.ssl_check_cert_permissions)),
        ("sslcacert", args.sslcacert.clone()),
        ("sslclientcert", args.sslclientcert.clone()),
        ("sslclientkey", args.sslclientkey.clone()),
        ("sslverify", flag(args.sslverify)),
        ("throttle", args.throttle.clone()),
        ("timeout", args.timeout.clone()),
        ("ui_repoid_vars", args.ui_repoid_vars.clone()),
        ("username", args.username.clone()),
    ];
    settings.sort_by_key(|(name, _)| *name);
    let lines: String = settings.into_iter().filter_map(|(name, value)| Some(format!("{name} = {}\n", value?))).collect();
    format!("[{}]\n{lines}\n", args.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn sections_as_observed() {
        let mut bench = Bench::new();
        let args = json!({"name": "epel", "description": "EPEL YUM repo", "baseurl": "https://x.example/$releasever", "gpgcheck": false,
            "exclude": ["a", "b"], "enabled": true, "reposdir": "/scratch"});
        bench.law(&MODULE, args);
        let expected =
            "[epel]\nbaseurl = https://x.example/$releasever\nenabled = 1\nexclude = a b\ngpgcheck = 0\nname = EPEL YUM repo\n\n";
        assert_eq!(bench.read("epel.repo").unwrap(), expected);
        let other = json!({"name": "x", "file": "epel", "description": "X", "baseurl": ["a://b", "c://d"], "reposdir": "/scratch"});
        bench.law(&MODULE, other);
        assert_eq!(bench.read("epel.repo").unwrap(), format!("{expected}[x]\nbaseurl = a://b\n\tc://d\nname = X\n\n"));
        bench.law(&MODULE, json!({"name": "epel", "state": "absent", "reposdir": "/scratch"}));
        assert_eq!(bench.read("epel.repo").unwrap(), "[x]\nbaseurl = a://b\n\tc://d\nname = X\n\n");
        bench.law(&MODULE, json!({"name": "x", "file": "epel", "state": "absent", "reposdir": "/scratch"}));
        assert_eq!(bench.read("epel.repo"), None);
    }

    #[test]
    fn refuses_as_documented() {
        let mut bench = Bench::new();
        let message = bench.failure(&MODULE, json!({"name": "x", "reposdir": "/scratch"}));
        assert_eq!(message, "state is present but any of the following are missing: baseurl, mirrorlist, metalink");
    }
}
