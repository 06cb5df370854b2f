"""Draws the face of a plate: ground, bands, crests, stickers, text, frame, screws, dirt. RGB u8, flat, no camera."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..read.countries import ALL, BLACK, BLUE, RED, Country
from .fonts import Face
from .layout import random_layout, text_of
from .wear import Colour, Glyph, wear

STICKER_BESIDE_MAX = 4  # characters of a row that leave room for a sticker beside them


@dataclass
class Plate:
    """A drawn plate. `face` is RGB u8 [h, w, 3] of the plate alone, `rows` its number of text rows."""

    face: np.ndarray
    text: str
    country: str
    rows: int


def draw_plate(country: Country, faces: list[Face], rng: np.random.Generator, px_per_mm: float = 0.9, two_row: bool | None = None, layout: str | None = None) -> Plate:
    """One plate of `country` with random text (or `layout`) and random, plausible furniture."""
    if two_row is None:
        two_row = bool(country.two_row) and rng.random() < country.two_row_share
    layout = layout or random_layout(country, rng, two_row)
    rows = layout.split("/")
    width_mm, height_mm, cap_mm = _size(country, len(rows) > 1, rng)
    w, h = round(width_mm * px_per_mm), round(height_mm * px_per_mm)
    ground, ink = _paint(country, rng)
    face = np.empty((h, w, 3), np.uint8)
    face[:] = ground
    face_font = _face_of(country, faces, rng)
    two = len(rows) > 1
    spans = _bands(face, country, two, rng, h)
    edge = _edge(face, country, ink, rng)
    top, bottom = edge / h, 1.0 - edge / h
    if country.extra.get("us"):
        top, bottom = _motto(face, faces, ink, rng)
    pad = max(2.0, edge + h * 0.015, h * rng.uniform(0.03, 0.09))
    row_height = h * (bottom - top) / len(rows)
    glyphs: list[Glyph] = []
    for k, row in enumerate(rows):
        cap = min(cap_mm * px_per_mm * rng.uniform(0.92, 1.06), row_height * (0.88 if not two else 0.86))
        left, right = spans[min(k, 1)]
        y = h * top + row_height * k + (row_height - cap) / 2 + min(h * 0.02, (row_height - cap) / 2) * rng.uniform(-1, 1)
        if two and sum(c.isalnum() for c in row) <= STICKER_BESIDE_MAX and rng.random() < 0.16:
            left, right = _row_sticker(face, (left, right), k, row_height, rng)
        glyphs += _row(face, row, country, face_font, ink, rng, (left + pad, w - right - pad), y, cap, two)
    wear(face, glyphs, face_font, (ground, ink), rng, two)
    return Plate(face, text_of(layout), country.code, len(rows))


def _face_of(country: Country, faces: list[Face], rng: np.random.Generator) -> Face:
    """A face for a country's plate: for Italy mostly one drawn after its own."""
    own = [f for f in faces if f.family == country.code.lower()]
    if own and rng.random() < 0.6:
        return own[int(rng.integers(len(own)))]
    return faces[int(rng.integers(len(faces)))]


def _size(country: Country, two: bool, rng: np.random.Generator) -> tuple[float, float, float]:
    width, height, cap = country.size_two if two else country.size
    if country.code == "IT" and not two and rng.random() < 0.55:
        width = 360.0  # front plate
    if country.code == "IT" and two:
        width, height, cap = [(177, 177, 62), (177, 150, 58), (297, 214, 80), (142, 122, 45)][int(rng.choice(4, p=[0.55, 0.15, 0.22, 0.08]))]
    if two and country.code != "IT":
        width, height = width * rng.uniform(0.72, 1.12), height * rng.uniform(0.88, 1.1)
    return width * rng.uniform(0.95, 1.05), height * rng.uniform(0.97, 1.03), cap


def _paint(country: Country, rng: np.random.Generator) -> tuple[Colour, Colour]:
    weights = np.array([p[2] for p in country.paints])
    ground, ink, _ = country.paints[int(rng.choice(len(weights), p=weights / weights.sum()))]
    shift = rng.normal(0, 7, 3)
    fade = rng.uniform(0, 45) if rng.random() < 0.4 else rng.uniform(0, 12)
    jitter = lambda c, k: tuple(int(np.clip(v + s + k, 0, 255)) for v, s in zip(c, shift))
    return jitter(ground, -fade * 0.3), jitter(ink, fade)  # type: ignore[return-value]


def _edge(face: np.ndarray, country: Country, ink: Colour, rng: np.random.Generator) -> int:
    """A printed line round the plate, or coloured edges above and below; gives how far it reaches in, px: no character touches it."""
    h, w = face.shape[:2]
    if country.extra.get("red_edge", 0) > rng.random():
        thick = max(1, h // 40)
        for y in (round(h * 0.06), round(h * 0.94)):
            cv2.line(face, (0, y), (w, y), RED, thick, cv2.LINE_AA)
        return round(h * 0.06) + thick
    if country.extra.get("green_edge", 0) > rng.random():
        thick = max(1, h // 36)
        cv2.rectangle(face, (1, 1), (w - 2, h - 2), (40, 130, 70), thick, cv2.LINE_AA)
        return 2 + thick
    if rng.random() < 0.4:
        inset, thick = int(h * rng.uniform(0.0, 0.05)), max(1, int(h * rng.uniform(0.01, 0.035)))
        cv2.rectangle(face, (inset, inset), (w - 1 - inset, h - 1 - inset), ink, thick, cv2.LINE_AA)
        return inset + thick // 2 + 1
    return 0


def _small_text(face: np.ndarray, text: str, font: Face, ink: Colour, x: float, y: float, height: float, max_width: float) -> None:
    """Text in `font` with its top left at (x, y); squeezed to `max_width` px."""
    masks = [font.mask(c) if c.isalnum() else np.zeros((72, 24), np.uint8) for c in text.upper() if c.isascii()]
    if not masks or height < 2:
        return
    gap = np.zeros((72, 10), np.uint8)
    strip = np.hstack([m for mask in masks for m in (mask, gap)][:-1])
    width = min(max_width, strip.shape[1] * height / 72)
    _blend(face, cv2.resize(strip, (max(2, round(width)), max(2, round(height))), interpolation=cv2.INTER_AREA), x, y, ink)


def _blend(face: np.ndarray, mask: np.ndarray, x: float, y: float, ink: Colour) -> None:
    """Paints `ink` through a u8 mask whose top left is at (x, y), clipped to the face."""
    h, w = face.shape[:2]
    x0, y0 = round(x), round(y)
    a, b = max(0, -x0), max(0, -y0)
    mask = mask[b : max(b, h - y0), a : max(a, w - x0)]
    if mask.size == 0:
        return
    x0, y0 = max(0, x0), max(0, y0)
    area = face[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]]
    alpha = mask[..., None].astype(np.uint16)
    area[:] = ((area * (255 - alpha) + np.array(ink, np.uint16) * alpha) // 255).astype(np.uint8)


def _band(face: np.ndarray, x0: int, width: int, y1: int, code: str, rng: np.random.Generator, ring: bool) -> None:
    """A blue band with a ring of stars above and the country's letters below."""
    base = [BLUE, (40, 120, 190), (130, 150, 190), (190, 196, 205)][int(rng.choice(4, p=[0.62, 0.2, 0.1, 0.08]))]  # the last two: bleached, or infrared
    blue = tuple(int(np.clip(v + rng.normal(0, 18), 0, 255)) for v in base)
    face[:y1, x0 : x0 + width] = blue
    cx, r = x0 + width / 2, min(width * 0.32, y1 * 0.2)
    cy = y1 * rng.uniform(0.24, 0.34)
    if ring:
        for k in range(12):
            a = k * np.pi / 6
            cv2.circle(face, (round(cx + r * np.cos(a)), round(cy + r * np.sin(a))), max(1, round(r * 0.14)), (220, 190, 40), -1, cv2.LINE_AA)
    if code:
        size = min(width / (24 * max(1.2, len(code))), y1 / 90)
        (tw, th), _ = cv2.getTextSize(code, cv2.FONT_HERSHEY_SIMPLEX, size, max(1, round(size * 2.5)))
        cv2.putText(face, code, (round(cx - tw / 2), round(y1 * 0.9)), cv2.FONT_HERSHEY_SIMPLEX, size, (235, 235, 240), max(1, round(size * 2.5)), cv2.LINE_AA)


def _bands(face: np.ndarray, country: Country, two: bool, rng: np.random.Generator, h: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Draws left and right furniture and returns how many px each takes: of the upper (or only) row, and of the lower."""
    if not two:
        span = _side_bands(face, country, False, rng, h)
        return span, span
    place = rng.random()
    if place < 0.6 or country.code == "IT":  # beside the upper row, the lower has the whole width
        upper = _side_bands(face[: round(h * rng.uniform(0.48, 0.56))], country, True, rng, h)
        return upper, (0, 0) if rng.random() < (0.8 if country.code == "IT" else 0.45) else upper
    if place < 0.8:  # beside the lower row
        return (0, 0), _side_bands(face[round(h * rng.uniform(0.44, 0.55)) :], country, True, rng, h)
    both = _side_bands(face, country, True, rng, h)
    return both, both


def _row_sticker(face: np.ndarray, span: tuple[int, int], row: int, row_height: float, rng: np.random.Generator) -> tuple[int, int]:
    """A label with a number, a seal or a dark badge beside a row of two; gives the row's new sides."""
    h, w = face.shape[:2]
    left, right = span
    width, height = round(row_height * rng.uniform(0.22, 0.5)), round(row_height * rng.uniform(0.35, 0.95))
    on_left = rng.random() < 0.55
    x = left + round(w * 0.01) if on_left else w - right - width - round(w * 0.01)
    y = round(row * row_height + (row_height - height) * rng.uniform(0.2, 0.8))
    ground = int(rng.choice([rng.integers(20, 110), rng.integers(150, 250)]))
    mark = 235 if ground < 130 else 35
    if rng.random() < 0.35:
        cv2.circle(face, (x + width // 2, y + height // 2), max(2, width // 2), (ground,) * 3, -1, cv2.LINE_AA)
        cv2.circle(face, (x + width // 2, y + height // 2), max(1, width // 3), (mark,) * 3, 1, cv2.LINE_AA)
    else:
        cv2.rectangle(face, (x, y), (x + width, y + height), (ground,) * 3, -1)
        word = str(rng.integers(1, 100)) if rng.random() < 0.7 else "".join(ALL[int(k)] for k in rng.integers(0, 26, int(rng.integers(1, 3))))
        size = width / (22 * max(1, len(word)) + 6)
        cv2.putText(face, word, (x + 2, round(y + height * rng.uniform(0.55, 0.9))), cv2.FONT_HERSHEY_SIMPLEX, size, (mark,) * 3, max(1, round(size * 2)), cv2.LINE_AA)
    return (x + width, right) if on_left else (left, w - x)


def _side_bands(face: np.ndarray, country: Country, two: bool, rng: np.random.Generator, h: int) -> tuple[int, int]:
    """Bands over the full height of `face`, which may be a part of a plate `h` px high; gives the px that left and right take."""
    y1, w = face.shape[:2]
    left = right = 0
    width = round(h * (0.36 if not two else 0.17) * rng.uniform(0.9, 1.15))
    old = rng.random() > country.band
    if rng.random() < country.extra.get("plain", 0.06 if country.code != "IT" else 0.01):
        old = True
        left = round(width * 0.85)
        _plain_badge(face, left, y1, country, rng)
    if not old:
        left = width
        code = country.badge or "".join(ALL[int(k)] for k in rng.integers(0, 26, int(rng.integers(1, 4))))
        _band(face, 0, width, y1, code, rng, ring=country.code not in ("UA", "TR", "GB") or rng.random() < 0.3)
        if country.extra.get("flag", 0) > rng.random():
            cv2.rectangle(face, (0, round(y1 * 0.3)), (width, round(y1 * 0.5)), (225, 195, 40), -1)
    if country.right == "it" and not old:
        right = width
        _band(face, w - width, width, y1, "", rng, ring=False)
        if rng.random() < 0.65:
            _italian_disc(face, w - width, width, y1, rng)
    elif country.right == "fr" and not old and rng.random() < 0.8:
        right = width
        _band(face, w - width, width, y1, f"{rng.integers(1, 96):02d}", rng, ring=False)
        top = round(y1 * 0.12)
        cv2.rectangle(face, (w - width + 2, top), (w - 3, round(y1 * 0.5)), tuple(int(v) for v in rng.integers(90, 255, 3)), -1)
    elif country.right == "al" and rng.random() < 0.7:
        right = width
        _band(face, w - width, width, y1, "", rng, ring=False)
    elif (country.right in ("date", "sticker") and rng.random() < 0.5) or (not two and rng.random() < 0.04):
        right = round(width * 0.9)
        colour = (225, 190, 50) if country.right == "date" or rng.random() < 0.5 else tuple(int(v) for v in rng.integers(120, 250, 3))
        cv2.rectangle(face, (w - right, round(y1 * rng.uniform(0, 0.2))), (w - 2, round(y1 * rng.uniform(0.6, 1.0))), colour, -1)
        for k in range(3):
            cv2.putText(face, f"{rng.integers(1, 32):02d}", (w - right + 2, round(y1 * (0.38 + 0.22 * k))), cv2.FONT_HERSHEY_SIMPLEX, y1 / 190, (40, 40, 40), 1, cv2.LINE_AA)
    return left, right


def _plain_badge(face: np.ndarray, width: int, y1: int, country: Country, rng: np.random.Generator) -> None:
    """A shield or flag on the plate's own ground, with the country's small letters under it: no blue band."""
    size = width * rng.uniform(0.5, 0.75)
    top = y1 * rng.uniform(0.1, 0.25)
    if rng.random() < 0.75:
        _crest(face, "shield", width * 0.5 - size / 2 + 1, top, size, size * 1.35, BLACK, rng)
    else:
        for k in range(3):
            colour = tuple(int(v) for v in rng.integers(20, 250, 3))
            cv2.rectangle(face, (2, round(top + k * size * 0.25)), (round(2 + size), round(top + (k + 1) * size * 0.25)), colour, -1)
    if rng.random() < 0.85 and country.badge:
        scale = width / (34 * max(1.0, len(country.badge) * 0.75))
        cv2.putText(face, country.badge, (round(width * 0.16), round(y1 * 0.9)), cv2.FONT_HERSHEY_SIMPLEX, scale, (45, 45, 50), max(1, round(scale * 2)), cv2.LINE_AA)


def _italian_disc(face: np.ndarray, x0: int, width: int, y1: int, rng: np.random.Generator) -> None:
    """The yellow ring with the year, and the province's letters under it; sometimes only one of the two."""
    cx = round(x0 + width / 2)
    if rng.random() < 0.85:
        cv2.circle(face, (cx, round(y1 * 0.27)), max(2, round(width * 0.3)), (232, 196, 60), max(1, width // 14), cv2.LINE_AA)
        if rng.random() < 0.8:
            cv2.putText(face, f"{rng.integers(0, 27):02d}", (round(cx - width * 0.2), round(y1 * 0.27 + width * 0.13)), cv2.FONT_HERSHEY_SIMPLEX, width / 80, (232, 196, 60), 1, cv2.LINE_AA)
    if rng.random() < 0.75:
        two = "".join(ALL[int(k)] for k in rng.integers(0, 26, 2)) if rng.random() < 0.9 else "Roma"
        size = width / (46 if len(two) == 2 else 78)
        if rng.random() < 0.15 and len(two) == 2:  # one letter over the other
            for k, c in enumerate(two):
                cv2.putText(face, c, (round(cx - size * 9), round(y1 * (0.66 + 0.24 * k))), cv2.FONT_HERSHEY_SIMPLEX, size, (240, 240, 240), max(1, round(size * 2)), cv2.LINE_AA)
        else:
            cv2.putText(face, two, (round(x0 + width * 0.08), round(y1 * 0.88)), cv2.FONT_HERSHEY_SIMPLEX, size, (240, 240, 240), max(1, round(size * 2)), cv2.LINE_AA)


def _motto(face: np.ndarray, faces: list[Face], ink: Colour, rng: np.random.Generator) -> tuple[float, float]:
    """Small words above and below the text, as on American plates; gives the text's vertical share."""
    h, w = face.shape[:2]
    for y in (0.05, 0.85):
        if rng.random() < 0.8:
            word = "".join(ALL[int(k)] for k in rng.integers(0, 26, int(rng.integers(4, 14))))
            _small_text(face, word, faces[int(rng.integers(len(faces)))], ink, w * rng.uniform(0.1, 0.3), h * y, h * 0.1, w * 0.55)
    for x in (0.02, 0.85):
        if rng.random() < 0.4:
            cv2.rectangle(face, (round(w * x), round(h * 0.03)), (round(w * (x + 0.12)), round(h * 0.17)), tuple(int(v) for v in rng.integers(60, 255, 3)), -1)
    return 0.17, 0.84


def _crest(face: np.ndarray, kind: str, x: float, y: float, width: float, cap: float, ink: Colour, rng: np.random.Generator) -> None:
    """What stands between the groups: inspection stickers, a shield, a stamp, or nothing legible."""
    colour = lambda: tuple(int(v) for v in rng.integers(30, 240, 3))
    cx, r = x + width / 2, width * 0.42
    if kind == "stamp":
        rr = cap * rng.uniform(0.06, 0.1)
        centre = (round(cx), round(y + cap * rng.uniform(0.45, 0.6)))
        shade = tuple(int(v) for v in np.clip(np.array(ink) + rng.uniform(20, 110), 0, 230))
        cv2.circle(face, centre, max(1, round(rr)), shade, 1 if rng.random() < 0.5 else -1, cv2.LINE_AA)
        if rng.random() < 0.4:
            cv2.circle(face, centre, max(1, round(rr * 0.4)), ink, -1, cv2.LINE_AA)
    elif kind in ("stickers", "sk"):
        dash = rng.random() < (0.6 if kind == "sk" else 0.15)
        for side in (-1, 1):
            if rng.random() < 0.12:
                continue
            centre = (round(cx + rng.normal(0, width * 0.03)), round(y + cap * (0.5 + side * rng.uniform(0.22, 0.3))))
            rr = max(2, round(min(r, cap * 0.2) * rng.uniform(0.75, 1.1)))
            cv2.circle(face, centre, rr, colour(), -1, cv2.LINE_AA)
            cv2.circle(face, centre, max(1, round(rr * 0.6)), colour(), rng.choice([1, -1]), cv2.LINE_AA)
            for k in range(3):
                a = rng.uniform(0, 6.28)
                cv2.line(face, centre, (round(centre[0] + rr * np.cos(a)), round(centre[1] + rr * np.sin(a))), colour(), 1, cv2.LINE_AA)
        if dash:
            cv2.line(face, (round(cx - r * 0.8), round(y + cap * 0.5)), (round(cx + r * 0.8), round(y + cap * 0.5)), ink, max(1, round(cap * 0.1)), cv2.LINE_AA)
    elif kind == "shield":
        hgt = min(width * rng.uniform(1.0, 1.4), cap)
        yy = y + (cap - hgt) * rng.uniform(0.2, 0.9)
        points = np.array([[x + width * 0.08, yy], [x + width * 0.92, yy], [x + width * 0.92, yy + hgt * 0.6], [cx, yy + hgt], [x + width * 0.08, yy + hgt * 0.6]])
        cv2.fillPoly(face, [np.round(points).astype(np.int32)], colour(), cv2.LINE_AA)
        if rng.random() < 0.35:  # a cross
            shade = (240, 240, 240) if rng.random() < 0.7 else colour()
            for half_w, half_h in ((0.09, 0.3), (0.26, 0.1)):
                cv2.rectangle(face, (round(cx - width * half_w), round(yy + hgt * (0.45 - half_h))), (round(cx + width * half_w), round(yy + hgt * (0.45 + half_h))), shade, -1)
            return
        for _ in range(int(rng.integers(1, 5))):
            p = points.min(0) + rng.random((2, 2)) * (points.max(0) - points.min(0)) * 0.8
            cv2.line(face, tuple(int(v) for v in p[0]), tuple(int(v) for v in p[1]), colour(), max(1, round(width * rng.uniform(0.05, 0.3))), cv2.LINE_AA)
    elif kind == "scrawl":
        points = np.stack([x + rng.random(7) * width, y + rng.random(7) * cap], 1)
        cv2.polylines(face, [np.round(points).astype(np.int32)], False, ink, max(1, round(cap * 0.09)), cv2.LINE_AA)
    else:
        rr = max(2, round(min(width * 0.45, cap * rng.uniform(0.13, 0.3))))
        centre = (round(cx), round(y + cap * rng.uniform(0.3, 0.7)))
        shape = rng.random()
        if shape < 0.25:  # a sticker with a month or a year: no part of the text
            side = max(3, round(min(width * 0.48, cap * rng.uniform(0.22, 0.34))))
            ground, mark = (int(rng.integers(150, 250)), 40) if rng.random() < 0.7 else (60, 240)
            cv2.rectangle(face, (centre[0] - side, centre[1] - side), (centre[0] + side, centre[1] + side), (ground,) * 3, -1)
            cv2.rectangle(face, (centre[0] - side, centre[1] - side), (centre[0] + side, centre[1] + side), (mark,) * 3, 1)
            number = str(rng.integers(1, 32))
            size = side / (14 if len(number) == 1 else 20)
            cv2.putText(face, number, (round(centre[0] - side * 0.72), round(centre[1] + side * 0.6)), cv2.FONT_HERSHEY_SIMPLEX, size, (mark,) * 3, max(1, round(size * 2)), cv2.LINE_AA)
            return
        if shape < 0.5:
            cv2.circle(face, centre, rr, colour(), -1, cv2.LINE_AA)
        elif shape < 0.8:
            cv2.rectangle(face, (centre[0] - rr, centre[1] - rr), (centre[0] + rr, centre[1] + rr), colour(), -1)
        cv2.circle(face, centre, max(1, round(rr * rng.uniform(0.3, 0.7))), colour(), rng.choice([1, -1]), cv2.LINE_AA)


def _row(face: np.ndarray, row: str, country: Country, font: Face, ink: Colour, rng: np.random.Generator, span: tuple[float, float], y: float, cap: float, two: bool) -> list[Glyph]:
    """One row of text between the px columns `span`, top at `y`, characters `cap` px high; gives where they stand."""
    glyphs = []
    scale = cap / 72
    cell = max(font.mask(c).shape[1] for c in "NDR08") * scale if font.monospace else 0.0
    gap = cap * rng.uniform(0.08, 0.2)
    items: list[tuple[str, float]] = []
    for c in row:
        if c.isalnum():
            items.append((c, max(cell, font.mask(c).shape[1] * scale)))
        elif c in "*=":
            items.append((c, cap * ((rng.uniform(0.45, 1.0) if two else rng.uniform(0.34, 0.66)) if c == "*" else rng.uniform(0.2, 0.4))))
        else:
            items.append((c, cap * {"-": rng.uniform(0.2, 0.34), ".": 0.12}.get(c, rng.uniform(0.15, 0.5))))
    natural = sum(width for _, width in items) + gap * (len(items) - 1)
    room = max(8.0, span[1] - span[0])
    squeeze = min(1.0, room / natural)
    if squeeze == 1.0 and rng.random() < 0.5:  # spread over the plate, by gaps and a little by width
        spare = room - natural
        gap += min(cap * 0.3, spare * rng.uniform(0.2, 0.9) / max(1, len(items)))
        natural = sum(width for _, width in items) + gap * (len(items) - 1)
    x = span[0] + (room - natural * squeeze) * float(np.clip(rng.normal(0.5, 0.15), 0, 1))
    emboss = rng.random() < 0.4
    hyphen = rng.random() < 0.93
    for c, width in items:
        width_px = width * squeeze
        if c.isalnum():
            mask = font.mask(c)
            glyph_px = min(width_px, mask.shape[1] * scale * squeeze)
            small = cv2.resize(mask, (max(2, round(glyph_px)), max(3, round(cap))), interpolation=cv2.INTER_AREA)
            gx = x + (width_px - glyph_px) / 2
            if emboss:
                corner = face[int(np.clip(y, 0, face.shape[0] - 1)), int(np.clip(gx, 0, face.shape[1] - 1))]
                light = tuple(min(255, int(v) + 25) for v in corner)
                _blend(face, small, gx - 1, y - 1, light)  # type: ignore[arg-type]
            _blend(face, small, gx, y, ink)
            glyphs.append(Glyph(c, gx, y, small.shape[1], small.shape[0]))
        elif c == "-" and hyphen:
            yy = y + cap * 0.5
            cv2.rectangle(face, (round(x + width_px * 0.1), round(yy - cap * 0.055)), (round(x + width_px * 0.9), round(yy + cap * 0.055)), ink, -1)
        elif c == ".":
            cv2.circle(face, (round(x + width_px / 2), round(y + cap * rng.choice([0.5, 0.93]))), max(1, round(cap * 0.06)), ink, -1, cv2.LINE_AA)
        elif c in "*=":
            _crest(face, "stamp" if c == "=" else country.crest, x, y, width_px, cap, ink, rng)
        x += width_px + gap * squeeze
    return glyphs
