"""A plate on its surroundings: the flat picture that the pool keeps and the camera later distorts.

A canvas is luma u8 [CANVAS_HEIGHT_PX, CANVAS_WIDTH_PX]; its quad is f32 [4, 2], corners TL TR BR BL in canvas px.
"""

import json
from pathlib import Path

import cv2
import numpy as np

from .fonts import Face
from .paint import small_text
from .plate import Plate

CANVAS_HEIGHT_PX, CANVAS_WIDTH_PX = 96, 256


class Scenes:
    """The scenes of an index marked `use`, as luma, decoded once and kept."""

    def __init__(self, index: Path, limit: int | None = None, keep: bool = True, use: str = "train") -> None:
        self.root = index.parent
        self.rows = [
            r for r in map(json.loads, index.read_text().splitlines()) if r["use"] == use and r["kind"] == "scene"
        ][:limit]
        if not self.rows:
            raise SystemExit(f"no scene in {index} is marked `{use}`")
        self.kept: dict[int, np.ndarray] = {}
        self.keep = keep

    def luma(self, k: int) -> np.ndarray:
        """Luma u8 [H, W] of scene `k`."""
        if k in self.kept:
            return self.kept[k]
        image = cv2.imread(str(self.root / self.rows[k]["path"]), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise SystemExit(f"cannot read picture {self.rows[k]['path']}")
        if self.keep:
            self.kept[k] = image
        return image

    def boxes(self, k: int) -> np.ndarray:
        """Plate boxes f32 [N, 4] of scene `k`: left, top, right, bottom in px."""
        return np.array(
            [
                [p["x"], p["y"], p["x"] + p["width"], p["y"] + p["height"]]
                for p in self.rows[k]["plates"]
                if p.get("width")
            ],
            np.float32,
        ).reshape(-1, 4)

    def patch(self, rng: np.random.Generator, aspect: float) -> np.ndarray:
        """A patch without a labelled plate, of about the canvas's size, luma u8."""
        for _ in range(8):
            k = int(rng.integers(len(self.rows)))
            image = self.luma(k)
            h, w = image.shape
            pw = int(rng.uniform(0.08, 0.4) * w)
            ph = min(h - 1, max(8, int(pw / aspect)))
            x, y = int(rng.integers(0, max(1, w - pw))), int(rng.integers(0, max(1, h - ph)))
            b = self.boxes(k)
            if not len(b) or not np.any((b[:, 0] < x + pw) & (b[:, 2] > x) & (b[:, 1] < y + ph) & (b[:, 3] > y)):
                break
        return cv2.resize(
            image[y : y + ph, x : x + pw], (CANVAS_WIDTH_PX, CANVAS_HEIGHT_PX), interpolation=cv2.INTER_LINEAR
        )


def compose(
    plate: Plate, scenes: Scenes | None, faces: list[Face], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Canvas and quad of a plate in a holder on a car's body or a piece of a real scene."""
    canvas = _ground(scenes, rng)
    luma = cv2.cvtColor(plate.face, cv2.COLOR_RGB2GRAY)
    h, w = luma.shape
    room = rng.uniform(0.8, 0.9)
    scale = min(CANVAS_WIDTH_PX * room / w, CANVAS_HEIGHT_PX * room / h)
    nw, nh = round(w * scale), round(h * scale)
    x, y = (CANVAS_WIDTH_PX - nw) // 2, (CANVAS_HEIGHT_PX - nh) // 2
    if rng.random() < 0.5:
        _holder(canvas, x, y, nw, nh, faces, rng)
    canvas[y : y + nh, x : x + nw] = cv2.resize(luma, (nw, nh), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:  # the shadow of the bumper's edge, or the rounded corners of the plate
        depth = max(1, int(nh * rng.uniform(0.02, 0.15)))
        area = canvas[y : y + depth, x : x + nw]
        area[:] = (area * rng.uniform(0.35, 0.9)).astype(np.uint8)
    quad = np.array([[x, y], [x + nw, y], [x + nw, y + nh], [x, y + nh]], np.float32)
    return canvas, quad


def lettering(scenes: Scenes | None, faces: list[Face], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Canvas and quad of words that are no plate, on whatever lies there: a maker's name, a shop's sign, a badge."""
    canvas = _ground(scenes, rng)
    vowels, others = "AEIOUY", "BCDFGHKLMNPRSTVWZ"
    word = "".join(
        (vowels if (k + int(rng.random() < 0.2)) % 2 else others)[int(rng.integers(6))]
        for k in range(int(rng.integers(3, 12)))
    )
    if rng.random() < 0.25:
        word = " ".join((word[: len(word) // 2], word[len(word) // 2 :]))
    height = CANVAS_HEIGHT_PX * rng.uniform(0.25, 0.5)
    top = CANVAS_HEIGHT_PX / 2 - height / 2
    ink = np.zeros((CANVAS_HEIGHT_PX, CANVAS_WIDTH_PX, 1), np.uint8)
    small_text(
        ink,
        word,
        faces[int(rng.integers(len(faces)))],
        (255,),
        CANVAS_WIDTH_PX * 0.1,
        top,
        height,
        CANVAS_WIDTH_PX * 0.8,
    )  # type: ignore[arg-type]
    columns = np.flatnonzero(ink[..., 0].max(0))
    left, right = (float(columns[0]), float(columns[-1])) if len(columns) else (24.0, 232.0)
    if rng.random() < 0.4:  # slanted letters
        lean = rng.uniform(0.05, 0.4)
        ink = cv2.warpAffine(
            ink[..., 0],
            np.float32([[1, -lean, lean * CANVAS_HEIGHT_PX / 2], [0, 1, 0]]),
            (CANVAS_WIDTH_PX, CANVAS_HEIGHT_PX),
        )[..., None]
    mean = float(canvas.mean())
    shade = float(np.clip(mean + rng.choice([-1, 1]) * rng.uniform(30, 170), 0, 255))
    pad_x, pad_y = height * rng.uniform(0.0, 0.4), height * rng.uniform(0.0, 0.35)
    quad = np.array(
        [
            [left - pad_x, top - pad_y],
            [right + pad_x, top - pad_y],
            [right + pad_x, top + height + pad_y],
            [left - pad_x, top + height + pad_y],
        ],
        np.float32,
    )
    if rng.random() < 0.25:  # an oval sticker or a round badge
        cv2.ellipse(
            canvas,
            (CANVAS_WIDTH_PX // 2, CANVAS_HEIGHT_PX // 2),
            (int((right - left) * 0.62), int(height * 0.95)),
            0,
            0,
            360,
            int(np.clip(255 - shade + rng.normal(0, 30), 0, 255)),
            -1,
            cv2.LINE_AA,
        )
    alpha = ink[..., 0] / 255.0
    canvas[:] = (canvas * (1 - alpha) + shade * alpha).astype(np.uint8)
    return canvas, quad


def _ground(scenes: Scenes | None, rng: np.random.Generator) -> np.ndarray:
    if scenes is not None and rng.random() < 0.6:
        return scenes.patch(rng, CANVAS_WIDTH_PX / CANVAS_HEIGHT_PX).copy()
    level = rng.choice([rng.uniform(5, 60), rng.uniform(60, 180), rng.uniform(180, 245)], p=[0.45, 0.35, 0.2])
    ramp = np.linspace(-1, 1, CANVAS_HEIGHT_PX)[:, None] * rng.normal(0, 25) + np.linspace(-1, 1, CANVAS_WIDTH_PX)[
        None
    ] * rng.normal(0, 12)
    canvas = np.clip(level + ramp, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 5))):  # edges of bumper, grille, boot
        y = int(rng.integers(0, CANVAS_HEIGHT_PX))
        cv2.line(
            canvas,
            (0, y),
            (CANVAS_WIDTH_PX, y + int(rng.normal(0, 4))),
            int(rng.integers(0, 255)),
            int(rng.integers(1, 9)),
            cv2.LINE_AA,
        )
    return canvas


def _holder(canvas: np.ndarray, x: int, y: int, w: int, h: int, faces: list[Face], rng: np.random.Generator) -> None:
    """A plastic holder, often with a dealer's words below or above."""
    rim = max(1, int(h * rng.uniform(0.02, 0.08)))
    below = int(h * rng.uniform(0.08, 0.22)) if rng.random() < 0.6 else rim
    above = int(h * rng.uniform(0.08, 0.18)) if rng.random() < 0.1 else rim
    level = int(rng.choice([rng.integers(5, 50), rng.integers(150, 240)], p=[0.8, 0.2]))
    cv2.rectangle(canvas, (x - rim, y - above), (x + w + rim, y + h + below), level, -1)
    for top, size in ((y + h + below * 0.25, below), (y - above * 0.85, above)):
        if size > rim and size > 4 and rng.random() < 0.9:
            word = "".join(chr(int(c)) for c in rng.integers(65, 91, int(rng.integers(4, 22))))
            word = word[:5] + " " + word[5:] if len(word) > 8 else word
            ink = np.full((canvas.shape[0], canvas.shape[1], 1), 0, np.uint8)
            small_text(
                ink,
                word,
                faces[int(rng.integers(len(faces)))],
                (255,),
                x + w * rng.uniform(0.02, 0.3),
                top,
                size * 0.65,
                w * rng.uniform(0.4, 0.7),
            )  # type: ignore[arg-type]
            shade = 235 if level < 100 else 25
            canvas[:] = (canvas * (1 - ink[..., 0] / 255.0) + shade * (ink[..., 0] / 255.0)).astype(np.uint8)
