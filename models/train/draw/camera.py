"""What a camera makes of a canvas: perspective, few pixels, blur, darkness, noise, compression.

The detector's imperfect quad comes with it. All of it works on luma u8. Every choice comes from the generator passed
in.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ..read.rectify import rectify, within


@dataclass(frozen=True)
class Strength:
    """How hard the camera treats a plate: 0 hardly, 1 as in the hardest training. `level` scales all chances."""

    level: float = 1.0
    width_min_px: float = 22.0
    width_max_px: float = 260.0


def view(canvas: np.ndarray, quad: np.ndarray, rng: np.random.Generator, strength: Strength = Strength()) -> np.ndarray:
    """The recogniser's input u8 [48, 160] of a canvas seen by a random camera."""
    return judged_view(canvas, quad, 1, rng, strength)[0]


LEGIBLE = 0.6  # of `strokes_left`: somewhat below it people read one plate of three
BORDER_PX = 60  # of the street above and below a plate; twice as much at its sides
CHARACTER_COLUMNS = 3  # a character's, of 24; a row with strokes in fewer holds none to judge


def street_view(
    canvas: np.ndarray, quad: np.ndarray, rows: int, rng: np.random.Generator, strength: Strength, street: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """A picture u8 [H, W] where a plate is to be found and read, its true quad f32 [4, 2], and its strokes' share left.

    Round the canvas lies `street`, a piece of a scene u8 of any size. The share is that of `strokes_left`, 0..1.
    """
    picture, native_quad = _taken(canvas, quad, rng, strength, street)
    return picture, native_quad, strokes_left(rectify(canvas, quad), rectify(picture, native_quad), rows)


def judged_view(
    canvas: np.ndarray, quad: np.ndarray, rows: int, rng: np.random.Generator, strength: Strength = Strength()
) -> tuple[np.ndarray, float, np.ndarray]:
    """The recogniser's input u8 [48, 160], what share of the plate's strokes is left, and its true corners f32 [4, 2].

    The share is that of `strokes_left`, 0..1; the corners lie as `rectify.within` has them.
    """
    native, native_quad = _taken(canvas, quad, rng, strength)
    found = found_quad(native_quad, rng)
    back = cv2.getPerspectiveTransform(native_quad, quad.astype(np.float32))
    seen = rectify(native, found)
    return (
        seen,
        strokes_left(rectify(canvas, cv2.perspectiveTransform(found[None], back)[0]), seen, rows),
        within(found, native_quad),
    )


def _taken(
    canvas: np.ndarray, quad: np.ndarray, rng: np.random.Generator, strength: Strength, street: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The camera's spoilt picture of the plate, with a `street` round it or none, and the plate's true quad in it."""
    whole, native_quad = shoot(canvas, quad, rng, strength, street)
    return spoil(whole, rng, strength.level, float(np.linalg.norm(native_quad[1] - native_quad[0]))), native_quad


def strokes_left(reference: np.ndarray, seen: np.ndarray, rows: int) -> float:
    """How alike the strokes of two pictures u8 [48, 160] of one plate of `rows` rows are: 0 nothing is left, 1 all.

    The first picture is the sharp one. The measure is the correlation of what is finer than a character, where it is
    worst over about a character's width: a plate of which glare hides one character is not legible.
    """
    a, b = (x.astype(np.float32) - cv2.GaussianBlur(x.astype(np.float32), (0, 0), 6.0) for x in (reference, seen))
    height, middles = (25, [12, 36]) if rows == 2 else (49, [24])
    ab, aa, bb = (
        cv2.boxFilter(x, -1, (25, height), normalize=True, borderType=cv2.BORDER_REFLECT)[middles, 8:152:6]
        for x in (a * b, a * a, b * b)
    )
    inked = aa > 0.25 * np.median(aa)
    likeness = [
        np.abs(ab[r][k]) / np.sqrt(aa[r][k] * bb[r][k] + 1.0)
        for r, k in enumerate(inked)
        if k.sum() >= CHARACTER_COLUMNS
    ]
    width = np.full(CHARACTER_COLUMNS, 1 / CHARACTER_COLUMNS)
    return min((float(np.convolve(x, width, "valid").min()) for x in likeness), default=0.0)


def shoot(
    canvas: np.ndarray, quad: np.ndarray, rng: np.random.Generator, strength: Strength, street: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A camera's picture u8 of the plate at its native size, and the plate's true quad f32 [4, 2] in it.

    With a `street`, that lies round the canvas.
    """
    w0, h0 = max(8.0, float(np.linalg.norm(quad[1] - quad[0]))), max(4.0, float(np.linalg.norm(quad[3] - quad[0])))
    wide = w0 / h0 > 2.6
    low, high = (
        np.log(strength.width_min_px * (1.0 if wide else 0.75)),
        np.log(strength.width_max_px * (1.0 if wide else 0.6)),
    )
    width = float(np.exp(rng.triangular(low, low + (high - low) * 0.42, high)))
    height = width * h0 / w0 * rng.uniform(0.88, 1.2)
    if rng.random() < 0.25:
        width *= rng.uniform(0.72, 1.0)  # yaw narrows
    q = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]], np.float32) * (width, height)
    roll = rng.normal(0, 0.07) if rng.random() < 0.7 else rng.uniform(-0.4, 0.4)
    shear = rng.normal(0, 0.1) if rng.random() < 0.7 else rng.uniform(-0.45, 0.45)
    q = q @ np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]], np.float32)
    q[:, 0] += shear * q[:, 1] * rng.choice([1.0, 0.3])
    q *= 1 + rng.normal(0, 0.025, (4, 2)).astype(np.float32)
    margin = 0.3 * height + 6 + (0 if street is None else BORDER_PX * np.array([2, 1]))
    q -= q.min(0) - margin
    size = np.ceil(q.max(0) + margin).astype(int)
    shrink = max(1.0, w0 / max(width, 1.0) / 1.25)
    if shrink > 1.05:
        small = cv2.resize(canvas, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
        source = quad * np.array([small.shape[1] / canvas.shape[1], small.shape[0] / canvas.shape[0]], np.float32)
    else:
        small, source = canvas, quad
    matrix = cv2.getPerspectiveTransform((source - 0.5).astype(np.float32), (q - 0.5).astype(np.float32))
    mode = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC
    sides = (int(size[0]), int(size[1]))
    picture = cv2.warpPerspective(small, matrix, sides, flags=mode, borderMode=cv2.BORDER_REPLICATE)
    if street is not None:  # the canvas's own edge must not look like a plate's: it fades into the street
        lies = cv2.warpPerspective(np.ones(small.shape, np.float32), matrix, sides)
        share = np.minimum(1.0, 2.0 * cv2.GaussianBlur(lies, (0, 0), 0.2 * height + 2))
        picture = (picture * share + cv2.resize(street, sides, interpolation=cv2.INTER_AREA) * (1 - share)).astype(
            np.uint8
        )
    return picture, q.astype(np.float32)


def spoil(image: np.ndarray, rng: np.random.Generator, level: float, width_px: float) -> np.ndarray:
    """Light, blur, noise and compression. `width_px` is the plate's width in this picture."""
    out = image.astype(np.float32)
    h, w = image.shape
    if rng.random() < 0.06 * level:
        out = 255.0 - out
    if rng.random() < 0.3:
        out = 255.0 * (out / 255.0) ** np.exp(rng.normal(0, 0.35))
    mean = out.mean()
    out = (out - mean) * rng.uniform(0.35, 1.15) + mean + rng.normal(0, 22)
    if rng.random() < 0.25:  # a shadow's edge or a ramp
        a = rng.uniform(0, 6.28)
        ramp = np.cos(a) * np.linspace(-1, 1, w)[None] + np.sin(a) * np.linspace(-1, 1, h)[:, None]
        edge = 1 / (1 + np.exp(-(ramp - rng.uniform(-0.7, 0.7)) * rng.choice([2.0, 6.0, 30.0])))
        out *= 1 - edge * rng.uniform(0.1, 0.65)
    if rng.random() < 0.1:  # glare or the bloom of a lamp
        cx, cy, r = rng.uniform(0, w), rng.uniform(0, h), width_px * rng.uniform(0.1, 0.5)
        yy, xx = np.ogrid[:h, :w]
        out += np.exp(-((xx - cx) ** 2 + (yy - cy) ** 2) / (2 * r * r)) * rng.uniform(40, 200)
    if rng.random() < 0.12:  # overexposed infrared
        out = out * rng.uniform(1.2, 1.9)
    out = np.clip(out, 0, 255)
    if rng.random() < 0.3 * level + 0.08:
        out = motion(
            out,
            min(19.0, width_px * rng.uniform(0.015, 0.115)),
            rng.normal(0, 0.15) if rng.random() < 0.86 else rng.uniform(0, np.pi),
        )
    if rng.random() < 0.45:
        sigma = abs(rng.normal(0, 0.6)) + (rng.uniform(0, width_px * 0.014) if rng.random() < 0.4 * level else 0)
        if sigma > 0.15:
            out = cv2.GaussianBlur(out, (0, 0), sigma)
    if rng.random() < 0.1:
        out = out + (out - cv2.GaussianBlur(out, (0, 0), 1.2)) * rng.uniform(0.4, 1.8)
    if rng.random() < 0.24 * level + 0.03:  # the dark, with the sensor's noise
        gain = np.exp(rng.uniform(np.log(0.07), np.log(0.6)))
        out = out * gain + rng.normal(0, rng.uniform(1.0, 9.0), (h, w))
        if rng.random() < 0.3:
            out = out * rng.uniform(1.0, 0.8 / gain)
    elif rng.random() < 0.5:
        out = out + rng.normal(0, abs(rng.normal(0, 6.0)), (h, w))
    out = np.clip(out + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.06 * level:  # rain
        for _ in range(int(rng.integers(4, 30))):
            x, y, length = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.1, 0.6) * h
            cv2.line(
                out,
                (int(x), int(y)),
                (int(x + length * rng.normal(0.1, 0.1)), int(y + length)),
                int(rng.integers(120, 256)),
                1,
                cv2.LINE_AA,
            )
    if rng.random() < 0.5:
        quality = int(rng.uniform(8, 30)) if rng.random() < 0.35 * level else int(rng.uniform(30, 95))
        out = cv2.imdecode(cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)
        if rng.random() < 0.3:  # a video's deblocking
            out = cv2.bilateralFilter(out, 3, 18, 2)
    return out


def motion(image: np.ndarray, length_px: float, angle: float) -> np.ndarray:
    """Straight motion blur; `angle` in radians, 0 is sideways."""
    k = int(np.ceil(length_px)) | 1
    if k < 3:
        return image
    kernel = np.zeros((k, k), np.float32)
    c = (k - 1) / 2
    dx, dy = np.cos(angle) * length_px / 2, np.sin(angle) * length_px / 2
    steps = 4 * k
    for t in np.linspace(-1, 1, steps):
        x, y = c + t * dx, c + t * dy
        kernel[int(np.clip(round(y), 0, k - 1)), int(np.clip(round(x), 0, k - 1))] += 1
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def found_quad(quad: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The true quad as a detector or a person's box would give it: jittered, or an upright box, tight or loose."""
    height = float(np.linalg.norm(quad[3] - quad[0]))
    width = float(np.linalg.norm(quad[1] - quad[0]))
    # Slanted plates of two rows are mostly found too upright.
    if rng.random() < (0.2 if width > 2.6 * height else 0.45):
        low, high = quad.min(0), quad.max(0)
        upright = np.array([low, [high[0], low[1]], high, [low[0], high[1]]], np.float32)
        quad = quad + (upright - quad) * (1.0 if rng.random() < 0.5 else rng.uniform(0.3, 1.0))
    if rng.random() < 0.12:
        quad = quad + rng.normal(0, 1, (4, 2)) * (0.045 * width, 0.13 * height)
    else:
        quad = quad + rng.normal(0, 1, (4, 2)) * (0.015 * width, 0.05 * height)
    grow = rng.normal(0.0, 0.03, 2) * (1.0, 1.6)
    centre = quad.mean(0)
    return ((quad - centre) * (1 + grow) + centre + rng.normal(0, 0.02, 2) * (width, height)).astype(np.float32)
