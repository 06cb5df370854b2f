"""Reads indexes of pictures: scenes, plates, crops."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .read.rectify import HEIGHT_PX, WIDTH_PX, rectify


@dataclass(frozen=True)
class Picture:
    """One line of an index. `plates` are its dictionaries, boxes in px of the picture."""

    path: Path
    source: str
    kind: str
    use: str
    plates: tuple[dict, ...]

    def luma(self) -> np.ndarray:
        """The picture as luma u8 [H, W]: of its colours by BT.601 in 16 bits of fraction, as the edge does it."""
        image = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if image is None:
            raise SystemExit(f"cannot read picture `{self.path}`")
        blue, green, red = (image[:, :, k].astype(np.uint32) for k in range(3))
        return ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16).astype(np.uint8)


def read_index(index: Path, sources: set[str] | None = None, use: str | None = None) -> list[Picture]:
    """All pictures of an index, or those of some sources or one use."""
    out = []
    for line in index.read_text().splitlines():
        row = json.loads(line)
        if (sources and row["source"] not in sources) or (use and row.get("use") != use):
            continue
        out.append(
            Picture(
                index.parent / row["path"], row["source"], row["kind"], row.get("use", "evaluate"), tuple(row["plates"])
            )
        )
    return out


def box_quad(plate: dict) -> np.ndarray:
    """The plate's box as a quad f32 [4, 2], TL TR BR BL, px."""
    x, y, w, h = plate["x"], plate["y"], plate["width"], plate["height"]
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)


def labelled_crops(index: Path, source: str, limit: int) -> tuple[np.ndarray, list[str]]:
    """Straightened boxes u8 [N, 1, 48, 160] with a person's text, or, in sources of crops, a sure machine reading."""
    plates, texts = [], []
    for picture in read_index(index, {source}):
        for plate in picture.plates:
            text = plate.get("text")
            if text is None and picture.kind == "crop" and (plate.get("machine_confidence") or 0) >= 0.98:
                text = plate["machine_text"]
            if text and plate.get("width") and len(texts) < limit:
                plates.append(rectify(picture.luma(), box_quad(plate)))
                texts.append(text)
    if not plates:
        return np.zeros((0, 1, HEIGHT_PX, WIDTH_PX), np.uint8), []
    return np.stack(plates)[:, None], texts
