"""What stands beside a plate's text: blue bands, badges, the Italian ring and province, date plates, stickers.

Lengths are shares of the height (or, where named so, the width) of the plate or of the band, a pair being what is drawn
between. Chances are how often a thing is drawn. No count of real plates stands behind them: they spread what is drawn
widely, so that the recogniser learns to skip all of it. A span is how many px of the face its left and right side take.
"""

import cv2
import numpy as np

from ..read.countries import BLACK, BLUE, Country
from .crests import FILLED, OUTLINE, Room, crest
from .paint import HERSHEY, any_colour, any_letters, grey, plain_word

Span = tuple[int, int]

# How wide a band is, of the plate's height: 40 mm of 110 on one row (Council Regulation (EC) 2411/98 asks for 40 mm at
# least), less where two rows share the width.
BAND_OF_HEIGHT, BAND_OF_HEIGHT_TWO, BAND_VARIES = 0.36, 0.17, (0.9, 1.15)
# The European blue, worn to a lighter one, bleached by the sun, or as infrared light shows it; with their shares.
BAND_COLOURS = (BLUE, (40, 120, 190), (130, 150, 190), (190, 196, 205))
BAND_SHARES, BAND_COLOUR_VARIES = (0.62, 0.2, 0.1, 0.08), 18
STARS, STAR_COLOUR, STAR_OF_RING = 12, (220, 190, 40), 0.14  # the European flag's
RING_OF_WIDTH, RING_OF_HEIGHT, RING_MIDDLE = 0.32, 0.2, (0.24, 0.34)
CODE_COLOUR, CODE_BASE, CODE_BOLD = (235, 235, 240), 0.9, 2.5
CODE_LETTER_PX, CODE_LETTERS_LEAST, CODE_HEIGHT_PX = 24, 1.2, 90  # of a band whose code has OpenCV's size 1
NO_RING, RING_ALL_THE_SAME = ("UA", "TR", "GB"), 0.3  # plates whose band bears a flag or nothing
CODE_UNKNOWN_LETTERS = (1, 4)
FLAG, FLAG_COLOUR = (0.3, 0.5), (225, 195, 40)  # the yellow half of Ukraine's

# Where bands lie on two rows: beside the upper one, beside the lower one, else beside both.
UPPER_BELOW, LOWER_BELOW = 0.6, 0.8  # of one draw
UPPER_ENDS, LOWER_BEGINS = (0.48, 0.56), (0.44, 0.55)
LOWER_FREE, LOWER_FREE_ITALY = 0.45, 0.8  # with an upper band, how often the lower row has the whole width

# The right side.
RING_CHANCE_ITALY, BAND_CHANCE_FRANCE, BAND_CHANCE_ALBANIA = 0.65, 0.8, 0.7
DEPARTMENTS, REGION, REGION_COLOUR = (1, 96), (0.12, 0.5), (90, 255)  # France: a number, and a region's emblem above it
DATE_CHANCE, DATE_CHANCE_ELSEWHERE, DATE_OF_BAND = 0.5, 0.04, 0.9
DATE_COLOUR, DATE_YELLOW_CHANCE, DATE_OTHER = (225, 190, 50), 0.5, (120, 250)  # Portugal's is yellow
DATE_TOP, DATE_BOTTOM = (0, 0.2), (0.6, 1.0)
DATE_LINES, DATE_FIRST, DATE_NEXT, DATE_NUMBERS = 3, 0.38, 0.22, (1, 32)
DATE_INK, DATE_HEIGHT_PX = grey(40), 190  # of a plate whose date has OpenCV's size 1

# The right band of Italian plates since 1999: a yellow ring with the year, the province's letters below.
ITALY_YELLOW, ITALY_WHITE = (232, 196, 60), grey(240)
YEAR_RING_CHANCE, YEAR_RING_MIDDLE, YEAR_RING_OF_WIDTH, YEAR_RING_THIN = 0.85, 0.27, 0.3, 14
YEAR_CHANCE, YEARS, YEAR_LEFT, YEAR_DOWN, YEAR_WIDTH_PX = 0.8, (0, 27), 0.2, 0.13, 80
PROVINCE_CHANCE, LETTERS_CHANCE, PROVINCE_LETTERS, ROME = 0.75, 0.9, 2, "Roma"  # Rome alone is written out
PROVINCE_WIDTH_PX, ROME_WIDTH_PX, PROVINCE_LEFT, PROVINCE_BASE, PROVINCE_BOLD = 46, 78, 0.08, 0.88, 2
STACKED_CHANCE, STACKED_LEFT, STACKED_FIRST, STACKED_NEXT = 0.15, 9, 0.66, 0.24  # one letter over the other

# A badge on the plate's own ground, where there is no blue band: older plates, and half of the Slovak ones.
PLAIN_CHANCE, PLAIN_CHANCE_ITALY, PLAIN_OF_BAND = 0.06, 0.01, 0.85
PLAIN_SIZE, PLAIN_TOP, PLAIN_SHIELD_CHANCE, PLAIN_SHIELD_HEIGHT = (0.5, 0.75), (0.1, 0.25), 0.75, 1.35
PLAIN_STRIPES, PLAIN_STRIPE, PLAIN_COLOUR = 3, 0.25, (20, 250)
PLAIN_CODE_CHANCE, PLAIN_CODE_LEFT, PLAIN_CODE_BASE, PLAIN_CODE_BOLD = 0.85, 0.16, 0.9, 2
PLAIN_CODE_INK, PLAIN_CODE_PX, PLAIN_CODE_LETTER = (45, 45, 50), 34, 0.75

# A label beside a row of two: a number, a seal or a dark badge.
LABEL_WIDTH, LABEL_HEIGHT, LABEL_DOWN, LABEL_INSET = (0.22, 0.5), (0.35, 0.95), (0.2, 0.8), 0.01  # of the row's height
LABEL_LEFT_CHANCE, LABEL_DARK, LABEL_LIGHT, LABEL_IS_DARK = 0.55, (20, 110), (150, 250), 130
LABEL_MARK_LIGHT, LABEL_MARK_DARK, LABEL_ROUND_CHANCE = 235, 35, 0.35
LABEL_NUMBER_CHANCE, LABEL_NUMBERS, LABEL_LETTERS = 0.7, (1, 100), (1, 3)
LABEL_LETTER_PX, LABEL_MARGIN_PX, LABEL_BASE, LABEL_BOLD = 22, 6, (0.55, 0.9), 2


def bands(face: np.ndarray, country: Country, two: bool, rng: np.random.Generator) -> tuple[Span, Span]:
    """Draws what stands left and right of the text; gives the spans of the upper (or only) row and of the lower."""
    h = len(face)
    italian = country.code == "IT"
    if not two:
        span = _sides(face, country, False, rng, h)
        return span, span
    place = rng.random()
    if place < UPPER_BELOW or italian:
        upper = _sides(face[: round(h * rng.uniform(*UPPER_ENDS))], country, True, rng, h)
        free = rng.random() < (LOWER_FREE_ITALY if italian else LOWER_FREE)
        return upper, (0, 0) if free else upper
    if place < LOWER_BELOW:
        return (0, 0), _sides(face[round(h * rng.uniform(*LOWER_BEGINS)) :], country, True, rng, h)
    span = _sides(face, country, True, rng, h)
    return span, span


def label(face: np.ndarray, span: Span, row: int, row_height: float, rng: np.random.Generator) -> Span:
    """Draws a label beside row 0 or 1 of two; gives the row's new span. `row_height` is in px."""
    w = face.shape[1]
    left, right = span
    width, height = round(row_height * rng.uniform(*LABEL_WIDTH)), round(row_height * rng.uniform(*LABEL_HEIGHT))
    on_left = rng.random() < LABEL_LEFT_CHANCE
    inset = round(w * LABEL_INSET)
    x = left + inset if on_left else w - right - width - inset
    y = round(row * row_height + (row_height - height) * rng.uniform(*LABEL_DOWN))
    ground = int(rng.choice([rng.integers(*LABEL_DARK), rng.integers(*LABEL_LIGHT)]))
    mark = LABEL_MARK_LIGHT if ground < LABEL_IS_DARK else LABEL_MARK_DARK
    if rng.random() < LABEL_ROUND_CHANCE:
        centre = (x + width // 2, y + height // 2)
        cv2.circle(face, centre, max(2, width // 2), grey(ground), FILLED, cv2.LINE_AA)
        cv2.circle(face, centre, max(1, width // 3), grey(mark), OUTLINE, cv2.LINE_AA)
    else:
        cv2.rectangle(face, (x, y), (x + width, y + height), grey(ground), FILLED)
        if rng.random() < LABEL_NUMBER_CHANCE:
            word = str(rng.integers(*LABEL_NUMBERS))
        else:
            word = any_letters(rng, int(rng.integers(*LABEL_LETTERS)))
        size = width / (LABEL_LETTER_PX * max(1, len(word)) + LABEL_MARGIN_PX)
        plain_word(face, word, x + 2, y + height * rng.uniform(*LABEL_BASE), size, grey(mark), LABEL_BOLD)
    return (x + width, right) if on_left else (left, w - x)


def _sides(face: np.ndarray, country: Country, two: bool, rng: np.random.Generator, plate_height: int) -> Span:
    """Both sides, over the full height of `face`, which may be a part of a plate `plate_height` px high."""
    width = round(plate_height * (BAND_OF_HEIGHT_TWO if two else BAND_OF_HEIGHT) * rng.uniform(*BAND_VARIES))
    left, banded = _left(face, country, width, rng)
    return left, _right(face, country, width, banded, two, rng)


def _left(face: np.ndarray, country: Country, width: int, rng: np.random.Generator) -> tuple[int, bool]:
    """The px that the left side takes, and whether it has a blue band `width` px wide."""
    height = len(face)
    old = rng.random() > country.band
    if rng.random() < country.extra.get("plain", PLAIN_CHANCE_ITALY if country.code == "IT" else PLAIN_CHANCE):
        left = round(width * PLAIN_OF_BAND)
        _plain_badge(face, left, country, rng)
        return left, False
    if old:
        return 0, False
    code = country.badge or any_letters(rng, int(rng.integers(*CODE_UNKNOWN_LETTERS)))
    _band(face, 0, width, code, rng, ring=country.code not in NO_RING or rng.random() < RING_ALL_THE_SAME)
    if country.extra.get("flag", 0) > rng.random():
        top, bottom = (round(height * part) for part in FLAG)
        cv2.rectangle(face, (0, top), (width, bottom), FLAG_COLOUR, FILLED)
    return width, True


def _right(face: np.ndarray, country: Country, width: int, banded: bool, two: bool, rng: np.random.Generator) -> int:
    """The px that the right side takes. `banded` says that there is a blue band on the left, `width` px wide."""
    height, w = face.shape[:2]
    if country.right == "it" and banded:
        _band(face, w - width, width, "", rng, ring=False)
        if rng.random() < RING_CHANCE_ITALY:
            _year_and_province(face, w - width, width, rng)
        return width
    if country.right == "fr" and banded and rng.random() < BAND_CHANCE_FRANCE:
        _band(face, w - width, width, f"{rng.integers(*DEPARTMENTS):02d}", rng, ring=False)
        top, bottom = (round(height * part) for part in REGION)
        cv2.rectangle(face, (w - width + 2, top), (w - 3, bottom), any_colour(rng, *REGION_COLOUR), FILLED)
        return width
    if country.right == "al" and rng.random() < BAND_CHANCE_ALBANIA:
        _band(face, w - width, width, "", rng, ring=False)
        return width
    dated = country.right in ("date", "sticker") and rng.random() < DATE_CHANCE
    if dated or (not two and rng.random() < DATE_CHANCE_ELSEWHERE):
        return _date(face, round(width * DATE_OF_BAND), country, rng)
    return 0


def _date(face: np.ndarray, width: int, country: Country, rng: np.random.Generator) -> int:
    """A field on the right with numbers one over the other; gives its width in px."""
    height, w = face.shape[:2]
    yellow = country.right == "date" or rng.random() < DATE_YELLOW_CHANCE
    colour = DATE_COLOUR if yellow else any_colour(rng, *DATE_OTHER)
    top, bottom = round(height * rng.uniform(*DATE_TOP)), round(height * rng.uniform(*DATE_BOTTOM))
    cv2.rectangle(face, (w - width, top), (w - 2, bottom), colour, FILLED)
    for k in range(DATE_LINES):
        number = f"{rng.integers(*DATE_NUMBERS):02d}"
        base = height * (DATE_FIRST + DATE_NEXT * k)
        plain_word(face, number, w - width + 2, base, height / DATE_HEIGHT_PX, DATE_INK)
    return width


def _band(face: np.ndarray, x0: int, width: int, code: str, rng: np.random.Generator, ring: bool) -> None:
    """A blue band from px `x0` on, with a ring of stars above and the country's letters below."""
    height = len(face)
    base = BAND_COLOURS[int(rng.choice(len(BAND_COLOURS), p=BAND_SHARES))]
    face[:, x0 : x0 + width] = tuple(int(np.clip(v + rng.normal(0, BAND_COLOUR_VARIES), 0, 255)) for v in base)
    middle, radius = x0 + width / 2, min(width * RING_OF_WIDTH, height * RING_OF_HEIGHT)
    down = height * rng.uniform(*RING_MIDDLE)
    if ring:
        for k in range(STARS):
            a = k * 2 * np.pi / STARS
            place = (round(middle + radius * np.cos(a)), round(down + radius * np.sin(a)))
            cv2.circle(face, place, max(1, round(radius * STAR_OF_RING)), STAR_COLOUR, FILLED, cv2.LINE_AA)
    if code:
        size = min(width / (CODE_LETTER_PX * max(CODE_LETTERS_LEAST, len(code))), height / CODE_HEIGHT_PX)
        (code_width, _), _ = cv2.getTextSize(code, HERSHEY, size, max(1, round(size * CODE_BOLD)))
        plain_word(face, code, middle - code_width / 2, height * CODE_BASE, size, CODE_COLOUR, CODE_BOLD)


def _plain_badge(face: np.ndarray, width: int, country: Country, rng: np.random.Generator) -> None:
    """A shield or a flag, with the country's small letters under it, in the first `width` px."""
    height = len(face)
    size = width * rng.uniform(*PLAIN_SIZE)
    top = height * rng.uniform(*PLAIN_TOP)
    if rng.random() < PLAIN_SHIELD_CHANCE:
        room = Room(width * 0.5 - size / 2 + 1, top, size, size * PLAIN_SHIELD_HEIGHT)
        crest(face, "shield", room, BLACK, rng)
    else:
        for k in range(PLAIN_STRIPES):
            colour = any_colour(rng, *PLAIN_COLOUR)
            upper, lower = (round(top + j * size * PLAIN_STRIPE) for j in (k, k + 1))
            cv2.rectangle(face, (2, upper), (round(2 + size), lower), colour, FILLED)
    if rng.random() < PLAIN_CODE_CHANCE and country.badge:
        size = width / (PLAIN_CODE_PX * max(1.0, len(country.badge) * PLAIN_CODE_LETTER))
        place = (width * PLAIN_CODE_LEFT, height * PLAIN_CODE_BASE)
        plain_word(face, country.badge, *place, size, PLAIN_CODE_INK, PLAIN_CODE_BOLD)


def _year_and_province(face: np.ndarray, x0: int, width: int, rng: np.random.Generator) -> None:
    """The yellow ring with the year and the province's letters under it, or one of the two, in a band from `x0` on."""
    height = len(face)
    middle = round(x0 + width / 2)
    if rng.random() < YEAR_RING_CHANCE:
        down = height * YEAR_RING_MIDDLE
        radius, thick = max(2, round(width * YEAR_RING_OF_WIDTH)), max(1, width // YEAR_RING_THIN)
        cv2.circle(face, (middle, round(down)), radius, ITALY_YELLOW, thick, cv2.LINE_AA)
        if rng.random() < YEAR_CHANCE:
            year = f"{rng.integers(*YEARS):02d}"
            place = (middle - width * YEAR_LEFT, down + width * YEAR_DOWN)
            plain_word(face, year, *place, width / YEAR_WIDTH_PX, ITALY_YELLOW)
    if rng.random() >= PROVINCE_CHANCE:
        return
    province = any_letters(rng, PROVINCE_LETTERS) if rng.random() < LETTERS_CHANCE else ROME
    size = width / (ROME_WIDTH_PX if province == ROME else PROVINCE_WIDTH_PX)
    if rng.random() < STACKED_CHANCE and province != ROME:
        for k, letter in enumerate(province):
            base = height * (STACKED_FIRST + STACKED_NEXT * k)
            plain_word(face, letter, middle - size * STACKED_LEFT, base, size, ITALY_WHITE, PROVINCE_BOLD)
    else:
        place = (x0 + width * PROVINCE_LEFT, height * PROVINCE_BASE)
        plain_word(face, province, *place, size, ITALY_WHITE, PROVINCE_BOLD)
