//! Programs that this one starts: none may keep it waiting for ever.

use std::process::{Child, ExitStatus};
use std::time::Duration;

/// Between two looks whether it has ended.
const STEP: Duration = Duration::from_millis(50);

/// Waits until a program ends; one that has not after `longest` is killed. None when it was, or
/// cannot be asked.
pub(super) fn end_within(child: &mut Child, longest: Duration) -> Option<ExitStatus> {
    let mut waited = Duration::ZERO;
    while waited < longest {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => std::thread::sleep(STEP),
            Err(_) => break,
        }
        waited += STEP;
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}
