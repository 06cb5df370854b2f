"""Straightening as the edge does it, in the same 32-bit numbers and the same order: for judging.

`rectify`, which trains, is ten times as fast and a step of brightness off here and there.
"""

import numpy as np

from .rectify import HEIGHT_PX, OVERSAMPLE, WIDTH_PX, enlarge

F = np.float32
CORNER_MAX = 2.0  # farthest that a corner may lie from the straightened picture's upper left, in its sides


def onto(quad: np.ndarray) -> np.ndarray | None:
    """The map f32 [3, 3] of the unit square onto a quad f32 [4, 2].

    Nothing where three corners lie on a line or the picture would fold.
    """
    (tlx, tly), (trx, try_), (brx, bry), (blx, bly) = quad.astype(F)
    dx1, dx2, dy1, dy2 = trx - brx, blx - brx, try_ - bry, bly - bry
    sx, sy = tlx - trx + brx - blx, tly - try_ + bry - bly
    det = dx1 * dy2 - dx2 * dy1
    if not np.isfinite(det) or abs(det) < 1e-6:
        return None
    g, h = (sx * dy2 - dx2 * sy) / det, (dx1 * sy - sx * dy1) / det
    rows = np.array(
        [[trx - tlx + g * trx, blx - tlx + h * blx, tlx], [try_ - tly + g * try_, bly - tly + h * bly, tly], [g, h, 1]],
        F,
    )
    upright = all(d > 1e-3 for d in (F(1), 1 + g, 1 + h, 1 + g + h))
    return rows if upright and np.isfinite(rows).all() else None


def apply(rows: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where places f32 of the unit square lie."""
    x, y, d = (r[0] * u + r[1] * v + r[2] for r in rows)
    return x / d, y / d


def straighten(luma: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """Luma u8 [H, W] and a quad f32 [4, 2] in px (pixel k covers k..k+1) to u8 [48, 160].

    The quad with its margins is sampled bilinearly twice as finely, then averaged.
    """
    rows = onto(enlarge(quad))
    if rows is None:
        return np.full((HEIGHT_PX, WIDTH_PX), 128, np.uint8)
    height, width = luma.shape
    step_u, step_v = F(1) / (F(WIDTH_PX) * F(OVERSAMPLE)), F(1) / (F(HEIGHT_PX) * F(OVERSAMPLE))
    sums = np.zeros((HEIGHT_PX, WIDTH_PX), F)
    for sub in range(OVERSAMPLE):
        v = ((np.arange(HEIGHT_PX, dtype=F) * F(OVERSAMPLE) + F(sub) + F(0.5)) * step_v)[:, None]
        for k in range(OVERSAMPLE):
            u = ((np.arange(WIDTH_PX, dtype=F) * F(OVERSAMPLE) + F(k) + F(0.5)) * step_u)[None]
            x, y = apply(rows, u, v)
            x, y = np.clip(x - F(0.5), F(0), F(width - 1)), np.clip(y - F(0.5), F(0), F(height - 1))
            left, top = np.floor(x).astype(int), np.floor(y).astype(int)
            dx, dy = x - left.astype(F), y - top.astype(F)
            right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
            upper = luma[top, left].astype(F) * (F(1) - dx) + luma[top, right].astype(F) * dx
            lower = luma[below, left].astype(F) * (F(1) - dx) + luma[below, right].astype(F) * dx
            sums += upper * (F(1) - dy) + lower * dy
    return (sums * (F(1) / F(OVERSAMPLE * OVERSAMPLE)) + F(0.5)).astype(np.uint8)


def seen_at(quad: np.ndarray, corners: np.ndarray) -> np.ndarray | None:
    """The quad f32 [4, 2] whose corners were seen at these places f32 [4, 2] of its straightened picture.

    Nothing where that is no quad.
    """
    rows = onto(enlarge(quad))
    if rows is None or not (np.abs(corners) <= CORNER_MAX).all():
        return None
    seen = np.stack(apply(rows, corners[:, 0].astype(F), corners[:, 1].astype(F)), 1)
    return seen if np.isfinite(seen).all() and onto(seen) is not None else None
