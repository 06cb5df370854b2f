"""What a plate says: a country's pattern filled at random, with what readers confuse more often than by chance."""

import numpy as np

from ..read.countries import Country


def pick(items: tuple[tuple[str, float], ...], rng: np.random.Generator) -> str:
    """One of the weighted items."""
    weights = np.array([w for _, w in items])
    return items[int(rng.choice(len(items), p=weights / weights.sum()))][0]


LOOKALIKES = {
    "C": "G",
    "G": "CQ",
    "O": "QDG",
    "Q": "OG",
    "D": "OB",
    "V": "WY",
    "W": "VM",
    "M": "NWH",
    "N": "MH",
    "H": "NMK",
    "P": "FR",
    "F": "PE",
    "E": "FB",
    "R": "PB",
    "B": "RE",
    "I": "TJL",
    "T": "IJ",
    "J": "IT",
    "K": "XH",
    "X": "KY",
    "Y": "VX",
    "S": "B",
    "U": "VJ",
    "Z": "S",
    "A": "R",
    "L": "I",
    "0": "86",
    "8": "306",
    "3": "89",
    "6": "580",
    "5": "63",
    "9": "38",
    "1": "7",
    "7": "1",
    "2": "7",
    "4": "1",
}


def fill(pattern: str, letters: str, rng: np.random.Generator) -> str:
    """Replaces a pattern's classes by characters; layout signs stay. Literals may hold letters and digits only."""
    out, literal = [], False
    for sign in pattern:
        if sign in "{}":
            literal = sign == "{"
        elif literal or sign not in "A9NX":
            out.append(sign)
        elif (
            rng.random() < 0.04
            and out
            and out[-1].isalnum()
            and (out[-1].isalpha() if sign == "A" else out[-1].isdigit() if sign in "9N" else True)
        ):
            out.append(out[-1])  # doubles more often than by chance: they are what a reader merges
        elif out and out[-1] == "-" and rng.random() < 0.12 and (beside := _one_of("XXKZT17", sign, letters, rng)):
            out.append(beside)  # a hyphen that touches them makes a K of an X, a 2 of a Z
        elif rng.random() < 0.08 and (alike := _one_of(LOOKALIKES.get(out[-1], "") if out else "", sign, letters, rng)):
            out.append(alike)  # and what looks nearly so: that CC is common must not make a CC of CG
        elif sign == "A" and rng.random() < 0.12:
            rare = [c for c in "QGQMWQJGOVC" if c in letters] or list(letters)
            out.append(rare[int(rng.integers(len(rare)))])
        elif sign == "A":
            out.append(letters[int(rng.integers(len(letters)))])
        elif sign == "X":
            pool = letters + "0123456789"
            out.append(pool[int(rng.integers(len(pool)))])
        else:
            out.append(str(int(rng.integers(1 if sign == "N" else 0, 10))))
    return "".join(out)


def _one_of(characters: str, sign: str, letters: str, rng: np.random.Generator) -> str:
    """One of `characters` that is of the sign's class, or nothing."""
    fits = [
        c
        for c in characters
        if sign == "X" or (c in letters if sign == "A" else c.isdigit() and not (sign == "N" and c == "0"))
    ]
    return fits[int(rng.integers(len(fits)))] if fits else ""


def text_of(layout: str) -> str:
    """The plate's text: letters and digits of a filled pattern, rows joined."""
    return "".join(c for c in layout if c.isalnum())


def random_layout(country: Country, rng: np.random.Generator, two_row: bool) -> str:
    """A filled pattern of one row, or of two with `/` between."""
    return fill(pick(country.two_row if two_row and country.two_row else country.one_row, rng), country.letters, rng)
