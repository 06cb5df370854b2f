"""Whether the chain here and `varco-edge read` say the same of every plate.

Run: python -m train.judge.agree --edge PROGRAM --help

Both get the same bytes, lossless grey copies of the pictures: JPEG decoders differ by a step of brightness here and
there. A plate is the same when its text is, its corners lie within 0.05 px and its confidences within 0.001. Ends with
status 1 when one is not. The program needs ORT_DYLIB_PATH, as always.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ..indexes import read_index
from ..paths import MODELS, index_argument
from ..read.chain import Chain, PlateRead

CORNER_PX_MAX, CONFIDENCE_OFF_MAX = 0.05, 0.001


def told_by(edge: Path, models: Path, pictures: list[Path]) -> list[list[dict]]:
    """What the program reads from each picture, as its JSON has it."""
    command = [str(edge), "read", "--json", "--models", str(models), *map(str, pictures)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"`{edge} read` failed: {done.stderr.strip()}")
    return [image["plates"] for image in json.loads(done.stdout)["images"]]


def same(read: PlateRead, told: dict, least: float) -> bool:
    """Whether both say the same of one plate; `least` is the confidence from which a read counts."""
    text = read.read.text if read.confidence >= least and read.read.text else None
    off = [
        abs(read.confidence - told["confidence"]),
        abs(read.found.confidence - told["detection_confidence"]),
        abs(read.plate - told["plate_probability"]),
    ]
    return (
        text == told["plate"]
        and float(np.abs(read.found.quad - np.array(told["quad"])).max()) <= CORNER_PX_MAX
        and max(off) <= CONFIDENCE_OFF_MAX
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    index_argument(parser, "dev")
    parser.add_argument("--edge", type=Path, required=True, help="the program varco-edge")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder with manifest.toml")
    parser.add_argument("--source", action="append", help="only this source; may be repeated")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    chain = Chain(a.models)
    least = chain.manifest["recogniser"]["confidence_min"]
    pictures = [p for p in read_index(a.index, set(a.source) if a.source else None) if p.kind == "scene"]
    agreed, others = 0, []
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{at}.png" for at in range(len(pictures))]
        lumas = [picture.luma() for picture in pictures]
        for path, luma in zip(paths, lumas, strict=True):
            cv2.imwrite(str(path), luma)
        for picture, luma, told in zip(
            tqdm(pictures, mininterval=5, leave=False), lumas, told_by(a.edge, a.models, paths), strict=True
        ):
            reads = chain.look(luma, still=True)
            pairs = [same(read, plate, least) for read, plate in zip(reads, told, strict=False)]
            agreed += sum(pairs)
            if len(reads) != len(told) or not all(pairs):
                others.append(picture.path.name)
    if a.json:
        print(json.dumps({"pictures": len(pictures), "plates_same": agreed, "pictures_that_differ": others}))
    else:
        print(f"{agreed} plates of {len(pictures)} pictures are the same; pictures that differ: {len(others)}", *others)
    raise SystemExit(1 if others else 0)


if __name__ == "__main__":
    main()
