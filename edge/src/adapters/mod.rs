//! One outside thing each: the only doors through which outside crates enter.
