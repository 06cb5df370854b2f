"""Batches of pictures for the detector, with its training maps."""

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import IterableDataset

from ..draw.canvas import Scenes
from ..draw.pool import PlatePool
from ..draw.scenes import sample
from ..nets.detector import STRIDE_PX, targets

SMALLEST_PX = 11.0  # narrower plates are neither plate nor background


class SceneBatches(IterableDataset):
    """Endless batches: luma u8 [N, 1, H, W], heat, corners, corner weight, heat weight, exactness (see `targets`)."""

    def __init__(
        self, index: Path, pool: Path, batch: int, width_px: int, height_px: int, seed: int, words: Path | None = None
    ) -> None:
        self.index, self.pool, self.batch, self.seed, self.words = index, pool, batch, seed, words
        self.size = (width_px, height_px)

    def __iter__(self):  # noqa: ANN204 - a generator of tuples as the class tells
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        scenes, pool, words = Scenes(self.index), PlatePool(self.pool), PlatePool(self.words) if self.words else None
        r, c = self.size[1] // STRIDE_PX, self.size[0] // STRIDE_PX
        while True:
            out: list[list[torch.Tensor]] = [[], [], [], [], [], []]
            for _ in range(self.batch):
                image, quads, exact, seen = sample(scenes, pool, self.size, rng, words)
                shown = [torch.from_numpy(q) for q, visible in zip(quads, seen, strict=True) if visible]
                hidden = [torch.from_numpy(q) for q, visible in zip(quads, seen, strict=True) if not visible]
                heat, corners, weight, heat_weight = targets(shown, r, c, SMALLEST_PX, hidden)
                exactness = torch.zeros(r, c)
                for q, e in zip(quads, exact, strict=True):
                    if e:
                        low, high = (
                            np.floor(q.min(0) / STRIDE_PX).astype(int),
                            np.ceil(q.max(0) / STRIDE_PX).astype(int),
                        )
                        exactness[max(0, low[1]) : high[1], max(0, low[0]) : high[0]] = 1.0
                for store, value in zip(
                    out, (torch.from_numpy(image)[None], heat, corners, weight, heat_weight, exactness), strict=True
                ):
                    store.append(value)
            yield tuple(torch.stack(column) for column in out)
