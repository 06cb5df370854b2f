//! An alert as the API, the stream and webhooks show it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::time::UtcTime;

use super::opener::StoredOpener;
use super::view::TransitView;
use super::words::{AlertKind, OutcomeView};
use crate::alerts::alert::{Alert, Content};
use crate::audit::purpose::Purpose;
use crate::hotlists::list::{Hotlist, ListId};
use crate::lookups::lookup::OneTransit;
use crate::lookups::store::TransitStore;
use crate::municipalities::reach::Reach;
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::transits::blocks;
use crate::transits::erasures;

/// An alert: what was read, how sure that is, and the picture to compare it with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertView {
    /// Its number.
    pub id: i64,
    /// The list's id.
    pub list: String,
    /// The list as people call it.
    pub list_name: String,
    /// Why the vehicle is waited for.
    pub reason: String,
    /// The office that answers for the list.
    pub owner: String,
    /// 0 to 100, 100 the most urgent.
    pub priority: u8,
    /// Whether the listed plate itself was read.
    pub kind: AlertKind,
    /// The plate on the list.
    pub listed: String,
    /// The plate as it was read.
    pub read: String,
    /// The share, 0 to 1, that the camera's own doubts leave to the listed plate.
    pub share: f32,
    /// What differs; empty when the listed plate itself was read.
    pub differences: Vec<DifferenceView>,
    /// What the list says of the plate.
    pub note: Option<String>,
    /// Where the list says that it is registered, ISO 3166-1 alpha-2; evidence, not a filter.
    pub country: Option<String>,
    /// When the vehicle passed, RFC 3339, UTC.
    pub captured_at: String,
    /// When the hub raised it, RFC 3339, UTC.
    pub raised_at: String,
    /// From the pass to the alert, in seconds: long when a link was down.
    pub delay_s: f64,
    /// What somebody found out; null while nobody did.
    pub acknowledged: Option<AcknowledgedView>,
    /// The transit with its picture; null when its sealed original no longer opens.
    pub transit: Option<TransitView>,
}

/// A character that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DifferenceView {
    /// From 1.
    pub place: usize,
    /// On the list.
    pub listed: String,
    /// As read.
    pub read: String,
}

/// What somebody found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcknowledgedView {
    /// Who.
    pub by: String,
    /// RFC 3339, UTC.
    pub at: String,
    /// What.
    pub outcome: OutcomeView,
}

/// What showing alerts needs.
pub(super) struct Shower<'a> {
    pub(super) archive: &'a TransitStore,
    pub(super) main: &'a Connection,
    pub(super) opener: &'a StoredOpener,
    pub(super) lists: &'a HashMap<ListId, Hotlist>,
    /// What whoever is told may see, for each purpose that a list has.
    pub(super) reaches: &'a HashMap<Purpose, Reach>,
    pub(super) now: UtcTime,
}

impl Shower<'_> {
    /// An alert as a line names it, with the grounds of its list, and with the agreements under which another
    /// municipality shares its transit.
    pub(super) fn named(&self, alert: &Alert) -> Result<serde_json::Value, StoreError> {
        let list = self.lists.get(&alert.list);
        let mut named = serde_json::json!({
            "alert": alert.id, "list": alert.list,
            "purpose": list.map(|list| list.grounds.purpose.to_string()),
            "case_reference": list.map(|list| &list.grounds.case_reference),
        });
        let reach = list.and_then(|list| self.reaches.get(&list.grounds.purpose));
        let Some(reach) = reach.filter(|reach| !reach.is_own()) else {
            return Ok(named);
        };
        let Some(key) = self.archive.hour_key(alert.hour)? else {
            return Ok(named);
        };
        let content = alert.content(&key)?;
        let shared = content.gate.iter();
        let shared = shared.flat_map(|gate| reach.shared(gate, content.captured_at));
        let shared = shared.map(|under| {
            serde_json::json!({
                "agreement": under.agreement, "municipality": under.municipality,
            })
        });
        let shared: Vec<_> = shared.collect();
        if let Some(named) = named.as_object_mut().filter(|_| !shared.is_empty()) {
            named.insert("communicated".to_owned(), shared.into());
        }
        Ok(named)
    }

    /// Shows an alert; none when its transit's term is over, it is blocked or out of reach, or its list unknown.
    pub(super) fn view(&self, alert: &Alert) -> Result<Option<AlertView>, StoreError> {
        let Some(list) = self.lists.get(&alert.list) else {
            return Ok(None);
        };
        let Some(key) = self.archive.hour_key(alert.hour)? else {
            return Ok(None);
        };
        let content = alert.content(&key)?;
        let term = alert.hour.term().within(self.archive.settings().term);
        if content.captured_at < self.archive.settings().lead.latest(self.now) - term {
            return Ok(None);
        }
        let Some(reach) = self.reaches.get(&list.grounds.purpose) else {
            return Ok(None);
        };
        if (content.gate.as_ref()).is_some_and(|gate| !reach.has(gate, content.captured_at)) {
            return Ok(None);
        }
        let Some(transit) = self.transit(alert, &content, reach)? else {
            return Ok(None);
        };
        let delay = alert.raised_at.since(content.captured_at);
        Ok(Some(AlertView {
            id: alert.id,
            list: list.id.to_string(),
            list_name: list.name.clone(),
            reason: list.reason.clone(),
            owner: list.owner.clone(),
            priority: alert.priority,
            kind: if alert.near {
                AlertKind::Near
            } else {
                AlertKind::Exact
            },
            listed: content.listed,
            read: content.read,
            share: content.share,
            differences: content
                .differences
                .iter()
                .map(|difference| DifferenceView {
                    place: difference.place,
                    listed: difference.listed.to_string(),
                    read: difference.read.to_string(),
                })
                .collect(),
            note: content.note,
            country: content.country,
            captured_at: content.captured_at.to_string(),
            raised_at: alert.raised_at.to_string(),
            delay_s: delay.as_secs_f64(),
            acknowledged: alert.acknowledged.as_ref().map(|done| AcknowledgedView {
                by: done.by.clone(),
                at: done.at.to_string(),
                outcome: done.outcome.into(),
            }),
            transit,
        }))
    }

    /// Whether an alert is held back: its gate is in use by the first level now.
    pub(super) fn is_held_back(&self, alert: &Alert) -> Result<bool, StoreError> {
        let list = self.lists.get(&alert.list);
        let reach = list.and_then(|list| self.reaches.get(&list.grounds.purpose));
        let Some(reach) = reach.filter(|reach| !reach.in_use().is_empty()) else {
            return Ok(false);
        };
        let Some(key) = self.archive.hour_key(alert.hour)? else {
            return Ok(false);
        };
        let gate = alert.content(&key)?.gate;
        Ok(gate.is_some_and(|gate| reach.in_use().contains(&gate)))
    }

    /// The transit, or null in its place when it does not open; none when it is blocked or out of reach.
    fn transit(
        &self,
        alert: &Alert,
        content: &Content,
        reach: &Reach,
    ) -> Result<Option<Option<TransitView>>, StoreError> {
        let wanted = OneTransit {
            id: &alert.transit,
            plate: content.read.as_str(),
            captured_at: content.captured_at,
        };
        let stored = self.archive.one(&wanted, self.now, reach)?;
        match stored.map(|stored| self.opener.open(&stored)) {
            Some(Some(view)) => Ok(Some(Some(view))),
            // An older version did not note the gate: whether it is within reach the transit alone says.
            None if content.gate.is_none() && !reach.is_everywhere() => Ok(None),
            // Hidden: blocked a moment ago, or its municipality shortened the term since.
            None if blocks::has(self.main, &alert.transit)?
                || erasures::is_ordered(self.main, &alert.transit)?
                || self.may_be_over(content)? =>
            {
                Ok(None)
            }
            Some(None) | None => {
                tracing::error!(
                    "the transit of an alert cannot be shown; run `varco-hub audit verify`"
                );
                Ok(Some(None))
            }
        }
    }

    /// Whether a municipality keeps its transits for less than this one is old, by either reading of the
    /// time.
    fn may_be_over(&self, content: &Content) -> Result<bool, StoreError> {
        let settings = self.archive.settings();
        let latest = settings.lead.latest(self.now);
        let horizon = self.archive.horizon(self.now)?;
        let mut terms = horizon.gates().map(|(_, term)| term.within(settings.term));
        Ok(terms.any(|term| content.captured_at < latest - term))
    }
}
