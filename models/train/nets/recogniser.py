"""The recogniser: grey plate to characters (CTC over two bands of columns) and country.

The last feature map has 2 rows of 40 columns. The sequence is the upper row's columns, then the lower row's, so one net
reads one-row and two-row plates without being told which it has.
"""

import torch
from torch import Tensor, nn

from ..read.countries import COUNTRY_CLASSES
from ..read.decode import CLASSES
from ..read.rectify import HEIGHT_PX, MARGIN_X, MARGIN_Y, WIDTH_PX


def conv(
    inputs: int, outputs: int, kernel: tuple[int, int] = (3, 3), stride: tuple[int, int] = (1, 1)
) -> nn.Sequential:
    """Convolution, batch norm, ReLU; padded to keep the size at stride 1."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, (kernel[0] // 2, kernel[1] // 2), bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two 3 x 3 convolutions round a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = conv(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """Features f32 [N, width, h, w], not below 0, of the same."""
        return torch.relu(x + self.second(self.first(x)))


def still(block: Residual) -> Residual:
    """The block, doing nothing at first: put into a trained net it leaves what that has learnt as it is."""
    norm = block.second[1]
    assert isinstance(norm, nn.BatchNorm2d)
    nn.init.zeros_(norm.weight)
    return block


class Recogniser(nn.Module):
    """What a straightened plate f32 [N, 1, 48, 160], luma 0..255, says: characters, country, if it is one, corners.

    Gives character logits [N, 80, 37], country logits [N, C], the logit of its being a plate at all [N, 1], and the
    plate's corners in the picture [N, 8]: TLx TLy TRx TRy BRx BRy BLx BLy, 0..1 from the upper left, a little outside
    too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(1, 24, stride=(2, 2)), conv(24, 40))  # 24 x 80
        self.body = nn.Sequential(
            conv(40, 72, stride=(2, 2)),  # 12 x 40
            Residual(72),
            conv(72, 104, stride=(2, 1)),  # 6 x 40
            Residual(104),
            conv(104, 128, stride=(2, 1)),  # 3 x 40
            still(Residual(128)),
        )
        self.fine = still(Residual(104))
        # To 2 bands of 40 columns.
        self.bands = nn.Sequential(
            nn.Conv2d(128, 128, (2, 3), (1, 1), (0, 1), bias=False), nn.BatchNorm2d(128), nn.ReLU(inplace=True)
        )
        self.mix = nn.Sequential(conv(256, 128, (1, 5)), conv(128, 256, (1, 5)))
        self.characters = nn.Conv2d(128, CLASSES, 1)
        self.country = nn.Sequential(
            nn.Linear(256 * 5, 96), nn.ReLU(inplace=True), nn.Dropout(0.1), nn.Linear(96, len(COUNTRY_CLASSES))
        )
        self.plate = nn.Sequential(nn.Linear(256 * 5, 32), nn.ReLU(inplace=True), nn.Linear(32, 1))

        self.corners = nn.Sequential(nn.Linear(256 * 5, 64), nn.ReLU(inplace=True), nn.Linear(64, 8))
        last = self.corners[2]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():  # begins where a quad without fault has them
            x, y = MARGIN_X / (1 + 2 * MARGIN_X), MARGIN_Y / (1 + 2 * MARGIN_Y)
            last.weight.mul_(0.1)
            last.bias.copy_(torch.tensor([x, y, 1 - x, y, 1 - x, 1 - y, x, 1 - y]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of characters, country and plate, and the corners: see the class."""
        mean = x.mean((2, 3), keepdim=True)
        spread = (x - mean).square().mean((2, 3), keepdim=True).sqrt()
        x = (x - mean) / (spread + 1.0)
        x = self.fine(self.body[:4](self.stem(x)))
        x = self.bands(self.body[4:](x))
        n, c, rows, columns = x.shape
        flat = x.permute(0, 2, 1, 3).reshape(n, rows * c, 1, columns)
        flat = flat + self.mix(flat)
        x = flat.reshape(n, rows, c, columns).permute(0, 2, 1, 3)
        logits = self.characters(x).flatten(2).transpose(1, 2)
        pooled = flat.reshape(n, rows * c, 5, columns // 5).mean(3).flatten(1)
        return logits, self.country(pooled), self.plate(pooled), self.corners(pooled)


class Exported(nn.Module):
    """The net as shipped: u8 in, probabilities out."""

    def __init__(self, net: Recogniser) -> None:
        super().__init__()
        self.net = net

    def forward(self, plates: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Plates u8 [N, 1, 48, 160] to probabilities [N, 80, 37], [N, C], [N, 1], and corners [N, 8]."""
        logits, country, plate, corners = self.net(plates.float())
        return logits.softmax(2), country.softmax(1), plate.sigmoid(), corners


def blank_input(count: int = 1) -> Tensor:
    """An input of the right shape, u8 [count, 1, 48, 160]."""
    return torch.full((count, 1, HEIGHT_PX, WIDTH_PX), 128, dtype=torch.uint8)
