//! Files of every kind that offices and other systems hand out: what becomes of each row.

use super::account::Outcome;
use super::*;

fn term() -> HotlistTerm {
    let at = |text: &str| text.parse().unwrap();
    HotlistTerm {
        now: at("2026-11-22T08:30:00Z"),
        from: at("2026-11-01T00:00:00Z"),
        to: at("2027-06-30T00:00:00Z"),
    }
}

struct Read {
    entries: Vec<HotlistEntry>,
    account: Account,
    lines: Vec<AccountLine>,
}

fn with(file: &[u8], how: &How) -> Read {
    let mut lines = Vec::new();
    let (entries, account) =
        read(file, how, &term(), &mut |line| lines.push(line.clone())).unwrap();
    assert_sums(&account, &lines);
    Read {
        entries,
        account,
        lines,
    }
}

fn taken(file: &str) -> Read {
    with(file.as_bytes(), &How::default())
}

fn lenient(file: &str) -> Read {
    let how = How {
        skip_faulty: true,
        ..How::default()
    };
    with(file.as_bytes(), &how)
}

fn refused(file: &str) -> String {
    let error = read(file.as_bytes(), &How::default(), &term(), &mut |_| {}).unwrap_err();
    error.to_string()
}

/// Every row ends in one account, told in order.
fn assert_sums(account: &Account, lines: &[AccountLine]) {
    let sum = account.taken + account.folded + account.refused + account.empty;
    assert_eq!((account.rows, lines.len()), (sum, sum));
    let count = |outcome| lines.iter().filter(|line| line.outcome == outcome).count();
    assert_eq!(
        (
            account.taken,
            account.folded,
            account.refused,
            account.empty
        ),
        (
            count(Outcome::Taken),
            count(Outcome::Folded),
            count(Outcome::Refused),
            count(Outcome::Empty)
        )
    );
    let to_be_told = lines.iter().filter(|line| !line.is_plain()).count();
    assert_eq!(account.lines.len() + account.lines_left_out, to_be_told);
    assert!(lines.is_sorted_by_key(|line| line.row));
}

impl Read {
    fn plates(&self) -> Vec<&str> {
        self.entries
            .iter()
            .map(|entry| entry.plate.as_str())
            .collect()
    }

    fn notes(&self) -> Vec<&str> {
        let notes = self.entries.iter().map(|entry| entry.note.as_deref());
        notes.map(Option::unwrap_or_default).collect()
    }

    fn ends(&self) -> Vec<String> {
        let ends = self.entries.iter().map(|entry| entry.valid_to);
        ends.map(|end| end.map_or("-".into(), |end| end.to_string().replace(":00.000000Z", "")))
            .collect()
    }

    fn said(&self, row: u64) -> String {
        self.lines
            .iter()
            .find(|line| line.row == row)
            .unwrap()
            .to_string()
    }
}

#[test]
fn columns_are_found_by_their_headings() {
    let file = "\u{feff}Ufficio;Targa;Nazione;Motivo;Dal;Scadenza\n\
        Questura;AB 123 CD;I;rubata;01/11/2026;31/12/2026\n\
        ;zz-999-zz;terra;;;\n;zz-998-zz;FR;da seguire;;2026-12-01T10:00:00Z\n";
    let read = taken(file);
    assert_eq!(read.plates(), ["AB123CD", "ZZ999ZZ", "ZZ998ZZ"]);
    assert_eq!(read.account.ignored_columns, ["Ufficio"]);
    let first = &read.entries[0];
    assert_eq!(first.country.as_deref(), Some("IT"));
    assert_eq!(first.note.as_deref(), Some("rubata"));
    assert_eq!(
        first.valid_from.unwrap().to_string(),
        "2026-10-31T23:00:00.000000Z"
    );
    assert_eq!(
        first.valid_to.unwrap().to_string(),
        "2026-12-31T23:00:00.000000Z"
    );
    assert_eq!(
        read.said(3),
        "row 3: taken: the country is not known and left out"
    );
}

#[test]
fn a_file_without_headings_is_one_column_of_plates() {
    let read = taken("AB123CD\r\n\r\nAB124CD\r\nab 123 cd\r\n");
    assert_eq!(read.plates(), ["AB123CD", "AB124CD"]);
    assert_eq!(read.said(4), "row 4: folded with row 1");
    assert_eq!((read.account.rows, read.account.empty), (4, 1));
    let titled = taken("VEICOLI RUBATI\nAB123CD\nAB124CD\n");
    assert_eq!(titled.plates(), ["AB123CD", "AB124CD"]);
    assert_eq!(titled.account.understood.rows_above, [1]);
    assert!(refused("\n\n").contains("columns are not understood"));
    let plain = taken("AB123CD;rubata, armato;IT\nAB124CD;rubata;D\n");
    assert_eq!(plain.notes(), ["rubata, armato", "rubata"]);
    assert_eq!(plain.entries[1].country.as_deref(), Some("DE"));
}

#[test]
fn a_file_that_is_not_understood_is_refused_as_a_whole() {
    let genetec =
        "STOLEN;IT;AC000CD;2026-11-01;2026-12-31\nSTOLEN;IT;AC001CD;2026-11-01;2026-12-31\n";
    let why = refused(genetec);
    assert!(why.contains("separated by `;`, 5 columns"), "{why}");
    assert!(why.contains("AA999AA") && why.contains("plate=2"), "{why}");
    assert!(!why.contains("AC000CD") && !why.contains("STOLEN"), "{why}");
    let headed = "Sigla,Vettura,Data\nx,AB123CD,2026-11-01\n";
    let why = refused(headed);
    assert!(why.contains("headings: Sigla | Vettura | Data"), "{why}");
    for file in [
        "Id\n100200\n100201\n",
        "RSSMRA80A01H501U\nVRDLGI80A01H501U\n",
        "AB123CD;AB124CD\nAB125CD;AB126CD\n",
        "2026/1000;AC000CD;furto\n",
        "AB123CD\n\nTarga;Motivo\nAB124CD;x\n",
        "nessuna\nparola\n",
    ] {
        assert!(refused(file).contains("not understood"), "{file}");
    }
}

#[test]
fn a_person_says_which_columns_mean_what() {
    let how = |map: &str| How {
        mapping: map.parse().unwrap(),
        ..How::default()
    };
    let headed = b"Sigla,Vettura,Gravita,Data\nx,AB123CD,armato,2026-12-31\n";
    let read = with(headed, &how("plate=Vettura,note=gravit\u{e0},to=Data"));
    assert_eq!(
        (read.plates(), read.notes()),
        (vec!["AB123CD"], vec!["armato"])
    );
    assert_eq!(read.ends(), ["2026-12-31T23:00"]);
    let bare = b"STOLEN;IT;AC000CD;2026-11-01;2026-12-31\n";
    let read = with(bare, &how("plate=3,note=1,country=2,from=4,to=5"));
    assert_eq!(
        (read.plates(), read.notes()),
        (vec!["AC000CD"], vec!["STOLEN"])
    );
    let read = with(b"Sigla;Vettura\nx;AB123CD\n", &how("plate=2"));
    assert_eq!(read.plates(), ["AB123CD"], "the headings are no plate");
    let missing = super::read(headed, &how("plate=Nessuna"), &term(), &mut |_| {});
    assert!(matches!(missing, Err(ImportError::Columns(_))));
}

#[test]
fn lists_of_other_systems_are_understood() {
    let genetec = "Category;PlateState;PlateNumber;EffectiveDate;ExpiryDate;PlateUID\r\n\
        STOLEN;IT;AC000CD;2026-11-01;2026-12-31;0\r\n";
    let read = taken(genetec);
    assert_eq!(
        (read.plates(), read.notes()),
        (vec!["AC000CD"], vec!["STOLEN"])
    );
    assert_eq!(read.account.ignored_columns, ["PlateUID"]);
    for (file, plate) in [
        ("Id,Plate Number,Note\n100200,AC000CD,stolen\n", "AC000CD"),
        (
            "N. pratica;Numero di targa;Motivo\n2026/1000;AC001CD;furto\n",
            "AC001CD",
        ),
        ("Targa veicolo;Motivo\nAB123CD;x\n", "AB123CD"),
        ("plate_number|description\nAB123CD|stolen\n", "AB123CD"),
        (
            "Comune di Esempio\nElenco al 22/11/2026\n\nTarga;Motivo\nAB123CD;x\n",
            "AB123CD",
        ),
        (
            "sep=;\r\nUfficio;Targa;Motivo\r\nPG;AB123CD;rubata\r\n",
            "AB123CD",
        ),
        ("sep=\t\nTarga\tMotivo\nAB123CD\tx\n", "AB123CD"),
        ("\"Targa\",\"Motivo\"\n\"AB123CD\",\"a, b\"\n", "AB123CD"),
    ] {
        assert_eq!(taken(file).plates(), [plate], "{file}");
    }
}

#[test]
fn an_unclosed_quote_harms_its_own_row_alone() {
    let mut file = "targa;motivo;scadenza\nAB123CD;rubata;31/12/2026\n\
        AB124CD;\"in fuga, vedi verbale;31/12/2026\n"
        .to_owned();
    for number in 0..100 {
        file += &format!("AC{number:03}CD;rubata;31/12/2026\n");
    }
    let read = taken(&file);
    assert_eq!((read.account.taken, read.entries.len()), (102, 102));
    assert!(
        read.said(3).contains("quote opened at row 3"),
        "{}",
        read.said(3)
    );
    assert_eq!(read.notes()[1], "in fuga, vedi verbale");
    assert_eq!(read.ends()[1], "2026-12-31T23:00");
}

#[test]
fn two_rows_of_a_plate_both_count() {
    let read = taken(
        "targa;motivo;dal;scadenza\nAB123CD;rubata 2024, ritrovata;01/01/2024;31/12/2024\n\
         AB124CD;rubata;01/11/2026;31/12/2026\nAB123CD;rubata di nuovo;01/11/2026;31/12/2026\n",
    );
    assert_eq!(read.plates(), ["AB123CD", "AB124CD", "AB123CD"]);
    assert_eq!((read.account.waited_for, read.account.over), (2, 1));
    assert!(
        read.said(2).contains("its term is over"),
        "{}",
        read.said(2)
    );
    let countries = taken("targa;nazione;motivo\nAB1234;DE;rubata in DE\nAB1234;RO;rubata in RO\n");
    assert_eq!(countries.notes(), ["rubata in DE", "rubata in RO"]);
    let bare = taken("targa;motivo\nAB123CD;rubata\nAB123CD;\nAB123CD;rubata\n");
    assert_eq!((bare.entries.len(), bare.account.folded), (1, 2));
}

#[test]
fn plates_that_fonts_do_not_tell_apart_are_two() {
    let read = taken("targa,motivo\nAO123OO,prima\nA0123OO,seconda\nB0IIS,x\nBO11S,y\n");
    assert_eq!(read.plates(), ["AO123OO", "A0123OO", "B0IIS", "BO11S"]);
    assert_eq!(read.account.folded, 0);
}

#[test]
fn every_plate_of_a_row_is_taken() {
    let cell = taken("targa;motivo\nAB123CD AB124CD;motrice e rimorchio\nAB125CD/AB126;x\n");
    assert_eq!(cell.plates(), ["AB123CD", "AB124CD", "AB125CD", "AB126"]);
    assert_eq!(cell.account.taken, 2);
    let columns = taken("targa;targa;motivo\nAB123CD;XA123YZ;motrice e rimorchio\nAB124CD;;x\n");
    assert_eq!(columns.plates(), ["AB123CD", "XA123YZ", "AB124CD"]);
    let half = "Targa veicolo;Targa rimorchio\nAB123CD;***\n";
    assert!(refused(half).contains("row 2: taken: another plate is refused"));
    assert_eq!(lenient(half).plates(), ["AB123CD"]);
}

#[test]
fn dates_bear_times_and_are_never_guessed() {
    let times = taken(
        "targa,scadenza\nAB123CD,31/12/2026 23:59\nAB124CD,31/12/2026 00:00:00\n\
         AB125CD,2026-12-31 23:59:59\nAB126CD,31/12/2026 18:30\n",
    );
    let midnight = "2026-12-31T23:00";
    assert_eq!(
        times.ends(),
        [midnight, midnight, midnight, "2026-12-31T17:30"]
    );
    let us = taken("plate,valid to\nAB123CD,12/31/2026\nAB124CD,12/01/2026\n");
    assert_eq!(
        us.ends(),
        [midnight, "2026-12-01T23:00"],
        "the first row decides"
    );
    let unsure = taken("plate,valid to\nAB123CD,12/01/2026\nAB124CD,soon\nAB125CD,12/12/9999\n");
    assert_eq!(
        unsure.ends(),
        ["-", "-", "-"],
        "no plate is lost to its date"
    );
    assert!(
        unsure.said(2).contains("day first or month first"),
        "{}",
        unsure.said(2)
    );
    assert!(
        unsure.said(3).contains("the entry ends with the hotlist"),
        "{}",
        unsure.said(3)
    );
    let italian = taken("targa;scadenza\nAB123CD;01/12/2026\n");
    assert_eq!(
        italian.ends(),
        ["2026-12-01T23:00"],
        "the heading's language decides"
    );
    let how = How {
        dates: Some(DateOrder::MonthFirst),
        ..How::default()
    };
    let said = with(b"plate,valid to\nAB123CD,12/01/2026\n", &how);
    assert_eq!(said.ends(), ["2026-12-01T23:00"]);
}

#[test]
fn a_term_that_begins_after_its_end_is_refused_with_why() {
    let file = "targa;dal;al\nAB123CD;31/12/2026;01/11/2026\nAB124CD;;\n";
    let why = refused(file);
    assert!(
        why.contains("row 2: refused: its term begins after it ends"),
        "{why}"
    );
    assert!(!why.contains("AB123CD"));
    assert_eq!(lenient(file).plates(), ["AB124CD"]);
}

#[test]
fn a_country_that_is_not_known_never_loses_its_plate() {
    let read = taken(
        "targa;nazione;motivo\nB AB 1234;D;rubata\nAB123CD;Germania;rubata\nAB124CD;ITA;rubata\n\
         AB125CD;CHE;rubata\nAB126CD;RO;rubata\nAB127CD;Italia;rubata\nAB128CD;boh;rubata\n",
    );
    let countries = read.entries.iter().map(|entry| entry.country.as_deref());
    let known = ["DE", "DE", "IT", "CH", "RO", "IT"].map(Some);
    assert_eq!(
        countries.collect::<Vec<_>>(),
        [&known[..], &[None]].concat()
    );
}

#[test]
fn letters_fold_and_stay_beside() {
    let read = lenient(
        "targa,motivo\nGÖ AB 123,umlaut\nŁÓDŐ1,polish\nЕКХ1234,cyrillic\nΑΒΕ1234,greek\nЖЩ12345,no\n",
    );
    assert_eq!(read.plates(), ["GOAB123", "LODO1", "EKX1234", "ABE1234"]);
    assert_eq!(read.entries[0].original.as_deref(), Some("GÖ AB 123"));
    assert!(
        read.said(6).contains("refused: a plate has letters A-Z"),
        "{}",
        read.said(6)
    );
}

#[test]
fn no_note_is_dropped() {
    let read = taken("Targa;Motivo;Note\nAB123CD;rubata;PERICOLOSO - armato\nAB124CD;;solo\n");
    assert_eq!(
        read.notes(),
        ["Motivo: rubata; Note: PERICOLOSO - armato", "Note: solo"]
    );
    let unquoted = taken("Targa;Motivo\nAB123CD;rubata; armato\n");
    assert_eq!(unquoted.notes(), ["rubata; armato"]);
    let long = "x".repeat(2000);
    let cut = taken(&format!("Targa;Motivo;Note\nAB123CD;{long};armato\n"));
    assert!(cut.notes()[0].ends_with("Note: armato"));
    assert!(cut.said(2).contains("cut"), "{}", cut.said(2));
}

#[test]
fn every_encoding_of_an_office_is_read() {
    let windows = b"targa;motivo\r\nAB123CD;l\x92auto \xe8 rubata \x96 500 \x80\r\n";
    let read = with(windows, &How::default());
    assert_eq!(read.notes(), ["l’auto è rubata – 500 €"]);
    assert_eq!(read.account.understood.encoding, "Windows-1252");
    let text = "targa;motivo;scadenza\r\nAB123CD;perché;31/12/2026\r\n";
    for mark in [&b"\xff\xfe"[..], b""] {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        let file: Vec<u8> = mark.iter().copied().chain(units).collect();
        let read = with(&file, &How::default());
        assert_eq!(
            (read.plates(), read.notes()),
            (vec!["AB123CD"], vec!["perché"])
        );
    }
}

#[test]
fn what_is_no_row_of_a_plate_is_told() {
    let file = "targa;motivo\nAB123CD;x\nTarga;Motivo\ntarga;motivo\n;senza\nn.d.;x\nTotale: 2\n\n";
    let why = refused(file);
    assert!(
        why.contains("row 5: refused: no plate stands in it"),
        "{why}"
    );
    let read = lenient(file);
    assert_eq!(read.said(3), "row 3: empty: the headings once more");
    assert_eq!(
        (read.account.empty, read.account.refused),
        (3, 3),
        "{}",
        read.account
    );
    assert_eq!(read.plates(), ["AB123CD"]);
}

#[test]
fn an_account_is_bounded_and_its_counts_are_whole() {
    let mut file = "targa\n".to_owned();
    for number in 0..200 {
        file += &format!("AB*{number}\n");
    }
    file += "AB123CD\n";
    let read = lenient(&file);
    assert_eq!(read.account.lines.len(), account::LINES_TOLD);
    assert_eq!(
        (read.account.refused, read.account.lines_left_out),
        (200, 150)
    );
    assert_eq!(
        read.lines.len(),
        201,
        "whoever writes them down has them all"
    );
    let shown = read.account.to_string();
    assert!(
        shown.contains("201 rows: 1 taken, 0 folded, 200 refused, 0 empty"),
        "{shown}"
    );
    assert!(!shown.contains("AB123"), "no plate in an account");
}

#[test]
fn a_single_plate_is_held_to_a_rows_rules() {
    let said = |plate: &str, to: Option<&str>| single::Single {
        plate: plate.into(),
        country: Some("Germania".into()),
        note: Some("armato".into()),
        from: None,
        to: to.map(str::to_owned),
    };
    let entry = said("gö ab 123", Some("12/01/2027"))
        .entry(&term())
        .unwrap();
    assert_eq!(entry.plate.as_str(), "GOAB123");
    assert_eq!(entry.country.as_deref(), Some("DE"));
    assert_eq!(
        entry.valid_to.unwrap().to_string(),
        "2027-01-12T23:00:00.000000Z"
    );
    for (plate, to) in [
        ("AB*", None),
        ("", None),
        ("AB123CD AB124CD", None),
        ("AB1", Some("x")),
    ] {
        let why = said(plate, to).entry(&term()).unwrap_err().to_string();
        assert!(plate.is_empty() || !why.contains(plate), "{why}");
    }
}
