"""Trains the recogniser, resuming where it was. Run: python -m train.train_recogniser --help

Every `--check` steps it reads the labelled `evaluate` crops, which choose the checkpoint, and redraws the loss plot.
"""

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader
from tqdm import tqdm

from . import checkpoint, indexes
from .decode import folded, greedy
from .paths import SHARED, data_dir_argument
from .plates import CameraBatches, fixed_views
from .recogniser import BLANK, STEPS, Recogniser


def reads(net: Recogniser, plates: torch.Tensor) -> list[str]:
    """Texts of u8 [N, 1, 48, 160]."""
    out = []
    with torch.inference_mode():
        for part in plates.split(128):
            probabilities = net(part.float().contiguous(memory_format=torch.channels_last))[0].softmax(2).numpy()
            out += [greedy(p).text for p in probabilities]
    return out


def exact(net: Recogniser, plates: torch.Tensor, texts: list[str]) -> float:
    """Share of texts read right, O as 0 and I as 1."""
    found = reads(net, plates)
    return float(np.mean([folded(a) == folded(b) for a, b in zip(found, texts)])) if texts else 0.0


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    data_dir_argument(parser)
    parser.add_argument("--dev", type=Path, default=SHARED / "dev.jsonl", help="index whose pictures choose the checkpoint")
    parser.add_argument("--pool", action="append", default=[], help="NAME=SHARE of a pool folder; several may be given")
    parser.add_argument("--run", default="recogniser", help="name of the checkpoint and its log")
    parser.add_argument("--start", type=Path, help="weights to start from when there is no checkpoint")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--minutes", type=float, help="end by the clock instead of by steps")
    parser.add_argument("--batch", type=int, default=160)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--level", type=float, default=1.0, help="hardness of the camera, 0..1")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--check", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    net = Recogniser().to(memory_format=torch.channels_last)
    average = checkpoint.Average(net, 0.998)
    optimiser = torch.optim.AdamW(net.parameters(), a.rate, weight_decay=0.02)
    path = a.data / "checkpoints" / f"{a.run}.pt"
    step = 0
    if path.exists():
        step = checkpoint.load(path, net, average, optimiser)
    elif a.start:
        checkpoint.load(a.start, net, average)
        average.steps = 0
    pools = [(a.data / name, float(share)) for name, share in (p.split("=") for p in a.pool or ["pool=1"])]
    batches = iter(DataLoader(CameraBatches(pools, a.batch, a.seed + step, a.level), batch_size=None, num_workers=a.workers, prefetch_factor=6 if a.workers else None))
    judges = {name: indexes.labelled_crops(a.dev, name, 400) for name in ("oab_eu", "oab_us", "eu_crops", "eu2_crops_moto")}
    for name, level in (("rendered", 0.0), ("rendered_hard", 1.0)):
        judges[name] = fixed_views(a.data / "held_out", 400, 5, level)
    losses: list[float] = []
    begun = time.time()
    schedule = checkpoint.Schedule(step, a.steps, a.minutes, a.rate)
    for step in tqdm(itertools.count(step), initial=step, total=None if a.minutes else a.steps, mininterval=10):
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        plates, labels, lengths, countries = next(batches)
        with torch.autocast("cpu", torch.bfloat16):
            logits, country, plate = net(plates.float().contiguous(memory_format=torch.channels_last))
        steps = torch.full((len(plates),), STEPS)
        packed = torch.cat([row[:n] for row, n in zip(labels, lengths.tolist())])
        text_loss = functional.ctc_loss(logits.float().log_softmax(2).transpose(0, 1), packed, steps, lengths, blank=BLANK, zero_infinity=True)
        country_loss = functional.cross_entropy(country.float(), countries, ignore_index=-1, label_smoothing=0.05)
        plate_loss = functional.binary_cross_entropy_with_logits(plate.float()[:, 0], lengths.gt(0).float())
        loss = text_loss + 0.08 * country_loss + 0.2 * plate_loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 3.0)
        optimiser.step()
        average.update(net)
        losses.append(text_loss.item())
        over = schedule.over(step + 1)
        if (step + 1) % a.check == 0 or over:
            line: dict[str, float | int | str] = {"step": step + 1, "seconds": round(time.time() - begun), "loss": round(float(np.mean(losses)), 4), "country_loss": round(country_loss.item(), 3), "plate_loss": round(plate_loss.item(), 4)}
            line |= {name: round(exact(average.net, *judge), 4) for name, judge in judges.items()}
            losses.clear()
            checkpoint.save(path, net, average, optimiser, step + 1, line)
            checkpoint.log(path.with_suffix(".jsonl"), line)
            tqdm.write(str(line))
        if over:
            break


if __name__ == "__main__":
    main()
