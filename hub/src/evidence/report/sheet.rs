//! The access register to be printed: the fields of the regulation's form (All. 2 of Perugia's regulation), entry by
//! entry.

use std::ops::Range;

use varco_proto::time::UtcTime;

use super::ReportError;
use super::page::Sheets;
use crate::evidence::register::{AccessEntry, DECLARATION, SignedHow, VisitorKind};

/// Writes the sheet of an office.
///
/// # Errors
/// [`ReportError`].
pub fn write(
    office: &str,
    span: Range<UtcTime>,
    entries: &[AccessEntry],
    now: UtcTime,
) -> Result<Vec<u8>, ReportError> {
    let mut pages = Sheets::new("Registro degli accessi", now);
    pages.title("Registro degli accessi alla visione delle registrazioni");
    pages.paragraph(&format!(
        "{office}. Accessi dal {} al {}. Gli orari sono in UTC.",
        span.start, span.end
    ));
    if entries.is_empty() {
        pages.paragraph("Nessun accesso.");
    }
    for entry in entries {
        let visitor = &entry.visitor;
        pages.heading(&format!("Accesso n. {}", entry.number), 150.0);
        pages.row("Nome e cognome", &visitor.name);
        pages.row(
            "In qualità di",
            match visitor.kind {
                VisitorKind::Subject => "terzo, oggetto delle riprese",
                VisitorKind::Authority => "autorità",
                VisitorKind::Authorised => "autorizzato per iscritto",
            },
        );
        pages.row("Documento identità", &visitor.document);
        pages.row("Estremi autorizzazione", &visitor.authorisation);
        pages.row("Ora di entrata", &entry.entered_at.to_string());
        let left = entry
            .left_at
            .map_or_else(|| "presente".to_owned(), |at| at.to_string());
        pages.row("Ora di uscita", &left);
        pages.row("Ammesso da", &entry.let_in_by);
        pages.row("Dichiarazione", DECLARATION);
        let signed = match visitor.signed {
            SignedHow::Paper => "su carta, conservata dall’ufficio; SHA-256",
            SignedHow::Drawn => "tracciata a schermo; SHA-256",
        };
        pages.row("Firma", &format!("{signed} {}", visitor.signature_sha256));
    }
    pages.finish()
}
