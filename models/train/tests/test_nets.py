"""The nets in training: what they are taught, and that training goes on from what is shipped. Needs PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: it takes 6 GB; `train/setup` installs it")
pytest.importorskip("onnx", reason="onnx is not installed: `train/setup` installs it")

from train.nets import shipped
from train.nets.detector import STRIDE_PX, targets
from train.nets.recogniser import Exported, Recogniser
from train.paths import MODELS
from train.read import manifest
from train.read.decode import greedy
from train.read.quads import Rules, decode


def golden_tensor(name: str) -> np.ndarray:
    return np.load(MODELS / "golden" / f"{name}.npy")


def test_targets_decode_back_to_the_same_quad() -> None:
    quad = np.array([[100, 60], [180, 70], [178, 92], [98, 82]], np.float32)
    heat, corners, _, _ = targets([torch.from_numpy(quad)], 20, 40, 11.0)
    found = decode(heat.numpy()[None], corners.numpy()[None], 1.0, 1.0, Rules())
    assert len(found) == 1
    assert np.allclose(found[0].quad, quad, atol=1e-3)


def test_a_tiny_plate_is_neither_plate_nor_background() -> None:
    quad = torch.tensor([[100.0, 60], [108, 60], [108, 63], [100, 63]])
    heat, _, _, weight = targets([quad], 20, 40, 11.0)
    assert heat.max() == 0
    assert weight.min() == 0


def test_no_plate_is_background_everywhere() -> None:
    heat, _, corner_weight, heat_weight = targets([], 4, 5, 11.0)
    assert heat.shape == (1, 4, 5)
    assert heat.max() == 0
    assert corner_weight.max() == 0
    assert heat_weight.min() == 1
    assert Rules().stride_px == STRIDE_PX


def test_training_can_go_on_from_the_shipped_file() -> None:
    net = Recogniser()
    shipped.read_into(net, MODELS / manifest.read(MODELS)["recogniser"]["file"])
    shipped.keep_folded(net)
    assert not any(m.training for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d))
    with torch.inference_mode():
        characters, _, _, corners = Exported(net)(torch.from_numpy(golden_tensor("plates")))
    assert [greedy(p).text for p in characters.numpy()] == [greedy(p).text for p in golden_tensor("characters")]
    assert np.abs(corners.numpy() - golden_tensor("corners")).max() < 0.05
