"""Judges the shipped nets on an index, a row a source.

Run: python -m train.judge.evaluate --help

Crops skip the detector: the whole crop is the quad. Plates without a text do not count for reading. Plates without a
box are right if the text is read anywhere in the picture. Found and true boxes are matched greedily by falling IoU.
"""

import argparse
import json
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..indexes import Picture, box_quad, read_index
from ..paths import MODELS, index_argument
from ..read.chain import Chain, PlateRead
from ..read.decode import edit_distance, folded
from ..read.quads import Found, match

# The table's columns and how each is set.
COLUMNS = {
    "source": "16",
    "images": ">8",
    "plates": ">8",
    "boxes": ">7",
    "r50": ">7",
    "r30": ">7",
    "prec": ">7",
    "texts": ">7",
    "exact": ">7",
    "folded": ">8",
    "95 %": ">14",
    "CER": ">7",
}


@dataclass
class Score:
    """Counts of one source.

    `faults` are (picture, text, read); `sure` is (confidence, right) of each read plate with a text.
    """

    images: int = 0
    plates: int = 0
    boxes: int = 0
    hits_50: int = 0
    hits_30: int = 0
    found: int = 0
    right: int = 0
    texts: int = 0
    exact: int = 0
    exact_folded: int = 0
    edits: int = 0
    characters: int = 0
    faults: list[tuple[str, str, str]] = field(default_factory=list)
    sure: list[tuple[float, bool]] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        """The figures under the names that the edge's own `evaluate` uses; None where nothing was to judge."""

        def share(part: int, whole: int) -> float | None:
            return round(part / whole, 4) if whole else None

        return {
            "images": self.images,
            "plates": self.plates,
            "boxes": self.boxes,
            "recall_50": share(self.hits_50, self.boxes),
            "recall_30": share(self.hits_30, self.boxes),
            "precision": share(self.right, self.found),
            "texts": self.texts,
            "exact": self.exact,
            "exact_folded": self.exact_folded,
            "cer": share(self.edits, self.characters),
        }


def interval(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if not count:
        return 0.0, 1.0
    p, n = right / count, count
    middle, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def shown(share: object) -> str:
    """A share of a score's row with three decimals, or a dash."""
    return f"{share:.3f}" if isinstance(share, float) else "-"


def best_text(read: PlateRead | None, least: float) -> str:
    """The read's text, or nothing when it is less sure than the manifest allows."""
    return read.read.text if read is not None and read.confidence >= least else ""


def judge(chain: Chain, picture: Picture, score: Score, least: float, smallest_px: float, still: bool) -> None:
    """Adds one picture to its source's score.

    Labelled boxes under `smallest_px` wide (picture px), and finds on them or as small on none, count neither way.
    """
    luma = picture.luma()
    score.images += 1
    score.plates += len(picture.plates)
    boxed = [p for p in picture.plates if p.get("width")]
    if picture.kind == "crop":
        h, w = luma.shape
        whole = Found(np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32), 1.0)
        reads: list[PlateRead] = chain.read(luma, [whole], still)
        pairs = [(0, 0)] if boxed else []
    else:
        reads = chain.look(luma, still)
        found = [r.found for r in reads]
        true = [np.concatenate([box_quad(p).min(0), box_quad(p).max(0)]) for p in boxed]
        big = [p["width"] >= smallest_px for p in boxed]
        boxes = [np.clip(f.box(), 0, luma.shape[::-1] * 2) for f in found]
        pairs = match(boxes, true, 0.3)
        score.boxes += sum(big)
        score.hits_30 += sum(big[j] for _, j in pairs)
        score.hits_50 += sum(big[j] for _, j in match(boxes, true, 0.5))
        if boxed:
            paired = dict(pairs)
            score.found += sum(
                big[paired[i]] if i in paired else b[2] - b[0] >= smallest_px for i, b in enumerate(boxes)
            )
            score.right += sum(big[j] for _, j in pairs)
    of_box = {j: reads[i] for i, j in pairs}
    for plate in picture.plates:
        text = plate.get("text")
        if not text:
            continue
        if plate.get("width"):
            read = of_box.get(boxed.index(plate))
            got = best_text(read, least)
        else:
            texts = [best_text(r, least) for r in reads]
            got = min(texts, key=lambda t: edit_distance(folded(t), folded(text)), default="")
            read = next((r for r in reads if r.read.text == got), None)
        score.texts += 1
        score.exact += got == text
        score.exact_folded += folded(got) == folded(text)
        score.edits += edit_distance(got, text)
        score.characters += len(text)
        if read is not None:
            score.sure.append((read.confidence, folded(read.read.text) == folded(text)))
        if folded(got) != folded(text):
            score.faults.append((picture.path.name, text, read.read.text if read else "-"))


def evaluate(
    models: Path, index: Path, sources: set[str] | None, least: float | None, smallest_px: float, still: bool = True
) -> dict[str, Score]:
    """Scores by source. Pictures are searched as `still` ones, or once, as a camera's frames are."""
    chain = Chain(models)
    least = chain.manifest["recogniser"]["confidence_min"] if least is None else least
    scores: dict[str, Score] = {}
    for picture in tqdm(read_index(index, sources), mininterval=5, leave=False):
        judge(chain, picture, scores.setdefault(picture.source, Score()), least, smallest_px, still)
    return scores


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    index_argument(parser, "dev")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder with manifest.toml")
    parser.add_argument("--source", action="append", help="only this source; may be repeated")
    parser.add_argument(
        "--least", type=float, help="least confidence of a read (default: the manifest's confidence_min)"
    )
    parser.add_argument(
        "--smallest", type=float, default=0.0, help="boxes and finds narrower than this many px count neither way"
    )
    parser.add_argument("--as-frames", action="store_true", help="search each picture once, as a camera's frames are")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--faults", action="store_true", help="also list the plates that were misread")
    a = parser.parse_args()
    scores = evaluate(a.models, a.index, set(a.source) if a.source else None, a.least, a.smallest, not a.as_frames)
    if a.json:
        print(json.dumps({"sources": {name: s.row() for name, s in scores.items()}}))
        return
    print("".join(f"{name:{width}}" for name, width in COLUMNS.items()))
    for name, s in scores.items():
        r = s.row()
        low, high = interval(s.exact_folded, s.texts)
        found = [s.images, s.plates, s.boxes, *(shown(r[key]) for key in ("recall_50", "recall_30", "precision"))]
        between = f"{low:.3f}-{high:.3f}" if s.texts else "-"
        read = [s.texts, s.exact, s.exact_folded, between, shown(r["cer"])]
        cells = zip([name, *found, *read], COLUMNS.values(), strict=True)
        print("".join(f"{cell!s:{width}}" for cell, width in cells))
    if a.faults:
        for name, s in scores.items():
            for fault in s.faults:
                print(name, *fault)


if __name__ == "__main__":
    main()
