//! Countries as lists write them: ISO 3166-1 in two and three letters, the oval sign behind the
//! vehicle, and the names that Italian, English, German, French and Spanish offices use.

use super::headings::plain;

/// Every code of ISO 3166-1 alpha-2, and Kosovo's.
const ALPHA_2: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ \
    BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ \
    DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP \
    GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI \
    KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP \
    MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM \
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX \
    SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU \
    WF WS XK YE YT ZA ZM ZW";

/// Alpha-2, then other codes and names in letters and digits of lower case, without marks.
const COUNTRIES: [(&str, &str); 57] = [
    (
        "IT",
        "ita i italia italiana italiano italy italien italie repubblicaitaliana",
    ),
    ("AL", "alb albania albanien albanie shqiperia"),
    ("AD", "and andorra andorre"),
    ("AM", "arm armenia armenien"),
    ("AT", "aut a austria osterreich oesterreich autriche"),
    ("AZ", "aze azerbaigian azerbaijan"),
    (
        "BA",
        "bih bosnia bosniaedherzegovina bosniaerzegovina bosniaandherzegovina bosniaherzegovina bosnien",
    ),
    ("BE", "bel b belgio belgium belgien belgique belgie"),
    ("BG", "bgr bulgaria bulgarien bulgarie"),
    ("BY", "blr bielorussia belarus weissrussland"),
    ("CH", "che svizzera switzerland schweiz suisse suiza"),
    ("CY", "cyp cipro cyprus zypern"),
    (
        "CZ",
        "cze repubblicaceca cechia czechrepublic czechia tschechien",
    ),
    (
        "DE",
        "deu ger d germania germany deutschland allemagne alemania tedesca tedesco",
    ),
    ("DK", "dnk danimarca denmark danemark"),
    ("DZ", "dza algeria algerien algerie"),
    ("EE", "est estonia estland estonie"),
    ("EG", "egy egitto egypt"),
    ("ES", "esp e spagna spain spanien espagne espana"),
    ("FI", "fin finlandia finland finlande"),
    ("FR", "fra f francia france frankreich francese"),
    (
        "GB",
        "gbr uk granbretagna regnounito inghilterra greatbritain unitedkingdom england grossbritannien royaumeuni",
    ),
    ("GE", "geo georgia georgien"),
    ("GI", "gib gbz gibilterra gibraltar"),
    ("GR", "grc el grecia greece griechenland grece"),
    ("HR", "hrv croazia croatia kroatien croatie hrvatska"),
    ("HU", "hun h ungheria hungary ungarn hongrie"),
    ("IE", "irl irlanda ireland irland irlande"),
    ("IL", "isr israele israel"),
    ("IS", "isl islanda iceland island"),
    ("KZ", "kaz kazakistan kazakhstan"),
    ("LI", "lie fl liechtenstein"),
    ("LT", "ltu lituania lithuania litauen lituanie"),
    ("LU", "lux l lussemburgo luxembourg luxemburg"),
    ("LV", "lva lettonia latvia lettland lettonie"),
    ("MA", "mar marocco morocco marokko maroc"),
    ("MC", "mco monaco principatodimonaco"),
    ("MD", "mda moldavia moldova moldawien republicofmoldova"),
    ("ME", "mne montenegro"),
    (
        "MK",
        "mkd nmk macedonia macedoniadelnord northmacedonia nordmazedonien mazedonien",
    ),
    ("MT", "mlt m malta malte"),
    (
        "NL",
        "nld olanda paesibassi netherlands thenetherlands holland niederlande paysbas",
    ),
    ("NO", "nor n norvegia norway norwegen norvege"),
    ("PL", "pol polonia poland polen pologne polska"),
    ("PT", "prt p portogallo portugal"),
    ("RO", "rou rom romania rumanien rumaenien roumanie"),
    ("RS", "srb serbia serbien serbie"),
    (
        "RU",
        "rus russia russland russie federazionerussa russianfederation",
    ),
    ("SE", "swe s svezia sweden schweden suede"),
    ("SI", "svn slo slovenia slowenien slovenie"),
    (
        "SK",
        "svk slovacchia slovakia slowakei slovaquie repubblicaslovacca",
    ),
    ("SM", "smr rsm sanmarino repubblicadisanmarino"),
    ("TN", "tun tunisia tunesien tunisie"),
    ("TR", "tur turchia turkey turkei tuerkei turkiye turquie"),
    ("UA", "ukr ucraina ukraine"),
    (
        "VA",
        "vat v scv cdv vaticano cittadelvaticano vatican vaticancity",
    ),
    ("XK", "rks rko xkx kosovo"),
];

/// The country's two letters of ISO 3166-1; none when the text is no country that we know.
pub(super) fn country(text: &str) -> Option<&'static str> {
    let name = plain(text);
    let mut alpha_2 = ALPHA_2.split(' ').filter(|_| name.len() == 2);
    let code = alpha_2.find(|code| code.eq_ignore_ascii_case(&name));
    code.or_else(|| {
        let mut known = COUNTRIES.iter();
        known
            .find(|(_, names)| names.split(' ').any(|one| one == name))
            .map(|(code, _)| *code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_known_by_name_code_and_oval_sign() {
        for (text, code) in [
            ("D", "DE"),
            ("Germania", "DE"),
            ("ITA", "IT"),
            ("CHE", "CH"),
            ("RO", "RO"),
            ("Italia", "IT"),
            ("i", "IT"),
            ("RSM", "SM"),
            ("San Marino", "SM"),
            ("Österreich", "AT"),
            ("Città del Vaticano", "VA"),
            ("UK", "GB"),
            ("España", "ES"),
            ("JP", "JP"),
        ] {
            assert_eq!(country(text), Some(code), "{text}");
        }
        for text in ["", "X", "attivo", "ZZ", "Q1", "rubata"] {
            assert_eq!(country(text), None, "{text}");
        }
    }

    #[test]
    fn no_name_stands_for_two_countries() {
        let mut all: Vec<&str> = COUNTRIES.iter().flat_map(|c| c.1.split(' ')).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(ALPHA_2.split(' ').count(), 250);
    }
}
