"""How often something is taken for a plate where nobody labelled one.

Run: python -m train.judge.false_finds --help

The scenes marked `evaluate` are cut into windows that touch no labelled box; each is searched as if it were a frame.
Some windows hold plates that nobody labelled, so the figures lean to the bad side; `--montage` shows the finds.
"""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ..indexes import box_quad, read_index
from ..paths import MODELS, index_argument
from ..read.chain import Chain, PlateRead

LEAST_PX = 200  # sides of a window, at least
LONG_TEXT = 4  # characters from which a text could be a plate's
TILE_PX, TILE_NOTE_PX, TILE_GAP_PX = (160, 60), 16, 4  # a find in the montage, and the line under it
TILES_A_ROW, TILES_MAX = 8, 96


@dataclass
class Finds:
    """Counts of what was found in `windows` without a labelled plate. `tiles` are (probability of a plate, picture)."""

    windows: int = 0
    finds: int = 0
    texts: int = 0
    long_texts: int = 0
    tiles: list[tuple[float, np.ndarray]] = field(default_factory=list)

    def add(self, window: np.ndarray, reads: list[PlateRead], least: float, keep: bool) -> None:
        """Counts the reads of one window; a text counts from the confidence `least` on. `keep` makes tiles of them."""
        self.windows += 1
        for read in reads:
            self.finds += 1
            told = read.confidence >= least
            self.texts += told and bool(read.read.text)
            self.long_texts += told and len(read.read.text) >= LONG_TEXT
            if keep and (tile := tile_of(window, read)) is not None:
                self.tiles.append((read.plate, tile))

    def row(self) -> dict[str, float]:
        """The figures by name."""
        return {
            "windows": self.windows,
            "finds": self.finds,
            "texts": self.texts,
            "texts_of_4": self.long_texts,
            "finds_per_1000": 1000 * self.finds / max(1, self.windows),
            "texts_of_4_per_1000": 1000 * self.long_texts / max(1, self.windows),
        }

    def montage(self) -> np.ndarray:
        """The tiles, likeliest plates first, as one picture u8 [H, W]."""
        shown = [tile for _, tile in sorted(self.tiles, key=lambda t: -t[0])][:TILES_MAX]
        shown += [np.zeros_like(shown[0])] * (-len(shown) % TILES_A_ROW)
        return np.vstack([np.hstack(shown[k : k + TILES_A_ROW]) for k in range(0, len(shown), TILES_A_ROW)])


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


def tile_of(window: np.ndarray, read: PlateRead) -> np.ndarray | None:
    """The find, with what the nets say of it underneath, u8; nothing where it lies outside its window."""
    low, high = np.maximum(read.found.quad.min(0) - 8, 0).astype(int), (read.found.quad.max(0) + 8).astype(int)
    cut = window[low[1] : high[1], low[0] : high[0]]
    if not cut.size:
        return None
    tile = cv2.copyMakeBorder(cv2.resize(cut, TILE_PX), 0, TILE_NOTE_PX, 0, TILE_GAP_PX, cv2.BORDER_CONSTANT)
    note = f"{read.found.confidence:.2f} {read.plate:.2f} {read.read.text} {read.confidence:.2f}"
    cv2.putText(tile, note, (1, TILE_PX[1] + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.33, 255, 1)
    return tile


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    index_argument(parser, "dev")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder with manifest.toml")
    parser.add_argument("--source", action="append", default=[], help="only this source; may be repeated")
    parser.add_argument("--montage", type=Path, help="PNG of the finds (photographs: keep it out of the repository)")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    chain, finds = Chain(a.models), Finds()
    least = chain.manifest["recogniser"]["confidence_min"]
    for picture in read_index(a.index, set(a.source) or None):
        if picture.kind != "scene":
            continue
        luma = picture.luma()
        boxes = [box_quad(p) for p in picture.plates if p.get("width")]
        for left, top, right, bottom in free_windows(*luma.shape, boxes):
            window = np.ascontiguousarray(luma[top:bottom, left:right])
            finds.add(window, chain.look(window), least, keep=a.montage is not None)
    row = finds.row()
    if a.json:
        print(json.dumps(row))
    else:
        print(
            f"{row['windows']} windows without a labelled plate: "
            f"{row['finds']} finds ({row['finds_per_1000']:.0f} a thousand), {row['texts']} texts, "
            f"{row['texts_of_4']} of four characters or more ({row['texts_of_4_per_1000']:.0f} a thousand)"
        )
    if a.montage and finds.tiles:
        cv2.imwrite(str(a.montage), finds.montage())


if __name__ == "__main__":
    main()
