"""What plates say and wear, country by country: text patterns, sizes, colours and furniture.

Pattern signs: `A` letter, `9` digit, `N` digit but zero, `X` either, `{..}` literal, ` ` gap, `-` hyphen, `.` point,
`*` stickers or crest, `=` small stamp, `/` next row. Only letters and digits belong to the text.
"""

from dataclasses import dataclass, field

ALL = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ALPHABET = ALL + "0123456789"  # the recogniser's classes, in its order; its blank is the next
IT_LETTERS = "ABCDEFGHJKLMNPRSTVWXYZ"  # never I, O, Q, U
WHITE, YELLOW, BLACK = (236, 238, 238), (228, 190, 40), (22, 22, 24)
BLUE, RED, GREEN, ORANGE = (24, 60, 150), (178, 28, 36), (18, 96, 50), (226, 126, 28)


@dataclass(frozen=True)
class Country:
    """One country's plates. `paints` are (background, ink, weight); sizes are (width, height, cap height) in mm."""

    code: str
    weight: float
    one_row: tuple[tuple[str, float], ...]
    two_row: tuple[tuple[str, float], ...] = ()
    letters: str = ALL
    paints: tuple[tuple[tuple[int, int, int], tuple[int, int, int], float], ...] = ((WHITE, BLACK, 1.0),)
    size: tuple[float, float, float] = (520, 110, 77)
    size_two: tuple[float, float, float] = (280, 200, 77)
    band: float = 0.9  # how often a blue band with the country's code is on the left
    badge: str = ""
    right: str = ""  # furniture on the right: it, fr, at, date
    two_row_share: float = 0.22
    crest: str = "sticker"  # what `*` is drawn as: sticker, shield, stickers_dash, none
    extra: dict[str, float] = field(default_factory=dict)
    # Forms as they are issued, see `prior`: by the form that is drawn.
    written: dict[str, str] = field(default_factory=dict)
    codes: tuple[str, ...] = ()  # what a `%` in them stands for
    serial: str = ""  # what a `$` in them stands for


def _c(
    code: str, weight: float, one: list[tuple[str, float]], two: list[tuple[str, float]] | None = None, **kw: object
) -> Country:
    return Country(code, weight, tuple(one), tuple(two or ()), badge=str(kw.pop("badge", code)), **kw)  # type: ignore[arg-type]


NO_IOQ = "ABCDEFGHJKLMNPRSTUVWXYZ"
NO_IQ = "ABCDEFGHJKLMNOPRSTUVWXYZ"
NO_VOWEL = "BCDFGHJKLMNPRSTVWXYZ"
UA_LETTERS = "ABEIKMHOPCTX"
# What has been issued: the first letters of Italian plates, Slovak districts, Czech regions, Polish voivodeships,
# Romanian counties, Swiss cantons.
IT_FIRST = tuple("ABCDEFGH")
SK_DISTRICTS = tuple(
    (
        "BA BB BJ BL BN BR BS BT BY CA DK DS DT EL EV GA GL HC HE IL KA KE KK KM KN KS LC LE LM LV MA MI ML MT MY NM "
        "NO NR NZ PB PD PE PK PN PO PP PT PU RA RK RS RV SA SB SC SE SI SK SL SN SO SP SV TN TO TR TS TT TV VK VT ZA "
        "ZC ZH ZM ZV"
    ).split()
)
CZ_REGIONS, CZ_LETTERS = tuple("ABCEHJKLMPSTUZ"), "ABCDEFHIJKLMNPRSTUVXYZ"  # no G, O, Q, W
PL_FIRST = tuple("BCDEFGHKLNOPRSTUWZ")
PL_LETTERS = "ACEFGHJKLMNPRSTUVWXY"  # in the number no B, D, I, O, Q, Z, which are like digits
RO_COUNTIES = tuple(
    (
        "AB AG AR B BC BH BN BR BT BV BZ CJ CL CS CT CV DB DJ GJ GL GR HD HR IF IL IS MH MM MS NT OT PH SB SJ SM SV TL "
        "TM TR VL VN VS"
    ).split()
)
CH_CANTONS = tuple("AG AI AR BE BL BS FR GE GL GR JU LU NE NW OW SG SH SO SZ TG TI UR VD VS ZG ZH".split())

# fmt: off
COUNTRIES: tuple[Country, ...] = (
    _c("IT", 40, [("AA=999AA", 60), ("AA 999AA", 8), ("AA 999 AA", 6), ("XA 999AA", 1), ("{X}A=999AA", 3),
       ("{Y}A=999AA", 3), ("{CC}=AA999", 1.5), ("{EI}*AA999", 1.5), ("{VF}*99999", 1.5), ("AA*A9999", 1),
       ("{CD}=9999AA", 0.6), ("9999{CD} AA", 0.4), ("{Z}A=999AA", 2), ("AA 99999", 1.5), ("AA*99999A", 1),
       ("AA 999999", 1), ("A9999", 0.6), ("AA 999AA ", 2), ("{EE} 999AA", 0.5)],
       [("AA=/99999", 48), ("AA/99999", 16), ("{Z}A=/999AA", 12), ("AA=/999AA", 8), ("AA=999/AA", 3), ("XXX/XXX", 8),
       ("AA/999999", 3), ("AA9/9999", 2)],
       written={"@@###@@": "%@###@@", "@@#####": "%@#####"}, codes=IT_FIRST, letters=IT_LETTERS, badge="I",
       right="it", two_row_share=0.24, size_two=(180, 150, 58),
       paints=((WHITE, BLACK, 1.0), (BLACK, WHITE, 0.03), (YELLOW, BLACK, 0.02), (RED, WHITE, 0.004))),
    _c("FR", 6, [("AA-999-AA", 80), ("9999 AA 99", 14), ("999 AAA 99", 6)],
       [("AA-/999-AA", 60), ("AA-999/AA", 20), ("999/AAA 99", 20)],
       letters=NO_IOQ, badge="F", right="fr",
       paints=((WHITE, BLACK, 1.0), (YELLOW, BLACK, 0.15), (BLACK, WHITE, 0.04))),
    _c("DE", 8, [("A*AA 9999", 8), ("A*A 999", 6), ("A*AA 99", 4), ("AA*AA 999", 16), ("AA*A 9999", 8),
       ("AA*AA 9999", 8), ("AAA*AA 99", 12), ("AAA*A 999", 12), ("AAA*AA 9", 4), ("A*AA 999", 12), ("AA*A 99", 6),
       ("A*AA 99{H}", 2), ("A 9-99999", 1)],
       [("AAA*/AA 99", 30), ("AA*/AA 999", 30), ("A*/AA 9999", 20), ("AA*/A 99", 20)],
       badge="D", crest="stickers"),
    _c("ES", 3, [("9999 AAA", 90), ("A 9999 AA", 10)],
       [("9999/AAA", 100)],
       letters=NO_VOWEL, badge="E"),
    _c("PL", 4, [("AA*99999", 45), ("AAA*A999", 12), ("AAA*99AA", 15), ("AA*9999A", 14), ("AAA*9A99", 6),
       ("AA*999AA", 8)],
       [("AA*/9999A", 40), ("AA*/9999", 20), ("AAA*/A999", 20), ("AA/99999", 20)],
       written={"@@#####": "%&#####", "@@@@###": "%&&$###", "@@@##@@": "%&&##$$", "@@####@": "%&####$",
       "@@@#@##": "%&&#$##", "@@###@@": "%&###$$", "@@####": "%&####"}, codes=PL_FIRST, serial=PL_LETTERS),
    _c("CZ", 4, [("9A9*9999", 85), ("AAA*99 99", 8), ("9AA*9999", 7)],
       [("9A9*/9999", 60), ("9A*/9999", 40)],
       crest="stickers", written={"#@#####": "#%#####", "#@@####": "#%$####", "#@####": "#%####"}, codes=CZ_REGIONS,
       serial=CZ_LETTERS),
    _c("SK", 6, [("AA*999AA", 100)],
       [("AA*/999AA", 60), ("AA*/999A", 40)],
       crest="sk", extra={"plain": 0.5}, written={"@@###@@": "%###@@", "@@###@": "%###@"}, codes=SK_DISTRICTS),
    _c("RO", 4, [("A 99 AAA", 25), ("AA 99 AAA", 60), ("A 999 AAA", 15)],
       [("AA 99/AAA", 60), ("A 99/AAA", 40)],
       written={"@##@@@": "%##@@@", "@@##@@@": "%##@@@", "@###@@@": "%###@@@"}, codes=RO_COUNTIES),
    _c("UA", 4, [("AA 9999 AA", 90), ("999-99 AA", 10)],
       [("AA 99/99 AA", 50), ("AA/9999/AA", 0.0), ("AA 9999/AA", 20), ("99-99/AA", 20)],
       letters=UA_LETTERS, extra={"flag": 0.7}),
    _c("AT", 4, [("A*99999A", 30), ("AA*999AA", 35), ("AA*99AAA", 15), ("A*9999A", 20)],
       [("AA*/999AA", 70), ("A*/999AAA", 30)],
       badge="A", crest="shield", extra={"red_edge": 0.9}),
    _c("CH", 4, [("AA.999999", 60), ("AA*99999", 40)],
       [("*AA*/999999", 40), ("*AA*/99999", 40), ("*AA*/9999", 20)],
       band=0.0, crest="shield", two_row_share=0.4, written={f"@@{'#' * n}": f"%{'#' * n}" for n in range(4, 7)},
       codes=CH_CANTONS),
    _c("GB", 5, [("AA99 AAA", 80), ("A999 AAA", 14), ("AAA 999A", 6)],
       [("AA99/AAA", 90), ("A999/AAA", 10)],
       letters=NO_IQ, band=0.4,
       paints=((WHITE, BLACK, 0.6), (YELLOW, BLACK, 0.5), (BLACK, WHITE, 0.03))),
    _c("SI", 2, [("AA*AA-999", 60), ("AA*99-9AA", 20), ("AA*A9-99A", 20)],
       [("AA*/AA-99", 100)],
       badge="SLO", crest="shield", extra={"green_edge": 0.8}),
    _c("HR", 2, [("AA*999-AA", 60), ("AA*9999-A", 15), ("AA*9999-AA", 25)],
       [("AA*/999-AA", 100)],
       crest="shield"),
    _c("HU", 2, [("AAA-999", 60), ("AAA*999", 10), ("AA AA-999", 30)],
       [("AAA/999", 60), ("AA AA/999", 40)],
       badge="H"),
    _c("BG", 2, [("AA 9999 AA", 70), ("A 9999 AA", 30)],
       [("AA 99/99 AA", 50), ("A 9999/AA", 50)],
       letters="ABEKMHOPCTYX"),
    _c("RS", 2, [("AA*999-AA", 60), ("AA*9999-AA", 40)],
       [("AA*/999-AA", 100)],
       badge="SRB", crest="shield"),
    _c("AL", 2.5, [("AA 999 AA", 80), ("AA 9999A", 20)],
       [("AA/999 AA", 50), ("AA 999/AA", 50)],
       letters=NO_IOQ, right="al"),
    _c("TR", 4, [("99 AAA 99", 25), ("99 AA 999", 30), ("99 AAA 999", 20), ("99 A 9999", 20), ("99 AA 9999", 5)],
       [("99 AA/999", 60), ("99/AAA 99", 40)],
       letters="ABCDEFGHIJKLMNOPRSTUVYZ"),
    _c("NL", 2.5, [("AA-999-A", 30), ("99-AAA-9", 25), ("9-AAA-99", 20), ("99-AA-AA", 25)],
       [("AA/99-AA", 50), ("99/AAA-9", 25), ("AA-99/AA", 25)],
       letters=NO_VOWEL,
       paints=((YELLOW, BLACK, 1.0),)),
    _c("BE", 2, [("9-AAA-999", 80), ("AAA-999", 20)],
       [("9-AAA/999", 60), ("AAA/999", 40)],
       badge="B",
       paints=((WHITE, RED, 1.0),)),
    _c("SE", 1.5, [("AAA 999", 50), ("AAA 99A", 50)],
       [("AAA/999", 50), ("AAA/99A", 50)],
       letters=NO_IQ, badge="S", right="sticker"),
    _c("PT", 1.5, [("AA-99-AA", 40), ("99-AA-99", 40), ("99-99-AA", 20)],
       [("AA-99/AA", 50), ("99/AA-99", 50)],
       badge="P", right="date"),
    _c("GR", 1.2, [("AAA-9999", 100)],
       [("AAA/9999", 50), ("AAA/999", 50)],
       letters="ABEZHIKMNOPTYX"),
    _c("LT", 0.8, [("AAA*999", 60), ("AAA 999", 40)],
       [("AAA/999", 50), ("999/AA", 50)]),
    _c("LV", 0.6, [("AA-9999", 80), ("AA-999", 20)],
       [("AA/9999", 50), ("A/9999", 50)]),
    _c("EE", 0.6, [("999 AAA", 100)],
       [("99/AA", 50), ("999/AAA", 50)],
       badge="EST"),
    _c("FI", 0.8, [("AAA-999", 100)],
       [("AAA/999", 50), ("AA/999", 50)],
       badge="FIN"),
    _c("DK", 0.8, [("AA 99 999", 100)],
       [("AA/99 999", 50), ("AA 99/999", 50)]),
    _c("NO", 0.8, [("AA 99999", 100)],
       [("AA/9999", 50), ("AA/99999", 50)],
       badge="N"),
    _c("IE", 0.8, [("99-A-99999", 40), ("999-A-9999", 40), ("99-AA-9999", 20)],
       [("99-A/9999", 100)],
       badge="IRL"),
    _c("LU", 0.6, [("AA 9999", 70), ("99999", 30)],
       [("AA/9999", 100)],
       badge="L",
       paints=((YELLOW, BLACK, 1.0),)),
    _c("CY", 0.4, [("AAA 999", 100)],
       [("AAA/999", 100)],
       paints=((WHITE, BLACK, 1.0), (YELLOW, BLACK, 0.5))),
    _c("MT", 0.3, [("AAA-999", 100)],
       [("AAA/999", 100)],
       badge="M"),
    _c("MK", 0.8, [("AA*9999-AA", 60), ("AA*999-AA", 40)],
       [("AA*/999-AA", 100)],
       badge="NMK", crest="shield"),
    _c("BA", 0.8, [("A99-A-999", 100)],
       [("A99/A-999", 100)],
       letters="AEJKMOT", badge="BIH"),
    _c("ME", 0.4, [("AA*AA999", 100)],
       [("AA*/AA999", 100)],
       badge="MNE", crest="shield"),
    _c("XK", 0.4, [("99*999-AA", 100)],
       [("99*/999-AA", 100)],
       badge="RKS", crest="shield"),
    _c("MD", 0.6, [("AAA 999", 100)],
       [("AAA/999", 100)]),
    _c("SM", 0.6, [("*A9999", 60), ("*A999", 40)],
       [("*A/999", 100)],
       badge="RSM", band=0.5, crest="shield"),
    _c("VA", 0.3, [("{SCV} 99999", 50), ("{CV} 99999", 50)],
       [("{SCV}/999", 100)],
       band=0.2, badge="V"),
    _c("MA", 0.8, [("99999 * 99", 60), ("99999 * 9", 40)],
       [("99 */99999", 100)],
       band=0.0, crest="scrawl"),
    _c("BY", 0.4, [("9999 AA-9", 100)],
       [("9999/AA-9", 100)],
       letters="ABEIKMHOPCTX"),
    _c("GE", 0.3, [("AA-999-AA", 100)],
       [("AA/999", 50), ("AAA/999", 50)]),
    _c("VN", 1.6, [("99A-999.99", 60), ("99A-9999", 40)],
       [("99A/999.99", 45), ("99-A9/999.99", 25), ("99A/9999", 30)],
       letters="ABCDEFGHKLMNPSTUVXYZ", band=0.0, two_row_share=0.7, size_two=(280, 200, 80)),
    _c("US", 2, [("AAA 9999", 30), ("AAA9999", 20), ("9AAA999", 15), ("AAA 999", 15), ("999 AAA", 10),
       ("XXXXXX", 10)],
       [("AAA/9999", 100)],
       band=0.0, size=(305, 152, 68), two_row_share=0.03, extra={"us": 1.0},
       paints=((WHITE, BLACK, 0.5), (WHITE, BLUE, 0.4), (WHITE, GREEN, 0.15), (WHITE, RED, 0.1), (BLUE, WHITE, 0.1),
       (YELLOW, BLACK, 0.1))),
    _c("XX", 7, [("XXXXXXX", 25), ("XXXXXX", 20), ("XXXXX", 14), ("XXXX", 8), ("XXX", 4), ("XX", 2), ("XXXXXXXX", 14),
       ("XXX*XXXX", 8), ("XX-XX-XX", 8), ("X*XXXXX", 5), ("AAAAAAA", 5), ("AAAAA", 4), ("*999999", 3), ("XXX*XXX", 5),
       ("*XXXXXX", 4), ("XXXXXX*", 3)],
       [("XXX/XXX", 30), ("XX/XXXX", 20), ("XXXX/XXXX", 20), ("XXX/XXXXX", 15), ("XX*/XXXXX", 15), ("XXXX/XX", 6),
       ("*XXX/XXX", 8), ("XX-XX/XX", 5), ("XX/XX-XX", 8)],
       band=0.6, badge="", two_row_share=0.3,
       paints=((WHITE, BLACK, 0.7), (YELLOW, BLACK, 0.2), (BLACK, WHITE, 0.2), (BLUE, WHITE, 0.06),
       (RED, WHITE, 0.03), (GREEN, WHITE, 0.03), (WHITE, RED, 0.05), (WHITE, GREEN, 0.05), (WHITE, BLUE, 0.05),
       (ORANGE, BLACK, 0.03))),
)
# fmt: on

# The classes of the country head, in its order. Countries that are not named here count as XX.
COUNTRY_CLASSES = tuple(
    (
        "IT FR DE ES PL CZ SK RO UA AT CH GB SI HR HU BG RS AL TR NL BE SE PT GR LT LV EE FI DK NO "
        "IE LU SM VA MA MK BA ME VN US XX"
    ).split()
)


def country_class(code: str) -> int:
    """Index of `code` among the country head's classes."""
    return COUNTRY_CLASSES.index(code) if code in COUNTRY_CLASSES else COUNTRY_CLASSES.index("XX")
