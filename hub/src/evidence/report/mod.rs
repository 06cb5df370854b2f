//! The report of a package for people, in Italian: PDF/A-2u, with masked pictures.

mod page;
pub mod sheet;
mod words;

use thiserror::Error;

use self::page::Sheets;
use self::words::{case, direction, permit, recipient, travel};
use super::contents::{PackageContents, RecordSheet};
use super::mask::{Masking, Obscured};
use crate::audit::export::ExportedLine;

const TITLE: &str = "Relazione di estrazione";

/// The report is not written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A font or the page; a bug.
    #[error("the report's font or page cannot be used")]
    Font,
    /// A picture.
    #[error("a picture cannot be drawn into the report")]
    Picture,
    /// The document does not fit the standard.
    #[error("the report does not fit PDF/A: {0}")]
    Pdf(String),
}

/// Writes the report.
///
/// # Errors
/// [`ReportError`].
pub fn write(
    contents: &PackageContents,
    sheets: &[RecordSheet],
    pictures: &[Obscured],
    line: &ExportedLine,
) -> Result<Vec<u8>, ReportError> {
    let mut pages = Sheets::new(&format!("{TITLE} {}", contents.package), contents.made_at);
    pages.title(TITLE);
    pages.paragraph(
        "Registrazioni estratte dal sistema Varco di lettura targhe. Questa relazione serve alla lettura: fanno fede i \
         file del pacchetto, firmati e verificabili senza il sistema che li ha prodotti.",
    );
    extraction(&mut pages, contents, line);
    authorisation(&mut pages, contents);
    masking(&mut pages, contents);
    for (sheet, picture) in sheets.iter().zip(pictures) {
        record(&mut pages, sheet, picture)?;
    }
    checking(&mut pages);
    pages.finish()
}

fn extraction(pages: &mut Sheets, contents: &PackageContents, line: &ExportedLine) {
    let wanted = &contents.wanted;
    pages.heading("Estrazione", 60.0);
    pages.row("Pacchetto", &contents.package);
    pages.row("Data e ora", &contents.made_at.to_string());
    pages.row("Caso", case(wanted.case_type));
    pages.row("Riferimento", &wanted.reference);
    pages.row(
        "Destinatario",
        &format!(
            "{} ({})",
            wanted.recipient,
            recipient(wanted.recipient_kind)
        ),
    );
    pages.row("Finalità", &wanted.purpose);
    pages.row("Procedimento", &wanted.case_reference);
    if let Some(case) = &wanted.held_in {
        pages.row("Fascicolo", case);
    }
    pages.row("Registrazioni", &wanted.transits.len().to_string());
    pages.row(
        "Riga di audit",
        &format!("riga {} del {}", line.sequence, line.at),
    );
}

fn authorisation(pages: &mut Sheets, contents: &PackageContents) {
    let given = &contents.permit;
    pages.heading("Autorizzazione", 60.0);
    pages.row("Tipo", permit(given.kind));
    pages.row("Numero", &given.id);
    pages.row(
        "Rilasciata da",
        &format!("{}, {}", given.given_by, given.body),
    );
    pages.row("Il", &given.given_at.to_string());
    if let Some(act) = &given.act {
        pages.row("Atto", act);
    }
    pages.row("Richiesta da", &given.asked_by);
}

fn masking(pages: &mut Sheets, contents: &PackageContents) {
    pages.heading("Oscuramento dei terzi", 40.0);
    pages.paragraph(
        "Di ogni immagine resta la sola targa richiesta: quanto si trova fuori dalla targa è coperto in modo \
         irreversibile. Dove la posizione della targa non è nota, l’immagine è resa illeggibile per intero.",
    );
    pages.paragraph(match contents.wanted.originals {
        true => {
            "Gli originali sigillati dagli apparati sono acclusi in forma cifrata; la chiave è consegnata a parte \
             all’autorità giudiziaria."
        }
        false => "Gli originali sigillati dagli apparati non sono acclusi, perché contengono le immagini non oscurate.",
    });
}

fn record(pages: &mut Sheets, sheet: &RecordSheet, picture: &Obscured) -> Result<(), ReportError> {
    pages.heading(&format!("{}. {}", sheet.number, sheet.plate()), 150.0);
    match picture.png() {
        Some(png) => pages.picture(png)?,
        None => pages.row("Immagine", "non disponibile"),
    }
    if picture.masking() == Masking::Whole {
        pages.row("Immagine", "resa illeggibile per intero");
    }
    pages.row(
        "Rilevato il",
        &format!("{} ± {} ms", sheet.captured_at, sheet.uncertainty_ms),
    );
    pages.row(
        "Varco",
        &format!("{}, ripresa {}", sheet.gate, sheet.camera),
    );
    let ways = [
        sheet.lane.as_ref().map(|lane| format!("corsia {lane}")),
        sheet
            .direction
            .as_deref()
            .map(|way| direction(way).to_owned()),
        sheet.travel.as_deref().map(|way| travel(way).to_owned()),
    ];
    let ways: Vec<_> = ways.into_iter().flatten().collect();
    if !ways.is_empty() {
        pages.row("Movimento", &ways.join(", "));
    }
    pages.row("Targa letta", &sheet.plate_read);
    for one in &sheet.corrections {
        pages.row(
            "Corretta in",
            &format!("{} il {} da {}: {}", one.plate, one.at, one.by, one.reason),
        );
    }
    let hundredths = sheet.confidence * 100.0;
    let (agreeing, reads) = (sheet.agreeing_reads, sheet.reads);
    pages.row(
        "Lettura",
        &format!(
            "sicurezza {hundredths:.1} %, {agreeing} letture concordi su {reads}, paese {}",
            sheet.country
        ),
    );
    if let Some(reader) = &sheet.onboard {
        pages.row("Lettore", &format!("a bordo della telecamera: {reader}"));
    }
    pages.row(
        "Catena",
        &format!("apparato {}, n. {}", sheet.chain.edge, sheet.chain.sequence),
    );
    pages.row("Impronta", &sheet.chain.digest);
    pages.row("Transito", &sheet.transit);
    Ok(())
}

fn checking(pages: &mut Sheets) {
    pages.heading("Come verificare", 60.0);
    pages.paragraph(
        "Il pacchetto si verifica su qualunque macchina, senza rete e senza il sistema che l’ha prodotto: varco-hub \
         evidence verify FILE --key CHIAVE. La chiave pubblica va ottenuta dall’ente per altra via. La verifica \
         elenca ciò che è accertato, ciò che non lo è e ciò che è alterato.",
    );
    pages.small(
        "L’orario è in UTC. La marca temporale, se presente (timestamp.tst), è di un servizio RFC 3161 e riguarda \
         contents.json.",
    );
}
