"""Makes pools of real plates and of what is taken for one, out of the `train` scenes.

Run: python -m train.fit.real_pool --help

`real`: boxes whose machine reading is sure. Each is cut by the box and, where the detector finds it, also by the
detector's own quad, which is what the recogniser meets later. The reading is another project's, so it is no label:
below `--sure` a plate stays only where our own recogniser reads the same.

`unread`: labelled plates whose text nobody knows, of any script. They teach what is a plate.

`mined`: the detector's false finds, which teach the recogniser what is no plate. Those that hold letters and digits
that our recogniser is sure of may be plates that nobody labelled, and are left out.

`hard`: those false finds that the recogniser, too, takes for a plate.
"""

import argparse
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from ..draw.canvas import CANVAS_HEIGHT_PX, CANVAS_WIDTH_PX, Scenes
from ..draw.pool import COUNTRY_UNKNOWN, TEXT_UNKNOWN
from ..indexes import box_quad
from ..paths import MODELS, data_dir_argument, index_argument
from ..read.chain import Chain, PlateRead
from ..read.decode import folded
from ..read.quads import Found, match

ROOM = 0.82  # of the canvas, that a plate takes
SAME_PLATE_IOU, TOUCHING_IOU = 0.4, 0.02
HARD_FROM = 0.3  # the probability of a plate, by both nets, from which a false find is a hard one
TEXT_LEAST, TEXT_MOST = 4, 9  # characters of a reading that may be a plate's


@dataclass
class Cuts:
    """Canvases and notes of one pool."""

    canvases: list[np.ndarray] = field(default_factory=list)
    notes: list[dict] = field(default_factory=list)

    def add(self, luma: np.ndarray, quad: np.ndarray, text: str, country: int = COUNTRY_UNKNOWN) -> None:
        """Cuts the quad f32 [4, 2] (picture px) with the scene round it."""
        low, high = quad.min(0), quad.max(0)
        w, h = np.maximum(high - low, 2.0)
        scale = min(CANVAS_WIDTH_PX * ROOM / w, CANVAS_HEIGHT_PX * ROOM / h)
        shift = np.array([CANVAS_WIDTH_PX, CANVAS_HEIGHT_PX]) / 2 - scale * (low + high) / 2
        if scale < 0.7:  # shrunk by areas, or thin strokes break
            luma = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            matrix = np.array([[1.0, 0, shift[0]], [0, 1.0, shift[1]]])
        else:
            matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        canvas = cv2.warpAffine(
            luma, matrix, (CANVAS_WIDTH_PX, CANVAS_HEIGHT_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        self.canvases.append(canvas)
        self.notes.append({"text": text, "country": country, "rows": 0, "quad": (quad * scale + shift).tolist()})

    def write(self, folder: Path, name: str) -> None:
        """One shard."""
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{name}.npy", np.stack(self.canvases))
        (folder / f"{name}.json").write_text(json.dumps(self.notes))


def may_be_plate(read: PlateRead) -> bool:
    """Whether a find without a label reads like a plate: sure, long enough, with letters and digits, or many digits."""
    text = read.read.text
    digits = sum(c.isdigit() for c in text)
    return read.confidence > 0.4 and len(text) >= 4 and digits >= 2


@dataclass(frozen=True)
class Limits:
    """From which machine confidence a reading is taken alone, and where ours agrees; the least width of a plate, px."""

    sure: float
    agree: float
    width_px: float


@dataclass
class Pools:
    """The four pools in the making. `refused` are sure readings that ours contradicts."""

    chain: Chain
    limits: Limits
    real: Cuts = field(default_factory=Cuts)
    mined: Cuts = field(default_factory=Cuts)
    hard: Cuts = field(default_factory=Cuts)
    unread: Cuts = field(default_factory=Cuts)
    refused: int = 0

    def add(self, luma: np.ndarray, plates: list[dict]) -> None:
        """Cuts one scene, luma u8 [H, W], with its labelled and boxed plates."""
        true = [np.concatenate([box_quad(p).min(0), box_quad(p).max(0)]) for p in plates]
        found = self.chain.find(luma)
        reads = self.chain.read(luma, found)
        boxes = [f.box() for f in found]
        of_box = {j: i for i, j in match(boxes, true, SAME_PLATE_IOU)}
        for j, plate in enumerate(plates):
            i = of_box.get(j)
            seen = None if i is None else (found[i], reads[i])
            self._add_plate(luma, plate, seen)
        touched = {i for i, _ in match(boxes, true, TOUCHING_IOU)}
        for i, read in enumerate(reads):
            if i not in touched and self._is_false(read, found[i], true):
                (self.hard if read.plate >= HARD_FROM else self.mined).add(luma, found[i].quad, "")

    def _add_plate(self, luma: np.ndarray, plate: dict, seen: tuple[Found, PlateRead] | None) -> None:
        """Cuts a labelled plate by its box and, where it was found and read (`seen`), by the find."""
        if plate["width"] < self.limits.width_px:
            return
        box = box_quad(plate)
        text, sure = plate.get("machine_text") or "", plate.get("machine_confidence") or 0
        own = seen[1] if seen else self.chain.read(luma, [Found(box, 1.0)])[0]
        agreed = sure >= self.limits.sure or folded(own.read.text) == folded(text)
        known = sure >= self.limits.agree and TEXT_LEAST <= len(text) <= TEXT_MOST and agreed
        self.refused += not known and sure >= self.limits.agree
        for quad in [box, seen[0].quad] if seen else [box]:
            if known:
                self.real.add(luma, quad, text)
            else:
                self.unread.add(luma, quad, "", TEXT_UNKNOWN)

    def _is_false(self, read: PlateRead, found: Found, true: list[np.ndarray]) -> bool:
        """Whether a find that touches no label is surely none of a plate, and lies within no label."""
        low, high = found.quad.min(0), found.quad.max(0)
        within = any(np.all(low < t[2:]) and np.all(high > t[:2]) for t in true)
        return high[0] - low[0] >= self.limits.width_px and not may_be_plate(read) and not within


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data_dir_argument(parser)
    index_argument(parser)
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the nets that find and agree")
    parser.add_argument("--name", default="real", help="folder of the pool of plates under the data folder")
    parser.add_argument("--mined", default="mined", help="folder of the pool of false finds")
    parser.add_argument(
        "--hard", default="hard", help="folder of the pool of those that the recogniser took for a plate too"
    )
    parser.add_argument("--unread", default="unread", help="folder of the pool of plates without a text")
    parser.add_argument(
        "--sure", type=float, default=0.97, help="machine confidence from which a reading is taken without our own"
    )
    parser.add_argument(
        "--agree",
        type=float,
        default=0.6,
        help="machine confidence from which a reading is taken where our own is the same",
    )
    parser.add_argument("--width", type=float, default=30.0, help="least width of a plate in px")
    parser.add_argument("--found", type=float, default=0.15, help="least confidence of a false find")
    a = parser.parse_args()
    chain = Chain(a.models)
    chain.rules = replace(chain.rules, confidence_min=a.found)
    scenes = Scenes(a.index, keep=False)
    pools = Pools(chain, Limits(a.sure, a.agree, a.width))
    for k, row in enumerate(scenes.rows):
        pools.add(scenes.luma(k), [p for p in row["plates"] if p.get("width")])
    pools.real.write(a.data / a.name, "real")
    for cuts, name in ((pools.mined, a.mined), (pools.hard, a.hard), (pools.unread, a.unread)):
        if cuts.notes:
            cuts.write(a.data / name, "finds")
    texts = {note["text"] for note in pools.real.notes}
    print(
        f"{len(pools.real.notes)} cuts of plates, {len(texts)} texts, {pools.refused} refused; "
        f"{len(pools.unread.notes)} cuts without a text; "
        f"{len(pools.mined.notes)} false finds and {len(pools.hard.notes)} hard ones"
    )


if __name__ == "__main__":
    main()
