"""How often something is taken for a plate where nobody labelled one.

Run: python -m train.judge.false_finds --help

The scenes marked `evaluate` are cut into windows that touch no labelled box; each is searched as if it were a frame.
Some windows hold plates that nobody labelled, so the figures lean to the bad side; `--montage` shows the finds.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from ..indexes import box_quad, read_index
from ..paths import MODELS, index_argument
from ..read.chain import Chain

LEAST_PX = 200


def free_windows(height: int, width: int, boxes: list[np.ndarray]) -> list[tuple[int, int, int, int]]:
    """The largest free strips left of, right of, above and below all boxes: left, top, right, bottom in px."""
    if not boxes:
        return [(0, 0, width, height)]
    low = np.min([b.min(0) for b in boxes], 0)
    high = np.max([b.max(0) for b in boxes], 0)
    strips = [
        (0, 0, int(low[0]) - 4, height),
        (int(high[0]) + 4, 0, width, height),
        (0, 0, width, int(low[1]) - 4),
        (0, int(high[1]) + 4, width, height),
    ]
    return [s for s in strips if s[2] - s[0] >= LEAST_PX and s[3] - s[1] >= LEAST_PX]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    index_argument(parser, "dev")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder with manifest.toml")
    parser.add_argument("--source", action="append", default=[], help="only this source; may be repeated")
    parser.add_argument("--montage", type=Path, help="PNG of the finds (photographs: keep it out of the repository)")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    chain = Chain(a.models)
    least = chain.manifest["recogniser"]["confidence_min"]
    frames = finds = texts = long_texts = 0
    tiles = []
    for picture in read_index(a.index, set(a.source) or None):
        if picture.kind != "scene":
            continue
        luma = picture.luma()
        boxes = [box_quad(p) for p in picture.plates if p.get("width")]
        for left, top, right, bottom in free_windows(*luma.shape, boxes):
            window = np.ascontiguousarray(luma[top:bottom, left:right])
            frames += 1
            for r in chain.look(window):
                finds += 1
                texts += r.confidence >= least and bool(r.read.text)
                long_texts += r.confidence >= least and len(r.read.text) >= 4
                if a.montage:
                    low, high = (
                        np.maximum(r.found.quad.min(0) - 8, 0).astype(int),
                        (r.found.quad.max(0) + 8).astype(int),
                    )
                    tile = window[low[1] : high[1], low[0] : high[0]]
                    if tile.size:
                        tile = cv2.copyMakeBorder(cv2.resize(tile, (160, 60)), 0, 16, 0, 4, cv2.BORDER_CONSTANT)
                        cv2.putText(
                            tile,
                            f"{r.found.confidence:.2f} {r.plate:.2f} {r.read.text} {r.confidence:.2f}",
                            (1, 73),
                            cv2.FONT_HERSHEY_SIMPLEX,
                            0.33,
                            255,
                            1,
                        )
                        tiles.append((r.plate, tile))
    row = {
        "windows": frames,
        "finds": finds,
        "texts": texts,
        "texts_of_4": long_texts,
        "finds_per_1000": 1000 * finds / max(1, frames),
        "texts_of_4_per_1000": 1000 * long_texts / max(1, frames),
    }
    if a.json:
        print(json.dumps(row))
    else:
        print(
            f"{frames} windows without a labelled plate: {finds} finds ({row['finds_per_1000']:.0f} a thousand), "
            f"{texts} texts, {long_texts} of four characters or more ({row['texts_of_4_per_1000']:.0f} a thousand)"
        )
    if a.montage and tiles:
        shown = [t for _, t in sorted(tiles, key=lambda t: -t[0])][:96]
        shown += [np.zeros_like(shown[0])] * (-len(shown) % 8)
        cv2.imwrite(str(a.montage), np.vstack([np.hstack(shown[k : k + 8]) for k in range(0, len(shown), 8)]))


if __name__ == "__main__":
    main()
