"""The whole chain on one picture as the edge runs it: scale, find, straighten, read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import manifest
from .decode import Read, greedy
from .quads import Found, decode, prepare
from .rectify import rectify
from .runtime import session


@dataclass(frozen=True)
class PlateRead:
    """A plate found and read: where, what, how sure, and the country's probabilities."""

    found: Found
    read: Read
    confidence: float
    country: str


class Chain:
    """Both nets of a models folder."""

    def __init__(self, models: Path) -> None:
        self.manifest = manifest.read(models)
        self.rules = manifest.rules_of(self.manifest)
        self.detector = session(models / self.manifest["detector"]["file"])
        self.recogniser = session(models / self.manifest["recogniser"]["file"])
        self.countries = self.manifest["recogniser"]["countries"]
        self.rule = self.manifest["recogniser"].get("confidence", "min")

    def find(self, luma: np.ndarray) -> list[Found]:
        """Plates of a picture, luma u8 [H, W]."""
        picture, sx, sy = prepare(luma, self.rules)
        heat, quad = self.detector.run(["heat", "quad"], {"luma": picture})
        return decode(heat, quad, sx, sy, self.rules)

    def read(self, luma: np.ndarray, found: list[Found]) -> list[PlateRead]:
        """Reads each found plate."""
        if not found:
            return []
        plates = np.stack([rectify(luma, f.quad) for f in found])[:, None]
        characters, country = self.recogniser.run(["characters", "country"], {"plates": plates})
        out = []
        for f, c, k in zip(found, characters, country):
            text = greedy(c)
            out.append(PlateRead(f, text, text.confidence(self.rule), self.countries[int(k.argmax())]))
        return out
