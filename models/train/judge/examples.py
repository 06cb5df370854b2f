"""A sheet of rendered plates that the recogniser reads wrong or not at all, for the model card.

Run: python -m train.judge.examples --help

Only pools rendered without photographs (`--grounds none`) may be shown.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from ..draw.camera import Strength, view
from ..draw.pool import PlatePool
from ..paths import MODELS, data_dir_argument
from ..read.chain import Chain
from ..read.decode import folded

COLUMNS, ROWS = 4, 6


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data_dir_argument(parser)
    parser.add_argument("--models", type=Path, default=MODELS, help="folder with manifest.toml")
    parser.add_argument("--pool", default="plain", help="pool rendered with --grounds none --held-out")
    parser.add_argument("--width", type=float, default=50.0, help="least plate width in px")
    parser.add_argument("--level", type=float, default=0.4)
    parser.add_argument("--out", type=Path, default=MODELS / "figures" / "misread.png")
    a = parser.parse_args()
    chain, pool, rng = Chain(a.models), PlatePool(a.data / a.pool), np.random.default_rng(6)
    tiles, shown = [], 0
    for k in range(len(pool)):
        canvas, quad, text, _, rows = pool[k]
        if not text:
            continue
        shown += 1
        plate = view(
            canvas,
            quad,
            rng,
            Strength(a.level, a.width / (1.0 if rows == 1 else 0.75), 3 * a.width / (1.0 if rows == 1 else 0.6)),
        )
        ((read, *_),) = chain.recognise(plate[None])
        if folded(read.text) == folded(text):
            continue
        tile = cv2.copyMakeBorder(
            cv2.resize(plate, (240, 72), interpolation=cv2.INTER_CUBIC), 0, 20, 4, 4, cv2.BORDER_CONSTANT, value=255
        )
        cv2.putText(
            tile,
            f"{text}: {read.text or '-'} {read.confidence(chain.rule):.2f}",
            (6, 87),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.42,
            0,
            1,
            cv2.LINE_AA,
        )
        tiles.append(tile)
    print(f"{len(tiles)} of {shown} misread")
    tiles = tiles[: COLUMNS * ROWS]
    if tiles:
        tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
        a.out.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(a.out), np.vstack([np.hstack(tiles[k : k + COLUMNS]) for k in range(0, len(tiles), COLUMNS)]))


if __name__ == "__main__":
    main()
