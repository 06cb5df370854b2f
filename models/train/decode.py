"""CTC decoding as the edge does it: the best class a step, runs merged, blanks dropped."""

from dataclasses import dataclass

import numpy as np

from . import prior
from .fonts import ALPHABET

BLANK = len(ALPHABET)


@dataclass(frozen=True)
class Read:
    """A read text and the probability of each of its characters (the largest over its run)."""

    text: str
    probabilities: tuple[float, ...]
    symbols: np.ndarray | None = None  # f32 [N, 36], each character's probabilities at its surest step

    def confidence(self, rule: str = "min") -> float:
        """`min` or geometric `mean` of the characters' probabilities; 0 for an empty read."""
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
    return Read("".join(text), tuple(float(v) for v in symbols.max(1, initial=0.0)), symbols)


def weighed(read: Read, countries: np.ndarray) -> Read:
    """The read under what is known of plates of its likely countries, f32 [C] (see `prior`)."""
    if read.symbols is None or not len(read.symbols):
        return read
    symbols = prior.weigh(read.symbols, countries)
    return Read("".join(ALPHABET[k] for k in symbols.argmax(1)), tuple(float(v) for v in symbols.max(1)), symbols)


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
