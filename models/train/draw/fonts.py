"""Plate faces: open fonts fetched by `setup`, and faces drawn from strokes. Gives masks of single characters."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from . import strokes

MASK_HEIGHT_PX = 72

# Package of the font -> weights used. Versions are pinned in `fonts.lock.json`.
FONT_WEIGHTS: dict[str, tuple[int, ...]] = {
    "barlow-condensed": (500, 600, 700),
    "barlow-semi-condensed": (500, 600),
    "barlow": (500, 600),
    "overpass": (600, 700),
    "overpass-mono": (600, 700),
    "roboto-condensed": (500, 700),
    "roboto-mono": (500, 700),
    "share-tech-mono": (400,),
    "share-tech": (400,),
    "saira-semi-condensed": (500, 600),
    "saira-condensed": (600,),
    "saira": (500,),
    "archivo-narrow": (500, 700),
    "oswald": (400, 500),
    "fjalla-one": (400,),
    "antonio": (500,),
    "bebas-neue": (400,),
    "teko": (500,),
    "rajdhani": (600, 700),
    "chakra-petch": (600,),
    "b612-mono": (400, 700),
    "jetbrains-mono": (600, 800),
    "dm-mono": (500,),
    "rubik": (500,),
    "russo-one": (400,),
    "alumni-sans": (600, 700),
    "encode-sans-condensed": (500, 700),
    "asap-condensed": (500, 700),
    "fira-sans-condensed": (500, 600),
    "ubuntu-condensed": (400,),
    "ubuntu-mono": (700,),
    "ibm-plex-mono": (600,),
    "big-shoulders-text": (600,),
    "quantico": (400, 700),
    "k2d": (600,),
    "kanit": (400, 500),
    "prompt": (500,),
    "khand": (500, 600),
    "signika": (500, 600),
    "pathway-extreme": (500, 700),
    "aldrich": (400,),
    "cousine": (700,),
    "league-gothic": (400,),
    "sofia-sans": (600,),
    "oxanium": (600,),
    "dosis": (600, 700),
}
HELD_OUT = frozenset({"asap-condensed", "pathway-extreme", "k2d", "overpass-mono", "signika", "saira"})


@dataclass
class Face:
    """A face: masks of characters, u8 [MASK_HEIGHT_PX, w]. `monospace` says that all cells are equally wide."""

    name: str
    held_out: bool
    monospace: bool
    path: Path | None = None
    style: strokes.Style | None = None
    family: str = ""  # `it`: drawn after Italian plates
    masks: dict[str, np.ndarray] = field(default_factory=dict)

    def mask(self, char: str) -> np.ndarray:
        """Mask of `char`, drawn on first use."""
        if char not in self.masks:
            self.masks[char] = self._draw(char)
        return self.masks[char]

    def _draw(self, char: str) -> np.ndarray:
        if self.style is not None:
            return strokes.glyph(self.style, char, MASK_HEIGHT_PX, self.monospace)
        font = _truetype(str(self.path))
        cap = font.getbbox("H", anchor="ls")
        image = Image.new("L", (260, 260))
        ImageDraw.Draw(image).text((60, 190), char, font=font, fill=255, anchor="ls")
        pixels = np.asarray(image)
        columns = np.flatnonzero(pixels.max(0) > 40)
        # The tail of a Q hangs under the line, and without it a Q is an O; plates have it within the height.
        below = np.flatnonzero(pixels.max(1) > 40)[-1] + 1
        mask = pixels[190 + cap[1] : max(190 + cap[3], below), columns[0] : columns[-1] + 1]
        scale = MASK_HEIGHT_PX / mask.shape[0]
        return cv2.resize(mask, (max(3, round(mask.shape[1] * scale)), MASK_HEIGHT_PX), interpolation=cv2.INTER_AREA)


@cache
def _truetype(path: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, 130)


def load_faces(fonts_dir: Path, seed: int, drawn: int = 70, italian: int = 30) -> list[Face]:
    """All faces: the fonts under `fonts_dir`, `drawn` stroke faces and `italian` ones after Italian plates.

    Six fonts, every tenth stroke face and every sixth Italian one are held out.
    """
    faces = []
    for package, weights in FONT_WEIGHTS.items():
        for weight in weights:
            path = (
                fonts_dir / "node_modules" / "@fontsource" / package / "files" / f"{package}-latin-{weight}-normal.woff"
            )
            if path.exists():
                faces.append(Face(f"{package}-{weight}", package in HELD_OUT, "mono" in package, path=path))
    if not faces:
        raise SystemExit(f"no fonts under {fonts_dir}: run train/setup first")
    rng = np.random.default_rng(seed)
    for k in range(drawn):
        faces.append(Face(f"drawn-{k}", k % 10 == 9, bool(rng.random() < 0.15), style=strokes.random_style(rng)))
    for k in range(italian):
        faces.append(Face(f"italian-{k}", k % 6 == 5, False, style=strokes.italian_style(rng), family="it"))
    return faces
