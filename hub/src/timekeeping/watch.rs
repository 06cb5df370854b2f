//! Looking at the clock while the hub runs, and telling what is seen.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::hub_clock::{ClockNews, HubClock};
use super::keeper::Keeper;
use super::memory::Voucher;
use super::reading::Reading;
use crate::timekeeping::Clock as _;

/// How often the clocks are compared.
const EVERY: Duration = Duration::from_millis(500);
/// Looks between two questions to a keeper of time: while the clock is in doubt, and otherwise.
const ASKED_IN_DOUBT: u32 = 4;
const ASKED: u32 = 60;

/// Looks until the hub stops.
pub async fn keep(clock: Arc<HubClock>, keeper: Arc<dyn Keeper>, mut stop: watch::Receiver<bool>) {
    let mut until_asked = 0;
    loop {
        let (looking, keeper) = (clock.clone(), keeper.clone());
        let asks = until_asked == 0;
        let looked = tokio::task::spawn_blocking(move || {
            let seen = looking.look();
            let heard = asks.then(|| looking.ask(&*keeper)).flatten();
            [seen, heard]
        });
        for news in looked.await.into_iter().flatten().flatten() {
            told(news);
        }
        let in_doubt = clock.reading().doubt().is_some();
        let wait = if in_doubt { ASKED_IN_DOUBT } else { ASKED };
        until_asked = if asks {
            wait
        } else {
            (until_asked - 1).min(wait)
        };
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

fn told(news: ClockNews) {
    match news {
        ClockNews::Doubted(reading) => doubted(&reading),
        ClockNews::Agreed(reading) => tracing::warn!(
            kept = %reading.kept(),
            "the system's clock agrees with the hub's time again"
        ),
        ClockNews::Followed { by, at, apart } => {
            let by = match by {
                Voucher::Keeper => "a keeper of time",
                Voucher::Person | Voucher::Beginning => "a person",
            };
            let apart_s = apart.as_secs();
            tracing::warn!(by, at = %at, apart_s, "the clock is vouched for, and its time is taken");
        }
    }
}

fn doubted(reading: &Reading) {
    let why = reading.doubt().map_or("", super::Doubt::why);
    tracing::error!(
        why,
        kept = %reading.kept(),
        system = %reading.system(),
        apart_s = reading.apart().as_secs(),
        "the clock is in doubt: nothing is destroyed or proved, and what may be past its term is hidden, \
         until chrony or systemd-timesyncd vouches for it; or set it right and run `varco-hub clock \
         confirm`"
    );
}
