//! A fixed number of threads that do the arithmetic of signatures.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Pieces that a thread takes at once: a millisecond or so of work.
const PIECES: usize = 16;

/// The threads. They end when it is dropped.
#[derive(Debug)]
pub struct Pool(ThreadPool);

impl Pool {
    /// Starts so many threads; one at least.
    ///
    /// # Errors
    /// [`std::io::Error`] when the system gives none.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|number| format!("signatures-{number}"))
            .build();
        pool.map(Self).map_err(std::io::Error::other)
    }

    /// How many threads there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Does one thing to every piece, in their order. What panicked is none, with those that were
    /// taken together with it.
    pub fn map<T: Sync, R: Send>(
        &self,
        pieces: &[T],
        each: impl Fn(&T) -> R + Sync,
    ) -> Vec<Option<R>> {
        let some = |some: &[T]| -> Vec<Option<R>> {
            let done = || some.iter().map(|piece| Some(each(piece))).collect();
            catch_unwind(AssertUnwindSafe(done)).unwrap_or_else(|_| {
                tracing::error!("a message broke its check off; it is taken by itself");
                some.iter().map(|_| None).collect()
            })
        };
        let of_parts: Vec<Vec<Option<R>>> = self
            .0
            .install(|| pieces.par_chunks(PIECES).map(some).collect());
        of_parts.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_in_its_place() {
        let pool = Pool::start(3).unwrap();
        let pieces: Vec<u32> = (0..1000).collect();
        let doubled = pool.map(&pieces, |piece| piece * 2);
        let wanted: Vec<_> = (0..1000).map(|piece| Some(piece * 2)).collect();
        assert_eq!(doubled, wanted);
        assert!(pool.map(&[], |piece: &u32| *piece).is_empty());
    }

    #[test]
    fn a_piece_that_panics_takes_its_neighbours_alone_and_no_thread() {
        let pool = Pool::start(1).unwrap();
        let pieces: Vec<usize> = (0..3 * PIECES).collect();
        for _ in 0..3 {
            let done = pool.map(&pieces, |piece| {
                assert!(*piece != PIECES, "poison");
                *piece
            });
            assert_eq!(done.iter().flatten().count(), 2 * PIECES);
            assert_eq!(done[0], Some(0));
        }
    }
}
