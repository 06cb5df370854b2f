"""Makes a pool of real plates out of the `train` scenes: boxes whose machine reading is sure. Run: python -m train.real_pool --help

The reading is another project's, so it is no label: with `--agree` only plates stay where our own net, trained without
them or not, reads the same or differs by one character. Plates with the same text always go together.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from .canvas import CANVAS_HEIGHT_PX, CANVAS_WIDTH_PX, Scenes
from .decode import edit_distance, folded, greedy
from .paths import data_dir_argument, index_argument
from .rectify import rectify

ROOM = 0.82


def cut(luma: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Canvas and quad of a box [left, top, right, bottom] in px, with the scene round it."""
    w, h = box[2] - box[0], box[3] - box[1]
    scale = min(CANVAS_WIDTH_PX * ROOM / w, CANVAS_HEIGHT_PX * ROOM / h)
    matrix = np.array([[scale, 0, CANVAS_WIDTH_PX / 2 - scale * (box[0] + box[2]) / 2], [0, scale, CANVAS_HEIGHT_PX / 2 - scale * (box[1] + box[3]) / 2]])
    flags = cv2.INTER_AREA if scale < 0.7 else cv2.INTER_LINEAR
    canvas = cv2.warpAffine(luma, matrix, (CANVAS_WIDTH_PX, CANVAS_HEIGHT_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    x, y = (CANVAS_WIDTH_PX - w * scale) / 2, (CANVAS_HEIGHT_PX - h * scale) / 2
    return canvas, np.array([[x, y], [CANVAS_WIDTH_PX - x, y], [CANVAS_WIDTH_PX - x, CANVAS_HEIGHT_PX - y], [x, CANVAS_HEIGHT_PX - y]], np.float32)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    data_dir_argument(parser)
    index_argument(parser)
    parser.add_argument("--name", default="real", help="folder of the pool under the data folder")
    parser.add_argument("--sure", type=float, default=0.95, help="least machine confidence")
    parser.add_argument("--width", type=float, default=40.0, help="least width of a plate in px")
    parser.add_argument("--agree", type=Path, help="recogniser.onnx whose reading must agree")
    a = parser.parse_args()
    scenes = Scenes(a.index, keep=False)
    net = None
    if a.agree:
        from .runtime import session

        net = session(a.agree)
    canvases, notes, refused = [], [], 0
    for k, row in enumerate(scenes.rows):
        for p in row["plates"]:
            text = p.get("machine_text") or ""
            if (p.get("machine_confidence") or 0) < a.sure or not 4 <= len(text) <= 9 or p["width"] < a.width:
                continue
            luma = scenes.luma(k)
            box = np.array([p["x"], p["y"], p["x"] + p["width"], p["y"] + p["height"]])
            if net is not None:
                quad = np.array([[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]], np.float32)
                own = greedy(net.run(["characters"], {"plates": rectify(luma, quad)[None, None]})[0][0]).text
                if edit_distance(folded(own), folded(text)) > 1:
                    refused += 1
                    continue
            canvas, quad = cut(luma, box)
            canvases.append(canvas)
            notes.append({"text": text, "country": -1, "rows": 0, "quad": quad.tolist()})
    out = a.data / a.name / "real"
    out.parent.mkdir(parents=True, exist_ok=True)
    np.save(out.with_suffix(".npy"), np.stack(canvases))
    out.with_suffix(".json").write_text(json.dumps(notes))
    print(f"{len(notes)} plates, {len({n['text'] for n in notes})} texts, {refused} refused")


if __name__ == "__main__":
    main()
