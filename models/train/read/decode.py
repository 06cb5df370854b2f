"""CTC decoding as the edge does it: the best class a step, runs merged, blanks dropped."""

import itertools
from dataclasses import dataclass

import numpy as np

from . import prior
from .countries import ALPHABET

BLANK = len(ALPHABET)
CLASSES = BLANK + 1
COLUMNS = 40  # of each of the two bands that the recogniser reads, the upper row's first
STEPS = 2 * COLUMNS


@dataclass(frozen=True)
class Read:
    """A read text, the probability of each of its characters, and that these are all of them (see `wholeness`).

    A character's probability is the largest over its run.
    """

    text: str
    probabilities: tuple[float, ...]
    symbols: np.ndarray | None = None  # f32 [N, 36], each character's probabilities at its surest step
    whole: float = 1.0

    def confidence(self, rule: str = "min") -> float:
        """That the text is right: as sure as its letters, but not surer than that these are all of them."""
        return min(self.letters(rule), self.whole)

    def letters(self, rule: str = "min") -> float:
        """`min` or geometric `mean` of the characters' probabilities; 0 for an empty read.

        It says whether to look again, and votes among looks.
        """
        if not self.probabilities:
            return 0.0
        if rule == "min":
            return float(min(self.probabilities))
        return float(np.exp(np.mean(np.log(np.maximum(self.probabilities, 1e-9)))))


def greedy(probabilities: np.ndarray) -> Read:
    """One sample's f32 [T, 37] to a read."""
    best = probabilities.argmax(1)
    text, surest, last = [], [], BLANK
    for step, label in enumerate(best):
        if label != BLANK:
            if label != last:
                text.append(ALPHABET[label])
                surest.append(step)
            elif probabilities[step, label] > probabilities[surest[-1], label]:
                surest[-1] = step
        last = int(label)
    symbols = probabilities[surest, :BLANK] if surest else np.zeros((0, BLANK), np.float32)
    own = tuple(float(v) for v in symbols.max(1, initial=0.0))
    return Read("".join(text), own, symbols, wholeness(probabilities, [ALPHABET.index(c) for c in text], own))


def wholeness(probabilities: np.ndarray, text: list[int], own: tuple[float, ...]) -> float:
    """That a text has just these characters, 0..1.

    It is the text's probability over all ways in which the steps can spell it, as a share of what its characters' `own`
    come to. A step that had half a mind to say one more takes away from it what no character's probability shows.
    """
    states = [BLANK] * (2 * len(text) + 1)
    states[1::2] = text
    skips = np.zeros(len(states))
    skips[3::2] = [a != b for a, b in itertools.pairwise(text)]
    ways = np.zeros(len(states))
    ways[0] = 1.0
    for step in probabilities[:, states].astype(np.float64):
        come = ways.copy()
        come[1:] += ways[:-1]
        come[2:] += ways[:-2] * skips[2:]
        ways = come * step
    return float(min(1.0, ways[-2:].sum() / max(float(np.prod(own)), 1e-60)))


def weighed(read: Read, countries: np.ndarray) -> Read:
    """The read under what is known of plates of its likely countries, f32 [C] (see `prior`)."""
    if read.symbols is None or not len(read.symbols):
        return read
    symbols = prior.weigh(read.symbols, countries)
    return Read(
        "".join(ALPHABET[k] for k in symbols.argmax(1)), tuple(float(v) for v in symbols.max(1)), symbols, read.whole
    )


def folded(text: str) -> str:
    """Text with O as 0 and I as 1, which many plates draw alike."""
    return text.replace("O", "0").replace("I", "1")


def edit_distance(a: str, b: str) -> int:
    """Least number of characters to insert, drop or change."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]
