"""Drawn vehicles for the demo clip: cars, vans, trailers and motorcycles seen from the front or behind. No photographs.

A vehicle is RGBA u8 at PX_PER_M with its wheels on the lower edge, and the px box of its plate.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .paint import Colour
from .plate import Plate

PX_PER_M = 420


@dataclass
class Vehicle:
    """`image` RGBA u8 [h, w, 4]; `plate_box` left, top, width, height in px."""

    image: np.ndarray
    plate_box: tuple[int, int, int, int]


class _Sheet:
    """A canvas in metres: x from the vehicle's middle, y up from the ground."""

    def __init__(self, width_m: float, height_m: float) -> None:
        self.w, self.h = round(width_m * PX_PER_M), round(height_m * PX_PER_M)
        self.rgba = np.zeros((self.h, self.w, 4), np.uint8)

    def px(self, x: float, y: float) -> tuple[int, int]:
        return round(self.w / 2 + x * PX_PER_M), round(self.h - y * PX_PER_M)

    def poly(self, points: list[tuple[float, float]], colour: Colour, mirror: bool = False) -> None:
        """Fills a polygon; with `mirror` its mirror image too."""
        for sign in (1, -1) if mirror else (1,):
            ring = np.array([self.px(sign * x, y) for x, y in points], np.int32)
            cv2.fillPoly(self.rgba, [ring], (*colour, 255), cv2.LINE_AA)

    def outline(self, half: list[tuple[float, float]], colour: Colour) -> None:
        """Fills a shape that is symmetric about the middle, given its right half from bottom to top."""
        self.poly(half + [(-x, y) for x, y in reversed(half)], colour)

    def shade(self, top: float, bottom: float, strength: float) -> None:
        """Darkens or lightens the body with height, as the sky's light does."""
        _, y0 = self.px(0, top)
        _, y1 = self.px(0, bottom)
        ramp = np.ones(self.h, np.float32)
        ramp[max(0, y0) : y1] = np.linspace(1 + strength, 1 - strength, y1 - max(0, y0))
        ramp[y1:] = 1 - strength
        self.rgba[..., :3] = np.clip(self.rgba[..., :3] * ramp[:, None, None], 0, 255).astype(np.uint8)


def _mount(sheet: _Sheet, plate: Plate, width_m: float, y_m: float) -> tuple[int, int, int, int]:
    """Puts the plate in a dark holder, its middle `y_m` above the ground."""
    w = round(width_m * PX_PER_M)
    h = round(w * plate.face.shape[0] / plate.face.shape[1])
    x, y = sheet.px(0, y_m)
    x, y = x - w // 2, y - h // 2
    cv2.rectangle(sheet.rgba, (x - 5, y - 5), (x + w + 5, y + h + 9), (18, 18, 20, 255), -1)
    sheet.rgba[y : y + h, x : x + w, :3] = cv2.resize(plate.face, (w, h), interpolation=cv2.INTER_AREA)
    return x, y, w, h


def car_front(plate: Plate, colour: Colour, rng: np.random.Generator) -> Vehicle:
    """A car that comes towards the camera, with a 360 mm plate for Italy and 520 mm else."""
    s = _Sheet(2.1, 1.55)
    tyre, glass, dark = (20, 20, 22), (48, 58, 70), (26, 27, 30)
    s.poly([(0.55, 0), (0.82, 0), (0.84, 0.45), (0.55, 0.45)], tyre, mirror=True)
    s.outline([(0.84, 0.2), (0.9, 0.5), (0.88, 0.85), (0.8, 0.95), (0.62, 1.42), (0.5, 1.47)], colour)
    s.shade(1.47, 0.2, 0.18)
    s.outline([(0.74, 0.97), (0.58, 1.38), (0.48, 1.41)], glass)
    s.poly([(-0.6, 1.0), (-0.3, 1.0), (-0.1, 1.39), (-0.35, 1.39)], (86, 98, 112))
    s.poly([(0.86, 0.98), (1.02, 1.02), (1.02, 1.13), (0.86, 1.1)], colour, mirror=True)
    s.poly([(0.52, 0.68), (0.85, 0.74), (0.84, 0.88), (0.6, 0.84)], (222, 228, 232), mirror=True)
    s.poly([(0.62, 0.73), (0.74, 0.75), (0.73, 0.83), (0.64, 0.81)], (150, 160, 170), mirror=True)
    grille = 0.34 + rng.uniform(-0.04, 0.06)
    s.poly([(-grille, 0.66), (grille, 0.66), (grille + 0.05, 0.82), (-grille - 0.05, 0.82)], dark)
    for k in range(4):
        cv2.line(
            s.rgba, s.px(-grille, 0.68 + k * 0.04), s.px(grille, 0.68 + k * 0.04), (70, 72, 76, 255), 3, cv2.LINE_AA
        )
    cv2.circle(s.rgba, s.px(0, 0.78), 18, (196, 200, 204, 255), -1, cv2.LINE_AA)
    s.poly([(-0.7, 0.22), (0.7, 0.22), (0.62, 0.36), (-0.62, 0.36)], dark)
    width = 0.36 if plate.face.shape[1] / plate.face.shape[0] < 4 else 0.52
    return Vehicle(s.rgba, _mount(s, plate, width, 0.5))


def car_rear(plate: Plate, colour: Colour, rng: np.random.Generator) -> Vehicle:
    """A car that drives away, with a 520 mm plate."""
    s = _Sheet(2.0, 1.6)
    s.poly([(0.55, 0), (0.82, 0), (0.84, 0.45), (0.55, 0.45)], (20, 20, 22), mirror=True)
    s.outline([(0.84, 0.22), (0.9, 0.5), (0.87, 1.0), (0.66, 1.46), (0.55, 1.5)], colour)
    s.shade(1.5, 0.2, 0.2)
    s.outline([(0.7, 1.03), (0.56, 1.38), (0.5, 1.41)], (40, 46, 54))
    s.poly([(0.6, 0.8), (0.88, 0.78), (0.87, 0.98), (0.66, 0.98)], (170, 26, 30), mirror=True)
    s.poly([(0.64, 0.84), (0.74, 0.84), (0.74, 0.94), (0.66, 0.94)], (226, 150, 60), mirror=True)
    s.poly([(-0.75, 0.22), (0.75, 0.22), (0.7, 0.42), (-0.7, 0.42)], (32, 33, 36))
    s.poly([(-0.34, 0.7), (0.34, 0.7), (0.3, 0.9), (-0.3, 0.9)], tuple(int(v * 0.82) for v in colour))  # type: ignore[arg-type]
    return Vehicle(s.rgba, _mount(s, plate, 0.52, 0.79))


def van_front(plate: Plate, colour: Colour, rng: np.random.Generator) -> Vehicle:
    """A delivery van that comes towards the camera."""
    s = _Sheet(2.4, 2.4)
    s.poly([(0.62, 0), (0.92, 0), (0.94, 0.5), (0.62, 0.5)], (20, 20, 22), mirror=True)
    s.outline([(0.98, 0.25), (1.0, 0.9), (0.95, 2.2), (0.85, 2.32)], colour)
    s.shade(2.3, 0.25, 0.15)
    s.outline([(0.88, 1.25), (0.82, 1.9), (0.76, 1.96)], (46, 56, 68))
    s.poly([(0.99, 1.2), (1.16, 1.2), (1.16, 1.55), (0.99, 1.5)], (30, 30, 33), mirror=True)
    s.poly([(0.58, 0.82), (0.95, 0.86), (0.93, 1.06), (0.7, 1.02)], (224, 228, 230), mirror=True)
    s.poly([(-0.48, 0.84), (0.48, 0.84), (0.52, 1.0), (-0.52, 1.0)], (28, 29, 32))
    s.poly([(-0.98, 0.27), (0.98, 0.27), (0.96, 0.42), (-0.96, 0.42)], (34, 35, 38))
    return Vehicle(s.rgba, _mount(s, plate, 0.36 if plate.face.shape[1] / plate.face.shape[0] < 4 else 0.52, 0.62))


def trailer_rear(plate: Plate, colour: Colour, rng: np.random.Generator) -> Vehicle:
    """A small tarpaulin trailer from behind."""
    s = _Sheet(1.9, 1.7)
    s.poly([(0.6, 0), (0.8, 0), (0.8, 0.5), (0.6, 0.5)], (20, 20, 22), mirror=True)
    s.outline([(0.82, 0.55), (0.82, 1.6), (0.74, 1.66)], colour)
    s.shade(1.66, 0.55, 0.15)
    s.outline([(0.84, 0.38), (0.84, 0.62)], (90, 94, 98))
    for k in range(7):
        cv2.circle(s.rgba, s.px(-0.72 + k * 0.24, 0.72), 6, (210, 212, 214, 255), -1, cv2.LINE_AA)
    s.poly([(0.62, 0.42), (0.82, 0.42), (0.82, 0.56), (0.62, 0.56)], (190, 30, 32), mirror=True)
    return Vehicle(s.rgba, _mount(s, plate, 0.52, 0.5))


def motorcycle_rear(plate: Plate, colour: Colour, rng: np.random.Generator) -> Vehicle:
    """A motorcycle with its rider from behind, with a 177 mm plate on two rows."""
    s = _Sheet(1.2, 1.75)
    s.outline([(0.08, 0.0), (0.09, 0.55)], (20, 20, 22))
    s.outline([(0.17, 0.62), (0.2, 0.85), (0.14, 0.92)], colour)
    s.outline([(0.24, 0.86), (0.27, 1.2), (0.2, 1.4), (0.08, 1.44)], (38, 42, 52))
    s.poly([(0.2, 1.36), (0.42, 1.12), (0.38, 1.02), (0.2, 1.18)], (38, 42, 52), mirror=True)
    s.poly([(0.15, 0.88), (0.32, 0.8), (0.3, 0.5), (0.2, 0.5)], (30, 32, 40), mirror=True)
    cv2.ellipse(s.rgba, s.px(0, 1.56), (58, 64), 0, 0, 360, (*colour, 255), -1, cv2.LINE_AA)
    cv2.ellipse(s.rgba, s.px(0, 0.86), (30, 12), 0, 0, 360, (190, 28, 30, 255), -1, cv2.LINE_AA)
    s.shade(1.7, 0.3, 0.12)
    return Vehicle(s.rgba, _mount(s, plate, 0.2, 0.68))
