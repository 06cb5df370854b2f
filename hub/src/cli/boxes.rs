//! `varco-hub edge show` and `varco-hub edge allow`.

use std::io::Write;

use clap::Args;
use serde_json::json;
use varco_proto::ids::{CameraId, EdgeId, GateId};
use varco_proto::time::UtcTime;

use super::clock::time_of;
use super::output::{Output, table};
use crate::audit::acting::Acting;
use crate::audit::actor::Actor;
use crate::boxes::anomalies::Anomaly;
use crate::boxes::desk;
use crate::boxes::edges::EdgeError;
use crate::boxes::registered::Claimed;
use crate::boxes::report::{BoxReport, CameraReport, Picture};
use crate::home::Home;
use crate::web::boxes::{BoxView, view};

/// `edge show`.
#[derive(Debug, Args)]
pub struct EdgeShow {
    /// The edge.
    pub id: EdgeId,
    /// Only reports since then, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub since: Option<UtcTime>,
    /// Most reports and most anomalies.
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub limit: u32,
}

/// `edge allow`.
#[derive(Debug, Args)]
pub struct EdgeAllow {
    /// The edge.
    pub id: EdgeId,
    /// A gate that it watches too; may be given several times.
    #[arg(long, value_name = "GATE")]
    pub gate: Vec<GateId>,
    /// A camera that it has too; may be given several times.
    #[arg(long, value_name = "CAMERA")]
    pub camera: Vec<CameraId>,
}

/// Shows a box over the week.
///
/// # Errors
/// When there is no such edge, or nobody reads the output.
pub fn show(
    home: &Home,
    show: &EdgeShow,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    home.expect()?;
    let since = show.since.unwrap_or(UtcTime::from_unix_us(0));
    let shown = view(&home.open_main()?, &show.id, since, show.limit.max(1))?;
    let shown = shown.ok_or_else(|| EdgeError::Unknown(show.id.clone()))?;
    if output.json {
        return Ok(super::output::json(out, &shown)?);
    }
    Ok(print(out, &shown)?)
}

fn print(out: &mut impl Write, shown: &BoxView) -> std::io::Result<()> {
    writeln!(out, "{}", shown.edge)?;
    writeln!(out, "  gates    {}", shown.registered_for.gates.join(", "))?;
    writeln!(
        out,
        "  cameras  {}",
        shown.registered_for.cameras.join(", ")
    )?;
    if shown.anomalies.is_empty() {
        writeln!(out, "Nothing was wrong in the last seven days.")?;
    } else {
        let mut anomalies = table(&["from", "to", "what", "of", "detail"]);
        for one in &shown.anomalies {
            anomalies.add_row([
                one.began_at.to_string(),
                one.ended_at.map_or("now".to_owned(), |at| at.to_string()),
                one.kind.as_str().to_owned(),
                one.subject.clone().unwrap_or_default(),
                one.detail.clone(),
            ]);
        }
        writeln!(out, "{anomalies}")?;
    }
    let mut reports = table(&[
        "report",
        "clock",
        "spool",
        "disk free",
        "camera",
        "picture",
        "frames/s",
    ]);
    // A box that has not reported since its history was let go still has its latest.
    let latest = shown.latest.iter().filter(|_| shown.history.is_empty());
    for report in shown.history.iter().chain(latest) {
        rows(&mut reports, report);
    }
    writeln!(out, "{reports}")
}

fn rows(table: &mut comfy_table::Table, report: &BoxReport) {
    let clock = match report.clock_kept {
        Some(true) => "kept",
        Some(false) => "NOT KEPT",
        None => "?",
    };
    let disk = report.disk_free_bytes;
    let disk = disk.map_or("?".to_owned(), |free| format!("{} MiB", free / 1_048_576));
    let mut first = vec![
        report.received_at.to_string(),
        clock.to_owned(),
        report.spool_depth.to_string(),
        disk,
    ];
    if report.cameras.is_empty() {
        first.push("none".to_owned());
    }
    for (id, camera) in &report.cameras {
        first.extend([
            id.to_string(),
            picture(camera).to_owned(),
            format!("{:.1}", camera.frames_per_second),
        ]);
        table.add_row(std::mem::replace(&mut first, vec![String::new(); 4]));
    }
    if report.cameras.is_empty() {
        table.add_row(first);
    }
}

fn picture(camera: &CameraReport) -> &'static str {
    match camera.picture {
        _ if camera.reads_itself => "reads itself",
        _ if !camera.connected => "AWAY",
        Picture::Unknown => "?",
        Picture::Fine => "fine",
        Picture::Black => "BLACK",
        Picture::Blank => "BLANK",
        Picture::Frozen => "FROZEN",
    }
}

/// `silent; picture-black nord-1`.
pub(super) fn briefly(anomalies: &[Anomaly]) -> String {
    let one = |anomaly: &Anomaly| match &anomaly.subject {
        Some(subject) => format!("{} {subject}", anomaly.kind.as_str()),
        None => anomaly.kind.as_str().to_owned(),
    };
    let told: Vec<_> = anomalies.iter().map(one).collect();
    told.join("; ")
}

/// Believes an edge about more gates or cameras.
///
/// # Errors
/// What is wrong, and what to do.
pub fn allow(
    home: &Home,
    allow: EdgeAllow,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    home.expect()?;
    let key = home.sealing_key()?;
    let mut main = home.open_main()?;
    let acting = Acting {
        actor: &Actor::console(),
        now: time_of(home)?.kept(),
        key: &key,
    };
    let gates = allow.gate.into_iter().map(Claimed::Gate);
    let claimed: Vec<Claimed> = gates
        .chain(allow.camera.into_iter().map(Claimed::Camera))
        .collect();
    let new = desk::allow(&mut main, &allow.id, &claimed, &acting)?;
    let said = if new == 0 {
        "it was allowed before; nothing changed"
    } else {
        "allowed; what the box kept back comes in within some minutes"
    };
    output.done(out, &json!({ "edge": allow.id, "new": new }), said)?;
    Ok(())
}
