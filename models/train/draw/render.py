"""Renders a pool of plates on canvases, and of patches and words without a plate.

Run: python -m train.draw.render --help
"""

import argparse
import json
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..paths import data_dir_argument, index_argument
from ..read.countries import COUNTRIES, country_class
from .canvas import CANVAS_HEIGHT_PX, CANVAS_WIDTH_PX, Scenes, compose, lettering
from .fonts import load_faces
from .plate import draw_plate

FACES_SEED = 11


def render_shard(job: tuple[Path, Path, Path, int, int, bool, float, str, bool]) -> Path:
    """Writes one shard: canvases u8 [N, 96, 256] and a JSON of quads, texts, countries and rows."""
    out, fonts, index, seed, count, held_out, negatives, grounds, two_rows = job
    rng = np.random.default_rng(seed)
    faces = [f for f in load_faces(fonts, FACES_SEED) if f.held_out == held_out]
    scenes = None
    if grounds != "none":
        scenes = Scenes(index, keep=False, use=grounds)
        chosen = rng.permutation(len(scenes.rows))[:250]
        scenes.rows = [scenes.rows[int(k)] for k in chosen]
        scenes.keep = True
    weights = np.array([c.weight for c in COUNTRIES])
    weights /= weights.sum()
    canvases = np.zeros((count, CANVAS_HEIGHT_PX, CANVAS_WIDTH_PX), np.uint8)
    notes = []
    for k in range(count):
        if rng.random() < negatives:
            words = scenes is None or rng.random() < 0.5
            if words:
                canvases[k], quad = lettering(scenes, faces, rng)
            else:
                canvases[k] = scenes.patch(rng, CANVAS_WIDTH_PX / CANVAS_HEIGHT_PX)
                quad = np.array([[24, 22], [232, 22], [232, 74], [24, 74]], np.float32)
            notes.append(
                {"text": "", "country": -1 if words else country_class("XX"), "rows": 0, "quad": quad.tolist()}
            )
            continue
        country = COUNTRIES[int(rng.choice(len(COUNTRIES), p=weights))]
        plate = draw_plate(country, faces, rng, two_row=two_rows or None)
        canvases[k], quad = compose(plate, scenes, faces, rng)
        notes.append(
            {"text": plate.text, "country": country_class(plate.country), "rows": plate.rows, "quad": quad.tolist()}
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    np.save(out.with_suffix(".npy"), canvases)
    out.with_suffix(".json").write_text(json.dumps(notes))
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    data_dir_argument(parser)
    index_argument(parser)
    parser.add_argument("--name", default="pool", help="folder of the pool under the data folder")
    parser.add_argument("--count", type=int, default=60000, help="plates to render")
    parser.add_argument("--shard", type=int, default=2000, help="plates a shard")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--held-out", action="store_true", help="use only the faces that training never sees")
    parser.add_argument(
        "--grounds",
        choices=["train", "evaluate", "none"],
        default="train",
        help="scenes of the index, by their mark, that plates lie on; none for no photograph at all",
    )
    parser.add_argument("--negatives", type=float, default=0.05, help="share of patches and words without a plate")
    parser.add_argument("--two-rows", action="store_true", help="plates of two rows alone")
    a = parser.parse_args()
    # What is missing is told here: a process of the pool would end without a word.
    load_faces(a.data / "fonts", FACES_SEED)
    if a.grounds != "none":
        Scenes(a.index, keep=False, use=a.grounds)
    jobs = [
        (
            a.data / a.name / f"{a.seed:03d}_{k:03d}",
            a.data / "fonts",
            a.index,
            a.seed * 1000 + k,
            a.shard,
            a.held_out,
            a.negatives,
            a.grounds,
            a.two_rows,
        )
        for k in range(-(-a.count // a.shard))
    ]
    jobs = [j for j in jobs if not j[0].with_suffix(".json").exists()]
    with Pool(a.processes) as pool:
        for _ in tqdm(pool.imap_unordered(render_shard, jobs), total=len(jobs), unit="shard"):
            pass


if __name__ == "__main__":
    main()
