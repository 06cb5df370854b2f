//! Questions about stored transits, over whichever store has them: lookups, vehicles at two places or
//! together, and counts. Each is answered by [`question`] alone.

pub mod counts;
pub mod left_out;
pub mod lookup;
pub mod question;
mod search;
pub mod store;
pub mod together;
