"""The detector: luma picture to a map of plate centres and the four corners at each, stride 8."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .recogniser import Residual, conv, still

STRIDE_PX = 8
OFFSET_SCALE_PX = 16.0
COMPACT_MAX = 2.4  # width to height of a plate with two rows, at most


class Detector(nn.Module):
    """Centre logits [N, 1, H/8, W/8] and corner offsets in px [N, 8, H/8, W/8] of luma f32 [N, 1, H, W].

    Luma is 0..255; H and W are multiples of 32. Offsets run from the cell's centre ((j + 0.5) * 8, (i + 0.5) * 8): TLx
    TLy TRx TRy BRx BRy BLx BLy.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(2, 16, stride=(2, 2)), conv(16, 28, stride=(2, 2)))
        self.at_8 = nn.Sequential(conv(28, 40, stride=(2, 2)), Residual(40))
        self.at_16 = nn.Sequential(conv(40, 72, stride=(2, 2)), Residual(72), still(Residual(72)))
        self.at_32 = nn.Sequential(
            conv(72, 96, stride=(2, 2)), Residual(96), conv(96, 96), still(Residual(96)), still(Residual(96))
        )
        self.from_32 = conv(96, 64, (1, 1))
        self.from_16 = conv(72, 64, (1, 1))
        self.smooth_16 = nn.Sequential(conv(64, 64), conv(64, 48, (1, 1)))
        self.from_8 = conv(40, 48, (1, 1))
        self.head = conv(48, 48)
        self.heat = nn.Conv2d(48, 1, 1)
        self.quad = nn.Conv2d(48, 8, 1)
        nn.init.constant_(self.heat.bias, -4.0)
        with torch.no_grad():
            self.quad.weight.mul_(0.1)
            self.quad.bias.copy_(torch.tensor([-2.0, -0.6, 2.0, -0.6, 2.0, 0.6, -2.0, 0.6]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Centre logits and corner offsets in px: see the class."""
        x = x * (1 / 255.0)
        x = torch.cat([x, (x * 6.0).clamp(max=1.0)], 1)  # the second channel keeps the dark legible
        c8 = self.at_8(self.stem(x))
        c16 = self.at_16(c8)
        c32 = self.at_32(c16)
        p16 = self.smooth_16(
            self.from_16(c16) + functional.interpolate(self.from_32(c32), scale_factor=2.0, mode="nearest")
        )
        p8 = self.head(self.from_8(c8) + functional.interpolate(p16, scale_factor=2.0, mode="nearest"))
        return self.heat(p8), self.quad(p8) * OFFSET_SCALE_PX


class Exported(nn.Module):
    """The net as shipped: u8 in, probability out."""

    def __init__(self, net: Detector) -> None:
        super().__init__()
        self.net = net

    def forward(self, luma: Tensor) -> tuple[Tensor, Tensor]:
        """Luma u8 [N, 1, H, W] to centre probabilities [N, 1, H/8, W/8] and corner offsets in px [N, 8, H/8, W/8]."""
        heat, quad = self.net(luma.float())
        return heat.sigmoid(), quad


def cell_centres(rows: int, columns: int) -> Tensor:
    """f32 [2, rows, columns]: x and y in input px of each cell's centre."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return (torch.stack([x, y]).float() + 0.5) * STRIDE_PX


def targets(
    quads: list[Tensor], rows: int, columns: int, smallest_px: float, unseen: list[Tensor] | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training maps of one picture's quads f32 [4, 2], for R rows and C columns of cells.

    Gives centre heat f32 [1, R, C], 0..1; corner targets f32 [8, R, C] in px; the weight of each cell's corners f32 [R,
    C]; and the weight of each cell's heat f32 [1, R, C], which is 0 on plates narrower than `smallest_px` and on those
    that nobody can see (`unseen`).
    """
    heat = torch.zeros(1, rows, columns)
    corners = torch.zeros(8, rows, columns)
    corner_weight = torch.zeros(rows, columns)
    heat_weight = torch.ones(1, rows, columns)
    centres = cell_centres(rows, columns)
    for k, quad in enumerate([*quads, *(unseen or [])]):
        low, high = quad.min(0).values, quad.max(0).values
        width, height = (high - low).tolist()
        middle = quad.mean(0)
        d = centres - middle[:, None, None]
        if width < smallest_px or k >= len(quads):
            near = (d[0].abs() < width / 2 + 8) & (d[1].abs() < height / 2 + 8)
            heat_weight[0][near] = 0.0
            continue
        sx, sy = max(width * 0.16, 5.0), max(height * 0.22, 4.5)
        bump = torch.exp(-0.5 * ((d[0] / sx) ** 2 + (d[1] / sy) ** 2))
        nearest = (d[0] ** 2 + d[1] ** 2).flatten().argmin()
        bump.view(-1)[nearest] = torch.maximum(bump.view(-1)[nearest], torch.tensor(0.95))
        stronger = (bump > heat[0]) & (bump > 0.35)
        heat[0] = torch.maximum(heat[0], bump)
        offsets = (quad[:, :, None, None] - centres[None]).reshape(8, rows, columns)
        corners = torch.where(stronger, offsets, corners)
        corner_weight = torch.where(stronger, bump, corner_weight)
    return heat, corners, corner_weight, heat_weight


def heat_loss(logits: Tensor, heat: Tensor, weight: Tensor) -> Tensor:
    """Focal loss towards soft targets, per plate: cells that are right already count little."""
    p = logits.sigmoid()
    focus = (heat - p).abs() ** 1.5  # at 2, background at 0.3 hardly counts and false finds stay
    loss = functional.binary_cross_entropy_with_logits(logits, heat, reduction="none") * focus * weight
    return loss.sum() / heat.amax((2, 3)).gt(0.5).sum().clamp(min=1).float().mul(4).clamp(min=4)


def corner_loss(predicted: Tensor, wanted: Tensor, weight: Tensor, exact: Tensor) -> Tensor:
    """Error of the corners where they are known (`exact` [N, R, C]), else of the upright box, in plate heights.

    True corners weigh more, those of compact (two-row) plates most: their upright boxes, which real pictures have,
    teach to cut upright.
    """
    n, _, r, c = predicted.shape
    p = predicted.permute(0, 2, 3, 1).reshape(n, r, c, 4, 2)[weight > 0]
    t = wanted.permute(0, 2, 3, 1).reshape(n, r, c, 4, 2)[weight > 0]
    if not len(p):
        return predicted.sum() * 0.0
    w, e = weight[weight > 0], exact[weight > 0]
    low_t, high_t = t.amin(1), t.amax(1)
    size = (high_t - low_t).clamp(min=4.0)
    unit = torch.stack([size[:, 0] * 0.3 + size[:, 1] * 0.3, size[:, 1]], 1)
    # Of the slanted plate itself: its upright box is far higher.
    plate_height = (t[:, 3] - t[:, 0]).norm(dim=1).clamp(min=4.0)[:, None, None]
    corners = functional.smooth_l1_loss(p / plate_height, t / plate_height, reduction="none", beta=0.05).mean((1, 2))
    low_p, high_p = p.amin(1), p.amax(1)
    sides = (
        functional.smooth_l1_loss(low_p / unit, low_t / unit, reduction="none", beta=0.05)
        + functional.smooth_l1_loss(high_p / unit, high_t / unit, reduction="none", beta=0.05)
    ).mean(1)
    inter = (torch.minimum(high_p, high_t) - torch.maximum(low_p, low_t)).clamp(min=0).prod(1)
    union = (high_p - low_p).clamp(min=0).prod(1) + size.prod(1) - inter
    iou = inter / union.clamp(min=1.0)
    compact = (t[:, 1] - t[:, 0]).norm(dim=1) < COMPACT_MAX * plate_height[:, 0, 0]
    each = torch.where(e > 0.5, corners * torch.where(compact, 4.0, 2.5), sides) + 0.5 * (1 - iou)
    return (each * w).sum() / w.sum()
