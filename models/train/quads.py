"""From the detector's maps to plates, as the edge does it, and the geometry of boxes."""

from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Rules:
    """The manifest's detector keys that decoding needs."""

    long_side_px: int = 768
    enlarge_max: float = 1.0
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


def prepare(luma: np.ndarray, rules: Rules) -> tuple[np.ndarray, float, float]:
    """Scales and pads u8 [H, W] to the net's u8 [1, 1, h, w]; gives also picture px per input px in x and y."""
    h, w = luma.shape
    scale = min(rules.long_side_px / max(h, w), rules.enlarge_max)
    nw, nh = max(1, round(w * scale)), max(1, round(h * scale))
    small = luma if (nw, nh) == (w, h) else np.asarray(Image.fromarray(luma).resize((nw, nh), Image.Resampling.BILINEAR))
    m = rules.pad_multiple_px
    out = np.full((1, 1, -(-nh // m) * m, -(-nw // m) * m), rules.pad_value, np.uint8)
    out[0, 0, :nh, :nw] = small
    return out, w / nw, h / nh


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
