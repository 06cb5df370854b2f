//! What the commands print, for people or as JSON.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::opening::init::InitReport;
use crate::opening::moving::Moved;
use crate::proof::destruction::Proof;
use crate::proof::verification::Verification;
use crate::web::area::AreaView;
use crate::web::left_out::LeftOutView;
use crate::web::lookups::LookupAnswer;
use crate::web::view::{MisreadKind, MisreadView};
use crate::web::words::WhyLeftOutView;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// One JSON object instead of text.
    pub json: bool,
}

pub(super) fn json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    writeln!(out, "{text}")
}

pub(super) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head);
    table
}

/// How a plate that was read differs from the one that was searched, in words.
fn difference(of: &MisreadView) -> String {
    let symbol = |symbol: Option<char>| symbol.map_or_else(String::new, |one| one.to_string());
    let (position, searched, read) = (of.position, symbol(of.searched), symbol(of.read));
    let held = of.confidence.map_or_else(String::new, |confidence| {
        let hundredths = 100.0 * confidence;
        format!("; the camera itself held {searched} for possible ({hundredths:.0} %)")
    });
    match of.kind {
        MisreadKind::Other => format!("character {position}: {read} was read for {searched}{held}"),
        MisreadKind::Missed => format!("character {position}: {searched} was not read"),
        MisreadKind::TooMany => {
            format!("character {position}: {read} was read and is not in the plate")
        }
    }
}

/// Gates that were not searched.
fn left_out_told(out: &mut impl Write, one: &LeftOutView) -> io::Result<()> {
    let whose = one.municipality.as_deref().unwrap_or("nobody's");
    let gates = match one.gates.as_slice() {
        [] => "all gates".to_owned(),
        some => some.join(", "),
    };
    let why = match one.why {
        WhyLeftOutView::InUse => return Ok(()), // Told apart.
        WhyLeftOutView::Admission => "an officer on duty there must let you in first",
        WhyLeftOutView::Purpose => "they are not for this purpose",
        WhyLeftOutView::Agreement => "no agreement gives them, or there are none such",
    };
    writeln!(out, "Not searched: {gates} ({whose}); {why}.")
}

impl Output {
    /// After `init`.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn init(self, out: &mut impl Write, report: &InitReport) -> io::Result<()> {
        if self.json {
            return json(out, report);
        }
        let home = report.home.display();
        if report.already_there {
            writeln!(
                out,
                "There is already a hub in {home}; nothing was changed."
            )?;
        } else {
            writeln!(out, "Made a hub in {home}.")?;
        }
        let broker = report.mosquitto_configuration.display();
        writeln!(out, "  API and page    {}", report.url)?;
        writeln!(out, "  authority       {}", report.ca_file.display())?;
        writeln!(out, "  broker          mosquitto -c {broker}")?;
        writeln!(out, "  hub's key       {}", report.hub_key)?;
        match &report.token {
            Some(token) => {
                writeln!(out, "  first token     {token}")?;
                let file = report.token_file.display();
                writeln!(out, "                  shown once; also in {file}")?;
                writeln!(
                    out,
                    "                  it ends in 24 hours; programs get tokens of their own with `varco-hub token add`"
                )?;
                writeln!(
                    out,
                    "Next: `varco-hub begin --help`, which leads to the first responsible person and their first lookup."
                )
            }
            None => writeln!(out, "  first token     {}", report.token_file.display()),
        }
    }

    /// After `lookup`.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn lookup(self, out: &mut impl Write, answer: &LookupAnswer) -> io::Result<()> {
        if self.json {
            return json(out, answer);
        }
        let mut table = table(&[
            "captured (UTC)",
            "plate",
            "sure",
            "country",
            "gate",
            "camera",
            "read by",
        ]);
        for transit in &answer.results {
            let country = transit.countries.first();
            table.add_row([
                transit.captured_at.clone(),
                transit.plate.clone(),
                format!("{:.0} %", transit.confidence * 100.0),
                country.map_or_else(|| "?".to_owned(), |c| c.country.clone()),
                transit.gate.clone(),
                transit.camera.clone(),
                transit.onboard.as_ref().map_or_else(
                    || "Varco".to_owned(),
                    |onboard| format!("on-board {}", onboard.maker),
                ),
            ]);
        }
        writeln!(out, "{table}")?;
        let shown = answer.results.len();
        let about = if answer.total_is_estimate {
            "about "
        } else {
            ""
        };
        writeln!(
            out,
            "{shown} of {about}{} shown; audit line {}.",
            answer.total, answer.audit_line
        )?;
        if let Some(area) = &answer.area {
            area_told(out, area)?;
        }
        for one in &answer.left_out {
            left_out_told(out, one)?;
        }
        if !answer.in_use.is_empty() {
            let gates = answer.in_use.join(", ");
            writeln!(out, "Left out, as the first level uses them: {gates}.")?;
        }
        let misread = answer
            .results
            .iter()
            .filter_map(|t| Some((t, t.misread.as_ref()?)));
        for (transit, differences) in misread {
            let said: Vec<_> = differences.iter().map(difference).collect();
            writeln!(out, "{}: {}", transit.plate, said.join("; "))?;
        }
        if answer.broken > 0 {
            let broken = answer.broken;
            writeln!(
                out,
                "{broken} left out: their seal is broken; run audit verify."
            )?;
        }
        match &answer.next {
            Some(next) => writeln!(out, "More: --after {next}"),
            None => Ok(()),
        }
    }

    /// After `bench`: one line a figure, or all as one JSON object.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn figures(self, out: &mut impl Write, figures: &serde_json::Value) -> io::Result<()> {
        if self.json {
            return json(out, figures);
        }
        lines(out, "", figures)
    }

    /// What a move did, and what comes next.
    ///
    /// # Errors
    /// [`io::Error`] when nobody takes the text.
    pub fn moved(self, out: &mut impl Write, moved: &Moved) -> io::Result<()> {
        if self.json {
            return json(out, moved);
        }
        writeln!(
            out,
            "{} transits copied from {} hours, {} links of the chains",
            moved.transits, moved.hours, moved.links
        )?;
        let next = if moved.finished {
            "all is in PostgreSQL: name it under [store] in hub.toml, and start the hub"
        } else {
            "the hub may go on; run this again, or stop it and add --finish"
        };
        writeln!(out, "{next}")
    }

    /// After `retention proof`.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn proof(self, out: &mut impl Write, proof: &Proof) -> io::Result<()> {
        if self.json {
            return json(out, proof);
        }
        let mut table = table(&[
            "hour of capture (UTC)",
            "transits",
            "destroyed",
            "audit line",
        ]);
        let whole = proof.destroyed.iter().map(|one| (one, ""));
        let in_part = proof.purged.iter().map(|one| (one, ", in part"));
        let erased = proof.erased.iter().map(|one| (one, ", by request"));
        let mut all: Vec<_> = whole.chain(in_part).chain(erased).collect();
        all.sort_by_key(|(one, _)| one.audit_line);
        for (one, how) in all {
            table.add_row([
                format!("{}{how}", one.hour),
                one.transits.to_string(),
                one.at.to_string(),
                one.audit_line.to_string(),
            ]);
        }
        writeln!(out, "{table}")?;
        for hour in &proof.overdue {
            writeln!(
                out,
                "OVERDUE: {hour} is past its term, and a key or a file of it is there"
            )?;
        }
        for line in &proof.unproved_audit_lines {
            writeln!(
                out,
                "UNPROVED: audit line {line} does not say what was destroyed, or is of a later time"
            )?;
        }
        if let (Some(why), Some(system)) = (&proof.clock_doubt, &proof.system_clock) {
            writeln!(
                out,
                "CLOCK IN DOUBT: {why}; the system's clock says {system}, the hub keeps {}. Nothing is \
                 proved until chrony, systemd-timesyncd or `varco-hub clock confirm` vouches for it",
                proof.at
            )?;
        }
        if proof.broken_audit_lines > 0 {
            let broken = proof.broken_audit_lines;
            writeln!(
                out,
                "BROKEN: {broken} audit lines do not hold; run audit verify"
            )?;
        }
        let verdict = if proof.holds {
            "holds"
        } else {
            "DOES NOT HOLD"
        };
        writeln!(
            out,
            "{verdict} at {}: the term begins at {}; stored are {} transits of {} hours, the oldest {}.",
            proof.at,
            proof.term_begins,
            proof.transits,
            proof.hours,
            proof.oldest_hour.as_deref().unwrap_or("none"),
        )
    }

    /// After `audit verify`.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn verification(self, out: &mut impl Write, checked: &Verification) -> io::Result<()> {
        if self.json {
            return json(out, checked);
        }
        for line in &checked.broken_audit_lines {
            writeln!(out, "audit line {}: {}", line.sequence, line.what)?;
        }
        for transit in &checked.broken_transits {
            let (hour, edge, sequence) = (&transit.hour, &transit.edge, transit.sequence);
            writeln!(out, "transit {edge} {sequence} of {hour}: {}", transit.what)?;
        }
        for row in &checked.broken_rows {
            writeln!(out, "{} {}: {}", row.table, row.row, row.what)?;
        }
        for what in &checked.unestablished {
            writeln!(out, "cannot be established: {what}")?;
        }
        if let Some(head) = &checked.head {
            writeln!(out, "audit head {} of {}", head.noted(), head.at)?;
        }
        let verdict = if checked.intact {
            "intact"
        } else if checked.is_broken() {
            "BROKEN"
        } else {
            "NOTHING IS BROKEN, BUT NOT ALL CAN BE ESTABLISHED"
        };
        writeln!(
            out,
            "{verdict}: {} audit lines and {} transits checked.",
            checked.audit_lines, checked.transits
        )
    }
}

/// Figures by their path, one a line.
fn lines(out: &mut impl Write, path: &str, figures: &serde_json::Value) -> io::Result<()> {
    use serde_json::Value;
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match figures {
        Value::Object(fields) => fields
            .iter()
            .try_for_each(|(name, value)| lines(out, &below(name), value)),
        Value::Array(items) => (items.iter().enumerate())
            .try_for_each(|(at, value)| lines(out, &below(&at.to_string()), value)),
        Value::Number(value) if value.is_f64() => {
            writeln!(out, "{path:<36} {:.2}", value.as_f64().unwrap_or_default())
        }
        other => writeln!(out, "{path:<36} {other}"),
    }
}

/// What of the map an answer covers.
fn area_told(out: &mut impl Write, area: &AreaView) -> io::Result<()> {
    if area.gates.is_empty() {
        writeln!(
            out,
            "No gate stands in the area, so nothing can be found there."
        )?;
    } else {
        writeln!(out, "In the area: {}.", area.gates.join(", "))?;
    }
    match area.gates_without_place {
        0 => Ok(()),
        1 => writeln!(
            out,
            "1 gate has no place yet and was not searched; see `gate list`."
        ),
        some => writeln!(
            out,
            "{some} gates have no place yet and were not searched; see `gate list`."
        ),
    }
}
