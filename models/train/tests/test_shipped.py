"""The shipped files: manifest, hashes, shapes, golden tensors."""

import numpy as np

from train.paths import MODELS
from train.read import manifest
from train.read.chain import Chain
from train.read.countries import ALPHABET
from train.read.decode import STEPS, greedy
from train.read.runtime import session


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
    characters, country, plate = session(MODELS / r["file"]).run(
        [r["characters"], r["country"], r["plate"]], {r["input"]: golden("plates")}
    )
    assert characters.shape[1:] == (STEPS, len(ALPHABET) + 1)
    assert country.shape[1] == len(r["countries"])
    assert np.abs(characters.sum(2) - 1).max() < 1e-3
    assert np.abs(characters - golden("characters")).max() < 0.05
    assert np.abs(country - golden("country")).max() < 0.05
    assert plate.shape == (len(characters), 1)
    assert np.abs(plate - golden("plate")).max() < 0.05


def test_the_chain_finds_and_reads_the_golden_plates_in_their_picture() -> None:
    wanted = {greedy(steps).text for steps in golden("characters")[:6]}
    for still in (False, True):
        reads = {read.read.text for read in Chain(MODELS).look(golden("luma")[0, 0], still)}
        right = wanted & reads
        assert len(right) >= 4, (still, wanted, reads)
