"""The shipped files: manifest, hashes, shapes, golden tensors."""

import numpy as np
import torch

from train import manifest, shipped
from train.decode import greedy
from train.fonts import ALPHABET
from train.paths import MODELS
from train.recogniser import STEPS, Exported, Recogniser
from train.runtime import session


def golden(name: str) -> np.ndarray:
    return np.load(MODELS / "golden" / f"{name}.npy")


def test_the_manifest_names_files_with_these_hashes() -> None:
    shipped = manifest.read(MODELS)
    assert shipped["recogniser"]["alphabet"] == ALPHABET
    assert sum((MODELS / shipped[part]["file"]).stat().st_size for part in ("detector", "recogniser")) < 6_000_000


def test_the_detector_gives_its_golden_tensors() -> None:
    d = manifest.read(MODELS)["detector"]
    heat, quad = session(MODELS / d["file"]).run([d["heat"], d["quad"]], {d["input"]: golden("luma")})
    assert heat.shape[2:] == quad.shape[2:] == tuple(n // d["stride_px"] for n in golden("luma").shape[2:])
    assert np.abs(heat - golden("heat")).max() < 0.02
    assert np.abs(quad - golden("quad"))[:, :, heat[0, 0] > 0.3].max(initial=0.0) < 1.0


def test_the_recogniser_gives_its_golden_tensors() -> None:
    r = manifest.read(MODELS)["recogniser"]
    characters, country, plate = session(MODELS / r["file"]).run([r["characters"], r["country"], r["plate"]], {r["input"]: golden("plates")})
    assert characters.shape[1:] == (STEPS, len(ALPHABET) + 1) and country.shape[1] == len(r["countries"])
    assert np.abs(characters.sum(2) - 1).max() < 1e-3
    assert np.abs(characters - golden("characters")).max() < 0.05 and np.abs(country - golden("country")).max() < 0.05
    assert plate.shape == (len(characters), 1) and np.abs(plate - golden("plate")).max() < 0.05


def test_training_can_go_on_from_the_shipped_file() -> None:
    net = Recogniser()
    shipped.read_into(net, MODELS / manifest.read(MODELS)["recogniser"]["file"])
    shipped.keep_folded(net)
    assert not any(m.training for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d))
    with torch.inference_mode():
        characters, _, _, corners = Exported(net)(torch.from_numpy(golden("plates")))
    assert [greedy(p).text for p in characters.numpy()] == [greedy(p).text for p in golden("characters")]
    assert np.abs(corners.numpy() - golden("corners")).max() < 0.05
