"""Checkpoints, running averages of weights, the learning rate and the live loss plot of both trainings."""

import copy
import json
import math
import os
import signal
import time
from pathlib import Path

import torch
from torch import nn


class Average:
    """Exponential moving average of a net's weights (EMA); batch norm statistics are averaged alike."""

    def __init__(self, net: nn.Module, decay: float = 0.999) -> None:
        self.net = copy.deepcopy(net).eval()
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """One step towards `net`; the decay warms up so that early weights are soon forgotten."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (20 + self.steps))
        for mine, new in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(new, 1 - decay)
            else:
                mine.copy_(new)


class Schedule:
    """When to stop and at what rate to learn: by steps, or by the clock where `minutes` is given.

    SIGTERM ends it too.
    """

    def __init__(self, step: int, steps: int, minutes: float | None, peak: float, warm: int = 150) -> None:
        self.first, self.steps, self.minutes, self.peak, self.warm = step, steps, minutes, peak, warm
        self.begun = time.monotonic()
        self.stopped = False
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def share(self, step: int) -> float:
        """How much of the training is done, 0..1."""
        if self.minutes is not None:
            return min(1.0, (time.monotonic() - self.begun) / (60 * self.minutes))
        return min(1.0, step / max(1, self.steps))

    def over(self, step: int) -> bool:
        """Whether `step`, just done, was the last."""
        return self.stopped or self.share(step) >= 1.0

    def rate(self, step: int) -> float:
        """Learning rate: a short linear warm-up after each start, then half a cosine to a hundredth of the peak."""
        warm = min(1.0, (step - self.first + 1) / self.warm)
        return self.peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.share(step))))


def save(
    path: Path, net: nn.Module, average: Average, optimiser: torch.optim.Optimizer, step: int, note: dict[str, object]
) -> None:
    """Writes a checkpoint beside `path` and renames it, so that a kill leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(
        {
            "net": net.state_dict(),
            "average": average.net.state_dict(),
            "average_steps": average.steps,
            "optimiser": optimiser.state_dict(),
            "step": step,
            "note": note,
        },
        part,
    )
    os.replace(part, path)


def load(path: Path, net: nn.Module, average: Average, optimiser: torch.optim.Optimizer | None = None) -> int:
    """Reads a full checkpoint, or a shipped one that has the averaged weights alone; gives the step."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    weights = {k: v.float() if v.dtype == torch.float16 else v for k, v in state["average"].items()}
    missing = net.load_state_dict(state.get("net", weights), strict=True).missing_keys
    average.net.load_state_dict(weights, strict=True)
    if missing:
        print(f"{path.name} lacks {', '.join(missing)}: they start anew")
    average.steps = state.get("average_steps", 10**6)
    if optimiser is not None and "optimiser" in state and not missing:
        optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])


def log(path: Path, line: dict[str, float | int | str]) -> None:
    """Appends a line to the training's JSONL log and redraws the plot beside it."""
    with path.open("a") as out:
        out.write(json.dumps(line) + "\n")
    plot(path)


def plot(path: Path) -> None:
    """Draws every series of the log over steps into a PNG of the same name."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = [json.loads(text) for text in path.read_text().splitlines()]
    keys = [k for k in lines[-1] if k not in ("step", "seconds") and isinstance(lines[-1][k], (int, float))]
    figure, axes = pyplot.subplots(len(keys), 1, figsize=(8, 2 * len(keys)), sharex=True, squeeze=False)
    for axis, key in zip(axes[:, 0], keys, strict=True):
        axis.plot([line["step"] for line in lines if key in line], [line[key] for line in lines if key in line])
        axis.set_ylabel(key)
    axes[-1, 0].set_xlabel("step")
    figure.tight_layout()
    figure.savefig(path.with_suffix(".png"))
    pyplot.close(figure)
