//! The list of revoked certificates, for the broker.

use varco_proto::time::UtcTime;

use super::edges;
use crate::home::{Home, HomeError};
use crate::machine::files;
use crate::store::sql::Connection;

/// Writes the list of revoked certificates anew.
///
/// # Errors
/// [`HomeError`].
pub fn write_list(home: &Home, main: &Connection, now: UtcTime) -> Result<(), HomeError> {
    let revoked = edges::revoked(main)?;
    let list = home.authority()?.revocation_list(&revoked, now)?;
    files::write_public(&home.revocation_list(), list.as_bytes())?;
    Ok(())
}
