"""Painting on a plate's face, RGB u8 [h, w, 3]: masks, small letters, plain words. Places are px of the face."""

import cv2
import numpy as np

from ..read.countries import ALL
from .fonts import MASK_HEIGHT_PX, Face

Colour = tuple[int, int, int]
FULL = 255  # of a u8 mask
SPACE_PX, GAP_PX = 24, 10  # of small text, where its characters are MASK_HEIGHT_PX high
SMALLEST_PX = 2  # text less high is left out: nobody sees it
HERSHEY = cv2.FONT_HERSHEY_SIMPLEX


def blend(face: np.ndarray, mask: np.ndarray, x: float, y: float, ink: Colour) -> None:
    """Paints `ink` through a mask u8 [h, w] whose top left is at (x, y), clipped to the face."""
    h, w = face.shape[:2]
    x0, y0 = round(x), round(y)
    a, b = max(0, -x0), max(0, -y0)
    mask = mask[b : max(b, h - y0), a : max(a, w - x0)]
    if mask.size == 0:
        return
    x0, y0 = max(0, x0), max(0, y0)
    area = face[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]]
    alpha = mask[..., None].astype(np.uint16)
    area[:] = ((area * (FULL - alpha) + np.array(ink, np.uint16) * alpha) // FULL).astype(np.uint8)


def small_text(
    face: np.ndarray, text: str, font: Face, ink: Colour, x: float, y: float, height: float, max_width: float
) -> None:
    """Text in `font` with its top left at (x, y), `height` px high; squeezed to `max_width` px."""
    space = np.zeros((MASK_HEIGHT_PX, SPACE_PX), np.uint8)
    masks = [font.mask(c) if c.isalnum() else space for c in text.upper() if c.isascii()]
    if not masks or height < SMALLEST_PX:
        return
    gap = np.zeros((MASK_HEIGHT_PX, GAP_PX), np.uint8)
    strip = np.hstack([m for mask in masks for m in (mask, gap)][:-1])
    width = min(max_width, strip.shape[1] * height / MASK_HEIGHT_PX)
    sides = (max(2, round(width)), max(2, round(height)))
    blend(face, cv2.resize(strip, sides, interpolation=cv2.INTER_AREA), x, y, ink)


def plain_word(
    face: np.ndarray, word: str, x: float, y: float, size: float, colour: Colour, bold: float | None = None
) -> None:
    """A word in OpenCV's own strokes with its lower left at (x, y); `size` is OpenCV's scale, 1 some 22 px high.

    Its strokes are `bold` times `size` px thick, or a single px.
    """
    thick = 1 if bold is None else max(1, round(size * bold))
    cv2.putText(face, word, (round(x), round(y)), HERSHEY, size, colour, thick, cv2.LINE_AA)


def any_letters(rng: np.random.Generator, count: int) -> str:
    """So many letters at random."""
    return "".join(ALL[int(k)] for k in rng.integers(0, len(ALL), count))


def any_colour(rng: np.random.Generator, low: int, high: int) -> Colour:
    """A colour of random channels, from `low` to under `high`."""
    red, green, blue = (int(v) for v in rng.integers(low, high, 3))
    return red, green, blue


def grey(level: int) -> Colour:
    """The grey of a level, 0..255."""
    return level, level, level
