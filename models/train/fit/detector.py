"""Trains the detector, resuming where it was. Run: python -m train.fit.detector --help

Every `--check` steps it searches pictures marked `evaluate`, which choose the checkpoint, and redraws the loss plot.
"""

import numpy as np
import torch
from torch.utils.data import DataLoader

from ..indexes import Picture, box_quad, read_index
from ..nets.detector import Detector, corner_loss, heat_loss
from ..paths import index_argument
from ..read.quads import Rules, find, match, scale_of
from .loop import Figures, Training, arguments
from .scenes import SceneBatches


def maps(net: torch.nn.Module, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heat, as probability, and offsets of an input u8 [1, 1, H, W]."""
    with torch.inference_mode():
        heat, quad = net(torch.from_numpy(picture).float().contiguous(memory_format=torch.channels_last))
    return heat.sigmoid().numpy(), quad.numpy()


def judge(
    net: torch.nn.Module, pictures: list[Picture], rules: Rules, smallest_px: float = 16.0
) -> tuple[float, float, float]:
    """Recall at IoU 0.5 and at 0.3, and precision at 0.3, each 0..1.

    Plates narrower than `smallest_px` at the net's scale count neither way.
    """
    hits_50 = hits_30 = plates = right = found_count = 0
    for picture in pictures:
        luma = picture.luma()
        scale = scale_of(luma, rules)
        boxes = [p for p in picture.plates if p.get("width")]
        true = [np.concatenate([box_quad(p).min(0), box_quad(p).max(0)]) for p in boxes]
        big = [p["width"] * scale >= smallest_px for p in boxes]
        found = find(lambda picture: maps(net, picture), luma, rules)
        pairs = match([f.box() for f in found], true, 0.3)
        pairs_50 = match([f.box() for f in found], true, 0.5)
        small_found = {i for i, j in pairs if not big[j]}
        plates += sum(big)
        hits_30 += sum(big[j] for _, j in pairs)
        hits_50 += sum(big[j] for _, j in pairs_50)
        right += sum(big[j] for _, j in pairs)
        found_count += len(found) - len(small_found)
    return hits_50 / max(1, plates), hits_30 / max(1, plates), right / max(1, found_count)


def losses(net: torch.nn.Module, batch: tuple) -> tuple[torch.Tensor, Figures]:
    """The loss of a batch of `SceneBatches`, and its parts."""
    pictures, heat, corners, weight, heat_weight, exact = batch
    with torch.autocast("cpu", torch.bfloat16):
        logits, offsets = net(pictures.float().contiguous(memory_format=torch.channels_last))
    of_heat = heat_loss(logits.float(), heat, heat_weight)
    of_corners = corner_loss(offsets.float(), corners, weight, exact)
    return of_heat + of_corners, {"heat": of_heat.item(), "corners": of_corners.item()}


def main() -> None:
    """Command line."""
    parser = arguments(__doc__, run="detector", batch=16, check=400)
    index_argument(parser)
    parser.add_argument("--pool", default="pool", help="folder of rendered plates to paste")
    parser.add_argument("--words", help="folder of words and other things that are no plate, to paste as such")
    parser.add_argument("--width", type=int, default=416, help="px of a training picture, a multiple of 32")
    parser.add_argument("--height", type=int, default=320)
    parser.add_argument("--judged", type=int, default=70, help="pictures a source at each check")
    a = parser.parse_args()
    training = Training(a, Detector())
    data = SceneBatches(
        a.index,
        a.data / a.pool,
        a.batch,
        a.width,
        a.height,
        a.seed + training.step,
        a.data / a.words if a.words else None,
    )
    batches = iter(DataLoader(data, batch_size=None, num_workers=a.workers, prefetch_factor=4 if a.workers else None))
    judged = {name: read_index(a.dev, {name})[: a.judged] for name in ("openimages_gl", "oab_eu", "oab_us")}

    def figures(net: torch.nn.Module) -> Figures:
        return {
            f"{name}_{key}": value
            for name, pictures in judged.items()
            for key, value in zip(("r50", "r30", "precision"), judge(net, pictures, Rules()), strict=True)
        }

    training.run(batches, losses, figures, clip=5.0)


if __name__ == "__main__":
    main()
