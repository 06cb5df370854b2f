"""Renders hours of ordinary traffic in dusk, night, rain and changing sun, for counting false alarms.

Run: python -m train.draw.footage --help. Afterwards `varco-edge bench --video` tells how many alarms it raised.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from .clip import FPS as CLIP_FPS
from .clip import HEIGHT_PX, HORIZON_PX, PASSES, WIDTH_PX, Mover, background
from .video import encoder, finish

FPS = 4
WEATHERS = ("sun", "dusk", "night", "rain")
LENGTH_S = 9.0  # no vehicle is in the picture for longer
WANTED_MEAN = 96.0  # what the camera's exposure steers to, of 255
GAIN_MAX = 5.0


class Light:
    """The light over a scene f32 [H, W, 3], and what the camera makes of it."""

    def __init__(self, weather: str, seconds: float, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self.weather, self.seconds, self.rng = weather, seconds, rng
        self.gain = 1.0
        h, w = shape
        y, x = np.mgrid[0:h, 0:w].astype(np.float32)
        lamp = np.exp(-(((x - w * 0.22) / (w * 0.2)) ** 2) - ((y - h * 0.5) / (h * 0.4)) ** 2)
        self.lamp = (0.05 + 0.22 * lamp)[..., None]
        self.cloud = cv2.GaussianBlur(rng.normal(0, 1, (64, 256)).astype(np.float32), (0, 0), 7)
        self.cloud /= np.abs(self.cloud).max()
        self.wind = rng.uniform(0.4, 1.2)

    def strength(self, t: float) -> float:
        """How light it is, 0..=1, before lamps."""
        part = t / self.seconds
        return {
            "sun": 1.0,
            "dusk": float(np.exp(np.log(0.06) * part)),
            "night": 0.05,
            "rain": 0.55 + 0.1 * np.sin(t / 200),
        }[self.weather]

    def fall(self, scene: np.ndarray, t: float) -> np.ndarray:
        """The lit scene, before the camera."""
        light = self.strength(t)
        h, w = scene.shape[:2]
        if self.weather == "sun":  # shadows of clouds wander over the street
            at = int(t * self.wind) % 190
            shade = cv2.resize(self.cloud[:, at : at + 60], (w, h))[..., None]
            return scene * (0.8 + 0.35 * shade)
        lit = scene * light
        if light < 0.4:
            lit = lit + scene * self.lamp * (1 - light)
        return lit

    def headlights(self, lit: np.ndarray, movers: list[Mover], t: float, enlarged: float) -> None:
        """Glow of oncoming lamps and their light on the road. Changes `lit`."""
        if self.strength(t) > 0.4:
            return
        h, w = lit.shape[:2]
        for mover in movers:
            s = mover.scale(round(t * CLIP_FPS))
            if s is None:
                continue
            towards = mover.p.towards
            x = w / 2 + (1.2 if towards else -1.2) * s
            y = HORIZON_PX * enlarged + (1.62 - 0.65) * s
            glow = np.zeros((h, w), np.float32)
            for side in (-0.6, 0.6):
                cv2.circle(glow, (round(x + side * s), round(y)), max(1, round(s * 0.09)), 1.0, -1)
            wide = cv2.GaussianBlur(glow, (0, 0), max(1.0, s * 0.25))
            lit += (glow * 255 + wide * (1800 if towards else 120))[..., None] * (
                (1.0, 0.98, 0.9) if towards else (1.0, 0.1, 0.08)
            )

    def rain(self, picture: np.ndarray) -> None:
        """Streaks and drops on the glass. Changes `picture`."""
        h, w = picture.shape[:2]
        streaks = np.zeros((h, w), np.float32)
        for _ in range(int(self.rng.poisson(90))):
            x, y, long = self.rng.uniform(0, w), self.rng.uniform(0, h), self.rng.uniform(6, 26)
            cv2.line(
                streaks,
                (int(x), int(y)),
                (int(x + long * 0.12), int(y + long)),
                float(self.rng.uniform(8, 40)),
                1,
                cv2.LINE_AA,
            )
        picture += streaks[..., None]

    def camera(self, lit: np.ndarray) -> np.ndarray:
        """What the camera sends: its exposure follows slowly, and the dark is noisy."""
        mean = float(lit[::4, ::4].mean()) * self.gain
        self.gain = float(np.clip(self.gain * (WANTED_MEAN / max(mean, 1.0)) ** 0.04, 0.4, GAIN_MAX))
        noise = self.rng.standard_normal((*lit.shape[:2], 1), np.float32) * (1.2 + 1.3 * self.gain)
        return np.clip(lit * self.gain + noise, 0, 255).astype(np.uint8)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for WEATHER.mp4")
    parser.add_argument("--minutes", type=float, default=60.0, help="of each weather")
    parser.add_argument("--weathers", nargs="+", default=WEATHERS, choices=WEATHERS)
    parser.add_argument("--height", type=int, default=360, help="px; the width is 16 ninths of it")
    parser.add_argument("--every", type=float, default=9.0, help="mean seconds between two vehicles")
    parser.add_argument("--seed", type=int, default=11)
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    enlarged, width = a.height / HEIGHT_PX, a.height * WIDTH_PX // HEIGHT_PX
    for weather in a.weathers:
        rng = np.random.default_rng((a.seed, WEATHERS.index(weather)))
        scene = cv2.resize(background(rng).astype(np.float32), (width, a.height), interpolation=cv2.INTER_AREA)
        movers = [Mover(p, rng, enlarged) for p in PASSES]
        light = Light(weather, a.minutes * 60, (a.height, width), rng)
        running = encoder(a.out / f"{weather}.mp4", width, a.height, FPS, "rgb24", "veryfast", 26, ("-g", str(FPS * 4)))
        assert running.stdin is not None
        due: list[float] = [float(rng.exponential(a.every)) for _ in movers[:2]]
        shown: list[Mover] = []
        for frame in tqdm(range(round(a.minutes * 60 * FPS)), mininterval=10, desc=weather):
            t = frame / FPS
            shown = [m for m in shown if t - m.p.start_s < LENGTH_S]
            for lane in (0, 1):  # one vehicle a lane at a time
                free = [m for m in movers if m not in shown and m.p.towards == (lane == 0)]
                if t >= due[lane] and free:
                    mover = free[int(rng.integers(len(free)))]
                    mover.p = replace(mover.p, start_s=t)
                    mover.frames.clear()
                    shown.append(mover)
                    due[lane] = t + LENGTH_S * 0.8 + float(rng.exponential(a.every))
            picture = scene.copy()
            for mover in sorted(shown, key=lambda m: m.scale(round(t * CLIP_FPS)) or 0.0):
                mover.draw(picture, round(t * CLIP_FPS))
            lit = light.fall(picture, t)
            light.headlights(lit, shown, t, enlarged)
            if weather == "rain":
                light.rain(lit)
            running.stdin.write(light.camera(lit).tobytes())
        finish(running)


if __name__ == "__main__":
    main()
