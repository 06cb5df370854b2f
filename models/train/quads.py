"""From the detector's maps to plates, as the edge does it, and the geometry of boxes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Rules:
    """The manifest's detector keys that decoding needs."""

    long_side_px: int = 768
    long_side_max_px: int = 1152
    scale_min: float = 0.6
    enlarge_max: float = 2.0
    wide_px: int = 280
    wide_shrink: int = 4
    pad_multiple_px: int = 32
    pad_value: int = 114
    stride_px: int = 8
    confidence_min: float = 0.3
    iou_max: float = 0.3
    detections_max: int = 16


@dataclass(frozen=True)
class Found:
    """One plate: corners f32 [4, 2] TL TR BR BL in px of the picture, and its confidence."""

    quad: np.ndarray
    confidence: float

    def box(self) -> np.ndarray:
        """Upright box f32 [4]: left, top, right, bottom."""
        return np.concatenate([self.quad.min(0), self.quad.max(0)])


def scale_of(luma: np.ndarray, rules: Rules) -> float:
    """Input px per picture px: the long side fits, but far plates of a large picture are not shrunk away."""
    long = max(luma.shape)
    return min(max(rules.long_side_px / long, min(rules.scale_min, rules.long_side_max_px / long)), rules.enlarge_max)


def resized(luma: np.ndarray, scale: float) -> np.ndarray:
    """Luma u8 [H, W] at another scale, with a triangle filter that averages when it shrinks."""
    h, w = luma.shape
    nw, nh = max(1, round(w * scale)), max(1, round(h * scale))
    return luma if (nw, nh) == (w, h) else np.asarray(Image.fromarray(luma).resize((nw, nh), Image.Resampling.BILINEAR))


def padded(luma: np.ndarray, rules: Rules) -> np.ndarray:
    """The net's input u8 [1, 1, h, w] of a scaled picture."""
    (h, w), m = luma.shape, rules.pad_multiple_px
    out = np.full((1, 1, -(-h // m) * m, -(-w // m) * m), rules.pad_value, np.uint8)
    out[0, 0, :h, :w] = luma
    return out


def prepare(luma: np.ndarray, rules: Rules) -> tuple[np.ndarray, float, float]:
    """Scales and pads u8 [H, W] to the net's u8 [1, 1, h, w]; gives also picture px per input px in x and y."""
    small = resized(luma, scale_of(luma, rules))
    return padded(small, rules), luma.shape[1] / small.shape[1], luma.shape[0] / small.shape[0]


def decode(heat: np.ndarray, quad: np.ndarray, scale_x: float, scale_y: float, rules: Rules) -> list[Found]:
    """Heat f32 [1, 1, R, C] and corner offsets f32 [1, 8, R, C] to plates, the most confident first."""
    rows, columns = np.nonzero(heat[0, 0] >= rules.confidence_min)
    confidence = heat[0, 0, rows, columns]
    order = np.argsort(-confidence, kind="stable")[:512]
    rows, columns, confidence = rows[order], columns[order], confidence[order]
    corners = quad[0][:, rows, columns].T.reshape(-1, 4, 2).astype(np.float64)
    corners = corners + np.stack([(columns + 0.5) * rules.stride_px, (rows + 0.5) * rules.stride_px], 1)[:, None]
    corners *= (scale_x, scale_y)
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
    kept: list[int] = []
    for k in range(len(boxes)):
        if len(kept) >= rules.detections_max:
            break
        if all(iou(boxes[k], boxes[j]) <= rules.iou_max for j in kept):
            kept.append(k)
    return [Found(corners[k].astype(np.float32), float(confidence[k])) for k in kept]


def find(run: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], luma: np.ndarray, rules: Rules) -> list[Found]:
    """Plates of a picture, the most confident first. `run` gives heat and offsets of a net's input.

    The net knows plates up to a width of `wide_px` of its input. Wider ones are found in a copy that is shrunk once more, by `wide_shrink`;
    what lies within them is part of them, unless it is twice as sure.
    """
    small = resized(luma, scale_of(luma, rules))
    tiny = resized(small, 1 / rules.wide_shrink)
    passes = []
    for picture in (small, tiny):
        sx, sy = luma.shape[1] / picture.shape[1], luma.shape[0] / picture.shape[0]
        passes.append(decode(*run(padded(picture, rules)), sx, sy, rules))
    limit = rules.wide_px * luma.shape[1] / small.shape[1]
    wide = [f for f in passes[1] if f.box()[2] - f.box()[0] > limit]
    rest = [f for f in passes[0] if not any(2 * g.confidence >= f.confidence and _holds(g.box(), f.quad.mean(0)) for g in wide)]
    return sorted(wide + rest, key=lambda f: -f.confidence)[: rules.detections_max]


def _holds(box: np.ndarray, point: np.ndarray) -> bool:
    return bool(np.all(box[:2] <= point) and np.all(point <= box[2:]))


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes [left, top, right, bottom]."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(w * h / (area - w * h))


def match(found: list[np.ndarray], true: list[np.ndarray], least: float) -> list[tuple[int, int]]:
    """Greedy pairs (found, true) by falling IoU, each used once, at least `least`."""
    pairs = sorted(((iou(f, t), i, j) for i, f in enumerate(found) for j, t in enumerate(true)), reverse=True)
    used_f: set[int] = set()
    used_t: set[int] = set()
    out = []
    for value, i, j in pairs:
        if value >= least and value > 0 and i not in used_f and j not in used_t:
            used_f.add(i)
            used_t.add(j)
            out.append((i, j))
    return out
