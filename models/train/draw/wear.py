"""What the road does to a plate's face: screws' heads, blotches, specks. RGB u8.

None of it makes one character into another.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ..read.countries import ALPHABET
from .fonts import Face
from .paint import Colour

LEANING_MAX = 0.2  # at half way it is as much the one as the other; a camera that blurs brings them nearer
TRIES = 8
# Where another character would stand in the room of this one: at its left side, amid, at its right.
SHIFTS = (
    0.0,
    0.5,
    1.0,
)
LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Glyph:
    """A character on a face: its box, in px, left and top rounded as it is painted."""

    char: str
    x: float
    y: float
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Spot:
    """A filled circle on a face, in px."""

    x: int
    y: int
    radius_px: int
    colour: Colour


@dataclass(frozen=True)
class Veil:
    """A film of dirt: how much of `mud` covers the face, f32 [h, w, 1], 0..1."""

    cover: np.ndarray
    mud: np.ndarray


def wear(
    face: np.ndarray,
    glyphs: list[Glyph],
    font: Face,
    paints: tuple[Colour, Colour],
    rng: np.random.Generator,
    two: bool,
) -> None:
    """Paints screws and often dirt on a face with these characters in these paints (ground and ink).

    A screw may lie on a letter. Where it makes a C a G, or a 1 a J, the plate would no longer say what its text says,
    and nobody could read it: such wear is drawn again.
    """
    for _ in range(TRIES):
        screws = _screws(face, rng, two)
        veil, specks = _dirt(face, rng) if rng.random() < 0.35 else (None, [])
        if leaning(glyphs, font, paints, screws + specks) <= LEANING_MAX:
            break
    else:
        screws, specks = [], []
    _paint(face, screws)
    if veil is not None:
        face[:] = (face * (1 - veil.cover) + veil.mud * veil.cover).astype(np.uint8)
    _paint(face, specks)


def leaning(glyphs: list[Glyph], font: Face, paints: tuple[Colour, Colour], spots: list[Spot]) -> float:
    """How far spots take any of a face's characters towards another of the alphabet: 0 not at all, 1 it is the other.

    Both are strokes on a plane of pixels, and the spots' part along the line between them is the measure.
    """
    ground, ink = (float(np.dot(LUMA, paint)) for paint in paints)
    worst = 0.0
    if abs(ground - ink) < 1.0:
        return worst
    for glyph in glyphs:
        near = [s for s in spots if _touches(glyph, s)]
        if not near:
            continue
        x, y = round(glyph.x), round(glyph.y)
        beside = glyph.height_px  # px on both sides, for a wider character
        shape = (glyph.height_px, glyph.width_px + 2 * beside)
        own = np.zeros(shape, np.float32)
        own[:, beside : beside + glyph.width_px] = _strokes(font, glyph.char, glyph.width_px, glyph.height_px)
        worn = own.copy()
        for spot in near:
            level = float(np.clip((ground - np.dot(LUMA, spot.colour)) / (ground - ink), 0, 1))
            cv2.circle(worn, (spot.x - x + beside, spot.y - y), spot.radius_px, level, -1, cv2.LINE_4)
        worn -= own
        squeeze = glyph.width_px / font.mask(glyph.char).shape[1]
        for other in ALPHABET:
            if other == glyph.char or {other, glyph.char} in ({"0", "O"}, {"1", "I"}):
                continue
            width = max(2, min(round(font.mask(other).shape[1] * squeeze), glyph.width_px + 2 * beside))
            strokes = _strokes(font, other, width, glyph.height_px)
            for shift in SHIFTS:
                left = beside + round((glyph.width_px - width) * shift)
                if left < 0 or left + width > shape[1]:
                    continue
                way = -own
                way[:, left : left + width] += strokes
                worst = max(worst, float((worn * way).sum() / max((way * way).sum(), 1.0)))
    return worst


def _strokes(font: Face, char: str, width_px: int, height_px: int) -> np.ndarray:
    return cv2.resize(font.mask(char), (width_px, height_px), interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0


def _touches(glyph: Glyph, spot: Spot) -> bool:
    reach = spot.radius_px + glyph.height_px * 0.5
    return (
        glyph.x - reach < spot.x < glyph.x + glyph.width_px + reach
        and glyph.y - spot.radius_px < spot.y < glyph.y + glyph.height_px + spot.radius_px
    )


def _paint(face: np.ndarray, spots: list[Spot]) -> None:
    for s in spots:
        cv2.circle(face, (s.x, s.y), s.radius_px, s.colour, -1, cv2.LINE_AA)


def _screws(face: np.ndarray, rng: np.random.Generator, two: bool) -> list[Spot]:
    """Heads of screws, or caps of their colour.

    On the smaller plates of two rows they are as large, and lie on the letters.
    """
    h, w = face.shape[:2]
    out: list[Spot] = []
    if rng.random() > (0.55 if two else 0.4):
        return out
    for _ in range(int(rng.integers(1, 5))):
        x = w * rng.choice([rng.uniform(0.03, 0.2), rng.uniform(0.3, 0.7), rng.uniform(0.8, 0.97)])
        y = h * rng.choice([rng.uniform(0.03, 0.14), rng.uniform(0.86, 0.97), 0.5], p=[0.4, 0.4, 0.2])
        level = int(rng.choice([rng.integers(10, 90), rng.integers(150, 255)]))
        colour = (level, level, level) if rng.random() < 0.7 else tuple(int(v) for v in face[0, 0])
        out.append(Spot(round(x), round(y), max(1, round(h * rng.uniform(0.012, 0.055 if two else 0.04))), colour))  # type: ignore[arg-type]
    return out


def _dirt(face: np.ndarray, rng: np.random.Generator) -> tuple[Veil, list[Spot]]:
    """Soft blotches that darken or lighten the face, and specks of the same mud."""
    h, w = face.shape[:2]
    coarse = rng.random((int(rng.integers(2, 9)), int(rng.integers(3, 16)))).astype(np.float32)
    film = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
    strength = rng.uniform(0.1, 0.5)
    cover = np.clip((film - rng.uniform(0.3, 0.7)) * 2, 0, 1)[..., None] * strength
    mud = np.array([110, 95, 75] if rng.random() < 0.7 else [200, 195, 185], np.float32) * rng.uniform(0.5, 1.1)
    colour = tuple(int(v) for v in mud)
    specks = [
        Spot(int(rng.integers(w)), int(rng.integers(h)), int(rng.integers(1, max(2, h // 30) + 1)), colour)
        for _ in range(int(rng.integers(0, 14)))
    ]  # type: ignore[arg-type]
    return Veil(cover, mud), specks
