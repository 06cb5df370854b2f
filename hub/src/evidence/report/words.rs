//! The report's words.

use crate::approvals::subject::{ExtractionCase, RecipientKind};
use crate::evidence::contents::PermitKind;

pub(super) fn case(of: ExtractionCase) -> &'static str {
    match of {
        ExtractionCase::Complaint => "denuncia di un cittadino alle forze dell’ordine",
        ExtractionCase::Illicit => "atto criminoso o illecito rilevato dagli operatori",
        ExtractionCase::Institutional => "altra necessità dell’attività istituzionale",
    }
}

pub(super) fn recipient(of: RecipientKind) -> &'static str {
    match of {
        RecipientKind::JudicialAuthority => "autorità giudiziaria",
        RecipientKind::JudicialPolice => "polizia giudiziaria",
        RecipientKind::Subject => "terzo, oggetto delle riprese",
        RecipientKind::Office => "altro ufficio",
    }
}

pub(super) fn permit(of: PermitKind) -> &'static str {
    match of {
        PermitKind::CaseByCase => "di volta in volta, del responsabile (art. 17 c. 5)",
        PermitKind::Standing => {
            "permanente, per autorità giudiziaria e polizia giudiziaria (art. 17 c. 2)"
        }
    }
}

pub(super) fn direction(of: &str) -> &'static str {
    match of {
        "towards" => "in avvicinamento",
        _ => "in allontanamento",
    }
}

pub(super) fn travel(of: &str) -> &'static str {
    match of {
        "in" => "in entrata",
        _ => "in uscita",
    }
}
