"""The whole chain on one picture as the edge runs it: scale, find, straighten, read."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from . import manifest
from .decode import Read, greedy, weighed
from .quads import Found, find
from .rectify import moved, rectify, refined
from .runtime import session


@dataclass(frozen=True)
class PlateRead:
    """A plate found and read: where, what, how sure, and the country's probabilities."""

    found: Found
    read: Read
    confidence: float
    letters: float  # the same, of the letters alone
    country: str
    plate: float  # probability of being a plate at all, by both nets
    corners: np.ndarray  # f32 [4, 2], where they are seen in the straightened picture


def jointly(a: float, b: float) -> float:
    """Two nets on the same question, as if neither knew the other: their odds multiply."""
    odds = math.prod(p / (1 - p) for p in (min(max(v, 1e-6), 1 - 1e-6) for v in (a, b)))
    return odds / (1 + odds)


def both(look: PlateRead) -> np.ndarray:
    """The plate's corners in px as both nets see them: half way from where the look was cut to where it saw them."""
    return (look.found.quad + refined(look.found.quad, look.corners)) / 2


def elected(seen: list[PlateRead]) -> PlateRead:
    """Of a plate's looks the surest of those whose text has the most confidence together; the earlier of equals."""
    votes: dict[str, float] = {}
    for look in seen:
        votes[look.read.text] = votes.get(look.read.text, 0.0) + look.letters
    text = max(votes, key=lambda t: votes[t])
    return max((x for x in seen if x.read.text == text), key=lambda x: x.letters)


class Chain:
    """Both nets of a models folder."""

    def __init__(self, models: Path) -> None:
        self.manifest = manifest.read(models)
        self.rules = manifest.rules_of(self.manifest)
        self.detector = session(models / self.manifest["detector"]["file"])
        self.recogniser = session(models / self.manifest["recogniser"]["file"])
        self.countries = self.manifest["recogniser"]["countries"]
        self.plate_min = self.manifest["recogniser"]["plate_min"]
        self.rule = self.manifest["recogniser"].get("confidence", "min")

    def find(self, luma: np.ndarray) -> list[Found]:
        """Plates of a picture, luma u8 [H, W]."""
        return find(lambda picture: tuple(self.detector.run(["heat", "quad"], {"luma": picture})), luma, self.rules)

    def read(self, luma: np.ndarray, found: list[Found]) -> list[PlateRead]:
        """Reads each found plate; one that is read with doubt, or was cut askew, is cut again by the corners then seen, and its looks vote."""
        looks = [[x] for x in self.read_once(luma, found)]
        doubtful = [seen for seen in looks if seen[0].plate >= self.plate_min]
        for _ in range(1, self.manifest["recogniser"]["looks_max"]):
            doubtful = [seen for seen in doubtful if self.wants_another(seen)]
            cut = [replace(seen[-1].found, quad=refined(seen[-1].found.quad, seen[-1].corners)) for seen in doubtful]
            for seen, look in zip(doubtful, self.read_once(luma, cut)):
                seen.append(look)
        return [replace(seen[0], found=replace(seen[0].found, quad=both(seen[-1])), read=best.read, confidence=best.confidence, letters=best.letters, country=best.country) for seen in looks for best in [elected(seen)]]

    def wants_another(self, seen: list[PlateRead]) -> bool:
        """Whether a plate's looks so far leave doubt, or the last was cut askew."""
        rules = self.manifest["recogniser"]
        return moved(seen[-1].corners) > rules["look_again_moved_px"] or max(x.letters for x in seen) < rules["look_again_below"]

    def read_once(self, luma: np.ndarray, found: list[Found]) -> list[PlateRead]:
        """Reads each found plate once."""
        if not found:
            return []
        plates = np.stack([rectify(luma, f.quad) for f in found])
        return [PlateRead(f, text, text.confidence(self.rule), text.letters(self.rule), country, jointly(f.confidence, plate), corners) for f, (text, country, plate, corners) in zip(found, self.recognise(plates))]

    def recognise(self, plates: np.ndarray) -> list[tuple[Read, str, float, np.ndarray]]:
        """Reads straightened plates u8 [N, 48, 160]: text as weighed by what is known of plates, likeliest country, probability of a plate, corners f32 [4, 2]."""
        outputs = self.recogniser.run(["characters", "country", "plate", "corners"], {"plates": plates[:, None]})
        return [(weighed(greedy(c), k), self.countries[int(k.argmax())], float(p[0]), q.reshape(4, 2)) for c, k, p, q in zip(*outputs)]

    def look(self, luma: np.ndarray) -> list[PlateRead]:
        """Finds, reads, and drops what the recogniser takes for no plate."""
        return [r for r in self.read(luma, self.find(luma)) if r.plate >= self.plate_min]
