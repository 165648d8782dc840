//! What the running template has touched: values known only after apply, and secrets.

use minijinja::{Error, ErrorKind, Value};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// What was touched.
#[derive(Debug, Clone, Default)]
pub(super) struct Taint {
    /// Names of values known only after apply.
    pub(super) unknown: BTreeSet<String>,
    /// Whether a secret was among them.
    pub(super) secret: bool,
}

thread_local! {
    static TAINT: RefCell<Taint> = RefCell::default();
    /// How many looks at "is it defined" are open.
    static LOOKS: Cell<usize> = const { Cell::new(0) };
    /// Whether encrypted texts are wanted as they are.
    static SEALS: Cell<bool> = const { Cell::new(false) };
}

impl Taint {
    /// The touched names as one text.
    pub(super) fn names(&self) -> String {
        self.unknown.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Marks what is computed now as secret.
pub(super) fn secret() {
    TAINT.with_borrow_mut(|t| t.secret = true);
}

/// Marks what is computed now as unknown and gives the value that stops the computation.
pub(super) fn unknown(what: &str) -> Error {
    TAINT.with_borrow_mut(|t| {
        t.unknown.insert(what.to_owned());
    });
    Error::new(ErrorKind::InvalidOperation, "known only after apply")
}

/// An unknown value as templates see it.
pub(super) fn unknown_value(what: &str) -> Value {
    let error = unknown(what);
    match LOOKS.get() {
        0 => Value::from(error),
        _ => Value::from_object(super::objects::Mark(what.to_owned())),
    }
}

/// Whether what is computed now depends on something unknown.
pub(super) fn is_unknown() -> bool {
    TAINT.with_borrow(|t| !t.unknown.is_empty())
}

/// What has been touched so far.
pub(super) fn so_far() -> Taint {
    TAINT.with_borrow(Clone::clone)
}

/// Goes back to an earlier state.
pub(super) fn back_to(taint: Taint) {
    TAINT.set(taint);
}

/// Runs `f` on its own and says what it touched.
pub(super) fn isolated<T>(f: impl FnOnce() -> T) -> (T, Taint) {
    let (outer, looks, seals) = (TAINT.take(), LOOKS.replace(0), SEALS.replace(false));
    let result = f();
    LOOKS.set(looks);
    SEALS.set(seals);
    (result, TAINT.replace(outer))
}

/// From now on encrypted texts are handed out as they are, or opened again.
pub(super) fn keep_sealed(wanted: bool) {
    SEALS.set(wanted);
}

/// Whether encrypted texts are wanted as they are.
pub(super) fn keeps_sealed() -> bool {
    SEALS.get()
}

/// Opens a look: unknown values are handed out as marks.
pub(super) fn open_look() {
    LOOKS.set(LOOKS.get() + 1);
}

/// Closes a look.
pub(super) fn close_look() {
    LOOKS.set(LOOKS.get().saturating_sub(1));
}
