//! Taking records in: broker, judgement, storing, receipts and refusals.
//!
//! A delivery is acknowledged to the broker and receipted to its edge only after the commit.
//! Everything may come twice; a record is stored once.

pub mod answers;
pub mod batcher;
pub mod broker;
pub mod drops;
mod hours;
pub mod judge;
pub mod opening;
pub mod pool;
pub mod refusals;
mod step;
pub mod writer;
