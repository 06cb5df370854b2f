//! What the guard corps sees: what passed, and nothing that could be taken away (art. 7 c. 4, art. 9 c. 2 A a1).
//!
//! These types have no place for a crop, an id, a digest or a sealed original; `Deed::SeeWhole` decides who gets the others.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::alert_view::{AcknowledgedView, AlertView, DifferenceView};
use super::area::AreaView;
use super::left_out::LeftOutView;
use super::near::NearView;
use super::view::{CandidateView, CountryView, MisreadView, ShorterTerm, TransitView};
use super::words::{AlertKind, DirectionView, TravelView};

/// One transit as the guard corps sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardView {
    /// Normal form: A-Z and 0-9.
    pub plate: String,
    /// Of the whole plate, 0 to 1.
    pub confidence: f32,
    /// Per character in reading order, what it may be, most probable first.
    pub candidates: Vec<Vec<CandidateView>>,
    /// Most probable first.
    pub countries: Vec<CountryView>,
    /// The gate.
    pub gate: String,
    /// The camera.
    pub camera: String,
    /// As the camera sees it; null when not known.
    pub direction: Option<DirectionView>,
    /// The lane; null when not known.
    pub lane: Option<String>,
    /// In to or out of the area behind the gate; null when not known.
    pub travel: Option<TravelView>,
    /// RFC 3339, UTC.
    pub captured_at: String,
    /// The true moment lies within plus or minus so many milliseconds.
    pub uncertainty_ms: f64,
    /// Frames whose own read gave exactly this plate.
    pub agreeing_reads: u32,
    /// Frames that gave a read at all.
    pub reads: u32,
    /// How the plate that was read differs from the one that was searched; null when it is what was searched.
    pub misread: Option<Vec<MisreadView>>,
}

impl From<TransitView> for GuardView {
    fn from(whole: TransitView) -> Self {
        Self {
            plate: whole.plate,
            confidence: whole.confidence,
            candidates: whole.candidates,
            countries: whole.countries,
            gate: whole.gate,
            camera: whole.camera,
            direction: whole.direction,
            lane: whole.lane,
            travel: whole.travel,
            captured_at: whole.captured_at,
            uncertainty_ms: whole.uncertainty_ms,
            agreeing_reads: whole.agreeing_reads,
            reads: whole.reads,
            misread: whole.misread,
        }
    }
}

/// What the guard corps is told when it looks transits up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuardLookupAnswer {
    /// Newest first, or oldest first when that was asked.
    pub results: Vec<GuardView>,
    /// How many match in all.
    pub total: u64,
    /// Whether `total` is estimated.
    pub total_is_estimate: bool,
    /// Pass it as `after` for the next page; null at the end.
    pub next: Option<String>,
    /// First moment that was searched.
    pub searched_from: String,
    /// Results left out because their sealed original no longer opens.
    pub broken: u64,
    /// Transits that match and are left out, because they are blocked.
    pub blocked: u64,
    /// What stands in the area; null when none was asked for.
    pub area: Option<AreaView>,
    /// Municipalities of which a later part was searched only.
    pub shorter_terms: Vec<ShorterTerm>,
    /// Gates that were not searched, of those that were asked for and that the office knows of, and why.
    pub left_out: Vec<LeftOutView>,
    /// Gates left out because the first level uses them.
    pub in_use: Vec<String>,
    /// How near this lookup came to the rules against misuse.
    pub near: Vec<NearView>,
    /// The audit line that this lookup left.
    pub audit_line: u64,
}

/// A vehicle that passed both, as the guard corps sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuardBothView {
    /// Its first pass at the first.
    pub here: GuardView,
    /// Its pass at the second that is nearest in time.
    pub there: GuardView,
}

/// What the guard corps is told of vehicles that passed both of two places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuardBothAnswer {
    /// Those with the shortest time between first.
    pub vehicles: Vec<GuardBothView>,
    /// How many there are in all.
    pub total: usize,
    /// What stands in the first area; null when none was asked for.
    pub here_area: Option<AreaView>,
    /// What stands in the second; null when none was asked for.
    pub there_area: Option<AreaView>,
    /// Gates that were not searched, of those that were asked for and that the office knows of, and why.
    pub left_out: Vec<LeftOutView>,
    /// Gates left out because the first level uses them.
    pub in_use: Vec<String>,
    /// The audit line that this left.
    pub audit_line: u64,
}

/// An alert as the guard corps is told it: what was read, without the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuardAlertView {
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
    /// Where the list says that it is registered.
    pub country: Option<String>,
    /// When the vehicle passed, RFC 3339, UTC.
    pub captured_at: String,
    /// When the hub raised it, RFC 3339, UTC.
    pub raised_at: String,
    /// From the pass to the alert, in seconds.
    pub delay_s: f64,
    /// What somebody found out; null while nobody did.
    pub acknowledged: Option<AcknowledgedView>,
    /// What passed; null when its sealed original no longer opens.
    pub passed: Option<GuardView>,
}

impl From<AlertView> for GuardAlertView {
    fn from(whole: AlertView) -> Self {
        Self {
            id: whole.id,
            list: whole.list,
            list_name: whole.list_name,
            reason: whole.reason,
            owner: whole.owner,
            priority: whole.priority,
            kind: whole.kind,
            listed: whole.listed,
            read: whole.read,
            share: whole.share,
            differences: whole.differences,
            note: whole.note,
            country: whole.country,
            captured_at: whole.captured_at,
            raised_at: whole.raised_at,
            delay_s: whole.delay_s,
            acknowledged: whole.acknowledged,
            passed: whole.transit.map(GuardView::from),
        }
    }
}

/// Alerts as the guard corps is told them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuardAlertsAnswer {
    /// Newest first.
    pub alerts: Vec<GuardAlertView>,
    /// Pass it as `before` for the next page; null at the end.
    pub next: Option<i64>,
    /// The newest alert when the list was read.
    pub newest: i64,
    /// The audit line that this left.
    pub audit_line: Option<u64>,
}
