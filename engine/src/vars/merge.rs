//! Dictionaries of several levels as one: what `hash_behaviour = merge` asks for.

use crate::inventory::{Var, Vars};
use crate::source::Place;
use crate::template::Binding;
use crate::yaml::{Data, Node};
use modules::value::Value;

/// `strong` over `weak`: dictionaries entry by entry, all the way down; anything else replaces.
pub(crate) fn nodes(weak: &Node, strong: &Node) -> Node {
    let (Some(below), Some(above)) = (weak.as_map(), strong.as_map()) else { return strong.clone() };
    let mut pairs = below.to_vec();
    for (key, value) in above {
        let name = key.raw();
        match pairs.iter_mut().find(|(k, _)| k.raw() == name) {
            Some((_, old)) => *old = nodes(old, value),
            None => pairs.push((key.clone(), value.clone())),
        }
    }
    Node::new(strong.place().clone(), Data::Map(pairs))
}

/// The same for data.
pub(crate) fn values(weak: &Value, strong: &Value) -> Value {
    let (Value::Map(below), Value::Map(above)) = (weak, strong) else { return strong.clone() };
    let mut map = (**below).clone();
    for (key, value) in above.iter() {
        let merged = map.get(key).map_or_else(|| value.clone(), |old| values(old, value));
        map.insert(key.clone(), merged);
    }
    map.into()
}

/// The same for what names mean.
pub(crate) fn bindings(weak: &Binding, strong: Binding) -> Binding {
    match (weak, &strong) {
        (Binding::Source(below), Binding::Source(above)) => Binding::Source(nodes(below, above)),
        (Binding::Value(below), Binding::Value(above)) => Binding::Value(values(below, above)),
        (Binding::Source(below), Binding::Value(above)) => match node(above, below.place()) {
            Some(above) => Binding::Source(nodes(below, &above)),
            None => strong,
        },
        (Binding::Value(below), Binding::Source(above)) => match node(below, above.place()) {
            Some(below) => Binding::Source(nodes(&below, above)),
            None => strong,
        },
        _ => strong,
    }
}

/// The same for a variable of an inventory.
pub(crate) fn insert(vars: &mut Vars, name: String, var: Var) {
    let merged = match (vars.get(&name), &var) {
        (Some(Var::Source(below)), Var::Source(above)) => Some(Var::Source(nodes(below, above))),
        (Some(Var::Data(below)), Var::Data(above)) => Some(Var::Data(values(below, above))),
        (Some(Var::Source(below)), Var::Data(above)) => node(above, below.place()).map(|above| Var::Source(nodes(below, &above))),
        (Some(Var::Data(below)), Var::Source(above)) => node(below, above.place()).map(|below| Var::Source(nodes(&below, above))),
        (None, _) => None,
    };
    vars.insert(name, merged.unwrap_or(var));
}

/// Whether a level's value ends the search: what is below a value that is no dictionary is not seen.
pub(super) fn ends(binding: &Binding) -> bool {
    match binding {
        Binding::Source(node) => node.as_map().is_none(),
        Binding::Value(value) => !matches!(value, Value::Map(_)),
        Binding::Scopes(_) | Binding::Scope(_) => true,
    }
}

/// Data as a node that is never rendered; none where it holds what no node can say.
fn node(value: &Value, place: &Place) -> Option<Node> {
    let data = match value {
        Value::Null => Data::Null,
        Value::Bool(b) => Data::Bool(*b),
        Value::Int(i) => Data::Int(*i),
        Value::Float(f) => Data::Float(*f),
        Value::Str(s) => Data::Unsafe(Node::new(place.clone(), Data::Str(s.clone()))),
        Value::List(items) => Data::List(items.iter().map(|v| node(v, place)).collect::<Option<_>>()?),
        Value::Map(pairs) => {
            // Keys are names: text, and never rendered as such.
            let pair = |(k, v): (&Value, &Value)| Some((key(k, place)?, node(v, place)?));
            Data::Map(pairs.iter().map(pair).collect::<Option<_>>()?)
        }
        Value::Unknown(_) | Value::Secret(_) => return None,
    };
    Some(Node::new(place.clone(), data))
}

fn key(value: &Value, place: &Place) -> Option<Node> {
    match value {
        Value::Str(text) if !text.contains('{') => Some(Node::new(place.clone(), Data::Str(text.clone()))),
        other => node(other, place),
    }
}
