//! A fixed number of threads that do the arithmetic of signatures.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Pieces that a thread takes at once: a millisecond or so of work.
const PIECES: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. They end when it is dropped.
#[derive(Debug)]
pub struct Pool {
    jobs: Sender<Job>,
    threads: usize,
}

impl Pool {
    /// Starts so many threads; one at least.
    ///
    /// # Errors
    /// [`std::io::Error`] when the system gives none.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let waiting = waiting.clone();
            thread::Builder::new()
                .name("signatures".to_owned())
                .spawn(move || work(&waiting))?;
        }
        Ok(Self { jobs, threads })
    }

    /// How many threads there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Does one thing to every piece, in their order. What panicked is none, with those that were
    /// taken together with it.
    pub fn map<T, R>(
        &self,
        pieces: &Arc<[T]>,
        each: impl Fn(&T) -> R + Send + Sync + 'static,
    ) -> Vec<Option<R>>
    where
        T: Send + Sync + 'static,
        R: Send + 'static,
    {
        let each = Arc::new(each);
        let (done, results) = channel();
        for first in (0..pieces.len()).step_by(PIECES) {
            let (pieces, each, done) = (pieces.clone(), each.clone(), done.clone());
            let job = Box::new(move || {
                let last = pieces.len().min(first + PIECES);
                let results: Vec<R> = pieces[first..last]
                    .iter()
                    .map(|piece| each(piece))
                    .collect();
                // Whoever asked may have gone.
                let _ = done.send((first, results));
            });
            if self.jobs.send(job).is_err() {
                break;
            }
        }
        drop(done);
        let mut all: Vec<Option<R>> = pieces.iter().map(|_| None).collect();
        for (first, some) in results {
            for (place, result) in all[first..].iter_mut().zip(some) {
                *place = Some(result);
            }
        }
        all
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    loop {
        // The guard goes at the end of this statement: the others may take a job meanwhile.
        let job = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a message broke its check off; it is taken by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_in_its_place() {
        let pool = Pool::start(3).unwrap();
        let pieces: Arc<[u32]> = (0..1000).collect();
        let doubled = pool.map(&pieces, |piece| piece * 2);
        let wanted: Vec<_> = (0..1000).map(|piece| Some(piece * 2)).collect();
        assert_eq!(doubled, wanted);
        assert!(pool.map(&Arc::from([]), |piece: &u32| *piece).is_empty());
    }

    #[test]
    fn a_piece_that_panics_takes_its_neighbours_alone_and_no_thread() {
        let pool = Pool::start(1).unwrap();
        let pieces: Arc<[usize]> = (0..3 * PIECES).collect();
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
