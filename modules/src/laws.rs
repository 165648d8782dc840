//! What every module keeps, held against the examples in the registry.

use crate::args;
use crate::change::Change;
use crate::module::{Effects, Halt, Module};
use crate::registry::{MODULES, find};
use crate::testing::{Bench, Ran};
use crate::value::{Map, Value};
use std::collections::HashMap;

fn example(text: &str) -> Map {
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("not JSON: {e}: {text}"));
    Value::from_json(&json).as_map().unwrap_or_else(|| panic!("not an object: {text}")).clone()
}

/// Every module with each of its examples.
fn examples() -> impl Iterator<Item = (&'static Module, &'static str)> {
    MODULES.iter().flat_map(|module| module.examples.iter().map(move |example| (module, *example)))
}

/// What can be tried here: the module touches its own host alone, and the example only the scratch directory.
fn can_run(module: &Module, example: &str) -> bool {
    module.effects == Effects::Local && example.contains("\"/scratch")
}

#[test]
fn names_are_found_and_mean_one_module() {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for module in MODULES {
        for name in std::iter::once(&module.name).chain(module.aliases) {
            assert_eq!(seen.insert(name, module.name), None, "`{name}` names two modules");
            let full = format!("{}.{name}", module.collection);
            assert_eq!(find(&full).map(|m| m.name), Some(module.name), "{full}");
        }
    }
}

#[test]
fn everything_is_documented() {
    for module in MODULES {
        let Module { name, doc, .. } = module;
        assert!(doc.contains('.') && doc.len() > 20, "`{name}` says nothing of itself: {doc:?}");
        assert!(!module.examples.is_empty(), "`{name}` has no example");
        for argument in (module.arguments)() {
            assert!(argument.doc.len() > 3, "`{name}`: the argument `{}` is not documented", argument.name);
        }
    }
}

#[test]
fn examples_are_accepted_and_unknown_arguments_refused() {
    for (module, text) in examples() {
        let mut given = example(text);
        (module.check)(&given).unwrap_or_else(|e| panic!("`{}` refuses its example {text}: {e}", module.name));
        given.insert(Value::str("no_such_argument"), Value::Int(1));
        let refused = (module.check)(&given).expect_err("an unknown argument is refused");
        assert_eq!(refused.argument.as_deref(), Some("no_such_argument"), "{}: {refused}", module.name);
    }
}

#[test]
fn aliases_of_arguments_mean_one_argument() {
    for module in MODULES {
        let declared = (module.arguments)();
        let mut names: Vec<&str> = declared.iter().flat_map(|a| std::iter::once(a.name).chain(a.aliases.iter().copied())).collect();
        names.sort_unstable();
        let double = names.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(double, None, "`{}` declares an argument twice", module.name);
        for argument in declared.iter().filter(|a| a.required) {
            let without: Map = Map::new();
            assert!(args::find(&without, argument).is_none());
            assert!((module.check)(&without).is_err(), "`{}` needs `{}` but accepts nothing", module.name, argument.name);
        }
    }
}

/// What came of a run: its changes, or why it failed.
fn ending(ran: Ran) -> Result<Vec<Change>, String> {
    match ran.result {
        Ok(_) => Ok(ran.changes),
        Err(Halt::Failed(failure)) => Err(failure.message),
        Err(Halt::Unknown(why)) => Err(format!("unknown: {why}")),
    }
}

#[test]
fn the_plan_is_what_happens_and_happens_once() {
    let mut run = 0;
    for (module, text) in examples().filter(|(module, text)| can_run(module, text)) {
        let given: serde_json::Value = serde_json::from_str(text).expect("checked above");
        let mut bench = Bench::new();
        let untouched = bench.tree();
        let planned = ending(bench.run(false, module, given.clone()));
        let planned_again = ending(bench.run(false, module, given.clone()));
        assert_eq!(bench.tree(), untouched, "`{}`: a plan changes nothing: {text}", module.name);
        let applied = ending(bench.run(true, module, given.clone()));
        assert_eq!(planned, applied, "`{}`: the plan is what happens: {text}", module.name);
        let Ok(changes) = applied else {
            println!("`{}` fails by itself, planned and applied alike: {text}", module.name);
            continue;
        };
        assert_eq!(planned_again, Ok(Vec::new()), "`{}`: a plan sees what it planned: {text}", module.name);
        let again = ending(bench.run(true, module, given.clone()));
        assert_eq!(again, Ok(Vec::new()), "`{}`: a second apply changes nothing: {text}", module.name);
        let plan = ending(bench.run(false, module, given));
        assert_eq!(plan, Ok(Vec::new()), "`{}`: a plan after apply is empty: {text}", module.name);
        run += usize::from(!changes.is_empty());
    }
    assert!(run > 5, "only {run} examples changed something: are they still run?");
}

#[test]
fn plans_of_local_modules_do_not_break_off() {
    for (module, text) in examples().filter(|(module, _)| module.effects == Effects::Local) {
        let mut bench = Bench::new();
        let untouched = bench.tree();
        let given: serde_json::Value = serde_json::from_str(text).expect("checked above");
        // Failing is allowed: this machine may lack what the example is about.
        let _ = bench.run(false, module, given);
        assert_eq!(bench.tree(), untouched, "`{}`: a plan changes nothing: {text}", module.name);
    }
}

#[test]
fn a_plan_does_not_fail_for_what_it_cannot_know() {
    for (module, text) in examples().filter(|(module, text)| can_run(module, text)) {
        let given: serde_json::Value = serde_json::from_str(text).expect("checked above");
        let mut bench = Bench::new();
        let by_itself = ending(bench.run(false, module, given.clone()));
        let mut bench = Bench::new();
        bench.host.overlay().run_unpredicted("something");
        let afterwards = bench.run(false, module, given).result;
        let fails = matches!(&afterwards, Err(Halt::Failed(_)));
        assert!(
            by_itself.is_err() || !fails,
            "`{}` fails after something ran that may make what it misses: {afterwards:?}: {text}",
            module.name
        );
    }
}
