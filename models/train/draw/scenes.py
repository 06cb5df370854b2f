"""Pictures for the detector: real scenes with their boxes, and rendered plates pasted in.

Scale, light and blur are random.
"""

import cv2
import numpy as np

from .camera import motion
from .canvas import Scenes
from .pool import PlatePool

LONG_SIDE_MAX_PX = 1280
LIKENESS_MIN = 0.6
ONE_ROW_AGAIN = 0.3  # share of one-row plates drawn a second time, so that more of the pasted ones have two rows


def sample(
    scenes: Scenes, pool: PlatePool, size: tuple[int, int], rng: np.random.Generator, words: PlatePool | None = None
) -> tuple[np.ndarray, list[np.ndarray], list[bool], list[bool]]:
    """One picture u8 [H, W] and its plates' quads f32 [4, 2].

    With them, which have true corners and which are still to be seen.
    """
    k = int(rng.integers(len(scenes.rows)))
    image, boxes = scenes.luma(k), scenes.boxes(k)
    if max(image.shape) > LONG_SIDE_MAX_PX:
        shrink = LONG_SIDE_MAX_PX / max(image.shape)
        scenes.kept[k] = image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        for p in scenes.rows[k]["plates"]:
            for key in ("x", "y", "width", "height"):
                p[key] *= shrink
        boxes = scenes.boxes(k)
    patch, quads, exact = _window(image, boxes, size, rng)
    if rng.random() < 0.5:
        patch = patch[:, ::-1]
        quads = [(np.array([size[0], 0], np.float32) - q * np.array([1, -1], np.float32))[[1, 0, 3, 2]] for q in quads]
    patch = np.ascontiguousarray(patch)
    if rng.random() < 0.65:
        _paste(patch, quads, exact, pool, rng)
    if words is not None and rng.random() < 0.4:
        _letter(patch, quads, words, rng)
    if rng.random() < 0.12:
        _timestamp(patch, rng)
    lit = _light(patch, rng)
    return lit, quads, exact, [_seen(patch, lit, quad) for quad in quads]


def _seen(before: np.ndarray, after: np.ndarray, quad: np.ndarray) -> bool:
    """Whether the picture still shows something of what lay there before the dark and the noise.

    To ask for more teaches to guess.
    """
    h, w = before.shape
    low, high = (
        np.maximum(np.floor(quad.min(0)) - 3, 0).astype(int),
        np.minimum(np.ceil(quad.max(0)) + 4, (w, h)).astype(int),
    )
    a, b = (cv2.blur(x[low[1] : high[1], low[0] : high[0]].astype(np.float32), (3, 3)) for x in (before, after))
    a, b = a - a.mean(), b - b.mean()
    strength = float(np.sqrt((a * a).mean() * (b * b).mean()))
    return strength > 1e-3 and float(b.std()) > 1.0 and abs(float((a * b).mean())) > LIKENESS_MIN * strength


def _window(
    image: np.ndarray, boxes: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray], list[bool]]:
    """A randomly scaled and slanted window of the scene, usually with a plate inside.

    Gives the window, its quads and whether their corners are true.
    """
    w, h = size
    ih, iw = image.shape
    if len(boxes) and rng.random() < 0.68:
        b = boxes[int(rng.integers(len(boxes)))]
        width = float(np.exp(rng.triangular(np.log(11), np.log(40), np.log(0.95 * w))))
        scale = float(np.clip(width / max(4.0, b[2] - b[0]), 0.12, 3.0))
        centre = np.array([(b[0] + b[2]) / 2, (b[1] + b[3]) / 2])
        target = np.array([w * rng.uniform(0.12, 0.88), h * rng.uniform(0.12, 0.88)])
    else:
        scale = float(np.exp(rng.uniform(np.log(0.3), np.log(1.3))))
        centre = np.array([rng.uniform(0.2, 0.8) * iw, rng.uniform(0.2, 0.8) * ih])
        target = np.array([w / 2, h / 2])
    if scale < 0.75:
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        base = small.shape[1] / iw
    else:
        small, base = image, 1.0
    a = scale * _slant(rng)
    shift = target - a @ centre
    matrix = np.concatenate([a / base, shift[:, None]], 1)
    patch = cv2.warpAffine(
        small,
        matrix,
        (w, h),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE if rng.random() < 0.6 else cv2.BORDER_CONSTANT,
        borderValue=114,
    )
    slanted = abs(np.arctan2(a[1, 0], a[0, 0])) > 0.07
    quads, exact = [], []
    for b in boxes:
        corners = np.array([[b[0], b[1]], [b[2], b[1]], [b[2], b[3]], [b[0], b[3]]]) @ a.T + shift
        straight = slanted or (b[2] - b[0]) > 3.2 * (b[3] - b[1])
        if not straight:  # an upright box of a plate that may lie askew: only its sides are known
            low, high = corners.min(0), corners.max(0)
            corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
        low, high = corners.min(0), corners.max(0)
        inside = np.prod(np.clip(high, 0, (w, h)) - np.clip(low, 0, (w, h)))
        if inside > 0.6 * np.prod(high - low):
            quads.append(corners.astype(np.float32))
            exact.append(bool(straight))
    return patch, quads, exact


def _slant(rng: np.random.Generator) -> np.ndarray:
    """A linear map f64 [2, 2] near the identity: mostly slight, often with the strong slant of an oblique camera.

    A box that is slanted with its scene has, to a good approximation, known corners: it teaches corners on real plates.
    """
    kind = rng.random()
    stretch = np.exp(rng.normal(0, 0.08))
    roll, down, aside = rng.normal(0, 0.03), rng.normal(0, 0.03), rng.normal(0, 0.04)
    if kind < 0.35:
        roll, down, aside = rng.normal(0, 0.08), rng.uniform(-0.45, 0.45), rng.normal(0, 0.1)
    elif kind < 0.5:
        roll, aside = rng.uniform(-0.4, 0.4), rng.normal(0, 0.2)
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    return turn @ np.array([[1.0, aside], [down, 1.0]]) @ np.diag([stretch, 1 / stretch])


def _paste(
    patch: np.ndarray, quads: list[np.ndarray], exact: list[bool], pool: PlatePool, rng: np.random.Generator
) -> None:
    """Pastes rendered plates, over real ones or elsewhere, matched to the light of the place. Changes its arguments."""
    h, w = patch.shape
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        canvas, source, text, _, rows = pool[int(rng.integers(len(pool)))]
        if rows == 1 and rng.random() < ONE_ROW_AGAIN:
            canvas, source, text, _, rows = pool[int(rng.integers(len(pool)))]
        if not text:
            continue
        aspect = float((source[1, 0] - source[0, 0]) / (source[3, 1] - source[0, 1]))
        over = [
            k
            for k in range(len(quads))
            if abs(quads[k][1, 1] - quads[k][0, 1]) < 3 and quads[k][1, 0] - quads[k][0, 0] > 14
        ]
        k = over[int(rng.integers(len(over)))] if over and rng.random() < 0.55 else None
        if k is not None:
            centre, old = quads[k].mean(0), quads[k].max(0) - quads[k].min(0)
            width = max(old[0] * 1.08, old[1] * 1.1 * aspect)
            if width > 3.0 * old[0]:
                continue
        else:
            width = float(np.exp(rng.triangular(np.log(11), np.log(38), np.log(0.85 * w))))
            width *= 1.0 if aspect > 2.6 else 0.6
            centre = np.array([rng.uniform(0.1, 0.9) * w, rng.uniform(0.1, 0.9) * h])
        quad = _perspective(width, width / aspect, rng, k is not None) + centre
        low, high = quad.min(0), quad.max(0)
        if np.any(low < 1) or np.any(high > (w - 1, h - 1)):
            continue
        others = [q for j, q in enumerate(quads) if j != k]
        if any(np.all(low < q.max(0) + 4) and np.all(high > q.min(0) - 4) for q in others):
            continue
        _draw_in(patch, canvas, source, quad, rng, k is not None)
        if k is not None:
            quads.pop(k)
            exact.pop(k)
        quads.append(quad.astype(np.float32))
        exact.append(True)


def _letter(patch: np.ndarray, quads: list[np.ndarray], words: PlatePool, rng: np.random.Generator) -> None:
    """Pastes words that are no plate where no plate is. Changes the patch alone: there is nothing to find."""
    h, w = patch.shape
    for _ in range(int(rng.integers(1, 4))):
        canvas, source, *_ = words[int(rng.integers(len(words)))]
        aspect = float((source[1, 0] - source[0, 0]) / (source[3, 1] - source[0, 1]))
        width = float(np.exp(rng.triangular(np.log(14), np.log(50), np.log(0.6 * w))))
        quad = _perspective(width, width / max(0.5, aspect), rng, False)
        quad += np.array([rng.uniform(0.05, 0.95) * w, rng.uniform(0.05, 0.95) * h])
        low, high = quad.min(0), quad.max(0)
        if (
            np.any(low < 1)
            or np.any(high > (w - 1, h - 1))
            or any(np.all(low < q.max(0) + 4) and np.all(high > q.min(0) - 4) for q in quads)
        ):
            continue
        _draw_in(patch, canvas, source, quad, rng, False)


def _perspective(width: float, height: float, rng: np.random.Generator, upright: bool) -> np.ndarray:
    """Corners f64 [4, 2] round the origin of a plate seen askew; less so where it must cover a real one."""
    q = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * (width, height)
    hard = 0.4 if upright else 1.0
    if not upright:
        q[:, 0] *= rng.uniform(0.65, 1.0) if rng.random() < 0.4 else 1.0
    roll = rng.normal(0, 0.12) * hard if rng.random() < 0.8 else rng.uniform(-0.5, 0.5) * hard
    shear = (rng.normal(0, 0.18) if rng.random() < 0.6 else rng.uniform(-0.45, 0.45)) * hard
    q[:, 1] += shear * q[:, 0] * rng.choice([0.0, 1.0])
    q[:, 0] += shear * q[:, 1]
    q = q @ np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    return q * (1 + rng.normal(0, 0.02, (4, 2)))


def _draw_in(
    patch: np.ndarray,
    canvas: np.ndarray,
    source: np.ndarray,
    quad: np.ndarray,
    rng: np.random.Generator,
    replaces: bool,
) -> None:
    """Warps the plate's face into the patch with the place's light, a soft edge and sometimes a rim."""
    h, w = patch.shape
    low, high = np.maximum(quad.min(0) - 3, 0).astype(int), np.minimum(np.ceil(quad.max(0) + 3), (w, h)).astype(int)
    place = patch[low[1] : high[1], low[0] : high[0]]
    dark, bright = np.percentile(place, (8, 92)) if replaces else np.percentile(patch, (5, rng.uniform(70, 99)))
    if bright - dark < 40:
        bright = min(255.0, dark + rng.uniform(40, 120))
    face = canvas.astype(np.float32)
    inner = face[int(source[0, 1]) : int(source[2, 1]), int(source[0, 0]) : int(source[2, 0])]
    lo, hi = np.percentile(inner, (3, 95))
    face = (face - lo) / max(20.0, hi - lo) * (bright - dark) * rng.uniform(0.7, 1.1) + dark + rng.normal(0, 8)
    shrink = float(np.linalg.norm(source[1] - source[0]) / max(4.0, np.linalg.norm(quad[1] - quad[0])))
    points = source
    if shrink > 1.3:
        small = cv2.resize(face, None, fx=1.15 / shrink, fy=1.15 / shrink, interpolation=cv2.INTER_AREA)
        points = source * np.array([small.shape[1] / face.shape[1], small.shape[0] / face.shape[0]], np.float32)
        face = small
    local = (quad - low).astype(np.float32)
    matrix = cv2.getPerspectiveTransform((points - 0.5).astype(np.float32), local - 0.5)
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    warped = cv2.warpPerspective(face, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros((size[1], size[0]), np.float32)
    cv2.fillConvexPoly(mask, np.round(local * 16).astype(np.int32), 1.0, cv2.LINE_AA, 4)
    place_f = place.astype(np.float32)
    if rng.random() < 0.4:  # a dark rim or the plate's recess
        rim = cv2.GaussianBlur(cv2.dilate(mask, np.ones((3, 3))), (0, 0), rng.uniform(0.6, 1.2))
        place_f = place_f * (1 - rim * rng.uniform(0.3, 0.9))
    blur = abs(rng.normal(0, 0.6))
    if blur > 0.25:
        warped = cv2.GaussianBlur(warped, (0, 0), blur)
        mask = cv2.GaussianBlur(mask, (0, 0), min(blur, 0.8))
    place[:] = np.clip(place_f * (1 - mask) + warped * mask, 0, 255).astype(np.uint8)


def _timestamp(patch: np.ndarray, rng: np.random.Generator) -> None:
    """An on-screen clock or camera name, which is no plate."""
    h, w = patch.shape
    date = f"{rng.integers(2015, 2031)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
    text = f"{date} {rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}:{rng.integers(0, 60):02d}"
    if rng.random() < 0.3:
        text = f"CAM {rng.integers(1, 40)}"
    place = (int(rng.uniform(0, w * 0.6)), int(rng.choice([rng.uniform(8, h * 0.15), rng.uniform(h * 0.85, h - 3)])))
    cv2.putText(
        patch,
        text,
        place,
        int(rng.integers(0, 4)),
        rng.uniform(0.3, 0.9),
        int(rng.choice([255, 0, 230])),
        int(rng.integers(1, 3)),
        cv2.LINE_AA,
    )


def _light(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light, motion, noise and compression of the whole picture."""
    out = image.astype(np.float32)
    if rng.random() < 0.4:
        out = 255.0 * (out / 255.0) ** np.exp(rng.normal(0, 0.35))
    if rng.random() < 0.5:
        out = (out - 128) * rng.uniform(0.6, 1.25) + 128 + rng.normal(0, 15)
    if rng.random() < 0.15:
        out = motion(np.clip(out, 0, 255), rng.uniform(2, 9), rng.normal(0, 0.2))
    if rng.random() < 0.2:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.3, 1.6))
    if rng.random() < 0.2:
        out = out * np.exp(rng.uniform(np.log(0.08), np.log(0.6))) + rng.standard_normal(
            out.shape, np.float32
        ) * rng.uniform(0.5, 7.0)
    elif rng.random() < 0.3:
        out = out + rng.standard_normal(out.shape, np.float32) * rng.uniform(1, 8)
    if rng.random() < 0.05:
        out = 255 - out
    result = np.clip(out + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        result = cv2.imdecode(
            cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(9, 90))])[1], cv2.IMREAD_GRAYSCALE
        )
    return result
