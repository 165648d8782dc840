//! A value made at most once at a time and shared by all who ask for it.

use crate::error::{Diagnostic, Kind, Result};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Making<T> = Shared<BoxFuture<'static, Result<T>>>;

/// Room for a value that takes time to make and may die. All who ask while it is made get the same value or the same error;
/// after an error, the next one to ask has it made again.
pub(crate) struct Slot<T> {
    making: Mutex<Option<Making<T>>>,
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot { making: Mutex::new(None) }
    }
}

impl<T: Clone + Send + Sync + 'static> Slot<T> {
    /// The value, made unless it is there and alive.
    pub(crate) async fn obtain<F>(&self, alive: impl Fn(&T) -> bool, make: impl FnOnce() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let making = {
            let mut slot = self.lock();
            match &*slot {
                Some(making) if making.peek().is_none_or(|made| made.as_ref().is_ok_and(&alive)) => making.clone(),
                _ => {
                    // A task of its own: who asked first may give up, and others still wait.
                    let task = tokio::spawn(make());
                    let made = task.map(|ended| {
                        ended.unwrap_or_else(|e| Err(Box::new(Diagnostic::new(Kind::System, "connecting broke off").note(e.to_string()))))
                    });
                    slot.insert(made.boxed().shared()).clone()
                }
            }
        };
        making.await
    }

    /// The value if it is there.
    pub(crate) fn present(&self) -> Option<T> {
        self.lock().as_ref()?.peek()?.as_ref().ok().cloned()
    }

    /// Forgets the value.
    pub(crate) fn clear(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Making<T>>> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[tokio::test]
    async fn made_once_and_again_after_an_error() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let make = || async {
            tokio::task::yield_now().await;
            match MADE.fetch_add(1, SeqCst) {
                0 => Err(Box::new(Diagnostic::new(Kind::Unreachable, "down"))),
                n => Ok(n),
            }
        };
        let slot = Slot::default();
        let (a, b) = tokio::join!(slot.obtain(|_| true, make), slot.obtain(|_| true, make));
        assert!(a.is_err() && b.is_err());
        assert_eq!(MADE.load(SeqCst), 1, "one attempt for both");
        let (a, b) = tokio::join!(slot.obtain(|_| true, make), slot.obtain(|_| true, make));
        assert_eq!((a.unwrap(), b.unwrap()), (1, 1));
        assert_eq!(slot.obtain(|n| *n > 1, make).await.unwrap(), 2, "a dead value is replaced");
        slot.clear();
        assert_eq!(slot.present(), None);
    }
}
