//! What a column holds, by its heading: Italian, English, German, French and Spanish words, and the
//! attributes and columns that lists of Genetec and Rekor have.

use varco_proto::letters::{Letter, letter};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A plate.
    Plate,
    /// Where it is registered.
    Country,
    /// Why it is waited for, what to do.
    Note,
    /// From when.
    From,
    /// Until when.
    To,
}

impl Meaning {
    /// Every one, with the word that `--map` uses.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Plate, "plate"),
        (Self::Country, "country"),
        (Self::Note, "note"),
        (Self::From, "from"),
        (Self::To, "to"),
    ];

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(one, _)| *one == self)
            .map_or("", |(_, word)| word)
    }
}

/// Words of which one makes a heading a plate's.
const PLATE: &str = "plate plates targa targhe lp lpn vrm kennzeichen nummernschild immatriculation \
    plaque matricula licenseplate licenceplate numberplate platenumber platenum plateno numerotarga \
    ntarga targaveicolo";
/// Words that may stand beside them.
const BESIDE_PLATE: &str = "n nr no num number numero nummer di del della dei delle of the du de d \
    la le license licence registration reg vehicle veicolo veicoli car auto autovettura \
    mezzo moto motoveicolo text testo string value rimorchio semirimorchio trailer truck trattore \
    motrice tractor front rear anteriore posteriore first second prima seconda principale \
    secondaria nazionale italiana estera completa kfz amtliches das fahrzeug 1 2 i ii a b lp \
    targa plate";
/// Whole headings of a plate that have none of these words.
const PLATE_WHOLE: &str = "veicolo registration registrationnumber registrationno regno vrn \
    vehicleregistration vehicleregistrationnumber vehicleregistrationmark immatricolazione \
    numeroimmatricolazione tagnumber";
const COUNTRY: &str = "country countrycode nazione nazioni stato paese nazionalita statoestero \
    platestate platecountry state region issuingstate issuingcountry countryofregistration \
    nazionetarga statotarga paesetarga targanazione siglanazione codicenazione nazionalitatarga \
    codicepaese siglastato statoimmatricolazione nazioneimmatricolazione paeseimmatricolazione \
    land pays pais herkunft platecountrycode nationality jurisdiction nazionalitaveicolo";
const NOTE: &str = "note nota notes annotazione annotazioni reason motivo motivi motivazione \
    descrizione description provvedimento azione azioni causale reato oggetto osservazioni \
    osservazione avvertenze avvertenza avviso avvisi pericolo pericolosita rischio segnalazione \
    dettagli dettaglio commento commenti comment comments remark remarks details warning warnings \
    caution danger category categoria action instructions instruction istruzioni message messaggio \
    alert alertdescription alerttype hotlistreason offence offense crime grund bemerkung \
    bemerkungen hinweis hinweise motif remarque remarques nota observaciones tipologia \
    tiposegnalazione tipologiasegnalazione statoveicolo notizie disposizioni disposizione \
    tiporeato motivoricerca motivoinserimento";
const FROM: &str = "from validfrom startdate start begin begindate effectivedate effective \
    effectivefrom datefrom dal dallo dalla valido inizio inserimento datainserimento datainizio \
    inizioval iniziovalidita validodal validadal validitadal datainiziovalidita decorrenza \
    datadecorrenza dataeffetto ab von gultigab gultigvon gueltigab gueltigvon desde validoda validitystart";
const TO: &str = "to validto validuntil until till enddate end expiry expires expirydate \
    expirationdate expiration expireson expiresat dateto validthrough al fino finoal fine scadenza \
    datascadenza datafine finevalidita validoal validofinoal validaal validitaal \
    validafinoal datafinevalidita termine bis gultigbis gueltigbis ablaufdatum hasta jusquau \
    scade scadeil validityend";
/// Headings of dates that English-speaking offices use, where the month may stand first.
const ENGLISH: &str = "from validfrom startdate start begin begindate effectivedate effective \
    effectivefrom datefrom to validto validuntil until till enddate end expiry expires expirydate \
    expirationdate expiration expireson expiresat dateto validthrough validitystart validityend";

/// A text in letters and digits of lower case, without marks, spaces and signs.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::new();
    for character in text.chars() {
        if let Letter::Plate(letters) = letter(character) {
            plain.push_str(&letters.to_ascii_lowercase());
        }
    }
    plain
}

fn is_of(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|one| one == word)
}

/// What a column of this heading holds.
pub(super) fn meaning(heading: &str) -> Option<Meaning> {
    let whole = plain(heading);
    let lists = [
        (Meaning::Plate, PLATE_WHOLE),
        (Meaning::Country, COUNTRY),
        (Meaning::Note, NOTE),
        (Meaning::From, FROM),
        (Meaning::To, TO),
    ];
    // A number behind it tells the second note from the first.
    let bare = whole.trim_end_matches(|c: char| c.is_ascii_digit());
    let of = |word: &str| lists.iter().find(|(_, list)| is_of(list, word));
    if let Some((meaning, _)) = of(&whole).or_else(|| of(bare)) {
        return Some(*meaning);
    }
    let words = words(heading);
    let bare = |word: &String| {
        let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
        if bare.is_empty() {
            word.clone()
        } else {
            bare.to_owned()
        }
    };
    let words: Vec<String> = words.iter().map(bare).collect();
    let is_plate = words.iter().any(|word| is_of(PLATE, word));
    let fits = |word: &String| is_of(PLATE, word) || is_of(BESIDE_PLATE, word);
    (is_plate && words.iter().all(fits)).then_some(Meaning::Plate)
}

/// Whether dates below this heading are written by people who may put the month first.
pub(super) fn is_english(heading: &str) -> bool {
    is_of(ENGLISH, &plain(heading))
}

/// The words of a heading, `PlateNumber` and `plate_number` as two.
fn words(heading: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for character in heading.chars() {
        let begins = before.is_lowercase() && character.is_uppercase();
        let between = !character.is_alphanumeric();
        if begins || between {
            words.push(String::new());
        }
        if let (false, Some(word)) = (between, words.last_mut()) {
            word.push_str(&plain(character.encode_utf8(&mut [0; 4])));
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_headings_are_known() {
        for heading in [
            "targa",
            "TARGA",
            "Numero di targa",
            "N. targa",
            "Targa veicolo",
            "Targa rimorchio",
            "PlateNumber",
            "Plate Number",
            "plate_number",
            "plate_number_text",
            "License Plate",
            "licence plate no.",
            "Targa 1",
            "Kfz-Kennzeichen",
            "Matrícula",
            "VRM",
            "Front plate",
            "Plaque d’immatriculation",
            "Targhe",
            "lp_number",
            "Plate #",
            "TARGA_VEICOLO",
        ] {
            assert_eq!(meaning(heading), Some(Meaning::Plate), "{heading}");
        }
        for (heading, expected) in [
            ("PlateState", Meaning::Country),
            ("Nazionalità", Meaning::Country),
            ("Category", Meaning::Note),
            ("Pericolosità", Meaning::Note),
            ("Note 2", Meaning::Note),
            ("EffectiveDate", Meaning::From),
            ("Valido dal", Meaning::From),
            ("ExpiryDate", Meaning::To),
            ("Data scadenza", Meaning::To),
            ("valid to", Meaning::To),
            ("Gültig bis", Meaning::To),
        ] {
            assert_eq!(meaning(heading), Some(expected), "{heading}");
        }
    }

    #[test]
    fn what_stands_near_a_plate_is_none() {
        for heading in [
            "PlateUID",
            "Plate type",
            "Data targa",
            "Id",
            "Ufficio",
            "N. pratica",
            "Proprietario",
            "Elenco targhe rubate",
            "AB123CD",
            "",
            "Make",
            "Colour",
        ] {
            assert_eq!(meaning(heading), None, "{heading}");
        }
    }
}
