"""Prints the model card's tables in Markdown: figures by source, int8 beside fp32, speed, calibration.

Run: python -m train.judge.report --help
"""

import argparse
import time
from pathlib import Path

import numpy as np

from ..draw.camera import Strength, view
from ..draw.pool import PlatePool
from ..paths import MODELS, data_dir_argument, index_argument
from ..read.chain import Chain
from ..read.countries import COUNTRY_CLASSES
from .evaluate import Score, evaluate, interval


def percent(value: object) -> str:
    """A share as per cent, or a dash."""
    return "–" if value is None else f"{100 * float(value):.1f} %"  # type: ignore[arg-type]


def table(shipped: dict[str, Score], exact: dict[str, Score] | None) -> list[str]:
    """A row a source; the last columns are the float nets' figures."""
    head = (
        "| source | images | boxes | recall 0.5 | recall 0.3 | precision | texts | exact | exact, folded | 95 % | CER |"
    )
    if exact:
        head += " fp32: recall 0.3 | fp32: precision | fp32: exact, folded |"
    out = [head, "|" + "---|" * (head.count("|") - 1)]
    for name, score in shipped.items():
        r = score.row()
        low, high = interval(score.exact_folded, score.texts)
        found = [percent(r[key]) for key in ("recall_50", "recall_30", "precision")]
        between = f"{100 * low:.1f}–{100 * high:.1f} %" if score.texts else "–"
        read = [score.texts, score.exact, score.exact_folded, between, percent(r["cer"])]
        cells = [name, score.images, score.boxes, *found, *read]
        if exact:
            f = exact[name].row()
            cells += [percent(f["recall_30"]), percent(f["precision"]), f["exact_folded"]]
        out.append("| " + " | ".join(map(str, cells)) + " |")
    return out


def calibration(scores: dict[str, Score], bins: int = 10) -> float:
    """Expected calibration error of the reads' confidence over all labelled plates."""
    sure = np.array([pair for s in scores.values() for pair in s.sure], np.float64).reshape(-1, 2)
    if not len(sure):
        return 0.0
    which = np.minimum((sure[:, 0] * bins).astype(int), bins - 1)
    return float(
        sum(
            abs(sure[which == k, 0].mean() - sure[which == k, 1].mean()) * (which == k).mean()
            for k in range(bins)
            if (which == k).any()
        )
    )


def countries(chain: Chain, pool: PlatePool, rng: np.random.Generator, count: int = 3000) -> list[str]:
    """How often the country is right on held-out renders, 100 px and wider: a Markdown table.

    How often an Italian plate is told from a French one is in it.
    """
    hits: dict[str, list[bool]] = {}
    for k in range(min(count, len(pool))):
        canvas, quad, text, country, rows = pool[k]
        if not text or COUNTRY_CLASSES[country] == "XX":
            continue
        plate = view(canvas, quad, rng, Strength(0.0, 100.0 if rows == 1 else 134.0, 200.0 if rows == 1 else 334.0))
        (where,) = chain.recogniser.run(["country"], {"plates": plate[None, None]})
        best, code = COUNTRY_CLASSES[int(where[0].argmax())], COUNTRY_CLASSES[country]
        hits.setdefault("all", []).append(best == code)
        if code in ("IT", "FR", "DE", "SK", "CZ", "PL", "UA", "CH", "AT"):
            hits.setdefault(code, []).append(best == code)
    return ["| country, held-out renders | plates | right |", "|---|---|---|"] + [
        f"| {name} | {len(h)} | {percent(np.mean(h))} |" for name, h in sorted(hits.items())
    ]


def unread(scores: dict[str, Score]) -> str:
    """How often a read was wrong, how often withheld: «cannot read» must take the wrong ones first."""
    sure = [pair for s in scores.values() for pair in s.sure]
    lines = ["| least confidence | read | of them wrong | withheld although right |", "|---|---|---|---|"]
    for least in (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        told = [right for confidence, right in sure if confidence >= least]
        kept_back = sum(right for confidence, right in sure if confidence < least)
        lines.append(
            f"| {least} | {len(told)} of {len(sure)} | {percent(1 - np.mean(told) if told else None)} | {kept_back} |"
        )
    return "\n".join(lines)


def speed(chain: Chain, runs: int = 60) -> tuple[float, float, float, float]:
    """Milliseconds a run on one thread: the detector's least and median, then the recogniser's.

    The detector gets 768 x 448 px, the recogniser one plate.
    """
    out: list[float] = []
    for net, feed in (
        (chain.detector, {"luma": np.full((1, 1, 448, 768), 90, np.uint8)}),
        (chain.recogniser, {"plates": np.full((1, 1, 48, 160), 90, np.uint8)}),
    ):
        times = []
        for _ in range(runs):
            begun = time.perf_counter()
            net.run(None, feed)
            times.append(1000 * (time.perf_counter() - begun))
        out += [min(times), float(np.median(times))]
    return out[0], out[1], out[2], out[3]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    data_dir_argument(parser)
    index_argument(parser, "dev")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder with manifest.toml")
    parser.add_argument(
        "--float-models",
        type=Path,
        help="folder of an export with --float detector --float recogniser, to compare with",
    )
    parser.add_argument("--pool", default="held_out", help="pool of held-out renders under the data folder")
    parser.add_argument(
        "--smallest", type=float, default=0.0, help="boxes and finds narrower than this many px count neither way"
    )
    parser.add_argument(
        "--also", type=Path, action="append", default=[], help="another index, such as the harder copies"
    )
    a = parser.parse_args()
    folders = [a.models] + ([a.float_models] if a.float_models else [])
    results = []
    for folder in folders:
        scores: dict[str, Score] = {}
        for index in (a.index, *a.also):
            scores |= evaluate(folder, index, None, None, a.smallest)
        results.append(scores)
    print("\n".join(table(results[0], results[1] if len(results) > 1 else None)))
    print(f"\nExpected calibration error of a read's confidence, all labelled plates: {calibration(results[0]):.3f}.\n")
    print(unread({name: score for name, score in results[0].items() if name != "oab_us"}) + "\n")
    print("\n".join(countries(Chain(a.models), PlatePool(a.data / a.pool), np.random.default_rng(2))))
    print("\n| nets | detector, ms least | median | recogniser, ms least | median |\n|---|---|---|---|---|")
    for name, folder in zip(("shipped", "fp32"), folders, strict=False):
        print(f"| {name} | " + " | ".join(f"{v:.2f}" for v in speed(Chain(folder))) + " |")


if __name__ == "__main__":
    main()
