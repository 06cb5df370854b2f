"""Batches for the recogniser: pool canvases and real crops through the random camera."""

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import IterableDataset

from ..draw.camera import Strength, judged_view, view
from ..draw.pool import PlatePool
from ..read.countries import ALPHABET
from ..read.decode import BLANK

MAX_TEXT = 12
INDEX_OF = {c: k for k, c in enumerate(ALPHABET)}
LEGIBLE_FROM, LEGIBLE_TO, ILLEGIBLE_WEIGHT = 0.3, 0.55, 0.1


class CameraBatches(IterableDataset):
    """Endless batches of N plates u8 [N, 1, 48, 160] with what they say.

    With them come labels i64 [N, 12] (padded with the blank), lengths i64 [N], countries i64 [N], text weights f32 [N],
    corners f32 [N, 8] (see `rectify.within`), corner weights f32 [N].

    What the camera left illegible weighs little: it teaches to be unsure, and must not teach to guess.
    """

    def __init__(self, pools: list[tuple[Path, float]], batch: int, seed: int, level: float) -> None:
        self.pools, self.batch, self.seed, self.level = pools, batch, seed, level

    def __iter__(self):  # noqa: ANN204 - a generator of tuples as the class tells
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        pools = [PlatePool(path) for path, _ in self.pools]
        shares = np.array([share for _, share in self.pools])
        shares = shares / shares.sum()
        strength = Strength(level=self.level)
        while True:
            plates = np.zeros((self.batch, 1, 48, 160), np.uint8)
            labels = np.full((self.batch, MAX_TEXT), BLANK, np.int64)
            lengths = np.zeros(self.batch, np.int64)
            countries = np.zeros(self.batch, np.int64)
            weights = np.ones(self.batch, np.float32)
            corners = np.zeros((self.batch, 8), np.float32)
            corner_weights = np.zeros(self.batch, np.float32)
            for i in range(self.batch):
                pool = pools[int(rng.choice(len(pools), p=shares))]
                canvas, quad, text, country, rows = pool[int(rng.integers(len(pool)))]
                plates[i, 0], left, where = judged_view(canvas, quad, rows, rng, strength)
                weights[i] = np.clip((left - LEGIBLE_FROM) / (LEGIBLE_TO - LEGIBLE_FROM), ILLEGIBLE_WEIGHT, 1.0)
                if text and rows:  # of real plates only the box is known
                    corners[i], corner_weights[i] = np.clip(where, -0.6, 1.6).ravel(), weights[i]
                labels[i, : len(text)] = [INDEX_OF[c] for c in text]
                lengths[i], countries[i] = len(text), country
            yield tuple(map(torch.from_numpy, (plates, labels, lengths, countries, weights, corners, corner_weights)))


def fixed_views(folder: Path, count: int, seed: int, level: float) -> tuple[torch.Tensor, list[str]]:
    """A fixed set of views of a pool's first plates, to judge with."""
    pool, rng = PlatePool(folder), np.random.default_rng(seed)
    strength = Strength(level=level, width_min_px=80.0 if level == 0 else 22.0)
    samples = [pool[k] for k in range(min(count, len(pool)))]
    plates = np.stack([view(s[0], s[1], rng, strength) for s in samples])[:, None]
    return torch.from_numpy(plates), [s[2] for s in samples]
