"""The whole chain on one picture as the edge runs it: scale, find, straighten, read."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from . import manifest
from .decode import Read, greedy, weighed
from .quads import Found, find, find_again
from .rectify import enlarge, height_px, moved, slant_deg, width_px
from .runtime import session
from .straighten import onto, seen_at, straighten


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


FIND_SUREST = 1 - 1e-6  # no find counts as surer, nor as surely none


def jointly(word: float, find: float, weight: float, word_max: float) -> float:
    """The probability, 0..1, that two nets give together to the same question.

    It is the mean of their odds' logarithms. The detector's `find` weighs `weight` times the recogniser's `word`, which
    sees no more than the cut and counts as at most `word_max` sure.
    """

    def log_odds(p: float, surest: float) -> float:
        p = min(max(p, 1 - surest), surest)
        return math.log(p / (1 - p))

    both = (weight * log_odds(find, FIND_SUREST) + log_odds(word, word_max)) / (weight + 1)
    return 1 / (1 + math.exp(-both))


def both(seen: list[PlateRead]) -> np.ndarray:
    """The plate's corners f32 [4, 2] in px of the picture as both nets see them.

    They lie half way from where it was found to where the last look saw them, if that is a quad.
    """
    again = seen_at(seen[-1].found.quad, seen[-1].corners)
    half_way = None if again is None else (seen[0].found.quad + again) / 2
    return seen[-1].found.quad if half_way is None or onto(half_way) is None else half_way


def place(look: PlateRead) -> np.ndarray:
    """Where a look saw the plate f32 [4, 2]; where it was cut, if it saw no quad."""
    seen = seen_at(look.found.quad, look.corners)
    return look.found.quad if seen is None else seen


def elected(seen: list[PlateRead]) -> PlateRead:
    """Of a plate's looks, the surest of those whose text has the most confidence together, the earlier of equals.

    It is as sure as those that agree with it are on average.
    """
    votes: dict[str, float] = {}
    for look in seen:
        votes[look.read.text] = votes.get(look.read.text, 0.0) + look.letters
    text = max(votes, key=lambda t: votes[t])
    agree = [x for x in seen if x.read.text == text]
    return replace(max(agree, key=lambda x: x.letters), confidence=sum(x.confidence for x in agree) / len(agree))


def added(text: str, read: Read, rules: dict) -> float | None:
    """The least probability, 0..1, among the characters that a read has more than `text`.

    Nothing unless the read has all of the text's characters in their order, and some more: fewer than the text has, and
    at most as many as the rules allow.
    """
    at, more = 0, []
    for character, probability in zip(read.text, read.probabilities, strict=True):
        if text[at : at + 1] == character:
            at += 1
        else:
            more.append(probability)
    few = 1 <= len(more) <= rules["added_max"] and len(more) < len(text)
    return min(more) if few and at == len(text) else None


def completed(text: str, wider: list[PlateRead], rules: dict) -> PlateRead | None:
    """What the wider looks say when each of them has this text and more.

    It is the surest of those whose additions are sure, as sure as those that agree with it are on average.
    """
    more = [added(text, x.read, rules) for x in wider]
    whole = [x for x, least in zip(wider, more, strict=True) if least is not None and least >= rules["sure"]]
    if None in more or not whole:
        return None
    surest = max(whole, key=lambda x: x.letters)
    return replace(surest, confidence=float(np.mean([x.confidence for x in whole if x.read.text == surest.read.text])))


class Chain:
    """Both nets of a models folder."""

    def __init__(self, models: Path) -> None:
        self.manifest = manifest.read(models)
        self.rules = manifest.rules_of(self.manifest)
        self.detector = session(models / self.manifest["detector"]["file"])
        self.recogniser = session(models / self.manifest["recogniser"]["file"])
        self.countries = self.manifest["recogniser"]["countries"]
        self.rule = self.manifest["recogniser"].get("confidence", "min")

    def find(self, luma: np.ndarray, still: bool = False) -> list[Found]:
        """Plates of a picture, luma u8 [H, W]; of a `still` one, at several scales."""
        return find(self.detect, luma, self.rules, still)

    def find_again(self, luma: np.ndarray) -> list[Found]:
        """Plates of a much smaller copy of a picture."""
        return find_again(self.detect, luma, self.rules)

    def detect(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Heat and corner offsets of a net's input u8 [1, 1, h, w]."""
        heat, quad = self.detector.run(["heat", "quad"], {"luma": picture})
        return heat, quad

    def plate_rule(self, still: bool = False) -> dict:
        """When both nets together take a find for a plate: `find_weight` and `min`."""
        return self.manifest["recogniser"]["plate_still" if still else "plate_frame"]

    def read(
        self, luma: np.ndarray, found: list[Found], still: bool = False, rule: dict | None = None
    ) -> list[PlateRead]:
        """Reads each found plate, by a rule of what is one (see `plate_rule`).

        One that is read with doubt, or was cut askew, is cut again by the corners then seen, and its looks vote.
        """
        rule = rule or self.plate_rule(still)
        looks = [[x] for x in self.read_once(luma, found, rule)]
        doubtful = [seen for seen in looks if seen[0].plate >= rule["min"]]
        for _ in range(1, self.manifest["recogniser"]["looks_max"]):
            again = [
                (seen, seen_at(seen[-1].found.quad, seen[-1].corners)) for seen in doubtful if self.wants_another(seen)
            ]
            doubtful = [seen for seen, quad in again if quad is not None]
            cut = [replace(seen[-1].found, quad=quad) for seen, quad in again if quad is not None]
            for seen, look in zip(doubtful, self.read_once(luma, cut, rule), strict=True):
                seen.append(look)
        lies = [both(seen) for seen in looks]
        closer = self.look_closer(luma, looks, lies, rule) if still else [[] for _ in looks]
        best = [elected(seen + votes) for seen, votes in zip(looks, closer, strict=True)]
        for k, wider in enumerate(self.look_wider(luma, looks, lies, still, rule)):
            rules = self.manifest["recogniser"]["wider"]
            whole = completed(best[k].read.text, wider, rules)
            if whole:
                seen = place(whole)
                if np.linalg.norm(seen - lies[k], axis=1).max() >= rules["moved_min"] * height_px(lies[k]):
                    best[k], lies[k] = whole, seen
        return [
            replace(
                seen[0],
                found=replace(seen[0].found, quad=quad),
                read=x.read,
                confidence=x.confidence,
                letters=x.letters,
                country=x.country,
            )
            for seen, quad, x in zip(looks, lies, best, strict=True)
        ]

    def look_closer(
        self, luma: np.ndarray, looks: list[list[PlateRead]], lies: list[np.ndarray], rule: dict
    ) -> list[list[PlateRead]]:
        """More looks at each likely plate of a still picture.

        The first is where both nets see it (`lies`), the others a little closer and wider round the corners then seen.
        """
        out: list[list[PlateRead]] = []
        for seen, quad in zip(looks, lies, strict=True):
            if seen[0].plate < rule["min"]:
                out.append([])
                continue
            there = replace(seen[0].found, quad=quad)
            first = self.read_once(luma, [there], rule)[0]
            cuts = [
                replace(there, quad=enlarge(place(first), margin, margin))
                for margin in self.manifest["recogniser"]["still_margins"]
            ]
            out.append([first, *self.read_once(luma, cuts, rule)])
        return out

    def look_wider(
        self, luma: np.ndarray, looks: list[list[PlateRead]], lies: list[np.ndarray], still: bool, rule: dict
    ) -> list[list[PlateRead]]:
        """The looks that may say what the others left out.

        Each likely plate that slants or, in a still picture, is compact is cut wider, and then by the corners seen.
        """
        rules = self.manifest["recogniser"]["wider"]
        out: list[list[PlateRead]] = []
        for seen, quad in zip(looks, lies, strict=True):
            wider: list[PlateRead] = []
            cut = enlarge(quad, rules["margin_x"], rules["margin_y"])
            hard = slant_deg(quad) >= rules["slant_deg"] or (
                still and width_px(quad) <= rules["compact"] * height_px(quad)
            )
            due = hard and seen[0].plate >= rule["min"]
            for _ in range(rules["cuts"] + 1 if due else 0):
                wider += self.read_once(luma, [replace(seen[0].found, quad=cut)], rule)
                cut = place(wider[-1])
            out.append(wider[-rules["counted"] :])
        return out

    def wants_another(self, seen: list[PlateRead]) -> bool:
        """Whether a plate's looks so far leave doubt, or the last was cut askew."""
        rules = self.manifest["recogniser"]
        return (
            moved(seen[-1].corners) > rules["look_again_moved_px"]
            or max(x.letters for x in seen) < rules["look_again_below"]
        )

    def read_once(self, luma: np.ndarray, found: list[Found], rule: dict) -> list[PlateRead]:
        """Reads each found plate once."""
        if not found:
            return []
        plates = np.stack([straighten(luma, f.quad) for f in found])
        weight, word_max = rule["find_weight"], self.manifest["recogniser"]["plate_word_max"]
        return [
            PlateRead(
                f,
                text,
                text.confidence(self.rule),
                text.letters(self.rule),
                country,
                jointly(plate, f.confidence, weight, word_max),
                corners,
            )
            for f, (text, country, plate, corners) in zip(found, self.recognise(plates), strict=True)
        ]

    def recognise(self, plates: np.ndarray) -> list[tuple[Read, str, float, np.ndarray]]:
        """Reads straightened plates u8 [N, 48, 160].

        Gives of each: the text as weighed by what is known of plates, the likeliest country, the probability of a
        plate, corners f32 [4, 2], 0..1 of the straightened picture.
        """
        outputs = self.recogniser.run(["characters", "country", "plate", "corners"], {"plates": plates[:, None]})
        return [
            (weighed(greedy(c), k), self.countries[int(k.argmax())], float(p[0]), q.reshape(4, 2))
            for c, k, p, q in zip(*outputs, strict=True)
        ]

    def look(self, luma: np.ndarray, still: bool = False) -> list[PlateRead]:
        """Finds, reads, and drops what both nets together take for no plate. Luma u8 [H, W].

        Where nothing is left, a much smaller copy is searched too.
        """

        def plates(found: list[Found], rule: dict) -> list[PlateRead]:
            return [r for r in self.read(luma, found, still, rule) if r.plate >= rule["min"]]

        return plates(self.find(luma, still), self.plate_rule(still)) or plates(
            self.find_again(luma), self.manifest["recogniser"]["plate_again"]
        )
