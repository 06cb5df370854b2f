"""Trains the recogniser, resuming where it was. Run: python -m train.fit.recogniser --help

Every `--check` steps it reads the labelled `evaluate` crops, which choose the checkpoint, and redraws the loss plot.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader

from .. import indexes
from ..draw.pool import COUNTRY_UNKNOWN, TEXT_UNKNOWN
from ..nets import shipped
from ..nets.recogniser import Recogniser
from ..read.decode import BLANK, STEPS, folded, greedy
from .loop import Figures, Training, arguments
from .plates import CameraBatches, fixed_views


def reads(net: torch.nn.Module, plates: torch.Tensor) -> list[str]:
    """Texts of u8 [N, 1, 48, 160]."""
    out = []
    with torch.inference_mode():
        for part in plates.split(128):
            probabilities = net(part.float().contiguous(memory_format=torch.channels_last))[0].softmax(2).numpy()
            out += [greedy(p).text for p in probabilities]
    return out


def labelled_crops(index: Path, source: str, limit: int) -> tuple[torch.Tensor, list[str]]:
    """Straightened boxes u8 [N, 1, 48, 160] with their texts (see `indexes.labelled_crops`)."""
    plates, texts = indexes.labelled_crops(index, source, limit)
    return torch.from_numpy(plates), texts


def exact(net: torch.nn.Module, plates: torch.Tensor, texts: list[str]) -> float:
    """Share of texts read right, O as 0 and I as 1."""
    found = reads(net, plates)
    return float(np.mean([folded(a) == folded(b) for a, b in zip(found, texts, strict=True)])) if texts else 0.0


def losses(net: torch.nn.Module, batch: tuple) -> tuple[torch.Tensor, Figures]:
    """The loss of a batch of `CameraBatches`, and its parts."""
    plates, labels, lengths, countries, weights, corners, corner_weights = batch
    with torch.autocast("cpu", torch.bfloat16):
        logits, country, plate, seen = net(plates.float().contiguous(memory_format=torch.channels_last))
    steps = torch.full((len(plates),), STEPS)
    packed = torch.cat([row[:n] for row, n in zip(labels, lengths.tolist(), strict=True)])
    each = functional.ctc_loss(
        logits.float().log_softmax(2).transpose(0, 1),
        packed,
        steps,
        lengths,
        blank=BLANK,
        zero_infinity=True,
        reduction="none",
    ) / lengths.clamp(min=1)
    # Words that are no plate hold letters: to call them blank would teach to drop letters.
    told = weights * ~(lengths.eq(0) & countries.lt(0))
    text_loss = (each * told).sum() / told.sum()
    country_loss = functional.cross_entropy(
        country.float(), countries.clamp(min=COUNTRY_UNKNOWN), ignore_index=COUNTRY_UNKNOWN, label_smoothing=0.05
    )
    plate_loss = functional.binary_cross_entropy_with_logits(
        plate.float()[:, 0], (lengths.gt(0) | countries.eq(TEXT_UNKNOWN)).float()
    )
    off = functional.smooth_l1_loss(seen.float(), corners, reduction="none", beta=0.02).mean(1)
    corner_loss = (off * corner_weights).sum() / corner_weights.sum().clamp(min=1.0)
    parts = {
        "loss": text_loss.item(),
        "country_loss": country_loss.item(),
        "plate_loss": plate_loss.item(),
        "corner_loss": corner_loss.item(),
    }
    return text_loss + 0.08 * country_loss + 0.2 * plate_loss + 3.0 * corner_loss, parts


def main() -> None:
    """Command line."""
    parser = arguments(__doc__, run="recogniser", batch=160, check=250)
    parser.add_argument("--pool", action="append", default=[], help="NAME=SHARE of a pool folder; several may be given")
    parser.add_argument("--held-out", default="held_out", help="pool of held-out renders to check with")
    parser.add_argument("--level", type=float, default=1.0, help="hardness of the camera, 0..1")
    a = parser.parse_args()
    net = Recogniser()
    if a.start and a.start.suffix == ".onnx":
        shipped.read_into(net, a.start)
        a.start = None
    training = Training(a, net)
    shipped.keep_folded(net)
    pools = [(a.data / name, float(share)) for name, share in (p.split("=") for p in a.pool or ["pool=1"])]
    data = CameraBatches(pools, a.batch, a.seed + training.step, a.level)
    batches = iter(DataLoader(data, batch_size=None, num_workers=a.workers, prefetch_factor=6 if a.workers else None))
    judges = {name: labelled_crops(a.dev, name, 400) for name in ("oab_eu", "oab_us", "eu_crops", "eu2_crops_moto")}
    for name, level in (("rendered", 0.0), ("rendered_hard", 1.0)):
        judges[name] = fixed_views(a.data / a.held_out, 400, 5, level)
    training.run(batches, losses, lambda net: {name: exact(net, *judge) for name, judge in judges.items()}, clip=3.0)


if __name__ == "__main__":
    main()
