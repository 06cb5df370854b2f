"""Drawn plates: they say what is said of them, and the same seed draws the same."""

from functools import lru_cache

import numpy as np
import pytest

from train.draw.fonts import Face
from train.draw.plate import draw_plate
from train.draw.strokes import random_style
from train.read.countries import ALPHABET, COUNTRIES, Country


@lru_cache(maxsize=1)
def faces() -> list[Face]:
    rng = np.random.default_rng(1)
    return [Face(f"drawn-{k}", False, k == 1, style=random_style(rng)) for k in range(3)]


@pytest.mark.parametrize("country", COUNTRIES, ids=lambda c: c.code)
def test_a_seed_draws_the_same_plate_and_another_one_another(country: Country) -> None:
    some = faces()
    one, same, other = (draw_plate(country, some, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert one.text == same.text
    assert np.array_equal(one.face, same.face)
    assert other.face.shape != one.face.shape or not np.array_equal(other.face, one.face)


@pytest.mark.parametrize("two", [False, True])
def test_a_plate_has_the_rows_and_characters_that_it_says(two: bool) -> None:
    for seed, country in enumerate(COUNTRIES):
        plate = draw_plate(country, faces(), np.random.default_rng(seed), two_row=two)
        assert plate.rows == 1 + two
        aspect = plate.face.shape[1] / plate.face.shape[0]
        assert aspect < 2.0 if two else aspect > 1.8, country.code
        assert plate.text
        assert set(plate.text) <= set(ALPHABET)
        assert plate.face.dtype == np.uint8
        assert plate.face.shape[2] == 3


def test_no_character_of_a_plate_leaves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("train.draw.plate.wear", lambda face, glyphs, *_: seen.append((face.shape, glyphs)))
    for seed in range(3):
        for country in COUNTRIES:
            plate = draw_plate(country, faces(), np.random.default_rng(seed))
            (height, width, _), glyphs = seen.pop()
            assert "".join(g.char for g in glyphs) == plate.text
            for g in glyphs:
                assert g.x >= -1
                assert g.y >= -1
                assert g.x + g.width_px <= width + 1
                assert g.y + g.height_px <= height + 1


def test_a_given_layout_is_what_the_plate_says() -> None:
    italy = next(c for c in COUNTRIES if c.code == "IT")
    plate = draw_plate(italy, faces(), np.random.default_rng(1), layout="AB=/12345")
    assert (plate.text, plate.rows) == ("AB12345", 2)
