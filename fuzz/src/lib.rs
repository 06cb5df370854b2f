//! What all targets share: a bound on memory, and bytes cut into values.

use std::alloc::System;
use std::panic;
use std::sync::Once;

use cap::Cap;

/// Every target allocates through this. Where more is asked for than is allowed the process aborts, which the
/// engine counts as a fault.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Runs something that may have at most so many bytes of memory at once, over what is taken already.
///
/// # Panics
/// When more is taken already: a fault of the target itself.
pub fn within<T>(bytes_max: usize, run: impl FnOnce() -> T) -> T {
    static TOLD_WITHOUT_LIMIT: Once = Once::new();
    TOLD_WITHOUT_LIMIT.call_once(|| {
        let engine = panic::take_hook();
        panic::set_hook(Box::new(move |why| {
            // Telling where it happened takes memory too.
            let _ = ALLOCATOR.set_limit(usize::MAX);
            engine(why);
        }));
    });
    let limit = ALLOCATOR.allocated().saturating_add(bytes_max);
    ALLOCATOR
        .set_limit(limit)
        .expect("so much is taken already");
    let made = run();
    ALLOCATOR
        .set_limit(usize::MAX)
        .expect("everything is allowed");
    made
}

/// An input that is cut into values from its beginning; what is missing is zeros.
#[derive(Debug, Clone, Copy)]
pub struct Cut<'a>(pub &'a [u8]);

impl<'a> Cut<'a> {
    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// A number of eight bytes, little-endian.
    pub fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// So many bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let (taken, rest) = self.0.split_at(self.0.len().min(N));
        out[..taken.len()].copy_from_slice(taken);
        self.0 = rest;
        out
    }

    /// The bytes up to the next `mark`, or all that are left.
    pub fn until(&mut self, mark: u8) -> &'a [u8] {
        let at = self.0.iter().position(|byte| *byte == mark);
        let (taken, rest) = self.0.split_at(at.unwrap_or(self.0.len()));
        self.0 = rest.get(1..).unwrap_or_default();
        taken
    }

    /// What is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}
