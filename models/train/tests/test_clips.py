"""The demo clip's truth is where its vehicles' plates are drawn."""

import json

import cv2
import numpy as np
import pytest

from train.draw.clip import FPS, HEIGHT_PX, PASSES, WIDTH_PX, Mover, background
from train.paths import MODELS

TRUTH = MODELS.parent / "deploy" / "clips" / "street.json"
SEED = 5  # that the shipped clip was drawn with
OFF_FRAMES = 8  # how far the truth may be off: plates have been drawn a little differently since


def test_the_shipped_truth_is_that_of_the_passes_drawn_again() -> None:
    truth = json.loads(TRUTH.read_text())
    assert (truth["fps"], len(truth["plates"])) == (FPS, len(PASSES))
    rng = np.random.default_rng(SEED)
    scene = background(rng).astype(np.float32)
    for p, told in zip(PASSES, truth["plates"], strict=True):
        mover = Mover(p, rng, 1.0)
        first, last = told["first_frame"], told["last_frame"]
        for frame in (first - OFF_FRAMES, first + OFF_FRAMES, last - OFF_FRAMES, last + OFF_FRAMES):
            mover.draw(scene.copy(), frame)
        again = mover.truth()
        assert (again["text"], again["country"]) == (told["text"], told["country"])
        assert (again["first_frame"], again["last_frame"]) == (first + OFF_FRAMES, last - OFF_FRAMES)
        assert again["width_px"][0] >= told["width_px"][0]
        assert again["width_px"][1] <= told["width_px"][1]


def test_a_plate_is_noted_where_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    mover = Mover(PASSES[0], np.random.default_rng(SEED), 1.0)
    only_plate = np.zeros_like(mover.levels[0])
    x, y, width, height = mover.vehicle.plate_box
    only_plate[y : y + height, x : x + width] = 255
    mover.levels = [cv2.resize(only_plate, level.shape[1::-1], interpolation=cv2.INTER_AREA) for level in mover.levels]
    noted = []
    monkeypatch.setattr(mover, "_note", lambda _, matrix, level, __: noted.append(matrix * [0.5**level, 0.5**level, 1]))
    picture = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.float32)
    mover.draw(picture, 100)
    (matrix,) = noted
    left, top = matrix @ (x, y + height / 2, 1)
    right, bottom = matrix @ (x + width, y + height / 2, 1)
    rows, columns = np.nonzero(picture[..., 0] > 128)
    assert abs(left - columns.min()) <= 2
    assert abs(right - columns.max()) <= 2
    assert abs((top + bottom) / 2 - rows.mean()) <= 2
