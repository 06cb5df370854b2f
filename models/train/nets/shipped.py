"""The recogniser's weights out of its shipped int8 file, to train on from where no checkpoint was kept."""

import itertools
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from .recogniser import Recogniser


def read_into(net: Recogniser, path: Path) -> None:
    """Loads the weights of an int8 `recogniser.onnx` into `net`.

    The export has folded each batch norm into its convolution. It comes back as a shift alone: see `keep_folded`.
    """
    graph = onnx.load(path).graph
    tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    dequantised = {n.output[0]: n.input for n in graph.node if n.op_type == "DequantizeLinear"}

    def values(name: str) -> torch.Tensor:
        if name in tensors:
            return torch.from_numpy(tensors[name].astype(np.float32))
        whole, scale, zero = (tensors[x] for x in dequantised[name])
        shape = [-1] + [1] * (whole.ndim - 1) if scale.ndim else []
        return torch.from_numpy(
            (whole.astype(np.float32) - zero.astype(np.float32).reshape(shape)) * scale.reshape(shape)
        )

    modules = dict(net.named_modules())
    norms = {
        a: b
        for block in modules.values()
        if isinstance(block, nn.Sequential)
        for a, b in itertools.pairwise(block)
        if isinstance(b, nn.BatchNorm2d)
    }
    loaded = set()
    with torch.no_grad():
        for node in graph.node:
            if node.op_type not in ("Conv", "Gemm"):
                continue
            name = _module(node.name)
            module = modules[name]
            module.weight.copy_(values(node.input[1]))
            shift = values(node.input[2])
            norm = norms.get(module)
            if norm is None:
                module.bias.copy_(shift)
            else:
                norm.weight.fill_(1.0)
                norm.bias.copy_(shift)
                norm.running_mean.zero_()
                norm.running_var.fill_(1.0 - norm.eps)
            loaded.add(name)
    lacking = {n for n, m in modules.items() if isinstance(m, nn.Conv2d | nn.Linear)} - loaded
    if lacking:
        raise SystemExit(
            f"{path}: has no weights for {', '.join(sorted(lacking))}: it is no recogniser of this trainer"
        )


def keep_folded(net: nn.Module) -> None:
    """Keeps batch norms that are folded into their convolutions out of training's mode.

    A batch's statistics would undo what the weights hold.
    """
    for norm in net.modules():
        if (
            isinstance(norm, nn.BatchNorm2d)
            and not norm.running_mean.any()
            and norm.running_var.eq(1.0 - norm.eps).all()
        ):
            norm.eval()


def _module(node: str) -> str:
    """A node's module as the trainer names it.

    `/net/stem/stem.0/stem.0.0/Conv` is stem.0.0, `/net/body.1/first/first.0/Conv` is body.1.first.0.
    """
    parts: list[str] = []
    for part in node.split("/")[2:-1]:
        if parts and part.startswith(parts[-1] + "."):
            parts[-1] = part
        else:
            parts.append(part)
    return ".".join(parts)
