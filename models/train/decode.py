"""CTC decoding as the edge does it: the best class a step, runs merged, blanks dropped."""

from dataclasses import dataclass

import numpy as np

from .fonts import ALPHABET

BLANK = len(ALPHABET)


@dataclass(frozen=True)
class Read:
    """A read text and the probability of each of its characters (the largest over its run)."""

    text: str
    probabilities: tuple[float, ...]

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
    text, values, last = [], [], BLANK
    for step, label in enumerate(best):
        if label != BLANK:
            value = float(probabilities[step, label])
            if label == last:
                values[-1] = max(values[-1], value)
            else:
                text.append(ALPHABET[label])
                values.append(value)
        last = int(label)
    return Read("".join(text), tuple(values))


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
