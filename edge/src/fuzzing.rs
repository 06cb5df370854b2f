//! The door to what decodes bytes from outside and is nobody else's business: for the crate `fuzz` alone, and only
//! with the feature `fuzzing`, which no installed build has.

pub use crate::adapters::capture::rtsp_fuzzing as rtsp;
pub use crate::adapters::http::fuzzing as http;
pub use crate::adapters::vault::key_survives as box_key_survives;
