//! Plays to steps: static imports and roles unfolded, keywords inherited, tags applied. Nothing runs here.

mod files;
mod roles;

use super::tags::Selection;
use super::{Context, Part, Section, Step, StepKind};
use crate::error::{Diagnostic, Result};
use crate::playbook::{Action, Block, Item, Keywords, Loader, Task, Vars};
use crate::source::Place;
use crate::template::Templates;
use crate::vars::{Fleet, Gathering, HostScope, PlayInstance};
use crate::yaml::{Data, Node};
use modules::value::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub use files::{missing_file, task_file};
pub use roles::RoleCall;

/// How deep imports, includes and roles may nest before it counts as recursion.
const DEPTH: usize = 50;

/// What unfolding needs; one for the whole run.
pub struct Compiler {
    /// Reads files.
    pub loader: Arc<Loader>,
    /// Renders names of files and roles.
    pub templates: Arc<Templates>,
    /// `--tags`, `--skip-tags`.
    pub selection: Selection,
    numbers: AtomicU32,
}

/// Handlers of a play, in the order in which they run.
#[derive(Debug, Clone)]
pub struct Handler {
    /// The step that runs it.
    pub step: Arc<Step>,
}

/// Where unfolded things go.
#[derive(Default)]
pub struct Unfolded {
    /// Steps in order.
    pub steps: Vec<Arc<Step>>,
    /// Handlers that roles brought along; not numbered yet.
    pub handlers: Vec<(Item, Context)>,
    /// Mistakes that show before anything runs.
    pub problems: Vec<Diagnostic>,
}

/// One unfolding: a play, and how deep it is in imports.
struct Unfold<'a> {
    compiler: &'a Compiler,
    fleet: &'a Arc<Fleet>,
    play: &'a Arc<PlayInstance>,
    out: Unfolded,
    depth: usize,
    /// Whether this is within a block of handlers.
    in_handler_block: bool,
}

impl Compiler {
    /// With nothing numbered yet.
    pub fn new(loader: Arc<Loader>, templates: Arc<Templates>, selection: Selection) -> Compiler {
        Compiler { loader, templates, selection, numbers: AtomicU32::new(1) }
    }

    /// A number that no other step or block of the run has.
    pub fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A whole play: facts, `pre_tasks`, roles, tasks, `post_tasks`, with handlers flushed between.
    pub fn play(&self, fleet: &Arc<Fleet>, play: &Arc<PlayInstance>, base: &Context) -> Result<Unfolded> {
        let mut unfold = Unfold { compiler: self, fleet, play, out: Unfolded::default(), depth: 0, in_handler_block: false };
        let written = play.play.clone();
        // The play's variables are a level of their own, weaker than those of blocks and tasks.
        let keywords = Keywords { vars: Vars::new(), ..(*written.keywords).clone() };
        let context = unfold.inherit(base, &keywords)?;
        for (name, node) in &written.keywords.vars {
            self.loader.warn_if_reserved(name, node.place());
        }
        unfold.out.problems.extend(super::check::readable_variables(&written.keywords.vars, &self.templates));
        unfold.gather(&context)?;
        // Roles' variables are seen by the whole play, so they are known before the first task is looked at.
        let mut roles = Vec::new();
        for role in &written.roles {
            unfold.resolve_role(role, &context, None, false, &mut roles)?;
        }
        unfold.items(&written.pre_tasks, &context)?;
        unfold.flush(&context);
        for (instance, context) in roles {
            unfold.validation(&instance, "main", &context, &written.place);
            unfold.role_tasks(&instance, "main", &context)?;
        }
        unfold.items(&written.tasks, &context)?;
        unfold.flush(&context);
        unfold.items(&written.post_tasks, &context)?;
        // The play's own handlers run before those of its roles.
        let own = written.handlers.iter().map(|item| (item.clone(), context.clone()));
        unfold.out.handlers.splice(0..0, own);
        if unfold.out.handlers.is_empty() {
            unfold.flush(&context);
        } else {
            // Even right after the last one: handlers may have notified others that stand before them.
            unfold.push(StepKind::Flush(None), context.clone(), &context);
        }
        Ok(unfold.out)
    }

    /// The steps of an included task file.
    pub fn include_tasks(&self, fleet: &Arc<Fleet>, play: &Arc<PlayInstance>, file: &Path, context: &Context) -> Result<Unfolded> {
        let mut unfold =
            Unfold { compiler: self, fleet, play, out: Unfolded::default(), depth: context.dirs.len(), in_handler_block: false };
        let items = self.loader.tasks(file)?;
        let context = in_dir(context, file);
        unfold.check_depth(file)?;
        unfold.items(&items, &context)?;
        Ok(unfold.out)
    }

    /// The steps of an included role.
    pub fn include_role(&self, fleet: &Arc<Fleet>, play: &Arc<PlayInstance>, role: &RoleCall, context: &Context) -> Result<Unfolded> {
        let mut unfold =
            Unfold { compiler: self, fleet, play, out: Unfolded::default(), depth: context.dirs.len(), in_handler_block: false };
        unfold.call_role(role, context)?;
        Ok(unfold.out)
    }

    /// Handlers as steps, numbered from `first`.
    pub fn handlers(&self, fleet: &Arc<Fleet>, play: &Arc<PlayInstance>, items: &[(Item, Context)], first: usize) -> Result<Vec<Handler>> {
        let mut handlers = Vec::new();
        for (item, context) in items {
            let mut unfold = Unfold { compiler: self, fleet, play, out: Unfolded::default(), depth: 0, in_handler_block: false };
            let context = &Context { handler: true, ..context.clone() };
            // Tags do not keep a handler from running: it was notified by a task that was selected.
            unfold.each_item(std::slice::from_ref(item), context, false)?;
            for step in unfold.out.steps {
                let StepKind::Task(task) = &step.kind else { continue };
                let kind = StepKind::Handler(task.clone(), first + handlers.len());
                handlers.push(Handler { step: Arc::new(Step { kind, ..(*step).clone() }) });
            }
        }
        Ok(handlers)
    }
}

fn in_dir(context: &Context, file: &Path) -> Context {
    let mut context = context.clone();
    context.dirs.push(file.parent().map_or_else(PathBuf::new, Path::to_path_buf));
    context
}

impl Unfold<'_> {
    fn scope(&self, context: &Context) -> Arc<dyn crate::template::Scope> {
        let context = Some(Arc::new(context.clone()));
        let (fleet, play) = (self.fleet.clone(), Some(self.play.clone()));
        HostScope { fleet, host: None, play, context, locals: Arc::default() }.shared()
    }

    /// Text known before any host is: the names of imported files and roles.
    fn static_text(&self, node: &Node, context: &Context, what: &str) -> Result<String> {
        let value = self.compiler.templates.value(node, &self.scope(context)).map_err(|e| {
            let include = what.replace("import", "include");
            e.note(format!("`{what}` is resolved before any host is known, so facts and host variables cannot be used here"))
                .hint(format!("use `{include}` when the name depends on a host"))
        })?;
        Ok(value.to_string())
    }

    fn check_depth(&self, what: &Path) -> Result<()> {
        match self.depth > DEPTH {
            true => Err(recursive(&what.display().to_string())),
            false => Ok(()),
        }
    }

    fn inherit(&self, outer: &Context, keywords: &Keywords) -> Result<Context> {
        let mut context = outer.clone();
        context.when.extend(keywords.when.iter().cloned());
        for node in &keywords.tags {
            self.read_tags(node, outer, &mut context.tags)?;
        }
        for (name, node) in &keywords.vars {
            self.compiler.loader.warn_if_reserved(name, node.place());
        }
        if !keywords.vars.is_empty() {
            context.vars.push(Arc::new(keywords.vars.clone()));
        }
        for (name, node) in &keywords.others {
            context.others.entry(name.clone()).or_default().push(node.clone());
        }
        Ok(context)
    }

    fn read_tags(&self, node: &Node, context: &Context, into: &mut Vec<String>) -> Result<()> {
        let value = match node.as_str() {
            Some(text) if !text.contains("{{") => Value::str(text),
            _ => self.compiler.templates.value(node, &self.scope(context))?,
        };
        let texts: Vec<String> = match value.as_list() {
            Some(list) => list.iter().map(Value::to_string).collect(),
            None => vec![value.to_string()],
        };
        for tag in texts.iter().flat_map(|t| t.split(',')).map(str::trim).filter(|t| !t.is_empty()) {
            if !into.iter().any(|t| t == tag) {
                into.push(tag.to_string());
            }
        }
        Ok(())
    }

    fn push(&mut self, kind: StepKind, context: Context, outer: &Context) {
        let id = self.compiler.number();
        self.out.steps.push(Arc::new(Step { id, kind, context: Arc::new(context), outer: Arc::new(outer.clone()) }));
    }

    /// Handlers run here, unless nothing that could notify them has been unfolded since they last ran.
    fn flush(&mut self, context: &Context) {
        if !self.out.steps.last().is_none_or(|s| matches!(s.kind, StepKind::Flush(_))) {
            self.push(StepKind::Flush(None), context.clone(), context);
        }
    }

    fn gather(&mut self, context: &Context) -> Result<()> {
        let play = &self.play.play;
        let wanted = match &play.gather_facts {
            Some(node) => self.compiler.templates.value(node, &self.scope(context))?.truthy(),
            None => self.fleet.options.gathering != Gathering::Explicit,
        };
        if !wanted {
            return Ok(());
        }
        let place = play.gather_facts.as_ref().map_or(&play.place, Node::place).clone();
        let args = [("gather_subset", &play.gather_subset), ("gather_timeout", &play.gather_timeout), ("fact_path", &play.fact_path)];
        let args = args.into_iter().filter_map(|(name, node)| Some((name.to_string(), node.clone()?))).collect();
        let name = Node::new(place.clone(), Data::Str("Gathering Facts".into()));
        let task = own_task("ansible.builtin.setup", place, &play.path, name, args);
        let mut own = context.clone();
        if !own.tags.iter().any(|t| t == "always") {
            own.tags.push("always".into());
        }
        if self.compiler.selection.takes(&own.tags) {
            // A play's `when` does not exist, and facts are gathered whatever an import's condition says of tasks.
            self.push(StepKind::Task(Arc::new(task)), own, context);
        }
        Ok(())
    }

    fn items(&mut self, items: &[Item], context: &Context) -> Result<()> {
        self.each_item(items, context, true)
    }

    fn each_item(&mut self, items: &[Item], context: &Context, select: bool) -> Result<()> {
        for item in items {
            match item {
                Item::Task(task) => self.task(task, context, select)?,
                Item::Block(block) => self.block(block, context, select)?,
            }
        }
        Ok(())
    }

    fn block(&mut self, block: &Arc<Block>, outer: &Context, select: bool) -> Result<()> {
        if outer.handler && std::mem::replace(&mut self.in_handler_block, true) {
            let error = Diagnostic::input("a handler cannot be a block within a block").at(&block.place);
            return Err(Box::new(error.said("Using a block as a handler is not supported.")));
        }
        let done = self.parts(block, outer, select);
        self.in_handler_block = false;
        done
    }

    fn parts(&mut self, block: &Arc<Block>, outer: &Context, select: bool) -> Result<()> {
        let mut context = self.inherit(outer, &block.keywords)?;
        context.notify.extend(block.notify.iter().cloned());
        let (rescues, always) = (!block.rescue.is_empty(), !block.always.is_empty());
        let section = |part| Section { block: 0, part, rescues, always };
        let number = self.compiler.number();
        for (part, items) in [(Part::Body, &block.body), (Part::Rescue, &block.rescue), (Part::Always, &block.always)] {
            let mut inner = context.clone();
            inner.sections.push(Section { block: number, ..section(part) });
            self.each_item(items, &inner, select)?;
        }
        if rescues || always {
            self.push(StepKind::BlockEnd(Section { block: number, ..section(Part::Body) }), outer.clone(), outer);
        }
        Ok(())
    }

    fn task(&mut self, task: &Arc<Task>, outer: &Context, select: bool) -> Result<()> {
        let context = self.inherit(outer, &task.keywords)?;
        let notifying = || {
            let mut context = context.clone();
            context.notify.extend(task.notify.iter().cloned());
            context
        };
        let meta = |what| crate::playbook::short_name(&task.action.module) == "meta" && meta_of(task) == Some(what);
        match crate::playbook::short_name(&task.action.module) {
            role @ ("include_role" | "import_role") if outer.handler => {
                let error = Diagnostic::input(format!("a handler cannot be `{role}`")).at(&task.place);
                return Err(Box::new(error.said(format!("Using '{role}' as a handler is not supported."))));
            }
            _ if outer.handler && meta("flush_handlers") => {
                let error = Diagnostic::input("a handler cannot flush handlers").at(&task.place);
                return Err(Box::new(error.said("flush_handlers cannot be used as a handler")));
            }
            _ if meta("end_role") && (outer.handler || context.role.is_none()) => {
                let whence = if outer.handler { "a handler" } else { "outside of a role" };
                let error = Diagnostic::input("`meta: end_role` stands in no role").at(&task.place);
                let error = error.hint("use `end_play` or `end_host` outside of roles");
                return Err(Box::new(error.said(format!("Cannot execute 'end_role' from {whence}"))));
            }
            "import_tasks" => return self.import_tasks(task, &notifying()),
            "import_role" => {
                let context = notifying();
                let call = self.role_call(task, &context)?;
                return self.call_role(&call, &context);
            }
            _ => {}
        }
        // Handlers run for whom they were notified, whatever their tags, those that they import too.
        if select && !context.handler && !self.compiler.selection.takes(&context.tags) {
            return Ok(());
        }
        if let Some(first) = context.when.first().filter(|_| fatal(task, &context)) {
            // Whatever follows, the first condition is looked at.
            self.out.problems.extend(self.compiler.templates.readable_condition(first).err().map(|error| error.at(&task.place)));
        }
        if certain(task, &context) {
            self.out.problems.extend(super::check::mistakes(task, &self.compiler.templates));
            let module = &task.action.module;
            let known = crate::playbook::known_module(module) || module.contains("{{");
            if !known && !crate::playbook::library::has(module, &task.path) {
                self.out.problems.push(crate::playbook::unknown_module(module, &task.action.place));
            }
        }
        let kind = if meta("flush_handlers") { StepKind::Flush(Some(task.clone())) } else { StepKind::Task(task.clone()) };
        self.push(kind, context, outer);
        Ok(())
    }

    fn import_tasks(&mut self, task: &Arc<Task>, context: &Context) -> Result<()> {
        let file = task.action.args.iter().find(|(k, _)| k == "file").map(|(_, v)| v).or(task.action.free_form.as_ref());
        let file = file.ok_or_else(|| Diagnostic::input("`import_tasks` needs a file").at(&task.place))?;
        let name = self.static_text(file, context, "import_tasks")?;
        let path = task_file(&name, context, self.play).ok_or_else(|| missing_file(&name, context, self.play, file.place()))?;
        self.depth += 1;
        self.check_depth(&path).map_err(|e| e.at(file.place()))?;
        let items = self.compiler.loader.tasks(&path).map_err(|e| e.at(file.place()))?;
        let done = self.items(&items, &in_dir(context, &path));
        self.depth -= 1;
        done
    }
}

/// What a `meta` task is for.
fn meta_of(task: &Task) -> Option<&str> {
    task.action.free_form.as_ref().and_then(Node::as_str)
}

/// Whether a task is sure to run, and to end the play if it fails: then its mistakes are worth stopping for before
/// anything runs. Others fail when they are reached, as in Ansible.
fn certain(task: &Task, context: &Context) -> bool {
    context.when.is_empty() && fatal(task, context)
}

/// Whether a task ends the play if it fails, once it is reached.
fn fatal(task: &Task, context: &Context) -> bool {
    let forgiven = task.failed_when.is_some() || context.others.contains_key("ignore_errors");
    let rescued = context.sections.iter().any(|s| s.rescues && s.part == Part::Body);
    task.looped.is_none() && !forgiven && !rescued
}

/// A task that nobody wrote: facts at a play's start, the check of a role's arguments.
fn own_task(module: &str, place: Place, path: &Path, name: Node, args: Vars) -> Task {
    Task {
        action: Action {
            place: place.clone(),
            module: module.to_string(),
            args,
            free_form: None,
            template: None,
            local: false,
            stray: false,
        },
        place,
        path: path.to_path_buf(),
        name: Some(name),
        keywords: Arc::default(),
        looped: None,
        loop_control: None,
        register: None,
        until: None,
        retries: None,
        delay: None,
        changed_when: None,
        failed_when: None,
        notify: None,
        listen: None,
        background: None,
        poll: None,
        own: true,
    }
}

/// Where a task names the role it calls.
pub(crate) fn named_at(task: &Task) -> Place {
    let name = task.action.args.iter().find(|(k, _)| matches!(k.as_str(), "name" | "role"));
    name.map_or(&task.place, |(_, node)| node.place()).clone()
}

fn recursive(what: &str) -> Box<Diagnostic> {
    let summary = format!("`{what}` includes itself: more than {DEPTH} levels deep");
    Box::new(Diagnostic::input(summary).hint("break the circle, or put a condition on a dynamic include"))
}
