"""How plates are written, as evidence for a read: a doubtful S between digits becomes the 5 it looks like, a sure one stays.

A read's characters are weighed under a mixture: no rule at all (`FREE_SHARE`), or one of the written forms of the
countries that the plate looks like. A form makes its texts likelier by as much as it narrows them, `BOOST_MAX` at most, so
that a true reading of any form wins as soon as the picture is sure of it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .fonts import ALPHABET
from .syntax import COUNTRIES, COUNTRY_CLASSES, country_class

FREE_SHARE = 0.5
BOOST_MAX = 60.0


@dataclass(frozen=True)
class Form:
    """One written form: country class, its share of that country's plates, `allowed` bool [length, 36], and how much likelier each of its texts is than without a rule."""

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


def allowed(signs: str, letters: str) -> np.ndarray:
    """Which symbols may stand at each place, bool [len(signs), 36]."""
    sets = {"@": letters, "#": "0123456789", "?": letters + "0123456789"}
    return np.array([[c in sets.get(sign, sign) for c in ALPHABET] for sign in signs], bool).reshape(-1, len(ALPHABET))


@lru_cache(maxsize=1)
def forms() -> tuple[Form, ...]:
    """All forms of all countries that have a class of their own, those alike merged."""
    out = []
    for country in COUNTRIES:
        if country.code == "XX" or country.code not in COUNTRY_CLASSES:
            continue
        shares: dict[str, float] = {}
        for rows, part in ((country.one_row, 1 - country.two_row_share), (country.two_row, country.two_row_share)):
            total = sum(w for _, w in rows) or 1.0
            for pattern, weight in rows:
                signs = signs_of(pattern)
                shares[signs] = shares.get(signs, 0.0) + part * weight / total
        for signs, share in shares.items():
            if share > 0.002:
                may = allowed(signs, country.letters)
                out.append(Form(country_class(country.code), share, signs, may, float(min(BOOST_MAX, np.prod(len(ALPHABET) / may.sum(1))))))
    return tuple(out)


def weigh(characters: np.ndarray, countries: np.ndarray) -> np.ndarray:
    """Symbol probabilities f32 [N, 36] of a read, and the countries' [C], to the same under the mixture."""
    if not len(characters):
        return characters
    p = characters / np.maximum(characters.sum(1, keepdims=True), 1e-6)
    mixed, total = FREE_SHARE * p, FREE_SHARE
    for form in forms():
        if len(form.signs) != len(p):
            continue
        inside = p * form.allowed
        mass = inside.sum(1)
        weight = (1 - FREE_SHARE) * float(countries[form.country]) * form.share * form.boost * float(np.prod(mass))
        if weight > 1e-9:
            mixed = mixed + weight * inside / mass[:, None]
            total += weight
    return (mixed / total).astype(np.float32)
