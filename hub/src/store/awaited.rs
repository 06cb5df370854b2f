//! Whether somebody still waits for an answer: a caller who went away, or whose time is up, is not
//! searched for any further, and nothing is shown to nobody.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::StoreError;

thread_local! {
    /// Set while this thread works for a caller; true when that one is gone.
    static GONE: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// A caller who waits. When this is dropped, nobody does.
#[derive(Debug, Default)]
pub struct Waiting(Arc<AtomicBool>);

impl Waiting {
    /// Does work that [`check`]s whether this caller still waits, on whatever thread it runs.
    pub fn work<T, W: FnOnce() -> T>(&self, work: W) -> impl FnOnce() -> T + use<T, W> {
        let gone = Arc::clone(&self.0);
        move || {
            let _within = Within(GONE.replace(Some(gone)));
            work()
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Puts back what was there before, also when the work panics: threads are used again.
struct Within(Option<Arc<AtomicBool>>);

impl Drop for Within {
    fn drop(&mut self) {
        GONE.set(self.0.take());
    }
}

/// Whether the caller for whom this thread works still waits. True for work that is nobody's.
///
/// # Errors
/// [`StoreError::Unawaited`].
pub fn check() -> Result<(), StoreError> {
    let gone = GONE.with_borrow(|gone| gone.as_ref().is_some_and(|g| g.load(Ordering::Relaxed)));
    if gone {
        Err(StoreError::Unawaited)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::store::awaited::*;

    #[test]
    fn work_ends_when_its_caller_is_gone_and_the_next_is_not_touched() {
        assert!(check().is_ok());
        let (one, other) = (Waiting::default(), Waiting::default());
        let (work, next) = (one.work(check), other.work(check));
        let early = one.work(check);
        assert!(early().is_ok());
        drop(one);
        assert!(matches!(work(), Err(StoreError::Unawaited)));
        assert!(next().is_ok() && check().is_ok());
    }
}
