"""Plate faces drawn from strokes: a parametric alphabet whose shapes vary as real plate faces do.

Coordinates: x right, y down, both 0..1 over the glyph's box. A style is drawn once a glyph and cached by the caller.
"""

from dataclasses import dataclass
from math import cos, pi, sin

import cv2
import numpy as np

Point = tuple[float, float]
Path = list[Point]
# Three that reach under the line; the others end within the letter's round, and nothing of them shows outside.
TAILS_Q: tuple[Path, ...] = (
    [(0.56, 0.62), (1, 1.02)],
    [(0.5, 0.66), (0.95, 1.06)],
    [(0.62, 0.66), (1, 1.04)],
    [(0.58, 0.66), (0.9, 0.92)],
    [(0.55, 0.72), (0.86, 0.98)],
    [(0.66, 0.74), (0.97, 0.97)],
)


@dataclass(frozen=True)
class Style:
    """One face. Lengths are fractions of the cap height."""

    width: float  # of a usual letter
    stroke: float
    square: float  # exponent of the curves: 2 is an ellipse, 5 a rounded rectangle
    m_depth: float  # where the middle of M ends: 0.3 is high, 1 reaches the line
    w_depth: float  # where the middle of W starts, from the top
    waist: float  # height of the middle bar of B, E, R, 3, 8
    one: int  # 0 plain flag, 1 flag and foot, 2 steep flag
    serif_i: bool
    hook_j: int  # 0 plain, 1 with a bar, 2 shallow
    bar_g: int  # 0 an upright spur alone, as few faces have it
    tail_q: int
    open_4: bool
    straight_tail: bool  # of 6 and 9
    flat_3: bool
    zero_mark: int  # 0 none, 1 slash, 2 gap
    straight_mw: bool  # outer strokes of M and W upright
    curved_7: bool
    short_bar: float = 0.0  # how much shorter the bar of G is, 0..1
    bar_y: float = 0.55  # how far down the bar of G is, in heights
    gape: float = 38.0  # where the ends of C are, in degrees from the middle: the fewer, the longer they are


def italian_style(rng: np.random.Generator) -> Style:
    """A face near the one of Italian plates since 1994, with a maker's freedom.

    It has an open 4, straight tails, a high middle of M and a low bar of G.
    """
    width = float(rng.uniform(0.46, 0.58))
    bar_y, gape = _mouth(width, (0.56, 0.71), (20, 38))
    return Style(
        bar_y=bar_y,
        gape=gape,
        width=width,
        stroke=float(rng.uniform(0.1, 0.16)),
        square=float(rng.choice([2.2, 2.6, 3.0])),
        m_depth=float(rng.uniform(0.45, 0.7)),
        w_depth=float(rng.uniform(0.25, 0.5)),
        waist=float(rng.uniform(0.43, 0.5)),
        one=int(rng.choice([0, 0, 2])),
        serif_i=False,
        hook_j=int(rng.choice([0, 1])),
        bar_g=1,
        tail_q=0,
        open_4=bool(rng.random() < 0.85),
        straight_tail=bool(rng.random() < 0.75),
        flat_3=False,
        zero_mark=0,
        straight_mw=bool(rng.random() < 0.6),
        curved_7=False,
        short_bar=float(rng.uniform(0.0, 0.45)),
    )


def random_style(rng: np.random.Generator) -> Style:
    """A face as might hang on a car somewhere in Europe."""
    width = float(rng.uniform(0.38, 0.72))
    bar_y, gape = _mouth(width, (0.5, 0.7), (22, 44))
    return Style(
        bar_y=bar_y,
        gape=gape,
        width=width,
        stroke=min(float(np.clip(rng.normal(0.135, 0.028), 0.085, 0.2)), 0.27 * width),  # bolder, H and N would be one
        square=float(rng.choice([2.0, 2.4, 2.8, 3.5, 5.0])),
        m_depth=float(rng.choice([rng.uniform(0.3, 0.6), rng.uniform(0.6, 0.88)])),
        w_depth=float(rng.choice([rng.uniform(0.0, 0.3), rng.uniform(0.3, 0.65)])),
        waist=float(rng.uniform(0.42, 0.54)),
        one=int(rng.choice([0, 0, 1, 2])),
        serif_i=bool(rng.random() < 0.3),
        hook_j=int(rng.integers(0, 3)),
        bar_g=int(rng.random() < 0.9),
        tail_q=_tail(width, int(rng.integers(0, 3))),
        open_4=bool(rng.random() < 0.3),
        straight_tail=bool(rng.random() < 0.4),
        flat_3=bool(rng.random() < 0.25),
        zero_mark=int(rng.choice([0, 0, 0, 0, 0, 0, 1, 2])),
        straight_mw=bool(rng.random() < 0.7),
        curved_7=bool(rng.random() < 0.3),
        short_bar=float(rng.choice([0.0, rng.uniform(0, 0.55)])),
    )


def _tail(width: float, long: int) -> int:
    """The tail of Q: half of the faces have one of the short ones, as Belgian and French plates do.

    It is drawn apart from the rest, as the mouths are.
    """
    own = np.random.default_rng(int(width * 1e9) + 1)
    return int(own.integers(3, len(TAILS_Q))) if own.random() < 0.5 else long


def _mouth(width: float, bar_y: tuple[float, float], gape: tuple[float, float]) -> tuple[float, float]:
    """How the mouths of G and C are, drawn apart from the rest so that faces keep what else they have."""
    own = np.random.default_rng(int(width * 1e9))
    return float(own.uniform(*bar_y)), float(own.uniform(*gape))


def arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float, n: float = 2.0) -> Path:
    """Superellipse arc; degrees, 0 to the right, growing clockwise on the screen."""
    out: Path = []
    for k in range(25):
        a = (start + (end - start) * k / 24) * pi / 180
        c, s = cos(a), sin(a)
        x = np.sign(c) * abs(c) ** (2 / n)
        y = np.sign(s) * abs(s) ** (2 / n)
        out.append((cx + rx * float(x), cy + ry * float(y)))
    return out


def _letters(s: Style) -> dict[str, list[Path]]:
    n, w = s.square, s.waist

    def bowl(y0: float, y1: float, x0: float = 0.0, x1: float = 1.0) -> Path:
        return [(x0, y0), *arc(x1 - 0.42, (y0 + y1) / 2, 0.42, (y1 - y0) / 2, -90, 90, n), (x0, y1)]

    m_in, w_in = (0.0, 0.0) if s.straight_mw else (0.1, 0.1)
    hook = [*arc(0.5, 0.66, 0.5, 0.34, 0, 165 if s.hook_j != 2 else 130, n)]
    out = {
        "A": [[(0, 1), (0.5, 0), (1, 1)], [(0.17, 0.68), (0.83, 0.68)]],
        "B": [[(0, 0), (0, 1)], bowl(0, w, 0, 0.94), bowl(w, 1)],
        "C": [arc(0.5, 0.5, 0.5, 0.5, -s.gape, s.gape - 360, n)],
        "D": [[(0, 0), (0, 1)], [(0, 0), *arc(0.5, 0.5, 0.5, 0.5, -90, 90, n), (0, 1)]],
        "E": [[(1, 0), (0, 0), (0, 1), (1, 1)], [(0, w), (0.85, w)]],
        "F": [[(1, 0), (0, 0), (0, 1)], [(0, w + 0.02), (0.85, w + 0.02)]],
        "G": [
            arc(0.5, 0.5, 0.5, 0.5, -s.gape, -330, n)
            + [(1, max(0.72, s.bar_y)), (1, s.bar_y), (0.5 + 0.45 * s.short_bar, s.bar_y)][: 3 if s.bar_g else 2]
        ],
        "H": [[(0, 0), (0, 1)], [(1, 0), (1, 1)], [(0, w + 0.02), (1, w + 0.02)]],
        "I": [[(0.5, 0), (0.5, 1)]] + ([[(0.15, 0), (0.85, 0)], [(0.15, 1), (0.85, 1)]] if s.serif_i else []),
        "J": [[(1, 0), (1, 0.66), *hook]] + ([[(0.45, 0), (1, 0)]] if s.hook_j == 1 else []),
        "K": [[(0, 0), (0, 1)], [(0.95, 0), (0, 0.62)], [(0.34, 0.42), (1, 1)]],
        "L": [[(0, 0), (0, 1), (1, 1)]],
        "M": [[(m_in * 0, 1), (m_in, 0), (0.5, s.m_depth), (1 - m_in, 0), (1, 1)]],
        "N": [[(0, 1), (0, 0), (1, 1), (1, 0)]],
        "O": [arc(0.5, 0.5, 0.5, 0.5, 0, 360, n)],
        "P": [[(0, 1), (0, 0)], bowl(0, w + 0.08)],
        "Q": [arc(0.5, 0.5, 0.5, 0.5, 0, 360, n), TAILS_Q[s.tail_q]],
        "R": [[(0, 1), (0, 0)], bowl(0, w + 0.06), [(0.45, w + 0.06), (1, 1)]],
        "S": [arc(0.5, w / 2, 0.48, w / 2, -25, -270, n)[:], arc(0.5, (1 + w) / 2, 0.5, (1 - w) / 2, -90, 155, n)],
        "T": [[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1)]],
        "U": [[(0, 0), *reversed(arc(0.5, 0.62, 0.5, 0.38, 0, 180, n)), (1, 0)]],
        "V": [[(0, 0), (0.5, 1), (1, 0)]],
        "W": [
            [
                (0, 0),
                (0.2 if not s.straight_mw else w_in + 0.05, 1),
                (0.5, s.w_depth),
                (0.8 if not s.straight_mw else 0.95 - w_in, 1),
                (1, 0),
            ]
        ],
        "X": [[(0, 0), (1, 1)], [(1, 0), (0, 1)]],
        "Y": [[(0, 0), (0.5, 0.52), (1, 0)], [(0.5, 0.52), (0.5, 1)]],
        "Z": [[(0, 0), (1, 0), (0, 1), (1, 1)]],
    }
    out["S"] = [out["S"][0] + out["S"][1]]
    return out


def _digits(s: Style) -> dict[str, list[Path]]:
    n, w = s.square, s.waist
    one = {
        0: [(0.1, 0.25), (0.6, 0), (0.6, 1)],
        1: [(0.15, 0.25), (0.55, 0), (0.55, 1)],
        2: [(0.2, 0.4), (0.65, 0), (0.65, 1)],
    }[s.one]
    zero = [arc(0.5, 0.5, 0.5, 0.5, 0, 360, n)]
    if s.zero_mark == 1:
        zero.append([(0.25, 0.72), (0.75, 0.28)])
    if s.zero_mark == 2:
        zero = [arc(0.5, 0.5, 0.5, 0.5, -50, 290, n)]
    tail6: Path = [(0.8, 0), (0.12, 0.5)] if s.straight_tail else arc(0.55, 0.5, 0.55, 0.5, -50, -180, n)
    six = [tail6 + arc(0.5, 0.67, 0.5, 0.33, 190 if s.straight_tail else 180, 550 if s.straight_tail else 540, n)]
    three = (
        [[(0.02, 0), (0.95, 0), (0.45, 0.4), *arc(0.5, 0.68, 0.5, 0.32, -80, 155, n)]]
        if s.flat_3
        else [arc(0.5, w / 2, 0.46, w / 2, -155, 90, n), arc(0.5, (1 + w) / 2, 0.5, (1 - w) / 2, -90, 155, n)]
    )
    four = (
        [[(0.75, 1), (0.75, 0.4)], [(0.5, 0), (0, 0.74), (1, 0.74)]]
        if s.open_4
        else [[(0.75, 1), (0.75, 0), (0, 0.74), (1, 0.74)]]
    )
    return {
        "0": zero,
        "1": [one] + ([[(0.15, 1), (0.95, 1)]] if s.one == 1 else []),
        "2": [[*arc(0.5, 0.29, 0.48, 0.29, -165, 20, n), (0, 1), (1, 1)]],
        "3": three,
        "4": four,
        "5": [[(0.92, 0), (0.12, 0), (0.05, 0.47), *arc(0.5, 0.67, 0.5, 0.33, -130, 150, n)]],
        "6": six,
        "7": [[(0, 0), (1, 0)] + ([(0.75, 0.4), (0.45, 0.7), (0.38, 1)] if s.curved_7 else [(0.35, 1)])],
        "8": [arc(0.5, w / 2, 0.45, w / 2, 0, 360, n), arc(0.5, (1 + w) / 2, 0.5, (1 - w) / 2, 0, 360, n)],
        "9": [[(1 - x, 1 - y) for x, y in p] for p in six],
    }


NARROW = {"I": 0.45, "1": 0.62, "J": 0.85, "L": 0.88, "E": 0.9, "F": 0.88, "T": 0.95}
WIDE = {"M": 1.2, "W": 1.3, "A": 1.1, "V": 1.06, "X": 1.05, "Q": 1.05, "N": 1.04}


def glyph(style: Style, char: str, height_px: int, fixed_width: bool = False) -> np.ndarray:
    """Mask u8 [height_px, w] of one character."""
    paths = _letters(style)[char] if char.isalpha() else _digits(style)[char]
    scale = 1.0 if fixed_width else NARROW.get(char, 1.0) * WIDE.get(char, 1.0)
    if char == "I" and style.serif_i:
        scale = 0.7
    over = 3
    h = height_px * over
    t = max(2, round(style.stroke * h))
    w = max(t + 2, round(style.width * scale * h))
    image = np.zeros((h, w), np.uint8)
    inset = t / 2
    for path in paths:
        points = np.array([[inset + x * (w - t), inset + y * (h - t)] for x, y in path])
        cv2.polylines(image, [np.round(points * 16).astype(np.int32)], False, 255, t, cv2.LINE_AA, 4)
        for (x, y), (u, v) in ((points[0], points[1]), (points[-1], points[-2])):
            _square_end(image, x, y, u, v, t)
    return cv2.resize(image, (max(2, w // over), height_px), interpolation=cv2.INTER_AREA)


def _square_end(image: np.ndarray, x: float, y: float, u: float, v: float, t: int) -> None:
    """Fills the corner of an end that runs along an axis, as cut plate faces have."""
    if abs(x - u) < 1 or abs(y - v) < 1:
        half = t // 2
        cv2.rectangle(image, (int(x) - half, int(y) - half), (int(x) + half, int(y) + half), 255, -1)
