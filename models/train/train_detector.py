"""Trains the detector, resuming where it was. Run: python -m train.train_detector --help

Every `--check` steps it searches pictures marked `evaluate`, which choose the checkpoint, and redraws the loss plot.
"""

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from . import checkpoint
from .detector import Detector, corner_loss, heat_loss
from .indexes import Picture, box_quad, read_index
from .paths import SHARED, data_dir_argument, index_argument
from .quads import Found, Rules, decode, match, prepare
from .scenes import SceneBatches


def find(net: Detector, luma: np.ndarray, rules: Rules) -> list[Found]:
    """Plates in a luma picture u8 [H, W]."""
    picture, sx, sy = prepare(luma, rules)
    with torch.inference_mode():
        heat, quad = net(torch.from_numpy(picture).float().contiguous(memory_format=torch.channels_last))
    return decode(heat.sigmoid().numpy(), quad.numpy(), sx, sy, rules)


def judge(net: Detector, pictures: list[Picture], rules: Rules, smallest_px: float = 16.0) -> tuple[float, float, float]:
    """Recall at IoU 0.5 and at 0.3, and precision at 0.3; plates narrower than `smallest_px` at the net's scale count neither way."""
    hits_50 = hits_30 = plates = right = found_count = 0
    for picture in pictures:
        luma = picture.luma()
        scale = min(rules.long_side_px / max(luma.shape), rules.enlarge_max)
        boxes = [p for p in picture.plates if p.get("width")]
        true = [np.concatenate([box_quad(p).min(0), box_quad(p).max(0)]) for p in boxes]
        big = [p["width"] * scale >= smallest_px for p in boxes]
        found = find(net, luma, rules)
        pairs = match([f.box() for f in found], true, 0.3)
        pairs_50 = match([f.box() for f in found], true, 0.5)
        small_found = {i for i, j in pairs if not big[j]}
        plates += sum(big)
        hits_30 += sum(big[j] for _, j in pairs)
        hits_50 += sum(big[j] for _, j in pairs_50)
        right += sum(big[j] for _, j in pairs)
        found_count += len(found) - len(small_found)
    return hits_50 / max(1, plates), hits_30 / max(1, plates), right / max(1, found_count)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    data_dir_argument(parser)
    index_argument(parser)
    parser.add_argument("--dev", type=Path, default=SHARED / "dev.jsonl", help="index whose pictures choose the checkpoint")
    parser.add_argument("--pool", default="pool", help="folder of rendered plates to paste")
    parser.add_argument("--run", default="detector", help="name of the checkpoint and its log")
    parser.add_argument("--start", type=Path, help="weights to start from when there is no checkpoint")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--minutes", type=float, help="end by the clock instead of by steps")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--width", type=int, default=416, help="px of a training picture, a multiple of 32")
    parser.add_argument("--height", type=int, default=320)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--check", type=int, default=400)
    parser.add_argument("--judged", type=int, default=70, help="pictures a source at each check")
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    net = Detector().to(memory_format=torch.channels_last)
    average = checkpoint.Average(net, 0.998)
    optimiser = torch.optim.AdamW(net.parameters(), a.rate, weight_decay=0.02)
    path = a.data / "checkpoints" / f"{a.run}.pt"
    step = 0
    if path.exists():
        step = checkpoint.load(path, net, average, optimiser)
    elif a.start:
        checkpoint.load(a.start, net, average)
        average.steps = 0
    data = SceneBatches(a.index, a.data / a.pool, a.batch, a.width, a.height, a.seed + step)
    batches = iter(DataLoader(data, batch_size=None, num_workers=a.workers, prefetch_factor=4 if a.workers else None))
    judged = {name: read_index(a.dev, {name})[: a.judged] for name in ("openimages_gl", "oab_eu", "oab_us")}
    losses: list[tuple[float, float]] = []
    begun = time.time()
    schedule = checkpoint.Schedule(step, a.steps, a.minutes, a.rate)
    for step in tqdm(itertools.count(step), initial=step, total=None if a.minutes else a.steps, mininterval=10):
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        pictures, heat, corners, weight, heat_weight, exact = next(batches)
        with torch.autocast("cpu", torch.bfloat16):
            logits, offsets = net(pictures.float().contiguous(memory_format=torch.channels_last))
        of_heat = heat_loss(logits.float(), heat, heat_weight)
        of_corners = corner_loss(offsets.float(), corners, weight, exact)
        optimiser.zero_grad(set_to_none=True)
        (of_heat + of_corners).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        average.update(net)
        losses.append((of_heat.item(), of_corners.item()))
        over = schedule.over(step + 1)
        if (step + 1) % a.check == 0 or over:
            mean = np.mean(losses, 0)
            line: dict[str, float | int | str] = {"step": step + 1, "seconds": round(time.time() - begun), "heat": round(float(mean[0]), 4), "corners": round(float(mean[1]), 4)}
            for name, pictures_of in judged.items():
                for key, value in zip(("r50", "r30", "precision"), judge(average.net, pictures_of, Rules())):
                    line[f"{name}_{key}"] = round(value, 3)
            losses.clear()
            checkpoint.save(path, net, average, optimiser, step + 1, line)
            checkpoint.log(path.with_suffix(".jsonl"), line)
            tqdm.write(str(line))
        if over:
            break


if __name__ == "__main__":
    main()
