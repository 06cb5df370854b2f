//! Promises of the whole.
//!
//! `whole/` drives real processes: a broker, a hub, an edge and a camera. `tidy.rs` holds what the
//! house rules say of the source tree.
