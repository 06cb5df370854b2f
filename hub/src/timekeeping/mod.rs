//! The hub's time: one way to the time that it may claim, and to whether it may destroy by it.
//!
//! The hub keeps its time by the machine's uptime, which nobody can set. As long as the system's clock
//! goes along with it, the system's clock is the hub's: slewing, drift and leap seconds are followed.
//! A jump is an alarm and is not followed. Between two runs the home remembers where the clock stood at
//! which uptime of which boot, so that a jump while no hub runs is seen at the next start.
//!
//! While the clock is in doubt, intake goes on by the kept time; nothing is destroyed, proved or refused
//! by its age; and what is past its term by the kept time or by the system's is hidden. The doubt ends
//! when the clock is put right, when chrony or systemd vouches for it, or when a person does
//! (`varco-hub clock confirm`).
//!
//! A machine that nobody keeps in time runs like any other: what `init` found, or a person confirmed,
//! goes on steadily. Only after a boot, when no uptime tells how long the machine was off, somebody must
//! vouch anew.
//!
//! This room owns the file that remembers the time. It knows no home, no database and no audit: the file and
//! what the home bears of the time are arguments.

mod clock;
mod hub_clock;
mod keeper;
mod memory;
mod reading;
mod source;
mod watch;

pub use clock::{Clock, SetClock, SharedClock, SystemClock};
pub use hub_clock::{ClockNews, HubClock};
pub use keeper::{Keeper, SystemKeeper, Vouching};
pub use memory::{Anchor, Memory, Voucher, begin};
pub use reading::{Doubt, Lead, Reading, Vouched};
pub use source::{Machine, Moment, Source};
pub use watch::keep;
