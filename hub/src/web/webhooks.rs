//! Telling other systems of alerts, over HTTPS, as the Standard Webhooks specification says.

use std::collections::HashMap;
use std::time::Duration;

use varco_proto::time::UtcTime;

use super::alert_view::{AlertView, Shower};
use super::opener::Opener;
use super::state::HubState;
use crate::alerts::alert;
use crate::alerts::webhook::{self, Delivery};
use crate::hotlists::list;
use crate::store::sql::Connection;
use crate::store::{self, StoreError};
use crate::{files, measures, tls};

/// How often what is due again is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longest attempt.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// Deliveries on their way at once.
const AT_ONCE_MAX: u32 = 16;
/// Where the system keeps the authorities that it believes.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// One alert, ready to be told.
struct Ready {
    delivery: Delivery,
    /// None when there is nothing to be told any more.
    body: Option<Vec<u8>>,
}

/// Tells what is to be told until the hub stops.
pub async fn deliver_regularly(state: HubState) {
    let (mut news, mut stop) = (state.alerts.clone(), state.stop.clone());
    loop {
        let taking = state.clone();
        let taken = tokio::task::spawn_blocking(move || take(&taking)).await;
        let ready = match taken {
            Ok(Ok(ready)) => ready,
            Ok(Err(error)) => {
                tracing::error!(error = %error, "the alerts to be told cannot be read");
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        let any = !ready.is_empty();
        let sending = ready.into_iter().map(|one| tell(state.clone(), one));
        futures_util::future::join_all(sending).await;
        if any {
            continue;
        }
        tokio::select! {
            _ = news.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// What is due, with its bodies.
fn take(state: &HubState) -> Result<Vec<Ready>, StoreError> {
    let main = store::open(&state.archive.settings().main)?;
    let now = state.clock.now();
    let due = {
        let _turn = state.archive.turn();
        webhook::take_due(&main, state.hotlists.key(), now, AT_ONCE_MAX)?
    };
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let opener = Opener::read(&main)?;
    let lists = list::all(&main)?.into_iter();
    let lists: HashMap<_, _> = lists.map(|list| (list.id.clone(), list)).collect();
    let shower = Shower {
        archive: &state.archive,
        main: &main,
        opener: &opener,
        lists: &lists,
        now,
    };
    // What is hidden only because the clock is in doubt waits, and is tried again.
    let in_doubt = !state.archive.settings().lead.get().is_zero();
    let viewed = due.into_iter().map(|delivery| {
        let view = view(&shower, delivery.alert)?;
        Ok((delivery, view))
    });
    let viewed: Vec<_> = viewed.collect::<Result<_, StoreError>>()?;
    let told = viewed.into_iter();
    let told = told.filter(|(_, view)| !in_doubt || view.is_some());
    let ready = told.map(|(delivery, view)| {
        let body = view.and_then(|view| {
            let told = serde_json::json!({
                "type": "alert.raised", "timestamp": view.raised_at, "data": view,
            });
            serde_json::to_vec(&told).ok()
        });
        Ok(Ready { delivery, body })
    });
    ready.collect()
}

fn view(shower: &Shower<'_>, id: i64) -> Result<Option<AlertView>, StoreError> {
    match alert::find(shower.main, id)? {
        Some(alert) => shower.view(&alert),
        None => Ok(None),
    }
}

/// Tells one system of one alert, and notes what came of it.
async fn tell(state: HubState, ready: Ready) {
    let Ready { delivery, body } = ready;
    let told = match &body {
        Some(body) => post(&delivery, body, state.clock.now()).await,
        None => Ok(()),
    };
    measures::told(told.is_ok());
    let noted = tokio::task::spawn_blocking(move || -> Result<(), StoreError> {
        let main: Connection = store::open(&state.archive.settings().main)?;
        let _turn = state.archive.turn();
        match told {
            Ok(()) => webhook::delivered(&main, &delivery),
            Err(why) => {
                tracing::warn!(
                    webhook = delivery.webhook,
                    alert = delivery.alert,
                    why,
                    attempts = delivery.attempts + 1,
                    "a system was not told of an alert; it is tried again"
                );
                webhook::failed(&main, &delivery, state.clock.now())
            }
        }
    });
    if let Ok(Err(error)) = noted.await {
        tracing::error!(error = %error, "what came of a delivery cannot be noted");
    }
}

async fn post(delivery: &Delivery, body: &[u8], now: UtcTime) -> Result<(), String> {
    let client = client(delivery.authority.as_deref())?;
    // The same for every attempt, so that the other side knows one that it had.
    let id = format!("alert-{}", delivery.alert);
    let seconds = now.unix_us().div_euclid(1_000_000);
    let sent = client
        .post(&delivery.url)
        .header("content-type", "application/json")
        .header("webhook-id", &id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", delivery.signature(&id, seconds, body))
        .body(body.to_vec())
        .send()
        .await;
    match sent {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(format!("it answered {}", response.status().as_u16())),
        // Without the address, which may hold a secret of the other side's.
        Err(error) => Err(error.without_url().to_string()),
    }
}

fn client(authority: Option<&str>) -> Result<reqwest::Client, String> {
    let settings = match authority {
        Some(pem) => tls::client(pem),
        None => {
            let bundle = files::read_text(std::path::Path::new(SYSTEM_AUTHORITIES));
            tls::client_of_bundle(&bundle.map_err(|error| error.to_string())?)
        }
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(settings.map_err(|error| error.to_string())?)
        .timeout(ATTEMPT_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())
}
