//! Playbooks and plays.

use super::actions::known_module;
use super::keywords::{Owner, given, is_template, kind, listed};
use super::reader::Reader;
use super::{Keywords, Play, PlayItem, PlaybookImport, RoleUse};
use crate::error::Diagnostic;
use crate::yaml::{Data, Node};
use std::sync::Arc;

const ORDERS: &[&str] = &["inventory", "reverse_inventory", "sorted", "reverse_sorted", "shuffle"];

const PROMPT: &[&str] = &["name", "prompt", "default", "private", "confirm", "encrypt", "salt_size", "salt", "unsafe"];

impl Reader<'_> {
    /// The plays of a playbook.
    pub(super) fn plays(&mut self, document: &Node) -> Vec<PlayItem> {
        let Some(list) = document.as_list() else {
            let what = format!("a playbook must be a list of plays, not {}", kind(document));
            let mut error = Diagnostic::input(what).at(document.place());
            if document.get("hosts").is_some() {
                error = error.hint("start the play with `- `");
            } else if document.as_str().is_some() || document.get("all").is_some() {
                error = error.hint("an inventory is given with `-i`");
            }
            self.error(error);
            return Vec::new();
        };
        if list.is_empty() {
            let error = Diagnostic::input("the playbook has no plays").at(document.place());
            self.error(error.said("A playbook must contain at least one play"));
        }
        list.iter().filter_map(|node| self.play_item(node)).collect()
    }

    fn play_item(&mut self, node: &Node) -> Option<PlayItem> {
        if node.as_map().is_none() {
            self.error(Diagnostic::input(format!("a play must be a dictionary, not {}", kind(node))).at(node.place()));
            return None;
        }
        if let Some(file) = node.get("import_playbook").or_else(|| node.get("ansible.builtin.import_playbook")) {
            self.check_keywords(node, Owner::Import);
            if file.is_null() {
                self.error(Diagnostic::input("`import_playbook` names no file").at(file.place()));
            }
            let keywords = Arc::new(self.keywords(node));
            return Some(PlayItem::Import(PlaybookImport { place: node.place().clone(), file: file.clone(), keywords }));
        }
        self.play(node).map(|play| PlayItem::Play(Arc::new(play)))
    }

    fn play(&mut self, node: &Node) -> Option<Play> {
        self.check_keywords(node, Owner::Play);
        self.check_order(node);
        if let (Some(user), Some(_)) = (node.get("user"), node.get("remote_user")) {
            let error = Diagnostic::input("a play has `user` or `remote_user`, not both").at(user.place());
            let said = "both 'user' and 'remote_user' are set for this play. The use of 'user' is deprecated, and should be removed";
            self.error(error.hint("`user` is the older name: keep `remote_user`").said(said));
        }
        let hosts = self.hosts(node);
        let roles = given(node, "roles");
        Some(Play {
            place: node.place().clone(),
            path: self.path.to_path_buf(),
            name: given(node, "name"),
            keywords: Arc::new(self.keywords(node)),
            vars_files: listed(given(node, "vars_files")),
            vars_prompt: self.prompts(node),
            gather_facts: given(node, "gather_facts"),
            gather_subset: given(node, "gather_subset"),
            gather_timeout: given(node, "gather_timeout"),
            fact_path: given(node, "fact_path"),
            serial: given(node, "serial"),
            strategy: given(node, "strategy"),
            order: given(node, "order"),
            max_fail_percentage: given(node, "max_fail_percentage"),
            force_handlers: given(node, "force_handlers"),
            roles: self.role_uses(roles.as_ref()),
            pre_tasks: self.items(node.get("pre_tasks"), Owner::Task),
            tasks: self.items(node.get("tasks"), Owner::Task),
            post_tasks: self.items(node.get("post_tasks"), Owner::Task),
            handlers: self.items(node.get("handlers"), Owner::Handler),
            hosts: hosts?,
        })
    }

    fn hosts(&mut self, node: &Node) -> Option<Node> {
        let Some(hosts) = node.get("hosts") else {
            let mut error = Diagnostic::input("the play has no `hosts`").at(node.place());
            let module = node.as_map()?.iter().filter_map(|(key, _)| key.as_str()).find(|key| known_module(key));
            error = match module {
                Some(module) => error.hint(format!("a task with `{module}` stands under `tasks` of a play")),
                None => error.hint("say on which hosts it runs, e.g. `hosts: all`"),
            };
            self.error(error);
            return None;
        };
        let plain = |node: &Node| matches!(node.data(), Data::Str(text) if !text.trim().is_empty());
        let fits = match hosts.as_list() {
            Some(items) => !items.is_empty() && items.iter().all(plain),
            None => plain(hosts),
        };
        if !fits {
            let found = if hosts.is_null() { "nothing".to_string() } else { format!("this {}", hosts.type_name()) };
            let error = Diagnostic::input(format!("`hosts` must be a pattern or a list of patterns, not {found}")).at(hosts.place());
            let empty = hosts.is_null() || hosts.as_list().is_some_and(<[Node]>::is_empty) || hosts.as_str() == Some("");
            let said = "Hosts list cannot be empty. Please check your playbook";
            self.error(if empty { error.said(said) } else { error });
        }
        Some(hosts.clone())
    }

    fn check_order(&mut self, node: &Node) {
        let Some(order) = node.get("order") else { return };
        if let Some(text) = order.as_str().filter(|text| !is_template(text) && !ORDERS.contains(text)) {
            let error = Diagnostic::input(format!("`order` must be one of {}, not `{text}`", ORDERS.join(", "))).at(order.place());
            self.error(error.nearest(text, ORDERS.iter().copied()));
        }
    }

    fn prompts(&mut self, node: &Node) -> Vec<Node> {
        let prompts = listed(given(node, "vars_prompt"));
        for prompt in &prompts {
            if prompt.get("name").is_none_or(Node::is_null) {
                let error = Diagnostic::input("an entry of `vars_prompt` needs the key `name`").at(prompt.place());
                self.error(error.said("Invalid vars_prompt data structure, missing 'name' key"));
            }
            for (key, _) in prompt.as_map().unwrap_or_default() {
                let name = key.as_str().unwrap_or_default();
                if !PROMPT.contains(&name) {
                    let error =
                        Diagnostic::input(format!("Invalid vars_prompt data structure, found unsupported key '{name}'")).at(key.place());
                    self.error(error.nearest(name, PROMPT.iter().copied()));
                }
            }
        }
        prompts
    }

    /// The roles of a play, or the dependencies of a role.
    pub(super) fn role_uses(&mut self, list: Option<&Node>) -> Vec<RoleUse> {
        let list = list.and_then(Node::as_list).unwrap_or_default();
        list.iter().filter_map(|node| self.role_use(node)).collect()
    }

    fn role_use(&mut self, node: &Node) -> Option<RoleUse> {
        let place = node.place().clone();
        if let Some(old) = node.as_str().filter(|text| text.contains(',') && !is_template(text)) {
            let error = Diagnostic::input(format!("`{old}` is no role's name")).at(&place);
            self.error(error.hint("write `role: NAME`").said(format!("Invalid old style role requirement: {old}")));
            return None;
        }
        if let Data::Str(_) | Data::Int(_) = node.data() {
            return Some(RoleUse { place, name: node.clone(), keywords: Arc::new(Keywords::default()), params: Vec::new() });
        }
        let Some(pairs) = node.as_map() else {
            self.error(Diagnostic::input(format!("a role must be a name or a dictionary, not {}", kind(node))).at(&place));
            return None;
        };
        let Some(name) = given(node, "role").or_else(|| given(node, "name")) else {
            self.error(Diagnostic::input("the role has no name").at(&place).hint("name it with `role:`"));
            return None;
        };
        let mut params = Vec::new();
        for (key, value) in pairs {
            match key.as_str() {
                Some(keyword) if super::keywords::find(keyword, Owner::Role).is_some() => self.check_shape(keyword, value, Owner::Role),
                Some(param) => params.push((param.to_string(), value.clone())),
                None => self.error(Diagnostic::input("a key of a role must be text").at(key.place())),
            }
        }
        Some(RoleUse { place, name, keywords: Arc::new(self.keywords(node)), params })
    }
}
