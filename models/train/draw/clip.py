"""Renders the demo clip and its truth: drawn vehicles before a fixed gate camera.

Run: python -m train.draw.clip --help
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ..paths import MODELS
from ..read.countries import COUNTRIES
from .fonts import Face
from .plate import draw_plate
from .strokes import Style
from .vehicles import PX_PER_M, Vehicle, car_front, car_rear, motorcycle_rear, trailer_rear, van_front
from .video import encoder, finish

WIDTH_PX, HEIGHT_PX, FPS = 1280, 720, 25  # the demo's clip; another height enlarges all of it
HORIZON_PX, CAMERA_HEIGHT_M, FOCAL_PX = 96, 1.62, 1150.0
LANE_M = 1.2
NEAR_M, FAR_M = 2.7, 22.0
READABLE_PX = 55.0
GATE_FACE = Style(0.5, 0.125, 2.8, 0.6, 0.2, 0.48, 0, False, 0, 1, 0, False, False, False, 0, True, False)


@dataclass(frozen=True)
class Pass:
    """One vehicle's way: when it starts, in which lane, how fast, and what it wears."""

    start_s: float
    towards: bool
    draw: Callable[..., Vehicle]
    layout: str
    country: str
    colour: tuple[int, int, int]
    speed_m_s: float  # at 9 m from the camera


PASSES = (
    Pass(0.6, True, car_front, "GA=482KD", "IT", (150, 26, 30), 4.6),
    Pass(3.6, False, car_rear, "FR=905LM", "IT", (36, 60, 110), 4.6),
    Pass(5.4, True, car_front, "EX=173PB", "IT", (196, 198, 200), 4.2),
    Pass(8.4, False, motorcycle_rear, "EH=/41907", "IT", (170, 40, 28), 3.0),
    Pass(10.0, True, van_front, "DW=628RT", "IT", (226, 228, 228), 4.0),
    Pass(13.6, False, trailer_rear, "XA=316FG", "IT", (70, 96, 84), 4.0),
    Pass(15.2, True, car_front, "M*KV 2947", "DE", (28, 30, 34), 4.4),
    Pass(18.4, False, car_rear, "GH=750SN", "IT", (120, 124, 128), 4.8),
    Pass(19.6, True, car_front, "FZ=334VJ", "IT", (24, 84, 60), 4.6),
    Pass(23.2, True, car_front, "FK-418-ZT", "FR", (188, 150, 40), 4.4),
    Pass(24.4, False, car_rear, "CN=067YE", "IT", (98, 24, 40), 4.6),
    Pass(28.0, True, car_front, "GP=219HA", "IT", (60, 90, 140), 4.8),
    Pass(29.6, False, car_rear, "EB=586WZ", "IT", (214, 210, 200), 4.4),
    Pass(33.0, True, car_front, "DS=841CC", "IT", (44, 46, 50), 4.4),
    Pass(35.4, False, car_rear, "GT=137BX", "IT", (160, 60, 24), 4.8),
)


def draw(p: Pass, rng: np.random.Generator) -> Vehicle:
    """The vehicle of a pass with its plate."""
    country = next(c for c in COUNTRIES if c.code == p.country)
    face = Face("gate", False, False, style=GATE_FACE)
    front = p.draw in (car_front, van_front) and p.country == "IT"
    for _ in range(200):
        plate = draw_plate(country, [face], rng, 1.0, "/" in p.layout, p.layout)
        aspect = plate.face.shape[1] / plate.face.shape[0]
        light = plate.face[: plate.face.shape[0] // 4].mean() > 120
        if light and ("/" in p.layout or (aspect < 4) == front):
            break
    return p.draw(plate, p.colour, rng)


def background(rng: np.random.Generator) -> np.ndarray:
    """Sky, houses, road with lines and the gate's posts, RGB u8."""
    picture = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.float32)
    picture[:HORIZON_PX] = np.linspace(205, 176, HORIZON_PX)[:, None, None] * np.array([0.93, 0.98, 1.04])
    rows = np.arange(HORIZON_PX, HEIGHT_PX)
    picture[HORIZON_PX:] = np.linspace(118, 92, len(rows))[:, None, None] * np.array([1.0, 1.0, 0.99])
    grain = cv2.resize(rng.normal(0, 1, (HEIGHT_PX // 2, WIDTH_PX // 2)).astype(np.float32), (WIDTH_PX, HEIGHT_PX))
    picture[HORIZON_PX:] += grain[HORIZON_PX:, :, None] * 3.5
    for side in (-1, 1):
        x = 0
        while x < 560:  # houses along both sides
            w, h = int(rng.integers(70, 150)), int(rng.integers(60, 180)) - x // 6
            left = x if side < 0 else WIDTH_PX - x - w
            wall = np.array([rng.integers(150, 205), rng.integers(130, 180), rng.integers(100, 150)])
            cv2.rectangle(picture, (left, HORIZON_PX + 34 - max(30, h)), (left + w, HORIZON_PX + 34), wall.tolist(), -1)
            for k in range(2):
                cv2.rectangle(
                    picture,
                    (left + 14 + k * w // 2, HORIZON_PX - max(30, h) // 2),
                    (left + 30 + k * w // 2, HORIZON_PX - max(30, h) // 2 + 22),
                    (74, 80, 86),
                    -1,
                )
            x += w
    for edge, width in ((-2.6, 0.3), (2.3, 0.3), (-0.06, 0.12)):  # kerbs and the middle line
        near, far = 700.0, 12.0
        quad = [_ground(edge, far), _ground(edge + width, far), _ground(edge + width, near), _ground(edge, near)]
        cv2.fillPoly(
            picture, [np.array(quad, np.int32)], (196, 194, 186) if width > 0.2 else (226, 226, 222), cv2.LINE_AA
        )
    for x in (-3.1, 2.9):
        a, b = _ground(x, 200.0), _ground(x + 0.12, 200.0)
        cv2.rectangle(picture, (a[0], a[1] - 280), (b[0] + 6, a[1]), (206, 168, 40), -1)
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 0.8), 0, 255).astype(np.uint8)


def _ground(x_m: float, px_per_m: float) -> tuple[int, int]:
    """Screen px of a point on the road at a depth given by its scale."""
    return round(WIDTH_PX / 2 + x_m * px_per_m), round(HORIZON_PX + CAMERA_HEIGHT_M * px_per_m)


class Mover:
    """Draws one pass into frames and notes where its plate was."""

    def __init__(self, p: Pass, rng: np.random.Generator, enlarged: float) -> None:
        self.p, self.vehicle, self.enlarged = p, draw(p, rng), enlarged
        sheet = self.vehicle.image.astype(np.float32)
        sheet[..., :3] *= sheet[..., 3:] / 255.0
        self.levels = [sheet]
        while len(self.levels) < 5:
            self.levels.append(cv2.resize(self.levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        self.lean = -0.035 if p.towards else 0.035
        self.drift = rng.uniform(-0.08, 0.08)
        self.frames: list[tuple[int, float]] = []

    def scale(self, frame: int) -> float | None:
        """px per metre at a frame, or nothing while the vehicle is away."""
        t = frame / FPS - self.p.start_s
        # Slows before the gate: the picture grows by the same share each second.
        pace = np.exp(self.p.speed_m_s / 9.0 * t)
        z = FAR_M / pace if self.p.towards else NEAR_M * pace
        return FOCAL_PX * self.enlarged / z if t >= 0 and NEAR_M <= z <= FAR_M else None

    def draw(self, picture: np.ndarray, frame: int) -> None:
        """Composes the vehicle and its shadow into an f32 picture."""
        s = self.scale(frame)
        if s is None:
            return
        lane = (LANE_M if self.p.towards else -LANE_M) + self.drift
        ratio = s / PX_PER_M
        level = int(np.clip(np.floor(-np.log2(ratio)), 0, 4))
        sheet = self.levels[level]
        r = ratio * 2**level
        x = picture.shape[1] / 2 + lane * s
        y = HORIZON_PX * self.enlarged + CAMERA_HEIGHT_M * s + np.sin(frame * 0.9) * s * 0.002
        h, w = sheet.shape[:2]
        matrix = np.array([[r, 0, x - r * w / 2], [r * self.lean, r, y - r * h - r * self.lean * w / 2]])
        cv2.ellipse(
            picture,
            (round(x), round(y)),
            (round(s * 0.95 * w / (2.1 * PX_PER_M / 2**level)), max(1, round(s * 0.1))),
            0,
            0,
            360,
            (46, 46, 48),
            -1,
            cv2.LINE_AA,
        )
        top, left = max(0, int(y - r * h - 20 * self.enlarged)), max(0, int(x - r * w / 2 - 2))
        bottom, right = (
            min(picture.shape[0], int(y + 22 * self.enlarged)),
            min(picture.shape[1], int(x + r * w / 2 + 3)),
        )
        if top >= bottom or left >= right:
            return
        matrix[:, 2] -= (left, top)
        layer = cv2.warpAffine(sheet, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
        area = picture[top:bottom, left:right]
        area[:] = area * (1 - layer[..., 3:] / 255.0) + layer[..., :3]
        self._note(frame, matrix + np.array([[0, 0, left], [0, 0, top]]), level, picture.shape)

    def _note(self, frame: int, matrix: np.ndarray, level: int, shape: tuple[int, ...]) -> None:
        bx, by, bw, bh = (v / 2**level for v in self.vehicle.plate_box)
        corners = np.array([[bx, by, 1], [bx + bw, by, 1], [bx + bw, by + bh, 1], [bx, by + bh, 1]]) @ matrix.T
        inside = corners.min() >= 2 and corners[:, 0].max() < shape[1] - 2 and corners[:, 1].max() < shape[0] - 2
        width = float(corners[:, 0].max() - corners[:, 0].min())
        if inside and width >= (READABLE_PX if "/" not in self.p.layout else READABLE_PX * 0.55):
            self.frames.append((frame, width))

    def truth(self) -> dict[str, object]:
        """The line of the clip's truth."""
        text = "".join(c for c in self.p.layout if c.isalnum())
        widths = [w for _, w in self.frames]
        return {
            "text": text,
            "country": self.p.country,
            "first_frame": self.frames[0][0],
            "last_frame": self.frames[-1][0],
            "width_px": [round(min(widths)), round(max(widths))],
        }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=MODELS.parent / "deploy" / "clips" / "street.mp4")
    parser.add_argument("--seconds", type=float, default=41.0)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--height", type=int, default=HEIGHT_PX, help="px; the width is 16 ninths of it")
    parser.add_argument("--empty", action="store_true", help="the road alone, without its vehicles")
    parser.add_argument("--still", type=Path, help="also write a sheet of six frames (PNG) here")
    a = parser.parse_args()
    rng = np.random.default_rng(a.seed)
    enlarged, width = a.height / HEIGHT_PX, a.height * WIDTH_PX // HEIGHT_PX
    scene = background(rng).astype(np.float32)
    if a.height != HEIGHT_PX:
        scene = cv2.resize(scene, (width, a.height), interpolation=cv2.INTER_CUBIC)
    movers = [] if a.empty else [Mover(p, rng, enlarged) for p in PASSES]
    count = round(a.seconds * FPS)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    running = encoder(a.out, width, a.height, FPS, "rgb24", "medium", 25, ("-g", str(FPS), "-movflags", "+faststart"))
    assert running.stdin is not None
    stills = []
    for frame in tqdm(range(count), mininterval=5):
        picture = scene.copy()
        for mover in sorted(movers, key=lambda m: m.scale(frame) or 0.0):
            mover.draw(picture, frame)
        picture += rng.standard_normal((a.height, width, 1), np.float32) * 1.5
        done = np.clip(picture, 0, 255).astype(np.uint8)
        running.stdin.write(done.tobytes())
        if frame % (count // 9) == count // 18:
            stills.append(cv2.resize(done, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    finish(running)
    a.out.with_suffix(".json").write_text(
        json.dumps({"fps": FPS, "frames": count, "plates": [m.truth() for m in movers]}, indent=1) + "\n"
    )
    if a.still:
        rows = [np.hstack(stills[k : k + 3]) for k in (0, 3, 6)]
        cv2.imwrite(str(a.still), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
