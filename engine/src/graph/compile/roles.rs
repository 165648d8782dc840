//! Roles unfolded: those that plays list, those that others depend on, and those that tasks import or include.

use super::{DEPTH, Unfold, in_dir, named_at, own_task, recursive};
use crate::error::{Diagnostic, Result};
use crate::graph::{Context, StepKind};
use crate::playbook::{RoleUse, Task, Vars};
use crate::source::Place;
use crate::vars::{RoleInstance, RoleRun, read, write};
use crate::yaml::{Data, Node};
use std::sync::{Arc, RwLock};

/// `import_role` or `include_role` with its arguments rendered.
#[derive(Debug, Clone)]
pub struct RoleCall {
    /// Name of the role.
    pub name: String,
    /// `tasks_from`, `main` unless given.
    pub tasks_from: String,
    /// `handlers_from`.
    pub handlers_from: String,
    /// `vars_from`.
    pub vars_from: Option<String>,
    /// `defaults_from`.
    pub defaults_from: Option<String>,
    /// Whether the whole play sees the role's variables.
    pub public: bool,
    /// `rolespec_validate`: whether the variables are checked against the role's `argument_specs`.
    pub validates: bool,
    /// Where it is called.
    pub place: Place,
}

impl Unfold<'_> {
    pub(super) fn role_call(&self, task: &Task, context: &Context) -> Result<RoleCall> {
        let text = |name: &str| -> Result<Option<String>> {
            let node = task.action.args.iter().find(|(k, _)| k == name).map(|(_, v)| v);
            node.map(|n| self.static_text(n, context, "import_role")).transpose()
        };
        let name = match text("name")?.or(text("role")?) {
            Some(name) => name,
            None => return Err(Box::new(Diagnostic::input("`import_role` needs the argument `name`").at(&task.place))),
        };
        Ok(RoleCall {
            name,
            tasks_from: text("tasks_from")?.unwrap_or_else(|| "main".into()),
            handlers_from: text("handlers_from")?.unwrap_or_else(|| "main".into()),
            vars_from: text("vars_from")?,
            defaults_from: text("defaults_from")?,
            public: text("public")?.is_none_or(|p| matches!(p.to_lowercase().as_str(), "true" | "yes" | "on" | "1")),
            validates: text("rolespec_validate")?.is_none_or(|p| matches!(p.to_lowercase().as_str(), "true" | "yes" | "on" | "1")),
            place: named_at(task),
        })
    }

    pub(super) fn load_role(&self, name: &str, context: &Context, place: &Place) -> Result<Arc<crate::playbook::Role>> {
        let near = context.role.as_ref().and_then(|r| r.role.path.parent());
        self.compiler.loader.role(name, &self.play.dir, near).map_err(|e| e.at(place).into())
    }

    pub(super) fn call_role(&mut self, call: &RoleCall, context: &Context) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(recursive(&call.name).at(&call.place).into());
        }
        let role = self.load_role(&call.name, context, &call.place)?;
        let mut before = Vec::new();
        for dependency in &role.dependencies {
            self.resolve_role(dependency, context, context.role.clone(), true, &mut before)?;
        }
        let before_roles = before.iter().map(|(instance, _)| instance.role.clone()).collect();
        for (instance, context) in before {
            self.validation(&instance, "main", &context, &call.place);
            self.role_tasks(&instance, "main", &context)?;
        }
        let variables = |kind: &str, from: &Option<String>, main: &Vars| match from {
            Some(from) => role.variables(kind, from),
            None => Ok(main.clone()),
        };
        let instance = Arc::new(RoleInstance {
            name: call.name.clone(),
            defaults: variables("defaults", &call.defaults_from, &role.defaults)?,
            vars: variables("vars", &call.vars_from, &role.vars)?,
            params: Vec::new(),
            parent: context.role.clone(),
            dependency: false,
            first: None,
            dependencies: RwLock::new(before_roles),
            role,
        });
        write(&self.play.used).push(RoleRun { instance: instance.clone(), keywords: None });
        let mut context = context.clone();
        context.role = Some(instance.clone());
        if call.public {
            write(&self.play.roles).push(instance.clone());
        }
        self.role_handlers(&instance, &call.handlers_from, &context)?;
        if call.validates {
            self.validation(&instance, &call.tasks_from, &context, &call.place);
        }
        let done = self.role_tasks(&instance, &call.tasks_from, &context);
        self.depth -= 1;
        done
    }

    pub(super) fn role_handlers(&mut self, instance: &Arc<RoleInstance>, from: &str, context: &Context) -> Result<()> {
        let context = in_dir(context, &instance.role.path.join("handlers/main.yml"));
        for item in instance.role.handlers(from)? {
            self.out.handlers.push((item, context.clone()));
        }
        Ok(())
    }

    /// The step that checks what a role is given, where its `argument_specs` say something of this entry point.
    pub(super) fn validation(&mut self, instance: &Arc<RoleInstance>, from: &str, context: &Context, place: &Place) {
        let entry = [".yml", ".yaml", ".json"].iter().find_map(|ending| from.strip_suffix(ending)).unwrap_or(from);
        let role = &instance.role;
        let Some(spec) = role.argument_specs.as_ref().and_then(|specs| specs.get(entry)) else { return };
        let Some(options) = spec.get("options").filter(|o| o.as_map().is_some_and(|pairs| !pairs.is_empty())) else { return };
        let text = |text: &str| Node::new(place.clone(), Data::Str(text.into()));
        let literal = |node: Node| Node::new(node.place().clone(), Data::Unsafe(node));
        let path = std::path::absolute(&role.path).unwrap_or_else(|_| role.path.clone());
        let name = role.name.rsplit('.').next().unwrap_or(&role.name);
        let around = [("type", "role"), ("name", name), ("argument_spec_name", entry), ("path", &path.display().to_string())];
        let around = around.map(|(key, value)| (text(key), text(value))).to_vec();
        let args = vec![
            ("argument_spec".to_string(), literal(options.clone())),
            ("validate_args_context".to_string(), literal(Node::new(place.clone(), Data::Map(around)))),
        ];
        let what = spec.get("short_description").map(|d| format!(" - {}", d.raw())).unwrap_or_default();
        let title = format!("Validating arguments against arg spec '{entry}'{what}");
        let title = literal(text(&title));
        let task = own_task("ansible.builtin.validate_argument_spec", place.clone(), &role.path, title, args);
        let mut own = context.clone();
        if !own.tags.iter().any(|t| t == "always") {
            own.tags.push("always".into());
        }
        if self.compiler.selection.takes(&own.tags) {
            self.push(StepKind::Task(Arc::new(task)), own, context);
        }
    }

    pub(super) fn role_tasks(&mut self, instance: &Arc<RoleInstance>, from: &str, context: &Context) -> Result<()> {
        let items = instance.role.tasks(from)?;
        self.items(&items, &in_dir(context, &instance.role.path.join("tasks/main.yml")))
    }

    /// A role of `roles:` or of dependencies, with those it depends on before it. Each runs once unless its parameters
    /// or keywords differ or it allows duplicates.
    pub(super) fn resolve_role(
        &mut self,
        used: &RoleUse,
        outer: &Context,
        parent: Option<Arc<RoleInstance>>,
        dependency: bool,
        into: &mut Vec<(Arc<RoleInstance>, Context)>,
    ) -> Result<()> {
        self.depth += 1;
        let name = self.static_text(&used.name, outer, "roles")?;
        if self.depth > DEPTH {
            return Err(recursive(&name).at(&used.place).into());
        }
        let near = Context { role: parent.clone(), ..outer.clone() };
        let role = self.load_role(&name, &near, used.name.place())?;
        let mut context = self.inherit(outer, &used.keywords)?;
        let mut instance = RoleInstance {
            name,
            defaults: role.defaults.clone(),
            vars: role.vars.clone(),
            params: used.params.clone(),
            parent,
            dependency,
            first: None,
            dependencies: RwLock::default(),
            role: role.clone(),
        };
        if !role.allow_duplicates {
            instance.first = read(&self.play.used).iter().find(|other| other.is_repeated_by(&instance, &used.keywords)).map(RoleRun::root);
        }
        let instance = Arc::new(instance);
        for dependency in &role.dependencies {
            self.resolve_role(dependency, &context, Some(instance.clone()), true, into)?;
        }
        if let Some(parent) = instance.parent.as_ref().filter(|_| dependency) {
            parent.depends_on(&role);
        }
        context.role = Some(instance.clone());
        if instance.first.is_none() {
            // Only now: a role that depends on itself is a circle, not a role that ran already.
            write(&self.play.used).push(RoleRun { instance: instance.clone(), keywords: Some(used.keywords.clone()) });
            write(&self.play.roles).push(instance.clone());
            self.role_handlers(&instance, "main", &context)?;
        }
        into.push((instance, context));
        self.depth -= 1;
        Ok(())
    }
}
