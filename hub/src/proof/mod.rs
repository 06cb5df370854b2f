//! What the hub can show of itself: that its audit and tables hold, and that what is past its term was
//! destroyed; and how much of somebody's is still stored. It reads everything and changes nothing.

pub mod destruction;
pub mod remaining;
pub mod verification;
