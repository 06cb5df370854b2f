"""From the detector's maps to plates, as the edge does it, and the geometry of boxes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

Net = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # an input of the detector to its heat and corner offsets
SAME_IOU = 0.4  # finds of two searches whose upright boxes overlap more are of the same plate


@dataclass(frozen=True)
class Rules:
    """The manifest's detector keys that decoding needs."""

    long_side_px: int = 768
    long_side_max_px: int = 1152
    scale_min: float = 0.6
    enlarge_max: float = 2.0
    wide_px: int = 280
    wide_shrink: int = 4
    still_scales: tuple[float, ...] = (0.8, 1.25, 1.5625)
    again_scale: float = 0.35
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
    """Luma u8 [H, W] at another scale, with a triangle filter that averages when it shrinks.

    The same bytes as the edge's library gives: first down, then across, weights of 15 bits. Pillow goes across first,
    and a quarter of its pixels are a step off, which is enough for another reading now and then.
    """
    h, w = luma.shape
    down = _along_rows(luma, max(1, round(h * scale)))
    return np.ascontiguousarray(_along_rows(down.T, max(1, round(w * scale))).T)


def _along_rows(luma: np.ndarray, rows: int) -> np.ndarray:
    """Luma u8 [H, W] resampled to u8 [rows, W]."""
    height = len(luma)
    if rows == height:
        return luma
    starts, weights = _weights(height, rows)
    peak, bits = weights.max(), 0
    while bits < 21 and math.floor(peak * (1 << (bits + 1)) + 0.5) < 1 << 15:
        bits += 1
    whole = np.floor(weights * (1 << bits) + 0.5).astype(np.int32)
    total = np.full((rows, luma.shape[1]), 1 << (bits - 1), np.int32)
    for k in range(weights.shape[1]):
        total += whole[:, k, None] * luma[np.minimum(starts + k, height - 1)].astype(np.int32)
    return np.clip(total >> bits, 0, 255).astype(np.uint8)


@lru_cache(maxsize=64)
def _weights(height: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """For each new row the first old one it is made of, and the triangle's weights f64 [rows, taps].

    A row's weights add up to 1.
    """
    step = height / rows
    radius = max(step, 1.0)
    starts, taps = np.zeros(rows, np.int64), []
    for row in range(rows):
        centre = (row + 0.5) * step
        first, last = max(math.floor(centre - radius), 0), min(math.ceil(centre + radius), height)
        tap = np.maximum(0, 1 - np.abs((np.arange(first, last) - (centre - 0.5)) * (1 / radius)))
        used = np.flatnonzero(tap)
        starts[row] = first + used[0]
        taps.append(tap[used[0] : used[-1] + 1] / tap.sum())
    weights = np.zeros((rows, max(map(len, taps))))
    for row, tap in enumerate(taps):
        weights[row, : len(tap)] = tap
    return starts, weights


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


def decode(
    heat: np.ndarray, quad: np.ndarray, scale_x: float, scale_y: float, rules: Rules, least: float | None = None
) -> list[Found]:
    """Heat f32 [1, 1, R, C] and corner offsets f32 [1, 8, R, C] to plates, the most confident first.

    `scale_x` and `scale_y` are picture px per input px. Cells count from `least` on, or from the rules' confidence.
    """
    rows, columns = np.nonzero(heat[0, 0] >= (rules.confidence_min if least is None else least))
    confidence = heat[0, 0, rows, columns]
    order = np.argsort(-confidence, kind="stable")[:512]
    rows, columns, confidence = rows[order], columns[order], confidence[order]
    # In 32-bit numbers, as the edge does it: what is cut by these corners must be the same.
    centres = (np.stack([columns, rows], 1).astype(np.float32) + np.float32(0.5)) * np.float32(rules.stride_px)
    corners = (centres[:, None] + quad[0][:, rows, columns].T.reshape(-1, 4, 2)) * np.array(
        [scale_x, scale_y], np.float32
    )
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
    kept: list[int] = []
    for k in range(len(boxes)):
        if len(kept) >= rules.detections_max:
            break
        if all(iou(boxes[k], boxes[j]) <= rules.iou_max for j in kept):
            kept.append(k)
    return [Found(corners[k], float(confidence[k])) for k in kept]


def found_in(picture: np.ndarray, run: Net, luma: np.ndarray, rules: Rules, least: float) -> list[Found]:
    """Plates of confidence `least` or more that `run` sees in a `picture` made of `luma`, in px of `luma`."""
    return decode(
        *run(padded(picture, rules)), luma.shape[1] / picture.shape[1], luma.shape[0] / picture.shape[0], rules, least
    )


def find(run: Net, luma: np.ndarray, rules: Rules, still: bool = False) -> list[Found]:
    """Plates of a picture, luma u8 [H, W], the most confident first. `run` gives heat and offsets of a net's input.

    The net knows plates up to a width of `wide_px` of its input. Wider ones are found in a copy that is shrunk once
    more, by `wide_shrink`; what lies within them is part of them, unless it is twice as sure. A `still` picture is
    searched at `still_scales` of its scale too, mirrored, and what these searches say together counts.
    """

    seen = partial(found_in, run=run, luma=luma, rules=rules)
    scale = scale_of(luma, rules)
    small = resized(luma, scale)
    scales = rules.still_scales if still else ()
    least = rules.confidence_min / (len(scales) + 1)
    searches = [seen(small, least=least)]
    for times in scales:
        mirrored = np.ascontiguousarray(resized(luma, scale * times)[:, ::-1])
        searches.append([mirror(f, luma.shape[1]) for f in seen(mirrored, least=least)])
    every = agreed(searches, rules) if scales else searches[0]
    limit = rules.wide_px * luma.shape[1] / small.shape[1]
    wide = [
        f
        for f in seen(resized(small, 1 / rules.wide_shrink), least=rules.confidence_min)
        if f.box()[2] - f.box()[0] > limit
    ]
    rest = [
        f for f in every if not any(2 * g.confidence >= f.confidence and _holds(g.box(), f.quad.mean(0)) for g in wide)
    ]
    return sorted(wide + rest, key=lambda f: -f.confidence)[: rules.detections_max]


def find_again(run: Net, luma: np.ndarray, rules: Rules) -> list[Found]:
    """Plates of a picture at `again_scale` of its scale, the most confident first.

    Noise and blur average away there.
    """
    return found_in(resized(luma, scale_of(luma, rules) * rules.again_scale), run, luma, rules, rules.confidence_min)


def mirror(found: Found, width: int) -> Found:
    """A find of the mirrored picture, `width` px wide, as it lies in the picture."""
    return Found(
        (np.array([width, 0], np.float32) + found.quad * np.array([-1, 1], np.float32))[[1, 0, 3, 2]], found.confidence
    )


def agreed(searches: list[list[Found]], rules: Rules) -> list[Found]:
    """What searches of one picture say together, the most confident first.

    A plate is as sure as the searches are on average, one that did not find it being not sure at all. It lies at their
    mean corners, weighed by how sure they are.
    """
    plates: list[tuple[np.ndarray, dict[int, Found]]] = []
    for search, found in sorted(
        ((k, f) for k, finds in enumerate(searches) for f in finds), key=lambda x: -x[1].confidence
    ):
        overlaps = [iou(box, found.box()) for box, _ in plates]
        same = [k for k, overlap in enumerate(overlaps) if overlap > SAME_IOU and search not in plates[k][1]]
        if same:
            plates[max(same, key=lambda k: overlaps[k])][1][search] = found
        elif all(overlap <= rules.iou_max for overlap in overlaps):
            plates.append((found.box(), {search: found}))
    together = []
    for _, by in plates:
        sure = sum((np.float32(f.confidence) for f in by.values()), np.float32(0))
        corners = sum((f.quad * (np.float32(f.confidence) / sure) for f in by.values()), np.zeros((4, 2), np.float32))
        together.append(Found(corners, float(sure / np.float32(len(searches)))))
    return sorted((f for f in together if f.confidence >= rules.confidence_min), key=lambda f: -f.confidence)[
        : rules.detections_max
    ]


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
