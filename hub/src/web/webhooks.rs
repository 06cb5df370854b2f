//! Telling other systems over HTTPS, as the Standard Webhooks specification says: a queue and a task
//! each, so that none waits for another.
//!
//! A system is told up to [`AT_ONCE_MAX`] messages at once, begun in their order and not always ended
//! in it; one that fails is told one at a time. See `alerts/patience.rs` for how long it is waited
//! for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use varco_proto::ids::Digest;

use super::alert_view::Shower;
use super::opener::StoredOpener;
use super::standing::Standing;
use super::state::HubState;
use super::webhook_post::{Clients, post};
use crate::alerts::alert;
use crate::alerts::deliveries::{self, DeliveryKind, WAITING_MAX, WebhookDelivery};
use crate::alerts::patience::{Failure, Step};
use crate::alerts::target::{self, Target};
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::boxes::anomalies;
use crate::hotlists::list;
use crate::machine::{measures, random};
use crate::people::tokens::{Permission, Permissions};
use crate::policy::Deed;
use crate::policy::caller::Caller;
use crate::store::{StoreError, number};

/// How often what is due again is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks from one tidying of the queues to the next.
const TIDY_EVERY: u32 = 120;
/// Messages on their way to one system at once.
const AT_ONCE_MAX: usize = 8;

/// The task that tells one system.
struct Teller {
    due: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells what is to be told until the hub stops.
pub async fn deliver_regularly(state: HubState) {
    let (mut news, mut stop) = (state.alerts.clone(), state.stop.clone());
    let mut tellers: HashMap<String, Teller> = HashMap::new();
    let mut looks = 0_u32;
    loop {
        let tidy = looks.is_multiple_of(TIDY_EVERY);
        looks = looks.wrapping_add(1);
        let looking = state.clone();
        match tokio::task::spawn_blocking(move || look(&looking, tidy)).await {
            Ok(Ok(due)) => {
                tellers.retain(|_, teller| !teller.task.is_finished());
                for webhook in due {
                    let teller = tellers.entry(webhook.clone()).or_insert_with(|| {
                        let due = Arc::new(Notify::new());
                        let task = tell(state.clone(), webhook, Arc::clone(&due));
                        let task = tokio::spawn(task);
                        Teller { due, task }
                    });
                    teller.due.notify_one();
                }
            }
            Ok(Err(error)) => {
                tracing::error!(error = %error, "what systems are to be told cannot be read");
            }
            Err(_) => tracing::error!("looking for what systems are to be told broke off"),
        }
        tokio::select! {
            _ = news.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// The webhooks that have something due.
fn look(state: &HubState, tidy: bool) -> Result<Vec<String>, StoreError> {
    let main = state.main_pool.take()?;
    if tidy {
        let _turn = state.archive.turn();
        for (webhook, count) in deliveries::tidy(&main, WAITING_MAX)? {
            measures::dropped(count);
            tracing::error!(
                webhook,
                count,
                "too much waits for a system: the oldest messages were dropped; see `varco-hub \
                 webhook list`"
            );
        }
    }
    deliveries::due(&main, state.clock.now())
}

/// A message, ready to be told.
struct Ready {
    delivery: WebhookDelivery,
    /// None when there is nothing to be told any more.
    message: Option<Message>,
    /// What it tells is hidden while the clock is in doubt.
    waits: bool,
}

/// What is sent.
struct Message {
    body: Vec<u8>,
    /// Of an alert, what its line says.
    alert: Option<AlertSent>,
}

/// An alert that is sent.
struct AlertSent {
    told: serde_json::Value,
    digest: Digest,
}

/// Tells one system, whenever something is due for it.
async fn tell(state: HubState, webhook: String, due: Arc<Notify>) {
    let mut clients = Clients::default();
    let mut sending = JoinSet::new();
    let mut on_their_way = HashSet::new();
    loop {
        let taking = (state.clone(), webhook.clone(), on_their_way.clone());
        let taken = tokio::task::spawn_blocking(move || {
            let (state, webhook, on_their_way) = taking;
            take(&state, &webhook, &on_their_way)
        });
        match taken.await {
            Ok(Ok(Some((target, ready)))) => {
                let target = Arc::new(target);
                for one in ready {
                    on_their_way.insert(one.delivery.number);
                    let client = clients.of(&target);
                    let (state, webhook) = (state.clone(), webhook.clone());
                    let target = Arc::clone(&target);
                    sending.spawn(async move {
                        let number = one.delivery.number;
                        attempt(state, webhook, target, one, client).await;
                        number
                    });
                }
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::error!(webhook, error = %error, "what a system is to be told cannot be read");
            }
            Err(_) => return,
        }
        if sending.is_empty() {
            due.notified().await;
            continue;
        }
        tokio::select! {
            Some(ended) = sending.join_next() => match ended {
                Ok(number) => { on_their_way.remove(&number); }
                // Which one cannot be told: all are looked at again.
                Err(_) => return,
            },
            () = due.notified() => {}
        }
    }
}

/// What may be begun for a system now, with its bodies; none when it may not be tried.
fn take(
    state: &HubState,
    webhook: &str,
    on_their_way: &HashSet<i64>,
) -> Result<Option<(Target, Vec<Ready>)>, StoreError> {
    let main = state.main_pool.take()?;
    let now = state.clock.now();
    let Some(target) = target::find(&main, &state.webhook_key, webhook, now)? else {
        return Ok(None);
    };
    let failing = target.condition.failing_since.is_some();
    let most = if failing { 1 } else { AT_ONCE_MAX };
    let room = most.saturating_sub(on_their_way.len());
    let due = match room {
        0 => Vec::new(),
        room => deliveries::take(&main, webhook, room, on_their_way, now)?,
    };
    if due.is_empty() {
        return Ok(Some((target, Vec::new())));
    }
    let opener = StoredOpener::read(&main)?;
    let lists = list::all(&main)?.into_iter();
    let lists = lists.filter(|list| list.body.as_str() == target.body);
    let lists: HashMap<_, _> = lists.map(|list| (list.id.clone(), list)).collect();
    let purposes = lists.values().map(|list| list.grounds.purpose);
    let may = Permissions::of(&[Permission::Alerts]);
    let body = target
        .body
        .parse()
        .map_err(|_| StoreError::Damaged { what: "body" })?;
    let Some(caller) = Caller::system_of(&main, webhook, &body, may)? else {
        // Its body ended, and nothing is told to it.
        return Ok(None);
    };
    let standing = Standing::of(state, &main, &caller, now)?;
    let reaches = standing
        .reaches(Deed::SeeAlerts, purposes)
        .map_err(|error| {
            tracing::error!(webhook, error = %error, "the policy cannot judge, so nothing is told");
            StoreError::Damaged { what: "policy" }
        })?;
    let shower = Shower {
        archive: &state.archive,
        main: &main,
        opener: &opener,
        lists: &lists,
        reaches: &reaches,
        now,
    };
    // What is hidden only because the clock is in doubt, or because the first level uses its gate, waits.
    let in_doubt = !state.archive.settings().lead.get().is_zero();
    let ready = due.into_iter().map(|delivery| {
        let message = match message(&shower, &delivery) {
            // One that does not open must not keep the others back.
            Err(StoreError::Damaged { what }) => {
                tracing::error!(webhook, what, "a message is damaged, and is not told");
                None
            }
            message => message?,
        };
        let waits = message.is_none() && (in_doubt || is_held_back(&shower, &delivery)?);
        Ok(Ready {
            delivery,
            message,
            waits,
        })
    });
    let ready: Vec<_> = ready.collect::<Result<_, StoreError>>()?;
    note_sent(state, webhook, &ready)?;
    Ok(Some((target, ready)))
}

/// Writes the line of the alerts that are sent next: another system sees plates.
fn note_sent(state: &HubState, webhook: &str, ready: &[Ready]) -> Result<(), StoreError> {
    let sent = ready
        .iter()
        .filter_map(|one| one.message.as_ref()?.alert.as_ref());
    let sent: Vec<_> = sent.collect();
    if sent.is_empty() {
        return Ok(());
    }
    let told: Vec<_> = sent.iter().map(|alert| &alert.told).collect();
    let details = serde_json::json!({ "webhook": webhook, "alerts": told });
    let entry = AuditEntry {
        result_count: Some(number::count(sent.len())?),
        result_digests: sent.iter().map(|alert| alert.digest).collect(),
        ..AuditEntry::plain(Actor::hub(), Action::AlertsSent, details)
    };
    state.line(&entry).map(drop)
}

/// Whether what a message tells is hidden only while the first level uses a gate.
fn is_held_back(shower: &Shower<'_>, delivery: &WebhookDelivery) -> Result<bool, StoreError> {
    let alert = match delivery.kind {
        DeliveryKind::Alert => alert::find(shower.main, delivery.reference)?,
        DeliveryKind::Anomaly => None,
    };
    alert.map_or(Ok(false), |alert| shower.is_held_back(&alert))
}

/// What a message says; none when what it tells is gone.
fn message(shower: &Shower<'_>, delivery: &WebhookDelivery) -> Result<Option<Message>, StoreError> {
    let mut sent = None;
    let told = match delivery.kind {
        DeliveryKind::Alert => {
            let alert = alert::find(shower.main, delivery.reference)?;
            let view = match &alert {
                Some(alert) => shower.view(alert)?,
                None => None,
            };
            let of = |alert: alert::Alert| {
                Ok::<_, StoreError>(AlertSent {
                    told: shower.named(&alert)?,
                    digest: alert.digest,
                })
            };
            sent = alert.map(of).transpose()?;
            view.map(|view| {
                serde_json::json!({
                    "type": "alert.raised", "timestamp": view.raised_at, "data": view,
                })
            })
        }
        DeliveryKind::Anomaly => {
            let news = anomalies::news_of(shower.main, delivery.reference)?;
            news.map(|news| {
                let what = format!("anomaly.{}", news.event.as_str());
                serde_json::json!({ "type": what, "timestamp": news.at, "data": news })
            })
        }
    };
    let Some(told) = told else { return Ok(None) };
    let body = serde_json::to_vec(&told).map_err(|_| StoreError::Damaged { what: "message" })?;
    Ok(Some(Message { body, alert: sent }))
}

/// Tells a system one message, and notes what came of it.
async fn attempt(
    state: HubState,
    webhook: String,
    target: Arc<Target>,
    Ready {
        delivery,
        message,
        waits,
    }: Ready,
    client: Result<reqwest::Client, String>,
) {
    let told = match (&message, client) {
        (None, _) => None,
        (Some(_), Err(why)) => Some(Err(Failure::Silent(why))),
        (Some(Message { body, .. }), Ok(client)) => {
            let now = state.clock.now();
            Some(
                post(
                    &client,
                    &target,
                    &delivery.message,
                    body.as_slice(),
                    now,
                    &*state.clock,
                )
                .await,
            )
        }
    };
    let noting = (state.clone(), webhook.clone());
    let noted = tokio::task::spawn_blocking(move || {
        let (state, webhook) = noting;
        if waits {
            let main = state.main_pool.take()?;
            let _turn = state.archive.turn();
            return deliveries::postpone(&main, delivery.number, state.clock.now());
        }
        note(&state, &webhook, &delivery, told.as_ref())
    });
    if let Ok(Err(error)) = noted.await {
        tracing::error!(webhook, error = %error, "what came of a delivery cannot be noted");
        // It is due still: without a pause it would go out again at once.
        let pause = LOOK_EVERY.mul_f64(1.0 + random::fraction());
        tokio::time::sleep(pause).await;
    }
}

/// Notes what came of an attempt; `told` is none when there was nothing to be told any more.
fn note(
    state: &HubState,
    webhook: &str,
    delivery: &WebhookDelivery,
    told: Option<&Result<(), Failure>>,
) -> Result<(), StoreError> {
    let main = state.main_pool.take()?;
    let _turn = state.archive.turn();
    let failure = match told {
        None => return deliveries::settle(&main, delivery.number),
        Some(Ok(())) => {
            measures::told(true);
            if deliveries::delivered(&main, webhook, delivery.number)? {
                tracing::info!(webhook, "a system takes what it is told again");
            }
            return Ok(());
        }
        Some(Err(failure)) => failure,
    };
    measures::told(false);
    let Some(condition) = target::condition(&main, webhook)? else {
        return Ok(());
    };
    let now = state.clock.now();
    let step = deliveries::failed(&main, webhook, delivery, failure, condition, now)?;
    let (attempts, why) = (delivery.attempts + 1, failure.to_string());
    match step {
        Step::Again => {
            tracing::warn!(
                webhook,
                why,
                attempts,
                "a system was not told; it is tried again"
            );
        }
        Step::Parked => tracing::error!(
            webhook,
            why,
            "a system took nothing for a day and is parked: it is tried once an hour; mend it, \
             then `varco-hub webhook resume`"
        ),
        Step::Gone => tracing::error!(
            webhook,
            why,
            "a system says that it is gone, and is told no more; `varco-hub webhook resume` or \
             `remove`"
        ),
    }
    Ok(())
}
