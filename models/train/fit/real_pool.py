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

ROOM = 0.82


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
    real, mined, hard, unread, refused = Cuts(), Cuts(), Cuts(), Cuts(), 0
    for k, row in enumerate(scenes.rows):
        luma = scenes.luma(k)
        plates = [p for p in row["plates"] if p.get("width")]
        true = [np.concatenate([box_quad(p).min(0), box_quad(p).max(0)]) for p in plates]
        found = chain.find(luma)
        reads = chain.read(luma, found)
        of_box = {j: i for i, j in match([f.box() for f in found], true, 0.4)}
        for j, p in enumerate(plates):
            text, sure = p.get("machine_text") or "", p.get("machine_confidence") or 0
            if p["width"] < a.width:
                continue
            own = reads[of_box[j]] if j in of_box else chain.read(luma, [Found(box_quad(p), 1.0)])[0]
            known = (
                sure >= a.agree and 4 <= len(text) <= 9 and (sure >= a.sure or folded(own.read.text) == folded(text))
            )
            refused += not known and sure >= a.agree
            for quad in [box_quad(p), *([found[of_box[j]].quad] if j in of_box else [])]:
                if known:
                    real.add(luma, quad, text)
                else:
                    unread.add(luma, quad, "", TEXT_UNKNOWN)
        touched = {i for i, _ in match([f.box() for f in found], true, 0.02)}
        for i, f in enumerate(found):
            low, high = f.quad.min(0), f.quad.max(0)
            if (
                i not in touched
                and high[0] - low[0] >= a.width
                and not may_be_plate(reads[i])
                and not any(np.all(low < t[2:]) and np.all(high > t[:2]) for t in true)
            ):
                (hard if reads[i].plate >= 0.3 else mined).add(luma, f.quad, "")
    real.write(a.data / a.name, "real")
    for cuts, name in ((mined, a.mined), (hard, a.hard), (unread, a.unread)):
        if cuts.notes:
            cuts.write(a.data / name, "finds")
    print(
        f"{len(real.notes)} cuts of plates, {len({n['text'] for n in real.notes})} texts, {refused} refused; "
        f"{len(unread.notes)} cuts without a text; {len(mined.notes)} false finds and {len(hard.notes)} hard ones"
    )


if __name__ == "__main__":
    main()
