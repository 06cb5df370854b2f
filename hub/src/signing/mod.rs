//! How persons sign in: accounts with a password and a second factor, passkeys, posts from which they may,
//! and sessions.
//!
//! This room owns the tables `accounts`, `passkeys`, `posts`, `sessions` and `used_challenges`; what
//! a person may do it asks `people`, and it never looks at what is done with a session.

pub mod accounts;
pub mod challenges;
pub mod codes;
pub mod desk;
pub mod ended;
pub mod opening;
pub mod passkey_desk;
pub mod passkey_revoking;
pub mod passkeys;
pub mod passwords;
pub mod post_desk;
pub mod posts;
pub mod qr;
pub mod sessions;
pub mod sign_in;
pub mod tidying;
pub mod totp;
pub mod unlocking;
pub mod user_name;
pub mod watch_desk;
pub mod webauthn;
