//! What the commands about edges print.

use std::io::{self, Write};

use varco_proto::ids::EdgeId;
use varco_proto::tamper::Release;
use varco_proto::time::UtcTime;

use super::output::{Output, json, table};
use super::{boxes, gates};
use crate::boxes::tampering::TamperView;
use crate::enrolment::Invited;
use crate::enrolment::adding::AddedEdge;
use crate::web::edges::EdgeView;

impl Output {
    /// After `edge add`.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn edge_added(self, out: &mut impl Write, report: &AddedEdge) -> io::Result<()> {
        if self.json {
            return json(out, report);
        }
        let bundle = report.bundle.display();
        writeln!(out, "Enrolled {} at gate {}.", report.edge, report.gate)?;
        writeln!(out, "  bundle          {bundle}")?;
        writeln!(out, "  edge's key      {}", report.edge_key)?;
        writeln!(
            out,
            "Move the whole folder to the edge; the hub keeps no copy of its keys."
        )
    }

    /// After `edge invite`.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn edge_invited(self, out: &mut impl Write, invited: &Invited) -> io::Result<()> {
        if self.json {
            return json(out, invited);
        }
        writeln!(out, "{}", invited.token)?;
        writeln!(
            out,
            "Shown once; it enrols one box as {}, until {}. On the box:",
            invited.edge, invited.until
        )?;
        writeln!(
            out,
            "  varco-edge enrol --hub https://HUB:PORT --ca ca.crt --token-file FILE"
        )
    }

    /// After `edge release --fork`.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn fork_released(self, out: &mut impl Write, id: &EdgeId, at: u64) -> io::Result<()> {
        if self.json {
            return json(out, &serde_json::json!({ "edge": id, "sequence": at }));
        }
        writeln!(
            out,
            "{id} is let in again, on the chain that the hub has; it had forked at record {at}."
        )
    }

    /// After `edge revoke`.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn edge_revoked(self, out: &mut impl Write, id: &EdgeId, at: UtcTime) -> io::Result<()> {
        if self.json {
            return json(out, &serde_json::json!({ "edge": id, "revoked_at": at }));
        }
        writeln!(
            out,
            "{id} is revoked since {at}; the hub refuses it at once."
        )?;
        writeln!(
            out,
            "Send the broker SIGHUP or restart it, so that it reads the revoked certificates."
        )
    }

    /// After `edge release`.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn edge_released(self, out: &mut impl Write, released: &Release) -> io::Result<()> {
        let (edge, up_to) = (&released.edge, released.up_to_sequence);
        if self.json {
            let answer = serde_json::json!({
                "edge": edge, "up_to_sequence": up_to, "released_at": released.released_at,
            });
            return json(out, &answer);
        }
        writeln!(
            out,
            "{edge} is released up to record {up_to}; the running hub tells it, and its transits \
             follow."
        )
    }

    /// After `edge list`.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn edges(self, out: &mut impl Write, edges: &[EdgeView]) -> io::Result<()> {
        if self.json {
            return json(out, &serde_json::json!({ "edges": edges }));
        }
        if edges.is_empty() {
            return writeln!(out, "No edges yet; enrol one with `varco-hub edge add`.");
        }
        let mut table = table(&[
            "edge",
            "gate",
            "place",
            "state",
            "records",
            "missing",
            "dropped",
            "last came",
            "refusals",
            "wrong",
        ]);
        for edge in edges {
            let refusals = edge.refusals.iter().map(|(why, n)| format!("{why} {n}"));
            let state = match &edge.revoked_at {
                Some(_) => "revoked".to_owned(),
                None if edge.fork.is_some() => "FORKED: is the box copied?".to_owned(),
                None if edge.suspended_by.is_empty() => "active".to_owned(),
                None => suspended(&edge.suspended_by),
            };
            table.add_row([
                edge.id.clone(),
                edge.gate.clone(),
                gates::shown(edge.place),
                state,
                edge.last_sequence.to_string(),
                edge.missing.to_string(),
                dropped(edge),
                edge.last_received_at.clone().unwrap_or("never".to_owned()),
                refusals.collect::<Vec<_>>().join(", "),
                boxes::briefly(&edge.anomalies),
            ]);
        }
        writeln!(out, "{table}")
    }
}

/// `812 (size)`.
fn dropped(edge: &EdgeView) -> String {
    match edge.drops.first() {
        Some(newest) => format!("{} ({})", edge.dropped, newest.reason),
        None => edge.dropped.to_string(),
    }
}

/// `suspended: covered, cabinet`.
fn suspended(by: &[TamperView]) -> String {
    let mut kinds: Vec<&str> = by.iter().map(|event| event.kind.as_str()).collect();
    kinds.dedup();
    format!("suspended: {}", kinds.join(", "))
}
