"""Draws the face of a plate: ground, bands, crests, stickers, text, frame, screws, dirt. RGB u8, flat, no camera.

Lengths are shares of the plate's height or of the characters' height (`cap`), a pair being what is drawn between.
Chances are how often a thing is drawn. Where no source is named, no count of real plates stands behind a number: it
spreads what is drawn widely.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ..read.countries import RED, Country
from .bands import bands, label
from .crests import FILLED, Room, crest
from .fonts import MASK_HEIGHT_PX, Face
from .layout import random_layout, text_of
from .paint import Colour, any_colour, any_letters, blend, small_text
from .wear import Glyph, wear

# Italian plates, mm. A car's front one is 360 wide, its rear one 520 x 110 (form A) or 297 x 214 (form B); a
# motorcycle's is 177 x 177, a moped's smaller. (width, height, cap height) of two rows, with their shares.
ITALY_FRONT_WIDTH_MM, ITALY_FRONT_CHANCE = 360.0, 0.55
ITALY_TWO_ROWS_MM = ((177, 177, 62), (177, 150, 58), (297, 214, 80), (142, 122, 45))
ITALY_TWO_ROWS_SHARES = (0.55, 0.15, 0.22, 0.08)
# Other countries' two-row plates have many formats: cars', lorries', motorcycles'.
TWO_ROWS_WIDTH, TWO_ROWS_HEIGHT = (0.72, 1.12), (0.88, 1.1)
WIDTH_VARIES, HEIGHT_VARIES, CAP_VARIES = (0.95, 1.05), (0.97, 1.03), (0.92, 1.06)
CAP_OF_ROW, CAP_OF_ROW_TWO = 0.88, 0.86  # at most
OWN_FACE_CHANCE = 0.6  # of a country that has faces drawn after its own; the others teach that looks vary

# How paints fade and vary, in steps of 0..255.
PAINT_VARIES, FADED_CHANCE, FADED, FADED_LITTLE = 7, 0.4, (0, 45), (0, 12)
GROUND_FADES = -0.3  # as much darker as the ink gets paler

# Lines round the plate.
# Austria's red edges above and below: where they lie, and what part of the height they are.
RED_LINE, RED_THIN = (
    0.06,
    40,
)
GREEN, GREEN_THIN = (40, 130, 70), 36  # Slovenia's
FRAME_CHANCE, FRAME_INSET, FRAME_THICK = 0.4, (0.0, 0.05), (0.01, 0.035)

# Where the text stands.
PAD_PX, PAD_BEYOND_EDGE, PAD = 2.0, 0.015, (0.03, 0.09)
ROW_OFF = 0.02  # up or down
LABEL_BESIDE_MAX, LABEL_CHANCE = 4, 0.16  # characters of a row that leave room for a label beside them

# Widths of a row's signs, of the cap height.
GAP = (0.08, 0.2)  # between any two
CREST_WIDTH, CREST_WIDTH_TWO, STAMP_WIDTH = (0.34, 0.66), (0.45, 1.0), (0.2, 0.4)
HYPHEN_WIDTH, POINT_WIDTH, SPACE_WIDTH = (0.2, 0.34), 0.12, (0.15, 0.5)
WIDEST = "NDR08"  # among these is the widest of a typewriter face's characters
ROOM_LEAST_PX = 8.0
SPREAD_CHANCE, SPREAD, SPREAD_MAX = 0.5, (0.2, 0.9), 0.3  # over a plate with room to spare: by gaps
ASIDE = (0.5, 0.15)  # mean and spread of where a row stands in its room, 0 at the left
EMBOSS_CHANCE, EMBOSS_LIGHT, EMBOSS_OFF_PX = 0.4, 25, 1
HYPHEN_CHANCE, HYPHEN_MARGIN, HYPHEN_HALF = 0.93, 0.1, 0.055
POINT_DOWN, POINT_RADIUS = (0.5, 0.93), 0.06  # amid the characters or on their line

# American plates: words above and below the text, and stickers in the upper corners.
MOTTO_TOPS, MOTTO_CHANCE, MOTTO_LETTERS, MOTTO_LEFT = (0.05, 0.85), 0.8, (4, 14), (0.1, 0.3)
MOTTO_HEIGHT, MOTTO_WIDTH_MAX = 0.1, 0.55
CORNER_LEFTS, CORNER_CHANCE, CORNER_WIDTH, CORNER_COLOUR = (0.02, 0.85), 0.4, 0.12, (60, 255)
CORNER_TOP, CORNER_BOTTOM = 0.03, 0.17
MOTTO_TEXT = (0.17, 0.84)  # the text's upper and lower end between them


@dataclass
class Plate:
    """A drawn plate. `face` is RGB u8 [h, w, 3] of the plate alone, `rows` its number of text rows."""

    face: np.ndarray
    text: str
    country: str
    rows: int


@dataclass(frozen=True)
class Line:
    """Where a row of text stands, px: between columns `left` and `right`, its characters from `top` on, `cap` high."""

    left: float
    right: float
    top: float
    cap: float


def draw_plate(
    country: Country,
    faces: list[Face],
    rng: np.random.Generator,
    px_per_mm: float = 0.9,
    two_row: bool | None = None,
    layout: str | None = None,
) -> Plate:
    """One plate of `country` with random text (or `layout`) and random, plausible furniture."""
    if two_row is None:
        two_row = bool(country.two_row) and rng.random() < country.two_row_share
    layout = layout or random_layout(country, rng, two_row)
    rows = layout.split("/")
    two = len(rows) > 1
    width_mm, height_mm, cap_mm = _size(country, two, rng)
    w, h = round(width_mm * px_per_mm), round(height_mm * px_per_mm)
    ground, ink = _paint(country, rng)
    face = np.empty((h, w, 3), np.uint8)
    face[:] = ground
    font = _face_of(country, faces, rng)
    spans = bands(face, country, two, rng)
    edge = _edge(face, country, ink, rng)
    top, bottom = edge / h, 1.0 - edge / h
    if country.extra.get("us"):
        top, bottom = _motto(face, faces, ink, rng)
    pad = max(PAD_PX, edge + h * PAD_BEYOND_EDGE, h * rng.uniform(*PAD))
    row_height = h * (bottom - top) / len(rows)
    glyphs: list[Glyph] = []
    for k, row in enumerate(rows):
        cap = min(cap_mm * px_per_mm * rng.uniform(*CAP_VARIES), row_height * (CAP_OF_ROW_TWO if two else CAP_OF_ROW))
        left, right = spans[min(k, 1)]
        spare = (row_height - cap) / 2
        y = h * top + row_height * k + spare + min(h * ROW_OFF, spare) * rng.uniform(-1, 1)
        if two and sum(c.isalnum() for c in row) <= LABEL_BESIDE_MAX and rng.random() < LABEL_CHANCE:
            left, right = label(face, (left, right), k, row_height, rng)
        glyphs += _row(face, row, country, font, ink, rng, Line(left + pad, w - right - pad, y, cap), two)
    wear(face, glyphs, font, (ground, ink), rng, two)
    return Plate(face, text_of(layout), country.code, len(rows))


def _face_of(country: Country, faces: list[Face], rng: np.random.Generator) -> Face:
    """A face for a country's plate: for Italy mostly one drawn after its own."""
    own = [f for f in faces if f.family == country.code.lower()]
    if own and rng.random() < OWN_FACE_CHANCE:
        return own[int(rng.integers(len(own)))]
    return faces[int(rng.integers(len(faces)))]


def _size(country: Country, two: bool, rng: np.random.Generator) -> tuple[float, float, float]:
    """Width, height and cap height, mm."""
    width, height, cap = country.size_two if two else country.size
    if country.code == "IT" and not two and rng.random() < ITALY_FRONT_CHANCE:
        width = ITALY_FRONT_WIDTH_MM
    if country.code == "IT" and two:
        k = int(rng.choice(len(ITALY_TWO_ROWS_MM), p=ITALY_TWO_ROWS_SHARES))
        width, height, cap = ITALY_TWO_ROWS_MM[k]
    if two and country.code != "IT":
        width, height = width * rng.uniform(*TWO_ROWS_WIDTH), height * rng.uniform(*TWO_ROWS_HEIGHT)
    return width * rng.uniform(*WIDTH_VARIES), height * rng.uniform(*HEIGHT_VARIES), cap


def _paint(country: Country, rng: np.random.Generator) -> tuple[Colour, Colour]:
    """The ground's and the ink's colour, faded and varied."""
    weights = np.array([p[2] for p in country.paints])
    ground, ink, _ = country.paints[int(rng.choice(len(weights), p=weights / weights.sum()))]
    shift = rng.normal(0, PAINT_VARIES, 3)
    fade = rng.uniform(*FADED) if rng.random() < FADED_CHANCE else rng.uniform(*FADED_LITTLE)

    def varied(colour: Colour, lighter: float) -> Colour:
        red, green, blue = (int(np.clip(v + s + lighter, 0, 255)) for v, s in zip(colour, shift, strict=True))
        return red, green, blue

    return varied(ground, fade * GROUND_FADES), varied(ink, fade)


def _edge(face: np.ndarray, country: Country, ink: Colour, rng: np.random.Generator) -> int:
    """A printed line round the plate, or coloured edges above and below. Gives how far it reaches in, px.

    No character touches it.
    """
    h, w = face.shape[:2]
    if country.extra.get("red_edge", 0) > rng.random():
        thick = max(1, h // RED_THIN)
        for y in (round(h * RED_LINE), round(h * (1 - RED_LINE))):
            cv2.line(face, (0, y), (w, y), RED, thick, cv2.LINE_AA)
        return round(h * RED_LINE) + thick
    if country.extra.get("green_edge", 0) > rng.random():
        thick = max(1, h // GREEN_THIN)
        cv2.rectangle(face, (1, 1), (w - 2, h - 2), GREEN, thick, cv2.LINE_AA)
        return 2 + thick
    if rng.random() < FRAME_CHANCE:
        inset, thick = int(h * rng.uniform(*FRAME_INSET)), max(1, int(h * rng.uniform(*FRAME_THICK)))
        cv2.rectangle(face, (inset, inset), (w - 1 - inset, h - 1 - inset), ink, thick, cv2.LINE_AA)
        return inset + thick // 2 + 1
    return 0


def _motto(face: np.ndarray, faces: list[Face], ink: Colour, rng: np.random.Generator) -> tuple[float, float]:
    """Small words above and below the text; gives where the text begins and ends, as shares of the height."""
    h, w = face.shape[:2]
    for y in MOTTO_TOPS:
        if rng.random() < MOTTO_CHANCE:
            word = any_letters(rng, int(rng.integers(*MOTTO_LETTERS)))
            font = faces[int(rng.integers(len(faces)))]
            left = w * rng.uniform(*MOTTO_LEFT)
            small_text(face, word, font, ink, left, h * y, h * MOTTO_HEIGHT, w * MOTTO_WIDTH_MAX)
    for x in CORNER_LEFTS:
        if rng.random() < CORNER_CHANCE:
            low = (round(w * x), round(h * CORNER_TOP))
            high = (round(w * (x + CORNER_WIDTH)), round(h * CORNER_BOTTOM))
            cv2.rectangle(face, low, high, any_colour(rng, *CORNER_COLOUR), FILLED)
    return MOTTO_TEXT


def _row(
    face: np.ndarray,
    row: str,
    country: Country,
    font: Face,
    ink: Colour,
    rng: np.random.Generator,
    line: Line,
    two: bool,
) -> list[Glyph]:
    """One row of text; gives where its characters stand."""
    glyphs: list[Glyph] = []
    cap, scale = line.cap, line.cap / MASK_HEIGHT_PX
    gap = cap * rng.uniform(*GAP)
    widths = _widths(row, font, cap, two, rng)
    natural = sum(widths) + gap * (len(row) - 1)
    room = max(ROOM_LEAST_PX, line.right - line.left)
    squeeze = min(1.0, room / natural)
    if squeeze == 1.0 and rng.random() < SPREAD_CHANCE:
        gap += min(cap * SPREAD_MAX, (room - natural) * rng.uniform(*SPREAD) / max(1, len(row)))
        natural = sum(widths) + gap * (len(row) - 1)
    x = line.left + (room - natural * squeeze) * float(np.clip(rng.normal(*ASIDE), 0, 1))
    emboss = rng.random() < EMBOSS_CHANCE
    hyphen = rng.random() < HYPHEN_CHANCE
    for c, width in zip(row, widths, strict=True):
        width_px = width * squeeze
        if c.isalnum():
            glyphs.append(_character(face, c, font, ink, (x, line.top), (width_px, cap), scale * squeeze, emboss))
        elif c == "-" and hyphen:
            y, half = line.top + cap * 0.5, cap * HYPHEN_HALF
            low = (round(x + width_px * HYPHEN_MARGIN), round(y - half))
            high = (round(x + width_px * (1 - HYPHEN_MARGIN)), round(y + half))
            cv2.rectangle(face, low, high, ink, FILLED)
        elif c == ".":
            place = (round(x + width_px / 2), round(line.top + cap * rng.choice(POINT_DOWN)))
            cv2.circle(face, place, max(1, round(cap * POINT_RADIUS)), ink, FILLED, cv2.LINE_AA)
        elif c in "*=":
            crest(face, "stamp" if c == "=" else country.crest, Room(x, line.top, width_px, cap), ink, rng)
        x += width_px + gap * squeeze
    return glyphs


def _widths(row: str, font: Face, cap: float, two: bool, rng: np.random.Generator) -> list[float]:
    """How wide each sign of a row is, px, before it is squeezed."""
    scale = cap / MASK_HEIGHT_PX
    cell = max(font.mask(c).shape[1] for c in WIDEST) * scale if font.monospace else 0.0
    out: list[float] = []
    for c in row:
        if c.isalnum():
            out.append(max(cell, font.mask(c).shape[1] * scale))
        elif c == "*":
            out.append(cap * rng.uniform(*(CREST_WIDTH_TWO if two else CREST_WIDTH)))
        elif c == "=":
            out.append(cap * rng.uniform(*STAMP_WIDTH))
        else:
            # Both are drawn whatever the sign is: so the same seed gives the same plate as ever.
            hyphen, space = rng.uniform(*HYPHEN_WIDTH), rng.uniform(*SPACE_WIDTH)
            out.append(cap * {"-": hyphen, ".": POINT_WIDTH}.get(c, space))
    return out


def _character(
    face: np.ndarray,
    char: str,
    font: Face,
    ink: Colour,
    place: tuple[float, float],
    cell: tuple[float, float],
    scale: float,
    emboss: bool,
) -> Glyph:
    """Paints a character amid its cell (width and height, px) with its top left at `place`, embossed or flat."""
    mask = font.mask(char)
    width = min(cell[0], mask.shape[1] * scale)
    small = cv2.resize(mask, (max(2, round(width)), max(3, round(cell[1]))), interpolation=cv2.INTER_AREA)
    x, y = place[0] + (cell[0] - width) / 2, place[1]
    if emboss:
        h, w = face.shape[:2]
        corner = face[int(np.clip(y, 0, h - 1)), int(np.clip(x, 0, w - 1))]
        red, green, blue = (min(255, int(v) + EMBOSS_LIGHT) for v in corner)
        blend(face, small, x - EMBOSS_OFF_PX, y - EMBOSS_OFF_PX, (red, green, blue))
    blend(face, small, x, y, ink)
    return Glyph(char, x, y, small.shape[1], small.shape[0])
