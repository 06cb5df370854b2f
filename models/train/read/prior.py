"""How plates are written, as evidence for a read.

A doubtful S between digits becomes the 5 it looks like, a sure one stays. A read's characters are weighed under a
mixture: no rule at all (`FREE_SHARE`), or one of the written forms of the countries that the plate looks like. A form
makes its texts likelier by as much as it narrows them, `BOOST_MAX` at most, so that a true reading of any form wins as
soon as the picture is sure of it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .countries import ALL, ALPHABET, COUNTRIES, COUNTRY_CLASSES, Country, country_class

FREE_SHARE = 0.5
BOOST_MAX = 60.0
WEIGHT_MIN = 1e-9  # forms that weigh less change nothing
# How far we are to believe that a plate of a form begins with a code which its country has issued.
ISSUED = 0.8


@dataclass(frozen=True)
class Form:
    """One written form of a country class, and its `share` of that country's plates.

    `allowed` bool [length, 36] says which symbols may stand at each place, `boost` how much likelier each of its texts
    is than without a rule.
    """

    country: int
    share: float
    signs: str
    allowed: np.ndarray
    boost: float


def signs_of(pattern: str) -> str:
    """A pattern of `syntax` without layout: `@` letter, `#` digit, `?` either, others stand for themselves."""
    out, literal = [], False
    for sign in pattern:
        if sign in "{}":
            literal = sign == "{"
        elif literal:
            out.append(sign)
        elif sign in "A9NX":
            out.append({"A": "@", "9": "#", "N": "#", "X": "?"}[sign])
    return "".join(out)


def allowed(signs: str, letters: str, serial: str = "") -> np.ndarray:
    """Which symbols may stand at each place, bool [len(signs), 36]."""
    sets = {"@": letters, "$": serial, "&": ALL, "#": "0123456789", "?": letters + "0123456789"}
    return np.array([[c in sets.get(sign, sign) for c in ALPHABET] for sign in signs], bool).reshape(-1, len(ALPHABET))


def written(country: Country) -> dict[str, float]:
    """A country's forms with their shares, those alike merged.

    Where it is known which codes have been issued, a part stands for those, with `%` for the code, and the rest for
    plates of the form that begin otherwise.
    """
    drawn: dict[str, float] = {}
    for rows, part in ((country.one_row, 1 - country.two_row_share), (country.two_row, country.two_row_share)):
        total = sum(w for _, w in rows) or 1.0
        for pattern, weight in rows:
            signs = signs_of(pattern)
            drawn[signs] = drawn.get(signs, 0.0) + part * weight / total
    out: dict[str, float] = {}
    for signs, share in drawn.items():
        issued = country.written.get(signs)
        if issued:
            out[issued] = out.get(issued, 0.0) + share * ISSUED
        out[signs] = share * (1 - ISSUED if issued else 1.0)
    return {signs: share for signs, share in out.items() if share > 0.002}


@lru_cache(maxsize=1)
def forms() -> tuple[Form, ...]:
    """All forms of all countries that have a class of their own.

    Those with a `%` come once for each code, each with the whole share: a code that has been issued makes a text
    likelier by `ISSUED` to its rest, however many there are.
    """
    out = []
    for country in COUNTRIES:
        if country.code == "XX" or country.code not in COUNTRY_CLASSES:
            continue
        for signs, share in written(country).items():
            for code in country.codes if "%" in signs else ("",):
                one = signs.replace("%", code)
                may = allowed(one, country.letters, country.serial)
                out.append(
                    Form(
                        country_class(country.code),
                        share,
                        one,
                        may,
                        float(min(BOOST_MAX, np.prod(len(ALPHABET) / may.sum(1)))),
                    )
                )
    return tuple(out)


@lru_cache(maxsize=16)
def forms_of(length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The forms of so many signs: `allowed` f32 [F, length, 36], countries i64 [F], weights f64 [F]."""
    own = [f for f in forms() if len(f.signs) == length]
    may = np.array([f.allowed for f in own], np.float32).reshape(-1, length, len(ALPHABET))
    return may, np.array([f.country for f in own], np.int64), np.array([f.share * f.boost for f in own])


def weigh(characters: np.ndarray, countries: np.ndarray) -> np.ndarray:
    """Symbol probabilities f32 [N, 36] of a read, and the countries' [C], to the same under the mixture."""
    if not len(characters):
        return characters
    p = characters / np.maximum(characters.sum(1, keepdims=True), 1e-6)
    may, country, likelier = forms_of(len(p))
    masses = np.einsum("fls,ls->fl", may, p, dtype=np.float64)
    weights = (1 - FREE_SHARE) * countries[country] * likelier * masses.prod(1)
    kept = weights > WEIGHT_MIN
    shares = weights[kept, None] / masses[kept]
    mixed = FREE_SHARE * p + np.einsum("fl,fls->ls", shares, may[kept]) * p
    return (mixed / (FREE_SHARE + weights[kept].sum())).astype(np.float32)
