"""Read rate against plate width, on real scenes made smaller and on held-out renders, as a table and a plot.

Run: python -m train.judge.curves --help
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from ..draw.camera import LEGIBLE, Strength, street_view
from ..draw.canvas import Scenes
from ..draw.pool import PlatePool
from ..indexes import read_index
from ..paths import MODELS, data_dir_argument, index_argument
from ..read.chain import Chain
from ..read.countries import COUNTRY_CLASSES
from ..read.decode import folded
from .evaluate import interval

WIDTHS_PX = (20, 25, 30, 35, 40, 50, 60, 80, 100, 130, 170)
STREET_ASPECT = 1.6  # width to height of the piece of a scene that a rendered plate hangs in
GOAL_PX = 80  # from this width on the goals for rendered plates hold
DRAWN_MIN = 15  # plates of a kind and width, to be a point of the plot
Counts = dict[int, tuple[int, int]]


def real(chain: Chain, index: Path, source: str, still: bool) -> Counts:
    """(read right, shown) by plate width in px, of a source's scenes with one labelled plate.

    Each scene is shrunk until its plate is so wide.
    """
    least = chain.manifest["recogniser"]["confidence_min"]
    pictures = [
        p
        for p in read_index(index, {source})
        if len(p.plates) == 1 and p.plates[0].get("text") and p.plates[0].get("width")
    ]
    out = {}
    for width in WIDTHS_PX:
        right = shown = 0
        for picture in pictures:
            scale = width / picture.plates[0]["width"]
            if scale > 1.0:
                continue
            small = cv2.resize(picture.luma(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            wanted = folded(picture.plates[0]["text"])
            shown += 1
            right += any(folded(r.read.text) == wanted and r.confidence >= least for r in chain.look(small, still))
        if shown:
            out[width] = (right, shown)
    return out


def rendered(
    chain: Chain,
    pool: PlatePool,
    scenes: Scenes,
    chosen: list[int],
    level: float,
    still: bool,
    legible: float = LEGIBLE,
    seed: int = 2,
) -> Counts:
    """(read right, shown) by plate width in px, of a pool's plates through the camera at `level`, 0..1.

    Each is drawn from the width to a quarter more, hangs in a piece of `scenes`, and is found and read by the whole
    chain. What the camera left illegible, less than `legible` of `camera.strokes_left`, is not counted.
    """
    rng = np.random.default_rng(seed)
    out = {}
    for width in WIDTHS_PX:
        right = shown = 0
        for k in chosen:
            canvas, quad, text, _, rows = pool[k]
            wide = np.linalg.norm(quad[1] - quad[0]) > 2.6 * np.linalg.norm(quad[3] - quad[0])
            low, high = (1.0, 1.0) if wide else (0.75, 0.6)  # the camera's own allowance for compact plates
            street = scenes.patch(rng, STREET_ASPECT)
            picture, _, left = street_view(
                canvas, quad, rows, rng, Strength(level, width / low, width * 1.25 / high), street
            )
            if left < legible:
                continue
            shown += 1
            right += any(folded(r.read.text) == folded(text) for r in chain.look(picture, still))
        out[width] = (right, shown)
    return out


def kinds(pool: PlatePool, each: int) -> dict[str, list[int]]:
    """Places of a pool's plates by kind, at most `each`."""
    out: dict[str, list[int]] = {
        "Italian, one row": [],
        "Italian, two rows": [],
        "others, one row": [],
        "others, two rows": [],
    }
    italy = COUNTRY_CLASSES.index("IT")
    for k in range(len(pool)):
        _, _, text, country, rows = pool[k]
        name = f"{'Italian' if country == italy else 'others'}, {'one row' if rows == 1 else 'two rows'}"
        if text and len(out[name]) < each:
            out[name].append(k)
    return out


def draw(lines: dict[str, Counts], path: Path) -> None:
    """Plots each line's share over width, with 95 % intervals, into a PNG; what too few plates say is left out."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for name, counts in lines.items():
        widths = [w for w in sorted(counts) if counts[w][1] >= DRAWN_MIN]
        share = [100 * counts[w][0] / counts[w][1] for w in widths]
        low, high = zip(*(interval(*counts[w]) for w in widths), strict=True)
        axes.plot(widths, share, marker="o", markersize=3, label=name)
        axes.fill_between(widths, [100 * v for v in low], [100 * v for v in high], alpha=0.12)
    axes.set_xlabel("plate width, px")
    axes.set_ylabel("read right, %")
    axes.set_xscale("log")
    axes.set_xticks(WIDTHS_PX, [str(w) for w in WIDTHS_PX])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
    with Image.open(path) as plot:  # a third of the bytes: the repository keeps every plot for ever
        small = plot.convert("RGB").quantize(64)
    small.save(path, optimize=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    data_dir_argument(parser)
    index_argument(parser, "dev")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder with manifest.toml")
    parser.add_argument("--pool", default="held_out", help="pool of held-out renders under the data folder")
    parser.add_argument("--source", default="oab_eu", help="source of the real scenes")
    parser.add_argument("--each", type=int, default=600, help="rendered plates a kind")
    parser.add_argument("--level", type=float, default=0.0, help="hardness of the rendered plates' camera, 0..1")
    parser.add_argument(
        "--legible",
        type=float,
        default=LEGIBLE,
        help="share of a rendered plate's strokes that the camera must have left, 0..1",
    )
    parser.add_argument(
        "--as-frames", action="store_true", help="search each picture once, as the daemon does with a frame"
    )
    parser.add_argument("--plot", type=Path, help="PNG to write")
    a = parser.parse_args()
    chain, pool, scenes = Chain(a.models), PlatePool(a.data / a.pool), Scenes(a.index, use="evaluate")
    lines = {f"real scenes ({a.source})": real(chain, a.index, a.source, not a.as_frames)}
    for name, chosen in tqdm(kinds(pool, a.each).items(), leave=False):
        lines[f"rendered: {name}"] = rendered(chain, pool, scenes, chosen, a.level, not a.as_frames, a.legible)
    print("| px | " + " | ".join(lines) + " |\n|" + "---|" * (len(lines) + 1))
    for width in WIDTHS_PX:
        print(
            f"| {width} | "
            + " | ".join(
                f"{100 * c[width][0] / c[width][1]:.1f} % of {c[width][1]}" if width in c and c[width][1] else "–"
                for c in lines.values()
            )
            + " |"
        )
    print(f"\nfrom {GOAL_PX} px on:")
    for name, counts in lines.items():
        right, shown = (sum(c[k] for width, c in counts.items() if width >= GOAL_PX) for k in (0, 1))
        if shown:
            low, high = interval(right, shown)
            print(f"{name}: {100 * right / shown:.2f} % of {shown} (95 %: {100 * low:.1f}-{100 * high:.1f})")
    if a.plot:
        draw(lines, a.plot)


if __name__ == "__main__":
    main()
