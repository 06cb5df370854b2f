//! What the commands about hotlists and webhooks print.

use std::io::{self, Write};

use super::output::{Output, json, table};
use crate::alerts::webhook::{WebhookState, WebhookView};
use crate::web::hotlists::HotlistView;

impl Output {
    /// After something that is told in a sentence.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn done(
        self,
        out: &mut impl Write,
        what: &serde_json::Value,
        said: &str,
    ) -> io::Result<()> {
        if self.json {
            return json(out, what);
        }
        writeln!(out, "{said}")
    }

    /// After `hotlist list`.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn hotlists(self, out: &mut impl Write, lists: &[HotlistView]) -> io::Result<()> {
        if self.json {
            return json(out, &serde_json::json!({ "hotlists": lists }));
        }
        if lists.is_empty() {
            return writeln!(
                out,
                "No hotlists yet; make one with `varco-hub hotlist add`."
            );
        }
        let mut table = table(&[
            "id", "priority", "plates", "near", "until", "owner", "state",
        ]);
        for list in lists {
            let state = match &list.closed_at {
                Some(at) => format!("closed {at}"),
                None if list.holds => "holds".to_owned(),
                None if list.entries == 0 => "no plates yet".to_owned(),
                None => "outside its term".to_owned(),
            };
            table.add_row([
                list.id.clone(),
                list.priority.to_string(),
                list.entries.to_string(),
                if list.near { "yes" } else { "no" }.to_owned(),
                list.valid_to.clone(),
                list.owner.clone(),
                state,
            ]);
        }
        writeln!(out, "{table}")
    }

    /// After `webhook list`.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn webhooks(self, out: &mut impl Write, webhooks: &[WebhookView]) -> io::Result<()> {
        if self.json {
            return json(out, &serde_json::json!({ "webhooks": webhooks }));
        }
        if webhooks.is_empty() {
            return writeln!(out, "No webhooks; add one with `varco-hub webhook add`.");
        }
        let columns = [
            "name", "address", "tells", "hotlists", "waiting", "dropped", "state",
        ];
        let mut table = table(&columns);
        for webhook in webhooks {
            let lists = if webhook.lists.is_empty() {
                "all".to_owned()
            } else {
                webhook.lists.join(", ")
            };
            let waiting = webhook.waiting.to_string();
            table.add_row([
                webhook.id.clone(),
                webhook.url.clone(),
                webhook.tells.join(", "),
                lists,
                waiting,
                webhook.dropped.to_string(),
                state_of(webhook),
            ]);
        }
        writeln!(out, "{table}")
    }
}

/// Whether a system takes what it is told, and what to do when it does not.
fn state_of(webhook: &WebhookView) -> String {
    let since = webhook.since.as_deref().unwrap_or_default();
    let why = webhook.last_failure.as_deref().unwrap_or_default();
    match webhook.state {
        WebhookState::Well => "well".to_owned(),
        WebhookState::Failing => format!("failing since {since}: {why}"),
        WebhookState::Parked => format!(
            "parked since {since}, tried hourly: {why}; `varco-hub webhook resume {}`",
            webhook.id
        ),
        WebhookState::Gone => format!(
            "gone since {since}: {why}; `varco-hub webhook resume {}`",
            webhook.id
        ),
    }
}
