"""The frame of both trainings: arguments, resuming, the loop, checks, the log and its plot."""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ..paths import SHARED, data_dir_argument
from . import checkpoint

Figures = dict[str, float]


def arguments(description: str | None, run: str, batch: int, check: int) -> argparse.ArgumentParser:
    """The arguments that both trainings take."""
    parser = argparse.ArgumentParser(description=description)
    data_dir_argument(parser)
    parser.add_argument(
        "--dev", type=Path, default=SHARED / "dev.jsonl", help="index whose pictures choose the checkpoint"
    )
    parser.add_argument("--run", default=run, help="name of the checkpoint and its log")
    parser.add_argument(
        "--start",
        type=Path,
        help="weights to start from when there is no checkpoint; the recogniser's may be its shipped .onnx",
    )
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--minutes", type=float, help="end by the clock instead of by steps")
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--check", type=int, default=check, help="steps between checks")
    parser.add_argument("--seed", type=int, default=1)
    return parser


class Training:
    """A net in training, resumed from its checkpoint if there is one. One thread; the other core feeds it."""

    def __init__(self, a: argparse.Namespace, net: nn.Module) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(a.seed)
        self.a = a
        self.net = net.to(memory_format=torch.channels_last)
        self.average = checkpoint.Average(self.net, 0.998)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), a.rate, weight_decay=0.02)
        self.path = a.data / "checkpoints" / f"{a.run}.pt"
        self.step = 0
        if self.path.exists():
            self.step = checkpoint.load(self.path, self.net, self.average, self.optimiser)
        elif a.start:
            checkpoint.load(a.start, self.net, self.average)
            self.average.steps = 0

    def run(
        self,
        batches: Iterator,
        losses: Callable[[nn.Module, tuple], tuple[torch.Tensor, Figures]],
        judge: Callable[[nn.Module], Figures],
        clip: float,
    ) -> None:
        """Trains to the end of the schedule.

        `losses` gives a batch's loss and its parts, `judge` the averaged net's figures. Gradients longer than `clip`
        are cut.
        """
        a, parts, begun = self.a, [], time.time()
        schedule = checkpoint.Schedule(self.step, a.steps, a.minutes, a.rate)
        for step in tqdm(
            itertools.count(self.step), initial=self.step, total=None if a.minutes else a.steps, mininterval=10
        ):
            for group in self.optimiser.param_groups:
                group["lr"] = schedule.rate(step)
            loss, figures = losses(self.net, next(batches))
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), clip)
            self.optimiser.step()
            self.average.update(self.net)
            parts.append(figures)
            over = schedule.over(step + 1)
            if (step + 1) % a.check == 0 or over:
                line: dict[str, float | int | str] = {"step": step + 1, "seconds": round(time.time() - begun)}
                line |= {key: round(float(np.mean([p[key] for p in parts])), 4) for key in figures}
                line |= {key: round(value, 4) for key, value in judge(self.average.net).items()}
                parts.clear()
                checkpoint.save(self.path, self.net, self.average, self.optimiser, step + 1, line)
                checkpoint.log(self.path.with_suffix(".jsonl"), line)
                tqdm.write(str(line))
            if over:
                break
