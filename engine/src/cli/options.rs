//! Options that several commands share, by Ansible's names.

use super::config::Config;
use crate::error::Diagnostic;
use crate::vault::{Vault, Wanted};
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Which hosts.
#[derive(Debug, Args, Clone)]
pub(super) struct InventoryOptions {
    /// Inventory: a file, a folder, a script, or a comma list of hosts; may be given several times
    #[arg(short = 'i', long = "inventory", value_name = "INVENTORY")]
    pub(super) inventory: Vec<String>,
    /// Only these hosts: a pattern, or @FILE
    #[arg(short = 'l', long = "limit", value_name = "PATTERN")]
    pub(super) limit: Option<String>,
    /// What opens encrypted files and values.
    #[command(flatten)]
    pub(super) vault: VaultOptions,
    /// Whether inventories that cannot be read are left out, as Ansible's programs do.
    #[arg(skip)]
    pub(super) lenient: bool,
}

/// Passwords of encrypted files and values.
#[derive(Debug, Args, Clone, Default)]
pub(super) struct VaultOptions {
    /// Vault password: a file that holds it, or a program that prints it; may be given several times
    #[arg(long = "vault-password-file", alias = "vault-pass-file", value_name = "FILE")]
    pub(super) password_files: Vec<String>,
    /// Vault id and its password: a file, a program, or `prompt`; may be given several times
    #[arg(long = "vault-id", value_name = "[ID@]SOURCE")]
    pub(super) ids: Vec<String>,
    /// Ask for the vault password
    #[arg(short = 'J', long = "ask-vault-pass", alias = "ask-vault-password")]
    pub(super) ask: bool,
}

impl VaultOptions {
    /// The passwords that the configuration and these options name, in Ansible's order.
    fn wanted(&self, config: &Config) -> Vec<Wanted> {
        let list = config.text("ANSIBLE_VAULT_IDENTITY_LIST", "defaults", "vault_identity_list").unwrap_or_default();
        let mut wanted: Vec<Wanted> = list.split(',').map(str::trim).filter(|w| !w.is_empty()).map(Wanted::parse).collect();
        wanted.extend(self.ids.iter().map(|w| Wanted::parse(w)));
        wanted.extend(self.password_files.iter().map(Wanted::unnamed));
        let from_environment = std::env::var("ANSIBLE_VAULT_PASSWORD_FILE").is_ok_and(|v| !v.is_empty());
        if let Some(file) = config.text("ANSIBLE_VAULT_PASSWORD_FILE", "defaults", "vault_password_file") {
            let file = if from_environment { file } else { config.path(&file).display().to_string() };
            wanted.push(Wanted::unnamed(file));
        }
        if self.ask {
            wanted.push(Wanted::unnamed("prompt"));
        }
        wanted
    }

    /// Reads the passwords; says on standard error which could not be had while others could.
    ///
    /// # Errors
    /// When none of those named could be had.
    pub(super) fn open(&self, config: &Config) -> Result<Arc<Vault>, Vec<Diagnostic>> {
        let (secrets, missing) = crate::vault::collect(&self.wanted(config), &super::ask::ask)?;
        for warning in missing {
            eprint!("{}", warning.render_warning(crate::report::paint::Paint::stderr().colour));
        }
        Ok(Arc::new(Vault::new(secrets)))
    }
}

/// What to run.
#[derive(Debug, Args, Clone)]
pub(super) struct PlaybookOptions {
    /// Playbooks, in order; without any, `site.yaml` here or beside the inventory
    #[arg(value_name = "PLAYBOOK")]
    pub(super) playbooks: Vec<PathBuf>,
    /// Extra variables: name=value, YAML or JSON, or @FILE
    #[arg(short = 'e', long = "extra-vars", value_name = "VARS")]
    pub(super) extra_vars: Vec<String>,
    /// Only tasks with one of these tags
    #[arg(short = 't', long = "tags", value_name = "TAGS", value_delimiter = ',')]
    pub(super) tags: Vec<String>,
    /// No tasks with one of these tags
    #[arg(long = "skip-tags", value_name = "TAGS", value_delimiter = ',')]
    pub(super) skip_tags: Vec<String>,
    /// Leave out what stands before the task of this name (`*` and `?` stand for any letters)
    #[arg(long, value_name = "TASK")]
    pub(super) start_at_task: Option<String>,
    /// Run handlers even if a task failed
    #[arg(long)]
    pub(super) force_handlers: bool,
}

/// How hosts are reached.
#[derive(Debug, Args, Clone, Default)]
pub(super) struct ConnectionOptions {
    /// User to log in as
    #[arg(short = 'u', long = "user", value_name = "USER")]
    pub(super) user: Option<String>,
    /// Become another user on the hosts (root unless said otherwise)
    #[arg(short = 'b', long = "become")]
    pub(super) becomes: bool,
    /// User to become
    #[arg(long, value_name = "USER")]
    pub(super) become_user: Option<String>,
    /// How to become it: sudo, su or doas
    #[arg(long, value_name = "METHOD")]
    pub(super) become_method: Option<String>,
    /// Ask for the password that becoming needs
    #[arg(short = 'K', long = "ask-become-pass")]
    pub(super) ask_become_pass: bool,
    /// File that holds the password that becoming needs
    #[arg(long, value_name = "FILE")]
    pub(super) become_password_file: Option<PathBuf>,
    /// Private key to log in with
    #[arg(long = "private-key", alias = "key-file", value_name = "FILE")]
    pub(super) private_key: Option<String>,
    /// Connection: ssh or local
    #[arg(short = 'c', long = "connection", value_name = "KIND")]
    pub(super) connection: Option<String>,
    /// More arguments for ssh
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub(super) ssh_common_args: Option<String>,
    /// Seconds to wait for a connection
    #[arg(short = 'T', long = "timeout", value_name = "SECONDS")]
    pub(super) timeout: Option<u64>,
    /// How many hosts act at a time
    #[arg(short = 'f', long = "forks", value_name = "N")]
    pub(super) forks: Option<usize>,
    /// Say more: -v changes, -vv results
    #[arg(short = 'v', long = "verbose", action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}
