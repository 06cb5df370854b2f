"""Pictures that the detector is taught with, made of a drawn scene: no photograph is needed."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from train.draw.canvas import Scenes, compose, lettering
from train.draw.fonts import Face
from train.draw.plate import draw_plate
from train.draw.pool import PlatePool
from train.draw.scenes import sample
from train.draw.strokes import random_style
from train.read.countries import COUNTRIES

SIZE = (416, 320)


def write_pool(folder: Path, words: bool) -> PlatePool:
    rng = np.random.default_rng(2)
    faces = [Face("drawn", False, False, style=random_style(rng))]
    canvases, notes = [], []
    for country in COUNTRIES[:12]:
        plate = draw_plate(country, faces, rng)
        canvas, quad = lettering(None, faces, rng) if words else compose(plate, None, faces, rng)
        canvases.append(canvas)
        text = "" if words else plate.text
        notes.append({"text": text, "country": -1, "rows": 0 if words else plate.rows, "quad": quad.tolist()})
    folder.mkdir()
    np.save(folder / "a.npy", np.stack(canvases))
    (folder / "a.json").write_text(json.dumps(notes))
    return PlatePool(folder)


@pytest.fixture
def made(tmp_path: Path) -> tuple[Scenes, PlatePool, PlatePool]:
    """A scene of grey noise with one labelled plate, a pool of plates and one of words."""
    picture = np.random.default_rng(1).integers(60, 160, (480, 640), dtype=np.uint8)
    picture[200:230, 300:400] = 230
    cv2.imwrite(str(tmp_path / "scene.png"), picture)
    plate = {"x": 300, "y": 200, "width": 100, "height": 30}
    row = {"path": "scene.png", "source": "drawn", "kind": "scene", "use": "train", "plates": [plate]}
    (tmp_path / "index.jsonl").write_text(json.dumps(row) + "\n")
    return Scenes(tmp_path / "index.jsonl"), write_pool(tmp_path / "pool", False), write_pool(tmp_path / "words", True)


def test_every_plate_of_a_picture_lies_in_it_and_is_told_whole(made: tuple[Scenes, PlatePool, PlatePool]) -> None:
    scenes, pool, words = made
    count = 0
    for seed in range(60):
        picture, quads, exact, seen = sample(scenes, pool, SIZE, np.random.default_rng(seed), words)
        assert (picture.shape, picture.dtype) == (SIZE[::-1], np.uint8)
        assert len(quads) == len(exact) == len(seen)
        count += len(quads)
        for quad in quads:
            assert quad.shape == (4, 2)
            centre = quad.mean(0)
            assert np.all(centre >= 0)
            assert np.all(centre <= SIZE)
            top, left = quad[1] - quad[0], quad[3] - quad[0]
            assert top[0] * left[1] - top[1] * left[0] > 0, "corners run clockwise from the upper left"
    assert count > 60


def test_words_are_pasted_and_are_no_plate(
    made: tuple[Scenes, PlatePool, PlatePool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.draw.scenes._light", lambda image, _: image)
    monkeypatch.setattr("train.draw.scenes._timestamp", lambda *_: None)
    scenes, pool, words = made
    lettered = 0
    for seed in range(40):
        plain, quads, *_ = sample(scenes, pool, SIZE, np.random.default_rng(seed))
        with_words, same, *_ = sample(scenes, pool, SIZE, np.random.default_rng(seed), words)
        assert np.array_equal(quads, same)
        changed = plain != with_words
        lettered += changed.any()
        for quad in quads:
            low, high = np.ceil(quad.min(0)).astype(int), np.floor(quad.max(0)).astype(int)
            assert not changed[max(0, low[1]) : max(0, high[1]), max(0, low[0]) : max(0, high[0])].any()
    assert 5 < lettered < 35
