"""What stands between the groups of a plate's text and is no part of it: stickers, seals, shields, stamps, scrawls.

Lengths are shares of the room's width or of the characters' height (`cap`), a pair being what is drawn between. No
count of real plates stands behind them: they spread what is drawn widely, so that the recogniser learns to skip it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .paint import Colour, any_colour, grey, plain_word

FILLED, OUTLINE = -1, 1  # a thickness of OpenCV's
COLOUR_LOW, COLOUR_HIGH = 30, 240  # neither black ink nor white ground
DISC_OF_WIDTH = 0.42  # the radius of a disc that fills its room

# The emblem of the Italian Republic between the first letters and the number: small and paler than the ink.
STAMP_OF_CAP, STAMP_MIDDLE = (0.06, 0.1), (0.45, 0.6)
STAMP_PALER, STAMP_LEVEL_MAX = (20, 110), 230
STAMP_OUTLINED, STAMP_DOTTED, STAMP_DOT = 0.5, 0.4, 0.4

# Germany's inspection sticker and the seal of the district below it: two discs, either of which may be missing.
DISC_MISSING, DISC_OFF, DISC_APART = 0.12, 0.03, (0.22, 0.3)
DISC_OF_CAP, DISC_VARIES, DISC_INNER, DISC_SPOKES = 0.2, (0.75, 1.1), 0.6, 3
DASH_CHANCE, DASH_CHANCE_SK = 0.15, 0.6  # Slovak plates often have a hyphen there
DASH_OF_DISC, DASH_OF_CAP = 0.8, 0.1

# A coat of arms, as Austria, Switzerland and Slovenia have: with a cross, or with some bands of colour.
SHIELD_HEIGHT, SHIELD_PLACE, SHIELD_SIDE, SHIELD_SHOULDER = (1.0, 1.4), (0.2, 0.9), 0.08, 0.6
CROSS_CHANCE, CROSS_WHITE_CHANCE, CROSS_WHITE, CROSS_MIDDLE = 0.35, 0.7, 240, 0.45
CROSS_BEAMS = ((0.09, 0.3), (0.26, 0.1))  # upright, across: half of width and height
BANDS_OF_SHIELD, BAND_OF_WIDTH, BAND_REACH = (1, 5), (0.05, 0.3), 0.8

# An Arabic letter, which is not read.
SCRAWL_POINTS, SCRAWL_OF_CAP = 7, 0.09

# Any other sticker: with a month or a year, round, or square.
OTHER_OF_WIDTH, OTHER_OF_CAP, OTHER_MIDDLE = 0.45, (0.13, 0.3), (0.3, 0.7)
DATED_BELOW, ROUND_BELOW, SQUARE_BELOW = 0.25, 0.5, 0.8  # of one draw; above the last, only the inner disc
DATED_OF_WIDTH, DATED_OF_CAP, DATED_LIGHT_CHANCE, DATED_LIGHT = 0.48, (0.22, 0.34), 0.7, (150, 250)
DATED_DARK, DATED_MARK_DARK, DATED_MARK_LIGHT, DATED_NUMBERS = 60, 40, 240, (1, 32)
DATED_DIGIT_PX, DATED_DIGITS_PX = 14, 20  # sides of a sticker at OpenCV's size 1, for one digit and for two
DATED_LEFT, DATED_BASE, DATED_BOLD = 0.72, 0.6, 2
INNER_OF_OTHER = (0.3, 0.7)


@dataclass(frozen=True)
class Room:
    """Where a crest stands on a face: its top left and its size in px, its height being the characters'."""

    x: float
    y: float
    width: float
    cap: float

    def middle(self) -> float:
        """Its middle, across."""
        return self.x + self.width / 2


def crest(face: np.ndarray, kind: str, room: Room, ink: Colour, rng: np.random.Generator) -> None:
    """Draws what `Country.crest` names, or an Italian `stamp`, into its room."""
    if kind == "stamp":
        _stamp(face, room, ink, rng)
    elif kind in ("stickers", "sk"):
        _discs(face, room, ink, rng, DASH_CHANCE_SK if kind == "sk" else DASH_CHANCE)
    elif kind == "shield":
        _shield(face, room, rng)
    elif kind == "scrawl":
        points = np.stack(
            [room.x + rng.random(SCRAWL_POINTS) * room.width, room.y + rng.random(SCRAWL_POINTS) * room.cap], 1
        )
        thick = max(1, round(room.cap * SCRAWL_OF_CAP))
        cv2.polylines(face, [np.round(points).astype(np.int32)], False, ink, thick, cv2.LINE_AA)
    else:
        _sticker(face, room, rng)


def _stamp(face: np.ndarray, room: Room, ink: Colour, rng: np.random.Generator) -> None:
    radius = room.cap * rng.uniform(*STAMP_OF_CAP)
    centre = (round(room.middle()), round(room.y + room.cap * rng.uniform(*STAMP_MIDDLE)))
    paler = np.clip(np.array(ink) + rng.uniform(*STAMP_PALER), 0, STAMP_LEVEL_MAX)
    thick = OUTLINE if rng.random() < STAMP_OUTLINED else FILLED
    cv2.circle(face, centre, max(1, round(radius)), tuple(int(v) for v in paler), thick, cv2.LINE_AA)
    if rng.random() < STAMP_DOTTED:
        cv2.circle(face, centre, max(1, round(radius * STAMP_DOT)), ink, FILLED, cv2.LINE_AA)


def _discs(face: np.ndarray, room: Room, ink: Colour, rng: np.random.Generator, dash_chance: float) -> None:
    middle, cap, disc = room.middle(), room.cap, room.width * DISC_OF_WIDTH
    dash = rng.random() < dash_chance
    for side in (-1, 1):
        if rng.random() < DISC_MISSING:
            continue
        x, y = (
            round(middle + rng.normal(0, room.width * DISC_OFF)),
            round(room.y + cap * (0.5 + side * rng.uniform(*DISC_APART))),
        )
        radius = max(2, round(min(disc, cap * DISC_OF_CAP) * rng.uniform(*DISC_VARIES)))
        cv2.circle(face, (x, y), radius, _colour(rng), FILLED, cv2.LINE_AA)
        cv2.circle(face, (x, y), max(1, round(radius * DISC_INNER)), _colour(rng), _either(rng), cv2.LINE_AA)
        for _ in range(DISC_SPOKES):
            a = rng.uniform(0, 6.28)
            end = (round(x + radius * np.cos(a)), round(y + radius * np.sin(a)))
            cv2.line(face, (x, y), end, _colour(rng), 1, cv2.LINE_AA)
    if dash:
        y, half = round(room.y + cap * 0.5), disc * DASH_OF_DISC
        ends = (round(middle - half), y), (round(middle + half), y)
        cv2.line(face, *ends, ink, max(1, round(cap * DASH_OF_CAP)), cv2.LINE_AA)


def _shield(face: np.ndarray, room: Room, rng: np.random.Generator) -> None:
    width, middle = room.width, room.middle()
    height = min(width * rng.uniform(*SHIELD_HEIGHT), room.cap)
    top = room.y + (room.cap - height) * rng.uniform(*SHIELD_PLACE)
    left, right, shoulder = room.x + width * SHIELD_SIDE, room.x + width * (1 - SHIELD_SIDE), height * SHIELD_SHOULDER
    points = np.array(
        [[left, top], [right, top], [right, top + shoulder], [middle, top + height], [left, top + shoulder]]
    )
    cv2.fillPoly(face, [np.round(points).astype(np.int32)], _colour(rng), cv2.LINE_AA)
    if rng.random() < CROSS_CHANCE:
        shade = grey(CROSS_WHITE) if rng.random() < CROSS_WHITE_CHANCE else _colour(rng)
        for half_width, half_height in CROSS_BEAMS:
            low = (round(middle - width * half_width), round(top + height * (CROSS_MIDDLE - half_height)))
            high = (round(middle + width * half_width), round(top + height * (CROSS_MIDDLE + half_height)))
            cv2.rectangle(face, low, high, shade, FILLED)
        return
    for _ in range(int(rng.integers(*BANDS_OF_SHIELD))):
        ends = points.min(0) + rng.random((2, 2)) * (points.max(0) - points.min(0)) * BAND_REACH
        a, b = (tuple(int(v) for v in end) for end in ends)
        cv2.line(face, a, b, _colour(rng), max(1, round(width * rng.uniform(*BAND_OF_WIDTH))), cv2.LINE_AA)


def _sticker(face: np.ndarray, room: Room, rng: np.random.Generator) -> None:
    radius = max(2, round(min(room.width * OTHER_OF_WIDTH, room.cap * rng.uniform(*OTHER_OF_CAP))))
    x, y = round(room.middle()), round(room.y + room.cap * rng.uniform(*OTHER_MIDDLE))
    shape = rng.random()
    if shape < DATED_BELOW:
        _dated(face, room, x, y, rng)
        return
    if shape < ROUND_BELOW:
        cv2.circle(face, (x, y), radius, _colour(rng), FILLED, cv2.LINE_AA)
    elif shape < SQUARE_BELOW:
        cv2.rectangle(face, (x - radius, y - radius), (x + radius, y + radius), _colour(rng), FILLED)
    inner = max(1, round(radius * rng.uniform(*INNER_OF_OTHER)))
    cv2.circle(face, (x, y), inner, _colour(rng), _either(rng), cv2.LINE_AA)


def _dated(face: np.ndarray, room: Room, x: int, y: int, rng: np.random.Generator) -> None:
    """A sticker with a month or a year: no part of the text."""
    side = max(3, round(min(room.width * DATED_OF_WIDTH, room.cap * rng.uniform(*DATED_OF_CAP))))
    if rng.random() < DATED_LIGHT_CHANCE:
        ground, mark = int(rng.integers(*DATED_LIGHT)), DATED_MARK_DARK
    else:
        ground, mark = DATED_DARK, DATED_MARK_LIGHT
    low, high = (x - side, y - side), (x + side, y + side)
    cv2.rectangle(face, low, high, grey(ground), FILLED)
    cv2.rectangle(face, low, high, grey(mark), OUTLINE)
    number = str(rng.integers(*DATED_NUMBERS))
    size = side / (DATED_DIGIT_PX if len(number) == 1 else DATED_DIGITS_PX)
    plain_word(face, number, x - side * DATED_LEFT, y + side * DATED_BASE, size, grey(mark), DATED_BOLD)


def _colour(rng: np.random.Generator) -> Colour:
    return any_colour(rng, COLOUR_LOW, COLOUR_HIGH)


def _either(rng: np.random.Generator) -> int:
    """An outline or a filled shape."""
    return int(rng.choice([OUTLINE, FILLED]))
