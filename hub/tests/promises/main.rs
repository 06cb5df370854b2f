//! What the hub promises, tried through its public interface. A test that proves a requirement
//! bears its number.

mod audit;
mod crash;
mod http;
mod refusals;
mod retention;
mod setup;
mod support;
