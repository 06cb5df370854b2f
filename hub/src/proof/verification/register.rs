//! Every table of the main database, and what it is held against: a new one cannot be forgotten.

use serde::Serialize;

use super::acts;

/// What a table is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldAgainst {
    /// The lines that made its rows, and their ends.
    Lines,
    /// The hub's signatures, digests and checkpoints: it is the audit itself.
    Itself,
    /// What edges signed.
    Edges,
    /// Nothing; the note says why not.
    Nothing,
}

/// A table of the main database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct VerifiedTable {
    /// Its name.
    pub name: &'static str,
    /// What it is held against.
    pub against: HeldAgainst,
    /// The columns that are held, where each row is held column by column; empty where the check is one of its own.
    pub columns: &'static [&'static str],
    /// Whether a row may go without a line of its own, when its time is over.
    pub rows_go: bool,
    /// Which check it is, or why there is none.
    pub note: &'static str,
}

const fn own(name: &'static str, against: HeldAgainst, note: &'static str) -> VerifiedTable {
    VerifiedTable {
        name,
        against,
        columns: &[],
        rows_go: false,
        note,
    }
}

/// Tables with a check of their own, or without any.
const OWN: &[VerifiedTable] = {
    use HeldAgainst::{Edges, Itself, Lines};
    &[
        own("tokens", Lines, "id, actor, tasks, beginning and end"),
        own("edges", Lines, "key, gate, revocation"),
        own(
            "accounts",
            Lines,
            "whose, user name, password and second factor by their digest, disabling",
        ),
        own("posts", Lines, "name, body, key by its digest, revocation"),
        own("passkeys", Lines, "whose, key by its digest, revocation"),
        own(
            "approvals",
            Lines,
            "subject, who asked, who agreed, until when, use and end",
        ),
        own("approval_decisions", Lines, "with their request"),
        own("cases", Lines, "authority, order, term, end"),
        own(
            "hotlists",
            Lines,
            "owner, reason, validity, whom it is for, end",
        ),
        own("blocks", Lines, "transit, order, lifting"),
        own("transit_hours", Lines, "hours that began and did not end"),
        own("audit", Itself, "chain, signatures, tree"),
        own(
            "audit_head",
            Itself,
            "signed; noted in floor.json and elsewhere",
        ),
        own("audit_tree", Itself, "recomputed from the lines"),
        own("audit_ended", Itself, "a line tells which texts ended"),
        own(
            "audit_witnesses",
            Itself,
            "their cosignatures are held against the tree",
        ),
        own(
            "audit_cosigned",
            Itself,
            "their cosignatures are held against the tree",
        ),
        own(
            "chain_recent",
            Edges,
            "each stored transit stands in one of the two, with its sealed digest",
        ),
        own(
            "chain_settled",
            Edges,
            "each stored transit stands in one of the two, with its sealed digest",
        ),
        own(
            "transit_names",
            Edges,
            "names of places, held against what was sealed",
        ),
    ]
};

/// Tables that are held against nothing.
const UNHELD: &[VerifiedTable] = {
    use HeldAgainst::Nothing;
    &[
        own(
            "alerts",
            Nothing,
            "sealed under the key of their transit's hour: none can be put in without it",
        ),
        own(
            "alert_showings",
            Nothing,
            "each showing is a line; the row spares a second line",
        ),
        own(
            "approval_notices",
            Nothing,
            "what the line of the decision tells, until it was read; reading is a line",
        ),
        own(
            "audit_hours",
            Nothing,
            "which hours have a line; made anew from the lines",
        ),
        own(
            "box_anomalies",
            Nothing,
            "what boxes reported, until it is over",
        ),
        own(
            "box_history",
            Nothing,
            "what boxes reported of themselves, for charts",
        ),
        own("box_news", Nothing, "numbers of what was told of boxes"),
        own("box_reports", Nothing, "the newest report of each box"),
        own(
            "case_items",
            Nothing,
            "sealed under the key of their case: none can be put in without it; the lines have the digests",
        ),
        own(
            "chain_turn",
            Nothing,
            "how far the hub has come in tidying chains",
        ),
        own(
            "drop_reports",
            Nothing,
            "what edges reported to have dropped, each signed",
        ),
        own("dropped", Nothing, "ranges out of such reports"),
        own(
            "edge_certificates",
            Nothing,
            "serial numbers of certificates that the hub's authority signed",
        ),
        own("edge_registrations_version", Nothing, "a number that grows"),
        own(
            "edges_to_learn",
            Nothing,
            "boxes of an older version, until their next report",
        ),
        own("edges_version", Nothing, "a number that grows"),
        own(
            "erasures",
            Nothing,
            "what is still to be destroyed by a request that a line granted; the line of the destruction is held",
        ),
        own(
            "forks",
            Nothing,
            "two signed records in one place; the release is a line",
        ),
        own("gaps", Nothing, "what edges' chains miss"),
        own(
            "gate_hours",
            Nothing,
            "counts by hour, to tell a silent gate",
        ),
        own(
            "gate_terms_before",
            Nothing,
            "terms that the lines of municipalities tell, for a week",
        ),
        own("heads", Nothing, "ends of edges' chains"),
        own(
            "hotlist_changes",
            Nothing,
            "sealed under the key of their list: none can be put in without it",
        ),
        own(
            "hotlist_pages",
            Nothing,
            "sealed under the key of their list: none can be put in without it",
        ),
        own("hotlists_version", Nothing, "a number that grows"),
        own(
            "own_plates",
            Nothing,
            "marks under a key of the hub; a line names no plate, and tells how many changed",
        ),
        own(
            "refusals",
            Nothing,
            "what the hub refused of edges, each signed by it",
        ),
        own(
            "releases",
            Nothing,
            "answers to boxes, each signed; the release is a line",
        ),
        own("rights", Nothing, "numbers that grow"),
        own(
            "searches",
            Nothing,
            "marks under a key of the hub, for 180 days; each search is a line",
        ),
        own("tamper_events", Nothing, "what boxes reported, each signed"),
        own(
            "used_challenges",
            Nothing,
            "challenges that were used, for minutes",
        ),
        own(
            "webhook_deliveries",
            Nothing,
            "what is still to be sent; each sending is a line",
        ),
        own(
            "whereabouts",
            Nothing,
            "where the transits are; that database is held by its own identity",
        ),
    ]
};

/// Every table of the main database.
#[must_use]
pub fn verified_tables() -> Vec<VerifiedTable> {
    let lined = acts::LINED.iter().copied().flatten();
    let lined = lined.map(|table| VerifiedTable {
        name: table.name,
        against: HeldAgainst::Lines,
        columns: table.columns,
        rows_go: table.rows_go,
        note: "each row, column by column",
    });
    lined
        .chain(OWN.iter().copied())
        .chain(UNHELD.iter().copied())
        .collect()
}
