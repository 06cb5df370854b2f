"""A pool folder: shards of canvases u8 [N, 96, 256] (`.npy`), each with a JSON of quads, texts, countries and rows."""

import json
from pathlib import Path

import numpy as np

# In place of a country's class.
COUNTRY_UNKNOWN = -1
TEXT_UNKNOWN = -2  # the country is not known, and it is a plate whose text nobody knows


class PlatePool:
    """All shards of a pool folder: canvases (memory-mapped), quads, texts, countries."""

    def __init__(self, folder: Path) -> None:
        self.canvases, self.notes = [], []
        for path in sorted(folder.glob("*.json")):
            self.canvases.append(np.load(path.with_suffix(".npy"), mmap_mode="r"))
            self.notes.append(json.loads(path.read_text()))
        if not self.notes:
            raise SystemExit(f"no shards under {folder}: run train.draw.render first")
        self.starts = np.cumsum([0, *map(len, self.notes)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, k: int) -> tuple[np.ndarray, np.ndarray, str, int, int]:
        """Canvas u8, quad f32 [4, 2], text, country class or one of the two above, rows."""
        shard = int(np.searchsorted(self.starts, k, "right")) - 1
        note = self.notes[shard][k - int(self.starts[shard])]
        canvas = np.asarray(self.canvases[shard][k - int(self.starts[shard])])
        return canvas, np.array(note["quad"], np.float32), note["text"], note["country"], note["rows"]
