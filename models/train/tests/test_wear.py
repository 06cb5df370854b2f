"""Dirt and screws leave a plate its text. No picture and no weights are needed."""

from dataclasses import replace

import numpy as np
import pytest

from train.draw.fonts import Face
from train.draw.strokes import italian_style
from train.draw.wear import LEANING_MAX, Glyph, Spot, leaning, wear

WHITE, INK = (230, 230, 230), (25, 25, 25)
HEIGHT_PX = 72


def face() -> Face:
    return Face("test", False, False, style=italian_style(np.random.default_rng(3)))


def placed(char: str) -> Glyph:
    return Glyph(char, 40.0, 20.0, face().mask(char).shape[1], HEIGHT_PX)


def between(one: str, other: str) -> Spot:
    """A dark spot where `other` has ink and `one` has none, both with the same left side."""
    width = placed(one).width_px
    missing = face().mask(other)[:, :width].astype(int) - face().mask(one)[:, : face().mask(other).shape[1]].astype(int)
    ys, xs = np.nonzero(missing > 200)
    return Spot(40 + int(xs.mean()), 20 + int(ys.mean()), 9, INK)


@pytest.mark.parametrize(("one", "other"), [("C", "G"), ("P", "R"), ("F", "E")])
def test_a_spot_in_place_of_the_missing_stroke_leans_to_the_other(one: str, other: str) -> None:
    assert leaning([placed(one)], face(), (WHITE, INK), [between(one, other)]) > LEANING_MAX


def test_a_spot_elsewhere_or_in_the_paint_it_lies_on_leans_nowhere() -> None:
    beyond, on_a_stem = Spot(150, 110, 6, INK), Spot(44, 56, 3, INK)
    assert leaning([placed("H")], face(), (WHITE, INK), [beyond]) == 0.0
    assert leaning([placed("H")], face(), (WHITE, INK), [on_a_stem]) < 0.08
    assert leaning([placed("C")], face(), (WHITE, INK), [replace(between("C", "G"), colour=WHITE)]) < 0.08


def test_a_dark_plate_is_judged_by_its_own_paints() -> None:
    spot = between("C", "G")
    light = replace(spot, colour=WHITE)
    assert leaning([placed("C")], face(), (INK, WHITE), [light]) > LEANING_MAX
    assert leaning([placed("C")], face(), (INK, WHITE), [spot]) < 0.08


def test_wear_is_drawn_again_until_the_text_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([[between("C", "G")], [Spot(150, 110, 4, INK)]])
    monkeypatch.setattr("train.draw.wear._screws", lambda *_: next(drawn))
    picture = np.full((120, 160, 3), 230, np.uint8)
    wear(picture, [placed("C")], face(), (WHITE, INK), np.random.default_rng(2), two=True)
    assert picture[110, 150, 0] < 60, "the second draw is painted"
    assert picture[between("C", "G").y, between("C", "G").x, 0] > 100, "the first is not"
